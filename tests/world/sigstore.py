"""A private Sigstore for tests: authority, certificate log, Rekor 1 and 2 and a timestamp authority, and gitsign's signatures.

Everything has the genuine form and is made by `cryptography` alone; the trees and encodings are written here a second time, on
purpose, from the specifications. Each maker takes what a test wants to be wrong.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

T0 = 1_700_000_000
"""The NotBefore of every leaf, unless a test says otherwise: 2023-11-14T22:13:20Z."""
LIFE = 600
START = "2023-01-01T00:00:00Z"
ALICE = "alice@example.org"
ISSUER = "https://accounts.example.org"
REKOR2 = "log2025.rekor.example.org"
SHA256 = "2.16.840.1.101.3.4.2.1"
ECDSA_SHA256 = "1.2.840.10045.4.3.2"
ENTRY_OID = "1.3.6.1.4.1.57264.3.1"
TIMESTAMP_OID = "1.2.840.113549.1.9.16.2.14"

EcKey = ec.EllipticCurvePrivateKey
DER = serialization.Encoding.DER


def tlv(tag: int, *parts: bytes) -> bytes:
    """A DER value."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def oid(dotted: str) -> bytes:
    """A DER object identifier."""
    first, second, *rest = map(int, dotted.split("."))
    out = b""
    for arc in (first * 40 + second, *rest):
        part = bytes((arc & 0x7F,))
        while arc := arc >> 7:
            part = bytes((0x80 | arc & 0x7F,)) + part
        out += part
    return tlv(0x06, out)


def integer(value: int) -> bytes:
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def set_of(tag: int, parts: Iterable[bytes]) -> bytes:
    return tlv(tag, *sorted(parts))


def attribute(kind: str, *values: bytes) -> bytes:
    return tlv(0x30, oid(kind), tlv(0x31, *values))


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes((0x80 | value & 0x7F,))
        value >>= 7
    return out + bytes((value,))


def field(number: int, value: int | bytes) -> bytes:
    """A protobuf field."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def spki(key: EcKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def p256() -> EcKey:
    return ec.generate_private_key(ec.SECP256R1())


def sign(key: EcKey | ed25519.Ed25519PrivateKey, data: bytes) -> bytes:
    return key.sign(data) if isinstance(key, ed25519.Ed25519PrivateKey) else key.sign(data, ec.ECDSA(hashes.SHA256()))


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, over entries."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree_root(leaves[:split]) + tree_root(leaves[split:])).digest()


def audit_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*audit_path(index, leaves[:split]), tree_root(leaves[split:])]
    return [*audit_path(index - split, leaves[split:]), tree_root(leaves[:split])]


class Leaf(NamedTuple):
    """A short-lived certificate and its key."""

    key: EcKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


class Signed(NamedTuple):
    """What a leaf's key signed: the DER of the attributes, and the signature."""

    leaf: Leaf
    attributes: bytes
    signature: bytes


class Sigstore:
    """The keys of a deployment."""

    def __init__(self) -> None:
        self.root_key, self.intermediate_key = p256(), p256()
        self.root = authority("root", self.root_key)
        self.intermediate = authority("intermediate", self.intermediate_key, (self.root, self.root_key), path=0)
        self.ct_key, self.rekor_key = p256(), p256()
        self.rekor2_key = ed25519.Ed25519PrivateKey.generate()
        self.tsa_root_key, self.tsa_key = p256(), p256()
        self.tsa_root = authority("tsa root", self.tsa_root_key)
        self.tsa = tsa_certificate(self.tsa_key, self.tsa_root, self.tsa_root_key)

    # --- what is trusted -----------------------------------------------------------------------------------------------------

    def trust(self, **changes: Any) -> dict[str, Any]:
        """The trust root; `changes` replace members."""
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [
                log("https://rekor.example.org", self.rekor_key),
                log(f"https://{REKOR2}", self.rekor2_key, note_key_id(REKOR2, self.rekor2_key)),
            ],
            "certificateAuthorities": [chain("https://fulcio.example.org", self.intermediate, self.root)],
            "ctlogs": [log("https://ct.example.org/2023", self.ct_key)],
            "timestampAuthorities": [chain("https://tsa.example.org", self.tsa, self.tsa_root)],
            **changes,
        }  # fmt: skip

    # --- Fulcio --------------------------------------------------------------------------------------------------------------

    def leaf(
        self,
        name: str | None = ALICE,
        issuer: str | None = ISSUER,
        *,
        names: Sequence[x509.GeneralName] | None = None,
        issuer_v1: str | None = None,
        claims: Mapping[str, bytes] | None = None,
        not_before: int = T0,
        life: int = LIFE,
        by: tuple[x509.Certificate, EcKey] | None = None,
        sct: bool = True,
        sct_key: EcKey | None = None,
        sct_at: int | None = None,
        sct_for: bytes | None = None,
        sct_algorithm: bytes = b"\4\3",
        usage: ObjectIdentifier | None = ExtendedKeyUsageOID.CODE_SIGNING,
        ca: bool = False,
        key: EcKey | None = None,
    ) -> Leaf:
        """A certificate as Fulcio issues it. `by` another authority, `sct_for` another issuer's SubjectPublicKeyInfo,
        `sct_algorithm` what the timestamp says of its signature: SHA-256 with ECDSA."""
        authority_certificate, authority_key = by or (self.intermediate, self.intermediate_key)
        key = key or p256()
        if names is None:
            names = [x509.RFC822Name(name) if "://" not in name else x509.UniformResourceIdentifier(name)] if name else []
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(authority_certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(moment(not_before))
            .not_valid_after(moment(not_before + life))
            .add_extension(key_usage(digital_signature=True, ca=ca), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(authority_key_id(authority_certificate), critical=False)
        )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if ca:
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
        extensions = dict(claims or {})
        if issuer_v1 is not None:
            extensions["1"] = issuer_v1.encode()
        if issuer is not None:
            extensions["8"] = tlv(0x0C, issuer.encode())
        for number, value in extensions.items():
            builder = builder.add_extension(
                x509.UnrecognizedExtension(ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}"), value), critical=False
            )
        if not sct:
            return Leaf(key, builder.sign(authority_key, hashes.SHA256()))
        precertificate = builder.sign(authority_key, hashes.SHA256()).tbs_certificate_bytes
        stamp = self.sct(
            precertificate, sct_for or spki_of(authority_certificate), sct_key or self.ct_key,
            (not_before if sct_at is None else sct_at) * 1000 + 123, sct_algorithm,
        )  # fmt: skip
        builder = builder.add_extension(
            x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), stamp), critical=False
        )
        return Leaf(key, builder.sign(authority_key, hashes.SHA256()))

    def sct(self, precertificate: bytes, issuer: bytes, key: EcKey, at: int, algorithm: bytes) -> bytes:
        """The extension's value: a list of one timestamp (RFC 6962 section 3.3). The log id is the trusted log's always."""
        message = b"".join((
            b"\0\0", at.to_bytes(8, "big"), b"\0\1", hashlib.sha256(issuer).digest(),
            len(precertificate).to_bytes(3, "big"), precertificate, b"\0\0",
        ))  # fmt: skip
        signature = sign(key, message)
        one = b"".join((
            b"\0", hashlib.sha256(spki(self.ct_key)).digest(), at.to_bytes(8, "big"), b"\0\0", algorithm,
            len(signature).to_bytes(2, "big"), signature,
        ))  # fmt: skip
        listed = len(one).to_bytes(2, "big") + one
        return tlv(0x04, len(listed).to_bytes(2, "big") + listed)

    # --- gitsign -------------------------------------------------------------------------------------------------------------

    def sign(self, payload: bytes, leaf: Leaf, *, at: int = T0 + 5, key: EcKey | None = None) -> Signed:
        """A signature as gitsign makes it (ietf-cms): signed attributes, detached content, ECDSA with SHA-256."""
        attributes = set_of(0x31, (
            attribute("1.2.840.113549.1.9.3", oid("1.2.840.113549.1.7.1")),
            attribute("1.2.840.113549.1.9.5", tlv(0x17, moment(at).strftime("%y%m%d%H%M%SZ").encode())),
            attribute("1.2.840.113549.1.9.4", tlv(0x04, hashlib.sha256(payload).digest())),
        ))  # fmt: skip
        return Signed(leaf, attributes, sign(key or leaf.key, attributes))

    def cms(
        self, signed: Signed, *unsigned: bytes, certificates: Sequence[bytes] | None = None, signer: Leaf | None = None
    ) -> bytes:
        """The DER of the CMS signature, with `unsigned` attributes."""
        return cms_of(
            (signer or signed.leaf).certificate,
            signed.attributes,
            signed.signature,
            unsigned=unsigned,
            certificates=[signed.leaf.der] if certificates is None else certificates,
        )

    def armored(self, signed: Signed, *unsigned: bytes, certificates: Sequence[bytes] | None = None) -> bytes:
        """What stands in a commit's header."""
        return armor(self.cms(signed, *unsigned, certificates=certificates))

    # --- Rekor ---------------------------------------------------------------------------------------------------------------

    def body(self, signed: Signed) -> bytes:
        """What Rekor 1 stores."""
        return canonical({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": hashlib.sha256(signed.attributes).hexdigest()}},
            "signature": {"content": b64(signed.signature), "publicKey": {"content": b64(signed.leaf.pem)}},
        }})  # fmt: skip

    def body2(self, signed: Signed) -> bytes:
        """What Rekor 2 stores."""
        return canonical({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": {
            "data": {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(signed.attributes).digest())},
            "signature": {"content": b64(signed.signature), "verifier": {
                "keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": {"rawBytes": b64(signed.leaf.der)},
            }},
        }}})  # fmt: skip

    def entry(self, signed: Signed, **changes: Any) -> Entry:
        """An entry of Rekor 1, with its timestamp and its proof."""
        return Entry(
            body=self.body(signed), key=self.rekor_key, log_id=hashlib.sha256(spki(self.rekor_key)).digest(),
            host="rekor.example.org", origin="rekor.example.org - 1193050959916656506",
        )._replace(**changes)  # fmt: skip

    def entry2(self, signed: Signed, **changes: Any) -> Entry:
        """An entry of Rekor 2: no time and no timestamp."""
        return Entry(
            body=self.body2(signed), key=self.rekor2_key, log_id=note_key_id(REKOR2, self.rekor2_key), host=REKOR2,
            origin=REKOR2, version="0.0.2", time=0, promise=False, shard=0,
        )._replace(**changes)  # fmt: skip

    # --- timestamps ----------------------------------------------------------------------------------------------------------

    def timestamp(
        self, message: bytes, at: int, *, key: EcKey | None = None, certificate: x509.Certificate | None = None
    ) -> bytes:
        """The unsigned attribute with a token over `message`."""
        return attribute(TIMESTAMP_OID, token(message, at, key or self.tsa_key, certificate or self.tsa))


class Entry(NamedTuple):
    """An entry of a log, to be changed with `_replace` before it is encoded."""

    body: bytes
    key: EcKey | ed25519.Ed25519PrivateKey
    log_id: bytes
    host: str
    origin: str
    version: str = "0.0.1"
    kind: str = "hashedrekord"
    time: int = T0 + 7
    promise: bool = True
    promised_body: bytes | None = None
    proof: bool = True
    checkpoint: bool = True
    checkpoint_key: EcKey | ed25519.Ed25519PrivateKey | None = None
    checkpoint_size: int | None = None
    checkpoint_root: bytes | None = None
    root: bytes | None = None
    name: str | None = None
    leaves: int = 7
    position: int = 4
    stated_position: int | None = None
    shard: int = 1000
    embedded_body: bytes = b""

    @property
    def log_index(self) -> int:
        return self.position + self.shard

    @property
    def note_hint(self) -> bytes:
        return self.log_id[:4]

    def tree(self) -> list[bytes]:
        leaves = [f"leaf {number}".encode() for number in range(self.leaves)]
        leaves[self.position] = self.body
        return leaves

    def note(self) -> str:
        """The checkpoint."""
        size = len(self.tree()) if self.checkpoint_size is None else self.checkpoint_size
        text = f"{self.origin}\n{size}\n{b64(self.checkpoint_root or tree_root(self.tree()))}\n"
        signature = self.note_hint + sign(self.checkpoint_key or self.key, text.encode())
        return f"{text}\n— {self.name or self.host} {b64(signature)}\n"

    def set(self) -> bytes:
        """The signed entry timestamp."""
        return sign(self.key, canonical({
            "body": b64(self.promised_body or self.body), "integratedTime": self.time, "logID": self.log_id.hex(),
            "logIndex": self.log_index,
        }))  # fmt: skip

    def message(self) -> bytes:
        """The protobuf TransparencyLogEntry, in the order that encoders write."""
        out = field(1, self.log_index) + field(2, field(1, self.log_id))
        out += field(3, field(1, self.kind.encode()) + field(2, self.version.encode()))
        if self.time:
            out += field(4, self.time)
        if self.promise:
            out += field(5, field(1, self.set()))
        if self.proof:
            position = self.position if self.stated_position is None else self.stated_position
            proof = field(1, position) if position else b""
            proof += field(2, self.root or tree_root(self.tree())) + field(3, self.leaves)
            proof += b"".join(field(4, each) for each in audit_path(self.position, self.tree()))
            if self.checkpoint:
                proof += field(5, field(1, self.note().encode()))
            out += field(6, proof)
        return out + (field(7, self.embedded_body) if self.embedded_body else b"")

    def attribute(self) -> bytes:
        """The unsigned attribute of gitsign."""
        return attribute(ENTRY_OID, tlv(0x04, self.message()))

    def json(self) -> dict[str, Any]:
        """The entry of a bundle."""
        return {
            "logIndex": str(self.log_index), "logId": {"keyId": b64(self.log_id)},
            "kindVersion": {"kind": self.kind, "version": self.version},
            **({"integratedTime": str(self.time), "inclusionPromise": {"signedEntryTimestamp": b64(self.set())}}
               if self.promise else {}),
            "inclusionProof": {
                "logIndex": str(self.position), "rootHash": b64(tree_root(self.tree())), "treeSize": str(self.leaves),
                "hashes": [b64(each) for each in audit_path(self.position, self.tree())],
                "checkpoint": {"envelope": self.note()},
            },
            "canonicalizedBody": b64(self.body),
        }  # fmt: skip


def bundle(signed: Signed, entry: Entry | None) -> str:
    """The signature as a Sigstore bundle: sigstore-python reads it, and judges the same facts."""
    return json.dumps({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": {"rawBytes": b64(signed.leaf.der)},
            "tlogEntries": [entry.json()] if entry else [],
            "timestampVerificationData": {"rfc3161Timestamps": []},
        },
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(signed.attributes).digest())},
            "signature": b64(signed.signature),
        },
    })  # fmt: skip


def armor(data: bytes) -> bytes:
    """PEM as gitsign writes it, without the last line end."""
    text = base64.b64encode(data)
    lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return b"-----BEGIN SIGNED MESSAGE-----\n" + lines + b"\n-----END SIGNED MESSAGE-----"


def cms_of(
    signer: x509.Certificate,
    attributes: bytes,
    signature: bytes,
    *,
    unsigned: Sequence[bytes] = (),
    certificates: Sequence[bytes] = (),
    content_type: str = "1.2.840.113549.1.7.1",
    content: bytes | None = None,
) -> bytes:
    """ContentInfo with SignedData of one signer."""
    digest = tlv(0x30, oid(SHA256))
    sid = tlv(0x30, signer.issuer.public_bytes(), integer(signer.serial_number))
    info = tlv(
        0x30, integer(1), sid, digest, b"\xa0" + attributes[1:], tlv(0x30, oid(ECDSA_SHA256)), tlv(0x04, signature),
        *([set_of(0xA1, unsigned)] if unsigned else []),
    )  # fmt: skip
    encapsulated = tlv(0x30, oid(content_type), *([tlv(0xA0, tlv(0x04, content))] if content is not None else []))
    data = tlv(
        0x30, integer(1 if content is None else 3), tlv(0x31, digest), encapsulated, tlv(0xA0, *certificates), tlv(0x31, info)
    )
    return tlv(0x30, oid("1.2.840.113549.1.7.2"), tlv(0xA0, data))


def token(message: bytes, at: int, key: EcKey, certificate: x509.Certificate) -> bytes:
    """A timestamp token (RFC 3161 section 2.4.2) by the authority with this certificate."""
    when = tlv(0x18, moment(at).strftime("%Y%m%d%H%M%SZ").encode())
    imprint = tlv(0x30, tlv(0x30, oid(SHA256), b"\x05\x00"), tlv(0x04, hashlib.sha256(message).digest()))
    info = tlv(0x30, integer(1), oid("1.3.6.1.4.1.57264.2"), imprint, integer(77), when)
    der = certificate.public_bytes(DER)
    attributes = set_of(0x31, (
        attribute("1.2.840.113549.1.9.3", oid("1.2.840.113549.1.9.16.1.4")),
        attribute("1.2.840.113549.1.9.4", tlv(0x04, hashlib.sha256(info).digest())),
        attribute("1.2.840.113549.1.9.16.2.47", tlv(0x30, tlv(0x30, tlv(0x30, tlv(0x04, hashlib.sha256(der).digest()))))),
    ))  # fmt: skip
    return cms_of(
        certificate, attributes, sign(key, attributes), certificates=[der], content_type="1.2.840.113549.1.9.16.1.4", content=info
    )


def key_usage(*, digital_signature: bool = False, ca: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=ca, crl_sign=ca, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def authority(
    name: str,
    key: EcKey,
    by: tuple[x509.Certificate, EcKey] | None = None,
    *,
    path: int | None = None,
    start: int = T0 - 20_000_000,
    years: int = 10,
) -> x509.Certificate:
    """The certificate of an authority, its own issuer unless `by` another."""
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "example"), x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[0].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment(start))
        .not_valid_after(moment(start) + timedelta(days=365 * years))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path), critical=True)
        .add_extension(key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if by:
        builder = builder.add_extension(authority_key_id(by[0]), critical=False)
    return builder.sign(by[1] if by else key, hashes.SHA256())


def tsa_certificate(key: EcKey, issuer: x509.Certificate, issuer_key: EcKey) -> x509.Certificate:
    """The certificate of a timestamp authority (RFC 3161 section 2.3)."""
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tsa")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment(T0 - 10_000_000))
        .not_valid_after(moment(T0 + 100_000_000))
        .add_extension(key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def authority_key_id(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)


def spki_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def note_key_id(host: str, key: ed25519.Ed25519PrivateKey) -> bytes:
    """The key id of an Ed25519 key of signed notes, whole: Rekor 2's log id."""
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(host.encode() + b"\n\1" + raw).digest()


def window(start: str = START, end: str | None = None) -> dict[str, str]:
    return {"start": start, **({"end": end} if end else {})}


def log(
    url: str,
    key: EcKey | ed25519.Ed25519PrivateKey,
    log_id: bytes | None = None,
    *,
    details: str | None = None,
    start: str = START,
    end: str | None = None,
) -> dict[str, Any]:
    """A log of a trust root."""
    kind = "PKIX_ED25519" if isinstance(key, ed25519.Ed25519PrivateKey) else "PKIX_ECDSA_P256_SHA_256"
    return {
        "baseUrl": url, "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": b64(spki(key)), "keyDetails": details or kind, "validFor": window(start, end)},
        "logId": {"keyId": b64(log_id or hashlib.sha256(spki(key)).digest())},
    }  # fmt: skip


def chain(uri: str, *certificates: x509.Certificate, start: str = START, end: str | None = None) -> dict[str, Any]:
    """An authority of a trust root."""
    return {
        "subject": {"organization": "example", "commonName": "example"}, "uri": uri,
        "certChain": {"certificates": [{"rawBytes": b64(each.public_bytes(DER))} for each in certificates]},
        "validFor": window(start, end),
    }  # fmt: skip
