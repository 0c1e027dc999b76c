"""What a killed refresh leaves in git's and DVC's own files keeps the next one from nothing."""

from pathlib import Path

import pytest
import yaml

from sediff.pipeline.graph import order
from sediff.publication.git import commit, git
from sediff.publication.workspace import prepare_workspace
from tests.pipeline.nightly import BODIES, make

GIT = Path(".git/worktrees/published")
CUT = "schema: '2.0'\nstages:\n  corpus:\n    cmd: python corpus.py\n    outs:\n    - pa"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    return make(tmp_path)


def test_locks_and_files_cut_short_go_and_those_of_others_stay(project, monkeypatch):
    folder = prepare_workspace(project)
    refs = project / ".git/refs"
    locks = [project / GIT / "index.lock", project / GIT / "HEAD.lock", refs / "heads/published.lock"]
    locks += [refs / "tags/ecg@v0.0.1.lock", folder / ".dvc/tmp/rwlock"]
    others = [project / ".git/index.lock", refs / "heads/main.lock"]
    for path in (*locks, *others):
        path.write_text("cut sho")
    for path, text in ((".dvc/config.local", "[cache"), ("dvc.lock", CUT)):
        (folder / path).write_text(text)
    assert prepare_workspace(project) == folder
    assert [path for path in locks if path.exists()] == []
    assert [path for path in others if not path.exists()] == []
    monkeypatch.chdir(folder)
    assert set(order(Path())) == set(BODIES), "DVC works there"
    assert not (folder / "dvc.lock").exists(), "nothing was published yet, and DVC's cache of runs has what ran"


def test_a_published_lock_comes_back(project):
    folder = prepare_workspace(project)
    published = yaml.safe_dump({"schema": "2.0", "stages": {"corpus": {"cmd": "x"}}})
    (folder / "dvc.lock").write_text(published)
    git(folder, "add", "--force", "dvc.lock")
    commit(folder, "x")
    for cut in (CUT, "", "schema: '2.0'\nstages:\n  corpus:\n", published[:-4]):
        (folder / "dvc.lock").write_text(cut)
        prepare_workspace(project)
        assert (folder / "dvc.lock").read_text() == published, cut


def test_a_worktree_of_which_a_part_was_made_is_made_again(project):
    folder = prepare_workspace(project)
    (project / GIT / "locked").write_text("initializing")
    (project / GIT / "index").unlink()
    for path in folder.glob("*.py"):
        path.unlink()
    prepare_workspace(project)
    assert {path.stem for path in folder.glob("*.py")} == set(BODIES)
    assert not (project / GIT / "locked").exists()
    assert git(folder, "status", "--porcelain") == ""
