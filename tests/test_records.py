"""Records behave as the NamedTuples that type checkers take them for."""

from __future__ import annotations

import copy
import pickle
from typing import NamedTuple

import pytest

from chainverify.model.records import Record


class Cheap(Record):
    name: str
    size: int = 3
    tags: tuple[str, ...] = ()


class Real(NamedTuple):
    name: str
    size: int = 3
    tags: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (("a",), {}), (("a", 1), {}), (("a", 1, ("x",)), {}), ((), {"name": "a"}), (("a",), {"tags": ("x",)}),
        ((), {}), ((), {"size": 1}), (("a", 1, (), 9), {}), (("a",), {"name": "b"}), (("a",), {"other": 1}),
    ],
)  # fmt: skip
def test_constructor(values: tuple[object, ...], named: dict[str, object]) -> None:
    try:
        expected = Real(*values, **named)  # type: ignore[arg-type]
    except TypeError:
        with pytest.raises(TypeError):
            Cheap(*values, **named)
        return
    made = Cheap(*values, **named)
    assert made == expected
    assert hash(made) == hash(expected)
    assert (made.name, made.size, made.tags) == (expected.name, expected.size, expected.tags)
    assert made._asdict() == expected._asdict()
    assert repr(made) == repr(expected).replace("Real", "Cheap")
    assert made._replace(size=9) == expected._replace(size=9)
    assert type(made._replace(size=9)) is Cheap
    assert pickle.loads(pickle.dumps(made)) == made == copy.copy(made)


def test_class() -> None:
    assert Cheap._fields == Real._fields
    assert Cheap._field_defaults == Real._field_defaults
    with pytest.raises(AttributeError):
        Cheap("a").size = 1
    with pytest.raises(TypeError):
        Cheap("a")._replace(other=1)
    with pytest.raises(TypeError, match="without a default"):
        type("Bad", (Record,), {"__annotations__": {"a": "int", "b": "int"}, "a": 1})
