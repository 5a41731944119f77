"""Sigstore bundles (protobuf-specs `sigstore_bundle.proto`) in their JSON form, as far as keyed signatures need them.

A bundle for an image has version 0.3 and a DSSE envelope. Log entries and timestamps are counted, not read: a keyed
signature does not rest on them. All errors are `Malformed` with rule `image-signature-bad`.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from chainverify.formats import dsse, strictjson
from chainverify.formats.dsse import Envelope
from chainverify.formats.strictjson import malformed

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_VERSION_0_3: Final = (MEDIA_TYPE, "application/vnd.dev.sigstore.bundle+json;version=0.3")
_ANY_VERSION: Final = re.compile(r"application/vnd\.dev\.sigstore\.bundle(\.v[0-9.]+\+json|\+json(; *version=[0-9.]+)?)")

MAX_BUNDLE_BYTES: Final = 8 << 20
MAX_ENTRIES: Final = 32
"""Log entries and timestamps per bundle (sigstore-go)."""


class Bundle(NamedTuple):
    """A bundle, not verified: `hint` is what it says of its public key ("" where nothing), None with a certificate."""

    media_type: str
    hint: str | None
    envelope: Envelope
    log_entries: int


def is_bundle_type(media_type: str) -> bool:
    """Whether `media_type` names a Sigstore bundle of any version."""
    return _ANY_VERSION.fullmatch(media_type) is not None


def parse(data: bytes) -> Bundle:
    """The bundle. Raises `Malformed` for another version, another content than DSSE, and unknown members."""
    if len(data) > MAX_BUNDLE_BYTES:
        raise malformed(f"bundle has {len(data)} bytes, at most {MAX_BUNDLE_BYTES} are read")
    found = strictjson.parse_object(data, "bundle")
    strictjson.only_keys(found, ("mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature"), "bundle")
    media_type = strictjson.as_text(found.get("mediaType"), "bundle's mediaType")
    if media_type not in _VERSION_0_3:
        raise malformed(f"bundle's mediaType is {media_type[:100]!r}, expected {MEDIA_TYPE!r}")
    if "messageSignature" in found or "dsseEnvelope" not in found:
        raise malformed("bundle has a message signature, expected a DSSE envelope alone")
    material = strictjson.as_object(found.get("verificationMaterial"), "bundle's verificationMaterial")
    return Bundle(
        media_type,
        _hint(material),
        dsse.parse_envelope(found["dsseEnvelope"]),
        len(strictjson.as_array(material.get("tlogEntries", []), "bundle's tlogEntries", MAX_ENTRIES)),
    )


def _hint(material: dict[str, strictjson.Json]) -> str | None:
    """The one of `publicKey` and `certificate` that is there (a protobuf `oneof`)."""
    what = "bundle's verificationMaterial"
    strictjson.only_keys(
        material,
        ("publicKey", "certificate", "x509CertificateChain", "tlogEntries", "timestampVerificationData"),
        what,
    )
    kinds = [kind for kind in ("publicKey", "certificate", "x509CertificateChain") if kind in material]
    if len(kinds) != 1:
        raise malformed(f"{what} has {' and '.join(kinds) or 'no key and no certificate'}, expected exactly one")
    if kinds[0] != "publicKey":
        return None
    key = strictjson.as_object(material["publicKey"], f"{what}'s publicKey")
    strictjson.only_keys(key, ("hint",), f"{what}'s publicKey")
    return strictjson.as_text(key.get("hint", ""), f"{what}'s hint")
