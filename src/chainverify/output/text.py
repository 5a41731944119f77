"""The `text` output format: made for people, one block per finding, one line of totals.

Everything that came from outside (messages hold parts of it too) goes through `escape`, so no terminal, log or web page
sees a control character of an attacker. With `gutter` every line starts with a visible character: forges trim the
leading blanks of hook output and would shift the carets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from chainverify.model.report import (
    FAIL,
    PASS,
    SKIP,
    UNKNOWN,
    Excerpt,
    Finding,
    Report,
    Status,
    Subject,
    counted,
    verdict,
)
from chainverify.output.escape import escape

SHOWN_PER_RULE: Final = 40
"""Findings of one rule that are shown in full; the totals count them all, `json` lists them all."""
EXCERPT_WIDTH: Final = 110
"""Characters of a source line that are shown around the place."""

_COLOURS: Final = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36", "bold": "1"}
_WORDS: Final = {
    "commits": ("commit", "commits"), "tags": ("tag", "tags"), "messages": ("message", "messages"),
    "images": ("image reference", "image references"), "refs": ("ref", "refs"), "files": ("manifest file", "manifest files"),
}  # fmt: skip
_VERDICTS: Final = {"pass": ("passed", "green"), "fail": ("failed", "red"), "unknown": ("not decided", "yellow")}


class Style(NamedTuple):
    """How text is drawn: `colour` with SGR sequences, `verbose` with passing findings, `gutter` for forges' logs."""

    colour: bool = False
    verbose: bool = False
    gutter: bool = False

    def paint(self, text: str, *names: str) -> str:
        """`text` in the named colours, as it is without `colour`."""
        if not self.colour or not text:
            return text
        return f"\x1b[{';'.join(_COLOURS[name] for name in names)}m{text}\x1b[0m"


def render(report: Report, style: Style) -> str:
    """The report as text with a final line end: notices first, then findings in order, then the totals."""
    lines = [line for block in _blocks(report, style) for line in (*block, "|" if style.gutter else "")]
    lines += _notices(report, style)
    lines.append(totals(report, style))
    return "\n".join(lines) + "\n"


def totals(report: Report, style: Style) -> str:
    """One line: the verdict, what was looked at, how it ended, under which policy."""
    word, colour = _VERDICTS[verdict(report)]
    looked = ", ".join(
        f"{count} {_WORDS[kind][count != 1]}" for kind in _WORDS if (count := report.subjects.get(kind, 0))
    )
    statuses = Counter(each.status for each in report.findings if counted(each) or each.status in (PASS, SKIP))
    ended = [f"{statuses[PASS]} good"] if statuses[PASS] else []
    bad: tuple[tuple[Status, str], ...] = ((FAIL, "failed"), (UNKNOWN, "not decided"))
    for status, name in bad:
        if statuses[status]:
            rules = Counter(each.rule for each in report.findings if each.status == status and counted(each))
            named = ", ".join(f"{rule} {count}" for rule, count in rules.most_common(5))
            ended.append(f"{statuses[status]} {name} ({named})")
    if statuses[SKIP]:
        ended.append(f"{statuses[SKIP]} skipped")
    warnings = sum(1 for each in report.findings if each.level == "warning" and each.status in (FAIL, UNKNOWN))
    if warnings:
        ended.append(f"{warnings} {'warning' if warnings == 1 else 'warnings'}")
    what = f"{looked} checked: {', '.join(ended) or 'nothing judged'}" if looked or ended else "nothing to check"
    if report.reason and not report.findings:
        what += f": {escape(report.reason)}"
    under = ""
    if report.policy:
        under = f" [policy {escape(report.policy.source)} {report.policy.digest[:19]}, trust {report.policy.trust}]"
    return f"{style.paint(word, 'bold', colour)}: {what}{under}"


def _notices(report: Report, style: Style) -> list[str]:
    if report.policy is not None and report.policy.trust == "self":
        text = "the policy comes from the judged tree (trust self): fine for your own feedback, refused by servers and CI"
        return [f"{style.paint('note', 'cyan')}: {text}"]
    return []


def _blocks(report: Report, style: Style) -> Iterator[list[str]]:
    """The lines of every finding that is shown."""
    shown: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for each in report.findings:
        if each.status == PASS and not style.verbose:
            continue
        if each.status == SKIP and not (style.verbose or each.waived):
            continue
        if not style.verbose:
            if shown[each.rule] >= SHOWN_PER_RULE:
                left[each.rule] += 1
                continue
            shown[each.rule] += 1
        yield finding(each, style)
    for rule, count in left.items():
        yield [f"{style.paint(rule, 'bold')}: {count} more like these (-v shows all, --output-format json lists all)"]


def finding(value: Finding, style: Style) -> list[str]:
    """One finding as lines: rule and message, place, excerpt with caret, what was tried, hint."""
    if value.status == PASS:
        return [f"{style.paint('good', 'green')}: {escape(value.message)}", _place(value, style)]
    word, colour = value.rule, "red"
    if value.status == SKIP:
        word, colour = "skipped", "cyan"
    elif value.level == "warning":
        word, colour = f"warning[{value.rule}]", "yellow"
    elif value.status == UNKNOWN:
        word, colour = f"{value.rule} (not decided)", "yellow"
    lines = [f"{style.paint(word, 'bold', colour)}: {style.paint(escape(value.message), 'bold')}", _place(value, style)]
    where = value.location
    if where is not None and where.excerpt is not None:
        lines += excerpt(where.excerpt, where.line, style)
    lines += [_detail("tried", line, style) for line in _candidates(value)]
    if value.waived:
        lines.append(_detail("excused", value.waived, style))
    if value.hint:
        lines.append(_detail("help", value.hint, style))
    elif value.status != SKIP and not style.gutter and value.rule != "internal":  # a pusher may lack the program
        lines.append(_detail("help", f"what to do: chainverify rule {value.rule}", style))
    return lines


def _place(value: Finding, style: Style) -> str:
    indent = "" if style.gutter else "  "
    where = value.location
    what = subject(value.subject)
    if where is not None and where.path:
        spot = f":{where.line}:{where.column}" if where.line and where.column else f":{where.line}" if where.line else ""
        if where.path == f"commit:{value.subject.id}":
            what += f", line {where.line} of the message" if where.line else ""
        else:
            what = f"{escape(where.path)}{spot}"
    return f"{indent}{style.paint('-->', 'blue')} {what}"


def subject(value: Subject) -> str:
    """A subject for people: short id and title of a commit, the id of everything else."""
    if value.kind in ("commit", "message", "tag"):
        oid = value.id if len(value.id) not in (40, 64) else value.id[:12]
        kind = "commit" if value.kind == "message" and len(value.id) in (40, 64) else value.kind
        title = value.title if value.title != value.id else ""
        return f"{kind} {escape(oid)}" + (f" {escape(title)}" if title else "")
    return f"{value.kind} {escape(value.id)}" + (f" {escape(value.title)}" if value.title else "")


def excerpt(value: Excerpt, line: int, style: Style) -> list[str]:
    """A source line with a caret line under it, cut around the place where it is long."""
    text, column = value.text, max(value.column, 1)
    if len(text) > EXCERPT_WIDTH:
        start = max(0, min(column - 1 - 30, len(text) - EXCERPT_WIDTH))
        text, column = text[start : start + EXCERPT_WIDTH], column - start
    before, marked, after = text[: column - 1], text[column - 1 : column - 1 + value.width], text[column - 1 + value.width :]
    shown = escape(before), escape(marked), escape(after)
    number = str(line) if line else ""
    margin = "|" if style.gutter else ""
    bar = style.paint("|", "blue")
    blank = f"{margin}{' ' * len(number)} {bar}"
    carets = " " * len(shown[0].expandtabs(1)) + style.paint("^" * max(1, len(shown[1])), "red")
    return [
        blank,
        f"{margin}{style.paint(number, 'blue')} {bar} {''.join(shown).expandtabs(1)}",
        f"{blank} {carets}",
    ]


def _candidates(value: Finding) -> list[str]:
    """What was tried for an image, most telling first as the verifier ordered it."""
    tried = value.evidence.get("candidates")
    lines: list[str] = []
    for each in tried if isinstance(tried, list) else []:
        if isinstance(each, dict) and not each.get("ok"):
            lines.append(f"{each.get('origin', '')}: {each.get('step', '')}: expected {each.get('expected', '')}, "
                         f"got {each.get('got', '')}")
    lines = list(dict.fromkeys(lines))
    return lines[:5] + ([f"{len(lines) - 5} more"] if len(lines) > 5 else [])


def _detail(name: str, text: str, style: Style) -> str:
    indent = "|" if style.gutter else "  "
    return f"{indent} {style.paint('=', 'blue')} {style.paint(name, 'cyan')}: {escape(text)}"
