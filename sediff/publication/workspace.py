"""Where a refresh works: a git worktree on branch `published`, never the checkout in which people work.

It has the checkout's last commit, its own dvc.lock and runs, and shares DVC's cache, so nothing is computed twice.
"""

import shutil
from pathlib import Path

from dvc.repo import Repo

from sediff.errors import UserError
from sediff.files import replacing
from sediff.pipeline.graph import ask_dvc
from sediff.publication.git import git, git_says
from sediff.sources import VIRTUAL, read_local_paths, write_local_path

BRANCH = "published"
FOLDER = Path(".sediff/published")
RESULTS = ("dvc.lock", "runs")  # the worktree's own, whatever the checkout has
SETTINGS, KEY, ANSWERS = Path(".sediff/local.yaml"), Path(".sediff/pseudonym.key"), Path(".sediff/answers")


def prepare_workspace(root: Path) -> Path:
    """Make the worktree, or bring it up to the checkout's last commit; gives its folder.

    Raises:
        UserError: the project is no git repository with a commit, or the commit cannot be merged.
    """
    if not git_says(root, "rev-parse", "HEAD"):
        raise UserError("There is no commit here: a refresh works on what is committed; commit the project first.")
    folder = root / FOLDER
    if not (folder / ".git").exists():
        _make(root, folder)
    _update(folder, git(root, "rev-parse", "HEAD"))
    _share(root, folder)
    return folder


def _make(root: Path, folder: Path) -> None:
    git(root, "worktree", "prune")
    shutil.rmtree(folder, ignore_errors=True)
    if git_says(root, "rev-parse", "--verify", f"refs/heads/{BRANCH}"):
        git(root, "worktree", "add", str(folder.resolve()), BRANCH)
    else:
        git(root, "worktree", "add", "-b", BRANCH, str(folder.resolve()), "HEAD")


def _update(folder: Path, commit: str) -> None:
    """Merge a commit of the checkout; results of an unfinished refresh stay."""
    if git_says(folder, "rev-parse", "--verify", "MERGE_HEAD"):
        git(folder, "merge", "--abort")  # a merge that was killed
    if git_says(folder, "merge-base", "--is-ancestor", commit, "HEAD"):
        return
    lock = folder / RESULTS[0]
    kept = lock.read_bytes() if lock.exists() else None
    git(folder, "reset", "--quiet", "--hard")
    if not git_says(folder, "merge", "--quiet", "--no-commit", "--no-ff", "-X", "theirs", commit):
        git(folder, "merge", "--abort")
        raise UserError(
            f"Commit {commit[:12]} cannot be merged into branch {BRANCH}: merge it by hand in {folder}, then run again."
        )
    published = git(folder, "rev-parse", "HEAD")
    if git_says(folder, "cat-file", "-e", f"{published}:{RESULTS[0]}"):
        git(folder, "checkout", "--quiet", published, "--", RESULTS[0])
    git(folder, "commit", "--quiet", "--no-edit", "-m", f"Merge {commit[:12]} for the next refresh")
    if kept is not None:
        with replacing(lock) as temporary:
            temporary.write_bytes(kept)


def _share(root: Path, folder: Path) -> None:
    """Let the worktree use the checkout's DVC cache, paths of sources, key and answers of language models."""
    own = folder / ".sediff"
    own.mkdir(exist_ok=True)
    local = root / ".dvc/config.local"
    if local.exists():  # credentials of a remote
        shutil.copyfile(local, folder / ".dvc/config.local")
    cache = ask_dvc(root, _cache)
    ask_dvc(folder, lambda repo: _use_cache(repo, cache))
    if (root / KEY).exists():
        shutil.copy(root / KEY, folder / KEY)
    if (root / ANSWERS).is_dir() and not (folder / ANSWERS).exists():
        (folder / ANSWERS).symlink_to((root / ANSWERS).resolve())
    _copy_settings(root, folder)


def _cache(repo: Repo) -> str:
    return str(Path(repo.cache.local.path).parents[1].resolve())


def _use_cache(repo: Repo, cache: str) -> None:
    with repo.config.edit("local") as config:
        config["cache"] = {**config.get("cache", {}), "dir": cache}


def _copy_settings(root: Path, folder: Path) -> None:
    """Paths of sources, absolute; the virtual cohort is simulated in the worktree itself."""
    own = read_local_paths(folder / SETTINGS)
    for name, path in read_local_paths(root / SETTINGS).items():
        if name != VIRTUAL and own.get(name) != str((root / path).resolve()):
            write_local_path(folder / SETTINGS, name, (root / path).resolve())
