"""Published versions are signed, and `verify` and `pull` find what is not as it was signed."""

import json
import sys
from pathlib import Path

import pytest

from sediff.errors import UserError
from sediff.files import read_json, write_json
from sediff.lineage.dvc_hash import Cache, md5_file
from sediff.publication.manifest import MANIFEST, read_manifest
from sediff.publication.signature import FILE, public_key, sign, signer_of, signing_key
from sediff.publication.verify import verify_version
from sediff.publication.versions import find_version
from tests.pipeline.clone import MAIN, command
from tests.pipeline.nightly import copied, said

ROWS = "data/synthesis/dataset/rows.txt"


@pytest.fixture(scope="module")
def published(first_version, tmp_path_factory) -> Path:
    """A project whose first version is published."""
    return copied(first_version.checkout, tmp_path_factory.mktemp("signed"))


def faults(project: Path, version: str = "v0.0.1") -> dict[str, str]:
    found = verify_version(project, find_version(project, version, "ecg"), (), raw=True).faults
    return {fault.what: fault.why for fault in found}


def objects(project: Path) -> list[Path]:
    """Where cache and remote have the dataset's one file."""
    md5 = md5_file(project / ".sediff/published" / ROWS)
    return [Cache(project).path(md5), project.parent / "store/files/md5" / md5[:2] / md5[2:]]


def test_a_version_is_what_was_signed(published, tmp_path):
    result = command(published, sys.executable, "-c", MAIN, "verify", "ecg@v0.0.1")
    assert result.returncode == 0, result.stdout + result.stderr
    key, new = signing_key(published)
    assert not new
    assert f"signed by {public_key(key)}" in result.stdout
    assert "all as it was recorded" in result.stdout
    assert (published / FILE).stat().st_mode & 0o077 == 0, "nobody else may read the key"
    assert not list((published / ".sediff").glob("version-*"))
    assert public_key(key) in said(published, sys.executable, "-c", MAIN, "pull", "ecg", str(tmp_path / "there"))


def test_dvc_alone_brings_it_and_sha256sum_checks_it(published, tmp_path):
    get = (sys.executable, "-m", "dvc", "get", "-q", "--rev", "ecg@v0.0.1", "-o", str(tmp_path / "there"))
    said(published, *get, str(published), "data/synthesis/dataset")
    hashes = json.loads(said(published, "git", "show", f"ecg@v0.0.1:{MANIFEST}"))["dataset"]
    (tmp_path / "sums").write_text("".join(f"{sha256}  {name}\n" for name, sha256 in hashes.items()))
    check = ("sha256sum", "--strict", "--quiet", "-c", str(tmp_path / "sums"))
    said(tmp_path / "there", *check)
    with (tmp_path / "there/rows.txt").open("ab") as rows:
        rows.write(b"!")
    assert command(tmp_path / "there", *check).returncode == 1


def test_a_changed_byte_is_named_and_a_missing_file_fetched(published, tmp_path):
    cached, at_remote = objects(published)
    content = cached.read_bytes()
    try:
        cached.chmod(0o644)
        cached.write_bytes(content[:-1] + b"!")
        assert ROWS in faults(published)
        cached.unlink()
        assert faults(published) == {}
        assert cached.read_bytes() == content, "it came from the remote"
        cached.unlink()
        said(published, sys.executable, "-c", MAIN, "pull", "v0.0.1", str(tmp_path / "there"))
        assert (tmp_path / "there/rows.txt").read_bytes() == content
        cached.unlink()
        at_remote.rename(tmp_path / "away")
        assert "is missing" in faults(published)[ROWS] or "is not the file" in faults(published)[ROWS]
    finally:
        if (tmp_path / "away").exists():
            (tmp_path / "away").rename(at_remote)
        cached.unlink(missing_ok=True)
        cached.write_bytes(content)


def test_a_damaged_object_is_named_and_fetched_again_unless_the_remote_has_no_better(published, tmp_path):
    cached, at_remote = objects(published)
    content = cached.read_bytes()

    def damage(path: Path) -> None:
        path.chmod(0o644)
        path.write_bytes(content[:-1] + b"!")
        path.chmod(0o444)  # DVC takes what is protected for whole

    pull = (sys.executable, "-c", MAIN, "pull", "v0.0.1")
    try:
        damage(cached)
        result = command(published, *pull, str(tmp_path / "there"))
        assert (result.returncode, "fetched again: rows.txt" in result.stderr) == (0, True), result.stderr
        assert (tmp_path / "there/rows.txt").read_bytes() == cached.read_bytes() == content
        damage(cached)
        damage(at_remote)
        result = command(published, *pull, str(tmp_path / "elsewhere"))
        assert (result.returncode, "What came is not ecg@v0.0.1" in result.stderr) == (1, True), result.stderr
        assert not list(tmp_path.glob("*elsewhere*"))
    finally:
        for path in (cached, at_remote):
            path.unlink(missing_ok=True)
            path.write_bytes(content)


def test_who_may_sign_is_said_in_params(published):
    version = find_version(published, "v0.0.1", "ecg")
    own = public_key(signing_key(published)[0])
    assert read_manifest(published, version, (own,))[1] == f"signed by {own}"
    with pytest.raises(UserError, match=r"whom publication\.signers .* does not name"):
        read_manifest(published, version, ("0" * 64,))


def test_a_tag_that_was_moved_and_a_manifest_that_was_changed_are_refused(published):
    author = ("-c", "user.name=t", "-c", "user.email=t@t")
    said(published, "git", *author, "tag", "-a", "ecg@v0.0.2", "-m", "x", "ecg@v0.0.1^{}")
    folder = published / ".sediff/published"
    try:
        with pytest.raises(UserError, match=r"has the manifest of ecg@v0\.0\.1"):
            faults(published, "v0.0.2")
        write_json(folder / MANIFEST, read_json(folder / MANIFEST) | {"version": "ecg@v0.0.2"})
        said(folder, "git", *author, "commit", "-qam", "x")
        said(folder, "git", *author, "tag", "-f", "-a", "ecg@v0.0.2", "-m", "x")
        with pytest.raises(UserError, match="is not valid"):
            faults(published, "v0.0.2")
        (folder / "params.yaml").write_text((folder / "params.yaml").read_text() + "\n# more\n")
        said(folder, "git", "checkout", "-q", "ecg@v0.0.1", "--", "runs")
        write_json(folder / MANIFEST, read_json(folder / MANIFEST) | {"version": "ecg@v0.0.2"})
        line = sign((folder / MANIFEST).read_bytes(), signing_key(published)[0])
        (folder / "runs/publication.sig").write_text(line)
        said(folder, "git", *author, "commit", "-qam", "x")
        said(folder, "git", *author, "tag", "-f", "-a", "ecg@v0.0.2", "-m", "x")
        assert faults(published, "v0.0.2") == {"ecg@v0.0.2": "its commit has other files than were signed"}
    finally:
        said(folder, "git", "reset", "-q", "--hard", "ecg@v0.0.1")
        said(published, "git", "tag", "-d", "ecg@v0.0.2")


def test_a_signature_is_of_one_content_and_one_key(tmp_path, monkeypatch):
    key, new = signing_key(tmp_path)
    assert new
    line = sign(b"content", key)
    assert signer_of(b"content", line) == public_key(key)
    assert signer_of(b"contenT", line) == ""
    assert signer_of(b"content", line.replace(public_key(key), "0" * 64)) == ""
    assert signer_of(b"content", "") == ""
    monkeypatch.setenv("SEDIFF_SIGNING_KEY", str(tmp_path / "none.pem"))
    with pytest.raises(UserError, match=r"none\.pem holds no Ed25519 key"):
        signing_key(tmp_path)
