"""The signed manifest of a version: which project, which results, which dataset, who approved.

It is signed before the commit that holds it, so it names the version, not the commit: a SHA-256 of each of the
dataset's files, of dvc.lock, and one over all other files of the commit.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sediff.errors import UserError
from sediff.files import replacing, sha256_file, sha256_json, write_json
from sediff.lineage.dvc_hash import files_of
from sediff.lineage.graph import DVC_LOCK
from sediff.publication.git import git, git_bytes
from sediff.publication.signature import sign, signer_of
from sediff.publication.versions import DATASET, Version

MANIFEST, SIGNATURE = Path("runs/publication.json"), Path("runs/publication.sig")


def write_manifest(folder: Path, version: str, told: Mapping[str, Any], key: Ed25519PrivateKey) -> None:
    """Write and sign what a worktree, whose index is what will be committed, publishes as a version.

    Args:
        version: NAME@VERSION.
        told: of the refresh: gates, drift, approval.
    """
    names = git(folder, "ls-files", "-z").split("\0")
    manifest = {
        **told,
        "schema_version": 1,
        "version": version,
        "project": project_hash(folder, filter(None, names)),
        str(DVC_LOCK): sha256_file(folder / DVC_LOCK),
        "dataset": dataset_hashes(folder / DATASET),
    }
    write_json(folder / MANIFEST, manifest)
    with replacing(folder / SIGNATURE) as temporary:
        temporary.write_text(sign((folder / MANIFEST).read_bytes(), key), encoding="utf-8")


def project_hash(folder: Path, names: Iterable[str]) -> str:
    """One hash over the names and contents of files, but for the manifest and its signature."""
    own = {MANIFEST.as_posix(), SIGNATURE.as_posix()}
    return sha256_json([[name, sha256_file(folder / name)] for name in sorted(set(names) - own)])


def dataset_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a dataset."""
    return {name: sha256_file(path) for name, path in sorted(files_of(folder).items())}


def read_manifest(root: Path, version: Version, signers: Sequence[str]) -> tuple[dict[str, Any], str]:
    """A version's manifest, whose signature is valid, and a sentence that says whose it is.

    Args:
        signers: public keys that may sign, as hex; none: any may.

    Raises:
        UserError: the version is not signed, by another than those, or the manifest is another's.
    """
    try:
        content = git_bytes(root, "show", f"{version.commit}:{MANIFEST}")
        line = git_bytes(root, "show", f"{version.commit}:{SIGNATURE}").decode("ascii", errors="replace")
    except UserError:
        raise UserError(f"{version} is not signed: whether it is what was published cannot be told.") from None
    signer = signer_of(content, line)
    if not signer:
        raise UserError(f"The signature of {version} is not valid: it is not what was published; do not use it.")
    if signers and signer not in signers:
        raise UserError(
            f"{version} is signed by {signer}, whom publication.signers of params.yaml does not name: ask who that is."
        )
    manifest = json.loads(content)
    if manifest.get("version") != str(version):
        raise UserError(f"The tag {version} has the manifest of {manifest.get('version')}: do not use it.")
    lock = git_bytes(root, "show", f"{version.commit}:{DVC_LOCK}")
    if hashlib.sha256(lock).hexdigest() != manifest[str(DVC_LOCK)]:
        raise UserError(f"dvc.lock of {version} is not the one that was signed: do not use it.")
    known = "" if signers else " (publication.signers of params.yaml names nobody, so anybody may have signed)"
    return manifest, f"signed by {signer}{known}"
