"""The command line called in this process (fast) and as a program, and the repositories that it is tried on."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
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


class Desk(NamedTuple):
    """A developer's machine: a home with a space in its name, a repository with a policy that knows nobody, and the command."""

    home: Path
    repo: Repository
    run: Run

    @property
    def path(self) -> Path:
        return self.repo.path

    @property
    def config(self) -> Path:
        return self.repo.git_dir / "config"

    @property
    def policy_file(self) -> Path:
        return self.path / ".chainverify" / "policy.toml"

    def __call__(self, *arguments: str, **environment: str) -> Result:
        return self.run(self.path, "sign-setup", *arguments, **environment)

    def json(self, *arguments: str, status: int, **environment: str) -> dict[str, Any]:
        done = self(*arguments, "--output-format", "json", **environment)
        assert done.status == status, done
        found: dict[str, Any] = json.loads(done.out)
        return found

    def key(self, name: str = "id_ed25519", comment: str = "") -> SshKey:
        return SshKey.create(self.home / ".ssh", name, comment=comment)

    def git(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The developer's own git, with nothing but what sign-setup wrote."""
        return subprocess.run(["git", *arguments], cwd=self.path, check=check, capture_output=True, text=True, timeout=60)

    def add(self, stanza: dict[str, Any]) -> None:
        """What the owner of the policy does with what was printed."""
        self.policy_file.write_text(self.policy_file.read_text() + "\n".join(["", *stanza["lines"], ""]))
        for name, text in stanza["files"].items():
            path = self.policy_file.parent / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def commits(self) -> None:
        """A commit and a tag as the developer makes them every day; the policy accepts both."""
        self.git("commit", "-q", "--allow-empty", "-m", "work")
        self.git("tag", "-m", "release", "v1")
        done = self.run(self.path, "commits", "HEAD^!", "--tags", "--output-format", "json")
        assert done.status == 0, done
        assert (done.report["subjects"]["commits"], done.report["subjects"]["tags"]) == (1, 1)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> Desk:
    home = tmp_path / "my home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    (home / ".gitconfig").write_text("# mine\n[user]\n\tname = Dora Example\n\temail = dora@example.org\n")
    # no key of the machine that runs the tests
    empty = tmp_path / "gnupg"
    empty.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(empty))
    repo = Repository.create(tmp_path / "my repository")
    repo.commit("begin", {".chainverify/policy.toml": "version = 1\n[commits]\n"})
    return Desk(home, repo, run)


@pytest.fixture
def gnupg(monkeypatch: pytest.MonkeyPatch) -> Iterator[GpgHome]:
    with GpgHome.create() as home:
        monkeypatch.setenv("GNUPGHOME", str(home.path))
        yield home


def program(directory: Path, name: str, text: str) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def on_path(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
