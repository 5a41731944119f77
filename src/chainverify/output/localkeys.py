"""The developer's own keys as a numbered table, and as records for JSON. All text may be hostile and is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from chainverify.model.localkeys import Holder, LocalKey
from chainverify.output.escape import escape
from chainverify.output.moment import moment

COMMENT_MAX: Final = 60
"""The characters of a comment that are shown."""


def render(
    keys: Sequence[LocalKey], holders: Mapping[LocalKey, Holder], used: LocalKey | None, *, policy: bool, colour: bool = False
) -> str:
    """A line per key, numbered where it can be chosen: format, fingerprint, what it is, until when, where, whose it is.

    `used` is the key that git signs with now; `policy` says that there is one to know people.
    """
    rows: list[tuple[str, ...]] = []
    number = 0
    for key in keys:
        number += not key.problem
        rows.append((
            f"{number}" if not key.problem else "-", key.format, escape(key.fingerprint) or "keyless", escape(key.algorithm),
            escape(shortened(key.comment)), _until(key), escape(key.where),
        ))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    lines = []
    for key, row in zip(keys, rows, strict=True):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        marks = [f"in the policy: {_holder(holders[key])}"] if key in holders else ["not in the policy"] if policy else []
        marks += ["git signs with it now"] if key == used else []
        if key.format == "gitsign":
            marks = [mark for mark in marks if mark != "not in the policy"]
        lines.append(f"  {_painted(line, '1', colour) if not key.problem else line}")
        if marks and not key.problem:
            lines.append(f"     {'; '.join(marks)}")
        if key.problem:
            lines.append(f"     {_painted('cannot be used', '31', colour)}: {escape(key.problem)}")
            lines += [f"     = help: {escape(key.remedy)}"] if key.remedy else []
    return "\n".join(lines) + "\n" if lines else ""


def record(key: LocalKey, holder: Holder | None, *, used: bool) -> dict[str, object]:
    """One key for JSON; times are RFC 3339 text in UTC."""
    return {
        "format": key.format, "kind": key.kind, "fingerprint": key.fingerprint, "signingkey": key.value, "where": key.where,
        "algorithm": key.algorithm, "comment": key.comment, "since": moment(key.since), "until": moment(key.until),
        "problem": key.problem, "remedy": key.remedy, "hardware": key.touch or key.card, "used": used,
        "holder": None if holder is None else holder._asdict(),
    }  # fmt: skip


def shortened(text: str) -> str:
    """A comment that cannot fill the terminal."""
    return text if len(text) <= COMMENT_MAX else text[: COMMENT_MAX - 1] + "…"


def _until(key: LocalKey) -> str:
    if key.until is None:
        return ""
    return f"until {moment(key.until).partition('T')[0]}"


def _holder(holder: Holder) -> str:
    state = "" if holder.state == "good" else f" ({holder.state})"
    mark = " (observed, not confirmed)" if holder.observed else ""
    return f"{escape(holder.name)}{state}{mark}" if holder.name else f"an authority or file that names people{state}"


def _painted(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text
