"""The effective policy, every default filled in: as plain values by section, and as TOML that reads back as the same policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chainverify.policy import paths
from chainverify.policy.fields import (
    OBSERVED,
    Duration,
    Field,
    Named,
    Pending,
    Refused,
    Section,
    Sub,
    Subs,
    Switch,
    TextMap,
    Time,
)
from chainverify.policy.messages import OVERRIDES
from chainverify.policy.model import Policy, ServerPolicy
from chainverify.policy.whole import SERVER_FILE


class _Moment(int):
    """Seconds since the epoch that are written as a date and time."""


def as_json(policy: Policy) -> dict[str, Any]:
    """The policy as values that JSON can hold, by the keys of the TOML file; times are RFC 3339 text in UTC.

    `source`, `digest` and `observed` stand beside `policy`, the sections.
    """
    return {
        "source": policy.source,
        "digest": policy.digest,
        "observed": list(policy.observed),
        "policy": _jsonable(_plain(policy)),
    }


def show(policy: Policy) -> str:
    """The policy as TOML with its source and digest in comments; a section that asks nothing is left out."""
    lines = [f"# effective policy of {_one_line(policy.source)}", f"# {policy.digest}"]
    absent = [name for name in ("commits", "messages", "images") if getattr(policy, name) is None]
    lines += [f"# no [{name}]: nothing is asked of {_ASKED[name]}" for name in absent]
    lines += _table(_plain(policy), "")
    return "\n".join(lines) + "\n"


_ASKED = {"commits": "signatures", "messages": "commit messages", "images": "container images"}


def _plain(policy: Policy) -> dict[str, Any]:
    """The sections as dictionaries by TOML key; times are `_Moment`."""
    values: dict[str, Any] = {"version": 1}
    held = {
        "policy": {"signers": list(policy.editors)} if policy.editors else None,
        "tags": {"require": policy.tags},
        "rules": dict(policy.rules) or None,
    }
    for field in SERVER_FILE.fields:
        if field.key in held:
            value: Any = held[field.key]
        elif field.key in Policy._fields:
            value = getattr(policy, field.key)
            if field.key == "server" and value == ServerPolicy():
                value = None
            value = _section_value(field, value, policy.observed, "")
        else:
            continue
        if value is not None and value != []:
            values[field.key] = value
    return values


def _section_value(field: Field, value: Any, observed: tuple[str, ...], path: str) -> Any:
    here = paths.join(path, field.key)
    if isinstance(field.shape, Switch):
        return False if value is None else _values(field.shape.section, value, observed, here)
    if value is None:
        return None
    if isinstance(field.shape, Named):
        return {each.name: _values(field.shape.section, each, observed, here) for each in value}
    if isinstance(field.shape, Sub) and field.shape.section is OVERRIDES:
        given = dict(value)
        fields = ((each, each.key.replace("-", "_")) for each in OVERRIDES.fields)
        return {each.key: _section_value(each, given[name], observed, here) for each, name in fields if name in given}
    if isinstance(field.shape, Sub):
        return _values(field.shape.section, value, observed, here)
    if isinstance(field.shape, Subs):
        return [_values(field.shape.section, each, observed, paths.item(here, i)) for i, each in enumerate(value)]
    if isinstance(field.shape, Time):
        return _Moment(value)
    if isinstance(field.shape, Duration):
        return f"{round(value * 1000)}ms" if value % 1 else f"{int(value)}s"
    if isinstance(field.shape, TextMap):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value


def _values(section: Section, value: Any, observed: tuple[str, ...], path: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for field in section.fields:
        if isinstance(field.shape, Pending | Refused):
            continue
        found = _section_value(field, getattr(value, field.key.replace("-", "_")), observed, path)
        # an empty list is the same as none, and where one is not allowed it could not be read back
        if found is not None and found not in ([], {}):
            out[field.key] = found
    if out.get("unsafe-unsigned") is not None:
        for key in ("threshold", "formats", "reference"):
            out.pop(key, None)
    if section.observable and path in observed:
        out[OBSERVED.key] = True
    return out


def _table(values: Mapping[str, Any], path: str) -> Iterator[str]:
    """TOML lines of a table: plain keys first, then the tables below it."""
    for key, value in values.items():
        if not _is_table(value):
            yield f"{paths.join('', key)} = {_literal(value)}"
    for key, value in values.items():
        here = paths.join(path, key)
        if isinstance(value, dict):
            yield from ("", f"[{here}]", *_table(value, here))
        elif _is_table(value):
            for each in value:
                yield from ("", f"[[{here}]]", *_table(each, here))


def _is_table(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Moment):
        return _moment(value)
    if isinstance(value, list):
        return "[" + ", ".join(_literal(each) for each in value) + "]"
    if isinstance(value, str):
        return basic_string(value)
    return str(value)


def basic_string(value: str) -> str:
    """A TOML basic string on one line; everything that is not printable is escaped."""
    named = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(named.get(c) or (c if c.isprintable() else _escape(ord(c))) for c in value) + '"'


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _moment(value: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(int(value), UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def _jsonable(value: Any) -> Any:
    if isinstance(value, _Moment):
        return _moment(value)
    if isinstance(value, dict):
        return {key: _jsonable(each) for key, each in value.items()}
    return [_jsonable(each) for each in value] if isinstance(value, list) else value
