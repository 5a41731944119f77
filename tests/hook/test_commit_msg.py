"""The commit-msg hook in real commits. The same message is also judged as a file and on the stored object."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from chainverify.git.repository import Repository as Opened
from chainverify.hook.cleanup import readings
from chainverify.hook.refusal import amends
from chainverify.jobs import install
from chainverify.jobs.messages import check_messages, judge_file
from chainverify.model.report import FAIL, PASS
from chainverify.policy import cache
from chainverify.policy.model import ConventionalPolicy, MessagesPolicy, TrailerPolicy
from tests.rules.test_messages import CHARACTERS, EVASIONS, GOOD, SCISSORS
from tests.world.repository import Repository

pytestmark = pytest.mark.tool("git")

POLICY = 'version = 1\n[messages]\ntickets = ["JIRA", "FEATURE"]\n'
PATTERN = "version = 1\n[messages]\npattern = '^(JIRA-[0-9]+|FEATURE-[0-9]+): .+'\n"
RULES = MessagesPolicy(tickets=("JIRA", "FEATURE"))
IDENTITY = {
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
}  # fmt: skip


class Hooked:
    """A repository with the hook installed; `commit` runs git as a person would."""

    def __init__(self, path: Path, policy: str | None = POLICY) -> None:
        self.repo = Repository.create(path)
        (installed,) = install.install(Opened.discover(path), ("commit-msg",))
        self.hook = installed.path
        if policy is not None:
            self.policy(policy)

    def policy(self, text: str) -> None:
        directory = self.repo.path / ".chainverify"
        directory.mkdir(exist_ok=True)
        (directory / "policy.toml").write_text(text)

    def git(
        self, *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        clean |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, **IDENTITY, **(env or {})}
        return subprocess.run(
            ["git", *arguments], cwd=cwd or self.repo.path, env=clean, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=60,
        )

    def commit(self, message: str, *options: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return self.git("commit", "-q", "--allow-empty", "-m", message, *options, env=env)

    def edited(self, content: str, *options: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """A commit in whose editor `content` is written before what git put into the file."""
        written = self.repo.path.parent / "written"
        written.write_text(content)
        editor = self.repo.path.parent / "editor"
        editor.write_text(f'#!/bin/sh\ncat "{written}" "$1" > "$1.new" && mv "$1.new" "$1"\n')
        editor.chmod(0o755)
        return self.git("commit", "-q", "--allow-empty", *options, env={"GIT_EDITOR": str(editor), **(env or {})})

    def stored(self) -> str:
        return self.repo.read("HEAD").decode().partition("\n\n")[2]


@pytest.fixture
def hooked(tmp_path: Path) -> Hooked:
    return Hooked(tmp_path / "repo")


def verdicts(hooked: Hooked, oid: str) -> list[tuple[str, str]]:
    found, counts = check_messages(Opened.discover(hooked.repo.path), [oid], RULES)
    assert counts == {"messages": 1}
    return [(each.rule, each.status) for each in found]


# NUL cannot stand in an argument
EVIL = {name: text for name, text in {**EVASIONS, **CHARACTERS}.items() if "\0" not in text}
REPAIRED = {"cr at the end"}
"""git's own cleanup makes these good, so the hook lets them pass and only the file as it was is refused."""


def test_evasions_by_commit_by_file_and_on_the_object(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path / "repo")
    oids: dict[str, str] = {}
    for name, text in EVIL.items():
        file = judge_file(text.encode(), RULES)
        assert FAIL in {each.status for each in file}, name
        done = hooked.commit(text)
        assert done.returncode == (0 if name in REPAIRED else 1), (name, done.stderr)
        if name not in REPAIRED:
            assert "message-" in done.stderr
            assert "\x1b" not in done.stderr
        assert hooked.commit(text, "--no-verify").returncode == 0
        oids[hooked.repo.git("rev-parse", "HEAD")] = name
    found, counts = check_messages(Opened.discover(hooked.repo.path), oids, RULES)
    assert counts == {"messages": len(oids)}
    for oid, name in oids.items():
        stored = {each.status for each in found if each.subject.id == oid}
        assert stored == ({PASS} if name in REPAIRED else {FAIL}), name


def test_good_messages_pass_everywhere(hooked: Hooked) -> None:
    for text in GOOD:
        assert [each.status for each in judge_file(text.encode(), RULES)] == [PASS]
        done = hooked.commit(text)
        assert (done.returncode, done.stderr) == (0, ""), text
        assert [status for _, status in verdicts(hooked, "HEAD")] == [PASS]


def test_a_refusal_to_the_letter(hooked: Hooked) -> None:
    done = hooked.commit("JIRA-12 add x\x1b[31m")
    assert done.returncode == 1
    assert done.stderr == (
        "message-characters: expected text that shows what it says, got U+001B escape character (starts a terminal sequence)\n"
        "  --> .git/COMMIT_EDITMSG:1:14\n"
        "  |\n"
        "1 | JIRA-12 add x\\x1b[31m\n"
        "  |              ^^^^\n"
        "  = help: remove it; it hides or reorders text, or drives the terminal of whoever reads the log\n"
        'message-ticket: expected JIRA-NUMBER or FEATURE-NUMBER, then ": " and text, got " ad" after the ticket\n'
        "  --> .git/COMMIT_EDITMSG:1:8\n"
        "  |\n"
        "1 | JIRA-12 add x\\x1b[31m\n"
        "  |        ^^\n"
        '  = help: write, for example, "JIRA-12: add x\\x1b[31m"\n'
        "chainverify: nothing was committed and the message is kept; correct it and commit, from any directory here, with:\n"
        '    git commit -e -F "$(git rev-parse --git-path COMMIT_EDITMSG)"\n'
        "  (and the options you gave, such as -a)\n"
    )


EDITED: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "comments are dropped": ("# a note\nJIRA-1: x\n# more\n", (), True),
    "a comment does not carry the ticket": ("# JIRA-1: x\nfix\n", (), False),
    "whitespace keeps comments": ("# a note\nJIRA-1: x\n", ("--cleanup=whitespace",), False),
    "abbreviated option": ("# a note\nJIRA-1: x\n", ("--cl=whitespace",), False),
    "option and value apart": ("# a note\nJIRA-1: x\n", ("--cleanup", "whitespace"), False),
    "verbatim": ("\nJIRA-1: x\n", ("--cleanup=verbatim",), True),
    "verbatim keeps comments": ("# a note\nJIRA-1: x\n", ("--cleanup=verbatim",), False),
    "configured whitespace": ("# a note\nJIRA-1: x\n", ("-c", "commit.cleanup=whitespace"), False),
    "configured scissors": ("JIRA-1: x\n", ("-c", "commit.cleanup=scissors"), True),
    "scissors keep comments": ("# a note\nJIRA-1: x\n", ("-c", "commit.cleanup=scissors"), False),
    "option wins over configuration": ("# a note\nJIRA-1: x\n", ("-c", "commit.cleanup=whitespace", "--cleanup=strip"), True),
    "other comment character": ("; a note\nJIRA-1: x\n", ("-c", "core.commentChar=;"), True),
    "the usual one is then text": ("# a note\nJIRA-1: x\n", ("-c", "core.commentChar=;"), False),
    "verbose": ("JIRA-1: x\n", ("-v",), True),
    "configured verbose": ("JIRA-1: x\n", ("-c", "commit.verbose=true"), True),
    "verbose does not help": ("fix\n", ("-v",), False),
    "scissors are a comment without -v": (f"JIRA-1: x\n\n{SCISSORS}\n" + "y" * 200 + "\n", (), False),
    "empty": ("", (), False),
    "only comments": ("# JIRA-1: x\n", (), False),
}


@pytest.mark.parametrize(("content", "options", "good"), EDITED.values(), ids=EDITED)
def test_what_an_editor_left(hooked: Hooked, content: str, options: tuple[str, ...], good: bool) -> None:
    hooked.policy(POLICY + "body-line-max = 100\n")
    (hooked.repo.path / "file").write_text("z" * 300)
    hooked.git("add", "file")
    config = [each for pair in pairwise(options) if pair[0] == "-c" for each in pair]
    rest = [each for each in options if each not in config]
    written = hooked.repo.path.parent / "written"
    written.write_text(content)
    editor = hooked.repo.path.parent / "editor"
    editor.write_text(f'#!/bin/sh\ncat "{written}" "$1" > "$1.new" && mv "$1.new" "$1"\n')
    editor.chmod(0o755)
    done = hooked.git(*config, "commit", "-q", *rest, env={"GIT_EDITOR": str(editor)})
    assert (done.returncode == 0) is good, done.stderr
    if good:
        assert "JIRA-1: x" in hooked.stored()
        if "verbatim" not in str(options):
            assert [status for _, status in verdicts(hooked, "HEAD")] == [PASS]


AUTO: list[tuple[str, bool]] = [
    ("JIRA-1: x\n#7 is closed\n", True), ("#7 JIRA-1: x\n", False), ("JIRA-1: x\n\n; note\n# other\n", True)
]  # fmt: skip


@pytest.mark.parametrize(("text", "good"), AUTO)
def test_the_comment_character_that_git_chose(hooked: Hooked, tmp_path: Path, text: str, good: bool) -> None:
    hooked.policy(PATTERN.replace("^(", "^#7 JIRA-1: x$|^("))
    file = tmp_path / "message"
    file.write_text(text)
    done = hooked.git(
        "-c", "core.commentChar=auto", "commit", "-q", "--allow-empty", "-e", "-F", str(file), env={"GIT_EDITOR": "true"}
    )
    assert done.returncode == 0, done.stderr
    assert hooked.stored().strip() == text.strip()
    assert good is not hooked.stored().startswith("#7")


def cut_line(comment: str) -> str:
    return comment + SCISSORS[1:]


@pytest.mark.parametrize(
    "text",
    [
        f"JIRA-1: good\n{cut_line('#')}\n{cut_line(';')}\n",
        f"JIRA-1: good\n{cut_line('#')}\n# a line\n# another\nfix",
        "JIRA-1: good\n; a line\n# one line\n# two lines\n",
        "# JIRA-1: good\n; evil\n@ x\n@ y\n",
        "# evil\nJIRA-1: good\n; x\n; y\n",
        "JIRA-1: good\r#\r;\n",
    ],
)
def test_without_its_help_every_comment_character_is_git_s_choice(hooked: Hooked, tmp_path: Path, text: str) -> None:
    """An editor that drops git's lines: what it leaves is judged under each character that git may have chosen."""
    hooked.policy(POLICY + "subject-max = 30\n")
    written = tmp_path / "written"
    written.write_text(text, newline="")
    editor = tmp_path / "editor"
    editor.write_text(f'#!/bin/sh\ncat "{written}" > "$1"\n')
    editor.chmod(0o755)
    for start in ("", "# x\n", "# x\n; y\n", text):
        for mode in ("strip", "scissors"):
            template = tmp_path / "template"
            template.write_text(start + "z\n", newline="")
            hooked.git(
                "-c", "core.commentChar=auto", "-c", f"commit.cleanup={mode}", "commit", "-q", "--allow-empty", "-e", "-F",
                str(template), env={"GIT_EDITOR": str(editor)},
            )  # fmt: skip
            if hooked.repo.run("rev-parse", "-q", "--verify", "HEAD", check=False).returncode == 0:
                found, _ = check_messages(Opened.discover(hooked.repo.path), ["HEAD"], RULES._replace(subject_max=30))
                assert [each.status for each in found] == [PASS], hooked.stored()


def test_readings_where_the_comment_character_is_not_known() -> None:
    auto = [("core.commentchar", "auto")]
    both = f"JIRA-1: good\n{cut_line('#')}\n{cut_line(';')}\n"
    assert both in readings(both, [*auto, ("commit.cleanup", "scissors")], editor=True, arguments=["commit"])
    text = "JIRA-1: x\n; note\n# other\n"
    assert set(readings(text, auto, editor=True, arguments=["commit"])) == {
        text, "JIRA-1: x\n# other\n", "JIRA-1: x\n; note\n"
    }  # fmt: skip
    helped = text + "\n@ Please enter the message. Lines starting\n@ with '@' will be ignored.\n"
    assert readings(helped, auto, editor=True, arguments=["commit"]) == [text]
    assert readings("JIRA-1: x\r;\n# y\n", auto, editor=False, arguments=["commit", "--cleanup=strip"]) == ["JIRA-1: x\r;\n# y\n"]
    sure = readings(text, auto, editor=False, arguments=["commit", "-F", "x"], unsure=True)
    assert text in sure


@pytest.mark.parametrize(
    ("text", "options", "good"),
    [
        ("# EVIL\nJIRA-1: ok", (), False),
        ("JIRA-1: ok\n\n# kept", (), True),
        ("#12 good", (), True),
        ("# JIRA-1: good\nevil", ("--cleanup=strip",), False),
        ("# EVIL\nJIRA-1: ok", ("--cleanup=strip",), True),
        ("#12 good", ("--cleanup=strip",), False),
        (f"JIRA-1: ok\n{SCISSORS}\nmore", ("-v",), False),
    ],
)
def test_without_an_editor(hooked: Hooked, text: str, options: tuple[str, ...], good: bool) -> None:
    hooked.policy("version = 1\n[messages]\npattern = '^(#[0-9]+|JIRA-[0-9]+:) [a-z]+$'\n")
    done = hooked.commit(text, *options)
    assert (done.returncode == 0) is good, done.stderr


def test_an_editor_that_is_only_a_colon_is_one(hooked: Hooked, tmp_path: Path) -> None:
    file = tmp_path / "message"
    file.write_text("# JIRA-1: good\nevil\n")
    hooked.policy("version = 1\n[messages]\npattern = 'JIRA-1'\n")
    done = hooked.git("commit", "-q", "--allow-empty", "-e", "-F", str(file), env={"GIT_EDITOR": ":"})
    assert done.returncode == 1


def test_encodings(hooked: Hooked, tmp_path: Path) -> None:
    file = tmp_path / "message"
    file.write_bytes(b"JIRA-1: caf\xe9\n")
    done = hooked.git("commit", "-q", "--allow-empty", "-F", str(file))
    assert done.returncode == 1
    assert "message-encoding: expected text in its declared encoding (or UTF-8), but byte 11 is not valid utf-8" in done.stderr
    assert "Traceback" not in done.stderr
    done = hooked.git("-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "--allow-empty", "-F", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert verdicts(hooked, "HEAD") == [("verified", PASS)]


def test_real_merges_pass_and_their_words_do_not(hooked: Hooked) -> None:
    hooked.commit("JIRA-1: base")
    hooked.git("checkout", "-q", "-b", "side")
    hooked.commit("JIRA-2: side")
    hooked.git("checkout", "-q", "main")
    hooked.commit("JIRA-3: main")
    done = hooked.git("merge", "-q", "--no-ff", "--no-edit", "side")
    assert done.returncode == 0, done.stderr
    assert "the message was not judged: a merge (a commit with 2 parents)" in done.stderr
    assert hooked.stored().startswith("Merge branch 'side'")
    done = hooked.git("commit", "-q", "--amend", "-m", "Merge of side, said better")
    assert done.returncode == 0, done.stderr
    assert "the message was not judged: a merge (a commit with 2 parents)" in done.stderr
    assert verdicts(hooked, "HEAD") == [("verified", "skip")]
    assert hooked.commit("Merge branch 'side'").returncode == 1
    hooked.policy(POLICY + 'merges = "judge"\n')
    assert hooked.git("commit", "-q", "--amend", "-m", "Merge branch 'side'").returncode == 1


def merged(hooked: Hooked) -> None:
    """HEAD becomes a merge of `side` into `main`."""
    hooked.commit("JIRA-1: base")
    hooked.git("checkout", "-q", "-b", "side")
    hooked.commit("JIRA-2: side")
    hooked.git("checkout", "-q", "main")
    hooked.commit("JIRA-3: main")
    assert hooked.git("merge", "-q", "--no-ff", "--no-edit", "side").returncode == 0


NO_AMEND: list[tuple[str, ...]] = [
    ("-m", "--amend"), ("-m", "bad", "--", "--amend"), ("-m", "bad", "--trailer", "--amend"),
    ("--amend", "--no-amend", "-m", "bad"),
    ("-qm", "--amend"), ("--message", "--amend"), ("--mess", "--amend"), ("-m", "bad", "--author", "--amend <a@example.org>"),
    ("--no-amend", "-m", "bad"), ("-m", "--amend", "-m", "commit"), ("-m", "bad", "--cleanup", "strip", "--trailer", "--ame"),
]  # fmt: skip


@pytest.mark.parametrize("options", NO_AMEND)
def test_words_that_only_look_like_amending(hooked: Hooked, options: tuple[str, ...]) -> None:
    merged(hooked)
    (hooked.repo.path / "--amend").write_text("a path")
    hooked.git("add", "--", "--amend")
    before = hooked.repo.git("rev-parse", "HEAD")
    done = hooked.git("commit", "-q", "--allow-empty", *options)
    assert done.returncode == 1, done.stderr
    assert "message-ticket" in done.stderr
    assert hooked.repo.git("rev-parse", "HEAD") == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["commit", "--amend"], True), (["commit", "--am"], True), (["-c", "a.b=c", "commit", "-q", "--amend", "-m", "x"], True),
        (["commit", "-m", "x", "--amend"], True), (["commit", "-mx", "--amend"], True), (["commit", "-v", "--amend"], True),
        (["commit", "-m", "commit", "--amend"], True), (["commit", "--cleanup=strip", "--amend"], True),
        (["commit", "--a"], False), (["-C", "--amend", "commit", "-m", "x"], False), (["merge", "--amend"], False), ([], False),
        (["--namespace", "commit", "--namespace", "--amend", "commit"], False), (["commit", "-t", "--amend"], False),
        (["commit", "--amend", "--no-am"], False), (["commit", "--fixup", "--amend"], False),
        (["commit", "-aF", "--amend"], False),
    ],
)  # fmt: skip
def test_amends(arguments: list[str], expected: bool) -> None:
    assert amends(arguments) is expected


def test_merges_that_are_none(hooked: Hooked) -> None:
    """git drops a parent that another one contains, so that `MERGE_HEAD` alone makes no merge."""
    hooked.commit("JIRA-1: base")
    base = hooked.repo.git("rev-parse", "HEAD")
    hooked.commit("JIRA-2: main")
    ahead = hooked.repo.commit("JIRA-3: ahead", parents=[hooked.repo.git("rev-parse", "HEAD")], ref=None)
    for heads in (base, ahead, f"{base}\n{base}", "junk", "-x"):
        (hooked.repo.git_dir / "MERGE_HEAD").write_text(heads + "\n")
        (hooked.repo.git_dir / "MERGE_MSG").write_text("Merge\n")
        done = hooked.commit("Merge of nothing")
        assert done.returncode != 0, heads
        assert hooked.repo.git("rev-parse", "HEAD~1") == base
        (hooked.repo.git_dir / "MERGE_HEAD").unlink(missing_ok=True)


def test_a_merge_that_could_be_a_fast_forward(hooked: Hooked) -> None:
    hooked.commit("JIRA-1: base")
    hooked.git("checkout", "-q", "-b", "side")
    hooked.commit("JIRA-2: side")
    hooked.git("checkout", "-q", "main")
    done = hooked.git("merge", "-q", "--no-ff", "--no-edit", "side")
    assert done.returncode == 0, done.stderr
    assert verdicts(hooked, "HEAD") == [("verified", "skip")]
    done = hooked.git("commit", "-q", "--amend", "-m", "Merge, said better")
    assert done.returncode == 0, done.stderr


def test_what_a_merge_or_a_revert_hides_is_refused(hooked: Hooked) -> None:
    merged(hooked)
    done = hooked.git("commit", "-q", "--amend", "-m", "Merge of \u202eside")
    assert done.returncode == 1
    assert "message-characters" in done.stderr
    assert "message-ticket" not in done.stderr
    hooked.commit("old words", "--no-verify")
    old = hooked.repo.git("rev-parse", "HEAD")
    done = hooked.commit(f'Revert "old words"\n\nThis reverts commit {old}.\n\nhidden\U000e0101')
    assert done.returncode == 1
    assert "message-ticket" not in done.stderr
    hooked.git("checkout", "-q", "-b", "other", "HEAD~1")
    hooked.commit("JIRA-5: other")
    done = hooked.git("merge", "-q", "--no-ff", "-m", "Merge\x1b[2K", "main")
    assert done.returncode != 0
    assert "message-characters" in done.stderr


def test_refused_merge_can_be_finished(hooked: Hooked) -> None:
    hooked.policy(POLICY + 'merges = "judge"\n')
    hooked.commit("JIRA-1: base")
    hooked.git("checkout", "-q", "-b", "side")
    hooked.commit("JIRA-2: side")
    hooked.git("checkout", "-q", "main")
    hooked.commit("JIRA-3: main")
    done = hooked.git("merge", "-q", "--no-ff", "--no-edit", "side")
    assert done.returncode != 0
    assert "finish it with:\n    git commit -e\n" in done.stderr
    done = hooked.git("commit", "-q", "-e", env={"GIT_EDITOR": "sed -i 's/^Merge/JIRA-4: merge/'"})
    assert done.returncode == 0, done.stderr
    assert hooked.stored().startswith("JIRA-4: merge branch 'side'")


def test_reverts(hooked: Hooked) -> None:
    hooked.commit("old words", "--no-verify")
    old = hooked.repo.git("rev-parse", "HEAD")
    hooked.commit("JIRA-1: next")
    text = f'Revert "old words"\n\nThis reverts commit {old}.'
    done = hooked.commit(text)
    assert done.returncode == 0, done.stderr
    assert "a proved revert" in done.stderr
    assert verdicts(hooked, "HEAD") == [("verified", "skip")]
    other = hooked.repo.commit("elsewhere", parents=(), ref="refs/heads/other")
    for evil in (
        f'Revert "other words"\n\nThis reverts commit {old}.',
        f'Revert "elsewhere"\n\nThis reverts commit {other}.',
        f'Revert "old words"\n\nThis reverts commit {"1" * 40}.',
        'Revert "old words"',
        f'Revert "old words"\n\nreverts {old}',
    ):
        assert hooked.commit(evil).returncode == 1, evil
        assert hooked.commit(evil, "--no-verify").returncode == 0
        assert verdicts(hooked, "HEAD") == [("message-ticket", FAIL)]


def test_fixups(hooked: Hooked) -> None:
    hooked.commit("JIRA-1: x")
    assert hooked.git("commit", "-q", "--allow-empty", "--fixup=HEAD").returncode == 1
    hooked.policy(POLICY + "allow-fixup = true\n")
    assert hooked.git("commit", "-q", "--allow-empty", "--fixup=HEAD").returncode == 0


def test_rules_that_are_advised_or_off(hooked: Hooked) -> None:
    hooked.policy(POLICY + '[rules]\nmessage-ticket = "advise"\n')
    for _ in range(2):  # cold, then from the cache
        done = hooked.commit("fix")
        assert done.returncode == 0
        assert done.stderr.startswith("warning[message-ticket]: ")
        assert "git commit" not in done.stderr
    hooked.policy(POLICY + '[rules]\nmessage-ticket = "off"\n')
    for _ in range(2):
        done = hooked.commit("fix")
        assert (done.returncode, done.stderr) == (0, "")
    assert hooked.commit("fix\x1b").returncode == 1


# --- the policy


def test_without_a_policy_nothing_is_judged_and_that_is_said(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path / "repo", None)
    done = hooked.commit("fix")
    assert done.returncode == 0
    assert done.stderr == (
        "chainverify: no message was judged: there is no .chainverify/policy.toml (make one with: chainverify init)\n"
    )
    hooked.policy("version = 1\n")
    for _ in range(2):
        done = hooked.commit("fix")
        assert done.returncode == 0
        assert done.stderr == "chainverify: no message was judged: .chainverify/policy.toml has no [messages]\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version = 1\n[messages]\ntikets = ['A']\n", "messages.tikets"),
        ("version = 1\n[commits]\nformatz = 'ssh'\n[messages]\n", "commits.formatz"),
        ("version = 2\n", "version"),
        ("version = \n", "not valid TOML"),
        ("version = 1\n[messages]\npattern = '(a'\n", "pattern is not supported"),
        ("\xff", "UTF-8"),
    ],
)
def test_a_broken_policy_blocks(hooked: Hooked, text: str, words: str) -> None:
    (hooked.repo.path / ".chainverify" / "policy.toml").write_bytes(text.encode("latin-1"))
    for _ in range(2):
        done = hooked.commit("JIRA-1: x")
        assert done.returncode == 1  # git's own status: the hook's is 2
        assert "the policy is wrong, no message was judged" in done.stderr
        assert words in done.stderr
        assert not (hooked.repo.git_dir / cache.FILE).exists()
    message = hooked.repo.path / "message"
    message.write_text("JIRA-1: x")
    assert direct(hooked, "message").returncode == 2


def direct(
    hooked: Hooked, *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """The hook as an installed file, called without git."""
    return subprocess.run(
        [str(hooked.hook), *arguments], cwd=cwd or hooked.repo.path, capture_output=True, text=True, check=False,
        env={**os.environ, **(env or {})},
    )


def test_the_policy_of_the_environment_wins(hooked: Hooked, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(POLICY.replace("JIRA", "OTHER"))
    assert hooked.commit("OTHER-1: x").returncode == 1
    assert hooked.commit("OTHER-1: x", env={"CHAINVERIFY_POLICY": str(other)}).returncode == 0
    done = hooked.commit("JIRA-1: x", env={"CHAINVERIFY_POLICY": str(tmp_path / "missing")})
    assert done.returncode == 1
    assert "cannot read the policy" in done.stderr


@pytest.mark.parametrize("kind", ["symlink", "directory", "fifo", "large"])
def test_a_policy_that_is_no_plain_file(hooked: Hooked, kind: str) -> None:
    path = hooked.repo.path / ".chainverify" / "policy.toml"
    text = path.read_text()
    path.unlink()
    if kind == "symlink":
        path.with_name("other").write_text(text)
        path.symlink_to("other")
    elif kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_text(text + "#" * (1 << 20))
    done = hooked.commit("JIRA-1: x")
    assert done.returncode == 1
    assert "chainverify: cannot read the policy" in done.stderr


# --- recovery


RECOVERY = 'git commit -q --allow-empty -e -F "$(git rev-parse --git-path COMMIT_EDITMSG)"'


@pytest.mark.parametrize("where", ["top", "subdirectory", "linked worktree", "below a linked worktree"])
def test_the_recovery_command_works(hooked: Hooked, tmp_path: Path, where: str) -> None:
    hooked.commit("JIRA-1: first")
    directory = hooked.repo.path
    if "linked" in where:
        directory = tmp_path / "linked tree"
        assert hooked.git("worktree", "add", "-q", "-b", "other", str(directory)).returncode == 0
        (directory / ".chainverify").mkdir()
        (directory / ".chainverify" / "policy.toml").write_text(POLICY)
    if where in {"subdirectory", "below a linked worktree"}:
        directory = directory / "a" / "b"
        directory.mkdir(parents=True)
    done = hooked.git("commit", "-q", "--allow-empty", "-m", "JIRA-2 long story\n\nbody", cwd=directory)
    assert done.returncode == 1
    printed = next(line.strip() for line in done.stderr.split("\n") if line.startswith("    git commit"))
    assert printed.replace("git commit ", "git commit -q --allow-empty ") == RECOVERY
    environment = {**os.environ, **IDENTITY, "GIT_EDITOR": "sed -i 's/JIRA-2 /JIRA-2: /'"}
    again = subprocess.run(["sh", "-c", RECOVERY], cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert hooked.git("log", "-1", "--format=%B", cwd=directory).stdout.strip() == "JIRA-2: long story\n\nbody"


def test_recovery_after_a_verbose_amend(hooked: Hooked) -> None:
    hooked.commit("JIRA-1: first")
    (hooked.repo.path / "file").write_text("text\n")
    hooked.git("add", "file")
    done = hooked.git("commit", "-q", "--amend", "-v", env={"GIT_EDITOR": "sed -i 's/JIRA-1: /JIRA-1 /'"})
    assert done.returncode == 1
    assert '    git commit --amend -v -e -F "$(git rev-parse --git-path COMMIT_EDITMSG)"' in done.stderr
    command = 'git commit -q --amend -v -e -F "$(git rev-parse --git-path COMMIT_EDITMSG)"'
    environment = {**os.environ, **IDENTITY, "GIT_EDITOR": "sed -i '1s/JIRA-1 /JIRA-1: /'"}
    again = subprocess.run(
        ["sh", "-c", command], cwd=hooked.repo.path, env=environment, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert hooked.stored() == "JIRA-1: first\n"


# --- the cache


def entry(hooked: Hooked) -> Path:
    return hooked.repo.git_dir / cache.FILE


def test_the_cache_is_used_and_follows_the_policy(hooked: Hooked) -> None:
    assert hooked.commit("JIRA-1: x").returncode == 0
    path = entry(hooked)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # what the cache says is believed: this is how its use is seen
    path.write_bytes(path.read_bytes().replace(b"4:JIRA,", b"4:OTHR,"))
    assert hooked.commit("OTHR-1: x").returncode == 0
    hooked.policy(POLICY + "# a comment\n")
    assert hooked.commit("OTHR-1: x").returncode == 1
    hooked.policy(POLICY.replace("JIRA", "NEW"))
    assert hooked.commit("NEW-1: x").returncode == 0
    assert hooked.commit("JIRA-1: x").returncode == 1


def writable(path: Path) -> None:
    path.chmod(0o622)


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def other_version(path: Path) -> None:
    data = path.read_bytes()
    start = data.index(b",") + 1
    path.write_bytes(data[:start] + b"3:0.0" + data[data.index(b",", start) :])


def other_owner(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give a file away")
    os.chown(path, 12345, 12345)


SPOILED: dict[str, Callable[[Path], object]] = {
    "writable by others": writable,
    "symbolic link": link,
    "pipe": fifo,
    "directory": directory,
    "other version": other_version,
    "other owner": other_owner,
    "empty": lambda path: path.write_bytes(b""),
    "too large": lambda path: path.write_bytes(path.read_bytes() + b"0:," * (cache.MAX_BYTES // 3)),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_spoiled_cache_is_not_used(hooked: Hooked, spoil: Callable[[Path], object]) -> None:
    assert hooked.commit("JIRA-1: x").returncode == 0
    path = entry(hooked)
    path.write_bytes(path.read_bytes().replace(b"4:JIRA,", b"4:OTHR,"))
    spoil(path)
    assert hooked.commit("OTHR-1: x").returncode == 1
    assert hooked.commit("JIRA-1: x").returncode == 0


def test_no_damage_to_the_cache_is_misread(tmp_path: Path) -> None:
    policy = RULES._replace(
        pattern="a+", subject_max=72, allow_fixup=True, introduction="f" * 40, ticket_where="trailer:Ticket", tickets_max=3,
        conventional=ConventionalPolicy(("feat", "fix"), ("api",)), sign_off="mailmap", mailmap=("a", "b"), insert_ticket=False,
        trailers=(TrailerPolicy("Reviewed-by", 1, None, ".+", duplicates=False), TrailerPolicy("X", max=0)),
    )
    refs = ((("refs/heads/wip/**", "refs/heads/x"), RULES._replace(allow_fixup=True)),)
    people = (("a@example.org", "b@example.org"), ("c@example.org", "d@example.org"))
    written = cache.Entry(policy, {"message-ticket": "advise"}, refs, people)
    assert cache.store(str(tmp_path), b"policy", "1", written)
    path = tmp_path / cache.FILE
    good = path.read_bytes()
    found = cache.load(str(tmp_path), b"policy", "1")
    assert found is not None
    assert found.messages is not None
    assert {name: getattr(found.messages, name) for name in MessagesPolicy._fields} == policy._asdict()
    assert found.rules == {"message-ticket": "advise"}
    assert found.people == people
    ((globs, rules),) = found.refs
    assert globs == refs[0][0]
    assert {name: getattr(rules, name) for name in MessagesPolicy._fields} == refs[0][1]._asdict()
    assert cache.load(str(tmp_path), b"policY", "1") is None
    assert cache.load(str(tmp_path), b"policy", "2") is None
    for cut in range(len(good)):
        path.write_bytes(good[:cut])
        found = cache.load(str(tmp_path), b"policy", "1")
        assert found is None
    for number in range(len(good)):
        for replacement in (b"9", b":", b"\xff"):
            path.write_bytes(good[:number] + replacement + good[number + 1 :])
            cache.load(str(tmp_path), b"policy", "1")


def test_a_git_directory_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "chainverify").write_text("in the way")
    assert cache.store(str(tmp_path), b"", "1", cache.Entry(None, {})) is False


# --- calls that go wrong


def test_wrong_calls(hooked: Hooked, tmp_path: Path) -> None:
    assert direct(hooked).returncode == 2
    assert direct(hooked, "a", "b").returncode == 2
    done = direct(hooked, "missing")
    assert done.returncode == 2
    assert "cannot read the message file missing" in done.stderr
    (hooked.repo.path / "message").write_text("JIRA-1: x\n")
    assert direct(hooked, "message").returncode == 0
    assert direct(hooked, "message", env={"PATH": str(tmp_path)}).returncode == 3
    done = subprocess.run(
        [sys.executable, "-I", "-m", "chainverify", "hook", "post-merge"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "expected a hook" in done.stderr


def test_it_works_from_a_subdirectory_without_git(hooked: Hooked) -> None:
    below = hooked.repo.path / "a"
    below.mkdir()
    (below / "message").write_text("fix\n")
    assert direct(hooked, "message", cwd=below).returncode == 1


def test_colour_only_on_a_terminal(hooked: Hooked) -> None:
    (hooked.repo.path / "message").write_text("fix\n")
    hooked.policy(PATTERN)
    for env, expected in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        ours, theirs = os.openpty()
        process = subprocess.Popen(
            [str(hooked.hook), "message"], cwd=hooked.repo.path, stderr=theirs, env={**os.environ, "TERM": "xterm", **env}
        )
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:
            pass
        os.close(ours)
        assert process.wait() == 1
        assert (b"\x1b[" in shown) is expected
