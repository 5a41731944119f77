"""Where policies come from, on real repositories: trust, the files they may name, and the ways out that are closed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chainverify.errors import PolicyError, PolicyMissing, UsageError
from chainverify.git.repository import Repository as Git
from chainverify.jobs import policies
from chainverify.policy.material import signing_material
from tests.world.repository import Repository

pytestmark = pytest.mark.tool("git")

NAME = ".chainverify/policy.toml"


def text(*names: str) -> str:
    return f'version = 1\n[[signers]]\nname = "Alice"\nssh = [{", ".join(map(repr, names))}]\n'


@pytest.fixture
def world(tmp_path: Path) -> Repository:
    repo = Repository.create(tmp_path / "repo")
    repo.commit("first", {NAME: text("keys/alice.pub", "./keys//alice.pub"), ".chainverify/keys/alice.pub": "the key"})
    return repo


def git(world: Repository) -> Git:
    return Git.discover(world.path)


def load(world: Repository, revision: str | None) -> policies.LoadedPolicy:
    """The policy of a revision, or of the worktree."""
    return policies.from_worktree(git(world)) if revision is None else policies.from_revision(git(world), revision)


def keys(loaded: policies.LoadedPolicy) -> list[bytes]:
    return [each.data for each in signing_material(loaded.policy, loaded.read).ssh]


def refusal(loaded: policies.LoadedPolicy) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        signing_material(loaded.policy, loaded.read)
    return caught.value


def test_worktree(world: Repository) -> None:
    loaded = policies.from_worktree(git(world))
    assert keys(loaded) == [b"the key"] * 2
    assert loaded.ref == (NAME, loaded.policy.digest, "self")


def test_revision(world: Repository) -> None:
    first = world.tip()
    world.commit("second", {NAME: text("keys/mallory.pub"), ".chainverify/keys/mallory.pub": "other"})
    assert first is not None
    base = policies.from_revision(git(world), first)
    tip = policies.from_revision(git(world), "main")
    assert (keys(base), base.trust, base.ref.source) == ([b"the key"] * 2, "base", f"{first}:{NAME}")
    assert keys(tip) == [b"other"]
    # a name that moves later changes nothing that was loaded
    world.commit("third", {".chainverify/keys/mallory.pub": "third"})
    assert keys(tip) == [b"other"]


def test_a_revision_that_is_judged_is_self(world: Repository) -> None:
    """Five commits of `main`, a branch from the third; what is judged, and how far the policy at a revision is trusted."""
    oids = [world.tip() or "", *(world.commit(f"c{at}", {"a": str(at)}) for at in range(1, 5))]
    # a clock that stood still years ago must not make the base one of the judged
    side = world.commit("side", {"s": "1"}, ref="refs/heads/side", parents=[oids[2]], when=1_000_000_000)
    tag = world.tag("v1", "main")
    tree = world.git("rev-parse", "main^{tree}")
    merge = world.commit("merge", {"m": "1"}, ref="refs/heads/merged", parents=[oids[4], side])
    repo = git(world)
    table: list[tuple[str, list[str], list[str], str]] = [
        # a whole history: its tips judge themselves, what lies below is a base, other branches are nobody's business here
        ("main", [oids[4]], [], "self"), ("main~1", [oids[4]], [], "base"), ("side", [oids[4]], [], "base"),
        ("v1", [oids[4]], [], "self"), (tag, [oids[4]], [], "self"), (tree, [oids[4]], [], "self"),
        ("main", [oids[3]], [], "base"), ("main", [], [], "base"), ("side", [oids[4], side], [], "self"),
        # a range: all that it holds
        ("main", [oids[4]], [oids[1]], "self"), ("main~1", [oids[4]], [oids[1]], "self"),
        ("main~2", [oids[4]], [oids[1]], "self"),
        ("main~3", [oids[4]], [oids[1]], "base"), ("main~4", [oids[4]], [oids[1]], "base"),
        ("side", [oids[4]], [oids[1]], "base"),
        ("side", [merge], [oids[4]], "self"), ("main~2", [merge], [oids[4]], "base"), ("main~1", [merge], [side], "self"),
        ("main~3", [merge], [side], "base"), ("merged", [merge], [merge], "base"), ("main", [side], [oids[4]], "base"),
        ("main~4^{tree}", [oids[4]], [oids[1]], "self"),
    ]
    for revision, include, exclude, trust in table:
        loaded = policies.from_revision(repo, revision, judged=policies.Judged(include, exclude))
        assert loaded.trust == trust, (revision, include, exclude)
        assert policies.from_revision(repo, revision).trust == "base"


def test_a_revision_whose_place_cannot_be_told_is_self(world: Repository) -> None:
    first = world.tip() or ""
    gone, tip = world.commit("gone", {"a": "1"}), world.commit("tip", {"a": "2"})
    (world.git_dir / "objects" / gone[:2] / gone[2:]).unlink()
    other = world.commit("other", {NAME: text("k.pub")}, ref="refs/heads/other", parents=())
    loaded = policies.from_revision(git(world), first, judged=policies.Judged([tip], [other]))
    assert loaded.trust == "self"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_revision_of_a_bare_repository(tmp_path: Path, algorithm: str) -> None:
    world = Repository.create(tmp_path / "bare.git", bare=True, algorithm=algorithm)  # type: ignore[arg-type]
    world.commit("first", {NAME: text("k.pub"), ".chainverify/k.pub": "key"})
    assert keys(policies.from_revision(git(world), "HEAD")) == [b"key"]
    with pytest.raises(PolicyMissing, match="no worktree"):
        policies.from_worktree(git(world))


def test_external(world: Repository, tmp_path: Path) -> None:
    outside = tmp_path / "etc"
    outside.mkdir()
    (tmp_path / "shared.pub").write_text("shared")
    (outside / "real.pub").write_text("real")
    (outside / "link.pub").symlink_to("real.pub")
    (outside / "policy.toml").write_text(text("link.pub", "../shared.pub", str(outside / "real.pub")).replace("ssh", "openpgp"))
    loaded = policies.from_file(outside / "policy.toml", worktree=world.path)
    found = [each.data for each in signing_material(loaded.policy, loaded.read).openpgp]
    assert (found, loaded.trust) == ([b"real", b"shared", b"real"], "external")


def test_server_section_only_in_the_servers_file(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('version = 1\n[server]\ndeadline = "30s"\n')
    assert policies.from_file(path, worktree=None, server=True).policy.server.deadline == 30.0
    with pytest.raises(PolicyError, match="only in the server's own file"):
        policies.from_file(path, worktree=None)


@pytest.mark.parametrize("how", ["path", "link in", "link out", "dots", "worktree link"])
def test_a_file_of_the_worktree_is_self_however_it_is_named(world: Repository, tmp_path: Path, how: str) -> None:
    path, worktree = world.path / NAME, world.path
    if how == "link in":
        path = tmp_path / "elsewhere.toml"
        path.symlink_to(world.path / NAME)
    elif how == "link out":
        (tmp_path / "good.toml").write_text("version = 1\n")
        path = world.path / "policy.toml"
        path.symlink_to(tmp_path / "good.toml")
        with pytest.raises(PolicyError, match=r"symbolic link policy\.toml"):
            policies.from_file(path, worktree=world.path)
        return
    elif how == "dots":
        path = world.path / ".chainverify" / ".." / NAME
    elif how == "worktree link":
        worktree = tmp_path / "link"
        worktree.symlink_to(world.path)
    loaded = policies.from_file(path, worktree=worktree)
    assert (loaded.trust, keys(loaded)) == ("self", [b"the key"] * 2)


def escapes(world: Repository, tmp_path: Path, case: str) -> str:
    """Put a way out of the tree into the worktree and the index; the name that the policy then holds."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "k.pub").write_text("outside")
    here = world.path / ".chainverify"
    if case == "file link":
        (here / "link.pub").symlink_to(tmp_path / "secret" / "k.pub")
        return "link.pub"
    if case == "directory link":
        (here / "dir").symlink_to(tmp_path / "secret")
        return "dir/k.pub"
    if case == "link inside":
        (here / "link.pub").symlink_to("keys/alice.pub")
        return "link.pub"
    if case == "directory":
        return "keys"
    return "keys/none.pub"


@pytest.mark.parametrize(("case", "words"), [
    ("file link", "symbolic link .chainverify/link.pub"), ("directory link", "symbolic link .chainverify/dir"),
    ("link inside", "symbolic link .chainverify/link.pub"), ("directory", "no regular file"), ("missing", "no key file"),
])
def test_files_that_lead_outside(world: Repository, tmp_path: Path, case: str, words: str) -> None:
    name = escapes(world, tmp_path, case)
    (world.path / NAME).write_text(text(name))
    world.git("add", "-A")
    world.porcelain_commit("escape")
    error = refusal(policies.from_worktree(git(world)))
    assert words in error.message
    assert (error.key, error.line, error.source) == ("signers[0].ssh[0]", 4, NAME)
    error = refusal(policies.from_revision(git(world), "HEAD"))
    assert "no regular file" in error.message
    assert (error.key, error.line) == ("signers[0].ssh[0]", 4)


@pytest.mark.parametrize("name", ["/etc/hostname", "../x.pub", "keys/../../x.pub"])
def test_names_that_lead_outside(world: Repository, name: str) -> None:
    world.commit("escape", {NAME: text(name), "x.pub": "inside the worktree, outside the policy's directory"})
    for revision in (None, "HEAD"):
        with pytest.raises(PolicyError, match="names") as caught:
            load(world, revision)
        assert (caught.value.key, caught.value.line) == ("signers[0].ssh[0]", 4)
    # the reader itself refuses them too
    world.commit("good", {NAME: text("keys/alice.pub")})
    for loaded in (policies.from_worktree(git(world)), policies.from_revision(git(world), "HEAD")):
        with pytest.raises(PolicyError):
            loaded.read(name)


def test_the_policy_itself_is_no_link(world: Repository, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "policy.toml").write_text("version = 1\n")
    world.git("rm", "-rq", ".chainverify")
    (world.path / ".chainverify").symlink_to(tmp_path / "other")
    with pytest.raises(PolicyError, match=r"symbolic link \.chainverify"):
        policies.from_worktree(git(world))
    world.git("add", "-A")
    world.porcelain_commit("link")
    with pytest.raises(PolicyMissing, match="no regular file"):
        policies.from_revision(git(world), "HEAD")


def test_what_is_missing(tmp_path: Path) -> None:
    world = Repository.create(tmp_path / "repo")
    world.commit("first", {"a": "b"})
    with pytest.raises(PolicyMissing) as caught:
        policies.from_worktree(git(world))
    assert "chainverify init" in caught.value.hint
    with pytest.raises(PolicyMissing):
        policies.from_revision(git(world), "HEAD")
    with pytest.raises(PolicyMissing):
        policies.from_file(tmp_path / "none.toml", worktree=None)
    with pytest.raises(UsageError):
        policies.from_revision(git(world), "nowhere")


def test_what_is_no_file(world: Repository, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PolicyError, match="no regular file"):
        policies.from_file(tmp_path / "pipe", worktree=None)
    with pytest.raises(PolicyError):
        policies.from_file(tmp_path, worktree=None)
    key = world.path / ".chainverify" / "keys" / "alice.pub"
    key.unlink()
    os.mkfifo(key)
    assert "no regular file" in refusal(policies.from_worktree(git(world))).message


def test_budgets(world: Repository) -> None:
    big = b"x" * (policies.KEY_FILE_BYTES_MAX + 1)
    world.commit("big", {".chainverify/keys/alice.pub": big})
    for loaded in (policies.from_worktree(git(world)), policies.from_revision(git(world), "HEAD")):
        assert "more than" in refusal(loaded).message
    world.commit("big policy", {NAME: big})
    for revision in (None, "HEAD"):
        with pytest.raises(PolicyError, match=r"1048576"):
            load(world, revision)
