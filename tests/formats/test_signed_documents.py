"""Simple-signing payloads, DSSE envelopes, in-toto statements and Sigstore bundles: the forms that are believed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import Malformed
from chainverify.formats import bundle, dsse, simplesigning
from tests.world import images

DIGEST = "sha256:" + "ab" * 32
SIGNER = images.Signer.create()
PAYLOAD = images.payload(DIGEST, "registry.example.test/app", {"env": "prod", "number": 1})
STATEMENT = images.statement(DIGEST, annotations={"env": "prod"})
BUNDLE = images.bundle(SIGNER, STATEMENT)


def changed(data: bytes, change: Callable[[Any], object]) -> bytes:
    value = json.loads(data)
    change(value)
    return json.dumps(value).encode()


def test_payload() -> None:
    found = simplesigning.parse(PAYLOAD)
    assert found == (DIGEST, "registry.example.test/app", (("env", "prod"),))
    assert simplesigning.parse(images.payload(DIGEST, "x")).optional == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: v.update(other=1), "unknown member 'other'"),
        (lambda v: v["critical"].update(other=1), "unknown member"),
        (lambda v: v["critical"].update(type="atomic container signature"), "expected 'cosign container image signature'"),
        (lambda v: v["critical"].pop("type"), "type"),
        (lambda v: v["critical"].pop("image"), "image"),
        (lambda v: v["critical"]["image"].update({"Docker-manifest-digest": DIGEST}), "unknown member"),
        (lambda v: v["critical"]["image"].update({"docker-manifest-digest": None}), "digest"),
        (lambda v: v["critical"]["identity"].pop("docker-reference"), "docker-reference"),
        (lambda v: v.update(critical=[]), "critical"),
        (lambda v: v.update(optional=[]), "optional"),
    ],
)
def test_payloads_refused(change: Callable[[Any], object], reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        simplesigning.parse(changed(PAYLOAD, change))


def test_bundle() -> None:
    found = bundle.parse(BUNDLE)
    assert found.hint == SIGNER.hint
    assert found.envelope.payload == STATEMENT
    assert dsse.parse_statement(found.envelope.payload).predicate_type == dsse.COSIGN_SIGN


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: v.update(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.1"), "mediaType"),
        (lambda v: v.update(other=1), "unknown member"),
        (lambda v: v.update(messageSignature={}), "message signature"),
        (lambda v: v.pop("dsseEnvelope"), "message signature"),
        (lambda v: v.update(verificationMaterial={}), "no key and no certificate"),
        (lambda v: v["verificationMaterial"].update(certificate={}), "exactly one"),
        (lambda v: v["verificationMaterial"].update(tlogEntries=[{}] * 33), "at most 32"),
        (lambda v: v["dsseEnvelope"].update(signatures=[]), "no signature"),
        (lambda v: v["dsseEnvelope"]["signatures"].append({"sig": ""}), "at most 1"),
        (lambda v: v["dsseEnvelope"].update(payload="!"), "base64"),
        (lambda v: v["dsseEnvelope"].update(signature="x"), "unknown member"),
    ],
)
def test_bundles_refused(change: Callable[[Any], object], reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        bundle.parse(changed(BUNDLE, change))


def test_a_certificate_bundle_is_told_apart() -> None:
    found = bundle.parse(images.bundle(SIGNER, STATEMENT, verificationMaterial={"certificate": {"rawBytes": "YQ=="}}))
    assert found.hint is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: v.update(_type="https://in-toto.io/Statement/v2"), "_type"),
        (lambda v: v.pop("predicateType"), "predicateType"),
        (lambda v: v.update(subject={}), "subject"),
        (lambda v: v.update(subject=[{}] * 1025), "at most 1024"),
        (lambda v: v["subject"][0].update(digest={str(n): "a" for n in range(33)}), "at most 32"),
        (lambda v: v["subject"][0].update(digest={"sha256": 1}), "string"),
        (lambda v: v["subject"][0].update(name=1), "name"),
    ],
)
def test_statements_refused(change: Callable[[Any], object], reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        dsse.parse_statement(changed(STATEMENT, change))


def test_pae_counts_bytes() -> None:
    """The example of the DSSE specification, and a type that has more bytes than characters."""
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert dsse.pae("é", b"\xff") == b"DSSEv1 2 \xc3\xa9 1 \xff"


@pytest.mark.parametrize(
    ("media_type", "known"),
    [
        ("application/vnd.dev.sigstore.bundle.v0.3+json", True),
        ("application/vnd.dev.sigstore.bundle+json;version=0.2", True),
        ("application/vnd.dev.sigstore.bundle.v0.3+json\n", False),
        ("application/vnd.dev.cosign.simplesigning.v1+json", False),
    ],
)
def test_bundle_types(media_type: str, known: bool) -> None:
    assert bundle.is_bundle_type(media_type) is known


@given(st.sampled_from([PAYLOAD, STATEMENT, BUNDLE]), st.integers(0, 10**4), st.binary(max_size=3))
def test_damage_raises_nothing_else(data: bytes, at: int, insert: bytes) -> None:
    at %= len(data)
    damaged = data[:at] + insert + data[at + 1 :]
    for reader in (simplesigning.parse, dsse.parse_statement, bundle.parse):
        with contextlib.suppress(Malformed):
            reader(damaged)
