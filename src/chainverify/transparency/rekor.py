"""Entries of Rekor, the log of Sigstore: that a log has seen a signature, and when.

What the log stored is never believed as it comes along: it is built again from the signature at hand, so that an entry for
another artifact, signature or certificate cannot fit. The log's key is the one that the trust root has for the entry's log id,
at the time of the entry.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Final, NamedTuple

from chainverify.errors import Malformed, SignatureError
from chainverify.formats import signednote
from chainverify.formats.logentry import InclusionProof, LogEntry
from chainverify.transparency import keys, merkle
from chainverify.transparency.roots import Log, TrustRoot

KIND: Final = "hashedrekord"
_V1: Final = "0.0.1"
_V2: Final = "0.0.2"
_P256: Final = "PKIX_ECDSA_P256_SHA_256"


class Logged(NamedTuple):
    """What a verified entry proves: the log, and when it took the entry (seconds since the epoch).

    `time` is None where only the place in the tree is proved: Rekor 2 states no time.
    """

    log: Log
    time: int | None


def hashedrekord(version: str, artifact: bytes, signature: bytes, certificate: bytes) -> bytes | None:
    """What the log stores of a signature over `artifact` with SHA-256 by the P-256 key of `certificate` (DER), as canonical JSON.

    `version` is that of the entry: `0.0.1` (Rekor 1) or `0.0.2` (Rekor 2), None for all others.
    """
    digest = hashlib.sha256(artifact)
    if version == _V1:
        spec: dict[str, object] = {
            "data": {"hash": {"algorithm": "sha256", "value": digest.hexdigest()}},
            "signature": {"content": _base64(signature), "publicKey": {"content": _base64(_pem(certificate))}},
        }
    elif version == _V2:
        verifier = {"keyDetails": _P256, "x509Certificate": {"rawBytes": _base64(certificate)}}
        spec = {"hashedRekordV002": {
            "data": {"algorithm": "SHA2_256", "digest": _base64(digest.digest())},
            "signature": {"content": _base64(signature), "verifier": verifier},
        }}  # fmt: skip
    else:
        return None
    return _canonical({"apiVersion": version, "kind": KIND, "spec": spec})


def verify(entry: LogEntry, body: bytes, root: TrustRoot, *, at: int | None = None) -> Logged:
    """Proof that a log of `root` holds `body`.

    1. the trust root names the entry's log, 2. the entry's own body, where it has one, is `body`, 3. the signed entry timestamp,
    where there is one, is good, 4. the inclusion proof, where there is one, leads to its root, and its checkpoint, where there
    is one, is the log's statement of exactly that tree, 5. at least one of timestamp and checkpoint is there: a proof without
    checkpoint proves nothing, 6. the log's key was trusted at the time of the entry, or else `at` (seconds since the epoch, a
    time proved elsewhere).

    Raises `SignatureError` with code `UNKNOWN_LOG` for the first, `BAD_LOG_ENTRY` for all others.
    """
    log = next((one for one in root.logs if one.log_id == entry.log_id), None)
    if log is None:
        raise SignatureError(
            f"log entry is of the log {entry.log_id.hex()}, which the trust root does not name",
            code="UNKNOWN_LOG",
            rule="signature-bad",
            hint="name the trust root of the log's own deployment in [commits] trusted-root",
        )
    if entry.body and entry.body != body:
        raise _bad("is for another signature than this")
    promised = bool(entry.promise)
    if promised:
        _check_promise(entry, body, log)
    stated = False
    try:
        if entry.proof is not None:
            stated = _check_proof(entry.proof, body, log)
    except Malformed as error:
        raise _bad(f"cannot be verified: {error.message}") from error
    if entry.version == _V2 and entry.proof is not None and entry.proof.position != entry.log_index:
        raise _bad("has two different places in the log")
    if not promised and not stated:
        raise _bad("has neither a signed entry timestamp nor a checkpoint, so nothing in it is signed by the log")
    time = entry.integrated_time if promised else None
    known = time if time is not None else at
    if known is not None and not log.window.has(known * 1000):
        raise _bad(f"is of a time at which the trust root does not trust {log.url} ({log.window})")
    return Logged(log, time)


def _check_promise(entry: LogEntry, body: bytes, log: Log) -> None:
    """Step 3: the log's signature over body, time, log id and index, in canonical JSON."""
    signed = _canonical({
        "body": _base64(body),
        "integratedTime": entry.integrated_time,
        "logID": entry.log_id.hex(),
        "logIndex": entry.log_index,
    })
    if not keys.signed(log.key, entry.promise, signed):
        raise _bad(f"has a signed entry timestamp by {log.url} that does not fit this signature")


def _check_proof(proof: InclusionProof, body: bytes, log: Log) -> bool:
    """Step 4; whether there is a checkpoint. Raises `SignatureError`, or `Malformed` for what cannot be read."""
    if merkle.root_of(merkle.leaf_hash(body), proof.position, proof.size, proof.hashes) != proof.root:
        raise _bad("has an inclusion proof that does not lead from this signature to its root")
    if not proof.checkpoint:
        return False
    found = signednote.checkpoint(proof.checkpoint)
    if (found.size, found.root) != (proof.size, proof.root):
        raise _bad("has an inclusion proof and a checkpoint of different trees")
    # Rekor 1 appends the number of the tree to the name of the log
    if found.origin != log.host and not found.origin.startswith(f"{log.host} - "):
        raise _bad(f"has a checkpoint of {found.origin[:100]!r}, expected one of {log.host!r}")
    own = [one for one in found.signatures if one.name == log.host and one.hint == log.hint]
    if len(own) != 1 or not keys.signed(log.key, own[0].signature, found.signed):
        raise _bad(f"has a checkpoint without exactly one good signature by {log.host}")
    return True


def _pem(certificate: bytes) -> bytes:
    """A certificate in PEM (RFC 7468) as Go writes it: lines of 64 characters, and a line end after the last."""
    text = base64.b64encode(certificate)
    lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return b"-----BEGIN CERTIFICATE-----\n" + lines + b"\n-----END CERTIFICATE-----\n"


def _canonical(value: dict[str, object]) -> bytes:
    """JSON in the canonical form of RFC 8785, for ASCII text and integers: all that is written here."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bad(why: str) -> SignatureError:
    return SignatureError(f"log entry {why}", code="BAD_LOG_ENTRY", rule="signature-bad")
