"""What a person reads when a message is refused, and the two commits that are exempt after all. Never on the good path."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chainverify.errors import ChainverifyError
from chainverify.formats import message as text_of
from chainverify.formats.message import SCISSORS
from chainverify.hook import local
from chainverify.hook.cleanup import is_value
from chainverify.output.escape import escape
from chainverify.rules.messages import MESSAGE_JUDGED_MAX, claimed_revert

if TYPE_CHECKING:
    from chainverify.rules.messages import Problem, Rules

EXCERPT_WIDTH = 100
MERGE_HEADS_MAX = 64
"""Parents of one merge that are compared."""
PATCH = (
    "chainverify: the patch was not applied; correct its message and go on, from any directory here, with:\n"
    '    "${EDITOR:-vi}" "$(git rev-parse --git-path rebase-apply/final-commit)" && git am\n'
    "  (git am alone, at a terminal: --continue asks for a change in the index; git am --skip leaves the patch out)\n"
)
"""How to go on after a patch whose message was refused (`builtin/am.c`: git am without arguments applies it once more)."""
_BLANK = " \t\r\n"

Run = Callable[..., tuple[int, bytes]]
"""Runs git: arguments to exit status and output."""


def parents(git_dir: str, arguments: Sequence[str], run: Run) -> int:
    """How many parents the commit will have, as far as that makes it a merge: 1 where it is none, or where that is in doubt.

    A merge is what `MERGE_HEAD` says, unless git will drop the parents that others contain (`builtin/commit.c`,
    `reduce_heads`), and one that is amended.
    """
    heads = [line for line in _lines(f"{git_dir}/MERGE_HEAD") if line][:MERGE_HEADS_MAX] if git_dir else []
    if not heads:
        merge = amends(arguments) and run("rev-parse", "-q", "--verify", "HEAD^2")[0] == 0
        merge = merge and run("merge-base", "--is-ancestor", "HEAD^2", "HEAD^1")[0] == 1
        return 2 if merge else 1
    if any(len(head) not in (40, 64) or head.strip("0123456789abcdef") for head in heads):
        return 1
    status, left = run("merge-base", "--independent", "HEAD", *heads)
    found = left.decode("ascii", "replace").split()
    if status or not found:
        return 1
    # `git merge --no-ff` keeps a first parent that the second contains
    kept = len(found) > 1 or (found[0] in heads and "no-ff" in _lines(f"{git_dir}/MERGE_MODE"))
    return 1 + len(heads) if kept else 1


def _lines(path: str) -> list[str]:
    """The lines of a small file of git's own, none where it is absent."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(1 << 16).decode("ascii", "replace").split("\n")
    except OSError:
        return []


def amends(arguments: Sequence[str]) -> bool:
    """Whether git's command line amends for certain: `--amend` stands after `commit`, is no value, and is not taken back."""
    start = max((at for at, word in enumerate(arguments) if word == "commit"), default=len(arguments))
    found = False
    for at in range(start + 1, len(arguments)):
        word = arguments[at]
        if len(word) >= 6 and "--no-amend".startswith(word):
            return False
        # any unambiguous abbreviation will do for git
        found = found or (len(word) >= 4 and "--amend".startswith(word) and not is_value(arguments, at))
    return found


def reverts(stored: str, policy: Rules, run: Run) -> bool:
    """Whether the message is a proved revert, where the policy lets those pass."""
    claim = claimed_revert(stored) if policy.reverts == "skip" else None
    return claim is not None and _reverts(*claim, run)


def _reverts(oid: str, subject: str, run: Run) -> bool:
    """Whether `oid` is a commit in the history of HEAD and has this subject."""
    status, raw = run("cat-file", "commit", oid)
    if status or run("merge-base", "--is-ancestor", oid, "HEAD")[0]:
        return False
    header, _, body = raw.partition(b"\n\n")
    encoding = next((line[9:].decode("ascii", "replace") for line in header.split(b"\n") if line.startswith(b"encoding ")), None)
    try:
        text, problem = text_of.decode(body, encoding, MESSAGE_JUDGED_MAX)
    except ChainverifyError:
        return False
    return not problem and text_of.subject(text) == subject


def render(found: Sequence[Problem], advice: Sequence[Problem], text: str, path: str) -> str:
    """The problems as text with a final line end; `text` is the file's content, in which lines are numbered."""
    colour = local.colour()
    lines: list[str] = []
    for each in found:
        warning = each in advice
        name = f"warning[{each.rule}]" if warning else each.rule
        lines.append(f"{_paint(name, '1;33' if warning else '1;31', colour)}: {escape(each.message)}")
        lines += _excerpt(each, text, path, colour)
        if each.hint:
            lines.append(f"  {_paint('=', '34', colour)} help: {escape(each.hint)}")
    return "\n".join(lines) + "\n"


def recovery(text: str, arguments: Sequence[str], path: str) -> str:
    """How to get the message back and commit again, from any directory of the worktree."""
    if os.path.basename(path) == "MERGE_MSG":  # noqa: PTH119 - a name, not a path to resolve
        return "chainverify: the merge was not committed; correct the message and finish it with:\n    git commit -e\n"
    options = " --amend" if amends(arguments) else ""
    if any(line.endswith(SCISSORS) for line in text.split("\n")):
        options += " -v"  # git cuts the old diff off again only if it may write a new one
    return (
        "chainverify: nothing was committed and the message is kept; correct it and commit, from any directory here, with:\n"
        f'    git commit{options} -e -F "$(git rev-parse --git-path {escape(os.path.basename(path))})"\n'  # noqa: PTH119
        "  (and the options you gave, such as -a)\n"
    )


def _excerpt(each: Problem, text: str, path: str, colour: bool) -> list[str]:
    number = each.line
    if each.text is not None:
        # the line as git will store it; in the file comments may stand before it
        number = next((n for n, line in enumerate(text.split("\n"), 1) if line.rstrip(_BLANK) == each.text), each.line)
    place = f"{path}:{number}:{each.column}" if number else path
    lines = [f"  {_paint('-->', '34', colour)} {escape(place)}"]
    if each.text is None:
        return lines
    shown, column = each.text, each.column
    if len(shown) > EXCERPT_WIDTH:
        start = max(0, min(column - 31, len(shown) - EXCERPT_WIDTH))
        shown, column = shown[start : start + EXCERPT_WIDTH], column - start
    end = column - 1 + each.width
    parts = shown[: column - 1], shown[column - 1 : end], shown[end:]
    before, marked, after = (escape(part).replace("\t", " ") for part in parts)
    margin = " " * len(str(number))
    bar = _paint("|", "34", colour)
    carets = " " * _width(before) + _paint("^" * max(1, _width(marked)), "1;31", colour)
    source = f"{_paint(str(number), '34', colour)} {bar} {before}{marked}{after}"
    return [*lines, f"{margin} {bar}", source, f"{margin} {bar} {carets}"]


def _width(text: str) -> int:
    """Columns that a terminal gives to `text`."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _paint(text: str, codes: str, colour: bool) -> str:
    return f"\x1b[{codes}m{text}\x1b[0m" if colour else text

