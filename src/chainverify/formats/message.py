"""Commit messages as git reads them: the subject, the body, and what git will keep of an edited message.

Sources: git's `commit.c`, `pretty.c` (`%s`), `wt-status.c` (scissors), `strbuf.c` (`strbuf_stripspace`) and `ctype.c`, whose
white space is space, tab, LF and CR only. Lines end at LF only; `str.splitlines()` would also split at VT, FF, NEL and U+2028,
which git does not.

The commit-msg hook imports this module: lines are plain tuples, because `typing` alone costs as much as the whole check.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TypeAlias

    Line: TypeAlias = tuple[int, str]
    """A line of a message: its number from 1 and its text without the line end."""

SCISSORS: Final = " ------------------------ >8 ------------------------"
SUBJECT_MAX: Final = 4096
"""Characters of a subject after which no further line of it is read: the first paragraph may be the whole of a large message."""
_BLANK: Final = " \t\n\r"
_LONGEST: Final = 8
"""Bytes of the longest character, with an escape sequence before it, in any encoding that is known here."""


def subject(message: str) -> str:
    """The subject as `git log --format=%s` prints it: the first paragraph, its lines joined by one space.

    White space before the text of a line is kept, as git keeps it, and nothing after a NUL is read. A result longer than
    `SUBJECT_MAX` may lack lines.
    """
    return " ".join(text for _, text in subject_lines(message))


def subject_lines(message: str) -> tuple[Line, ...]:
    """The lines of the first paragraph, white space at their ends removed; empty for a blank message.

    None are read after the one with which the subject becomes longer than `SUBJECT_MAX`.
    """
    found: list[Line] = []
    message = message.partition("\0")[0]
    start = subject_start(message)
    number = message.count("\n", 0, start) + 1
    length = -1  # one space less than there are lines
    while start <= len(message) and length <= SUBJECT_MAX:
        end = message.find("\n", start)
        end = len(message) if end < 0 else end
        text = message[start:end].rstrip(_BLANK)
        if not text:
            break
        found.append((number, text))
        length += 1 + len(text)
        start, number = end + 1, number + 1
    return tuple(found)


def body(message: str) -> Line:
    """All after the first paragraph, from the blank line that ends it, and the number of that line; (0, "") for no body."""
    at = message.find("\n", subject_start(message))
    for _ in range(16):
        if at < 0:
            return 0, ""
        end = message.find("\n", at + 1)
        if not message[at + 1 : len(message) if end < 0 else end].strip(_BLANK):
            break
        at = end
    else:
        import re  # a first paragraph of many lines: a loop over them would take its time

        blank = re.compile(r"\n[ \t\r]*(?:\n|\Z)").search(message, at) if at >= 0 else None
        at = blank.start() if blank else -1
    return (message.count("\n", 0, at + 1) + 1, message[at + 1 :]) if at >= 0 else (0, "")


def subject_start(message: str) -> int:
    """Where the first line that is not blank begins."""
    return message.rfind("\n", 0, len(message) - len(message.lstrip(_BLANK))) + 1


def line_at(message: str, index: int) -> tuple[Line, int]:
    """The line that holds the character at `index`, and that character's column from 1."""
    start = message.rfind("\n", 0, index) + 1
    end = message.find("\n", index)
    text = message[start : len(message) if end < 0 else end]
    return (message.count("\n", 0, index) + 1, text), index - start + 1


def cleanup(message: str, mode: str, comment: str = "#", *, cut: bool = False) -> str:
    """What git stores of a message under a cleanup mode: `strip`, `whitespace`, `scissors` or `verbatim`.

    `comment` is `core.commentString`; `cut` cuts at the scissors in every mode, as git does after `commit -v`. Raises nothing: an
    unknown mode is read as `whitespace`, the mildest that changes text.
    """
    if cut or mode == "scissors":
        message = cut_scissors(message, comment)
    if mode == "verbatim":
        return message
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


def decode(message: bytes, encoding: str | None, most: int = 0) -> tuple[str, str]:
    """Text of a stored message and what was wrong with its encoding (empty where nothing was).

    UTF-8 unless the commit's `encoding` header names another; undecodable bytes are shown as U+FFFD and reported. Of a message
    of more than `most` bytes (0: no limit) only so many are decoded, less the character that the limit would divide.
    """
    name = encoding or "utf-8"
    codec = _codec(name)
    divided = 0 < most < len(message)
    if divided:
        message = message[:most]
    if codec is None:
        return message.decode("utf-8", "replace"), f"unknown encoding {name[:40]!r}"
    try:
        return message.decode(codec), ""
    except UnicodeDecodeError as error:
        if divided and error.start >= most - _LONGEST:
            return message[: error.start].decode(codec, "replace"), ""
        return message.decode("utf-8", "replace"), f"byte {error.start} is not valid {name[:40]}"


def _codec(name: str) -> str | None:
    """Python's codec for an encoding that git's iconv knows under the same name, None for others.

    A closed list: Python has more (`unicode_escape`, `idna`), under which a text would be judged that git never shows.
    """
    name = name.lower().replace("_", "-")
    if name in ("utf-8", "utf8"):
        return "utf-8"
    for start, codec, numbers in (
        ("iso-8859-", "iso8859-", (*range(1, 12), *range(13, 17))),
        ("iso8859-", "iso8859-", (*range(1, 12), *range(13, 17))),
        ("windows-", "cp", range(1250, 1259)),
        ("cp", "cp", range(1250, 1259)),
    ):
        digits = name.removeprefix(start)
        if name.startswith(start) and digits in map(str, numbers):
            return codec + digits
    if name in ("koi8-r", "koi8-u", "euc-jp", "euc-kr", "shift-jis", "iso-2022-jp", "gbk", "gb2312", "gb18030", "big5"):
        return name
    return {"ascii": "ascii", "us-ascii": "ascii", "latin1": "iso8859-1", "latin-1": "iso8859-1", "sjis": "shift-jis"}.get(name)
