"""A checkup as text and as JSON, version 1. Everything that it names may be hostile and is escaped."""

from __future__ import annotations

from typing import Final

from chainverify._version import __version__
from chainverify.model.checkup import Checkup, State
from chainverify.output.escape import escape

_COLOURS: Final[dict[State, str]] = {"ok": "32", "warn": "33", "problem": "1;31", "unknown": "1;35"}
_VERDICTS: Final = {0: "ok", 1: "problem", 3: "unknown"}


def render(found: Checkup, *, colour: bool = False, quiet: bool = False) -> str:
    """A line per check with what to do below it; then the hooks in git's order. `quiet` leaves out what is well."""
    lines = []
    for each in found.checks:
        if quiet and each.state == "ok":
            continue
        word = each.state.ljust(7)
        shown = f"\x1b[{_COLOURS[each.state]}m{word}\x1b[0m" if colour else word
        lines.append(f"{shown}  {each.name}: {escape(each.message)}")
        lines += [f"         = help: {escape(line)}" for line in each.hint.split("\n") if line]
    if not quiet and found.hooks:
        lines += ["", "hooks, in the order in which git runs them:"]
        width = max(len(each.event) for each in found.hooks)
        for link in found.hooks:
            notes = "" if link.runs else "  (does not run)"
            mark = "chainverify" if link.ours else "other"
            lines.append(f"  {link.event.ljust(width)}  {mark.ljust(11)}  {link.source}: {escape(link.name)}{notes}")
    return "".join(f"{line}\n" for line in lines)


def records(found: Checkup) -> dict[str, object]:
    """The same for JSON."""
    return {
        "version": 1,
        "tool": {"name": "chainverify", "version": __version__},
        "verdict": _VERDICTS[found.exit_status],
        "checks": [each._asdict() for each in found.checks],
        "hooks": [each._asdict() for each in found.hooks],
    }
