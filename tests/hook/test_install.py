"""Hook files: where they go, whose they are, what happens to others', and that they fail closed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chainverify.errors import UsageError
from chainverify.git.repository import Repository as Opened
from chainverify.jobs import hookfiles, install
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
