"""gitsign signatures in real repositories, from the policy file to the report."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cli.conftest import Run
from tests.world.repository import ALICE, BOB, Person, Repository, signed_commit
from tests.world.sigstore import ISSUER, T0, Signed, Sigstore

pytestmark = pytest.mark.tool("git")

POLICY = f"""version = 1
[tags]
require = "signed"
[commits]
trusted-root = "trusted_root.json"
[[signers]]
name = "Alice"
emails = ["{ALICE.email}"]
gitsign = [{{ identity = "{ALICE.email}", issuer = "{ISSUER}" }}]
[[signers]]
name = "Bob"
emails = ["{BOB.email}"]
gitsign-level = 1
gitsign = [{{ identity = "{BOB.email}", issuer = "{ISSUER}" }}]
"""


class Place(NamedTuple):
    """A repository, the policy beside it, and who signs."""

    repo: Repository
    policy: Path
    sigstore: Sigstore

    def sign(self, payload: bytes, who: Person) -> Signed:
        return self.sigstore.sign(payload, self.sigstore.leaf(who.email))

    def commit(self, message: str, who: Person, *, logged: bool, by: Person | None = None) -> str:
        """A commit of `who`, signed by the identity of `by`."""
        payload = self.repo.read(self.repo.commit(message, {"a": message}, author=who, when=T0 + 4))
        signed = self.sign(payload, by or who)
        unsigned = [self.sigstore.entry(signed).attribute()] if logged else []
        oid = self.repo.write("commit", signed_commit(payload, self.sigstore.armored(signed, *unsigned), self.repo.algorithm))
        self.repo.update("HEAD", oid)
        return oid

    def report(self, run: Run) -> dict[str, dict[str, Any]]:
        done = run(self.repo.path, "commits", "--policy", str(self.policy), "--output-format", "json")
        return {each["subject"]["id"]: each for each in done.report["findings"]}


@pytest.fixture(params=["sha1", "sha256"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    sigstore = Sigstore()
    beside = tmp_path / "policy"
    beside.mkdir()
    (beside / "trusted_root.json").write_text(json.dumps(sigstore.trust()))
    (beside / "policy.toml").write_text(POLICY)
    return Place(Repository.create(tmp_path / "repo", bare=True, algorithm=request.param), beside / "policy.toml", sigstore)


def test_levels_of_commits_are_held_against_the_policy(place: Place, run: Run) -> None:
    logged = place.commit("logged", ALICE, logged=True)
    bare = place.commit("not logged", ALICE, logged=False)
    allowed = place.commit("not logged, and allowed", BOB, logged=False)
    other = place.commit("bob as alice", ALICE, logged=True, by=BOB)
    stranger = place.commit("stranger", ALICE, logged=True, by=Person("M", "mallory@example.org"))
    found = place.report(run)
    assert {oid: (each["rule"], each["evidence"].get("level"), each["evidence"]["code"]) for oid, each in found.items()} == {
        logged: ("verified", 2, "GOOD"),
        bare: ("signer-not-allowed", 1, "LEVEL_1"),
        allowed: ("verified", 1, "GOOD"),
        other: ("identity-mismatch", 2, "GOOD"),
        stranger: ("signer-unknown", None, "NO_KEY"),
    }
    evidence = found[logged]["evidence"]
    assert (evidence["format"], evidence["signer"], evidence["time_source"], evidence["signed_at"]) == (
        "gitsign", "Alice", "log", "2023-11-14T22:13:27Z",
    )  # fmt: skip
    assert (evidence["claims"]["identity"], evidence["claims"]["issuer"]) == (ALICE.email, ISSUER)
    assert found[allowed]["evidence"]["notes"] == ["no-log-entry"]
    assert 'identity = "mallory@example.org"' in found[stranger]["hint"]


def test_a_policy_without_identities_says_so(place: Place, run: Run) -> None:
    oid = place.commit("logged", ALICE, logged=True)
    text = "".join(line for line in POLICY.splitlines(keepends=True) if not line.startswith("gitsign"))
    place.policy.write_text(text)
    found = place.report(run)[oid]
    assert found["message"] == "gitsign signature, and the policy names no Sigstore identity"
    assert "the list gitsign" in found["hint"]


def test_explain_tells_how_much_was_proved(place: Place, run: Run) -> None:
    logged = place.commit("logged", ALICE, logged=True)
    bare = place.commit("not logged", ALICE, logged=False)
    good = run(place.repo.path, "explain", logged, "--policy", str(place.policy)).out
    assert re.search(r"format +gitsign\n", good)
    assert re.search(r"algorithms +ECDSA with SHA-256 over SHA-256\n", good)
    assert re.search(r"unsigned attributes +transparency log entry  \[claimed\]\n", good)
    assert re.search(r"\nproof\n  level  2, of 0 to 2\n\n", good)
    less = run(place.repo.path, "explain", bare, "--policy", str(place.policy)).out
    assert re.search(r"\nproof\n  level  1, of 0 to 2\n  notes  no-log-entry\n\n", less)


def proposed(place: Place, run: Run, oid: str) -> str:
    done = run(place.repo.path, "explain", oid, "--policy", str(place.policy), "--output-format", "json")
    found = json.loads(done.out)["proposal"]
    return str(found["toml"]) if found else ""


CAROL = Person("Carol", "carol@example.org")


@pytest.mark.parametrize("identities", [True, False])
def test_the_stanza_for_an_unknown_identity_would_accept_it(place: Place, run: Run, identities: bool) -> None:
    """Whether the policy has other identities or none: the trust root in force is asked all the same."""
    base = POLICY if identities else "".join(line for line in POLICY.splitlines(keepends=True) if "gitsign =" not in line)
    place.policy.write_text(base)
    oid = place.commit("by carol", CAROL, logged=True)
    text = proposed(place, run, oid)
    assert text.startswith("# observed, not trusted: the trust root vouches that this issuer vouched for this identity")
    assert "Name and address are what the object itself claims." in text
    (signer,) = tomllib.loads(text)["signers"]
    assert signer == {
        "name": "Carol", "emails": [CAROL.email], "observed": True, "gitsign": [{"identity": CAROL.email, "issuer": ISSUER}],
    }  # fmt: skip
    assert place.report(run)[oid]["rule"] == "signer-unknown"
    place.policy.write_text(base + text)
    assert place.report(run)[oid]["rule"] == "verified"
    assert run(place.repo.path, "commits", "--policy", str(place.policy), CI="true").status == 2


def test_an_identity_of_somebody_else_is_told(place: Place, run: Run) -> None:
    mallory = Person("M", "mallory@example.org")
    text = proposed(place, run, place.commit("as alice", ALICE, logged=False, by=mallory))
    assert tomllib.loads(text) == {}
    assert "an address of Alice, is what the object itself claims" in text
    assert f"The certificate names mallory@example.org and not {ALICE.email}: find out who it was" in text
    assert "reaches level 1, and gitsign-level 2 is asked for: it would still be refused" in text
    assert f"#   chainverify keys add Alice --gitsign mallory@example.org --issuer {ISSUER}\n" in text


def test_no_identity_is_proposed_that_nobody_vouches_for(place: Place, run: Run) -> None:
    oid = place.commit("by carol", CAROL, logged=False)
    (place.policy.parent / "trusted_root.json").write_text(json.dumps(Sigstore().trust()))
    text = proposed(place, run, oid)
    assert text.startswith("# nothing is proposed: no authority of the trust root issued the certificate")
    assert CAROL.email not in text
    assert tomllib.loads(text) == {}


def test_an_identity_that_would_be_a_glob_is_not_proposed(place: Place, run: Run) -> None:
    oid = place.commit("by everybody", CAROL, logged=True, by=Person("M", "*@example.org"))
    text = proposed(place, run, oid)
    assert text.startswith("# nothing is proposed: identity '*@example.org' holds a *")


def test_init_tells_of_signatures_that_it_proposes_no_key_for(place: Place, run: Run, tmp_path: Path) -> None:
    place.commit("logged", ALICE, logged=True)
    clone = Repository.clone(place.repo.path, tmp_path / "clone")
    assert run(clone.path, "init").status == 0
    text = (clone.path / ".chainverify" / "policy.toml").read_text()
    assert "# 1 of the commits looked at carry X.509 or gitsign signatures." in text
    assert "signers" not in tomllib.loads(text)


def test_explain_says_nobody_s_key_is_good_before_its_authority_was_asked(place: Place, run: Run) -> None:
    oid = place.commit("logged", ALICE, logged=True)
    stranger = Sigstore()
    trust = stranger.trust(certificateAuthorities=place.sigstore.trust()["certificateAuthorities"])
    (place.policy.parent / "trusted_root.json").write_text(json.dumps(trust))
    said = run(place.repo.path, "explain", oid, "--policy", str(place.policy)).out
    assert re.search(r"\n  not reached  key  ", said)
    assert re.search(r"\n  FAILED       cryptography  signature-bad \(UNKNOWN_LOG\)", said)
    assert "the proof ended before an authority could vouch for it" in said


def test_authorities_are_listed_by_name(place: Place, run: Run) -> None:
    listed = run(place.repo.path, "keys", "list", "--policy", str(place.policy)).out
    for name in ("https://fulcio.example.org", "https://tsa.example.org", "https://ct.example.org/2023", "https://rekor.example.org"):
        assert f"; {name}\n" in listed


def test_a_signature_does_not_move_to_another_commit(place: Place, run: Run) -> None:
    raw = place.repo.read(place.commit("good", ALICE, logged=True))
    moved = place.repo.write("commit", raw.replace(b"\n\ngood", b"\n\nevil"))
    place.repo.update("HEAD", moved)
    found = place.report(run)[moved]
    assert (found["rule"], found["evidence"]["code"]) == ("signature-bad", "BAD")


def test_tags_are_verified_alike(place: Place, run: Run) -> None:
    target = place.commit("logged", ALICE, logged=True)
    payload = f"object {target}\ntype commit\ntag v1\ntagger {ALICE.name} <{ALICE.email}> {T0 + 4} +0000\n\nrelease\n".encode()
    signed = place.sign(payload, ALICE)
    for unsigned, rule in (([place.sigstore.entry(signed).attribute()], "verified"), ([], "signer-not-allowed")):
        tag = place.repo.write("tag", payload + place.sigstore.armored(signed, *unsigned) + b"\n")
        place.repo.update("refs/tags/v1", tag)
        done = run(place.repo.path, "commits", "--tags", "--policy", str(place.policy), "--output-format", "json")
        assert {each["subject"]["id"]: each["rule"] for each in done.report["findings"]} == {target: "verified", tag: rule}


def test_a_trust_root_that_cannot_be_read_is_an_error_of_the_policy(place: Place, run: Run) -> None:
    place.commit("logged", ALICE, logged=True)
    (place.policy.parent / "trusted_root.json").write_text('{"mediaType": "x"}')
    done = run(place.repo.path, "commits", "--policy", str(place.policy))
    assert (done.status, done.out) == (2, "")
    assert "trusted_root.json cannot be read: trust root has the media type 'x'" in done.err


def test_gitsign_may_be_left_out_of_the_formats(place: Place, run: Run) -> None:
    oid = place.commit("logged", ALICE, logged=True)
    place.policy.write_text(POLICY.replace("[commits]", '[commits]\nformats = ["openpgp", "x509"]'))
    assert place.report(run)[oid]["rule"] == "signature-format-not-allowed"
