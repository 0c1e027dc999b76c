"""Where a refresh works: a git worktree on branch `published`, never the checkout in which people work.

It holds what the checkout's last commit holds, but its own dvc.lock and runs, and shares DVC's cache, so nothing is
computed twice.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from dvc.repo import Repo

from sediff import exclusions
from sediff.errors import UserError
from sediff.pipeline.graph import ask_dvc
from sediff.publication.git import as_author, commit, git, git_says, remote_of
from sediff.publication.leftovers import clear_dvc, clear_worktree
from sediff.sources import VIRTUAL, read_local_paths, write_local_path

BRANCH = "published"
FOLDER = Path(".sediff/published")
RESULTS = ("dvc.lock", "runs", "start.json", "start.dvc")  # the worktree's own, whatever the checkout has
REVOKED = "+refs/tags/*!:refs/tags/*!"
REST = (".", *(f":(exclude){name}" for name in RESULTS))
SETTINGS, ANSWERS = Path(".sediff/local.yaml"), Path(".sediff/answers")
KEYS = (Path(".sediff/pseudonym.key"), exclusions.KEY)


def prepare_workspace(root: Path) -> Path:
    """Make the worktree, or bring it up to the checkout's last commit; gives its folder.

    Raises:
        UserError: the project is no git repository with a commit, or what is published elsewhere does not fit.
    """
    if not git_says(root, "rev-parse", "HEAD"):
        raise UserError("There is no commit here: a refresh works on what is committed; commit the project first.")
    if git(root, "status", "--porcelain", "--", str(exclusions.FILE)):
        raise UserError(f"{exclusions.FILE} is not committed: commit it, so that nobody withdrawn is trained on.")
    folder, remote = root / FOLDER, remote_of(root)
    clear_worktree(root, folder, BRANCH)
    elsewhere = _fetch(root, remote) if remote else ""
    if not (folder / ".git").exists():
        _make(root, folder, elsewhere)
    git(folder, "reset", "--quiet")  # what a killed refresh had staged is still in the folder
    clear_dvc(folder)
    if elsewhere:
        _follow(folder, elsewhere)
    _take(folder, git(root, "rev-parse", "HEAD"))
    _share(root, folder)
    return folder


def fetch_tags(root: Path, say: Callable[[str], None]) -> None:
    """Learn what others published and revoked; without a network, what is known here must do."""
    remote = remote_of(root)
    try:
        if remote:
            _take_tags(root, remote)
    except UserError:
        say(f"git's remote {remote} does not answer: what was revoked elsewhere is not known here")


def fetch_all(root: Path) -> None:
    """Learn every branch and version of all git remotes, before data that they may need are removed.

    Raises:
        UserError: a remote does not answer.
    """
    for remote in git(root, "remote").split():
        try:
            _take_tags(root, remote, f"+refs/heads/*:refs/remotes/{remote}/*")
        except UserError as error:
            raise UserError(
                f"What git's remote {remote} has published is not known, and its data might be removed: {error}"
            ) from None


def _take_tags(root: Path, remote: str, *more: str) -> None:
    """Fetch tags, and what else is named; a version that two machines revoked keeps the remote's mark."""
    git(root, "fetch", "--quiet", "--no-tags", remote, REVOKED)
    git(root, "fetch", "--quiet", "--tags", remote, *more)


def _fetch(root: Path, remote: str) -> str:
    """Bring the remote's branch and tags; the branch's name here, "" where the remote has none."""
    if not git(root, "ls-remote", "--heads", remote, BRANCH):
        return ""
    _take_tags(root, remote, f"+refs/heads/{BRANCH}:refs/remotes/{remote}/{BRANCH}")
    return f"{remote}/{BRANCH}"


def _make(root: Path, folder: Path, elsewhere: str) -> None:
    git(root, "worktree", "prune")
    shutil.rmtree(folder, ignore_errors=True)
    if git_says(root, "rev-parse", "--verify", f"refs/heads/{BRANCH}"):
        git(root, "worktree", "add", str(folder.resolve()), BRANCH)
    else:
        git(root, "worktree", "add", "--no-track", "-b", BRANCH, str(folder.resolve()), elsewhere or "HEAD")


def _follow(folder: Path, elsewhere: str) -> None:
    """Go on from what another machine has published, before anything runs."""
    if git_says(folder, "merge-base", "--is-ancestor", elsewhere, "HEAD"):
        return
    base = git(folder, "merge-base", "HEAD", elsewhere)
    if not git_says(folder, "diff", "--quiet", base, "HEAD", "--", *RESULTS):
        raise UserError(
            f"Branch {BRANCH} and {elsewhere} have gone apart: two machines published; remove {folder} and its branch "
            "here to go on from the remote's."
        )
    git(folder, "checkout", "--quiet", "-f", "-B", BRANCH, elsewhere)


def _take(folder: Path, wanted: str) -> None:
    """Make the folder hold a commit's files, and its own results; what the branch had beside them goes."""
    if git_says(folder, "rev-parse", "--verify", "MERGE_HEAD"):
        git(folder, "merge", "--quit")  # it was killed half way
    known = git_says(folder, "merge-base", "--is-ancestor", wanted, "HEAD")
    if known and git_says(folder, "diff", "--quiet", wanted, "HEAD", "--", *REST):
        git(folder, "checkout", "--quiet", "HEAD", "--", *REST)
        return
    if not known:
        git(folder, *as_author(folder), "merge", "--quiet", "-s", "ours", "--no-commit", "--no-ff", wanted)
    gone = git(folder, "diff", "--name-only", "--diff-filter=D", "-z", "HEAD", wanted, "--", *REST)
    for name in filter(None, gone.split("\0")):
        git(folder, "rm", "--quiet", "--force", "--ignore-unmatch", "--", f":(literal){name}")
    git(folder, "checkout", "--quiet", wanted, "--", *REST)
    commit(folder, f"Take {wanted[:12]} for the next refresh")


def _share(root: Path, folder: Path) -> None:
    """Let the worktree use the checkout's DVC cache and remotes, paths of sources, keys and answers."""
    own = folder / ".sediff"
    own.mkdir(exist_ok=True)
    local = root / ".dvc/config.local"
    if local.exists():  # credentials of a remote, which only their owner may read
        shutil.copy(local, folder / ".dvc/config.local")
    places = ask_dvc(root, _places)
    ask_dvc(folder, lambda repo: _use(repo, places))
    for key in KEYS:
        if (root / key).exists():
            shutil.copy(root / key, folder / key)
    if (root / ANSWERS).is_dir() and not (folder / ANSWERS).exists():
        (folder / ANSWERS).symlink_to((root / ANSWERS).resolve())
    paths = read_local_paths(folder / SETTINGS)
    for name, path in read_local_paths(root / SETTINGS).items():
        if name != VIRTUAL and paths.get(name) != str((root / path).resolve()):  # the virtual cohort is made there
            write_local_path(folder / SETTINGS, name, (root / path).resolve())


def _places(repo: Repo) -> tuple[str, dict[str, str]]:
    """The cache's folder, and those of remotes that are folders, which may be relative to the checkout."""
    remotes = {name: repo.cloud.get_remote(name) for name in repo.config["remote"]}
    folders = {name: remote.path for name, remote in remotes.items() if remote.fs.protocol == "local"}
    return str(Path(repo.cache.local.path).parents[1].resolve()), folders


def _use(repo: Repo, places: tuple[str, dict[str, str]]) -> None:
    cache, folders = places
    with repo.config.edit("local") as config:
        config["cache"] = {**config.get("cache", {}), "dir": cache}
        for name, path in folders.items():
            config["remote"][name] = {**config["remote"].get(name, {}), "url": path}
