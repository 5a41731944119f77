"""SSH signatures of git objects: a keyring from the policy's keys, and their verification in process.

Only keys of the policy are ever given to the cryptographic library: a signature's own key is looked up by its bytes
and, where it is not there, decoded for the error alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from chainverify.errors import Malformed, PolicyError, SignatureError
from chainverify.formats import sshkey, sshsig
from chainverify.formats.sshkey import SshPublicKey
from chainverify.formats.sshwire import WireReader
from chainverify.model.signing import Clock, Evidence, SignatureOptions, SigningMaterial
from chainverify.signatures.ed25519 import Ed25519Key

PublicKey: TypeAlias = Ed25519Key | rsa.RSAPublicKey | ec.EllipticCurvePublicKey

NAMESPACE: Final = b"git"
"""The only namespace in which git signs; a signature made for a file or an e-mail says nothing about a commit."""
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 16384
"""The largest RSA modulus that OpenSSH and OpenSSL handle."""

_RSA_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {"rsa-sha2-256": hashes.SHA256(), "rsa-sha2-512": hashes.SHA512()}
_CURVES: Final[dict[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm]]] = {
    "ecdsa-sha2-nistp256": (ec.SECP256R1(), hashes.SHA256()),
    "ecdsa-sha2-nistp384": (ec.SECP384R1(), hashes.SHA384()),
    "ecdsa-sha2-nistp521": (ec.SECP521R1(), hashes.SHA512()),
}
_PADDING: Final = padding.PKCS1v15()
USER_PRESENT: Final = 0x01
"""The flag of a security key's signature that says the key was touched (FIDO U2F raw message formats)."""
USER_VERIFIED: Final = 0x04
"""The flag that says the key's owner was verified, by PIN or fingerprint."""


class TrustedKey(NamedTuple):
    """A key of the policy, decoded: whose it is, its SSH key type and fingerprint; `application` of a security key."""

    signer: str
    kind: str
    fingerprint: str
    key: PublicKey
    application: bytes = b""


class SshKeyring(NamedTuple):
    """All SSH keys of a policy, by their wire form."""

    keys: Mapping[bytes, TrustedKey]


def load(material: SigningMaterial) -> SshKeyring:
    """The SSH keys of a policy; each entry of `material.ssh` is a key line or a file of key lines.

    Raises `PolicyError`, with the material's place, for a key that cannot be read or used, RSA under 2048 bits, and a
    key that two signers claim.
    """
    keys: dict[bytes, TrustedKey] = {}
    for each in material.ssh:
        try:
            for line in sshkey.parse_file(each.data):
                found = line.key
                trusted = TrustedKey(each.signer, found.kind, found.fingerprint, _decode(found), found.application)
                _add(keys, line.key.blob, trusted)
        except Malformed as error:
            raise PolicyError(
                error.message, key=each.key, source=each.source, line=each.line, hint=error.hint
            ) from error
    return SshKeyring(MappingProxyType(keys))


def verify(
    payload: bytes, signature: bytes, keyring: SshKeyring, clock: Clock, options: SignatureOptions
) -> Evidence:
    """Proof that a key of the keyring signed `payload` for git; `signature` is the armor.

    1. the armor and the SSHSIG structure are read strictly,
    2. the namespace is exactly `git`,
    3. the hash is SHA-256 or SHA-512,
    4. the key is one of the keyring, compared by its whole wire form,
    5. the signature algorithm fits the key,
    6. of a security key: the flags are those that the policy asks for,
    7. the signature is good.

    An SSH signature holds no time: the evidence names the clock that was believed instead.

    Raises `SignatureError` with code `MALFORMED`, `WRONG_NAMESPACE`, `UNSUPPORTED`, `WEAK_KEY`, `NO_KEY`,
    `NO_PRESENCE`, `NO_VERIFICATION` or `BAD`; its evidence holds the key's `fingerprint` once known.
    """
    try:
        parsed = sshsig.parse(signature)
    except Malformed as error:
        raise SignatureError(error.message, code="MALFORMED", rule=error.rule, hint=error.hint) from error
    trusted = keyring.keys.get(parsed.public_key)
    fingerprint = trusted.fingerprint if trusted else sshkey.fingerprint(parsed.public_key)
    evidence: dict[str, object] = {"format": "ssh", "fingerprint": fingerprint}

    if parsed.namespace != NAMESPACE:
        raise SignatureError(
            f"SSH signature was made for {_shown(parsed.namespace)}, expected 'git'",
            code="WRONG_NAMESPACE",
            rule="signature-bad",
            evidence=evidence,
        )
    if parsed.hash_algorithm not in sshsig.HASHES:
        raise _forbidden(f"hash {parsed.hash_algorithm}", " or ".join(sshsig.HASHES), evidence)
    if trusted is None:
        raise _unknown_key(parsed.public_key, fingerprint, evidence)

    signed = sshsig.signed_data(NAMESPACE, parsed.hash_algorithm, payload)
    try:
        if trusted.application:
            signed = _by_a_person(trusted, parsed.extra, signed, options, evidence)
        _check(trusted, parsed.algorithm, parsed.signature, signed, evidence)
    except Malformed as error:
        raise SignatureError(
            error.message, code="MALFORMED", rule=error.rule, hint=error.hint, evidence=evidence
        ) from error
    except InvalidSignature as error:
        raise _bad(f"SSH signature by {trusted.fingerprint} does not fit the signed bytes", evidence) from error

    signed_at, time_source = _believed_time(clock, options)
    return Evidence(
        "ssh",
        trusted.fingerprint,
        trusted.fingerprint,
        trusted.signer,
        signed_at,
        time_source,
        f"{parsed.algorithm}/{parsed.hash_algorithm}",
    )


def _check(trusted: TrustedKey, algorithm: str, value: bytes, signed: bytes, evidence: dict[str, object]) -> None:
    """Steps 5 and 7. Raises `SignatureError`, `Malformed` or `InvalidSignature`."""
    key = trusted.key
    if isinstance(key, rsa.RSAPublicKey):
        digest = _RSA_HASHES.get(algorithm)
        if digest is None:
            raise _forbidden(f"signature algorithm {algorithm} of an RSA key", " or ".join(_RSA_HASHES), evidence)
        size = (key.key_size + 7) // 8
        if not 0 < len(value) <= size:
            raise _bad(f"RSA signature has {len(value)} bytes, expected {size}", evidence)
        # some agents drop leading zeros; OpenSSH puts them back too
        key.verify(value.rjust(size, b"\0"), signed, _PADDING, digest)
        return
    if algorithm != trusted.kind:
        raise _forbidden(f"signature algorithm {algorithm} of a key {trusted.kind}", trusted.kind, evidence)
    if isinstance(key, Ed25519Key):
        if len(value) != 64:
            raise _bad(f"Ed25519 signature has {len(value)} bytes, expected 64", evidence)
        key.verify(value, signed)
        return
    numbers = WireReader(value, "ECDSA signature")
    r, s = numbers.positive(), numbers.positive()
    numbers.end()
    if max(r, s).bit_length() > key.key_size:
        raise _bad("ECDSA signature holds numbers larger than its curve", evidence)
    kind = sshkey.SECURITY_KEYS.get(trusted.kind, trusted.kind)
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(_CURVES[kind][1]))


def _by_a_person(
    trusted: TrustedKey, extra: bytes, signed: bytes, options: SignatureOptions, evidence: dict[str, object]
) -> bytes:
    """What a security key signs for `signed` (OpenSSH PROTOCOL.u2f), once the flags say what the policy asks.

    ssh-keygen accepts signatures without presence; a key in a machine that signs by itself is then as good as a touch.
    The flags are under the signature: a false claim does not verify.
    """
    if len(extra) != 5:
        raise _bad(f"security key signature has {len(extra)} bytes of flags and counter, expected 5", evidence)
    if "verification" in options.ssh_require and not extra[0] & USER_VERIFIED:
        raise SignatureError(
            f"security key {trusted.fingerprint} signed without verifying its owner",
            code="NO_VERIFICATION",
            rule="signer-not-allowed",
            hint="sign with a key made with `ssh-keygen -O verify-required`",
            evidence=evidence,
        )
    if "presence" in options.ssh_require and not extra[0] & USER_PRESENT:
        raise SignatureError(
            f"security key {trusted.fingerprint} signed without being touched",
            code="NO_PRESENCE",
            rule="signer-not-allowed",
            hint="sign with a key that asks for a touch; [commits] ssh-require = [] accepts signatures without one",
            evidence=evidence,
        )
    application = hashlib.sha256(trusted.application).digest()
    return application + extra + hashlib.sha256(signed).digest()


def _add(keys: dict[bytes, TrustedKey], blob: bytes, trusted: TrustedKey) -> None:
    """Enter a key that no other signer has; the same signer may name it twice. Raises `Malformed`."""
    known = keys.setdefault(blob, trusted)
    if known.signer != trusted.signer:
        raise Malformed(
            f"SSH key {known.fingerprint} is given to {known.signer!r} and to {trusted.signer!r}",
            rule="policy",
            hint="a key belongs to one person: remove it from the other",
        )


def _decode(key: SshPublicKey) -> PublicKey:
    """A policy's key for the cryptographic library. Raises `Malformed` where it is weak, or no key of its kind."""
    kind = sshkey.SECURITY_KEYS.get(key.kind, key.kind)
    try:
        if kind == "ssh-ed25519":
            return Ed25519Key(key.point)
        if kind == "ssh-rsa":
            bits = key.modulus.bit_length()
            if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
                raise Malformed(
                    f"RSA key {key.fingerprint} has {bits} bits, expected {MIN_RSA_BITS} to {MAX_RSA_BITS}",
                    rule="algorithm-forbidden",
                    hint="make a new key: ssh-keygen -t ed25519",
                )
            return rsa.RSAPublicNumbers(key.exponent, key.modulus).public_key()
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[kind][0], key.point)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed(f"{key.kind} key {key.fingerprint} is not a valid key", rule="signature-bad") from error


def _unknown_key(blob: bytes, fingerprint: str, evidence: dict[str, object]) -> SignatureError:
    """The error for a key that no signer has; an unusable kind or size is told first, for no policy could have it."""
    try:
        key = sshkey.parse_blob(blob)
    except sshkey.UnsupportedKey as error:
        return SignatureError(
            error.message, code="UNSUPPORTED", rule="algorithm-forbidden", hint=error.hint, evidence=evidence
        )
    except Malformed as error:
        return SignatureError(
            error.message, code="MALFORMED", rule="signature-bad", hint=error.hint, evidence=evidence
        )
    if key.kind == "ssh-rsa" and key.modulus.bit_length() < MIN_RSA_BITS:
        return SignatureError(
            f"RSA key {fingerprint} has {key.modulus.bit_length()} bits, expected at least {MIN_RSA_BITS}",
            code="WEAK_KEY",
            rule="algorithm-forbidden",
            hint="make a new key: ssh-keygen -t ed25519",
            evidence=evidence,
        )
    return SignatureError(
        f"SSH key {fingerprint} is not a key of any signer in the policy",
        code="NO_KEY",
        rule="signer-unknown",
        hint="if it should be, add its public key to the signer's ssh list in the policy",
        evidence=evidence,
    )


def _believed_time(clock: Clock, options: SignatureOptions) -> tuple[int, str]:
    """The time the verdict rests on and its source: the strongest the caller has, or now where the policy says so."""
    if options.key_validity == "now":
        return clock.now, "now"
    if clock.arrival is not None:
        return clock.arrival, "arrival"
    return clock.claimed, "committer"


def _forbidden(got: str, expected: str, evidence: dict[str, object]) -> SignatureError:
    return SignatureError(
        f"SSH signature uses the {got}, expected {expected}",
        code="UNSUPPORTED",
        rule="algorithm-forbidden",
        evidence=evidence,
    )


def _bad(message: str, evidence: dict[str, object]) -> SignatureError:
    return SignatureError(message, code="BAD", rule="signature-bad", evidence=evidence)


def _shown(namespace: bytes) -> str:
    """A hostile namespace for a message."""
    return f"the namespace {repr(namespace[:40])[1:]}"
