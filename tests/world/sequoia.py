"""What Sequoia says of a detached OpenPGP signature: the second oracle beside gpg, and the one that knows version 6.

It judges by its own clock and its standard policy: a key must be good now, an old hash is no longer. Keys and signatures that it
makes are of now, too.
"""

from __future__ import annotations

from typing import NamedTuple

import pysequoia


class SequoiaKey(NamedTuple):
    """A certificate made by Sequoia, with a primary key that only certifies and a subkey for signing."""

    secret: pysequoia.Tsk
    public: bytes

    @classmethod
    def create(cls, suite: str = "Cv25519", *, version: int = 6, user_id: str | None = "Alice <alice@example.org>") -> SequoiaKey:
        """A new one; `suite` is a name of `pysequoia.CipherSuite`."""
        profile = pysequoia.Profile.RFC9580 if version == 6 else pysequoia.Profile.RFC4880
        secret = pysequoia.Tsk.generate(user_id, profile=profile, cipher_suite=getattr(pysequoia.CipherSuite, suite))
        return cls(secret, bytes(secret.extract_certificate()))

    def sign(self, payload: bytes) -> bytes:
        """A detached signature, armored, without a final LF."""
        made = pysequoia.sign(self.secret.signer(), payload, mode=pysequoia.SignatureMode.DETACHED)
        return bytes(made).removesuffix(b"\n")


def verdict(payload: bytes, signature: bytes, *certificates: bytes) -> str:
    """`good` and the fingerprint of the signing key, `refused` (by its policy, or the signature does not fit), or `unreadable`
    where it does not take the signature or a certificate for one."""
    try:
        read = [one for data in certificates for one in pysequoia.Cert.split_bytes(data)]
        parsed = pysequoia.Sig.from_bytes(signature)
    except Exception:  # pysequoia raises no class of its own
        return "unreadable"
    try:
        found = pysequoia.verify(bytes=payload, store=lambda _: read, signature=parsed)
    except Exception:
        return "refused"
    return f"good {found.valid_sigs[0].signing_key.upper()}"
