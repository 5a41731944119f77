"""The `json` output format: version 1 of the contract's report, as ASCII, so that no terminal is reached by hostile bytes."""

from __future__ import annotations

import json

from chainverify.model.report import Report
from chainverify.output import record


def render(report: Report, tool_version: str) -> str:
    """The report as one JSON document with a final line end."""
    return json.dumps(record.report(report, tool_version), indent=2, ensure_ascii=True) + "\n"
