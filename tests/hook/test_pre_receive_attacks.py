"""Ways past the pre-receive hook that somebody found: each a real push that is refused, and the same without the trick let in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hook import test_pre_receive as base
from tests.hook.test_pre_receive import BOB, CAROL, POLICY, World, install
from tests.world.repository import Person

pytestmark = base.pytestmark

MALLORY = Person("Mallory", "mallory@example.org")

template = base.template
world = base.world


def with_policy(world: World, text: str) -> None:
    """Put another policy in force on the server, by its owner."""
    world.clone.commit("SHOP-9: policy", {".chainverify/policy.toml": text}, key=world.alice)
    world.server.git("fetch", "-q", str(world.clone.path), "+HEAD:refs/heads/main")


def by_carol(world: World) -> None:
    world.clone.commit("SHOP-2: by Carol", {"a": "1"}, key=world.carol, author=CAROL)


# --- names that stand for other names


def test_a_symbolic_ref_is_judged_as_what_it_stands_for(world: World) -> None:
    world.server.git("symbolic-ref", "refs/heads/master", "refs/heads/main")
    tip = world.clone.tip() or ""
    by_carol(world)
    world.refused("main:refs/heads/master", rule="signer-not-allowed")
    world.clone.update("HEAD", tip)
    world.clone.commit("SHOP-2: by Alice", {"a": "1"}, key=world.alice)
    world.accepted("main:refs/heads/master")
    assert world.server.tip("refs/heads/main") == world.clone.tip()
    world.refused(f"+{tip}:refs/heads/master", rule="ref-rewind")
    world.server.git("config", "receive.denyDeleteCurrent", "ignore")
    world.refused(":refs/heads/master", rule="ref-delete")


def test_a_symbolic_ref_to_a_branch_that_is_not_there_yet(world: World) -> None:
    world.server.git("symbolic-ref", "refs/heads/next", "refs/heads/release/2")
    by_carol(world)
    world.refused("main:refs/heads/next", rule="signer-not-allowed")


def test_a_branch_that_a_symbolic_ref_waits_for(world: World) -> None:
    """Whoever reads release/stable sees what is pushed to next; git lists no symbolic ref that leads nowhere yet."""
    world.server.git("symbolic-ref", "refs/heads/release/stable", "refs/heads/next")
    world.server.git("symbolic-ref", "refs/heads/release/alias", "refs/heads/release/stable")
    by_carol(world)
    said = world.refused("main:refs/heads/next", rule="signer-not-allowed")
    assert "release/stable" in said
    world.accepted("main:refs/heads/free")


@pytest.mark.parametrize("ref", ["refs/for/main", "refs/for/main/topic"])
def test_a_proposal_is_judged_as_an_update_of_its_target(world: World, ref: str) -> None:
    tip = world.clone.tip() or ""
    by_carol(world)
    world.refused(f"main:{ref}", rule="signer-not-allowed")
    world.clone.update("HEAD", tip)
    world.clone.commit("SHOP-2: by Bob", {"a": "1"}, key=world.bob, author=BOB)
    world.accepted(f"main:{ref}")


def test_a_replacement_is_refused_whatever_the_policy_advises(world: World) -> None:
    with_policy(world, POLICY + '[rules]\nref-rewind = "advise"\n')
    by_carol(world)
    world.refused(f"main:refs/replace/{world.server.tip('refs/heads/main')}", rule="ref-rewind")


def test_two_names_of_one_branch_do_not_hide_each_other(world: World) -> None:
    for name in ("master", "trunk"):
        world.server.git("symbolic-ref", f"refs/heads/{name}", "refs/heads/main")
    tip = world.clone.tip() or ""
    by_carol(world)
    world.refused(f"{tip}:refs/heads/master", f"{world.clone.tip()}:refs/heads/trunk", rule="signer-not-allowed")
    world.clone.commit("SHOP-3: by Alice", {"b": "1"}, key=world.alice, parents=[tip])
    first = world.clone.tip()
    second = world.clone.commit("SHOP-4: by Alice", {"c": "1"}, key=world.alice)
    world.refused(f"{first}:refs/heads/master", f"{second}:refs/heads/trunk", rule="chainverify: usage")


def test_a_protected_name_of_an_unprotected_branch_is_judged_too(world: World) -> None:
    world.accepted("main:refs/heads/feature/x")
    world.server.git("symbolic-ref", "refs/heads/release/stable", "refs/heads/feature/x")
    by_carol(world)
    world.refused("main:refs/heads/feature/x", rule="signer-not-allowed")


def test_of_two_proposals_both_are_judged(world: World) -> None:
    tip = world.clone.tip()
    by_carol(world)
    world.refused(f"{tip}:refs/for/main/a", "main:refs/for/main/b", rule="signer-not-allowed")
    world.server.git("symbolic-ref", "refs/heads/master", "refs/heads/main")
    world.refused("main:refs/for/master/a", rule="signer-not-allowed")


def test_a_push_about_another_state_is_refused(world: World) -> None:
    """git would drop that ref and apply the others, with the judgement of the whole."""
    from chainverify.errors import UsageError
    from chainverify.formats.push import RefUpdate
    from chainverify.git.repository import Repository as Git
    from chainverify.jobs import pushed

    git = Git.discover(world.server.path)
    tip = world.clone.tip() or ""
    lie = RefUpdate("refs/heads/none", tip, tip)
    with pytest.raises(UsageError, match="is at nothing, the push says"):
        pushed.names(git, [lie], dict(git.refs()))


# --- rewinds


def test_going_back_to_an_old_policy_needs_its_owner(world: World) -> None:
    weak = POLICY.replace("[commits]\n", "").replace('match = ["refs/heads/main", ', 'match = [')
    first = world.clone.commit("SHOP-2: weak policy", {".chainverify/policy.toml": weak}, key=world.alice)
    with_policy(world, POLICY.replace('match = ["refs/heads/main", ', 'match = ['))
    before = world.server.tip("refs/heads/main")
    world.refused(f"+{first}:main", rule="policy-change")
    # a merge that picks the old policy is no way either
    other = world.clone.commit("SHOP-3: aside", {"b": "1"}, key=world.carol, author=CAROL, ref=None, parents=[first])
    world.clone.commit(
        "Merge it", tree=world.clone.tree({}, [other]), key=world.carol, author=CAROL, parents=[before or "", other]
    )
    world.refused("main", rule="policy-change")


def test_an_old_policy_does_not_come_back_through_another_ref(world: World) -> None:
    """What the other ref of the push brings is the owner's, but not this push's."""
    ancient = world.clone.tip() or ""
    with_policy(world, POLICY + "# second\n")
    strong = world.clone.tip() or ""
    world.accepted(f"{ancient}:refs/heads/lag")
    world.clone.commit(
        "Merge the past", tree=world.clone.tree({}, [ancient]), key=world.bob, author=BOB, parents=[strong, ancient]
    )
    world.refused("main", f"{strong}:refs/heads/lag", rule="policy-change")
    world.accepted(f"{strong}:refs/heads/lag")


def test_the_default_branch_is_not_deleted(world: World) -> None:
    with_policy(world, POLICY.replace('match = ["refs/heads/main", ', "match = ["))
    world.server.git("config", "receive.denyDeleteCurrent", "ignore")
    world.server.git("symbolic-ref", "refs/heads/master", "refs/heads/main")
    world.refused(":main", rule="policy-change")
    world.refused(":refs/heads/master", rule="policy-change")


def test_a_rewind_is_answered_for_by_a_new_tip(world: World) -> None:
    with_policy(world, POLICY.replace("[images]", 'rewind-signers = ["role:owner"]\n[images]'))
    base_tip = world.clone.tip() or ""
    old = world.clone.commit("SHOP-2: an idea of Alice", {"a": "1"}, key=world.alice)
    world.accepted("main:refs/heads/feature/x")
    world.clone.update("HEAD", base_tip)
    world.clone.commit("SHOP-3: by Bob", {"b": "1"}, key=world.bob, author=BOB)
    world.accepted("main")
    world.refused(f"+{old}:main", rule="ref-rewind")
    # nor when no ref leads to it any more
    world.accepted(":refs/heads/feature/x")
    world.refused(f"+{old}:main", rule="ref-rewind")
    world.clone.update("HEAD", base_tip)
    world.clone.commit("SHOP-4: Alice means it", {"c": "1"}, key=world.alice)
    world.accepted("+main")


# --- the policy itself


def test_the_policy_s_directory_may_not_become_something_else(world: World) -> None:
    """Without [images] no tree is read, and a mode is not part of an object's id."""
    with_policy(world, POLICY[: POLICY.index("[images]")])
    raw = world.clone.read(world.clone.git("rev-parse", "HEAD^{tree}"))
    tree = world.clone.write("tree", raw.replace(b"40000 .chainverify", b"160000 .chainverify"))
    world.clone.commit("SHOP-2: lock everybody out", tree=tree, key=world.bob, author=BOB)
    world.refused("main", rule="policy-change")


def test_a_tip_whose_tree_cannot_be_read_does_not_become_the_default(world: World) -> None:
    with_policy(world, POLICY[: POLICY.index("[images]")])
    raw = world.clone.read(world.clone.git("rev-parse", "HEAD^{tree}"))
    blob = bytes.fromhex(world.clone.write("blob", b"x"))
    tree = world.clone.write("tree", raw + b"100644 zz\0" + blob + b"100644 aa\0" + blob)
    world.clone.commit("SHOP-2: lock everybody out", tree=tree, key=world.bob, author=BOB)
    world.refused("main", rule="policy-change")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text.replace("[commits]", "[commits"), "line"),
        (lambda text: text.replace("keys/carol.pub", "keys/gone.pub"), "gone.pub"),
        (lambda text: text.replace('name = "Carol Example"', 'name = "Carol Example"\nobserved = true'), "observed"),
        (lambda text: text.replace("[commits]\n", ""), "no [commits] section"),
        (lambda text: text.replace("[commits]", '[commits]\nformats = "openpgp"'), "nobody who may change it could sign now"),
        (lambda text: text.replace("[commits]", '[commits]\nintroduction = "' + "1" * 40 + '"'), "introduction"),
    ],
    ids=["syntax", "key", "observed", "commits", "formats", "introduction"],
)
def test_a_policy_that_the_next_push_could_not_use_is_refused(world: World, spoil: Callable[[str], str], words: str) -> None:
    world.clone.commit("SHOP-2: policy", {".chainverify/policy.toml": spoil(POLICY)}, key=world.alice)
    said = world.refused("main", rule="policy-change")
    assert words in said
    assert "every later push would be refused" in said


@pytest.mark.parametrize(
    ("principals", "options", "good"),
    [
        ("alice@example.org", "", True), ("ALICE@example.org", 'namespaces="git"', True),
        ("*@example.org", "cert-authority", True), ("*@example.org", "", False), ("*", "", False),
        ("alice@example.org", 'namespaces="file"', False), ("alice@example.org", 'valid-before="20200101Z"', False),
        ("*,!alice@*", "cert-authority", False), ("mallory@example.org", "", False),
    ],
)
def test_a_policy_whose_owner_is_named_by_a_file(world: World, principals: str, options: str, good: bool) -> None:
    """She has no key in her own table: the next policy can be brought by whoever the file names as her, and by no other."""
    text = POLICY.replace("[commits]", '[commits]\nallowed-signers = "allowed"')
    assert 'ssh = ["keys/alice.pub"]' in text
    text = text.replace('ssh = ["keys/alice.pub"]\n', "")
    files = {".chainverify/policy.toml": text, ".chainverify/allowed": world.alice.allowed(principals, options)}
    world.clone.commit("SHOP-2: policy", files, key=world.alice)
    if good:
        world.accepted("main")
    else:
        assert "nobody who may change it could sign now" in world.refused("main", rule="policy-change")


def test_a_merge_that_took_the_policy_of_its_time_stays_good(world: World) -> None:
    feature = world.clone.commit("SHOP-2: feature", {"f": "1"}, key=world.bob, author=BOB)
    world.clone.git("reset", "-q", "--hard", "HEAD~1")
    with_policy(world, POLICY + "# second\n")
    second = world.clone.tip() or ""
    merged = world.clone.commit(
        "Merge main", tree=world.clone.tree({"f": "1"}, [second]), key=world.bob, author=BOB, parents=[feature, second], ref=None
    )
    world.accepted(f"{merged}:refs/heads/feature/x")
    with_policy(world, POLICY + "# third\n")
    third = world.clone.tip() or ""
    world.clone.commit(
        "Merge the feature", tree=world.clone.tree({"f": "1"}, [third]), key=world.alice, parents=[third, merged]
    )
    world.accepted("main")


# --- advice


def test_advice_about_signatures_makes_nobody_a_maintainer(world: World) -> None:
    with_policy(world, POLICY + '[rules]\ncommit-unsigned = "advise"\nsignature-ambiguous = "advise"\n')
    tip = world.clone.tip() or ""
    base.unsigned(world)
    world.refused("main", rule="signer-not-allowed")
    world.clone.update("HEAD", tip)
    base.two_signatures(world)
    world.refused("main", rule="signer-not-allowed")


def test_advice_about_objects_does_not_open_the_policy(world: World) -> None:
    with_policy(world, POLICY + '[rules]\nsignature-ambiguous = "advise"\nsigner-not-allowed = "advise"\n')
    oid = world.clone.commit("SHOP-3: weak", {".chainverify/policy.toml": "version = 1\n"}, key=world.mallory)
    raw = world.clone.read(oid)
    start, end = raw.index(b"gpgsig "), raw.index(b"\n\n")
    world.clone.update("HEAD", world.clone.write("commit", raw[:end] + b"\n" + raw[start:end] + raw[end:]))
    world.refused("main", rule="policy-change")


def test_what_is_too_large_to_be_read_is_not_let_in(world: World) -> None:
    for setting in ("advise", "off"):
        text = POLICY + f'[rules]\ndeadline = "{setting}"\n'
        world.clone.commit("SHOP-9: policy", {".chainverify/policy.toml": text}, key=world.alice)
        # no policy may relax it, so one that tries does not become the policy
        world.refused("main", rule="policy-change")
        world.clone.git("reset", "-q", "--hard", "HEAD~1")
    raw = world.clone.read(world.clone.commit("SHOP-2: large", {"a": "1"}, key=world.alice))
    world.clone.update("HEAD", world.clone.write("commit", raw + b"x" * (65 << 20)))
    world.refused("main", rule="deadline (not decided)")


# --- tags


@pytest.mark.parametrize("deep", [True, False], ids=["chain", "upper case"])
def test_tags_that_are_hard_to_follow_carry_nothing_in(world: World, deep: bool) -> None:
    with_policy(world, POLICY.replace("[messages]", '[tags]\nrequire = "off"\n[messages]', 1))
    base.unsigned(world)
    target, kind = world.clone.tip() or "", "commit"
    for number in range(6 if deep else 1):
        name = target if deep else target.upper()
        raw = f"object {name}\ntype {kind}\ntag t{number}\ntagger A <alice@example.org> 1750000000 +0000\n\nx\n"
        target, kind = world.clone.write("tag", raw.encode()), "tag"
    world.clone.update("refs/tags/t", target)
    world.refused("refs/tags/t", rule="commit-malformed")


def test_a_tag_of_a_tree_deploys_that_tree(world: World) -> None:
    text = POLICY
    for asks in ("[commits]\n", "[policy]\n", 'signers = ["role:maintainer"]\n', 'signers = ["role:owner"]\n'):
        text = text.replace(asks, "")
    with_policy(world, text)
    image = "registry.example.org/other/app@sha256:" + "a" * 64
    pod = f"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    image: {image}\n"
    world.clone.update("refs/tags/t", world.clone.tree({"pod.yaml": pod}))
    world.refused("refs/tags/t", rule="image-not-covered")


def test_a_release_tag_is_its_signers_s_and_what_it_names_is_not_asked(world: World) -> None:
    with_policy(world, POLICY.replace("[images]", '[[refs]]\nmatch = ["refs/tags/v*"]\nsigners = ["role:owner"]\n[images]'))
    world.clone.commit("SHOP-2: by Bob", {"b": "1"}, key=world.bob, author=BOB)
    world.accepted("main")
    world.clone.tag("v1", key=world.alice)
    world.accepted("refs/tags/v1")
    world.clone.tag("v2", key=world.bob, tagger=BOB)
    world.refused("refs/tags/v2", rule="signer-not-allowed")


# --- differences


def test_what_was_unresolved_and_changes_is_asked_again(world: World) -> None:
    def release(image: str) -> str:
        return f"apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nspec:\n  values:\n    image: {image}\n"

    world.clone.commit("SHOP-2: release", {"r.yaml": release("a"), "broken.yaml": "kind: Pod\nimage: [\n"}, key=world.alice)
    world.server.git("fetch", "-q", str(world.clone.path), "+HEAD:refs/heads/main")
    world.clone.commit("SHOP-3: something else", {"x": "1"}, key=world.alice)
    world.accepted("main")
    world.clone.commit("SHOP-4: another image", {"r.yaml": release("evil.example/x")}, key=world.alice)
    world.refused("main", rule="image-unresolved")
    world.clone.git("reset", "-q", "--hard", "HEAD~1")
    world.clone.commit("SHOP-4: still broken", {"broken.yaml": "kind: Pod\nimage: [evil.example/x\n"}, key=world.alice)
    world.refused("main", rule="manifest-unreadable")


# --- time


def test_what_the_server_had_before_is_not_judged_as_if_it_came_now(world: World) -> None:
    by_carol(world)
    world.accepted("main:refs/heads/feature/x")
    carol = world.clone.tip()
    world.clone.git("reset", "-q", "--hard", "HEAD~1")
    end = 'name = "Carol Example"\nvalid-before = 2025-12-31'
    with_policy(world, POLICY.replace('name = "Carol Example"', end))
    # the commit is of June 2025, and came before its signer left: a branch at it is no new signature
    world.accepted(f"{carol}:refs/heads/feature/y")
    # an object that merely lies on the disk, because an accepted pack held it too, proves nothing
    late = world.clone.commit("SHOP-5: backdated too", {"y": "1"}, key=world.carol, author=CAROL, ref=None, parents=[carol or ""])
    world.server.git("unpack-objects", "-q", stdin=world.clone.run(
        "pack-objects", "-q", "--stdout", "--revs", stdin=f"{late}\n^{carol}\n".encode()
    ).stdout)
    world.refused(f"{late}:refs/heads/feature/w", rule="signer-expired")
    # but one that comes now is, whatever date it claims
    world.clone.commit("SHOP-5: backdated", {"z": "1"}, key=world.carol, author=CAROL)
    world.refused("HEAD:refs/heads/feature/z", rule="signer-expired")


def test_a_deadline_holds_for_many_refs(world: World, tmp_path: Path) -> None:
    policy = tmp_path / "server.toml"
    policy.write_text(POLICY.replace('[policy]\nsigners = ["role:owner"]\n', "") + '[server]\ndeadline = "300ms"\n')
    shutil.copytree(world.clone.path / ".chainverify" / "keys", tmp_path / "keys")
    shutil.rmtree(world.server.path / "hooks")
    install(world.server, "--policy", str(policy))
    world.refused(*(f"main:refs/heads/r{number}" for number in range(400)), rule="deadline (not decided)")




# --- what a forge or bot signs

LIMITED = POLICY.replace('ssh = ["keys/carol.pub"]\n', 'ssh = ["keys/carol.pub"]\nlimit = "clean-merge"\n')


@pytest.mark.parametrize("tag", [False, True])
def test_an_advised_rule_does_not_take_a_limit_away(world: World, tag: bool) -> None:
    with_policy(world, LIMITED + '[rules]\nidentity-mismatch = "advise"\n')
    refspec = "main:refs/heads/topic"
    if tag:
        world.clone.tag("v1", key=world.carol, tagger=BOB)
        refspec = "v1"
    else:
        world.clone.commit("SHOP-2: in Bob's name", {"a": "1"}, key=world.carol, author=BOB)
    world.refused(refspec, rule="signer-not-allowed")
    world.clone.update("HEAD", "HEAD" if tag else "HEAD^")
    world.clone.commit("SHOP-2: by Alice in Bob's name", {"a": "1"}, key=world.alice, author=BOB)
    world.accepted("main:refs/heads/topic")


@pytest.mark.parametrize("rule", ["first-parent", "any-parent"])
def test_a_forge_lets_nobody_onto_a_ref_by_swapping_the_parents_of_a_merge(world: World, rule: str) -> None:
    text = LIMITED.replace("[commits]\n", f'[commits]\nmerge-rule = "{rule}"\n')
    mallory = '[[signers]]\nname = "Mallory"\nemails = ["mallory@example.org"]\nssh = ["keys/mallory.pub"]\n'
    files = {".chainverify/policy.toml": text.replace('"role:maintainer"]', '"role:maintainer", "Carol Example"]', 1) + mallory,
             ".chainverify/keys/mallory.pub": world.mallory.public}  # fmt: skip
    world.clone.commit("SHOP-9: policy", files, key=world.alice)
    world.server.git("fetch", "-q", str(world.clone.path), "+HEAD:refs/heads/main")
    tip = world.clone.tip() or ""
    side = world.clone.commit("SHOP-2: by Mallory", {"a": "1"}, key=world.mallory, author=MALLORY, ref="refs/heads/side",
                              parents=[tip])  # fmt: skip
    world.clone.commit("SHOP-3: swapped", {"a": "1"}, parents=[side, tip], key=world.carol, author=CAROL)
    world.refused("main", rule="signer-not-allowed")
