"""The command line called in this process (fast) and as a program, and the repositories that it is tried on."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest

from chainverify import _entry
from tests import demo
from tests.world.gpg import GpgHome
from tests.world.repository import Repository
from tests.world.ssh import SshKey

SCHEMA = json.loads((Path(__file__).parent / "report.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


class Result(NamedTuple):
    """What a run left behind."""

    status: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON report on standard output, which must follow the schema."""
        return checked(self.out)

    def rules(self) -> list[tuple[str, str]]:
        """Rule and status of each finding that did not pass."""
        return [(each["rule"], each["status"]) for each in self.report["findings"] if each["status"] != "pass"]


def checked(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    VALIDATOR.validate(found)
    statuses = [each["status"] for each in found["findings"]]
    assert found["counts"] == {name: statuses.count(name) for name in ("pass", "fail", "unknown", "skip")}
    return found


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run(directory, *arguments, stdin=b"", **environment)`: `chainverify ARGUMENTS` in a directory."""

    def call(directory: Path, *arguments: str, stdin: bytes = b"", **environment: str) -> Result:
        with monkeypatch.context() as patch:
            patch.chdir(directory)
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            capsys.readouterr()
            status = _entry.main(list(arguments))
            assert Path.cwd() == directory
            captured = capsys.readouterr()
        assert "Traceback" not in captured.err + captured.out
        assert "internal error" not in captured.err
        return Result(status, captured.out, captured.err)

    return call


def start(directory: Path, *arguments: str, **streams: Any) -> subprocess.Popen[bytes]:
    """The program itself; `streams` go to Popen."""
    environment = {**os.environ, **streams.pop("env", {})}
    return subprocess.Popen([sys.executable, "-m", "chainverify", *arguments], cwd=directory, env=environment, **streams)


class Scene(NamedTuple):
    """The demo's repository: two good commits on `good`, four bad ones on `main`; images in an OCI layout. Not to be changed."""

    demo: demo.Demo
    repo: Repository

    @property
    def path(self) -> Path:
        return self.repo.path


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    made = demo.Demo(tmp_path_factory.mktemp("scene"))
    with GpgHome.create() as gpg:
        repo = demo.history(made, gpg)
    made.layout()
    return Scene(made, repo)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SshKey]:
    directory = tmp_path_factory.mktemp("keys")
    return {name: SshKey.create(directory, name) for name in ("alice", "mallory")}


POLICY = """\
version = 1
[commits]
[[signers]]
name = "Alice Example"
emails = ["alice@example.org"]
ssh = ["{key}"]
[messages]
tickets = ["SHOP"]
"""


def layout(scene: Scene) -> tuple[str, ...]:
    """Options that read the images of the scene, and nothing else."""
    return ("--layout", str(scene.demo.root / "images"), "--offline")


class Small(NamedTuple):
    """A repository with one good commit that holds its policy; a test may do anything to it."""

    repo: Repository
    alice: SshKey
    mallory: SshKey

    @property
    def path(self) -> Path:
        return self.repo.path

    def policy(self, text: str) -> None:
        """Replace the policy in the worktree."""
        (self.path / ".chainverify" / "policy.toml").write_text(text)

    @property
    def text(self) -> str:
        return (self.path / ".chainverify" / "policy.toml").read_text()

    def delete(self, oid: str) -> None:
        """Delete a loose object."""
        (self.repo.git_dir / "objects" / oid[:2] / oid[2:]).unlink()


@pytest.fixture
def small(tmp_path: Path, keys: dict[str, SshKey]) -> Small:
    repo = Repository.create(tmp_path / "repo")
    policy = POLICY.format(key=keys["alice"].public)
    repo.commit("SHOP-1: begin", {".chainverify/policy.toml": policy}, key=keys["alice"])
    return Small(repo, keys["alice"], keys["mallory"])
