"""Verdicts on images: what cosign signed passes, whatever was done to it fails with the reason that is true of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainverify.errors import BackendCrashed, ImageError, PolicyError, RegistryUnavailable, Unavailable
from chainverify.formats import dsse, oci
from chainverify.formats.reference import parse
from chainverify.images import bundle as bundles
from chainverify.images import candidates, legacy
from chainverify.images.verify import verify
from chainverify.model.images import ImageEvidence, ImageKey, KeyedTrust
from tests.world.images import SIMPLE, Signer, Store, bundle, payload, statement, trust

MINTED = json.loads((Path(__file__).parent.parent.parent / "testdata" / "images" / "cosign.json").read_text())
REPO = "registry.example.test/team/app"
ALICE, BOB, EVE = Signer.create("alice.pub"), Signer.create("bob.pub"), Signer.create("eve.pub")
HINT_OF = {signer.name: signer.hint for signer in (ALICE, BOB, EVE)}


def refusal(store: Store, reference: str, stanza: KeyedTrust) -> ImageError:
    with pytest.raises(ImageError) as caught:
        verify(store, parse(reference), stanza)
    assert caught.value.status == "fail"
    return caught.value


def steps(error: ImageError) -> set[str]:
    return {candidate["step"] for candidate in error.candidates}


# --- what the real cosign signed


def minted(name: str) -> tuple[Store, str]:
    """A store with one minted case, and the reference of its image."""
    store, case = Store(), MINTED["cases"][name]
    for digest, text in MINTED["content"].items():
        assert oci.matches(text.encode(), digest)
        store.content[digest] = text.encode()
        store.types[digest] = oci.MANIFEST
    repository = f"{MINTED['host']}/{name}"
    store.tags = {(repository, tag): digest for tag, digest in case["tags"].items()}
    store.listed = {case["digest"]: case["listed"]}
    return store, f"{repository}@{case['digest']}"


def minted_trust(*names: str, **fields: Any) -> KeyedTrust:
    keys = tuple(ImageKey(name, MINTED["keys"][name].encode(), "images.trust[0].keys[0]") for name in names)
    return KeyedTrust("**", keys, **fields)


@pytest.mark.parametrize("form", ["bundle", "legacy"])
@pytest.mark.parametrize("key", ["p256", "p384", "p521", "rsa2048", "ed25519"])
def test_minted(form: Any, key: str) -> None:
    store, reference = minted(f"{form}/{key}")
    proof = verify(store, parse(reference), minted_trust("other", key, annotations=(("env", "prod"), ("team", "a"))))
    assert (proof.method, proof.keys, proof.digest) == ("key", (key,), reference.partition("@")[2])
    assert [candidate.ok for candidate in proof.candidates] == [True]
    assert (bundles.NO_NAME in proof.notes) is (form == "bundle")

    assert refusal(store, reference, minted_trust("other")).rule == "image-signer-not-trusted"
    error = refusal(store, reference, minted_trust(key, annotations=(("env", "test"),)))
    assert (error.rule, steps(error)) == ("image-signature-bad", {"annotations"})
    assert error.candidates[0]["got"] == "env=prod"
    error = refusal(store, reference, minted_trust(key, annotations=(("stage", "x"),)))
    assert error.candidates[0]["got"] == "no annotation stage"
    other: Any = "legacy" if form == "bundle" else "bundle"
    assert refusal(store, reference, minted_trust(key, formats=(other,))).rule == "image-unsigned"
    error = refusal(store, reference, minted_trust(key, "other", threshold=2))
    assert error.rule == "image-threshold-not-met"
    assert "1 of the keys" in error.message


def test_minted_attestation() -> None:
    store, reference = minted("attestation")
    error = refusal(store, reference, minted_trust("p256"))
    assert (error.rule, steps(error)) == ("image-unsigned", {"predicate"})
    assert "scan-FAILED" in error.candidates[0]["got"]


def test_minted_both_formats() -> None:
    store, reference = minted("both")
    assert verify(store, parse(reference), minted_trust("p256")).keys == ("p256",)
    assert verify(store, parse(reference), minted_trust("other")).keys == ("other",)
    assert set(verify(store, parse(reference), minted_trust("p256", "other", threshold=2)).keys) == {"p256", "other"}


# --- mutations: an attacker who can write to the registry rehashes what he changed


def test_no_changed_byte_of_a_payload_or_legacy_signature_passes() -> None:
    store = Store()
    digest = store.image(REPO)
    body = payload(digest, REPO, {"env": "prod"})
    made = base64.b64encode(ALICE.sign(body))

    def judged(document: bytes, signature: bytes) -> str:
        store.legacy(REPO, digest, (document, signature.decode("latin-1")))
        return refusal(store, f"{REPO}@{digest}", trust(ALICE)).rule

    for at in range(len(body)):
        for flip in (0x01, 0x20):
            changed = body[:at] + bytes([body[at] ^ flip]) + body[at + 1 :]
            assert judged(changed, made) == "image-signer-not-trusted"
    for at in range(len(made)):
        for flip in (0x01, 0x04):
            changed = made[:at] + bytes([made[at] ^ flip]) + made[at + 1 :]
            assert judged(body, changed) in ("image-signer-not-trusted", "image-signature-bad")


def test_no_changed_byte_of_a_bundle_passes() -> None:
    """Only the hint may change: it is told, never believed."""
    digest = "sha256:" + "ab" * 32
    document = bundle(ALICE, statement(digest))
    hint = range(document.index(ALICE.hint.encode()), document.index(ALICE.hint.encode()) + len(ALICE.hint))
    store = Store()
    passed = set()
    for at in range(len(document)):
        for flip in (0x01, 0x20):
            store.listed.clear()
            store.attach(REPO, digest, document[:at] + bytes([document[at] ^ flip]) + document[at + 1 :])
            try:
                verify(store, parse(f"{REPO}@{digest}"), trust(ALICE))
            except ImageError:
                continue
            passed.add(at)
    assert passed <= set(hint)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_bundle_that_passes_signs_this_digest(data: st.DataObject) -> None:
    """Whatever bytes are spliced in: proof exists only for a statement that Alice signed about this digest."""
    digest = "sha256:" + "ab" * 32
    document = bundle(ALICE, statement(digest))
    # signatures differ in length from run to run, what is drawn must not depend on it
    start = data.draw(st.integers(0, 4000)) % len(document)
    end = start + data.draw(st.integers(0, 40))
    changed = document[:start] + data.draw(st.binary(max_size=40)) + document[end:]
    store = Store()
    store.attach(REPO, digest, changed)
    try:
        verify(store, parse(f"{REPO}@{digest}"), trust(ALICE))
    except ImageError:
        return
    assert json.loads(changed)["dsseEnvelope"] == json.loads(document)["dsseEnvelope"]


# --- what a stranger, or a careless signer, may put there


def signed_for_another_image(store: Store, digest: str) -> None:
    other = store.image(REPO, "other", "v2")
    body = payload(other, REPO)
    store.legacy(REPO, digest, (body, ALICE.sign(body)))


def bundle_of_another_image(store: Store, digest: str) -> None:
    store.attach(REPO, digest, bundle(ALICE, statement(store.image(REPO, "other", "v2"))))


def attestation_by_a_trusted_key(store: Store, digest: str) -> None:
    store.attach(REPO, digest, bundle(ALICE, statement(digest, "https://slsa.dev/provenance/v1")))


def predicate_that_only_looks_alike(store: Store, digest: str) -> None:
    store.attach(REPO, digest, bundle(ALICE, statement(digest, dsse.COSIGN_SIGN + "/")))


def annotated_as_a_signature(store: Store, digest: str) -> None:
    document = bundle(ALICE, statement(digest, "https://slsa.dev/provenance/v1"))
    store.attach(REPO, digest, document, annotations={bundles.PREDICATE: dsse.COSIGN_SIGN})


def other_key(store: Store, digest: str) -> None:
    store.sign_bundle(REPO, digest, EVE)


def other_key_with_our_hint(store: Store, digest: str) -> None:
    material = {"publicKey": {"hint": ALICE.hint}}
    store.attach(REPO, digest, bundle(EVE, statement(digest), verificationMaterial=material))


def keyless(store: Store, digest: str) -> None:
    material = {"certificate": {"rawBytes": "MAA="}}
    store.attach(REPO, digest, bundle(ALICE, statement(digest), verificationMaterial=material))


def signed_without_pae(store: Store, digest: str) -> None:
    body = statement(digest)
    store.attach(REPO, digest, bundle(ALICE, body, signature=ALICE.sign(body)))


def other_payload_type(store: Store, digest: str) -> None:
    body = statement(digest)
    envelope = {
        "payload": base64.b64encode(body).decode(),
        "payloadType": "application/json",
        "signatures": [{"sig": base64.b64encode(ALICE.sign(dsse.pae("application/json", body))).decode()}],
    }
    store.attach(REPO, digest, bundle(ALICE, body, dsseEnvelope=envelope))


def simple_signing_as_a_bundle(store: Store, digest: str) -> None:
    body = payload(digest, REPO)
    store.attach(REPO, digest, bundle(ALICE, body))


def a_statement_as_a_payload(store: Store, digest: str) -> None:
    body = statement(digest)
    store.legacy(REPO, digest, (body, ALICE.sign(body)))


def digest_under_another_algorithm(store: Store, digest: str) -> None:
    store.attach(REPO, digest, bundle(ALICE, statement("sha512:" + digest.removeprefix("sha256:"))))


def digest_in_upper_case(store: Store, digest: str) -> None:
    store.attach(REPO, digest, bundle(ALICE, statement("sha256:" + digest.removeprefix("sha256:").upper())))


def no_subject(store: Store, digest: str) -> None:
    body = json.dumps({**json.loads(statement(digest)), "subject": []}).encode()
    store.attach(REPO, digest, bundle(ALICE, body))


def signed_elsewhere(store: Store, digest: str) -> None:
    body = payload(digest, "registry.example.test/test/app")
    store.legacy(REPO, digest, (body, ALICE.sign(body)))


def no_reference(store: Store, digest: str) -> None:
    body = payload(digest, "")
    store.legacy(REPO, digest, (body, ALICE.sign(body)))


def named_elsewhere(store: Store, digest: str) -> None:
    store.sign_bundle(REPO, digest, ALICE, name="registry.example.test/test/app")


def gpg_type(store: Store, digest: str) -> None:
    body = payload(digest, REPO, type="atomic container signature")
    store.legacy(REPO, digest, (body, ALICE.sign(body)))


def duplicate_digest_key(store: Store, digest: str) -> None:
    body = payload(digest, REPO).replace(b'{"docker-manifest-digest"', b'{"docker-manifest-digest":"x","docker-manifest-digest"')
    store.legacy(REPO, digest, (body, ALICE.sign(body)))


def no_signature_annotation(store: Store, digest: str) -> None:
    layer = store.put(payload(digest, REPO), SIMPLE)
    value = {"schemaVersion": 2, "mediaType": oci.MANIFEST, "layers": [layer]}
    store.put_manifest(REPO, value, oci.fallback_tag(digest, ".sig"))


def rubbish_signature(store: Store, digest: str) -> None:
    store.legacy(REPO, digest, (payload(digest, REPO), b"rubbish"))


def an_image_under_the_signature_tag(store: Store, digest: str) -> None:
    store.tags[REPO, oci.fallback_tag(digest, ".sig")] = store.image(REPO, "other", "v2")


def an_index_under_the_signature_tag(store: Store, digest: str) -> None:
    value = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": []}
    store.put_manifest(REPO, value, oci.fallback_tag(digest, ".sig"), oci.INDEX)


def deep_bundle(store: Store, digest: str) -> None:
    store.attach(REPO, digest, b'{"a":' * 100_000)


def two_bundles_in_one(store: Store, digest: str) -> None:
    layer = store.put(bundle(ALICE, statement(digest)), "application/vnd.dev.sigstore.bundle.v0.3+json")
    store.attach(REPO, digest, b"", layers=[layer, layer])


def huge_by_its_descriptor(store: Store, digest: str) -> None:
    layer = store.put(bundle(ALICE, statement(digest)), "application/vnd.dev.sigstore.bundle.v0.3+json")
    store.attach(REPO, digest, b"", layers=[{**layer, "size": 9 << 20}])


def an_sbom(store: Store, digest: str) -> None:
    store.attach(REPO, digest, b"{}", "application/spdx+json", artifactType="")


def nothing(store: Store, digest: str) -> None:
    """An image that nobody signed."""


@pytest.mark.parametrize(
    ("build", "rule", "step"),
    [
        (nothing, "image-unsigned", None),
        (an_sbom, "image-unsigned", "type"),
        (attestation_by_a_trusted_key, "image-unsigned", "predicate"),
        (predicate_that_only_looks_alike, "image-unsigned", "predicate"),
        (annotated_as_a_signature, "image-unsigned", "predicate"),
        (signed_for_another_image, "image-digest-mismatch", "digest"),
        (bundle_of_another_image, "image-digest-mismatch", "digest"),
        (digest_under_another_algorithm, "image-digest-mismatch", "digest"),
        (digest_in_upper_case, "image-digest-mismatch", "digest"),
        (no_subject, "image-digest-mismatch", "digest"),
        (other_key, "image-signer-not-trusted", "signer"),
        (keyless, "image-signer-not-trusted", "signer"),
        (other_key_with_our_hint, "image-signature-bad", "signature"),
        (signed_without_pae, "image-signature-bad", "signature"),
        (other_payload_type, "image-signature-bad", "form"),
        (simple_signing_as_a_bundle, "image-signature-bad", "form"),
        (a_statement_as_a_payload, "image-signature-bad", "form"),
        (gpg_type, "image-signature-bad", "form"),
        (duplicate_digest_key, "image-signature-bad", "form"),
        (no_signature_annotation, "image-signature-bad", "form"),
        (rubbish_signature, "image-signature-bad", "form"),
        (an_image_under_the_signature_tag, "image-signature-bad", "form"),
        (an_index_under_the_signature_tag, "image-signature-bad", "form"),
        (deep_bundle, "image-signature-bad", "form"),
        (two_bundles_in_one, "image-signature-bad", "form"),
        (huge_by_its_descriptor, "image-signature-bad", "form"),
        (signed_elsewhere, "image-reference-mismatch", "reference"),
        (no_reference, "image-reference-mismatch", "reference"),
        (named_elsewhere, "image-reference-mismatch", "reference"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_refused(build: Callable[[Store, str], None], rule: str, step: str | None) -> None:
    store = Store()
    digest = store.image(REPO)
    build(store, digest)
    error = refusal(store, f"{REPO}:v1@{digest}", trust(ALICE, BOB))
    assert error.rule == rule
    assert error.evidence["digest"] == digest
    assert (error.candidates[0]["step"] if error.candidates else None) == step
    # and none of it hides a signature that is good, in either format
    store.sign_legacy(REPO, digest, BOB, referrer=True)
    assert verify(store, parse(f"{REPO}@{digest}"), trust(ALICE, BOB)).keys == ("bob.pub",)
    store.sign_bundle(REPO, digest, ALICE)
    assert set(verify(store, parse(f"{REPO}@{digest}"), trust(ALICE, BOB, threshold=2)).keys) == {"alice.pub", "bob.pub"}


# --- the reference


@pytest.mark.parametrize(
    ("signed", "used", "mode", "good"),
    [
        (REPO, f"{REPO}:v1", "repository", True),
        (f"{REPO}:v0", f"{REPO}:v1", "repository", True),
        (f"{REPO}x", f"{REPO}:v1", "repository", False),
        ("other.example.test/team/app", f"{REPO}:v1", "repository", False),
        ("other.example.test/team/app", f"{REPO}:v1", "off", True),
        ("", f"{REPO}:v1", "off", True),
        (REPO, f"{REPO}:v1", "exact", False),
        (f"{REPO}:v1", f"{REPO}:v1", "exact", True),
        (f"{REPO}:v0", f"{REPO}:v1", "exact", False),
        (f"{REPO}:v1", f"{REPO}:v1@DIGEST", "exact", True),
        (f"{REPO}:v1", f"{REPO}@DIGEST", "exact", False),
        (f"{REPO}@DIGEST", f"{REPO}@DIGEST", "exact", True),
        ("index.docker.io/library/app", "app:v1", "repository", True),
        ("docker.io/other/app", "app:v1", "repository", False),
        ("UPPER CASE", f"{REPO}:v1", "repository", False),
    ],
)
@pytest.mark.parametrize("form", ["bundle", "legacy"])
def test_reference(signed: str, used: str, mode: Any, good: bool, form: str) -> None:
    store = Store()
    repository = parse(used.partition("@")[0]).repository
    digest = store.image(repository)
    signed, used = signed.replace("DIGEST", digest), used.replace("DIGEST", digest)
    if form == "legacy":
        body = payload(digest, signed)
        store.legacy(repository, digest, (body, ALICE.sign(body)))
    elif signed:
        store.sign_bundle(repository, digest, ALICE, name=signed)
    else:
        store.sign_bundle(repository, digest, ALICE)
    if good:
        proof = verify(store, parse(used), trust(ALICE, reference=mode))
        assert ((legacy.NOT_COMPARED in proof.notes) or (bundles.NO_NAME in proof.notes)) is (mode == "off")
    else:
        assert refusal(store, used, trust(ALICE, reference=mode)).rule == "image-reference-mismatch"


@pytest.mark.parametrize(("mode", "good"), [("off", True), ("repository", True), ("exact", False)])
def test_a_bundle_without_a_name(mode: Any, good: bool) -> None:
    """What cosign writes: nothing binds the repository, which is said, and not enough for `exact`."""
    store = Store()
    digest = store.image(REPO)
    store.sign_bundle(REPO, digest, ALICE)
    if good:
        assert bundles.NO_NAME in verify(store, parse(f"{REPO}:v1"), trust(ALICE, reference=mode)).notes
    else:
        assert refusal(store, f"{REPO}:v1", trust(ALICE, reference=mode)).rule == "image-reference-mismatch"


# --- thresholds, annotations, budgets, what could not be had


def test_a_threshold_counts_keys_not_signatures() -> None:
    store = Store()
    digest = store.image(REPO)
    store.sign_legacy(REPO, digest, ALICE, ALICE, ALICE)
    store.sign_bundle(REPO, digest, ALICE)
    error = refusal(store, f"{REPO}@{digest}", trust(ALICE, BOB, threshold=2))
    assert error.rule == "image-threshold-not-met"
    assert len(error.candidates) == 4


@pytest.mark.parametrize("threshold", [0, -1, 3])
def test_a_threshold_that_cannot_be(threshold: int) -> None:
    with pytest.raises(PolicyError, match="asks for"):
        verify(Store(), parse(REPO), trust(ALICE, BOB, threshold=threshold))
    with pytest.raises(PolicyError):
        verify(Store(), parse(REPO), trust(threshold=threshold))


def test_annotations_are_strings_of_the_subject_that_counts() -> None:
    store = Store()
    digest = store.image(REPO)
    document = json.loads(statement(digest))
    document["subject"] = [
        {"digest": {"sha256": "00" * 32}, "annotations": {"env": "prod"}},
        {"digest": {"sha256": digest.removeprefix("sha256:")}, "annotations": {"env": True, "n": 1}},
    ]
    store.attach(REPO, digest, bundle(ALICE, json.dumps(document).encode()))
    wanted = trust(ALICE, annotations=(("env", "prod"),))
    assert steps(refusal(store, f"{REPO}@{digest}", wanted)) == {"annotations"}
    assert verify(store, parse(f"{REPO}@{digest}"), trust(ALICE)).keys == ("alice.pub",)


@pytest.mark.parametrize("method", ["referrers", "tagged", "blob", "manifest"])
def test_what_could_not_be_had_is_unknown(method: str) -> None:
    store = Store()
    digest = store.image(REPO)
    store.sign_bundle(REPO, digest, EVE)
    store.sign_legacy(REPO, digest, EVE)
    store.failing[method] = RegistryUnavailable("registry answered 503")
    with pytest.raises(Unavailable) as caught:
        verify(store, parse(f"{REPO}@{digest}"), trust(ALICE))
    assert (caught.value.rule, caught.value.status) == ("image-unavailable", "unknown")
    assert "unavailable" in str(caught.value.evidence["candidates"])


def test_what_could_not_be_had_does_not_matter_beside_a_good_one() -> None:
    store = Store()
    digest = store.image(REPO)
    store.sign_legacy(REPO, digest, ALICE)
    store.failing["referrers"] = RegistryUnavailable("registry answered 503")
    proof = verify(store, parse(f"{REPO}@{digest}"), trust(ALICE))
    assert [candidate.step for candidate in proof.candidates] == ["unavailable", "verified"]
    with pytest.raises(RegistryUnavailable):  # but it may have been the second key's
        verify(store, parse(f"{REPO}@{digest}"), trust(ALICE, BOB, threshold=2))


def test_a_listed_candidate_that_is_gone_is_unknown() -> None:
    store = Store()
    digest = store.image(REPO)
    del store.content[store.sign_bundle(REPO, digest, ALICE)]
    with pytest.raises(RegistryUnavailable, match="does not have"):
        verify(store, parse(f"{REPO}@{digest}"), trust(ALICE))


def test_bytes_with_another_digest() -> None:
    store = Store()
    digest = store.image(REPO)
    store.failing["referrers"] = ImageError("other bytes", rule="image-digest-mismatch")
    with pytest.raises(ImageError) as caught:
        verify(store, parse(f"{REPO}@{digest}"), trust(ALICE))
    assert caught.value.rule == "image-digest-mismatch"


@pytest.mark.parametrize("form", ["referrers", "layers"])
def test_too_many_candidates(form: str) -> None:
    store = Store()
    digest = store.image(REPO)
    if form == "referrers":
        for number in range(candidates.MAX_REFERRERS + 1):
            store.attach(REPO, digest, bundle(EVE, statement(digest, name=f"{REPO}:{number}")))
    else:
        body = payload(digest, REPO)
        store.legacy(REPO, digest, *[(body, EVE.sign(body))] * (candidates.MAX_SIGNATURES + 1))
    with pytest.raises(Unavailable, match=r"\b(201|101)\b") as caught:
        verify(store, parse(f"{REPO}@{digest}"), trust(ALICE))
    assert caught.value.rule == "image-unavailable"
    store.sign_legacy(REPO, digest, ALICE, referrer=True)
    assert verify(store, parse(f"{REPO}@{digest}"), trust(ALICE)).keys == ("alice.pub",)


def test_too_many_candidates_together() -> None:
    store = Store()
    digest = store.image(REPO)
    for number in range(5):
        body = payload(digest, REPO, {"number": str(number)})
        store.legacy(REPO, digest, *[(body, EVE.sign(body))] * candidates.MAX_SIGNATURES, referrer=True)
    with pytest.raises(Unavailable, match="more than 400 candidates"):
        verify(store, parse(f"{REPO}@{digest}"), trust(ALICE))
    store.sign_bundle(REPO, digest, ALICE)
    assert verify(store, parse(f"{REPO}@{digest}"), trust(ALICE)).keys == ("alice.pub",)


def test_too_many_bytes() -> None:
    store = Store()
    digest = store.image(REPO)
    for number in range(6):
        store.attach(REPO, digest, bundle(EVE, statement(digest, name="x" * (5 << 20) + str(number))))
    with pytest.raises(Unavailable, match="bytes together"):
        verify(store, parse(f"{REPO}@{digest}"), trust(ALICE))
    store.sign_legacy(REPO, digest, ALICE)
    assert verify(store, parse(f"{REPO}@{digest}"), trust(ALICE)).keys == ("alice.pub",)


def test_likely_signatures_are_tried_first() -> None:
    store = Store()
    digest = store.image(REPO)
    for number in range(20):
        document = bundle(ALICE, statement(digest, f"https://example.org/{number}"))
        store.attach(REPO, digest, document, annotations={bundles.PREDICATE: f"https://example.org/{number}"})
    store.attach(REPO, digest, bundle(ALICE, statement(digest)), annotations={bundles.PREDICATE: dsse.COSIGN_SIGN})
    for entry in store.listed[digest]:
        entry["annotations"] = json.loads(store.content[entry["digest"]])["annotations"]
    proof: ImageEvidence = verify(store, parse(f"{REPO}@{digest}"), trust(ALICE))
    assert len(proof.candidates) == 1


def test_a_defect_is_no_verdict() -> None:
    store = Store()
    digest = store.image(REPO)
    store.failing["referrers"] = KeyError("oops")
    with pytest.raises(BackendCrashed) as caught:
        verify(store, parse(f"{REPO}@{digest}"), trust(ALICE))
    assert caught.value.status == "unknown"
