"""The outline of an X.509 certificate (RFC 5280 section 4.1), with names and extensions as the bytes they are.

Names are compared as bytes: an issuer that writes its name in two ways is two issuers. What extensions hold is read where it is
used. All errors are `Malformed` with rule `signature-bad`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from chainverify.formats import der
from chainverify.formats.der import DerReader
from chainverify.formats.sshwire import damaged

MAX_CERTIFICATE_BYTES: Final = 64 << 10
"""The largest certificate that is read; most have under 3 KiB."""
MAX_EXTENSIONS: Final = 64
"""The most extensions of one certificate."""
MAX_SERIAL_BYTES: Final = 64
"""The longest serial number: RFC 5280 allows 20 bytes, and asks readers to be prepared for more."""
MAX_KEPT: Final = 256
"""How many certificates are kept as they were read."""
SUBJECT_KEY_ID: Final = "2.5.29.14"

_WHAT: Final = "certificate"


class Extension(NamedTuple):
    """An extension: its object identifier and the DER inside."""

    oid: str
    critical: bool
    value: bytes


class Outline(NamedTuple):
    """A certificate, not verified. `signed` is the part that is under `signature`, `algorithm` the signature's algorithm (DER of
    an AlgorithmIdentifier). `issuer`, `subject` and `spki` (SubjectPublicKeyInfo) are DER, times seconds since the epoch.
    """

    signed: bytes
    algorithm: bytes
    signature: bytes
    serial: int
    issuer: bytes
    not_before: int
    not_after: int
    subject: bytes
    spki: bytes
    extensions: tuple[Extension, ...]

    def extension(self, oid: str) -> Extension | None:
        """The extension with this object identifier."""
        return next((each for each in self.extensions if each.oid == oid), None)

    @property
    def key_id(self) -> bytes | None:
        """The subject key identifier. Raises `Malformed` for one that cannot be read."""
        found = self.extension(SUBJECT_KEY_ID)
        if found is None:
            return None
        reader = DerReader(found.value, _WHAT)
        value = reader.octets()
        reader.end()
        return value


def envelope(data: bytes, what: str) -> tuple[bytes, bytes, bytes]:
    """What is signed, the algorithm (both DER) and the signature of a certificate, or of a revocation list, which has the same
    outer form (sections 4.1.1 and 5.1.1)."""
    outer = DerReader(data, what)
    reader = outer.enter(der.SEQUENCE)
    outer.end()
    signed = reader.element(der.SEQUENCE)
    algorithm = reader.element(der.SEQUENCE)
    signature = reader.bit_string()
    reader.end()
    return signed, algorithm, signature


@lru_cache(maxsize=MAX_KEPT)
def parse(data: bytes) -> Outline:
    """The outline of the certificate in `data` (DER). Kept for a while: a history has few certificates and many signatures."""
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise damaged(f"{_WHAT} has {len(data)} bytes, at most {MAX_CERTIFICATE_BYTES} are read")
    signed, algorithm, signature = envelope(data, _WHAT)
    inner = DerReader(signed, _WHAT).enter(der.SEQUENCE)
    version = 0
    if inner.at(der.context(0)):
        explicit = inner.enter(der.context(0))
        version = explicit.integer()
        explicit.end()
    if version not in {0, 1, 2}:
        raise damaged(f"{_WHAT} has version {version + 1}, expected 1 to 3")
    serial = inner.integer()
    if not 0 < serial < 1 << 8 * MAX_SERIAL_BYTES:
        raise damaged(f"{_WHAT} has a serial number that is not positive, or has over {MAX_SERIAL_BYTES} bytes")
    if inner.element(der.SEQUENCE) != algorithm:
        raise damaged(f"{_WHAT} names one signature algorithm inside and another outside")
    issuer = inner.element(der.SEQUENCE)
    validity = inner.enter(der.SEQUENCE)
    not_before, not_after = validity.time(), validity.time()
    validity.end()
    subject = inner.element(der.SEQUENCE)
    spki = inner.element(der.SEQUENCE)
    for number in (1, 2):  # unique identifiers, long out of use
        if inner.at(der.context(number, constructed=False)):
            inner.element()
    extensions: tuple[Extension, ...] = ()
    if inner.at(der.context(3)):
        if version != 2:
            raise damaged(f"{_WHAT} of version {version + 1} has extensions")
        explicit = inner.enter(der.context(3))
        extensions = _extensions(explicit)
        explicit.end()
    inner.end()
    return Outline(signed, algorithm, signature, serial, issuer, not_before, not_after, subject, spki, extensions)


def _extensions(reader: DerReader) -> tuple[Extension, ...]:
    """Extensions, none of them twice (RFC 5280 section 4.2)."""
    elements = reader.elements(der.SEQUENCE)
    if not 0 < len(elements) <= MAX_EXTENSIONS:
        raise damaged(f"{_WHAT} has {len(elements)} extensions, expected 1 to {MAX_EXTENSIONS}")
    found: dict[str, Extension] = {}
    for element in elements:
        inner = DerReader(element, _WHAT).enter(der.SEQUENCE)
        oid = inner.oid()
        critical = inner.boolean() if inner.at(der.BOOLEAN) else False
        value = inner.octets()
        inner.end()
        if oid in found:
            raise damaged(f"{_WHAT} has the extension {oid} twice")
        found[oid] = Extension(oid, critical, value)
    return tuple(found.values())
