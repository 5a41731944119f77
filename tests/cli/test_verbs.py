"""Help, examples, unknown words, and what a command does with nothing to do."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest

from chainverify._version import __version__
from chainverify.cli.main import VERBS
from chainverify.rules.table import RULES
from tests.cli.conftest import Run, Scene, Small

PLAIN = [(verb,) for verb in VERBS if verb not in ("policy", "keys", "hook")]
LEAVES = [
    *PLAIN, ("policy", "check"), ("policy", "show"), ("policy", "schema"), ("keys", "list"), ("keys", "add"), ("keys", "import"),
]  # fmt: skip
JUDGING = [
    ("check",), ("commits",), ("messages",), ("images",), ("policy", "check"), ("policy", "show"), ("keys", "list"), ("explain",),
]  # fmt: skip
SHARED = (
    "-C", "--policy", "--policy-ref", "--allow-self-policy", "--output-format", "--output", "--color", "-q", "-v",
    "--no-progress", "--jobs", "--offline",
)  # fmt: skip


@pytest.mark.parametrize("verb", LEAVES, ids=" ".join)
def test_help_has_examples_that_exist(run: Run, tmp_path: Path, verb: tuple[str, ...]) -> None:
    done = run(tmp_path, *verb, "--help")
    assert (done.status, done.err) == (0, "")
    assert run(tmp_path, *verb, "-h").out == done.out
    examples = [line.strip() for line in done.out.split("Examples:")[1].split("Options:")[0].split("\n") if "chainverify" in line]
    assert examples
    for line in examples:
        words = [word for word in shlex.split(line.split("chainverify ", 1)[1]) if word not in ("&&", "|")]
        assert tuple(words[: len(verb)]) == verb or words[0] in VERBS, line
        if tuple(words[: len(verb)]) == verb:
            ours = words[: next((at for at, word in enumerate(words) if word in (">", ">>", "chainverify")), len(words))]
            for option in (word for word in ours if word.startswith("--")):
                assert re.search(rf"{option}\b", done.out.split("Options:")[1]), f"{line}: no option {option}"


def test_every_verb_and_the_exit_statuses_are_in_the_help(run: Run, tmp_path: Path) -> None:
    done = run(tmp_path, "--help")
    assert done.status == 0
    assert all(re.search(rf"^  {verb}  ", done.out, re.MULTILINE) for verb in VERBS)
    assert "Exit status: 0 all checked and good, 1 something is wrong, 2" in done.out
    assert run(tmp_path, "policy", "--help").status == 0
    assert run(tmp_path, "hook", "--help").status == 0


@pytest.mark.parametrize("verb", JUDGING, ids=" ".join)
def test_the_common_options_are_the_same_everywhere(run: Run, tmp_path: Path, verb: tuple[str, ...]) -> None:
    options = run(tmp_path, *verb, "--help").out.split("Options:")[1]
    assert [name for name in SHARED if not re.search(rf"(^|[ ,]){name}\b", options, re.MULTILINE)] == []


@pytest.mark.parametrize("words", [(), ("policy",), ("keys",)])
def test_no_verb_is_a_wrong_command(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    """`chainverify $ARGUMENTS` with an empty variable must not look like a check that passed."""
    done = run(tmp_path, *words)
    assert (done.status, done.out) == (2, "")
    assert "Usage: chainverify" in done.err
    assert "Commands:" in done.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("commit",), "No such command 'commit'. Did you mean 'commits'?"),
        (("policy", "chek"), "No such command 'chek'. Did you mean 'check'?"),
        (("zzz",), "No such command 'zzz'. Expected one of: init, check, commits, messages, images,"),
        (("commits", "--tagz"), "--tags"),
        (("-C", "repo", "check"), "Options stand after the verb: chainverify check -C DIR"),
        (("--policy-ref=main", "check"), "Options stand after the verb: chainverify check --policy-ref REF"),
        (("--nothing", "check"), "--nothing"),
        (("check", "--output-format", "xml"), "'xml' is not one of 'text', 'json'"),
        (("check", "--jobs", "0"), "0 is not in the range 1<=x<=256"),
        (("check", "--color", "pink"), "'pink' is not one of 'auto', 'always', 'never'"),
        (("completion", "csh"), "'csh' is not one of 'bash', 'zsh', 'fish'"),
        (("rule", "commit-unsinged"), "did you mean 'commit-unsigned'?"),
        (("rule", "xyzzy"), "run: chainverify rule"),
        (("install", "--policy", "x"), "--policy and --allow-unconfigured go with --server"),
        (("install", "--server", "nowhere"), "nowhere"),
        (("hook",), "pre-receive"),
    ],
)
def test_a_wrong_word_is_exit_2_and_says_what_would_be_right(
    run: Run, small: Small, words: tuple[str, ...], expected: str
) -> None:
    done = run(small.path, *words)
    assert (done.status, done.out) == (2, "")
    assert expected in done.err


def test_version(run: Run, tmp_path: Path) -> None:
    done = run(tmp_path, "--version")
    assert (done.status, done.err) == (0, "")
    assert done.out.split()[0].rstrip(",") == "chainverify"
    assert done.out.split()[-1] == __version__


def test_rules_are_listed_and_explained(run: Run, tmp_path: Path) -> None:
    done = run(tmp_path, "rule")
    assert done.status == 0
    assert [rule for rule in RULES if not re.search(rf"^  {rule}  ", done.out, re.MULTILINE)] == []
    for rule, row in RULES.items():
        explained = run(tmp_path, "rule", rule)
        assert explained.status == 0
        assert explained.out.startswith(f"{rule}: {row.title}\n")
        assert "What to do:" in explained.out
        assert ("not decided: exit status 3" in explained.out) == (row.status == "unknown")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_code_for_the_shell_and_completes_verbs(run: Run, tmp_path: Path, shell: str) -> None:
    done = run(tmp_path, "completion", shell)
    assert done.status == 0
    assert "_CHAINVERIFY_COMPLETE" in done.out


def test_completion_answers_the_shell(scene: Scene) -> None:
    from tests.cli.conftest import start

    words = {"_CHAINVERIFY_COMPLETE": "bash_complete", "COMP_WORDS": "chainverify comm", "COMP_CWORD": "1"}
    with start(scene.path, env=words, stdout=-1, stderr=-1) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, b"plain,commits\n", b"")


# --- init, install, policy


def test_init_writes_a_policy_once_that_the_other_verbs_read(run: Run, small: Small) -> None:
    here = small.path
    assert "is there already" in run(here, "init").err
    (here / ".chainverify" / "policy.toml").unlink()
    done = run(here.parent, "init", "-C", "repo")
    assert done.status == 0
    assert f"wrote {here}/.chainverify/policy.toml: it asks about commits" in done.out
    assert "1 entry is marked observed = true" in done.out
    assert "next: read it, then run: chainverify check" in done.out
    assert "alice@example.org" in small.text
    assert run(here, "policy", "check").status == 0
    before = small.text
    again = run(here, "init")
    assert (again.status, again.out) == (2, "")
    assert "edit it, or move it away first" in again.err
    assert small.text == before
    bare = type(small.repo).create(here.parent / "bare.git", bare=True)
    assert "bare repository has no worktree" in run(bare.path, "init").err


def test_init_says_that_it_starts_from_now(run: Run, small: Small) -> None:
    small.repo.commit("neither signed nor with a ticket")
    (small.path / ".chainverify" / "policy.toml").unlink()
    done = run(small.path, "init")
    assert "commits: introduction is HEAD, so commits from now on are judged" in done.out
    assert "before that next commit chainverify check has no history to judge" in done.out
    assert "nothing to check: there are no commits after the introduction" in run(small.path, "check").out


def test_init_writes_through_no_link(run: Run, small: Small) -> None:
    place = small.path / ".chainverify" / "policy.toml"
    place.unlink()
    place.symlink_to(small.path.parent / "elsewhere")
    assert run(small.path, "init").status == 2
    assert not (small.path.parent / "elsewhere").exists()


def test_install_and_uninstall_in_a_clone(run: Run, small: Small) -> None:
    hook = small.repo.git_dir / "hooks" / "commit-msg"
    assert run(small.path.parent, "install", "-C", "repo", "-t", "commit-msg").out == f"installed: {hook}\n"
    assert run(small.path, "install", "-t", "commit-msg").out == f"already there: {hook}\n"
    refused = small.repo.porcelain_commit("no ticket", "--allow-empty", key=small.alice, check=False)
    assert refused.returncode == 1
    assert b"message-ticket" in refused.stderr
    small.repo.porcelain_commit("SHOP-2: with one", "--allow-empty", key=small.alice)
    assert run(small.path, "uninstall").out == f"removed: {hook}\n"
    assert run(small.path, "uninstall").out == "nothing of chainverify's is installed here\n"
    assert not hook.exists()
    hook.write_text("#!/bin/sh\nexit 0\n")
    done = run(small.path, "install", "--way", "files")
    assert done.status == 2
    assert "-m chainverify hook commit-msg" in done.err
    assert hook.read_text() == "#!/bin/sh\nexit 0\n"


def test_install_and_uninstall_on_a_server(run: Run, small: Small) -> None:
    server = type(small.repo).clone(small.path, small.path.parent / "server.git", "--bare")
    hook = server.git_dir / "hooks" / "pre-receive"
    assert "not a bare repository" in run(small.path.parent, "install", "--server", "repo").err
    assert run(small.path.parent, "install", "--server", "server.git").out == f"installed: {hook}\n"
    small.repo.commit("SHOP-2: not signed")
    pushed = small.repo.run("push", str(server.path), "main", check=False)
    assert pushed.returncode == 1
    assert b"commit-unsigned" in pushed.stderr
    done = run(small.path.parent, "uninstall", "--server", "server.git")
    assert (done.status, done.out.split("\n")[0]) == (0, f"removed: {hook}")
    assert not hook.exists()


def test_policy_verbs(run: Run, scene: Scene) -> None:
    done = run(scene.path, "policy", "check")
    assert done.status == 0
    assert "policy is valid: .chainverify/policy.toml (sha256:" in done.out
    assert "trust self); asks about commits, messages, images; 2 signers with 2 keys" in done.out
    assert run(scene.path, "policy", "check", "-q").out == ""
    valid = json.loads(run(scene.path, "policy", "check", "--output-format", "json").out)
    assert valid.pop("digest").startswith("sha256:")
    assert valid == {
        "valid": True, "source": ".chainverify/policy.toml", "trust": "self", "asks": ["commits", "messages", "images"],
        "signers": 2, "keys": 2, "observed": [], "warnings": [],
    }  # fmt: skip
    shown = run(scene.path, "policy", "show", "--policy-ref", "good")
    assert shown.status == 0
    assert shown.out.startswith("# trust base\n")
    assert 'key-validity = "backfill"' in shown.out
    record = json.loads(run(scene.path, "policy", "show", "--output-format", "json").out)
    assert record["trust"] == "self"
    assert re.fullmatch("sha256:[0-9a-f]{64}", record["digest"])
    schema = json.loads(run(scene.path, "policy", "schema").out)
    assert {"commits", "signers", "messages", "images", "rules"} <= schema["properties"].keys()


def test_lines_without_an_effect_are_told(run: Run, small: Small) -> None:
    small.policy(small.text.replace("[commits]\n", '[commits]\nallowed-signers = "allowed"\n'))
    (small.path / ".chainverify" / "allowed").write_text(
        "# people\n" + small.mallory.allowed("mallory@example.org", 'namespaces="file"')
        + small.alice.allowed("b\u202e@example.org")
    )
    done = run(small.path, "policy", "check")
    assert (done.status, done.err) == (0, "")
    [_, first, second] = done.out.splitlines()
    assert first == (
        'warning: .chainverify/allowed:2: namespaces="file" does not have git: the line allows no commit and no tag '
        "(add git to the list)"
    )
    assert second.startswith("warning: .chainverify/allowed:3: giving the key of 'Alice Example' to b")
    assert second.isascii()
    assert len(run(small.path, "policy", "check", "-q").out.splitlines()) == 2
    found = json.loads(run(small.path, "policy", "check", "--output-format", "json").out)
    assert found["valid"] is True
    assert [(each["path"], each["line"]) for each in found["warnings"]] == [
        (".chainverify/allowed", 2), (".chainverify/allowed", 3),
    ]


def test_the_server_s_own_file_is_checked_as_one(run: Run, small: Small, tmp_path: Path) -> None:
    text = f'version = 1\n[commits]\n[[signers]]\nname = "A"\nemails = "a@example.org"\nssh = "{small.alice.public.strip()}"\n'
    (tmp_path / "server.toml").write_text(text + '[server]\ndeadline = "30s"\n')
    assert "only" in run(small.path, "policy", "check", "--policy", "../server.toml").err
    done = run(small.path, "policy", "check", "--server", "--policy", "../server.toml")
    assert (done.status, done.err) == (0, "")
    assert "trust external); asks about commits; 1 signer with 1 key\n" in done.out
    assert run(tmp_path, "policy", "check", "--server", "--policy", "server.toml").status == 0
    assert "name it: --policy FILE" in run(small.path, "policy", "check", "--server").err
    (tmp_path / "server.toml").write_text(text + "observed = true\n")
    done = run(small.path, "policy", "check", "--server", "--policy", "../server.toml")
    assert done.status == 2
    assert "server.toml:3: signers[0]: A is marked observed = true" in done.err


def test_a_server_that_would_refuse_all_is_warned_about(run: Run, small: Small) -> None:
    bare = type(small.repo).create(small.path.parent / "server.git", bare=True)
    done = run(small.path.parent, "install", "--server", "server.git")
    assert done.status == 0
    assert "warning: the repository has no commits yet" in done.err
    assert "every push is refused until there is a good one" in done.err
    assert "pushes are let in unjudged" in run(bare.path, "install", "--server", ".", "--allow-unconfigured").err
    broken = run(bare.path, "install", "--server", ".", "--policy", str(small.path / "nowhere.toml"))
    assert (broken.status, "no such policy file" in broken.err) == (2, True)


def test_a_policy_is_checked_in_ci_whoever_wrote_it_but_not_believed(run: Run, small: Small) -> None:
    assert run(small.path, "policy", "check", CI="true").status == 0
    assert run(small.path, "policy", "show", CI="true").status == 0
    small.policy(small.text.replace('emails = ["alice', 'observed = true\nemails = ["alice'))
    assert "policy.toml:3: Alice Example is marked observed = true" in run(small.path, "policy", "check").out
    done = run(small.path, "policy", "check", CI="true")
    assert done.status == 2
    assert "observed = true" in done.err
    assert "remove the mark" in done.err


def test_nothing_of_the_users_configuration_is_needed(run: Run, small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    assert "HOME" not in os.environ
    assert run(small.path, "check", "--offline").status == 0
