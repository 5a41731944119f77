"""Signers and evidence: who may be believed, and what a signature backend proved."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

KeyValidity: TypeAlias = Literal["strict", "backfill", "identity", "now"]
Format: TypeAlias = Literal["openpgp", "ssh", "x509", "gitsign"]
FORMAT_TITLES: Final[dict[str, str]] = {"openpgp": "OpenPGP", "ssh": "SSH", "x509": "X.509", "gitsign": "gitsign"}
"""The formats' names for people."""
SshRequirement: TypeAlias = Literal["presence", "verification"]


class Clock(NamedTuple):
    """The times a verdict may rest on, in seconds since the epoch (UTC).

    `claimed` is the committer's or tagger's date, a claim of whoever signed. `arrival` is when a server first saw the
    object, None elsewhere. `now` is the caller's clock; nothing below the surfaces reads one.
    """

    claimed: int
    now: int
    arrival: int | None = None

    def believed(self, key_validity: KeyValidity, claimed: int, source: str) -> tuple[int, str]:
        """The time that a verdict rests on, and its source: now where the policy says so, else the arrival, else the claim that
        the format has, `claimed` of `source`."""
        if key_validity == "now":
            return self.now, "now"
        return (claimed, source) if self.arrival is None else (self.arrival, "arrival")


class Evidence(NamedTuple):
    """What a backend proved about one signature; it exists only after cryptographic success.

    `signer` is the policy's name of the person the key belongs to; `fingerprint` the signing key (OpenPGP: hex of the
    signing (sub)key; SSH: `SHA256:...`; X.509 and gitsign: `SHA256:` of the certificate), `primary` the certificate it
    belongs to (equal for all but OpenPGP). `signed_at`/`time_source` say which clock was believed (`signature`,
    `committer`, `arrival`, `now`, `log`, `timestamp`, `certificate`). `emails` are the addresses the key itself carries
    (OpenPGP user ids, certificate names), never a reason to accept.

    `principals` are set where the policy trusts a file or an authority to name people: OpenSSH pattern lists
    (`formats.allowed_signers`), and `signer` is empty then: which of them it was is for the rules to say. `level` is that of
    a gitsign signature (0 to 2). `anchored_at` is a time, proved by a log or timestamp authority, at which the signature was
    there. `claims` are pairs worth reporting, such as `identity` and `issuer`.
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
    principals: tuple[str, ...] = ()
    level: int | None = None
    anchored_at: int | None = None
    claims: tuple[tuple[str, str], ...] = ()


class KeyMaterial(NamedTuple):
    """Key bytes as a policy names them, not yet parsed: `signer` is the person, `data` a key file or an inline key line.

    `signer` is empty for what belongs to no one person (authorities, revocations, `[commits] allowed-signers`). `name` is the
    file's name as written, empty for an inline key. `key`, `source` and `line` (0 unknown) say where the policy names it.
    """

    signer: str
    data: bytes
    key: str
    source: str = ""
    line: int = 0
    name: str = ""


class GitsignMaterial(NamedTuple):
    """A Sigstore identity that a policy gives to `signer`.

    `identity` (subject alternative name of the certificate) and `issuer` are compared whole: as text, as a glob where they hold
    a `*`, as a linear pattern (`formats.pattern`) where the flag beside says so. All `claims` (extension name, value) must hold.
    """

    signer: str
    identity: str
    issuer: str
    identity_is_regex: bool
    issuer_is_regex: bool
    claims: tuple[tuple[str, str], ...]
    key: str
    source: str = ""
    line: int = 0


class SigningMaterial(NamedTuple):
    """All that a policy says about who may be believed, read and not yet parsed, each in the policy's order.

    `allowed_signers` with a `signer` give every key in the file to that person, those without name people themselves.
    `x509` are pinned certificates; `x509_roots`, `timestamp_roots` authorities; `ssh_revoked` and `crls` revocations.
    `trusted_root` is the Sigstore trust root for gitsign, None for the one that the sigstore package ships.
    """

    openpgp: tuple[KeyMaterial, ...] = ()
    ssh: tuple[KeyMaterial, ...] = ()
    allowed_signers: tuple[KeyMaterial, ...] = ()
    ssh_revoked: tuple[KeyMaterial, ...] = ()
    x509: tuple[KeyMaterial, ...] = ()
    x509_roots: tuple[KeyMaterial, ...] = ()
    crls: tuple[KeyMaterial, ...] = ()
    timestamp_roots: tuple[KeyMaterial, ...] = ()
    gitsign: tuple[GitsignMaterial, ...] = ()
    trusted_root: KeyMaterial | None = None


class SignatureOptions(NamedTuple):
    """How the policy wants signatures judged.

    `key_validity` is the time rule of `[commits] key-validity`; OpenPGP signatures made with SHA-1 before `sha1_before`, and by
    DSA keys of 2048 bits or more before `dsa_before` (seconds since the epoch, None: never) are accepted. `ssh_require` is what
    the signature of a hardware security key must say: that it was touched (presence), that its owner was verified.
    """

    key_validity: KeyValidity = "backfill"
    sha1_before: int | None = None
    ssh_require: tuple[SshRequirement, ...] = ("presence",)
    dsa_before: int | None = None
