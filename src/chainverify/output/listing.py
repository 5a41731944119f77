"""The text of `images --list`: one line per reference found, then what keeps the list from being complete, then totals."""

from __future__ import annotations

from chainverify.model.report import UNKNOWN, Report
from chainverify.output.escape import escape


def render(report: Report, *, colour: bool = False) -> str:
    """Lines of `PATH:LINE:COLUMN  CANONICAL  ROLE  RESOLUTION`; an unresolved one shows its text and the reason."""
    lines = []
    images = report.images or ()
    for image in images:
        place = f"{image['path']}:{image['line']}:{image['column']}"
        if image["canonical"] is None:
            what = f"{_one_line(str(image['raw']))!r}  {image['role']}  unresolved: {image['reason']}"
            shown = escape(what)
            lines.append(f"{escape(place)}  " + (f"\x1b[33m{shown}\x1b[0m" if colour else shown))
        else:
            lines.append(escape(f"{place}  {image['canonical']}  {image['role']}  {image['resolution']}"))
    for finding in report.findings:
        if finding.rule.startswith("manifest-"):
            where = finding.location
            place = f"{where.path}:{where.line}" if where and where.line else finding.subject.id
            lines.append(escape(f"{place}  {finding.rule}: {finding.message}"))
    unresolved = sum(1 for image in images if image["canonical"] is None)
    unreadable = sum(1 for finding in report.findings if finding.rule == "manifest-unreadable" and finding.status == UNKNOWN)
    lines.append(
        f"{_counted(len(images), 'reference')} in {_counted(report.subjects.get('files', 0), 'manifest file')}: "
        f"{len(images) - unresolved} resolved, {unresolved} unresolved, {unreadable} files or documents not readable"
    )
    return "\n".join(lines) + "\n"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _one_line(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."
