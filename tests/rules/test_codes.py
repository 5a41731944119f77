"""The table of codes agrees with what the verifiers say, and `rule` finds every code and every rule that can occur."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chainverify.model import ruleids
from chainverify.rules import codes
from chainverify.rules.codes import CODES
from chainverify.rules.table import RULES
from tests.cli.conftest import Run, run  # noqa: F401 - a fixture

SOURCE = Path(__file__).parent.parent.parent / "src" / "chainverify"
ROOT = SOURCE.parent.parent
WORDS = {"COMMIT_EDITMSG", "LC_ALL", "PATH"}
"""Words of that form that are no codes."""


def named() -> set[str]:
    """Every code that stands as a string in the verifiers and the rules."""
    found: set[str] = set()
    for part in ("signatures", "transparency", "rules"):
        for path in (SOURCE / part).glob("*.py"):
            if path.name != "codes.py":
                text = path.read_text()
                found |= set(re.findall(r'code="([A-Z][A-Z_]+)"', text))
                found |= set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', text))
                found |= set(re.findall(r'"code": "([A-Z_]+)"', text))
    return found - WORDS


def test_every_code_has_a_row() -> None:
    assert named() - set(CODES) == set()


def test_every_code_has_one_row() -> None:
    rows = [row.code for row in codes._ROWS]
    assert len(rows) == len(set(rows))


def test_every_row_is_reported_by_rules_that_exist() -> None:
    text = "\n".join(path.read_text() for path in SOURCE.rglob("*.py") if path.name != "codes.py")
    for row in CODES.values():
        assert f'"{row.code}"' in text, row.code
        assert set(row.rules) <= set(RULES), row.code
        assert not row.meaning.endswith(".")


@pytest.mark.parametrize("rule", [*RULES])
def test_every_rule_has_a_page_and_is_explained(run: Run, tmp_path: Path, rule: str) -> None:  # noqa: F811
    page = (ROOT / "docs" / "rules" / f"{rule}.md").read_text()
    assert all(f"## {part}\n" in page for part in ("Why", "Looks like", "What to do", "Outcome"))
    done = run(tmp_path, "rule", rule)
    assert done.status == 0
    assert done.out.startswith(f"{rule}: ")
    assert "Example:  " in done.out
    assert "What to do: " in done.out


def test_every_rule_of_the_contract_is_explained_or_not_reported_yet() -> None:
    assert set(ruleids.RULE_IDS) - set(ruleids.NOT_YET) <= set(RULES)


@pytest.mark.parametrize("code", [*CODES, "no_key", "no-key"])
def test_a_code_leads_to_its_rules(run: Run, tmp_path: Path, code: str) -> None:  # noqa: F811
    done = run(tmp_path, "rule", code)
    row = CODES[code.upper().replace("-", "_")]
    assert done.status == 0
    assert row.meaning in done.out
    assert f"Reported by: {', '.join(row.rules)}" in done.out
    assert f"{row.rules[0]}: {RULES[row.rules[0]].title}" in done.out
