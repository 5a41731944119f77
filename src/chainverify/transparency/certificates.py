"""X.509 certificates ready to judge: outline, key and the extensions that a path is judged by (RFC 5280 section 4.2)."""

from __future__ import annotations

import binascii
import hashlib
import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from chainverify.errors import Malformed, SignatureError
from chainverify.formats import certificate as outlines
from chainverify.formats import keykind
from chainverify.formats.certificate import Outline
from chainverify.transparency import algorithms
from chainverify.transparency.algorithms import Key

MAX_FILE_BYTES: Final = 4 << 20
"""The largest file of certificates that is read."""

BASIC_CONSTRAINTS: Final = "2.5.29.19"
KEY_USAGE: Final = "2.5.29.15"
EXTENDED_KEY_USAGE: Final = "2.5.29.37"
NAME_CONSTRAINTS: Final = "2.5.29.30"
ALTERNATIVE_NAMES: Final = "2.5.29.17"
CERTIFICATE_POLICIES: Final = "2.5.29.32"
PROCESSED: Final = frozenset({
    BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE, NAME_CONSTRAINTS, ALTERNATIVE_NAMES,
    # no policy of a certificate is asked for, so this one restricts nothing; the extensions that would make it restrict
    # (policy constraints, inhibit anyPolicy) are not processed, and are critical
    CERTIFICATE_POLICIES,
})  # fmt: skip
"""The extensions that are processed; any other that is critical makes a certificate unusable (section 4.2)."""

_pem: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\r?\n[A-Za-z0-9+/=\r\n]+-----END \1-----")
_begin: Final = re.compile(rb"-----BEGIN ([A-Za-z0-9 ]+)-----")


class Certificate(NamedTuple):
    """A certificate, decoded and not verified: `der`, its `outline`, and what its extensions say.

    `path_length` is None without a limit, `usages` None without the extension (otherwise names of RFC 5280 section 4.2.1.3),
    `purposes` None without the extension (otherwise dotted object identifiers). `names` are the subject alternative names.
    """

    der: bytes
    outline: Outline
    subject: x509.Name
    authority: bool
    path_length: int | None
    usages: frozenset[str] | None
    purposes: frozenset[str] | None
    purposes_critical: bool
    constraints: x509.NameConstraints | None
    names: tuple[x509.GeneralName, ...]
    unknown_critical: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """`SHA256:` and the hex of the digest of the certificate, in upper case."""
        return fingerprint(self.der)

    @property
    def shown(self) -> str:
        """The subject for people, shortened; its text is the certificate's own."""
        return repr(self.subject.rfc4514_string()[:100])

    @property
    def self_issued(self) -> bool:
        """Whether issuer and subject are the same (section 6.1)."""
        return self.outline.issuer == self.outline.subject

    @property
    def addresses(self) -> tuple[str, ...]:
        """The e-mail addresses among the alternative names; those in the subject's name do not count."""
        return tuple(name.value for name in self.names if isinstance(name, x509.RFC822Name))

    def key(self) -> Key:
        """The certificate's key. Raises `SignatureError` or `Malformed`, as `algorithms.decode` does."""
        return _key(self.der)


def fingerprint(der: bytes) -> str:
    """The fingerprint of a certificate: `SHA256:` and the hex of the digest of its DER, in upper case."""
    return "SHA256:" + hashlib.sha256(der).hexdigest().upper()


def issuer_name(certificate: Certificate) -> str:
    """The issuer for people, shortened; its text is the certificate's own."""
    return repr(x509.load_der_x509_certificate(certificate.der).issuer.rfc4514_string()[:100])


@lru_cache(maxsize=outlines.MAX_KEPT)
def decode(der: bytes) -> Certificate:
    """The certificate in `der`, kept for a while. Raises `Malformed` (rule `signature-bad`) for one that does not follow RFC 5280
    strictly.
    """
    outline = outlines.parse(der)
    try:
        with warnings.catch_warnings():
            # of names that are longer or shorter than they should be: whoever makes a certificate must not write to the terminal
            warnings.simplefilter("ignore", UserWarning)
            library = x509.load_der_x509_certificate(der)
            found = {each.oid.dotted_string: each for each in library.extensions}
            subject = library.subject
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise Malformed("certificate, or an extension of it, cannot be read", rule="signature-bad") from error
    basic = found.get(BASIC_CONSTRAINTS)
    usage = found.get(KEY_USAGE)
    purposes = found.get(EXTENDED_KEY_USAGE)
    constraints = found.get(NAME_CONSTRAINTS)
    names = found.get(ALTERNATIVE_NAMES)
    return Certificate(
        der,
        outline,
        subject,
        authority=basic is not None and basic.value.ca,
        path_length=basic.value.path_length if basic is not None else None,
        usages=_usages(usage.value) if usage is not None else None,
        purposes=frozenset(each.dotted_string for each in purposes.value) if purposes is not None else None,
        purposes_critical=purposes is not None and purposes.critical,
        constraints=constraints.value if constraints is not None else None,
        names=tuple(names.value) if names is not None else (),
        unknown_critical=tuple(oid for oid, each in found.items() if each.critical and oid not in PROCESSED),
    )


def read_file(data: bytes, label: bytes = b"CERTIFICATE", limit: int = MAX_FILE_BYTES) -> tuple[bytes, ...]:
    """The DER of everything in a file that is PEM with this label, or one DER value. Raises `Malformed`.

    Text around the blocks is for people; a block with another label, or one that is damaged, is not skipped.
    """
    if len(data) > limit:
        raise Malformed(f"file has {len(data)} bytes, at most {limit} are read", rule="signature-bad")
    blocks = list(_pem.finditer(data))
    begins = [begin[1] for begin in _begin.finditer(data)]
    if any(b"PRIVATE" in name for name in begins) or keykind.is_pkcs12(data) or keykind.is_private_der(data):
        form = " (PKCS#12)" if keykind.is_pkcs12(data) else ""
        raise Malformed(
            f"file holds a private key{form}, which does not belong beside a policy", rule="signature-bad",
            hint="name a file with the certificate alone, and if others could read this one, revoke the key",
        )
    if data[:1] == b"\x30" and not begins:
        return (data,)
    other = next((name for name in begins if name != label), None)
    if other is not None:
        raise Malformed(
            f"file holds a PEM block {other.decode()[:40]!r}, expected {label.decode()!r}", rule="signature-bad",
            hint=keykind.hint(data),
        )
    if not begins or len(blocks) != len(begins):
        what = "holds a damaged PEM block" if begins else f"holds neither a PEM block {label.decode()!r} nor DER"
        raise Malformed(f"file {what}", rule="signature-bad", hint=keykind.hint(data))
    try:
        return tuple(
            binascii.a2b_base64(b"".join(block[0].splitlines()[1:-1]), strict_mode=True) for block in blocks
        )
    except binascii.Error as error:
        raise Malformed("file holds a damaged PEM block", rule="signature-bad") from error


def issued(child: Certificate, issuer: Certificate) -> bool:
    """Whether `issuer`'s key signed `child`, by an algorithm that is accepted. Names are not compared here.

    Raises `SignatureError` or `Malformed` where key or algorithm are not accepted.
    """
    return _issued(child.der, issuer.der)


@lru_cache(maxsize=outlines.MAX_KEPT)
def _issued(child: bytes, issuer: bytes) -> bool:
    outline = outlines.parse(child)
    return signed_by(_key(issuer), outline.algorithm, outline.signature, outline.signed)


@lru_cache(maxsize=outlines.MAX_KEPT)
def _key(der: bytes) -> Key:
    certificate = decode(der)
    return algorithms.decode(certificate.outline.spki, f"key of the certificate {certificate.shown}")


def signed_by(key: Key, algorithm: bytes, signature: bytes, data: bytes) -> bool:
    """Whether `key` made a signature of the kind that certificates and revocation lists have; raises as `issued` does."""
    try:
        algorithms.check(key, *algorithms.identifier(algorithm), signature, data)
    except InvalidSignature:
        return False
    return True


def issuer_of(child: Certificate, authorities: Iterable[Certificate]) -> Certificate | None:
    """The one of `authorities` that issued a certificate, by name and signature; None where there is none.

    This is a fact about the two certificates and no judgement on the issuer.
    """
    for each in authorities:
        if each.outline.subject == child.outline.issuer:
            try:
                if issued(child, each):
                    return each
            except (SignatureError, Malformed):
                continue
    return None


def _usages(value: x509.KeyUsage) -> frozenset[str]:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
        "crl_sign",
    )  # fmt: skip
    return frozenset(name for name in names if getattr(value, name))
