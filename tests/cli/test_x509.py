"""X.509 signatures in real repositories, from the policy file to the report."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
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


def explained(place: Place, run: Run, oid: str) -> tuple[str, str]:
    """What is proposed for a commit, as text; and the whole explanation."""
    done = run(place.repo.path, "explain", oid, "--policy", str(place.policy), "--output-format", "json")
    found = json.loads(done.out)["proposal"]
    return (str(found["toml"]) if found else ""), run(place.repo.path, "explain", oid, "--policy", str(place.policy)).out


def saved(text: str) -> bytes:
    """The certificate in the comments of a proposal, as its words say to save it."""
    lines = [line[1:].strip() for line in text.splitlines()]
    start, end = lines.index("-----BEGIN CERTIFICATE-----"), lines.index("-----END CERTIFICATE-----")
    return "\n".join((*lines[start : end + 1], "")).encode()


def test_the_stanza_for_an_unknown_certificate_would_accept_it(place: Place, run: Run) -> None:
    other = mint("Other", authority=True)
    carol = mint("Carol the other", other, emails=[CAROL.email])
    oid = place.commit("by carol", CAROL, carol)
    text, shown = explained(place, run, oid)
    assert text.startswith("# observed, not trusted")
    assert "what the object itself claims" in text
    assert carol.fingerprint in text
    assert "CN=Carol the other" in text
    assert "CN=Other" in text
    assert "never one that came with a signature" in text
    assert all(len(line) <= 130 for line in text.splitlines())
    assert "what would change this" in shown
    (signer,) = tomllib.loads(text)["signers"]
    assert (signer["name"], signer["emails"], signer["observed"]) == ("Carol", [CAROL.email], True)
    assert place.report(run)[oid]["rule"] == "signer-unknown"  # nothing is accepted by being explained
    (file,) = signer["x509"]
    (place.policy.parent / "keys").mkdir()
    (place.policy.parent / file).write_bytes(saved(text))
    place.policy.write_text(POLICY + text)
    assert place.report(run)[oid]["rule"] == "verified"
    assert run(place.repo.path, "commits", "--policy", str(place.policy), CI="true").status == 2


def test_an_unknown_certificate_of_a_known_person_is_a_command(place: Place, run: Run) -> None:
    """And where the certificate names somebody else, the words say so: it is what an attacker would send, too."""
    mallory = mint("Mallory", emails=["mallory@example.org"])
    oid = place.commit("as alice", ALICE, mallory)
    text, _ = explained(place, run, oid)
    assert tomllib.loads(text) == {}
    assert "an address of Alice, is what the object itself claims" in text
    assert f"The certificate names mallory@example.org and not {ALICE.email}: find out who it was" in text
    assert "x509-roots" not in text  # it has no authority
    command = re.search(r"#   chainverify (keys add .*)$", text, re.M)
    assert command is not None
    arguments = shlex.split(command[1])
    (place.repo.path / arguments[-1]).write_bytes(saved(text))
    assert run(place.repo.path, *arguments, "--policy", str(place.policy)).status == 0
    assert place.report(run)[oid]["rule"] == "verified"


def test_no_stanza_for_a_certificate_that_would_not_do(place: Place, run: Run) -> None:
    carol = mint("Carol", emails=[CAROL.email])
    raw = place.repo.read(place.commit("good", CAROL, carol))
    moved = place.repo.write("commit", raw.replace(b"\n\ngood", b"\n\nevil"))
    place.policy.write_text(POLICY.replace('x509-roots = ["root.pem"]\ncrls = ["root.crl"]\n', ""))
    text, _ = explained(place, run, moved)
    assert text == "# nothing is proposed: signature does not fit the signed bytes\n"
    agreeing = mint("Carol", emails=[CAROL.email], usages=("key_agreement",))
    text, _ = explained(place, run, place.commit("not for signing", CAROL, agreeing))
    assert text.startswith("# nothing is proposed: its certificate: ")
    assert "BEGIN CERTIFICATE" not in text


def test_hostile_words_of_a_certificate_stay_in_their_comment(place: Place, run: Run) -> None:
    evil = mint("x\n[[signers]]\nname = 'M'\x1b[2J\u202e", emails=["m@example.org"])
    text, shown = explained(place, run, place.commit("evil", CAROL, evil))
    assert len(tomllib.loads(text)["signers"]) == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", shown)


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
