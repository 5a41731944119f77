"""Signers and evidence: who may be believed, and what a signature backend proved."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

KeyValidity: TypeAlias = Literal["strict", "backfill", "identity", "now"]
Format: TypeAlias = Literal["openpgp", "ssh"]


class Clock(NamedTuple):
    """The times a verdict may rest on, in seconds since the epoch (UTC).

    `claimed` is the committer's or tagger's date, a claim of whoever signed. `arrival` is when a server first saw the
    object, None elsewhere. `now` is the caller's clock; nothing below the surfaces reads one.
    """

    claimed: int
    now: int
    arrival: int | None = None


class Evidence(NamedTuple):
    """What a backend proved about one signature; it exists only after cryptographic success.

    `signer` is the policy's name of the person the key belongs to; `fingerprint` the signing key (OpenPGP: 40 hex of
    the signing (sub)key; SSH: `SHA256:...`), `primary` the certificate it belongs to (equal for SSH).
    `signed_at`/`time_source` say which clock was believed (`signature`, `committer`, `arrival`, `now`).
    `emails` are the addresses the key itself carries (OpenPGP user ids), never a reason to accept.
    """

    format: Format
    fingerprint: str
    primary: str
    signer: str
    signed_at: int
    time_source: str
    algorithm: str
    code: str = "GOOD"
    notes: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()


class KeyMaterial(NamedTuple):
    """Key bytes as a policy names them, not yet parsed: `signer` is the person, `data` a key file or an inline key line.

    `key`, `source` and `line` (0 unknown) say where the policy names it, for errors.
    """

    signer: str
    data: bytes
    key: str
    source: str = ""
    line: int = 0


class SignatureOptions(NamedTuple):
    """How the policy wants signatures judged.

    `key_validity` is the time rule of `[commits] key-validity`; OpenPGP signatures made with SHA-1 before `sha1_before`
    (seconds since the epoch, None: never) are accepted. `ssh_require` is what the signature of a hardware security key
    must say: that it was touched (presence), that its owner was verified.
    """

    key_validity: KeyValidity = "backfill"
    sha1_before: int | None = None
    ssh_require: tuple[Literal["presence", "verification"], ...] = ("presence",)
