"""What README.md shows is what happens: its picture, its policy, its commands."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from chainverify.cli.main import VERBS, cli
from chainverify.policy import load
from chainverify.rules.table import RULES
from tests.demo import Demo, environment, history
from tests.world.gpg import GpgHome

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("gpg"), pytest.mark.tool("ssh-keygen")]


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)


def masked(text: str) -> str:
    """Without what differs from run to run: object ids, keys and the digest of the policy that holds them."""
    text = re.sub(r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:KEY", text)
    return re.sub(r"sha256:[0-9a-f]{12}", "sha256:DIGEST", re.sub(r"commit [0-9a-f]{12}", "commit OID", text))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    demo = Demo(tmp_path_factory.mktemp("readme"))
    with GpgHome.create() as gpg:
        yield history(demo, gpg).path


def test_the_picture_is_real_output(shop: Path) -> None:
    (picture,) = blocks("console")
    command, _, shown = picture.partition("\n")
    done = subprocess.run(
        [sys.executable, "-m", *command.removeprefix("$ ").split()],
        cwd=shop, capture_output=True, text=True, check=False, timeout=60, env=environment(),
    )
    assert masked(done.stdout) == masked(shown)
    assert done.returncode == 1


def test_the_policy_of_the_readme_loads() -> None:
    (policy,) = blocks("toml")
    found = load.parse(policy.encode(), "README.md")
    assert found.commits is not None
    assert found.messages is not None
    assert found.images is not None


def test_commands_and_options_exist() -> None:
    context = click.Context(cli)
    commands = [command for name in VERBS if (command := cli.get_command(context, name)) is not None]
    commands += [below for command in commands if isinstance(command, click.Group) for below in command.commands.values()]
    known = {option for command in commands for parameter in command.params for option in parameter.opts}
    for page in PAGES:
        code = "\n".join(re.findall(r"```.*?```", page.read_text(), re.S))
        for line in re.findall(r"^(?:\$ )?chainverify ([^#\n]*)", code, re.M):
            words = line.split()
            assert words[0] in VERBS, (page.name, line)
            assert {word for word in words if word.startswith("--")} <= known, (page.name, line)


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for target in re.findall(r"(?:^|`|\$ )make ([a-z]+)", page.read_text(), re.M):
            assert re.search(rf"^{target}:", makefile, re.M), (page.name, target)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_rules_that_pages_name_exist() -> None:
    for page in PAGES:
        families = "commit|signature|signer|message|image|manifest|tag|ref|history"
        for name in re.findall(rf"`((?:{families})-[a-z-]+)`", page.read_text()):
            assert name in RULES or name in ("commit-msg", "reference-transaction"), (page.name, name)
