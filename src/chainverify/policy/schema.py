"""The JSON Schema (draft 7, which editors know best) of the policy, from the same descriptions that drive the loader.

`python -m chainverify.policy.schema` prints it; the package ships that text as `policy/schema.json`. The schema is never
stricter than the loader. It is weaker where JSON Schema cannot say what the loader checks: dates are text to it, and names,
roles, keys and globs are not compared with each other.
"""

from __future__ import annotations

from typing import Any, Final

from chainverify.policy import model
from chainverify.policy.fields import (
    DURATION,
    OBSERVED,
    Choice,
    Duration,
    Field,
    Flag,
    ListOf,
    Named,
    Number,
    Pending,
    Refused,
    Section,
    Shape,
    Sub,
    Subs,
    Switch,
    Text,
    TextMap,
    Time,
)
from chainverify.policy.whole import SERVER_FILE

_DATE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.0+)?)?([Zz]|[+-][0-9]{2}:[0-9]{2}))?$"
_NOT_YET: Final = "not enforced by this version yet"
_TYPES: Final[dict[str, Any]] = {
    "[commits]": model.CommitsPolicy,
    "[messages]": model.MessagesPolicy,
    "[messages] conventional": model.ConventionalPolicy,
    "[messages] trailers": model.TrailerPolicy,
    "[[signers]]": model.Signer,
    "[[refs]]": model.RefPolicy,
    "[images]": model.ImagesPolicy,
    "[[images.trust]]": model.TrustStanza,
}
"""The type that holds each section's defaults."""


def schema() -> dict[str, Any]:
    """The JSON Schema of every policy; `[server]` is in it, though only a server's own file may hold that section."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "chainverify policy, version 1",
        **_section(SERVER_FILE),
    }


def _section(section: Section) -> dict[str, Any]:
    fields = (*section.fields, *((OBSERVED,) if section.observable else ()))
    defaults = getattr(_TYPES.get(section.name), "_field_defaults", {})
    out: dict[str, Any] = {"type": "object", "additionalProperties": False}
    if section.doc:
        out["description"] = section.doc
    out["properties"] = {field.key: _field(field, defaults.get(field.key.replace("-", "_"))) for field in fields}
    required = [field.key for field in fields if field.required]
    return {**out, "required": required} if required else out


def _field(field: Field, default: object) -> dict[str, Any]:
    out = _shape(field.shape)
    pending = isinstance(field.shape, Pending)
    doc = f"{field.doc}; {_NOT_YET}" if pending and field.doc else _NOT_YET if pending else field.doc
    if doc:
        out["description"] = doc
    if isinstance(default, tuple | frozenset):
        default = list(default) or None
    if default is not None:
        out["default"] = default
    return out


def _shape(shape: Shape) -> dict[str, Any]:
    if isinstance(shape, Text):
        return {"type": "string", "pattern": f"^(?:{shape.pattern})$"}
    if isinstance(shape, Choice):
        return {"enum": list(shape.values)}
    if isinstance(shape, Flag):
        return {"type": "boolean"}
    if isinstance(shape, Number):
        return {"type": "integer", "minimum": shape.low, "maximum": shape.high}
    if isinstance(shape, Time):
        return {"type": "string", "pattern": _DATE}
    if isinstance(shape, Duration):
        return {"type": "string", "pattern": f"^(?:{DURATION})$"}
    if isinstance(shape, ListOf):
        return _one_or_many(_shape(shape.shape), shape.least)
    if isinstance(shape, TextMap):
        return {"type": "object", "propertyNames": {"minLength": 1}, "additionalProperties": _shape(Text())}
    if isinstance(shape, Switch):
        return {"anyOf": [{"type": "boolean"}, _section(shape.section)]}
    if isinstance(shape, Named):
        names = {"pattern": f"^(?:{shape.key})$"}
        return {"type": "object", "propertyNames": names, "additionalProperties": _section(shape.section)}
    if isinstance(shape, Sub):
        return _section(shape.section)
    if isinstance(shape, Subs):
        return _one_or_many(_section(shape.section), 0)
    if isinstance(shape, Refused) or not shape.nothing:
        return {"not": {}}
    return {"enum": list(shape.nothing)}


def _one_or_many(one: dict[str, Any], least: int) -> dict[str, Any]:
    many: dict[str, Any] = {"type": "array", "items": one}
    if least:
        many["minItems"] = least
    return {"anyOf": [one, many]}


def text() -> str:
    """The schema as it is committed and published."""
    import json

    return json.dumps(schema(), indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(text())
