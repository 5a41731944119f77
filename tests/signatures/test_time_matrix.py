"""When a key was good, and what shows when it signed: every state of a key, by every proof of time, in every format.

A signature claims to be of `T`. Its key expired, was revoked or became valid before, at or after `T`, always long before `NOW`. A
proof of time (a log, a timestamp authority, the arrival at a server) is of soon after `T`, or late: after all of that, which is
what somebody gets who signs today and writes an old date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from cryptography.x509 import ReasonFlags

from chainverify.errors import SignatureError
from chainverify.formats.objects import object_id, parse_commit
from chainverify.model.signing import Clock, Format, GitsignMaterial, KeyMaterial, SignatureOptions, SigningMaterial
from chainverify.policy.model import CommitsPolicy, Policy, Signer
from chainverify.rules import signatures as rules
from chainverify.signatures import backends
from tests.world import openpgp, x509
from tests.world.repository import START, signed_commit
from tests.world.sigstore import ALICE, ISSUER, Sigstore
from tests.world.ssh import SshKey, krl

pytestmark = pytest.mark.tool("ssh-keygen")

DAY: Final = 86_400
T: Final = START
SOON, LATE, NOW = T + 10, T + 2 * DAY, T + 30 * DAY
FORMATS: Final[tuple[Format, ...]] = ("openpgp", "ssh", "x509", "gitsign")
PAYLOAD: Final = (
    f"tree {'ab' * 20}\nauthor Alice <{ALICE}> {T} +0000\ncommitter Alice <{ALICE}> {T} +0000\n\nJIRA-1: signed\n"
).encode()


class State(NamedTuple):
    """What became of a key, in seconds: `since` and `until` are the ends of its validity, `revoked` when it was revoked."""

    since: int = T - DAY
    until: int | None = None
    revoked: int | None = None
    hard: bool = False


class Anchor(NamedTuple):
    """What proves a time: the kind (none, log, timestamp, arrival), and which."""

    kind: str
    at: int


ANCHORS: Final = {
    "none": Anchor("none", 0), "arrival": Anchor("arrival", SOON), "late arrival": Anchor("arrival", LATE),
    "timestamp": Anchor("timestamp", SOON), "late timestamp": Anchor("timestamp", LATE),
    "log": Anchor("log", SOON), "late log": Anchor("log", LATE),
}  # fmt: skip
Signed = tuple[bytes, SigningMaterial]
"""An armor, and what the policy says of its key."""


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


# --- how each format gets into each state

def by_openpgp(state: State, anchor: Anchor, scratch: Path) -> Signed:
    key = openpgp.ForgedKey.create(when=state.since)
    own = b"Alice <alice@example.org>"
    extra = [openpgp.flags(3), *([openpgp.expires(state.until - state.since)] if state.until is not None else [])]
    direct = []
    if state.revoked is not None:
        hashed = [openpgp.created(state.revoked), openpgp.issuer(key), openpgp.reason(2 if state.hard else 1)]
        direct.append(key.sign(0x20, key.prefix, hashed=hashed))
    certificate = openpgp.certificate(
        key, [(own, [openpgp.self_signature(key, own, *extra, when=state.since)])], direct=direct
    )
    armor = openpgp.armor(openpgp.packet(2, key.sign(0, PAYLOAD, when=T)))
    return armor, SigningMaterial(openpgp=(KeyMaterial("Alice", certificate, "key"),))


def moment(seconds: int) -> str:
    return re.sub(r"[-:T]|\+.*", "", x509.moment(seconds).isoformat()) + "Z"


def by_ssh(state: State, anchor: Anchor, scratch: Path) -> Signed:
    key = _ssh_key(scratch)
    options = [f'valid-after="{moment(state.since)}"', *([f'valid-before="{moment(state.until)}"'] if state.until else [])]
    lists = (KeyMaterial("", _krl("", key), "key", name="krl"),) if state.revoked is not None else ()
    allowed = KeyMaterial("Alice", key.allowed(ALICE, ",".join(options)).encode(), "key", name="allowed")
    return _ssh_signature(key), SigningMaterial(allowed_signers=(allowed,), ssh_revoked=lists)


def by_ssh_certificate(state: State, anchor: Anchor, scratch: Path) -> Signed:
    authority = _ssh_key(scratch, "authority")
    until = state.until if state.until is not None else NOW + DAY
    key = _certified(scratch, state.since, until)
    lists = (KeyMaterial("", _krl("serial: 5", authority=authority), "key", name="krl"),) if state.revoked is not None else ()
    line = KeyMaterial("", authority.allowed("*@example.org", "cert-authority").encode(), "key", name="allowed")
    return _ssh_signature(key), SigningMaterial(allowed_signers=(line,), ssh_revoked=lists)


@cache
def _ssh_key(scratch: Path, name: str = "alice") -> SshKey:
    return SshKey.create(scratch, name)


@cache
def _certified(scratch: Path, since: int, until: int) -> SshKey:
    return _ssh_key(scratch, "authority").certify(_ssh_key(scratch), ALICE, "-z", "5", "-V", f"{moment(since)}:{moment(until)}")


@cache
def _ssh_signature(key: SshKey) -> bytes:
    return key.sign(PAYLOAD)


@cache
def _krl(specification: str, *keys: SshKey, authority: SshKey | None = None) -> bytes:
    return krl(specification, *keys, authority=authority)


ROOT: Final = x509.mint("Root", authority=True)
STAMPER: Final = x509.mint_stamper(ROOT)


def by_x509(state: State, anchor: Anchor, scratch: Path) -> Signed:
    until = state.until if state.until is not None else NOW + DAY
    signer = x509.mint("Alice", ROOT, emails=[ALICE], since=state.since, until=until)
    stamp: Any = (lambda value: x509.token(STAMPER, value, when=anchor.at)) if anchor.kind == "timestamp" else None
    crls = []
    if state.revoked is not None:
        reason = ReasonFlags.key_compromise if state.hard else ReasonFlags.superseded
        crls.append(x509.crl(ROOT, (signer, state.revoked, reason)))
    return x509.forge(signer, PAYLOAD, when=T, stamp=stamp), x509.trust(ROOT, crls=crls, timestamps=[ROOT])


SIGSTORE: Final = Sigstore()


def by_gitsign(state: State, anchor: Anchor, scratch: Path) -> Signed:
    until = state.until if state.until is not None else SOON + 600
    leaf = SIGSTORE.leaf(not_before=state.since, life=until - state.since)
    signed = SIGSTORE.sign(PAYLOAD, leaf, at=T)
    unsigned = []
    if anchor.kind == "log":
        unsigned.append(SIGSTORE.entry(signed, time=anchor.at).attribute())
    if anchor.kind == "timestamp":
        unsigned.append(SIGSTORE.timestamp(signed.signature, anchor.at))
    trust = KeyMaterial("", json.dumps(SIGSTORE.trust()).encode(), "commits.trusted-root", name="trusted_root.json")
    identity = GitsignMaterial("Alice", ALICE, ISSUER, False, False, (), "key")
    return SIGSTORE.armored(signed, *unsigned), SigningMaterial(gitsign=(identity,), trusted_root=trust)


MAKERS: Final[dict[str, Callable[[State, Anchor, Path], Signed]]] = {
    "openpgp": by_openpgp, "ssh": by_ssh, "ssh certificate": by_ssh_certificate, "x509": by_x509, "gitsign": by_gitsign,
}  # fmt: skip


def judged(name: str, state: State, anchor: Anchor, scratch: Path, **signer: int) -> str:
    """The verdict under a policy: the code, and the rule too where it is no pass."""
    armor, material = MAKERS[name](state, anchor, scratch)
    raw = signed_commit(PAYLOAD, armor)
    commit = parse_commit(object_id("commit", raw, "sha1"), raw, "sha1")
    assert commit.signature
    clock = Clock(T, NOW, anchor.at if anchor.kind == "arrival" else None)
    try:
        found = backends.verify(commit.payload, commit.signature, backends.load(material), clock, SignatureOptions(), FORMATS)
    except SignatureError as error:
        return f"{error.code} {error.rule}"
    policy = Policy("p", "d", CommitsPolicy(), signers=(Signer("Alice", (ALICE,), **signer),))  # type: ignore[arg-type]
    findings = rules.judge_commit(commit, found, clock, rules.prepare(policy))
    code = findings[0].evidence["code"]
    return str(code) if findings[0].status == "pass" else f"{code} {findings[0].rule}"


GOOD, OVER = "GOOD", "GOOD_EXPIRED_NOW"
EXPIRED, FUTURE = "EXPIRED_AT_T signer-expired", "FUTURE signer-expired"
CERT = "CERT_EXPIRED signer-expired"
YOUNG = "FUTURE signature-bad"
SOFT, HARD = "REVOKED_SOFT_AT_T signer-revoked", "REVOKED_HARD signer-revoked"
LEVEL = "LEVEL_1 signer-not-allowed"
OUTSIDE = "EXPIRED_AT_T signature-bad"

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "openpgp": ("none", "arrival", "late arrival"),
    "ssh": ("none", "arrival", "late arrival"),
    "ssh certificate": ("none", "arrival", "late arrival"),
    "x509": ("none", "arrival", "late arrival", "timestamp", "late timestamp"),
    "gitsign": ("none", "arrival", "late arrival", "timestamp", "late timestamp", "log", "late log"),
}
"""What can prove the time of a signature: nothing but the arrival, where the format has no place for more."""


class Row(NamedTuple):
    """A state of the key, what the policy says of the signer, and the verdicts by format, in the order of `COLUMNS`."""

    state: State
    verdicts: dict[str, tuple[str, ...]]
    signer: dict[str, int] = {}


MATRIX: Final[dict[str, Row]] = {
    # a certificate of minutes proves nothing without a proof that falls into them, and an arrival is no part of the signature;
    # a late proof fails: whoever made the signature may have come by the key later
    "valid": Row(State(), {
        "openpgp": (GOOD, GOOD, GOOD),
        "ssh": (GOOD, GOOD, GOOD),
        "ssh certificate": (GOOD, GOOD, GOOD),
        "x509": (GOOD, GOOD, GOOD, GOOD, GOOD),
        "gitsign": (LEVEL, LEVEL, LEVEL, GOOD, OUTSIDE, GOOD, OUTSIDE),
    }),
    # gitsign without a proof is judged at the start of the certificate: the level is what says that nothing more is known
    "expired before T": Row(State(until=T - 3600), {
        "openpgp": (EXPIRED, EXPIRED, EXPIRED),
        "ssh": (EXPIRED, EXPIRED, EXPIRED),
        "ssh certificate": (CERT, CERT, CERT),
        "x509": (EXPIRED, EXPIRED, EXPIRED, EXPIRED, EXPIRED),
        "gitsign": (LEVEL, LEVEL, LEVEL, OUTSIDE, OUTSIDE, OUTSIDE, OUTSIDE),
    }),
    # OpenPGP counts seconds of validity (T < creation + period), an SSH certificate ends before valid-before, as OpenSSH has it;
    # lines of allowed signers and X.509 hold their last second
    "expired at T": Row(State(until=T), {
        "openpgp": (EXPIRED, EXPIRED, EXPIRED),
        "ssh": (OVER, EXPIRED, EXPIRED),
        "ssh certificate": (CERT, CERT, CERT),
        "x509": (OVER, EXPIRED, EXPIRED, EXPIRED, EXPIRED),
        "gitsign": (LEVEL, LEVEL, LEVEL, OUTSIDE, OUTSIDE, OUTSIDE, OUTSIDE),
    }),
    # a claim of before the end is believed until something contradicts it: an old signature stays good, a backdated one does
    # where nothing proves a time; where something does, it decides
    "expired after T": Row(State(until=T + DAY), {
        "openpgp": (OVER, OVER, EXPIRED),
        "ssh": (OVER, OVER, EXPIRED),
        "ssh certificate": (OVER, OVER, CERT),
        "x509": (OVER, OVER, EXPIRED, OVER, EXPIRED),
        "gitsign": (LEVEL, LEVEL, LEVEL, GOOD, OUTSIDE, GOOD, OUTSIDE),
    }),
    # an OpenPGP key cannot have signed before it was made, whatever is proved; the others are judged at the proved time
    "not yet valid": Row(State(since=T + DAY, until=T + 20 * DAY), {
        "openpgp": (YOUNG, YOUNG, YOUNG),
        "ssh": (EXPIRED, EXPIRED, OVER),
        "ssh certificate": (CERT, CERT, OVER),
        "x509": (FUTURE, FUTURE, OVER, FUTURE, OVER),
        "gitsign": (LEVEL, LEVEL, LEVEL, OUTSIDE, GOOD, OUTSIDE, GOOD),
    }),
    # lists of revoked SSH keys tell neither reason nor time, so each is the worst; the policy's times of a signer are the way to
    # say more. A certificate of minutes has no revocation: compromised-at is for its identity
    "revoked, soft, before T": Row(State(revoked=T - 3600), {
        "openpgp": (SOFT, SOFT, SOFT),
        "ssh": (HARD, HARD, HARD),
        "ssh certificate": (HARD, HARD, HARD),
        "x509": (SOFT, SOFT, SOFT, SOFT, SOFT),
    }),
    # from that second on
    "revoked, soft, at T": Row(State(revoked=T), {
        "openpgp": (SOFT, SOFT, SOFT),
        "ssh": (HARD, HARD, HARD),
        "ssh certificate": (HARD, HARD, HARD),
        "x509": (SOFT, SOFT, SOFT, SOFT, SOFT),
    }),
    "revoked, soft, after T": Row(State(revoked=T + DAY), {
        "openpgp": (GOOD, GOOD, SOFT),
        "ssh": (HARD, HARD, HARD),
        "ssh certificate": (HARD, HARD, HARD),
        "x509": (GOOD, GOOD, SOFT, GOOD, SOFT),
    }),
    "revoked, hard, before T": Row(State(revoked=T - 3600, hard=True), {
        "openpgp": (HARD, HARD, HARD),
        "ssh": (HARD, HARD, HARD),
        "ssh certificate": (HARD, HARD, HARD),
        "x509": (HARD, HARD, HARD, HARD, HARD),
    }),
    # X.509 believes a proof of before the revocation. OpenPGP does not: its revocations hold no time from which the key was lost,
    # only when it was told
    "revoked, hard, after T": Row(State(revoked=T + DAY, hard=True), {
        "openpgp": (HARD, HARD, HARD),
        "ssh": (HARD, HARD, HARD),
        "ssh certificate": (HARD, HARD, HARD),
        "x509": (HARD, GOOD, HARD, GOOD, HARD),
    }),
    # revocation is told before expiry, for a policy may excuse the one and not the other
    "expired and revoked, hard": Row(State(until=T + DAY, revoked=T + DAY, hard=True), {
        "openpgp": (HARD, HARD, HARD),
        "ssh": (HARD, HARD, HARD),
        "ssh certificate": (HARD, HARD, HARD),
        "x509": (HARD, OVER, HARD, OVER, HARD),
    }),
    "policy: compromised before T": Row(State(), {
        "openpgp": (HARD, HARD, HARD),
        "ssh": (HARD, HARD, HARD),
        "ssh certificate": (HARD, HARD, HARD),
        "x509": (HARD, HARD, HARD, HARD, HARD),
        "gitsign": (HARD, HARD, HARD, HARD, OUTSIDE, HARD, OUTSIDE),
    }, {"compromised_at": T - 3600}),
    # only what others than the signer prove survives; the arrival does for every format, and leaves gitsign's level as it is
    "policy: compromised after T": Row(State(), {
        "openpgp": (HARD, GOOD, HARD),
        "ssh": (HARD, GOOD, HARD),
        "ssh certificate": (HARD, GOOD, HARD),
        "x509": (HARD, GOOD, HARD, GOOD, HARD),
        "gitsign": (HARD, LEVEL, HARD, GOOD, OUTSIDE, GOOD, OUTSIDE),
    }, {"compromised_at": T + DAY}),
    # gitsign without a proof is of the start of the certificate, a day before
    "policy: until before T": Row(State(), {
        "openpgp": (EXPIRED, EXPIRED, EXPIRED),
        "ssh": (EXPIRED, EXPIRED, EXPIRED),
        "ssh certificate": (EXPIRED, EXPIRED, EXPIRED),
        "x509": (EXPIRED, EXPIRED, EXPIRED, EXPIRED, EXPIRED),
        "gitsign": (LEVEL, EXPIRED, EXPIRED, EXPIRED, OUTSIDE, EXPIRED, OUTSIDE),
    }, {"valid_before": T - 3600}),
    # both ends of a signer's time belong to it
    "policy: until T": Row(State(), {
        "openpgp": (GOOD, EXPIRED, EXPIRED),
        "ssh": (GOOD, EXPIRED, EXPIRED),
        "ssh certificate": (GOOD, EXPIRED, EXPIRED),
        "x509": (GOOD, EXPIRED, EXPIRED, EXPIRED, EXPIRED),
        "gitsign": (LEVEL, EXPIRED, EXPIRED, EXPIRED, OUTSIDE, EXPIRED, OUTSIDE),
    }, {"valid_before": T}),
    "policy: until after T": Row(State(), {
        "openpgp": (GOOD, GOOD, EXPIRED),
        "ssh": (GOOD, GOOD, EXPIRED),
        "ssh certificate": (GOOD, GOOD, EXPIRED),
        "x509": (GOOD, GOOD, EXPIRED, GOOD, EXPIRED),
        "gitsign": (LEVEL, LEVEL, EXPIRED, GOOD, OUTSIDE, GOOD, OUTSIDE),
    }, {"valid_before": T + DAY}),
    # gitsign judges at the proved time, or at the start of the certificate, and not at the arrival
    "policy: from after T": Row(State(), {
        "openpgp": (EXPIRED, EXPIRED, GOOD),
        "ssh": (EXPIRED, EXPIRED, GOOD),
        "ssh certificate": (EXPIRED, EXPIRED, GOOD),
        "x509": (EXPIRED, EXPIRED, GOOD, EXPIRED, GOOD),
        "gitsign": (EXPIRED, EXPIRED, EXPIRED, EXPIRED, OUTSIDE, EXPIRED, OUTSIDE),
    }, {"valid_after": T + DAY}),
}


CELLS = [
    pytest.param(row, name, column, expected, id=f"{state}-{name}-{column}")
    for state, row in MATRIX.items()
    for name, verdicts in row.verdicts.items()
    for column, expected in zip(COLUMNS[name], verdicts, strict=True)
]


@pytest.mark.parametrize(("row", "name", "column", "expected"), CELLS)
def test_cells(row: Row, name: str, column: str, expected: str, scratch: Path) -> None:
    assert judged(name, row.state, ANCHORS[column], scratch, **row.signer) == expected


def test_late_is_never_better_than_soon_for_what_ends() -> None:
    """A signature that is proved to exist later is not good where one from before is not: but for what is yet to begin."""
    for state, row in MATRIX.items():
        for name, verdicts in row.verdicts.items():
            by_column = dict(zip(COLUMNS[name], verdicts, strict=True))
            for column in ("arrival", "timestamp", "log"):
                if f"late {column}" in by_column and by_column[f"late {column}"].startswith("GOOD"):
                    assert by_column[column].startswith("GOOD") or state in {"not yet valid", "policy: from after T"}
