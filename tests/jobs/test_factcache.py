"""Facts kept between runs: a repeated run says what a first one says, and a file that may not be believed is not used."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from chainverify.git.repository import Repository
from chainverify.jobs import factcache, history
from chainverify.jobs.factcache import FactCache
from chainverify.jobs.history import Verdicts
from chainverify.model.report import FAIL
from chainverify.model.signing import Evidence, KeyMaterial, SigningMaterial
from chainverify.policy.model import CommitsPolicy, Policy, Signer
from chainverify.signatures import backends
from chainverify.signatures.ed25519 import Ed25519Key
from tests.world.bulk import EMAIL, NAME, START, make, openpgp_signer, ssh_signer
from tests.world.bulk import Signer as Maker
from tests.world.repository import ALICE, BOB
from tests.world.repository import Repository as World
from tests.world.ssh import SshKey

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen")]

NOW = START + 10_000_000
COUNT = 30


class Long(NamedTuple):
    world: World
    maker: Maker

    @property
    def repo(self) -> Repository:
        return Repository.discover(self.world.path)

    def material(self, **other: object) -> SigningMaterial:
        keys = (KeyMaterial(NAME, self.maker.public, "signers[0]"),)
        given = SigningMaterial(ssh=keys) if self.maker.form == "ssh" else SigningMaterial(openpgp=keys)
        return given._replace(**other)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["ssh", "openpgp"])
def long(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Long:
    maker = ssh_signer() if request.param == "ssh" else openpgp_signer()
    return Long(make(tmp_path_factory.mktemp("long") / "r", maker, COUNT), maker)


def policy_of(*people: Signer, **commits: object) -> Policy:
    return Policy("p", "d", CommitsPolicy(**commits), "off", people or (Signer(NAME, (EMAIL,)),))  # type: ignore[arg-type]


def judge(
    repo: Repository, material: SigningMaterial, policy: Policy | None = None, *, now: int = NOW, facts: FactCache | None = None,
    **options: object,
) -> Verdicts:
    policy = policy or policy_of()
    selection = history.select(repo, [], policy, facts)
    return history.check_commits(repo, selection, policy, material, now, facts=facts, **options)  # type: ignore[arg-type]


def filled(long: Long) -> FactCache:
    """The cache after one run, read again."""
    first = FactCache(long.repo)
    judge(long.repo, long.material(), facts=first)
    assert first.save() == ""
    return FactCache(long.repo)


@pytest.fixture
def no_cryptography(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes every check of a signature of a commit, and every reading of one, an error."""

    def forbid() -> None:
        def crash(*_: object, **__: object) -> None:
            raise RuntimeError("a signature was checked")

        monkeypatch.setattr(backends, "verify", crash)
        monkeypatch.setattr(history, "parse_commit", crash)

    return forbid


def test_a_repeated_run_says_the_same_and_checks_nothing(long: Long, no_cryptography: Callable[[], None]) -> None:
    cold = judge(long.repo, long.material())
    assert {each.rule for each in cold.findings} == {"verified"}
    facts = filled(long)
    assert (len(facts), facts.why) == (COUNT, "")
    no_cryptography()
    assert judge(long.repo, long.material(), facts=facts) == cold


def test_workers_use_and_fill_it_too(tmp_path: Path) -> None:
    maker = ssh_signer()
    long = Long(make(tmp_path / "r", maker, 900), maker)
    facts = FactCache(long.repo)
    cold = judge(long.repo, long.material(), facts=facts, jobs=2)
    assert facts.save() == ""
    again = FactCache(long.repo)
    assert len(again) == 900
    assert judge(long.repo, long.material(), facts=again, jobs=2) == cold == judge(long.repo, long.material(), jobs=1)


POLICIES: dict[str, Policy] = {
    "as it was": policy_of(),
    "another person's address": policy_of(Signer(NAME, ("other@example.org",))),
    "the author too": policy_of(Signer(NAME, (EMAIL,)), identity=("committer-email", "author-email")),
    "the key's own name": policy_of(identity=("principal",)),
    "a window that ends inside": policy_of(Signer(NAME, (EMAIL,), valid_before=START + 60 * 10)),
    "a window that starts inside": policy_of(Signer(NAME, (EMAIL,), valid_after=START + 60 * 10)),
    "compromised": policy_of(Signer(NAME, (EMAIL,), compromised_at=START + 60 * 10)),
    "no such format": policy_of(formats=("x509",)),
    "strict": policy_of(key_validity="strict"),
    "only now counts": policy_of(key_validity="now"),
    "identity": policy_of(key_validity="identity"),
    "nobody has the key": policy_of(Signer("Somebody", (EMAIL,))),
}


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("now", [NOW, START + 60 * 15, START - 5000])
def test_policy_and_time_are_asked_again(long: Long, name: str, now: int) -> None:
    policy = POLICIES[name]
    material = long.material()
    if name == "nobody has the key":
        other = ssh_signer(b"o" * 32)
        material = SigningMaterial(ssh=(KeyMaterial("Somebody", other.public, "signers[0]"),))
    cold = judge(long.repo, material, policy, now=now)
    assert judge(long.repo, material, policy, now=now, facts=filled(long)) == cold
    if name in ("another person's address", "compromised", "no such format", "nobody has the key"):
        assert {each.status for each in cold.findings} == {FAIL}


def test_arrival_exceptions_and_introduction(long: Long) -> None:
    facts = filled(long)
    oids = facts.walk(history.tips(long.repo, [])[0][0], None) or ()
    assert oids == history.select(long.repo, [], policy_of()).oids
    for policy in (policy_of(exceptions=frozenset((oids[3],))), policy_of(introduction=oids[5])):
        cold = judge(long.repo, long.material(), policy, arrival=NOW - 5, arrived=frozenset(oids[10:]))
        warm = judge(long.repo, long.material(), policy, facts=facts, arrival=NOW - 5, arrived=frozenset(oids[10:]))
        assert warm == cold


@pytest.mark.tool("gpg")
def test_a_revoked_key_is_refused(tmp_path: Path) -> None:
    key = SshKey.create(tmp_path, "alice")
    world = World.create(tmp_path / "r", bare=True)
    world.commit("one", tree=world.tree({}), key=key)
    repo = Repository.discover(world.path)
    own = (KeyMaterial(ALICE.name, key.public.encode(), "signers[0]"),)
    policy = policy_of(Signer(ALICE.name, (ALICE.email,)))
    facts = FactCache(repo)
    judge(repo, SigningMaterial(ssh=own), policy, facts=facts)
    facts.save()
    revoked = SigningMaterial(ssh=own, ssh_revoked=(KeyMaterial("", key.public.encode(), "commits.ssh-revoked", name="gone"),))
    again = FactCache(repo)
    assert len(again) == 1
    found = judge(repo, revoked, policy, facts=again)
    assert found == judge(repo, revoked, policy)
    assert found.findings[0].rule == "signer-revoked"


def test_what_is_not_plainly_good_is_not_kept(tmp_path: Path) -> None:
    keys = [SshKey.create(tmp_path, name) for name in ("alice", "authority", "mallory")]
    alice, authority, mallory = keys
    certified = authority.certify(alice, ALICE.email)
    world = World.create(tmp_path / "r", bare=True)
    empty = world.tree({})
    good = world.commit("good", tree=empty, key=alice)
    world.commit("unsigned", tree=empty)
    world.commit("unknown", tree=empty, key=mallory)
    world.commit("by certificate", tree=empty, key=certified)
    signed = world.read(world.commit("x", tree=empty, key=alice, ref=None, parents=[world.tip() or ""]))
    world.update("HEAD", world.write("commit", signed.replace(b"\n\nx", b"\n\ny")))
    repo = Repository.discover(world.path)
    material = SigningMaterial(
        ssh=(KeyMaterial(ALICE.name, alice.public.encode(), "signers[0]"),),
        allowed_signers=(KeyMaterial("", authority.allowed(ALICE.email, "cert-authority").encode(), "allowed", name="a"),),
    )
    policy = policy_of(Signer(ALICE.name, (ALICE.email,)))
    facts = FactCache(repo)
    cold = judge(repo, material, policy, facts=facts)
    facts.save()
    again = FactCache(repo)
    assert len(again) == 1
    assert again.get(good) is not None
    assert judge(repo, material, policy, facts=again) == cold == judge(repo, material, policy)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_merges_are_walked_in_gits_order(tmp_path: Path, algorithm: str) -> None:
    key = SshKey.create(tmp_path, "alice")
    draw = random.Random(7)
    world = World.create(tmp_path / "r", bare=True, algorithm=algorithm)  # type: ignore[arg-type]
    empty = world.tree({})
    oids = [world.commit("root", tree=empty, key=key)]
    for at in range(40):
        parents = draw.sample(oids[-6:], min(len(oids[-6:]), draw.choice((1, 1, 2, 3))))
        oids.append(world.commit(f"c{at}", tree=empty, key=key, parents=parents, author=draw.choice((ALICE, BOB))))
    repo = Repository.discover(world.path)
    policy = policy_of(Signer(ALICE.name, (ALICE.email, BOB.email)))
    material = SigningMaterial(ssh=(KeyMaterial(ALICE.name, key.public.encode(), "signers[0]"),))
    facts = FactCache(repo)
    cold = judge(repo, material, policy, facts=facts)
    facts.save()
    again = FactCache(repo)
    assert again.walk(oids[-1], None) == history.select(repo, [], policy).oids
    for stop in oids[:-1]:
        walked = again.walk(oids[-1], stop)
        assert walked in (None, history.select(repo, [f"{stop}..{oids[-1]}"], policy).oids), stop
    assert judge(repo, material, policy, facts=again) == cold


# --- files that may not be believed


def place(long: Long) -> Path:
    return factcache._file(FactCache(long.repo)._about)


def key_file() -> Path:
    return Path.home() / ".local/state/chainverify/facts.key"


def refused(long: Long, words: str) -> None:
    """Nothing of the file is used, the reason is told, nothing else changes, and the next run is not kept from writing."""
    facts = FactCache(long.repo)
    assert len(facts) == 0
    assert words in facts.why
    assert judge(long.repo, long.material(), facts=facts) == judge(long.repo, long.material())


def test_files_are_the_users_alone(long: Long) -> None:
    filled(long)
    for path in (place(long), key_file()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not any(path.name.count(".") > 1 for path in (*place(long).parent.iterdir(), *key_file().parent.iterdir()))


def test_every_changed_byte_is_noticed(long: Long) -> None:
    filled(long)
    path = place(long)
    data = path.read_bytes()
    draw = random.Random(3)
    for at in {0, 31, 32, 60, len(data) - 1, *(draw.randrange(len(data)) for _ in range(200))}:
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :])
        assert len(FactCache(long.repo)) == 0, at
    for size in (0, 5, 32, 33, 52, 60, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        assert len(FactCache(long.repo)) == 0, size
    path.write_bytes(data + b"x")
    refused(long, "changed")
    path.write_bytes(data)
    assert len(FactCache(long.repo)) == COUNT


def test_swapped_records_are_noticed(long: Long) -> None:
    """Two rows exchange their ids: each claims the signature of the other."""
    facts = filled(long)
    path = place(long)
    one, two = facts._rows[:20], facts._rows[facts._row.size : facts._row.size + 20]
    data = path.read_bytes()
    assert data.count(one) > 0
    path.write_bytes(data.replace(one, b"\0" * 20, 1).replace(two, one, 1).replace(b"\0" * 20, two, 1))
    refused(long, "changed")


def test_another_key_or_none(long: Long) -> None:
    filled(long)
    key_file().unlink()
    refused(long, "changed")
    key_file().write_bytes(b"short")
    refused(long, "no key")
    key_file().chmod(0o640)
    refused(long, "open to others")


@pytest.mark.parametrize("what", ["file", "directory", "above", "link", "link to directory", "pipe", "large"])
def test_a_place_that_others_may_write(long: Long, what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    filled(long)
    path = place(long)
    if what == "file":
        path.chmod(0o620)
    elif what == "directory":
        path.parent.chmod(0o770)
    elif what == "above":
        path.parent.parent.chmod(0o777)
    elif what == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    elif what == "link to directory":
        path.parent.rename(tmp_path / "elsewhere")
        path.parent.symlink_to(tmp_path / "elsewhere")
    elif what == "pipe":
        path.unlink()
        os.mkfifo(path)
    else:
        monkeypatch.setattr(factcache, "MAX_BYTES", 100)
    refused(long, "")
    assert FactCache(long.repo).why


def test_the_file_of_another_user(long: Long, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(long)
    real = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: real + 1)
    refused(long, "of this user")


def test_the_file_of_another_repository_or_version(long: Long, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(long)
    other = Long(World(shutil.copytree(long.world.path, tmp_path / "copy")), long.maker)
    assert len(FactCache(other.repo)) == 0
    shutil.copy(place(long), place(other))
    refused(other, "another repository")
    monkeypatch.setattr(factcache, "__version__", "0.0.0")
    refused(long, "another version")


def test_a_repository_brings_nothing_along(long: Long) -> None:
    before = set(long.world.path.rglob("*"))
    filled(long)
    assert set(long.world.path.rglob("*")) == before


@pytest.mark.parametrize("inside", ["XDG_CACHE_HOME", "XDG_STATE_HOME", "HOME"])
@pytest.mark.parametrize("below", ["", ".git"])
def test_a_home_in_the_repository_is_not_used(
    long: Long, inside: str, below: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in builds whose home is the checkout: the repository, or what a build before this one left there, would bring the facts
    and the key of their MAC along."""
    copy = Long(World(shutil.copytree(long.world.path, tmp_path / "copy")), long.maker)
    linked = tmp_path / "link"
    linked.symlink_to(copy.world.path / below)
    for place_ in (copy.world.path / below, linked):
        monkeypatch.setenv(inside, str(place_))
        facts = FactCache(copy.repo)
        assert "lies in the repository" in facts.why
        judge(copy.repo, copy.material(), facts=facts)
        assert "lies in the repository" in facts.save()
    assert not list(copy.world.path.rglob("facts*"))


def test_the_fact_of_a_key_with_the_same_fingerprint_is_not_used(long: Long) -> None:
    """A policy whose key has the fingerprint of the fact's, and other bytes: only the digest of all of the key tells."""
    facts = filled(long)
    oid = history.select(long.repo, [], policy_of()).oids[4]
    known = facts.get(oid)
    assert known is not None
    keyrings = backends.load(long.material())
    clock = history.Clock(known.committer.time, NOW)
    options = history.SignatureOptions()
    assert backends.recall(known.fact, keyrings, clock, options, ("ssh", "openpgp")) is not None
    other = known.fact._replace(kind=known.fact.kind._replace(key=bytes(32)))
    assert backends.recall(other, keyrings, clock, options, ("ssh", "openpgp")) is None


def test_a_later_run_adds(tmp_path: Path) -> None:
    key = SshKey.create(tmp_path, "alice")
    world = World.create(tmp_path / "r", bare=True)
    repo = Repository.discover(world.path)
    policy = policy_of(Signer(ALICE.name, (ALICE.email,)))
    material = SigningMaterial(ssh=(KeyMaterial(ALICE.name, key.public.encode(), "signers[0]"),))
    for count in (1, 2, 3):
        world.commit(f"c{count}", tree=world.tree({}), key=key)
        facts = FactCache(repo)
        assert len(facts) == count - 1
        cold = judge(repo, material, policy)
        assert judge(repo, material, policy, facts=facts) == cold
        assert facts.save() == ""
    modified = place(Long(world, ssh_signer())).stat().st_mtime_ns
    again = FactCache(repo)
    judge(repo, material, policy, facts=again)
    assert again.save() == ""
    assert place(Long(world, ssh_signer())).stat().st_mtime_ns == modified


def test_a_file_that_grew_too_large_starts_anew(long: Long, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = filled(long)
    size = place(long).stat().st_size
    monkeypatch.setattr(factcache, "MAX_BYTES", size + 40)
    oid = history.select(long.repo, [], policy_of()).oids[0]
    facts._places.pop(bytes.fromhex(oid))
    judge(long.repo, long.material(), facts=facts)
    assert facts.save() == ""
    assert len(FactCache(long.repo)) == 1


def test_an_unwritable_place_is_told_and_nothing_more(long: Long, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    facts = FactCache(long.repo)
    assert judge(long.repo, long.material(), facts=facts) == judge(long.repo, long.material())
    assert facts.save() != ""


def test_the_header_holds_values_only(long: Long) -> None:
    """Nothing in the file is evaluated: it is JSON and fixed records."""
    filled(long)
    data = place(long).read_bytes()[32:]
    start = data.index(b"{")
    header = json.JSONDecoder().raw_decode(data[start:].decode("latin-1"))[0]
    assert set(header) == {"tool", "objects", "repository", "rows", "shared"}
    assert header["rows"] == COUNT


def test_a_second_opinion_is_asked_of_the_signature_itself(tmp_path: Path) -> None:
    """Facts hold no signature that another program could be shown."""
    maker = openpgp_signer()
    long = Long(make(tmp_path / "r", maker, 3), maker)
    asked: list[str] = []

    class Nodding:
        def confirm(self, payload: bytes, signature: bytes, evidence: Evidence) -> None:
            assert payload
            assert signature
            asked.append(evidence.fingerprint)

    found = judge(long.repo, long.material(), facts=filled(long), second=Nodding())
    assert len(asked) == 3
    assert all("second-opinion:gnupg" in each.evidence["notes"] for each in found.findings)  # type: ignore[operator]


def test_checks_are_spared_not_skipped(long: Long, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself is never called for what is known, and is for what is not."""
    facts = filled(long)
    asked: list[Ed25519Key] = []
    real = Ed25519Key.verify

    def counted(key: Ed25519Key, signature: bytes, message: bytes) -> None:
        asked.append(key)
        real(key, signature, message)

    monkeypatch.setattr(Ed25519Key, "verify", counted)
    material = long.material()
    oids = history.select(long.repo, [], policy_of()).oids
    facts._places.pop(bytes.fromhex(oids[3]))
    context = history._context(long.repo, policy_of(), material, NOW, None)._replace(facts=facts)
    asked.clear()
    with history.ObjectReader(long.repo) as reader:
        judged = history._judge_chunk(reader, oids, context)
    assert len(asked) == 1
    assert [each.rule for each in judged.findings] == ["verified"] * COUNT
    assert [each.subject.id for each in judged.findings] == list(oids)
