"""The examples of docs/signing.md, run in order on a developer's machine made for them, with the output that the page shows."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_keys import fits
from tests.world.repository import Repository
from tests.world.ssh import SshKey

PAGE = Path(__file__).parent.parent.parent / "docs" / "signing.md"
POLICY = 'version = 1\n[commits]\n[[signers]]\nname = "Alice Example"\nemails = ["alice@example.org"]\nssh = ["{key}"]\n'

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen")]


def test_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / "gnupg").mkdir(mode=0o700, parents=True)
    (home / ".gitconfig").write_text("[user]\n\tname = Dora Example\n\temail = dora@example.org\n")
    for name, value in (("HOME", home), ("GNUPGHOME", home / "gnupg"), ("GIT_CONFIG_GLOBAL", home / ".gitconfig")):
        monkeypatch.setenv(name, str(value))
    SshKey.create(home / ".ssh", "id_ed25519", comment="dora@laptop")
    repo = Repository.create(tmp_path / "shop")
    alice = SshKey.create(tmp_path / "keys", "alice")
    repo.commit("begin", {".chainverify/policy.toml": POLICY.format(key=alice.public)}, key=alice)
    before = (repo.git_dir / "config").read_bytes()
    examples = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(examples) == 6
    statuses = []
    for command, shown in examples:
        words = [os.path.expanduser(word) for word in shlex.split(command)]
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=repo.path, capture_output=True, text=True, check=False, timeout=120,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert fits(shown, done.stdout + done.stderr), f"{command}\n{done.stdout}{done.stderr}"
        statuses.append(done.returncode)
    assert statuses == [0, 1, 0, 0, 0, 0]
    assert (repo.git_dir / "config").read_bytes() == before
