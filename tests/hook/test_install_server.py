"""The pre-receive hook in bare repositories: beside a forge's own, with its policy, and failing closed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chainverify.errors import PolicyError, UsageError
from chainverify.jobs import install_server as install
from tests.hook.test_commit_msg import IDENTITY, POLICY
from tests.world.repository import Repository

pytestmark = pytest.mark.tool("git")


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repo")


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
