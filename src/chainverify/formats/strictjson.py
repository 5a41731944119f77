"""JSON that two readers cannot read differently: RFC 8259, and the restrictions of RFC 7493 (I-JSON) that matter.

Refused: duplicate keys, `NaN` and `Infinity`, bytes that are not UTF-8, lone surrogates, a byte order mark, nesting deeper
than `MAX_DEPTH`. All errors are `Malformed` with rule `image-signature-bad`: signatures of images are the JSON read here.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterable
from typing import Final, NoReturn, TypeAlias

from chainverify.errors import Malformed

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_DEPTH: Final = 64
"""Nested arrays and objects; a bundle with a log entry needs nine."""

_STRUCTURE: Final = re.compile(rb'\\.|["\[\]{}]', re.DOTALL)


def malformed(message: str, *, hint: str = "") -> Malformed:
    """The error of all readers of image signatures."""
    return Malformed(message, rule="image-signature-bad", hint=hint)


def parse(data: bytes, what: str) -> Json:
    """The value of `data`; `what` names it in errors. The caller bounds the size. Raises `Malformed`."""
    _bound_depth(data, what)
    try:
        text = data.decode("utf-8")
        value: Json = json.loads(
            text, object_pairs_hook=lambda pairs: _unique(pairs, what), parse_constant=lambda name: _constant(name, what)
        )
    except Malformed:
        raise
    except UnicodeDecodeError as error:
        raise malformed(f"{what} is not UTF-8 at byte {error.start}") from error
    except (ValueError, RecursionError) as error:  # JSONDecodeError, and integers of too many digits
        raise malformed(f"{what} is not valid JSON: {_reason(error)}") from error
    if "\\u" in text:
        _no_surrogates(value, what)
    return value


def parse_object(data: bytes, what: str) -> dict[str, Json]:
    """As `parse`, for a value that must be an object."""
    return as_object(parse(data, what), what)


def as_object(value: Json, what: str) -> dict[str, Json]:
    """`value` as an object, or `Malformed`."""
    if not isinstance(value, dict):
        raise malformed(f"{what} is {_kind(value)}, expected an object")
    return value


def as_array(value: Json, what: str, limit: int) -> list[Json]:
    """`value` as an array of at most `limit` elements, or `Malformed`."""
    if not isinstance(value, list):
        raise malformed(f"{what} is {_kind(value)}, expected an array")
    if len(value) > limit:
        raise malformed(f"{what} has {len(value)} elements, at most {limit} are read")
    return value


def as_text(value: Json, what: str) -> str:
    """`value` as a string, or `Malformed`."""
    if not isinstance(value, str):
        raise malformed(f"{what} is {_kind(value)}, expected a string")
    return value


def as_size(value: Json, what: str) -> int:
    """`value` as a count of bytes, or `Malformed`; a bool is no number, nor is 1.0."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise malformed(f"{what} is {_kind(value)}, expected a size in bytes")
    return value


def as_text_map(value: Json, what: str) -> tuple[tuple[str, str], ...]:
    """`value` as pairs of strings in the order written; null is no pairs (Go writes nil maps so)."""
    if value is None:
        return ()
    return tuple((key, as_text(inner, f"{what}[{key[:80]!r}]")) for key, inner in as_object(value, what).items())


def only_keys(value: dict[str, Json], known: Iterable[str], what: str) -> None:
    """Refuse members that the format does not have: another reader may give them a meaning."""
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise malformed(f"{what} has the unknown member {unknown[0][:80]!r}")


def decode_base64(text: str, what: str) -> bytes:
    """Standard base64 (RFC 4648 section 4), padded and canonical; CR and LF inside are dropped, as Go does."""
    stripped = text.replace("\r", "").replace("\n", "")
    try:
        encoded = stripped.encode("ascii")
        data = binascii.a2b_base64(encoded, strict_mode=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise malformed(f"{what} is not base64") from error
    if binascii.b2a_base64(data, newline=False) != encoded:
        raise malformed(f"{what} is not canonical base64: bits after its end are set")
    return data


def _bound_depth(data: bytes, what: str) -> None:
    """Count brackets outside strings, before a recursive reader sees them."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    depth, quoted = 0, False
    for match in _STRUCTURE.finditer(data):
        token = match.group()
        if token == b'"':
            quoted = not quoted
        elif not quoted:
            depth += (token in (b"[", b"{")) - (token in (b"]", b"}"))
        if depth > MAX_DEPTH:
            raise malformed(f"{what} nests deeper than {MAX_DEPTH} levels")


def _unique(pairs: list[tuple[str, Json]], what: str) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise malformed(f"{what} has the member {key[:80]!r} twice")
            seen.add(key)
    return value


def _constant(name: str, what: str) -> NoReturn:
    raise malformed(f"{what} holds {name}, which is not JSON")


def _no_surrogates(value: Json, what: str) -> None:
    """Half of a UTF-16 pair has no UTF-8 form: readers replace it, drop it or fail."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str) and any("\ud800" <= character <= "\udfff" for character in item):
            raise malformed(f"{what} holds half of a surrogate pair")
        if isinstance(item, list):
            stack += item
        elif isinstance(item, dict):
            stack += [*item.keys(), *item.values()]


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.lower()} at character {error.pos}"
    return "a number has too many digits" if isinstance(error, ValueError) else "it nests too deep"


def _kind(value: Json) -> str:
    if value is None:
        return "missing or null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, list):
        return "an array"
    return "an object" if isinstance(value, dict) else f"the number {value!r}"[:60]
