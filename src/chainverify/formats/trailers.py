"""The trailers of a commit message, exactly those that `git log --format=%(trailers)` prints under git's default configuration.

Sources: git's `trailer.c` (`find_trailer_start`, `find_separator`, `trailer_info_get`, `unfold_value`), `commit.c`
(`ignore_non_trailer`) and `wt-status.c` (scissors). As in `git log` a `---` line divides nothing. White space is space, tab, LF
and CR, letters and digits are ASCII, and the message ends at a NUL, where C's strings end. `trailer.separators`, `trailer.*.key`
and `core.commentChar` of whoever looks are not asked: one message has the same trailers everywhere.

Only policies that ask for trailers import this, the commit-msg hook's among them: no `re` and no `typing`.
"""

from __future__ import annotations

from chainverify.formats.message import SCISSORS, subject_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

COMMENT: Final = "#"
SEPARATOR: Final = ":"
_BLANK: Final = " \t\n\r"
_GENERATED: Final = ("Signed-off-by: ", "(cherry picked from commit ")
"""One such line lets three times as many other lines stand in the block."""
_IGNORED_STARTS: Final = ("\n", COMMENT, "Conflicts:\n", "\t")


class Trailer:
    """A trailer: `key` as it is written, `value` in one line, and where it stands: its first line's number from 1 and text."""

    __slots__ = ("key", "line", "text", "value")

    def __init__(self, key: str, value: str, line: int, text: str) -> None:
        self.key = key
        self.value = value
        self.line = line
        self.text = text


def block(message: str) -> tuple[int, int]:
    """Where the trailer block of a message starts and ends; both are the same where it has none."""
    message = message.partition("\0")[0]
    start = subject_start(message)
    end = _end(message, start)
    return _start(message, start, end), end


def trailers(message: str) -> tuple[Trailer, ...]:
    """The trailers of a message in their order; lines of the block that are none are left out."""
    start, end = block(message)
    if start == end:
        return ()
    found: list[tuple[str, int, list[str]]] = []
    open_ = False  # whether a line that begins with white space goes on with the trailer before it
    for number, line in enumerate(message[start:end].split("\n"), message.count("\n", 0, start) + 1):
        if open_ and (not line or line[0] in _BLANK):
            found[-1][2].append(line)
        else:
            key = key_of(line)
            open_ = key != ""
            if open_:
                found.append((key, number, [line]))
    return tuple(
        Trailer(key.rstrip(" \t"), _unfolded([lines[0][len(key) + 1 :], *lines[1:]]), number, lines[0].rstrip(_BLANK))
        for key, number, lines in found
    )


def key_of(line: str) -> str:
    """What stands before the separator of a line that is a trailer (blanks after the key included), empty for any other line."""
    key, separator, _ = line.partition(SEPARATOR)
    name = key.rstrip(" \t").replace("-", "0")
    return key if separator and name.isalnum() and name.isascii() else ""


def _unfolded(lines: list[str]) -> str:
    """A value in one line: each line end, and the white space after it, becomes one space."""
    first, *rest = "\n".join(lines).strip(_BLANK).split("\n")
    return " ".join([first, *(text for line in rest if (text := line.lstrip(_BLANK)))])


def _end(message: str, start: int) -> int:
    """Where the trailers end: before the scissors, and before the comments, blank lines and old list of conflicts at the end."""
    mark = f"{COMMENT}{SCISSORS}\n"
    if message.startswith(mark, start):
        cut = start
    else:
        at = message.find("\n" + mark, start)
        cut = len(message) if at < 0 else at + 1
    last = message.rfind("\n", start, max(start, cut - 1)) + 1 or start
    if not message.startswith(_IGNORED_STARTS, last):
        return cut
    run = start  # git takes a run that begins with the message for none
    conflicts = False
    at = start
    while at < cut:
        if message.startswith((COMMENT, "\n"), at):
            run = at if run == start else run
        elif message.startswith("Conflicts:\n", at):
            conflicts = True
            run = at if run == start else run
        elif not (conflicts and message.startswith("\t", at)) and run != start:
            run = start
            conflicts = False
        at = message.find("\n", at) + 1 or len(message)
    return cut if run == start else run


def _start(message: str, start: int, end: int) -> int:
    """Where the last paragraph before `end` starts if it is a block of trailers, else `end`.

    The title never is one: `start` is not blank, so no blank line stands before the first paragraph.
    """
    trailer_lines = other_lines = continuations = 0
    blank_so_far, generated = True, False
    at = end
    while at > start:
        after = at
        at = message.rfind("\n", start, at - 1) + 1 or start
        line = message[at:after]
        if line.startswith(COMMENT):
            other_lines += continuations
            continuations = 0
        elif not line.strip(_BLANK):
            if blank_so_far:
                continue
            other_lines += continuations
            good = trailer_lines * 3 >= other_lines if generated else trailer_lines and not other_lines
            return after if good else end
        else:
            blank_so_far = False
            if line.startswith(_GENERATED) or key_of(line):
                generated = generated or line.startswith(_GENERATED)
                trailer_lines += 1
                continuations = 0
            elif line[0] in _BLANK:
                continuations += 1
            else:
                other_lines += 1 + continuations
                continuations = 0
    return end
