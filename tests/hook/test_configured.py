"""Git's configured hooks, run by a git that has them: the order is git's own, the gate holds, nothing runs twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chainverify.errors import UsageError
from chainverify.git import config
from chainverify.git.repository import Repository as Opened
from chainverify.jobs import hookconfig, hookfiles, install
from chainverify.jobs.hookchain import chain
from chainverify.jobs.hookplaces import hooks_path
from chainverify.model.hooks import LOCAL
from tests.hook.test_beside_managers import use_newer_git
from tests.hook.test_commit_msg import Hooked
from tests.world.hookmanagers import NEWER_GIT, snapshot
from tests.world.repository import Repository

pytestmark = pytest.mark.tool("git")

ONE = ("commit-msg",)
newer = pytest.mark.tool(NEWER_GIT)


@pytest.fixture
def hooked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hooked:
    """A repository with a policy and no hook of ours, under the git with configured hooks."""
    use_newer_git(monkeypatch)
    found = Hooked(tmp_path / "my repo")
    install.uninstall(opened(found.repo))
    return found


def opened(repo: Repository) -> Opened:
    return Opened.discover(repo.path)


def listed(repo: Repository, event: str = "commit-msg") -> list[str]:
    """What git itself says that it runs: `scope name` for configured hooks, `file` for the hook file."""
    done = subprocess.run(
        ["git", "hook", "list", "--show-scope", event], cwd=repo.path, capture_output=True, text=True, check=False
    )
    return [line.replace("\t", " ").replace("hook from hookdir", "file") for line in done.stdout.split("\n") if line]


def ours(repo: Repository, event: str = "commit-msg") -> list[str]:
    """The same as we read the configuration."""
    settings = config.effective(repo.path)
    found = chain(opened(repo), event, settings, hooks_path(opened(repo), settings), able=True)
    return [
        "file" if link.source == "file" else f"{link.source} {'' if link.runs else 'disabled '}{link.name.removeprefix('hook.')}"
        for link in found.links
        if link.runs or link.source != "file"
    ]  # fmt: skip


@newer
def test_a_round_trip_in_the_configuration(hooked: Hooked) -> None:
    before = snapshot(hooked.repo.path)
    (done,) = install.install(opened(hooked.repo), way="config")
    assert done == (hooked.repo.git_dir / "config", True)
    for event in LOCAL:
        assert listed(hooked.repo, event) == [f"local chainverify-{event}"] == ours(hooked.repo, event)
    assert install.install(opened(hooked.repo), way="config") == ((done.path, False),)
    assert install.install(opened(hooked.repo)) == ((done.path, False),), "auto keeps to it"
    assert install.uninstall(opened(hooked.repo)) == ((done.path, True),)
    assert snapshot(hooked.repo.path) == before


@newer
def test_it_is_the_gate_wherever_hooks_path_leads(hooked: Hooked, tmp_path: Path) -> None:
    hooked.repo.configure(core__hooksPath=str(tmp_path / "shared"))
    (done,) = install.install(opened(hooked.repo), ONE)
    assert done.path.name == "config"
    assert hooked.commit("fix it").returncode == 1
    assert "message-ticket" in hooked.commit("fix it").stderr
    assert hooked.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty", "-m", "fix it").returncode == 1
    assert hooked.commit("JIRA-1: fix it").returncode == 0
    # what git will store is read from git's own command line, which a shell between must not hide
    assert hooked.commit("# a\nJIRA-1: x", "--cleanup=strip").returncode == 0


@newer
def test_beside_a_script_of_somebody(hooked: Hooked) -> None:
    hooked.hook.write_text("#!/bin/sh\necho theirs >&2\n")
    hooked.hook.chmod(0o755)
    install.install(opened(hooked.repo), ONE)
    assert listed(hooked.repo) == ["local chainverify-commit-msg", "file"] == ours(hooked.repo)
    # git runs all of them, whatever the first says
    done = hooked.commit("fix it")
    assert done.returncode == 1
    assert "message-ticket" in done.stderr.partition("theirs")[0]
    assert hooked.commit("JIRA-1: fix it").stderr == "theirs\n"
    with pytest.raises(UsageError, match="already another hook"):
        install.install(opened(hooked.repo), ONE, way="files")
    install.uninstall(opened(hooked.repo))
    assert hooked.hook.read_text() == "#!/bin/sh\necho theirs >&2\n"


@newer
def test_never_both(hooked: Hooked) -> None:
    install.install(opened(hooked.repo), ONE)
    assert listed(hooked.repo) == ["file"]
    install.install(opened(hooked.repo), ONE, way="config")
    assert listed(hooked.repo) == ["local chainverify-commit-msg"]
    install.install(opened(hooked.repo), ONE, way="files")
    assert listed(hooked.repo) == ["file"]


@newer
def test_for_all_repositories(hooked: Hooked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "gitconfig"
    own.write_text("[user]\n\tname = A\n# the end, without a line end")
    before = own.read_bytes()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(own))
    wish = install.Wish(ONE)
    (done,) = install.apply(install.plan_global(tmp_path, wish))
    assert done == (own, True)
    assert listed(hooked.repo) == ["global chainverify-commit-msg"] == ours(hooked.repo)
    # the repository gets nothing that would run a second time
    assert install.install(opened(hooked.repo), ONE) == ()
    assert listed(hooked.repo) == ["global chainverify-commit-msg"]
    assert hooked.commit("fix it", env={"GIT_CONFIG_GLOBAL": str(own)}).returncode == 1
    assert hooked.commit("JIRA-1: fix it", env={"GIT_CONFIG_GLOBAL": str(own)}).returncode == 0
    hooked.repo.configure(**{"hook__chainverify-commit-msg__enabled": "false"})
    assert hooked.commit("fix it", env={"GIT_CONFIG_GLOBAL": str(own)}).returncode == 0
    assert install.apply(install.plan_global_removal(tmp_path)) == ((own, True),)
    assert own.read_bytes().removesuffix(b"\n") == before


@newer
def test_what_somebody_set_beside_ours_stays(hooked: Hooked) -> None:
    install.install(opened(hooked.repo), ONE, way="config")
    hooked.repo.git("config", "hook.chainverify-commit-msg.enabled", "false")
    install.uninstall(opened(hooked.repo))
    assert hooked.repo.git("config", "--get-regexp", "^hook") == "hook.chainverify-commit-msg.enabled false"
    assert listed(hooked.repo) == []


ORDERS = {
    "two": "[hook \"b\"]\n\tcommand = true\n\tevent = commit-msg\n[hook \"a\"]\n\tevent = commit-msg\n\tcommand = true\n",
    "again": "[hook \"b\"]\n\tcommand = true\n\tevent = commit-msg\n[hook \"a\"]\n\tcommand = true\n\tevent = commit-msg\n"
    "[hook \"b\"]\n\tevent = commit-msg\n",
    "reset": "[hook \"b\"]\n\tcommand = true\n\tevent = commit-msg\n\tevent =\n\tevent = pre-push\n",
    "off": "[hook \"b\"]\n\tcommand = true\n\tevent = commit-msg\n\tenabled = off\n",
    "on again": "[hook \"b\"]\n\tcommand = true\n\tevent = commit-msg\n\tenabled = off\n\tenabled = 1\n",
    "nonsense": "[hook \"b\"]\n\tcommand = true\n\tevent = commit-msg\n\tenabled = maybe\n",
    "dots": "[hook \"b.c\"]\n\tcommand = true\n\tevent = commit-msg\n",
}


@newer
@pytest.mark.parametrize("what", ORDERS)
def test_the_order_is_the_one_that_git_says(hooked: Hooked, what: str) -> None:
    with (hooked.repo.git_dir / "config").open("a") as file:
        file.write(ORDERS[what])
    install.install(opened(hooked.repo), ONE)
    assert listed(hooked.repo) == ours(hooked.repo)


@newer
def test_a_command_that_somebody_changed_stays(hooked: Hooked) -> None:
    install.install(opened(hooked.repo), ONE, way="config")
    name = hookconfig.key("commit-msg", "command")
    changed = config.effective(hooked.repo.path)
    value = next(each.value for each in changed if each.name == name).replace("exit 3", "exit 0")
    hooked.repo.git("config", name, value)
    for act in (install.install, install.uninstall):
        with pytest.raises(UsageError, match="not as chainverify wrote it"):
            act(opened(hooked.repo), ONE)
    assert next(each.value for each in config.effective(hooked.repo.path) if each.name == name) == value


@newer
def test_an_older_command_of_ours_is_replaced(hooked: Hooked) -> None:
    install.install(opened(hooked.repo), ONE, way="config", python="/old/python")
    done = hooked.commit("JIRA-1: x")
    assert done.returncode == 1
    assert "/old/python or its chainverify is gone, so this commit is refused; run: chainverify install" in done.stderr
    install.install(opened(hooked.repo), ONE)
    assert hooked.commit("JIRA-1: x").returncode == 0


def test_an_older_git_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repository.create(tmp_path / "repo")
    if config.version(repo.path) >= hookconfig.SINCE:
        pytest.skip("this git has configured hooks")
    with pytest.raises(UsageError, match="has no configured hooks"):
        install.install(opened(repo), way="config")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    with pytest.raises(UsageError, match="has no configured hooks"):
        install.plan_global(tmp_path, install.Wish())
    # the user's own directory of hooks is one that git allows
    shared = tmp_path / "shared"
    (tmp_path / "gitconfig").write_text(f"[core]\n\thooksPath = {shared}\n")
    done = install.apply(install.plan_global(tmp_path, install.Wish(ONE)))
    assert done == ((shared / "commit-msg", True),)
    with pytest.raises(UsageError, match="other repositories may share") as caught:
        install.install(opened(repo), ONE)
    assert "--global" in caught.value.hint
    assert install.apply(install.plan_global_removal(tmp_path)) == ((shared / "commit-msg", True),)


@pytest.mark.parametrize("python", ["/a b/python", "/quo'te/python", "/dol$(touch x)lar/python", sys.executable])
def test_a_command_is_one_shell_line_whatever_the_interpreter_is_called(tmp_path: Path, python: str) -> None:
    text = hookconfig.command("commit-msg", python)
    assert hookconfig.ours(text)
    assert hookconfig.ours(text.replace("commit-msg", "pre-push")) is False
    assert hookconfig.ours("true") is None
    done = subprocess.run(
        ["/bin/sh", "-c", f'{text} "$@"', "x", "missing"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "GIT_EDITOR": ":"},
    )  # fmt: skip
    assert done.returncode == (2 if python == sys.executable else 3)
    assert ("cannot read the message file" if python == sys.executable else f"{python} or its chainverify is gone") in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert hookfiles.call("pre-push", python).count("this push is refused") == 1
