"""YAML nodes: what documents come out, where their nodes stand, and what is refused in little time.

What kubectl's reader makes of the same bytes was looked up once with sigs.k8s.io/yaml v1.6.0 and is noted where it matters.
"""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chainverify.manifests import yamlnodes
from chainverify.manifests.source import Source
from chainverify.manifests.yamlnodes import Budgets, Document, Mapping, Node, Scalar, Sequence, load


def plain(node: Node | None) -> object:
    """A node as plain values; of a key with several values, a tuple of all."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    if isinstance(node, Mapping):
        return {
            key: plain(values[0]) if len(values) == 1 else tuple(plain(value) for value in values)
            for key, values in node.fields.items()
        }
    return None


def only(text: str | bytes) -> Document:
    stream = load(text.encode() if isinstance(text, str) else text)
    assert len(stream.documents) == 1
    return stream.documents[0]


@pytest.fixture(params=["libyaml", "pure"])
def both_parsers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runs with the C parser and with the fallback."""
    monkeypatch.setattr(yamlnodes, "_LOADER", yaml.SafeLoader if request.param == "pure" else yaml.CSafeLoader)


VALUES = {
    "block": ("a: 1\nb:\n- x\n- y: z\n", {"a": "1", "b": ["x", {"y": "z"}]}),
    "flow": ("{a: 1, b: [x, {y: z}]}", {"a": "1", "b": ["x", {"y": "z"}]}),
    "JSON": ('{"a": 1, "b": ["x", {"y": "z"}]}', {"a": "1", "b": ["x", {"y": "z"}]}),
    "escaped key": ('"\\x61\\u0062": 1\n', {"ab": "1"}),
    "complex key": ("? a\n: 1\n", {"a": "1"}),
    "tagged key": ("!!str a: 1\n", {"a": "1"}),
    "binary key": ("!!binary aW1hZ2U=: 1\n", {"image": "1"}),
    "binary key over two lines": ('? !!binary "aW1h\n  Z2U="\n: 1\n', {"image": "1"}),
    "key that is no binary": ("!!binary '?': 1\n", {"?": "1"}),
    "alias": ("a: &x [1]\nb: *x\n", {"a": ["1"], "b": ["1"]}),
    "anchor defined again": ("a: &x 1\nb: *x\nc: &x 2\nd: *x\n", {"a": "1", "b": "1", "c": "2", "d": "2"}),
    "merge": ("a: &x {k: 1}\nb: {<<: *x, l: 2}\n", {"a": {"k": "1"}, "b": {"l": "2", "k": "1"}}),
    "merge, the explicit key wins": ("a: &x {k: 1}\nb: {<<: *x, k: 2}\n", {"a": {"k": "1"}, "b": {"k": "2"}}),
    "merge, the earlier source wins": (
        "a: &x {k: 1}\nb: &y {k: 2, l: 3}\nc: {<<: [*x, *y]}\n",
        {"a": {"k": "1"}, "b": {"k": "2", "l": "3"}, "c": {"k": "1", "l": "3"}},
    ),
    "merge of a merge": ("a: &x {k: 1}\nb: &y {<<: *x}\nc: {<<: *y}\n", {"a": {"k": "1"}, "b": {"k": "1"}, "c": {"k": "1"}}),
    "merge of an inline mapping": ("{<<: {k: 1}, l: 2}", {"l": "2", "k": "1"}),
    "merge key by its tag": ("a: &x {k: 1}\nb: {!!merge '<<': *x}\n", {"a": {"k": "1"}, "b": {"k": "1"}}),
    "quoted << is a key": ("a: &x {k: 1}\nb: {'<<': *x}\n", {"a": {"k": "1"}, "b": {"<<": {"k": "1"}}}),
    "CRLF": ("a: 1\r\nb: 2\r\n", {"a": "1", "b": "2"}),
    "CR only": ("a: 1\rb: 2\r", {"a": "1", "b": "2"}),
    "next line": ("a: 1\u0085b: 2\n", {"a": "1", "b": "2"}),
    "line separator ends a comment": ("a: 1 # c\u2028b: 2\n", {"a": "1", "b": "2"}),
    "byte order mark": ("\ufeffa: 1\n", {"a": "1"}),
    "folded": ("a: >-\n  x\n  y\nb: |\n  z\n", {"a": "x y", "b": "z\n"}),
    "no line end": ("a: 1", {"a": "1"}),
    "null": ("a:\nb: ~\n", {"a": "", "b": "~"}),
}


@pytest.mark.parametrize(("text", "expected"), VALUES.values(), ids=VALUES)
@pytest.mark.usefixtures("both_parsers")
def test_values(text: str, expected: object) -> None:
    document = only(text)
    assert document.problem is None
    assert document.ambiguities == ()
    assert plain(document.root) == expected


def test_json_with_tabs_is_read_by_libyaml() -> None:
    """The pure parser refuses it, which is a problem and no pass."""
    assert plain(only('{\n\t"a": 1,\n\t"b": [\n\t\t"x"\n\t]\n}').root) == {"a": "1", "b": ["x"]}


AMBIGUOUS = {
    "duplicate key": ("a: 1\na: 2\n", {"a": ("1", "2")}, "key 'a' stands twice"),
    "three times": ("{a: 1, a: 2, a: 3}", {"a": ("1", "2", "3")}, "key 'a' stands twice"),
    "duplicate by an escape": ('a: 1\n"\\x61": 2\n', {"a": ("1", "2")}, "key 'a' stands twice"),
    "duplicate by base64": ("a: 1\n!!binary YQ==: 2\n", {"a": ("1", "2")}, "key 'a' stands twice"),
    "duplicate by quotes": ("a: 1\n? 'a'\n: 2\n", {"a": ("1", "2")}, "key 'a' stands twice"),
    # go-yaml 2 applies a merge where it stands: kubectl reads k as 1 here, YAML 1.1 as 2
    "merge behind a key": ("{x: &x {k: 1}, b: {k: 2, <<: *x}}", {"x": {"k": "1"}, "b": {"k": ("2", "1")}}, "stands after"),
    # go-yaml 2 and PyYAML take the last of two merge keys
    "two merge keys": (
        "{x: &x {k: 1}, y: &y {k: 2}, b: {<<: *x, <<: *y}}",
        {"x": {"k": "1"}, "y": {"k": "2"}, "b": {"k": ("1", "2")}},
        "'<<' stands twice",
    ),
    "duplicate in a merged mapping": (
        "{x: &x {k: 1, k: 2}, b: {<<: *x}}", {"x": {"k": ("1", "2")}, "b": {"k": ("1", "2")}}, "key 'k' stands twice",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected", "why"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_all_values_of_an_ambiguous_place_are_kept(text: str, expected: object, why: str) -> None:
    document = only(text)
    assert plain(document.root) == expected
    assert why in document.ambiguities[0].message
    assert document.ambiguities[0].at > 0


def test_a_merge_behind_a_key_with_the_same_value_is_not_ambiguous() -> None:
    assert only("{x: &x {k: 1}, b: {k: 1, <<: *x}}").ambiguities == ()


BROKEN = {
    "syntax": ("a: [1\n", "not YAML"),
    "tab as indentation": ("a:\n\tb: 1\n", "not YAML"),
    "control character": ("a: \x01\n", "not YAML"),
    "NUL": ("a: \0\n", "not YAML"),
    "DEL": ("a: \x7f\n", "not YAML"),
    "unknown alias": ("a: *x\n", "alias '*x' names no anchor"),
    "alias in front of its anchor": ("a: *x\nb: &x 1\n", "alias '*x' names no anchor"),
    "sequence that contains itself": ("a: &x [*x]\n", "anchor '&x' contains itself"),
    "mapping that contains itself": ("&x {a: {b: [*x]}}", "anchor '&x' contains itself"),
    "mapping that merges itself": ("&x {<<: *x}", "anchor '&x' contains itself"),
    "mapping as its own key": ("&x {? *x : 1}", "anchor '&x' contains itself"),
    "merge of a scalar": ("{<<: 1}", "needs a mapping"),
    "merge of a list of scalars": ("{<<: [{a: 1}, 2]}", "needs a mapping"),
    "undefined tag handle": ("a: !e!x 1\n", "not YAML"),
    "YAML 2": ("%YAML 2.0\n---\na: 1\n", "not YAML"),
    "101 levels of flow": ("[" * 101 + "]" * 101, "nested deeper than 100 levels"),
    "101 levels of block": ("".join(" " * depth + "a:\n" for depth in range(102)), "nested deeper than 100 levels"),
    "escape beyond Unicode": ('a: "\\UFFFFFFFF"\n', "not YAML"),
}


@pytest.mark.parametrize(("text", "why"), BROKEN.values(), ids=BROKEN)
@pytest.mark.usefixtures("both_parsers")
def test_a_broken_document_is_a_problem_on_one_line(text: str, why: str) -> None:
    problem = only(text).problem
    assert problem is not None
    assert why in problem.message
    assert "\n" not in problem.message


def test_a_hundred_levels_are_read() -> None:
    assert only("[" * 100 + "]" * 100).problem is None


ENCODINGS = {
    "UTF-16 little": ("\ufeffa: 1".encode("utf-16-le"), "file is UTF-16"),
    "UTF-16 big": ("\ufeffa: 1".encode("utf-16-be"), "file is UTF-16"),
    "UTF-32 little": ("\ufeffa: 1".encode("utf-32-le"), "file is UTF-32"),
    "UTF-32 big": ("\ufeffa: 1".encode("utf-32-be"), "file is UTF-32"),
    "UTF-16 without a mark": ("a: 1".encode("utf-16-le"), "not YAML"),
    "Latin-1": (b"a: caf\xe9\n", "byte 0xe9 is not UTF-8"),
    "surrogate in UTF-8": (b"a: \xed\xa0\x80\n", "byte 0xed is not UTF-8"),
    "overlong": (b"a: \xc0\xae\n", "byte 0xc0 is not UTF-8"),
}


@pytest.mark.parametrize(("data", "why"), ENCODINGS.values(), ids=ENCODINGS)
def test_other_encodings_are_refused(data: bytes, why: str) -> None:
    problem = only(data).problem
    assert problem is not None
    assert why in problem.message


STREAMS = {
    "two": ("a: 1\n---\nb: 2\n", [{"a": "1"}, {"b": "2"}]),
    "marker first": ("---\na: 1\n---\nb: 2\n", [{"a": "1"}, {"b": "2"}]),
    "content on the marker's line": ("--- {a: 1}\n--- [b]\n", [{"a": "1"}, ["b"]]),
    "end markers": ("a: 1\n...\n---\nb: 2\n...\n", [{"a": "1"}, {"b": "2"}]),
    # YAML 1.1 readers want a marker in front of every document but the first
    "end marker alone": ("a: 1\n...\nb: 2\n", [{"a": "1"}, "!"]),
    "directives": ("%YAML 1.1\n---\na: 1\n...\n%TAG ! !x\n---\nb: 2\n", [{"a": "1"}, {"b": "2"}]),
    "marker inside a block scalar": ("a: |\n  ---\n  x\n---\nb: 2\n", [{"a": "---\nx\n"}, {"b": "2"}]),
    "broken first": ("a: [\n---\nb: 2\n", ["!", {"b": "2"}]),
    "broken in the middle": ("a: 1\n---\nb: }\n---\nc: 3\n", [{"a": "1"}, "!", {"c": "3"}]),
    "broken last": ("a: 1\n---\nb: [\n", [{"a": "1"}, "!"]),
    "broken behind directives": ("%YAML 1.1\n---\na: 1\n...\n# c\n\n%YAML 1.1\n# d\n---\nb: [\n---\nc: 3\n",
                                 [{"a": "1"}, "!", {"c": "3"}]),
    "broken with CRLF": ("a: [\r\n---\r\nb: 2\r\n", ["!", {"b": "2"}]),
    "broken with CR": ("a: [\r---\rb: 2\r", ["!", {"b": "2"}]),
    "broken with line separators": ("a: [\u2028---\u2028b: 2\n", ["!", {"b": "2"}]),
    "broken behind an end marker": ("a: 1\n...\nb: [\n---\nc: 3\n", [{"a": "1"}, "!", {"c": "3"}]),
    "too deep, then good": ("[" * 101 + "\n---\nb: 2\n", ["!", {"b": "2"}]),
    "unknown alias, then good": ("a: *x\n---\nb: 2\n", ["!", {"b": "2"}]),
    "anchors end with their document": ("a: &x 1\n---\nb: *x\n---\nc: 3\n", [{"a": "1"}, "!", {"c": "3"}]),
    "control character in the first": ("a: \x01\n---\nb: 2\n", ["!", {"b": "2"}]),
    "empty documents": ("---\n---\na: 1\n---\n", ["", {"a": "1"}, ""]),
    "nothing": ("", []),
    "only a comment": ("# nothing\n", []),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), STREAMS.values(), ids=STREAMS)
@pytest.mark.usefixtures("both_parsers")
def test_one_broken_document_does_not_hide_the_others(text: str, expected: list[object]) -> None:
    documents = load(text.encode()).documents
    assert ["!" if document.problem else plain(document.root) for document in documents] == expected


BOMBS = {
    "deep flow": "[" * 200_000,
    "deep flow mappings": "{a: " * 200_000,
    "deep block": "".join("- " for _ in range(200_000)),
    "deep complex keys": "? " * 100_000,
    "many anchors": "".join(f"k{number}: &a{number} x\n" for number in range(20_000)),
    "aliases of aliases": "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 60)),
    "merges of merges": "a0: &a0 {x: 1, y: 2}\n" + "".join(
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 60)),
    "wide merges": "a: &a {" + ", ".join(f"k{n}: 1" for n in range(20_000)) + "}\n"
                   + "".join(f"b{n}: {{<<: *a}}\n" for n in range(20_000)),
    "duplicates": "a: 1\n" * 40_000,
    "many merge keys": "a: &a {x: 1}\nb:\n" + "  <<: *a\n" * 40_000,
    "broken documents": "a: [\n---\n" * 5_000,
    "comments in front of markers": "a: [\n" + "# x\n" * 100_000 + "---\n" + "# x\n" * 100_000 + "---\n",
    "percent signs": "%\n" * 200_000 + "---\na: [",
    "markers": "---\n" * 50_000 + "[",
    "a long line": "a: " + "x " * 500_000,
    "a long key": "x" * 500_000 + ": 1",
    "quotes": '"' * 200_000,
    "a long tag": "!" + "x" * 500_000 + " a",
}  # fmt: skip


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_bombs_are_read_or_refused_in_little_time(text: str) -> None:
    start = time.process_time()
    load(text.encode())
    assert time.process_time() - start < 15


def test_budgets_are_problems_that_say_so() -> None:
    assert "file has 7 bytes, at most 6" in str(load(b"a: 1234", Budgets(size=6)).documents[0].problem)
    nodes = load(b"[1, 2, 3, 4]\n---\nb: 1\n", Budgets(nodes=4)).documents
    assert [bool(document.problem) for document in nodes] == [True]
    assert "more than 4 nodes" in str(nodes[0].problem)
    merges = load(("{a: &a {" + ",".join(f"k{n}: 1" for n in range(50)) + "}, b: {<<: [" + "*a," * 50 + "]}}").encode(),
                  Budgets(nodes=1000)).documents  # fmt: skip
    assert "more than 1000 nodes" in str(merges[0].problem)


SPANS = {
    "plain": ("a: xyz # c\n", "xyz", 1, 4),
    "single quotes": ("a: 'xyz'\n", "'xyz'", 1, 4),
    "double quotes": ('a: "x\\x79z"\n', '"x\\x79z"', 1, 4),
    "behind an anchor": ("a: &b xyz\n", "xyz", 1, 7),
    "behind a tag": ("a: !!str 'xyz'\n", "'xyz'", 1, 10),
    "behind both": ("a: &b !!str xyz\n", "xyz", 1, 13),
    "behind other letters": ("é: 1\nß: [ü, xyz]\n", "xyz", 2, 8),
    "behind a wide letter": ("x: 1\n\U0001f600: xyz\n", "xyz", 2, 4),
    "CRLF": ("b: 1\r\na: xyz\r\n", "xyz", 2, 4),
    "CR is no line": ("b: 1\ra: xyz\r", "xyz", 1, 9),
    "next line is no line": ("b: 1\u0085a: xyz\n", "xyz", 1, 9),
    "second document": ("b: 1\n---\na: xyz\n", "xyz", 3, 4),
    "behind a broken document": ("b: [é\n---\na: xyz\n", "xyz", 3, 4),
}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "mark"])
@pytest.mark.parametrize(("text", "written", "line", "column"), SPANS.values(), ids=SPANS)
def test_places(text: str, written: str, line: int, column: int, mark: bytes) -> None:
    data = mark + text.encode()
    stream = load(data)
    root = stream.documents[-1].root
    assert isinstance(root, Mapping)
    node = list(root.fields.values())[-1][0]
    node = node.items[-1] if isinstance(node, Sequence) else node
    start, end = stream.source.unprefixed(node.start, node.end)
    assert data[stream.source.byte(start) : stream.source.byte(end)] == written.encode()
    assert stream.source.place(start) == (line, column)
    assert isinstance(node, Scalar)
    assert node.value == "xyz"


@given(st.text(alphabet="aé\U0001f600\n\r", max_size=40), st.integers(0, 40))
def test_bytes_and_lines_of_any_place(text: str, at: int) -> None:
    text = text * 300
    at = min(at * 111, len(text))
    source = Source(text, 3)
    assert source.byte(at) == 3 + len(text[:at].encode())
    assert source.place(at) == (text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1)


def test_a_long_line_is_quoted_in_part() -> None:
    source = Source("x" * 10_000 + "\nshort\r\n")
    assert len(source.excerpt(1, 3)) == 600
    assert source.excerpt(1, 9_000) == ""
    assert source.excerpt(2, 1) == "short"
    assert source.excerpt(0, 0) == ""


yaml_values = st.recursive(
    st.text("abc:-#'\"{}[]&*!|>%@ \n\té", max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abké ", max_size=3), inner, max_size=4),
    max_leaves=15,
)


@given(st.lists(yaml_values, min_size=1, max_size=3), st.booleans(), st.booleans())
def test_the_nodes_are_what_was_written(values: list[object], flow: bool, wide: bool) -> None:
    text = yaml.safe_dump_all(values, default_flow_style=flow, allow_unicode=wide, explicit_start=True)
    documents = load(text.encode()).documents
    assert [document.problem for document in documents] == [None] * len(values)
    assert [plain(document.root) for document in documents] == values


@given(st.text(alphabet="a:-?{}[],&*!<'\"#%|> \n\r\t.\x01\ufeff\u2028", max_size=80))
def test_any_text_is_read_or_a_problem(text: str) -> None:
    for document in load(text.encode()).documents:
        assert (document.root is None) != (document.problem is None)
