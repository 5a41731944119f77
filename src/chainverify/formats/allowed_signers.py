"""Allowed signers files of OpenSSH: which key may sign as whom, in which namespaces, when (ssh-keygen(1), ALLOWED SIGNERS).

A file is read whole or not at all: ssh-keygen skips a line that it cannot read and goes on, which turns a slip of the pen
into a signer who is missing, or into a limit that is. All errors are `Malformed` and name the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from chainverify.errors import Malformed
from chainverify.formats import keykind, sshkey
from chainverify.formats.sshkey import SshPublicKey
from chainverify.formats.sshwire import damaged

MAX_FILE_BYTES: Final = 1 << 20
"""The largest file that is read."""
MAX_PATTERN_BYTES: Final = 1022
"""The longest pattern of a list; OpenSSH lets a list with a longer one match nothing."""
MAX_NAME_BYTES: Final = 1024
"""The longest name that a pattern is tried on; a longer one matches nothing (no address has over 320)."""
GIT: Final = b"git"
"""The namespace of signatures of commits and tags."""

_SPACE: Final = " \t"
_WILD: Final = frozenset("*?!")
_WORD: Final = re.compile(r"[^ \t]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OPTIONS: Final = re.compile(r'(?:[^ \t"]|"[^"]*")+(?=[ \t])')
_TIME: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z|UTC)?", re.ASCII | re.IGNORECASE)
# OpenSSH knows a quote behind a backslash inside a value; nothing that is allowed here needs one
_OPTION: Final = re.compile(r'([A-Za-z-]+)(?:="([^"\\]*)")?(?=,|\Z)')
LINE: Final = "a line is PRINCIPALS [OPTIONS] KEY, as in: alice@example.org ssh-ed25519 AAAA..."
"""What a line looks like, for people."""
_OPTIONS_HINT: Final = 'options are cert-authority, namespaces="...", valid-after="...", valid-before="...", with commas between'
_TIMES: Final = ("valid-after", "valid-before")


class AllowedSigner(NamedTuple):
    """A line: `principals` is a pattern list (`matches`) of who may sign with `key`, or with certificates that it issues.

    `number` counts lines from 1. `namespaces` is a pattern list too, None for all. `valid_after` and `valid_before` are seconds
    since the epoch, both within the time, None for no limit. `assumed_utc` says that a time names no zone: OpenSSH reads it in
    the zone of whichever machine verifies, this reader as UTC.
    """

    number: int
    principals: str
    key: SshPublicKey
    cert_authority: bool = False
    namespaces: str | None = None
    valid_after: int | None = None
    valid_before: int | None = None
    assumed_utc: bool = False

    @property
    def for_git(self) -> bool:
        """Whether the line counts for signatures of commits and tags, by its namespaces."""
        return self.namespaces is None or matches_namespace(self.namespaces, GIT)


def parse(data: bytes) -> tuple[AllowedSigner, ...]:
    """The lines of a file, in order; empty lines and those that start with `#` are skipped, CRLF ends a line as LF does.

    Raises `Malformed` for a line that does not follow the grammar, and for a file without any.
    """
    if len(data) > MAX_FILE_BYTES:
        raise damaged(f"allowed signers file has {len(data)} bytes, at most {MAX_FILE_BYTES} are read")
    found: list[AllowedSigner] = []
    for number, raw in enumerate(data.split(b"\n"), 1):
        bare = raw.removesuffix(b"\r").strip(b" \t")
        if not bare or bare.startswith(b"#"):
            continue
        try:
            found.append(_line(number, bare))
        except Malformed as error:
            # an SSH key without principals is the one other kind of key that ends up here as it is
            better = keykind.hint(bare, error.hint) if bare.startswith(b"-----BEGIN") else error.hint
            raise Malformed(f"allowed signers line {number}: {error.message}", rule=error.rule, hint=better) from error
    if not found:
        raise damaged("expected lines of allowed signers, got none", LINE)
    return tuple(found)


def names(patterns: str) -> tuple[str, ...]:
    """The members of a pattern list that are names and no patterns, and that the list itself does not exclude."""
    return tuple(each for each in patterns.split(",") if not _WILD.intersection(each) and matches(patterns, each))


def wild(patterns: str) -> tuple[str, ...]:
    """The members of a pattern list that are patterns and exclude nobody."""
    return tuple(each for each in patterns.split(",") if _WILD.intersection(each) and not each.startswith("!"))


def matches(patterns: str, name: str | bytes) -> bool:
    """Whether a pattern list of principals names `name`: one of its patterns does, and none that starts with `!`.

    `*` stands for any bytes, `?` for one. ASCII letters match in either case, where OpenSSH tells them apart: the names are
    e-mail addresses here, and those of a policy are compared so; it also keeps `!bob@example.org` from being evaded as
    `Bob@example.org`. No list matches the empty name, or one longer than `MAX_NAME_BYTES`. Time is at most the length of the
    list times that of the name.
    """
    return _matches(patterns, name, ignore_case=True)


def matches_namespace(patterns: str, namespace: bytes) -> bool:
    """Whether a pattern list names a signature's namespace; as `matches`, but case counts."""
    return _matches(patterns, namespace, ignore_case=False)


def _matches(patterns: str, name: str | bytes, *, ignore_case: bool) -> bool:
    text = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    if not 0 < len(text) <= MAX_NAME_BYTES:
        return False
    if ignore_case:
        text = text.lower()
    positive = False
    for negated, match in _compiled(patterns, ignore_case):
        if match(text):
            if negated:
                return False
            positive = True
    return positive


_Matcher: TypeAlias = Callable[[bytes], bool]


@lru_cache(maxsize=4096)
def _compiled(patterns: str, ignore_case: bool) -> tuple[tuple[bool, _Matcher], ...]:
    """For each pattern of a list: whether it is negated, and what tells if it matches (`bytes.lower` folds ASCII only)."""
    data = patterns.encode("utf-8", "surrogateescape")
    if ignore_case:
        data = data.lower()
    return tuple(
        (pattern.startswith(b"!"), _matcher(pattern.removeprefix(b"!"))) for pattern in data.split(b",")
    )


def _matcher(pattern: bytes) -> _Matcher:
    """What tells whether the whole of a name matches `pattern`.

    Of what stands between two `*` the first place found will do: no choice is ever taken back, so the time is bounded, as that
    of one regular expression with several `.*` is not.
    """
    if not pattern.strip(b"*"):
        return bool if pattern else (lambda name: not name)
    first, *others = (_Part(part) for part in pattern.split(b"*"))
    if not others:
        return lambda name: len(name) == first.size and first.at(name, 0)
    *middle, last = others

    def match(name: bytes) -> bool:
        at, end = first.size, len(name) - last.size
        if at > end or not first.at(name, 0) or not last.at(name, end):
            return False
        for part in middle:
            at = part.find(name, at, end)
            if at < 0:
                return False
        return True

    return match


class _Part:
    """A piece of a pattern without `*`, of a fixed size: every `?` is one byte."""

    __slots__ = ("_regex", "size")

    def __init__(self, text: bytes) -> None:
        self.size = len(text)
        self._regex = re.compile(b".".join(re.escape(piece) for piece in text.split(b"?")), re.DOTALL)

    def at(self, name: bytes, place: int) -> bool:
        """Whether it stands at `place`."""
        return self._regex.match(name, place) is not None

    def find(self, name: bytes, start: int, end: int) -> int:
        """The end of its first occurrence between two places, -1 for none."""
        found = self._regex.search(name, start, end)
        return found.end() if found else -1


def _line(number: int, raw: bytes) -> AllowedSigner:
    """One line, without its end. Raises `Malformed`."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise damaged(f"expected UTF-8, got {raw[error.start : error.start + 4]!r}") from error
    if _CONTROL.search(text):
        raise damaged(f"it holds control characters: {text[:80]!r}")
    principals, rest = _principals(text)
    kind = rest.replace("\t", " ").partition(" ")[0]
    if kind in sshkey.SUPPORTED or kind in sshkey.UNSUPPORTED or sshkey.CERTIFICATE in kind:
        return AllowedSigner(number, principals, _key(rest))
    options = _OPTIONS.match(rest)
    if options is None:
        raise damaged(f"principals {principals[:80]!r} stand alone, or before a quote that is never closed; expected a key", LINE)
    return _with_options(AllowedSigner(number, principals, _key(rest[options.end() :].lstrip(_SPACE))), options[0])


def _principals(text: str) -> tuple[str, str]:
    """The principals of a line, out of their quotes, and what follows."""
    if text.startswith('"'):
        principals, closed, rest = text[1:].partition('"')
        if not closed or not rest.startswith((" ", "\t")):
            raise damaged("quoted principals are not closed before a space")
    else:
        found = _WORD.match(text)
        principals, rest = (found[0], text[found.end() :]) if found else ("", text)
        if '"' in principals:
            raise damaged(f"a quote stands inside the principals {principals[:80]!r}, expected it around all of them, or nowhere")
    for pattern in principals.encode().split(b","):
        if not 0 < len(pattern.removeprefix(b"!")) <= MAX_PATTERN_BYTES:
            raise damaged(f"principals {principals[:80]!r} hold a pattern of no bytes, or of more than {MAX_PATTERN_BYTES}")
    return principals, rest.lstrip(_SPACE)


def _key(text: str) -> SshPublicKey:
    return sshkey.parse_line(text.encode(), LINE)[0]


def _with_options(line: AllowedSigner, text: str) -> AllowedSigner:
    """The line with its options read. Raises `Malformed`."""
    seen: set[str] = set()
    at = 0
    while True:
        found = _OPTION.match(text, at)
        if found is None:
            raise damaged(f"expected an option, got {text[at : at + 60]!r}", _OPTIONS_HINT)
        name, value = found[1].lower(), found[2]
        if name in seen:
            raise damaged(f"option {name} stands twice")
        seen.add(name)
        line = _with_option(line, name, value)
        at = found.end()
        if at == len(text):
            break
        at += 1
    if line.valid_after is not None and line.valid_before is not None and line.valid_before <= line.valid_after:
        raise damaged("valid-before is not after valid-after, so no signature could ever be valid")
    return line


def _with_option(line: AllowedSigner, name: str, value: str | None) -> AllowedSigner:
    if name == "cert-authority" and value is None:
        return line._replace(cert_authority=True)
    if name == "namespaces" and value is not None:
        if not all(0 < len(one.removeprefix(b"!")) <= MAX_PATTERN_BYTES for one in value.encode().split(b",")):
            raise damaged(f"namespaces={value[:80]!r} hold a pattern of no bytes, or of more than {MAX_PATTERN_BYTES}")
        return line._replace(namespaces=value)
    if name in _TIMES and value is not None:
        seconds, assumed = parse_time(value)
        line = line._replace(assumed_utc=line.assumed_utc or assumed)
        return line._replace(valid_after=seconds) if name == "valid-after" else line._replace(valid_before=seconds)
    if name in {"cert-authority", "namespaces", *_TIMES}:
        raise damaged(f"option {name} {'has no value' if value is None else 'takes no value'}", _OPTIONS_HINT)
    raise damaged(f"unknown option {name!r}", _OPTIONS_HINT)


def parse_time(text: str) -> tuple[int, bool]:
    """Seconds since the epoch of `YYYYMMDD[HHMM[SS]]`, and whether it names no zone (`Z` or `UTC`) and is read as UTC.

    Raises `Malformed` for a date that is not in the calendar, and for 1970-01-01 and before, which OpenSSH takes for no time.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise damaged(f"expected a time such as 20250615Z or 202506151200Z, got {text[:40]!r}")
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
        seconds = int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError as error:
        raise damaged(f"time {text!r} is not in the calendar") from error
    if seconds <= 0:
        raise damaged(f"time {text!r} is not after the start of 1970")
    return seconds, not found[7]


def format_time(seconds: int) -> str:
    """A time as such a file writes it, `@SECONDS` outside the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d%H%M%SZ").rjust(15, "0")
    except (ValueError, OverflowError, OSError):
        return f"@{seconds}"
