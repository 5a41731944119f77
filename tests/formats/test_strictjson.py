"""JSON of image signatures: what two readers would read differently is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import Malformed
from chainverify.formats import strictjson


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a": 1, "a": 1}', "twice"),
        (b'[{"x": {"a": 1, "b": 2, "a": 3}}]', "twice"),
        (b'{"a": 1, "\\u0061": 2}', "twice"),
        (b"NaN", "NaN"),
        (b"[Infinity]", "Infinity"),
        (b"[-Infinity]", "Infinity"),
        (b"[" * 65 + b"]" * 65, "nests deeper"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nests deeper"),
        (b"[" * 1_000_000, "nests deeper"),
        (b'"' + b'\\"' * 100_000 + b"[" * 100, "valid JSON"),
        (b'["' + b"[" * 100, "valid JSON"),
        (b"\xff", "UTF-8"),
        (b'"\xed\xa0\x80"', "UTF-8"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\udc00": 1}', "surrogate"),
        (b"\xef\xbb\xbf{}", "valid JSON"),
        (b"", "valid JSON"),
        (b"{} {}", "valid JSON"),
        (b"{'a': 1}", "valid JSON"),
        (b"[1,]", "valid JSON"),
        (b"1" * 5000, "too many digits"),
        (b'"\x01"', "valid JSON"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as caught:
        strictjson.parse(data, "thing")
    assert caught.value.rule == "image-signature-bad"
    assert caught.value.message.startswith("thing ")


@pytest.mark.parametrize(
    "data",
    [b"[" * 64 + b"]" * 64, b'"' + b"[{" * 500 + b'"', b'{"a\\"[": "' + b"[" * 99 + b'"}', b'"\\ud83d\\ude00"', b" {} \n"],
    ids=lambda value: repr(value)[:30],
)
def test_read(data: bytes) -> None:
    assert strictjson.parse(data, "thing") == json.loads(data)


text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
)


@given(values, st.booleans())
def test_what_json_writes_is_read(value: object, ascii_only: bool) -> None:
    assert strictjson.parse(json.dumps(value, ensure_ascii=ascii_only).encode(), "thing") == value


@given(st.binary(max_size=200))
def test_nothing_else_is_raised(data: bytes) -> None:
    try:
        value = strictjson.parse(data, "thing")
    except Malformed:
        return
    assert json.loads(data) == value


@pytest.mark.parametrize(
    ("text", "data"),
    [("YWI=", b"ab"), ("YW\r\nI=\n", b"ab"), ("", b""), ("YWJj", b"abc")],
)
def test_base64(text: str, data: bytes) -> None:
    assert strictjson.decode_base64(text, "thing") == data


@pytest.mark.parametrize("text", ["YWI", "YWJ=", "YW I=", "YWI==", "=", "YW-_", "YWI=YWI=", "é", "YWI=\0"])
def test_base64_refused(text: str) -> None:
    with pytest.raises(Malformed, match="base64"):
        strictjson.decode_base64(text, "thing")
