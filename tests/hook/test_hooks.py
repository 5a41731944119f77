"""What the local hooks share: their names, the scripts for hook managers, how a message comes back, what they may import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chainverify._entry import QUICK
from chainverify.cli.hook import hook as command
from chainverify.model.hooks import LOCAL, SERVER
from tests.hook.clone import SOURCE, Clone, write_hooks
from tests.hook.test_commit_msg import IDENTITY, POLICY
from tests.hook.test_pre_commit import IMAGES
from tests.test_start_up import SLOW

pytestmark = pytest.mark.tool("git")

SCRIPTS = SOURCE.parent / "hooks"


def test_one_list_of_names() -> None:
    assert {path.name for path in SCRIPTS.iterdir()} == {*LOCAL, *SERVER}
    assert set(QUICK) < set(LOCAL)
    assert list(command.params[0].type.choices) == [*LOCAL, *SERVER]  # type: ignore[attr-defined]


def test_the_guide_lists_them() -> None:
    table = (SOURCE.parent / "docs" / "hooks.md").read_text()
    listed = [line.split("`")[1] for line in table.split("\n") if line.startswith("| `")]
    assert sorted(listed) == sorted(LOCAL)


@pytest.mark.parametrize("name", LOCAL)
def test_every_name_is_answered(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "chainverify", "hook", name, "a", "b", "c", "d"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 2
    assert f"chainverify: {name}: expected" in done.stderr


def test_an_unknown_name_is_told_the_names() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "chainverify", "hook", "post-commit"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == f"chainverify: expected a hook, one of {', '.join((*LOCAL, *SERVER))}, got 'post-commit'\n"


@pytest.mark.parametrize("name", [*LOCAL, *SERVER])
def test_scripts(name: str, tmp_path: Path) -> None:
    script = SCRIPTS / name
    assert os.access(script, os.X_OK)
    done = subprocess.run(["/bin/sh", str(script), "x"], env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False)
    # what only helps stops nothing
    assert done.returncode == (0 if name == "prepare-commit-msg" else 3)
    assert "the program is not on PATH" in done.stderr
    path = tmp_path / "chainverify"
    path.write_text('#!/bin/sh\nprintf "%s\\n" "$@"; exit 7\n')
    path.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", str(script), "a b", ""], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (7, f"hook\n{name}\na b\n\n")


@pytest.mark.parametrize("where", ["submodule", "git directory"])
def test_the_message_comes_back(tmp_path: Path, where: str) -> None:
    clone = Clone(tmp_path / "a b", names=("commit-msg",))
    clone.repo.commit("JIRA-1: start")
    env, directory = {}, clone.repo.path
    if where == "submodule":
        top = Clone(tmp_path / "top", names=())
        top.repo.commit("JIRA-1: top")
        top.good("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(clone.repo.path), "dep")
        write_hooks(top.repo.git_dir / "modules" / "dep" / "hooks", ("commit-msg",))
        (top.repo.path / "dep" / ".chainverify").mkdir()
        (top.repo.path / "dep" / ".chainverify" / "policy.toml").write_text(POLICY)
        directory = top.repo.path / "dep" / "below"
        directory.mkdir()
    else:
        env = {"GIT_DIR": str(clone.repo.git_dir), "GIT_WORK_TREE": str(clone.repo.path)}
        directory = tmp_path
    said = clone.bad("commit", "-q", "--allow-empty", "-m", "JIRA-2 long story\n\nbody", cwd=directory, env=env)
    assert 'did you mean "JIRA-2: long story"?' in said or 'for example, "JIRA-2: long story"' in said
    (printed,) = [line.strip() for line in said.split("\n") if line.startswith("    git commit")]
    printed = printed.replace("git commit", "git commit -q --allow-empty")
    environment = {**os.environ, **IDENTITY, **env, "GIT_EDITOR": "sed -i 's/JIRA-2 /JIRA-2: /'"}
    again = subprocess.run(["sh", "-c", printed], cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert clone.git("log", "-1", "--format=%B", cwd=directory, env=env).stdout == "JIRA-2: long story\n\nbody\n\n"


PROBE = """
import sys
before = set(sys.modules)
sys.path.append({site!r})
from chainverify._entry import main
status = main(["hook", *{arguments!r}])
print(status, *sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("name", ["prepare-commit-msg", "pre-commit", "pre-merge-commit", "pre-push"])
def test_a_good_path_imports_little(tmp_path: Path, name: str) -> None:
    clone = Clone(tmp_path / "repo", POLICY + IMAGES.removeprefix("version = 1\n"))
    clone.write(a__txt="1")
    clone.good("add", "a.txt")
    clone.good("commit", "-q", "-m", "JIRA-1: x")  # fills the caches
    clone.good("checkout", "-q", "-b", "JIRA-2")
    message = clone.repo.git_dir / "COMMIT_EDITMSG"
    message.write_text("add x\n")
    arguments = {"prepare-commit-msg": [str(message), "message"], "pre-push": ["origin", "url"]}.get(name, [])
    done = subprocess.run(
        [sys.executable, "-IS", "-c", PROBE.format(site=str(SOURCE), arguments=[name, *arguments])],
        cwd=clone.repo.path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
    )
    status, *names = done.stdout.split()
    assert status == "0"
    assert not set(names) & SLOW
    if name == "prepare-commit-msg":
        assert message.read_text() == "JIRA-2: add x\n"
        assert done.stderr == ""
