"""Sigstore bundles (cosign 3) found as referrers of the image: a DSSE envelope with an in-toto statement.

Algorithm: images reference 3c. Only the predicate type of `cosign sign` makes a statement a signature of the image:
a scan result, an SBOM or a provenance by the same key says something about the image, not that it may run.

What binds the reference: nothing, in what cosign writes. A stanza with `reference = "repository"` accepts a bundle
without a signed name, and the evidence says so; a name that is there must fit; `exact` refuses a bundle without one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from chainverify.errors import ImageError, Malformed, Unavailable
from chainverify.formats import bundle as bundles
from chainverify.formats import dsse, oci
from chainverify.formats.bundle import Bundle
from chainverify.formats.dsse import StatementSubject
from chainverify.images import candidates, keys
from chainverify.images.candidates import Attempt, Question
from chainverify.images.keys import TrustedKey
from chainverify.model.images import Candidate, Descriptor

PREDICATE: Final = "dev.sigstore.bundle.predicateType"
NO_NAME: Final = "a bundle signs no reference: it would verify as well for a copy of the image in another repository"


def attempts(asked: Question) -> Iterator[Attempt]:
    """Every referrer that may be a bundle, tried lazily, the likely signatures first."""
    try:
        listed = asked.content.referrers(asked.reference.repository, asked.digest)
    except Unavailable as error:
        yield candidates.unavailable("referrers", error)
        return
    # Registries that ignore `artifactType` list the config's type, which is the empty one for cosign's bundles.
    found = [entry for entry in listed if entry.artifact_type in ("", oci.EMPTY) or bundles.is_bundle_type(entry.artifact_type)]
    found.sort(key=_unlikely)
    for entry in found[: candidates.MAX_REFERRERS]:
        yield _try(asked, entry)
    if len(found) > candidates.MAX_REFERRERS:
        message = f"image has {len(found)} referrers that may be bundles, at most {candidates.MAX_REFERRERS} are tried"
        yield candidates.unavailable("referrers", candidates.too_much(message))


def _unlikely(entry: Descriptor) -> int:
    """The annotation is no proof, and often not there: it only sets the order."""
    hint = dict(entry.annotations).get(PREDICATE)
    return 0 if hint == dsse.COSIGN_SIGN else 1 if hint is None else 2


def _try(asked: Question, entry: Descriptor) -> Attempt:
    """One referrer: its manifest, the one bundle in it, and then `judge`."""
    origin = f"referrer {entry.digest}"
    try:
        manifest = oci.parse_manifest(asked.content.manifest(asked.reference.repository, entry.digest).raw)
        layers = [layer for layer in manifest.layers if bundles.is_bundle_type(layer.media_type)]
        if not layers:
            return candidates.failed(origin, "type", "a Sigstore bundle", manifest.artifact_type[:100] or "an untyped artifact")
        if len(layers) > 1:
            return candidates.failed(origin, "form", "one bundle", f"{len(layers)} bundles in one manifest")
        if layers[0].size > bundles.MAX_BUNDLE_BYTES:
            limit = f"at most {bundles.MAX_BUNDLE_BYTES} bytes of bundle"
            return candidates.failed(origin, "form", limit, f"{layers[0].size} bytes")
        found = bundles.parse(asked.content.blob(asked.reference.repository, layers[0]))
    except Unavailable as error:
        return candidates.unavailable(origin, error)
    except (Malformed, ImageError) as error:
        return candidates.broken(origin, error)
    return judge(found, asked, origin)


def judge(found: Bundle, asked: Question, origin: str) -> Attempt:
    """One bundle:

    1. the payload is an in-toto statement,
    2. its predicate type is that of `cosign sign`,
    3. the bundle names a public key, not a certificate,
    4. a key of the stanza signed the envelope (its hint is not believed, only told),
    5. a subject of the statement has this image's digest,
    6. the subject's name, where it has one, fits as the stanza asks,
    7. the subject holds the annotations that the stanza asks for.

    Steps 1 and 2 read what is not verified yet, and can only refuse.
    """
    envelope = found.envelope
    if envelope.payload_type != dsse.IN_TOTO:
        return candidates.failed(origin, "form", f"payloadType {dsse.IN_TOTO}", envelope.payload_type[:100])
    try:
        statement = dsse.parse_statement(envelope.payload)
    except Malformed as error:
        return candidates.broken(origin, error)
    if statement.predicate_type != dsse.COSIGN_SIGN:
        got = f"an attestation of type {statement.predicate_type[:200]}"
        return candidates.failed(origin, "predicate", f"a signature ({dsse.COSIGN_SIGN})", got)
    if found.hint is None:
        return candidates.failed(origin, "signer", f"a signature by {asked.signers}", "a signature by a certificate (keyless)")
    if len(envelope.signature) > keys.MAX_SIGNATURE_BYTES or not keys.well_formed(envelope.signature):
        got = f"{len(envelope.signature)} other bytes"
        return candidates.failed(origin, "form", "an ECDSA, RSA or Ed25519 signature", got)
    message = dsse.pae(envelope.payload_type, envelope.payload)
    signer = next((key for key in asked.trusted if keys.signed(key, envelope.signature, message)), None)
    if signer is None:
        named = next((key for key in asked.trusted if key.hint == found.hint), None)
        if named:
            got = f"a bundle that names {named.name} and does not fit it"
            return candidates.failed(origin, "signature", f"a signature by {named.name}", got)
        got = f"a signature by another key (hint {found.hint[:80]!r})"
        return candidates.failed(origin, "signer", f"a signature by {asked.signers}", got)
    return _bound(statement.subjects, asked, signer, origin)


def _bound(subjects: Sequence[StatementSubject], asked: Question, signer: TrustedKey, origin: str) -> Attempt:
    """Steps 5 to 7: the first subject that satisfies them all, or the failure of the last one with the digest."""
    algorithm, _, value = asked.digest.partition(":")
    mine = [subject for subject in subjects if (algorithm, value) in subject.digests]
    if not mine:
        others = ", ".join(f"{name}:{hexed}" for subject in subjects[:3] for name, hexed in subject.digests[:1])
        return candidates.failed(origin, "digest", asked.digest, others[:400] or "no digest")
    refusal: Attempt | None = None
    for subject in mine:
        refusal = _unfit(subject, asked, origin)
        if refusal is None:
            verified = Candidate(origin, "verified", asked.digest, asked.digest, ok=True, signer=signer.name)
            notes = () if subject.name and asked.trust.reference != "off" else (NO_NAME,)
            return Attempt(verified, signer.fingerprint, notes=notes)
    return refusal or candidates.failed(origin, "digest", asked.digest, "no digest")


def _unfit(subject: StatementSubject, asked: Question, origin: str) -> Attempt | None:
    if subject.name:
        differs = candidates.reference_differs(subject.name, asked)
    elif asked.trust.reference == "exact":
        differs = asked.reference.canonical, "no reference: bundles of cosign sign none, reference = \"exact\" asks for one"
    else:
        differs = None
    if differs:
        return candidates.failed(origin, "reference", *differs)
    missing = candidates.missing_annotation(asked.trust.annotations, subject.annotations)
    return candidates.failed(origin, "annotations", *missing) if missing else None
