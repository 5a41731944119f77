"""A report as the records of the contract's JSON version 1: plain dictionaries in a fixed order of keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chainverify.model.images import ImageUse
from chainverify.model.report import FAIL, PASS, SKIP, UNKNOWN, Finding, Report, verdict

FORMAT_VERSION: Final = 1
SUBJECTS: Final = ("commits", "tags", "messages", "images", "refs", "files")


def head(value: Report, tool_version: str) -> dict[str, object]:
    """The report without its findings and images. `counts` are findings by status, `subjects` what was looked at by kind."""
    return {
        "version": FORMAT_VERSION,
        "tool": {"name": "chainverify", "version": tool_version},
        "verdict": verdict(value),
        "policy": None if value.policy is None else value.policy._asdict(),
        "counts": counts(value.findings),
        "subjects": {kind: value.subjects.get(kind, 0) for kind in SUBJECTS},
    }


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many findings have each status."""
    found = {PASS: 0, FAIL: 0, UNKNOWN: 0, SKIP: 0}
    for each in findings:
        found[each.status] += 1
    return dict(found)


def finding(value: Finding) -> dict[str, object]:
    """One finding; `location` is null where nothing in a file is meant."""
    where = value.location
    return {
        "rule": value.rule,
        "status": value.status,
        "level": value.level,
        "subject": {"kind": value.subject.kind, "id": value.subject.id},
        "location": None if where is None else {"path": where.path, "line": where.line or None, "column": where.column or None},
        "message": value.message,
        "hint": value.hint,
        "waived": value.waived,
        "evidence": value.evidence,
    }


def image(use: ImageUse) -> dict[str, object]:
    """One image reference found, resolved or not."""
    return {
        "path": use.path,
        "line": use.span.line,
        "column": use.span.column,
        "raw": use.raw,
        "canonical": use.reference.canonical if use.reference else None,
        "role": use.role,
        "resolution": use.resolution,
        "reason": use.reason,
    }
