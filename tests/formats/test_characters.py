"""Characters that are refused in messages, and look-alikes of ASCII."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.formats.characters import latin, strays, visible
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
        ("a\ufe0fb", 1, "U+FE0F variation"),
        ("\ufe0f", 0, "U+FE0F variation"),
        ("\u2728\ufe0f\ufe0f", 2, "U+FE0F variation"),
        ("1\ufe0f", 1, "U+FE0F variation"),
        ("\u2300\ufe0f", 1, "U+FE0F variation"),
        ("\u2728\ufe0e", 1, "U+FE0E variation"),
        ("a\ufe00", 1, "U+FE00 variation"),
        ("\u1820\u180b", 1, "U+180B variation"),
        ("a\u034f", 1, "U+034F invisible"),
        ("a\u17b4", 1, "U+17B4 invisible"),
        ("a\U000e0101", 1, "U+E0101 variation"),
        ("a\U000e0001", 1, "U+E0001 invisible"),
        ("a\U000e0fff", 1, "U+E0FFF invisible"),
        ("a\U0001d173", 1, "U+1D173 invisible"),
        ("a\U0001d159", 1, "U+1D159 invisible"),
        ("a\U0001bca0", 1, "U+1BCA0 invisible"),
        ("a\U00013430", 1, "U+13430 format"),
        ("a\uffff", 1, "U+FFFF noncharacter"),
        ("a\ufdd0", 1, "U+FDD0 noncharacter"),
        ("a\U0010fffe", 1, "U+10FFFE noncharacter"),
        ("a\ufff0", 1, "U+FFF0 invisible"),
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
        "\u2b06\ufe0f \u2728 \u2764\ufe0f \u26a0\ufe0f \u00a9\ufe0f \u270c\U0001f3fd \U0001f5d1\ufe0f",
        "1\ufe0f\u20e3 #\ufe0f\u20e3",
        "\u2764\ufe0f\u200d\U0001f525 \U0001f937\U0001f3fd\u200d\u2642\ufe0f",
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


def test_everything_ignorable_is_refused() -> None:
    """Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt), and all noncharacters."""
    ignorable = [
        (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F),
        (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
        (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF), (0xFDD0, 0xFDEF),
        *((plane << 16 | 0xFFFE, plane << 16 | 0xFFFF) for plane in range(17)),
    ]  # fmt: skip
    for low, high in ignorable:
        for code in range(low, high + 1):
            assert [index for index, _ in strays(f"a{chr(code)}b")] == [1], hex(code)
            assert not visible(f" {chr(code)} "), hex(code)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("x", True), (".", True), ("\u2728", True), ("\u2b06\ufe0f", True), ("\u65e5", True), ("\u2014", True), ("e\u0301", True),
        ("", False), (" \t\u00a0\u3000", False), ("\u0301", False), ("\ufe0f", False), ("\u0301\ufe0f\u20e3", False),
        ("\u3164\u115f", False), ("\u2800", False), ("\u200b\u202e", False), ("\x1b\x7f", False), ("\ue000", False),
    ],
)  # fmt: skip
def test_what_can_be_seen(text: str, seen: bool) -> None:
    assert visible(text) is seen


def test_a_large_text_takes_linear_time() -> None:
    start = time.process_time()
    assert len(strays("\u202e" * 1_000_000)) == 1_000_000
    assert strays("\u0627\u200c\u0627" * 300_000) == ()
    strays("".join(map(chr, range(0xA0, 0xD800))) + "".join(map(chr, range(0x10000, 0x110000))))
    assert time.process_time() - start < 6


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\u0408\u0406R\u0410\u20131\uff1a x", "JIRA-1: x"),
        ("\uff2a\uff29\uff32\uff21\uff0d\uff11", "JIRA-1"),
        ("JIRA-\u0661\u0662", "JIRA-12"),
        ("JIRA\u20111:\u00a0x", "JIRA-1: x"),
        ("plain", "plain"),
        ("\U0001d409\U0001d43c\u211d\U0001d538-\u00b2\u2460", "JIRA-21"),
        ("\u2026 \u00bd \u00e9", "\u2026 \u00bd \u00e9"),
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
        ("a\u034f\ufe0e\U000e0101", "a\\u034f\\ufe0e\\U000e0101"),
        ("\u00a0\u3000\u65e5", "\u00a0\u3000\u65e5"),
        ("\x85\u2028", "\\x85\\u2028"),
    ],
)
def test_escape(text: str, shown: str) -> None:
    assert escape(text) == shown


@given(st.text())
def test_escaped_text_has_nothing_to_refuse(text: str) -> None:
    shown = escape(text)
    assert {name for _, name in strays(shown)} <= {"U+FE0F variation selector"}
    assert "\n" not in shown
    assert "\r" not in shown
    assert escape(shown) == shown
