"""The policies in the pages of the guide are policies."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chainverify.policy.load import parse

DOCS = Path(__file__).parent.parent.parent / "docs"
POLICIES = [
    pytest.param(page.name, text, id=f"{page.stem}-{number}")
    for page in sorted(DOCS.glob("*.md"))
    for number, text in enumerate(re.findall(r"```toml\n(version = 1\n.*?)```", page.read_text(), re.DOTALL))
]


def test_there_are_some() -> None:
    assert {"signatures.md"} <= {param.values[0] for param in POLICIES}


@pytest.mark.parametrize(("page", "text"), POLICIES)
def test_policies_of_the_guide_are_valid(page: str, text: str) -> None:
    parse(text.encode(), page)
