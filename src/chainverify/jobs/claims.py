"""What a signature says of itself, a function per format: read from its bytes, not verified, so all of it is a claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from chainverify.errors import Malformed, SignatureError
from chainverify.model.explanation import Fact
from chainverify.model.signing import FORMAT_TITLES
from chainverify.output.moment import moment
from chainverify.signatures import backends

_OPENPGP_KINDS: Final = {0: "over bytes", 1: "over text"}
_HASHES: Final = {1: "MD5", 2: "SHA-1", 3: "RIPEMD-160", 8: "SHA-256", 9: "SHA-384", 10: "SHA-512", 11: "SHA-224", 12: "SHA3-256",
                  14: "SHA3-512"}  # fmt: skip
_ALGORITHMS: Final = {1: "RSA", 2: "RSA", 3: "RSA", 17: "DSA", 19: "ECDSA", 22: "EdDSA", 27: "Ed25519", 28: "Ed448"}

_OIDS: Final = {
    "1.2.840.113549.1.1.1": "RSA", "1.2.840.113549.1.1.5": "RSA with SHA-1", "1.2.840.113549.1.1.10": "RSA-PSS",
    "1.2.840.113549.1.1.11": "RSA with SHA-256", "1.2.840.113549.1.1.12": "RSA with SHA-384",
    "1.2.840.113549.1.1.13": "RSA with SHA-512", "1.2.840.10045.2.1": "ECDSA", "1.2.840.10045.4.1": "ECDSA with SHA-1",
    "1.2.840.10045.4.3.2": "ECDSA with SHA-256", "1.2.840.10045.4.3.3": "ECDSA with SHA-384",
    "1.2.840.10045.4.3.4": "ECDSA with SHA-512", "1.3.101.112": "Ed25519", "1.3.14.3.2.26": "SHA-1",
    "2.16.840.1.101.3.4.2.1": "SHA-256", "2.16.840.1.101.3.4.2.2": "SHA-384", "2.16.840.1.101.3.4.2.3": "SHA-512",
    "1.2.840.113549.1.9.16.2.14": "timestamp", "1.3.6.1.4.1.57264.3.1": "transparency log entry",
}  # fmt: skip
"""Names for what a CMS signature holds; others are shown by their object identifier."""


def claims(signature: bytes) -> tuple[Fact, ...]:
    """The fields of a signature; one that cannot be read says why."""
    name = backends.detect(signature)
    if name is None:
        return (Fact("format", f"none that is known: it starts with {signature[:40]!r}"),)
    facts = [Fact("format", FORMAT_TITLES[name]), Fact("size", f"{len(signature)} bytes")]
    read = FIELDS.get(name)
    try:
        if name == "x509" and _is_gitsign(signature):
            facts[0] = Fact("format", FORMAT_TITLES["gitsign"])
        facts += read(signature) if read is not None else ()
    except Malformed as error:
        facts.append(Fact("not readable", error.message))
    return tuple(facts)


def issuer(signature: bytes) -> str:
    """The fingerprint, or else the key id, of the key that a signature says made it; empty where it says none."""
    from chainverify.formats import openpgp, sshcert, sshkey, sshsig

    try:
        if backends.detect(signature) == "ssh":
            blob = sshsig.parse(signature).public_key
            # a certified key is the policy's by its authority
            return sshcert.parse(blob).authority.fingerprint if sshcert.is_certificate(blob) else sshkey.fingerprint(blob)
        if backends.detect(signature) == "openpgp":
            found = openpgp.parse_detached(signature)
            return (found.fingerprint or found.key_id or b"").hex().upper()
        if backends.detect(signature) == "x509":
            return _signer_certificate(signature)
    except Malformed:
        return ""
    return ""


def _is_gitsign(signature: bytes) -> bool:
    from chainverify.formats import cms

    try:
        return backends.cms_format(cms.parse(cms.dearmor(signature))) == "gitsign"
    except SignatureError as error:
        raise Malformed(error.message, rule=error.rule, hint=error.hint) from error


def _signer_certificate(signature: bytes) -> str:
    from chainverify.formats import cms
    from chainverify.transparency import certificates

    der = cms.signer_certificate(cms.parse(cms.dearmor(signature)))
    return certificates.fingerprint(der) if der is not None else ""


def _openpgp(signature: bytes) -> Iterator[Fact]:
    from chainverify.formats import openpgp

    found = openpgp.parse_detached(signature)
    if found.fingerprint:
        yield Fact("key", found.fingerprint.hex().upper(), claim=True)
    if found.key_id:
        yield Fact("key id", found.key_id.hex().upper(), claim=True)
    yield Fact("type", f"0x{found.kind:02x} ({_OPENPGP_KINDS.get(found.kind, 'none of a git object')})")
    yield Fact("algorithm", _ALGORITHMS.get(found.algorithm, f"number {found.algorithm}"))
    yield Fact("hash", _HASHES.get(found.hash_algorithm, f"number {found.hash_algorithm}"))
    yield Fact("made at", moment(found.created) or "", claim=True)
    if found.expires:
        yield Fact("expires", moment(found.created + found.expires) or "", claim=True)
    if found.signer_user_id is not None:
        yield Fact("signer's user id", found.signer_user_id[:200].decode("utf-8", "backslashreplace"), claim=True)
    if found.notes:
        yield Fact("notes", ", ".join(found.notes))


def _ssh(signature: bytes) -> Iterator[Fact]:
    from chainverify.formats import sshcert, sshkey, sshsig

    found = sshsig.parse(signature)
    try:
        if sshcert.is_certificate(found.public_key):
            yield from _ssh_certificate(found.public_key)
        else:
            yield Fact("key", sshkey.fingerprint(found.public_key), claim=True)
            key = sshkey.parse_blob(found.public_key)
            yield Fact("key type", key.kind + (f", {key.modulus.bit_length()} bits" if key.modulus else ""), claim=True)
    except Malformed as error:
        yield Fact("key", error.message, claim=True)
    yield Fact("namespace", found.namespace[:100].decode("utf-8", "backslashreplace"), claim=True)
    yield Fact("algorithm", found.algorithm)
    yield Fact("hash", found.hash_algorithm)
    if len(found.extra) == 5:
        flags = found.extra[0]
        said = [name for bit, name in ((1, "touched"), (4, "owner verified")) if flags & bit]
        counter = int.from_bytes(found.extra[1:], "big")
        yield Fact("security key", f"{', '.join(said) or 'not touched'}, counter {counter}", claim=True)


def _ssh_certificate(blob: bytes) -> Iterator[Fact]:
    from chainverify.formats import sshcert

    found = sshcert.parse(blob)
    yield Fact("key", f"{found.key.fingerprint} ({found.key.kind})", claim=True)
    yield Fact("certified by", found.authority.fingerprint, claim=True)
    shown = ", ".join(name[:100].decode("utf-8", "backslashreplace") for name in found.principals[:20])
    yield Fact("principals", shown or "none", claim=True)
    key_id = found.key_id[:100].decode("utf-8", "backslashreplace")
    yield Fact("certificate", f"serial {found.serial}, key id {key_id!r}", claim=True)
    since = moment(found.valid_after) if found.valid_after else "always"
    until = moment(found.valid_before) if found.valid_before != sshcert.FOREVER else "open"
    yield Fact("valid", f"{since} .. {until}", claim=True)


def _cms(signature: bytes) -> Iterator[Fact]:
    """CMS: X.509 and gitsign alike, told apart by the certificate that came along."""
    from chainverify.formats import cms
    from chainverify.transparency import certificates, identities

    found = cms.parse(cms.dearmor(signature))
    if found.issuer_serial is not None:
        yield Fact("certificate's serial", f"{found.issuer_serial[1]:X}", claim=True)
    if found.signing_time is not None:
        yield Fact("made at", moment(found.signing_time) or "", claim=True)
    used = (found.signature_algorithm, found.digest_algorithm)
    yield Fact("algorithms", " over ".join(_OIDS.get(oid, oid) for oid in used))
    attributes = [_OIDS.get(oid, oid) for oid, _ in found.unsigned]
    if attributes:
        yield Fact("unsigned attributes", ", ".join(attributes), claim=True)
    der = cms.signer_certificate(found)
    if der is None:
        return
    certificate = certificates.decode(der)
    yield Fact("certificate", certificate.fingerprint, claim=True)
    yield Fact("subject", certificate.subject.rfc4514_string()[:200] or "none", claim=True)
    if certificate.addresses:
        yield Fact("addresses", ", ".join(certificate.addresses)[:200], claim=True)
    outline = certificate.outline
    yield Fact("valid", f"{moment(outline.not_before)} .. {moment(outline.not_after)}", claim=True)
    if backends.cms_format(found) == "gitsign":
        identity = identities.read(certificate)
        yield Fact("identity", f"{identity.name} of {identity.issuer}", claim=True)


FIELDS: Final[dict[str, Callable[[bytes], Iterator[Fact]]]] = {"openpgp": _openpgp, "ssh": _ssh, "x509": _cms}
"""The readers by format; a format without one shows its name and size."""
