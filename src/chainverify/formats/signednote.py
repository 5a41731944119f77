"""Checkpoints of transparency logs: a signed note (c2sp.org/signed-note) over the size and the root of a Merkle tree
(c2sp.org/tlog-checkpoint). Read, not verified. All errors are `Malformed` with rule `signature-bad`.
"""

from __future__ import annotations

import binascii
import re
from typing import Final, NamedTuple

from chainverify.formats.sshwire import damaged

MAX_NOTE_BYTES: Final = 64 << 10
"""The largest note that is read; a checkpoint has under 1 KiB."""
MAX_SIGNATURES: Final = 64
"""The most signatures of one note: that of the log, and those of witnesses."""
ROOT_BYTES: Final = 32

_WHAT: Final = "checkpoint"
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_SIGNATURE: Final = re.compile(r"— ([^ +\x00-\x1f\x7f]+) ([A-Za-z0-9+/]+={0,2})")


class NoteSignature(NamedTuple):
    """A line under a note: the name of the key, the four bytes that hint at it, and the signature."""

    name: str
    hint: bytes
    signature: bytes


class Checkpoint(NamedTuple):
    """A log's statement: `origin` names the log, `size` and `root` its tree. `signed` are the bytes under the signatures."""

    origin: str
    size: int
    root: bytes
    signed: bytes
    signatures: tuple[NoteSignature, ...]


def checkpoint(note: str) -> Checkpoint:
    """The checkpoint in a signed note. Lines after the root are extensions: signed, and without a meaning here.

    Raises `Malformed`.
    """
    if len(note) > MAX_NOTE_BYTES:
        raise damaged(f"{_WHAT} has {len(note)} characters, at most {MAX_NOTE_BYTES} are read")
    if any(character < " " and character != "\n" for character in note):
        raise damaged(f"{_WHAT} holds control characters")
    # the text may have empty lines of its own: the last one divides
    text, divider, tail = note.rpartition("\n\n")
    lines = text.split("\n")
    if not divider or len(lines) < 3 or not lines[0] or "" in lines:
        raise damaged(f"{_WHAT} is not a signed note with origin, size and root")
    if not _SIZE.fullmatch(lines[1]):
        raise damaged(f"{_WHAT} has the size {lines[1][:40]!r}, expected a decimal number")
    root = _base64(lines[2])
    if len(root) != ROOT_BYTES:
        raise damaged(f"{_WHAT} has a root of {len(root)} bytes, expected {ROOT_BYTES}")
    return Checkpoint(lines[0], int(lines[1]), root, (text + "\n").encode(), _signatures(tail))


def _signatures(tail: str) -> tuple[NoteSignature, ...]:
    if not tail.endswith("\n"):
        raise damaged(f"{_WHAT} does not end with a line end")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise damaged(f"{_WHAT} has {len(lines)} signatures, at most {MAX_SIGNATURES} are read")
    found: list[NoteSignature] = []
    for line in lines:
        match = _SIGNATURE.fullmatch(line)
        if match is None:
            raise damaged(f"{_WHAT} has the line {line[:60]!r} where a signature is expected")
        blob = _base64(match[2])
        if len(blob) <= 4:
            raise damaged(f"{_WHAT} has an empty signature")
        found.append(NoteSignature(match[1], blob[:4], blob[4:]))
    return tuple(found)


def _base64(text: str) -> bytes:
    try:
        encoded = text.encode("ascii")
        data = binascii.a2b_base64(encoded, strict_mode=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise damaged(f"{_WHAT} holds {text[:60]!r}, which is not base64") from error
    if binascii.b2a_base64(data, newline=False) != encoded:
        raise damaged(f"{_WHAT} holds base64 that is not canonical")
    return data
