"""Git commits and tags as values, split strictly from raw bytes by `formats.objects`."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Ident(NamedTuple):
    """An author, committer or tagger line: raw bytes for name and e-mail, seconds since the epoch, zone like b'+0200'."""

    name: bytes
    email: bytes
    time: int
    zone: bytes


class Commit(NamedTuple):
    """A commit: `payload` is the exact byte string its signature covers, `signature` the unfolded header value or None.

    `message` are the stored bytes after the blank line; `encoding` the declared encoding, None for UTF-8.
    `notes` name tolerated oddities (`unknown-header:change-id`). `mergetags` are the raw tag objects that a merge quotes.
    """

    oid: str
    tree: str
    parents: tuple[str, ...]
    author: Ident
    committer: Ident
    encoding: str | None
    message: bytes
    payload: bytes
    signature: bytes | None
    notes: tuple[str, ...] = ()
    mergetags: tuple[bytes, ...] = ()


class Tag(NamedTuple):
    """An annotated tag: `name` as the object says it, `target` of kind `target_type`; `tagger` may be absent in old tags.

    `payload` is everything before the signature armor, `signature` the armor or None.
    """

    oid: str
    target: str
    target_type: Literal["commit", "tag", "tree", "blob"]
    name: bytes
    tagger: Ident | None
    message: bytes
    payload: bytes
    signature: bytes | None
    notes: tuple[str, ...] = ()
