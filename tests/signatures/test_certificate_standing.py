"""What a certificate's statements make of a key at a time, on statements that no tool here writes."""

from __future__ import annotations

from typing import Any

import pytest

from chainverify.formats.openpgp_keys import PublicKey
from chainverify.signatures.openpgp_certificates import Certificate, Component, Statement, User
from chainverify.signatures.openpgp_crypto import Key


def statement(created: int, *, ends: int | None = None, key_expires: int = 0) -> Statement:
    return Statement(created, ends, key_expires, 0x02, True, True)


def certificate(*statements: Statement) -> Certificate:
    packet: Any = PublicKey.__new__(PublicKey, *[None] * len(PublicKey._fields))._replace(created=0, fingerprint=b"x" * 20)
    key = Key("", 22, None)
    return Certificate("Alice", (Component(packet, key, (), (), True),), (User(b"a <a@b.c>", "a@b.c", statements, ()),), ())


@pytest.mark.parametrize(
    ("statements", "time", "backfill", "strict"),
    [
        ((statement(0, key_expires=100),), 50, "GOOD", "GOOD"),
        ((statement(0, key_expires=100),), 150, "EXPIRED_AT_T", "EXPIRED_AT_T"),
        ((statement(0, key_expires=100), statement(500)), 150, "GOOD", "EXPIRED_AT_T"),
        ((statement(0, key_expires=100), statement(500, key_expires=120)), 150, "EXPIRED_AT_T", "EXPIRED_AT_T"),
        ((statement(0, key_expires=100), statement(500, key_expires=900)), 950, "EXPIRED_AT_T", "EXPIRED_AT_T"),
        # statements that end themselves: when none is left, nobody says that the key lives for ever
        ((statement(0, ends=200, key_expires=100),), 150, "EXPIRED_AT_T", "EXPIRED_AT_T"),
        ((statement(0, key_expires=100), statement(500, ends=600)), 150, "EXPIRED_AT_T", "EXPIRED_AT_T"),
    ],
)
def test_expiry(statements: tuple[Statement, ...], time: int, backfill: str, strict: str) -> None:
    found = certificate(*statements)
    assert (found.standing(0, time, "backfill").code, found.standing(0, time, "strict").code) == (backfill, strict)
