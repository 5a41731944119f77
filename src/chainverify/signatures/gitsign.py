"""gitsign signatures of git objects: CMS by a certificate of minutes, which Fulcio gave to whoever held an OpenID identity.

The key is thrown away after its one signature, so a signature is as good as the proof that it was made in those minutes. How much
is proved is the level of the evidence:

- 0: the certificate comes from an authority of the trust root, for an identity of the policy, and its key made the signature.
  An authority that was deceived, or that issued it in secret, would leave no trace. A certificate from anybody else is no level
  at all: whoever makes one can write any identity into it.
- 1: a log of certificates vouches for that certificate (its embedded timestamp), so the identity's owner can know of it. Nothing
  says when the signature was made: whoever came by the key, even years later, could have made it.
- 2: a signature log or a timestamp authority vouches that the signature was there while the certificate was valid.

What comes along and is wrong fails the signature. What is missing lowers the level, with a note: log entry and timestamps are not
under the signature, so anybody can take them away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from chainverify.errors import Malformed, PolicyError, SignatureError
from chainverify.formats import logentry
from chainverify.formats.cms import Cms, signer_certificate
from chainverify.formats.der import DerReader
from chainverify.model.signing import Clock, Evidence, KeyMaterial, SignatureOptions, SigningMaterial
from chainverify.output.moment import moment
from chainverify.signatures import x509_keyring
from chainverify.transparency import certificates, chains, cms_crypto, identities, rekor, roots, sct, timestamps
from chainverify.transparency.certificates import Certificate
from chainverify.transparency.crls import Revocations
from chainverify.transparency.identities import Identity, Rule
from chainverify.transparency.roots import Authority, TrustRoot
from chainverify.transparency.timestamps import TimestampAuthority

LOG_ENTRY: Final = "1.3.6.1.4.1.57264.3.1"
"""The unsigned attribute with the log entry: an OCTET STRING of protobuf."""
LEGACY_LOG_ENTRY: Final = frozenset(f"1.3.6.1.4.1.57264.3.{number}" for number in (0, 2, 3, 4, 5, 6, 7, 8))
"""Attributes of the first encoding, one for each member of the entry (gitsign of January 2023); it is recognised, not read."""
TIMESTAMP: Final = "1.2.840.113549.1.9.16.2.14"
"""The unsigned attribute with a timestamp token over the signature (RFC 3161 appendix A)."""

NO_SCT: Final = "no-sct"
NO_LOG_ENTRY: Final = "no-log-entry"
NO_LOG_TIME: Final = "no-log-time"
LEGACY: Final = "legacy-log-encoding"

_SHA256: Final = "2.16.840.1.101.3.4.2.1"


class GitsignKeyring(NamedTuple):
    """The Sigstore identities of a policy, and the trust root that they are judged by.

    `timestamp_authorities` are those of the trust root and of the policy, `revocations` the policy's, of the latter.
    """

    rules: tuple[Rule, ...]
    root: TrustRoot
    timestamp_authorities: tuple[TimestampAuthority, ...]
    revocations: Revocations


class _Anchor(NamedTuple):
    """A proof that the signature was there: when, in seconds since the epoch, and who says so."""

    at: int
    source: str


def load(material: SigningMaterial) -> GitsignKeyring:
    """The Sigstore identities of a policy. Raises `PolicyError`, with the place in the policy, for what cannot be used."""
    rules = tuple(identities.rule(each) for each in material.gitsign)
    given = material.trusted_root or KeyMaterial("", roots.shipped(), "commits.trusted-root", name="the sigstore package's root")
    try:
        root = roots.parse(given.data)
    except Malformed as error:
        raise PolicyError(
            f"{given.name} cannot be read: {error.message}", key=given.key, source=given.source, line=given.line,
            hint="write the file with: cosign trusted-root create, or use the one of your Sigstore deployment",
        ) from error
    policy = x509_keyring.load(material)
    stamping = (*(_timestamp_authority(each) for each in root.timestamp_authorities), *policy.timestamp_authorities)
    return GitsignKeyring(rules, root, stamping, policy.revocations)


def _timestamp_authority(authority: Authority) -> TimestampAuthority:
    """An authority of the trust root in the terms of timestamps, which count seconds."""
    *others, anchor = authority.certificates
    start, end = authority.window
    return TimestampAuthority((anchor,), tuple(others), -(-start // 1000), None if end is None else end // 1000)


def verify(payload: bytes, cms: Cms, keyring: GitsignKeyring, clock: Clock, options: SignatureOptions) -> Evidence:
    """Proof that a holder of an identity of the policy signed `payload`, and of how much is known of when.

    1. the signature has the form that gitsign writes: detached, attributes signed by ECDSA on P-256 with SHA-256,
    2. the certificate's key made it, over this payload,
    3. timestamps and log entry, where they are there, are good, and are of this very signature,
    4. they, and else the start of the certificate, are inside of the certificate's validity,
    5. an authority of the trust root, believed at each of these times, issued the certificate for signing code,
    6. the certificate's own timestamp by a log of certificates, where there is one, is good,
    7. the policy gives the certificate's identity to exactly one person.

    Raises `SignatureError`: `MALFORMED`, `UNSUPPORTED` (1), `BAD` (2), `UNKNOWN_LOG`, `BAD_LOG_ENTRY`, `BAD_TIMESTAMP` (3),
    `EXPIRED_AT_T` (4, 5), `CERT_NOT_TRUSTED` (5, rule `signer-unknown`) and other codes of `chains.validate` (5), `BAD_SCT` (6),
    `NO_KEY` (7, rule `signer-unknown`), `AMBIGUOUS` (7, rule `signature-ambiguous`).
    `clock` is not asked: whether a proved time fits the policy is for the rules.
    """
    del clock, options
    facts: dict[str, object] = {"format": "gitsign"}
    try:
        return _prove(payload, cms, keyring, facts)
    except Malformed as error:
        raise SignatureError(error.message, code="MALFORMED", rule=error.rule, hint=error.hint, evidence=facts) from error
    except SignatureError as error:
        error.evidence = {**facts, **error.evidence}
        raise


def _prove(payload: bytes, cms: Cms, keyring: GitsignKeyring, facts: dict[str, object]) -> Evidence:
    """The steps of `verify`; `facts` are completed as they become known."""
    leaf = _signer(cms)
    facts["fingerprint"] = leaf.fingerprint
    algorithm, notes = _check_signature(payload, cms, leaf)
    unsigned = MappingProxyType(dict(cms.unsigned))
    anchors, missing = _anchors(cms, unsigned, leaf, keyring)
    start, end = leaf.outline.not_before, leaf.outline.not_after
    for anchor in anchors:
        if not start <= anchor.at <= end:
            raise SignatureError(
                f"the {anchor.source} has the signature at {moment(anchor.at)}, but its certificate is of {moment(start)} to "
                f"{moment(end)}: whoever made it may have come by the key later",
                code="EXPIRED_AT_T", rule="signature-bad",
            )
    issuer = _issuer(leaf, (start, *(anchor.at for anchor in anchors)), keyring)
    found = identities.read(leaf)
    facts |= {"identity": found.name, "issuer": found.issuer}
    logged = sct.verify(leaf, issuer, keyring.root.ct_logs)
    level = 0 if logged is None else 2 if anchors else 1
    first = min(anchors, default=_Anchor(start, "certificate"))
    return Evidence(
        "gitsign",
        leaf.fingerprint,
        leaf.fingerprint,
        _person(found, keyring),
        first.at,
        first.source,
        algorithm,
        notes=(*notes, *((NO_SCT,) if logged is None else ()), *missing),
        emails=(found.name,) if found.email else (),
        level=level,
        anchored_at=first.at if anchors else None,
        claims=(
            ("identity", found.name), ("issuer", found.issuer), *found.claims, ("trust-root", f"sha256:{keyring.root.digest}"),
        ),
    )  # fmt: skip


def _signer(cms: Cms) -> Certificate:
    """The certificate that the signature names as its signer's; gitsign always sends it along."""
    found = signer_certificate(cms)
    if found is None:
        raise Malformed("gitsign signature does not hold the certificate of its signer", rule="signature-bad")
    return certificates.decode(found)


def _check_signature(payload: bytes, cms: Cms, leaf: Certificate) -> tuple[str, tuple[str, ...]]:
    """Steps 1 and 2. gitsign has written nothing else, and the log's entry could not be built again from anything else."""
    if cms.content is not None:
        raise Malformed("gitsign signature encloses content, expected a detached one", rule="signature-bad")
    key = leaf.key()
    if (key.name, cms.digest_algorithm) != ("nistp256", _SHA256):
        raise SignatureError(
            f"signature is by a key {key.name} with the digest {cms.digest_algorithm}, expected ECDSA on P-256 with SHA-256",
            code="UNSUPPORTED", rule="algorithm-forbidden", hint="sign with gitsign, which makes such a key for each signature",
        )
    return cms_crypto.check(cms, key, payload)


def _anchors(
    cms: Cms, unsigned: Mapping[str, tuple[bytes, ...]], leaf: Certificate, keyring: GitsignKeyring
) -> tuple[tuple[_Anchor, ...], tuple[str, ...]]:
    """Step 3: the proved times, and notes on what is missing for one. Whatever is there has to be good."""
    anchors: list[_Anchor] = []
    if TIMESTAMP in unsigned:
        anchors.append(_Anchor(_timestamp(_only(unsigned, TIMESTAMP, "timestamp"), cms, keyring), "timestamp"))
    if LEGACY_LOG_ENTRY & unsigned.keys():
        return tuple(anchors), () if anchors else (LEGACY,)
    if LOG_ENTRY not in unsigned:
        return tuple(anchors), () if anchors else (NO_LOG_ENTRY,)
    entry = logentry.parse(DerReader(_only(unsigned, LOG_ENTRY, "log entry"), "log entry").octets())
    body = rekor.hashedrekord(entry.version, cms.signed_attributes or b"", cms.signature, leaf.der)
    if entry.kind != rekor.KIND or body is None:
        raise SignatureError(
            f"log entry is a {entry.kind[:40]!r} of version {entry.version[:40]!r}, expected {rekor.KIND} 0.0.1 or 0.0.2",
            code="BAD_LOG_ENTRY", rule="signature-bad",
        )
    logged = rekor.verify(entry, body, keyring.root, at=anchors[0].at if anchors else None)
    if logged.time is not None:
        anchors.append(_Anchor(logged.time, "log"))
    return tuple(anchors), () if anchors else (NO_LOG_TIME,)


def _timestamp(token: bytes, cms: Cms, keyring: GitsignKeyring) -> int:
    """The time that a token over the signature proves. One by a stranger is refused too: it was meant to prove something."""
    try:
        return timestamps.verify(token, cms.signature, keyring.timestamp_authorities, keyring.revocations)
    except (SignatureError, Malformed) as error:
        raise SignatureError(
            f"timestamp cannot be believed: {error.message}", code="BAD_TIMESTAMP", rule="signature-bad",
            hint="timestamps count by the timestampAuthorities of the trust root, and by [commits] timestamp-roots",
        ) from error


def _only(unsigned: Mapping[str, tuple[bytes, ...]], kind: str, what: str) -> bytes:
    """The one value of an attribute."""
    values = unsigned[kind]
    if len(values) != 1:
        raise Malformed(
            f"gitsign signature has {len(values)} values where one {what} is expected", rule="signature-ambiguous"
        )
    return values[0]


def _issuer(leaf: Certificate, times: Sequence[int], keyring: GitsignKeyring) -> Certificate:
    """Step 5: the certificate that issued `leaf`, in a path that was valid and believed at all of `times`.

    Certificates that came along are no part of it. An authority may issue from any of its certificates: the public one did so
    from its root, before it had an intermediate.
    """
    failures: list[SignatureError] = []
    for authority in keyring.root.authorities:
        *others, anchor = authority.certificates
        try:
            path = chains.validate(leaf, others, (anchor,), None, (chains.CODE_SIGNING,))
        except SignatureError as error:
            failures.append(error)
            continue
        refused = _not_at(times, path, authority)
        if refused is None:
            return path[1]
        failures.append(refused)
    # the failure of the authority that did issue it says more than that the others did not
    telling = next((error for error in failures if error.code != "CERT_NOT_TRUSTED"), None)
    if telling is not None:
        raise telling
    raise SignatureError(
        "no authority of the trust root issued the certificate: what it says of its holder is nobody's word but its own",
        code="CERT_NOT_TRUSTED", rule="signer-unknown",
        hint="name the trust root of the Sigstore deployment in [commits] trusted-root, or update sigstore for the public one",
    )


def _not_at(times: Sequence[int], path: chains.Path, authority: Authority) -> SignatureError | None:
    """Why a path does not count at one of `times`, None where it counts at all of them."""
    for at in times:
        if not authority.window.has(at * 1000):
            return SignatureError(
                f"the certificate's authority is trusted from {authority.window}, but the signature is of {moment(at)}",
                code="EXPIRED_AT_T", rule="signature-bad",
            )
        for certificate in path[1:]:
            if chains.expiry(certificate, at) is not None:
                return SignatureError(
                    f"the certificate of its authority {certificate.shown} was not valid at {moment(at)}",
                    code="EXPIRED_AT_T", rule="signature-bad",
                )
    return None


def _person(found: Identity, keyring: GitsignKeyring) -> str:
    """Step 7: the one person of the policy who has this identity."""
    people = {rule.signer for rule in keyring.rules if rule.holds(found)}
    if len(people) == 1:
        return people.pop()
    if people:
        raise SignatureError(
            f"the policy gives {found.name!r} of {found.issuer!r} to {' and '.join(sorted(people))}",
            code="AMBIGUOUS", rule="signature-ambiguous", hint="give each Sigstore identity to one signer",
        )
    raise SignatureError(
        f"no signer in the policy is {found.name!r} of {found.issuer!r}",
        code="NO_KEY", rule="signer-unknown",
        hint=f"if it is an account of somebody who may sign, add gitsign = [{{ identity = {json.dumps(found.name)}, "
        f"issuer = {json.dumps(found.issuer)} }}] to the signer",
    )
