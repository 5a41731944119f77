"""Cryptographic facts: that a signature fits its payload and a key, which stays true whatever a policy or a clock says.

A backend gives one away after its check (`remember` of `backends.verify`) and takes it back in place of the check
(`backends.recall`); all questions of policy and time are asked again, by the code that asks them the first time.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from chainverify.model.signing import Format


class Kind(NamedTuple):
    """What many signatures have in common.

    `key` is the digest of the whole public key that made them (`digest_of`): a fingerprint may be a SHA-1. `algorithm` is for
    SSH; the rest is what an OpenPGP signature says: see `formats.openpgp.Signature`, and whether its digest prefix is right.
    """

    format: Format
    key: bytes
    algorithm: str = ""
    hash_algorithm: int = 0
    expires: int = 0
    fingerprint: bytes | None = None
    key_id: bytes | None = None
    signer_user_id: bytes | None = None
    notes: tuple[str, ...] = ()
    left_fits: bool = True


class Fact(NamedTuple):
    """That one signature is good. `created` is the time that an OpenPGP signature claims, in seconds since the epoch."""

    kind: Kind
    created: int = 0


def digest_of(key: bytes) -> bytes:
    """The digest of a public key: of its SSH wire form, or the body of its OpenPGP packet."""
    return hashlib.sha256(key).digest()
