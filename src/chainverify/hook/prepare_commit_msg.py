"""The prepare-commit-msg hook: puts the ticket that the branch is named after into the message, where it belongs.

That is before the subject, or in a trailer, as the rules of the branch have it.

It helps and never judges. git runs it on every commit, `-n` does not skip it, and its failure would stop a rebase: whatever it
cannot tell, it leaves the message as it is and ends with 0. Where the message is not a new one of this branch, it is left too:

| what git is doing | how that is seen |
|---|---|
| amend, `-c`, `-C`, reword | second argument `commit` |
| merge, squash merge | second argument `merge` or `squash`, `MERGE_MSG`, `SQUASH_MSG` |
| cherry-pick, revert, picks of a rebase | `MERGE_MSG`: git says `message` of them, as of `-m` |
| a rebase that goes on by itself | no `rebase-merge/stopped-sha`, or `GIT_REFLOG_ACTION` |
| `fixup!`, `squash!`, `amend!` | the subject |

A commit made by hand where a rebase stopped belongs to the branch that is rebased (`rebase-merge/head-name`).
Source: git's `builtin/commit.c` (`prepare_to_commit`) and `sequencer.c` (`pick_commits`, `commit_staged_changes`).
"""

from __future__ import annotations

import os

from chainverify.hook import local
from chainverify.hook.branch import head, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from chainverify.policy.cache import Rules

MESSAGE_BYTES_MAX: Final = 64 << 20
BRANCH_BYTES_MAX: Final = 4096
NUMBER_MAX: Final = 12
"""Digits of a ticket's number that are believed in a branch's name."""
FRAMEWORK_SOURCE: Final = "PRE_COMMIT_COMMIT_MSG_SOURCE"
"""Where pre-commit and prek hand on git's second argument: their hooks get the file alone."""
_HEADS: Final = "refs/heads/"
_BLANK: Final = b" \t\r\v\f"
_DIGITS: Final = "0123456789"
_WORD: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"


def main(arguments: list[str]) -> int:
    """Insert the ticket into the file `arguments[0]`, if it belongs there; 0, and 2 only for a call that git would not make."""
    if not 1 <= len(arguments) <= 3:
        expected = "prepare-commit-msg: expected the file with the message, and perhaps a source and a commit"
        return local.stop(local.WRONG, f"{expected}, got {len(arguments)} arguments")
    source = arguments[1] if len(arguments) > 1 else os.environ.get(FRAMEWORK_SOURCE, "")
    if source not in ("", "message", "template"):
        return local.GOOD
    try:
        _prepare(arguments[0], source)
    except Exception as error:  # nothing here is a reason to keep somebody from committing
        if os.environ.get("CHAINVERIFY_DEBUG") == "1":
            raise
        return local.stop(local.GOOD, f"no ticket was inserted: {type(error).__name__}: {error}"[:300])
    return local.GOOD


def _prepare(file: str, source: str) -> None:
    top, git_dir = local.find()
    if not git_dir:
        return
    full = branch(git_dir)
    if not full:
        return
    policy = _policy(top, git_dir, full)
    if policy is None:
        return
    ticket = ticket_in(full, policy.tickets)
    if not ticket:
        return
    before = local.read(file, MESSAGE_BYTES_MAX)
    if _kept(f"{git_dir}/rebase-merge/message") == before:
        return
    after = inserted(before, ticket, policy, typed=source == "message")
    if after != before:
        _replace(file, after)


def _policy(top: str, git_dir: str, full: str) -> Rules | None:
    """The message rules of the branch under which a ticket is asked for and inserted, None where there are none, several that ask
    for it differently, or none that can be read: commit-msg is the one that says so."""
    try:
        path, data = local.read_policy(top)
    except OSError:
        return None
    if data is None:
        return None
    try:
        entry = local.entry_of(data, path, git_dir)
    except Exception as error:
        from chainverify.errors import ChainverifyError

        if isinstance(error, ChainverifyError):
            return None
        raise
    asked = [rules for rules in local.asked(entry, full) if rules.tickets]
    if not asked or not asked[0].insert_ticket or entry.rules.get("message-ticket") == "off":
        return None
    forms = {(rules.tickets, rules.separator, rules.ticket_where) for rules in asked}
    return asked[0] if len(forms) == 1 else None


def branch(git_dir: str) -> str:
    """The full name of the branch that gets the commit; empty for a detached HEAD and where git is not making a new one."""
    if any(os.path.lexists(f"{git_dir}/{name}") for name in ("MERGE_MSG", "SQUASH_MSG", "MERGE_HEAD", "rebase-apply")):
        return ""
    if os.path.lexists(f"{git_dir}/rebase-merge"):
        stopped = os.path.lexists(f"{git_dir}/rebase-merge/stopped-sha")
        if not stopped or os.environ.get("GIT_REFLOG_ACTION", "").startswith("rebase"):
            return ""
        name = line(f"{git_dir}/rebase-merge/head-name")
        return name if name.startswith(_HEADS) else ""
    return head(git_dir)


def _kept(path: str) -> bytes:
    """What git keeps in a small file, nothing where it is not there."""
    try:
        return local.read(path, MESSAGE_BYTES_MAX)
    except OSError:
        return b""


def ticket_in(full: str, keys: tuple[str, ...]) -> str:
    """The ticket that a branch is named after, in the policy's spelling of its key; empty where there is none, or several.

    `feature/JIRA-12_x` and `jira-12-text` are; `XJIRA-12`, `MY_JIRA-12` and `JIRA-12a` may be other projects' or no tickets.
    """
    name = full.removeprefix(_HEADS)
    if len(name) > BRANCH_BYTES_MAX:
        return ""
    found = {ticket for key in keys for ticket in _tickets(name, key)}
    if len(found) > 1:
        # two keys that differ in case alone: the spelling of the branch decides
        found = {ticket for ticket in found if ticket in name} or found
    return found.pop() if len(found) == 1 else ""


def _tickets(name: str, key: str) -> list[str]:
    found = []
    low, wanted = _ascii_lower(name), _ascii_lower(key) + "-"
    at = low.find(wanted)
    while at >= 0:
        start = at + len(wanted)
        end = start
        while end < len(name) and name[end] in _DIGITS:
            end += 1
        # an underscore may be part of a longer key, and follows a number as any other mark does
        free = (at == 0 or name[at - 1] not in _WORD) and (end == len(name) or name[end] == "_" or name[end] not in _WORD)
        if free and 0 < end - start <= NUMBER_MAX:
            found.append(f"{key}-{name[start:end]}")
        at = low.find(wanted, at + 1)
    return found


def _ascii_lower(text: str) -> str:
    """Lower case for ASCII alone, so that no other letter turns into one and every place stays where it was."""
    return text.encode("utf-8", "surrogateescape").lower().decode("utf-8", "surrogateescape")


def inserted(data: bytes, ticket: str, policy: Rules, *, typed: bool) -> bytes:
    """The file's content with the ticket where the policy wants it, unchanged where it does not belong there.

    `typed` says that the text is a message; else it is what an editor will show: a blank line, a template, help. A message that
    names a ticket of one of the policy's projects anywhere in its subject has one already.
    """
    from chainverify.hook.cleanup import AUTO_COMMENTS
    from chainverify.rules.messages import FIXUPS

    if policy.ticket_where != "subject":
        return _trailer(data, f"{policy.ticket_where.partition(':')[2]}: {ticket}", typed=typed)
    start = f"{ticket}{policy.separator}".encode()
    if not typed and not data.partition(b"\n")[0].strip(_BLANK):
        # the blank first line is where the subject will be written
        return start + data[0 if data[:1] in (b"\n", b"\r") else len(data) - len(data.lstrip(b" \t\v\f")) :]
    at = _first_text(data)
    paragraph = _paragraph(data, at)
    if not paragraph.strip() or data.startswith(b"\xef\xbb\xbf") or paragraph.lstrip().startswith(FIXUPS):
        return data
    if any(_tickets(paragraph, key) for key in policy.tickets):
        return data
    if typed and paragraph[0] not in AUTO_COMMENTS:
        return data[:at] + start + data[at:]
    if paragraph[0] == "#" and not typed:
        return data[:at] + start + b"\n" + data[at:]
    # of a template's first words, and of a line that an editor's cleanup may drop, nobody can tell what they are
    return data[:at] + start + data[at:] if typed and os.environ.get("GIT_EDITOR") == ":" else data


def _trailer(data: bytes, line: str, *, typed: bool) -> bytes:
    """The file's content with the line as a trailer, unchanged where one of its name is there or nothing can be told."""
    from chainverify.formats import trailers
    from chainverify.rules.messages import FIXUPS

    text = data.decode("utf-8", "surrogateescape")
    at = _first_text(data)
    first = _paragraph(data, at)
    if not typed:
        # where git puts the sign-off of -s: a subject and a blank line above, before what is there already
        if first.strip() and first[0] != "#" and not trailers.key_of(first.partition("\n")[0]):
            return data
        name = line.partition(":")[0].lower()
        if any(trailers.key_of(each).rstrip().lower() == name for each in first.split("\n")):
            return data
        return f"\n\n{line}\n".encode() + (b"\n" if first[:1] == "#" else b"") + data[at:]
    if not first.strip() or first.lstrip().startswith(FIXUPS):
        return data
    if os.environ.get("GIT_EDITOR") != ":" and "\n# " not in text:
        return data  # below the text stands help that begins with another character
    name = line.partition(":")[0].lower()
    if any(each.key.lower() == name for each in trailers.trailers(text)):
        return data
    start, end = trailers.block(text)
    above = text[:end] if start < end else text[:end].rstrip("\n") + "\n"
    above += "" if above.endswith("\n") else "\n"
    changed = f"{above}{'' if start < end else chr(10)}{line}\n{text[end:]}"
    return changed.encode("utf-8", "surrogateescape")


def _first_text(data: bytes) -> int:
    """Where the first line that is not blank starts."""
    return data.rfind(b"\n", 0, len(data) - len(data.lstrip(b"\n" + _BLANK))) + 1


def _paragraph(data: bytes, at: int) -> str:
    """The lines from `at` to the next blank one, as characters that stand for single bytes: what is looked for is ASCII."""
    end = at
    while end < len(data):
        line_end = data.find(b"\n", end)
        line_end = len(data) if line_end < 0 else line_end + 1
        if not data[end:line_end].strip(b"\n" + _BLANK):
            break
        end = line_end
    return data[at:end].decode("latin-1")


def _replace(file: str, data: bytes) -> None:
    """Write the file anew as a whole, with its permissions: half a message would be worse than one without a ticket."""
    temporary = f"{file}.chainverify.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.fchmod(descriptor, os.stat(file).st_mode & 0o777)  # noqa: PTH116 - no pathlib on the hot path
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)
        os.replace(temporary, file)  # noqa: PTH105
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise
