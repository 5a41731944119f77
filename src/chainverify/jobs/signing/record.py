"""Settings written into one of git's files so that they can be taken out again, to the byte.

What was there before is kept in the same file, in a section of its own. Not in a state file: the record goes wherever the file
goes (another machine, a moved home, `GIT_CONFIG_GLOBAL`), ends with it, needs no directory that a container may lack, and `git
config --list` shows it to whoever wonders. It holds the settings' earlier values and the few lines that changed, nothing else of
the file, which may hold secrets.

Undoing puts these lines back where they still are as they were written: then the file is what it was, byte for byte. Where
others changed the file in between, git itself sets each value back, and one that the user changed since is left alone and told.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from chainverify.errors import Malformed, UsageError
from chainverify.formats import strictjson
from chainverify.git import config

SECTION: Final = "chainverify.sign-setup"
"""The section that holds the record, as `git config` names it."""
KEY: Final = f"{SECTION}.before"
NAMES: Final = (
    "gpg.format", "user.signingkey", "commit.gpgsign", "tag.gpgsign", "gpg.program", "gpg.x509.program",
    "gpg.ssh.allowedsignersfile",
)  # fmt: skip
"""All that is ever set: a record that names anything else is not followed."""
RECORD_BYTES_MAX: Final = 256 << 10
"""The longest record that is read."""

_HEAD: Final = b'# what was set before chainverify sign-setup, for sign-setup --undo\n[chainverify "sign-setup"]\n'
_Values: TypeAlias = tuple[str | None, ...]


class Kept(NamedTuple):
    """A setting that was not set back, for it was changed after the setup: its name and what it says now."""

    name: str
    values: _Values


class Undone(NamedTuple):
    """A file without the setup: its content (None: the file was not there before), what was set back, and what was kept.

    `exact` says that every line of the setup is again what it was, byte for byte. `found` False: there is no record in the file,
    and it is left as it is.
    """

    data: bytes | None
    found: bool
    restored: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()
    exact: bool = True


class _Record(NamedTuple):
    """`values` are names with their values before and after; `hunks` places (from 0) with the lines there after and before."""

    values: dict[str, tuple[_Values, _Values]]
    hunks: tuple[tuple[int, tuple[bytes, ...], tuple[bytes, ...]], ...]
    existed: bool


def write(before: bytes | None, wanted: Mapping[str, str]) -> bytes:
    """The content of a file with these settings and the record of what was there. `before` must hold no record."""
    base = before or b""
    old = config.values(base, wanted)
    after = config.changed(base, {name: (value,) for name, value in wanted.items()})
    if after and not after.endswith(b"\n"):
        after += b"\n"
    lines, new = base.splitlines(keepends=True), after.splitlines(keepends=True)
    matcher = difflib.SequenceMatcher(None, lines, new, autojunk=False)
    hunks = tuple(
        (start, tuple(new[start:end]), tuple(lines[first:last]))
        for what, first, last, start, end in matcher.get_opcodes() if what != "equal"
    )  # fmt: skip
    values: dict[str, tuple[_Values, _Values]] = {name: (old[name], (value,)) for name, value in wanted.items()}
    return after + _block(_Record(values, hunks, before is not None))


def undo(data: bytes | None) -> Undone:
    """The content of a file without what `write` set. Raises `UsageError` for a record that cannot be read."""
    if data is None:
        return Undone(None, found=False)
    said = config.values(data, (KEY,))[KEY]
    if not said:
        return Undone(data, found=False)
    record = _parse(said)
    now = config.values(data, record.values)
    kept = tuple(
        Kept(name, now[name]) for name, (old, new) in record.values.items() if now[name] not in (old, new)
    )  # fmt: skip
    restored = tuple(name for name, (old, new) in record.values.items() if now[name] == new != old)
    block = _block(record)
    at = data.find(block)
    rest = data[:at] + data[at + len(block) :] if at >= 0 else b""
    exact = None if at < 0 or kept else _patched(rest, record)
    if exact is not None and _means(exact, rest, record):
        return Undone(exact if exact or record.existed else None, True, restored)
    back = {name: record.values[name][0] for name in restored}
    plain = config.changed(rest, back) if at >= 0 else config.changed(data, back, drop=SECTION)
    return Undone(plain if plain or record.existed else None, True, restored, kept, exact=False)


def _patched(data: bytes, record: _Record) -> bytes | None:
    """The content with the old lines in place of the new ones, None where the new ones are not there as they were written."""
    lines = data.splitlines(keepends=True)
    for at, new, old in reversed(record.hunks):
        if tuple(lines[at : at + len(new)]) != new:
            return None
        lines[at : at + len(new)] = old
    return b"".join(lines)


def _means(exact: bytes, rest: bytes, record: _Record) -> bool:
    """Whether the content with the old lines sets what was set before, and all else is as it is now: the record says so, git
    has to agree."""
    expected = config.everything(rest) | {name: old for name, (old, _) in record.values.items()}
    try:
        return config.everything(exact) == {name: values for name, values in expected.items() if values}
    except UsageError:
        return False


def _block(record: _Record) -> bytes:
    """The section with the record, as it stands at the end of the file."""
    said = json.dumps({
        "version": 1,
        "existed": record.existed,
        # every byte a character: configuration may be in any encoding
        "values": {
            name: {"before": [*map(_of_value, before)], "after": [*map(_of_value, after)]}
            for name, (before, after) in record.values.items()
        },
        "lines": [
            {"at": at, "new": [_shown(line) for line in new], "old": [_shown(line) for line in old]}
            for at, new, old in record.hunks
        ],
    })  # fmt: skip
    escaped = said.replace("\\", "\\\\").replace('"', '\\"')
    return _HEAD + f'\tbefore = "{escaped}"\n'.encode("ascii")


def _parse(said: Sequence[str | None]) -> _Record:
    """The record that the section holds. Raises `UsageError` where it is damaged: then nothing is guessed."""
    try:
        if len(said) != 1 or said[0] is None or len(said[0]) > RECORD_BYTES_MAX:
            raise ValueError("expected one record")  # noqa: TRY301 - one way out for all damage
        raw: Any = strictjson.parse(said[0].encode(), "the record")
        if raw["version"] != 1:
            raise ValueError("expected version 1")  # noqa: TRY301
        values = {str(name): (_strings(each["before"]), _strings(each["after"])) for name, each in raw["values"].items()}
        hunks = tuple(
            (_place(each["at"]), tuple(map(_raw, each["new"])), tuple(map(_raw, each["old"]))) for each in raw["lines"]
        )
        if not set(values) <= set(NAMES):
            raise ValueError("it names settings that are never set")  # noqa: TRY301
        return _Record(values, hunks, bool(raw["existed"]))
    except (ValueError, TypeError, KeyError, AttributeError, Malformed) as error:
        raise UsageError(
            f"the record of an earlier sign-setup is damaged: {error}",
            hint=f"look at it with git config --list; git config --remove-section {SECTION} gives up the way back",
        ) from error


def _of_value(value: str | None) -> str | None:
    return None if value is None else _shown(value.encode("utf-8", "surrogateescape"))


def _strings(given: Any) -> _Values:
    if not isinstance(given, list):
        raise TypeError("expected a list of values")
    return tuple(None if each is None else _raw(each).decode("utf-8", "surrogateescape") for each in given)


def _place(given: Any) -> int:
    if not isinstance(given, int) or given < 0:
        raise TypeError("expected the number of a line")
    return given


def _shown(line: bytes) -> str:
    return line.decode("latin-1")


def _raw(line: Any) -> bytes:
    if not isinstance(line, str):
        raise TypeError("expected a text")
    return line.encode("latin-1")
