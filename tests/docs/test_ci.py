"""The workflow of docs/ci.md: YAML that Actions would take, and scripts that shells read and that run what is documented."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

PAGE = (Path(__file__).parent.parent.parent / "docs" / "ci.md").read_text()


def workflow() -> dict[Any, Any]:
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.S | re.M)
    found = yaml.safe_load(text)
    assert isinstance(found, dict)
    return found


def test_the_workflow_is_yaml_with_the_shape_of_one() -> None:
    found = workflow()
    # YAML 1.1 reads the key `on` as true; Actions does not
    assert set(found) == {"name", True, "permissions", "jobs"}
    assert set(found[True]) == {"pull_request", "push"}
    (job,) = found["jobs"].values()
    assert set(job) == {"runs-on", "env", "steps"}
    assert all(set(step) == {"name", "run"} for step in job["steps"])


def test_no_expression_stands_in_a_script() -> None:
    """`${{ }}` in a script is text that an attacker's branch name becomes a part of."""
    (job,) = workflow()["jobs"].values()
    for step in job["steps"]:
        assert "${{" not in step["run"]
        for name in re.findall(r"\$([A-Z_]+)", step["run"]):
            assert name in job["env"] or name == "RUNNER_TEMP", name


@pytest.mark.parametrize("base", ["main", ""])
def test_the_scripts_are_shell_and_check_as_the_table_says(tmp_path: Path, base: str) -> None:
    (job,) = workflow()["jobs"].values()
    for step in job["steps"]:
        subprocess.run(["/bin/sh", "-n"], input=step["run"], text=True, check=True)
    program = tmp_path / "chainverify" / "bin" / "chainverify"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    environment = {"PATH": "/usr/bin:/bin", "RUNNER_TEMP": str(tmp_path), "BASE": base, "BEFORE": "BEFORE"}
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", job["steps"][-1]["run"]], env=environment, capture_output=True, text=True, check=True
    )
    assert f"`chainverify {done.stdout.strip()}`" in PAGE
