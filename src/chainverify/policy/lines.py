"""Where a TOML document's keys and values stand, found by a small scanner beside `tomllib`, which keeps no places.

The document has been read by `tomllib` before, so the scanner need not judge it: it follows the grammar of TOML 1.0 far
enough to see where keys and list elements start, through strings of all four kinds, comments, nested lists and inline
tables. It runs only where an error must name a line, or where a policy is edited (`policy.edit`).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import NamedTuple

from chainverify.policy import paths

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_LITERAL = re.compile(r"'([^'\n]*)'")
# up to two quotes may stand directly before the closing three
_LONG_BASIC = re.compile(r'"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*"{3,5}')
_LONG_LITERAL = re.compile(r"'''(?:[^']|'{1,2}(?!'))*'{3,5}")
_PLAIN = re.compile(r"[^,\]}#\n]*")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}


class Lines:
    """Where each key of a document stands: `of(path)` is the line, from 1, of a dotted path as `policy.paths` writes it."""

    def __init__(self, text: str) -> None:
        scanner = _Scanner(text)
        try:
            scanner.document()
        except (_Lost, RecursionError):
            # what was found so far is right; the rest has no line
            scanner.lost = True
        self._exact = scanner.found
        self._loose: dict[str, int] = {}
        for path, line in scanner.found.items():
            self._loose.setdefault(path.replace("[0]", ""), line)

    def of(self, path: str) -> int:
        """The line of `path`, or of the nearest table around it where the path itself is not written; 0 where none is.

        `signers[0].name` also finds the `name` of a single table `[signers]`, for a single value will do for a list.
        """
        while path:
            line = self._exact.get(path) or self._loose.get(path.replace("[0]", ""))
            if line:
                return line
            path = paths.parent(path)
        return 0


class Layout(NamedTuple):
    """Where the parts of a document stand, as offsets into its text; paths are written as `policy.paths` does.

    `values` are the spans of values, those of list elements and inline tables too. `tables` are the ends of tables: of the last
    pair that stands directly in one, or of its header. `inline` are the tables of `tables` that stand in braces.
    """

    values: dict[str, tuple[int, int]]
    tables: dict[str, int]
    inline: frozenset[str]


def layout(text: str) -> Layout | None:
    """The layout of a document that `tomllib` has read, None where the scanner does not understand all of it."""
    scanner = _Scanner(text)
    try:
        scanner.document()
    except (_Lost, RecursionError):
        return None
    return Layout(scanner.values, scanner.tables, frozenset(scanner.inlines))


class _Lost(Exception):
    """The scanner does not understand what it sees."""


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[str, int] = {}
        self.last: dict[str, int] = {}
        self.lost = False
        self.values: dict[str, tuple[int, int]] = {}
        self.tables: dict[str, int] = {}
        self.inlines: set[str] = set()
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def line(self) -> int:
        return bisect_left(self._ends, self.at) + 1

    def skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()

    def take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise _Lost
        self.at = match.end()
        return match

    def sees(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def expect(self, text: str) -> None:
        if not self.sees(text):
            raise _Lost
        self.at += len(text)

    def document(self) -> None:
        table = ""
        self.skip(_BLANK)
        while self.at < len(self.text):
            if self.sees("["):
                table = self.header()
            else:
                self.pair(table)
            self.skip(_BLANK)

    def header(self) -> str:
        """The path of the table that a `[header]` or `[[header]]` opens."""
        line = self.line()
        many = self.sees("[[")
        self.expect("[[" if many else "[")
        path = ""
        keys = self.keys()
        for number, key in enumerate(keys, 1):
            path = paths.join(path, key)
            self.found.setdefault(path, line)
            if number == len(keys) and many:
                self.last[path] = self.last.get(path, -1) + 1
            if path in self.last:
                path = paths.item(path, self.last[path])
                self.found.setdefault(path, line)
        self.expect("]]" if many else "]")
        self.tables[path] = self.at
        return path

    def keys(self) -> list[str]:
        """The parts of a dotted key, and the space around it."""
        parts: list[str] = []
        while True:
            self.skip(_SPACE)
            if self.sees('"'):
                parts.append(_ESCAPE.sub(_unescaped, self.take(_BASIC)[1]))
            elif self.sees("'"):
                parts.append(self.take(_LITERAL)[1])
            else:
                parts.append(self.take(_BARE_KEY)[0])
            self.skip(_SPACE)
            if not self.sees("."):
                return parts
            self.at += 1

    def pair(self, table: str) -> None:
        """`key = value` in the table at the path `table`."""
        line = self.line()
        path = table
        for key in self.keys():
            path = paths.join(path, key)
            self.found.setdefault(path, line)
        self.expect("=")
        self.skip(_SPACE)
        self.value(path)
        self.tables[table] = self.values[path][1]

    def value(self, path: str) -> None:
        start = self.at
        self._value(path)
        self.values[path] = (start, start + len(self.text[start : self.at].rstrip()))

    def _value(self, path: str) -> None:
        if self.sees('"""'):
            self.take(_LONG_BASIC)
        elif self.sees("'''"):
            self.take(_LONG_LITERAL)
        elif self.sees('"'):
            self.take(_BASIC)
        elif self.sees("'"):
            self.take(_LITERAL)
        elif self.sees("["):
            self.elements(path)
        elif self.sees("{"):
            self.inline(path)
        else:
            self.take(_PLAIN)

    def elements(self, path: str) -> None:
        self.expect("[")
        index = 0
        self.skip(_BLANK)
        while not self.sees("]"):
            here = paths.item(path, index)
            self.found.setdefault(here, self.line())
            self.value(here)
            index += 1
            self.skip(_BLANK)
            if not self.sees("]"):
                self.expect(",")
                self.skip(_BLANK)
        self.at += 1

    def inline(self, path: str) -> None:
        self.expect("{")
        self.inlines.add(path)
        self.tables[path] = self.at
        self.skip(_BLANK)
        while not self.sees("}"):
            self.pair(path)
            self.skip(_BLANK)
            if not self.sees("}"):
                self.expect(",")
                self.skip(_BLANK)
        self.at += 1


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "uU" and len(code) > 1:
        number = int(code[1:], 16)
        return chr(number) if number <= 0x10FFFF else ""
    return _ESCAPES.get(code, code)
