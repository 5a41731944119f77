"""Shared fixtures. Real tools are found here, once: where one is missing a test is skipped with that reason, or fails
where CHAINVERIFY_REQUIRE_TOOLS is set (as it is in `.ci/run`)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from chainverify.cli.policies import CI_VARIABLES

# a busy machine is no failure; CI draws the same examples on every run, developers draw new ones
# .ci/full draws CHAINVERIFY_EXAMPLES times as many where a test does not say how many
_TIMES = int(os.environ.get("CHAINVERIFY_EXAMPLES", "1"))
settings.register_profile(
    "chainverify", deadline=None, derandomize=bool(os.environ.get("CI")) and _TIMES == 1, print_blob=True,
    max_examples=100 * _TIMES,
)
settings.load_profile("chainverify")

REQUIRED_EVERYWHERE = ("git", "gpg", "ssh-keygen")
"""Tools without which the suite proves nothing; the README names them."""
DOWNLOADED = ("husky", "lefthook", "pre-commit", "prek", "newer-git")
"""Tools that .ci/full downloads or builds: required only where CHAINVERIFY_REQUIRE_TOOLS is `full`."""


def find_tool(name: str) -> str | None:
    """The absolute path of an external program: `.tools/bin` of the checkout first, then PATH."""
    local = Path(__file__).parent.parent / ".tools" / "bin" / name
    return str(local) if local.is_file() else shutil.which(name)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("tool"):
        for name in marker.args:
            if find_tool(name) is None:
                reason = f"needs {name}, which is not installed"
                required = os.environ.get("CHAINVERIFY_REQUIRE_TOOLS")
                if required == "full" or (required and name not in DOWNLOADED) or name in REQUIRED_EVERYWHERE:
                    pytest.fail(reason, pytrace=False)
                pytest.skip(reason)


@pytest.fixture(autouse=True)
def _no_user_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test may see, or write to, the developer's own git, GnuPG, Docker or SSH configuration."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("GIT_", "CHAINVERIFY_POLICY", "CHAINVERIFY_OUTPUT", "CHAINVERIFY_CACHE")) or name in {
            "GNUPGHOME", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR",
            "XDG_STATE_HOME", "SSH_AUTH_SOCK", "NO_COLOR", "FORCE_COLOR", "CI", "CHAINVERIFY_DEBUG", *CI_VARIABLES,
        }:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("TZ", "UTC")
