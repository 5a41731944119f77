"""`.pre-commit-hooks.yaml`: the hooks that it offers, and a real run of pre-commit and prek that build one from a clone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from chainverify.cli.main import VERBS
from chainverify.model.hooks import LOCAL
from tests.conftest import find_tool
from tests.hook.test_commit_msg import POLICY
from tests.world.repository import Repository

ROOT = Path(__file__).parent.parent.parent
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
LEFT_OUT = {"pre-push", "applypatch-msg"}
"""The one is shown a single ref there, the other is no stage of pre-commit's."""


def test_all_local_hooks_are_offered_and_all_call_what_there_is() -> None:
    entries = {hook["id"]: hook["entry"].split() for hook in HOOKS}
    events = {hook["stages"][0] for hook in HOOKS if hook["entry"].startswith("chainverify hook ")}
    assert events == set(LOCAL) - LEFT_OUT
    for name, (program, verb, *rest) in entries.items():
        assert program == "chainverify"
        assert verb in VERBS
        if verb == "hook":
            assert name == f"chainverify-{rest[0]}"
    assert all(hook["language"] == "python" for hook in HOOKS)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository with what this one ships."""
    repo = Repository.create(tmp_path_factory.mktemp("clone") / "chainverify")
    for name in ("src", "hooks"):
        shutil.copytree(ROOT / name, repo.path / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, repo.path / name)
    repo.git("add", "-A")
    repo.commit("all of it", tree=repo.git("write-tree"))
    return repo


@pytest.mark.tool("git")
@pytest.mark.parametrize("manager", [pytest.param(each, marks=pytest.mark.tool(each)) for each in ("pre-commit", "prek")])
def test_a_real_run(manager: str, tmp_path: Path, clone: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    program = find_tool(manager) or manager
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PREK_HOME", str(tmp_path / "cache"))
    repo = Repository.create(tmp_path / "repo")
    repo.configure(user__name="A", user__email="a@example.org")
    (repo.path / ".chainverify").mkdir()
    (repo.path / ".chainverify" / "policy.toml").write_text(POLICY)
    (repo.path / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {clone.path}\n  rev: {clone.tip()}\n"
        "  hooks:\n  - id: chainverify-commit-msg\n  - id: chainverify-policy\n"
    )
    repo.git("add", "-A")

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=repo.path, env=dict(os.environ), capture_output=True, text=True, check=False, timeout=900,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    done = run(program, "install", "--install-hooks", "-t", "commit-msg")
    assert done.returncode == 0, done.stdout + done.stderr
    refused = run("git", "commit", "-q", "-m", "fix it")
    assert refused.returncode == 1
    assert "message-ticket" in refused.stdout + refused.stderr
    accepted = run("git", "commit", "-q", "-m", "JIRA-1: fix it")
    assert accepted.returncode == 0, accepted.stderr
    (repo.path / ".chainverify" / "policy.toml").write_text("version = 1\n[messges]\n")
    repo.git("add", "-A")
    judged = run(program, "run", "chainverify-policy")
    assert judged.returncode == 1
    assert "unknown key" in judged.stdout + judged.stderr
