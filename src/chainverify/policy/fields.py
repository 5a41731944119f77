"""How the sections of a policy are described, and the loader that follows the descriptions.

Each section is one `Section` of `Field`s; `fields.read` turns a TOML table into the section's frozen type by it, and
`policy.schema` makes the JSON Schema of it, so that the two cannot drift. A value is never coerced; where a list is
expected a single value will do. What this version does not enforce is a `Pending` field: refused unless the value asks
for nothing, because a policy that is silently enforced in part is weaker than it says.

All errors are `PolicyError` with the dotted path as `key`; `policy.load` adds source and line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, dataclass_transform

from chainverify.errors import PolicyError
from chainverify.policy import paths

Table: TypeAlias = Mapping[str, object]

PLAIN: Final = r"[^\u0000-\u001f\u007f-\u009f]+"
"""Text of one line: not empty, no control characters."""


@dataclass_transform(frozen_default=True)
class _Description:
    """A class whose annotations are its fields, with defaults, by position or by name; for constants, compared by identity.

    Not a NamedTuple: making a dozen of those classes costs the commit-msg hook, where it has no cache, two milliseconds.
    """

    def __init__(self, *values: object, **named: object) -> None:
        names = tuple(type(self).__annotations__)
        given = {**dict(zip(names, values, strict=False)), **named}
        missing = [name for name in names if name not in given and not hasattr(type(self), name)]
        if len(values) > len(names) or missing or given.keys() - set(names):
            raise TypeError(f"{type(self).__name__} takes {', '.join(names)}, got {len(values)} and {', '.join(named)}")
        self.__dict__.update(given)


class Text(_Description):
    """Text; the whole of it must match `pattern` (a simple regular expression that Python and ECMAScript read alike)."""

    pattern: str = PLAIN
    expected: str = "text of one line"


class Choice(_Description):
    """One of `values`; those of `pending` are words of the contract that this version does not enforce."""

    values: tuple[str, ...]
    pending: tuple[str, ...] = ()


class Flag(_Description):
    """true or false."""


class Number(_Description):
    """A whole number in a range."""

    low: int
    high: int


class Time(_Description):
    """A date (its start in UTC) or a date and time with an offset; read as seconds since the epoch."""


class Duration(_Description):
    """Text such as `30s` or `500ms`; read as seconds."""


class ListOf(_Description):
    """A list of one shape, or a single value of it; `into` makes the stored value of the elements."""

    shape: Text | Choice
    least: int = 0
    into: Callable[[Iterable[Any]], Any] = tuple


class TextMap(_Description):
    """A table of texts by free keys; read as a tuple of pairs."""


class Switch(_Description):
    """false (read as None), true for a section with all its defaults, or the table of the section."""

    section: Section


class Named(_Description):
    """A table whose free keys, each matching `key`, name tables of one section; `section.make` gets the key as `name`.

    No two keys may differ in the case of letters alone.
    """

    section: Section
    key: str
    expected: str


class Sub(_Description):
    """A table that is a section of its own."""

    section: Section


class Subs(_Description):
    """An array of tables, each of one section; a single table will do."""

    section: Section


class Pending(_Description):
    """A key of the contract that this version does not enforce; the values in `nothing` ask for nothing and are let pass."""

    nothing: tuple[object, ...] = ()


class Refused(_Description):
    """A key that has a meaning elsewhere and is wrong here, for the reason in `why`."""

    why: str
    hint: str = ""


Shape: TypeAlias = (
    Text | Choice | Flag | Number | Time | Duration | ListOf | TextMap | Switch | Named | Sub | Subs | Pending | Refused
)


class Field(_Description):
    """A key of a section: its `shape`, and what it means for people (the schema's description)."""

    key: str
    shape: Shape
    doc: str = ""
    required: bool = False


class Section(_Description):
    """A table of the policy: `make` builds its value from the values by key, `check` judges it as a whole.

    `check` gets the value, the raw table and the table's path, and raises `PolicyError`. `observable` sections may be
    marked `observed = true`.
    """

    name: str
    fields: tuple[Field, ...]
    make: Callable[[dict[str, Any]], Any]
    check: Callable[[Any, Table, str], None] | None = None
    observable: bool = False
    doc: str = ""


OBSERVED: Final = Field(
    "observed", Flag(), "init only saw this trust in the repository; servers and CI refuse it until a person removes the mark"
)


class Reading:
    """What is collected over one reading: the paths of all tables that are marked `observed = true`."""

    def __init__(self) -> None:
        self.observed: list[str] = []


def into(kind: Callable[..., Any]) -> Callable[[dict[str, Any]], Any]:
    """`make` for a NamedTuple whose attributes are the keys with `_` for `-`; keys it has no attribute for are dropped."""
    names = frozenset(getattr(kind, "_fields", ()))

    def make(values: dict[str, Any]) -> Any:
        named = {key.replace("-", "_"): value for key, value in values.items()}
        return kind(**{name: value for name, value in named.items() if name in names})

    return make


def read(
    section: Section, raw: object, path: str, reading: Reading, *, position: int | None = None, name: str | None = None
) -> Any:
    """The value of a section from its TOML table at `path`; `position` or `name` is what tells it from others of its kind.

    Raises `PolicyError`.
    """
    if not isinstance(raw, dict):
        raise PolicyError(f"expected a table, got {shown(raw)}", key=path, hint=f"write it as {example(section, path)}")
    known = {field.key: field for field in section.fields}
    if section.observable:
        known[OBSERVED.key] = OBSERVED
    for key in raw:
        if key not in known:
            raise unknown(key, known, path, section)
    values: dict[str, Any] = {}
    for key, field in known.items():
        here = paths.join(path, key)
        if key in raw:
            kept, value = _value(field.shape, raw[key], here, reading)
            if kept:
                values[key] = value
        elif field.required:
            raise PolicyError(f"is missing from {section.name}", key=here, hint=field.doc)
    if values.get(OBSERVED.key):
        reading.observed.append(path)
    if position is not None:
        values["position"] = position
    if name is not None:
        values["name"] = name
    built = section.make(values)
    if section.check is not None:
        section.check(built, raw, path)
    return built


def _value(shape: Shape, raw: object, path: str, reading: Reading) -> tuple[bool, Any]:
    """Whether there is a value to keep, and that value."""
    if isinstance(shape, Sub):
        return True, read(shape.section, raw, path, reading)
    if isinstance(shape, Switch):
        if raw is False:
            return True, None
        if not isinstance(raw, bool | dict):
            raise wrong("false, true or a table", raw, path)
        return True, read(shape.section, {} if raw is True else raw, path, reading)
    if isinstance(shape, Named):
        return True, _named(shape, raw, path, reading)
    if isinstance(shape, Subs):
        if isinstance(raw, dict):
            return True, (read(shape.section, raw, paths.item(path, 0), reading, position=0),)
        if not isinstance(raw, list):
            raise PolicyError(f"expected tables, got {shown(raw)}", key=path, hint=f"write them as [[{path}]]")
        rows = enumerate(raw)
        return True, tuple(read(shape.section, row, paths.item(path, i), reading, position=i) for i, row in rows)
    if isinstance(shape, ListOf):
        return True, _list(shape, raw, path)
    if isinstance(shape, TextMap):
        return True, _text_map(raw, path)
    if isinstance(shape, Pending):
        if any(type(raw) is type(value) and raw == value for value in shape.nothing):
            return False, None
        raise not_yet(path, shape)
    if isinstance(shape, Refused):
        raise PolicyError(shape.why, key=path, hint=shape.hint)
    return True, scalar(shape, raw, path)


def scalar(shape: Text | Choice | Flag | Number | Time | Duration, raw: object, path: str) -> Any:
    """The value of a shape that is no list and no table. Raises `PolicyError`."""
    if isinstance(shape, Flag):
        if not isinstance(raw, bool):
            raise wrong("true or false", raw, path)
        return raw
    if isinstance(shape, Number):
        if not isinstance(raw, int) or isinstance(raw, bool) or not shape.low <= raw <= shape.high:
            raise wrong(f"a whole number from {shape.low} to {shape.high}", raw, path)
        return raw
    if isinstance(shape, Time):
        return _time(raw, path)
    if isinstance(shape, Duration):
        return _duration(raw, path)
    if isinstance(shape, Choice):
        return _choice(shape, raw, path)
    import re

    if not isinstance(raw, str) or re.fullmatch(shape.pattern, raw) is None:
        raise wrong(shape.expected, raw, path)
    return raw


def _choice(shape: Choice, raw: object, path: str) -> str:
    if isinstance(raw, str):
        if raw in shape.values:
            return raw
        if raw in shape.pending:
            raise PolicyError(
                f"{raw!r} is not enforced by this version yet", key=path, hint="expected " + alternatives(shape.values)
            )
        hint = nearest(raw, shape.values)
    else:
        hint = ""
    raise wrong(alternatives(shape.values), raw, path, hint)


def _list(shape: ListOf, raw: object, path: str) -> Any:
    if not isinstance(raw, list):
        return shape.into((scalar(shape.shape, raw, path),))
    if len(raw) < shape.least:
        raise PolicyError(
            f"expected at least {shape.least} value, got an empty list", key=path, hint="leave the key out to ask for nothing"
        )
    return shape.into(scalar(shape.shape, each, paths.item(path, i)) for i, each in enumerate(raw))


def _text_map(raw: object, path: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(raw, dict):
        raise wrong("a table of texts", raw, path)
    return tuple((_key(key, path), scalar(Text(), value, paths.join(path, key))) for key, value in raw.items())


def _named(shape: Named, raw: object, path: str, reading: Reading) -> tuple[Any, ...]:
    import re

    if not isinstance(raw, dict):
        raise wrong("a table of tables", raw, path)
    seen: dict[str, str] = {}
    for key in raw:
        here = paths.join(path, key)
        if re.fullmatch(shape.key, key) is None:
            raise PolicyError(f"expected {shape.expected}, got {shown(key)}", key=here)
        other = seen.setdefault(key.lower(), key)
        if other != key:
            raise PolicyError(f"{key!r} and {other!r} are the same name, for case does not count", key=here, hint="leave one")
    return tuple(read(shape.section, value, paths.join(path, key), reading, name=key) for key, value in raw.items())


def _key(key: str, path: str) -> str:
    if not key:
        raise PolicyError("expected a key, got an empty one", key=paths.join(path, key))
    return key


def _time(raw: object, path: str) -> int:
    from datetime import UTC, date, datetime

    expected = "a date (2026-05-01) or a time with its offset (2026-05-01T00:00:00Z), not in quotes"
    if isinstance(raw, datetime):
        if raw.tzinfo is None:
            raise wrong(expected, raw, path, "a time without an offset means another moment on each machine: add Z for UTC")
        if raw.microsecond:
            raise wrong("whole seconds", raw, path)
        return int(raw.timestamp())
    if isinstance(raw, date):
        return int(datetime(raw.year, raw.month, raw.day, tzinfo=UTC).timestamp())
    raise wrong(expected, raw, path)


DURATION: Final = r"[1-9][0-9]{0,8}(ms|s|m|h|d)"
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _duration(raw: object, path: str) -> float:
    import re

    match = re.fullmatch(DURATION, raw) if isinstance(raw, str) else None
    if match is None or not isinstance(raw, str):
        raise wrong("a duration such as \"30s\" (ms, s, m, h or d)", raw, path)
    return int(raw[: match.start(1)]) * _UNITS[match[1]]


def wrong(expected: str, got: object, path: str, hint: str = "") -> PolicyError:
    """The error for a value of the wrong type or form."""
    return PolicyError(f"expected {expected}, got {shown(got)}", key=path, hint=hint)


def not_yet(path: str, shape: Pending) -> PolicyError:
    """The error for a key that this version does not enforce; never worded as unknown."""
    harmless = [value for value in shape.nothing if value not in ([], {})]
    hint = f"take it out, or write {literal(harmless[0])}" if harmless else "take it out until a version enforces it"
    return PolicyError("is not enforced by this version yet, so it is refused rather than ignored", key=path, hint=hint)


def unknown(key: str, known: Iterable[str], path: str, section: Section) -> PolicyError:
    """The error for a key that the contract does not have, with the nearest that it has."""
    names = tuple(known)
    hint = nearest(key, names) or "known here: " + ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return PolicyError(f"unknown key in {section.name}", key=paths.join(path, key), hint=hint)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint with the known word that is most like `word`, empty where none is."""
    from difflib import get_close_matches

    folded = {name.lower(): name for name in known}
    found = get_close_matches(word[:100].lower().replace("_", "-"), folded, n=1, cutoff=0.6)
    return f"did you mean {folded[found[0]]!r}?" if found else ""


def alternatives(values: tuple[str, ...]) -> str:
    """The values for a message: `a`, `b` or `c`."""
    quoted = [f'"{value}"' for value in values]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]


def shown(value: object) -> str:
    """A value for a message: its type, and itself where that is short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {value[:60]!r}" + ("..." if len(value) > 60 else "") if value else "empty text"
    if isinstance(value, int | float):
        return f"the number {value}" if isinstance(value, float) or abs(value) < 10**18 else "a very large number"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, dict):
        return "a table"
    return f"the time {value}"


def literal(value: object) -> str:
    """A value as TOML, for hints."""
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool | int) else "[]"


def example(section: Section, path: str) -> str:
    """How the header of a section is written."""
    return f"[[{path.rsplit('[', 1)[0]}]]" if path.endswith("]") else f"[{path or section.name}]"
