"""The commit-msg hook: judges what git is about to store, before it is stored.

Feedback for the developer, not the gate: git does not call it for cherry-picks, reverts and most of a rebase, and `-n` skips it.
It is called on every commit, so on the good path it imports a handful of small modules (tests/test_start_up.py holds the list),
reads one policy from a cache, and runs git once, for its configuration, while it does so.
"""

from __future__ import annotations

import os
import sys

from chainverify._version import __version__
from chainverify.hook import cleanup
from chainverify.policy import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from chainverify.rules.messages import MessageFacts, Problem

POLICY: Final = ".chainverify/policy.toml"
POLICY_BYTES_MAX: Final = 1 << 20
MESSAGE_BYTES_MAX: Final = 64 << 20
"""A message file holds the whole diff after `git commit -v`."""
GIT_BYTES_MAX: Final = 64 << 20

GOOD: Final = 0
REFUSED: Final = 1
WRONG: Final = 2
UNDECIDED: Final = 3


def main(arguments: list[str]) -> int:
    """Judge the message in the file `arguments[0]`; 0 good, 1 refused, 2 broken policy or call, 3 not decided."""
    if len(arguments) != 1:
        return _stop(WRONG, f"commit-msg: expected one argument, the file with the message, got {len(arguments)}")
    try:
        raw = _read(arguments[0], MESSAGE_BYTES_MAX)
    except OSError as error:
        return _stop(WRONG, f"cannot read the message file {arguments[0]}: {error.strerror}")
    top, git_dir = find()
    git = _Git(["config", "-z", "--get-regexp", cleanup.CONFIG])
    try:
        path, data = read_policy(top)
    except OSError as error:
        git.result()
        return _stop(WRONG, f"cannot read the policy {error.filename}: {error.strerror}")
    if data is None:
        git.result()
        return _stop(GOOD, f"no message was judged: there is no {POLICY} (make one with: chainverify init)")
    entry = cache.load(git_dir, data, __version__) if git_dir else None
    if entry is None:
        try:
            entry = _compile(data, path, git_dir)
        except Exception as error:
            git.result()
            return _wrong_policy(error)
    status, config = git.result()
    if entry.messages is None:
        return _stop(GOOD, f"no message was judged: {path} has no [messages]")
    if status not in (0, 1):
        return _stop(UNDECIDED, "git cannot read its configuration, so what it will store is not known; run: git config --list")
    place = _Place(arguments[0], git_dir, f"{top}/{path}" if path == POLICY else path)
    return _judge(raw, cleanup.parse_config(config), entry, place)


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
                line = _read(dot, 4096).decode("utf-8", "surrogateescape")
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
    named = os.environ.get("CHAINVERIFY_POLICY")
    if named:
        return named, _read(named, POLICY_BYTES_MAX + 1)
    try:
        return POLICY, _read(f"{top}/{POLICY}", POLICY_BYTES_MAX + 1, os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return POLICY, None


class _Place:
    """Where the message lies: its file as git named it, and the git directory ("" unknown); and where the policy does."""

    __slots__ = ("file", "git_dir", "policy")

    def __init__(self, file: str, git_dir: str, policy: str) -> None:
        self.file = file
        self.git_dir = git_dir
        self.policy = policy


class _Git:
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


def _read(path: str, most: int, flags: int = 0) -> bytes:
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


def _compile(data: bytes, path: str, git_dir: str) -> cache.Entry:
    """What the policy says of messages, once the whole of it is valid; kept for the next commit. Raises as the loader does."""
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


def _wrong_policy(error: Exception) -> int:
    from chainverify.errors import ChainverifyError

    if not isinstance(error, ChainverifyError):
        raise error
    return _stop(WRONG, f"the policy is wrong, no message was judged: {error}", error.hint)


def _judge(raw: bytes, config: list[tuple[str, str]], entry: cache.Entry, place: _Place) -> int:
    from chainverify.formats import message
    from chainverify.rules import messages as rules

    asked = _asked(entry, place.git_dir)
    text, encoding = message.decode(raw, dict(config).get("i18n.commitencoding"))
    facts = rules.MessageFacts(encoding=encoding, path=place.file)
    if any(policy.sign_off != "off" for policy in asked):
        from chainverify.hook import people

        try:
            facts.people = people.here(asked, entry.people, os.path.dirname(place.policy), run, _read)  # noqa: PTH120
        except OSError as error:
            return _stop(WRONG, f"cannot read the mailmap {error.filename}: {error.strerror}")
    without_editor = os.environ.get("GIT_EDITOR") == ":"
    command = cleanup.git_command()
    arguments, environment = command if command else (None, {})
    readings = cleanup.readings(
        text, config, editor=not without_editor, arguments=arguments,
        unsure=without_editor and environment.get("GIT_EDITOR") == ":",
    )  # fmt: skip
    for stored in readings:
        for policy in asked:
            if any(entry.rules.get(each.rule) != "off" for each in rules.problems(stored, facts, policy)):
                return _refuse(readings, asked, facts, entry, text=text, arguments=arguments or [], place=place)
    return GOOD


def _asked(entry: cache.Entry, git_dir: str) -> tuple[cache.Rules, ...]:
    """The rules of the branch that the commit goes to, all of which it must follow: as `rules.refs.message_rules` has it."""
    if entry.messages is None:
        return ()
    if entry.refs:
        from chainverify.formats.glob import matches_any
        from chainverify.hook import branch

        ref = branch.current(git_dir)
        own = tuple(rules for globs, rules in entry.refs if ref and matches_any(globs, ref))
        return own or (entry.messages,)
    return (entry.messages,)


def _refuse(
    readings: list[str], asked: tuple[cache.Rules, ...], facts: MessageFacts, entry: cache.Entry, *,
    text: str, arguments: list[str], place: _Place,
) -> int:
    """Say what is wrong with the first of `readings` that breaks a rule and is not exempt; this path may be slow."""
    from chainverify.hook import refusal
    from chainverify.rules import messages as rules

    found: list[Problem] = []
    reason = refused = ""
    parents = refusal.parents(place.git_dir, arguments, run) if any(policy.merges == "skip" for policy in asked) else 1
    for stored in readings:
        wrong: list[Problem] = []
        reasons: list[str] = []
        for policy in asked:
            facts.parents, facts.revert = parents, False
            broken = rules.problems(stored, facts, policy)
            if broken and not rules.skipped(facts, policy):
                facts.revert = refusal.reverts(stored, policy, run)
                broken = rules.problems(stored, facts, policy) if facts.revert else broken
            reasons.append(rules.skipped(facts, policy))
            said = {(each.rule, each.message) for each in wrong}
            wrong += [each for each in broken if entry.rules.get(each.rule) != "off" and (each.rule, each.message) not in said]
        reason = reason or (reasons[0] if all(reasons) else "")
        enforced = any(entry.rules.get(each.rule) != "advise" for each in wrong)
        if enforced or not found:
            found, refused = wrong, stored if enforced else ""
        if enforced:
            break
    advice = [each for each in found if entry.rules.get(each.rule) == "advise"]
    if found:
        sys.stderr.write(refusal.render(found, advice, text, place.file))
    if len(found) > len(advice):
        if refused.strip():
            sys.stderr.write(refusal.recovery(text, arguments, place.file))
        return UNDECIDED if all(each.unknown for each in found if each not in advice) else REFUSED
    return _stop(GOOD, f"the message was not judged: {reason}") if reason else GOOD


def run(*arguments: str) -> tuple[int, bytes]:
    """Exit status and output of git with `arguments`."""
    return _Git(list(arguments)).result()


def _stop(status: int, text: str, hint: str = "") -> int:
    from chainverify.output.escape import escape

    sys.stderr.write(f"chainverify: {escape(text)}\n" + (f"  help: {escape(hint)}\n" if hint else ""))
    return status
