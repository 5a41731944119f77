"""People and keys written into a policy's text: insertions alone, so that every other byte stays, comments included.

The text is spliced at places that `policy.lines` finds, not written again by a TOML library: what is not inserted cannot
change. That the insertions mean what they should is not believed but checked: `tomllib` must read the new text as exactly
the old values and the additions. Where it does not, nothing is edited, and the caller says what to write by hand.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from chainverify.errors import PolicyError
from chainverify.policy import paths
from chainverify.policy.lines import Layout, layout
from chainverify.policy.normal import basic_string

LISTS: Final = ("emails", "roles", "openpgp", "ssh", "allowed-signers", "x509")
"""The keys of a person that hold lists of texts, in the order in which they are written."""


class Addition(NamedTuple):
    """What a person gets: `lists` by the policy's keys (see `LISTS`), `gitsign` pairs of identity and issuer.

    `times` are values of `valid-after` and `valid-before` as TOML writes them. `observed` True sets the mark. `comments` stand
    above the table of a new person.
    """

    name: str
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    gitsign: tuple[tuple[str, str], ...] = ()
    times: tuple[tuple[str, str], ...] = ()
    observed: bool = False
    comments: tuple[str, ...] = ()

    def values(self, key: str) -> tuple[str, ...]:
        """The texts for one of `LISTS`."""
        return dict(self.lists).get(key, ())


def stanza(person: Addition) -> list[str]:
    """The lines of a new `[[signers]]` table."""
    lines = [f"# {one_line(comment)}".rstrip() for comment in person.comments]
    return [*lines, "[[signers]]", *(f"{key} = {value}" for key, value in _pairs(person))]


def add_people(text: str, people: Sequence[Addition]) -> str:
    """The policy's text with new people after the last one. Raises `PolicyError` where its form is one that is not edited."""
    places = _layout(text)
    raw = tomllib.loads(text)
    expected = copy.deepcopy(raw)
    new = [_table(person) for person in people]
    if isinstance(raw.get("signers"), dict):
        raise _by_hand("has one person in a table [signers]", people, "write it as [[signers]] first")
    expected["signers"] = [*raw.get("signers", ()), *new]
    if "signers" in places.values:
        elements = ["{ " + ", ".join(f"{key} = {value}" for key, value in _pairs(person)) + " }" for person in people]
        edited = _splice(text, _extended(text, places, "signers", elements))
    else:
        ends = [end for path, end in places.tables.items() if path.startswith("signers[") and path not in places.inline]
        at = _line_end(text, max(ends)) if ends else len(text.rstrip("\r\n"))
        block = "".join(f"\n{line}" for person in people for line in ("", *stanza(person)))
        edited = _splice(text, [(at, block if at < len(text) else block + "\n")])
    return _checked(edited, expected, people)


def extend_person(text: str, position: int, addition: Addition) -> str:
    """The policy's text with more for the person of `signers[position]`; its name stays. Raises as `add_people`."""
    places = _layout(text)
    expected = tomllib.loads(text)
    held = expected["signers"]
    table: dict[str, Any] = held[position] if isinstance(held, list) else held
    path = paths.item("signers", position)
    if path not in places.tables:
        path = "signers"
    splices: list[tuple[int, str]] = []
    missing: list[tuple[str, str]] = []
    for key, values in addition.lists:
        old = table.get(key, [])
        fresh = [basic_string(value) for value in values]
        if key in table:
            splices += _extended(text, places, paths.join(path, key), fresh)
        elif fresh:
            missing.append((key, _array(fresh)))
        if fresh:
            table[key] = [*(old if isinstance(old, list) else [old]), *values]
    for key, value in addition.times:
        missing.append((key, value))
        table[key] = tomllib.loads(f"x = {value}")["x"]
    if addition.gitsign:
        here = paths.join(path, "gitsign")
        fresh = [_identity(pair) for pair in addition.gitsign]
        if here in places.values:
            splices += _extended(text, places, here, fresh)
        elif "gitsign" in table:
            ends = [end for name, end in places.tables.items() if name.startswith(here)]
            blocks = [
                f"\n\n[[signers.gitsign]]\nidentity = {basic_string(identity)}\nissuer = {basic_string(issuer)}"
                for identity, issuer in addition.gitsign
            ]
            splices.append((_line_end(text, max(ends)), "".join(blocks)))
        else:
            missing.append(("gitsign", _array(fresh)))
        old = table.get("gitsign", [])
        new = [{"identity": identity, "issuer": issuer} for identity, issuer in addition.gitsign]
        table["gitsign"] = [*(old if isinstance(old, list) else [old]), *new]
    if addition.observed and table.get("observed") is not True:
        if "observed" in table:
            raise _by_hand("says observed = false of that person", (addition,), "take that line out first")
        missing.append(("observed", "true"))
        table["observed"] = True
    if missing and path not in places.tables:
        raise _by_hand("is written in a way that is not edited", (addition,))
    if missing and path in places.inline:
        splices.append((places.tables[path], "".join(f", {key} = {value}" for key, value in missing)))
    elif missing:
        splices.append((_line_end(text, places.tables[path]), "".join(f"\n{key} = {value}" for key, value in missing)))
    return _checked(_splice(text, splices), expected, (addition,))


def _pairs(person: Addition) -> list[tuple[str, str]]:
    """The keys of a new person's table and their values as TOML."""
    pairs = [("name", basic_string(person.name))]
    pairs += [(key, _array([basic_string(each) for each in person.values(key)])) for key in LISTS if person.values(key)]
    if person.gitsign:
        pairs.append(("gitsign", _array([_identity(pair) for pair in person.gitsign])))
    pairs += person.times
    return [*pairs, ("observed", "true")] if person.observed else pairs


def _table(person: Addition) -> dict[str, Any]:
    """What TOML reads of a new person's table."""
    return tomllib.loads("\n".join(f"{key} = {value}" for key, value in _pairs(person)))


def _identity(pair: tuple[str, str]) -> str:
    return f"{{ identity = {basic_string(pair[0])}, issuer = {basic_string(pair[1])} }}"


def _array(elements: Iterable[str]) -> str:
    return "[" + ", ".join(elements) + "]"


def _extended(text: str, places: Layout, path: str, fresh: Sequence[str]) -> list[tuple[int, str]]:
    """Insertions that put elements at the end of the list at `path`, or make one of the single value there."""
    if not fresh:
        return []
    start, end = places.values[path]
    if text[start] != "[":
        return [(start, "["), (end, ", " + ", ".join(fresh) + "]")]
    count = 0
    while paths.item(path, count) in places.values:
        count += 1
    if not count:
        return [(start + 1, ", ".join(fresh))]
    first, last = (places.values[paths.item(path, index)] for index in (0, count - 1))
    comma = _after_comma(text, last[1])
    if "\n" not in text[start : first[0]]:
        # after the last element, before a comma that may stand there
        return [(last[1], "".join(f", {each}" for each in fresh))]
    indent = text[text.rfind("\n", 0, first[0]) + 1 : first[0]]
    indent = indent if not indent.strip() else "  "
    # on lines of their own, below the comment that belongs to the last element
    lines = f",\n{indent}".join(fresh)
    if comma:
        return [(_line_end(text, comma) if "\n" in text[comma:end] else comma, f"\n{indent}{lines},")]
    if "\n" not in text[last[1] : end]:
        return [(last[1], f",\n{indent}{lines}")]
    return [(last[1], ","), (_line_end(text, last[1]), f"\n{indent}{lines}")]


def _after_comma(text: str, at: int) -> int:
    """Where the comma after a list's last element ends, 0 where none follows."""
    while at < len(text):
        if text[at] == "#":
            at = text.find("\n", at)
            if at < 0:
                return 0
        elif text[at] == ",":
            return at + 1
        elif not text[at].isspace():
            return 0
        at += 1
    return 0


def _line_end(text: str, at: int) -> int:
    """Where the line of `at` ends, before its line end."""
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    return end - 1 if end > at and text[end - 1] == "\r" else end


def _splice(text: str, insertions: Sequence[tuple[int, str]]) -> str:
    """The text with the insertions, line ends as the text has them."""
    crlf = "\r\n" in text
    parts: list[str] = []
    done = 0
    for at, fresh in sorted(insertions, key=lambda each: each[0]):
        parts += [text[done:at], fresh.replace("\n", "\r\n") if crlf else fresh]
        done = at
    return "".join((*parts, text[done:]))


def _layout(text: str) -> Layout:
    found = layout(text)
    if found is None:
        raise PolicyError("is written in a way that is not edited", hint="edit it by hand")
    return found


def _checked(edited: str, expected: dict[str, Any], people: Sequence[Addition]) -> str:
    """The edited text, once TOML reads it as what is expected."""
    try:
        found = tomllib.loads(edited)
    except tomllib.TOMLDecodeError:
        found = {}
    if found != expected:
        raise _by_hand("is written in a way that is not edited", people)
    return edited


def _by_hand(problem: str, people: Sequence[Addition], hint: str = "") -> PolicyError:
    names = ", ".join(person.name for person in people)
    return PolicyError(problem, key="signers", hint=hint or f"edit it by hand: add what belongs to {names}")


def one_line(text: str) -> str:
    """Text for a comment."""
    return "".join(c if c.isprintable() else "?" for c in text)
