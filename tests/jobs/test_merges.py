"""What a merge answers for: the forge's limit, and the four merge rules, on real histories."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from chainverify.git.repository import Repository
from chainverify.jobs import history, lineage
from chainverify.jobs.history import Verdicts
from chainverify.model.report import Finding, Subject
from chainverify.model.signing import KeyMaterial, SigningMaterial
from chainverify.policy.model import CommitsPolicy, Policy, Signer
from chainverify.rules import enforcement
from tests.world.repository import ALICE, BOB, START, Person, signed_commit
from tests.world.repository import Repository as World
from tests.world.ssh import SshKey

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen")]

NOW = START + 10_000_000
FORGE = Person("Forge", "noreply@forge.example")
RULES = ("every-commit", "any-parent", "all-parents", "first-parent")


class Keys(NamedTuple):
    alice: SshKey
    bob: SshKey
    forge: SshKey


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    root = tmp_path_factory.mktemp("keys")
    return Keys(*(SshKey.create(root, name) for name in Keys._fields))


def material_of(keys: Keys) -> SigningMaterial:
    owners = ((ALICE, keys.alice), (BOB, keys.bob), (FORGE, keys.forge))
    return SigningMaterial(ssh=tuple(
        KeyMaterial(person.name, key.public.encode(), f"signers[{number}].ssh[0]") for number, (person, key) in enumerate(owners)
    ))


def judge(
    world: World, keys: Keys, *revisions: str, tags: bool = False, advised: tuple[str, ...] = (), **commits: object
) -> Verdicts:
    """The verdict with the rules of the policy applied, those of `advised` as advice."""
    repo = Repository.discover(world.path)
    forge = Signer(FORGE.name, (FORGE.email,), limit="clean-merge")
    people = (Signer(ALICE.name, (ALICE.email,)), Signer(BOB.name, (BOB.email,)), forge)
    rules = tuple((rule, "advise") for rule in advised)
    policy = Policy("p", "d", CommitsPolicy(**commits), "signed", people, rules=rules)  # type: ignore[arg-type]
    if tags:
        found = history.check_tags(repo, repo.refs("refs/tags"), policy, material_of(keys), NOW)
    else:
        found = history.check_commits(repo, history.select(repo, revisions, policy), policy, material_of(keys), NOW)
    return found._replace(findings=list(enforcement.apply(found.findings, policy)))


def told(verdicts: Verdicts) -> dict[str, tuple[str, str]]:
    assert len({each.subject.id for each in verdicts.findings}) == len(verdicts.findings)
    return {each.subject.id: (each.rule, each.status) for each in verdicts.findings}


GOOD = ("verified", "pass")
REFUSED = ("signer-not-allowed", "fail")


# --- the forge's limit

Built = Callable[[World, Keys], str]


def forked(world: World, keys: Keys, ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    """Two lines of history by Alice and Bob; their tips."""
    base = world.commit("base", {"a": "1\n", "b": "1\n"}, key=keys.alice)
    side = world.commit("side", theirs, key=keys.bob, author=BOB, parents=[base], ref="refs/heads/side")
    return [world.commit("main", ours, key=keys.alice), side]


def clean(world: World, keys: Keys) -> str:
    tips = forked(world, keys, {"a": "2\n"}, {"b": "2\n"})
    return world.commit("merge", {"b": "2\n"}, parents=tips, key=keys.forge, author=FORGE)


def evil(world: World, keys: Keys) -> str:
    tips = forked(world, keys, {"a": "2\n"}, {"b": "2\n"})
    return world.commit("merge", {"b": "2\n", "c": "slipped in\n"}, parents=tips, key=keys.forge, author=FORGE)


def dropping(world: World, keys: Keys) -> str:
    tips = forked(world, keys, {"a": "2\n"}, {"b": "2\n"})
    return world.commit("merge", {}, parents=tips, key=keys.forge, author=FORGE)


def conflicting(world: World, keys: Keys) -> str:
    tips = forked(world, keys, {"a": "2\n"}, {"a": "3\n"})
    return world.commit("merge", {"a": "2\n"}, parents=tips, key=keys.forge, author=FORGE)


def fast_forward(world: World, keys: Keys) -> str:
    """What forges do with --no-ff: the side's tree, with both as parents."""
    base = world.commit("base", {"a": "1\n"}, key=keys.alice)
    side = world.commit("side", {"a": "2\n"}, key=keys.bob, author=BOB, parents=[base], ref="refs/heads/side")
    return world.commit("merge", {"a": "2\n"}, parents=[base, side], key=keys.forge, author=FORGE)


def plain(world: World, keys: Keys) -> str:
    world.commit("base", {"a": "1\n"}, key=keys.alice)
    return world.commit("edited on the web", {"a": "2\n"}, key=keys.forge, author=FORGE)


def root(world: World, keys: Keys) -> str:
    return world.commit("made on the web", {"a": "2\n"}, key=keys.forge, author=FORGE)


def octopus(world: World, keys: Keys) -> str:
    tips = forked(world, keys, {"a": "2\n"}, {"b": "2\n"})
    third = world.commit("third", {"c": "3\n"}, key=keys.bob, author=BOB, parents=[tips[0]], ref="refs/heads/third")
    return world.commit("merge", {"b": "2\n", "c": "3\n"}, parents=[*tips, third], key=keys.forge, author=FORGE)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@pytest.mark.parametrize(
    ("build", "words"),
    [
        (clean, ""), (fast_forward, ""), (evil, "is not the one that git makes"), (dropping, "is not the one that git makes"),
        (conflicting, "conflicts"), (plain, "and it is no merge"), (root, "and it has no parents"),
        (octopus, "a merge of 3 commits, expected 2"),
    ],
)
def test_only_clean_merges_of_a_forge_count(tmp_path: Path, keys: Keys, build: Built, words: str, algorithm: str) -> None:
    world = World.create(tmp_path / "r", bare=True, algorithm=algorithm)  # type: ignore[arg-type]
    oid = build(world, keys)
    before = world.git("count-objects", "-v")
    found = judge(world, keys, oid)
    assert told(found)[oid] == (REFUSED if words else GOOD)
    assert [each.message for each in found.findings if words and words in each.message] or not words
    assert all(each.evidence["code"] == "LIMIT" for each in found.findings if each.status == "fail")
    assert {state for each, state in told(found).items() if each != oid} <= {GOOD}
    assert world.git("count-objects", "-v") == before, "the repository was written to"


@pytest.mark.parametrize("rule", ["every-commit", "first-parent", "all-parents", "any-parent"])
def test_a_refused_merge_of_a_forge_names_the_way_that_is_left(tmp_path: Path, keys: Keys, rule: str) -> None:
    """What the hint says of any-parent is so: a merge by a person answers for the forge's."""
    world = World.create(tmp_path / "r", bare=True)
    oid = evil(world, keys)
    world.update("refs/heads/side", oid)
    found = next(each for each in judge(world, keys, oid, merge_rule=rule).findings if each.subject.id == oid)
    assert found.hint.startswith("merge on your own machine, and sign the merge yourself; merge-rule is ")
    assert f"merge-rule is {rule}" in found.hint
    assert ("would answer for it" in found.hint) == (rule != "any-parent")
    top = world.commit("merge of it", {"z": "1"}, parents=[f"{oid}^1", oid], key=keys.alice, ref="refs/heads/top")
    assert (told(judge(world, keys, top, merge_rule=rule))[oid] == REFUSED) == (rule != "any-parent")


def test_a_merge_driver_of_the_repository_has_no_say(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r", bare=True)
    marker = tmp_path / "ran"
    world.git("config", "merge.own.driver", f"touch {marker}; true")
    (world.path / "info").mkdir(exist_ok=True)
    (world.path / "info" / "attributes").write_text("* merge=own\n")
    oid = conflicting(world, keys)
    assert told(judge(world, keys, oid))[oid] == REFUSED
    assert not marker.exists()


def test_attributes_of_the_user_have_no_say(tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """git reads them without being configured to."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "git").mkdir()
    (tmp_path / "git" / "attributes").write_text("* merge=union\n")
    world = World.create(tmp_path / "r", bare=True)
    tips = forked(world, keys, {"a": "2\n"}, {"a": "3\n"})
    oid = world.commit("merge", {"a": "2\n3\n"}, parents=tips, key=keys.forge, author=FORGE)
    assert told(judge(world, keys, oid))[oid] == REFUSED


def test_a_merge_whose_parents_are_gone_cannot_be_decided(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r", bare=True)
    oid = clean(world, keys)
    tree = world.git("rev-parse", f"{oid}^2^{{tree}}")
    (world.path / "objects" / tree[:2] / tree[2:]).unlink()
    found = told(judge(world, keys, f"{oid}^!"))
    assert found == {oid: ("object-missing", "unknown")}


def test_many_merges_take_one_process_and_keep_their_order(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r", bare=True)
    expected = {}
    base = world.commit("base", {"a": "1\n"}, key=keys.alice)
    for number in range(12):
        side = world.commit("side", {f"s{number}": "x"}, key=keys.bob, author=BOB, parents=[base], ref="refs/heads/side")
        files = {f"s{number}": "x"} if number % 3 else {f"s{number}": "other"}
        oid = world.commit("merge", files, parents=[world.tip() or "", side], key=keys.forge, author=FORGE)
        expected[oid] = GOOD if number % 3 else REFUSED
    found = told(judge(world, keys))
    assert {oid: found[oid] for oid in expected} == expected


def test_a_tag_of_a_forge_does_not_count(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r")
    clean(world, keys)
    good = world.tag("v1", key=keys.alice)
    forge = world.tag("v2", key=keys.forge, tagger=FORGE)
    assert told(judge(world, keys, tags=True)) == {good: GOOD, forge: REFUSED}


STRANGE = Person("Somebody", "somebody@example.net")


@pytest.mark.parametrize(("tags", "count"), [(False, "and it is no merge"), (True, "and it is a tag")])
def test_the_limit_holds_for_what_breaks_a_rule_that_is_only_advised(
    tmp_path: Path, keys: Keys, tags: bool, count: str
) -> None:
    """Otherwise whoever makes a forge sign breaks a second rule, and the first is not asked any more."""
    world = World.create(tmp_path / "r")
    world.commit("base", {"a": "1"}, key=keys.alice)
    oid = world.commit("evil", {"a": "2"}, key=keys.forge, author=STRANGE)
    if tags:
        oid = world.tag("v1", key=keys.forge, tagger=STRANGE)
    found = [each for each in judge(world, keys, tags=tags, advised=("identity-mismatch",)).findings if each.subject.id == oid]
    assert [(each.rule, each.level, each.evidence["code"]) for each in found] == [
        ("identity-mismatch", "warning", "GOOD"), ("signer-not-allowed", "error", "LIMIT"),
    ]  # fmt: skip
    assert count in found[1].message


def test_a_clean_merge_that_breaks_an_advised_rule_breaks_no_other(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r", bare=True)
    tips = forked(world, keys, {"a": "2\n"}, {"b": "2\n"})
    oid = world.commit("merge", {"b": "2\n"}, parents=tips, key=keys.forge, author=STRANGE)
    found = told(judge(world, keys, oid, advised=("identity-mismatch",)))
    assert found[oid] == ("identity-mismatch", "fail")


# --- merge rules

SKIPPED = ("commit-unsigned", "skip")
UNSIGNED = ("commit-unsigned", "fail")


class Merged(NamedTuple):
    base: str
    side: str
    deep: str
    merge: str


def merged(world: World, keys: Keys, maker: SshKey, person: Person = ALICE) -> Merged:
    """An unsigned side branch of two commits, merged by `maker`, and a signed commit on top."""
    base = world.commit("base", {"a": "1"}, key=keys.alice)
    deep = world.commit("deep", {"b": "1"}, parents=[base], ref="refs/heads/side")
    side = world.commit("side", {"b": "2"}, ref="refs/heads/side")
    main = world.commit("main", {"a": "2"}, key=keys.alice)
    merge = world.commit("merge", {"b": "2"}, parents=[main, side], key=maker, author=person)
    return Merged(base, side, deep, merge)


@pytest.mark.parametrize("rule", RULES)
def test_a_signed_merge_answers_for_its_side_only_under_any_parent(tmp_path: Path, keys: Keys, rule: str) -> None:
    world = World.create(tmp_path / "r", bare=True)
    made = merged(world, keys, keys.alice)
    found = told(judge(world, keys, merge_rule=rule))
    expected = SKIPPED if rule == "any-parent" else UNSIGNED
    assert {each: found[each] for each in made} == {
        made.base: GOOD, made.side: expected, made.deep: expected, made.merge: GOOD,
    }


def test_what_is_asked_for_itself_is_not_excused(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r", bare=True)
    made = merged(world, keys, keys.alice)
    found = told(judge(world, keys, made.merge, made.side, merge_rule="any-parent"))
    assert (found[made.side], found[made.deep]) == (UNSIGNED, UNSIGNED)


def test_a_forge_answers_for_nothing(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r", bare=True)
    made = merged(world, keys, keys.forge, FORGE)
    found = told(judge(world, keys, merge_rule="any-parent"))
    assert (found[made.side], found[made.deep], found[made.merge]) == (UNSIGNED, UNSIGNED, GOOD)


def test_an_unsigned_merge_answers_for_nothing(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r", bare=True)
    made = merged(world, keys, keys.alice)
    top = world.commit("unsigned top", {"z": "1"})
    found = told(judge(world, keys, merge_rule="any-parent"))
    assert (found[made.side], found[top]) == (UNSIGNED, UNSIGNED)


def test_a_commit_that_is_excused_by_its_id_answers_for_nothing(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r", bare=True)
    base = world.commit("base", {"a": "1"}, key=keys.alice)
    side = world.commit("side", {"b": "1"}, parents=[base], ref="refs/heads/side")
    merge = world.commit("unsigned merge", {"b": "1"}, parents=[base, side])
    world.commit("top", {"c": "1"}, key=keys.alice)
    found = told(judge(world, keys, merge_rule="any-parent", exceptions=frozenset((merge,))))
    assert (found[side], found[merge]) == (UNSIGNED, ("verified", "skip"))
    both = told(judge(world, keys, merge_rule="any-parent", exceptions=frozenset((merge, side))))
    assert (both[side], both[merge]) == (("verified", "skip"), ("verified", "skip"))


def test_a_signed_commit_on_an_unsigned_one_does_not_count(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r", bare=True)
    world.commit("base", {"a": "1"}, key=keys.alice)
    unsigned = world.commit("unsigned", {"a": "2"})
    world.commit("signed", {"a": "3"}, key=keys.alice)
    assert told(judge(world, keys, merge_rule="any-parent"))[unsigned] == UNSIGNED


def test_a_second_root_does_not_lead_to_the_introduction(tmp_path: Path, keys: Keys) -> None:
    """A signed line of its own whose only tie to the introduction is an unsigned commit counts for nothing."""
    world = World.create(tmp_path / "r", bare=True)
    start = world.commit("start", {"a": "1"}, key=keys.alice)
    unsigned = world.commit("unsigned", {"a": "2"})
    other = world.commit("other root", {"o": "1"}, key=keys.alice, parents=[], ref="refs/heads/other")
    top = world.commit("merge", {"o": "1"}, parents=[unsigned, other], key=keys.alice)
    with_anchor = told(judge(world, keys, merge_rule="any-parent", introduction=start))
    assert (with_anchor[unsigned], with_anchor[top]) == (UNSIGNED, GOOD)
    without = told(judge(world, keys, merge_rule="any-parent"))
    assert without[unsigned] == SKIPPED


def test_nobody_answers_for_a_malformed_commit(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r", bare=True)
    base = world.commit("base", {"a": "1"}, key=keys.alice)
    raw = world.read(world.commit("side", {"b": "1"}, parents=[base], ref="refs/heads/side"))
    twice = world.write("commit", signed_commit(signed_commit(raw, b"a"), b"b"))
    nul = world.write("commit", raw + b"\0")
    for number, bad in enumerate((twice, nul)):
        world.update("refs/heads/main", base)
        world.commit(f"merge {number}", {"b": "1"}, parents=[base, bad], key=keys.alice)
        found = told(judge(world, keys, merge_rule="any-parent"))
        assert found[bad] == (("signature-ambiguous", "skip") if bad == twice else ("commit-malformed", "fail"))


# --- the policies of the parents

IN_TREE = """\
version = 1
[commits]
merge-rule = "all-parents"
[[signers]]
name = "Alice Example"
emails = ["alice@example.org"]
ssh = ["{alice}"]
"""
BOBS = """\
[[signers]]
name = "Bob Example"
emails = ["bob@example.org"]
ssh = ["{bob}"]
"""
PATH = ".chainverify/policy.toml"


def test_each_parents_policy_must_name_the_signer(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r", bare=True)
    names = {"alice": keys.alice.public, "bob": keys.bob.public}
    alone, both = IN_TREE.format(**names), (IN_TREE + BOBS).format(**names)
    expected = {}
    start = world.commit("start", {PATH: alone}, key=keys.alice)
    expected[start] = GOOD
    expected[world.commit("bob before he is named", {"b": "1"}, key=keys.bob, author=BOB)] = REFUSED
    expected[world.commit("bob names himself", {PATH: both}, key=keys.bob, author=BOB, parents=[start])] = REFUSED
    world.update("HEAD", start)
    named = world.commit("alice names bob", {PATH: both}, key=keys.alice)
    expected[named] = GOOD
    bobs = world.commit("bob", {"b": "1"}, key=keys.bob, author=BOB)
    expected[bobs] = GOOD
    other = world.commit("alice, without bob's line", {"c": "1"}, key=keys.alice, parents=[start], ref="refs/heads/side")
    expected[world.commit("bob merges", {"c": "1"}, key=keys.bob, author=BOB, parents=[bobs, other])] = REFUSED
    world.update("HEAD", bobs)
    expected[world.commit("alice merges", {"c": "1"}, key=keys.alice, parents=[bobs, other])] = GOOD
    broken = world.commit("broken", {PATH: "version = 2\n"}, key=keys.alice)
    expected[broken] = GOOD
    expected[world.commit("after it", {"d": "1"}, key=keys.alice)] = REFUSED
    world.update("HEAD", bobs)
    expected[world.commit("gone", {}, remove=[PATH], key=keys.alice)] = ("policy-change", "fail")
    found = told(judge(world, keys, *expected, merge_rule="all-parents"))
    assert {oid: found[oid] for oid in expected} == expected


@pytest.mark.parametrize("who", ["bob", "nobody"])
def test_the_parents_policies_are_asked_of_what_breaks_a_rule_that_is_only_advised(
    tmp_path: Path, keys: Keys, who: str
) -> None:
    """A commit by somebody whom its parent's policy does not name must not pass for its wrong address, or for no signature."""
    advised = ("identity-mismatch", "commit-unsigned")
    world = World.create(tmp_path / "r", bare=True)
    alone = IN_TREE.format(alice=keys.alice.public)
    world.commit("start", {PATH: alone}, key=keys.alice)
    oid = world.commit("bob", {"b": "1"}, key=keys.bob if who == "bob" else None, author=STRANGE)
    judged = judge(world, keys, oid, merge_rule="all-parents", advised=advised)
    found = [each for each in judged.findings if each.subject.id == oid]
    rule = "identity-mismatch" if who == "bob" else "commit-unsigned"
    assert [(each.rule, each.level) for each in found] == [(rule, "warning"), ("signer-not-allowed", "error")]
    # what the parent's policy only advises too is no reason to refuse
    advising = '[rules]\nidentity-mismatch = "advise"\ncommit-unsigned = "advise"\n'
    world.update("HEAD", world.commit("advise", {PATH: (alone + BOBS).format(bob=keys.bob.public) + advising}, key=keys.alice,
                                      parents=[f"{oid}^"]))  # fmt: skip
    again = world.commit("bob", {"b": "1"}, key=keys.bob if who == "bob" else None, author=STRANGE)
    assert told(judge(world, keys, again, merge_rule="all-parents", advised=advised))[again] == (rule, "fail")


def test_a_limit_in_a_parents_policy_holds(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r", bare=True)
    limited = IN_TREE + BOBS + 'limit = "clean-merge"\n'
    world.commit("start", {PATH: limited.format(alice=keys.alice.public, bob=keys.bob.public)}, key=keys.alice)
    oid = world.commit("bob", {"b": "1"}, key=keys.bob, author=BOB)
    assert told(judge(world, keys, merge_rule="all-parents"))[oid] == REFUSED


def test_a_submodule_called_like_a_policy_is_none(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r", bare=True)
    start = world.commit("start", {PATH: IN_TREE.format(alice=keys.alice.public)}, key=keys.alice)
    policy = world.git("rev-parse", f"{start}:.chainverify")
    # git itself would see that the object is a tree
    tree = world.write("tree", b"160000 .chainverify\0" + bytes.fromhex(policy))
    world.commit("a submodule", tree=tree, key=keys.alice)
    oid = world.commit("on top", tree=tree, key=keys.alice)
    [found] = [each for each in judge(world, keys, merge_rule="all-parents").findings if each.subject.id == oid]
    assert (found.rule, found.status) == REFUSED
    assert "cannot be used" in found.message


def test_a_parents_key_files_are_part_of_its_policy(tmp_path: Path, keys: Keys) -> None:
    """The same policy.toml beside another key is another policy: Bob's old key ends where the file does."""
    world = World.create(tmp_path / "r", bare=True)
    text = IN_TREE.format(alice=keys.alice.public) + BOBS.format(bob="keys/bob.pub")
    path = ".chainverify/keys/bob.pub"
    world.commit("start", {PATH: text, path: keys.bob.public}, key=keys.alice)
    before = world.commit("bob", {"b": "1"}, key=keys.bob, author=BOB)
    world.commit("bob has a new key", {path: SshKey.create(tmp_path, "new").public}, key=keys.alice)
    after = world.commit("bob, with the old one", {"b": "2"}, key=keys.bob, author=BOB)
    found = told(judge(world, keys, merge_rule="all-parents"))
    assert (found[before], found[after]) == (GOOD, REFUSED)


# --- tags that merges quote


@pytest.mark.parametrize(
    ("maker", "note"),
    [("alice", "mergetag-verified:Alice Example"), (None, "mergetag-unverified:unsigned"),
     ("stranger", "mergetag-unverified:signer-unknown"), ("bob as alice", "mergetag-unverified:identity-mismatch")],
)
def test_the_tags_in_merges(tmp_path: Path, keys: Keys, maker: str | None, note: str) -> None:
    by = {"alice": keys.alice, "stranger": SshKey.create(tmp_path, "stranger"), "bob as alice": keys.bob}
    world = World.create(tmp_path / "r")
    base = world.commit("root", {"a": "1"}, key=keys.alice)
    side = world.commit("side", {"b": "2"}, parents=[base], ref="refs/heads/side", key=keys.alice)
    main = world.commit("main", {"c": "3"}, key=keys.alice)
    raw = world.read(world.tag("v1", side, key=by[maker] if maker else None))
    quoted = b"mergetag " + raw[:-1].replace(b"\n", b"\n ")
    head = f"tree {world.git('rev-parse', f'{main}^{{tree}}')}\nparent {main}\nparent {side}\n".encode()
    who = f"{ALICE.name} <{ALICE.email}> {START + 99} +0000\n".encode()
    payload = head + b"author " + who + b"committer " + who + quoted + b"\n\nmerge\n"
    oid = world.write("commit", signed_commit(payload, keys.alice.sign(payload)))
    [found] = judge(world, keys, f"{oid}^!").findings
    assert (found.rule, found.status) == GOOD
    assert found.evidence["notes"] == [note]
    teleported = payload.replace(side.encode(), base.encode(), 1)
    oid = world.write("commit", signed_commit(teleported, keys.alice.sign(teleported)))
    [found] = judge(world, keys, f"{oid}^!").findings
    assert found.evidence["notes"] == ["mergetag-unverified:target"]


def test_the_order_of_commits_decides_nothing() -> None:
    graph = {"a": (), "b": ("a",), "c": ("a",), "m": ("b", "c"), "n": ("m",)}
    for oids in itertools.permutations(graph):
        for good, expected in (
            ({"a", "b", "m", "n"}, {"a", "b", "m", "n"}), ({"a", "b", "c", "n"}, {"a", "b", "c"}), ({"b", "c", "m", "n"}, set()),
        ):
            counted = lineage.counting(oids, graph, good, set(), anchored=False)
            assert counted == expected
            found = [Finding("commit-unsigned", "fail", Subject("commit", oid), "m") for oid in oids if oid not in good]
            status = {each.subject.id: each.status for each in lineage.excuse(found, oids, graph, ["n"], counted)}
            assert set(status.values()) == ({"skip"} if "n" in counted else {"fail"})
