"""git's configuration read and written as git does: git itself is the oracle."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from chainverify.errors import UsageError
from chainverify.git import config
from tests.world.repository import Repository

pytestmark = pytest.mark.tool("git")


def git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=directory, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.removesuffix("\n")


@pytest.mark.parametrize("value", ["true", "TRUE", "yes", "On", "1", "7", "-1", "false", "no", "off", "0", ""])
def test_truth_is_what_git_takes_for_it(value: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(f"[x]\n\ty = {value}\n")
    assert config.is_true(value) == (git(tmp_path, "config", "--file", "config", "--type=bool", "x.y") == "true")


def test_what_counts_is_the_last_of_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repository.create(tmp_path / "a b")
    (tmp_path / "global").write_text('[user]\n\tname = "of all"\n[commit]\n\tgpgSign\n[include]\n\tpath = more\n')
    (tmp_path / "more").write_text("[user]\n\temail = line\\nend@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "global"))
    repo.git("config", "user.name", "of this one")
    seen = config.effective(repo.path)
    assert [(each.value, each.scope) for each in seen if each.name == "user.name"] == [
        ("of all", "global"), ("of this one", "local"),
    ]  # fmt: skip
    found = {name: config.last(seen, name) for name in ("user.name", "user.email", "commit.gpgsign", "no.such")}
    assert found["user.name"] == config.Setting("user.name", "of this one", "local", "file:.git/config")
    assert found["user.email"] is not None
    assert found["user.email"].value == "line\nend@example.org" == git(repo.path, "config", "user.email")
    assert found["commit.gpgsign"] is not None
    assert found["commit.gpgsign"].value == "true"
    assert found["no.such"] is None
    for number, (name, value) in enumerate((("user.name", "of the environment"), ("commit.gpgsign", "no"))):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    last = config.last(config.effective(repo.path), "user.name")
    assert last is not None
    assert (last.value, last.scope) == ("of the environment", "command")
    assert config.value(config.effective(repo.path), "user.name") == "of the environment"
    assert config.value(config.effective(repo.path), "no.such") == ""


@pytest.mark.parametrize(
    ("there", "environment"),
    [
        ((), {}),
        ((".gitconfig",), {}),
        ((".config/git/config",), {}),
        ((".gitconfig", ".config/git/config"), {}),
        (("xdg/git/config",), {"XDG_CONFIG_HOME": "{home}/xdg"}),
        ((".config/git/config",), {"XDG_CONFIG_HOME": "{home}/xdg"}),
        ((), {"GIT_CONFIG_GLOBAL": "{home}/named"}),
    ],
)
def test_the_file_is_the_one_that_git_writes(
    there: tuple[str, ...], environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = config.path_of("global", tmp_path)
    git(tmp_path, "config", "--global", "x.y", "z")
    assert found.read_text() == "[x]\n\ty = z\n"


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "")
    with pytest.raises(UsageError, match="GIT_CONFIG_GLOBAL is empty"):
        config.path_of("global", tmp_path)
    with pytest.raises(UsageError, match="no regular file"):
        config.read(Path(os.devnull))
    with pytest.raises(UsageError, match="git cannot use its configuration"):
        config.everything(b"[user\n")
    with pytest.raises(UsageError, match="not a git repository"):
        config.path_of("repository", tmp_path)


def test_worktrees_have_one_file_and_may_have_their_own(tmp_path: Path) -> None:
    repo = Repository.create(tmp_path / "main")
    repo.commit("begin")
    repo.git("worktree", "add", "-q", "../linked")
    linked = tmp_path / "linked"
    assert config.path_of("repository", linked) == config.path_of("repository", repo.path) == repo.git_dir / "config"
    with pytest.raises(UsageError, match="no configuration of single worktrees"):
        config.path_of("worktree", linked)
    repo.git("config", "extensions.worktreeConfig", "true")
    for directory in (linked, repo.path):
        git(directory, "config", "--worktree", "x.y", directory.name)
        assert directory.name in config.path_of("worktree", directory).read_text()


def test_the_version_is_numbers(tmp_path: Path) -> None:
    assert config.version(tmp_path)[:2] >= (2, 31)
