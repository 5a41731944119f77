"""What `init` writes, on real repositories: it reads back, names only what was seen, and marks what it would trust."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from chainverify.git.repository import Repository as Git
from chainverify.jobs import history, initialise, policies
from chainverify.policy.load import parse
from chainverify.policy.material import signing_material
from chainverify.policy.model import Policy
from tests.world.gpg import GpgHome
from tests.world.repository import ALICE, BOB, Repository
from tests.world.repository import Person as Committer
from tests.world.ssh import SshKey

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen")]

DEPLOYMENT = """apiVersion: v1
kind: Pod
metadata: {name: x}
spec:
  containers:
  - {name: a, image: nginx}
  - {name: b, image: "ghcr.io/example/app@sha256:%s"}
  - {name: c, image: registry.k8s.io/pause}
""" % ("0" * 64)


@pytest.fixture
def world(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repo")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SshKey]:
    root = tmp_path_factory.mktemp("keys")
    return {name: SshKey.create(root, name) for name in ("alice", "alice2", "bob", "other")}


def initial(world: Repository) -> tuple[str, Policy]:
    text = initialise.initial_policy(Git.discover(world.path))
    return text, parse(text.encode(), "policy.toml")


def verdicts(world: Repository, text: str) -> list[tuple[str, str]]:
    """Rule and status of each commit under the policy that was written."""
    path = world.path / policies.POLICY_NAME
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    repo = Git.discover(world.path)
    loaded = policies.from_worktree(repo)
    material = signing_material(loaded.policy, loaded.read)
    selected = history.select(repo, (), loaded.policy)
    found = history.check_commits(repo, selected, loaded.policy, material, int(time.time()), jobs=1)
    return [(each.rule, each.status) for each in found.findings]


def test_an_empty_repository(world: Repository) -> None:
    text, policy = initial(world)
    assert (policy.commits, policy.messages, policy.images, policy.observed) == (None, None, None, ())
    assert "no commits yet" in text


def test_nothing_signed(world: Repository, keys: dict[str, SshKey]) -> None:
    oid = world.commit("first", {"deploy.pub": keys["other"].public, "a": "b"})
    text, policy = initial(world)
    assert (policy.commits, policy.signers, policy.observed) == (None, (), ())
    assert f'# introduction = "{oid}"' in text
    assert "# deploy.pub holds keys, too" in text


def test_a_history_that_is_signed_passes_today(world: Repository, keys: dict[str, SshKey]) -> None:
    world.commit("JIRA-1: one", {"a": "1"}, key=keys["alice"], committer=ALICE)
    world.commit("JIRA-2: two", {"a": "2"}, key=keys["bob"], committer=BOB)
    world.commit("FEATURE-2: three", {"a": "3"}, key=keys["alice2"], committer=Committer("A. Example", "ALICE@example.org"))
    world.tag("v1", key=keys["alice"])
    text, policy = initial(world)
    assert policy.commits is not None
    assert policy.commits.introduction is None
    assert policy.tags == "signed"
    assert policy.messages is not None
    assert (policy.messages.tickets, policy.messages.introduction) == (("FEATURE", "JIRA"), None)
    people = {each.emails[0].lower(): each for each in policy.signers}
    assert {each.split()[1] for each in people["alice@example.org"].ssh} == {
        keys[name].public.split()[1] for name in ("alice", "alice2")
    }
    assert people["bob@example.org"].ssh == (" ".join(keys["bob"].public.split()[:2]),)
    assert policy.observed == ("signers[0]", "signers[1]")
    assert verdicts(world, text) == [("verified", "pass")] * 3


def test_an_unsigned_past_is_excused_and_marked(world: Repository, keys: dict[str, SshKey]) -> None:
    world.commit("one", {"a": "1"})
    head = world.commit("two", {"a": "2"}, key=keys["alice"])
    world.tag("v1")
    text, policy = initial(world)
    assert policy.commits is not None
    assert policy.commits.introduction == head
    assert policy.tags == "off"
    assert policy.observed == ("commits", "signers[0]")
    assert verdicts(world, text) == []
    world.commit("three", {"a": "3"}, key=keys["alice"])
    world.commit("four", {"a": "4"}, key=keys["bob"])
    assert verdicts(world, text) == [("verified", "pass"), ("signer-unknown", "fail")]


def test_a_forged_signature_names_no_key(world: Repository, keys: dict[str, SshKey]) -> None:
    oid = world.commit("real", {"a": "1"}, key=keys["other"])
    forged = world.write("commit", world.read(oid).replace(b"real", b"fake"))
    world.update("HEAD", forged)
    _, policy = initial(world)
    assert (policy.commits, policy.signers) == (None, ())
    # nor does it join a key to the person whose name it uses
    world.commit("good", {"a": "2"}, key=keys["alice"])
    _, policy = initial(world)
    assert [each.ssh for each in policy.signers] == [(" ".join(keys["alice"].public.split()[:2]),)]


@pytest.mark.tool("gpg")
def test_openpgp_keys_of_the_tree(world: Repository) -> None:
    with GpgHome.create() as home:
        key = home.key("Alice Example <alice@example.org>")
        other = home.key("Somebody Else <else@example.org>")
        world.commit("one", {"keys/alice.asc": home.export(key), "keys/else.asc": home.export(other)}, key=key)
        text, policy = initial(world)
    assert [(each.name, each.emails) for each in policy.signers] == [("Alice Example", ("alice@example.org",))]
    assert policy.observed == ("signers[0]",)
    assert "# keys/else.asc holds keys, too" in text
    assert verdicts(world, text) == [("verified", "pass")]


@pytest.mark.tool("gpg")
def test_an_openpgp_signer_without_a_key_file_is_told_of(world: Repository) -> None:
    """An OpenPGP signature does not hold its key: the comment says whose is missing, and reads back once the key is there."""
    with GpgHome.create() as home:
        key = home.key("Alice Example <alice@example.org>")
        for number in range(2):
            world.commit(f"{number}", {"a": str(number)}, key=key)
        text, policy = initial(world)
        assert (policy.commits, policy.signers) == (None, ())
        command = next(line for line in text.split("\n") if "gpg --armor --export" in line)
        mark = command.split("--export ")[1].split()[0]
        assert f"# 2 commits by Alice Example <alice@example.org> with the OpenPGP key {mark}," in text
        assert command.endswith("> .chainverify/keys/alice.asc")
        assert mark in home.run("--list-keys", "--with-subkey-fingerprint", "--with-colons").stdout.decode()
        keys = world.path / ".chainverify" / "keys"
        keys.mkdir(parents=True)
        (keys / "alice.asc").write_bytes(home.export(key))
    start = text.index("# [[signers]]", text.index("gpg --armor"))
    taken = text[start:].split("\n")[:4]
    done = text.replace("# [commits]", "[commits]").replace("\n".join(taken), "\n".join(line[2:] for line in taken))
    assert verdicts(world, done) == [("verified", "pass")] * 2


def certificates(world: Repository, keys: dict[str, SshKey], *names: str) -> None:
    for number, name in enumerate(names):
        certificate = keys["other"].certify(keys["alice"], name)
        world.commit(f"{number}", {"a": str(number)}, key=certificate)


def test_an_authority_of_ssh_certificates_is_told_of(world: Repository, keys: dict[str, SshKey]) -> None:
    """The comment says which one, how often and for whom, and believes it once the # is away and the line in its file."""
    certificates(world, keys, "alice@example.org,root", "alice@example.org,deploy@example.org")
    text, policy = initial(world)
    assert (policy.commits, policy.signers) == (None, ())
    assert f"# 2 commits by keys that the SSH authority {keys['other'].fingerprint} certified, for alice@example.org, dep" in text
    line = next(each for each in text.split("\n") if "cert-authority" in each and each.startswith("#   "))[4:]
    assert line == "alice@example.org,deploy@example.org " + keys["other"].allowed("", 'cert-authority,namespaces="git"').strip()
    done = text.replace("# [commits]", "[commits]\n" + 'allowed-signers = ["allowed_signers"]')
    (world.path / ".chainverify").mkdir()
    (world.path / ".chainverify" / "allowed_signers").write_text(line + "\n")
    assert verdicts(world, done) == [("verified", "pass")] * 2


def test_an_authority_that_names_no_addresses(world: Repository, keys: dict[str, SshKey]) -> None:
    certificates(world, keys, "alice", "alice")
    text, _ = initial(world)
    line = next(each for each in text.split("\n") if "cert-authority" in each)[4:]
    assert line.startswith('alice cert-authority,namespaces="git" ssh-ed25519 ')
    assert "These names are no addresses" in text
    person = '[[signers]]\nname = "Alice"\nemails = ["alice@example.org"]\nallowed-signers = ["alice"]\n'
    (world.path / ".chainverify").mkdir()
    (world.path / ".chainverify" / "alice").write_text(line + "\n")
    assert verdicts(world, text.replace("# [commits]", "[commits]") + person) == [("verified", "pass")] * 2


def test_no_authority_is_told_of_that_certified_nobody(world: Repository, keys: dict[str, SshKey]) -> None:
    for arguments in (("",), ("x@example.org", "-h"), ("*@example.org",)):
        world.commit("1", {"a": str(arguments)}, key=keys["other"].certify(keys["alice"], *arguments))
    oid = world.commit("real", {"a": "2"}, key=keys["other"].certify(keys["alice"], "alice@example.org"))
    world.update("HEAD", world.write("commit", world.read(oid).replace(b"real", b"fake")))
    text, _ = initial(world)
    assert "SSH authority" not in text
    # one that has expired since is no less of an authority
    old = keys["other"].certify(keys["alice"], "alice@example.org", "-V", "20200101000000Z:20200102000000Z")
    world.commit("old", {"a": "3"}, key=old)
    assert "# 1 commit by keys that the SSH authority" in initial(world)[0]


@pytest.mark.tool("gpg")
def test_a_commit_in_another_name_proves_nothing(world: Repository) -> None:
    with GpgHome.create() as home:
        key = home.key("Alice Example <alice@example.org>")
        world.commit("one", {"keys/alice.asc": home.export(key)}, key=key, committer=BOB)
        text, policy = initial(world)
    assert (policy.commits, policy.signers) == (None, ())
    assert "# keys/alice.asc holds keys, too" in text


def test_allowed_signers(world: Repository, keys: dict[str, SshKey]) -> None:
    lines = "# comment\n" + keys["alice"].allowed("alice@example.org,a@work.example") + keys["bob"].allowed(
        "bob@example.org", 'namespaces="git"') + keys["other"].allowed("*", "cert-authority") + "garbage\n"
    world.commit("one", {".git_allowed_signers": lines})
    _, policy = initial(world)
    assert [each.emails for each in policy.signers] == [("alice@example.org", "a@work.example"), ("bob@example.org",)]
    assert all(each.observed for each in policy.signers)
    assert policy.commits is None


def test_images(world: Repository) -> None:
    world.commit("one", {"deploy/x.yaml": DEPLOYMENT, "cosign.pub": "-----BEGIN PUBLIC KEY-----\nxyz\n"})
    text, policy = initial(world)
    assert policy.images is not None
    assert [each.match for each in policy.images.trust] == [
        "docker.io/library/**", "ghcr.io/example/**", "registry.k8s.io/pause",
    ]
    assert all(each.observed and each.unsafe_unsigned for each in policy.images.trust)
    assert policy.observed == ("images.trust[0]", "images.trust[1]", "images.trust[2]")
    assert policy.rules == (("image-not-pinned", "advise"),)
    assert "Cosign's: cosign.pub" in text


@pytest.mark.parametrize(("subjects", "tickets", "excused"), [
    (["ABC-1: a"] * 4 + ["x"], ("ABC",), True), (["ABC-1: a"] * 3 + ["x"], (), False), (["ABC-1: a"], ("ABC",), False),
    (["ABC-1 a"] * 5, (), False), (["ABC-1: a"] * 30 + ["UTF-8: b"], ("ABC",), True),
])
def test_tickets(world: Repository, subjects: list[str], tickets: tuple[str, ...], excused: bool) -> None:
    for subject in subjects:
        world.commit(subject, tree=world.tree({}))
    head = world.tip()
    _, policy = initial(world)
    assert (policy.messages.tickets if policy.messages else ()) == tickets
    assert (policy.messages.introduction if policy.messages else None) == (head if excused else None)


@pytest.mark.parametrize("name", [
    'a" observed = false #', "a\\u0022", "x'''\ny", "role:owner", "\x1b[31mred", "\u202egpj", "]]\n[commits]", "a\x7f",
    "", "é" * 300,
])
def test_hostile_names(world: Repository, keys: dict[str, SshKey], name: str) -> None:
    oid = world.commit("one", {"a": "1"}, key=keys["alice"])
    payload = world.read(oid).partition(b"\ngpgsig")[0] + b"\n\none\n"
    line = name.replace("\n", " ").encode().replace(b"<", b"")
    hostile = payload.replace(b"Alice Example", line)
    armored = keys["alice"].sign(hostile)
    head, _, rest = hostile.partition(b"\n\n")
    world.update("HEAD", world.write("commit", head + b"\ngpgsig " + armored.replace(b"\n", b"\n ") + b"\n\n" + rest))
    text, policy = initial(world)
    assert len(policy.signers) == 1
    assert policy.observed[-1] == "signers[0]"
    assert policy.signers[0].emails == ("alice@example.org",)
    assert all(c.isprintable() or c == "\n" for c in text)


def test_hostile_paths(world: Repository, keys: dict[str, SshKey]) -> None:
    world.commit("one", {"a": "1"})
    blob = world.write("blob", keys["other"].public.encode())
    name = 'x\n[commits]\n\x1b".pub'
    tree = world.git("mktree", "-z", stdin=f"100644 blob {blob}\t{name}\0".encode())
    world.update("HEAD", world.commit("two", tree=tree, ref=None, parents=()))
    text, policy = initial(world)
    assert policy.commits is None
    assert '# x?[commits]??".pub holds keys, too' in text
