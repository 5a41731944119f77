"""The prepare-commit-msg hook in real commits, merges, rebases, cherry-picks and reverts: a ticket where it belongs, once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.hook.prepare_commit_msg import inserted, ticket_in
from chainverify.policy.model import MessagesPolicy
from tests.hook.clone import Clone, write_hooks
from tests.hook.test_commit_msg import POLICY

pytestmark = pytest.mark.tool("git")

KEYS = ("JIRA", "FEATURE", "A1_B")
RULES = MessagesPolicy(tickets=KEYS)
PREPARE = ("prepare-commit-msg",)


@pytest.mark.parametrize(
    ("branch", "ticket"),
    [
        ("JIRA-12", "JIRA-12"), ("JIRA-12-text", "JIRA-12"), ("feature/JIRA-12_x", "JIRA-12"), ("a/b/FEATURE-7/c", "FEATURE-7"),
        ("jira-12-low", "JIRA-12"), ("Jira-12", "JIRA-12"), ("fix-JIRA-12", "JIRA-12"), ("JIRA-12.x", "JIRA-12"),
        ("JIRA-12/JIRA-12-again", "JIRA-12"), ("A1_B-3", "A1_B-3"), ("JIRA-0012", "JIRA-0012"), ("JIRA-12-é", "JIRA-12"),
        ("main", ""), ("JIRA", ""), ("JIRA-", ""), ("JIRA-x", ""), ("XJIRA-12", ""), ("MY_JIRA-12", ""), ("JIRA-12a", ""),
        ("JIRA-12-and-JIRA-13", ""), ("JIRA-1-FEATURE-2", ""), ("JIRA12", ""), ("OTHER-12", ""), ("JIRA-1234567890123", ""),
        ("JIRA-١٢", ""), ("ЈIRA-12", ""), ("ıJIRA-12", "JIRA-12"), ("JİRA-12", ""), ("x" * 5000 + "/JIRA-1", ""),
    ],
)  # fmt: skip
def test_the_ticket_of_a_branch(branch: str, ticket: str) -> None:
    assert ticket_in(f"refs/heads/{branch}", KEYS) == ticket


def test_keys_that_differ_in_case() -> None:
    assert ticket_in("refs/heads/Jira-1", ("JIRA", "Jira")) == "Jira-1"
    assert ticket_in("refs/heads/jira-1", ("JIRA", "Jira")) == ""


@pytest.mark.parametrize(
    ("text", "typed", "after"),
    [
        ("add x\n", True, "JIRA-12: add x\n"),
        ("add x\n\nbody FEATURE-1\n", True, "JIRA-12: add x\n\nbody FEATURE-1\n"),
        ("\n\nadd x\n", True, "\n\nJIRA-12: add x\n"),
        ("é\n", True, "JIRA-12: é\n"),
        ("add x", True, "JIRA-12: add x"),
        # one is there already
        ("JIRA-12: add x\n", True, None),
        ("FEATURE-1: add x\n", True, None),
        ("jira-12 add x\n", True, None),
        ("add x (JIRA-12)\n", True, None),
        ("add x\nfor JIRA-12\n", True, None),
        # another project's is none
        ("OTHER-12: add x\n", True, "JIRA-12: OTHER-12: add x\n"),
        # never before these
        ("fixup! add x\n", True, None),
        ("squash! add x\n", True, None),
        ("amend! add x\n", True, None),
        ("fixup: add x\n", True, "JIRA-12: fixup: add x\n"),
        # nothing to put it before
        ("", True, None),
        ("\n \n", True, None),
        # what an editor will show
        ("\n# help\n", False, "JIRA-12: \n# help\n"),
        ("", False, "JIRA-12: "),
        ("\n\nSigned-off-by: A\n", False, "JIRA-12: \n\nSigned-off-by: A\n"),
        ("\r\n# help\r\n", False, "JIRA-12: \r\n# help\r\n"),
        ("# a template's help\n\ntext\n", False, "JIRA-12: \n# a template's help\n\ntext\n"),
        ("Summary: \n# help\n", False, None),
        # a mark that would end up inside the line
        ("\ufeffadd x\n", True, None),
    ],
)
def test_where_it_goes(text: str, typed: bool, after: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_EDITOR", ":")
    assert inserted(text.encode(), "JIRA-12", RULES, typed=typed).decode() == (text if after is None else after)


def test_a_line_that_an_editor_may_take_for_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_EDITOR", "vi")
    assert inserted(b"#7 add x\n", "JIRA-12", RULES, typed=True) == b"#7 add x\n"
    monkeypatch.setenv("GIT_EDITOR", ":")
    assert inserted(b"#7 add x\n", "JIRA-12", RULES, typed=True) == b"JIRA-12: #7 add x\n"


@given(st.binary(max_size=200), st.booleans())
def test_whatever_is_there_stays(data: bytes, typed: bool) -> None:
    after = inserted(data, "JIRA-12", RULES, typed=typed)
    left = after.replace(b"JIRA-12: ", b"", 1).replace(b"\n", b"")
    assert after == data or left.endswith(data.lstrip(b" \t\v\f").replace(b"\n", b""))
    assert inserted(after, "JIRA-12", RULES, typed=True) == after or b"JIRA-12" not in after


TRAILER = RULES._replace(ticket_where="trailer:Ticket")


@pytest.mark.parametrize(
    ("text", "typed", "after"),
    [
        ("add x\n", True, "add x\n\nTicket: JIRA-12\n"),
        ("add x", True, "add x\n\nTicket: JIRA-12\n"),
        ("add x\n\nbody\n", True, "add x\n\nbody\n\nTicket: JIRA-12\n"),
        ("add x\n\nReviewed-by: B\n", True, "add x\n\nReviewed-by: B\nTicket: JIRA-12\n"),
        ("add x\n\nbody\n\nReviewed-by: B\n", True, "add x\n\nbody\n\nReviewed-by: B\nTicket: JIRA-12\n"),
        ("add x\n\nticket: JIRA-7\n", True, None),
        ("add JIRA-12\n", True, "add JIRA-12\n\nTicket: JIRA-12\n"),
        ("fixup! add x\n", True, None),
        ("", True, None),
        ("\n# help\n", False, "\n\nTicket: JIRA-12\n\n# help\n"),
        ("", False, "\n\nTicket: JIRA-12\n"),
        ("\n\nSigned-off-by: A\n\n# help\n", False, "\n\nTicket: JIRA-12\nSigned-off-by: A\n\n# help\n"),
        ("\n\nTicket: JIRA-1\n", False, None),
        ("Summary of it\n", False, None),
    ],
)
def test_where_a_trailer_goes(text: str, typed: bool, after: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_EDITOR", ":")
    assert inserted(text.encode(), "JIRA-12", TRAILER, typed=typed).decode() == (text if after is None else after)


# --- in git

@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    made = Clone(tmp_path / "repo", names=("prepare-commit-msg", "commit-msg"))
    made.good("commit", "-q", "--allow-empty", "-m", "JIRA-1: start")
    made.good("checkout", "-q", "-b", "feature/JIRA-12_more")
    return made


def test_a_message_of_the_command_line(clone: Clone) -> None:
    assert clone.good("commit", "-q", "--allow-empty", "-m", "add x", "-m", "why") == ""
    assert clone.stored() == "JIRA-12: add x\n\nwhy\n"
    assert clone.good("commit", "-q", "--allow-empty", "-m", "JIRA-7: other") == ""
    assert clone.subject() == "JIRA-7: other"
    (clone.repo.path / "message").write_text("of a file\n")
    clone.good("commit", "-q", "--allow-empty", "-F", "message")
    assert clone.subject() == "JIRA-12: of a file"
    clone.good("commit", "-q", "--allow-empty", "--amend", "-m", "said anew")
    assert clone.subject() == "JIRA-12: said anew"


def test_an_editor_starts_behind_it(clone: Clone) -> None:
    assert clone.good("commit", "-q", "--allow-empty", env={"GIT_EDITOR": "sed -i '1s/$/add x/'"}) == ""
    assert clone.stored() == "JIRA-12: add x\n"
    clone.good("commit", "-q", "--allow-empty", "-v", "-s", env={"GIT_EDITOR": "sed -i '1s/$/add y/'"})
    assert clone.stored() == "JIRA-12: add y\n\nSigned-off-by: A <a@example.org>\n"


def test_an_editor_that_writes_nothing_commits_nothing(clone: Clone) -> None:
    said = clone.bad("commit", "-q", "--allow-empty", env={"GIT_EDITOR": "true"})
    assert "no text after the ticket" in said
    assert clone.subject() == "JIRA-1: start"


def test_a_template(clone: Clone, tmp_path: Path) -> None:
    template = tmp_path / "template"
    template.write_text("# what?\n\n# why?\n")
    editor = {"GIT_EDITOR": "sed -i '1s/$/add x/'"}
    clone.good("commit", "-q", "--allow-empty", "-t", str(template), env=editor)
    assert clone.stored() == "JIRA-12: add x\n"


def test_unfinished_and_copied_messages_stay(clone: Clone) -> None:
    clone.policy(POLICY + "allow-fixup = true\n")
    clone.repo.commit("no ticket", ref="HEAD")
    before = clone.repo.tip()
    for options in (["--fixup", "HEAD"], ["--squash", "HEAD", "-m", "more"], ["--fixup", "amend:HEAD"],
                    ["-C", "HEAD"], ["--amend", "--no-edit"]):
        clone.git("commit", "-q", "--allow-empty", "--no-verify", *options, env={"GIT_EDITOR": "true"})
        assert "JIRA" not in clone.subject(), options
        assert clone.repo.tip() != before, options
        clone.good("reset", "-q", "--hard", before or "")


def test_merges_stay(clone: Clone) -> None:
    clone.good("checkout", "-q", "main")
    clone.repo.commit("JIRA-1: m", {"m": "1"})
    clone.good("checkout", "-q", "feature/JIRA-12_more")
    clone.repo.commit("JIRA-1: f", {"f": "1"})
    assert clone.good("merge", "-q", "main") == "chainverify: the message was not judged: a merge (a commit with 2 parents)\n"
    assert clone.subject() == "Merge branch 'main' into feature/JIRA-12_more"
    clone.good("reset", "-q", "--hard", "HEAD^")
    clone.good("merge", "-q", "--no-commit", "main")
    clone.good("commit", "-q", "--no-verify", "-m", "merged by hand")
    assert clone.subject() == "merged by hand"
    clone.good("reset", "-q", "--hard", "HEAD^")
    clone.good("merge", "-q", "--squash", "main")
    clone.good("commit", "-q", "--no-verify", "--no-edit")
    assert clone.subject().startswith("Squashed commit")


def test_picks_and_reverts_stay(clone: Clone) -> None:
    clone.good("checkout", "-q", "main")
    clone.repo.commit("plain", {"m": "1"})
    clone.good("checkout", "-q", "feature/JIRA-12_more")
    clone.good("cherry-pick", "main")
    assert clone.subject() == "plain"
    clone.good("revert", "--no-edit", "HEAD")
    assert clone.subject() == 'Revert "plain"'
    clone.good("revert", "HEAD", env={"GIT_EDITOR": "true"})
    assert "plain" in clone.subject()
    assert "JIRA" not in clone.subject()
    # and what comes after them is an ordinary commit again
    clone.good("commit", "-q", "--allow-empty", "-m", "after")
    assert clone.subject() == "JIRA-12: after"


def test_rebases_stay(clone: Clone) -> None:
    clone.good("checkout", "-q", "main")
    clone.repo.commit("JIRA-1: m", {"m": "1"})
    clone.good("checkout", "-q", "feature/JIRA-12_more")
    for name in ("one", "two", "three"):
        clone.repo.commit(name, {name: "1"})
    clone.good("rebase", "-q", "main")
    assert clone.git("log", "--format=%s", "main..").stdout.split() == ["three", "two", "one"]
    clone.good("commit", "-q", "--allow-empty", "--amend", "--no-edit", "--no-verify")
    edit = {"GIT_SEQUENCE_EDITOR": "sed -i 1s/^pick/edit/", "GIT_EDITOR": "true"}
    clone.good("rebase", "-q", "-i", "main", env=edit)
    # a commit by hand at the stop is one of the branch, though HEAD is detached
    clone.good("commit", "-q", "--allow-empty", "-m", "between")
    assert clone.subject() == "JIRA-12: between"
    clone.good("rebase", "--continue", env=edit)
    assert clone.git("log", "--format=%s", "main..").stdout.split("\n")[:-1] == ["three", "two", "JIRA-12: between", "one"]
    # what the stop changed is added to the commit as git says it
    clone.good("rebase", "-q", "-i", "main", env=edit)
    (clone.repo.path / "one").write_text("2")
    clone.good("add", "one")
    clone.good("rebase", "--continue", env=edit)
    assert clone.git("log", "--format=%s", "main..").stdout.split("\n")[:-1] == ["three", "two", "JIRA-12: between", "one"]
    squash = {"GIT_SEQUENCE_EDITOR": "sed -i 2s/^pick/squash/", "GIT_EDITOR": "true"}
    clone.good("rebase", "-q", "-i", "HEAD~2", env=squash)
    assert clone.subject() == "two"
    reword = {"GIT_SEQUENCE_EDITOR": "sed -i 's/^pick/reword/'", "GIT_EDITOR": "true"}
    clone.bad("rebase", "-q", "-i", "HEAD~1", env=reword)  # commit-msg judges a reword, and nobody changed it
    assert clone.subject() == "two"
    clone.good("rebase", "--abort")


def test_a_conflict_in_a_rebase(clone: Clone) -> None:
    clone.good("checkout", "-q", "main")
    clone.repo.commit("JIRA-1: m", {"k": "1"})
    clone.good("checkout", "-q", "feature/JIRA-12_more")
    clone.repo.commit("mine", {"k": "2"})
    clone.bad("rebase", "-q", "main")
    (clone.repo.path / "k").write_text("3")
    clone.good("add", "k")
    clone.good("rebase", "--continue", env={"GIT_EDITOR": "true"})
    assert clone.subject() == "mine"


@pytest.mark.parametrize("branch", ["main", "XJIRA-12", "JIRA-1-JIRA-2"])
def test_branches_without_a_ticket(clone: Clone, branch: str) -> None:
    clone.git("checkout", "-q", "-B", branch)
    assert "message-ticket" in clone.bad("commit", "-q", "--allow-empty", "-m", "add x")


def test_a_detached_head(clone: Clone) -> None:
    clone.good("checkout", "-q", "--detach")
    assert "message-ticket" in clone.bad("commit", "-q", "--allow-empty", "-m", "add x")


def test_the_first_commit_of_a_repository(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "repo with spaces")
    clone.good("symbolic-ref", "HEAD", "refs/heads/JIRA-12")
    clone.good("commit", "-q", "--allow-empty", "-m", "add x")
    assert clone.subject() == "JIRA-12: add x"


def test_a_linked_worktree_and_a_submodule(clone: Clone, tmp_path: Path) -> None:
    linked = tmp_path / "linked worktree"
    clone.good("worktree", "add", "-q", "-b", "JIRA-77", str(linked))
    (linked / ".chainverify").mkdir()
    (linked / ".chainverify" / "policy.toml").write_text(POLICY)
    (linked / "sub").mkdir()
    clone.good("commit", "-q", "--allow-empty", "-m", "in it", cwd=linked / "sub")
    assert clone.git("log", "-1", "--format=%s", cwd=linked).stdout == "JIRA-77: in it\n"
    top = Clone(tmp_path / "top", names=())
    top.repo.commit("JIRA-1: top")
    top.good("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(clone.repo.path), "dep")
    inside = top.repo.path / "dep"
    write_hooks(top.repo.git_dir / "modules" / "dep" / "hooks")
    (inside / ".chainverify").mkdir()
    (inside / ".chainverify" / "policy.toml").write_text(POLICY)
    top.good("checkout", "-q", "-b", "JIRA-78", cwd=inside)
    top.good("commit", "-q", "--allow-empty", "-m", "in it", cwd=inside)
    assert top.git("log", "-1", "--format=%s", cwd=inside).stdout == "JIRA-78: in it\n"


def test_an_explicit_git_directory(clone: Clone, tmp_path: Path) -> None:
    env = {"GIT_DIR": str(clone.repo.git_dir), "GIT_WORK_TREE": str(clone.repo.path)}
    clone.good("commit", "-q", "--allow-empty", "-m", "from elsewhere", cwd=tmp_path, env=env)
    assert clone.subject() == "JIRA-12: from elsewhere"


@pytest.mark.parametrize(
    "policy",
    [
        POLICY + "insert-ticket = false\n",
        POLICY + '[rules]\nmessage-ticket = "off"\n',
        "version = 1\n[messages]\nsubject-max = 72\n",
        "version = 1\n",
        None,
    ],
)
def test_policies_that_ask_for_none(tmp_path: Path, policy: str | None) -> None:
    clone = Clone(tmp_path / "repo", policy, PREPARE)
    clone.good("checkout", "-q", "-b", "JIRA-12")
    assert clone.good("commit", "-q", "--allow-empty", "-m", "add x") == ""
    assert clone.subject() == "add x"


def test_other_separators(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "repo", POLICY + 'separator = " - "\n')
    clone.good("checkout", "-q", "-b", "JIRA-12")
    clone.good("commit", "-q", "--allow-empty", "-m", "add x")
    assert clone.subject() == "JIRA-12 - add x"


def test_tickets_in_trailers(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "repo", POLICY + 'ticket-where = "trailer:Ticket"\n', ("prepare-commit-msg", "commit-msg"))
    clone.good("checkout", "-q", "-b", "JIRA-12")
    show = ("log", "-1", "--format=%s|%(trailers:key=Ticket,valueonly)")
    for options in (["-m", "add x"], ["-m", "add x", "-m", "body"], ["-s", "-m", "add x"], ["-m", "add x", "--trailer", "A: b"]):
        assert clone.good("commit", "-q", "--allow-empty", *options) == ""
        assert clone.git(*show).stdout == "add x|JIRA-12\n\n", options
    for more in ([], ["-s"], ["-v"]):
        assert clone.good("commit", "-q", "--allow-empty", *more, env={"GIT_EDITOR": "sed -i '1s/$/add y/'"}) == ""
        assert clone.git(*show).stdout == "add y|JIRA-12\n\n", more
    assert "message-ticket" in clone.bad("commit", "-q", "--allow-empty", env={"GIT_EDITOR": "true"})


def test_rules_of_the_branch(tmp_path: Path) -> None:
    refs = '[[refs]]\nmatch = ["refs/heads/wip/**"]\nmessages = {{ {} }}\n'
    clone = Clone(tmp_path / "repo", POLICY + refs.format("tickets = []"), ("prepare-commit-msg", "commit-msg"))
    clone.good("checkout", "-q", "-b", "wip/JIRA-12")
    clone.good("commit", "-q", "--allow-empty", "-m", "add x")
    assert clone.subject() == "add x"
    clone.policy(POLICY + refs.format('tickets = ["FEATURE"]'))
    clone.good("checkout", "-q", "-b", "wip/FEATURE-12")
    clone.good("commit", "-q", "--allow-empty", "-m", "add x")
    assert clone.subject() == "FEATURE-12: add x"
    clone.policy(POLICY + refs.format('separator = " "') + refs.format('separator = "; "'))
    clone.good("checkout", "-q", "-b", "wip/JIRA-13")
    clone.bad("commit", "-q", "--allow-empty", "-m", "add x")


def test_what_it_cannot_do_keeps_nobody_from_committing(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "repo", "version = 1\n[messages]\nticket = 1\n", PREPARE)
    clone.good("checkout", "-q", "-b", "JIRA-12")
    assert clone.good("commit", "-q", "--allow-empty", "-m", "broken policy") == ""
    assert clone.subject() == "broken policy"
    path = clone.repo.path / ".chainverify" / "policy.toml"
    path.unlink()
    path.symlink_to("elsewhere")
    clone.good("commit", "-q", "--allow-empty", "-m", "linked policy")
    assert clone.subject() == "linked policy"


def test_a_reftable_repository(clone: Clone) -> None:
    if clone.git("refs", "migrate", "--ref-format=reftable").returncode:
        pytest.skip("this git cannot make one")
    assert (clone.repo.git_dir / "reftable").is_dir()
    clone.good("commit", "-q", "--allow-empty", "-m", "add x")
    assert clone.subject() == "JIRA-12: add x"


def test_under_a_hook_manager_that_hands_on_the_file_alone(clone: Clone) -> None:
    hook = clone.repo.git_dir / "hooks" / "prepare-commit-msg"
    real = clone.repo.git_dir / "hooks" / "real"
    hook.rename(real)
    hook.write_text(f'#!/bin/sh\nPRE_COMMIT_COMMIT_MSG_SOURCE="$2" exec "{real}" "$1"\n')
    hook.chmod(0o755)
    clone.good("commit", "-q", "--allow-empty", "-m", "add x")
    assert clone.subject() == "JIRA-12: add x"
    clone.repo.commit("plain", ref="HEAD")
    clone.good("commit", "-q", "--allow-empty", "--amend", "--no-edit", "--no-verify")
    assert clone.subject() == "plain"


@pytest.mark.parametrize("count", [0, 4])
def test_wrong_calls(count: int) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "chainverify", "hook", "prepare-commit-msg", *["x"] * count],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 2
    assert "prepare-commit-msg: expected the file" in done.stderr
