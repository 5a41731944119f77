"""An explanation as text, and as a record for JSON. Everything that came from outside is escaped; claims are marked as such."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chainverify.model.explanation import Explanation, Section
from chainverify.output import record as report_record
from chainverify.output.escape import escape

_MARKS: Final = {
    "passed": "ok", "failed": "FAILED", "not decided": "NOT DECIDED", "not reached": "not reached", "skipped": "skipped",
}  # fmt: skip
_COLOURS: Final = {"passed": "32", "failed": "31", "not decided": "33", "not reached": "2", "skipped": "36"}
CLAIM: Final = "claimed"


def render(value: Explanation, *, colour: bool = False) -> str:
    """The facts by section, then the steps; the findings are for the caller to put below."""
    lines: list[str] = []
    for section in value.sections:
        lines += [_painted(section.title, "1", colour), *_facts(section, colour), ""]
    if value.steps:
        lines.append(_painted("steps", "1", colour))
        width = max(len(step.name) for step in value.steps)
        mark = max(len(_MARKS[step.status]) for step in value.steps)
        for step in value.steps:
            shown = _painted(_MARKS[step.status].ljust(mark), _COLOURS[step.status], colour)
            lines.append(f"  {shown}  {step.name.ljust(width)}  {escape(step.detail)}")
        lines.append("")
    if value.note:
        lines += [f"not judged: {escape(value.note)}", ""]
    return "\n".join(lines) + "\n"


def proposal(value: Explanation, *, colour: bool = False) -> str:
    """What would change the verdict, empty where nothing is proposed."""
    if not value.proposal:
        return ""
    lines = [_painted("what would change this", "1", colour), *(f"  {escape(line)}" for line in value.proposal), ""]
    return "\n".join(lines) + "\n"


def record(value: Explanation, tool_version: str) -> dict[str, object]:
    """The explanation for JSON; `report` is that of the contract."""
    return {
        "version": 1,
        "kind": value.kind,
        "id": value.oid,
        "sections": [
            {"title": section.title, "facts": [fact._asdict() for fact in section.facts]} for section in value.sections
        ],
        "steps": [step._asdict() for step in value.steps],
        "note": value.note,
        "proposal": {"trust": "observed", "toml": "".join(f"{line}\n" for line in value.proposal)} if value.proposal else None,
        "report": {
            **report_record.head(value.report, tool_version),
            "findings": [report_record.finding(each) for each in value.report.findings],
        },
    }


def _facts(section: Section, colour: bool) -> Iterator[str]:
    width = max(len(fact.label) for fact in section.facts)
    for fact in section.facts:
        claim = f"  {_painted(f'[{CLAIM}]', '33', colour)}" if fact.claim else ""
        yield f"  {escape(fact.label).ljust(width)}  {escape(fact.value)}{claim}"


def _painted(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text
