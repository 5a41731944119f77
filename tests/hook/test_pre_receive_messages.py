"""Rules about messages per ref, in real pushes: each ref's rules hold for all that lands on it, whichever way it came."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hook.test_pre_receive import install
from tests.world.repository import Repository

pytestmark = pytest.mark.tool("git")

POLICY = """\
version = 1
[messages]
tickets = ["SHOP"]
[[refs]]
match = "refs/heads/**"
[[refs]]
match = "refs/heads/wip/**"
messages = { allow-fixup = true }
[[refs]]
match = "refs/heads/wip/signed/**"
messages = { sign-off = "email" }
[[refs]]
match = "refs/heads/docs"
messages = { tickets = [], pattern = "^(SHOP-1|docs): " }
"""


class Pushing:
    """A server with the policy on main, and a clone."""

    def __init__(self, root: Path) -> None:
        self.clone = Repository.create(root / "clone")
        self.clone.commit("SHOP-1: start\n\nSigned-off-by: A <alice@example.org>", {".chainverify/policy.toml": POLICY})
        self.server = Repository.clone(self.clone.path, root / "server.git", "--bare")
        self.clone.git("remote", "add", "origin", str(self.server.path))
        install(self.server)

    def push(self, *refspecs: str) -> tuple[int, str]:
        done = self.clone.run("push", "origin", *refspecs, check=False)
        return done.returncode, done.stderr.decode()

    def accepted(self, *refspecs: str) -> str:
        status, said = self.push(*refspecs)
        assert status == 0, said
        return said

    def refused(self, *refspecs: str, rule: str) -> str:
        before = self.server.git("for-each-ref")
        status, said = self.push(*refspecs)
        assert status == 1, said
        assert f"remote: {rule}" in said, said
        assert self.server.git("for-each-ref") == before
        return said


@pytest.fixture
def world(tmp_path: Path) -> Pushing:
    return Pushing(tmp_path)


def test_a_fixup_may_lie_on_a_branch_that_allows_it_and_nowhere_else(world: Pushing) -> None:
    fixup = world.clone.commit("fixup! SHOP-1: start", {"a": "1"})
    world.refused("main", rule="message-subject")
    world.refused(f"{fixup}:refs/heads/feature", rule="message-subject")
    world.accepted(f"{fixup}:refs/heads/wip/a")
    # what the server has by now is judged again where other rules hold, on a new branch and on an old one
    world.refused(f"{fixup}:refs/heads/feature", rule="message-subject")
    world.refused("main", rule="message-subject")
    world.refused(f"{fixup}:refs/tags/v1", rule="message-subject")
    # and not where the same hold
    said = world.accepted(f"{fixup}:refs/heads/wip/b")
    assert "message" not in said


def test_a_merge_does_not_carry_it_in(world: Pushing) -> None:
    start = world.clone.tip()
    fixup = world.clone.commit("fixup! SHOP-1: start", {"a": "1"})
    world.accepted(f"{fixup}:refs/heads/wip/a")
    other = world.clone.commit("SHOP-2: other", {"b": "1"}, parents=[start])
    merge = world.clone.commit("Merge branch 'wip/a'", {"c": "1"}, parents=[other, fixup])
    world.refused(f"{merge}:refs/heads/main", rule="message-subject")
    world.accepted(f"{merge}:refs/heads/wip/c")


def test_of_two_stanzas_both_hold(world: Pushing) -> None:
    fixup = world.clone.commit("fixup! SHOP-1: start\n\nSigned-off-by: A <alice@example.org>", {"a": "1"})
    unsigned = world.clone.commit("SHOP-2: x", {"b": "1"}, parents=[f"{fixup}^"])
    good = world.clone.commit("SHOP-2: x\n\nSigned-off-by: A <Alice@example.org>", {"b": "2"}, parents=[f"{fixup}^"])
    # the second stanza says nothing of fixups, so [messages] does
    said = world.refused(f"{fixup}:refs/heads/wip/signed/a", rule="message-subject")
    assert said.count("message-subject: ") == 1
    world.refused(f"{unsigned}:refs/heads/wip/signed/b", rule="message-sign-off")
    world.accepted(f"{good}:refs/heads/wip/signed/c")


def test_refs_of_one_push_are_judged_each_by_its_own(world: Pushing) -> None:
    docs = world.clone.commit("docs: say it", {"a": "1"})
    world.accepted(f"{docs}:refs/heads/docs")
    more = world.clone.commit("docs: say more", {"a": "2"})
    said = world.refused(f"{more}:refs/heads/docs", f"{more}:refs/heads/other", rule="message-ticket")
    # both are judged again where another rule holds; said once for each commit, and nothing good of it
    assert said.count("message-ticket: ") == 2
    assert "2 messages" in said
    ticket = world.clone.commit("SHOP-2: x", {"a": "3"}, parents=[docs])
    world.refused(f"{ticket}:refs/heads/docs", rule="message-pattern")


def test_a_merge_that_one_rule_skips_and_another_judges(tmp_path: Path) -> None:
    world = Pushing(tmp_path)
    stricter = POLICY + '[[refs]]\nmatch = "refs/heads/strict"\nmessages = { merges = "judge" }\n'
    start = world.clone.commit("SHOP-2: policy", {".chainverify/policy.toml": stricter})
    world.accepted("main")
    side = world.clone.commit("SHOP-3: side", {"a": "1"}, parents=[start])
    other = world.clone.commit("SHOP-4: other", {"b": "1"}, parents=[start])
    merge = world.clone.commit("Merge", {"a": "1"}, parents=[other, side])
    world.refused(f"{merge}:refs/heads/strict", f"{merge}:refs/heads/x", rule="message-ticket")
    world.accepted(f"{merge}:refs/heads/x")


def test_a_new_branch_that_asks_for_more_asks_it_of_all_that_it_brings(world: Pushing) -> None:
    plain = world.clone.commit("SHOP-2: x", {"a": "1"})
    world.accepted("main")
    # main let it in without a sign-off
    world.refused(f"{plain}:refs/heads/wip/signed/a", rule="message-sign-off")
    # for a branch that asks for less nothing is judged again
    assert "message" not in world.accepted(f"{plain}:refs/heads/wip/a")
