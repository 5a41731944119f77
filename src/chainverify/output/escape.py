"""Hostile text made safe to show: nothing that moves a cursor, reverses a line or stays invisible reaches a terminal.

It imports nothing, because the commit-msg hook uses it.
"""

from __future__ import annotations

_FILLERS = frozenset(
    chr(code)
    for low, high in (
        (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180D), (0x180F, 0x180F), (0x2800, 0x2800),
        (0x3164, 0x3164), (0xFE00, 0xFE0E), (0xFFA0, 0xFFA0), (0x16FE4, 0x16FE4), (0x1D159, 0x1D159), (0xE0100, 0xE01EF),
    )
    for code in range(low, high + 1)
)  # fmt: skip
"""Letters, marks and symbols by their category that are drawn as nothing: fillers, the empty Braille cell, variation selectors.

U+FE0F stays: it follows every other emoji, and asks for its coloured form.
"""


def escape(text: str) -> str:
    """`text` with what cannot be seen, or changes how the rest is seen, written as `\\n`, `\\x1b`, `\\u202e` or `\\U000e0041`.

    Escaped are all characters that Unicode does not call printable (controls, bidi and format characters, line and
    paragraph separators, lone surrogates, unassigned and private code points) and the fillers. Tab and the spaces stay,
    and so does a backslash: the result is for eyes, it cannot be read back.
    """
    if text.isprintable() and (text.isascii() or _FILLERS.isdisjoint(text)):
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
