"""Characters that are refused in messages, and look-alikes of ASCII."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.formats.characters import latin, strays
from chainverify.output.escape import escape

ESCAPE = "\x1b"


@pytest.mark.parametrize(
    ("text", "index", "name"),
    [
        (f"a{ESCAPE}[31m", 1, "U+001B escape"),
        ("a\u202eb", 1, "U+202E bidirectional"),
        ("a\u2066b", 1, "U+2066 bidirectional"),
        ("a\u061cb", 1, "U+061C bidirectional"),
        ("a\u200bb", 1, "U+200B zero-width"),
        ("a\ufeffb", 1, "U+FEFF zero-width"),
        ("a\u200db", 1, "U+200D zero-width"),
        ("a\rb", 1, "U+000D carriage return"),
        ("a\r\r\n", 1, "U+000D carriage return"),
        ("a\r", 1, "U+000D carriage return"),
        ("a\0", 1, "U+0000 control"),
        ("a\x7f", 1, "U+007F control"),
        ("a\x9b31m", 1, "U+009B control"),
        ("a\x85b", 1, "U+0085 control"),
        ("a\u2028b", 1, "U+2028 line"),
        ("a\u3164", 1, "U+3164 invisible"),
        ("\u2800", 0, "U+2800 invisible"),
        ("a\U000e0041", 1, "U+E0041 invisible"),
        ("a\u00adb", 1, "U+00AD invisible"),
    ],
)
def test_what_is_refused(text: str, index: int, name: str) -> None:
    found = strays(text)
    assert found[0][0] == index
    assert found[0][1].startswith(name)


@pytest.mark.parametrize(
    "text",
    [
        "a\tb\nc\r\nd",
        "caf\u00e9 \u65e5\u672c\u8a9e \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u05e2\u05d1\u05e8\u05d9\u05ea",
        "a\u00a0b\u3000c",
        "\U0001f469\u200d\U0001f4bb",
        "\U0001f3f3\ufe0f\u200d\U0001f308",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0915\u094d\u200d\u0937",
        "e\u0301 \u2014 \u2026 \u201cq\u201d",
    ],
)
def test_what_passes(text: str) -> None:
    assert strays(text) == ()


@given(st.text())
def test_every_control_and_format_character_is_refused_or_a_joiner(text: str) -> None:
    refused = {index for index, _ in strays(text)}
    for index, character in enumerate(text):
        if unicodedata.category(character) == "Cc" and character not in "\t\n\r":
            assert index in refused
        if unicodedata.bidirectional(character) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}:
            assert index in refused


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\u0408\u0406R\u0410\u20131\uff1a x", "JIRA-1: x"),
        ("\uff2a\uff29\uff32\uff21\uff0d\uff11", "JIRA-1"),
        ("JIRA-\u0661\u0662", "JIRA-12"),
        ("JIRA\u20111:\u00a0x", "JIRA-1: x"),
        ("plain", "plain"),
    ],
)
def test_lookalikes(text: str, plain: str) -> None:
    assert latin(text) == plain


@given(st.text())
def test_lookalikes_keep_the_length(text: str) -> None:
    assert len(latin(text)) == len(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \\ text", "plain \\ text"),
        ("a\tb", "a\tb"),
        ("a\nb\r", "a\\nb\\r"),
        (f"{ESCAPE}[31m", "\\x1b[31m"),
        ("\u202eabc", "\\u202eabc"),
        ("\u3164\u2800\u00ad", "\\u3164\\u2800\\xad"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\u00a0\u3000\u65e5", "\u00a0\u3000\u65e5"),
        ("\x85\u2028", "\\x85\\u2028"),
    ],
)
def test_escape(text: str, shown: str) -> None:
    assert escape(text) == shown


@given(st.text())
def test_escaped_text_has_nothing_to_refuse(text: str) -> None:
    shown = escape(text)
    assert strays(shown) == ()
    assert "\n" not in shown
    assert "\r" not in shown
    assert escape(shown) == shown
