"""X.509 signatures judged against certificates of a policy, beside what openssl, gpgsm and git say of the same bytes."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from chainverify.errors import ChainverifyError, PolicyError, SignatureError
from chainverify.formats import cms, der, objects, tsp
from chainverify.model.signing import Clock, Evidence, Format, SignatureOptions, SigningMaterial
from chainverify.signatures import backends
from tests.world import x509 as world
from tests.world.repository import START, Repository
from tests.world.x509 import DAY, SINCE, UNTIL, GpgsmHome, Identity, forge, mint, openssl_sign, openssl_verifies, trust

PAYLOAD = b"tree 0\n\nthe signed bytes\n"
NOW = START + 60 * DAY
CLOCK = Clock(START, NOW)
OPTIONS = SignatureOptions()
FORMATS: tuple[Format, ...] = ("openpgp", "ssh", "x509", "gitsign")
ADDRESS = "alice@example.org"


@pytest.fixture(scope="module")
def root() -> Identity:
    return mint("Root", authority=True)


@pytest.fixture(scope="module")
def alice(root: Identity) -> Identity:
    return mint("Alice", root, emails=[ADDRESS])


def verify(
    armored: bytes,
    material: SigningMaterial,
    clock: Clock = CLOCK,
    options: SignatureOptions = OPTIONS,
    payload: bytes = PAYLOAD,
    formats: tuple[Format, ...] = FORMATS,
) -> Evidence:
    """Through the one seam that the program uses."""
    return backends.verify(payload, armored, backends.load(material), clock, options, formats)


def refusal(armored: bytes, material: SigningMaterial, *more: Any, **named: Any) -> tuple[str, str]:
    """Code and rule of the refusal."""
    with pytest.raises(SignatureError) as caught:
        verify(armored, material, *more, **named)
    assert caught.value.status == "fail"
    return caught.value.code, caught.value.rule


# --- real signatures

REAL = {
    "rsa": ("rsa2048", [], "rsa/sha256"),
    "rsa sha512": ("rsa2048", ["-md", "sha512"], "rsa/sha512"),
    "pss": ("rsa2048", ["-keyopt", "rsa_padding_mode:pss"], "rsa-pss/sha256"),
    "pss, salt as the digest": (
        "rsa2048", ["-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:-1", "-md", "sha384"], "rsa-pss/sha384",
    ),
    "p256": ("p256", [], "ecdsa/sha256"),
    "p384": ("p384", ["-md", "sha384"], "ecdsa/sha384"),
    "p521": ("p521", ["-md", "sha512"], "ecdsa/sha512"),
    "key id": ("p256", ["-keyid"], "ecdsa/sha256"),
    "attached": ("p256", ["-nodetach"], "ecdsa/sha256"),
}  # fmt: skip


@pytest.mark.tool("openssl")
@pytest.mark.parametrize("case", REAL)
def test_real_openssl_signatures(case: str, root: Identity, tmp_path: Path) -> None:
    """openssl cannot choose its signing time: the world is moved to the present."""
    kind, options, algorithm = REAL[case]
    now = int(time.time())
    life = {"since": now - DAY, "until": now + DAY}
    current = mint("Current root", authority=True, **life)
    signer = mint("Alice", current, key=kind, emails=[ADDRESS], **life)
    armored = openssl_sign(tmp_path, signer, PAYLOAD, *options)
    for material, who in ((trust(current), ""), (trust(pinned=[("Alice", signer)]), "Alice")):
        proof = verify(armored, material, Clock(now, now))
        assert (proof.format, proof.signer, proof.fingerprint, proof.code) == ("x509", who, signer.fingerprint, "GOOD")
        assert (proof.algorithm, proof.time_source, proof.emails) == (algorithm, "signature", (ADDRESS,))
        assert proof.principals == (() if who else (ADDRESS,))
        assert abs(proof.signed_at - now) < 60
        assert ("cms-attached" in proof.notes) == (case == "attached")
    assert openssl_verifies(tmp_path, current, PAYLOAD, armored)
    other = PAYLOAD + b"\n"
    assert refusal(armored, trust(current), Clock(now, now), payload=other) == ("BAD", "signature-bad")
    if case != "attached":  # openssl then takes what is enclosed
        assert not openssl_verifies(tmp_path, current, other, armored)
    assert refusal(armored, trust(root), Clock(now, now)) == ("CERT_NOT_TRUSTED", "signer-unknown")
    assert not openssl_verifies(tmp_path, root, PAYLOAD, armored)


@pytest.fixture(scope="module")
def gpgsm(root: Identity) -> Iterator[tuple[GpgsmHome, Identity]]:
    chain = mint("Middle", root, key="rsa2048", authority=True)
    signer = mint("Alice", chain, key="rsa2048", usages=["digital_signature", "content_commitment"], emails=[ADDRESS])
    with GpgsmHome.create([signer], [root]) as home:
        home.set_clock(START)
        yield home, signer


@pytest.mark.tool("gpgsm", "openssl")
def test_real_gpgsm_signatures(gpgsm: tuple[GpgsmHome, Identity], root: Identity, tmp_path: Path) -> None:
    home, signer = gpgsm
    armored = home.sign(ADDRESS, PAYLOAD)
    proof = verify(armored, trust(root))
    assert (proof.code, proof.signed_at, proof.time_source, proof.algorithm) == ("GOOD", START, "signature", "rsa/sha256")
    assert proof.principals == (ADDRESS,)
    assert proof.fingerprint == signer.fingerprint
    assert home.verifies(PAYLOAD, armored)
    # openssl reads gpgsm's encoding too
    assert openssl_verifies(tmp_path, root, PAYLOAD, armored, when=START)
    assert not home.verifies(PAYLOAD + b"x", armored)
    assert refusal(armored, trust(root), payload=PAYLOAD + b"x") == ("BAD", "signature-bad")


@pytest.mark.tool("gpgsm")
def test_gpgsm_writes_the_basic_encoding_rules(gpgsm: tuple[GpgsmHome, Identity], root: Identity) -> None:
    """Why `cms-ber` exists: four values of indefinite length, and everything inside of them in DER."""
    armored = gpgsm[0].sign(ADDRESS, PAYLOAD)
    body = cms.dearmor(armored)
    assert body.startswith(bytes.fromhex("3080 0609 2a864886f70d010702 a080 3080 020101"))
    assert verify(armored, trust(root)).notes == ("cms-ber",)
    strict = der.definite(body, "x")
    assert cms.parse(strict) == cms.parse(body)._replace(notes=())
    assert der.definite(strict, "x") == strict
    assert verify(world.armor(strict), trust(root)).notes == ()


@pytest.mark.tool("gpgsm", "git")
def test_a_repository_signed_through_gpgsm(gpgsm: tuple[GpgsmHome, Identity], root: Identity, tmp_path: Path) -> None:
    """Commits and a tag as `gpg.format = x509` makes them; git's own verdict stands beside ours."""
    home, signer = gpgsm
    repo = Repository.create(tmp_path / "repo")
    options = ["-c", "gpg.format=x509", "-c", f"user.signingkey={ADDRESS}"]
    env = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "GNUPGHOME": str(home.path), "GIT_CONFIG_NOSYSTEM": "1", "TZ": "UTC",
        "GIT_CONFIG_GLOBAL": os.devnull, "GIT_AUTHOR_NAME": "Alice", "GIT_AUTHOR_EMAIL": ADDRESS, "GIT_COMMITTER_NAME": "Alice",
        "GIT_COMMITTER_EMAIL": ADDRESS, "GIT_AUTHOR_DATE": f"{START} +0000", "GIT_COMMITTER_DATE": f"{START} +0000",
    }  # fmt: skip

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *options, *arguments], cwd=repo.path, env=env, capture_output=True, check=True, timeout=60
        )
        return done.stdout.decode().strip()

    (repo.path / "a.txt").write_text("text\n")
    git("add", "a.txt")
    git("commit", "-q", "-S", "-m", "first\n\nwith a body")
    git("tag", "-s", "-m", "a tag", "v1")
    oid = git("rev-parse", "HEAD")
    commit = objects.parse_commit(oid, repo.read(oid), repo.algorithm)
    assert commit.signature is not None
    for material, who in ((trust(root), ""), (trust(pinned=[("Alice", signer)]), "Alice")):
        proof = verify(commit.signature, material, payload=commit.payload)
        assert (proof.code, proof.signer, proof.fingerprint) == ("GOOD", who, signer.fingerprint)
    assert git("log", "-1", "--format=%G?") == "G"
    tag_oid = git("rev-parse", "v1")
    tag = objects.parse_tag(tag_oid, repo.read(tag_oid), repo.algorithm)
    assert tag.signature is not None
    assert verify(tag.signature, trust(root), payload=tag.payload).code == "GOOD"

    changed = repo.write("commit", repo.read(oid).replace(b"first", b"First"))
    bad = objects.parse_commit(changed, repo.read(changed), repo.algorithm)
    assert bad.signature is not None
    assert refusal(bad.signature, trust(root), payload=bad.payload) == ("BAD", "signature-bad")
    done = subprocess.run(
        ["git", *options, "log", "-1", "--format=%G?", changed], cwd=repo.path, env=env, capture_output=True, check=True
    )
    assert done.stdout.strip() == b"B"


# --- signatures by hand

def test_the_forger_s_tools_work(root: Identity, alice: Identity, tmp_path: Path) -> None:
    """What the helpers make honestly is good, so the refusals below have their own reasons."""
    armored = forge(alice, PAYLOAD)
    proof = verify(armored, trust(root))
    assert proof == Evidence(
        "x509", alice.fingerprint, alice.fingerprint, "", START, "signature", "ecdsa/sha256", emails=(ADDRESS,),
        principals=(ADDRESS,), claims=(("subject", "CN=Alice"), ("root", "CN=Root")),
    )
    assert openssl_verifies(tmp_path, root, PAYLOAD, armored, when=START)
    assert verify(forge(alice, PAYLOAD, by_key_id=True), trust(root)).code == "GOOD"
    ed25519 = mint("Alice", root, key="ed25519", emails=[ADDRESS])  # the CMS of OpenSSL 3.0 has no such keys
    armored = forge(ed25519, PAYLOAD, digest="sha512")
    assert verify(armored, trust(root)).algorithm == "ed25519"


BAD = ("BAD", "signature-bad")
BROKEN = ("MALFORMED", "signature-bad")
AMBIGUOUS = ("MALFORMED", "signature-ambiguous")
UNSUPPORTED = ("UNSUPPORTED", "algorithm-forbidden")
WEAK = ("WEAK_HASH", "algorithm-forbidden")

CONTENT_TYPE = world.attribute(cms.CONTENT_TYPE, world.oid(cms.DATA))
OTHER_TYPE = world.attribute(cms.CONTENT_TYPE, world.oid(tsp.TST_INFO))
DIGEST = world.attribute(cms.MESSAGE_DIGEST, world.octets(hashlib.sha256(PAYLOAD).digest()))
TIME = world.attribute(cms.SIGNING_TIME, world.utc_time(START))
TWO_TIMES = world.attribute(cms.SIGNING_TIME, world.utc_time(START), world.utc_time(START + 1))
RSA_WITH_256 = world.sequence(world.oid("1.2.840.113549.1.1.11"), world.NULL)
SALTED = padding.PSS(padding.MGF1(hashes.SHA256()), 32)

DEFECTS: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "two signers": ({"signers": 2}, AMBIGUOUS),
    "no signer": ({"signers": 0}, BROKEN),
    "no signed attributes": ({"attributes": ()}, UNSUPPORTED),
    "attributes not sorted": ({"attributes": (DIGEST, TIME, CONTENT_TYPE), "sort": False}, BROKEN),
    "no content type": ({"attributes": (DIGEST, TIME)}, BROKEN),
    "no digest": ({"attributes": (CONTENT_TYPE, TIME)}, BROKEN),
    "another content type signed": ({"attributes": (OTHER_TYPE, DIGEST)}, BROKEN),
    "another content type": ({"content_type": tsp.TST_INFO}, BAD),
    "a digest twice": ({"extra": (world.attribute(cms.MESSAGE_DIGEST, world.octets(bytes(32))),)}, AMBIGUOUS),
    "a time twice": ({"extra": (world.attribute(cms.SIGNING_TIME, world.utc_time(START + 1)),)}, AMBIGUOUS),
    "two times in one": ({"attributes": (CONTENT_TYPE, DIGEST, TWO_TIMES)}, BROKEN),
    "an attribute of no set": ({"extra": (world.sequence(world.oid("1.2.3"), world.NULL),)}, BROKEN),
    "an unsigned attribute twice": ({"unsigned": [world.attribute("1.2.3", world.NULL)] * 2}, AMBIGUOUS),
    "the digest of other bytes": (
        {"attributes": (CONTENT_TYPE, world.attribute(cms.MESSAGE_DIGEST, world.octets(bytes(32))))}, BAD,
    ),
    "other content enclosed": ({"content": PAYLOAD + b"\n"}, BAD),
    "digest algorithm not listed": ({"listed": ["sha512"]}, BROKEN),
    "version 2": ({"version": 2}, BROKEN),
    "sha1": ({"digest": "sha1"}, WEAK),
    "md5": ({"digest": "md5", "algorithm": RSA_WITH_256, "key": "rsa2048"}, WEAK),
    "sha224": ({"digest": "sha224"}, WEAK),
    "sha3": ({"digest": "sha3"}, UNSUPPORTED),
    "ecdsa named rsa": ({"algorithm": world.sequence(world.oid("1.2.840.113549.1.1.1"), world.NULL)}, BROKEN),
    "ecdsa named ed25519": ({"algorithm": world.sequence(world.oid("1.3.101.112"))}, BROKEN),
    "ecdsa with another hash than named": ({"algorithm": world.sequence(world.oid("1.2.840.10045.4.3.4"))}, BROKEN),
    "ecdsa with parameters": ({"algorithm": world.sequence(world.oid("1.2.840.10045.4.3.2"), world.NULL)}, UNSUPPORTED),
    "dsa": ({"algorithm": world.sequence(world.oid("2.16.840.1.101.3.4.3.2"))}, UNSUPPORTED),
    "by another key": ({"signing_key": world.new_key("p256")}, BAD),
    "rsa with another hash than named": (
        {"key": "rsa2048", "algorithm": world.sequence(world.oid("1.2.840.113549.1.1.13"), world.NULL)}, BROKEN,
    ),
    "rsa with parameters": ({"key": "rsa2048", "algorithm": world.sequence(world.oid("1.2.840.113549.1.1.1"), world.octets(b""))},
                            UNSUPPORTED),
    "rsa named pss": (
        {"key": "rsa2048", "algorithm": world.sequence(world.oid("1.2.840.113549.1.1.10"), world.pss_parameters())}, BAD,
    ),
    "pss named rsa": ({"key": "rsa2048", "scheme": SALTED}, BAD),
    "pss without parameters": (
        {"key": "rsa2048", "scheme": SALTED, "algorithm": world.sequence(world.oid("1.2.840.113549.1.1.10"))}, UNSUPPORTED,
    ),
    "pss with sha1's defaults": (
        {"key": "rsa2048", "scheme": SALTED,
         "algorithm": world.sequence(world.oid("1.2.840.113549.1.1.10"), world.sequence())}, BROKEN,
    ),
    "pss with another mask": (
        {"key": "rsa2048", "scheme": padding.PSS(padding.MGF1(hashes.SHA512()), 32),
         "algorithm": world.sequence(world.oid("1.2.840.113549.1.1.10"), world.pss_parameters(mask="sha512"))}, UNSUPPORTED,
    ),
    "pss with another salt": (
        {"key": "rsa2048", "scheme": SALTED,
         "algorithm": world.sequence(world.oid("1.2.840.113549.1.1.10"), world.pss_parameters(salt=31))}, BAD,
    ),
    "pss with a huge salt": (
        {"key": "rsa2048", "scheme": SALTED,
         "algorithm": world.sequence(world.oid("1.2.840.113549.1.1.10"), world.pss_parameters(salt=1 << 20))}, BAD,
    ),
    "pss with another trailer": (
        {"key": "rsa2048", "scheme": SALTED,
         "algorithm": world.sequence(world.oid("1.2.840.113549.1.1.10"),
                                     world.pss_parameters(tail=der.encode(0xA3, world.integer(2))))}, UNSUPPORTED,
    ),
    "ed25519 with sha256": ({"key": "ed25519"}, UNSUPPORTED),
    "ed25519 with parameters": (
        {"key": "ed25519", "digest": "sha512", "algorithm": world.sequence(world.oid("1.3.101.112"), world.NULL)}, UNSUPPORTED,
    ),
    "weak rsa": ({"key": "rsa1024"}, ("WEAK_KEY", "algorithm-forbidden")),
    "secp256k1": ({"key": "k256"}, UNSUPPORTED),
    "no certificate": ({"certificates": ()}, ("NO_KEY", "signer-unknown")),
    "another certificate only": ({"certificates": (mint("Mallory").der,)}, ("NO_KEY", "signer-unknown")),
    "a certificate that is none": ({"certificates": (world.sequence(world.integer(1)),)}, BROKEN),
}  # fmt: skip


@pytest.mark.parametrize("case", DEFECTS)
def test_defects(case: str, root: Identity, alice: Identity) -> None:
    options, expected = DEFECTS[case]
    options = dict(options)
    kind = options.pop("key", None)
    signer = mint("Alice", root, key=kind, emails=[ADDRESS]) if kind else alice
    assert refusal(forge(signer, PAYLOAD, **options), trust(root)) == expected
    if expected[0] not in {"WEAK_KEY", "NO_KEY"} and kind != "k256":
        assert refusal(forge(signer, PAYLOAD, **options), trust(pinned=[("Alice", signer)])) == expected


def test_pss_by_hand(root: Identity) -> None:
    """So that the refusals of PSS above have their own reasons."""
    signer = mint("Alice", root, key="rsa2048", emails=[ADDRESS])
    algorithm = world.sequence(world.oid("1.2.840.113549.1.1.10"), world.pss_parameters())
    assert verify(forge(signer, PAYLOAD, scheme=SALTED, algorithm=algorithm), trust(root)).algorithm == "rsa-pss/sha256"


def test_an_attribute_set_signed_as_content(root: Identity, alice: Identity) -> None:
    """The two ways to sign in CMS are open to confusion: the attributes of one signature, as the content of another without."""
    parsed = cms.parse(cms.dearmor(forge(alice, PAYLOAD)))
    attributes = parsed.signed_attributes
    assert attributes is not None
    confused = forge(alice, attributes, attributes=())
    assert refusal(confused, trust(root), payload=attributes) == UNSUPPORTED


def test_two_certificates_fit(root: Identity, alice: Identity) -> None:
    number = alice.certificate.serial_number
    twin = mint("Mallory", root, serial=number)
    armored = forge(alice, PAYLOAD, certificates=[alice.der, twin.der])
    assert refusal(armored, trust(root)) == AMBIGUOUS
    assert refusal(forge(alice, PAYLOAD), trust(pinned=[("Mallory", twin)])) == AMBIGUOUS
    assert verify(forge(alice, PAYLOAD, certificates=[alice.der, alice.der]), trust(root)).code == "GOOD"


def test_formats_of_the_policy(root: Identity, alice: Identity) -> None:
    armored = forge(alice, PAYLOAD)
    not_allowed = ("UNSUPPORTED", "signature-format-not-allowed")
    assert refusal(armored, trust(root), formats=("openpgp", "ssh")) == not_allowed
    assert refusal(armored, trust(root), formats=("gitsign",)) == not_allowed
    assert refusal(armored, SigningMaterial()) == ("NO_KEY", "signer-unknown")
    issuer = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8"), b"\x0c\x01x")
    fulcio = forge(mint("F", root, emails=[ADDRESS], extensions=[(issuer, False)]), PAYLOAD)
    assert refusal(fulcio, trust(root), formats=("x509",)) == not_allowed
    assert refusal(fulcio, trust(root)) == ("NO_KEY", "signer-unknown")
    with pytest.raises(SignatureError, match=r"gitsign signatures are not accepted, expected X\.509"):
        verify(fulcio, trust(root), formats=("x509",))


@pytest.mark.parametrize("change", [
    lambda armored: b"\n" + armored,
    lambda armored: armored + b"\n",
    lambda armored: armored.replace(b"\n", b"\r\n"),
    lambda armored: armored + b"\nSign completed",
    lambda armored: armored.replace(b"SIGNED MESSAGE", b"PKCS7"),
    lambda armored: armored + b"\n" + armored,
    lambda armored: armored.replace(b"\nMII", b"\nMII\n", 1),
])  # fmt: skip
def test_one_armor(change: Any, root: Identity, alice: Identity) -> None:
    assert refusal(change(forge(alice, PAYLOAD)), trust(root))[0] == "MALFORMED"


# --- whose it is

@pytest.mark.parametrize(("emails", "subject", "expected"), [
    ([ADDRESS], "x", (ADDRESS,)),
    ([ADDRESS, "a.b@example.org"], "x", (ADDRESS, "a.b@example.org")),
    (["*@example.org", ADDRESS], "x", (ADDRESS,)),
    (["*@example.org"], "x", None),
    (["!bob@example.org"], "x", None),
    (["a?@example.org"], "x", None),
    (["alice@example.org,*"], "x", None),
    (['"alice"@example.org'], "x", None),
    (["a b@example.org"], "x", None),
    (["alice@example.org\n"], "x", None),
    (["alice"], "x", None),
    (["@example.org"], "x", None),
    (["a@b@example.org"], "x", None),
    ([], "x", None),
    ([], world.name("Alice", email=ADDRESS), None),
])  # fmt: skip
def test_addresses_that_an_authority_vouches_for(
    emails: list[str], subject: Any, expected: tuple[str, ...] | None, root: Identity
) -> None:
    names = [x509.RFC822Name._init_without_validation(email) for email in emails]
    armored = forge(mint(subject, root, names=names), PAYLOAD)
    if expected is None:
        assert refusal(armored, trust(root)) == ("NO_ADDRESS", "identity-mismatch")
    else:
        assert verify(armored, trust(root)).principals == expected


def test_pinned_certificates_are_compared_whole(root: Identity, alice: Identity) -> None:
    """A renewed certificate with the same key and name is another one."""
    renewed = mint("Alice", root, key=alice.key, emails=[ADDRESS])
    assert verify(forge(alice, PAYLOAD), trust(pinned=[("Alice", alice)])).signer == "Alice"
    assert refusal(forge(renewed, PAYLOAD), trust(pinned=[("Alice", alice)])) == ("NO_KEY", "signer-unknown")
    both = trust(root, pinned=[("Alice", alice)])
    assert (verify(forge(alice, PAYLOAD), both).signer, verify(forge(renewed, PAYLOAD), both).signer) == ("Alice", "")


def test_a_pinned_certificate_need_not_come_along(alice: Identity) -> None:
    for by_key_id in (False, True):
        armored = forge(alice, PAYLOAD, certificates=(), by_key_id=by_key_id)
        assert verify(armored, trust(pinned=[("Alice", alice)])).signer == "Alice"


def test_a_pinned_certificate_of_its_own(tmp_path: Path) -> None:
    """A self-signed certificate, with no purpose and a critical extension that nobody knows."""
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    own = mint("Alice", purposes=None, usages=None, authority=None, extensions=[(extension, True)])
    assert verify(forge(own, PAYLOAD), trust(pinned=[("Alice", own)])).signer == "Alice"
    assert verify(forge(own, PAYLOAD), trust(pinned=[("Alice", own)])).emails == ()


def test_a_chain_without_its_middle(root: Identity) -> None:
    """gpgsm and smimesign send it along, unless told not to; the policy may have it instead."""
    middle = mint("Middle", root, authority=True)
    signer = mint("Alice", middle, emails=[ADDRESS])
    assert verify(forge(signer, PAYLOAD), trust(root)).claims == (("subject", "CN=Alice"), ("root", "CN=Root"))
    alone = forge(signer, PAYLOAD, certificates=[signer.der])
    assert refusal(alone, trust(root)) == ("CERT_NOT_TRUSTED", "signer-unknown")
    assert verify(alone, trust(root, middle)).claims[1] == ("root", "CN=Root")
    assert verify(alone, trust(middle)).claims[1] == ("root", "CN=Middle")


# --- which time

@pytest.mark.parametrize(("clock", "validity", "when", "stamp", "expected"), [
    (Clock(10, NOW), "backfill", START, None, (START, "signature", None)),
    (Clock(START + 7, NOW), "backfill", None, None, (START + 7, "committer", None)),
    (Clock(10, NOW, START + 9), "backfill", START, None, (START + 9, "arrival", None)),
    (Clock(10, NOW, START + 9), "strict", START, START + 5, (START + 5, "timestamp", START + 5)),
    (Clock(10, NOW), "identity", START, START + 5, (START + 5, "timestamp", START + 5)),
    (Clock(10, NOW), "now", START, START + 5, (NOW, "now", START + 5)),
    (Clock(10, NOW, START + 9), "now", START, None, (NOW, "now", None)),
])  # fmt: skip
def test_which_time_is_believed(
    clock: Clock, validity: Any, when: int | None, stamp: int | None, expected: tuple[int, str, int | None],
    root: Identity, alice: Identity,
) -> None:  # fmt: skip
    stamper = world.mint_stamper(root)
    token = (lambda value: world.token(stamper, value, when=stamp)) if stamp else None
    material = trust(root, timestamps=[root])
    proof = verify(forge(alice, PAYLOAD, when=when, stamp=token), material, clock, SignatureOptions(key_validity=validity))
    assert (proof.signed_at, proof.time_source, proof.anchored_at) == expected


EXPIRED = ("EXPIRED_AT_T", "signer-expired")
LIFE = {
    "valid": (SINCE, UNTIL, "GOOD"),
    "first second": (START, UNTIL, "GOOD"),
    "last second": (SINCE, START, "GOOD_EXPIRED_NOW"),
    "expired since": (SINCE, START + DAY, "GOOD_EXPIRED_NOW"),
    "expired before": (SINCE, START - 1, EXPIRED),
    "not yet valid": (START + 1, UNTIL, ("FUTURE", "signer-expired")),
}


@pytest.mark.parametrize("pin", [False, True])
@pytest.mark.parametrize("case", LIFE)
def test_validity_of_the_certificate(case: str, pin: bool, root: Identity) -> None:
    since, until, expected = LIFE[case]
    signer = mint("Alice", root, emails=[ADDRESS], since=since, until=until)
    material = trust(pinned=[("Alice", signer)]) if pin else trust(root)
    armored = forge(signer, PAYLOAD)
    if isinstance(expected, str):
        assert verify(armored, material).code == expected
    else:
        assert refusal(armored, material) == expected
    # the mode in which naming a certificate decides is for those that are named
    identity = SignatureOptions(key_validity="identity")
    if expected == EXPIRED and pin:
        assert verify(armored, material, options=identity).notes == ("key-expired-at-t",)
    elif not isinstance(expected, str):
        assert refusal(armored, material, options=identity) == expected
    now = SignatureOptions(key_validity="now")
    if until < NOW:
        assert refusal(armored, material, options=now) == EXPIRED
    else:
        assert verify(armored, material, options=now).time_source == "now"


def test_the_future(root: Identity, alice: Identity) -> None:
    future = ("FUTURE", "signature-bad")
    assert verify(forge(alice, PAYLOAD, when=NOW + 300), trust(root)).code == "GOOD"
    assert refusal(forge(alice, PAYLOAD, when=NOW + 301), trust(root)) == future
    assert refusal(forge(alice, PAYLOAD, when=START + 400), trust(root), Clock(START, NOW, START)) == future
    stamper = world.mint_stamper(root)
    late = forge(alice, PAYLOAD, stamp=lambda value: world.token(stamper, value, when=NOW + 301))
    assert refusal(late, trust(root, timestamps=[root])) == future


def test_skew_is_noted(root: Identity, alice: Identity) -> None:
    assert verify(forge(alice, PAYLOAD), trust(root), Clock(START - 601, NOW)).notes == ("skew",)
    assert verify(forge(alice, PAYLOAD), trust(root), Clock(START + 600, NOW)).notes == ()


@pytest.mark.parametrize(("sha1_before", "good"), [(None, False), (START, False), (START + 1, True)])
def test_sha1_of_its_time(sha1_before: int | None, good: bool, root: Identity, alice: Identity) -> None:
    rsa = mint("Alice", root, key="rsa2048", emails=[ADDRESS])
    for signer in (alice, rsa):
        armored = forge(signer, PAYLOAD, digest="sha1")
        if good:
            assert verify(armored, trust(root), options=SignatureOptions(sha1_before=sha1_before)).notes == ("sha1",)
        else:
            assert refusal(armored, trust(root), options=SignatureOptions(sha1_before=sha1_before)) == WEAK


# --- timestamps

def test_a_timestamp_outlives_the_certificate(root: Identity) -> None:
    """Its signer claims a time, and only the timestamp is believed, for better or worse."""
    signer = mint("Alice", root, emails=[ADDRESS], until=START + 10)
    stamper = world.mint_stamper(root)
    material = trust(root, timestamps=[root])
    good = forge(signer, PAYLOAD, stamp=lambda value: world.token(stamper, value, when=START + 5))
    assert verify(good, material, Clock(START, NOW, NOW)).time_source == "timestamp"
    late = forge(signer, PAYLOAD, stamp=lambda value: world.token(stamper, value, when=START + 11))
    assert refusal(late, material) == EXPIRED
    assert verify(late, trust(root)).notes == ("timestamp-not-checked",)


def test_timestamps_that_prove_nothing(root: Identity, alice: Identity) -> None:
    stamper = world.mint_stamper(root)
    material = trust(root, timestamps=[root])
    stranger = world.mint_stamper(mint("Other root", authority=True))
    unknown = verify(forge(alice, PAYLOAD, stamp=lambda value: world.token(stranger, value)), material)
    assert (unknown.time_source, unknown.notes) == ("signature", ("timestamp-unknown-authority",))
    bad = ("BAD_TIMESTAMP", "signature-bad")
    assert refusal(forge(alice, PAYLOAD, stamp=lambda value: world.token(stamper, value + b"x")), material) == bad
    assert refusal(forge(alice, PAYLOAD, stamp=lambda value: world.token(stamper, PAYLOAD)), material) == bad
    assert refusal(forge(alice, PAYLOAD, stamp=lambda value: world.NULL), material) == bad
    expired = world.mint_stamper(root, until=START - 1)
    assert refusal(forge(alice, PAYLOAD, stamp=lambda value: world.token(expired, value)), material) == bad


def test_several_timestamps(root: Identity, alice: Identity) -> None:
    stamper = world.mint_stamper(root)
    material = trust(root, timestamps=[root])

    def armored(*times: int) -> bytes:
        value = cms.parse(cms.dearmor(forge(alice, PAYLOAD)))
        tokens = [world.token(stamper, value.signature, when=each) for each in times]
        body = forge(alice, PAYLOAD, unsigned=[world.attribute(tsp.TIMESTAMP, *tokens)], armored=False)
        # ECDSA is made anew each time: put the first value into the second structure
        return world.armor(body.replace(cms.parse(body).signature, value.signature)) if len(
            cms.parse(body).signature) == len(value.signature) else armored(*times)

    assert verify(armored(START + 9, START + 4, START + 6), material).signed_at == START + 4
    assert refusal(armored(*range(START, START + 5)), material) == BROKEN


@pytest.mark.tool("openssl")
def test_a_real_timestamp(root: Identity, tmp_path: Path) -> None:
    now = int(time.time())
    life = {"since": now - DAY, "until": now + DAY}
    current = mint("Current root", authority=True, **life)
    signer = mint("Alice", current, emails=[ADDRESS], **life)
    stamper = world.mint_stamper(current, key="rsa2048", **life)
    for options in (["-cert"], []):
        def stamp(value: bytes, options: list[str] = options) -> bytes:
            return world.openssl_token(tmp_path, stamper, value, *options)

        armored = forge(signer, PAYLOAD, when=now - 3600, stamp=stamp)
        proof = verify(armored, trust(current, timestamps=[current, stamper]), Clock(now, now))
        assert proof.time_source == "timestamp"
        assert proof.anchored_at is not None
        assert abs(proof.anchored_at - now) < 60


# --- revocation

SOFT, HARD = x509.ReasonFlags.superseded, x509.ReasonFlags.key_compromise
REVOKED_HARD = ("REVOKED_HARD", "signer-revoked")
REVOKED_SOFT = ("REVOKED_SOFT_AT_T", "signer-revoked")


@pytest.mark.parametrize("pin", [False, True])
@pytest.mark.parametrize(("reason", "since", "anchor", "expected"), [
    (HARD, START + DAY, None, REVOKED_HARD),
    (HARD, START - DAY, None, REVOKED_HARD),
    (None, START + DAY, None, REVOKED_HARD),
    (x509.ReasonFlags.unspecified, START + DAY, None, REVOKED_HARD),
    (x509.ReasonFlags.ca_compromise, START + DAY, None, REVOKED_HARD),
    (x509.ReasonFlags.aa_compromise, START + DAY, None, REVOKED_HARD),
    (HARD, START + DAY, "timestamp", "GOOD"),
    (HARD, START + DAY, "arrival", "GOOD"),
    (HARD, START, "timestamp", REVOKED_HARD),
    (HARD, START, "arrival", REVOKED_HARD),
    (SOFT, START + DAY, None, "GOOD"),
    (SOFT, START + 1, None, "GOOD"),
    (SOFT, START, None, REVOKED_SOFT),
    (x509.ReasonFlags.cessation_of_operation, START - DAY, None, REVOKED_SOFT),
    (x509.ReasonFlags.affiliation_changed, START - DAY, None, REVOKED_SOFT),
    (x509.ReasonFlags.certificate_hold, START - DAY, None, REVOKED_SOFT),
    (x509.ReasonFlags.privilege_withdrawn, START - DAY, None, REVOKED_SOFT),
])  # fmt: skip
def test_revocations(
    reason: x509.ReasonFlags | None, since: int, anchor: str | None, expected: Any, pin: bool, root: Identity, alice: Identity
) -> None:
    stamper = world.mint_stamper(root)
    stamp = (lambda value: world.token(stamper, value)) if anchor == "timestamp" else None
    clock = Clock(START, START + 2 * DAY, START if anchor == "arrival" else None)
    material = trust(
        root, pinned=[("Alice", alice)] if pin else [], crls=[world.crl(root, (alice, since, reason))], timestamps=[root]
    )
    armored = forge(alice, PAYLOAD, stamp=stamp)
    if isinstance(expected, str):
        assert verify(armored, material, clock).code == expected
    else:
        assert refusal(armored, material, clock) == expected
        identity = SignatureOptions(key_validity="identity")
        if pin:
            note = "key-" + expected[0].lower().replace("_", "-")
            assert verify(armored, material, clock, identity).notes == (note,)
        else:
            assert refusal(armored, material, clock, identity) == expected


def test_a_revoked_authority(root: Identity) -> None:
    middle = mint("Middle", root, authority=True)
    signer = mint("Alice", middle, emails=[ADDRESS])
    lists = [world.crl(root, (middle, START + DAY, x509.ReasonFlags.ca_compromise))]
    assert refusal(forge(signer, PAYLOAD), trust(root, crls=lists)) == REVOKED_HARD
    pinned = trust(root, middle, pinned=[("Alice", signer)], crls=lists)
    assert refusal(forge(signer, PAYLOAD), pinned) == REVOKED_HARD


@pytest.mark.tool("openssl")
@pytest.mark.parametrize("pin", [False, True])
def test_an_authority_with_a_new_key_revokes_what_its_old_one_issued(tmp_path: Path, pin: bool) -> None:
    """Lists go by the name of who issued (RFC 5280 section 6.3.3); openssl does not accept the certificate either."""
    old, new = mint("Root", authority=True), mint("Root", authority=True)
    signer = mint("Alice", old, emails=[ADDRESS])
    revoked = world.crl(new, (signer, START, HARD))
    material = trust(old, new, pinned=[("Alice", signer)] if pin else [], crls=[revoked])
    assert refusal(forge(signer, PAYLOAD), material) == REVOKED_HARD
    (tmp_path / "roots.pem").write_bytes(old.pem + new.pem)
    (tmp_path / "list.pem").write_bytes(revoked)
    (tmp_path / "signer.pem").write_bytes(signer.pem)
    files = ("-CAfile", "roots.pem", "-CRLfile", "list.pem", "signer.pem")
    asked = ("openssl", "verify", "-crl_check", "-attime", str(START), *files)
    assert subprocess.run(asked, cwd=tmp_path, capture_output=True, check=False).returncode


def test_an_intermediate_s_list_needs_its_certificate(root: Identity) -> None:
    middle = mint("Middle", root, authority=True)
    signer = mint("Alice", middle, emails=[ADDRESS])
    lists = [world.crl(middle, (signer, START, SOFT))]
    assert refusal(forge(signer, PAYLOAD), trust(root, middle, crls=lists)) == REVOKED_SOFT
    with pytest.raises(PolicyError, match="none of the authorities"):
        backends.load(trust(root, crls=lists))


def test_a_revoked_timestamp_authority(root: Identity, alice: Identity) -> None:
    stamper = world.mint_stamper(root)
    armored = forge(alice, PAYLOAD, stamp=lambda value: world.token(stamper, value))
    for since, reason, good in ((START + DAY, SOFT, True), (START, SOFT, False), (START + DAY, HARD, False)):
        material = trust(root, timestamps=[root], crls=[world.crl(root, (stamper, since, reason))])
        if good:
            assert verify(armored, material).time_source == "timestamp"
        else:
            assert refusal(armored, material) == ("BAD_TIMESTAMP", "signature-bad")


def test_an_outdated_list_is_noted(root: Identity, alice: Identity) -> None:
    for next_update, notes in ((NOW, ()), (NOW - 1, ("crl-outdated",))):
        material = trust(root, crls=[world.crl(root, next_update=next_update)])
        assert verify(forge(alice, PAYLOAD), material).notes == notes
    revoked = trust(root, crls=[world.crl(root, (alice, START, SOFT), next_update=START + 1)])
    assert refusal(forge(alice, PAYLOAD), revoked) == REVOKED_SOFT


# --- policies

def policy_error(material: SigningMaterial) -> str:
    with pytest.raises(PolicyError) as caught:
        backends.load(material)
    assert (caught.value.source, caught.value.line) == ("policy.toml", 7)
    assert caught.value.key
    return caught.value.message


def test_one_certificate_one_person(alice: Identity) -> None:
    assert "given to 'Alice' and to 'Bob'" in policy_error(trust(pinned=[("Alice", alice), ("Bob", alice)]))
    backends.load(trust(pinned=[("Alice", alice), ("Alice", alice)]))


def test_files(root: Identity, alice: Identity) -> None:
    bob = mint("Bob", root)
    both = SigningMaterial(x509=(world.material(b"for people\n" + alice.pem + bob.pem, "Alice"),))
    for signer in (alice, bob):
        assert verify(forge(signer, PAYLOAD), both).signer == "Alice"
    binary = SigningMaterial(x509=(world.material(alice.der, "Alice"),))
    assert verify(forge(alice, PAYLOAD), binary).signer == "Alice"
    for data, message in (
        (b"", "neither"), (b"text", "neither"), (b"0 text", "holds|cut off|expected"), (alice.private, "private key"),
        (alice.pem + alice.private, "private key"), (alice.der + b"\0", "too many"),
        (alice.pem.replace(b"MII", b"MI", 1), "damaged|cut"),
        (alice.pem[:-30], "damaged"), (alice.pem + b"-----BEGIN CERTIFICATE-----\n", "damaged"),
        (world.crl(root), "X509 CRL"), (b"0" * (5 << 20), "at most"),
    ):  # fmt: skip
        with pytest.raises(PolicyError, match=message):
            backends.load(SigningMaterial(x509=(world.material(data, "Alice"),)))


def test_roots_that_cannot_be(root: Identity, alice: Identity) -> None:
    assert "is not that of an authority" in policy_error(trust(alice))
    assert "is not that of an authority" in policy_error(trust(mint("R", authority=True, usages=["digital_signature"])))
    assert "is not that of an authority" in policy_error(trust(mint("R", authority=None, usages=None)))
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert "critical extension 1.2.3.4" in policy_error(trust(mint("R", authority=True, extensions=[(extension, True)])))
    assert "RSA with 1024 bits" in policy_error(trust(mint("R", authority=True, key="rsa1024")))
    assert "RSA with 1024 bits" in policy_error(trust(pinned=[("Alice", mint("A", key="rsa1024"))]))
    assert "without signatures" in policy_error(trust(pinned=[("Alice", mint("A", usages=["key_encipherment"]))]))
    one = mint("One", authority=True)
    two = mint("Two", one, authority=True)
    crossed = mint("One", two, key=one.key, authority=True)
    assert "no root" in policy_error(trust(two, crossed))
    backends.load(trust(two, crossed, one))


def test_lists_that_cannot_be(root: Identity, alice: Identity) -> None:
    def with_list(data: bytes) -> str:
        return policy_error(trust(root, crls=[data]))

    assert "none of the authorities" in with_list(world.crl(mint("Other", authority=True)))
    assert "did not sign it" in with_list(world.crl(root, signing_key=alice.key))
    assert "delta" in with_list(world.crl(root, extensions=[(x509.DeltaCRLIndicator(1), True)]))
    point = x509.IssuingDistributionPoint(None, None, False, False, None, indirect_crl=True, only_contains_attribute_certs=False)
    assert "indirect" in with_list(world.crl(root, extensions=[(point, True)]))
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert "critical extension 1.2.3.4" in with_list(world.crl(root, extensions=[(unknown, True)]))
    entry = world.crl(root, (alice, START, None), entry_extensions=[(unknown, True)])
    assert "entry with the critical extension" in with_list(entry)
    removed = x509.ReasonFlags.remove_from_crl
    assert "takes a revocation back" in with_list(world.crl(root, (alice, START, removed)))
    twice = world.crl(root, (alice, START, HARD), (alice, START, SOFT))
    assert "twice" in with_list(twice)
    assert "X509 CRL" in with_list(alice.pem)
    assert "holds" in with_list(b"")
    silent = mint("Silent", authority=True, usages=["key_cert_sign"])
    assert "may not by its key usage" in policy_error(trust(silent, crls=[world.crl(silent)]))
    backends.load(trust(root, crls=[world.crl(root, pem=False), world.crl(root) + world.crl(root)]))


def test_a_key_lost_before_it_was_told(root: Identity, alice: Identity) -> None:
    lost = x509.InvalidityDate(world.moment(START - DAY))
    lists = [world.crl(root, (alice, START + DAY, SOFT), entry_extensions=[(lost, False)])]
    assert refusal(forge(alice, PAYLOAD), trust(root, crls=lists)) == REVOKED_SOFT


# --- mutation

def statement(armored: bytes) -> tuple[Any, ...]:
    """What of a signature is under it."""
    parsed = cms.parse(cms.dearmor(armored))
    return parsed.signed_attributes, parsed.content_type


def test_no_change_of_what_is_signed_passes(root: Identity, alice: Identity) -> None:
    """Damage a real signature with certificates and a timestamp, everywhere. Whatever still passes says the same as before."""
    stamper = world.mint_stamper(root)
    material = trust(root, timestamps=[root])
    keyrings = backends.load(material)
    original = forge(alice, PAYLOAD, stamp=lambda value: world.token(stamper, value))
    before = verify(original, material)
    body = cms.dearmor(original)
    draw = random.Random(20250615)
    tries = [body[:at] + bytes((body[at] ^ 1 << draw.randrange(8),)) + body[at + 1 :] for at in range(len(body))]
    for _ in range(1500):
        at, size = draw.randrange(len(body)), draw.randrange(1, 9)
        tries += [
            body[:at] + body[at + size :], body[:at] + draw.randbytes(size) + body[at:],
            body[:at] + draw.randbytes(size) + body[at + size :], body[:at] + body[at : at + size] + body[at:],
        ]  # fmt: skip
    passed = 0
    crashed: list[bytes] = []
    for mutant in tries:
        if mutant == body:
            continue
        armored = world.armor(mutant)
        try:
            proof = backends.verify(PAYLOAD, armored, keyrings, CLOCK, OPTIONS, FORMATS)
        except ChainverifyError as error:
            crashed += [mutant] if error.rule == "internal" else []
            continue
        passed += 1
        assert statement(armored) == statement(original)
        assert (proof.fingerprint, proof.principals) == (before.fingerprint, before.principals)
        # a timestamp is not under the signature: it can be taken away, and never moved
        assert proof.anchored_at in {before.anchored_at, None}
        with pytest.raises(SignatureError):
            backends.verify(PAYLOAD + b" ", armored, keyrings, CLOCK, OPTIONS, FORMATS)
    assert crashed == []
    # versions, lists of algorithms and the kind of an unsigned attribute are under nobody's signature
    assert passed < len(tries) // 20
