"""CMS structures: one signer, its fields exactly as they were signed, and everything else refused with its rule."""

from __future__ import annotations

from typing import Any

import pytest

from chainverify.errors import Malformed
from chainverify.formats import certificate, cms, der
from tests.world import x509 as world
from tests.world.repository import START
from tests.world.x509 import forge, mint

PAYLOAD = b"payload"
ALICE = mint("Alice", mint("Root", authority=True))


def parsed(**options: Any) -> cms.Cms:
    return cms.parse(forge(ALICE, PAYLOAD, armored=False, **options))


def refused(data: bytes) -> tuple[str, str]:
    with pytest.raises(Malformed) as caught:
        cms.parse(data)
    return caught.value.rule, caught.value.message


def test_fields() -> None:
    stamp = world.attribute("1.2.3", world.integer(1), world.integer(2))
    found = parsed(unsigned=[stamp], crls=world.sequence(world.integer(1)), content=PAYLOAD)
    outline = certificate.parse(ALICE.der)
    assert found.certificates == (ALICE.der,)
    assert found.issuer_serial == (outline.issuer, outline.serial)
    assert found.subject_key_id is None
    assert (found.digest_algorithm, found.signature_algorithm) == (world.SHA256, "1.2.840.10045.4.3.2")
    assert found.signature_parameters == b""
    assert found.signed_attributes is not None
    assert found.signed_attributes[0] == der.SET
    assert (found.content_type, found.content, found.signing_time) == (cms.DATA, PAYLOAD, START)
    assert found.unsigned == (("1.2.3", (world.integer(1), world.integer(2))),)
    assert {kind for kind, _ in found.signed} == {cms.CONTENT_TYPE, cms.MESSAGE_DIGEST, cms.SIGNING_TIME}
    assert parsed(by_key_id=True).subject_key_id == outline.key_id
    assert parsed(by_key_id=True).issuer_serial is None
    bare = parsed(attributes=())
    assert (bare.signed_attributes, bare.message_digest, bare.signing_time) == (None, None, None)
    assert parsed(when=None).signing_time is None
    assert parsed(certificates=()).certificates == ()


def test_the_signer_s_certificate() -> None:
    assert cms.signer_certificate(parsed()) == ALICE.der
    assert cms.signer_certificate(parsed(by_key_id=True)) == ALICE.der
    without = parsed(certificates=())
    assert cms.signer_certificate(without) is None
    assert cms.signer_certificate(without, [mint("Bob").der]) is None
    assert cms.signer_certificate(without, [ALICE.der, ALICE.der]) == ALICE.der
    nameless = mint("Alice", ALICE.issuers[0], key_id=False)
    assert cms.signer_certificate(parsed(by_key_id=True, certificates=[nameless.der])) is None


@pytest.mark.parametrize(("options", "rule", "why"), [
    ({"certificates": [ALICE.der] * (cms.MAX_CERTIFICATES + 1)}, "signature-bad", "65 certificates"),
    ({"certificates": [der.encode(der.context(1), b"")]}, "signature-bad", "none of X.509"),
    ({"unsigned": [world.attribute(f"1.2.{number}") for number in range(65)]}, "signature-bad", "65 attributes"),
    ({"listed": ["sha256"] * 9}, "signature-bad", "more than 8"),
    ({"listed": []}, "signature-bad", "not among those"),
    ({"extra": [world.attribute("1.2.3", world.NULL)] * 2}, "signature-bad", "holds a value twice"),
    ({"signers": 2}, "signature-ambiguous", "2 signers"),
    ({"attributes": [world.NULL]}, "signature-bad", "tag 0x05"),
])  # fmt: skip
def test_limits(options: dict[str, Any], rule: str, why: str) -> None:
    found = refused(forge(ALICE, PAYLOAD, armored=False, **options))
    assert found[0] == rule
    assert why in found[1]


def test_an_empty_set_of_attributes() -> None:
    found = parsed()
    assert found.signed_attributes is not None
    inner = found.signed_attributes[world.der_header(found.signed_attributes) :]
    whole = forge(ALICE, PAYLOAD, armored=False)
    with pytest.raises(Malformed):
        cms.parse(whole.replace(der.encode(der.context(0), inner), b"\xa0\x00"))


def test_versions_of_the_signer() -> None:
    """Version 1 names the certificate by issuer and number, version 3 by its key."""
    for options, version, other in (({}, 1, 3), ({"by_key_id": True}, 3, 1)):
        data = forge(ALICE, PAYLOAD, armored=False, **options)
        sid = world.sequence(ALICE.certificate.issuer.public_bytes(), world.integer(ALICE.certificate.serial_number))
        if options:
            key_id = certificate.parse(ALICE.der).key_id
            assert key_id is not None
            sid = der.encode(der.context(0, constructed=False), key_id)
        assert data.count(world.integer(version) + sid) == 1
        rule, why = refused(data.replace(world.integer(version) + sid, world.integer(other) + sid))
        assert rule == "signature-bad"
        assert "does not fit how" in why


def test_armor() -> None:
    armored = forge(ALICE, PAYLOAD)
    assert cms.dearmor(armored) == cms.dearmor(world.armor(cms.dearmor(armored)))
    for damaged, rule in (
        (armored + b"\n", "signature-ambiguous"), (b"x\n" + armored, "signature-ambiguous"),
        (armored.replace(b"\n", b"\r\n"), "signature-ambiguous"), (armored + b"\n" + armored, "signature-ambiguous"),
        (armored[:-1], "signature-bad"), (armored.replace(b"A", b"?", 1), "signature-bad"), (b"", "signature-bad"),
    ):  # fmt: skip
        with pytest.raises(Malformed) as caught:
            cms.dearmor(damaged)
        assert caught.value.rule == rule
