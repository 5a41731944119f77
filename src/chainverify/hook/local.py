"""What the local hooks share: the repository as git told it, the policy, a git that runs beside us, and one line on stderr.

Everything here is on the path of every commit: no import but `os`, `sys` and the policy's cache.
"""

from __future__ import annotations

import os
import sys

from chainverify._version import __version__
from chainverify.policy import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

POLICY: Final = ".chainverify/policy.toml"
VARIABLE: Final = "CHAINVERIFY_POLICY"
"""As `jobs.policies.VARIABLE`, which would be a long import."""
POLICY_BYTES_MAX: Final = 1 << 20
GIT_BYTES_MAX: Final = 64 << 20

GOOD: Final = 0
REFUSED: Final = 1
WRONG: Final = 2
UNDECIDED: Final = 3


def find() -> tuple[str, str]:
    """The top of the worktree and the git directory, as git told the hook or as the directories above show; "" for none."""
    top = os.getcwd()  # noqa: PTH109 - no pathlib on the hot path
    told = os.environ.get("GIT_DIR")
    if told:
        return top, told
    while True:
        dot = f"{top}/.git"
        if os.path.isdir(dot):  # noqa: PTH112
            return top, dot
        if os.path.isfile(dot):  # noqa: PTH113
            try:
                line = read(dot, 4096).decode("utf-8", "surrogateescape")
            except OSError:
                return top, ""
            return top, os.path.join(top, line.removeprefix("gitdir:").strip())  # noqa: PTH118
        above = os.path.dirname(top)  # noqa: PTH120
        if above == top:
            return os.getcwd(), ""  # noqa: PTH109
        top = above


def read_policy(top: str) -> tuple[str, bytes | None]:
    """Name and bytes of the policy: `CHAINVERIFY_POLICY`, else the worktree's; None where the worktree has none.

    Raises OSError where a policy that is named or there cannot be read; the worktree's may not be a symbolic link.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return named, read(named, POLICY_BYTES_MAX + 1)
    try:
        return POLICY, read(f"{top}/{POLICY}", POLICY_BYTES_MAX + 1, os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return POLICY, None


class Git:
    """A git that runs beside us: started at once, asked for its result later. Not `subprocess`, whose import costs 15 ms."""

    __slots__ = ("_pipe", "_process")

    def __init__(self, arguments: list[str]) -> None:
        self._pipe, out = os.pipe()
        quiet = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
        actions = [*quiet, (os.POSIX_SPAWN_DUP2, out, 1)]
        environment = {**os.environ, "GIT_NO_REPLACE_OBJECTS": "1", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0"}
        try:
            self._process = os.posix_spawnp("git", ["git", *arguments], environment, file_actions=actions)
        except OSError:
            self._process = 0
        os.close(out)

    def result(self) -> tuple[int, bytes]:
        """Exit status (255 where git could not be run) and output; call it once."""
        chunks = []
        size = 0
        while (chunk := os.read(self._pipe, 1 << 16)) and size <= GIT_BYTES_MAX:
            chunks.append(chunk)
            size += len(chunk)
        os.close(self._pipe)
        if not self._process:
            return 255, b""
        return os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1]), b"".join(chunks)


def read(path: str, most: int, flags: int = 0) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises OSError, for anything else too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | flags)
    try:
        found = os.fstat(descriptor)
        if found.st_mode & 0o170000 != 0o100000:
            raise OSError(0, "not a regular file", path)
        if found.st_size >= most:
            raise OSError(0, f"it has {found.st_size} bytes, fewer than {most} are read", path)
        data = b""
        while chunk := os.read(descriptor, max(found.st_size + 1 - len(data), 1)):
            data += chunk
            if len(data) >= most:
                raise OSError(0, "it grows while it is read", path)
        return data
    finally:
        os.close(descriptor)


def entry_of(data: bytes, path: str, git_dir: str) -> cache.Entry:
    """What the policy `data` says of messages, from the cache or once the whole of it is valid. Raises as the loader does."""
    found = cache.load(git_dir, data, __version__) if git_dir else None
    if found is not None:
        return found
    from chainverify.policy.load import parse

    policy = parse(data, path, hashed=False)
    settings = {rule: setting for rule, setting in policy.rules if rule.startswith("message-")}
    refs: cache.Stanzas = ()
    if policy.messages is not None and any(stanza.messages for stanza in policy.refs):
        from chainverify.policy.messages import overridden

        base = policy.messages
        refs = tuple((stanza.match, overridden(base, stanza)) for stanza in policy.refs if stanza.messages)
    people = tuple(signer.emails for signer in policy.signers if len(signer.emails) > 1)
    entry = cache.Entry(policy.messages, settings, refs, people)
    if git_dir:
        cache.store(git_dir, data, __version__, entry)
    return entry


def asked(entry: cache.Entry, ref: str) -> tuple[cache.Rules, ...]:
    """The rules of the branch `ref` that a commit goes to, all of which it must follow: as `rules.refs.message_rules` has it.

    `ref` is a full name, empty where there is no branch, and needs to be known only where the entry has `refs`.
    """
    if entry.messages is None:
        return ()
    if entry.refs:
        from chainverify.formats.glob import matches_any

        own = tuple(rules for globs, rules in entry.refs if ref and matches_any(globs, ref))
        return own or (entry.messages,)
    return (entry.messages,)


def wrong_policy(error: Exception, left: str) -> int:
    """Say why a policy cannot be used, and what was therefore `left` undone; anything else than that is raised again."""
    from chainverify.errors import ChainverifyError

    if not isinstance(error, ChainverifyError):
        raise error
    return stop(WRONG, f"the policy is wrong, {left}: {error}", error.hint)


def run(*arguments: str) -> tuple[int, bytes]:
    """Exit status and output of git with `arguments`."""
    return Git(list(arguments)).result()


def stop(status: int, text: str, hint: str = "") -> int:
    """Say one line, with a hint below it, and return `status`."""
    from chainverify.output.escape import escape

    sys.stderr.write(f"chainverify: {escape(text)}\n" + (f"  help: {escape(hint)}\n" if hint else ""))
    return status


def colour() -> bool:
    """Whether stderr is a terminal that takes colours."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and os.isatty(2)


def whole_site() -> None:
    """Make other packages importable: the installed hooks run without them (`-S`), for most commits need none."""
    if sys.flags.no_site:
        import site

        site.main()
