"""The pre-commit and pre-merge-commit hooks in real commits: what is judged is what git is about to commit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chainverify.hook.pre_commit import ASKS, SIGNING, options
from tests.hook.clone import Clone, write_hooks
from tests.world.ssh import SshKey

pytestmark = pytest.mark.tool("git")

DIGEST = "@sha256:" + "a" * 64
IMAGES = 'version = 1\n[images]\n[[images.trust]]\nmatch = "docker.io/library/**"\nunsafe-unsigned = "a test"\n'
GOOD = f"image: docker.io/library/nginx:1{DIGEST}\n"
HOOKS = ("pre-commit", "pre-merge-commit")
NOTHING = "chainverify: nothing that is staged was judged: no manifest and no part of the policy is staged\n"


def deployment(image: str) -> str:
    return (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec:\n  template:\n    spec:\n      containers:\n"
        f"      - name: x\n        image: {image}\n"
    )


PINNED = deployment(f"nginx:1{DIGEST}")
UNPINNED = deployment("nginx:1")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    made = Clone(tmp_path / "repo with spaces", IMAGES, HOOKS)
    made.good("add", ".")
    made.good("commit", "-q", "-m", "policy")
    return made


def test_nothing_that_matters(clone: Clone) -> None:
    clone.write(a__txt="1", b__txt="1")
    clone.good("add", ".")
    assert clone.good("commit", "-q", "-m", "text") == NOTHING
    assert clone.good("commit", "-q", "-m", "empty", "--allow-empty") == NOTHING
    assert (clone.repo.git_dir / ASKS).is_file()


def test_a_good_manifest(clone: Clone) -> None:
    clone.write(x__yaml=PINNED)
    clone.good("add", ".")
    said = clone.good("commit", "-q", "-m", "x")
    assert said == "chainverify: 1 image reference staged anew; signatures of images are verified on push, not here\n"


@pytest.mark.parametrize(
    ("text", "rule", "status"),
    [
        (UNPINNED, "image-not-pinned", 1),
        (deployment(f"quay.io/x/y:1{DIGEST}"), "image-not-covered", 1),
        (deployment("'{{ .image }}'"), "image-unresolved", 3),
        (UNPINNED + "  bad\n indent: [", "manifest-unreadable", 3),
    ],
)
def test_bad_manifests(clone: Clone, text: str, rule: str, status: int) -> None:
    clone.write(x__yaml=text)
    clone.good("add", ".")
    before = clone.repo.tip()
    said = clone.bad("commit", "-q", "-m", "x")
    assert said.startswith(rule)
    assert "x.yaml" in said
    assert said.endswith("chainverify: nothing was committed; correct it, stage that (git add), and commit again\n")
    assert clone.repo.tip() == before
    done = clone.git("hook", "run", "pre-commit")
    assert done.returncode == status


def test_the_index_counts_and_not_the_worktree(clone: Clone) -> None:
    clone.write(x__yaml=UNPINNED)
    clone.good("add", ".")
    clone.write(x__yaml=PINNED)
    assert "image-not-pinned" in clone.bad("commit", "-q", "-m", "staged bad, worktree good")
    clone.good("add", ".")
    clone.write(x__yaml=UNPINNED)
    clone.good("commit", "-q", "-m", "staged good, worktree bad")
    # with -a the worktree is what is staged
    assert "image-not-pinned" in clone.bad("commit", "-q", "-a", "-m", "all")
    clone.write(x__yaml=PINNED + "# more\n")
    clone.good("commit", "-q", "-a", "-m", "all")


def test_partial_commits(clone: Clone) -> None:
    clone.write(bad__yaml="x: 1\n", good__yaml="x: 1\n")
    clone.good("add", ".")
    clone.good("commit", "-q", "-m", "both")
    clone.write(bad__yaml=UNPINNED, good__yaml=PINNED)
    clone.good("add", "bad.yaml")
    clone.good("commit", "-q", "-m", "one of them", "good.yaml")
    assert clone.git("status", "--short").stdout == "M  bad.yaml\n"
    assert "bad.yaml" in clone.bad("commit", "-q", "-m", "the other", "bad.yaml")
    assert "bad.yaml" in clone.bad("commit", "-q", "-m", "the other")
    # the index and its lock are as git left them
    assert clone.git("status", "--short").stdout == "M  bad.yaml\n"
    assert not list(clone.repo.git_dir.glob("*.lock"))


def test_what_was_there_before_is_not_asked_again(clone: Clone) -> None:
    clone.write(x__yaml=UNPINNED)
    clone.good("add", ".")
    clone.good("commit", "-q", "-n", "-m", "let through")
    clone.write(x__yaml=UNPINNED + "# a comment\n")
    clone.good("commit", "-q", "-a", "-m", "nothing new runs")
    clone.good("rm", "-q", "x.yaml")
    clone.good("commit", "-q", "-m", "nothing runs")


def test_amend(clone: Clone) -> None:
    clone.write(x__yaml=PINNED)
    clone.good("add", ".")
    clone.good("commit", "-q", "-m", "x")
    assert clone.good("commit", "-q", "--amend", "-m", "y") == NOTHING
    clone.write(x__yaml=UNPINNED)
    assert "image-not-pinned" in clone.bad("commit", "-q", "--amend", "-a", "-m", "z")


def test_the_first_commit(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "new", IMAGES, HOOKS)
    assert "was judged" in clone.good("commit", "-q", "--allow-empty", "-m", "no index yet")
    other = Clone(tmp_path / "other", IMAGES, HOOKS)
    other.write(x__yaml=UNPINNED)
    other.good("add", ".")
    assert "image-not-pinned" in other.bad("commit", "-q", "-m", "x")
    other.write(x__yaml=PINNED)
    other.good("add", ".")
    assert "1 image reference" in other.good("commit", "-q", "-m", "x")


def test_added_by_intent_only(clone: Clone) -> None:
    clone.write(x__yaml=UNPINNED, y__txt="1")
    clone.good("add", "-N", "x.yaml")
    clone.good("add", "y.txt")
    clone.good("commit", "-q", "-m", "without x.yaml")
    assert clone.git("ls-tree", "--name-only", "HEAD").stdout.split() == [".chainverify", "y.txt"]


def side(clone: Clone, text: str) -> None:
    """A branch `side` that brings the manifest `text`, and a commit beside it."""
    clone.good("checkout", "-q", "-b", "side")
    clone.repo.commit("side", {"x.yaml": text})
    clone.good("checkout", "-q", "main")
    clone.repo.commit("main", {"main.txt": "1"})


def test_merges(clone: Clone) -> None:
    side(clone, UNPINNED)
    said = clone.bad("merge", "side", "-m", "merge")
    assert "image-not-pinned" in said
    assert "finish with git merge --continue; or give up with git merge --abort" in said
    assert (clone.repo.git_dir / "MERGE_HEAD").exists()
    # what it says works, and it is pre-commit that judges then
    assert "image-not-pinned" in clone.bad("merge", "--continue", env={"GIT_EDITOR": "true"})
    clone.write(x__yaml=PINNED)
    clone.good("add", ".")
    clone.good("merge", "--continue", env={"GIT_EDITOR": "true"})
    assert len(clone.git("log", "-1", "--format=%P").stdout.split()) == 2


def test_a_merge_that_brings_nothing_wrong(clone: Clone) -> None:
    side(clone, PINNED)
    assert "1 image reference staged anew" in clone.good("merge", "-q", "side", "-m", "merge")
    assert len(clone.git("log", "-1", "--format=%P").stdout.split()) == 2


def test_a_merge_with_conflicts(clone: Clone) -> None:
    clone.repo.commit("base", {"x.yaml": "a: 1\n"})
    clone.good("checkout", "-q", "-b", "side")
    clone.repo.commit("side", {"x.yaml": "a: 2\n"})
    clone.good("checkout", "-q", "main")
    clone.repo.commit("main", {"x.yaml": "a: 3\n"})
    clone.git("merge", "side")
    clone.write(x__yaml=UNPINNED)
    clone.good("add", ".")
    assert "image-not-pinned" in clone.bad("commit", "-q", "-m", "merged")


def test_reword_and_cherry_pick(clone: Clone) -> None:
    clone.write(x__yaml=UNPINNED)
    clone.good("add", ".")
    clone.good("commit", "-q", "-n", "-m", "let through")
    env = {"GIT_SEQUENCE_EDITOR": "sed -i s/^pick/reword/", "GIT_EDITOR": "sed -i 1s/let/Let/"}
    assert NOTHING in clone.good("rebase", "-q", "-i", "HEAD~1", env=env)
    assert clone.subject() == "Let through"
    # a pick does not call it: the server judges
    clone.good("checkout", "-q", "-b", "other", "HEAD~1")
    assert clone.good("cherry-pick", "main") == ""


def test_a_linked_worktree_and_a_submodule(clone: Clone, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    clone.good("worktree", "add", "-q", "-b", "linked", str(linked))
    (linked / "x.yaml").write_text(UNPINNED)
    clone.good("add", ".", cwd=linked)
    assert "image-not-pinned" in clone.bad("commit", "-q", "-m", "x", cwd=linked)
    (linked / "x.yaml").write_text(PINNED)
    clone.good("commit", "-q", "-a", "-m", "x", cwd=linked)
    top = Clone(tmp_path / "top", names=())
    top.repo.commit("top")
    top.good("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(clone.repo.path), "dep")
    inside = top.repo.path / "dep"
    write_hooks(top.repo.git_dir / "modules" / "dep" / "hooks", HOOKS)
    (inside / "x.yaml").write_text(UNPINNED)
    top.good("add", ".", cwd=inside)
    assert "image-not-pinned" in top.bad("commit", "-q", "-m", "x", cwd=inside)


def test_an_explicit_git_directory(clone: Clone, tmp_path: Path) -> None:
    env = {"GIT_DIR": str(clone.repo.git_dir), "GIT_WORK_TREE": str(clone.repo.path)}
    clone.write(x__yaml=UNPINNED)
    clone.good("add", ".")
    assert "image-not-pinned" in clone.bad("commit", "-q", "-m", "x", cwd=tmp_path, env=env)


def test_names_that_are_hostile(clone: Clone) -> None:
    (clone.repo.path / "a\x1b[31m\n.yaml").write_text(UNPINNED)
    (clone.repo.path / os.fsdecode(b"\xff.yaml")).write_text(PINNED)
    clone.good("add", ".")
    said = clone.bad("commit", "-q", "-m", "x")
    assert "image-not-pinned" in said
    assert "\x1b" not in said


# --- the policy itself

def test_a_staged_policy_is_validated(clone: Clone) -> None:
    clone.policy(IMAGES + "nonsense = 1\n")
    # the worktree's is broken: nothing can be judged by it
    said = clone.bad("commit", "-q", "-a", "-m", "broken")
    assert "the policy is wrong, nothing that is staged was judged" in said
    assert "nonsense" in said
    clone.good("add", ".")
    clone.policy(IMAGES)
    # only the staged one is
    said = clone.bad("commit", "-q", "-m", "broken")
    assert "chainverify: staged:.chainverify/policy.toml" in said
    assert "nonsense" in said
    assert clone.git("hook", "run", "pre-commit").returncode == 2
    clone.policy(IMAGES + "# more\n")
    clone.good("add", ".")
    assert clone.good("commit", "-q", "-m", "good") == ""


def test_a_key_that_the_staged_policy_lacks(clone: Clone, tmp_path: Path) -> None:
    signers = '[commits]\n[[signers]]\nname = "A"\nemails = ["a@example.org"]\nssh = ["keys/a.pub"]\n'
    clone.policy(IMAGES + signers)
    keys = clone.repo.path / ".chainverify" / "keys"
    keys.mkdir()
    (keys / "a.pub").write_text(SshKey.create(tmp_path / "keys", "a").public)
    clone.good("add", ".chainverify/policy.toml")
    assert "no regular file .chainverify/keys/a.pub in staged" in clone.bad("commit", "-q", "-m", "without the key")
    clone.good("add", ".chainverify/keys")
    clone.good("commit", "-q", "-m", "with the key")
    (keys / "a.pub").write_text("ssh-ed25519 AAAA\n")
    assert "signers[0].ssh[0]" in clone.bad("commit", "-q", "-a", "-m", "a broken key")


def test_taking_the_policy_away_is_said(clone: Clone) -> None:
    clone.good("rm", "-q", "-r", "--cached", ".chainverify")
    said = clone.good("commit", "-q", "-m", "away")
    assert said.startswith("chainverify: note: this commit has no .chainverify/policy.toml")


def test_observed_trust_is_said(clone: Clone) -> None:
    clone.policy(IMAGES.replace("unsafe-unsigned", "observed = true\nunsafe-unsigned"))
    said = clone.good("commit", "-q", "-a", "-m", "observed")
    assert "is marked observed = true" in said


def test_without_a_policy(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "repo", None, HOOKS)
    clone.write(x__yaml=UNPINNED)
    clone.good("add", ".")
    said = clone.good("commit", "-q", "-m", "x")
    assert said.startswith("chainverify: nothing that is staged was judged: there is no .chainverify/policy.toml")


def test_the_cache_follows_the_policy(clone: Clone) -> None:
    clone.write(x__yaml=UNPINNED)
    clone.good("add", ".")
    assert "image-not-pinned" in clone.bad("commit", "-q", "-m", "x")
    clone.policy("version = 1\n")
    assert clone.good("commit", "-q", "-m", "x").endswith("asks nothing of files\n")
    (clone.repo.git_dir / ASKS).write_bytes(b"19:chainverify asks 1x,")
    clone.policy(IMAGES)
    clone.write(y__yaml=UNPINNED.replace("nginx", "caddy"))
    clone.good("add", "y.yaml")
    assert "image-not-pinned" in clone.bad("commit", "-q", "-m", "x")


# --- how the commit will be signed

class Signing:
    """A clone whose policy wants commits signed by Alice, with her key and another one."""

    def __init__(self, root: Path) -> None:
        self.key = SshKey.create(root / "keys", "alice")
        self.other = SshKey.create(root / "keys", "mallory")
        public = " ".join(self.key.public.split()[:2])
        signer = f'[[signers]]\nname = "Alice"\nemails = ["a@example.org"]\nssh = ["{public}"]\n'
        policy = f'version = 1\n[commits]\nformats = ["ssh"]\n{signer}'
        self.clone = Clone(root / "repo", policy, HOOKS)

    def commit(self, *options: str, env: dict[str, str] | None = None, **config: str) -> str:
        """What a commit says under `config` (`__` for the dot), without the line that nothing staged was judged."""
        given = [part for name, value in config.items() for part in ("-c", f"{name.replace('__', '.')}={value}")]
        said = self.clone.good(*given, "commit", "-q", "--allow-empty", "-m", "x", *options, env=env)
        return "".join(line for line in said.splitlines(keepends=True) if "nothing that is staged was judged" not in line)


@pytest.fixture
def signing(tmp_path: Path) -> Signing:
    return Signing(tmp_path)


@pytest.mark.tool("ssh-keygen")
def test_signing_that_is_set_up(signing: Signing) -> None:
    good = {"gpg__format": "ssh", "user__signingkey": str(signing.key.path), "commit__gpgsign": "true"}
    assert signing.commit(**good) == ""
    assert (signing.clone.repo.git_dir / SIGNING).is_file()
    assert signing.commit(**good) == ""
    assert signing.commit(**{**good, "user__signingkey": f"{signing.key.path}.pub"}) == ""
    off = {**good, "commit__gpgsign": "false"}
    help_ = "  help: set it up with chainverify sign-setup\n"
    note = "chainverify: note: the policy asks for signed commits, and commit.gpgsign is not set"
    assert signing.commit(**off) == f"{note}: without -S this commit will not be signed\n{help_}"
    assert signing.commit("-S", **off) == ""
    assert signing.commit("--gpg-sign", **off) == ""
    assert "and --no-gpg-sign keeps this one from being signed" in signing.commit("--no-gpg-sign", **good)


@pytest.mark.tool("ssh-keygen")
def test_signing_with_the_wrong_key(signing: Signing) -> None:
    good = {"gpg__format": "ssh", "user__signingkey": str(signing.key.path), "commit__gpgsign": "true"}
    wrong = {**good, "user__signingkey": str(signing.other.path)}
    assert "which belongs to nobody in the policy" in signing.commit(**wrong)
    # the command line may name another key
    assert signing.commit(f"-S{signing.key.path}", **wrong) == ""
    said = signing.commit(env={"GIT_COMMITTER_EMAIL": "b@example.org"}, **good)
    assert "of Alice, whose addresses do not include the committer's, b@example.org" in said
    said = signing.commit(**{**good, "gpg__format": "openpgp", "commit__gpgsign": "false"})
    assert "commit.gpgsign is not set" in said
    said = signing.clone.git(
        "-c", "commit.gpgsign=true", "commit", "-q", "--allow-empty", "-m", "x", env={"GNUPGHOME": "/nonexistent"}
    ).stderr
    assert "git is set up to sign with OpenPGP, the policy accepts SSH" in said


@pytest.mark.tool("ssh-keygen")
def test_what_was_found_out_of_signing_is_found_out_again(signing: Signing) -> None:
    own = signing.clone.repo.path.parent / "own.pub"
    own.write_text(signing.key.public)
    setup = {"gpg__format": "ssh", "user__signingkey": str(own), "commit__gpgsign": "false"}
    # git itself does not sign here: only what is said counts
    assert "belongs to nobody" not in signing.commit("-S", "--no-gpg-sign", **setup)
    kept = signing.clone.repo.git_dir / SIGNING
    first = kept.read_bytes()
    signing.commit("--no-gpg-sign", **setup)
    assert kept.read_bytes() == first
    own.write_text(signing.other.public)
    signing.commit("--no-gpg-sign", **setup)
    assert kept.read_bytes() != first
    assert b"belongs to nobody in the policy" in kept.read_bytes()
    kept.write_bytes(b"spoiled")
    signing.commit("--no-gpg-sign", **setup)
    assert b"belongs to nobody in the policy" in kept.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "asked", "named"),
    [
        (["commit"], None, False), (["commit", "-S"], True, False), (["commit", "-aS"], True, False),
        (["commit", "-Skey"], True, True), (["commit", "-qSkey"], True, True), (["commit", "--gpg-sign=key"], True, True),
        (["commit", "--no-gpg-sign"], False, False), (["commit", "-S", "--no-gpg-sign"], False, False),
        (["commit", "-mS"], None, False), (["commit", "-m", "-S"], None, False), (["commit", "-uSno"], None, False),
        (["commit", "--", "-S"], None, False), (["merge", "-S", "x"], True, False),
    ],
)  # fmt: skip
def test_what_a_command_line_says_of_signing(arguments: list[str], asked: bool | None, named: bool) -> None:
    assert options(arguments) == (asked, named)


def test_wrong_calls() -> None:
    for name in HOOKS:
        done = subprocess.run(
            [sys.executable, "-I", "-m", "chainverify", "hook", name, "x"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert f"{name}: expected no arguments" in done.stderr
