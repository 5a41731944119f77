"""Timestamp tokens (RFC 3161): proof by an authority that bytes were there at a time.

rfc3161-client, which sigstore uses, is not used here: it verifies whole responses, which CMS signatures do not hold, takes the
certificates of one authority at a time and no times at which that authority is trusted, and answers with no time. What is left of
the work is the path, the signature and a few fields, which are here for CMS in any case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from chainverify.errors import Malformed, SignatureError
from chainverify.formats import cms as cms_format
from chainverify.formats import tsp
from chainverify.formats.cms import Cms
from chainverify.formats.tsp import TstInfo
from chainverify.output.moment import moment
from chainverify.transparency import algorithms, certificates, chains, cms_crypto, crls
from chainverify.transparency.certificates import Certificate
from chainverify.transparency.crls import Revocations

MAX_TOKEN_BYTES: Final = 64 << 10
"""The largest token that is read; one with the certificates of its authority has under 8 KiB."""


class TimestampAuthority(NamedTuple):
    """Who may say the time: `roots` are trusted, `others` are the authority's further certificates, which a token may leave out.

    Tokens of a time outside `not_before` to `not_after` (seconds since the epoch, both included, None: without end) do not count.
    """

    roots: tuple[Certificate, ...]
    others: tuple[Certificate, ...] = ()
    not_before: int | None = None
    not_after: int | None = None


def verify(
    token: bytes, signed: bytes, authorities: Sequence[TimestampAuthority], revocations: Revocations = crls.NONE
) -> int:
    """The time, in seconds since the epoch, at which one of `authorities` saw the bytes `signed`; `token` is DER.

    1. the token is a CMS signature over a statement of the kind that timestamps are,
    2. the statement is about the digest of `signed`, by SHA-256, SHA-384 or SHA-512,
    3. the signature is good by the certificate that it names, and which its signed attributes hold the digest of,
    4. the certificate is for timestamps and, by a critical extension, for nothing else,
    5. there is a path from it to a root of one of the authorities, valid at the time of the statement, at which that authority
       is trusted,
    6. no certificate of the path was revoked before it, or because its key was stolen.

    Raises `SignatureError` or `Malformed` with the reason, of several authorities that of the last one.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise Malformed(f"timestamp token has {len(token)} bytes, at most {MAX_TOKEN_BYTES} are read", rule="signature-bad")
    cms = cms_format.parse(token)
    if cms.content is None or cms.content_type != tsp.TST_INFO:
        raise Malformed("timestamp token does not hold the statement of a timestamp authority", rule="signature-bad")
    info = tsp.parse_info(cms.content)
    hashing = algorithms.accepted_hash(info.digest_algorithm)
    if hashlib.new(hashing.name, signed, usedforsecurity=False).digest() != info.digest:
        raise SignatureError("timestamp token is about other bytes", code="BAD", rule="signature-bad")
    failure: SignatureError | Malformed | None = None
    for authority in authorities:
        try:
            _verify(cms, info, authority, revocations)
        except (SignatureError, Malformed) as error:
            failure = error
        else:
            return info.time
    raise failure or SignatureError(
        "timestamp token is by an authority that the policy does not trust", code="CERT_NOT_TRUSTED", rule="signer-unknown",
        hint="name its root in [commits] timestamp-roots",
    )


def _verify(cms: Cms, info: TstInfo, authority: TimestampAuthority, revocations: Revocations) -> None:
    """Steps 3 to 6 for one authority. Raises `SignatureError` or `Malformed`."""
    leaf_der = cms_format.signer_certificate(cms, (each.der for each in authority.others))
    if leaf_der is None:
        raise Malformed("timestamp token comes without the certificate of its signer", rule="signature-bad")
    leaf = certificates.decode(leaf_der)
    cms_crypto.check(cms, leaf.key(), cms.content or b"", content_type=tsp.TST_INFO)
    _check_named(cms, leaf_der)
    if leaf.purposes != frozenset({chains.TIME_STAMPING}) or not leaf.purposes_critical:
        raise SignatureError(
            f"certificate {leaf.shown} is not for timestamps alone by a critical extended key usage", code="CERT_NOT_ALLOWED",
            rule="signer-not-allowed",
        )
    if (authority.not_before is not None and info.time < authority.not_before) or (
        authority.not_after is not None and info.time > authority.not_after
    ):
        raise SignatureError(
            f"timestamp is of {moment(info.time)}, a time at which its authority is not trusted", code="EXPIRED_AT_T",
            rule="signer-expired",
        )
    bag = tuple(certificates.decode(each) for each in cms.certificates if each != leaf_der)
    path = chains.validate(leaf, (*authority.others, *bag), authority.roots, info.time, (chains.TIME_STAMPING,))
    # an authority's own word on when it spoke does not outlive the theft of its key
    crls.check(path, revocations, info.time, info.time, None)


def _check_named(cms: Cms, leaf: bytes) -> None:
    """The attribute that binds the signer's certificate (RFC 5816, RFC 3161 section 2.4.2). Raises `Malformed`.

    The old form binds by SHA-1, which is good enough against a second certificate for the same key, name and number.
    """
    bound = False
    for kind, version in ((tsp.SIGNING_CERTIFICATE, 1), (tsp.SIGNING_CERTIFICATE_V2, 2)):
        values = dict(cms.signed).get(kind)
        if values is None:
            continue
        if len(values) != 1:
            raise Malformed("timestamp token names the certificate of its signer several times", rule="signature-bad")
        algorithm, digest = tsp.certificate_digest(values[0], version=version)
        name = algorithms.accepted_hash(algorithm).name if version == 2 else "sha1"
        if hashlib.new(name, leaf, usedforsecurity=False).digest() != digest:
            raise Malformed("timestamp token is bound to another certificate than its signer's", rule="signature-bad")
        bound = True
    if not bound:
        raise Malformed("timestamp token is not bound to the certificate of its signer", rule="signature-bad")
