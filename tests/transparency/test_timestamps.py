"""Timestamp tokens, by the real `openssl ts` and by hand with every defect."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from chainverify.errors import ChainverifyError, Malformed, SignatureError
from chainverify.formats import cms, der, tsp
from chainverify.transparency import certificates, chains, timestamps
from chainverify.transparency.timestamps import TimestampAuthority
from tests.world import x509 as world
from tests.world.repository import START
from tests.world.x509 import DAY, Identity, mint, mint_stamper, token

SIGNED = b"a signature value"


@pytest.fixture(scope="module")
def root() -> Identity:
    return mint("Root", authority=True)


@pytest.fixture(scope="module")
def stamper(root: Identity) -> Identity:
    return mint_stamper(root)


def authority(root: Identity, *others: Identity, **window: int) -> TimestampAuthority:
    return TimestampAuthority(
        (certificates.decode(root.der),), tuple(certificates.decode(each.der) for each in others), **window
    )


def refusal(data: bytes, *authorities: TimestampAuthority, signed: bytes = SIGNED) -> str:
    with pytest.raises((SignatureError, Malformed)) as caught:
        timestamps.verify(data, signed, authorities)
    return caught.value.code if isinstance(caught.value, SignatureError) else "MALFORMED"


@pytest.mark.tool("openssl")
@pytest.mark.parametrize("key", ["rsa2048", "p256"])
@pytest.mark.parametrize("included", [True, False])
def test_real_tokens(key: str, included: bool, tmp_path: Path) -> None:
    now = int(time.time())
    life = {"since": now - DAY, "until": now + DAY}
    root = mint("Root", authority=True, **life)
    stamper = mint_stamper(root, key=key, **life)
    data = world.openssl_token(tmp_path, stamper, SIGNED, *(["-cert"] if included else []))
    known = authority(root, *([] if included else [stamper]))
    assert abs(timestamps.verify(data, SIGNED, [known]) - now) < 60
    assert refusal(data, known, signed=SIGNED + b"x") == "BAD"
    if not included:
        assert refusal(data, authority(root)) == "MALFORMED"
    (tmp_path / "root.pem").write_bytes(root.pem)
    (tmp_path / "stamper.pem").write_bytes(stamper.pem)
    for signed, good in ((SIGNED, True), (SIGNED + b"x", False)):
        (tmp_path / "data").write_bytes(signed)
        done = subprocess.run(
            ["openssl", "ts", "-verify", "-data", "data", "-in", "token", "-token_in", "-CAfile", "root.pem", "-untrusted",
             "stamper.pem"], cwd=tmp_path, capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) == good


def test_the_forger_s_tools_work(root: Identity, stamper: Identity) -> None:
    assert timestamps.verify(token(stamper, SIGNED), SIGNED, [authority(root)]) == START


INFO = der.encode(der.context(1), world.sequence(world.oid("1.2.3"), b"\x01\x01\xff", world.octets(b"")))
V1 = world.attribute(
    tsp.SIGNING_CERTIFICATE, world.sequence(world.sequence(world.sequence(world.octets(bytes(20)))))
)
V2_TWICE = tuple(world.sequence(world.sequence(world.sequence(world.octets(bytes(32))))) for _ in range(2))

DEFECTS: dict[str, tuple[dict[str, Any], str]] = {
    "other imprint": ({"imprint": bytes(32)}, "BAD"),
    "imprint by sha1": ({"digest": "sha1"}, "WEAK_HASH"),
    "version 2": ({"version": 2}, "MALFORMED"),
    "critical extension": ({"info_tail": INFO}, "MALFORMED"),
    "anything behind": ({"info_tail": world.NULL}, "MALFORMED"),
    "no statement of that kind": ({"content_type": cms.DATA}, "MALFORMED"),
    "bound to no certificate": ({"extra": ()}, "MALFORMED"),
    "bound to another certificate": ({"bound": b"other"}, "MALFORMED"),
    "bound to another certificate by sha1": ({"extra": (V1,)}, "MALFORMED"),
    "bound twice": ({"extra": (world.attribute(tsp.SIGNING_CERTIFICATE_V2, *V2_TWICE),)}, "MALFORMED"),
    "bound to none": ({"extra": (world.attribute(tsp.SIGNING_CERTIFICATE_V2, world.sequence(world.sequence())),)}, "MALFORMED"),
    "by another key": ({"signing_key": world.new_key()}, "BAD"),
    "before the certificate": ({"when": world.SINCE - 1}, "FUTURE"),
    "after the certificate": ({"when": world.UNTIL + 1}, "EXPIRED_AT_T"),
}


@pytest.mark.parametrize("case", DEFECTS)
def test_defects(case: str, root: Identity, stamper: Identity) -> None:
    options, expected = DEFECTS[case]
    defaults = {"digest": "sha256"}
    if options.get("digest") == "sha1":
        # the imprint alone: the token's own digest stays
        data = token(stamper, SIGNED).replace(world.oid(world.SHA256), world.oid("1.3.14.3.2.26"))
        with pytest.raises((SignatureError, Malformed)):
            timestamps.verify(data, SIGNED, [authority(root)])
        options = {"digest": "sha1"}
    assert refusal(token(stamper, SIGNED, **{**defaults, **options}), authority(root)) == expected


def test_fields_that_say_nothing_to_us(root: Identity, stamper: Identity) -> None:
    tail = b"".join((
        world.sequence(world.integer(1)), b"\x01\x01\xff", world.integer(99),
        der.encode(der.context(0), der.encode(der.context(4), world.name("TSA").public_bytes())),
        der.encode(der.context(1), world.sequence(world.oid("1.2.3"), world.octets(b""))),
    ))  # fmt: skip
    assert timestamps.verify(token(stamper, SIGNED, info_tail=tail), SIGNED, [authority(root)]) == START


@pytest.mark.parametrize("options", [
    {"purposes_critical": False},
    {"purposes": (chains.TIME_STAMPING, chains.EMAIL_PROTECTION)},
    {"purposes": (chains.EMAIL_PROTECTION,)},
    {"purposes": (chains.ANY_PURPOSE,)},
    {"purposes": None},
    {"usages": ["key_encipherment"]},
    {"authority": True, "usages": None},
])  # fmt: skip
def test_certificates_for_something_else(options: dict[str, Any], root: Identity) -> None:
    assert refusal(token(mint_stamper(root, **options), SIGNED), authority(root)) == "CERT_NOT_ALLOWED"


def test_whose_word_counts(root: Identity, stamper: Identity) -> None:
    other = authority(mint("Other", authority=True))
    data = token(stamper, SIGNED)
    assert refusal(data) == "CERT_NOT_TRUSTED"
    assert refusal(data, other) == "CERT_NOT_TRUSTED"
    assert timestamps.verify(data, SIGNED, [other, authority(root)]) == START
    assert timestamps.verify(data, SIGNED, [authority(root), other]) == START


@pytest.mark.parametrize(("start", "end", "good"), [
    (None, None, True), (START, START, True), (START + 1, None, False), (None, START - 1, False), (START, None, True),
])  # fmt: skip
def test_when_an_authority_is_believed(
    start: int | None, end: int | None, good: bool, root: Identity, stamper: Identity
) -> None:
    known = authority(root)._replace(not_before=start, not_after=end)
    if good:
        assert timestamps.verify(token(stamper, SIGNED), SIGNED, [known]) == START
    else:
        assert refusal(token(stamper, SIGNED), known) == "EXPIRED_AT_T"


def test_authorities_between(root: Identity) -> None:
    middle = mint("Middle", root, authority=True)
    data = token(mint_stamper(middle), SIGNED)
    assert timestamps.verify(data, SIGNED, [authority(root)]) == START
    bare = token(mint_stamper(middle), SIGNED, certificates=())
    assert refusal(bare, authority(root)) == "MALFORMED"


def test_size(root: Identity, stamper: Identity) -> None:
    data = token(stamper, SIGNED, unsigned=[world.attribute("1.2.3", world.octets(bytes(timestamps.MAX_TOKEN_BYTES)))])
    assert refusal(data, authority(root)) == "MALFORMED"


def test_no_change_moves_the_time(root: Identity, stamper: Identity) -> None:
    """Damage a token everywhere: it is refused, or says the same."""
    data = token(stamper, SIGNED)
    draw = random.Random(7)
    known = [authority(root)]
    passed = 0
    tries: Sequence[bytes] = [data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :]
                              for at in range(len(data)) for bit in draw.sample(range(8), 2)]  # fmt: skip
    for mutant in tries:
        try:
            assert timestamps.verify(mutant, SIGNED, known) == START
            passed += 1
        except ChainverifyError as error:
            assert error.status == "fail"  # noqa: PT017 - most are refused, not all
    assert passed < len(tries) // 50


def test_a_token_is_of_one_time() -> None:
    """Fractions are dropped, and the form is the one of DER."""
    def info(moment: bytes) -> tsp.TstInfo:
        return tsp.parse_info(world.sequence(
            world.integer(1), world.oid("1.2"), world.sequence(world.sequence(world.oid(world.SHA256)), world.octets(b"x")),
            world.integer(1), der.encode(der.GENERALIZED_TIME, moment),
        ))  # fmt: skip

    assert info(b"20250615150640.5Z").time == START
    for bad in (b"20250615150640.50Z", b"20250615150640.Z", b"20250615150640", b"202506151506Z", b"20250615150640+0000",
                b"20251315150640Z", b"20250615150660Z", b"00000615150640Z"):  # fmt: skip
        with pytest.raises(Malformed):
            info(bad)


def test_revocations_are_asked_for(root: Identity, stamper: Identity) -> None:
    from chainverify.transparency import crls

    lists = crls.load(
        [world.material(world.crl(root, (stamper, START + DAY, x509.ReasonFlags.key_compromise)))],
        [certificates.decode(root.der)],
    )
    with pytest.raises(SignatureError) as caught:
        timestamps.verify(token(stamper, SIGNED), SIGNED, [authority(root)], lists)
    assert caught.value.code == "REVOKED_HARD"
