"""DER: one encoding for every value, and the one exception that gpgsm needs."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import Malformed
from chainverify.formats import certificate, cms, der, tsp
from chainverify.formats.der import DerReader


def reader(data: str) -> DerReader:
    return DerReader(bytes.fromhex(data), "x")


INTEGER: Callable[[DerReader], Any] = DerReader.integer
BOOLEAN: Callable[[DerReader], Any] = DerReader.boolean
OID: Callable[[DerReader], Any] = DerReader.oid
TIME: Callable[[DerReader], Any] = DerReader.time


@pytest.mark.parametrize(("read", "data", "expected"), [
    (INTEGER, "020100", 0),
    (INTEGER, "02017f", 127),
    (INTEGER, "02020080", 128),
    (INTEGER, "020180", -128),
    (INTEGER, "0202ff7f", -129),
    (BOOLEAN, "010100", False),
    (BOOLEAN, "0101ff", True),
    (OID, "06092a864886f70d010702", "1.2.840.113549.1.7.2"),
    (OID, "06020001", "0.0.1"),
    (OID, "0603883703", "2.999.3"),
    (OID, "06012a", "1.2"),
    (TIME, "170d3530303130313030303030305a", -631152000),
    (TIME, "170d3439313233313233353935395a", 2524607999),
    (TIME, "180f32303530303130313030303030305a", 2524608000),
    (DerReader.octets, "0403010203", b"\1\2\3"),
    (DerReader.bit_string, "030300ffff", b"\xff\xff"),
    (DerReader.set_of, "3106020101020102", (b"\2\1\1", b"\2\1\2")),
    (DerReader.set_of, "3100", ()),
])  # fmt: skip
def test_values(read: Callable[[DerReader], Any], data: str, expected: object) -> None:
    found = reader(data)
    assert read(found) == expected
    found.end()


@pytest.mark.parametrize(("read", "data", "why"), [
    (INTEGER, "", "cut off"),
    (INTEGER, "02", "cut off"),
    (INTEGER, "0201", "cut off"),
    (INTEGER, "020201", "cut off"),
    (INTEGER, "0200", "0 bytes"),
    (INTEGER, "02020001", "needless leading"),
    (INTEGER, "0202ffff", "needless leading"),
    (INTEGER, "02810101", "more bytes than needed"),
    (INTEGER, "0282000101", "more bytes than needed"),
    (INTEGER, "0280010000", "indefinite"),
    (INTEGER, "0285010000000001", "excessive"),
    (INTEGER, "02ff01", "excessive"),
    (INTEGER, "040101", "tag 0x04 where 0x02"),
    (INTEGER, "220301", "tag 0x22 where 0x02"),
    (INTEGER, "02820802" + "7f" * 0x802, "2050 bytes"),
    (BOOLEAN, "010101", "canonical"),
    (BOOLEAN, "01020000", "canonical"),
    (BOOLEAN, "0100", "canonical"),
    (OID, "0600", "damaged"),
    (OID, "060180", "damaged"),
    (OID, "06022a80", "damaged"),
    (OID, "06032a8001", "damaged"),
    (OID, "0641" + "01" * 65, "damaged"),
    (TIME, "170b353030313031303030305a", "canonical form"),
    (TIME, "17113530303130313030303030302b30303030", "canonical form"),
    (TIME, "170d3530303133323030303030305a", "calendar"),
    (TIME, "180d3530303130313030303030305a", "canonical form"),
    (TIME, "180f32303530303133323030303030305a", "calendar"),
    (TIME, "0201", "tag 0x02"),
    (DerReader.octets, "24050403010203", "tag 0x24"),
    (DerReader.bit_string, "030101", "whole bytes"),
    (DerReader.bit_string, "0300", "whole bytes"),
    (DerReader.set_of, "3106020102020101", "not sorted"),
    (DerReader.set_of, "3106020101020101", "twice"),
    (DerReader.set_of, "3103020201", "cut off"),
    (DerReader.element, "1f8101020000", "not read"),
    (lambda found: found.enter(der.SEQUENCE).end(), "3003020101", "too many"),
])  # fmt: skip
def test_other_encodings(read: Callable[[DerReader], Any], data: str, why: str) -> None:
    with pytest.raises(Malformed, match=why) as caught:
        read(reader(data))
    assert caught.value.rule == "signature-bad"


def test_depth_and_length_are_limited() -> None:
    data = b""
    for _ in range(der.MAX_DEPTH + 2):
        data = der.encode(der.SEQUENCE, data)
    found = DerReader(data, "x")
    for _ in range(der.MAX_DEPTH):
        found = found.enter(der.SEQUENCE)
    with pytest.raises(Malformed, match="levels deep"):
        found.enter(der.SEQUENCE)
    with pytest.raises(Malformed, match="more than"):
        DerReader(der.encode(der.SET, b"\5\0" * (der.MAX_ELEMENTS + 1)), "x").elements(der.SET)


@given(st.integers(0, 255).filter(lambda tag: tag & 0x1F != 0x1F), st.binary(max_size=70_000))
def test_what_is_written_is_read(tag: int, content: bytes) -> None:
    data = der.encode(tag, content)
    found = DerReader(data, "x")
    assert (found.at(tag), found.value(tag), found.more) == (True, content, False)


# --- indefinite lengths

@pytest.mark.parametrize(("data", "expected"), [
    ("3000", "3000"),
    ("30800000", "3000"),
    ("30800201010000", "3003020101"),
    ("3080a080308002010100000000" + "0000", "3007a0053003020101"),
    ("308030030201010000", "30053003020101"),
])  # fmt: skip
def test_definite(data: str, expected: str) -> None:
    assert der.definite(bytes.fromhex(data), "x").hex() == expected


@pytest.mark.parametrize(("data", "why"), [
    ("", "cut off"),
    ("30", "cut off"),
    ("3080", "cut off"),
    ("308000", "cut off"),
    ("30800000" + "00", "too many"),
    ("0480040101" + "0000", "none may be"),
    ("1f800000", "none may be"),
    ("3f800000", "none may be"),
    ("3080" * 5 + "0000" * 5, "none may be"),
    ("3080" + "02810101" + "0000", "more bytes than needed"),
    ("308030810205000000", "more bytes than needed"),
])  # fmt: skip
def test_other_forms_of_indefinite_length(data: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        der.definite(bytes.fromhex(data), "x")


def test_an_indefinite_value_in_a_definite_one_is_none() -> None:
    """Only the outermost are let through: the reader refuses what `definite` copied."""
    data = bytes.fromhex("3004" + "30800000")
    assert der.definite(data, "x") == data
    with pytest.raises(Malformed, match="indefinite"):
        DerReader(data, "x").enter(der.SEQUENCE).enter(der.SEQUENCE)


@pytest.mark.parametrize("data", [
    b"\x30\x80" + b"\x05\x00" * 100_000 + b"\0\0",
    b"\x30\x80" * 100_000,
    der.encode(der.SEQUENCE, b"\x30\x00" * 100_000),
    b"\x30\x84\x00\xff\xff\xff" * 30_000,
])  # fmt: skip
def test_hostile_sizes_take_no_time(data: bytes) -> None:
    started = time.process_time()
    for read in (cms.parse, certificate.parse, tsp.parse_info):
        with pytest.raises(Malformed):
            read(data)
    assert time.process_time() - started < 2


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    for read in (cms.parse, certificate.parse, tsp.parse_info, lambda value: der.definite(value, "x")):
        try:
            read(data)
        except Malformed as error:
            assert error.rule in {"signature-bad", "signature-ambiguous"}  # noqa: PT017 - some of them may be read


@given(st.randoms(use_true_random=False), st.integers(0, 6))
def test_trees_of_any_values(draw: random.Random, depth: int) -> None:
    """Values that look like ASN.1 and mean nothing reach further into the readers than random bytes do."""
    def value(level: int) -> bytes:
        if not level or draw.random() < 0.3:
            tag = draw.choice([1, 2, 3, 4, 5, 6, 0x17, 0x18, 0x80, 0x81])
            return der.encode(tag, draw.choice([b"", b"\0", b"\1", b"\xff", b"\x2a\x86\x48", b"250615150640Z"]))
        return der.encode(
            draw.choice([0x30, 0x31, 0xA0, 0xA1, 0xA3]), b"".join(value(level - 1) for _ in range(draw.randrange(5)))
        )

    for read in (cms.parse, certificate.parse, tsp.parse_info):
        with pytest.raises(Malformed):
            read(value(depth))
