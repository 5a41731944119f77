"""Characters that have no place in a commit message: they hide text, reorder it, or drive the terminal that shows it.

Sources: Unicode's general categories, UTS #39 (confusables) and the "Trojan Source" paper (bidirectional controls). The names are
what a finding tells people. Imported by the commit-msg hook, hence without `typing`.
"""

from __future__ import annotations

_NAMED: tuple[tuple[int, int, str], ...] = (
    (0x00, 0x08, "control character"),
    (0x0B, 0x0C, "control character"),
    (0x0D, 0x0D, "carriage return without a line feed"),
    (0x0E, 0x1A, "control character"),
    (0x1B, 0x1B, "escape character (starts a terminal sequence)"),
    (0x1C, 0x1F, "control character"),
    (0x7F, 0x9F, "control character"),
    (0xAD, 0xAD, "invisible character"),
    (0x034F, 0x034F, "invisible character"),
    (0x061C, 0x061C, "bidirectional control"),
    (0x115F, 0x1160, "invisible character"),
    (0x17B4, 0x17B5, "invisible character"),
    (0x180B, 0x180D, "variation selector"),
    (0x180E, 0x180E, "invisible character"),
    (0x180F, 0x180F, "variation selector"),
    (0x200B, 0x200D, "zero-width character"),
    (0x200E, 0x200F, "bidirectional control"),
    (0x2028, 0x2029, "line or paragraph separator"),
    (0x202A, 0x202E, "bidirectional control"),
    (0x2060, 0x2065, "invisible character"),
    (0x2066, 0x2069, "bidirectional control"),
    (0x206A, 0x206F, "invisible character"),
    (0x2800, 0x2800, "invisible character"),
    (0x3164, 0x3164, "invisible character"),
    (0xD800, 0xDFFF, "lone surrogate"),
    (0xFDD0, 0xFDEF, "noncharacter"),
    (0xFE00, 0xFE0F, "variation selector"),
    (0xFEFF, 0xFEFF, "zero-width character"),
    (0xFFA0, 0xFFA0, "invisible character"),
    (0xFFF0, 0xFFFB, "invisible character"),
    (0x13430, 0x1343F, "format character"),
    (0x16FE4, 0x16FE4, "invisible character"),
    (0x1BCA0, 0x1BCA3, "invisible character"),
    (0x1D159, 0x1D159, "invisible character"),
    (0x1D173, 0x1D17A, "invisible character"),
    (0xE0000, 0xE00FF, "invisible character"),
    (0xE0100, 0xE01EF, "variation selector"),
    (0xE01F0, 0xE0FFF, "invisible character"),
)
"""In order. Beyond controls: Default_Ignorable_Code_Point whole, and what fonts draw as nothing (fillers, an empty note head)."""

_UNSEEN = frozenset(
    chr(code)
    for low, high in (
        (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180D), (0x180F, 0x180F), (0x2800, 0x2800),
        (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0x16FE4, 0x16FE4), (0x1D159, 0x1D159), (0xE0100, 0xE01EF),
    )
    for code in range(low, high + 1)
)  # fmt: skip
"""Printable by their category, drawn as nothing."""

_EMOJI: tuple[tuple[int, int], ...] = (
    (0xA9, 0xA9), (0xAE, 0xAE), (0x203C, 0x203C), (0x2049, 0x2049), (0x2122, 0x2122), (0x2139, 0x2139), (0x2194, 0x2199),
    (0x21A9, 0x21AA), (0x231A, 0x231B), (0x2328, 0x2328), (0x23CF, 0x23CF), (0x23E9, 0x23FA), (0x24C2, 0x24C2),
    (0x25AA, 0x25AB), (0x25B6, 0x25B6), (0x25C0, 0x25C0), (0x25FB, 0x25FE), (0x2600, 0x27BF), (0x2934, 0x2935),
    (0x2B05, 0x2B07), (0x2B1B, 0x2B1C), (0x2B50, 0x2B50), (0x2B55, 0x2B55), (0x3030, 0x3030), (0x303D, 0x303D),
    (0x3297, 0x3297), (0x3299, 0x3299), (0x1F000, 0x1F3FA), (0x1F400, 0x1FAFF),
)  # fmt: skip
"""What U+FE0F may follow: the bases of emoji-variation-sequences.txt; whole in the blocks that hold little else."""


def strays(text: str) -> tuple[tuple[int, str], ...]:
    """Every refused character of `text`, in order: its index and what it is (`U+202E bidirectional control`).

    Tab, LF and CR LF pass. Zero-width joiners pass where writing needs them: inside emoji, and between letters of the
    scripts of the Middle East and of South Asia (U+0600 to U+109F). One U+FE0F passes directly after a character that has an
    emoji form, and in a keycap; all other variation selectors are refused, for they can carry any text unseen.
    """
    flat = text.replace("\r\n", "").replace("\n", "").replace("\t", "")
    if flat.isprintable() and (flat.isascii() or _UNSEEN.isdisjoint(flat)):
        return ()
    # once for each distinct character, however long the text
    bad = {c: name for c in set(flat) if (not c.isprintable() or c in _UNSEEN) and (name := _name(ord(c)))}
    return tuple(
        (index, f"U+{ord(c):04X} {bad[c]}")
        for index, c in enumerate(text)
        if c in bad and not (c in "\r\u200c\u200d\ufe0f" and _fits(text, index))
    )


def _name(code: int) -> str:
    """What a refused character is called, empty for all others; a binary search, for `bisect` would be one more import."""
    low, high = 0, len(_NAMED)
    while low < high:
        middle = (low + high) // 2
        first, last, name = _NAMED[middle]
        if code < first:
            high = middle
        elif code > last:
            low = middle + 1
        else:
            return name
    return "noncharacter" if code & 0xFFFE == 0xFFFE else ""


def _fits(text: str, index: int) -> bool:
    """Whether the character at `index`, refused elsewhere, stands where a line end, a script or an emoji sequence needs it."""
    before, after = text[index - 1 : index], text[index + 1 : index + 2]
    if text[index] == "\r":
        return after == "\n"
    if text[index] == "\ufe0f":
        keycap = after == "\u20e3" and before in "0123456789#*"
        return bool(before) and (keycap or _emoji(before))
    if not before or not after:
        return False
    if 0x0600 <= ord(before) <= 0x109F and 0x0600 <= ord(after) <= 0x109F:
        return before.isprintable() and after.isprintable()
    emoji = (0x2190, 0x27BF), (0x2900, 0x2BFF), (0xFE0F, 0xFE0F), (0x1F000, 0x1FAFF)
    return text[index] == "\u200d" and all(any(low <= ord(c) <= high for low, high in emoji) for c in (before, after))


def _emoji(character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in _EMOJI)


def ascii_folded(text: str) -> str:
    """`text` with its ASCII capitals small, as git compares addresses: the Kelvin sign, which `lower()` makes a k, stays."""
    return text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)


def visible(text: str) -> bool:
    """Whether `text` shows something by itself: a letter, number, punctuation mark or symbol that is not drawn as nothing."""
    if any("!" <= c <= "~" or (c.isalnum() and c not in _UNSEEN) for c in text):
        return True
    if text.isascii():
        return False
    import unicodedata  # only for a text without any letter or digit

    return any(unicodedata.category(c)[0] in "LNPS" and c not in _UNSEEN for c in text)


def latin(text: str) -> str:
    """`text` with characters that only look like ASCII replaced by what they look like; the same length.

    Covers look-alike letters, dashes, colons and spaces, decimal digits of other scripts, and what Unicode itself calls another
    form of an ASCII character (NFKC: full-width, mathematical, circled, raised).
    """
    if text.isascii():
        return text
    from unicodedata import normalize

    out = []
    alike = _lookalikes()
    for character in text:
        code = ord(character)
        if code <= 0x7F:
            out.append(character)
        elif character.isdecimal():
            out.append(str(int(character)))
        else:
            other = alike.get(code) or normalize("NFKC", character)
            out.append(other if len(other) == 1 and other.isascii() else character)
    return "".join(out)


def _lookalikes() -> dict[int, str]:
    """Characters that most fonts draw as the ASCII one (UTS #39, confusables.txt), for the letters that keys are made of."""
    alike = {
        "A": "\u0410\u0391\u13aa", "B": "\u0412\u0392\u13f4", "C": "\u0421\u03f9\u13df", "D": "\u13a0",
        "E": "\u0415\u0395\u13ac", "F": "\u03dc", "G": "\u13c0\u050c", "H": "\u041d\u0397\u13bb",
        "I": "\u0406\u0399\u04c0\u2160", "J": "\u0408\u037f\u13ab", "K": "\u041a\u039a\u13e6\u212a",
        "L": "\u13de\u216c", "M": "\u041c\u039c\u13b7\u216f", "N": "\u039d", "O": "\u041e\u039f\u0555",
        "P": "\u0420\u03a1\u13e2", "Q": "\u051a", "R": "\u13a1\u13d2", "S": "\u0405\u054f\u13da",
        "T": "\u0422\u03a4\u13a2", "U": "\u054d", "V": "\u0474\u13d9\u2164", "W": "\u051c\u13b3",
        "X": "\u0425\u03a7\u2169", "Y": "\u04ae\u03a5\u0423", "Z": "\u0396\u13c3",
        "a": "\u0430\u03b1", "c": "\u0441\u03f2", "d": "\u0501", "e": "\u0435", "h": "\u04bb",
        "i": "\u0456\u0131\u03b9", "j": "\u0458\u03f3", "o": "\u043e\u03bf", "p": "\u0440\u03c1", "q": "\u051b",
        "s": "\u0455", "w": "\u051d", "x": "\u0445", "y": "\u0443\u03b3",
        "-": "\u2010\u2011\u2012\u2013\u2014\u2212\ufe58\ufe63", ":": "\u2236\ua789\u0589\u05c3\ufe55\u02d0\u0703",
        " ": "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    }  # fmt: skip
    return {ord(other): character for character, others in alike.items() for other in others}
