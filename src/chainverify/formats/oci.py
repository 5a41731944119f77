"""OCI content: digests, descriptors, image manifests and indexes (image-spec 1.1, and Docker's schema 2).

Readers are given bytes that were hashed already (`matches`); what is not a manifest in one reading only is refused.
All errors are `Malformed` with rule `image-signature-bad`.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

from chainverify.formats import strictjson
from chainverify.formats.strictjson import Json, malformed
from chainverify.model.images import Descriptor

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
"""The type of a config that says nothing; some registries list it as the artifact type of whoever has it."""
MANIFEST_TYPES: Final = (INDEX, MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST)

MAX_MANIFEST_BYTES: Final = 4 << 20
"""The size that registries accept (distribution-spec: at least 4 MiB)."""
MAX_LAYERS: Final = 1000
MAX_DESCRIPTORS: Final = 10_000
"""Entries of one index that are read."""

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class ImageManifest(NamedTuple):
    """An image manifest, read: `artifact_type` is its own or that of its config, "" where neither says."""

    media_type: str
    artifact_type: str
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None
    annotations: tuple[tuple[str, str], ...]


def is_digest(text: str) -> bool:
    """Whether `text` is a digest that is believed: sha256 or sha512, lower case, of the right length."""
    return _DIGEST.fullmatch(text) is not None


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    """The digest of `data`; `algorithm` is sha256 or sha512."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def matches(data: bytes, digest: str) -> bool:
    """Whether `digest` is well formed and the digest of `data`."""
    return is_digest(digest) and digest_of(data, digest.partition(":")[0]) == digest


def fallback_tag(digest: str, suffix: str = "") -> str:
    """The tag that stands for the referrers of `digest` (distribution-spec), with `suffix` `.sig` that of cosign."""
    algorithm, _, value = digest.partition(":")
    # the referrers tag is cut to 32 and 64 characters by the specification, which only sha512 reaches
    return f"{algorithm}-{value[:64]}{suffix}"


def parse_manifest(raw: bytes) -> ImageManifest:
    """An image manifest. Raises `Malformed`, also for an index and for what could be read as either."""
    value = _content(raw, "manifest")
    if "manifests" in value:
        raise malformed("manifest has a list of manifests, expected an image manifest")
    media_type = strictjson.as_text(value.get("mediaType", MANIFEST), "manifest's mediaType")
    if media_type not in (MANIFEST, DOCKER_MANIFEST):
        raise malformed(f"manifest says it is {media_type[:100]!r}, expected an image manifest")
    config = parse_descriptor(value["config"], "manifest's config") if value.get("config") is not None else None
    artifact_type = strictjson.as_text(value.get("artifactType", ""), "manifest's artifactType")
    layers = strictjson.as_array(value.get("layers"), "manifest's layers", MAX_LAYERS)
    subject = value.get("subject")
    return ImageManifest(
        media_type,
        artifact_type or (config.artifact_type or config.media_type if config else ""),
        config,
        tuple(parse_descriptor(layer, f"manifest's layers[{at}]") for at, layer in enumerate(layers)),
        parse_descriptor(subject, "manifest's subject") if subject is not None else None,
        strictjson.as_text_map(value.get("annotations"), "manifest's annotations"),
    )


def parse_index(raw: bytes) -> tuple[Descriptor, ...]:
    """The entries of an index. Raises `Malformed`, also for an image manifest and for what could be read as either."""
    value = _content(raw, "index")
    if "layers" in value or "config" in value:
        raise malformed("index has layers or a config, expected a list of manifests alone")
    media_type = strictjson.as_text(value.get("mediaType", INDEX), "index's mediaType")
    if media_type not in (INDEX, DOCKER_INDEX):
        raise malformed(f"index says it is {media_type[:100]!r}, expected an index")
    manifests = value.get("manifests")
    entries = [] if manifests is None else strictjson.as_array(manifests, "index's manifests", MAX_DESCRIPTORS)
    return tuple(parse_descriptor(entry, f"index's manifests[{at}]") for at, entry in enumerate(entries))


def parse_descriptor(value: Json, what: str) -> Descriptor:
    """A descriptor; `what` names it in errors. Raises `Malformed` where its digest is none that is believed."""
    found = strictjson.as_object(value, what)
    digest = strictjson.as_text(found.get("digest"), f"{what}'s digest")
    if not is_digest(digest):
        raise malformed(f"{what} has the digest {digest[:140]!r}, expected sha256 or sha512 in lower case")
    return Descriptor(
        strictjson.as_text(found.get("mediaType"), f"{what}'s mediaType"),
        digest,
        strictjson.as_size(found.get("size"), f"{what}'s size"),
        strictjson.as_text(found.get("artifactType", ""), f"{what}'s artifactType"),
        strictjson.as_text_map(found.get("annotations"), f"{what}'s annotations"),
    )


def _content(raw: bytes, what: str) -> dict[str, Json]:
    if len(raw) > MAX_MANIFEST_BYTES:
        raise malformed(f"{what} has {len(raw)} bytes, at most {MAX_MANIFEST_BYTES} are read")
    value = strictjson.parse_object(raw, what)
    version = value.get("schemaVersion")
    if version != 2 or isinstance(version, bool):
        raise malformed(f"{what} has schemaVersion {str(version)[:40]}, expected 2")
    return value
