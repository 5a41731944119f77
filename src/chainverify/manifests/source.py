"""A file's text and its places: character indexes of the YAML parser turned into byte offsets, lines and excerpts.

Lines end at LF only, as in editors and in git, although YAML 1.1 knows more line ends (and its parser counts them).
"""

from __future__ import annotations

import bisect
import re
from typing import Final

MAX_EXCERPT: Final = 500
"""The longest part of a line that is quoted."""

_PROPERTIES: Final = re.compile(r"(?:[&!]\S*\s+)+")
_STEP: Final = 4096


class Source:
    """Decoded text: turns character indexes into byte offsets (of the file, its byte order mark counted) and lines."""

    def __init__(self, text: str, shift: int = 0) -> None:
        self.text = text
        self._shift = shift
        self._ascii = text.isascii()
        self._lines: list[int] | None = None
        self._bytes: list[int] | None = None

    def place(self, at: int) -> tuple[int, int]:
        """Line and column of a character, both from 1; (0, 0) where it is not known."""
        if at < 0:
            return 0, 0
        starts = self._line_starts()
        line = bisect.bisect_right(starts, at)
        return line, at - starts[line - 1] + 1

    def byte(self, at: int) -> int:
        """The offset in the file of the character at an index."""
        if self._ascii:
            return at + self._shift
        if self._bytes is None:
            total, self._bytes = 0, []
            for start in range(0, len(self.text) + 1, _STEP):
                self._bytes.append(total)
                total += len(self.text[start : start + _STEP].encode())
        block = min(at, len(self.text)) // _STEP
        return self._shift + self._bytes[block] + len(self.text[block * _STEP : at].encode())

    def excerpt(self, line: int, column: int) -> str:
        """A source line for people, cut where it is long; empty where the column would be cut off."""
        if not line or column > MAX_EXCERPT:
            return ""
        start = self._line_starts()[line - 1]
        return self.text[start : start + MAX_EXCERPT + 100].partition("\n")[0].rstrip("\r")

    def unprefixed(self, start: int, end: int) -> tuple[int, int]:
        """The part of a node's extent that is left without its anchor and tag."""
        properties = _PROPERTIES.match(self.text, start, end)
        return (properties.end() if properties else start), end

    def _line_starts(self) -> list[int]:
        if self._lines is None:
            self._lines = [0, *(found.end() for found in re.finditer("\n", self.text))]
        return self._lines
