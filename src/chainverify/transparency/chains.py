"""Certification paths (RFC 5280 section 6): from a certificate up to an authority that the policy trusts.

The cryptographic library has a verifier of its own, and it is not used: it is built for the web, asks for DNS names, refuses
authorities with constraints on e-mail addresses (the ones that a policy should name), and leaves no choice of the time at which
each certificate is judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from chainverify.errors import Malformed, SignatureError
from chainverify.output.moment import moment
from chainverify.transparency import names
from chainverify.transparency.certificates import Certificate, issued

MAX_DEPTH: Final = 8
"""The most certificates of one path, leaf and root included."""
MAX_SIGNATURES: Final = 64
"""The most signatures of certificates that are checked for one leaf."""

CODE_SIGNING: Final = "1.3.6.1.5.5.7.3.3"
EMAIL_PROTECTION: Final = "1.3.6.1.5.5.7.3.4"
TIME_STAMPING: Final = "1.3.6.1.5.5.7.3.8"
ANY_PURPOSE: Final = "2.5.29.37.0"
_PURPOSES: Final = {CODE_SIGNING: "codeSigning", EMAIL_PROTECTION: "emailProtection", TIME_STAMPING: "timeStamping"}
"""Their names, as openssl writes them."""

Path = tuple[Certificate, ...]
"""Leaf first, the trusted authority last."""


def validate(
    leaf: Certificate,
    others: Sequence[Certificate],
    roots: Sequence[Certificate],
    at: int | None,
    purposes: Collection[str],
) -> Path:
    """A path from `leaf` through any of `others`, which nobody vouches for, to one of `roots`, valid at the time `at`.

    `at` is in seconds since the epoch; None leaves validity periods to the caller, who has other windows for the authorities.
    `purposes` are the extended key usages of which the leaf must have one (anyExtendedKeyUsage is none of them).

    What is asked of a path:
    1. each certificate is signed by the next one's key and names it as its issuer, byte for byte; algorithms and key sizes are
       those of `algorithms`,
    2. no certificate has a critical extension that is not processed,
    3. every authority, the root included, says that it is one, may sign certificates, and has no more authorities below it than
       its path length says (those that issued themselves do not count),
    4. an authority below the root that has extended key usages has one of `purposes`, or any,
    5. all names below an authority keep its name constraints, the root's as well,
    6. every certificate, the root included, is valid at `at`,
    7. the leaf is no authority, has a key usage for signatures if it has any, and one of `purposes`.

    Every possible path is tried, within `MAX_DEPTH` and `MAX_SIGNATURES`; the most telling failure is raised, as
    `SignatureError`: `CERT_NOT_TRUSTED` (no path), `CERT_NOT_ALLOWED` (2 to 5, 7), `EXPIRED_AT_T` and `FUTURE` (6), `WEAK_KEY`,
    `WEAK_HASH`, `UNSUPPORTED` (1), or `MALFORMED` where the tries run out.
    """
    _check_leaf(leaf, purposes)
    failures: list[SignatureError] = []
    for path in _paths(leaf, others, roots, failures):
        failure = _judge(path, at, purposes)
        if failure is None:
            return path
        failures.insert(0, failure)
    if failures:
        raise failures[0]
    raise SignatureError(
        f"certificate {leaf.shown} was issued by no authority that the policy trusts", code="CERT_NOT_TRUSTED",
        rule="signer-unknown",
        hint="name its root in [commits] x509-roots, or the certificate itself in the signer's x509 list",
    )


def _paths(
    leaf: Certificate, others: Sequence[Certificate], roots: Sequence[Certificate], failures: list[SignatureError]
) -> Iterator[Path]:
    """All paths whose signatures fit; why a certificate that was named as issuer could not be one goes to `failures`."""
    left = MAX_SIGNATURES
    known = {root.der for root in roots}
    candidates = (*roots, *(other for other in others if other.der not in known))
    open_paths: list[Path] = [(leaf,)]
    while open_paths:
        path = open_paths.pop()
        child = path[-1]
        extended: list[Path] = []
        for candidate in candidates:
            if candidate.outline.subject != child.outline.issuer or any(candidate.der == each.der for each in path):
                continue
            if not left:
                raise SignatureError(
                    f"certificates make more paths than the {MAX_SIGNATURES} signatures that are checked", code="MALFORMED",
                    rule="signature-bad",
                )
            left -= 1
            try:
                good = issued(child, candidate)
            except SignatureError as error:
                failures.append(error)
                continue
            except Malformed as error:
                failures.append(SignatureError(error.message, code="MALFORMED", rule=error.rule))
                continue
            if good and candidate.der in known:
                yield (*path, candidate)
            elif good and len(path) < MAX_DEPTH - 1:
                extended.append((*path, candidate))
        open_paths.extend(reversed(extended))


def _judge(path: Path, at: int | None, purposes: Collection[str]) -> SignatureError | None:
    """Steps 2 to 6 for a path whose signatures fit."""
    below = 0  # authorities between the leaf and the one that is looked at
    for number, certificate in enumerate(path):
        if certificate.unknown_critical:
            return _not_allowed(
                certificate, f"has the critical extension {certificate.unknown_critical[0]}, which is not processed"
            )
        if number:
            failure = _authority(certificate, below, purposes, is_root=number == len(path) - 1)
            if failure is not None:
                return failure
            below += not certificate.self_issued
        constraints = certificate.constraints
        if constraints is None:
            continue
        if not number:
            return _not_allowed(certificate, "has name constraints and is no authority")
        for position, each in enumerate(path[:number]):
            # an authority that issued itself a new certificate is not judged by its own constraints (section 6.1.4 b)
            if position and each.self_issued:
                continue
            broken = names.violation(constraints, each)
            if broken is not None:
                return _not_allowed(certificate, f"is constrained, and {each.shown} has {broken}")
    return _validity(path, at) if at is not None else None


def _authority(
    certificate: Certificate, below: int, purposes: Collection[str], *, is_root: bool
) -> SignatureError | None:
    """Steps 3 and 4."""
    if not certificate.authority:
        return _not_allowed(certificate, "is not that of an authority, and issued one")
    if certificate.usages is not None and "key_cert_sign" not in certificate.usages:
        return _not_allowed(certificate, "may not sign certificates by its key usage, and issued one")
    if certificate.path_length is not None and below > certificate.path_length:
        return _not_allowed(
            certificate, f"allows at most {certificate.path_length} below it in the path (path length), and has {below}"
        )
    if not is_root and certificate.purposes is not None and not certificate.purposes & {*purposes, ANY_PURPOSE}:
        return _not_allowed(certificate, "is for other purposes by its extended key usage")
    return None


def _check_leaf(leaf: Certificate, purposes: Collection[str]) -> None:
    """Step 7. Raises `SignatureError`."""
    if leaf.authority:
        raise _not_allowed(leaf, "is that of an authority, expected a person's")
    check_usage(leaf)
    if leaf.purposes is None or not leaf.purposes & set(purposes):
        wanted = " or ".join(sorted(_PURPOSES.get(each, each) for each in purposes))
        raise _not_allowed(leaf, f"has no extended key usage {wanted}", f"have one issued with the extended key usage {wanted}")


def check_usage(leaf: Certificate) -> None:
    """Raises `SignatureError` where a certificate's key usage does not allow signatures."""
    if leaf.usages is not None and not leaf.usages & {"digital_signature", "content_commitment"}:
        raise _not_allowed(leaf, "has a key usage without signatures")


def _validity(path: Path, at: int) -> SignatureError | None:
    """Step 6, from the root down: what an expired authority says of others counts no more."""
    for certificate in reversed(path):
        failure = expiry(certificate, at)
        if failure is not None:
            return failure
    return None


def expiry(certificate: Certificate, at: int) -> SignatureError | None:
    """Why a certificate is not valid at a time, None where it is. Both ends belong to its validity (section 4.1.2.5)."""
    outline = certificate.outline
    if at < outline.not_before:
        return SignatureError(
            f"certificate {certificate.shown} is valid from {moment(outline.not_before)} on, and was used at {moment(at)}",
            code="FUTURE", rule="signer-expired", hint="check the clocks of the signer's computer and of this one",
        )
    if at > outline.not_after:
        return SignatureError(
            f"certificate {certificate.shown} was valid until {moment(outline.not_after)}, and was used at {moment(at)}",
            code="EXPIRED_AT_T", rule="signer-expired", hint="sign with a certificate that has not expired",
        )
    return None


def _not_allowed(certificate: Certificate, why: str, hint: str = "") -> SignatureError:
    return SignatureError(
        f"certificate {certificate.shown} {why}", code="CERT_NOT_ALLOWED", rule="signer-not-allowed", hint=hint
    )
