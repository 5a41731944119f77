"""The registry client against a registry that lies, breaks and leads astray (the table of threats, row by row)."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from chainverify.errors import ChainverifyError, ImageError, RegistryUnavailable
from chainverify.formats import oci
from chainverify.formats.reference import parse
from chainverify.images.verify import verify
from chainverify.model.images import Descriptor
from chainverify.registry import client as module
from chainverify.registry.auth import Credentials, Login
from chainverify.registry.client import RegistryClient
from tests.world.images import Signer, Store, bundle, statement, trust
from tests.world.registry import LoopbackRegistry, dripping, endless, status, truncated

ALICE = Signer.create("alice.pub")


class World:
    """One image `team/app:v1`, signed by Alice in both formats, and the registry that serves it."""

    def __init__(self, **options: Any) -> None:
        self.store = Store()
        self.registry = LoopbackRegistry(self.store, **options)
        self.repository = f"{self.registry.domain}/team/app"
        self.digest = self.store.image(self.repository)
        self.bundle = self.store.sign_bundle(self.repository, self.digest, ALICE)
        self.legacy = self.store.sign_legacy(self.repository, self.digest, ALICE)
        self.slept: list[float] = []

    def client(self, **options: Any) -> RegistryClient:
        return RegistryClient(**{"sleep": self.slept.append, "timeout": 2.0, **options})


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    with made.registry:
        yield made


def raised(call: Any) -> ChainverifyError:
    with pytest.raises(ChainverifyError) as caught:
        call()
    return caught.value


def test_reading(world: World) -> None:
    with world.client() as client:
        assert client.resolve(parse(f"{world.repository}:v1")) == world.digest
        manifest = client.manifest(world.repository, world.digest)
        assert manifest.raw == world.store.content[world.digest]
        assert manifest.media_type == oci.MANIFEST
        (entry,) = client.referrers(world.repository, world.digest)
        assert (entry.digest, entry.artifact_type) == (world.bundle, "application/vnd.dev.sigstore.bundle.v0.3+json")
        assert client.tagged(world.repository, "nothing") is None
        layer = oci.parse_manifest(client.manifest(world.repository, world.bundle).raw).layers[0]
        assert client.blob(world.repository, layer) == world.store.content[layer.digest]
        assert client.requests == len(world.registry.log) == 7


@pytest.mark.parametrize(("formats", "requests"), [(("bundle", "legacy"), 4), (("bundle",), 4), (("legacy",), 2)])
def test_requests_for_an_image(world: World, formats: Any, requests: int) -> None:
    with world.client() as client:
        proof = verify(client, parse(f"{world.repository}@{world.digest}"), trust(ALICE, formats=formats))
        assert (proof.keys, client.requests) == (("alice.pub",), requests)


def test_a_tag_is_resolved_once_by_many_threads(world: World) -> None:
    found: list[str] = []
    with world.client() as client:
        reference = parse(f"{world.repository}:v1")
        threads = [threading.Thread(target=lambda: found.append(client.resolve(reference))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [world.digest] * 8
        assert world.registry.paths == ["/v2/team/app/manifests/v1"]
        world.store.tags[world.repository, "v1"] = world.bundle  # the tag moves
        assert client.resolve(reference) == world.digest


def test_an_own_digest_asks_nothing(world: World) -> None:
    with world.client() as client:
        assert client.resolve(parse(f"{world.repository}:v1@{world.digest}")) == world.digest
        assert client.requests == 0


# --- lies


def test_other_bytes_for_a_digest(world: World) -> None:
    world.registry.fault(world.digest, status(200, b'{"schemaVersion": 2}', oci.MANIFEST, Docker_Content_Digest=world.digest))
    with world.client() as client:
        error = raised(lambda: client.manifest(world.repository, world.digest))
    assert isinstance(error, ImageError)
    assert error.rule == "image-digest-mismatch"
    assert world.digest in error.message


@pytest.mark.parametrize("header", ["sha256:" + "0" * 64, "sha256:xyz", "md5:00", ""])
def test_a_lying_header(world: World, header: str) -> None:
    content = world.store.content[world.digest]
    world.registry.fault("manifests/v1", status(200, content, oci.MANIFEST, Docker_Content_Digest=header))
    with world.client() as client:
        assert raised(lambda: client.resolve(parse(f"{world.repository}:v1"))).rule == "image-digest-mismatch"


@pytest.mark.parametrize("change", [b"", b"x", b" " * 1000])
def test_other_bytes_for_a_blob(world: World, change: bytes) -> None:
    layer = oci.parse_manifest(world.store.content[world.bundle]).layers[0]
    content = world.store.content[layer.digest]
    for body in (content[:-1] + change, content + change + b"y", content[:-1] + b"!"):
        world.registry.fault(layer.digest, status(200, body))
        with world.client() as client:
            assert raised(lambda: client.blob(world.repository, layer)).rule == "image-digest-mismatch"


def test_a_compressed_answer_is_not_unpacked(world: World) -> None:
    import gzip

    packed = gzip.compress(world.store.content[world.digest])
    world.registry.fault(world.digest, status(200, packed, oci.MANIFEST, Content_Encoding="gzip"))
    with world.client() as client:
        assert raised(lambda: client.manifest(world.repository, world.digest)).rule == "image-digest-mismatch"


# --- sizes and time


def test_an_endless_body(world: World) -> None:
    world.registry.fault(".", endless)
    with world.client() as client:
        for call in (
            lambda: client.manifest(world.repository, world.digest),
            lambda: client.tagged(world.repository, "v1"),
            lambda: client.referrers(world.repository, world.digest),
        ):
            error = raised(call)
            assert error.rule == "image-unavailable"
            assert "bytes" in error.message


def test_a_large_blob_is_not_asked_for(world: World) -> None:
    with world.client() as client:
        error = raised(lambda: client.blob(world.repository, Descriptor("x", world.digest, module.MAX_BLOB_BYTES + 1)))
        assert (error.rule, client.requests) == ("image-unavailable", 0)


def test_a_dripping_body_meets_the_deadline(world: World) -> None:
    world.registry.fault(".", dripping)
    started = time.monotonic()
    with world.client(deadline=0.3) as client:
        error = raised(lambda: client.manifest(world.repository, world.digest))
        assert error.rule == "image-unavailable"
        error = raised(lambda: client.tagged(world.repository, "v1"))
        assert "deadline" in error.message
    assert time.monotonic() - started < 2


def test_a_truncated_body(world: World) -> None:
    world.registry.fault(".", truncated)
    with world.client() as client:
        error = raised(lambda: client.manifest(world.repository, world.digest))
    assert (error.rule, error.status) == ("image-unavailable", "unknown")
    assert len(world.slept) == module.MAX_TRIES - 1


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        domain = f"127.0.0.1:{taken.getsockname()[1]}"
        with RegistryClient(sleep=lambda _: None) as client:
            error = raised(lambda: client.tagged(f"{domain}/team/app", "v1"))
    assert error.rule == "image-unavailable"
    assert "could not be reached" in error.message


def test_offline_opens_no_socket(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", None)
    client = RegistryClient(offline=True)
    layer = Descriptor("x", world.digest, 1)
    for call in (
        lambda: client.resolve(parse(f"{world.repository}:v1")),
        lambda: client.manifest(world.repository, world.digest),
        lambda: client.blob(world.repository, layer),
        lambda: client.referrers(world.repository, world.digest),
        lambda: client.tagged(world.repository, "v1"),
    ):
        error = raised(call)
        assert isinstance(error, RegistryUnavailable)
        assert error.message.startswith("offline")
    assert client.requests == 0


# --- statuses


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 406, 408, 418, 429, 500, 501, 502, 503, 504, 206, 204])
def test_only_a_404_says_that_a_tag_is_not_there(world: World, code: int) -> None:
    world.registry.fault("manifests", status(code))
    with world.client() as client:
        if code == 404:
            assert client.tagged(world.repository, "v1") is None
        else:
            error = raised(lambda: client.tagged(world.repository, "v1"))
            assert (error.rule, error.status) == ("image-unavailable", "unknown")


@pytest.mark.parametrize("code", [401, 403, 405, 429, 500, 502, 503, 206, 204])
def test_referrers_that_are_not_told_are_not_none(world: World, code: int) -> None:
    world.registry.fault("referrers", status(code, b"{}", oci.INDEX))
    with world.client() as client:
        error = raised(lambda: client.referrers(world.repository, world.digest))
        assert (error.rule, error.status) == ("image-unavailable", "unknown")
        # and an image is not called unsigned, nor is the other format asked instead of it
        error = raised(lambda: verify(client, parse(f"{world.repository}@{world.digest}"), trust(ALICE, formats=("bundle",))))
        assert error.rule == "image-unavailable"


@pytest.mark.parametrize(
    "answer",
    [
        status(404),
        status(400),
        status(406),
        status(200, b"<html>", "text/html"),
        status(200, b"{}", "application/json"),
    ],
)
def test_without_the_api_the_fallback_tag_counts(world: World, answer: Any) -> None:
    world.registry.fault("referrers", answer)
    with world.client() as client:
        assert client.referrers(world.repository, world.digest) == ()
        index = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": world.store.listed[world.digest]}
        world.store.put_manifest(world.repository, index, oci.fallback_tag(world.digest), oci.INDEX)
        assert [entry.digest for entry in client.referrers(world.repository, world.digest)] == [world.bundle]


def test_api_and_fallback_are_merged(world: World) -> None:
    other = world.store.attach(world.repository, world.digest, b"other")
    first, second = world.store.listed[world.digest]
    world.store.listed[world.digest] = [{**first, "artifactType": oci.EMPTY}]
    index = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [first, second]}
    world.store.put_manifest(world.repository, index, oci.fallback_tag(world.digest), oci.INDEX)
    with world.client() as client:
        found = client.referrers(world.repository, world.digest)
    assert [(entry.digest, entry.artifact_type) for entry in found] == [
        (world.bundle, first["artifactType"]),
        (other, second["artifactType"]),
    ]


@pytest.mark.parametrize("body", [b"", b"[]", b"{" * 100_000, b'{"schemaVersion": 2, "manifests": [{}]}', b"\xff"])
@pytest.mark.parametrize("place", ["referrers", "manifests/sha256-"])
def test_lists_that_cannot_be_read(world: World, body: bytes, place: str) -> None:
    world.registry.fault(place, status(200, body, oci.INDEX))
    with world.client() as client:
        error = raised(lambda: client.referrers(world.repository, world.digest))
    assert error.rule == "image-unavailable"


def page(entries: list[Any], link: str = "") -> Any:
    body = json.dumps({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": entries}).encode()
    return status(200, body, oci.INDEX, **({"Link": link} if link else {}))


def test_pages(world: World) -> None:
    entries = [{"mediaType": oci.MANIFEST, "digest": f"sha256:{number:064x}", "size": 1} for number in range(3)]
    base = f"/v2/team/app/referrers/{world.digest}"
    world.registry.fault(r"referrers/[^?]*$", page(entries[:1], f'<{base}?n=2>; rel="next"'))
    world.registry.fault(r"n=2", page(entries[1:2], f"<{base}?n=3>; rel=next"))
    world.registry.fault(r"n=3", page(entries[2:]))
    with world.client() as client:
        assert len(client.referrers(world.repository, world.digest)) == 3


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example.org/v2/x>; rel=next",
        "//evil.example.org/>; rel=next",
        "http://127.0.0.1:1/>;rel=next",
    ],
)
def test_pages_stay_at_home(world: World, link: str) -> None:
    world.registry.fault("referrers", page([], f"<{link}"))
    with world.client(credentials=Credentials(((world.registry.domain, Login("u", "p")),))) as client:
        assert "leaves its registry" in raised(lambda: client.referrers(world.repository, world.digest)).message


def test_endless_pages_and_huge_lists(world: World) -> None:
    world.registry.fault("referrers", page([], '<?next>; rel="next"'))
    with world.client() as client:
        assert "referrers" in raised(lambda: client.referrers(world.repository, world.digest)).message
        assert client.requests <= module.MAX_PAGES
    many = [{"mediaType": oci.MANIFEST, "digest": f"sha256:{number:064x}", "size": 1} for number in range(module.MAX_LISTED + 1)]
    world.registry.fault("referrers", page(many))
    with world.client() as client:
        assert str(module.MAX_LISTED) in raised(lambda: client.referrers(world.repository, world.digest)).message


# --- trying again


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_it_is_tried_again(world: World, code: int) -> None:
    world.registry.fault("manifests", status(code), times=2)
    with world.client() as client:
        assert client.tagged(world.repository, "v1") is not None
        assert client.requests == 3
    assert world.slept == list(module.BACKOFF)


@pytest.mark.parametrize(
    ("headers", "slept"),
    [
        ({"Retry-After": "2"}, [2.0]),
        ({"Retry-After": "soon"}, [0.5]),
        ({"Retry-After": "-1"}, [0.5]),
        ({"Retry-After": "3600"}, None),
        ({"Retry-After": "9" * 400}, None),
    ],
)
def test_retry_after(world: World, headers: dict[str, str], slept: list[float] | None) -> None:
    world.registry.fault("manifests", status(429, b"", "text/plain", **headers), times=1)
    with world.client() as client:
        if slept is None:
            error = raised(lambda: client.tagged(world.repository, "v1"))
            assert "rate" in error.message
            assert error.evidence["status"] == 429
            assert world.slept == []
        else:
            assert client.tagged(world.repository, "v1") is not None
            assert world.slept == slept


def test_a_retry_date_is_compared_with_the_server_s_clock() -> None:
    headers = {"retry-after": "Fri, 01 Jan 2100 00:00:05 GMT", "date": "Fri, 01 Jan 2100 00:00:00 GMT"}
    assert module._retry_after(headers) == 5
    assert module._retry_after({"retry-after": headers["date"], "date": headers["retry-after"]}) == 0
    assert module._retry_after({"retry-after": headers["date"]}) is None


# --- redirects and credentials


def test_a_redirect_to_the_same_host_keeps_the_token() -> None:
    made = World(token="secret-token")
    with made.registry as registry:
        layer = oci.parse_manifest(made.store.content[made.bundle]).layers[0]
        registry.fault(f"blobs/{layer.digest}$", status(307, Location=f"/v2/team/app/blobs/{layer.digest}?moved"), times=2)
        with made.client() as client:
            assert client.blob(made.repository, layer) == made.store.content[layer.digest]
        assert registry.log[-1].headers["authorization"] == "Bearer secret-token"


@pytest.mark.parametrize(
    "location",
    [
        "http://evil.example.org/x",
        "http://169.254.169.254/latest/meta-data",
        "https://127.0.0.1/x",
        "http://localhost/x",
        "file:///etc/passwd",
        "https://user:pass@evil.example.org/",
        "http://[::1",
    ],
)
def test_redirects_that_are_not_followed(world: World, location: str) -> None:
    world.registry.fault("manifests", status(302, Location=location))
    with world.client() as client:
        assert raised(lambda: client.tagged(world.repository, "v1")).rule == "image-unavailable"
        # httpx takes the last one for a broken answer, which is worth another try
        assert client.requests == (module.MAX_TRIES if location == "http://[::1" else 1)


def test_redirects_without_end(world: World) -> None:
    world.registry.fault("manifests", status(302, Location=f"/v2/team/app/manifests/{world.digest}"))
    with world.client() as client:
        assert "redirects more than" in raised(lambda: client.tagged(world.repository, "v1")).message


def test_another_host_gets_no_credentials(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two loopback registries stand for two hosts: the guard against inner addresses is taken away for that."""
    content = world.store.content[world.digest]
    monkeypatch.setattr(module.hosts, "check_followed", lambda source, url, what: module.hosts.origin(url))
    made = World(token="secret-token")
    with made.registry as registry:
        registry.fault("manifests", lambda handler: (
            handler.send(307, b"", headers={"Location": f"http://{world.registry.domain}/v2/team/app/manifests/{world.digest}"})
            if handler.headers.get("Authorization") else handler.answer()
        ))
        with made.client() as client:
            assert client.manifest(made.repository, world.digest).raw == content
    assert any("authorization" in request.headers for request in registry.log)
    assert [request.headers.get("authorization") for request in world.registry.log] == [None]


def test_cookies_are_not_kept(world: World) -> None:
    world.registry.fault("manifests/nothing", status(404, Set_Cookie="a=b; Path=/"))
    with world.client() as client:
        client.tagged(world.repository, "nothing")
        client.tagged(world.repository, "v1")
    assert all("cookie" not in request.headers for request in world.registry.log)


# --- tokens


def test_an_anonymous_token_is_asked_for_once() -> None:
    made = World(token="secret-token")
    with made.registry as registry, made.client() as client:
        proof = verify(client, parse(f"{made.repository}@{made.digest}"), trust(ALICE))
        assert proof.keys == ("alice.pub",)
        tokens = [path for path in registry.paths if path.startswith("/token")]
        assert tokens == ["/token?service=here%2C+and+there&scope=repository%3Ateam%2Fapp%3Apull"]
        assert client.requests == 6
        assert all("authorization" not in request.headers for request in registry.log if request.path.startswith("/token"))


def test_a_login_goes_to_the_token_server() -> None:
    made = World(token="secret-token", login=("me", "pass"))
    with made.registry:
        with made.client() as client:
            error = raised(lambda: client.tagged(made.repository, "v1"))
            assert error.rule == "image-unavailable"
            assert "docker login" in error.hint
        login = Credentials(((made.registry.domain, Login("me", "pass")),))
        with made.client(credentials=login) as client:
            assert client.tagged(made.repository, "v1") is not None


def test_basic_logins(world: World) -> None:
    login = Login("me", "pass")

    def guarded(handler: Any) -> None:
        if handler.headers.get("Authorization") == login.header:
            handler.answer()
        else:
            handler.send(401, b"", headers={"WWW-Authenticate": 'Basic realm="here"'})

    world.registry.fault("/v2/", guarded)
    with world.client() as client:
        assert raised(lambda: client.tagged(world.repository, "v1")).rule == "image-unavailable"
    with world.client(credentials=Credentials((("other.example.org", login),))) as client:
        assert raised(lambda: client.tagged(world.repository, "v1")).rule == "image-unavailable"
    assert all("authorization" not in request.headers for request in world.registry.log)
    with world.client(credentials=Credentials(((world.registry.domain, login),))) as client:
        assert client.tagged(world.repository, "v1") is not None
        client.tagged(world.repository, "v1")
        assert client.requests == 3


@pytest.mark.parametrize("realm", ["http://169.254.169.254/", "http://127.0.0.1:1/token", "http://auth.example.org/token", "", "file:///x"])
def test_realms_that_are_not_asked(realm: str) -> None:
    made = World(token="secret-token")
    made.registry.realm = realm
    login = Credentials(((made.registry.domain, Login("me", "pass")),))
    with made.registry, made.client(credentials=login) as client:
        assert raised(lambda: client.tagged(made.repository, "v1")).rule == "image-unavailable"
        assert client.requests == 1


def test_an_expired_token_is_renewed() -> None:
    now = [0.0]
    made = World(token="first")
    with made.registry as registry, made.client(clock=lambda: now[0]) as client:
        assert client.tagged(made.repository, "v1") is not None
        registry.token = "second"  # revoked before it expires
        assert client.tagged(made.repository, "v1") is not None
        now[0] = 10_000
        assert client.tagged(made.repository, "v1") is not None
        assert sum(path.startswith("/token") for path in registry.paths) == 3


def test_a_refused_token_is_not_asked_for_again_and_again() -> None:
    made = World(token="first")
    with made.registry as registry, made.client() as client:
        registry.fault("/token", status(200, b'{"token": "wrong"}', "application/json"))
        assert "refuses" in raised(lambda: client.tagged(made.repository, "v1")).message
        assert client.requests == 3


def test_a_signature_that_only_the_registry_vouches_for(world: World) -> None:
    """The image's digest is asked for; the registry answers with referrers of another image, signed."""
    other = world.store.image(world.repository, "other", "v2")
    world.store.listed[other] = world.store.listed[world.digest]
    world.store.tags[world.repository, oci.fallback_tag(other, ".sig")] = world.legacy
    with world.client() as client:
        error = raised(lambda: verify(client, parse(f"{world.repository}@{other}"), trust(ALICE)))
    assert error.rule == "image-digest-mismatch"


def test_a_deep_bundle(world: World) -> None:
    digest = world.store.image(world.repository, "deep", "deep")
    world.store.attach(world.repository, digest, b'{"a":' * 500_000 + b"1" + b"}" * 500_000)
    with world.client() as client:
        error = raised(lambda: verify(client, parse(f"{world.repository}@{digest}"), trust(ALICE)))
    assert error.rule == "image-signature-bad"
    assert "deeper" in error.message


def test_the_repository_of_the_bundle_counts_where_it_is_named(world: World) -> None:
    digest = world.store.image(world.repository, "named", "named")
    world.store.attach(world.repository, digest, bundle(ALICE, statement(digest, name="registry.example.org/other")))
    with world.client() as client:
        error = raised(lambda: verify(client, parse(f"{world.repository}@{digest}"), trust(ALICE)))
    assert error.rule == "image-reference-mismatch"
