"""The `json` output format: version 1 of the contract's report, as ASCII, so that no terminal is reached by hostile bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator

from chainverify.model.report import Report
from chainverify.output import record


def render(report: Report, tool_version: str) -> Iterator[str]:
    """The report as one JSON document with a final line end, in pieces: a history of many commits is never held as text."""
    yield _indented(record.head(report, tool_version), 0).removesuffix("\n}") + ',\n  "findings": ['
    separator = "\n    "
    for each in report.findings:
        yield separator + _indented(record.finding(each), 4)
        separator = ",\n    "
    yield "\n  ]" if report.findings else "]"
    if report.images is not None:
        yield ',\n  "images": ' + _indented(list(report.images), 2)
    yield "\n}\n"


def _indented(value: object, columns: int) -> str:
    """A value as JSON whose later lines are moved to the right; a line end in a text is escaped, so all are the document's."""
    return json.dumps(value, indent=2, ensure_ascii=True).replace("\n", "\n" + " " * columns)
