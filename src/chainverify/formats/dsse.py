"""DSSE envelopes and the in-toto statements inside them (DSSE 1.0.2; in-toto attestation framework, Statement v0.1, v1).

All errors are `Malformed` with rule `image-signature-bad`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from chainverify.formats import strictjson
from chainverify.formats.strictjson import Json, malformed

IN_TOTO: Final = "application/vnd.in-toto+json"
STATEMENT_TYPES: Final = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
COSIGN_SIGN: Final = "https://sigstore.dev/cosign/sign/v1"
"""The predicate type that makes a statement a signature of an image; every other one is an attestation about it."""

MAX_SUBJECTS: Final = 1024
MAX_DIGESTS: Final = 32
"""Bounds of the Sigstore clients (sigstore-go)."""


class Envelope(NamedTuple):
    """An envelope, not verified, with its one signature."""

    payload_type: str
    payload: bytes
    signature: bytes


class StatementSubject(NamedTuple):
    """A subject of a statement: `name` is "" where it has none, `digests` are pairs of algorithm and lower-case hex."""

    name: str
    digests: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]


class Statement(NamedTuple):
    """An in-toto statement; its predicate is left unread."""

    predicate_type: str
    subjects: tuple[StatementSubject, ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: the bytes that are signed. Lengths count bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def parse_envelope(value: Json, what: str = "DSSE envelope") -> Envelope:
    """An envelope in Sigstore's JSON form. Exactly one signature: which of several counts is nowhere said."""
    found = strictjson.as_object(value, what)
    strictjson.only_keys(found, ("payload", "payloadType", "signatures"), what)
    signatures = strictjson.as_array(found.get("signatures"), f"{what}'s signatures", 1)
    if not signatures:
        raise malformed(f"{what} has no signature, expected one")
    signature = strictjson.as_object(signatures[0], f"{what}'s signature")
    strictjson.only_keys(signature, ("sig", "keyid"), f"{what}'s signature")
    return Envelope(
        strictjson.as_text(found.get("payloadType"), f"{what}'s payloadType"),
        strictjson.decode_base64(strictjson.as_text(found.get("payload"), f"{what}'s payload"), f"{what}'s payload"),
        strictjson.decode_base64(strictjson.as_text(signature.get("sig"), f"{what}'s sig"), f"{what}'s sig"),
    )


def parse_statement(payload: bytes) -> Statement:
    """The statement in an envelope's payload. Raises `Malformed`."""
    found = strictjson.parse_object(payload, "statement")
    kind = strictjson.as_text(found.get("_type"), "statement's _type")
    if kind not in STATEMENT_TYPES:
        raise malformed(f"statement's _type is {kind[:80]!r}, expected {STATEMENT_TYPES[0]!r}")
    subjects = strictjson.as_array(found.get("subject"), "statement's subject", MAX_SUBJECTS)
    return Statement(
        strictjson.as_text(found.get("predicateType"), "statement's predicateType"),
        tuple(_subject(subject, f"statement's subject[{at}]") for at, subject in enumerate(subjects)),
    )


def _subject(value: Json, what: str) -> StatementSubject:
    found = strictjson.as_object(value, what)
    digests = strictjson.as_text_map(found.get("digest"), f"{what}'s digest")
    if len(digests) > MAX_DIGESTS:
        raise malformed(f"{what} has {len(digests)} digests, at most {MAX_DIGESTS} are read")
    annotations = found.get("annotations")
    pairs = {} if annotations is None else strictjson.as_object(annotations, f"{what}'s annotations")
    return StatementSubject(
        strictjson.as_text(found.get("name", ""), f"{what}'s name"),
        digests,
        tuple((key, inner) for key, inner in pairs.items() if isinstance(inner, str)),
    )
