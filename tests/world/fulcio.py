"""The real Fulcio on loopback, with an OpenID issuer and a certificate log beside it: certificates as they really are.

Needs the program `fulcio`, which `.ci/tools` builds. Nothing leaves the machine.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.world.sigstore import Leaf, Sigstore, b64, oid, p256, sign, spki, spki_of, tlv

POISON: Final = oid("1.3.6.1.4.1.11129.2.4.3")
WAIT: Final = 30
"""Seconds in which Fulcio must answer."""


class Fulcio:
    """A running Fulcio that issues from the root of `sigstore`; `issuer` is the address of its OpenID issuer."""

    def __init__(self, sigstore: Sigstore, url: str, issuer: str, identity_key: rsa.RSAPrivateKey) -> None:
        self.sigstore = sigstore
        self.url = url
        self.issuer = issuer
        self._identity_key = identity_key

    def leaf(self, email: str) -> Leaf:
        """A certificate for an address, for a new key."""
        key = p256()
        public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        request = {
            "credentials": {"oidcIdentityToken": self._token(email)},
            "publicKeyRequest": {
                "publicKey": {"algorithm": "ECDSA", "content": public.decode()},
                "proofOfPossession": b64(sign(key, email.encode())),
            },
        }
        answer = _post(f"{self.url}/api/v2/signingCert", request)
        first = answer["signedCertificateEmbeddedSct"]["chain"]["certificates"][0]
        return Leaf(key, x509.load_pem_x509_certificate(first.encode()))

    def _token(self, email: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": "sigstore", "sub": email, "email": email, "email_verified": True, "iat": now,
            "exp": now + 600,
        }  # fmt: skip
        signed = f"{_segment({'alg': 'RS256', 'typ': 'JWT', 'kid': 'k1'})}.{_segment(claims)}"
        return f"{signed}.{_url64(self._identity_key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


@contextmanager
def running(program: str, sigstore: Sigstore, directory: Path) -> Iterator[Fulcio]:
    """Fulcio with `sigstore`'s root and certificate log, until the end of the block."""
    identity_key = rsa.generate_private_key(65537, 2048)
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) for _ in range(2)]
    issuer, ct_url = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    for server, handler in zip(servers, (_issuer(issuer, identity_key), _ct_log(sigstore)), strict=True):
        server.RequestHandlerClass = handler
        threading.Thread(target=server.serve_forever, daemon=True).start()
    (directory / "ca.pem").write_bytes(sigstore.root.public_bytes(serialization.Encoding.PEM))
    (directory / "ca.key").write_bytes(sigstore.root_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw")
    ))  # fmt: skip
    (directory / "ct.pub").write_bytes(
        sigstore.ct_key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    (directory / "fulcio.yaml").write_text(
        f"oidc-issuers:\n  {issuer}:\n    issuer-url: {issuer}\n    client-id: sigstore\n    type: email\n"
    )
    http, grpc, metrics = (_free_port() for _ in range(3))
    log = (directory / "log").open("wb")
    process = subprocess.Popen(
        [
            program, "serve", "--ca", "fileca", "--fileca-cert", "ca.pem", "--fileca-key", "ca.key", "--fileca-key-passwd", "pw",
            "--fileca-watch=false", "--config-path", "fulcio.yaml", "--ct-log-url", ct_url, "--ct-log-public-key-path", "ct.pub",
            "--host", "127.0.0.1", "--port", str(http), "--grpc-host", "127.0.0.1", "--grpc-port", str(grpc),
            "--metrics-port", str(metrics), "--legacy-unix-domain-socket", str(directory / "f.sock"),
        ],
        cwd=directory, stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{http}"
        _wait(url, process, directory / "log")
        yield Fulcio(sigstore, url, issuer, identity_key)
    finally:
        process.terminate()
        process.wait(WAIT)
        log.close()
        for server in servers:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers in JSON, and says nothing."""

    def log_message(self, format: str, *arguments: object) -> None:
        del format, arguments

    def answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _issuer(url: str, key: rsa.RSAPrivateKey) -> type[_Handler]:
    """An OpenID issuer: discovery, and its key."""
    numbers = key.public_key().public_numbers()
    modulus, exponent = (value.to_bytes((value.bit_length() + 7) // 8, "big") for value in (numbers.n, numbers.e))

    class Issuer(_Handler):
        def do_GET(self) -> None:
            if self.path.endswith("openid-configuration"):
                self.answer({
                    "issuer": url, "jwks_uri": f"{url}/keys", "authorization_endpoint": f"{url}/a", "token_endpoint": f"{url}/t",
                    "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                })  # fmt: skip
            else:
                self.answer({"keys": [
                    {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k1", "n": _url64(modulus), "e": _url64(exponent)}
                ]})  # fmt: skip

    return Issuer


def _ct_log(sigstore: Sigstore) -> type[_Handler]:
    """A certificate log that takes precertificates (RFC 6962 section 4.2)."""

    class Log(_Handler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            certificate, issuer = (x509.load_der_x509_certificate(base64.b64decode(each)) for each in request["chain"][:2])
            at = int(time.time() * 1000)
            tbs = _without_poison(certificate.tbs_certificate_bytes)
            message = b"".join((
                b"\0\0", at.to_bytes(8, "big"), b"\0\1", hashlib.sha256(spki_of(issuer)).digest(), len(tbs).to_bytes(3, "big"),
                tbs, b"\0\0",
            ))  # fmt: skip
            signature = sign(sigstore.ct_key, message)
            self.answer({
                "sct_version": 0, "id": b64(hashlib.sha256(spki(sigstore.ct_key)).digest()), "timestamp": at, "extensions": "",
                "signature": b64(b"\4\3" + len(signature).to_bytes(2, "big") + signature),
            })  # fmt: skip

    return Log


def _without_poison(tbs: bytes) -> bytes:
    """A TBSCertificate without the extension that makes it a precertificate (RFC 6962 section 3.1)."""
    parts = _children(tbs)
    extensions = [each for each in _children(_children(parts[-1])[0]) if POISON not in each]
    return tlv(0x30, *parts[:-1], tlv(0xA3, tlv(0x30, *extensions)))


def _children(value: bytes) -> list[bytes]:
    """The DER values inside of a DER value."""
    start, end = _bounds(value, 0)
    found: list[bytes] = []
    while start < end:
        stop = _bounds(value, start)[1]
        found.append(value[start:stop])
        start = stop
    return found


def _bounds(data: bytes, at: int) -> tuple[int, int]:
    length = data[at + 1]
    at += 2
    if length >= 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[at : at + count], "big")
        at += count
    return at, at + length


def _post(url: str, value: object) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(value).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=WAIT) as answer:
            found: dict[str, Any] = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"fulcio answers {error.code}: {error.read().decode()[:500]}") from error
    return found


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + WAIT
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/api/v2/trustBundle", timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"fulcio does not answer: {log.read_text()[-1000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _segment(value: object) -> str:
    return _url64(json.dumps(value).encode())


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
