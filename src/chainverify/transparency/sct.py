"""Signed certificate timestamps inside of a certificate (RFC 6962 section 3.3): a log's promise that the certificate is public.

An authority that issues a certificate in secret cannot have one, so it is what makes a wrong certificate visible.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.x509.certificate_transparency import LogEntryType, SignedCertificateTimestamp
from cryptography.x509.oid import ExtensionOID

from chainverify.errors import SignatureError
from chainverify.transparency import keys
from chainverify.transparency.certificates import Certificate
from chainverify.transparency.roots import Log

MAX_SCTS: Final = 16
"""The most timestamps of one certificate; Fulcio embeds one."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def verify(certificate: Certificate, issuer: Certificate, logs: Sequence[Log]) -> int | None:
    """The time (seconds since the epoch) of the first embedded timestamp by one of `logs`, None where none is embedded.

    `issuer` is the certificate that verified as the issuer. 1. every timestamp by a known log is good, and 2. made in that log's
    window; 3. at least one log is known: timestamps that all come from strangers are no evidence.

    Raises `SignatureError` with code `BAD_SCT`.
    """
    try:
        library = x509.load_der_x509_certificate(certificate.der)
        found = library.extensions.get_extension_for_oid(ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS).value
        scts = list(found) if isinstance(found, x509.PrecertificateSignedCertificateTimestamps) else []
        stamped = [(one, (one.timestamp.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND) for one in scts]
        signed = library.tbs_precertificate_bytes
    except x509.ExtensionNotFound:
        return None
    except (ValueError, TypeError, OverflowError, x509.DuplicateExtension) as error:
        raise _bad("holds certificate timestamps that cannot be read") from error
    if not 0 < len(stamped) <= MAX_SCTS:
        raise _bad(f"holds {len(stamped)} certificate timestamps, expected 1 to {MAX_SCTS}")
    times: list[int] = []
    for each, at in stamped:
        log = next((one for one in logs if one.log_id == each.log_id), None)
        if log is None:
            continue
        if not log.window.has(at):
            raise _bad(f"has a timestamp by {log.url} of a time at which the log is not trusted ({log.window})")
        if not _good(each, at, signed, issuer, log):
            raise _bad(f"has a timestamp by {log.url} that does not fit it")
        times.append(at // 1000)
    if not times:
        raise _bad(
            "has timestamps only by certificate transparency logs that the trust root does not name",
            "name the trust root of the authority's own deployment in [commits] trusted-root",
        )
    return times[0]


def _good(sct: SignedCertificateTimestamp, at: int, precertificate: bytes, issuer: Certificate, log: Log) -> bool:
    """Whether the log signed this precertificate (RFC 6962 section 3.2)."""
    try:
        wanted = log.key.hash
        if wanted is None or sct.entry_type is not LogEntryType.PRE_CERTIFICATE:
            return False
        if sct.signature_hash_algorithm.name != wanted.name:
            return False
        message = b"".join((
            b"\x00\x00",  # version 1, certificate_timestamp
            at.to_bytes(8, "big"),
            b"\x00\x01",  # precert_entry
            hashlib.sha256(issuer.outline.spki).digest(),
            len(precertificate).to_bytes(3, "big"), precertificate,
            len(sct.extension_bytes).to_bytes(2, "big"), sct.extension_bytes,
        ))  # fmt: skip
        return keys.signed(log.key, sct.signature, message)
    except (ValueError, TypeError, OverflowError):
        return False


def _bad(why: str, hint: str = "") -> SignatureError:
    return SignatureError(f"the certificate {why}", code="BAD_SCT", rule="signature-bad", hint=hint)
