"""Certificate revocation lists from files (RFC 5280 section 5): what a policy knows of certificates that were taken back.

Nothing is fetched. A list is read when the policy is loaded, proved to be by an authority of the policy, and refused where it
says more than is understood: what is silently left out of a revocation is a certificate that goes on to be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from chainverify.errors import Malformed, PolicyError, SignatureError
from chainverify.formats import der
from chainverify.formats.certificate import envelope
from chainverify.formats.der import DerReader
from chainverify.model.signing import KeyMaterial
from chainverify.output.moment import moment
from chainverify.transparency.certificates import Certificate, read_file, signed_by

MAX_CRL_BYTES: Final = 64 << 20
"""The largest file of revocation lists that is read; lists of a million certificates have under 40 MiB."""
OUTDATED: Final = "crl-outdated"
"""The note where a list has announced its successor for a time that has passed."""

_NUMBER: Final = "2.5.29.20"
_AUTHORITY_KEY: Final = "2.5.29.35"
_ISSUING_POINT: Final = "2.5.29.28"
_DELTA: Final = "2.5.29.27"
_PROCESSED: Final = frozenset({_NUMBER, _AUTHORITY_KEY, _ISSUING_POINT})
_ENTRY_PROCESSED: Final = frozenset({"2.5.29.21", "2.5.29.24"})
_SOFT: Final = frozenset({
    x509.ReasonFlags.affiliation_changed, x509.ReasonFlags.superseded, x509.ReasonFlags.cessation_of_operation,
    x509.ReasonFlags.certificate_hold, x509.ReasonFlags.privilege_withdrawn,
})  # fmt: skip
"""Reasons that say nothing against signatures from before. No reason, or one that is not known, may be theft of the key."""


class Revocation(NamedTuple):
    """A certificate taken back at `since` (seconds since the epoch). `hard`: its key may have been in other hands."""

    since: int
    hard: bool
    reason: str


class RevocationList(NamedTuple):
    """What one list says, by serial number; `next_update` is when its successor was due, None where it does not say."""

    next_update: int | None
    revoked: Mapping[int, Revocation]


class Revocations(NamedTuple):
    """All lists of a policy by the name of their issuer (DER).

    By the name alone, as section 6.3.3 has it: an authority that got a new key goes on to list with it what its old one issued.
    """

    lists: Mapping[bytes, tuple[RevocationList, ...]]


NONE: Final = Revocations(MappingProxyType({}))


def load(materials: Sequence[KeyMaterial], authorities: Sequence[Certificate]) -> Revocations:
    """The revocation lists of a policy.

    Raises `PolicyError`, with the file's place, for one that cannot be read, that no certificate of `authorities` signed (one
    for an intermediate authority needs that authority's certificate beside the roots), that is a delta or an indirect list, or
    holds a critical extension that is not processed.
    """
    lists: dict[bytes, tuple[RevocationList, ...]] = {}
    for material in materials:
        try:
            for data in read_file(material.data, b"X509 CRL", MAX_CRL_BYTES):
                issuer, found = _read(data, authorities)
                name = issuer.outline.subject
                lists[name] = (*lists.get(name, ()), found)
        except (Malformed, SignatureError) as error:
            raise PolicyError(
                f"{material.name}: {error.message}", key=material.key, source=material.source, line=material.line,
                hint=error.hint,
            ) from error
    return Revocations(MappingProxyType(lists))


def check(
    path: Sequence[Certificate], revocations: Revocations, at: int, now: int, anchored_at: int | None
) -> tuple[str, ...]:
    """Notes on the revocations of a path (leaf first, each certificate's issuer after it) that do not refuse it.

    A hard revocation refuses every signature that was not there before it, and only `anchored_at`, a time proved by others than
    the signer, shows that. A soft one refuses those with a time `at` from it on. Where several lists name a certificate the
    earliest and hardest counts. A list whose successor was due before `now` is used and noted: what it says is still so, and the
    policy's own files do not get worse by waiting, but refusing would end the verification of all older history with them.

    Raises `SignatureError` with code `REVOKED_HARD` or `REVOKED_SOFT_AT_T`.
    """
    notes: tuple[str, ...] = ()
    for certificate, issuer in pairwise(path):
        for each in revocations.lists.get(issuer.outline.subject, ()):
            if each.next_update is not None and each.next_update < now:
                notes = (OUTDATED,)
            found = each.revoked.get(certificate.outline.serial)
            if found is None:
                continue
            if found.hard and (anchored_at is None or anchored_at >= found.since):
                raise _revoked(certificate, found, "REVOKED_HARD", "and nothing proves that the signature was there before")
            if not found.hard and at >= found.since:
                raise _revoked(certificate, found, "REVOKED_SOFT_AT_T", f"and the signature is of {moment(at)}")
    return notes


def _revoked(certificate: Certificate, found: Revocation, code: str, why: str) -> SignatureError:
    return SignatureError(
        f"certificate {certificate.shown} is revoked since {moment(found.since)} ({found.reason}), {why}", code=code,
        rule="signer-revoked", hint="sign it again with another certificate",
    )


def _read(data: bytes, authorities: Sequence[Certificate]) -> tuple[Certificate, RevocationList]:
    """A list and who issued it. Raises `Malformed` or `SignatureError`."""
    signed, algorithm, signature = envelope(data, "revocation list")
    inner = DerReader(signed, "revocation list").enter(der.SEQUENCE)
    if inner.at(der.INTEGER):
        inner.integer()
    if inner.element(der.SEQUENCE) != algorithm:
        raise Malformed("revocation list names one signature algorithm inside and another outside")
    name = inner.element(der.SEQUENCE)
    issuer = _issuer(name, algorithm, signature, signed, authorities)
    try:
        library = x509.load_der_x509_crl(data)
        _check_extensions(library)
        next_update = _seconds(library.next_update_utc) if library.next_update_utc is not None else None
        revoked = {entry.serial_number: _revocation(entry) for entry in library}
        twice = len(revoked) != len(library)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise Malformed("revocation list cannot be read") from error
    if twice:
        raise Malformed("revocation list names a certificate twice")
    return issuer, RevocationList(next_update, MappingProxyType(revoked))


def _issuer(
    name: bytes, algorithm: bytes, signature: bytes, signed: bytes, authorities: Sequence[Certificate]
) -> Certificate:
    """The authority whose key made a list. Raises `Malformed`, or `SignatureError` where its algorithm is not accepted."""
    named = [each for each in authorities if each.outline.subject == name]
    if not named:
        raise Malformed(
            "revocation list is by none of the authorities of the policy",
            hint="name the certificate of the authority that issued it in [commits] x509-roots or timestamp-roots too",
        )
    for each in named:
        if each.usages is not None and "crl_sign" not in each.usages:
            continue
        if signed_by(each.key(), algorithm, signature, signed):
            return each
    raise Malformed(f"revocation list names the issuer {named[0].shown}, which did not sign it, or may not by its key usage")


def _check_extensions(library: x509.CertificateRevocationList) -> None:
    """Raises `Malformed` for a list that is not complete by itself, or says something that is not understood."""
    for each in library.extensions:
        oid = each.oid.dotted_string
        if oid == _DELTA:
            raise Malformed("revocation list is a delta, which says nothing without another", hint="name the complete list")
        if isinstance(each.value, x509.IssuingDistributionPoint) and each.value.indirect_crl:
            raise Malformed("revocation list is an indirect one, about certificates of several authorities")
        if each.critical and oid not in _PROCESSED:
            raise Malformed(f"revocation list has the critical extension {oid}, which is not processed")


def _revocation(entry: x509.RevokedCertificate) -> Revocation:
    """An entry. Raises `Malformed` for one that says something that is not understood."""
    since = _seconds(entry.revocation_date_utc)
    reason = x509.ReasonFlags.unspecified
    for each in entry.extensions:
        if each.critical and each.oid.dotted_string not in _ENTRY_PROCESSED:
            raise Malformed(
                f"revocation list has an entry with the critical extension {each.oid.dotted_string}, which is not processed"
            )
        if isinstance(each.value, x509.CRLReason):
            reason = each.value.reason
        elif isinstance(each.value, x509.InvalidityDate):
            # when the key was lost, as far as is known: before it was told
            since = min(since, _seconds(each.value.invalidity_date_utc))
    if reason is x509.ReasonFlags.remove_from_crl:
        raise Malformed("revocation list takes a revocation back, which only a delta may")
    return Revocation(since, reason not in _SOFT, reason.value)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
