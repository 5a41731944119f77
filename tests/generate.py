"""Writes what is derived from tables: a page per rule, and the policy's JSON Schema. `make docs`; the tests compare.

    python -m tests.generate            write
    python -m tests.generate --check    exit 1 where a file would change
"""

from __future__ import annotations

import sys
from pathlib import Path

from chainverify.policy import schema
from chainverify.rules.table import RULES, RuleText

ROOT = Path(__file__).parent.parent


def rule_page(row: RuleText) -> str:
    """The page of one rule."""
    outcome = {
        "fail": "Findings fail (exit status 1).",
        "unknown": "Findings are *not decided* (exit status 3): what could not be checked is never a pass.",
        "pass": "Findings pass, or are skips that the policy asks for.",
    }[row.status]
    setting = "" if row.id == "verified" else f'\n```toml\n[rules]\n{row.id} = "advise"   # or "off"; default "enforce"\n```\n'
    return (
        f"# {row.id}\n\n{row.title}.\n\n## Why\n\n{row.why}\n\n## Looks like\n\n```text\n{row.example}\n```\n\n"
        f"## What to do\n\n{row.remedy}\n\n## Outcome\n\n{outcome}\n{setting}"
    )


def index_page() -> str:
    """The list of all rules by family."""
    start = "Every finding names one of these ids; they never change. `chainverify rule ID` prints the same text."
    lines = ["# Rules", "", start, ""]
    for family in dict.fromkeys(row.family for row in RULES.values()):
        lines += [f"## {family}", "", "| rule | means |", "| --- | --- |"]
        lines += [f"| [{row.id}]({row.id}.md) | {row.title} |" for row in RULES.values() if row.family == family]
        lines.append("")
    return "\n".join(lines)


def files() -> dict[Path, str]:
    """Everything derived: path to content."""
    found = {ROOT / "docs" / "rules" / f"{row.id}.md": rule_page(row) for row in RULES.values()}
    found[ROOT / "docs" / "rules" / "index.md"] = index_page()
    found[ROOT / "src" / "chainverify" / "policy" / "schema.json"] = schema.text()
    return found


def main(arguments: list[str]) -> int:
    wrong = [path for path, text in files().items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in wrong:
            print(f"out of date: {path.relative_to(ROOT)}; run: make docs")
        return 1 if wrong else 0
    for path in wrong:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files()[path])
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
