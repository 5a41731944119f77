"""Hook files: where they go, whose they are, what happens to others', and that they fail closed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chainverify.errors import PolicyError, UsageError
from chainverify.git.repository import Repository as Opened
from chainverify.jobs import install
from tests.hook.test_commit_msg import IDENTITY, POLICY, Hooked
from tests.world.repository import Repository

pytestmark = pytest.mark.tool("git")


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repo")


def opened(repo: Repository) -> Opened:
    return Opened.discover(repo.path)


def test_install_twice_and_uninstall(repo: Repository) -> None:
    (first,) = install.install(opened(repo))
    assert first == (repo.git_dir / "hooks" / "commit-msg", True)
    assert os.access(first.path, os.X_OK)
    assert first.path.read_text().startswith(f"#!{sys.executable} -IS\n# chainverify hook, sha256:")
    assert install.install(opened(repo)) == ((first.path, False),)
    first.path.chmod(0o644)
    assert install.install(opened(repo)) == ((first.path, True),)
    assert os.access(first.path, os.X_OK)
    assert install.uninstall(opened(repo)) == ((first.path, True),)
    assert not first.path.exists()
    assert install.uninstall(opened(repo)) == ((first.path, False),)
    assert list(first.path.parent.iterdir()) == []


def test_an_older_hook_of_ours_is_replaced(repo: Repository) -> None:
    path = repo.git_dir / "hooks" / "commit-msg"
    path.parent.mkdir(exist_ok=True)
    path.write_text(install.script("commit-msg", python="/old/python"))
    assert install.install(opened(repo)) == ((path, True),)
    assert sys.executable in path.read_text()


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 0\n", "", "#!/bin/sh\n# chainverify hook\n"])
def test_a_foreign_hook_stays(repo: Repository, text: str) -> None:
    path = repo.git_dir / "hooks" / "commit-msg"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with pytest.raises(UsageError, match="already another hook") as caught:
        install.install(opened(repo))
    assert 'chainverify hook commit-msg "$@" || exit $?' in caught.value.hint
    assert install.uninstall(opened(repo)) == ((path, False),)
    assert path.read_text() == text


def test_the_line_to_add_works(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path / "repo")
    hooked.hook.write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(UsageError) as caught:
        install.install(opened(hooked.repo))
    line = caught.value.hint.partition(": ")[2]
    hooked.hook.write_text(f"#!/bin/sh\n{line}\nexit 0\n")
    assert hooked.commit("fix").returncode == 1
    assert hooked.commit("JIRA-1: x").returncode == 0
    # the reading by git's command line goes through the shell
    assert hooked.commit("# a\nJIRA-1: x", "--cleanup=strip").returncode == 0


def test_a_changed_hook_of_ours_is_neither_replaced_nor_removed(repo: Repository) -> None:
    (found,) = install.install(opened(repo))
    text = found.path.read_text().replace("sys.exit(3)", "sys.exit(0)")
    found.path.write_text(text)
    for act in (install.install, install.uninstall):
        with pytest.raises(UsageError, match="changed"):
            act(opened(repo))
    assert found.path.read_text() == text


def test_a_link_is_foreign(repo: Repository, tmp_path: Path) -> None:
    path = repo.git_dir / "hooks" / "commit-msg"
    path.parent.mkdir(exist_ok=True)
    target = tmp_path / "target"
    target.write_text(install.script("commit-msg", python=sys.executable))
    path.symlink_to(target)
    with pytest.raises(UsageError, match="another hook"):
        install.install(opened(repo))
    install.uninstall(opened(repo))
    assert target.exists()
    assert path.is_symlink()


def test_hooks_path(repo: Repository, tmp_path: Path) -> None:
    repo.configure(core__hooksPath=".githooks")
    (found,) = install.install(opened(repo))
    assert found.path == repo.path / ".githooks" / "commit-msg"
    repo.configure(core__hooksPath="")
    with pytest.raises(UsageError, match="set to nothing"):
        install.install(opened(repo))
    repo.configure(core__hooksPath=str(tmp_path / "shared"))
    with pytest.raises(UsageError, match="other repositories may share"):
        install.install(opened(repo))


def test_linked_worktrees_share_the_hook(repo: Repository, tmp_path: Path) -> None:
    repo.commit("first")
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"))
    (found,) = install.install(Opened.discover(tmp_path / "linked"))
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
    (found,) = install.install(opened(hooked.repo), python=str(python))
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
    text = install.script("commit-msg", python=python)
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


# --- servers


def test_server(tmp_path: Path) -> None:
    bare = Repository.create(tmp_path / "bare", bare=True)
    policy = tmp_path / "pol'icy.toml"
    policy.write_text(POLICY)
    found = install.install_server(bare.path, policy, allow_unconfigured=True)
    assert found == (bare.path / "hooks" / "pre-receive", True)
    text = found.path.read_text()
    assert text.startswith(f"#!{sys.executable} -I\n")
    assert 'hook("pre-receive", ["--allow-unconfigured", *sys.argv[1:]])' in text
    probe = text.replace("from chainverify._entry import hook", "hook = lambda *a: print(os.environ['CHAINVERIFY_POLICY'], a)")
    done = subprocess.run([sys.executable, "-I", "-c", probe, "x"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{policy} ('pre-receive', ['--allow-unconfigured', 'x'])\n"
    assert install.uninstall_server(bare.path) == ((found.path, True),)
    assert install.uninstall_server(bare.path) == ((found.path, False),)


def test_server_beside_a_forge(tmp_path: Path) -> None:
    bare = Repository.create(tmp_path / "bare", bare=True)
    forge = bare.path / "hooks" / "pre-receive"
    (bare.path / "hooks" / "pre-receive.d").mkdir(parents=True)
    forge.write_text("#!/bin/sh\n# the forge's own\n")
    found = install.install_server(bare.path)
    assert found.path == bare.path / "hooks" / "pre-receive.d" / "chainverify"
    assert forge.read_text() == "#!/bin/sh\n# the forge's own\n"
    assert install.uninstall_server(bare.path) == ((found.path, True),)
    assert install.uninstall_server(bare.path) == ((found.path, False),)


def test_server_refusals(tmp_path: Path, repo: Repository) -> None:
    with pytest.raises(UsageError, match="not a bare repository"):
        install.install_server(repo.path)
    bare = Repository.create(tmp_path / "bare", bare=True)
    with pytest.raises(UsageError, match="no such policy file"):
        install.install_server(bare.path, tmp_path / "missing")
    (bare.path / "hooks").mkdir(exist_ok=True)
    (bare.path / "hooks" / "pre-receive").write_text("#!/bin/sh\n")
    with pytest.raises(UsageError, match="another hook"):
        install.install_server(bare.path)


@pytest.mark.parametrize(("name", "extra"), [("policy.toml", ()), ("pol'icy $x.toml", ("--allow-unconfigured",))])
def test_the_line_for_another_hook_of_a_server_carries_the_policy(
    tmp_path: Path, repo: Repository, name: str, extra: tuple[str, ...]
) -> None:
    bare = Repository.create(tmp_path / "bare", bare=True)
    hook = bare.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    (tmp_path / name).write_text(POLICY)
    with pytest.raises(UsageError, match="another hook") as caught:
        install.install_server(bare.path, tmp_path / name, allow_unconfigured=bool(extra))
    line = caught.value.hint.partition(": ")[2]
    assert line.startswith("CHAINVERIFY_POLICY=")
    hook.write_text(f"#!/bin/sh\n{line}\nexit 0\n")
    repo.commit("fix it")
    done = repo.run("push", str(bare.path), "HEAD:refs/heads/main", env=IDENTITY, check=False)
    assert done.returncode == 1
    assert b"message-ticket" in done.stderr
    repo.commit("JIRA-1: fix it", parents=())
    assert repo.run("push", str(bare.path), "HEAD:refs/heads/main", env=IDENTITY, check=False).returncode == 0


BROKEN = {
    "syntax": "version = ",
    "unknown key": "version = 1\nmesages = 1\n",
    "no key file": "version = 1\n[commits]\n[[signers]]\nname = 'A'\nemails = ['a@example.org']\nssh = ['keys/a.pub']\n",
    "observed": f"version = 1\n[messages]\n[[signers]]\nname = 'A'\nemails = ['a@example.org']\n"
    f"ssh = ['ssh-ed25519 {'A' * 11}C3NzaC1lZDI1NTE5AAAAI{'A' * 43}']\nobserved = true\n",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_policy_under_which_no_push_could_pass_is_not_installed(tmp_path: Path, what: str) -> None:
    bare = Repository.create(tmp_path / "bare", bare=True)
    policy = tmp_path / "policy.toml"
    policy.write_text(BROKEN[what])
    with pytest.raises(PolicyError):
        install.install_server(bare.path, policy)
    assert not (bare.path / "hooks" / "pre-receive").exists()


def test_the_policy_s_path_means_the_same_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = Repository.create(tmp_path / "bare", bare=True)
    (tmp_path / "policy.toml").write_text(POLICY + '[server]\ndeadline = "30s"\n')
    monkeypatch.chdir(bare.path)
    found = install.install_server(bare.path, Path("../policy.toml"))
    assert f'os.environ["CHAINVERIFY_POLICY"] = "{tmp_path}/policy.toml"' in found.path.read_text()


@pytest.mark.parametrize("name", ["policy.toml", "pol'icy \u00fc.toml"])
def test_a_hook_does_not_lose_the_server_s_policy(tmp_path: Path, name: str) -> None:
    bare = Repository.create(tmp_path / "bare", bare=True)
    (tmp_path / name).write_text(POLICY)
    found = install.install_server(bare.path, tmp_path / name)
    before = found.path.read_text()
    with pytest.raises(UsageError, match="would lose it") as caught:
        install.install_server(bare.path)
    assert str(tmp_path / name) in caught.value.message
    assert found.path.read_text() == before
    assert install.install_server(bare.path, tmp_path / name) == (found.path, False)
    assert install.uninstall_server(bare.path) == ((found.path, True),)
    assert install.install_server(bare.path).changed


def test_a_server_without_a_policy_is_told_what_to_do(tmp_path: Path, repo: Repository) -> None:
    bare = Repository.create(tmp_path / "bare", bare=True)

    def said() -> str:
        found = install.unready(bare.path)
        return "" if found is None else f"{found.what} / {found.hint}{' / broken' if found.broken else ''}"

    assert "has no commits yet" in said()
    assert "push a commit with .chainverify/policy.toml" in said()
    repo.commit("first", {"a": "1"})
    repo.git("push", str(bare.path), "HEAD:refs/heads/trunk")
    assert "HEAD names refs/heads/main, which does not exist" in said()
    assert f"git -C {bare.path} symbolic-ref HEAD refs/heads/trunk" in said()
    bare.git("symbolic-ref", "HEAD", "refs/heads/trunk")
    assert "no .chainverify/policy.toml at the tip of refs/heads/trunk" in said()
    repo.commit("second", {".chainverify/policy.toml": "version = 2\n"})
    repo.git("push", str(bare.path), "HEAD:refs/heads/trunk")
    assert "the policy at the tip of refs/heads/trunk cannot be used: " in said()
    assert said().endswith(" / broken")
    repo.commit("third", {".chainverify/policy.toml": POLICY})
    repo.git("push", str(bare.path), "HEAD:refs/heads/trunk")
    assert install.unready(bare.path) is None


def test_a_push_is_refused_when_the_server_cannot_start(tmp_path: Path, repo: Repository) -> None:
    bare = Repository.create(tmp_path / "bare", bare=True)
    found = install.install_server(bare.path)
    found.path.write_text(found.path.read_text().replace("chainverify._entry", "chainverify.gone"))
    repo.commit("JIRA-1: x")
    done = repo.run("push", str(bare.path), "HEAD:refs/heads/main", env=IDENTITY, check=False)
    assert done.returncode != 0
    assert b"so this push is refused" in done.stderr
    assert bare.refs() == () if hasattr(bare, "refs") else bare.tip("refs/heads/main") is None
