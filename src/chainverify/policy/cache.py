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
    from collections.abc import Iterable, Mapping
    from typing import Final, TypeAlias

    from chainverify.policy.model import MessagesPolicy

    Rules: TypeAlias = "CachedMessages | MessagesPolicy"
    Stanzas: TypeAlias = tuple[tuple[tuple[str, ...], "Rules"], ...]

FILE: Final = "chainverify/messages"
"""Where the entry lies in a git directory."""
MAX_BYTES: Final = 4 << 20
_FORMAT: Final = b"chainverify messages 2"
_END: Final = b"end"
_REGULAR: Final = 0o100000
_KIND: Final = 0o170000
_OTHERS_WRITE: Final = 0o022


class CachedMessages:
    """`policy.model.MessagesPolicy` without the import of its module: the same attributes and meaning, plain tuples inside."""

    __slots__ = (
        "allow_fixup", "body_line_max", "conventional", "insert_ticket", "introduction", "mailmap", "merges", "pattern",
        "reverts", "separator", "sign_off", "subject_max", "ticket_where", "tickets", "tickets_max", "trailers",
    )  # fmt: skip

    def __init__(self, values: _Values) -> None:
        """The values in the order in which `_messages` writes them. Raises ValueError where they are damaged."""
        self.introduction: str | None = values.optional()
        self.tickets: tuple[str, ...] = values.texts()
        self.separator: str = values.text()
        self.pattern: str | None = values.optional()
        self.subject_max: int | None = values.optional_number()
        self.body_line_max: int | None = values.optional_number()
        self.merges: str = values.one_of("skip", "judge")
        self.reverts: str = values.one_of("skip", "judge")
        self.allow_fixup: bool = values.flag()
        self.ticket_where: str = values.text()
        self.tickets_max: int = values.number()
        self.conventional: tuple[tuple[str, ...], tuple[str, ...]] | None = None
        if values.flag():
            self.conventional = (values.texts(), values.texts())
        self.trailers: tuple[tuple[str, int, int | None, str | None, bool], ...] = tuple(
            (values.text(), values.number(), values.optional_number(), values.optional(), values.flag())
            for _ in range(values.number())
        )
        self.sign_off: str = values.one_of("off", "exact", "email", "mailmap", "committer")
        self.mailmap: tuple[str, ...] = values.texts()
        self.insert_ticket: bool = values.flag()


class Entry:
    """What the local hooks need of a policy.

    `messages` is None for a policy that asks nothing of messages; `rules` are the settings of `[rules]` about messages. `refs`
    are the stanzas of `[[refs]]` with rules of their own about messages, as globs and rules. `people` are the addresses of each
    person who has several.
    """

    __slots__ = ("messages", "people", "refs", "rules")

    def __init__(
        self, messages: Rules | None, rules: Mapping[str, str], refs: Stanzas = (), people: tuple[tuple[str, ...], ...] = ()
    ) -> None:
        self.messages = messages
        self.rules = rules
        self.refs = refs
        self.people = people


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


def store(git_dir: str, policy: bytes, version: str, entry: Entry) -> bool:
    """Keep what was made of `policy`, which must have been validated as a whole; whether that could be done."""
    return keep(git_dir, FILE, _encode(policy, version.encode(), entry))


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


def _encode(policy: bytes, version: bytes, entry: Entry) -> bytes:
    flat = [text for pair in entry.rules.items() for text in pair]
    values: list[str | int] = [len(entry.rules), *flat, int(entry.messages is not None)]
    if entry.messages is not None:
        values += _messages(entry.messages)
        values.append(len(entry.refs))
        for globs, rules in entry.refs:
            values += [*_list(globs), *_messages(rules)]
        values.append(len(entry.people))
        for addresses in entry.people:
            values += _list(addresses)
    return pack([_FORMAT, version, policy, *(str(value).encode() for value in values)])


def pack(parts: Iterable[bytes]) -> bytes:
    """Netstrings: no length can be mistaken for content, and nothing is evaluated when they are read."""
    return b"".join([b"%d:%b," % (len(part), part) for part in (*parts, _END)])


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


def _messages(rules: Rules) -> list[str | int]:
    """The rules as values, in the order in which `CachedMessages` reads them."""
    values: list[str | int] = [_optional(rules.introduction), *_list(rules.tickets), rules.separator, _optional(rules.pattern)]
    values += [_optional(rules.subject_max), _optional(rules.body_line_max), rules.merges, rules.reverts, int(rules.allow_fixup)]
    values += [rules.ticket_where, rules.tickets_max, int(rules.conventional is not None)]
    for names in rules.conventional or ():
        values += _list(names)
    values.append(len(rules.trailers))
    for name, least, most, pattern, duplicates in rules.trailers:
        values += [name, least, _optional(most), _optional(pattern), int(duplicates)]
    return [*values, rules.sign_off, *_list(rules.mailmap), int(rules.insert_ticket)]


def _list(texts: tuple[str, ...]) -> list[str | int]:
    return [len(texts), *texts]


def _optional(value: str | int | None) -> str:
    return "-" if value is None else f"={value}"


class _Values:
    """The values of an entry, taken one after the other. Every method raises ValueError where the next one is not of its kind."""

    __slots__ = ("_at", "_parts")

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts
        self._at = 0

    def text(self) -> str:
        """Any text."""
        if self._at == len(self._parts):
            raise ValueError("too few values")
        self._at += 1
        return self._parts[self._at - 1].decode()

    def number(self) -> int:
        """A whole number."""
        return _number(self.text().encode())

    def flag(self) -> bool:
        """0 or 1."""
        return self.one_of("0", "1") == "1"

    def one_of(self, *known: str) -> str:
        """One of these texts."""
        text = self.text()
        if text not in known:
            raise ValueError("unknown setting")
        return text

    def optional(self) -> str | None:
        """A text, or none."""
        text = self.text()
        if not text.startswith("=") and text != "-":
            raise ValueError("neither a value nor none")
        return None if text == "-" else text[1:]

    def optional_number(self) -> int | None:
        """A whole number, or none."""
        text = self.optional()
        return None if text is None else _number(text.encode())

    def texts(self) -> tuple[str, ...]:
        """A list of texts, after their number."""
        return tuple([self.text() for _ in range(self.number())])

    def end(self) -> None:
        """There are no more."""
        if self._at != len(self._parts):
            raise ValueError("too many values")


def _decode(data: bytes, policy: bytes, version: bytes) -> Entry | None:
    """The entry in `data`, None where it was made of something else. Raises ValueError where it is damaged."""
    parts = unpack(data, [_FORMAT, version, policy])
    if parts is None:
        return None
    values = _Values(parts)
    settings = {values.text(): values.one_of("enforce", "advise", "off") for _ in range(values.number())}
    if not values.flag():
        values.end()
        return Entry(None, settings)
    messages = CachedMessages(values)
    refs = tuple([(values.texts(), CachedMessages(values)) for _ in range(values.number())])
    people = tuple([values.texts() for _ in range(values.number())])
    values.end()
    return Entry(messages, settings, refs, people)


def _number(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 9:
        raise ValueError("not a number")
    return int(digits)
