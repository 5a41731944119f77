"""End to end: the real cosign signs against real registries, chainverify verifies over HTTP and from disk.

Requests are counted: a registry limits their rate, and every one of them is a round trip.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from chainverify.errors import ImageError
from chainverify.formats import oci
from chainverify.formats.reference import parse
from chainverify.images.verify import verify
from chainverify.model.images import ImageEvidence, ImageKey, KeyedTrust
from chainverify.registry.client import RegistryClient
from chainverify.registry.layout import Layout
from tests.world.cosign import Cosign
from tests.world.registry import docker_registry, go_registry, push_image

pytestmark = pytest.mark.tool("cosign")

REGISTRIES = [
    pytest.param("docker", marks=pytest.mark.tool("docker-registry")),
    pytest.param("go", marks=pytest.mark.tool("ocireg")),
]


@pytest.fixture(scope="module")
def cosign(tmp_path_factory: pytest.TempPathFactory) -> Cosign:
    made = Cosign.create(tmp_path_factory.mktemp("cosign"))
    for name in ("team", "other"):
        made.generate(name)
    for name, private in {
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "p521": ec.generate_private_key(ec.SECP521R1()),
        "rsa": rsa.generate_private_key(65537, 2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
    }.items():
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        made.take(name, pem)
    return made


@pytest.fixture(scope="module", params=REGISTRIES)
def domain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = docker_registry(tmp_path_factory.mktemp("registry")) if request.param == "docker" else go_registry()
    with server as running:
        yield running


@pytest.fixture(scope="module")
def without_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def trust(cosign: Cosign, *names: str, **fields: Any) -> KeyedTrust:
    keys = tuple(
        ImageKey(f"{name}.pub", (cosign.home / f"{name}.pub").read_bytes(), "images.trust[0].keys", "policy.toml", 3)
        for name in names
    )
    return KeyedTrust("**", keys, **fields)


def checked(image: str, stanza: KeyedTrust) -> tuple[ImageEvidence | ImageError, int]:
    """What is found out about an image, and the requests it took."""
    with RegistryClient() as client:
        try:
            return verify(client, parse(image), stanza), client.requests
        except ImageError as error:
            return error, client.requests


@pytest.mark.tool("docker-registry")
@pytest.mark.parametrize("legacy", [False, True], ids=["bundle", "legacy"])
@pytest.mark.parametrize("key", ["p384", "p521", "rsa", "ed25519"])
def test_every_kind_of_key(without_api: str, cosign: Cosign, key: str, legacy: bool) -> None:
    """P-384, P-521 and Ed25519: cosign 3.1.3 signs with them and cannot verify what it signed."""
    signed_and_verified(without_api, cosign, key, legacy)


@pytest.mark.parametrize("legacy", [False, True], ids=["bundle", "legacy"])
def test_signed_and_verified(domain: str, cosign: Cosign, legacy: bool) -> None:
    signed_and_verified(domain, cosign, "team", legacy)


def signed_and_verified(domain: str, cosign: Cosign, key: str, legacy: bool) -> None:
    repository = f"{domain}/team/{key}-{legacy}".lower()
    digest = push_image(domain, repository.partition("/")[2])
    image = f"{repository}@{digest}"
    refused, _ = checked(image, trust(cosign, key))
    assert isinstance(refused, ImageError)
    assert refused.rule == "image-unsigned"
    cosign.sign(key, image, legacy=legacy, own=key != "ed25519", env="prod")

    proof, requests = checked(image, trust(cosign, key, annotations=(("env", "prod"),)))
    assert isinstance(proof, ImageEvidence), proof
    assert proof.keys == (f"{key}.pub",)
    assert proof.digest == digest
    # referrers, fallback tag, then manifest and bundle, or the .sig tag and its payload
    assert requests == 4
    assert cosign.verifies(key, image) is (key in ("team", "rsa")), "cosign differs from what is known of 3.1.3"

    refused, _ = checked(image, trust(cosign, "other"))
    assert isinstance(refused, ImageError)
    assert refused.rule == "image-signer-not-trusted"
    refused, _ = checked(image, trust(cosign, key, annotations=(("env", "test"),)))
    assert isinstance(refused, ImageError)
    assert (refused.rule, refused.candidates[0]["step"]) == ("image-signature-bad", "annotations")


def test_legacy_only_asks_less(domain: str, cosign: Cosign) -> None:
    digest = push_image(domain, "team/lean")
    image = f"{domain}/team/lean@{digest}"
    cosign.sign("team", image, legacy=True)
    proof, requests = checked(image, trust(cosign, "team", formats=("legacy",)))
    assert isinstance(proof, ImageEvidence)
    assert requests == 2
    by_tag, requests = checked(f"{domain}/team/lean:v1", trust(cosign, "team", formats=("legacy",)))
    assert isinstance(by_tag, ImageEvidence)
    assert by_tag.digest == digest
    assert any("can move" in note for note in by_tag.notes)
    assert requests == 3


@pytest.mark.tool("docker-registry")
@pytest.mark.parametrize("legacy", [False, True], ids=["bundle", "legacy"])
def test_threshold_needs_two_keys(without_api: str, cosign: Cosign, legacy: bool) -> None:
    domain = without_api
    repository = f"{domain}/team/threshold-{legacy}".lower()
    image = f"{repository}@{push_image(domain, repository.partition('/')[2])}"
    for environment in ("a", "b"):  # two signatures by one key
        cosign.sign("team", image, legacy=legacy, env=environment)
    refused, _ = checked(image, trust(cosign, "team", "other", threshold=2))
    assert isinstance(refused, ImageError)
    assert refused.rule == "image-threshold-not-met"
    cosign.sign("other", image, legacy=legacy)
    proof, _ = checked(image, trust(cosign, "team", "other", threshold=2))
    assert isinstance(proof, ImageEvidence)
    assert set(proof.keys) == {"team.pub", "other.pub"}


def test_threshold_over_both_formats(domain: str, cosign: Cosign) -> None:
    image = f"{domain}/team/both@{push_image(domain, 'team/both')}"
    cosign.sign("team", image, legacy=True)
    cosign.sign("other", image)
    proof, _ = checked(image, trust(cosign, "team", "other", threshold=2))
    assert isinstance(proof, ImageEvidence)
    assert set(proof.keys) == {"team.pub", "other.pub"}


def test_an_attestation_is_no_signature(domain: str, cosign: Cosign) -> None:
    """cosign 3.1.3 itself accepts it."""
    image = f"{domain}/team/attested@{push_image(domain, 'team/attested')}"
    cosign.attest("team", image, "https://example.com/scan-FAILED")
    refused, _ = checked(image, trust(cosign, "team"))
    assert isinstance(refused, ImageError)
    assert refused.rule == "image-unsigned"
    assert [candidate["step"] for candidate in refused.candidates] == ["predicate"]
    assert "scan-FAILED" in refused.candidates[0]["got"]
    assert cosign.verifies("team", image), "cosign no longer takes attestations for signatures: say so in the docs"


def test_a_strangers_referrer_hides_nothing(domain: str, cosign: Cosign) -> None:
    """cosign 3.1.3 does not look at the `.sig` tag once there is any bundle."""
    image = f"{domain}/team/stranger@{push_image(domain, 'team/stranger')}"
    cosign.sign("team", image, legacy=True)
    cosign.sign("other", image)
    proof, _ = checked(image, trust(cosign, "team"))
    assert isinstance(proof, ImageEvidence)
    steps = [candidate.step for candidate in proof.candidates]
    assert steps == ["signer", "verified"]


@pytest.mark.tool("ocireg")
def test_legacy_as_referrer(cosign: Cosign) -> None:
    with go_registry() as domain:
        image = f"{domain}/team/app@{push_image(domain, 'team/app')}"
        cosign.sign("team", image, referrer=True)
        with RegistryClient() as client:
            assert client.tagged(f"{domain}/team/app", oci.fallback_tag(image.partition("@")[2], ".sig")) is None
        proof, _ = checked(image, trust(cosign, "team"))
        assert isinstance(proof, ImageEvidence)
        assert proof.candidates[-1].origin.startswith("referrer sha256:")


@pytest.mark.parametrize("form", ["bundle", "legacy", "both"])
def test_layouts(domain: str, cosign: Cosign, tmp_path: Path, form: str) -> None:
    digest = push_image(domain, f"saved/{form}")
    image = f"{domain}/saved/{form}@{digest}"
    if form != "legacy":
        cosign.sign("team", image)
    if form != "bundle":
        cosign.sign("team", image, legacy=True)
    cosign.save(image, tmp_path / "layout")
    layout = Layout(tmp_path / "layout")
    proof = verify(layout, parse(image), trust(cosign, "team"))
    assert (proof.digest, proof.keys) == (digest, ("team.pub",))
    with pytest.raises(ImageError) as caught:
        verify(layout, parse(image), trust(cosign, "other"))
    assert caught.value.rule == "image-signer-not-trusted"
    # cosign 3.1.3 does not hash the image's own manifest in a layout
    path = tmp_path / "layout" / "blobs" / "sha256" / digest.removeprefix("sha256:")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ImageError) as caught:
        verify(layout, parse(image), trust(cosign, "team"))
    assert caught.value.rule == "image-digest-mismatch"
