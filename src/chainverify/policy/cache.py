"""What the local hooks need of a policy, kept in the git directory so that TOML is not read on every commit.

The entry of the message rules holds the exact bytes of the policy that it was made from and the version of the tool, and serves
only where both are equal: there is no time stamp and no digest to fool. It is written after the whole policy was validated, and
never for one that was refused. A file that another user owns or may write, that is no regular file, or that is damaged in any way
is not used. `kept`, `keep`, `pack` and `unpack` serve other entries in the same way.

No import here but `os`: this is the hot path of the hooks.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from chainverify.policy.model import MessagesPolicy

FILE: Final = "chainverify/messages"
"""Where the entry lies in a git directory."""
MAX_BYTES: Final = 4 << 20
_FORMAT: Final = b"chainverify messages 2"
_END: Final = b"end"
_REGULAR: Final = 0o100000
_KIND: Final = 0o170000
_OTHERS_WRITE: Final = 0o022


class CachedMessages:
    """`policy.model.MessagesPolicy` without the import of its module: the same attributes, the same meaning."""

    __slots__ = (
        "allow_fixup", "body_line_max", "insert_ticket", "introduction", "merges", "pattern", "reverts", "separator",
        "subject_max", "tickets",
    )  # fmt: skip

    def __init__(
        self,
        *,
        introduction: str | None,
        tickets: tuple[str, ...],
        separator: str,
        pattern: str | None,
        subject_max: int | None,
        body_line_max: int | None,
        merges: str,
        reverts: str,
        allow_fixup: bool,
        insert_ticket: bool,
    ) -> None:
        self.introduction = introduction
        self.tickets = tickets
        self.separator = separator
        self.pattern = pattern
        self.subject_max = subject_max
        self.body_line_max = body_line_max
        self.merges = merges
        self.reverts = reverts
        self.allow_fixup = allow_fixup
        self.insert_ticket = insert_ticket


class Entry:
    """`messages` is None for a policy that asks nothing of messages; `rules` are the settings of `[rules]` about messages."""

    __slots__ = ("messages", "rules")

    def __init__(self, messages: CachedMessages | MessagesPolicy | None, rules: dict[str, str]) -> None:
        self.messages = messages
        self.rules = rules


def load(git_dir: str, policy: bytes, version: str) -> Entry | None:
    """The entry made from exactly `policy` by this `version` of the tool, None where there is none that may be believed."""
    data = kept(git_dir, FILE)
    try:
        return _decode(data, policy, version.encode()) if data is not None else None
    except ValueError:  # UnicodeDecodeError is one
        return None


def kept(git_dir: str, name: str) -> bytes | None:
    """The file `name` of a git directory, None where there is none that only its owner, who runs this, could have written."""
    try:
        descriptor = os.open(f"{git_dir}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        found = os.fstat(descriptor)
        mine = found.st_uid == os.geteuid() and not found.st_mode & _OTHERS_WRITE
        if found.st_mode & _KIND != _REGULAR or not mine or found.st_size > MAX_BYTES:
            return None
        return os.read(descriptor, MAX_BYTES)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def store(git_dir: str, policy: bytes, version: str, messages: MessagesPolicy | None, rules: Iterable[tuple[str, str]]) -> bool:
    """Keep what was made of `policy`, which must have been validated as a whole; whether that could be done."""
    return keep(git_dir, FILE, _encode(policy, version.encode(), messages, rules))


def keep(git_dir: str, name: str, data: bytes) -> bool:
    """Write the file `name` of a git directory as a whole, for `kept`; whether that could be done."""
    path = f"{git_dir}/{name}"
    temporary = f"{path}.{os.getpid()}"
    if len(data) > MAX_BYTES:
        return False
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120 - no pathlib on the hot path
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            written = os.write(descriptor, data)
        finally:
            os.close(descriptor)
        if written != len(data):
            os.unlink(temporary)  # noqa: PTH108
            return False
        os.replace(temporary, path)  # noqa: PTH105
    except OSError:
        return False
    return True


def _encode(policy: bytes, version: bytes, messages: MessagesPolicy | None, rules: Iterable[tuple[str, str]]) -> bytes:
    parts = [_FORMAT, version, policy]
    flat = [text for rule, setting in rules if rule.startswith("message-") for text in (rule, setting)]
    parts += [b"%d" % (len(flat) // 2), *(text.encode() for text in flat)]
    if messages is not None:
        parts += [b"messages", b"%d" % len(messages.tickets), *(ticket.encode() for ticket in messages.tickets)]
        parts += [_optional(messages.introduction), messages.separator.encode(), _optional(messages.pattern)]
        parts += [_optional(messages.subject_max), _optional(messages.body_line_max)]
        parts += [messages.merges.encode(), messages.reverts.encode()]
        parts += [b"%d" % messages.allow_fixup, b"%d" % messages.insert_ticket]
    return pack(parts)


def pack(parts: Iterable[bytes]) -> bytes:
    """Netstrings: no length can be mistaken for content, and nothing is evaluated when they are read."""
    return b"".join(b"%d:%b," % (len(part), part) for part in (*parts, _END))


def unpack(data: bytes, start: list[bytes]) -> list[bytes] | None:
    """What `pack` was given, less its `start`; None where it starts otherwise. Raises ValueError where `data` is damaged."""
    at = 0
    parts: list[bytes] = []
    while at < len(data):
        colon = data.index(b":", at, at + 12)
        end = colon + 1 + _number(data[at:colon])
        if data[end : end + 1] != b",":
            raise ValueError("no comma after a value")
        parts.append(data[colon + 1 : end])
        at = end + 1
        if len(parts) <= len(start) and parts[-1] != start[len(parts) - 1]:
            return None
    if len(parts) <= len(start) or parts[-1] != _END:
        raise ValueError("too few values")
    return parts[len(start) : -1]


def _optional(value: str | int | None) -> bytes:
    return b"-" if value is None else b"=" + str(value).encode()


def _decode(data: bytes, policy: bytes, version: bytes) -> Entry | None:
    """The entry in `data`, None where it was made of something else. Raises ValueError where it is damaged."""
    parts = unpack(data, [_FORMAT, version, policy])
    if parts is None:
        return None
    if not parts:
        raise ValueError("too few values")
    texts = [part.decode() for part in parts[1:]]
    split = 2 * _number(parts[0])
    rules = dict(zip(texts[:split:2], texts[1:split:2], strict=True))
    rest = texts[split:]
    if len(texts) < split or any(setting not in ("enforce", "advise", "off") for setting in rules.values()):
        raise ValueError("unknown setting")
    if not rest:
        return Entry(None, rules)
    if len(rest) < 2 or rest[0] != "messages" or len(rest) != 11 + (count := _number(rest[1].encode())):
        raise ValueError("not the values of a message policy")
    del rest[:2]
    introduction, separator, pattern, subject_max, body_line_max, merges, reverts, fixup, insert = rest[count:]
    switches = (merges in ("skip", "judge"), reverts in ("skip", "judge"), fixup in ("0", "1"), insert in ("0", "1"))
    if not all(switches):
        raise ValueError("unknown setting")
    limits = [None if text == "-" else _number(_present(text).encode()) for text in (subject_max, body_line_max)]
    return Entry(
        CachedMessages(
            introduction=None if introduction == "-" else _present(introduction),
            tickets=tuple(rest[:count]),
            separator=separator,
            pattern=None if pattern == "-" else _present(pattern),
            subject_max=limits[0],
            body_line_max=limits[1],
            merges=merges,
            reverts=reverts,
            allow_fixup=fixup == "1",
            insert_ticket=insert == "1",
        ),
        rules,
    )


def _number(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 9:
        raise ValueError("not a number")
    return int(digits)


def _present(text: str) -> str:
    if not text.startswith("="):
        raise ValueError("neither a value nor none")
    return text[1:]
