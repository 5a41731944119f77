"""Writes what is derived from tables: a page per rule, and the policy's JSON Schema. `make docs`; the tests compare.

    python -m tests.generate            write
    python -m tests.generate --check    exit 1 where a file would change
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from chainverify.model.ruleids import ALWAYS
from chainverify.policy import schema
from chainverify.rules.codes import CODES
from chainverify.rules.notes import NOTES
from chainverify.rules.table import RULES, RuleText

ROOT = Path(__file__).parent.parent


def rule_page(row: RuleText) -> str:
    """The page of one rule."""
    outcome = {
        "fail": "Findings fail (exit status 1).",
        "unknown": "Findings are *not decided* (exit status 3): what could not be checked is never a pass.",
        "pass": "Findings pass, or are skips that the policy asks for.",
    }[row.status]
    if row.id == "verified":
        setting = ""
    elif row.id in ALWAYS:
        setting = (
            "\nThis rule cannot be relaxed: it says that something was not looked at, and that is never a pass. A policy whose "
            "`[rules]`\nset it to `\"advise\"` or `\"off\"` is refused.\n"
        )
    else:
        setting = f'\n```toml\n[rules]\n{row.id} = "advise"   # or "off"; default "enforce"\n```\n'
    return (
        f"# {row.id}\n\n{row.title}.\n\n## Why\n\n{row.why}\n\n## Looks like\n\n```text\n{row.example}\n```\n\n"
        f"## What to do\n\n{row.remedy}\n\n## Outcome\n\n{outcome}\n{setting}"
    )


def notes_page() -> str:
    """All notes and codes of the evidence."""
    start = (
        "The evidence of a finding holds a `code`, the finer result, and `notes`: what was seen and is no reason to refuse. They "
        "are in JSON reports, and `chainverify explain` shows them. `chainverify rule NAME` prints the same text."
    )
    lines = [
        "# Notes and codes", "", start, "", "## Notes", "", "| note | about | when | what to do |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for note in NOTES.values():
        name = f"{note.note}..." if note.note.endswith(":") else note.note
        lines.append(f"| `{name}` | {note.about} | {note.when} | {note.remedy} |")
    lines += ["", "## Codes", "", "| code | reported by | means |", "| --- | --- | --- |"]
    for code in CODES.values():
        rules = ", ".join(f"[{rule}]({rule}.md)" for rule in code.rules)
        lines.append(f"| `{code.code}` | {rules} | {code.meaning} |")
    return "\n".join([*lines, ""])


def index_page() -> str:
    """The list of all rules by family."""
    start = (
        "Every finding names one of these ids; they never change. `chainverify rule ID` prints the same text. The codes and "
        "notes in the evidence are [explained too](notes.md)."
    )
    lines = ["# Rules", "", start, ""]
    for family in dict.fromkeys(row.family for row in RULES.values()):
        lines += [f"## {family}", "", "| rule | means |", "| --- | --- |"]
        lines += [f"| [{row.id}]({row.id}.md) | {row.title} |" for row in RULES.values() if row.family == family]
        lines.append("")
    return "\n".join(lines)


POLICY_INTRO = """\
# Policy reference

`.chainverify/policy.toml`, format version 1. This page comes from the same description that the loader and the JSON Schema
(`chainverify policy schema`) are made of.

- A section that is absent asks nothing: without `[commits]` no signature is checked, without `[messages]` no message, without
  `[images]` no image.
- Where a list is expected a single value will do. Paths are relative to the policy file; a policy inside a repository names
  only files of the same tree, through no symbolic link and no `..`.
- In globs `**` crosses `/`, `*` does not, and the whole value must match.
- Names of people, or `role:NAME` for whoever holds a role, stand wherever signers are asked for.
- Unknown keys, wrong types, unreadable keys and contradictions are errors (exit status 2) with line, dotted path and the nearest
  known key. Keys that the format knows and this version cannot enforce are errors too, unless they ask for nothing.
- Where the policy comes from decides how far it is trusted: `external` (a file outside the repository, `--policy`), `base` (an
  older or other revision, `--policy-ref`, or the old tip of the default branch on a server), `self` (the very tree that is
  judged). CI refuses `self` unless `--allow-self-policy` is given; servers never take it.
- Who may sign what lands on a ref (`[[refs]]`) and who may change the policy (`[policy] signers`) are questions about an update
  of a ref: the server's `pre-receive` hook answers them for every push. `chainverify check` judges commits, tags, messages and
  images; to it every commit may be by any person of `[[signers]]`.
- `observed = true` may stand in `[commits]`, `[messages]`, `[images]`, `[[signers]]` and `[[images.trust]]`. `chainverify init`
  writes it beside what it only saw in the repository: a key that made a signature, or a point from which history is excused, is
  not thereby the right one. On your own machine the table works as it stands; CI and the server's hook refuse the whole policy
  (exit status 2), and `install --server --policy` does not install it. Check each key with its owner over another channel, then
  remove the line.
"""


def policy_page() -> str:
    """The reference of all keys, section by section."""
    lines = [POLICY_INTRO]
    pending: list[str] = []

    def section(title: str, node: dict[str, Any], path: str) -> None:
        plain = []
        nested = []
        for key, value in node["properties"].items():
            inner = _table_of(value)
            if key == "observed" or ("not" in value and not value.get("description")):
                continue
            if "not enforced by this version yet" in value.get("description", ""):
                pending.append(f"{path}{key}")
            elif inner is not None:
                named = f"{key}.NAME" if "additionalProperties" in value and "properties" not in value else key
                nested.append((named, inner, any(each.get("type") == "array" for each in value.get("anyOf", ()))))
            else:
                plain.append((key, value))
        required = set(node.get("required", ()))
        if path == "rules.":
            takes = 'Each rule id takes `"enforce"`, `"advise"` or `"off"`:'
            lines.extend([f"## {title}", "", node.get("description", ""), "", takes, ""])
            always = [key for key, _ in plain if key in ALWAYS]
            lines.extend([", ".join(f"[`{key}`](rules/{key}.md)" for key, _ in plain if key not in always), ""])
            lines.extend(['These say that something was not looked at, and cannot be relaxed (they take only `"enforce"`):', ""])
            lines.extend([", ".join(f"[`{key}`](rules/{key}.md)" for key in always), ""])
            return
        if plain:
            lines.extend([f"## {title}", ""])
            if node.get("description"):
                lines.extend([node["description"], ""])
            lines.extend(["| key | means | values | default |", "| --- | --- | --- | --- |"])
            for key, value in plain:
                default = json.dumps(value["default"]) if "default" in value else "required" if key in required else ""
                shown = f"`{default}`" if default and default != "required" else default
                lines.append(f"| `{key}` | {value.get('description', '')} | {_values(value)} | {shown} |")
            lines.append("")
        for key, inner, several in nested:
            full = f"{path}{key}"
            section(f"`[[{full}]]`" if several else f"`[{full}]`", inner, f"{full}.")

    section("Top level", schema.schema(), "")
    lines += ["## Known to the format, not enforced by this version", "", ", ".join(f"`{key}`" for key in pending), ""]
    return "\n".join(lines)


def _table_of(value: dict[str, Any]) -> dict[str, Any] | None:
    """The table that a key holds, itself or as the element of an array; None for plain values."""
    for candidate in (value, *value.get("anyOf", ()), value.get("additionalProperties")):
        if isinstance(candidate, dict) and "properties" in candidate:
            return dict(candidate)
    return None


def _values(value: dict[str, Any]) -> str:
    """What a key takes, in words."""
    if "anyOf" in value:
        return f"list of {_values(value['anyOf'][0])}"
    if "enum" in value:
        return ", ".join(f"`{json.dumps(each)}`" for each in value["enum"])
    if value.get("type") == "integer":
        return f"{value['minimum']} to {value['maximum']}"
    if value.get("pattern", "").startswith("^[0-9]{4}-"):
        return "date, or date and time"
    return {"string": "text", "boolean": "`true`, `false`", "object": "table of texts"}.get(str(value.get("type")), "")


def files() -> dict[Path, str]:
    """Everything derived: path to content."""
    found = {ROOT / "docs" / "rules" / f"{row.id}.md": rule_page(row) for row in RULES.values()}
    found[ROOT / "docs" / "rules" / "index.md"] = index_page()
    found[ROOT / "docs" / "rules" / "notes.md"] = notes_page()
    found[ROOT / "docs" / "policy.md"] = policy_page()
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
