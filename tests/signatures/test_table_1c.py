"""One genuinely signed commit, and one tag, changed in every way that tells verifiers apart, in every format.

Beside our required verdict stands what git says of the same bytes, through the real ssh-keygen, gpg and gpgsm, and what pygit2
makes of a commit, which does not depend on the format. All of them are really run. gpgsm knows no way to trust a certificate of
minutes: of gitsign's signatures git is not asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

import pygit2
import pytest

from chainverify.errors import Malformed, SignatureError
from chainverify.formats.objects import object_id, parse_commit, parse_tag
from chainverify.model.gitobject import Commit, Tag
from chainverify.model.signing import Clock, Format, GitsignMaterial, KeyMaterial, SignatureOptions, SigningMaterial
from chainverify.signatures import backends
from tests.world import x509
from tests.world.gpg import GpgHome
from tests.world.repository import START, Repository, signed_commit
from tests.world.sigstore import ALICE, ISSUER, T0, Sigstore
from tests.world.ssh import SshKey, keygen_verifies

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen"), pytest.mark.tool("gpg")]

FORMATS: Final[tuple[Format, ...]] = ("ssh", "openpgp", "x509", "gitsign")
BROKEN = "commit-malformed"
AMBIGUOUS = "signature-ambiguous"
UNCLEAR = "MALFORMED signature-ambiguous"
DAMAGED = "MALFORMED signature-bad"
BAD = "BAD signature-bad"


class World(NamedTuple):
    """A repository with a commit and a tag, both signed, and who can judge them.

    `options` and `home` make git find the key; `home` None: git has no verifier for the format. `ssh` is set where it is one.
    """

    format: Format
    repo: Repository
    keyrings: backends.Keyrings
    when: int
    payload: bytes
    armor: bytes
    commit: bytes
    tag: bytes
    options: tuple[str, ...] = ()
    home: Path | None = None
    ssh: SshKey | None = None

    @property
    def begin(self) -> bytes:
        return self.armor.split(b"\n")[0]

    @property
    def end(self) -> bytes:
        return self.armor.split(b"\n")[-1]

    @property
    def field(self) -> bytes:
        """The signature header as it stands in the commit, with its line end."""
        return b"gpgsig " + self.armor.replace(b"\n", b"\n ") + b"\n"

    @property
    def tag_armor(self) -> bytes:
        return self.tag[self.tag.index(self.begin) :]


class Signing(NamedTuple):
    """A key of a format: how it signs, what a policy says of it, how git finds it."""

    sign: Callable[[bytes], bytes]
    material: SigningMaterial
    when: int = START
    options: tuple[str, ...] = ()
    home: Path | None = None
    ssh: SshKey | None = None


def signing(name: Format, scratch: Path, stack: ExitStack) -> Signing:
    if name == "ssh":
        key = SshKey.create(scratch, "alice")
        allowed = scratch / "allowed"
        allowed.write_text(key.allowed(ALICE))
        material = SigningMaterial(ssh=(KeyMaterial("Alice", key.public.encode(), "key"),))
        return Signing(key.sign, material, options=("-c", f"gpg.ssh.allowedSignersFile={allowed}"), home=scratch, ssh=key)
    if name == "openpgp":
        home = stack.enter_context(GpgHome.create())
        own = home.key()
        home.set_clock(START + 60)
        material = SigningMaterial(openpgp=(KeyMaterial("Alice", home.export(own), "key"),))
        return Signing(lambda payload: home.sign(own, payload), material, home=home.path)
    if name == "x509":
        root = x509.mint("Root", key="rsa2048", authority=True)
        signer = x509.mint("Alice", root, key="rsa2048", emails=[ALICE])
        gpgsm = stack.enter_context(x509.GpgsmHome.create([signer], [root]))
        gpgsm.set_clock(START)
        return Signing(lambda payload: gpgsm.sign(ALICE, payload), x509.trust(root), home=gpgsm.path)
    sigstore = Sigstore()
    leaf = sigstore.leaf()
    trust = KeyMaterial("", json.dumps(sigstore.trust()).encode(), "commits.trusted-root", name="trusted_root.json")
    material = SigningMaterial(gitsign=(GitsignMaterial("Alice", ALICE, ISSUER, False, False, (), "key"),), trusted_root=trust)

    def sign(payload: bytes) -> bytes:
        signed = sigstore.sign(payload, leaf)
        return sigstore.armored(signed, sigstore.entry(signed).attribute())

    return Signing(sign, material, when=T0 + 5)


@pytest.fixture(scope="module", params=[
    "ssh", "openpgp", pytest.param("x509", marks=[pytest.mark.tool("gpgsm"), pytest.mark.tool("openssl")]), "gitsign",
])  # fmt: skip
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    scratch = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        key = signing(request.param, scratch / "keys", stack)
        repo = Repository.create(scratch / "repo")
        repo.commit("first", {"a": b"1"}, when=key.when - 60)
        payload = repo.read(repo.commit("JIRA-1: second\n\nwhy it was made\n", {"a": b"2"}, when=key.when))
        armor = key.sign(payload)
        unsigned = repo.read(repo.tag("v1", when=key.when))
        yield World(
            request.param, repo, backends.load(key.material), key.when, payload, armor, signed_commit(payload, armor),
            unsigned + key.sign(unsigned) + b"\n", key.options, key.home, key.ssh,
        )  # fmt: skip


def judged(world: World, kind: Literal["commit", "tag"], raw: bytes) -> str:
    """The verdict on an object in one word: GOOD, UNSIGNED, a signature code with its rule, or the damage's rule."""
    oid = object_id(kind, raw, "sha1")
    try:
        value: Commit | Tag = parse_commit(oid, raw, "sha1") if kind == "commit" else parse_tag(oid, raw, "sha1")
    except Malformed as error:
        return error.rule
    if value.signature is None:
        assert value.payload == raw
        return "UNSIGNED"
    clock = Clock(world.when, world.when + 60)
    try:
        found = backends.verify(value.payload, value.signature, world.keyrings, clock, SignatureOptions(), FORMATS)
    except SignatureError as error:
        return f"{error.code} {error.rule}"
    return found.code


def git_says(world: World, oid: str, kind: Literal["commit", "tag"]) -> str:
    """What `git log --format=%G?` says of a commit, `error` where git fails; of a tag, whether `git verify-tag` accepts it."""
    env = {"GNUPGHOME": str(world.home)}
    if kind == "tag":
        done = world.repo.run(*world.options, "verify-tag", oid, env=env, check=False)
        return "error" if done.returncode else "G"
    done = world.repo.run(*world.options, "log", "-1", "--no-walk", "--format=%G?", oid, env=env, check=False)
    return "error" if done.returncode else done.stdout.decode().strip()


def pygit2_says(world: World, oid: str) -> str:
    """GOOD or BAD of the signature and payload that libgit2 extracts, `unsigned`, or `error` where it cannot read."""
    assert world.ssh
    try:
        commit = pygit2.Repository(str(world.repo.git_dir))[oid]
        signature, payload = commit.gpg_signature
    except KeyError:
        return "unsigned"
    except (ValueError, pygit2.GitError):
        return "error"
    return "GOOD" if keygen_verifies(world.ssh, payload, signature) else "BAD"


def replaced(raw: bytes, old: bytes, new: bytes) -> bytes:
    assert raw.count(old) == 1, (old, raw.count(old))
    return raw.replace(old, new)


Change = Callable[[World], bytes]


def with_header(where: Literal["before", "after"], line: bytes) -> Change:
    """The commit with one more header beside the signature, which does not sign it."""
    return lambda world: replaced(
        world.commit, world.field, line + world.field if where == "before" else world.field + line
    )  # fmt: skip


def edited(old: bytes, new: bytes) -> Change:
    return lambda world: replaced(world.commit, old, new)


def at_end(new: bytes) -> Change:
    """The commit with more after the armor's last line."""
    return lambda world: replaced(world.commit, world.end, world.end + new)


class Row(NamedTuple):
    """`required` is what we must say, `git` and `pygit2` what they answer; `also` and `git_also` where a format differs."""

    name: str
    change: Change
    required: str
    git: str
    pygit2: str = ""
    also: Mapping[str, str] = MappingProxyType({})
    git_also: Mapping[str, str] = MappingProxyType({})


# OpenPGP armor has forms that real signers write, see formats/armor.py
GOOD_PGP = {"openpgp": "GOOD"}
COMMITS = [
    Row("genuine", lambda w: w.commit, "GOOD", "G", "GOOD"),
    Row("signature header moved into the message",
        lambda w: w.payload.replace(b"\n\n", b"\n\n" + w.field, 1), "UNSIGNED", "N", "GOOD"),
    Row("NUL and junk after the message", lambda w: w.commit + b"\0junk\n", BROKEN, "B", "GOOD"),
    Row("NUL in the message", edited(b"why it", b"why\0it"), BROKEN, "B", "BAD"),
    # git joins the two; gpg reports on both, and git takes two reports for an error
    Row("second identical gpgsig", lambda w: replaced(w.commit, w.field, w.field * 2), AMBIGUOUS, "G", "BAD",
        git_also={"openpgp": "E"}),
    Row("gpgsig-foo before", with_header("before", b"gpgsig-foo evil\n"), AMBIGUOUS, "G", "BAD"),
    Row("gpgsig-foo after", with_header("after", b"gpgsig-foo evil\n"), AMBIGUOUS, "G", "BAD"),
    Row("gpgsig-sha256 before", with_header("before", b"gpgsig-sha256 junk\n"), AMBIGUOUS, "G", "BAD"),
    Row("gpgsig-sha256 after", with_header("after", b"gpgsig-sha256 junk\n"), AMBIGUOUS, "G", "BAD"),
    Row("gpgsig without a value after", with_header("after", b"gpgsig\n"), AMBIGUOUS, "G", "BAD"),
    Row("other header", with_header("after", b"other evil\n"), BAD, "B", "BAD"),
    Row("CR after END", at_end(b"\r"), UNCLEAR, "G", "GOOD", {"openpgp": DAMAGED}),
    Row("CR after every armor line", lambda w: replaced(w.commit, w.field, w.field.replace(b"\n", b"\r\n")),
        UNCLEAR, "B or error", "BAD", GOOD_PGP, git_also={"openpgp": "G", "x509": "G"}),
    Row("CR LF in the message", edited(b"made\n", b"made\r\n"), BAD, "B", "BAD"),
    Row("text after END", at_end(b"\n Sign completed"), UNCLEAR, "G", "GOOD"),
    Row("empty line after END", at_end(b"\n "), UNCLEAR, "G", "GOOD", GOOD_PGP),
    Row("second armor after END",
        lambda w: replaced(w.commit, w.field, w.field + b" " + w.armor.replace(b"\n", b"\n ") + b"\n"), UNCLEAR, "G", "GOOD",
        git_also={"openpgp": "E"}),
    Row("text before BEGIN", lambda w: replaced(w.commit, w.begin, b"text\n " + w.begin), UNCLEAR, "error", "BAD"),
    Row("gpgsig as first header", lambda w: w.field + w.payload, BROKEN, "error", "error"),
    Row("second tree header", lambda w: w.commit[:46] + w.commit, BROKEN, "B", "error"),
    Row("tree repeated after the signature", with_header("after", b"tree " + b"0" * 40 + b"\n"), BROKEN, "B", "BAD"),
    Row("final line end removed", lambda w: w.commit[:-1], BAD, "B", "BAD"),
    Row("subject changed", edited(b"JIRA-1", b"JIRA-2"), BAD, "B", "BAD"),
    # what is left of the signature depends on its random bytes
    Row("base64 damaged", lambda w: replaced(w.commit, w.armor.split(b"\n")[3], w.armor.split(b"\n")[3][:-1]),
        DAMAGED, "B or N or E or error", "BAD"),
    Row("empty signature", lambda w: replaced(w.commit, w.field, b"gpgsig \n"), DAMAGED, "error", "BAD"),
]  # fmt: skip


def in_tag(old: bytes, new: bytes) -> Change:
    return lambda world: replaced(world.tag, old, new)


def at_begin(new: bytes) -> Change:
    """The tag with something before its armor."""
    return lambda world: replaced(world.tag, world.begin, new + world.begin)


def at_tag_end(new: bytes) -> Change:
    return lambda world: replaced(world.tag, world.end, world.end + new)


PGP = b"-----BEGIN PGP SIGNATURE-----\n\nAA==\n-----END PGP SIGNATURE-----\n"
TAGS = [
    Row("genuine", lambda w: w.tag, "GOOD", "G"),
    Row("unsigned", lambda w: w.tag[: -len(w.tag_armor)], "UNSIGNED", "error"),
    Row("name changed", in_tag(b"tag v1\n", b"tag v2\n"), BAD, "error"),
    Row("armor twice", lambda w: w.tag + w.tag_armor, AMBIGUOUS, "error"),
    Row("another armor before", at_begin(PGP), AMBIGUOUS, "error"),
    Row("BEGIN quoted inside a line of the message", lambda w: replaced(w.tag, b"release", b"see " + w.begin),
        AMBIGUOUS, "error"),
    Row("BEGIN not at a line start", at_begin(b" "), "UNSIGNED", "error"),
    Row("text after END", at_tag_end(b"\nSign completed"), UNCLEAR, "G"),
    Row("empty line after END", at_tag_end(b"\n"), UNCLEAR, "G", also=GOOD_PGP),
    Row("CR after END", at_tag_end(b"\r"), UNCLEAR, "G", also={"openpgp": DAMAGED}),
    # gpgsm looks no closer at that line than git does
    Row("text beside BEGIN", lambda w: replaced(w.tag, w.begin, w.begin + b"x"), UNCLEAR, "error", git_also={"x509": "G"}),
    Row("final line end removed", lambda w: w.tag[:-1], BROKEN, "G"),
    Row("gpgsig header", in_tag(b"\n\nrelease", b"\ngpgsig junk\n\nrelease"), AMBIGUOUS, "G"),
    Row("gpgsig-sha256 header", in_tag(b"\n\nrelease", b"\ngpgsig-sha256 junk\n\nrelease"), AMBIGUOUS, "G"),
    Row("other header", in_tag(b"\n\nrelease", b"\nother junk\n\nrelease"), BAD, "error"),
    Row("BEGIN as a header", lambda w: w.tag[: -len(w.tag_armor)].replace(b"\n\n", b"\n" + w.begin + b"\n\n", 1),
        AMBIGUOUS, "error"),
    Row("second tag header", in_tag(b"tag v1\n", b"tag v1\ntag v2\n"), BROKEN, "error"),
    Row("second object header", lambda w: w.tag[:48] + w.tag, BROKEN, "error"),
    Row("unknown type", in_tag(b"type commit", b"type comet"), BROKEN, "error"),
    Row("NUL in the message", in_tag(b"release", b"rel\0ase"), BROKEN, "error"),
    Row("CR LF in the message", in_tag(b"release\n", b"release\r\n"), BAD, "error"),
]  # fmt: skip


@pytest.mark.parametrize("row", COMMITS, ids=lambda row: row.name)
def test_commits(world: World, row: Row) -> None:
    raw = row.change(world)
    oid = world.repo.write("commit", raw)
    assert oid == object_id("commit", raw, "sha1")
    assert judged(world, "commit", raw) == row.also.get(world.format, row.required)
    if world.home is not None:
        assert git_says(world, oid, "commit") in row.git_also.get(world.format, row.git).split(" or ")
    if world.ssh is not None:
        assert pygit2_says(world, oid) == row.pygit2


@pytest.mark.parametrize("row", TAGS, ids=lambda row: row.name)
def test_tags(world: World, row: Row) -> None:
    raw = row.change(world)
    oid = world.repo.write("tag", raw)
    assert judged(world, "tag", raw) == row.also.get(world.format, row.required)
    if world.home is not None:
        assert git_says(world, oid, "tag") == row.git_also.get(world.format, row.git)
