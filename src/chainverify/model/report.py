"""Findings and reports: the one form in which every verdict of chainverify is expressed (contract, JSON version 1).

Plain strings and NamedTuples on purpose: the commit-msg hook imports this module on every commit, and `enum` and
`dataclasses` cost more than the check itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Status: TypeAlias = Literal["pass", "fail", "unknown", "skip"]
PASS: Final = "pass"  # noqa: S105 - a verdict, not a secret
FAIL: Final = "fail"
UNKNOWN: Final = "unknown"
SKIP: Final = "skip"

Level: TypeAlias = Literal["error", "warning"]
Trust: TypeAlias = Literal["external", "base", "self"]
SubjectKind: TypeAlias = Literal["commit", "tag", "message", "image", "ref", "file"]

VERIFIED: Final = "verified"


class Subject(NamedTuple):
    """What a finding is about: `id` is a full object id, a canonical image reference, a full ref name or a path.

    `title` is for people only (a commit's subject line and author); it is hostile text and escaped on output.
    """

    kind: SubjectKind
    id: str
    title: str = ""


class Excerpt(NamedTuple):
    """The line a finding points at: `column` counts characters from 1, `width` characters are underlined."""

    text: str
    column: int = 1
    width: int = 1


class Location(NamedTuple):
    """Where a finding stands: a path or pseudo path, `line` and `column` from 1 (0: not known)."""

    path: str
    line: int = 0
    column: int = 0
    excerpt: Excerpt | None = None


class Finding(NamedTuple):
    """One verdict about one subject under one rule.

    `waived` names the trusted rule that excused it; `evidence` holds JSON-able facts. Frozen by use: nobody mutates it.
    """

    rule: str
    status: Status
    subject: Subject
    message: str
    hint: str = ""
    location: Location | None = None
    level: Level = "error"
    waived: str | None = None
    evidence: dict[str, object] = {}  # noqa: RUF012 - never mutated; a NamedTuple default must be a value


class PolicyRef(NamedTuple):
    """Where the policy of a report came from: a readable source, the digest of its bytes, and how far it is trusted."""

    source: str
    digest: str
    trust: Trust


class Report(NamedTuple):
    """All findings of one run; the verdict and counts are derived, so they cannot disagree with the findings.

    `subjects` counts what was looked at by kind; `images` are the image uses found, as contract records. `reason` says, for
    people, why there was nothing to judge and what to do next.
    """

    policy: PolicyRef | None
    findings: tuple[Finding, ...]
    subjects: dict[str, int]
    images: tuple[dict[str, object], ...] | None = None
    reason: str = ""


def distinct(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, each told once: what several walks over the same objects found is the same finding."""
    found: dict[tuple[object, ...], Finding] = {}
    for each in findings:
        found.setdefault((each.rule, each.status, each.subject, each.message, each.location), each)
    return list(found.values())


def counted(finding: Finding) -> bool:
    """Whether a finding takes part in the verdict: advice (level warning) and waived findings do not."""
    return finding.level == "error" and finding.waived is None


def verdict(report: Report) -> Literal["pass", "fail", "unknown"]:
    """FAIL beats UNKNOWN beats PASS; a run in which nothing was judged is UNKNOWN, never PASS.

    Judged is a subject that passes, or one that breaks a rule which the policy only advises; but not one that was skipped, for
    advice about a subject changes nothing.
    """
    statuses = {f.status for f in report.findings if counted(f)}
    if FAIL in statuses:
        return "fail"
    skipped = {f.subject.id for f in report.findings if f.status == SKIP}
    judged = any(
        f.status == PASS or (f.status == FAIL and f.level == "warning" and f.subject.id not in skipped) for f in report.findings
    )
    return "pass" if judged and UNKNOWN not in statuses else "unknown"


def exit_status(report: Report) -> int:
    """Exit status of a command: 0 good, 1 something is wrong, 3 something could not be decided (or nothing was)."""
    return {"pass": 0, "fail": 1, "unknown": 3}[verdict(report)]
