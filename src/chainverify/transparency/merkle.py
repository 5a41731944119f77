"""Merkle trees of transparency logs (RFC 6962 section 2.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from chainverify.formats.sshwire import damaged


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf that holds `entry`."""
    return hashlib.sha256(b"\x00" + entry).digest()


def root_of(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root of the tree of `size` leaves in which `leaf` (a hash) is number `index`, by its audit path.

    RFC 9162 section 2.1.3.2 gives this algorithm. Raises `Malformed` (rule `signature-bad`) where the path has another length
    than the tree asks for.
    """
    if not 0 <= index < size:
        raise damaged(f"inclusion proof is for leaf {index} of {size}")
    node, last, found = index, size - 1, leaf
    for step in path:
        if last == 0:
            raise damaged("inclusion proof has more hashes than its tree has levels")
        if node & 1 or node == last:
            found = _parent(step, found)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            found = _parent(found, step)
        node >>= 1
        last >>= 1
    if last:
        raise damaged("inclusion proof has fewer hashes than its tree has levels")
    return found


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
