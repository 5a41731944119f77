"""SSH keys for the cryptographic library, and the check of one signature by one key: of a commit or of a certificate."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple, Protocol, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from chainverify.errors import Malformed, SignatureError
from chainverify.formats import securitykey, sshkey, sshsig
from chainverify.formats.securitykey import Assertion
from chainverify.formats.sshkey import SshPublicKey
from chainverify.formats.sshsig import SshSignature
from chainverify.formats.sshwire import WireReader
from chainverify.model.signing import SshRequirement
from chainverify.signatures.ed25519 import Ed25519Key

PublicKey: TypeAlias = Ed25519Key | rsa.RSAPublicKey | ec.EllipticCurvePublicKey

NAMESPACE: Final = b"git"
"""The only namespace in which git signs; a signature made for a file or an e-mail says nothing about a commit."""
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 16384
"""The largest RSA modulus that OpenSSH and OpenSSL handle."""

# never ssh-rsa, which is RSA with SHA-1
_RSA_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {"rsa-sha2-256": hashes.SHA256(), "rsa-sha2-512": hashes.SHA512()}
_CURVES: Final[dict[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm]]] = {
    "ecdsa-sha2-nistp256": (ec.SECP256R1(), hashes.SHA256()),
    "ecdsa-sha2-nistp384": (ec.SECP384R1(), hashes.SHA384()),
    "ecdsa-sha2-nistp521": (ec.SECP521R1(), hashes.SHA512()),
}
_PADDING: Final = padding.PKCS1v15()
_ECDSA_SECURITY_KEY: Final = "sk-ecdsa-sha2-nistp256@openssh.com"


class Key(NamedTuple):
    """A decoded key: its SSH key type, its fingerprint, and the `algorithms` its signatures may name; `application` is set for
    a security key."""

    kind: str
    fingerprint: str
    key: PublicKey
    algorithms: tuple[str, ...]
    application: bytes = b""


def decode(key: SshPublicKey) -> Key:
    """A key for the cryptographic library. Raises `Malformed`: rule `algorithm-forbidden` where it is weak, `signature-bad` where
    its numbers are no key of its kind."""
    kind = sshkey.SECURITY_KEYS.get(key.kind, key.kind)
    algorithms: tuple[str, ...] = (key.kind,)
    decoded: PublicKey
    try:
        if kind == "ssh-ed25519":
            decoded = Ed25519Key(key.point)
        elif kind == "ssh-rsa":
            bits = key.modulus.bit_length()
            if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
                raise Malformed(
                    f"RSA key {key.fingerprint} has {bits} bits, expected {MIN_RSA_BITS} to {MAX_RSA_BITS}",
                    rule="algorithm-forbidden",
                    hint="make a new key: ssh-keygen -t ed25519",
                )
            decoded, algorithms = rsa.RSAPublicNumbers(key.exponent, key.modulus).public_key(), tuple(_RSA_HASHES)
        else:
            decoded = ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[kind][0], key.point)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed(f"{key.kind} key {key.fingerprint} is not a valid key", rule="signature-bad") from error
    if key.kind == _ECDSA_SECURITY_KEY:
        algorithms += (securitykey.WEBAUTHN,)
    return Key(key.kind, key.fingerprint, decoded, algorithms, key.application)


def signed_data(parsed: SshSignature, payload: bytes, evidence: dict[str, object]) -> bytes:
    """The bytes that the key of an SSHSIG structure must have signed for `payload`.

    Raises `SignatureError` with code `WRONG_NAMESPACE`, or `UNSUPPORTED` for a hash that OpenSSH does not sign with.
    """
    if parsed.namespace != NAMESPACE:
        raise SignatureError(
            f"SSH signature was made for the namespace {repr(parsed.namespace[:40])[1:]}, expected 'git'",
            code="WRONG_NAMESPACE",
            rule="signature-bad",
            evidence=evidence,
        )
    if parsed.hash_algorithm not in sshsig.HASHES:
        raise _forbidden(f"hash {parsed.hash_algorithm}", sshsig.HASHES, evidence)
    return sshsig.signed_data(NAMESPACE, parsed.hash_algorithm, payload)


class Made(Protocol):
    """A signature, read and not verified: `formats.sshsig.SshSignature`, `formats.sshcert.SshCertificate`."""

    @property
    def algorithm(self) -> str: ...
    @property
    def signature(self) -> bytes: ...
    @property
    def extra(self) -> bytes: ...


def check(key: Key, made: Made, signed: bytes, require: Collection[SshRequirement], evidence: dict[str, object]) -> None:
    """That `key` made the signature `made` over `signed`.

    1. the algorithm fits the key, 2. the signature is good, 3. of a security key: its flags say what `require` asks for. In this
    order: that the flags are refused says who signed.

    Raises `SignatureError` with code `UNSUPPORTED`, `NO_PRESENCE`, `NO_VERIFICATION`, `MALFORMED` or `BAD`.
    """
    if made.algorithm not in key.algorithms:
        raise _forbidden(f"signature algorithm {made.algorithm} of a key {key.kind}", key.algorithms, evidence)
    said: Assertion | None = None
    if key.application:
        said, signed = _asserted(key, made, signed, evidence)
    try:
        _verify(key, made, signed, evidence)
    except Malformed as error:
        raise SignatureError(
            error.message, code="MALFORMED", rule=error.rule, hint=error.hint, evidence=evidence
        ) from error
    except InvalidSignature as error:
        raise _bad(f"SSH signature by {key.fingerprint} does not fit the signed bytes", evidence) from error
    if said is not None:
        _by_a_person(key, said, require, evidence)


def _verify(key: Key, made: Made, signed: bytes, evidence: dict[str, object]) -> None:
    """Step 2. Raises `SignatureError`, `Malformed` or `InvalidSignature`."""
    public, value = key.key, made.signature
    if isinstance(public, Ed25519Key):
        if len(value) != 64:
            raise _bad(f"Ed25519 signature has {len(value)} bytes, expected 64", evidence)
        public.verify(value, signed)
        return
    if isinstance(public, rsa.RSAPublicKey):
        size = (public.key_size + 7) // 8
        if not 0 < len(value) <= size:
            raise _bad(f"RSA signature has {len(value)} bytes, expected {size}", evidence)
        # some agents drop leading zeros; OpenSSH puts them back too
        public.verify(value.rjust(size, b"\0"), signed, _PADDING, _RSA_HASHES[made.algorithm])
        return
    numbers = WireReader(value, "ECDSA signature")
    r, s = numbers.positive(), numbers.positive()
    numbers.end()
    if max(r, s).bit_length() > public.key_size:
        raise _bad("ECDSA signature holds numbers larger than its curve", evidence)
    kind = sshkey.SECURITY_KEYS.get(key.kind, key.kind)
    public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(_CURVES[kind][1]))


def _asserted(key: Key, made: Made, signed: bytes, evidence: dict[str, object]) -> tuple[Assertion, bytes]:
    """What a security key says of a signature, and what it signs for `signed`. Raises `SignatureError`."""
    try:
        found = securitykey.parse(made.extra, webauthn=made.algorithm == securitykey.WEBAUTHN)
        return found, securitykey.message(found, key.application, signed)
    except Malformed as error:
        raise _bad(error.message, evidence) from error


def _by_a_person(
    key: Key, found: Assertion, require: Collection[SshRequirement], evidence: dict[str, object]
) -> None:
    """That the flags, which are under the signature, say what is asked. Raises `SignatureError`.

    ssh-keygen accepts signatures without presence; a key in a machine that signs by itself is then as good as a touch.
    """
    if "verification" in require and not found.flags & securitykey.USER_VERIFIED:
        raise not_verified(f"security key {key.fingerprint} signed without verifying its owner", evidence)
    if "presence" in require and not found.flags & securitykey.USER_PRESENT:
        raise SignatureError(
            f"security key {key.fingerprint} signed without being touched",
            code="NO_PRESENCE",
            rule="signer-not-allowed",
            hint="sign with a key that asks for a touch; [commits] ssh-require = [] accepts signatures without one",
            evidence=evidence,
        )


def not_verified(message: str, evidence: dict[str, object]) -> SignatureError:
    """The error for a signature whose maker was to be verified by the key, and was not."""
    return SignatureError(
        message,
        code="NO_VERIFICATION",
        rule="signer-not-allowed",
        hint="sign with a key made with `ssh-keygen -O verify-required`",
        evidence=evidence,
    )


def _forbidden(got: str, expected: tuple[str, ...], evidence: dict[str, object]) -> SignatureError:
    return SignatureError(
        f"SSH signature uses the {got}, expected {' or '.join(expected)}",
        code="UNSUPPORTED",
        rule="algorithm-forbidden",
        evidence=evidence,
    )


def _bad(message: str, evidence: dict[str, object]) -> SignatureError:
    return SignatureError(message, code="BAD", rule="signature-bad", evidence=evidence)
