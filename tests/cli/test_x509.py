"""X.509 signatures in real repositories, from the policy file to the report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509

from tests.cli.conftest import Run
from tests.world import x509 as world
from tests.world.repository import ALICE, BOB, START, Person, Repository
from tests.world.x509 import DAY, Identity, mint

pytestmark = pytest.mark.tool("git")

POLICY = f"""version = 1
[commits]
x509-roots = ["root.pem"]
crls = ["root.crl"]
timestamp-roots = ["root.pem"]
[[signers]]
name = "Alice"
emails = ["{ALICE.email}"]
x509 = ["alice.pem"]
"""
LATE = 4_000_000_000
"""The command line reads the real clock, which is after the usual end of certificates here."""
CAROL = Person("Carol", "carol@example.org")


class Place(NamedTuple):
    """A repository, the policy beside it, and the authority."""

    repo: Repository
    policy: Path
    root: Identity
    alice: Identity

    def commit(self, message: str, who: Person, signer: Identity, **more: Any) -> str:
        """A commit of `who`, signed by a certificate."""
        oid = self.repo.commit(message, {"a": message}, author=who, when=START)
        head, _, body = self.repo.read(oid).partition(b"\n\n")
        field = b"gpgsig" if self.repo.algorithm == "sha1" else b"gpgsig-sha256"
        armored = world.forge(signer, head + b"\n\n" + body, **more)
        signed = head + b"\n" + field + b" " + armored.replace(b"\n", b"\n ") + b"\n\n" + body
        oid = self.repo.write("commit", signed)
        self.repo.update("HEAD", oid)
        return oid

    def report(self, run: Run) -> dict[str, dict[str, Any]]:
        done = run(self.repo.path, "commits", "--policy", str(self.policy), "--output-format", "json")
        return {each["subject"]["id"]: each for each in done.report["findings"]}


@pytest.fixture(params=["sha1", "sha256"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    root = mint("Root", authority=True)
    alice = mint("Alice of her own", until=LATE)
    beside = tmp_path / "policy"
    beside.mkdir()
    (beside / "root.pem").write_bytes(root.pem)
    (beside / "alice.pem").write_bytes(alice.pem)
    (beside / "root.crl").write_bytes(world.crl(root))
    (beside / "policy.toml").write_text(POLICY)
    repo = Repository.create(tmp_path / "repo", bare=True, algorithm=request.param)
    return Place(repo, beside / "policy.toml", root, alice)


def test_who_it_was(place: Place, run: Run) -> None:
    bob = mint("Bob", place.root, emails=[BOB.email], until=LATE)
    revoked = mint("Carol", place.root, emails=[CAROL.email], until=LATE)
    stamper = world.mint_stamper(place.root)
    lost = world.crl(place.root, (revoked, START + DAY, x509.ReasonFlags.key_compromise))
    (place.policy.parent / "root.crl").write_bytes(lost)
    stranger = mint("Stranger", mint("Other", authority=True), emails=[ALICE.email])

    pinned = place.commit("pinned", ALICE, place.alice)
    as_bob = place.commit("pinned, of bob", BOB, place.alice)
    of_bob = place.commit("bob", BOB, bob)
    as_alice = place.commit("bob as alice", ALICE, bob)
    unknown = place.commit("stranger", ALICE, stranger)
    stolen = place.commit("stolen", CAROL, revoked)
    before = place.commit("before it was stolen", CAROL, revoked, stamp=lambda value: world.token(stamper, value))
    expired = place.commit("expired", BOB, mint("B", place.root, emails=[BOB.email], until=START - 1))
    found = place.report(run)
    assert {oid: (each["rule"], each["evidence"]["code"]) for oid, each in found.items()} == {
        pinned: ("verified", "GOOD"),
        as_bob: ("identity-mismatch", "GOOD"),
        of_bob: ("verified", "GOOD"),
        as_alice: ("identity-mismatch", "GOOD"),
        unknown: ("signer-unknown", "CERT_NOT_TRUSTED"),
        stolen: ("signer-revoked", "REVOKED_HARD"),
        before: ("verified", "GOOD"),
        expired: ("signer-expired", "EXPIRED_AT_T"),
    }
    said = run(place.repo.path, "explain", expired, "--policy", str(place.policy)).out
    assert f"\n  person  {BOB.email}, named by a file or an authority that the policy trusts\n" in said
    assert [line.split()[1] for line in said.splitlines() if line.startswith("  FAILED ")] == ["time"]
    evidence = found[pinned]["evidence"]
    assert (evidence["format"], evidence["signer"], evidence["fingerprint"], evidence["time_source"]) == (
        "x509", "Alice", place.alice.fingerprint, "signature",
    )  # fmt: skip
    assert found[of_bob]["evidence"]["signer"] == BOB.email
    assert found[before]["evidence"]["time_source"] == "timestamp"


def test_files_of_the_policy(place: Place, run: Run) -> None:
    place.commit("one", ALICE, place.alice)
    for name, data, message in (
        ("root.crl", world.crl(mint("Other", authority=True)), "revocation list is by none of the authorities"),
        ("alice.pem", place.alice.private, "private key"),
        ("root.pem", place.alice.pem, "is not that of an authority"),
    ):
        file = place.policy.parent / name
        kept = file.read_bytes()
        file.write_bytes(data)
        done = run(place.repo.path, "commits", "--policy", str(place.policy))
        assert (done.status, done.out) == (2, "")
        assert message in done.err
        assert name in done.err
        file.write_bytes(kept)


def test_other_policies_do_not_load_it() -> None:
    code = (
        "import sys\n"
        "from chainverify.model.signing import SigningMaterial\n"
        "from chainverify.signatures import backends, ssh, openpgp\n"
        "backends.load(SigningMaterial())\n"
        "print(sorted(name for name in sys.modules if 'x509' in name or 'transparency' in name or name.endswith('.cms')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in done.stdout.split("'") if name.startswith("chainverify")] == []
