"""An entry of a Sigstore transparency log as gitsign embeds it: the protobuf message `dev.sigstore.rekor.v1.TransparencyLogEntry`
(protobuf-specs `sigstore_rekor.proto`). Read, not verified. All errors are `Malformed` with rule `signature-bad`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from chainverify.formats import protobuf
from chainverify.formats.protobuf import BYTES, VARINT, Kind
from chainverify.formats.signednote import MAX_NOTE_BYTES
from chainverify.formats.sshwire import damaged

MAX_ENTRY_BYTES: Final = 128 << 10
"""The largest entry that is read; one with its proof has about 3 KiB, with its body 8."""
MAX_PROOF_HASHES: Final = 64
"""The most hashes of an inclusion proof: a tree of 2^63 entries is 63 levels high."""
HASH_BYTES: Final = 32

_WHAT: Final = "log entry"
_ENTRY: Final = {
    1: Kind(VARINT), 2: Kind(BYTES), 3: Kind(BYTES), 4: Kind(VARINT), 5: Kind(BYTES), 6: Kind(BYTES), 7: Kind(BYTES),
}  # fmt: skip
_LOG_ID: Final = {1: Kind(BYTES)}
_KIND_VERSION: Final = {1: Kind(BYTES), 2: Kind(BYTES)}
_PROMISE: Final = {1: Kind(BYTES)}
_PROOF: Final = {1: Kind(VARINT), 2: Kind(BYTES), 3: Kind(VARINT), 4: Kind(BYTES, repeated=True), 5: Kind(BYTES)}
_CHECKPOINT: Final = {1: Kind(BYTES)}


class InclusionProof(NamedTuple):
    """That a leaf is in a tree: its `position` among `size` leaves, and the `hashes` beside its path up to `root`.

    `checkpoint` is the log's signed note over size and root, empty where there is none.
    """

    position: int
    root: bytes
    size: int
    hashes: tuple[bytes, ...]
    checkpoint: str


class LogEntry(NamedTuple):
    """An entry: `log_index` counts over all trees of the log `log_id`.

    `integrated_time` (seconds since the epoch, 0 where the log states none) is vouched for by `promise` only, the signed entry
    timestamp (empty where there is none).

    `body` is what the log has stored, empty where the entry leaves it to the reader to build it again.
    """

    log_index: int
    log_id: bytes
    kind: str
    version: str
    integrated_time: int
    promise: bytes
    proof: InclusionProof | None
    body: bytes


def parse(data: bytes) -> LogEntry:
    """The entry in the protobuf message `data`. Raises `Malformed`."""
    if len(data) > MAX_ENTRY_BYTES:
        raise damaged(f"{_WHAT} has {len(data)} bytes, at most {MAX_ENTRY_BYTES} are read")
    entry = protobuf.read(data, _ENTRY, _WHAT)
    log_id = protobuf.read(entry.octets(2), _LOG_ID, f"{_WHAT}'s log id").octets(1)
    if len(log_id) != HASH_BYTES:
        raise damaged(f"{_WHAT} has a log id of {len(log_id)} bytes, expected {HASH_BYTES}")
    kind = protobuf.read(entry.octets(3), _KIND_VERSION, f"{_WHAT}'s kind")
    promise = protobuf.read(entry.octets(5), _PROMISE, f"{_WHAT}'s promise").octets(1)
    proof = _proof(entry.octets(6)) if entry.has(6) else None
    return LogEntry(
        entry.number(1), log_id, kind.text(1), kind.text(2), entry.number(4), promise, proof, entry.octets(7)
    )


def _proof(data: bytes) -> InclusionProof:
    what = f"{_WHAT}'s inclusion proof"
    proof = protobuf.read(data, _PROOF, what)
    hashes = proof.all_octets(4)
    root = proof.octets(2)
    if len(hashes) > MAX_PROOF_HASHES:
        raise damaged(f"{what} has {len(hashes)} hashes, at most {MAX_PROOF_HASHES} are read")
    if any(len(one) != HASH_BYTES for one in (root, *hashes)):
        raise damaged(f"{what} has a hash that is not of {HASH_BYTES} bytes")
    note = protobuf.read(proof.octets(5), _CHECKPOINT, f"{_WHAT}'s checkpoint")
    if len(note.octets(1)) > MAX_NOTE_BYTES:
        raise damaged(f"{_WHAT}'s checkpoint has {len(note.octets(1))} bytes, at most {MAX_NOTE_BYTES} are read")
    return InclusionProof(proof.number(1), root, proof.number(3), hashes, note.text(1))
