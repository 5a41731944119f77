"""CMS signatures of git objects and timestamp tokens: SignedData with one signer (RFC 5652), its fields as they were signed.

The structure is read as DER. Real gpgsm (GnuPG 2.2.40) writes the four outermost values with indefinite lengths, which the basic
encoding rules allow: exactly that is read too, with the note `cms-ber`, and nothing of it is under the signature. smimesign and
gitsign (ietf-cms) and openssl write DER. All errors are `Malformed`, with rule `signature-ambiguous` for what other verifiers
would read differently, `signature-bad` for other damage.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from chainverify.errors import Malformed
from chainverify.formats import certificate, der, pem
from chainverify.formats.der import DerReader
from chainverify.formats.sshwire import damaged

BEGIN: Final = b"-----BEGIN SIGNED MESSAGE-----"
END: Final = b"-----END SIGNED MESSAGE-----"
MAX_CERTIFICATES: Final = 64
"""The most certificates that one signature may bring along."""
MAX_ATTRIBUTES: Final = 64
"""The most attributes of one kind, signed or unsigned, of a signature."""
MAX_DIGEST_ALGORITHMS: Final = 8
"""The most digest algorithms that a signature may list; one is used."""

BER: Final = "cms-ber"
"""The note for the basic encoding rules where gpgsm uses them."""

DATA: Final = "1.2.840.113549.1.7.1"
SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
SIGNING_TIME: Final = "1.2.840.113549.1.9.5"

_WHAT: Final = "CMS signature"
_TOOL: Final = "git and gpgsm, smimesign or gitsign"
_CERTIFICATES: Final = der.context(0)
_CRLS: Final = der.context(1)
_KEY_ID: Final = der.context(0, constructed=False)
_SIGNED: Final = der.context(0)
_UNSIGNED: Final = der.context(1)


class Cms(NamedTuple):
    """A signature, not verified.

    `certificates` are the DER of those that came along, never a reason to trust. The signer's is named by `issuer_serial` (DER
    of the issuer's name, serial number) or `subject_key_id`, one of the two is set. Algorithms are dotted object identifiers,
    `signature_parameters` the DER of the parameters, empty where there are none. `signed_attributes` is the DER that was
    signed, None where the content was signed itself; `message_digest` and `signing_time` (seconds since the epoch) are of
    them, `signed` all of them, by object identifier, each with the DER of its values. `unsigned` are the other attributes.
    `content` is what was signed where it is enclosed, None for a detached signature; `content_type` its kind.
    """

    certificates: tuple[bytes, ...]
    issuer_serial: tuple[bytes, int] | None
    subject_key_id: bytes | None
    digest_algorithm: str
    signature_algorithm: str
    signature_parameters: bytes
    signed_attributes: bytes | None
    content_type: str
    message_digest: bytes | None
    signing_time: int | None
    signed: tuple[tuple[str, tuple[bytes, ...]], ...]
    unsigned: tuple[tuple[str, tuple[bytes, ...]], ...]
    signature: bytes
    content: bytes | None
    notes: tuple[str, ...] = ()


def dearmor(armored: bytes) -> bytes:
    """The bytes inside a canonical armor (no line end after END). Raises `Malformed`."""
    return pem.dearmor(armored, (BEGIN, END), _WHAT, _TOOL)


def parse(data: bytes) -> Cms:
    """The one signature in a ContentInfo. Raises `Malformed`."""
    strict = der.definite(data, _WHAT)
    notes = () if strict == data else (BER,)
    outer = DerReader(strict, _WHAT)
    info = outer.enter(der.SEQUENCE)
    outer.end()
    kind = info.oid()
    if kind != SIGNED_DATA:
        raise damaged(f"{_WHAT} is content of the type {kind}, expected signed data ({SIGNED_DATA})")
    explicit = info.enter(der.context(0))
    info.end()
    data_reader = explicit.enter(der.SEQUENCE)
    explicit.end()
    return _signed_data(data_reader)._replace(notes=notes)


def signer_certificate(cms: Cms, others: Iterable[bytes] = ()) -> bytes | None:
    """The certificate (DER) that the signature names as its signer's, of those that came along and of `others`; None where it is
    not there. That proves nothing yet. Raises `Malformed` for several, and for certificates that cannot be read.
    """
    found: set[bytes] = set()
    for data in (*cms.certificates, *others):
        outline = certificate.parse(data)
        if cms.issuer_serial == (outline.issuer, outline.serial) or (
            cms.subject_key_id is not None and cms.subject_key_id == outline.key_id
        ):
            found.add(data)
    if len(found) > 1:
        raise Malformed(
            f"{_WHAT} names its signer in a way that fits {len(found)} certificates", rule="signature-ambiguous"
        )
    return found.pop() if found else None


def _signed_data(reader: DerReader) -> Cms:
    """SignedData (RFC 5652 section 5.1)."""
    version = reader.integer()
    if version not in {1, 3, 4, 5}:
        raise damaged(f"{_WHAT} has version {version}, expected 1 or 3 to 5")
    digests = reader.enter(der.SET)
    listed: list[str] = []
    while digests.more:
        if len(listed) == MAX_DIGEST_ALGORITHMS:
            raise damaged(f"{_WHAT} lists more than {MAX_DIGEST_ALGORITHMS} digest algorithms")
        listed.append(_digest_algorithm(digests))
    encapsulated = reader.enter(der.SEQUENCE)
    content_type = encapsulated.oid()
    content: bytes | None = None
    if encapsulated.more:
        explicit = encapsulated.enter(der.context(0))
        content = explicit.octets()
        explicit.end()
        encapsulated.end()
    certificates = _certificates(reader) if reader.at(_CERTIFICATES) else ()
    if reader.at(_CRLS):
        # revocations count where the policy names them, not where the signer chose to send them
        reader.element()
    signers = reader.elements(der.SET)
    reader.end()
    if len(signers) != 1:
        raise Malformed(
            f"{_WHAT} has {len(signers)} signers, expected one", rule="signature-ambiguous" if signers else "signature-bad",
            hint="verifiers disagree on which of several must be good",
        )
    return _signer(signers[0], listed, content_type, content, certificates)


def _signer(
    whole: bytes, listed: list[str], content_type: str, content: bytes | None, certificates: tuple[bytes, ...]
) -> Cms:
    """SignerInfo (RFC 5652 section 5.3)."""
    outer = DerReader(whole, _WHAT)
    reader = outer.enter(der.SEQUENCE)
    version = reader.integer()
    issuer_serial: tuple[bytes, int] | None = None
    key_id: bytes | None = None
    if reader.at(der.SEQUENCE):
        named = reader.enter(der.SEQUENCE)
        issuer_serial = named.element(der.SEQUENCE), named.integer()
        named.end()
    else:
        key_id = reader.value(_KEY_ID)
    if version != (3 if issuer_serial is None else 1):
        raise damaged(f"{_WHAT} has a signer of version {version}, which does not fit how its certificate is named")
    digest = _digest_algorithm(reader)
    if digest not in listed:
        raise damaged(f"{_WHAT} uses the digest algorithm {digest}, which is not among those it lists")
    signed_attributes: bytes | None = None
    signed: tuple[tuple[str, tuple[bytes, ...]], ...] = ()
    if reader.at(_SIGNED):
        # what is signed has the tag of a SET, not the one in the structure (section 5.4)
        signed_attributes = bytes((der.SET,)) + reader.element()[1:]
        signed = _signed_attributes(signed_attributes)
    algorithm, parameters = _algorithm(reader)
    signature = reader.octets()
    unsigned: tuple[tuple[str, tuple[bytes, ...]], ...] = ()
    if reader.at(_UNSIGNED):
        unsigned = _attributes(reader.elements(_UNSIGNED))
    reader.end()
    message_digest, signing_time = _stated(dict(signed), content_type) if signed_attributes is not None else (None, None)
    return Cms(
        certificates, issuer_serial, key_id, digest, algorithm, parameters, signed_attributes, content_type, message_digest,
        signing_time, signed, unsigned, signature, content,
    )  # fmt: skip


def _stated(signed: dict[str, tuple[bytes, ...]], content_type: str) -> tuple[bytes, int | None]:
    """The message digest and the signing time of signed attributes; the content type must be there too (section 5.3)."""
    stated = _single(signed, CONTENT_TYPE)
    digest = _single(signed, MESSAGE_DIGEST)
    if stated is None or digest is None:
        raise damaged(f"{_WHAT} has signed attributes without the content type and message digest")
    if (kind := stated.oid()) != content_type:
        raise damaged(f"{_WHAT} signs content of the type {kind}, and holds the type {content_type}")
    stated.end()
    message_digest = digest.octets()
    digest.end()
    time = _single(signed, SIGNING_TIME)
    if time is None:
        return message_digest, None
    signing_time = time.time()
    time.end()
    return message_digest, signing_time


def _single(attributes: dict[str, tuple[bytes, ...]], kind: str) -> DerReader | None:
    """A reader of the only value that such an attribute has, None where the attribute is not there."""
    values = attributes.get(kind)
    if values is None:
        return None
    if len(values) != 1:
        raise damaged(f"{_WHAT} has the attribute {kind} with {len(values)} values, expected one")
    return DerReader(values[0], _WHAT)


def _certificates(reader: DerReader) -> tuple[bytes, ...]:
    """CertificateSet (section 10.2.3), of X.509 certificates only. Signers do not sort it."""
    found = reader.elements(_CERTIFICATES)
    if len(found) > MAX_CERTIFICATES:
        raise damaged(f"{_WHAT} holds {len(found)} certificates, at most {MAX_CERTIFICATES} are read")
    if any(one[0] != der.SEQUENCE for one in found):
        raise damaged(f"{_WHAT} holds a certificate that is none of X.509")
    return found


def _signed_attributes(whole: bytes) -> tuple[tuple[str, tuple[bytes, ...]], ...]:
    """Attributes that are signed, which DER sorts: some verifiers sort them before they verify, some do not."""
    elements = DerReader(whole, _WHAT).set_of()
    if not elements:
        raise damaged(f"{_WHAT} has an empty set of signed attributes")
    return _attributes(elements)


def _attributes(elements: tuple[bytes, ...]) -> tuple[tuple[str, tuple[bytes, ...]], ...]:
    """Attributes by type, no type twice (section 5.3; a repeated one would be read by some and not by others)."""
    if len(elements) > MAX_ATTRIBUTES:
        raise damaged(f"{_WHAT} has {len(elements)} attributes, at most {MAX_ATTRIBUTES} are read")
    found: dict[str, tuple[bytes, ...]] = {}
    for element in elements:
        attribute = DerReader(element, _WHAT).enter(der.SEQUENCE)
        kind = attribute.oid()
        values = attribute.elements(der.SET)
        attribute.end()
        if kind in found:
            raise Malformed(f"{_WHAT} has the attribute {kind} twice", rule="signature-ambiguous")
        found[kind] = values
    return tuple(found.items())


def _digest_algorithm(reader: DerReader) -> str:
    """A digest algorithm, whose parameters are absent or NULL (RFC 5754 section 2)."""
    algorithm, parameters = _algorithm(reader)
    if parameters not in {b"", b"\x05\x00"}:
        raise damaged(f"{_WHAT} has a digest algorithm {algorithm} with parameters")
    return algorithm


def _algorithm(reader: DerReader) -> tuple[str, bytes]:
    """An AlgorithmIdentifier: the algorithm, and the DER of its parameters."""
    inner = reader.enter(der.SEQUENCE)
    algorithm = inner.oid()
    parameters = inner.element() if inner.more else b""
    inner.end()
    return algorithm, parameters
