"""The payload of a legacy Cosign signature: Red Hat's "simple signing" document (cosign's SIGNATURE_SPEC.md).

Keys are read in lower case only; Go's reader would also take `Docker-manifest-digest`, and no signer writes that.
All errors are `Malformed` with rule `image-signature-bad`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from chainverify.formats import strictjson
from chainverify.formats.strictjson import malformed

ARTIFACT: Final = "application/vnd.dev.cosign.artifact.sig.v1+json"
"""The artifact type of a manifest of signatures that is a referrer."""
LAYER: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE: Final = "dev.cosignproject.cosign/signature"
"""The annotation of a layer that holds the signature of its bytes."""
TYPE: Final = "cosign container image signature"
MAX_PAYLOAD_BYTES: Final = 1 << 20


class SimpleSigning(NamedTuple):
    """What a legacy signature signs: the image's `digest`, the `reference` its signer gave it, and `optional` pairs.

    Values of `optional` that are not strings are left out: they can satisfy no annotation of a policy.
    """

    digest: str
    reference: str
    optional: tuple[tuple[str, str], ...]


def parse(payload: bytes) -> SimpleSigning:
    """The document, with exactly its critical members and cosign's type. Raises `Malformed`."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise malformed(f"payload has {len(payload)} bytes, at most {MAX_PAYLOAD_BYTES} are read")
    document = strictjson.parse_object(payload, "payload")
    strictjson.only_keys(document, ("critical", "optional"), "payload")
    critical = strictjson.as_object(document.get("critical"), "payload's critical")
    strictjson.only_keys(critical, ("identity", "image", "type"), "payload's critical")
    kind = strictjson.as_text(critical.get("type"), "payload's critical.type")
    if kind != TYPE:
        raise malformed(f"payload's critical.type is {kind[:80]!r}, expected {TYPE!r}")
    identity = strictjson.as_object(critical.get("identity"), "payload's critical.identity")
    strictjson.only_keys(identity, ("docker-reference",), "payload's critical.identity")
    image = strictjson.as_object(critical.get("image"), "payload's critical.image")
    strictjson.only_keys(image, ("docker-manifest-digest",), "payload's critical.image")
    optional = document.get("optional")
    pairs = {} if optional is None else strictjson.as_object(optional, "payload's optional")
    return SimpleSigning(
        strictjson.as_text(image.get("docker-manifest-digest"), "payload's docker-manifest-digest"),
        strictjson.as_text(identity.get("docker-reference"), "payload's docker-reference"),
        tuple((key, value) for key, value in pairs.items() if isinstance(value, str)),
    )
