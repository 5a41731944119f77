"""Hostile text made safe to show: nothing that moves a cursor, reverses a line or stays invisible reaches a terminal.

It imports nothing, because the commit-msg hook uses it.
"""

from __future__ import annotations

_FILLERS = "\u115f\u1160\u3164\uffa0\u2800"
"""Letters and symbols by their category that are drawn as nothing (Hangul fillers, the empty Braille cell)."""


def escape(text: str) -> str:
    """`text` with what cannot be seen, or changes how the rest is seen, written as `\\n`, `\\x1b`, `\\u202e` or `\\U000e0041`.

    Escaped are all characters that Unicode does not call printable (controls, bidi and format characters, line and
    paragraph separators, lone surrogates, unassigned and private code points) and the fillers. Tab and the spaces stay,
    and so does a backslash: the result is for eyes, it cannot be read back.
    """
    if text.isprintable() and (text.isascii() or not any(c in text for c in _FILLERS)):
        return text
    return "".join(c if _plain(c) else _name(c) for c in text)


def _plain(c: str) -> bool:
    # isprintable() is False for every space but the ASCII one; isspace() also holds for controls and line separators
    if c.isprintable():
        return c not in _FILLERS
    return c == "\t" or (c.isspace() and c not in "\n\r\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029")


def _name(c: str) -> str:
    if c in "\n\r":
        return "\\n" if c == "\n" else "\\r"
    code = ord(c)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
