"""Legacy Cosign signatures: simple-signing payloads in a manifest tagged `sha256-<hex>.sig`, or in a referrer.

Algorithm: images reference 3a, which follows cosign's SIGNATURE_SPEC.md and closes what it leaves open.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chainverify.errors import ImageError, Malformed, Unavailable
from chainverify.formats import oci, simplesigning, strictjson
from chainverify.images import candidates, keys
from chainverify.images.candidates import Attempt, Question
from chainverify.model.images import Candidate, Descriptor, Manifest

NOT_COMPARED: Final = "the signed reference was not compared (reference = \"off\")"


def attempts(asked: Question) -> Iterator[Attempt]:
    """Every legacy signature of the image, tried lazily: the `.sig` tag first, then the referrers."""
    repository = asked.reference.repository
    tag = oci.fallback_tag(asked.digest, ".sig")
    seen: set[str] = set()
    try:
        manifest = asked.content.tagged(repository, tag)
    except Unavailable as error:
        yield candidates.unavailable(f"tag {tag}", error)
    except (Malformed, ImageError) as error:
        yield candidates.broken(f"tag {tag}", error)
    else:
        if manifest is not None:
            seen.add(manifest.digest)
            yield from _signatures(asked, manifest, f"tag {tag}")
    try:
        listed = asked.content.referrers(repository, asked.digest)
    except Unavailable as error:
        yield candidates.unavailable("referrers", error)
        return
    found = [entry for entry in listed if entry.artifact_type == simplesigning.ARTIFACT and entry.digest not in seen]
    for entry in found[: candidates.MAX_REFERRERS]:
        origin = f"referrer {entry.digest}"
        try:
            manifest = asked.content.manifest(repository, entry.digest)
        except Unavailable as error:
            yield candidates.unavailable(origin, error)
        except (Malformed, ImageError) as error:
            yield candidates.broken(origin, error)
        else:
            yield from _signatures(asked, manifest, origin)
    if len(found) > candidates.MAX_REFERRERS:
        message = f"image has {len(found)} legacy referrers, at most {candidates.MAX_REFERRERS} are tried"
        yield candidates.unavailable("referrers", candidates.too_much(message))


def _signatures(asked: Question, manifest: Manifest, origin: str) -> Iterator[Attempt]:
    """The signatures of one manifest: each layer of cosign's media type is one."""
    try:
        parsed = oci.parse_manifest(manifest.raw)
    except Malformed as error:
        yield candidates.broken(origin, error)
        return
    layers = [layer for layer in parsed.layers if layer.media_type == simplesigning.LAYER]
    if not layers:
        got = f"{len(parsed.layers)} layers of other types"
        yield candidates.failed(origin, "form", f"layers of type {simplesigning.LAYER}", got)
    for at, layer in enumerate(layers[: candidates.MAX_SIGNATURES]):
        yield _try(asked, layer, f"{origin} layers[{at}]")
    if len(layers) > candidates.MAX_SIGNATURES:
        message = f"{origin} holds {len(layers)} signatures, at most {candidates.MAX_SIGNATURES} are tried"
        yield candidates.unavailable(origin, candidates.too_much(message))


def _try(asked: Question, layer: Descriptor, origin: str) -> Attempt:
    """One signature:

    1. the annotation holds a signature in base64,
    2. the payload has its digest and size,
    3. a key of the stanza signed exactly these payload bytes,
    4. they are a simple-signing document of cosign's type,
    5. it names this image's digest,
    6. its reference fits, as the stanza asks,
    7. it holds the annotations that the stanza asks for.
    """
    try:
        text = dict(layer.annotations).get(simplesigning.SIGNATURE)
        if text is None:
            return candidates.failed(origin, "form", f"an annotation {simplesigning.SIGNATURE}", "none")
        signature = strictjson.decode_base64(text, "signature")
        if len(signature) > keys.MAX_SIGNATURE_BYTES or not keys.well_formed(signature):
            return candidates.failed(origin, "form", "an ECDSA, RSA or Ed25519 signature", f"{len(signature)} other bytes")
        if layer.size > simplesigning.MAX_PAYLOAD_BYTES:
            limit = f"at most {simplesigning.MAX_PAYLOAD_BYTES} bytes of payload"
            return candidates.failed(origin, "form", limit, f"{layer.size} bytes")
        payload = asked.content.blob(asked.reference.repository, layer)
        signer = next((key for key in asked.trusted if keys.signed(key, signature, payload)), None)
        if signer is None:
            expected = f"a signature by {asked.signers}"
            return candidates.failed(origin, "signer", expected, "a signature by another key, or over other bytes")
        document = simplesigning.parse(payload)
    except Unavailable as error:
        return candidates.unavailable(origin, error)
    except (Malformed, ImageError) as error:
        return candidates.broken(origin, error)
    if document.digest != asked.digest:
        return candidates.failed(origin, "digest", asked.digest, document.digest[:200])
    differs = candidates.reference_differs(document.reference, asked)
    if differs:
        return candidates.failed(origin, "reference", *differs)
    missing = candidates.missing_annotation(asked.trust.annotations, document.optional)
    if missing:
        return candidates.failed(origin, "annotations", *missing)
    verified = Candidate(origin, "verified", asked.digest, asked.digest, ok=True, signer=signer.name)
    return Attempt(verified, signer.fingerprint, notes=(NOT_COMPARED,) if asked.trust.reference == "off" else ())
