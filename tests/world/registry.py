"""Registries on the loopback: one in this process that logs, lies and breaks on demand, and two real ones."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from chainverify.formats import oci
from tests.conftest import find_tool
from tests.world.images import Store

Action = Callable[["Handler"], None]


class Request(NamedTuple):
    """A request as it arrived; `headers` by lower-case name."""

    method: str
    path: str
    headers: dict[str, str]


class LoopbackRegistry:
    """Serves a `Store` over HTTP; `with LoopbackRegistry(store) as registry:`.

    `fault(pattern, action, times)` answers requests whose path matches with an action (`status`, `body`, ...) instead.
    `token` and `login` ask for a bearer token from `/token` and for a Basic login there.
    """

    def __init__(
        self, store: Store, *, referrers_api: bool = True, token: str = "", login: tuple[str, str] | None = None
    ) -> None:
        self.store = store
        self.referrers_api = referrers_api
        self.token = token
        self.login = login
        self.log: list[Request] = []
        self.realm = ""
        self.faults: list[tuple[re.Pattern[str], Action, list[int]]] = []
        registry = self

        class Bound(Handler):
            world = registry

        self._server = _QuietServer(("127.0.0.1", 0), Bound)
        self._server.daemon_threads = True
        self.domain = f"127.0.0.1:{self._server.server_address[1]}"
        self.realm = f"http://{self.domain}/token"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> LoopbackRegistry:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fault(self, pattern: str, action: Action, times: int = 10**6) -> None:
        self.faults.insert(0, (re.compile(pattern), action, [times]))

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.log]


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that goes away in the middle is what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    """The protocol's read side."""

    world: LoopbackRegistry
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.world.log.append(Request("GET", self.path, headers))
        for pattern, action, left in self.world.faults:
            if left[0] and pattern.search(self.path):
                left[0] -= 1
                try:
                    action(self)
                except OSError:
                    self.close_connection = True
                return
        self.answer()

    def answer(self) -> None:
        world = self.world
        if self.path.startswith("/token"):
            expected = None
            if world.login:
                expected = "Basic " + base64.b64encode(":".join(world.login).encode()).decode()
            if expected and self.headers.get("Authorization") != expected:
                return self.send(401, b"{}")
            return self.send(200, json.dumps({"token": world.token, "expires_in": 300}).encode(), "application/json")
        if world.token and self.headers.get("Authorization") != f"Bearer {world.token}":
            challenge = f'Bearer realm="{world.realm}",service="here, and there",scope="repository:whatever:pull"'
            return self.send(401, b"{}", headers={"WWW-Authenticate": challenge})
        found = re.fullmatch(r"/v2/(.+)/(manifests|blobs|referrers)/([^/?]+)(\?.*)?", self.path)
        if not found:
            return self.send(404, b"404 page not found")
        name, kind, wanted = found.group(1, 2, 3)
        if kind == "referrers":
            if not world.referrers_api:
                return self.send(404, b"404 page not found")
            index = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": world.store.listed.get(wanted, [])}
            return self.send(200, json.dumps(index).encode(), oci.INDEX)
        digest = wanted
        if kind == "manifests" and not oci.is_digest(wanted):
            digest = world.store.tags.get((f"{world.domain}/{name}", wanted)) or world.store.tags.get((name, wanted), "")
        if digest not in world.store.content:
            return self.send(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', "application/json")
        headers = {"Docker-Content-Digest": digest} if kind == "manifests" else {}
        return self.send(200, world.store.content[digest], world.store.types[digest], headers)

    def send(self, status: int, body: bytes, media_type: str = "text/plain", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def status(code: int, body: bytes = b"", media_type: str = "text/plain", **headers: str) -> Action:
    """Answer with a status; underscores in header names are dashes."""
    return lambda handler: handler.send(code, body, media_type, {name.replace("_", "-"): text for name, text in headers.items()})


def endless(handler: Handler) -> None:
    """A 200 whose body does not end."""
    handler.send_response(200)
    handler.send_header("Content-Type", oci.INDEX)
    handler.end_headers()
    handler.close_connection = True
    for _ in range(10_000):
        handler.wfile.write(b" " * 65536)


def dripping(handler: Handler) -> None:
    """A 200 that sends one byte at a time."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.close_connection = True
    for _ in range(200):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.02)


def truncated(handler: Handler) -> None:
    """A 200 that breaks off."""
    handler.send_response(200)
    handler.send_header("Content-Type", oci.MANIFEST)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"schemaVersion": 2')
    handler.close_connection = True


@contextmanager
def docker_registry(directory: Path) -> Iterator[str]:
    """Debian's docker-registry (no referrers API); yields its `host:port`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        domain = f"127.0.0.1:{probe.getsockname()[1]}"
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "config.yml"
    config.write_text(
        "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {json.dumps(str(directory / 'storage'))}}}}}\nhttp: {{addr: '{domain}'}}\n"
    )
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen([find_tool("docker-registry") or "", "serve", config], stdout=log, stderr=log)
        try:
            _wait_for(domain)
            yield domain
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def go_registry() -> Iterator[str]:
    """go-containerregistry's registry with the referrers API (`tests/tools/registry`); yields its `host:port`."""
    process = subprocess.Popen([find_tool("ocireg") or "", "127.0.0.1:0"], stdout=subprocess.PIPE)
    try:
        line = process.stdout.readline() if process.stdout else b""
        domain = line.decode().strip()
        _wait_for(domain)
        yield domain
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout:
            process.stdout.close()


def push_image(domain: str, repository: str, salt: str = "", tag: str = "v1") -> str:
    """Push a small image to a real registry; its digest."""
    with httpx.Client(base_url=f"http://{domain}/v2/{repository}/", trust_env=False) as client:

        def upload(data: bytes, media_type: str) -> dict[str, Any]:
            digest = oci.digest_of(data)
            begun = client.post("blobs/uploads/").raise_for_status().headers["location"]
            where = begun if begun.startswith("http") else f"http://{domain}{begun}"
            client.put(f"{where}{'&' if '?' in where else '?'}digest={digest}", content=data).raise_for_status()
            return {"mediaType": media_type, "digest": digest, "size": len(data)}

        config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, "salt": salt})
        described = upload(config.encode(), "application/vnd.oci.image.config.v1+json")
        raw = json.dumps({"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": described, "layers": []}).encode()
        client.put(f"manifests/{tag}", content=raw, headers={"Content-Type": oci.MANIFEST}).raise_for_status()
    return oci.digest_of(raw)


def _wait_for(domain: str) -> None:
    host, _, port = domain.partition(":")
    for _ in range(200):
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"nothing listens on {domain}")
