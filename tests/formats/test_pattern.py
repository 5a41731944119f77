"""The linear-time matcher against Python's `re` and `grep -E`; patterns that must be refused; time."""

from __future__ import annotations

import re
import shutil
import subprocess
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainverify.errors import Malformed
from chainverify.formats import pattern
from chainverify.formats.pattern import compile_pattern

TEXTS = [
    "", "a", "b", "ab", "ba", "aab", "abab", "a-b", "JIRA-12: x", "JIRA-12:", "x JIRA-1: y", "0", "9_z", " ", "\t", "\u00e9",
    "a\nb", "]", "-", "^", "a.b",
]  # fmt: skip

AGREED = [
    "", "a", "^a", "a$", "^a$", "^$", "a|b", "^(a|b)$", "(ab)+", "(ab)*$", "^(ab){2}$", "^a{0}b", "a{2,}", "^a{1,2}b$",
    "(a*)*b", "(a|)b",
    "(|a)", "()", "(?:ab)?a", ".", "^.$", "[ab]", "[^ab]", "[a-c]", "[]a]", "[^]a]", "[a-]", "[-a]", "[a^]", r"\.", r"a\.b",
    r"\-",
    "^(JIRA-[0-9]+|FEATURE-[0-9]+): .+", "a^b", "(^a|b$)", "(a|b)*abb", "x*", "((a))", "[+*.]", r"[\]\-]", r"a\|b", "a}", "]",
    "(^|x )JIRA-[0-9]{1,3}", "a?a?a?aaa", "([ab][ab]){2}", "a{0,0}b", "(a{0}){3}b",
]
"""Patterns on which Python and GNU grep must agree with us."""

PYTHON_ONLY = [
    r"\d", r"\D", r"\w", r"\W+", r"\s", r"^\S+$", r"[\d_]", r"[^\s]", r"\t", r"[\t ]", r"^[\w-]+: ", "(a|b|)+", "(a?){3}",
]  # fmt: skip


def reference(source: str, text: str) -> bool:
    # \Z for $: a subject is one line, and re's $ also matches before a final line end
    return re.search(source.replace("$", r"\Z") if not source.startswith("[") else source, text, re.ASCII) is not None


@pytest.mark.parametrize("source", AGREED + PYTHON_ONLY)
def test_as_python(source: str) -> None:
    compiled = compile_pattern(source)
    assert [compiled.search(text) for text in TEXTS] == [reference(source, text) for text in TEXTS]


@pytest.mark.tool("grep")
@pytest.mark.parametrize("source", [s for s in AGREED if "(?:" not in s and not re.search(r"\[[^]]*\\", s)])
def test_as_grep(source: str) -> None:
    compiled = compile_pattern(source)
    texts = [text for text in TEXTS if "\n" not in text]
    done = subprocess.run(
        [str(shutil.which("grep")), "-nE", "-e", source], input="\n".join(texts) + "\n", capture_output=True, check=False,
        text=True, env={"LC_ALL": "C.UTF-8"},
    )
    assert done.returncode in (0, 1), done.stderr
    matched = {int(line.split(":")[0]) - 1 for line in done.stdout.split("\n") if line}
    assert [compiled.search(text) for text in texts] == [number in matched for number in range(len(texts))]


REFUSED = {
    "back reference": r"(a)\1",
    "octal": r"\0",
    "look-ahead": "(?=a)",
    "negative look-ahead": "(?!a)",
    "look-behind": "(?<=a)b",
    "named group": "(?P<n>a)",
    "flags": "(?i)a",
    "scoped flags": "(?i:a)",
    "comment": "(?#x)",
    "atomic": "(?>a)",
    "conditional": "(a)(?(1)b)",
    "lazy": "a+?",
    "lazy braces": "a{1,2}?",
    "possessive": "a++",
    "doubled": "a**",
    "doubled braces": "a{2}{3}",
    "word boundary": r"\bJIRA",
    "not a boundary": r"\B",
    "absolute anchors": r"\AJIRA",
    "absolute end": r"a\Z",
    "gnu word start": r"\<a",
    "gnu word end": r"a\>",
    "gnu buffer start": r"\`a",
    "gnu buffer end": r"a\'",
    "hex escape": r"\x41",
    "unicode escape": r"\u0041",
    "unicode class": r"\p{L}",
    "unknown letter": r"\q",
    "posix class": "[[:alpha:]]",
    "collating": "[[.a.]]",
    "equivalence": "[[=a=]]",
    "nothing to repeat": "*a",
    "plus first": "+",
    "repeat in group": "(*a)",
    "repeat after bar": "a|*",
    "brace first": "{2}",
    "brace without number": "a{}",
    "brace without minimum": "a{,3}",
    "brace unclosed": "a{2",
    "brace literal": "a{x}",
    "reversed bounds": "a{3,2}",
    "repeated anchor": "^*a",
    "large count": "a{501}",
    "huge count": "a{99999999999999999999}",
    "open group": "(a",
    "closed group": "a)",
    "open class": "[a",
    "open negated": "[^",
    "empty class": "[]",
    "reversed range": "[z-a]",
    "class as range end": r"[a-\d]",
    "class as range start": r"[\d-z]",
    "trailing backslash": "a\\",
    "too many states": "(a{500}){500}",
    "too deep": "(" * 51 + ")" * 51,
    "too long": "a" * 1001,
}


@pytest.mark.parametrize("source", REFUSED.values(), ids=REFUSED)
def test_refused(source: str) -> None:
    with pytest.raises(Malformed) as caught:
        compile_pattern(source)
    assert caught.value.rule == "policy"
    assert caught.value.message.startswith("pattern ")


def expressions() -> st.SearchStrategy[str]:
    atoms = st.sampled_from(["a", "b", "c", ".", "[ab]", "[^a]", "[a-c]", r"\d", r"\w", r"\s", r"\.", "-", " ", "^", "$"])

    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        quantifier = st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}", "{0}"])
        return st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner).map("|".join),
            st.tuples(inner, quantifier).map(lambda pair: f"({pair[0]}){pair[1]}"),
            inner.map(lambda each: f"(?:{each})"),
        )

    return st.recursive(atoms, larger, max_leaves=10)


@settings(max_examples=400, deadline=None)
@given(expressions(), st.lists(st.text(st.sampled_from("abc-. 1_\t\n\u00e9"), max_size=8), max_size=6))
def test_any_expression_as_python(source: str, texts: list[str]) -> None:
    compiled = compile_pattern(source)
    oracle = re.compile(source.replace("$", r"\Z"), re.ASCII)
    for text in texts:
        assert compiled.search(text) == (oracle.search(text) is not None), (source, text)


@pytest.mark.filterwarnings("ignore:Possible (nested )?set:FutureWarning")  # of what [[] will mean one day
@settings(max_examples=300, deadline=None)
@given(
    st.text(st.sampled_from("ab^$|()[]{}*+?\\.-,12:dDwsb<"), max_size=14),
    st.lists(st.text(st.sampled_from("ab-12 :."), max_size=6), max_size=4),
)
def test_any_text_is_refused_or_means_what_python_reads(source: str, texts: list[str]) -> None:
    try:
        compiled = compile_pattern(source)
    except Malformed:
        return
    try:
        oracle = re.compile(source, re.ASCII)
    except re.error:
        pytest.fail(f"Python refuses {source!r}")
    for text in texts:
        assert compiled.search(text) == (oracle.search(text) is not None), (source, text)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("(a*)*b", "a" * 4000),
        ("(a+)+$", "a" * 4000 + "!"),
        ("(a|a)*c", "a" * 4000),
        ("(a|aa)+$", "a" * 4000 + "b"),
        ("^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 4000),
        ("(x+x+)+y", "x" * 4000),
        ("(.*)(.*)(.*)(.*)(.*)z", "a" * 4000),
        ("(a?){50}a{50}b", "a" * 1000),
    ],
)
def test_explosive_patterns_take_linear_time(source: str, text: str) -> None:
    start = time.process_time()
    assert compile_pattern(source).search(text) is False
    assert time.process_time() - start < 5


@pytest.mark.parametrize("source", ["((((){500}){500}){500}){500}", "((){5,}){500}", "(((a{0}){500}){500}){500}"])
def test_repetitions_of_nothing_compile_at_once(source: str) -> None:
    start = time.process_time()
    assert compile_pattern(source).search("x")
    assert time.process_time() - start < 1


def test_optional_repetitions_of_nothing_are_refused_at_once() -> None:
    start = time.process_time()
    with pytest.raises(Malformed, match="too large"):
        compile_pattern("(((){0,500}){0,500}){0,500}")
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("source", "possible"),
    [("a", True), ("^$", True), ("", True), ("a^b", False), ("$a", False), (r"\n", False), ("(^a|b^c)", True), ("a$b|c^", False)],
)
def test_patterns_that_can_never_match(source: str, possible: bool) -> None:
    assert compile_pattern(source).can_match() is possible


def test_budgets_are_what_the_messages_say() -> None:
    assert compile_pattern("a" * pattern.PATTERN_LENGTH_MAX).search("a" * 1000)
    assert compile_pattern("(" * pattern.NESTING_MAX + "a" + ")" * pattern.NESTING_MAX).search("a")
    with pytest.raises(Malformed, match="at most 2000 states"):
        compile_pattern("(ab{500}){5}")


def test_more_steps_than_are_remembered() -> None:
    found = compile_pattern("^a.*b$")
    every = "".join(map(chr, range(0x4E00, 0x4E00 + pattern.MOVES_MAX + 500)))
    for _ in range(3):
        assert found.search(f"a{every}b")
        assert not found.search(f"a{every}")
        assert not found.search(f"b{every}b")
