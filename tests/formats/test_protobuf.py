"""Protocol buffers are read strictly: what a lenient reader skips or merges is an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import Malformed
from chainverify.formats import protobuf
from chainverify.formats.protobuf import BYTES, VARINT, Kind
from tests.world.sigstore import field, varint

KINDS = {1: Kind(VARINT), 2: Kind(BYTES), 3: Kind(BYTES, repeated=True)}


def read(data: bytes) -> protobuf.Message:
    return protobuf.read(data, KINDS, "message")


def test_fields_are_read() -> None:
    message = read(field(3, b"a") + field(1, 300) + field(2, "é".encode()) + field(3, b"b"))
    assert (message.number(1), message.text(2), message.all_octets(3)) == (300, "é", (b"a", b"b"))
    assert message.has(2)


def test_what_is_not_there_has_the_default() -> None:
    message = read(b"")
    assert (message.number(1), message.octets(2), message.text(2), message.all_octets(3)) == (0, b"", "", ())
    assert not message.has(1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (field(1, 1) + field(1, 2), "field 1 twice"),
        (field(2, b"") + field(2, b""), "field 2 twice"),
        (field(4, 1), "field 4 of wire type 0, which is not read"),
        (field(1, b"x"), "field 1 of wire type 2"),
        (field(2, 5), "field 2 of wire type 0"),
        (b"\x0b", "field 1 of wire type 3"),
        (b"\x0d\0\0\0\0", "wire type 5"),
        (b"\x00\x01", "field 0"),
        (b"\x08", "is cut off"),
        (b"\x08\x80", "is cut off"),
        (b"\x12\x05abc", "field 2 has 5 bytes, got 3"),
        (b"\x08\x80\x00", "more bytes than needed"),
        (b"\x88\x00\x01", "more bytes than needed"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "over 64 bits"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "over 64 bits"),
        (field(3, b"") * 257, "more than 256 fields"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as caught:
        read(data)
    assert caught.value.rule == "signature-bad"


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(Malformed, match="negative"):
        read(b"\x08" + b"\xff" * 9 + b"\x01").number(1)


def test_text_must_be_utf8() -> None:
    with pytest.raises(Malformed, match="UTF-8"):
        read(field(2, b"\xff")).text(2)


@given(st.integers(0, (1 << 63) - 1), st.binary(max_size=300), st.lists(st.binary(max_size=9), max_size=9))
def test_whatever_is_written_is_read(number: int, octets: bytes, many: list[bytes]) -> None:
    message = read(field(1, number) + field(2, octets) + b"".join(field(3, each) for each in many))
    assert (message.number(1), message.octets(2), message.all_octets(3)) == (number, octets, tuple(many))


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    try:
        message = read(data)
    except Malformed:
        return
    again = b"".join(field(number, each) for number, values in sorted(message._found.items()) for each in values)
    assert len(again) == len(data)  # every byte was accounted for


def test_varints_of_the_tests_are_those_of_the_specification() -> None:
    assert varint(150) == b"\x96\x01"
