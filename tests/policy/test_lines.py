"""Line numbers of keys: the scanner beside `tomllib` on everything TOML can do to a reader of lines."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.policy import paths
from chainverify.policy.lines import Lines
from chainverify.policy.normal import basic_string
from tests.policy.examples import GOOD

DOCUMENT = r'''# a comment with [header] and key = 1
version = 1   # line 2

"quoted key" = 1 # 4
'lit.eral' = 2
a.b . "c.d" = 3
text = """
x = 1
[not.a.table]
\""" still inside
""" # 7
raw = '''+"""'''
[[no]]
'' two quotes
''''"""+r'''
list = [ # 16
  "one", # ]
  { x = 1, y = "}" }, # 18

  [ 1,
    2 ], # 21
]
after = true # 23
[table] # 24
k = "a\"b = 1"
[table.sub."x.y"]
k = 1
[[rows]]
k = 1
[[rows.inner]]
k = 1 # 31
[[rows.inner]]
k = 1 # 33
[[rows]]
k = 1 # 35
[rows.one]
k = 1 # 37
[[rows.inner]]
k = 1 # 39
'''


@pytest.mark.parametrize(("path", "line"), [
    ("version", 2), ('"quoted key"', 4), ('"lit.eral"', 5), ("a.b", 6), ('a.b."c.d"', 6), ("text", 7), ("raw", 12),
    ("list", 16), ("list[0]", 17), ("list[1].y", 18), ("list[2]", 20), ("list[2][1]", 21), ("after", 23), ("table", 24),
    ("table.k", 25), ('table.sub."x.y"', 26), ('table.sub."x.y".k', 27), ("rows", 28), ("rows[0].k", 29),
    ("rows[0].inner[0].k", 31), ("rows[0].inner[1].k", 33), ("rows[1]", 34), ("rows[1].k", 35), ("rows[1].one.k", 37),
    ("rows[1].inner[0].k", 39),
    # what is not written has the line of what is around it
    ("rows[1].missing", 34), ('rows[1]."miss.ing"', 34), ("table.sub.missing", 26), ("missing", 0), ("missing.too[1]", 0),
    # one value for a list
    ("after[0]", 23), ("table[0].k", 25),
])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines(path: str, line: int, newline: str) -> None:
    tomllib.loads(DOCUMENT.replace("\n", newline))
    assert Lines(DOCUMENT.replace("\n", newline)).of(path) == line


def every_path(value: Any, path: str = "") -> Iterator[str]:
    """The dotted path of everything in a document."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, each in value.items():
            yield from every_path(each, paths.join(path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from every_path(each, paths.item(path, index))


@pytest.mark.parametrize("text", [DOCUMENT, *GOOD.values()])
def test_every_path_is_found_exactly(text: str) -> None:
    found = Lines(text)._exact
    assert not set(every_path(tomllib.loads(text))) - set(found)


def test_the_parent_of_a_path() -> None:
    for path in ('a."b.c"', 'a."b\\"c"', 'a."b\\\\"', "a.b", "a[0]"):
        assert paths.parent(path) == "a"
    assert paths.parent("a") == paths.parent('"a.b"') == ""


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.integers(0, 3)), max_size=8,
                unique_by=lambda pair: pair[0]))
def test_any_keys_in_any_layout(pairs: list[tuple[str, int]]) -> None:
    text, line, expected = "", 1, {}
    for key, gap in pairs:
        text += "\n" * gap + f"{basic_string(key)} = [\n1, '''\n]'''\n]\n"
        expected[paths.join("", key)] = line + gap
        line += gap + 4
    tomllib.loads(text)
    found = Lines(text)
    for path, number in expected.items():
        assert found.of(path) == number
        assert found.of(paths.item(path, 1)) == number + 1


@given(st.text(alphabet='[]{}"\'=.,#\\\n a1', max_size=60))
def test_any_text_ends(text: str) -> None:
    Lines(text).of("a.a")
