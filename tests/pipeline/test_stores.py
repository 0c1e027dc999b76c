"""What `gc` and `purge` may remove, on small DVC repositories: nothing of other projects, machines or hands."""

import io
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
import yaml

from sediff.errors import UserError
from sediff.exclusions import PATIENT, RECORD, add_exclusions, read_exclusions
from sediff.files import read_json
from sediff.lineage.dvc_hash import Cache, md5_file, md5_of
from sediff.params import set_params
from sediff.pipeline.run import run_pipeline
from sediff.publication.params import RetentionParams
from sediff.publication.publish import needs_publishing
from sediff.publication.purge import plan_purge, purge
from sediff.publication.retention import Collection, collect, plan_collection
from sediff.publication.signature import FILE as SIGNING_KEY
from sediff.publication.store import bring_out
from sediff.publication.versions import revoked, version_of_head, versions
from sediff.publication.withdraw import is_let_go, judges_saw, withdraw
from sediff.publication.workspace import fetch_tags
from tests.objects import fill
from tests.pipeline.bucket import made
from tests.pipeline.clone import ROOT
from tests.pipeline.nightly import said

AUTHOR = ("-c", "user.name=t", "-c", "user.email=t@t")
ALL = RetentionParams()


def commit(project: Path, message: str = "change") -> None:
    said(project, "git", "add", "-A")
    said(project, "git", *AUTHOR, "commit", "-qm", message)


def make(folder: Path) -> Path:
    """A project without a stage that ran, with a remote of git's and one of DVC's beside it."""
    project = folder / "checkout"
    project.mkdir()
    shutil.copytree(
        ROOT / ".dvc", project / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "store", "config.local")
    )
    shutil.copy(ROOT / "params.yaml", project)
    (project / "dvc.yaml").write_text("stages: {}\n")
    (project / ".gitignore").write_text("/.sediff/\n/data/\n/judges/\n__pycache__/\n")
    said(project, "git", "init", "-q", "-b", "main")
    said(folder, "git", "init", "-q", "--bare", "remote.git")
    said(project, "git", "remote", "add", "origin", str(folder / "remote.git"))
    (folder / "store").mkdir()
    said(project, sys.executable, "-m", "dvc", "remote", "add", "-q", "-d", "store", "../store")
    commit(project)
    said(project, "git", "push", "-q", "origin", "main")
    return project


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    return make(tmp_path)


def stored(project: Path, place: Path | None, files: Mapping[str, str | bytes]) -> str:
    """Put a folder's objects into DVC's cache, and into a remote; gives its hash."""
    scratch, listing = project.parent / "scratch", {}
    for path, text in files.items():
        scratch.write_bytes(text if isinstance(text, bytes) else text.encode())
        listing[path] = md5_file(scratch)
        keep(project, place, listing[path], text)
    md5 = md5_of(listing)
    entries = [{"md5": own, "relpath": path} for path, own in sorted(listing.items())]
    keep(project, place, md5, json.dumps(entries, sort_keys=True))
    return md5


def keep(project: Path, place: Path | None, md5: str, text: str | bytes) -> None:
    for folder in filter(None, (Cache(project).folder, place and place / "files/md5")):
        (folder / md5[:2]).mkdir(parents=True, exist_ok=True)
        (folder / md5[:2] / md5[2:]).write_bytes(text if isinstance(text, bytes) else text.encode())


def lock(*stages: tuple[str, dict[str, str], dict[str, str]]) -> dict:
    """A dvc.lock of stages: their names, deps and outs."""
    return {
        "schema": "2.0",
        "stages": {
            name: {
                "cmd": name,
                "deps": [{"path": path, "hash": "md5", "md5": md5} for path, md5 in deps.items()],
                "outs": [{"path": path, "hash": "md5", "md5": md5} for path, md5 in outs.items()],
            }
            for name, deps, outs in stages
        },
    }


def objects(folder: Path) -> set[str]:
    return {path.parent.name + path.name for path in (folder / "files/md5").rglob("*") if path.is_file()}


def test_a_cache_outside_of_the_project_is_asked_about(project, tmp_path):
    (tmp_path / "global").mkdir()
    (tmp_path / "global/config").write_text(f"[cache]\n    dir = {tmp_path / 'shared'}\n")
    assert Cache(project).folder == tmp_path / "shared/files/md5", "as DVC itself reads its settings"
    own = stored(project, None, {"a.txt": "own"})
    others = stored(project, None, {"b.txt": "another project's"})
    (project / "dvc.lock").write_text(yaml.safe_dump(lock(("corpus", {}, {"data/corpus": own}))))
    with pytest.raises(UserError, match=r"lies outside of \.dvc, so other projects may need .* --own-cache"):
        plan_collection(project, ALL)
    found = plan_collection(project, ALL, own_cache=True)
    collect(project, found)
    there = objects(tmp_path / "shared")
    assert (own in there, others in there) == (True, False), "the working tree's out is known to be needed"


def published(project: Path, number: int, **outs: str) -> None:
    """Commit a dvc.lock with these outs of data/, and tag it as a version."""
    stages = [(name, {}, {f"data/{name}": md5}) for name, md5 in outs.items()]
    (project / "dvc.lock").write_text(yaml.safe_dump(lock(*stages)))
    commit(project)
    said(project, "git", *AUTHOR, "tag", "-a", f"ecg@v0.0.{number}", "-m", "x")


def test_what_another_machine_published_stays_in_the_remote(project, tmp_path):
    """It is learnt before anything goes; where that cannot be, nothing goes."""
    store = tmp_path / "store"
    said(tmp_path, "git", "clone", "-q", "remote.git", "other")
    said(tmp_path / "other", "git", "checkout", "-q", "-b", "night")
    tagged = stored(project, store, {"a.txt": "of a version"})
    published(tmp_path / "other", 1, corpus=tagged)
    branch = stored(project, store, {"a.txt": "of a branch"})
    (tmp_path / "other/dvc.lock").write_text(yaml.safe_dump(lock(("corpus", {}, {"data/corpus": branch}))))
    commit(tmp_path / "other")
    said(tmp_path / "other", "git", "push", "-q", "origin", "night", "ecg@v0.0.1")
    nobodys = stored(project, store, {"a.txt": "nobody's"})

    (tmp_path / "remote.git").rename(tmp_path / "away.git")
    with pytest.raises(UserError, match="What git's remote origin has published is not known"):
        plan_collection(project, ALL)
    (tmp_path / "away.git").rename(tmp_path / "remote.git")
    collect(project, plan_collection(project, ALL))
    there = objects(store)
    assert (tagged in there, branch in there, nobodys in there) == (True, True, False)


def test_a_version_that_two_machines_revoked_keeps_the_first_mark(project, tmp_path):
    published(project, 1, corpus="0" * 32)
    said(project, "git", "push", "-q", "origin", "main", "ecg@v0.0.1")
    said(tmp_path, "git", "clone", "-q", "remote.git", "other")
    for folder, why in ((project, "here"), (tmp_path / "other", "there")):
        said(folder, "git", *AUTHOR, "tag", "-a", "ecg@v0.0.1!", "-m", why, "ecg@v0.0.1^{}")
    said(tmp_path / "other", "git", "push", "-q", "origin", "ecg@v0.0.1!")
    told: list[str] = []
    fetch_tags(project, told.append)
    assert told == []
    assert "there" in said(project, "git", "tag", "-n", "-l", "ecg@v0.0.1!")


def test_a_remote_that_does_not_answer_has_lost_nothing(project, tmp_path):
    store = tmp_path / "store"
    corpus = stored(project, store, {"a.txt": "a"})
    published(project, 1, corpus=corpus)
    shutil.rmtree(project / ".dvc/cache")
    store.rename(tmp_path / "away")
    with pytest.raises(UserError, match="remote store does not answer"):
        bring_out(project, Cache(project), corpus)
    with pytest.raises(UserError, match="remote store does not answer"):
        plan_collection(project, ALL)
    (tmp_path / "away").rename(store)
    assert bring_out(project, Cache(project), corpus)
    assert not bring_out(project, Cache(project), "0" * 32), "this one it does not have"


def test_a_bucket_that_does_not_answer_any_more_is_told_in_a_sentence(project):
    with made("versions-of-ecg") as bucket:
        (project / ".dvc/config").write_text(f"[core]\n    remote = store\n{bucket.shared('store')}")
        (project / ".dvc/config.local").write_text(bucket.own("store"))
        bucket.client.put_object(Bucket=bucket.name, Key="dvc/files/md5/00/old", Body=b"old")
        found = plan_collection(project, ALL)
        assert [len(paths) for _, paths in found.objects] == [0, 1]
    for ask in (lambda: collect(project, found), lambda: plan_collection(project, ALL)):
        with pytest.raises(UserError, match=r"^The remote store: .+files/md5.* cannot be (removed|listed) \(\w+\)"):
            ask()


def test_a_log_that_cannot_be_cut_on_a_full_disk_is_named(project, disk):
    log = disk / "events.jsonl"
    log.write_bytes(b"a line\n" * 10_000)
    fill(disk)
    with pytest.raises(UserError, match=r"^A log cannot be removed \(No space left on device\): run again\.$"):
        collect(project, Collection([], [], [], [log]))
    assert log.read_bytes() == b"a line\n" * 10_000


def test_a_cache_on_a_full_disk_is_no_fault_of_the_remote(project, tmp_path, disk):
    corpus = stored(project, tmp_path / "store", {"a.bin": bytes(300_000)})
    cache = Cache(project)
    shutil.rmtree(cache.folder)
    cache.folder.symlink_to(disk)
    with pytest.raises(UserError, match="the disk is full; free some space"):
        bring_out(project, cache, corpus)
    assert [path.suffix for path in disk.rglob("*") if path.is_file()] == [".dir"], "no half of a file"


def test_a_revoked_version_is_no_version_of_the_results(project):
    published(project, 1, corpus="0" * 32)
    said(project, "git", *AUTHOR, "tag", "-a", "ecg#current#1", "-m", "x", "ecg@v0.0.1^{}")
    assert not needs_publishing(project, "ecg")
    said(project, "git", *AUTHOR, "tag", "-a", "ecg@v0.0.1!", "-m", "x", "ecg@v0.0.1^{}")
    assert needs_publishing(project, "ecg")
    assert version_of_head(project, "ecg") is None


def test_data_that_the_user_tracks_in_any_folder_stay(project):
    here = [stored(project, None, {"a.txt": text}) for text in ("committed", "in the tree", "of another graph")]
    (project / "mine/deep").mkdir(parents=True)
    (project / "mine/a.dvc").write_text(yaml.safe_dump({"outs": [{"path": "a", "md5": here[0]}, {"path": "web"}]}))
    commit(project)
    (project / "mine/a.dvc").unlink()
    (project / "mine/deep/b.dvc").write_text(yaml.safe_dump({"outs": [{"path": "b", "md5": here[1]}]}))
    (project / "mine/dvc.lock").write_text(yaml.safe_dump(lock(("own", {}, {"out": here[2]}))))
    nobodys = stored(project, None, {"a.txt": "nobody's"})
    collect(project, plan_collection(project, ALL))
    there = objects(project / ".dvc/cache")
    assert there > set(here)
    assert nobodys not in there


GONE, STAYS = "clinic/1", "clinic/2"


def corpus(*patients: str) -> dict[str, bytes]:
    """The files of a corpus with a record of each patient."""
    stream = io.BytesIO()
    rows = {"record_id": [f"{patient}-record" for patient in patients], "patient_id": list(patients)}
    pl.DataFrame(rows).write_parquet(stream)
    return {"records/0.parquet": stream.getvalue()}


def lay_out(project: Path, recorded: dict) -> None:
    """Put what dvc.lock records from the cache into the working tree."""
    (project / "dvc.lock").write_text(yaml.safe_dump(recorded))
    said(project, sys.executable, "-m", "dvc", "checkout", "-q", "--force")


@pytest.fixture
def clinic(project) -> dict[str, str]:
    """Hashes of a corpus with somebody who was then withdrawn, one without, and what was trained on each."""
    add_exclusions_to(project)
    wanted = {"old": corpus(GONE, STAYS), "new": corpus(STAYS), "seen": {"w": "trained on the old"}}
    wanted |= {"clean": {"w": "trained on the new"}, "told": {"w": "made from what was trained on the old"}}
    return {name: stored(project, project.parent / "store", files) for name, files in wanted.items()}


def add_exclusions_to(project: Path) -> None:
    (project / "knowledge").mkdir(exist_ok=True)
    (project / ".sediff").mkdir(exist_ok=True)
    add_exclusions(project, [(PATIENT, GONE)])
    stages = {
        "corpus": {"cmd": "true", "outs": ["data/corpus"]},
        "diffusion": {"cmd": "true", "deps": ["data/corpus"], "outs": ["data/diffusion"]},
        "synthesis": {"cmd": "true", "deps": ["data/diffusion"], "outs": ["data/synthesis/dataset"]},
    }
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))


def made_from(first: str, weights: tuple[str, str], dataset: tuple[str, str]) -> dict:
    """A dvc.lock: the corpus; what the weights were trained on, and they; what the dataset was made of, and it."""
    return lock(
        ("corpus", {}, {"data/corpus": first}),
        ("diffusion", {"data/corpus": weights[0]}, {"data/diffusion": weights[1]}),
        ("synthesis", {"data/diffusion": dataset[0]}, {"data/synthesis/dataset": dataset[1]}),
    )


def test_what_was_trained_on_the_corpus_before_goes(project, clinic, tmp_path):
    """The corpus stage alone ran since somebody withdrew."""
    old = clinic["old"]
    lay_out(project, made_from(clinic["new"], (old, clinic["seen"]), (clinic["seen"], clinic["told"])))
    commit(project)
    plan = plan_purge(project)
    assert (project / "data/diffusion/w").exists(), "a plan removes nothing"
    record = purge(project, plan)
    assert read_json(record)["finished"] is True
    for store in (project / ".dvc/cache", tmp_path / "store"):
        assert [name for name, md5 in clinic.items() if md5 in objects(store)] == ["new"]
    left = sorted(path.relative_to(project).as_posix() for path in (project / "data").rglob("*.*"))
    assert left == ["data/corpus/records/0.parquet"]
    assert not (project / "data/diffusion").exists()
    assert not (project / "data/synthesis/dataset").exists()


def test_what_follows_from_the_clean_corpus_stays(project, clinic):
    clean = clinic["clean"]
    recorded = made_from(clinic["new"], (clinic["new"], clean), (clean, clean))
    stale = lock(("former", {"data/corpus": clinic["old"]}, {"data": clinic["seen"]}))  # dvc.yaml has it no more
    recorded["stages"] |= stale["stages"]
    (project / "dvc.lock").write_text(yaml.safe_dump(recorded))
    for name, md5 in (("corpus/records/0.parquet", "new"), ("diffusion/w", "clean"), ("synthesis/dataset/w", "clean")):
        path = project / "data" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(Cache(project).path(next(iter(Cache(project).listing(clinic[md5]).values()))).read_bytes())
    (project / "data/w").write_text("trained on the old")
    commit(project)
    purge(project, plan_purge(project))
    assert {"new", "clean"} == {name for name, md5 in clinic.items() if md5 in objects(project / ".dvc/cache")}
    assert (project / "data/synthesis/dataset/w").exists()
    assert not (project / "data/w").exists(), "a former stage's, beside outs that stay"


def test_versions_that_were_let_go_are_passed_over_and_late_ones_revoked(project, clinic, tmp_path):
    """One that another machine published since has somebody withdrawn; of one, `gc` let the dataset go."""
    clean = clinic["clean"]
    lost = made_from(clinic["new"], (clinic["new"], "1" * 32 + ".dir"), ("1" * 32 + ".dir", "2" * 32 + ".dir"))
    late = made_from(clinic["old"], (clinic["old"], clinic["seen"]), (clinic["seen"], clinic["told"]))
    (project / "params.yaml").write_text(ROOT.joinpath("params.yaml").read_text())
    set_params(project / "params.yaml", ["publication.retention={nightly: 1, monthly: 0, tagged: none}"])
    for number, recorded in enumerate(
        (lost, late, made_from(clinic["new"], (clinic["new"], clean), (clean, clean))), 1
    ):
        lay_out_lock(project, recorded, number)
    assert not is_let_go(project, versions(project, "ecg")[0], RetentionParams(nightly=1, monthly=0))
    assert is_let_go(project, versions(project, "ecg")[2], RetentionParams(nightly=1, monthly=0))
    plan = plan_purge(project)
    assert revoked(project, "ecg") == set()
    purge(project, plan)
    assert revoked(project, "ecg") == {"v0.0.2"}
    assert "ecg@v0.0.2!" in said(project, "git", "ls-remote", "origin")
    there = {name for name, md5 in clinic.items() if md5 in objects(tmp_path / "store")}
    assert there == {"new", "clean"}


def lay_out_lock(project: Path, recorded: dict, number: int) -> None:
    (project / "dvc.lock").write_text(yaml.safe_dump(recorded))
    commit(project)
    said(project, "git", *AUTHOR, "tag", "-a", f"ecg@v0.0.{number}", "-m", "x")
    said(project, "git", "push", "-q", "origin", f"ecg@v0.0.{number}")


def test_a_purge_without_its_key_or_cut_short_is_told(project, clinic):
    lay_out(project, made_from(clinic["old"], (clinic["old"], clinic["seen"]), (clinic["seen"], clinic["told"])))
    commit(project)
    plan = plan_purge(project)
    (project / SIGNING_KEY).write_text("no key")
    with pytest.raises(UserError):
        purge(project, plan)
    assert clinic["old"] in objects(project / ".dvc/cache"), "nothing goes that could not be told"
    (project / SIGNING_KEY).unlink()
    plan.paths.append(project / "params.yaml/none")
    with pytest.raises(UserError, match="run again"):
        purge(project, plan)
    record = read_json(project / "runs/purges/0001.json")
    assert record["finished"] is False
    assert record["objects"]["cache"]


def test_an_empty_name_is_nobodys(project):
    with pytest.raises(UserError, match="No name is nobody's"):
        withdraw(project, [" "], "", print)


def test_several_are_withdrawn_or_none(project):
    (project / "knowledge").mkdir()
    (project / "data/corpus/records").mkdir(parents=True)
    (project / "data/corpus/records/0.parquet").write_bytes(next(iter(corpus(GONE, STAYS).values())))
    with pytest.raises(UserError, match="a record nobody"):
        withdraw(project, [f"{GONE}-record", "nobody"], RECORD, print)
    assert not read_exclusions(project).hashes
    withdraw(project, [f"{GONE}-record", f"{STAYS}-record"], RECORD, print)
    assert all(read_exclusions(project).has(RECORD, f"{patient}-record") for patient in (GONE, STAYS))


def judges(*patients: str) -> dict[str, str]:
    return {"training.json": json.dumps({"patients": patients})}


def pin(project: Path, md5: str) -> None:
    (project / "judges.dvc").write_text(yaml.safe_dump({"outs": [{"path": "judges", "md5": md5}]}))
    set_params(project / "params.yaml", [f"encoder.judges.pinned={'a' * 64}", "encoder.retrain=false"])


def test_judges_that_saw_a_withdrawn_record_are_refused(project, tmp_path, monkeypatch):
    """They tell patients, not records; and they are brought before they are asked."""
    (project / "knowledge").mkdir()
    (project / "data/corpus/records").mkdir(parents=True)
    (project / "data/corpus/records/0.parquet").write_bytes(next(iter(corpus(GONE, STAYS).values())))
    saw, others = (stored(project, tmp_path / "store", judges(patient)) for patient in (GONE, STAYS))
    withdraw(project, [f"{GONE}-record"], RECORD, print)
    exclusions = read_exclusions(project)
    assert not exclusions.has(PATIENT, GONE), "their other records stay"
    shutil.rmtree(project / ".dvc/cache")
    assert [judges_saw(project, Cache(project), md5, exclusions) for md5 in (saw, others)] == [True, False]
    monkeypatch.chdir(project)
    pin(project, saw)
    with pytest.raises(UserError, match="The pinned judges were trained on somebody withdrawn"):
        run_pipeline()


@pytest.mark.parametrize(("patient", "stays"), [(GONE, False), (STAYS, True)])
def test_judges_pinned_in_a_clean_checkout_stay_if_they_saw_nobody(project, clinic, patient, stays):
    own = stored(project, None, judges(patient))
    recorded = made_from(clinic["new"], (clinic["new"], clinic["clean"]), (clinic["clean"], clinic["clean"]))
    made = stored(project, None, {"training.json": "as the stage left them"})
    recorded["stages"] |= lock(("judges", {"data/corpus": clinic["new"]}, {"data/encoder/judges": made}))["stages"]
    lay_out(project, recorded)
    pin(project, own)
    for folder in ("judges", "data/encoder/judges"):
        (project / folder).mkdir(parents=True, exist_ok=True)
    commit(project)
    purge(project, plan_purge(project))
    there = objects(project / ".dvc/cache")
    assert (own in there, made in there) == (stays, stays)
    assert [(project / folder).exists() for folder in ("judges", "data/encoder/judges")] == [stays, stays]
    assert clinic["clean"] in there
