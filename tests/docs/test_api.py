"""The examples of docs/api.md, executed in order in a repository made for them, with the output that the page shows."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

import chainverify
from chainverify import _api
from tests.world.repository import Repository
from tests.world.ssh import SshKey

PAGE = Path(__file__).parent.parent.parent / "docs" / "api.md"

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen")]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.S | re.M)


def test_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = SshKey.create(tmp_path / "keys", "alice")
    repo = Repository.create(tmp_path / "shop")
    signer = f'name = "Alice Example"\nemails = ["alice@example.org"]\nssh = "{key.public}"\n'
    policy = f"version = 1\n[commits]\n[[signers]]\n{signer}"
    image = "registry.example.org/shop/web:1.4"
    pod = f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n\n\nspec:\n  containers:\n    - image: {image}\n"
    repo.commit("first", {".chainverify/policy.toml": policy, "deploy/web.yaml": pod}, key=key)
    repo.commit("second", {"a": "1"})
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code, expected in zip(blocks("python"), blocks("text"), strict=True):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, str(PAGE), "exec"), names)
        # object ids differ from run to run: the page shows four digits and an ellipsis
        wanted = re.sub(r"[0-9a-f]{4}…", "[0-9a-f]{8}", re.escape(expected).replace(r"\…", "…"))
        assert re.fullmatch(wanted, said.getvalue()), said.getvalue()


def test_the_public_names_are_there_and_load_late() -> None:
    assert set(chainverify.__all__) == {*_api.__all__, "__version__"}
    for name in chainverify.__all__:
        assert getattr(chainverify, name) is not None
        assert name in dir(chainverify)
    with pytest.raises(AttributeError):
        chainverify.nothing  # noqa: B018
