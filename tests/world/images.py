"""Images and their signatures in memory, in the forms that cosign writes, and in forms it never would.

Keys are real and sign for real; only the container is ours, so that a test can break any part of it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from chainverify.errors import RegistryUnavailable
from chainverify.formats import dsse, oci
from chainverify.model.images import Descriptor, ImageKey, ImageReference, KeyedTrust, Manifest

Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
CURVES: dict[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    "p256": (ec.SECP256R1(), hashes.SHA256()),
    "p384": (ec.SECP384R1(), hashes.SHA384()),
    "p521": (ec.SECP521R1(), hashes.SHA512()),
}


class Signer(NamedTuple):
    """A key that signs images: `name` is what a policy calls it."""

    name: str
    private: Private

    @classmethod
    def create(cls, name: str = "keys/cosign.pub", kind: str = "p256") -> Signer:
        if kind in CURVES:
            return cls(name, ec.generate_private_key(CURVES[kind][0]))
        if kind == "ed25519":
            return cls(name, ed25519.Ed25519PrivateKey.generate())
        return cls(name, rsa.generate_private_key(65537, int(kind.removeprefix("rsa"))))

    @property
    def pem(self) -> bytes:
        public = self.private.public_key()
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    @property
    def key(self) -> ImageKey:
        return ImageKey(self.name, self.pem, "images.trust[0].keys[0]", "policy.toml", 9)

    @property
    def hint(self) -> str:
        public = self.private.public_key()
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(der).digest()).decode()

    def sign(self, message: bytes, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            own = next(digest for curve, digest in CURVES.values() if curve.name == self.private.curve.name)
            return self.private.sign(message, ec.ECDSA(algorithm or own))
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(message, padding.PKCS1v15(), algorithm or hashes.SHA256())
        return self.private.sign(message)


def trust(*signers: Signer, **fields: Any) -> KeyedTrust:
    return KeyedTrust("**", tuple(signer.key for signer in signers), **fields)


def payload(digest: str, reference: str, optional: dict[str, Any] | None = None, **critical: Any) -> bytes:
    """A simple-signing document as cosign writes it."""
    document = {
        "critical": {
            "identity": {"docker-reference": reference},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
            **critical,
        },
        "optional": optional,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def statement(digest: str, predicate_type: str = dsse.COSIGN_SIGN, **subject: Any) -> bytes:
    """An in-toto statement as `cosign sign` writes it."""
    algorithm, _, value = digest.partition(":")
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {algorithm: value}, **subject}],
        "predicateType": predicate_type,
        "predicate": {},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def bundle(signer: Signer, body: bytes, *, signature: bytes | None = None, **replaced: Any) -> bytes:
    """A bundle as cosign writes it; `replaced` members override."""
    made = signer.sign(dsse.pae(dsse.IN_TOTO, body)) if signature is None else signature
    document = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": signer.hint}},
        "dsseEnvelope": {
            "payload": base64.b64encode(body).decode(),
            "payloadType": dsse.IN_TOTO,
            "signatures": [{"sig": base64.b64encode(made).decode()}],
        },
        **replaced,
    }
    return json.dumps({key: value for key, value in document.items() if value is not None}, separators=(",", ":")).encode()


class Store:
    """A registry's content in memory. It is a `Content` itself, and what `tests.world.registry` serves.

    It does not hash what it returns: it stands in for a registry client whose checks are tested elsewhere.
    """

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.tags: dict[tuple[str, str], str] = {}
        self.listed: dict[str, list[dict[str, Any]]] = {}
        self.failing: dict[str, Exception] = {}
        """Errors to raise, by method name."""
        self.calls: list[str] = []

    # --- building

    def put(self, data: bytes, media_type: str) -> dict[str, Any]:
        """Store bytes; their descriptor."""
        digest = oci.digest_of(data)
        self.content[digest] = data
        self.types[digest] = media_type
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def put_manifest(self, repository: str, value: dict[str, Any] | bytes, tag: str = "", media_type: str = oci.MANIFEST) -> str:
        """Store a manifest, tag it, and list it as a referrer of its subject; its digest."""
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        described = self.put(raw, media_type)
        if tag:
            self.tags[repository, tag] = described["digest"]
        if isinstance(value, dict) and value.get("subject"):
            entry = {**described, "artifactType": value.get("artifactType") or value["config"]["mediaType"]}
            self.listed.setdefault(value["subject"]["digest"], []).append(entry)
        return str(described["digest"])

    def image(self, repository: str, salt: str = "", tag: str = "v1") -> str:
        """A new image without layers; its digest."""
        config = self.put(json.dumps({"os": "linux", "salt": salt}).encode(), "application/vnd.oci.image.config.v1+json")
        value = {"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": config, "layers": []}
        return self.put_manifest(repository, value, tag)

    def legacy(
        self,
        repository: str,
        digest: str,
        *signatures: tuple[bytes, bytes | str],
        referrer: bool = False,
    ) -> str:
        """Signatures (payload, signature) in the `.sig` tag of an image, or as a referrer."""
        layers = []
        for body, made in signatures:
            text = made if isinstance(made, str) else base64.b64encode(made).decode()
            annotations = {"dev.cosignproject.cosign/signature": text}
            layers.append({**self.put(body, SIMPLE), "annotations": annotations})
        kind = "application/vnd.dev.cosign.artifact.sig.v1+json" if referrer else "application/vnd.oci.image.config.v1+json"
        value: dict[str, Any] = {"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": self.put(b"{}", kind), "layers": layers}
        if referrer:
            value["subject"] = self.descriptor(digest)
            value["artifactType"] = kind
        return self.put_manifest(repository, value, "" if referrer else oci.fallback_tag(digest, ".sig"))

    def sign_legacy(self, repository: str, digest: str, *signers: Signer, referrer: bool = False, **optional: Any) -> str:
        body = payload(digest, repository, optional or None)
        return self.legacy(repository, digest, *((body, signer.sign(body)) for signer in signers), referrer=referrer)

    def attach(self, repository: str, digest: str, data: bytes, media_type: str = BUNDLE, **manifest: Any) -> str:
        """Bytes as a referrer of an image, as cosign attaches a bundle."""
        value = {
            "schemaVersion": 2,
            "mediaType": oci.MANIFEST,
            "artifactType": media_type,
            "config": {**self.put(b"{}", oci.EMPTY), "artifactType": media_type},
            "layers": [self.put(data, media_type)],
            "subject": self.descriptor(digest),
            **manifest,
        }
        return self.put_manifest(repository, value)

    def sign_bundle(self, repository: str, digest: str, signer: Signer, **subject: Any) -> str:
        return self.attach(repository, digest, bundle(signer, statement(digest, **subject)))

    def descriptor(self, digest: str) -> dict[str, Any]:
        return {"mediaType": self.types.get(digest, oci.MANIFEST), "digest": digest, "size": len(self.content.get(digest, b""))}

    # --- as a `Content`

    def resolve(self, reference: ImageReference) -> str:
        self._asked("resolve")
        return reference.digest or self.tags[reference.repository, reference.tag or ""]

    def manifest(self, repository: str, digest: str) -> Manifest:
        self._asked("manifest")
        if digest not in self.content:
            raise RegistryUnavailable(f"{repository} does not have the manifest {digest}")
        return Manifest(digest, self.types[digest], self.content[digest])

    def blob(self, repository: str, descriptor: Descriptor) -> bytes:
        self._asked("blob")
        if descriptor.digest not in self.content:
            raise RegistryUnavailable(f"{repository} does not have the blob {descriptor.digest}")
        return self.content[descriptor.digest]

    def referrers(self, repository: str, digest: str) -> tuple[Descriptor, ...]:
        self._asked("referrers")
        return tuple(oci.parse_descriptor(entry, "entry") for entry in self.listed.get(digest, []))

    def tagged(self, repository: str, tag: str) -> Manifest | None:
        self._asked("tagged")
        digest = self.tags.get((repository, tag))
        return self.manifest(repository, digest) if digest else None

    def _asked(self, method: str) -> None:
        self.calls.append(method)
        if method in self.failing:
            raise self.failing[method]

