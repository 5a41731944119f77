"""Images of files verified together: each once, many at a time, each place reported."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from chainverify.errors import PolicyError, RegistryUnavailable
from chainverify.formats.reference import parse
from chainverify.jobs.images import check_images
from chainverify.model.images import ImageReference, ImageUse, KeyedTrust, Span
from chainverify.model.report import FAIL, PASS, SKIP, UNKNOWN, VERIFIED
from chainverify.policy.model import ImagesPolicy, TrustStanza
from tests.world.images import Signer, Store, trust

ALICE, BOB = Signer.create("alice.pub"), Signer.create("bob.pub")
HOST = "registry.example.test"


def use(text: str, line: int = 1, path: str = "deploy.yaml", role: str = "container") -> ImageUse:
    span = Span(0, len(text), line, 12)
    return ImageUse(path, span, 0, "$.spec", role, text, parse(text), "literal", "certain", excerpt=f"    image: {text}")


def stanza(match: str, *signers: Signer, **fields: Any) -> KeyedTrust:
    return trust(*signers, **fields)._replace(match=match)


def policy(*stanzas: KeyedTrust, unsigned: dict[str, str] | None = None) -> ImagesPolicy:
    keyed = [TrustStanza(each.match, tuple(key.name for key in each.keys)) for each in stanzas]
    open_ones = [TrustStanza(match, unsafe_unsigned=reason) for match, reason in (unsigned or {}).items()]
    return ImagesPolicy(trust=(*keyed, *open_ones))


@pytest.fixture
def store() -> Store:
    return Store()


def test_one_digest_at_many_places_is_verified_once(store: Store) -> None:
    repository = f"{HOST}/team/app"
    digest = store.image(repository)
    store.sign_bundle(repository, digest, ALICE)
    uses = [use(f"{repository}@{digest}", line) for line in range(1, 6)] + [use(f"{repository}:v1@{digest}", 9, "other.yaml")]
    stanzas = (stanza("**", ALICE), stanza(f"{HOST}/team/*", ALICE, BOB))
    findings, counts = check_images(uses, policy(*stanzas), stanzas, lambda reference: store)
    assert counts == {"images": 6}
    assert store.calls == ["resolve", "referrers", "manifest", "blob", "resolve"]
    assert [(found.rule, found.status) for found in findings] == [(VERIFIED, PASS)] * 6
    assert [found.location.line for found in findings if found.location] == [1, 2, 3, 4, 5, 9]
    first = findings[0]
    assert first.subject == ("image", f"{repository}@{digest}", f"{repository}@{digest}")
    assert first.location is not None
    assert first.location.excerpt is not None
    assert first.location.excerpt.text[first.location.excerpt.column - 1 :] == uses[0].raw
    assert set(first.evidence) == {"canonical", "digest", "role", "resolution", "method", "key", "candidates", "notes"}
    assert (first.evidence["method"], first.evidence["key"], first.evidence["digest"]) == ("key", "alice.pub", digest)
    json.dumps(first.evidence)


def test_all_matching_stanzas_must_pass(store: Store) -> None:
    repository = f"{HOST}/team/app"
    digest = store.image(repository)
    store.sign_bundle(repository, digest, ALICE)
    stanzas = (stanza("**", ALICE), stanza(f"{HOST}/**", BOB), stanza(f"{HOST}/team/**", ALICE, BOB, threshold=2))
    findings, _ = check_images([use(f"{repository}@{digest}")], policy(*stanzas), stanzas, lambda reference: store)
    assert [found.rule for found in findings] == ["image-signer-not-trusted", "image-threshold-not-met"]
    store.sign_bundle(repository, digest, BOB)
    findings, _ = check_images([use(f"{repository}@{digest}")], policy(*stanzas), stanzas, lambda reference: store)
    assert [(found.rule, found.status) for found in findings] == [(VERIFIED, PASS)]
    assert findings[0].evidence["key"] == "alice.pub, bob.pub"


def test_no_stanza_matches_and_nothing_is_asked(store: Store) -> None:
    def never(reference: ImageReference) -> Store:
        raise AssertionError(reference)

    stanzas = (stanza(f"{HOST}/team/*", ALICE),)
    uses = [use(f"{HOST}/team/deeper/app"), use("redis"), use(f"x{HOST}/team/app"), use(f"{HOST}/team")]
    findings, _ = check_images(uses, policy(*stanzas), stanzas, never)
    assert [(found.rule, found.status) for found in findings] == [("image-not-covered", FAIL)] * 4
    assert "docker.io/library/redis" in findings[1].message
    findings, counts = check_images([], policy(*stanzas), stanzas, never)
    assert (findings, counts) == ([], {"images": 0})


def test_unsafe_unsigned_is_said_each_time(store: Store) -> None:
    repository = f"{HOST}/team/app"
    digest = store.image(repository)
    stanzas = (stanza(f"{HOST}/team/*", ALICE),)
    rules = policy(*stanzas, unsigned={"docker.io/library/**": "mirrored and scanned", "**": "anything goes"})
    findings, _ = check_images([use("redis:7"), use(f"{repository}@{digest}")], rules, stanzas, lambda reference: store)
    first, second = findings
    assert (first.rule, first.status) == (VERIFIED, SKIP)
    assert "mirrored and scanned; anything goes" in first.message
    assert first.waived is not None
    # it does not take away what a stanza with keys asks for
    assert second.rule == "image-unsigned"


def test_unresolved_uses_are_left_to_the_manifest_rules(store: Store) -> None:
    unresolved = use("redis")._replace(reference=None, resolution="unresolved", reason="a variable")
    assert check_images([unresolved], policy(), (), lambda reference: store) == ([], {"images": 0})


def test_a_tag_is_resolved_once_and_said_to_move(store: Store) -> None:
    repository = f"{HOST}/team/app"
    digest = store.image(repository)
    store.sign_legacy(repository, digest, ALICE)
    stanzas = (stanza("**", ALICE), stanza(f"{HOST}/**", ALICE))
    findings, _ = check_images([use(f"{repository}:v1")] * 2, policy(*stanzas), stanzas, lambda reference: store)
    assert [found.status for found in findings] == [PASS, PASS]
    assert store.calls.count("resolve") == 1
    assert digest in findings[0].message
    assert any("can move" in note for note in findings[0].evidence["notes"])  # type: ignore[attr-defined]


def test_unavailable_is_unknown_and_told_once_for_each_place() -> None:
    def down(reference: ImageReference) -> Store:
        raise RegistryUnavailable(f"{reference.domain} answered 503", hint="try again later")

    stanzas = (stanza("**", ALICE), stanza(f"{HOST}/**", BOB))
    findings, _ = check_images([use(f"{HOST}/a", 1), use(f"{HOST}/a", 2)], policy(*stanzas), stanzas, down)
    assert [(found.rule, found.status, found.hint) for found in findings] == [
        ("image-unavailable", UNKNOWN, "try again later")
    ] * 2


def test_keys_are_read_before_anything_is_asked(store: Store) -> None:
    bad = stanza("never/matches", ALICE)
    bad = bad._replace(keys=(bad.keys[0]._replace(pem=b"no key"),))
    with pytest.raises(PolicyError, match=r"alice\.pub"):
        check_images([], policy(bad), (bad,), lambda reference: store)


def test_images_are_verified_at_the_same_time() -> None:
    """Four images meet at a barrier: only parallel ones get past it."""
    barrier = threading.Barrier(4, timeout=20)
    stores: dict[str, Store] = {}

    class Meeting(Store):
        def referrers(self, repository: str, digest: str) -> Any:
            barrier.wait()
            return super().referrers(repository, digest)

    uses = []
    for number in range(4):
        repository = f"{HOST}/team/app{number}"
        stores[repository] = Meeting()
        digest = stores[repository].image(repository)
        if number != 2:
            stores[repository].sign_bundle(repository, digest, ALICE)
        uses.append(use(f"{repository}@{digest}", number))
    stanzas = (stanza("**", ALICE),)
    seen: list[tuple[int, int]] = []
    findings, _ = check_images(
        uses, policy(*stanzas), stanzas, lambda reference: stores[reference.repository], 4, progress=lambda *at: seen.append(at)
    )
    assert [found.rule for found in findings] == [VERIFIED, VERIFIED, "image-unsigned", VERIFIED]
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_minted_images_one_by_one() -> None:
    """What the real cosign signed, through the whole job, under one policy."""
    minted = json.loads((Path(__file__).parent.parent.parent / "testdata" / "images" / "cosign.json").read_text())
    store = Store()
    uses = []
    for name, case in minted["cases"].items():
        repository = f"{minted['host']}/{name}"
        store.tags.update({(repository, tag): digest for tag, digest in case["tags"].items()})
        store.listed[case["digest"]] = case["listed"]
        uses.append(use(f"{repository}@{case['digest']}"))
    store.content = {digest: text.encode() for digest, text in minted["content"].items()}
    store.types = dict.fromkeys(store.content, "application/vnd.oci.image.manifest.v1+json")
    keys = tuple(ALICE.key._replace(name=name, pem=pem.encode()) for name, pem in minted["keys"].items() if name != "other")
    stanzas = (KeyedTrust(f"{minted['host']}/**", keys),)
    findings, _ = check_images(uses, policy(*stanzas), stanzas, lambda reference: store)
    verdicts = {found.subject.id.split("/", 1)[1].split("@")[0]: found.rule for found in findings}
    assert verdicts.pop("attestation") == "image-unsigned"
    assert set(verdicts.values()) == {VERIFIED}
    assert len(verdicts) == 11
