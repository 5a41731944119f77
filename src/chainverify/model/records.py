"""`typing.NamedTuple` at a tenth of the cost of a class statement, for types that the commit-msg hook defines at its start.

typing compiles a constructor for every such class, which takes longer than git takes to store a commit. Here the fields are
read off the annotations and one constructor serves all. Type checkers are shown the real NamedTuple (see `policy.model`); this
has what the code uses of it: defaults, `_replace`, `_asdict`, `_fields`, `_field_defaults`, equality and hash of a tuple.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any


class Record(tuple[Any, ...]):
    """The base: a subclass's annotations are its fields, in order, their values in the class body the defaults."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()
    _field_defaults: dict[str, Any] = {}  # noqa: RUF012 - replaced in every subclass, never changed

    def __init_subclass__(cls) -> None:
        """Turn annotations into fields. Raises `TypeError` for a field without a default after one with it."""
        fields = tuple(cls.__dict__["__annotations__"])  # noqa: RUF063 - inspect is a slow import
        defaults = {name: cls.__dict__[name] for name in fields if name in cls.__dict__}
        if list(fields[len(fields) - len(defaults) :]) != list(defaults):
            raise TypeError(f"{cls.__name__} has a field without a default after one with it")
        for index, name in enumerate(fields):
            setattr(cls, name, property(itemgetter(index)))
        cls._fields = fields
        cls._field_defaults = defaults

    def __new__(cls, *values: Any, **named: Any) -> Record:
        """As NamedTuple's: `TypeError` for a field that is missing, unknown or given twice."""
        fields = cls._fields
        if len(values) > len(fields):
            raise TypeError(f"{cls.__name__} has {len(fields)} fields, got {len(values)} values")
        for name in fields[: len(values)]:
            if name in named:
                raise TypeError(f"{cls.__name__} got {name} twice")
        try:
            rest = [named.pop(name) if name in named else cls._field_defaults[name] for name in fields[len(values) :]]
        except KeyError as error:
            raise TypeError(f"{cls.__name__} is missing {error.args[0]}") from error
        if named:
            raise TypeError(f"{cls.__name__} has no field {next(iter(named))}")
        return tuple.__new__(cls, (*values, *rest))

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
        return f"{type(self).__name__}({inside})"

    def _replace(self, **named: Any) -> Record:
        return type(self)(**{**self._asdict(), **named})

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))
