"""SSH signatures judged against keys of a policy, beside what ssh-keygen says of the same bytes."""

from __future__ import annotations

import base64
import hashlib
import random
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from chainverify.errors import PolicyError, SignatureError
from chainverify.formats import securitykey, sshkey, sshsig
from chainverify.formats.sshwire import string
from chainverify.model.signing import Clock, KeyMaterial, SignatureOptions
from chainverify.signatures import ssh
from tests.world.mutations import damaged
from tests.world.ssh import SshKey, keygen_verifies, load

pytestmark = pytest.mark.tool("ssh-keygen")

PAYLOAD = b"tree 0\n\nthe signed bytes\n"
CLOCK = Clock(claimed=1_750_000_000, now=1_760_000_000)
OPTIONS = SignatureOptions()
KINDS = [("ed25519", 0), ("rsa", 2048), ("rsa", 3072), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521)]

Keys = dict[tuple[str, int], SshKey]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    root = tmp_path_factory.mktemp("keys")
    return {
        (kind, bits): SshKey.create(root, f"{kind}{bits}", kind=kind, bits=bits)  # type: ignore[arg-type]
        for kind, bits in [*KINDS, ("rsa", 1024)]
    }


def material(key: SshKey, signer: str = "Alice") -> KeyMaterial:
    return KeyMaterial(signer, key.public.encode(), "signers[0].ssh[0]", "policy.toml", 7)


@pytest.fixture(scope="module")
def ring(keys: Keys) -> ssh.SshKeyring:
    return load([material(keys[kind]) for kind in KINDS])


def refusal(payload: bytes, armored: bytes, ring: ssh.SshKeyring) -> tuple[str, str]:
    """Code and rule of the refusal."""
    with pytest.raises(SignatureError) as caught:
        ssh.verify(payload, armored, ring, CLOCK, OPTIONS)
    assert caught.value.status == "fail"
    return caught.value.code, caught.value.rule


@pytest.mark.parametrize("hashing", ["sha256", "sha512"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_real_signatures(keys: Keys, ring: ssh.SshKeyring, kind: tuple[str, int], hashing: str) -> None:
    key = keys[kind]
    armored = key.sign(PAYLOAD, hashalg=hashing)  # type: ignore[arg-type]
    proof = ssh.verify(PAYLOAD, armored, ring, CLOCK, OPTIONS)
    assert proof.format == "ssh"
    assert proof.fingerprint == proof.primary == key.fingerprint
    assert proof.signer == "Alice"
    assert proof.code == "GOOD"
    assert proof.algorithm.endswith("/" + hashing)
    assert keygen_verifies(key, PAYLOAD, armored)
    assert refusal(PAYLOAD + b"\n", armored, ring) == ("BAD", "signature-bad")
    assert not keygen_verifies(key, PAYLOAD + b"\n", armored)


@pytest.mark.parametrize(
    ("clock", "validity", "expected"),
    [
        (Clock(10, 30), "backfill", (10, "committer")),
        (Clock(10, 30), "strict", (10, "committer")),
        (Clock(10, 30, 20), "backfill", (20, "arrival")),
        (Clock(10, 30, 0), "identity", (0, "arrival")),
        (Clock(10, 30, 20), "now", (30, "now")),
        (Clock(10, 30), "now", (30, "now")),
    ],
)
def test_which_clock_is_believed(keys: Keys, ring: ssh.SshKeyring, clock: Clock, validity, expected) -> None:
    armored = keys["ed25519", 0].sign(PAYLOAD)
    proof = ssh.verify(PAYLOAD, armored, ring, clock, SignatureOptions(key_validity=validity))
    assert (proof.signed_at, proof.time_source) == expected


def test_unknown_key(keys: Keys) -> None:
    key = keys["ed25519", 0]
    others = load([material(keys["ecdsa", 256])])
    with pytest.raises(SignatureError, match="not a key of any signer") as caught:
        ssh.verify(PAYLOAD, key.sign(PAYLOAD), others, CLOCK, OPTIONS)
    assert (caught.value.code, caught.value.rule) == ("NO_KEY", "signer-unknown")
    assert caught.value.evidence["fingerprint"] == key.fingerprint
    assert caught.value.hint


def test_an_empty_keyring_knows_nobody(keys: Keys) -> None:
    assert refusal(PAYLOAD, keys["ed25519", 0].sign(PAYLOAD), load([])) == ("NO_KEY", "signer-unknown")


@pytest.mark.parametrize("namespace", ["file", "email", "git@example.org", "Git", "gi", "git "])
def test_other_namespaces(keys: Keys, ring: ssh.SshKeyring, namespace: str) -> None:
    key = keys["ed25519", 0]
    armored = key.sign(PAYLOAD, namespace=namespace)
    assert refusal(PAYLOAD, armored, ring) == ("WRONG_NAMESPACE", "signature-bad")
    assert keygen_verifies(key, PAYLOAD, armored, namespace=namespace)


def test_weak_rsa(keys: Keys, ring: ssh.SshKeyring) -> None:
    weak = keys["rsa", 1024]
    assert refusal(PAYLOAD, weak.sign(PAYLOAD), ring) == ("WEAK_KEY", "algorithm-forbidden")
    with pytest.raises(PolicyError, match="1024 bits, expected 2048"):
        load([material(weak)])


# --- signatures no honest tool makes

def private(key: SshKey):
    return serialization.load_ssh_private_key(key.path.read_bytes(), password=None)


def blob_of(key: SshKey) -> bytes:
    return base64.b64decode(key.public.split()[1])


def armored_of(
    key_blob: bytes,
    algorithm: str,
    value: bytes,
    *,
    namespace: bytes = b"git",
    hashing: bytes = b"sha512",
    reserved: bytes = b"",
    extra: bytes = b"",
) -> bytes:
    inner = string(algorithm.encode()) + string(value) + extra
    blob = b"SSHSIG\0\0\0\1" + b"".join(map(string, (key_blob, namespace, reserved, hashing, inner)))
    text = base64.b64encode(blob)
    lines = [text[at : at + 70] for at in range(0, len(text), 70)]
    return b"\n".join([sshsig.BEGIN, *lines, sshsig.END])


def signed_bytes(
    hashing: str = "sha512", namespace: bytes = b"git", reserved: bytes = b"", payload: bytes = PAYLOAD
) -> bytes:
    digest = hashes.Hash({"sha1": hashes.SHA1(), "md5": hashes.MD5(), "sha512": hashes.SHA512(),
                          "sha384": hashes.SHA384()}[hashing])
    digest.update(payload)
    return b"SSHSIG" + b"".join(map(string, (namespace, reserved, hashing.encode(), digest.finalize())))


def test_the_forger_s_tools_work(keys: Keys, ring: ssh.SshKeyring) -> None:
    """What the helpers of this section make honestly is good, so the refusals below have their own reasons."""
    key = keys["ed25519", 0]
    armored = armored_of(blob_of(key), "ssh-ed25519", private(key).sign(signed_bytes()))
    assert armored == key.sign(PAYLOAD)
    assert ssh.verify(PAYLOAD, armored, ring, CLOCK, OPTIONS).fingerprint == key.fingerprint


@pytest.mark.parametrize("hashing", ["sha1", "md5", "sha384"])
def test_other_hashes(keys: Keys, ring: ssh.SshKeyring, hashing: str) -> None:
    key = keys["ed25519", 0]
    value = private(key).sign(signed_bytes(hashing))
    armored = armored_of(blob_of(key), "ssh-ed25519", value, hashing=hashing.encode())
    assert refusal(PAYLOAD, armored, ring) == ("UNSUPPORTED", "algorithm-forbidden")


def test_reserved_field(keys: Keys, ring: ssh.SshKeyring) -> None:
    """OpenSSH accepts the first and not the second, the protocol text the other way round."""
    key = keys["ed25519", 0]
    for reserved in (b"", b"smuggled"):
        value = private(key).sign(signed_bytes(reserved=reserved))
        armored = armored_of(blob_of(key), "ssh-ed25519", value, reserved=b"smuggled")
        assert keygen_verifies(key, PAYLOAD, armored) == (reserved == b"")
        assert refusal(PAYLOAD, armored, ring) == ("MALFORMED", "signature-ambiguous")


@pytest.mark.parametrize(
    ("algorithm", "digest", "expected"),
    [
        ("rsa-sha2-256", hashes.SHA256(), "GOOD"),
        ("rsa-sha2-512", hashes.SHA512(), "GOOD"),
        ("ssh-rsa", hashes.SHA1(), ("UNSUPPORTED", "algorithm-forbidden")),
        ("rsa-sha2-256", hashes.SHA1(), ("BAD", "signature-bad")),
        ("rsa-sha2-256", hashes.SHA512(), ("BAD", "signature-bad")),
        ("rsa-sha2-384", hashes.SHA384(), ("UNSUPPORTED", "algorithm-forbidden")),
        ("ssh-ed25519", hashes.SHA512(), ("UNSUPPORTED", "algorithm-forbidden")),
        ("rsa-sha2-512-cert-v01@openssh.com", hashes.SHA512(), ("UNSUPPORTED", "algorithm-forbidden")),
    ],
)
def test_rsa_algorithms(keys: Keys, ring: ssh.SshKeyring, algorithm: str, digest, expected) -> None:
    key = keys["rsa", 2048]
    secret = private(key)
    assert isinstance(secret, rsa.RSAPrivateKey)
    armored = armored_of(blob_of(key), algorithm, secret.sign(signed_bytes(), padding.PKCS1v15(), digest))
    if expected == "GOOD":
        assert ssh.verify(PAYLOAD, armored, ring, CLOCK, OPTIONS).algorithm == f"{algorithm}/sha512"
    else:
        assert refusal(PAYLOAD, armored, ring) == expected
    assert keygen_verifies(key, PAYLOAD, armored) == (expected == "GOOD")


def test_rsa_pss_is_bad(keys: Keys, ring: ssh.SshKeyring) -> None:
    key = keys["rsa", 2048]
    pss = padding.PSS(padding.MGF1(hashes.SHA512()), padding.PSS.DIGEST_LENGTH)
    armored = armored_of(blob_of(key), "rsa-sha2-512", private(key).sign(signed_bytes(), pss, hashes.SHA512()))
    assert refusal(PAYLOAD, armored, ring) == ("BAD", "signature-bad")


def test_rsa_lengths(keys: Keys, ring: ssh.SshKeyring) -> None:
    key = keys["rsa", 2048]
    value = private(key).sign(signed_bytes(), padding.PKCS1v15(), hashes.SHA512())
    for wrong in (b"", b"\0" + value, value + b"\0", value[:-1], bytes(256), b"\xff" * 256, b"\1"):
        armored = armored_of(blob_of(key), "rsa-sha2-512", wrong)
        assert refusal(PAYLOAD, armored, ring) == ("BAD", "signature-bad")
        assert not keygen_verifies(key, PAYLOAD, armored)


def test_rsa_without_leading_zeros(keys: Keys, ring: ssh.SshKeyring) -> None:
    """Some agents drop leading zero bytes of an RSA signature; OpenSSH puts them back, and so must we."""
    key = keys["rsa", 2048]
    secret = private(key)
    for number in range(5000):
        payload = b"%d" % number
        signed = sshsig.signed_data(b"git", "sha512", payload)
        value = secret.sign(signed, padding.PKCS1v15(), hashes.SHA512())
        if value[0] == 0:
            break
    armored = armored_of(blob_of(key), "rsa-sha2-512", value.lstrip(b"\0"))
    assert ssh.verify(payload, armored, ring, CLOCK, OPTIONS).fingerprint == key.fingerprint
    assert keygen_verifies(key, payload, armored)


def mpint(number: int, pad: int = 0) -> bytes:
    return bytes(pad) + number.to_bytes(number.bit_length() // 8 + 1, "big")


@pytest.mark.parametrize("bits", [256, 384, 521])
def test_ecdsa_numbers(keys: Keys, ring: ssh.SshKeyring, bits: int) -> None:
    key = keys["ecdsa", bits]
    secret = private(key)
    assert isinstance(secret, ec.EllipticCurvePrivateKey)
    digest = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[bits]
    signed = secret.sign(signed_bytes(), ec.ECDSA(digest))
    r, s = decode_dss_signature(signed)
    kind = key.public.split()[0]

    def made(value: bytes, algorithm: str = kind) -> bytes:
        return armored_of(blob_of(key), algorithm, value)

    good = made(string(mpint(r)) + string(mpint(s)))
    assert ssh.verify(PAYLOAD, good, ring, CLOCK, OPTIONS).algorithm == f"{kind}/sha512"
    malformed = ("MALFORMED", "signature-bad")
    bad = ("BAD", "signature-bad")
    order = 1 << bits
    for value, expected in [
        (string(mpint(r, 1)) + string(mpint(s)), malformed),
        (string(mpint(r)) + string(mpint(s, 1)), malformed),
        (string(mpint(r)) + string(mpint(s)) + b"\0", malformed),
        (string(mpint(r)), malformed),
        (string(b"") + string(mpint(s)), malformed),
        (string(b"") + string(b""), malformed),
        (string(b"\xff") + string(mpint(s)), malformed),
        (signed, malformed),
        (string(mpint(s)) + string(mpint(r)), bad),
        (string(mpint(r)) + string(mpint(s + order)), bad),
        (string(mpint(order)) + string(mpint(order)), bad),
        (string(mpint(1)) + string(mpint(1)), bad),
    ]:
        assert refusal(PAYLOAD, made(value), ring) == expected
    others = {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-ed25519"} - {kind}
    for other in others:
        assert refusal(PAYLOAD, made(string(mpint(r)) + string(mpint(s)), other), ring) == (
            "UNSUPPORTED", "algorithm-forbidden"
        )


def test_ed25519_lengths_and_range(keys: Keys, ring: ssh.SshKeyring) -> None:
    """The last case adds the group's order to s: the same point, another byte string."""
    key = keys["ed25519", 0]
    secret = private(key)
    assert isinstance(secret, ed25519.Ed25519PrivateKey)
    value = secret.sign(signed_bytes())
    order = (1 << 252) + 27742317777372353535851937790883648493
    larger = value[:32] + (int.from_bytes(value[32:], "little") + order).to_bytes(32, "little")
    for wrong in (b"", value[:-1], value + b"\0", bytes(64), b"\1" + bytes(63), larger):
        assert refusal(PAYLOAD, armored_of(blob_of(key), "ssh-ed25519", wrong), ring) == ("BAD", "signature-bad")


def test_key_in_the_signature_counts_for_nothing(keys: Keys, ring: ssh.SshKeyring) -> None:
    """A known key's blob over another key's signature, and the other way round."""
    key, other = keys["ed25519", 0], SshKey.create(keys["ed25519", 0].path.parent / "other", "mallory")
    value = private(other).sign(signed_bytes())
    assert refusal(PAYLOAD, armored_of(blob_of(key), "ssh-ed25519", value), ring) == ("BAD", "signature-bad")
    assert refusal(PAYLOAD, armored_of(blob_of(other), "ssh-ed25519", value), ring) == ("NO_KEY", "signer-unknown")
    # the same key written with bytes after it is another key
    longer = armored_of(blob_of(key) + b"\0", "ssh-ed25519", private(key).sign(signed_bytes()))
    assert refusal(PAYLOAD, longer, ring) == ("MALFORMED", "signature-bad")


class SecurityKey(NamedTuple):
    """A security key in software: what the device does stands in OpenSSH's PROTOCOL.u2f."""

    kind: str
    secret: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
    application: bytes = b"ssh:"

    @property
    def blob(self) -> bytes:
        if isinstance(self.secret, ed25519.Ed25519PrivateKey):
            point = string(self.secret.public_key().public_bytes_raw())
        else:
            form = serialization.PublicFormat.UncompressedPoint
            point = string(b"nistp256") + string(
                self.secret.public_key().public_bytes(serialization.Encoding.X962, form)
            )
        return string(self.kind.encode()) + point + string(self.application)

    @property
    def line(self) -> bytes:
        return self.kind.encode() + b" " + base64.b64encode(self.blob)

    def device(
        self, data: bytes, flags: int = 1, counter: int = 7, *, application: bytes | None = None, beside: bytes = b""
    ) -> tuple[bytes, bytes]:
        """What the device answers for `data`: the signature, and its flags and counter."""
        tail = bytes([flags]) + counter.to_bytes(4, "big")
        origin = self.application if application is None else application
        message = hashlib.sha256(origin).digest() + tail + beside + hashlib.sha256(data).digest()
        if isinstance(self.secret, ed25519.Ed25519PrivateKey):
            return self.secret.sign(message), tail
        r, s = decode_dss_signature(self.secret.sign(message, ec.ECDSA(hashes.SHA256())))
        return b"".join(string(number.to_bytes((number.bit_length() + 8) // 8, "big")) for number in (r, s)), tail

    def sign(
        self, flags: int = 1, counter: int = 7, *, application: bytes | None = None, extra: bytes | None = None,
        over: bytes = PAYLOAD,
    ) -> bytes:  # fmt: skip
        value, tail = self.device(signed_bytes(payload=over), flags, counter, application=application)
        return armored_of(self.blob, self.kind, value, extra=tail if extra is None else extra)

    def browse(
        self,
        flags: int = 1,
        *,
        origin: bytes = b"https://example.org",
        challenge: bytes | None = None,
        client_data: bytes | None = None,
        extensions: bytes = b"",
        named: bytes | None = None,
        tail: bytes = b"",
    ) -> bytes:
        """What a browser makes of the device's answer; `named` is the origin in the signature, where it is another."""
        data = base64.urlsafe_b64encode(signed_bytes()).rstrip(b"=") if challenge is None else challenge
        if client_data is None:
            client_data = (
                b'{"type":"webauthn.get","challenge":"' + data + b'","origin":"' + origin + b'","crossOrigin":false}'
            )
        value, beside = self.device(client_data, flags, beside=extensions)
        extra = beside + string(origin if named is None else named) + string(client_data) + string(extensions) + tail
        return armored_of(self.blob, securitykey.WEBAUTHN, value, extra=extra)


SECURITY_KEYS = [
    SecurityKey("sk-ssh-ed25519@openssh.com", ed25519.Ed25519PrivateKey.generate()),
    SecurityKey("sk-ecdsa-sha2-nistp256@openssh.com", ec.generate_private_key(ec.SECP256R1())),
]


@pytest.mark.parametrize("key", SECURITY_KEYS, ids=lambda key: key.kind)
def test_security_keys(key: SecurityKey, tmp_path: Path) -> None:
    (tmp_path / "sk").touch()
    real = SshKey(tmp_path / "sk", key.line.decode(), sshkey.fingerprint(key.blob))
    sk_ring = load([KeyMaterial("Alice", key.line, "signers[0].ssh[0]")])
    for flags in (0x01, 0x05, 0x81):
        armored = key.sign(flags)
        assert keygen_verifies(real, PAYLOAD, armored)
        assert ssh.verify(PAYLOAD, armored, sk_ring, CLOCK, OPTIONS).fingerprint == real.fingerprint
    # ssh-keygen does not look at the presence flag, we do
    untouched = key.sign(0x00)
    assert keygen_verifies(real, PAYLOAD, untouched)
    assert refusal(PAYLOAD, untouched, sk_ring) == ("NO_PRESENCE", "signer-not-allowed")
    lenient, strict = (SignatureOptions(ssh_require=what) for what in ((), ("presence", "verification")))
    assert ssh.verify(PAYLOAD, untouched, sk_ring, CLOCK, lenient).code == "GOOD"
    assert ssh.verify(PAYLOAD, key.sign(0x05), sk_ring, CLOCK, strict).code == "GOOD"
    for flags, code in ((0x01, "NO_VERIFICATION"), (0x04, "NO_PRESENCE"), (0x00, "NO_VERIFICATION")):
        with pytest.raises(SignatureError) as caught:
            ssh.verify(PAYLOAD, key.sign(flags), sk_ring, CLOCK, strict)
        assert (caught.value.code, caught.value.rule) == (code, "signer-not-allowed")
    bad = ("BAD", "signature-bad")
    with pytest.raises(SignatureError):
        ssh.verify(PAYLOAD + b"\n", untouched, sk_ring, CLOCK, lenient)
    assert refusal(PAYLOAD + b"\n", key.sign(), sk_ring) == bad
    assert refusal(PAYLOAD, key.sign(0x00, extra=b"\1\0\0\0\7"), sk_ring) == bad
    assert refusal(PAYLOAD, key.sign(extra=b"\1\0\0\0\6"), sk_ring) == bad
    assert refusal(PAYLOAD, key.sign(extra=b""), sk_ring) == bad
    assert refusal(PAYLOAD, key.sign(extra=b"\1\0\0\0\7\0"), sk_ring) == bad
    assert refusal(PAYLOAD, key.sign(application=b"ssh:other"), sk_ring) == bad
    assert refusal(PAYLOAD, key.sign(), load([])) == ("NO_KEY", "signer-unknown")


CHALLENGE = base64.urlsafe_b64encode(signed_bytes()).rstrip(b"=")


@pytest.mark.parametrize(
    ("changed", "expected", "keygen"),
    [
        ({}, "GOOD", True),
        ({"flags": 0x05}, "GOOD", True),
        ({"origin": b""}, "GOOD", True),
        ({"flags": 0x81, "extensions": b"\xa1cxxx\x01"}, "GOOD", True),
        ({"client_data": b'{"type":"webauthn.get","challenge":"' + CHALLENGE + b'","origin":"https://example.org"'},
         "GOOD", True),
        ({"flags": 0x00}, "NO_PRESENCE", True),
        ({"flags": 0x41}, "BAD", False),
        ({"flags": 0x81}, "BAD", False),
        ({"flags": 0x01, "extensions": b"\xa0"}, "BAD", False),
        ({"named": b"https://example.com"}, "BAD", False),
        ({"origin": b'https://example.org","x":"'}, "BAD", False),
        ({"named": b"https://example.org\0"}, "BAD", True),
        ({"challenge": CHALLENGE[:-1]}, "BAD", False),
        ({"challenge": base64.urlsafe_b64encode(signed_bytes())}, "GOOD" if len(signed_bytes()) % 3 == 0 else "BAD",
         len(signed_bytes()) % 3 == 0),
        ({"challenge": base64.urlsafe_b64encode(PAYLOAD).rstrip(b"=")}, "BAD", False),
        ({"client_data": b""}, "BAD", False),
        ({"client_data": b'{"type":"webauthn.create","challenge":"' + CHALLENGE + b'","origin":"https://example.org"}'},
         "BAD", False),
        ({"client_data": b'{"challenge":"' + CHALLENGE + b'","type":"webauthn.get","origin":"https://example.org"}'},
         "BAD", False),
        ({"tail": b"\0"}, "BAD", False),
    ],
    ids=str,
)  # fmt: skip
def test_signatures_through_a_browser(changed: dict, expected: str, keygen: bool, tmp_path: Path) -> None:
    key = SECURITY_KEYS[1]
    (tmp_path / "sk").touch()
    real = SshKey(tmp_path / "sk", key.line.decode(), sshkey.fingerprint(key.blob))
    web_ring = load([KeyMaterial("Alice", key.line, "signers[0].ssh[0]")])
    armored = key.browse(**changed)
    assert keygen_verifies(real, PAYLOAD, armored) == keygen
    if expected == "GOOD":
        proof = ssh.verify(PAYLOAD, armored, web_ring, CLOCK, OPTIONS)
        assert proof.algorithm == f"{securitykey.WEBAUTHN}/sha512"
    else:
        assert refusal(PAYLOAD, armored, web_ring)[0] == expected
    assert refusal(PAYLOAD + b"\n", armored, web_ring)[0] == "BAD" or expected != "GOOD"


def test_a_browser_has_no_other_keys(keys: Keys) -> None:
    """The algorithm fits ECDSA security keys alone; a plain signature under its name, or its under a plain name, is none."""
    web, other = SECURITY_KEYS[1], SECURITY_KEYS[0]
    web_ring = load([KeyMaterial("Alice", key.line, "key") for key in SECURITY_KEYS])
    value, tail = other.device(signed_bytes())
    crossed = armored_of(other.blob, securitykey.WEBAUTHN, value, extra=tail + string(b"") * 3)
    assert refusal(PAYLOAD, crossed, web_ring) == ("UNSUPPORTED", "algorithm-forbidden")
    value, tail = web.device(signed_bytes())
    assert refusal(PAYLOAD, armored_of(web.blob, securitykey.WEBAUTHN, value, extra=tail), web_ring)[0] == "BAD"
    crossed = armored_of(web.blob, securitykey.WEBAUTHN, value, extra=tail + string(b"") * 3)
    assert refusal(PAYLOAD, crossed, web_ring)[0] == "BAD"
    blob = sshsig.dearmor(web.browse())
    assert refusal(PAYLOAD, armor_of(blob.replace(b"webauthn-sk-ecdsa", b"sk-ecdsa")), web_ring)[0] == "MALFORMED"
    assert refusal(PAYLOAD, web.browse(), load([material(keys["ecdsa", 256])]))[0] == "NO_KEY"


def test_no_damaged_signature_through_a_browser_passes() -> None:
    rng = random.Random(6)
    web_ring = load([KeyMaterial("Alice", SECURITY_KEYS[1].line, "key")])
    blob = sshsig.dearmor(SECURITY_KEYS[1].browse())
    assert ssh.verify(PAYLOAD, armor_of(blob), web_ring, CLOCK, OPTIONS)
    for _ in range(600):
        mutant = damaged(blob, rng)
        if mutant != blob:
            refusal(PAYLOAD, armor_of(mutant), web_ring)


def armor_of(blob: bytes) -> bytes:
    text = base64.b64encode(blob)
    return b"\n".join([sshsig.BEGIN, *(text[at : at + 70] for at in range(0, len(text), 70)), sshsig.END])


def test_a_security_key_is_bound_to_an_application_of_ssh() -> None:
    web = SECURITY_KEYS[0]._replace(application=b"https://example.org")
    with pytest.raises(PolicyError, match="bound to the application"):
        load([KeyMaterial("Alice", web.line, "signers[0].ssh[0]")])


def test_a_certificate_is_no_key_of_a_signer(ring: ssh.SshKeyring, tmp_path: Path) -> None:
    ca, user = SshKey.create(tmp_path, "ca"), SshKey.create(tmp_path, "user")
    certificate = ca.certify(user, "alice")
    with pytest.raises(PolicyError, match="a certificate stands where a key is expected"):
        load([KeyMaterial("Alice", certificate.public.encode(), "signers[0].ssh[0]")])
    assert refusal(PAYLOAD, certificate.sign(PAYLOAD), ring) == ("CERT_NOT_TRUSTED", "signer-unknown")


# --- keyrings

def test_errors_say_where_the_policy_names_the_key(keys: Keys) -> None:
    with pytest.raises(PolicyError) as caught:
        load([KeyMaterial("Alice", b"ssh-ed25519 AAAA", "signers[2].ssh[1]", "policy.toml", 12)])
    assert (caught.value.key, caught.value.source, caught.value.line) == ("signers[2].ssh[1]", "policy.toml", 12)
    assert str(caught.value).startswith("policy.toml:12: signers[2].ssh[1]: ")


def test_a_key_belongs_to_one_signer(keys: Keys) -> None:
    alice, bob = material(keys["ed25519", 0]), material(keys["ed25519", 0], "Bob")
    assert len(load([alice, alice]).keys) == 1
    with pytest.raises(PolicyError, match="'Alice' and to 'Bob'"):
        load([alice, bob])


def test_a_file_gives_several_keys(keys: Keys) -> None:
    text = "# laptop\n" + keys["ed25519", 0].public + "\n\n# desk\n" + keys["ecdsa", 256].public + "\n"
    assert len(load([KeyMaterial("Alice", text.encode(), "key")]).keys) == 2


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"# only a comment",
        b"ssh-rsa " + base64.b64encode(string(b"ssh-rsa") + string(b"\2") + string(b"\0" + b"\xff" * 256)),
        b"ssh-rsa " + base64.b64encode(string(b"ssh-rsa") + string(b"\1") + string(b"\0" + b"\xff" * 256)),
        b"ssh-rsa " + base64.b64encode(string(b"ssh-rsa") + string(b"\1\0\1") + string(b"\0" + b"\xff" * 2049)),
        b"ecdsa-sha2-nistp256 " + base64.b64encode(
            string(b"ecdsa-sha2-nistp256") + string(b"nistp256") + string(b"\x04" + b"p" * 64)
        ),
    ],
    ids=["empty", "comment", "RSA even exponent", "RSA exponent 1", "RSA too large", "point not on the curve"],
)
def test_keys_that_cannot_be_used(line: bytes) -> None:
    with pytest.raises(PolicyError):
        load([KeyMaterial("Alice", line, "key")])


def test_a_keyring_cannot_be_changed(ring: ssh.SshKeyring) -> None:
    with pytest.raises(TypeError):
        ring.keys[b""] = next(iter(ring.keys.values()))  # type: ignore[index]


# --- mutations

@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_no_damaged_signature_passes(keys: Keys, ring: ssh.SshKeyring, kind: tuple[str, int]) -> None:
    """Damage to the armor, to the structure inside a whole armor, and to the signed bytes: never a proof."""
    rng = random.Random(f"{kind}")
    armored = keys[kind].sign(PAYLOAD)
    blob = sshsig.dearmor(armored)
    codes: set[str] = set()
    tries: list[tuple[bytes, bytes]] = []
    for _ in range(400):
        tries.append((PAYLOAD, damaged(armored, rng)))
        text = base64.b64encode(damaged(blob, rng))
        lines = [text[at : at + 70] for at in range(0, len(text), 70)]
        tries.append((PAYLOAD, b"\n".join([sshsig.BEGIN, *lines, sshsig.END])))
    tries += [(damaged(PAYLOAD, rng), armored) for _ in range(200)]
    for payload, mutant in tries:
        if (payload, mutant) == (PAYLOAD, armored):
            continue
        with pytest.raises(SignatureError) as caught:
            ssh.verify(payload, mutant, ring, CLOCK, OPTIONS)
        codes.add(caught.value.code)
    assert {"BAD", "MALFORMED"} <= codes <= {"BAD", "MALFORMED", "NO_KEY", "WRONG_NAMESPACE", "UNSUPPORTED", "WEAK_KEY"}


def test_damaged_key_lines_are_policy_errors_or_other_keys(keys: Keys) -> None:
    rng = random.Random(3)
    for kind in KINDS:
        line = keys[kind].public.encode()
        for _ in range(150):
            try:
                ring = load([KeyMaterial("Alice", damaged(line, rng), "key")])
            except PolicyError:
                continue
            assert all(trusted.key.fingerprint == sshkey.fingerprint(blob) for blob, trusted in ring.keys.items())


def test_what_is_accepted_ssh_keygen_accepts(keys: Keys, ring: ssh.SshKeyring) -> None:
    """Armor forms and damage given to both: never good here and bad there; whitespace is where we are stricter."""
    rng = random.Random(4)
    key = keys["ecdsa", 256]
    armored = key.sign(PAYLOAD)
    lines = armored.split(b"\n")
    rewrapped = armored_of(*_parts(armored))
    assert rewrapped == armored
    one_line = b"\n".join([lines[0], b"".join(lines[1:-1]), lines[-1]])
    for form, here, there in [
        (armored, True, True),
        (one_line, True, True),
        (armored + b"\n", False, True),
        (armored + b"\ntext", False, True),
        (b"text\n" + armored, False, False),
        (b"\n".join([lines[0], b"", *lines[1:]]), False, True),
        *((damaged(armored, rng), False, None) for _ in range(30)),
    ]:
        assert accepts(form, ring) == here
        if there is not None:
            assert keygen_verifies(key, PAYLOAD, form) == there


def _parts(armored: bytes) -> tuple[bytes, str, bytes]:
    parsed = sshsig.parse(armored)
    return parsed.public_key, parsed.algorithm, parsed.signature


def accepts(armored: bytes, ring: ssh.SshKeyring) -> bool:
    try:
        ssh.verify(PAYLOAD, armored, ring, CLOCK, OPTIONS)
    except SignatureError:
        return False
    return True
