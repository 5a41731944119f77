"""OCI manifests, indexes and digests."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from chainverify.errors import Malformed
from chainverify.formats import oci

HEX = hashlib.sha256(b"x").hexdigest()
ENTRY = {"mediaType": "application/x", "digest": f"sha256:{HEX}", "size": 1}
MANIFEST = {"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": ENTRY, "layers": [ENTRY]}
INDEX = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [ENTRY]}


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (f"sha256:{HEX}", True),
        (f"sha512:{HEX}{HEX}", True),
        (f"sha512:{HEX}", False),
        (f"sha256:{HEX.upper()}", False),
        (f"sha256:{HEX}\n", False),
        (f"sha256:{HEX[:-1]}", False),
        (f"sha1:{HEX[:40]}", False),
        ("sha256:../../../etc/passwd", False),
        ("", False),
    ],
)
def test_digests(text: str, good: bool) -> None:
    assert oci.is_digest(text) is good
    assert not oci.matches(b"y", text)


def test_matches() -> None:
    assert oci.matches(b"x", f"sha256:{HEX}")
    assert oci.matches(b"x", oci.digest_of(b"x", "sha512"))


def test_manifest() -> None:
    found = oci.parse_manifest(json.dumps({**MANIFEST, "subject": ENTRY, "annotations": {"a": "b"}}).encode())
    assert found.layers[0].digest == f"sha256:{HEX}"
    assert found.subject == found.layers[0]
    assert found.annotations == (("a", "b"),)
    assert found.artifact_type == "application/x"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"manifests": []}, "list of manifests"),
        ({"mediaType": oci.INDEX}, "expected an image manifest"),
        ({"mediaType": 1}, "expected a string"),
        ({"schemaVersion": 1}, "schemaVersion"),
        ({"schemaVersion": True}, "schemaVersion"),
        ({"schemaVersion": "2"}, "schemaVersion"),
        ({"layers": None}, "layers"),
        ({"layers": {}}, "layers"),
        ({"layers": [ENTRY] * 1001}, "at most 1000"),
        ({"layers": [{**ENTRY, "size": -1}]}, "size"),
        ({"layers": [{**ENTRY, "size": True}]}, "size"),
        ({"layers": [{**ENTRY, "size": 1.0}]}, "size"),
        ({"layers": [{**ENTRY, "digest": "sha256:" + "A" * 64}]}, "digest"),
        ({"layers": [{**ENTRY, "annotations": {"a": 1}}]}, "string"),
        ({"layers": [[]]}, "object"),
        ({"subject": "x"}, "subject"),
        ({"config": []}, "config"),
    ],
    ids=str,
)
def test_manifests_refused(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        oci.parse_manifest(json.dumps({**MANIFEST, **changed}).encode())


@pytest.mark.parametrize("changed", [{"layers": []}, {"config": ENTRY}, {"mediaType": oci.MANIFEST}, {"manifests": {}}], ids=str)
def test_indexes_refused(changed: dict[str, Any]) -> None:
    assert oci.parse_index(json.dumps(INDEX).encode())
    with pytest.raises(Malformed):
        oci.parse_index(json.dumps({**INDEX, **changed}).encode())


def test_size_is_bounded() -> None:
    with pytest.raises(Malformed, match="at most"):
        oci.parse_manifest(json.dumps(MANIFEST).encode() + b" " * oci.MAX_MANIFEST_BYTES)


def test_fallback_tag() -> None:
    assert oci.fallback_tag(f"sha256:{HEX}", ".sig") == f"sha256-{HEX}.sig"
    assert oci.fallback_tag(f"sha512:{HEX}{HEX}") == f"sha512-{HEX}"
