"""Globs: `**` crosses slashes, `*` does not, the whole value must match, everything else is literal."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainverify.formats.glob import matches, matches_any

VECTORS = [
    ("a", "a", True), ("a", "ab", False), ("a", "ba", False), ("", "", True), ("", "a", False),
    ("*", "abc", True), ("*", "", True), ("*", "a/b", False), ("a*c", "abbc", True), ("a*c", "ab/c", False),
    ("**", "a/b/c", True), ("**", "", True), ("a/**", "a/b/c", True), ("a/**", "a/", True), ("a/**", "a", False), ("a/**",
    "ab", False),
    ("**/x", "x", True), ("**/x", "a/b/x", True), ("**/x", "ax", False), ("**/x", "a/x/b", False),
    ("a/**/b", "a/b", True), ("a/**/b", "a/x/y/b", True), ("a/**/b", "axb", False), ("a/**/b", "a/xb", False),
    ("a**/b", "ab", False), ("a**/b", "a/b", True), ("a**/b", "ax/y/b", True), ("team**/x", "teamx", False),
    ("a**b", "a/x/b", True), ("a**b", "ab", True), ("***", "a/b", True), ("a/***/b", "a/b", True),
    ("refs/heads/release/*", "refs/heads/release/1.2", True), ("refs/heads/release/*", "refs/heads/release/a/b", False),
    ("registry.example.org/team/**", "registry.example.org/team/a/b", True),
    ("registry.example.org/team/**", "registry.example.org/teams/a", False),
    ("registry.example.org/**", "registryXexample.org/a", False),
    ("a?c", "abc", False), ("a?c", "a?c", True), ("[ab]", "a", False), ("[ab]", "[ab]", True), ("{a,b}", "a", False),
    ("a\\*", "a\\x", True),
    ("*.yaml", "x.yaml\n", False), ("*.yaml", "x\n.yaml", True), ("**/*.yaml", "a/b.yaml", True), ("*/*", "a/b", True),
    ("*/*", "a", False),
    ("**/**", "a", True), ("**/*/**", "a/b", True),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "value", "expected"), VECTORS)
def test_vectors(pattern: str, value: str, expected: bool) -> None:
    assert matches(pattern, value) is expected
    assert matches_any(("nothing", pattern), value) is expected


def oracle(pattern: str) -> re.Pattern[str]:
    """The same language as a regular expression, written from the definition."""
    source = re.sub(r"\*{3,}", "**", pattern)
    out = ""
    at = 0
    while at < len(source):
        if source.startswith("**/", at) and (at == 0 or source[at - 1] == "/"):
            out += "(?:.*/)?"
            at += 3
        elif source.startswith("**", at):
            out += ".*"
            at += 2
        else:
            out += "[^/]*" if source[at] == "*" else re.escape(source[at])
            at += 1
    return re.compile(out, re.DOTALL)


@settings(max_examples=500, deadline=None)
@given(st.text(st.sampled_from("ab/**.?["), max_size=10), st.lists(st.text(st.sampled_from("ab/.?[\n"), max_size=10), max_size=8))
def test_as_the_definition(pattern: str, values: list[str]) -> None:
    expression = oracle(pattern)
    for value in values:
        assert matches(pattern, value) == (expression.fullmatch(value) is not None), (pattern, value)


@given(st.text(st.characters(exclude_characters="*"), max_size=20))
def test_text_without_stars_matches_only_itself(text: str) -> None:
    assert matches(text, text)
    assert not matches(text, text + "x")


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("**a*" * 50 + "b", "a" * 5000),
        ("*a" * 200 + "b", "a" * 5000),
        ("**/a" * 100 + "/b", "a/" * 2500),
        ("**x*", "x" * 20000 + "/"),
    ],
)
def test_time_is_bounded(pattern: str, value: str) -> None:
    start = time.process_time()
    assert matches(pattern, value) is False
    assert time.process_time() - start < 3
