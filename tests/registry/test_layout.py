"""OCI layouts on disk: the forms that cosign and others write, and what hostile ones try."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from chainverify.errors import ChainverifyError, ImageError, RegistryUnavailable
from chainverify.formats import oci
from chainverify.formats.reference import parse
from chainverify.images.verify import verify
from chainverify.model.images import Descriptor
from chainverify.registry import layout as module
from chainverify.registry.layout import Layout
from tests.world.images import Signer, Store, trust

REPO = "registry.example.test/team/app"
ALICE = Signer.create("alice.pub")
IMAGE = "dev.cosignproject.cosign/image"


def write(directory: Path, store: Store, *entries: dict[str, Any]) -> Path:
    """A store as a layout, its index with these entries."""
    for digest, data in store.content.items():
        algorithm, _, name = digest.partition(":")
        (directory / "blobs" / algorithm).mkdir(parents=True, exist_ok=True)
        (directory / "blobs" / algorithm / name).write_bytes(data)
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    index = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": list(entries)}
    (directory / "index.json").write_text(json.dumps(index))
    return directory


def entry(store: Store, digest: str, **annotations: str) -> dict[str, Any]:
    return {**store.descriptor(digest), "annotations": {name.replace("_", "."): text for name, text in annotations.items()}}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def digest(store: Store) -> str:
    return store.image(REPO)


def blob_path(directory: Path, digest: str) -> Path:
    algorithm, _, name = digest.partition(":")
    return directory / "blobs" / algorithm / name


def raised(call: Any) -> ChainverifyError:
    with pytest.raises(ChainverifyError) as caught:
        call()
    return caught.value


def test_bundles_are_found_by_their_subject(store: Store, digest: str, tmp_path: Path) -> None:
    store.sign_bundle(REPO, digest, ALICE)
    layout = Layout(write(tmp_path, store, entry(store, digest, kind=IMAGE)))
    assert verify(layout, parse(f"{REPO}@{digest}"), trust(ALICE)).keys == ("alice.pub",)
    assert "0 images" in raised(lambda: verify(layout, parse(f"{REPO}:v1"), trust(ALICE))).message


def test_saved_legacy_signatures(store: Store, digest: str, tmp_path: Path) -> None:
    signatures = store.sign_legacy(REPO, digest, ALICE)
    entries = [entry(store, digest, kind=IMAGE), entry(store, signatures, kind=module._SIGNATURES)]
    layout = Layout(write(tmp_path, store, *entries))
    assert verify(layout, parse(f"{REPO}@{digest}"), trust(ALICE)).keys == ("alice.pub",)
    # the same signatures prove nothing about another image of the layout
    other = store.image(REPO, "other", "v2")
    layout = Layout(write(tmp_path, store, *entries))
    assert raised(lambda: verify(layout, parse(f"{REPO}@{other}"), trust(ALICE))).rule == "image-digest-mismatch"


def test_reference_names(store: Store, digest: str, tmp_path: Path) -> None:
    signatures = store.sign_legacy(REPO, digest, ALICE)
    other = store.image(REPO, "other", "v2")
    store.sign_bundle(REPO, other, ALICE)
    name = "org_opencontainers_image_ref_name"
    index = store.put_manifest(
        REPO, {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [store.descriptor(signatures)]}, "", oci.INDEX
    )
    layout = Layout(
        write(
            tmp_path,
            store,
            entry(store, digest, io_containerd_image_name=f"{REPO}:v1"),
            entry(store, other, **{name: f"{REPO}:v2"}),
            entry(store, signatures, **{name: oci.fallback_tag(digest, ".sig")}),
            entry(store, index, **{name: oci.fallback_tag(other)}),
        )
    )
    assert verify(layout, parse(f"{REPO}:v1"), trust(ALICE, formats=("legacy",))).digest == digest
    assert verify(layout, parse(f"{REPO}:v2"), trust(ALICE)).digest == other
    assert signatures in {found.digest for found in layout.referrers(REPO, other)}
    assert "0 images" in raised(lambda: layout.resolve(parse(f"{REPO}:v3"))).message
    assert layout.tagged(REPO, "v3") is None


@pytest.mark.parametrize("name", ["v1", "app:v1", "other.example.test/team/app:v1", ""])
def test_one_image_is_not_taken_for_another(store: Store, digest: str, tmp_path: Path, name: str) -> None:
    """A bundle binds no repository: the only image of a layout would pass as whatever is asked for."""
    store.sign_bundle(REPO, digest, ALICE)
    layout = Layout(write(tmp_path, store, entry(store, digest, org_opencontainers_image_ref_name=name)))
    error = raised(lambda: verify(layout, parse(f"{REPO}:v1"), trust(ALICE)))
    assert (error.rule, error.status) == ("image-unavailable", "unknown")


def test_an_ambiguous_layout(store: Store, digest: str, tmp_path: Path) -> None:
    other = store.image(REPO, "other", "v2")
    name = "org_opencontainers_image_ref_name"
    named = [entry(store, one, **{name: f"{REPO}:v1"}) for one in (digest, other)]
    layout = Layout(write(tmp_path, store, *named))
    error = raised(lambda: layout.resolve(parse(f"{REPO}:v1")))
    assert (error.rule, error.status) == ("image-unavailable", "unknown")
    assert layout.resolve(parse(f"{REPO}@{other}")) == other


def test_every_blob_is_hashed(store: Store, digest: str, tmp_path: Path) -> None:
    """The image's own manifest too, which cosign 3.1.3 takes by its file name."""
    signature = store.sign_bundle(REPO, digest, ALICE)
    layer = oci.parse_manifest(store.content[signature]).layers[0]
    layout = Layout(write(tmp_path, store, entry(store, digest)))
    for damaged in (digest, signature, layer.digest):
        path = blob_path(tmp_path, damaged)
        good = path.read_bytes()
        path.write_bytes(good + b" ")
        error = raised(lambda: verify(layout, parse(f"{REPO}@{digest}"), trust(ALICE)))
        assert (error.rule, error.status) == ("image-digest-mismatch", "fail")
        path.write_bytes(good)
    assert verify(layout, parse(f"{REPO}@{digest}"), trust(ALICE))


def test_a_blob_of_another_size(store: Store, digest: str, tmp_path: Path) -> None:
    layout = Layout(write(tmp_path, store, entry(store, digest)))
    wrong = Descriptor("x", digest, len(store.content[digest]) + 1)
    assert isinstance(raised(lambda: layout.blob(REPO, wrong)), ImageError)


@pytest.mark.parametrize("name", ["sha256:../../index.json", "sha256:" + "A" * 64, "sha1:" + "0" * 40, "x", "../x:y"])
def test_digests_are_checked_before_they_are_paths(store: Store, digest: str, tmp_path: Path, name: str) -> None:
    layout = Layout(write(tmp_path, store, entry(store, digest)))
    assert "not a digest" in raised(lambda: layout.manifest(REPO, name)).message


@pytest.mark.parametrize("what", ["blob", "algorithm", "blobs", "index.json", "oci-layout"])
def test_no_link_is_followed(store: Store, digest: str, tmp_path: Path, what: str) -> None:
    inside = write(tmp_path / "layout", store, entry(store, digest))
    path = {"blob": blob_path(inside, digest), "algorithm": inside / "blobs" / "sha256"}.get(what, inside / what)
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    error = raised(lambda: Layout(inside).resolve(parse(f"{REPO}@{digest}")))
    assert (error.rule, error.status) == ("image-unavailable", "unknown")


def test_the_layout_itself_may_be_a_link(store: Store, digest: str, tmp_path: Path) -> None:
    write(tmp_path / "layout", store, entry(store, digest))
    (tmp_path / "link").symlink_to("layout")
    assert Layout(tmp_path / "link").resolve(parse(f"{REPO}@{digest}")) == digest


def test_links_and_pipes_among_the_blobs_are_no_candidates(store: Store, digest: str, tmp_path: Path) -> None:
    store.sign_bundle(REPO, digest, ALICE)
    layout = Layout(write(tmp_path, store, entry(store, digest)))
    blob_path(tmp_path, "sha256:" + "0" * 64).symlink_to("/etc/passwd")
    os.mkfifo(blob_path(tmp_path, "sha256:" + "1" * 64))
    blob_path(tmp_path, "sha256:" + "2" * 64).mkdir()
    blob_path(tmp_path, "sha256:nonsense").write_bytes(b"")
    assert verify(layout, parse(f"{REPO}@{digest}"), trust(ALICE))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("oci-layout", b'{"imageLayoutVersion": "2.0.0"}'),
        ("oci-layout", b"{}"),
        ("oci-layout", b"not JSON"),
        ("oci-layout", None),
        ("index.json", b"not JSON"),
        ("index.json", b'{"schemaVersion": 2, "manifests": [{}]}'),
        ("index.json", b" " * (oci.MAX_MANIFEST_BYTES + 1)),
        ("index.json", None),
    ],
)
def test_no_layout(store: Store, digest: str, tmp_path: Path, name: str, content: bytes | None) -> None:
    write(tmp_path, store, entry(store, digest))
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert isinstance(raised(lambda: Layout(tmp_path)), RegistryUnavailable)
    assert isinstance(raised(lambda: Layout(tmp_path / "nothing")), RegistryUnavailable)


def test_missing_and_large_blobs(store: Store, digest: str, tmp_path: Path) -> None:
    layout = Layout(write(tmp_path, store, entry(store, digest)))
    assert raised(lambda: layout.manifest(REPO, "sha512:" + "0" * 128)).rule == "image-unavailable"
    blob_path(tmp_path, digest).write_bytes(b" " * (oci.MAX_MANIFEST_BYTES + 1))
    assert raised(lambda: layout.manifest(REPO, digest)).rule == "image-unavailable"


def test_too_many_blobs(store: Store, digest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(write(tmp_path, store, entry(store, digest)))
    monkeypatch.setattr(module, "MAX_SCANNED", 1)
    assert "more than 1 blobs" in raised(lambda: layout.referrers(REPO, digest)).message
