"""Our lines in a script that a team shares: where they go, that they come out again, and what they do to the hook's input."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import UsageError
from chainverify.jobs import hookfiles, managers
from chainverify.jobs.managers import with_block, without_block
from chainverify.model.hooks import LOCAL

SCRIPTS = {
    "nothing": None,
    "empty": "",
    "a line": "npm test\n",
    "no line end": "npm test",
    "shebang": "#!/usr/bin/env sh\nnpm test\n",
    "only a shebang": "#!/bin/sh",
    "carriage returns": "#!/bin/sh\r\nnpm test\r\n",
    "ends early": "#!/bin/sh\nexit 0\n",
}


@pytest.mark.parametrize("event", LOCAL)
@pytest.mark.parametrize("name", SCRIPTS)
def test_in_and_out(name: str, event: str) -> None:
    text = SCRIPTS[name]
    held = with_block(text, event)
    assert held.startswith("#!/" if (text or "").startswith("#!/") and "\n" in (text or "") else "# >>> chainverify hook")
    assert with_block(held, event) == held
    assert managers.has_block(held)
    assert without_block(held)[0] == text
    # a checkout that turns line ends
    turned = without_block(held.replace("\r\n", "\n").replace("\n", "\r\n"))[0]
    assert (turned or "").replace("\r\n", "\n") == (text or "").replace("\r\n", "\n")


@given(st.text(alphabet="#!/ab\r\n >", max_size=40))
def test_any_script_comes_out_as_it_was(text: str) -> None:
    assert without_block(with_block(text, "commit-msg"))[0] == text


@pytest.mark.parametrize("old", ["|| exit $?", "exit 3"])
def test_changed_lines_are_nobody_s(old: str) -> None:
    held = with_block("x\n", "commit-msg").replace(old, "")
    for act in (lambda: without_block(held), lambda: with_block(held, "commit-msg")):
        with pytest.raises(UsageError, match="were changed"):
            act()
    assert not managers.has_block(held)


def test_half_a_block_is_not_taken_out() -> None:
    with pytest.raises(UsageError):
        without_block(with_block("x\n", "commit-msg").partition("# <<<")[0])


def test_many_halves_take_no_time() -> None:
    text = f"# >>> chainverify hook, sha256:{'a' * 64}\n" * 12_000
    with pytest.raises(UsageError, match="were changed"):
        without_block(text)


REFS = "HEAD 11 refs/heads/a 00\nHEAD 22 refs/heads/b 00\n"


@pytest.mark.parametrize("verdict", [0, 1])
def test_what_follows_reads_the_refs_too(tmp_path: Path, verdict: int) -> None:
    program = tmp_path / "chainverify"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" > "{tmp_path}/called"; cat >> "{tmp_path}/called"; exit {verdict}\n')
    program.chmod(0o755)
    script = tmp_path / "pre-push"
    script.write_text(with_block(f'cat > "{tmp_path}/theirs"\n', "pre-push"))
    done = subprocess.run(
        ["sh", "-e", str(script), "origin", "a url"], input=REFS, env={"PATH": f"{tmp_path}:/bin:/usr/bin"}, text=True,
        check=False, capture_output=True,
    )  # fmt: skip
    assert done.returncode == verdict, done.stderr
    assert (tmp_path / "called").read_text() == f"hook pre-push origin a url\n{REFS}"
    assert (tmp_path / "theirs").exists() is not bool(verdict)
    if not verdict:
        assert (tmp_path / "theirs").read_text() == REFS


@pytest.mark.parametrize("python", ["/a b/py'thon", "/usr/bin/python3", None])
def test_lefthook_s_file_is_yaml_and_its_arguments_are_no_shell(tmp_path: Path, python: str | None) -> None:
    text = managers.lefthook_text(LOCAL, python) if python else managers.snippet("lefthook", LOCAL)
    read = yaml.safe_load(text)
    assert list(read) == list(LOCAL) == list(managers.lefthook_events(text))
    assert read["pre-push"]["commands"]["chainverify"]["use_stdin"] is True
    assert not python or hookfiles.ours(text)
    # what lefthook puts in place of {1}, were it the worst
    run = read["commit-msg"]["commands"]["chainverify"]["run"].replace("{1}", "it's $(touch bad) `touch bad`; touch bad")
    run = run.rpartition("\n")[0] + '\nprintf "[%s]" "$@"'
    done = subprocess.run(["sh", "-c", run], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[it's $(touch bad) `touch bad`; touch bad]"
    assert list(tmp_path.iterdir()) == []


def test_arguments_that_git_did_not_give_are_left_out(tmp_path: Path) -> None:
    event = "prepare-commit-msg"
    run = yaml.safe_load(managers.lefthook_text([event], "/p"))[event]["commands"]["chainverify"]["run"]
    tail = '\nprintf "[%s]" "$@"'
    for given_ in (["F"], ["F", "message"], ["F", "squash", ""], ["F", "commit", "HEAD"]):
        text = run.rpartition("\n")[0]
        for number, value in enumerate(given_, 1):
            text = text.replace(f"{{{number}}}", value)
        done = subprocess.run(["sh", "-c", text + tail], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout == "".join(f"[{value}]" for value in given_)


def test_who_wrote_a_hook(tmp_path: Path) -> None:
    hook = tmp_path / "commit-msg"
    assert managers.recognise(hook, "#!/bin/sh\nexit 0\n") is None
    assert managers.recognise(hook, '#!/usr/bin/env sh\n. "$(dirname "$0")/h"') is None, "not where husky puts it"
