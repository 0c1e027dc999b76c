"""What a refresh that was killed leaves behind in git's and DVC's own files, removed before the next one begins.

Git's locks outlive a git that was killed too, and DVC writes some of its files in place. All that is removed here is
the refresh's own, of which only one goes on at a time: its worktree's files, branch `published` and the tags.
"""

import shutil
from pathlib import Path

import yaml
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from voluptuous import Invalid

from sediff.lineage.graph import DVC_LOCK, LOADER
from sediff.publication.git import git, git_says

HALF_MADE = "locked"  # in git's folder of a worktree, while `git worktree add` goes on


def clear_worktree(root: Path, folder: Path, branch: str) -> None:
    """Remove git's locks of a worktree, and the worktree itself where its making was cut short: nothing ran there."""
    common = root / git(root, "rev-parse", "--git-common-dir")
    for place in common.glob("worktrees/*/gitdir"):
        if (place.parent / place.read_text(encoding="utf-8").strip()).resolve() != folder.resolve() / ".git":
            continue
        if (place.parent / HALF_MADE).exists():
            shutil.rmtree(place.parent)
            shutil.rmtree(folder, ignore_errors=True)
        else:
            _remove(*place.parent.rglob("*.lock"))
    refs = common / "refs"
    _remove(refs / f"heads/{branch}.lock", *refs.glob(f"remotes/*/{branch}.lock"), *refs.glob("tags/**/*.lock"))


def clear_dvc(folder: Path) -> None:
    """Remove DVC's locks and own settings, which are written anew, and a dvc.lock of which only a part was written."""
    # DVC passes over locks of processes that are gone; after a restart another process may have such a number.
    _remove(folder / ".dvc/tmp/rwlock", folder / ".dvc/config.local")
    path = folder / DVC_LOCK
    if path.exists() and not _is_whole(path):
        path.unlink()
        if git_says(folder, "cat-file", "-e", f"HEAD:{DVC_LOCK}"):
            git(folder, "checkout", "--quiet", "HEAD", "--", str(DVC_LOCK))


def _is_whole(path: Path) -> bool:
    """Whether DVC could read a dvc.lock; what it lost at its end DVC takes from its cache of runs."""
    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.load(path.read_bytes(), LOADER))
    except (yaml.YAMLError, UnicodeDecodeError, Invalid):
        return False
    return True


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
