"""X.509 signatures of git objects (CMS, as gpgsm and smimesign make them): by certificates pinned to people, and by those that
an authority of the policy issued for an address.

Neither the operating system's trust store nor gpgsm's is read, and nothing is fetched: no certificate, revocation list or OCSP
answer. Certificates that come with a signature are links of a chain and never a reason to trust.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from chainverify.errors import Malformed, SignatureError, first_of
from chainverify.formats import cms as cms_format
from chainverify.formats import tsp
from chainverify.formats.cms import Cms
from chainverify.model.signing import Clock, Evidence, SignatureOptions
from chainverify.output.moment import moment
from chainverify.signatures.x509_keyring import Pinned, X509Keyring, load
from chainverify.transparency import certificates, chains, cms_crypto, crls, timestamps
from chainverify.transparency.certificates import Certificate

__all__ = ["X509Keyring", "load", "verify"]

MAX_FUTURE_SECONDS: Final = 300
"""How far a signature's own time may lie after the clock: computers disagree a little."""
SKEW_SECONDS: Final = 600
"""A larger distance between committer date and signing time is noted."""
MAX_TIMESTAMPS: Final = 4
"""The most timestamp tokens of one signature that are looked at."""
PURPOSES: Final = (chains.EMAIL_PROTECTION, chains.CODE_SIGNING)
"""The extended key usages of which a certificate below a root has one."""

_plain_address: Final = re.compile(r"[!-~]+@[!-~]+", re.ASCII).fullmatch
_NOT_PLAIN: Final = frozenset('*?!,"<>')
"""What would make an address a pattern, a list or two addresses, in the pattern lists that `Evidence.principals` are."""


class _Times(NamedTuple):
    """The time a signature is judged at, where it is from, and what others than the signer prove (`anchored_at`)."""

    at: int
    source: str
    stamped: int | None
    anchored_at: int | None
    notes: tuple[str, ...]


def verify(payload: bytes, cms: Cms, keyring: X509Keyring, clock: Clock, options: SignatureOptions) -> Evidence:
    """Proof that a certificate of the policy, or of an authority of the policy, signed `payload` and was good at the time.

    The first row that applies decides:

    | step | what is found | code | rule |
    |---|---|---|---|
    | 1 | certificates that cannot be read | MALFORMED | signature-bad |
    | 1 | several certificates that fit what the signature calls its signer | MALFORMED | signature-ambiguous |
    | 2 | the signer's certificate neither came along nor is pinned | NO_KEY | signer-unknown |
    | 2 | it is not pinned, and the policy has no roots | NO_KEY | signer-unknown |
    | 3 | RSA under 2048 bits | WEAK_KEY | algorithm-forbidden |
    | 3 | MD5, SHA-224; SHA-1 made at or after `options.sha1_before` | WEAK_HASH | algorithm-forbidden |
    | 3 | other keys or algorithms, parameters that are not theirs, no signed attributes | UNSUPPORTED | algorithm-forbidden |
    | 3 | key, algorithm and digest contradict each other | MALFORMED | signature-bad |
    | 3 | the signature does not fit payload and key, **whatever the certificate is worth** | BAD | signature-bad |
    | 4 | signing time or timestamp over 300 s after the clock | FUTURE | signature-bad |
    | 4 | a timestamp of a trusted authority's that is damaged, or of other bytes | BAD_TIMESTAMP | signature-bad |
    | 5 | not pinned: no path to a root | CERT_NOT_TRUSTED | signer-unknown |
    | 5 | not pinned: a path that breaks a rule | CERT_NOT_ALLOWED, others of `chains.validate` | signer-not-allowed, ... |
    | 6 | revoked, see `crls.check` | REVOKED_HARD, REVOKED_SOFT_AT_T | signer-revoked |
    | 7 | the certificate (or an authority of its path) is not valid at T | EXPIRED_AT_T, FUTURE | signer-expired |
    | 8 | not pinned, and no alternative name is a plain e-mail address | NO_ADDRESS | identity-mismatch |
    | 9 | good at T, the certificate expired by now | evidence code GOOD_EXPIRED_NOW | |
    | 10 | good | evidence code GOOD | |

    T is the time of an RFC 3161 timestamp over the signature by an authority of the policy, else the arrival where the caller
    has one, else the signing time among the signed attributes, else the committer's date; `clock.now` where
    `options.key_validity` is `now`. The last two are claims. In mode `identity` expiry and revocation of a pinned certificate are
    notes, for the policy that names it decides; certificates below roots are nobody's choice, and are judged as ever.

    A pinned certificate is compared whole. Below a root, its e-mail addresses are those of the alternative names, which the
    authority vouches for; addresses in the subject's name do not count. A timestamp of an authority that the policy does not know
    proves nothing and is noted: anybody could take it off.

    Raises `SignatureError` with a code of the table; its evidence holds the certificate's `fingerprint` once known. From step 6
    on it comes with whatever else applies, and with the proof of whose certificate it is, where somebody says so.
    """
    facts: dict[str, object] = {"format": "x509"}
    try:
        return _prove(payload, cms, keyring, clock, options, facts)
    except Malformed as error:
        raise SignatureError(error.message, code="MALFORMED", rule=error.rule, hint=error.hint, evidence=facts) from error
    except SignatureError as error:
        error.evidence = {**facts, **error.evidence}
        raise


def _prove(  # noqa: PLR0917
    payload: bytes, cms: Cms, keyring: X509Keyring, clock: Clock, options: SignatureOptions, facts: dict[str, object]
) -> Evidence:
    """The steps of `verify`; `facts` are completed as they become known."""
    der = cms_format.signer_certificate(cms, keyring.named(cms))
    pinned = keyring.pinned.get(der) if der is not None else None
    if der is not None:
        facts["fingerprint"] = certificates.fingerprint(der)
    if der is None or (pinned is None and not keyring.roots):
        raise _unknown(der)
    leaf = pinned.certificate if pinned is not None else certificates.decode(der)
    claimed = cms.signing_time if cms.signing_time is not None else clock.claimed
    sha1 = options.sha1_before is not None and claimed < options.sha1_before
    algorithm, notes = cms_crypto.check(cms, pinned.key if pinned is not None else leaf.key(), payload, sha1=sha1)

    times = _times(cms, keyring, clock, options)
    notes += times.notes
    principals: tuple[str, ...] = ()
    claims: tuple[tuple[str, str], ...] = ()
    if pinned is not None:
        facts["signer"] = pinned.signer
        problems, standing = _standing(pinned, keyring, clock, times, lenient=options.key_validity == "identity")
    else:
        bag = tuple(certificates.decode(each) for each in cms.certificates if each != der)
        path, problems, standing = _path(leaf, (*keyring.others, *bag), keyring, clock, times)
        principals = _principals(leaf)
        problems += [] if principals else [_no_address(leaf)]
        claims = (
            ("subject", leaf.subject.rfc4514_string()), ("root", path[-1].subject.rfc4514_string()),
        )  # fmt: skip
    notes += standing
    if cms.signing_time is not None and abs(clock.claimed - cms.signing_time) > SKEW_SECONDS:
        notes += ("skew",)
    expired = clock.now > leaf.outline.not_after and options.key_validity != "identity"
    fingerprint = certificates.fingerprint(leaf.der)
    proof = Evidence(
        "x509",
        fingerprint,
        fingerprint,
        pinned.signer if pinned is not None else "",
        times.at,
        times.source,
        algorithm,
        "GOOD_EXPIRED_NOW" if expired else "GOOD",
        notes,
        leaf.addresses,
        principals,
        anchored_at=times.stamped,
        claims=claims,
    )
    if problems:
        raise first_of(problems, proof._replace(code=problems[0].code) if proof.signer or principals else None)
    return proof


def _unknown(der: bytes | None) -> SignatureError:
    if der is None:
        return SignatureError(
            "X.509 signature comes without its signer's certificate, and no signer in the policy has it pinned",
            code="NO_KEY", rule="signer-unknown", hint="sign with the certificate included (gpgsm: --include-certs)",
        )
    shown = certificates.decode(der).shown
    return SignatureError(
        f"X.509 certificate {shown} is not one of any signer in the policy, which names no authorities either",
        code="NO_KEY", rule="signer-unknown",
        hint="if it should be, add it to the signer's x509 list, or name its root in [commits] x509-roots",
    )


def _times(cms: Cms, keyring: X509Keyring, clock: Clock, options: SignatureOptions) -> _Times:
    """Step 4. Raises `SignatureError`."""
    stamped, notes = _timestamp(cms, keyring)
    latest = clock.now if clock.arrival is None else min(clock.now, clock.arrival)
    for time, what in ((cms.signing_time, "says that it was made"), (stamped, "has a timestamp of")):
        if time is not None and time > latest + MAX_FUTURE_SECONDS:
            raise SignatureError(
                f"X.509 signature {what} {moment(time)}, {time - latest} seconds after the clock",
                code="FUTURE", rule="signature-bad", hint="check the clocks of the signer's computer and of this one",
            )
    proofs = [time for time in (stamped, clock.arrival) if time is not None]
    anchored_at = min(proofs) if proofs else None
    if options.key_validity == "now":
        return _Times(clock.now, "now", stamped, anchored_at, notes)
    for time, source in ((stamped, "timestamp"), (clock.arrival, "arrival"), (cms.signing_time, "signature")):
        if time is not None:
            return _Times(time, source, stamped, anchored_at, notes)
    return _Times(clock.claimed, "committer", stamped, anchored_at, notes)


def _timestamp(cms: Cms, keyring: X509Keyring) -> tuple[int | None, tuple[str, ...]]:
    """The earliest time that a timestamp over the signature proves, None where there is none, and notes."""
    tokens = dict(cms.unsigned).get(tsp.TIMESTAMP, ())
    if not tokens:
        return None, ()
    if not keyring.timestamp_authorities:
        return None, ("timestamp-not-checked",)
    if len(tokens) > MAX_TIMESTAMPS:
        raise Malformed(f"X.509 signature has {len(tokens)} timestamps, at most {MAX_TIMESTAMPS} are read", rule="signature-bad")
    proved: list[int] = []
    for token in tokens:
        try:
            proved.append(timestamps.verify(token, cms.signature, keyring.timestamp_authorities, keyring.revocations))
        except (SignatureError, Malformed) as error:
            if isinstance(error, SignatureError) and error.code == "CERT_NOT_TRUSTED":
                continue
            raise SignatureError(
                f"timestamp of the X.509 signature cannot be believed: {error.message}", code="BAD_TIMESTAMP",
                rule="signature-bad", hint="timestamps count by the authorities in [commits] timestamp-roots",
            ) from error
    if not proved:
        return None, ("timestamp-unknown-authority",)
    return min(proved), ()


def _path(
    leaf: Certificate, others: tuple[Certificate, ...], keyring: X509Keyring, clock: Clock, times: _Times
) -> tuple[chains.Path, list[SignatureError], tuple[str, ...]]:
    """Steps 5 to 7 for a certificate below a root: its path, what refuses it, and notes.

    Raises `SignatureError` where no authority vouches for it, at whatever time.
    """
    expired: list[SignatureError] = []
    try:
        path = chains.validate(leaf, others, keyring.roots, times.at, PURPOSES)
    except SignatureError as error:
        if error.rule != "signer-expired":
            raise
        expired.append(error)
        path = chains.validate(leaf, others, keyring.roots, None, PURPOSES)
    # a certificate that is over may also be one whose key was stolen, and that says more
    revoked, notes = _revocations(path, keyring, clock, times)
    return path, revoked + expired, notes


def _standing(
    pinned: Pinned, keyring: X509Keyring, clock: Clock, times: _Times, *, lenient: bool
) -> tuple[list[SignatureError], tuple[str, ...]]:
    """Steps 6 and 7 for a pinned certificate: what refuses it, and notes."""
    problems, notes = _revocations(pinned.path, keyring, clock, times)
    if lenient and problems:
        notes += ("key-" + problems.pop().code.lower().replace("_", "-"),)
    failure = chains.expiry(pinned.certificate, times.at)
    if failure is not None and lenient and failure.code == "EXPIRED_AT_T":
        notes += ("key-expired-at-t",)
    elif failure is not None:
        problems.append(failure)
    return problems, notes


def _revocations(
    path: chains.Path, keyring: X509Keyring, clock: Clock, times: _Times
) -> tuple[list[SignatureError], tuple[str, ...]]:
    """Step 6: the revocation that refuses a path, if one does, and notes."""
    try:
        return [], crls.check(path, keyring.revocations, times.at, clock.now, times.anchored_at)
    except SignatureError as error:
        return [error], ()


def _principals(leaf: Certificate) -> tuple[str, ...]:
    """Step 8: the addresses that an authority vouches for.

    They go on as pattern lists, so an address with a character that means something there is left out.
    """
    return tuple(
        address for address in leaf.addresses
        if _plain_address(address) and address.count("@") == 1 and not _NOT_PLAIN.intersection(address)
    )  # fmt: skip


def _no_address(leaf: Certificate) -> SignatureError:
    return SignatureError(
        f"X.509 certificate {leaf.shown} has no e-mail address among its alternative names, so nobody says whose it is",
        code="NO_ADDRESS", rule="identity-mismatch",
        hint="get a certificate with the address as rfc822Name, or pin this one to its signer in the policy",
    )
