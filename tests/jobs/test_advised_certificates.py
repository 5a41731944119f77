"""What a policy only advises, for SSH keys of files, SSH certificates and X.509: which findings there are, and who is believed.

Every row is a signature by Bob's key or certificate that one rule refuses. With the rule advised it is judged three times: as a
commit by Bob, as one by Alice, and as one by Bob whose clean merges alone count. Where it is proved that it was Bob, his own
passes with a warning and the others do not. Where it is not, it is nobody's. Neither lands where the policy names who may sign.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chainverify.errors import SignatureError
from chainverify.formats.sshwire import string
from chainverify.model.signing import Clock, Evidence, SignatureOptions
from chainverify.signatures import ssh
from chainverify.transparency import chains
from tests.jobs import verdicts
from tests.jobs.verdicts import MAIN, NOW, Sign
from tests.signatures.test_ssh import PAYLOAD, SecurityKey, armored_of, blob_of, private, signed_bytes
from tests.signatures.test_ssh_allowed_signers import own, ring, shared
from tests.signatures.test_ssh_certificates import certificate_of
from tests.world.repository import ALICE, BOB, START, Repository
from tests.world.ssh import SshKey, krl
from tests.world.x509 import DAY, Identity, crl, forge, mint

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen")]

EXPIRED, REVOKED, NOT_ALLOWED, MISMATCH = "signer-expired", "signer-revoked", "signer-not-allowed", "identity-mismatch"
UNKNOWN, FORBIDDEN, BAD = "signer-unknown", "algorithm-forbidden", "signature-bad"
B, A = "bob@example.org", "alice@example.org"
OVER: Final = ("-V", "20200101000000Z:20210101000000Z")
NOT_YET: Final = ("-V", "20350101000000Z:20360101000000Z")


class Made(NamedTuple):
    """How it is signed, and what the policy says of `[commits]` and of Bob; the names of files are theirs."""

    sign: Sign
    commits: str
    bob: str = ""


class World(NamedTuple):
    """A directory for the policy and its files, and what signs."""

    directory: Path
    key: SshKey
    authority: SshKey
    other: SshKey
    root: Identity

    def file(self, name: str, data: bytes | str) -> str:
        """A file beside the policy, by its name."""
        (self.directory / name).write_bytes(data.encode() if isinstance(data, str) else data)
        return f'"{name}"'

    def lines(self, *lines: tuple[SshKey, str, str]) -> str:
        """`allowed-signers` with these keys, principals and options."""
        text = "".join(key.allowed(principals, options) for key, principals, options in lines)
        return f"allowed-signers = {self.file('allowed', text)}"

    def revoked(self, data: bytes) -> str:
        return f"ssh-revoked = {self.file('revoked', data)}"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> World:
    directory = tmp_path_factory.mktemp("keys")
    root = mint("Root", authority=True, since=START - 4000 * DAY, until=START + 4000 * DAY)
    return World(directory, *(SshKey.create(directory, name) for name in ("key", "authority", "other")), root)


@pytest.fixture
def world(keys: World, tmp_path: Path) -> World:
    return keys._replace(directory=tmp_path)


# --- what signs


def plain(*lines: tuple[str, str], revoked: bool = False) -> Callable[[World], Made]:
    """Bob's plain key with lines of principals and options."""

    def make(world: World) -> Made:
        commits = world.lines(*((world.key, *line) for line in lines))
        return Made(world.key.sign, commits + ("\n" + world.revoked(world.key.public.encode() + b"\n") if revoked else ""))

    return make


CA = (("*@example.org", "cert-authority"),)


def certified(
    principals: str, *arguments: str, lines: tuple[tuple[str, str], ...] = CA, revoked: str = "", by: str = "authority",
) -> Callable[[World], Made]:
    """A certificate on Bob's key by an authority with these lines, `revoked` as a KRL specifies it."""

    def make(world: World) -> Made:
        issuer: SshKey = getattr(world, by)
        certificate = issuer.certify(world.key, principals, "-z", "7", *arguments)
        commits = world.lines(*((world.authority, *line) for line in lines))
        if revoked == "authority":
            commits += "\n" + world.revoked(f"{world.authority.public}\n".encode())
        elif revoked:
            commits += "\n" + world.revoked(krl(revoked, authority=world.authority))
        return Made(certificate.sign, commits)

    return make


def certified_by_file(principals: str, *arguments: str) -> Callable[[World], Made]:
    """As `certified`, where the authority stands in a file of Bob's own."""

    def make(world: World) -> Made:
        certificate = world.authority.certify(world.key, principals, *arguments)
        name = world.file("bob", world.authority.allowed(B, "cert-authority"))
        return Made(certificate.sign, "", f"allowed-signers = {name}")

    return make


def forged(world: World) -> Made:
    """A certificate that its authority did not sign."""

    def sign(payload: bytes) -> bytes:
        certificate = certificate_of(world.authority, blob_of(world.key), principals=string(string(B.encode())), signed=b"other")
        return armored_of(certificate, "ssh-ed25519", private(world.key).sign(signed_bytes(payload=payload)))

    return Made(sign, world.lines((world.authority, "*@example.org", "cert-authority")))


def x509_by(
    *, emails: tuple[str, ...] = (B,), pinned: bool = False, over: bool = False, lost: bool = False, digest: str = "sha256",
    rooted: bool = True, **more: object,
) -> Callable[[World], Made]:
    """A certificate of Bob's: below the root of the policy, or pinned; `over` it expired, `lost` its key is revoked."""

    def make(world: World) -> Made:
        if over:
            more.update(since=START - 300 * DAY, until=START - 100 * DAY)
        issuer = world.root if rooted else mint("Stranger", authority=True)
        bob = mint("Bob", issuer, emails=emails, **more)  # type: ignore[arg-type]
        commits = f"x509-roots = {world.file('root.pem', world.root.pem)}\nsha1-before = 2019-01-01"
        if lost:
            listed = crl(world.root, (bob, START - 50 * DAY, x509.ReasonFlags.key_compromise))
            commits += f"\ncrls = {world.file('root.crl', listed)}"
        pin = f"x509 = {world.file('bob.pem', bob.pem)}" if pinned else ""
        return Made(lambda payload: forge(bob, payload, digest=digest), commits, pin)

    return make


def below_expired_authority(world: World) -> Made:
    middle = mint("Middle", world.root, authority=True, since=START - 300 * DAY, until=START - 100 * DAY)
    bob = mint("Bob", middle, emails=[B])
    return Made(lambda payload: forge(bob, payload), f"x509-roots = {world.file('root.pem', world.root.pem)}")


def below_somebody(world: World) -> Made:
    """A certificate that Bob, who is no authority, issued for Alice."""
    bob = mint("Bob", world.root, emails=[B])
    alice = mint("Alice", bob, emails=[A])
    return Made(lambda payload: forge(alice, payload), f"x509-roots = {world.file('root.pem', world.root.pem)}")


# --- the tables


class Row(NamedTuple):
    """`rule` is advised, and has `code`. `proved` says that it was Bob; `more` are the other rules that a commit by Bob breaks.

    `identity-mismatch` among them says that nobody was proved to be anybody.
    """

    make: Callable[[World], Made]
    rule: str
    code: str
    proved: bool
    more: tuple[str, ...] = ()


ROWS = {
    # SSH, plain keys
    "key: line over": Row(plain((B, 'valid-before="20200101Z"')), EXPIRED, "EXPIRED_AT_T", True),
    "key: line not yet": Row(plain((B, 'valid-after="20350101Z"')), EXPIRED, "EXPIRED_AT_T", True),
    "key: revoked": Row(plain((B, ""), revoked=True), REVOKED, "REVOKED_HARD", True),
    "key: revoked, and over": Row(
        plain((B, 'valid-before="20200101Z"'), revoked=True), REVOKED, "REVOKED_HARD", True, (EXPIRED,),
    ),
    "key: over, and revoked": Row(
        plain((B, 'valid-before="20200101Z"'), revoked=True), EXPIRED, "EXPIRED_AT_T", True, (REVOKED,),
    ),
    "key: over, Alice's for files": Row(
        plain((A, 'namespaces="file"'), (B, 'valid-before="20200101Z"')), EXPIRED, "EXPIRED_AT_T", True,
    ),
    "key: revoked, Alice's once": Row(
        plain((A, 'valid-before="20200101Z"'), (B, ""), revoked=True), REVOKED, "REVOKED_HARD", True,
    ),
    "key: revoked, for files": Row(
        plain((B, 'namespaces="file"'), revoked=True), REVOKED, "REVOKED_HARD", False, (UNKNOWN, MISMATCH),
    ),
    "key: over, of both": Row(plain((f"{A},{B}", 'valid-before="20200101Z"')), EXPIRED, "EXPIRED_AT_T", False, (UNKNOWN,)),
    # SSH certificates
    "certificate: over": Row(certified(B, *OVER), EXPIRED, "CERT_EXPIRED", True),
    "certificate: not yet": Row(certified(B, *NOT_YET), EXPIRED, "CERT_EXPIRED", True),
    "certificate: line over": Row(
        certified(B, lines=((B, 'cert-authority,valid-before="20200101Z"'),)), EXPIRED, "EXPIRED_AT_T", True,
    ),
    "certificate: serial revoked": Row(certified(B, revoked="serial: 7"), REVOKED, "REVOKED_HARD", True),
    "certificate: id revoked": Row(certified(B, revoked="id: id"), REVOKED, "REVOKED_HARD", True),
    "certificate: authority revoked": Row(certified(B, revoked="authority"), REVOKED, "REVOKED_HARD", True),
    "certificate: option": Row(certified(B, "-O", "force-command=x"), NOT_ALLOWED, "CERT_OPTION", True),
    "certificate: unknown option": Row(certified(B, "-O", "critical:x@y=1"), NOT_ALLOWED, "CERT_OPTION", True),
    "certificate: verification": Row(certified(B, "-O", "verify-required"), NOT_ALLOWED, "NO_VERIFICATION", True),
    "certificate: for a host": Row(certified(B, "-h"), NOT_ALLOWED, "CERT_TYPE", False, (MISMATCH,)),
    "certificate: nobody's": Row(certified(""), NOT_ALLOWED, "CERT_PRINCIPAL", False, (MISMATCH,)),
    "certificate: everybody's": Row(certified("*@example.org"), NOT_ALLOWED, "CERT_PRINCIPAL", False, (MISMATCH,)),
    "certificate: other name": Row(certified("bob@other.example"), NOT_ALLOWED, "CERT_PRINCIPAL", False, (MISMATCH,)),
    "certificate: name excluded": Row(
        certified(B, lines=((f"*,!{B}", "cert-authority"),)), NOT_ALLOWED, "CERT_PRINCIPAL", False, (MISMATCH,),
    ),
    "certificate: other authority": Row(certified(B, by="other"), UNKNOWN, "CERT_NOT_TRUSTED", False),
    "certificate: authority for files": Row(
        certified(B, lines=((B, 'cert-authority,namespaces="file"'),)), UNKNOWN, "CERT_NOT_TRUSTED", False,
    ),
    "certificate: forged": Row(forged, BAD, "CERT_BAD", False),
    # several things wrong with one certificate: only what is advised is forgiven
    "certificate: revoked, and over": Row(certified(B, *OVER, revoked="serial: 7"), REVOKED, "REVOKED_HARD", True, (EXPIRED,)),
    "certificate: over, and revoked": Row(certified(B, *OVER, revoked="serial: 7"), EXPIRED, "CERT_EXPIRED", True, (REVOKED,)),
    "certificate: revoked, and its line over": Row(
        certified(B, revoked="serial: 7", lines=((B, 'cert-authority,valid-before="20200101Z"'),)), REVOKED, "REVOKED_HARD", True,
        (EXPIRED,),
    ),
    "certificate: revoked, and its line for files": Row(
        certified(B, revoked="serial: 7", lines=((B, 'cert-authority,namespaces="file"'),)), REVOKED, "REVOKED_HARD", False,
        (UNKNOWN, MISMATCH),
    ),
    "certificate: revoked, with an option": Row(
        certified(B, "-O", "force-command=x", revoked="serial: 7"), REVOKED, "REVOKED_HARD", True, (NOT_ALLOWED,),
    ),
    "certificate: revoked, for a host": Row(
        certified(B, "-h", revoked="serial: 7"), REVOKED, "REVOKED_HARD", False, (NOT_ALLOWED, MISMATCH),
    ),
    "certificate: option, and over": Row(
        certified(B, "-O", "force-command=x", *OVER), NOT_ALLOWED, "CERT_OPTION", True, (EXPIRED,),
    ),
    "certificate: for a host, and over": Row(certified(B, "-h", *OVER), NOT_ALLOWED, "CERT_TYPE", False, (EXPIRED, MISMATCH)),
    "certificate: verification, and revoked": Row(
        certified(B, "-O", "verify-required", revoked="serial: 7"), NOT_ALLOWED, "NO_VERIFICATION", True, (REVOKED,),
    ),
    "certificate: over, Alice's for files": Row(
        certified(f"{A},{B}", lines=((A, 'cert-authority,namespaces="file"'), (B, 'cert-authority,valid-before="20200101Z"'))),
        EXPIRED, "EXPIRED_AT_T", True,
    ),
    "certificate: over, Alice's line too": Row(
        certified(f"{A},{B}", *OVER, lines=((A, 'cert-authority,valid-before="20200101Z"'), (B, "cert-authority"))),
        EXPIRED, "CERT_EXPIRED", True,
    ),
    "certificate: over, for both": Row(certified(f"{A},{B}", *OVER), EXPIRED, "CERT_EXPIRED", False, (UNKNOWN,)),
    # an authority in Bob's own file
    "own authority: over": Row(certified_by_file(B, *OVER), EXPIRED, "CERT_EXPIRED", True),
    "own authority: other name": Row(certified_by_file(A), NOT_ALLOWED, "CERT_PRINCIPAL", False, (MISMATCH,)),
    "own authority: other name, and over": Row(
        certified_by_file(A, *OVER), EXPIRED, "CERT_EXPIRED", False, (NOT_ALLOWED, MISMATCH),
    ),
    "own authority: for a host": Row(certified_by_file(B, "-h"), NOT_ALLOWED, "CERT_TYPE", False, (MISMATCH,)),
    # X.509 below a root
    "X.509: over": Row(x509_by(over=True), EXPIRED, "EXPIRED_AT_T", True),
    "X.509: not yet": Row(x509_by(since=START + DAY, until=START + 9 * DAY), EXPIRED, "FUTURE", True),
    "X.509: its authority over": Row(below_expired_authority, EXPIRED, "EXPIRED_AT_T", True),
    "X.509: revoked": Row(x509_by(lost=True), REVOKED, "REVOKED_HARD", True),
    "X.509: key usage": Row(x509_by(usages=("key_encipherment",)), NOT_ALLOWED, "CERT_NOT_ALLOWED", False, (MISMATCH,)),
    "X.509: other purpose": Row(x509_by(purposes=("1.3.6.1.5.5.7.3.1",)), NOT_ALLOWED, "CERT_NOT_ALLOWED", False, (MISMATCH,)),
    "X.509: any purpose": Row(x509_by(purposes=(chains.ANY_PURPOSE,)), NOT_ALLOWED, "CERT_NOT_ALLOWED", False, (MISMATCH,)),
    "X.509: an authority's": Row(x509_by(authority=True, emails=(B,)), NOT_ALLOWED, "CERT_NOT_ALLOWED", False, (MISMATCH,)),
    "X.509: by Bob": Row(below_somebody, NOT_ALLOWED, "CERT_NOT_ALLOWED", False, (MISMATCH,)),
    "X.509: other root": Row(x509_by(rooted=False), UNKNOWN, "CERT_NOT_TRUSTED", False),
    "X.509: SHA-1": Row(x509_by(digest="sha1"), FORBIDDEN, "WEAK_HASH", False, (MISMATCH,)),
    "X.509: short key": Row(x509_by(key="rsa1024"), FORBIDDEN, "WEAK_KEY", False, (MISMATCH,)),
    "X.509: no address": Row(x509_by(emails=()), MISMATCH, "NO_ADDRESS", False),
    "X.509: everybody's address": Row(x509_by(emails=("*@example.org",)), MISMATCH, "NO_ADDRESS", False),
    "X.509: revoked, and over": Row(x509_by(over=True, lost=True), REVOKED, "REVOKED_HARD", True, (EXPIRED,)),
    "X.509: over, and revoked": Row(x509_by(over=True, lost=True), EXPIRED, "EXPIRED_AT_T", True, (REVOKED,)),
    "X.509: no address, and over": Row(x509_by(over=True, emails=()), MISMATCH, "NO_ADDRESS", False, (EXPIRED,)),
    "X.509: over, and no address": Row(x509_by(over=True, emails=()), EXPIRED, "EXPIRED_AT_T", False, (MISMATCH,)),
    "X.509: revoked, and no address": Row(x509_by(lost=True, emails=()), REVOKED, "REVOKED_HARD", False, (MISMATCH,)),
    "X.509: over, and key usage": Row(
        x509_by(over=True, usages=("key_encipherment",)), NOT_ALLOWED, "CERT_NOT_ALLOWED", False, (MISMATCH,),
    ),
    "X.509: over, for both": Row(x509_by(over=True, emails=(A, B)), EXPIRED, "EXPIRED_AT_T", False, (UNKNOWN,)),
    # X.509 pinned
    "pinned: over": Row(x509_by(pinned=True, over=True), EXPIRED, "EXPIRED_AT_T", True),
    "pinned: over, with another's address": Row(x509_by(pinned=True, over=True, emails=(A,)), EXPIRED, "EXPIRED_AT_T", True),
    "pinned: not yet": Row(x509_by(pinned=True, since=START + DAY, until=START + 9 * DAY), EXPIRED, "FUTURE", True),
    "pinned: revoked": Row(x509_by(pinned=True, lost=True), REVOKED, "REVOKED_HARD", True),
    "pinned: revoked, and over": Row(x509_by(pinned=True, over=True, lost=True), REVOKED, "REVOKED_HARD", True, (EXPIRED,)),
    "pinned: over, and revoked": Row(x509_by(pinned=True, over=True, lost=True), EXPIRED, "EXPIRED_AT_T", True, (REVOKED,)),
    "pinned: SHA-1": Row(x509_by(pinned=True, digest="sha1"), FORBIDDEN, "WEAK_HASH", False, (MISMATCH,)),
}  # fmt: skip


POLICY = """\
version = 1
[commits]
%s
[rules]
%s = "advise"
[[signers]]
name = "Alice Example"
emails = ["alice@example.org"]
[[signers]]
name = "Bob Example"
emails = ["bob@example.org"]
%s
[[refs]]
match = "refs/heads/main"
signers = "Bob Example"
"""


@pytest.mark.parametrize("name", ROWS)
def test_what_is_advised_forgives_no_more(world: World, name: str) -> None:
    row = ROWS[name]
    made = row.make(world)
    repo = Repository.create(world.directory / "r", bare=True)
    repo.commit("JIRA-1: root", {"a": "1"}, ref=MAIN)
    policy = world.directory / "policy.toml"
    policy.write_text(POLICY % (made.commits, row.rule, made.bob))
    bob, alice = (verdicts.signed(repo, made.sign, who) for who in (BOB, ALICE))
    expected = {(row.rule, "warning"), *((rule, "error") for rule in row.more)}

    told = verdicts.commit(repo, policy, bob)
    assert set(told.rules) == expected
    assert len(told.rules) == len(expected), told
    assert told.verdict == ("fail" if row.more else "pass")
    assert dict(zip((rule for rule, _ in told.rules), told.codes, strict=True))[row.rule] == row.code
    assert set(told.signers) - {None, ""} == ({"Bob Example"} if row.proved else set())

    told = verdicts.commit(repo, policy, alice)
    assert set(told.rules) == expected | ({(MISMATCH, "error")} if row.proved else set())
    assert set(told.signers) - {None, ""} == ({"Bob Example"} if row.proved else set())

    landing = verdicts.landing(repo, policy, bob)
    level = "warning" if row.rule == NOT_ALLOWED else "error"
    # a signature that is refused anyway is not told twice
    assert set(landing.rules) == (expected if row.more else expected | {(NOT_ALLOWED, level)})
    assert (landing.verdict == "pass") == (row.rule == NOT_ALLOWED and not row.more)
    assert verdicts.landing(repo, policy, alice).verdict == "fail"

    policy.write_text(POLICY % (made.commits, row.rule, f'limit = "clean-merge"\n{made.bob}'))
    told = verdicts.commit(repo, policy, bob)
    assert set(told.rules) == expected | ({(NOT_ALLOWED, level)} if row.proved else set())
    # without the advice
    policy.write_text((POLICY % (made.commits, row.rule, made.bob)).replace("advise", "enforce"))
    assert {level for _, level in verdicts.commit(repo, policy, bob).rules} == {"error"}


# --- everything that is wrong is told, whichever of it is advised


class Defect(NamedTuple):
    """Something wrong with a certificate: how it is issued, an option of the authority's line, and the rule it breaks."""

    issue: tuple[str, ...]
    line: str
    rule: str


DEFECTS = (
    Defect(("-h",), "", NOT_ALLOWED), Defect(("-O", "force-command=x"), "", NOT_ALLOWED), Defect(OVER, "", EXPIRED),
    Defect((), 'valid-before="20200101Z"', EXPIRED), Defect((), 'namespaces="file"', UNKNOWN), Defect((), "revoked", REVOKED),
)


@pytest.mark.parametrize("chosen", range(1 << len(DEFECTS)))
def test_all_that_is_wrong_with_a_certificate_is_told(world: World, chosen: int) -> None:
    defects = [defect for number, defect in enumerate(DEFECTS) if chosen >> number & 1]
    certificate = world.authority.certify(world.key, B, *(part for each in defects for part in each.issue))
    options = ",".join(("cert-authority", *(each.line for each in defects if "=" in each.line)))
    revoked = (world.key.public.encode(),) if any(each.line == "revoked" for each in defects) else ()
    keyring = ring(shared(world.authority.allowed(B, options)), revoked=revoked)
    signed = certificate.sign(PAYLOAD)
    clock = Clock(START, NOW)
    if not defects:
        assert ssh.verify(PAYLOAD, signed, keyring, clock, SignatureOptions()).principals == (B,)
        return
    with pytest.raises(SignatureError) as caught:
        ssh.verify(PAYLOAD, signed, keyring, clock, SignatureOptions())
    error = caught.value
    expected = {each.rule for each in defects}
    if UNKNOWN in expected and DEFECTS[2] not in defects:
        # a line for other uses says nothing of time
        expected -= {EXPIRED}
    rules = [error.rule, *(each.rule for each in error.also)]
    assert (set(rules), len(rules)) == (expected, len(expected))
    assert isinstance(error.proof, Evidence) == (UNKNOWN not in expected and DEFECTS[0] not in defects)


def test_all_that_is_wrong_with_a_security_key_is_told() -> None:
    key = SecurityKey("sk-ssh-ed25519@openssh.com", Ed25519PrivateKey.generate())
    line = key.line.decode()
    clock = Clock(START, NOW)
    for lines, revoked, also in [
        ("x@y " + line, (), []), ('x@y valid-before="20200101Z" ' + line, (), [EXPIRED]), ("x@y " + line, (key.line,), [REVOKED]),
        ('x@y valid-before="20200101Z" ' + line, (key.line,), [REVOKED, EXPIRED]),
        ('x@y namespaces="file" ' + line, (), [UNKNOWN]),
    ]:  # fmt: skip
        for keyring in (ring(shared(lines + "\n"), revoked=revoked), ring(own("Bob", lines + "\n"), revoked=revoked)):
            with pytest.raises(SignatureError) as caught:
                ssh.verify(PAYLOAD, key.sign(flags=0), keyring, clock, SignatureOptions())
            assert (caught.value.code, [each.rule for each in caught.value.also]) == ("NO_PRESENCE", also)
            assert isinstance(caught.value.proof, Evidence) == (UNKNOWN not in also)
