"""Plain keys of allowed signers files: our verdict beside the one that git would get of ssh-keygen for the same file and time."""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

import pytest

from chainverify.errors import PolicyError, SignatureError
from chainverify.model.signing import Clock, Evidence, KeyMaterial, SignatureOptions, SigningMaterial
from chainverify.signatures import ssh
from tests.signatures.test_ssh import SECURITY_KEYS
from tests.world.mutations import damaged
from tests.world.ssh import SshKey, git_asks

pytestmark = pytest.mark.tool("ssh-keygen")

PAYLOAD = b"tree 0\n\nthe signed bytes\n"
T = 1_750_000_000  # 2025-06-15T15:06:40Z
CLOCK = Clock(claimed=T, now=T + 1000)
OPTIONS = SignatureOptions()
AT_T = "20250615150640Z"


class World(NamedTuple):
    alice: SshKey
    bob: SshKey
    signed: bytes

    def text(self, *lines: str) -> str:
        """A file of lines in which A and B stand for the keys."""
        keys = {"A": " ".join(self.alice.public.split()[:2]), "B": " ".join(self.bob.public.split()[:2])}
        return "".join(" ".join(keys.get(word, word) for word in line.split(" ")) + "\n" for line in lines)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("keys")
    alice, bob = SshKey.create(root, "alice"), SshKey.create(root, "bob", kind="ecdsa")
    return World(alice, bob, alice.sign(PAYLOAD))


def shared(text: str, name: str = "allowed") -> KeyMaterial:
    return KeyMaterial("", text.encode(), "commits.allowed-signers[0]", "policy.toml", 3, name)


def own(signer: str, text: str) -> KeyMaterial:
    return KeyMaterial(signer, text.encode(), "signers[0].allowed-signers[0]", "policy.toml", 9, f"{signer}.allowed")


def inline(signer: str, key: SshKey) -> KeyMaterial:
    return KeyMaterial(signer, key.public.encode(), "signers[0].ssh[0]", "policy.toml", 8)


def ring(*allowed: KeyMaterial, keys: tuple[KeyMaterial, ...] = (), revoked: tuple[bytes, ...] = ()) -> ssh.SshKeyring:
    lists = tuple(KeyMaterial("", data, "commits.ssh-revoked[0]", "policy.toml", 4, "revoked") for data in revoked)
    return ssh.load(SigningMaterial(ssh=keys, allowed_signers=allowed, ssh_revoked=lists))


def refusal(ring: ssh.SshKeyring, signed: bytes, clock: Clock = CLOCK, options: SignatureOptions = OPTIONS) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        ssh.verify(PAYLOAD, signed, ring, clock, options)
    assert caught.value.status == "fail"
    return caught.value


UNKNOWN = ("NO_KEY", "signer-unknown")
EXPIRED = ("EXPIRED_AT_T", "signer-expired")


class Case(NamedTuple):
    """`expected` is the principals that are proved, or code and rule; `git` whether git says good; `why` where that differs."""

    name: str
    lines: tuple[str, ...]
    expected: tuple[str, ...] | str
    git: bool
    why: str = ""


CASES = [
    Case("plain", ("alice@x A",), ("alice@x",), True),
    Case("wildcard", ("*@x A",), ("*@x",), True),
    Case("quoted", ('"alice@x,Alice Example" A',), ("alice@x,Alice Example",), True),
    Case("list", ("alice@x,bob@x A",), ("alice@x,bob@x",), True),
    Case("other key", ("bob@x B",), "NO_KEY", False),
    Case("no zone", ('alice@x valid-after="20250101",valid-before="20260101" A',), ("alice@x",), True),
    Case("namespace git", ('alice@x namespaces="git" A',), ("alice@x",), True),
    Case("namespace list", ('alice@x namespaces="file,g*" A',), ("alice@x",), True),
    Case("other namespace", ('alice@x namespaces="file" A',), "NO_KEY", False),
    Case("namespace in upper case", ('alice@x namespaces="GIT" A',), "NO_KEY", False),
    Case("namespace excluded", ('alice@x namespaces="*,!git" A',), "NO_KEY", False),
    Case("shadowed by another namespace", ('old@x namespaces="file" A', "alice@x A"), ("alice@x",), False,
         "git stops at the first line of the key, whatever its namespaces"),
    Case("two lines", ("alice@x A", "alice@y A", "alice@x A"), ("alice@x", "alice@y"), True),
    Case("expired", (f'alice@x valid-before="{AT_T[:-3]}39Z" A',), "EXPIRED_AT_T", False),
    Case("valid until T", (f'alice@x valid-before="{AT_T}" A',), ("alice@x",), True),
    Case("valid from T", (f'alice@x valid-after="{AT_T}" A',), ("alice@x",), True),
    Case("valid from T + 1 s", (f'alice@x valid-after="{AT_T[:-3]}41Z" A',), "EXPIRED_AT_T", False),
    Case("expired line, then open line", ('old@x valid-before="20250101Z" A', "alice@x A"), ("alice@x",), True),
    Case("expired git line, other namespace line",
         ('alice@x valid-before="20250101Z" A', 'alice@x namespaces="file" A'), "EXPIRED_AT_T", False),
    Case("options in upper case", ('alice@x VALID-BEFORE="20300101Z",NAMESPACES="git" A',), ("alice@x",), True),
    Case("authority's key signs itself", ("*@x cert-authority A",), "NO_KEY", False),
    Case("authority and person", ("*@x cert-authority A", "alice@x A"), ("alice@x",), True),
    Case("comments and CRLF", ("# people\r", "\r", "alice@x A comment\r"), ("alice@x",), True),
    Case("garbage line before", ("garbage", "alice@x A"), "policy", True, "ssh-keygen skips what it cannot read, a limit too"),
    Case("garbage line after", ("alice@x A", "garbage"), "policy", True, "as above"),
    Case("unknown option", ("bob@x nonsense B", "alice@x A"), "policy", True, "as above"),
    Case("valid never", ('bob@x valid-after="20250101Z",valid-before="20250101Z" B', "alice@x A"), "policy", True, "as above"),
    Case("negated", ("!bob@x,*@x A",), ("!bob@x,*@x",), True),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_beside_git(world: World, case: Case) -> None:
    text = world.text(*case.lines)
    said = git_asks(text, PAYLOAD, world.signed, at=T)
    accepted = not isinstance(case.expected, str)
    assert case.why or accepted == case.git
    if case.expected == "policy":
        with pytest.raises(PolicyError, match=r"line \d: ") as caught:
            ring(shared(text))
        assert (caught.value.key, caught.value.line) == ("commits.allowed-signers[0]", 3)
    elif accepted:
        proof = ssh.verify(PAYLOAD, world.signed, ring(shared(text)), CLOCK, OPTIONS)
        assert (proof.signer, proof.principals, proof.emails) == ("", case.expected, ())
        assert (proof.signed_at, proof.time_source, proof.fingerprint) == (T, "committer", world.alice.fingerprint)
    else:
        error = refusal(ring(shared(text)), world.signed)
        assert (error.code, error.rule) == (case.expected, {"NO_KEY": "signer-unknown"}.get(error.code, "signer-expired"))
        assert error.evidence["fingerprint"] == world.alice.fingerprint
    assert said.good == case.git


def test_which_line_refused_is_told(world: World) -> None:
    lines = ('alice@x valid-before="20250101Z" A', "# free", 'alice@y valid-after="20260101Z" A')
    error = refusal(ring(shared(world.text(*lines))), world.signed)
    assert "was valid until 2025-01-01T00:00:00Z (allowed, line 1)" in error.message
    assert "is valid only from 2026-01-01T00:00:00Z on (allowed, line 3)" in error.message
    assert "signature is of 2025-06-15T15:06:40Z (source: committer)" in error.message
    assert error.hint
    error = refusal(ring(shared(world.text('alice@x namespaces="file" A'))), world.signed)
    assert "other namespaces only" in error.message
    assert "allowed, line 1" in error.message
    error = refusal(ring(shared(world.text("*@x cert-authority A"))), world.signed)
    assert "issues certificates (allowed, line 1)" in error.message
    many = ring(shared(world.text(*['alice@x valid-before="20250101Z" A'] * 5000)))
    assert len(refusal(many, world.signed).message) < 400


def test_a_backdated_date_is_a_claim_and_an_arrival_is_not(world: World) -> None:
    """A committer's date under the end of the key's time is what whoever holds the key can write; git believes it."""
    text = world.text('alice@x valid-before="20250101Z" A')
    before = Clock(claimed=1_700_000_000, now=T)
    proof = ssh.verify(PAYLOAD, world.signed, ring(shared(text)), before, OPTIONS)
    assert (proof.code, proof.time_source, proof.signed_at) == ("GOOD_EXPIRED_NOW", "committer", 1_700_000_000)
    assert git_asks(text, PAYLOAD, world.signed, at=1_700_000_000).good
    assert refusal(ring(shared(text)), world.signed, before._replace(arrival=T)).code == "EXPIRED_AT_T"
    assert refusal(ring(shared(text)), world.signed, before, SignatureOptions(key_validity="now")).code == "EXPIRED_AT_T"
    for validity in ("strict", "backfill", "identity"):
        options = SignatureOptions(key_validity=validity)
        assert refusal(ring(shared(text)), world.signed, CLOCK, options).code == "EXPIRED_AT_T"
    negative = Clock(claimed=-5, now=T)
    assert ssh.verify(PAYLOAD, world.signed, ring(shared(text)), negative, OPTIONS).signed_at == -5
    after = ring(shared(world.text('alice@x valid-after="20250101Z" A')))
    assert refusal(after, world.signed, negative).code == "EXPIRED_AT_T"


def test_good_then_and_over_now(world: World) -> None:
    over, open_ = 'alice@x valid-before="20250616Z" A', "alice@x A"
    now = Clock(claimed=T, now=T + 10**7)
    for lines, code in [((over,), "GOOD_EXPIRED_NOW"), ((over, open_), "GOOD"), ((open_,), "GOOD")]:
        assert ssh.verify(PAYLOAD, world.signed, ring(shared(world.text(*lines))), now, OPTIONS).code == code
        assert ssh.verify(PAYLOAD, world.signed, ring(shared(world.text(*lines))), CLOCK, OPTIONS).code == "GOOD"


def test_no_verdict_depends_on_the_zone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """ssh-keygen reads a time without Z in the zone of the machine: the same file and commit are good in one town only."""
    text = world.text('alice@x valid-before="202506151500" A')
    assert git_asks(text, PAYLOAD, world.signed, at=T, zone="America/New_York").good
    assert not git_asks(text, PAYLOAD, world.signed, at=T, zone="UTC").good
    for zone in ("America/New_York", "UTC", "Asia/Tokyo"):
        monkeypatch.setenv("TZ", zone)
        assert refusal(ring(shared(text)), world.signed).code == "EXPIRED_AT_T"
    text = world.text('alice@x valid-before="20251231" A', 'alice@y valid-before="20251231Z" A')
    proof = ssh.verify(PAYLOAD, world.signed, ring(shared(text)), CLOCK, OPTIONS)
    assert proof.notes == ("allowed-signers-time-as-utc",)
    text = world.text('alice@x valid-before="20251231Z" A')
    assert ssh.verify(PAYLOAD, world.signed, ring(shared(text)), CLOCK, OPTIONS).notes == ()


def test_bad_is_bad_whatever_the_lines_say(world: World) -> None:
    for line in ("alice@x A", 'alice@x valid-before="20250101Z" A', 'alice@x namespaces="file" A'):
        allowed = ring(shared(world.text(line)))
        with pytest.raises(SignatureError) as caught:
            ssh.verify(PAYLOAD + b"\n", world.signed, allowed, CLOCK, OPTIONS)
        assert caught.value.code == "BAD"
    elsewhere = world.alice.sign(PAYLOAD, namespace="file")
    error = refusal(ring(shared(world.text('alice@x namespaces="file" A'))), elsewhere)
    assert (error.code, error.rule) == ("WRONG_NAMESPACE", "signature-bad")


# --- files of one signer

def proof(ring: ssh.SshKeyring, world: World, clock: Clock = CLOCK) -> Evidence:
    return ssh.verify(PAYLOAD, world.signed, ring, clock, OPTIONS)


def test_every_line_of_a_signer_s_file_is_that_signer_s(world: World) -> None:
    allowed = ring(own("Alice", world.text('anything@at.all valid-before="20260101" A', "*@x B")))
    found = proof(allowed, world)
    assert (found.signer, found.principals, found.emails) == ("Alice", (), ())
    assert found.notes == ("allowed-signers-time-as-utc",)
    assert ssh.verify(PAYLOAD, world.bob.sign(PAYLOAD), allowed, CLOCK, OPTIONS).signer == "Alice"
    late = refusal(allowed, world.signed, Clock(T + 10**8, T + 10**8))
    assert (late.code, late.rule) == EXPIRED
    elsewhere = ring(own("Alice", world.text('a namespaces="file" A')))
    assert (refusal(elsewhere, world.signed).code, refusal(elsewhere, world.signed).rule) == UNKNOWN


def test_a_signer_s_word_goes_before_a_shared_file_where_it_holds(world: World) -> None:
    everyone = shared(world.text("alice@x A"))
    once = own("Alice", world.text('alice@x valid-before="20250101Z" A'))
    for order in ((everyone, once), (once, everyone)):
        now, then = proof(ring(*order), world), proof(ring(*order), world, Clock(1_700_000_000, T))
        assert (now.signer, now.principals, now.code) == ("", ("alice@x",), "GOOD")
        assert (then.signer, then.principals, then.code) == ("Alice", (), "GOOD_EXPIRED_NOW")
    # the signer's own list has no time
    for allowed in (ring(everyone, keys=(inline("Alice", world.alice),)), ring(once, keys=(inline("Alice", world.alice),))):
        found = proof(allowed, world)
        assert (found.signer, found.principals, found.code) == ("Alice", (), "GOOD")


def test_a_key_of_two_signers_is_a_mistake(world: World) -> None:
    mine, theirs = own("Alice", world.text("a A")), own("Bob", world.text("b A"))
    for materials, keys in [((mine, theirs), ()), ((theirs,), (inline("Alice", world.alice),))]:
        with pytest.raises(PolicyError, match="'Alice' and to 'Bob'") as caught:
            ring(*materials, keys=keys)
        assert "Bob.allowed, line 1" in str(caught.value)
    # an authority may certify for several: the certificates' principals tell
    ring(own("Alice", world.text("a cert-authority A")), own("Bob", world.text("b cert-authority A")))
    # and the same key may be a person's
    ring(own("Alice", world.text("a cert-authority A")), keys=(inline("Bob", world.alice),))


def test_errors_name_line_and_place(tmp_path: Path) -> None:
    weak = SshKey.create(tmp_path, "weak", kind="rsa", bits=1024)
    for material in (shared("\n" + weak.allowed("a@x")), own("Alice", "\n" + weak.allowed("a@x"))):
        with pytest.raises(PolicyError, match=r"line 2: .*1024 bits") as caught:
            ring(material)
        assert (caught.value.key, caught.value.line) == (material.key, material.line)
    with pytest.raises(PolicyError, match="got none"):
        ring(shared("# nobody yet\n"))


def test_results_do_not_depend_on_what_stands_between(world: World) -> None:
    lines = ["alice@x A", 'alice@y namespaces="git" A', 'old@x valid-before="20250101Z" A', "bob@x B", "*@x cert-authority B"]
    expected = {"alice@x", "alice@y"}
    rng = random.Random(1)
    for _ in range(20):
        rng.shuffle(lines)
        text = world.text(*lines)
        first = proof(ring(shared(text)), world)
        assert set(first.principals) == expected
        assert [name for name in (line.split()[0] for line in lines) if name in expected] == list(first.principals)
        # two files are as good as one
        assert proof(ring(shared(world.text(*lines[:2])), shared(world.text(*lines[2:]))), world) == first


def test_security_keys_of_files_are_asked_the_same() -> None:
    for key in SECURITY_KEYS:
        allowed = ring(shared(f"alice@x {key.line.decode()}\n"))
        assert ssh.verify(PAYLOAD, key.sign(1), allowed, CLOCK, OPTIONS).principals == ("alice@x",)
        assert refusal(allowed, key.sign(0)).code == "NO_PRESENCE"


def test_no_damaged_file_gives_more(world: World) -> None:
    """Damage to a file that does not allow the key, or not at T: it never comes to allow it, unless the damage wrote that."""
    rng = random.Random(2)
    for lines in [
        ("alice@x B", "*@x cert-authority A"), ('alice@x namespaces="file" A',), ('alice@x valid-before="20250101Z" A',)
    ]:  # fmt: skip
        text = world.text(*lines).encode()
        passed = 0
        for _ in range(400):
            mutant = damaged(text, rng)
            try:
                ssh.verify(PAYLOAD, world.signed, ring(shared(mutant.decode("latin-1"))), CLOCK, OPTIONS)
            except (PolicyError, SignatureError):
                continue
            assert written(mutant), mutant
            passed += 1
        assert passed < 40


def written(mutant: bytes) -> bool:
    """Whether a line really allows the key for git at T by its own words, read by another, simpler reader."""
    options = next(line for line in mutant.decode("latin-1").split("\n") if "ssh-ed25519" in line).split()[1]
    if options == "ssh-ed25519":
        return True
    words = {name.lower(): value.strip('"') for name, _, value in (part.partition("=") for part in options.split(","))}
    if "cert-authority" in words:
        return False
    return words.get("namespaces", "git") != "file" and words.get("valid-before", "9") > "20250615150640"
