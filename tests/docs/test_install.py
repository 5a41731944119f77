"""docs/install.md says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import click
import yaml

from chainverify.cli.doctor import doctor
from chainverify.cli.install import install, uninstall
from chainverify.jobs import managers
from chainverify.model.checkup import STATES, Check, Link
from chainverify.model.hooks import LOCAL

TEXT = (Path(__file__).parent.parent.parent / "docs" / "install.md").read_text()


def options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def test_options_that_are_shown_are_there() -> None:
    for verb, command in (("install", install), ("uninstall", uninstall), ("doctor", doctor)):
        for line in re.findall(rf"chainverify {verb}([^`#\n]*)", TEXT):
            assert set(re.findall(r"(?<!\S)(-{1,2}[a-z][a-z-]*)", line)) <= options(command), line


def test_the_configuration_of_pre_commit_is_what_is_printed() -> None:
    shown = yaml.safe_load(TEXT.partition("```yaml\n")[2].partition("```")[0])
    printed = yaml.safe_load(managers.snippet("pre-commit", LOCAL))
    assert set(shown["default_install_hook_types"]) == set(printed["default_install_hook_types"])
    hooks = ({hook["id"] for hook in each["repos"][0]["hooks"]} for each in (shown, printed))
    assert next(hooks) == next(hooks)
    offered = yaml.safe_load((Path(__file__).parent.parent.parent / ".pre-commit-hooks.yaml").read_text())
    ids = {hook["id"] for hook in offered}
    assert {hook["id"] for hook in printed["repos"][0]["hooks"]} <= ids
    assert all(f"`{name}`" in TEXT or f"id: {name}" in TEXT for name in ids)


def test_every_name_of_the_record_is_told() -> None:
    told = set(re.findall(r"`([a-z-]+)`", TEXT))
    assert {*STATES, *Check._fields, *Link._fields, *LOCAL} <= told
