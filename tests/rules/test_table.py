"""The table of rules agrees with the code that reports them, with the contract's ids and with the committed pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chainverify.model import ruleids
from chainverify.rules.table import RULES, nearest
from tests import generate

SOURCE = Path(__file__).parent.parent.parent / "src" / "chainverify"
INTERNAL = {"internal", "usage", "policy"}
"""Rules of errors that leave as messages and exit statuses, not as findings."""


def reported() -> set[str]:
    """Every rule id that stands as a string in the code outside the tables."""
    known = set(RULES)
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if path.name in ("table.py", "ruleids.py"):
            continue
        found |= known & set(re.findall(r'"([a-z]+(?:-[a-z0-9]+)+|deadline|verified)"', path.read_text()))
    return found


def test_every_rule_of_the_table_is_reported_somewhere() -> None:
    assert set(RULES) - reported() - {"verified"} == set()


def test_every_rule_an_error_or_finding_names_has_a_row() -> None:
    text = "\n".join(path.read_text() for path in SOURCE.rglob("*.py") if path.name not in ("table.py", "ruleids.py"))
    named = set(re.findall(r'(?:rule=|rule: str = |Finding\(\s*)"([a-z-]+)"', text))
    assert named - set(RULES) - INTERNAL == set()


def test_ids_are_the_contract_s() -> None:
    assert set(RULES) - {"verified"} <= set(ruleids.RULE_IDS)


def test_texts_are_complete() -> None:
    for row in RULES.values():
        assert all((row.title, row.why, row.example, row.remedy))
        assert not row.title.endswith(".")
        assert row.example.startswith((row.id, "good", "verified"))


@pytest.mark.parametrize("path", generate.files(), ids=lambda path: path.name)
def test_committed_pages_are_current(path: Path) -> None:
    assert path.read_text() == generate.files()[path], "run: make docs"


def test_nearest() -> None:
    assert nearest("commit-unsinged") == "commit-unsigned"
    assert nearest("zzz") == ""
