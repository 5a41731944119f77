"""The forms that are read in one step are read as the general readers read them, and nothing else is."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import ChainverifyError
from chainverify.formats import objects, sshsig
from chainverify.formats.objects import Algorithm, object_id, parse_commit
from tests.world.bulk import ssh_signer
from tests.world.repository import signed_commit

SIGNER = ssh_signer()
_NAME = st.sampled_from([b"A U Thor", b"", b"\xff\xfe", b"a\tb", b"x <y", b"x\ry", b"a>b", b"\xc3\xa9"])
_TIME = st.sampled_from([b"0", b"1700000000", b"-5", b"9223372036854775807", b"9999999999999999999", b"", b"1x", b"+1", b"01"])
_ZONE = st.sampled_from([b"+0000", b"-0130", b"0000", b"+000", b"+00000", b"+0000 "])
_AFTER = st.sampled_from([
    b"", b"\n", b" \n", b" more\n", b"encoding x\n", b"gpgsig x\n y\n", b"gpgsig x\ngpgsig y\n", b"change-id q\n",
    b"author again\n", b"mergetag object 1\n t\n", b"parent q\n",
])  # fmt: skip


@st.composite
def _headers(draw: st.DrawFn, algorithm: Algorithm) -> bytes:
    width = 40 if algorithm == "sha1" else 64

    def oid() -> bytes:
        return draw(st.sampled_from([b"a" * width, b"b" * width, b"0" * width, b"A" * width, b"a" * (width - 1), b"a" * 40, b""]))

    def who(role: bytes) -> bytes:
        email = draw(st.sampled_from([b"a@x.org", b"", b"a b", b"a\n b", b"a<"]))
        return role + b" " + draw(_NAME) + b" <" + email + b"> " + draw(_TIME) + b" " + draw(_ZONE) + b"\n"

    parents = b"".join(b"parent " + oid() + b"\n" for _ in range(draw(st.integers(0, 3))))
    usual = b"author A <a@x.org> 1 +0000\ncommitter A <a@x.org> 1 +0000\n"
    people = usual if draw(st.booleans()) else who(b"author") + who(b"committer")
    return b"tree " + oid() + b"\n" + parents + people + draw(_AFTER) + b"\nmessage\n"


def _read(raw: bytes, algorithm: Algorithm) -> object:
    try:
        return parse_commit(object_id("commit", raw, algorithm), raw, algorithm)
    except ChainverifyError as error:
        return type(error), error.rule, error.message


def _both(raw: bytes, algorithm: Algorithm) -> None:
    quick = _read(raw, algorithm)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objects, "_match_start", {algorithm: lambda _: None})
        assert _read(raw, algorithm) == quick


@given(st.data(), st.sampled_from(["sha1", "sha256"]))
def test_commits(data: st.DataObject, algorithm: Algorithm) -> None:
    _both(data.draw(_headers(algorithm)), algorithm)


def test_damaged_commits() -> None:
    payload = b"tree %b\nparent %b\nauthor A <a@x> 1 +0000\ncommitter B <b@x> 2 +0100\n\nm\n" % (b"a" * 40, b"b" * 40)
    raw = signed_commit(payload, SIGNER.sign(payload, 0))
    draw = random.Random(1)
    for at in range(len(raw)):
        for byte in (b"\n", b" ", b"", b"<", b"\r", bytes([draw.randrange(256)])):
            _both(raw[:at] + byte + raw[at + 1 :], "sha1")


def test_signatures() -> None:
    blob = sshsig.dearmor(SIGNER.sign(b"payload", 0))
    assert sshsig._match_usual(blob) is not None
    draw = random.Random(2)

    def read(data: bytes) -> object:
        try:
            return sshsig.parse_blob(data)
        except ChainverifyError as error:
            return type(error), error.rule, error.message

    damaged = [blob[:at] + bytes([draw.randrange(256)]) + blob[at + 1 :] for at in range(len(blob)) for _ in range(4)]
    damaged += [blob.replace(b"sha512", b"sha256"), blob.replace(b"git", b"gis"), blob + b"x", blob[:-1], blob + b"\n"]
    for data in (blob, *damaged):
        quick = read(data)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sshsig, "_match_usual", lambda _: None)
            assert read(data) == quick
