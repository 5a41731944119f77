"""Mints `cosign.json`: images signed by the real cosign, as bytes, so that tests need neither cosign nor a registry.

    python -m testdata.images.mint           does nothing where the file is there
    python -m testdata.images.mint --force   signs anew; signatures are random, so everything changes

Every case is a repository `registry.example.test/CASE` with one image. The registry is tests/tools/registry, which cosign
reaches under that name because it is its HTTP proxy. Legacy
signatures as referrers are missing: cosign asks for them by https only.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from tests.world.cosign import Cosign
from tests.world.registry import go_registry, push_image

from chainverify.formats import oci

TARGET = Path(__file__).parent / "cosign.json"
HOST = "registry.example.test"


def mint(directory: Path) -> dict[str, Any]:
    with go_registry() as domain:
        cosign = Cosign.create(directory, HTTP_PROXY=f"http://{domain}", HTTPS_PROXY="http://127.0.0.1:9")
        keys = {name: cosign.generate(name).decode() for name in ("p256", "other")}
        private = {
            "p384": ec.generate_private_key(ec.SECP384R1()),
            "p521": ec.generate_private_key(ec.SECP521R1()),
            "rsa2048": rsa.generate_private_key(65537, 2048),
            "ed25519": ed25519.Ed25519PrivateKey.generate(),
        }
        for name, key in private.items():
            pem = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            keys[name] = cosign.take(name, pem).decode()

        content: dict[str, str] = {}
        cases: dict[str, Any] = {}

        def case(name: str) -> str:
            digest = push_image(domain, name, name)
            cases[name] = {"digest": digest}
            return f"{HOST}/{name}@{digest}"

        http = ["--allow-http-registry"]
        for key in ("p256", "p384", "p521", "rsa2048", "ed25519"):
            cosign.sign(key, case(f"bundle/{key}"), *http, own=key != "ed25519", env="prod", team="a")
            cosign.sign(key, case(f"legacy/{key}"), *http, legacy=True, env="prod", team="a")
        cosign.attest("p256", case("attestation"), "https://example.com/scan-FAILED", *http)
        both = case("both")
        cosign.sign("other", both, *http)
        cosign.sign("p256", both, *http, legacy=True)
        for name, found in cases.items():
            found.update(crawl(domain, name, found["digest"], content))
    version = json.loads(cosign.run("version", "--json"))["gitVersion"]
    return {"cosign": version, "host": HOST, "keys": keys, "cases": cases, "content": dict(sorted(content.items()))}


def crawl(domain: str, name: str, digest: str, content: dict[str, str]) -> dict[str, Any]:
    """Tags and referrers of an image; everything they lead to goes into `content`."""
    with httpx.Client(base_url=f"http://{domain}/v2/{name}/", trust_env=False) as client:

        def take(raw: bytes) -> str:
            content[oci.digest_of(raw)] = raw.decode()
            return oci.digest_of(raw)

        def follow(reference: str) -> str:
            raw = client.get(f"manifests/{reference}").raise_for_status().content
            for layer in oci.parse_manifest(raw).layers:
                take(client.get(f"blobs/{layer.digest}").raise_for_status().content)
            return take(raw)

        tags = client.get("tags/list").raise_for_status().json()["tags"]
        listed = client.get(f"referrers/{digest}").raise_for_status().json()["manifests"]
        for entry in listed:
            follow(entry["digest"])
        return {"tags": {tag: follow(tag) for tag in sorted(tags)}, "listed": listed}


if __name__ == "__main__":
    if not TARGET.exists() or "--force" in sys.argv:
        with tempfile.TemporaryDirectory() as scratch:
            TARGET.write_text(json.dumps(mint(Path(scratch)), indent=1) + "\n")
