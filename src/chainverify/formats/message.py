"""Commit messages as git reads them: the subject, the body, and what git will keep of an edited message.

Sources: git's `commit.c`, `pretty.c` (`%s`), `wt-status.c` (scissors) and `strbuf.c` (`strbuf_stripspace`). Lines end at LF only;
`str.splitlines()` would also split at VT, FF, NEL and U+2028, which git does not.
"""

from __future__ import annotations

SCISSORS = " ------------------------ >8 ------------------------"
_BLANK = " \t\n\v\f\r"


def subject(message: str) -> str:
    """The subject as `git log --format=%s` prints it: the first paragraph, its lines joined by one space."""
    lines: list[str] = []
    for line in message.split("\n"):
        bare = line.strip(_BLANK) if not lines else line.rstrip(_BLANK)
        if bare:
            lines.append(bare)
        elif lines:
            break
    return " ".join(lines)


def subject_line(message: str) -> int:
    """The number (from 1) of the line on which the subject starts; 1 for an empty message."""
    for number, line in enumerate(message.split("\n"), 1):
        if line.strip(_BLANK):
            return number
    return 1


def cleanup(message: str, mode: str, comment: str = "#") -> str:
    """What git stores of a message under a cleanup mode: `strip`, `whitespace`, `scissors` or `verbatim`.

    `comment` is `core.commentString`. Raises nothing: an unknown mode is read as `whitespace`, the mildest that changes text.
    """
    if mode == "verbatim":
        return message
    if mode == "scissors":
        message = cut_scissors(message, comment)
    out: list[str] = []
    blank = False
    for line in message.split("\n"):
        if mode == "strip" and line.startswith(comment):
            continue
        bare = line.rstrip(_BLANK)
        if not bare:
            blank = True
            continue
        if blank and out:
            out.append("")
        blank = False
        out.append(bare)
    return "\n".join(out) + "\n" if out else ""


def cut_scissors(message: str, comment: str = "#") -> str:
    """The message up to git's scissors line, which counts only at the start of a line and with nothing after it."""
    mark = comment + SCISSORS + "\n"
    if message.startswith(mark):
        return ""
    at = message.find("\n" + mark)
    return message if at < 0 else message[: at + 1]


def decode(message: bytes, encoding: str | None) -> tuple[str, str]:
    """Text of a stored message and what was wrong with its encoding (empty where nothing was).

    UTF-8 unless the commit's `encoding` header names another; undecodable bytes are shown as U+FFFD and reported.
    """
    name = encoding or "utf-8"
    try:
        return message.decode(name), ""
    except UnicodeDecodeError as error:
        return message.decode("utf-8", "replace"), f"byte {error.start} is not valid {name}"
    except (LookupError, ValueError):
        return message.decode("utf-8", "replace"), f"unknown encoding {name!r}"
