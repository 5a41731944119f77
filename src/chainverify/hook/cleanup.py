"""Which text git will store of the message that a commit-msg hook is shown.

An edited file still holds comments, perhaps scissors and a diff; a message from `-m` or `-F` does not, and its `#` lines
stay. What decides: `commit.cleanup`, whether an editor ran (`GIT_EDITOR=:` says it did not), `core.commentChar` and
`core.commentString`, `-v`, and `--cleanup`, which only the command line of git shows. Where that cannot be seen, every
reading that git may choose is returned, and the caller wants all of them to pass. Sources: git's `builtin/commit.c`
(`prepare_to_commit`, `cleanup_message`) and `sequencer.c` (`get_cleanup_mode`).
"""

from __future__ import annotations

import os

from chainverify.formats.message import SCISSORS, cleanup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

CONFIG: Final = r"^(commit\.(cleanup|verbose)|core\.comment(char|string)|i18n\.commitencoding)$"
"""For `git config --get-regexp`: all that matters here."""
AUTO_COMMENTS: Final = "#;@!$%^&|:"
"""What git chooses from under `core.commentChar = auto`."""
_HELP_MIN: Final = 12
"""Characters that each of git's two lines below the scissors has in the tersest of its languages."""
_ANCESTORS: Final = 4
"""Processes between this one and git: a shell, or another hook manager."""
_WITH_VALUE: Final = (
    "--message", "--file", "--author", "--date", "--template", "--reuse-message", "--reedit-message", "--fixup", "--squash",
    "--trailer", "--pathspec-from-file", "--cleanup", "--into-name", "--strategy", "--strategy-option",
    "--unified", "--inter-hunk-context",
)  # fmt: skip
_MODES: Final = ("strip", "whitespace", "verbatim", "scissors", "default")


def parse_config(data: bytes) -> list[tuple[str, str]]:
    """Names (lower case) and values from `git config -z --get-regexp`, in git's order, where the last one wins."""
    found = []
    for record in data.decode("utf-8", "surrogateescape").split("\0"):
        name, line, value = record.partition("\n")
        if name:
            # a name alone is git's way to write "true"
            found.append((name, value if line else "true"))
    return found


def readings(
    raw: str, config: Sequence[tuple[str, str]], *, editor: bool, arguments: Sequence[str] | None, unsure: bool = False
) -> list[str]:
    """Every text that git may store of the file's content `raw`, the likeliest first; one where all is known.

    `arguments` is git's command line, None where it could not be read. `unsure` says that `editor` is False on the word of a
    `GIT_EDITOR=:` that the user may have set.
    """
    values = dict(config)
    found: list[str] = []
    for mode in _modes(values.get("commit.cleanup"), editor=editor, arguments=arguments, unsure=unsure):
        for comment in _comments(raw, config, editor=editor or unsure):
            for cut in _cuts(raw, comment, values.get("commit.verbose", ""), editor=editor or unsure, arguments=arguments):
                text = cleanup(raw, mode, comment, cut=cut)
                if text not in found:
                    found.append(text)
    return found


def _modes(configured: str | None, *, editor: bool, arguments: Sequence[str] | None, unsure: bool) -> list[str]:
    default = _mode(configured or "default", editor=editor)
    found = [default]
    if unsure:
        found.append(_mode(configured or "default", editor=True))
    if arguments is None:
        # Editor-less, a `--cleanup=strip` that nobody sees would drop the lines on which the message was accepted.
        if not editor and configured is None:
            found.append("strip")
        return found
    for position, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        # any unambiguous abbreviation will do for git; the value of another option may look like one, hence "may"
        if len(name) >= 3 and "--cleanup".startswith(name):
            given = value or next(iter(arguments[position + 1 : position + 2]), "")
            if given in _MODES:
                found.append(_mode(given, editor=editor))
                if not is_value(arguments, position) and arguments.count(argument) == 1:
                    found.remove(default)
    return found


def is_value(arguments: Sequence[str], position: int) -> bool:
    """Whether the argument is, or may be, the value of the option before it (`-m --cleanup=strip`), or stands after `--`."""
    before = arguments[position - 1] if position else ""
    if "--" in arguments[:position]:
        return True
    if before.startswith("--"):
        return "=" not in before and any(name.startswith(before) for name in _WITH_VALUE)
    # of letters in one word the first that takes a value takes the rest, or the next word where it is the last
    letter = next((at for at, c in enumerate(before) if c in "mFCctU"), -1) if before.startswith("-") else -1
    return letter == len(before) - 1 > 0


def _mode(name: str, *, editor: bool) -> str:
    if name == "default":
        return "strip" if editor else "whitespace"
    if name == "scissors":
        return "scissors" if editor else "whitespace"
    return name


def _comments(raw: str, config: Sequence[tuple[str, str]], *, editor: bool) -> list[str]:
    """The comment prefixes that git may be using, the likeliest first."""
    last = "#"
    plain = "#"
    for name, value in config:
        if name in ("core.commentchar", "core.commentstring"):
            last = value
            plain = value if name == "core.commentchar" else plain
    candidates = [last]
    if last == "auto":
        # to git's choice a CR ends a line too
        starts = {line[:1] for line in raw.replace("\r", "\n").split("\n")}
        # git chose before it appended anything: the first that begins no line, "#" where "#" is nowhere
        chosen = "#" if "#" not in raw else next((c for c in AUTO_COMMENTS if c not in starts), "#")
        if not editor:
            return [chosen]
        # what the text was when git chose is not known any more
        candidates = [chosen, *(c for c in AUTO_COMMENTS if c in starts and c != chosen)]
    elif last != plain:
        candidates.append(plain)  # git before 2.45 does not know core.commentString
    if len(candidates) > 1 and editor:
        return [c for c in candidates if _wrote_help(raw, c)] or candidates
    return candidates


def _wrote_help(raw: str, comment: str) -> bool:
    """Whether git's own help is there: lines, in any language, that begin with `comment` and tell of it, or that follow scissors.

    Scissors alone, one such line, or some lines that begin alike, prove nothing: they may be the text's own.
    """
    lines = raw.split("\n")
    quoted = f"'{comment}'"
    for at, line in enumerate(lines):
        if line.startswith(comment + " ") and quoted in line:
            beside = (*lines[max(at - 1, 0) : at], *lines[at + 1 : at + 2])
            if any(each.startswith(comment + " ") and len(each) >= _HELP_MIN for each in beside):
                return True
    mark = comment + SCISSORS
    for at, line in enumerate(lines):
        if line == mark:
            after = lines[at + 1 : at + 3]
            if len({*after}) == 2 and all(each.startswith(comment + " ") and len(each) >= _HELP_MIN for each in after):
                return True
    return False


def _cuts(raw: str, comment: str, verbose: str, *, editor: bool, arguments: Sequence[str] | None) -> list[bool]:
    """Whether git cuts at the scissors whatever the mode: it does after `-v`, with which it wrote a diff there itself."""
    mark = comment + SCISSORS + "\n"
    at = 0 if raw.startswith(mark) else raw.find("\n" + mark)
    if at < 0:
        return [False]
    asked = verbose.lower() in ("true", "yes", "on") or verbose.strip("-0") not in ("", "false", "no", "off")
    if arguments is not None:
        asked = asked or any(_asks_verbose(argument) for argument in arguments)
        certain = editor and not any(argument.startswith("--no-v") for argument in arguments)
        return ([True] if certain else [True, False]) if asked else [False]
    wrote_diff = raw.find("\ndiff --git ", at) >= 0 and raw.startswith(comment, at + len(mark) + (1 if at else 0))
    return [True] if editor and wrote_diff else [False, True]


def _asks_verbose(argument: str) -> bool:
    if argument.startswith("--"):
        return len(argument) > 4 and "--verbose".startswith(argument)
    return argument.startswith("-") and "v" in argument and argument[1:].isalpha()


def git_command() -> tuple[list[str], Mapping[str, str]] | None:
    """Arguments and initial environment of the git that runs this hook, None where the system does not show them (not Linux)."""
    process = os.getppid()
    for _ in range(_ANCESTORS):
        try:
            with open(f"/proc/{process}/cmdline", "rb") as file:  # noqa: PTH123 - no pathlib on the hot path
                words = file.read(1 << 20).split(b"\0")[:-1]
            if words and words[0].rpartition(b"/")[2] == b"git":
                return [os.fsdecode(word) for word in words[1:]], _environment(process)
            with open(f"/proc/{process}/stat", "rb") as file:  # noqa: PTH123
                process = int(file.read(4096).rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return None
    return None


def _environment(process: int) -> dict[str, str]:
    try:
        with open(f"/proc/{process}/environ", "rb") as file:  # noqa: PTH123
            pairs = [os.fsdecode(word).partition("=") for word in file.read(4 << 20).split(b"\0")]
    except OSError:
        return {}
    return {name: value for name, _, value in pairs}
