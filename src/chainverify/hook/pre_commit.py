"""The pre-commit hook, and pre-merge-commit, its sister for merges: what is staged, before a message is written.

| what | when | a refusal |
|---|---|---|
| image references of manifests, offline | a manifest is staged and the policy has `[images]` | yes |
| the policy and its key files | one of them is staged | yes |
| signing set up as the policy asks | the policy has `[commits]` | never: `git commit -S` may do it right |

What is judged is the index that git hands over (`GIT_INDEX_FILE`: another one for `-a` and for partial commits), never the
working tree. Most commits stage nothing of this; for them git is asked for the names, the policy's cache for what it asks,
and no other package is imported.
"""

from __future__ import annotations

import os
import sys
import time

from chainverify._version import __version__
from chainverify.hook import local
from chainverify.policy import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from chainverify.git.repository import Repository
    from chainverify.jobs.policies import LoadedPolicy

ASKS: Final = "chainverify/asks"
"""Where the git directory keeps which sections a policy has."""
SIGNING: Final = "chainverify/signing"
"""Where it keeps what was said last of how git signs, and all that this rests on."""
SIGNING_SECONDS: Final = 86400
"""How long that is believed: keys expire."""
CONFIG: Final = r"^(user\.(signingkey|email)|committer\.email|commit\.gpgsign|gpg\.(format|x509\.program))$"
_DIRECTORY: Final = ".chainverify/"
_AGAIN: Final = "correct it, stage that (git add), and commit again"
_FINISH: Final = "correct it, stage that (git add), and finish with git merge --continue; or give up with git merge --abort"


def main(arguments: list[str], *, merge: bool = False) -> int:
    """Judge what is staged; 0 good, 1 refused, 2 broken policy or call, 3 not decided. `merge`: git calls it for a merge."""
    name = "pre-merge-commit" if merge else "pre-commit"
    if arguments:
        return local.stop(local.WRONG, f"{name}: expected no arguments, got {len(arguments)}")
    top, git_dir = local.find()
    listing = local.Git(["diff-index", "--cached", "--name-only", "--no-renames", "-z", "HEAD", "--"])
    config = local.Git(["config", "-z", "--get-regexp", CONFIG])
    try:
        path, data = local.read_policy(top)
        asks = _asks(data, path, git_dir) if data is not None else ""
    except OSError as error:
        return _after(listing, config, local.stop(local.WRONG, f"cannot read the policy {error.filename}: {error.strerror}"))
    except Exception as error:
        return _after(listing, config, local.wrong_policy(error, "nothing that is staged was judged"))
    status, names = listing.result()
    settings = config.result()[1]
    if status:
        # no commit yet: everything in the index is new
        status, names = local.run("ls-files", "--cached", "-z")
    if status:
        return local.stop(local.UNDECIDED, "git cannot tell what is staged, so nothing was judged; run: git status")
    staged = names.decode("utf-8", "surrogateescape").split("\0")
    if "c" in asks and data is not None:
        _signing(settings, path, data, git_dir)
    ours = any(each.startswith(_DIRECTORY) for each in staged)
    manifests = "i" in asks and _manifests(staged)
    if not ours and not manifests:
        if data is None:
            why = f"there is no {local.POLICY} (make one with: chainverify init)"
        else:
            why = "no manifest and no part of the policy is staged" if "i" in asks else f"{path} asks nothing of files"
        return local.stop(local.GOOD, f"nothing that is staged was judged: {why}")
    return _judge(data is not None and manifests, _FINISH if merge else _AGAIN, policy_staged=ours)


def _after(listing: local.Git, config: local.Git, status: int) -> int:
    listing.result()
    config.result()
    return status


def _asks(data: bytes, path: str, git_dir: str) -> str:
    """Which sections the policy has, `c` for commits and `i` for images. Raises as the loader does."""
    start = [b"chainverify asks 1", __version__.encode(), data]
    raw = cache.kept(git_dir, ASKS) if git_dir else None
    try:
        found = cache.unpack(raw, start) if raw is not None else None
    except ValueError:
        found = None
    if found is not None and len(found) == 1 and found[0] in (b"", b"c", b"i", b"ci"):
        return found[0].decode()
    from chainverify.policy.load import parse

    policy = parse(data, path, hashed=False)
    asks = ("c" if policy.commits is not None else "") + ("i" if policy.images is not None else "")
    if git_dir:
        cache.keep(git_dir, ASKS, cache.pack([*start, asks.encode()]))
    return asks


def _manifests(names: list[str]) -> bool:
    from chainverify.manifests.filenames import is_candidate

    return any(map(is_candidate, names))


# --- what is staged


def _judge(manifests: bool, remedy: str, *, policy_staged: bool) -> int:
    """The slow half, for commits that touch what the policy is about."""
    import gc

    gc.enable()
    local.whole_site()
    from pathlib import Path

    from chainverify.errors import ChainverifyError, PolicyError, UsageError
    from chainverify.git.repository import Repository
    from chainverify.jobs import staged
    from chainverify.output.escape import escape

    status = local.GOOD
    try:
        repo = Repository.discover(Path.cwd())
        tree = staged.tree(repo, os.environ)
        if policy_staged:
            for note in staged.check_policy(repo, tree):
                sys.stderr.write(f"chainverify: note: {escape(note)}\n")
        if manifests:
            status = _report(repo, tree)
    except ChainverifyError as error:
        wrong = isinstance(error, PolicyError | UsageError)
        status = local.WRONG if wrong else local.REFUSED if error.status == "fail" else local.UNDECIDED
        local.stop(status, str(error), error.hint)
    if status:
        sys.stderr.write(f"chainverify: nothing was committed; {remedy}\n")
    return status


def _report(repo: Repository, tree: str) -> int:
    """Say what is wrong with the images of a tree; the exit status."""
    from chainverify.errors import UsageError
    from chainverify.jobs import staged
    from chainverify.model.report import FAIL, SKIP, UNKNOWN, counted
    from chainverify.output import text

    try:
        base = repo.resolve("HEAD^{commit}")
    except UsageError:
        base = None
    checked = staged.check_manifests(repo, tree, base, _policy(repo))
    style = text.Style(colour=local.colour())
    for each in checked.findings:
        if each.status != SKIP:
            sys.stderr.write("\n".join(text.finding(each, style)) + "\n")
    wrong = {each.status for each in checked.findings if counted(each)}
    if FAIL in wrong:
        return local.REFUSED
    if UNKNOWN in wrong:
        return local.UNDECIDED
    count = f"{checked.references} image reference{'' if checked.references == 1 else 's'}"
    skipped = sum(each.status == SKIP for each in checked.findings)
    excused = f", {skipped} excused by the policy" if skipped else ""
    return local.stop(local.GOOD, f"{count} staged anew{excused}; signatures of images are verified on push, not here")


def _policy(repo: Repository) -> LoadedPolicy:
    from pathlib import Path

    from chainverify.jobs import policies

    named = os.environ.get(local.VARIABLE)
    return policies.from_file(Path(named), worktree=repo.worktree) if named else policies.from_worktree(repo)


# --- how the commit will be signed


def _signing(settings: bytes, path: str, policy: bytes, git_dir: str) -> None:
    """Tell what is wrong with how git will sign. What was found out is kept as long as all that it rests on is the same."""
    values = _values(settings)
    email = os.environ.get("GIT_COMMITTER_EMAIL") or values.get("committer.email") or values.get("user.email") or ""
    start = [b"chainverify signing 1", __version__.encode(), policy, settings, email.encode("utf-8", "surrogateescape")]
    raw = cache.kept(git_dir, SIGNING) if git_dir else None
    try:
        found = cache.unpack(raw, start) if raw is not None else None
    except ValueError:
        found = None
    now = int(time.time())
    if not found or len(found) < 3 or not _holds(found[3:]) or not _fresh(found[0], now):
        found = _look(values, email, path, now)
        if git_dir:
            cache.keep(git_dir, SIGNING, cache.pack([*start, *found]))
    unsigned, key = (part.decode("utf-8", "replace") for part in found[1:3])
    _tell(unsigned, key)


def _values(settings: bytes) -> dict[str, str]:
    from chainverify.hook.cleanup import parse_config

    return dict(parse_config(settings))


def _fresh(written: bytes, now: int) -> bool:
    return written.isdigit() and 0 <= now - int(written[:18]) < SIGNING_SECONDS


def _holds(files: list[bytes]) -> bool:
    """Whether the files that an answer rests on are as they were: pairs of name and state."""
    return all(_state(os.fsdecode(name)) == state for name, state in zip(files[::2], files[1::2], strict=False))


def _state(path: str) -> bytes:
    """Enough of a file to see that it was changed; this is about advice, not about trust."""
    try:
        found = os.stat(path)  # noqa: PTH116 - no pathlib on the hot path
    except OSError:
        return b"-"
    return b"%d %d %d" % (found.st_mtime_ns, found.st_size, found.st_ino)


def _look(values: dict[str, str], email: str, path: str, now: int) -> list[bytes]:
    """When it was looked at, the two answers, and the files they rest on. A policy whose keys cannot be used is not told of here:
    the commit does not depend on it."""
    import gc

    gc.enable()
    local.whole_site()
    from pathlib import Path

    from chainverify.errors import ChainverifyError
    from chainverify.git.repository import Repository
    from chainverify.jobs import readiness
    from chainverify.policy.material import named_files

    # the states come first: what changes while it is read is looked at again
    try:
        repo = Repository.discover(Path.cwd())
        loaded = _policy(repo)
    except ChainverifyError:
        return [b"%d" % now, b"", b""]
    home = Path.home() if os.environ.get("HOME") else None
    directory = Path(path).parent if os.environ.get(local.VARIABLE) else repo.directory / _DIRECTORY
    files = [directory / each.name for each in named_files(loaded.policy)]
    own = readiness.key_file(values, home)
    files += [own, own.with_name(own.name + ".pub")] if own is not None else []
    states = [part for file in files for part in (os.fsencode(file), _state(str(file)))]
    try:
        ready = readiness.check(loaded, values, email, home, now)
    except ChainverifyError:
        ready = readiness.Readiness()
    return [b"%d" % now, ready.unsigned.encode(), ready.key.encode(), *states]


def _tell(unsigned: str, key: str) -> None:
    """Say it, unless git's command line, where the system shows it, says otherwise."""
    from chainverify.hook.cleanup import git_command
    from chainverify.output.escape import escape

    command = git_command()
    asked, named = options(command[0]) if command else (None, False)
    if asked is not None:
        unsigned = "" if asked else "the policy asks for signed commits, and --no-gpg-sign keeps this one from being signed"
    if named or unsigned:
        key = ""  # it will be another key, or none
    for text in (unsigned, key):
        if text:
            sys.stderr.write(f"chainverify: note: {escape(text)}\n  help: set it up with chainverify sign-setup\n")


def options(arguments: list[str]) -> tuple[bool | None, bool]:
    """What a command line of git says of signing: True, False or None (nothing), and whether it names a key."""
    from chainverify.hook.cleanup import is_value

    asked: bool | None = None
    named = False
    for at, word in enumerate(arguments):
        if is_value(arguments, at):
            continue
        if word == "--no-gpg-sign":
            asked = False
        elif word.startswith("--gpg-sign"):
            asked, named = True, "=" in word
        elif word.startswith("-") and not word.startswith("--"):
            # of letters in one word the first that takes a value takes the rest
            letter = next((place for place, each in enumerate(word) if each in "mFCctUuS"), 0)
            if word[letter] == "S":
                asked, named = True, letter + 1 < len(word)
    return asked, named
