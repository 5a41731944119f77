"""What a timestamp token says (RFC 3161 section 2.4.2), read as DER. All errors are `Malformed` with rule `signature-bad`."""

from __future__ import annotations

from typing import Final, NamedTuple

from chainverify.formats import der
from chainverify.formats.der import DerReader
from chainverify.formats.sshwire import damaged

TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"
"""The content type of a token."""
TIMESTAMP: Final = "1.2.840.113549.1.9.16.2.14"
"""The unsigned attribute of a CMS signature that holds a token over its signature value (RFC 3161 appendix A)."""
SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.12"
SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"
SHA256: Final = "2.16.840.1.101.3.4.2.1"

_WHAT: Final = "timestamp token"


class TstInfo(NamedTuple):
    """The statement of a timestamp authority: that bytes with this digest were there at `time` (seconds since the epoch)."""

    digest_algorithm: str
    digest: bytes
    time: int


def parse_info(data: bytes) -> TstInfo:
    """The TSTInfo in `data`; an extension that is critical is not understood, and refused."""
    outer = DerReader(data, _WHAT)
    reader = outer.enter(der.SEQUENCE)
    outer.end()
    if (version := reader.integer()) != 1:
        raise damaged(f"{_WHAT} has version {version}, expected 1")
    reader.oid()  # the authority's own policy: which authorities are trusted is for ours to say
    imprint = reader.enter(der.SEQUENCE)
    algorithm = _algorithm(imprint.enter(der.SEQUENCE))
    digest = imprint.octets()
    imprint.end()
    reader.integer()  # the token's serial number
    time = reader.time()
    if reader.at(der.SEQUENCE):
        reader.element()  # accuracy
    if reader.at(der.BOOLEAN):
        reader.boolean()  # whether tokens of this authority are in order
    if reader.at(der.INTEGER):
        reader.integer()  # nonce, a matter between the authority and who asked it
    if reader.at(der.context(0)):
        reader.element()  # the authority's name, which its certificate says too
    if reader.at(der.context(1)):
        for element in reader.elements(der.context(1)):
            extension = DerReader(element, _WHAT).enter(der.SEQUENCE)
            oid = extension.oid()
            if extension.at(der.BOOLEAN) and extension.boolean():
                raise damaged(f"{_WHAT} has the critical extension {oid}, which is not processed")
    reader.end()
    return TstInfo(algorithm, digest, time)


def certificate_digest(value: bytes, *, version: int) -> tuple[str, bytes]:
    """Digest algorithm (dotted, empty for version 1: SHA-1) and digest of the signer's certificate, from the value of
    the attribute `SIGNING_CERTIFICATE` or `SIGNING_CERTIFICATE_V2` (RFC 5035 sections 3 and 5): its first entry is the signer's.
    """
    outer = DerReader(value, _WHAT)
    reader = outer.enter(der.SEQUENCE)
    outer.end()
    listed = reader.elements(der.SEQUENCE)
    if not listed:
        raise damaged(f"{_WHAT} names no certificate of its signer")
    entry = DerReader(listed[0], _WHAT).enter(der.SEQUENCE)
    algorithm = ""
    if version == 2:
        algorithm = _algorithm(entry.enter(der.SEQUENCE)) if entry.at(der.SEQUENCE) else SHA256
    return algorithm, entry.octets()


def _algorithm(reader: DerReader) -> str:
    oid = reader.oid()
    if reader.more and reader.element() != b"\x05\x00":
        raise damaged(f"{_WHAT} has a digest algorithm {oid} with parameters")
    reader.end()
    return oid
