"""Hook files: where they go, whose they are, what happens to others', and that they fail closed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chainverify.errors import UsageError
from chainverify.git import config
from chainverify.git.repository import Repository as Opened
from chainverify.jobs import hookconfig, hookfiles, install
from chainverify.jobs.hookplaces import hooks_path
from tests.hook.test_commit_msg import Hooked
from tests.world.repository import Repository

pytestmark = pytest.mark.tool("git")

ONE = ("commit-msg",)


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repo")


def opened(repo: Repository) -> Opened:
    return Opened.discover(repo.path)


def test_install_twice_and_uninstall(repo: Repository) -> None:
    (first,) = install.install(opened(repo), ONE)
    assert first == (repo.git_dir / "hooks" / "commit-msg", True)
    assert os.access(first.path, os.X_OK)
    assert first.path.read_text().startswith(f"#!{sys.executable} -IS\n# chainverify hook, sha256:")
    assert install.install(opened(repo), ONE) == ((first.path, False),)
    first.path.chmod(0o644)
    assert install.install(opened(repo), ONE) == ((first.path, True),)
    assert os.access(first.path, os.X_OK)
    assert install.uninstall(opened(repo)) == ((first.path, True),)
    assert not first.path.exists()
    assert install.uninstall(opened(repo)) == ()
    assert list(first.path.parent.iterdir()) == []


def test_an_older_hook_of_ours_is_replaced(repo: Repository) -> None:
    path = repo.git_dir / "hooks" / "commit-msg"
    path.parent.mkdir(exist_ok=True)
    path.write_text(hookfiles.script("commit-msg", python="/old/python"))
    assert install.install(opened(repo), ONE) == ((path, True),)
    assert sys.executable in path.read_text()


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 0\n", "", "#!/bin/sh\n# chainverify hook\n"])
def test_a_foreign_hook_stays(repo: Repository, text: str) -> None:
    path = repo.git_dir / "hooks" / "commit-msg"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with pytest.raises(UsageError, match="already another hook") as caught:
        install.install(opened(repo), ONE)
    assert 'chainverify hook commit-msg "$@" || exit $?' in caught.value.hint
    assert install.uninstall(opened(repo)) == ()
    assert path.read_text() == text


def test_the_line_to_add_works(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path / "repo")
    hooked.hook.write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(UsageError) as caught:
        install.install(opened(hooked.repo), ONE)
    line = caught.value.hint.partition(": ")[2]
    hooked.hook.write_text(f"#!/bin/sh\n{line}\nexit 0\n")
    assert hooked.commit("fix").returncode == 1
    assert hooked.commit("JIRA-1: x").returncode == 0
    # the reading by git's command line goes through the shell
    assert hooked.commit("# a\nJIRA-1: x", "--cleanup=strip").returncode == 0


def test_a_changed_hook_of_ours_is_neither_replaced_nor_removed(repo: Repository) -> None:
    (found,) = install.install(opened(repo), ONE)
    text = found.path.read_text().replace("sys.exit(3)", "sys.exit(0)")
    found.path.write_text(text)
    for act in (install.install, install.uninstall):
        with pytest.raises(UsageError, match="changed"):
            act(opened(repo), ONE)
    assert found.path.read_text() == text


def test_a_link_is_foreign(repo: Repository, tmp_path: Path) -> None:
    path = repo.git_dir / "hooks" / "commit-msg"
    path.parent.mkdir(exist_ok=True)
    target = tmp_path / "target"
    target.write_text(hookfiles.script("commit-msg", python=sys.executable))
    path.symlink_to(target)
    with pytest.raises(UsageError, match="another hook"):
        install.install(opened(repo), ONE)
    install.uninstall(opened(repo))
    assert target.exists()
    assert path.is_symlink()


def test_hooks_path(repo: Repository, tmp_path: Path) -> None:
    repo.configure(core__hooksPath=".githooks")
    (found,) = install.install(opened(repo), ONE)
    assert found.path == repo.path / ".githooks" / "commit-msg"
    repo.configure(core__hooksPath="")
    with pytest.raises(UsageError, match="set to nothing"):
        install.install(opened(repo), ONE)
    repo.configure(core__hooksPath=str(tmp_path / "shared"))
    with pytest.raises(UsageError, match="other repositories may share"):
        install.install(opened(repo), ONE)


@pytest.mark.parametrize("value", [".githooks", "~/hooks", "/abs/hooks", "a/../b", ".git/hooks", "with blank"])
def test_the_directory_is_the_one_that_git_says(repo: Repository, value: str) -> None:
    repo.configure(core__hooksPath=value)
    found = hooks_path(opened(repo), config.effective(repo.path))
    said = repo.git("rev-parse", "--git-path", "hooks", env={"HOME": os.environ["HOME"]})
    assert found.directory == Path(os.path.normpath(repo.path / said))
    assert found.inside is (value[0] not in "~/")


def test_a_tracked_link_does_not_lead_out(repo: Repository, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (repo.path / ".githooks").symlink_to(tmp_path / "out")
    repo.configure(core__hooksPath=".githooks")
    with pytest.raises(UsageError, match="other repositories may share"):
        install.install(opened(repo), ONE)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("what", ["link", "large", "directory"])
def test_a_script_of_husky_s_that_is_none_is_left(
    repo: Repository, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}{Path(sys.executable).parent}")
    husky = repo.path / ".husky" / "_"
    husky.mkdir(parents=True)
    (husky / "h").write_text("exit 0\n")
    (husky / "commit-msg").write_text('#!/usr/bin/env sh\n. "$(dirname "$0")/h"')
    repo.configure(core__hooksPath=".husky/_")
    script = repo.path / ".husky" / "commit-msg"
    target = tmp_path / "target"
    target.write_text("theirs\n")
    if what == "link":
        script.symlink_to(target)
    elif what == "directory":
        script.mkdir()
    else:
        script.write_text("#" * ((1 << 20) + 1))
    if config.version(repo.path) >= hookconfig.SINCE:
        pytest.skip("this git has configured hooks, so husky's scripts are not touched")
    with pytest.raises(UsageError, match="no regular file of at most"):
        install.install(opened(repo), ONE)
    assert install.uninstall(opened(repo), ONE) == ()
    assert target.read_text() == "theirs\n"
    assert script.is_symlink() is (what == "link")


def test_a_bare_repository_has_no_local_hooks(tmp_path: Path) -> None:
    bare = Repository.create(tmp_path / "bare", bare=True)
    with pytest.raises(UsageError, match="nobody commits here") as caught:
        install.install(opened(bare))
    assert "--server" in caught.value.hint


def test_nothing_is_written_where_one_hook_is_in_the_way(repo: Repository) -> None:
    directory = repo.git_dir / "hooks"
    directory.mkdir(exist_ok=True)
    (directory / "pre-push").write_text("#!/bin/sh\n")
    if config.version(repo.path) >= hookconfig.SINCE:
        pytest.skip("this git has configured hooks, so nothing is in the way")
    with pytest.raises(UsageError, match="already another hook"):
        install.install(opened(repo))
    assert [path.name for path in directory.iterdir()] == ["pre-push"]


def test_what_changed_since_it_was_planned_is_not_overwritten(repo: Repository) -> None:
    changes = install.plan(opened(repo), install.Wish(ONE))
    hook = repo.git_dir / "hooks" / "commit-msg"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("somebody else's\n")
    with pytest.raises(UsageError, match="changed meanwhile"):
        install.apply(changes)
    assert hook.read_text() == "somebody else's\n"


def test_linked_worktrees_share_the_hook(repo: Repository, tmp_path: Path) -> None:
    repo.commit("first")
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"))
    (found,) = install.install(Opened.discover(tmp_path / "linked"), ONE)
    assert found.path == repo.git_dir / "hooks" / "commit-msg"


def test_unknown_hooks(repo: Repository) -> None:
    with pytest.raises(UsageError, match="no such hook"):
        install.install(opened(repo), ("post-merge",))


@pytest.mark.parametrize("where", ["with blank", "quo'te", 'dou"ble', "dol$lar", "x" * 130])
def test_interpreters_that_a_first_line_cannot_hold(tmp_path: Path, where: str) -> None:
    hooked = Hooked(tmp_path / "repo")
    hooked.hook.unlink()
    python = tmp_path / where / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (found,) = install.install(opened(hooked.repo), ONE, python=str(python))
    assert found.path.read_text().startswith("#!/bin/sh\n" if where not in ("quo'te", 'dou"ble', "dol$lar") else "#!")
    assert hooked.commit("fix").returncode == 1
    done = hooked.commit("JIRA-1: x")
    assert (done.returncode, done.stderr) == (0, "")
    python.unlink()
    assert hooked.commit("JIRA-1: x").returncode != 0


@pytest.mark.parametrize("shell", [False, True])
def test_it_fails_closed_without_the_package(tmp_path: Path, shell: bool) -> None:
    hooked = Hooked(tmp_path / "repo")
    python = sys.executable
    if shell:
        linked = tmp_path / "a b"
        linked.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        linked.chmod(0o755)
        python = str(linked)
    text = hookfiles.script("commit-msg", python=python)
    site = str(Path(install.__file__).parent.parent.parent)
    assert site in text
    hooked.hook.write_text(text.replace(site, "/nowhere"))
    done = hooked.commit("JIRA-1: x")
    assert done.returncode == 1
    assert "chainverify: cannot be started, so this commit is refused: ModuleNotFoundError" in done.stderr
    assert "Traceback" not in done.stderr
    message = hooked.repo.path / "message"
    message.write_text("JIRA-1: x")
    assert subprocess.run([hooked.hook, "message"], cwd=hooked.repo.path, capture_output=True, check=False).returncode == 3


def test_the_environment_cannot_bring_another_package(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path / "repo")
    fake = tmp_path / "fake" / "chainverify"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("raise SystemExit(0)")
    (hooked.repo.path / "chainverify").mkdir()
    shutil.copy(fake / "__init__.py", hooked.repo.path / "chainverify" / "__init__.py")
    (hooked.repo.path / "os.py").write_text("raise SystemExit(0)")
    assert hooked.commit("fix", env={"PYTHONPATH": str(fake.parent)}).returncode == 1


@pytest.mark.parametrize("name", ["commit-msg", "pre-receive"])
def test_the_scripts_for_hook_managers(tmp_path: Path, name: str) -> None:
    script = Path(__file__).parent.parent.parent / "hooks" / name
    assert os.access(script, os.X_OK)
    done = subprocess.run(["/bin/sh", str(script), "x"], env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "is refused" in done.stderr
    path = tmp_path / "chainverify"
    path.write_text('#!/bin/sh\necho "$@"; exit 7\n')
    path.chmod(0o755)
    done = subprocess.run(["/bin/sh", str(script), "x"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, f"hook {name} x\n")
