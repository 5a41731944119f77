"""The SSH keys that a policy believes: by the signers' own lists and by allowed signers files, less those that are revoked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final, NamedTuple

from chainverify.errors import Malformed, PolicyError, SignatureError
from chainverify.formats import allowed_signers, krl, sshkey
from chainverify.formats.allowed_signers import AllowedSigner
from chainverify.formats.krl import RevokedKeys
from chainverify.formats.sshkey import SshPublicKey
from chainverify.model.signing import KeyMaterial, SigningMaterial
from chainverify.output.moment import moment
from chainverify.signatures import facts
from chainverify.signatures.ssh_crypto import Key, decode

MAX_SHOWN_LINES: Final = 3
"""How many lines of allowed signers files one message names."""


class Line(NamedTuple):
    """What a line of an allowed signers file says of its key.

    `signer` is the person whose file it is, empty for a file that names people itself, by the pattern list `principals`. `place`
    is the file and line, `for_git` whether its namespaces have that of git. Both ends belong to its time, as with OpenSSH.
    """

    signer: str
    principals: str
    place: str
    for_git: bool = True
    valid_after: int | None = None
    valid_before: int | None = None
    notes: tuple[str, ...] = ()

    def covers(self, time: int) -> bool:
        """Whether the line counts for a signature for git made at `time`."""
        return self.for_git and (self.valid_after is None or self.valid_after <= time) and not self.is_over(time)

    def is_over(self, time: int) -> bool:
        """Whether the line's time has passed."""
        return self.valid_before is not None and self.valid_before < time


class TrustedKey(NamedTuple):
    """A key of the policy: `signer`'s without limit, or where that is empty as its `lines` say. `revoked` says why and where it
    is revoked, empty where it is not."""

    signer: str
    key: Key
    lines: tuple[Line, ...] = ()
    revoked: str = ""


class SshKeyring(NamedTuple):
    """All SSH keys of a policy by their wire form: those that sign, and the authorities that issue certificates.

    `revocations` are the files of revoked keys by name; `notes` what was left aside in them; `digests` the keys that sign by
    the digest of their wire form (`facts.digest_of`).
    """

    keys: Mapping[bytes, TrustedKey]
    authorities: Mapping[bytes, TrustedKey] = MappingProxyType({})
    revocations: tuple[tuple[str, RevokedKeys], ...] = ()
    notes: tuple[str, ...] = ()
    digests: Mapping[bytes, TrustedKey] = MappingProxyType({})


def load(material: SigningMaterial) -> SshKeyring:
    """The SSH keys of a policy.

    A signer's keys stand in `material.ssh` (a key line or a file of key lines) or in the signer's allowed signers files. A key
    in both, or twice, is the signer's by whichever line holds; one that is in a shared allowed signers file too is the signer's
    where that holds, and else as the shared file says. An authority may be that of several signers: which of them a certificate
    is for is told by its principals.

    Raises `PolicyError`, with the material's place, for what cannot be read whole, for a key that cannot be used, RSA under 2048
    bits, and a key that two signers claim. Nothing is read as empty: a file without any key is an error too.
    """
    revocations: list[tuple[str, RevokedKeys]] = []
    for each in material.ssh_revoked:
        with _placed(each):
            revocations.append((each.name or each.key, krl.parse_file(each.data)))
    found = _Found()
    for each in material.ssh:
        with _placed(each):
            for own in sshkey.parse_file(each.data):
                found.of_signer(each.signer, own.key)
    for each in material.allowed_signers:
        with _placed(each):
            for line in allowed_signers.parse(each.data):
                found.of_line(each, line)
    return found.keyring(tuple(revocations))


def refused_lines(
    lines: tuple[Line, ...], believed: tuple[int, str], fingerprint: str, evidence: dict[str, object]
) -> SignatureError:
    """The error for a key whose lines are all for other namespaces or other times; `believed` is the time and its source."""
    time, source = believed
    ours = [line for line in lines if line.for_git]
    if not ours:
        return SignatureError(
            f"SSH key {fingerprint} may sign in other namespaces only, expected 'git': {_places(lines)}",
            code="NO_KEY",
            rule="signer-unknown",
            hint='add git to the namespaces="..." of its line, if it may sign commits',
            evidence=evidence,
        )
    limits = "; ".join(_limit(line, time) for line in ours[:MAX_SHOWN_LINES])
    return SignatureError(
        f"SSH key {fingerprint} {limits}; signature is of {moment(time)} (source: {source})",
        code="EXPIRED_AT_T",
        rule="signer-expired",
        hint="sign it with a key that is valid now, or change the time of the key's line",
        evidence=evidence,
    )


def is_authority(key: TrustedKey, evidence: dict[str, object]) -> SignatureError:
    """The error for a signature that the key of an authority made itself."""
    return SignatureError(
        f"SSH key {key.key.fingerprint} issues certificates ({_places(key.lines)}), and may not sign commits itself",
        code="NO_KEY",
        rule="signer-unknown",
        hint="add a line for the key without cert-authority, if it may",
        evidence=evidence,
    )


def revoked(fingerprint: str, why: str, evidence: dict[str, object]) -> SignatureError:
    """The error for a key or certificate that is revoked; no list says since when, so nothing it signed counts."""
    return SignatureError(
        f"SSH key {fingerprint} is revoked: {why}",
        code="REVOKED_HARD",
        rule="signer-revoked",
        hint="sign the change again with another key, or excuse known commits by their ids in [commits] exceptions",
        evidence=evidence,
    )


def _limit(line: Line, time: int) -> str:
    if line.is_over(time):
        return f"was valid until {moment(line.valid_before or 0)} ({line.place})"
    return f"is valid only from {moment(line.valid_after or 0)} on ({line.place})"


def _places(lines: tuple[Line, ...]) -> str:
    more = f" and {len(lines) - MAX_SHOWN_LINES} more" if len(lines) > MAX_SHOWN_LINES else ""
    return ", ".join(line.place for line in lines[:MAX_SHOWN_LINES]) + more


class _Found:
    """The keys found so far."""

    def __init__(self) -> None:
        self.decoded: dict[bytes, tuple[SshPublicKey, Key]] = {}
        self.owners: dict[bytes, str] = {}
        self.unlimited: set[bytes] = set()
        self.lines: dict[bytes, list[Line]] = {}
        self.authorities: dict[bytes, list[Line]] = {}

    def of_signer(self, signer: str, key: SshPublicKey) -> None:
        """A key that is a signer's without limit. Raises `Malformed`."""
        self.decode(key)
        self.claim(signer, key)
        self.unlimited.add(key.blob)

    def of_line(self, each: KeyMaterial, line: AllowedSigner) -> None:
        """A line of an allowed signers file. Raises `Malformed`."""
        place = f"{each.name or each.key}, line {line.number}"
        try:
            self.decode(line.key)
            if each.signer and not line.cert_authority:
                self.claim(each.signer, line.key)
        except Malformed as error:
            raise Malformed(f"{place}: {error.message}", rule=error.rule, hint=error.hint) from error
        into = self.authorities if line.cert_authority else self.lines
        into.setdefault(line.key.blob, []).append(Line(
            each.signer,
            line.principals,
            place,
            line.for_git,
            line.valid_after,
            line.valid_before,
            ("allowed-signers-time-as-utc",) if line.assumed_utc else (),
        ))  # fmt: skip

    def decode(self, key: SshPublicKey) -> None:
        if key.blob not in self.decoded:
            self.decoded[key.blob] = (key, decode(key))

    def claim(self, signer: str, key: SshPublicKey) -> None:
        """A key belongs to one person, who may name it twice. Raises `Malformed`."""
        known = self.owners.setdefault(key.blob, signer)
        if known != signer:
            raise Malformed(
                f"SSH key {key.fingerprint} is given to {known!r} and to {signer!r}",
                rule="policy",
                hint="a key belongs to one person: remove it from the other",
            )

    def keyring(self, revocations: tuple[tuple[str, RevokedKeys], ...]) -> SshKeyring:
        def trusted(blob: bytes, lines: dict[bytes, list[Line]]) -> TrustedKey:
            public, key = self.decoded[blob]
            if lines is self.lines and blob in self.unlimited:
                return TrustedKey(self.owners[blob], key, (), revoked_key(revocations, public))
            return TrustedKey("", key, tuple(lines[blob]), revoked_key(revocations, public))

        keys = {blob: trusted(blob, self.lines) for blob in (*self.unlimited, *self.lines)}
        return SshKeyring(
            MappingProxyType(keys),
            MappingProxyType({blob: trusted(blob, self.authorities) for blob in self.authorities}),
            revocations,
            tuple(dict.fromkeys(note for _, one in revocations for note in one.notes)),
            MappingProxyType({facts.digest_of(blob): key for blob, key in keys.items()}),
        )


def revoked_key(revocations: tuple[tuple[str, RevokedKeys], ...], key: SshPublicKey) -> str:
    """Why and where a key is revoked, empty where it is not."""
    return next((f"{why}, in {name}" for name, each in revocations if (why := each.revokes_key(key))), "")


@contextmanager
def _placed(each: KeyMaterial) -> Iterator[None]:
    """Errors of what a policy names, as errors of the policy."""
    try:
        yield
    except Malformed as error:
        raise PolicyError(error.message, key=each.key, source=each.source, line=each.line, hint=error.hint) from error
