"""The examples of docs/keys.md, run in order in a repository made for them, with the output that the page shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo import environment
from tests.world.gpg import GpgHome
from tests.world.repository import Person, Repository
from tests.world.ssh import SshKey

PAGE = Path(__file__).parent.parent.parent / "docs" / "keys.md"
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
MALLORY = Person("Mallory Example", "mallory@example.org")

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen"), pytest.mark.tool("gpg")]


def plain(text: str) -> list[str]:
    """Lines whose columns stand one space apart: keys are shortened on the page."""
    return [re.sub(r" {2,}", "  ", line).rstrip() for line in text.splitlines()]


def fits(shown: str, said: str) -> bool:
    """Whether the output is what the page shows, an ellipsis standing for any text."""
    wanted = "\n".join(plain(shown))
    pattern = re.escape(wanted).replace("…", "(?s:.+?)")
    return re.fullmatch(pattern, "\n".join(plain(said))) is not None


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    keys = {name: SshKey.create(tmp_path / "keys", name) for name in ("alice", "carol", "mallory")}
    repo = Repository.create(tmp_path / "shop")
    repo.commit("SHOP-1: begin", {".chainverify/policy.toml": POLICY.format(key=keys["alice"].public)}, key=keys["alice"])
    repo.commit("SHOP-2: add a payment method", {"a": "b"}, key=keys["mallory"], author=MALLORY, committer=MALLORY)
    (repo.path / "carol.pub").write_text(keys["carol"].public + "\n")
    with GpgHome.create() as home:
        (repo.path / "team").mkdir()
        (repo.path / "team" / "bob.asc").write_bytes(home.export(home.key("Bob Example <bob@example.org>")))
        (repo.path / "carol.asc").write_bytes(home.export(home.key("Carol Example <carol@example.org>")))
    examples = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```$", PAGE.read_text(), re.S | re.M)
    assert len(examples) == 7
    for command, shown in examples:
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(command)], cwd=repo.path, capture_output=True, text=True, check=False,
            timeout=60, env=environment(),
        )
        said = (done.stdout + done.stderr).replace(f"{repo.path}/", "")
        assert fits(shown, said), f"$ {command}\n{said}"
        assert done.returncode == (1 if "explain" in command else 0)


def test_the_options_of_the_table_exist() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chainverify", "keys", "add", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    for option in re.findall(r"`(--[a-z0-9-]+)`", PAGE.read_text().split("| option |")[1].split("\n\n")[0]):
        assert option in done.stdout
