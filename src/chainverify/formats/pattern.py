"""A small regular-expression matcher whose time is linear in the text, whatever the pattern and the text are.

Python's `re` backtracks: one message can keep a server busy for hours. This matcher simulates the pattern's
non-deterministic automaton state set by state set (Thompson 1968), so a text of n characters costs at most
n times the number of states; a step that was taken before is looked up. The supported syntax is what commit-message
patterns are made of: literals, `.`, classes
`[a-z]` `[^...]`, `\\d \\w \\s` and their negations (ASCII, as in `grep -E`'s portable reading), groups `( )` and `(?: )`,
alternation `|`,
repetition `* + ? {m} {m,} {m,n}`, and the anchors `^` and `$`. Anything else (back references, look-around, lazy and
possessive quantifiers, flags) is refused when the pattern is compiled, never misread.

It imports next to nothing: the commit-msg hook runs it on every commit.
"""

from __future__ import annotations

from chainverify.errors import Malformed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Node: TypeAlias = tuple[Any, ...]
    """Syntax tree: ("char", ranges) | ("bol",) | ("eol",) | ("cat", nodes) | ("alt", nodes) | ("rep", node, min, max or None)"""

PATTERN_LENGTH_MAX = 1000
STATES_MAX = 2000
REPEAT_MAX = 500
NESTING_MAX = 50
MOVES_MAX = 10_000
"""Steps that one pattern remembers; then it forgets them all."""

_CLASSES = {
    "d": ((48, 57),),
    "w": ((48, 57), (65, 90), (95, 95), (97, 122)),
    "s": ((9, 13), (32, 32)),
}
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}
# Not here: < > ` ' which after a backslash are anchors to GNU grep and letters to others.
_PUNCTUATION = frozenset('\\^$.|?*+()[]{}-/ #"!%&,:;=@_~')
_TOP = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]

# State kinds of the compiled program; a state is (kind, argument, next, alternative next).
_CHAR, _SPLIT, _BOL, _EOL, _MATCH = range(5)


def _negate(ranges: Ranges) -> Ranges:
    out: list[tuple[int, int]] = []
    low = 0
    for start, end in sorted(ranges):
        if start > low:
            out.append((low, start - 1))
        low = max(low, end + 1)
    if low <= _TOP:
        out.append((low, _TOP))
    return tuple(out)


_ANY: Ranges = _negate(((10, 10),))


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0
        self.depth = 0

    def fail(self, expected: str) -> Malformed:
        got = repr(self.text[self.at]) if self.at < len(self.text) else "the end of the pattern"
        return Malformed(
            f"pattern is not supported at character {self.at + 1}: expected {expected}, got {got}",
            rule="policy",
            hint="patterns are linear-time regular expressions: no look-around, back references, lazy quantifiers or flags",
        )

    def peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def alternation(self) -> Node:
        branches = [self.sequence()]
        while self.peek() == "|":
            self.at += 1
            branches.append(self.sequence())
        return branches[0] if len(branches) == 1 else ("alt", branches)

    def sequence(self) -> Node:
        items: list[Node] = []
        while (c := self.peek()) and c not in "|)":
            items.append(self.repeated(self.atom()))
        return ("cat", items)

    def repeated(self, node: Node) -> Node:
        c = self.peek()
        if c == "*":
            bounds: tuple[int, int | None] = (0, None)
        elif c == "+":
            bounds = (1, None)
        elif c == "?":
            bounds = (0, 1)
        elif c == "{":
            bounds = self.bounds()
        else:
            return node
        if node[0] in ("bol", "eol"):
            raise self.fail("no quantifier after an anchor")
        if c != "{":
            self.at += 1
        if self.peek() and self.peek() in "?+*{":
            raise self.fail("one quantifier, neither lazy nor possessive nor doubled")
        return ("rep", node, *bounds)

    def bounds(self) -> tuple[int, int | None]:
        self.at += 1
        low = self.number()
        high: int | None = low
        if self.peek() == ",":
            self.at += 1
            high = None if self.peek() == "}" else self.number()
        if self.peek() != "}":
            raise self.fail("'}'")
        if high is not None and high < low:
            raise self.fail("a range {m,n} with m at most n")
        self.at += 1
        return low, high

    def number(self) -> int:
        start = self.at
        while self.peek() in "0123456789" and self.peek():
            self.at += 1
        digits = self.text[start : self.at]
        if not digits or len(digits) > 4 or int(digits) > REPEAT_MAX:
            raise self.fail(f"a repetition count of at most {REPEAT_MAX}")
        return int(digits)

    def atom(self) -> Node:
        c = self.peek()
        if c == "(":
            return self.group()
        if c == "[":
            return ("char", self.char_class())
        if c == "\\":
            return ("char", self.escape(in_class=False))
        self.at += 1
        if c == ".":
            return ("char", _ANY)
        if c == "^":
            return ("bol",)
        if c == "$":
            return ("eol",)
        if c in "*+?{":
            self.at -= 1
            raise self.fail("something to repeat before the quantifier")
        return ("char", ((ord(c), ord(c)),))

    def group(self) -> Node:
        self.depth += 1
        if self.depth > NESTING_MAX:
            raise self.fail(f"at most {NESTING_MAX} nested groups")
        self.at += 1
        if self.peek() == "?":
            if self.text[self.at : self.at + 2] != "?:":
                raise self.fail("'(?:' (no look-around, names or flags)")
            self.at += 2
        node = self.alternation()
        if self.peek() != ")":
            raise self.fail("')'")
        self.at += 1
        self.depth -= 1
        return node

    def escape(self, *, in_class: bool) -> Ranges:
        self.at += 1
        c = self.peek()
        if not c:
            raise self.fail("a character after the backslash")
        if c.lower() in _CLASSES:
            self.at += 1
            ranges = _CLASSES[c.lower()]
            return _negate(ranges) if c.isupper() else ranges
        if c in _ESCAPES:
            self.at += 1
            return ((ord(_ESCAPES[c]), ord(_ESCAPES[c])),)
        if c in _PUNCTUATION:
            self.at += 1
            return ((ord(c), ord(c)),)
        raise self.fail("a known escape (\\d \\w \\s \\t, or a punctuation character)" + (" in a class" if in_class else ""))

    def char_class(self) -> Ranges:
        self.at += 1
        negated = self.peek() == "^"
        if negated:
            self.at += 1
        ranges: list[tuple[int, int]] = []
        first = True
        while (c := self.peek()) != "]" or first:
            if not c:
                raise self.fail("']'")
            if c == "[" and self.text[self.at + 1 : self.at + 2] in (":", ".", "="):
                raise self.fail("ranges like a-z (no [:class:])")
            first = False
            ranges.extend(self.class_item(c))
        self.at += 1
        return _negate(tuple(ranges)) if negated else tuple(ranges)

    def class_item(self, c: str) -> Ranges:
        if c == "\\":
            low = self.escape(in_class=True)
        else:
            low = ((ord(c), ord(c)),)
            self.at += 1
        following = self.text[self.at + 1 : self.at + 2]
        if self.peek() != "-" or following in ("]", ""):
            return low
        self.at += 1
        if self.peek() == "\\":
            high = self.escape(in_class=True)
        else:
            high = ((ord(following), ord(following)),)
            self.at += 1
        single = len(low) == 1 and low[0][0] == low[0][1] and len(high) == 1 and high[0][0] == high[0][1]
        if not single or high[0][0] < low[0][0]:
            raise self.fail("a range in ascending order, like a-z")
        return ((low[0][0], high[0][0]),)


class _Node:
    """States in which the matcher may be between two characters, and where each character that was met leads from there.

    `moves` has None for a character before which a match was complete already.
    """

    __slots__ = ("moves", "states")

    def __init__(self, states: frozenset[int]) -> None:
        self.states = states
        self.moves: dict[str, _Node | None] = {}


class Pattern:
    """A compiled pattern; make it with `compile_pattern`. Steps that a search has found out serve the next."""

    __slots__ = ("_known", "_nodes", "_program", "source")

    def __init__(self, source: str, program: tuple[tuple[int, Ranges | None, int, int], ...]) -> None:
        self.source = source
        self._program = program
        self._nodes: dict[frozenset[int], _Node] = {}
        self._known = 0

    def search(self, text: str) -> bool:
        """Whether the pattern matches somewhere in `text`; `^` and `$` match only at its very start and end."""
        closed: set[int] = set()
        if self._close(frozenset(), closed, first=True, end=not text):
            return True
        if not text:
            return False
        node = self._node(self._step(closed, text[0]))
        for character in text[1:]:
            following = node.moves.get(character, node)
            if following is node and character not in node.moves:
                following = self._move(node, character)
            if following is None:
                return True
            node = following
        return self._close(node.states, closed, first=False, end=True)

    def _move(self, node: _Node, character: str) -> _Node | None:
        """Where a character leads, remembered: as many steps as states, once for each pair of node and character."""
        if self._known >= MOVES_MAX:
            for each in list(self._nodes.values()):
                each.moves.clear()
            self._nodes.clear()
            self._known = 0
        closed: set[int] = set()
        if self._close(node.states, closed, first=False, end=False):
            following = None
        else:
            following = self._node(self._step(closed, character))
        node.moves[character] = following
        self._known += 1
        return following

    def _node(self, states: frozenset[int]) -> _Node:
        found = self._nodes.get(states)
        if found is None:
            found = self._nodes[states] = _Node(states)
        return found

    def _step(self, states: set[int], character: str) -> frozenset[int]:
        """The states that lie behind one character."""
        code = ord(character)
        program = self._program
        return frozenset(
            [program[state][2] for state in states if program[state][0] == _CHAR and _holds(program[state][1], code)]
        )

    def can_match(self) -> bool:
        """Whether there is any one-line text in which the pattern matches: `a^b` and `$x` have none."""
        # a state, whether nothing was read before it, and whether nothing may be read after it
        stack = [(0, True, False), (0, False, False)]
        seen: set[tuple[int, bool, bool]] = set()
        while stack:
            state, first, ended = here = stack.pop()
            if here in seen:
                continue
            seen.add(here)
            kind, ranges, target, other = self._program[state]
            if kind == _MATCH:
                return True
            if kind == _SPLIT:
                stack += [(target, first, ended), (other, first, ended)]
            elif kind == _EOL or (kind == _BOL and first):
                stack.append((target, first, ended or kind == _EOL))
            elif kind == _CHAR and not ended and any((low, high) != (10, 10) for low, high in ranges or ()):
                stack.append((target, False, False))
        return False

    def _close(self, states: frozenset[int], out: set[int], *, first: bool, end: bool) -> bool:
        """Follow empty moves from `states`, and from the start (a match may start anywhere), into `out`.

        True where the match state is reached. `first` and `end` say whether this is the start, and the end, of the text.
        """
        out.clear()
        stack = [0, *states]
        while stack:
            state = stack.pop()
            if state in out:
                continue
            out.add(state)
            kind, _, target, other = self._program[state]
            if kind == _MATCH:
                return True
            if kind == _SPLIT:
                stack.append(target)
                stack.append(other)
            elif (kind == _BOL and first) or (kind == _EOL and end):
                stack.append(target)
        return False


def _holds(ranges: Ranges | None, code: int) -> bool:
    return any(low <= code <= high for low, high in ranges or ())


def _emit(node: Node, program: list[tuple[int, Ranges | None, int, int]]) -> None:
    """Append the states of `node`; control falls through to the state that is appended next."""
    if len(program) > STATES_MAX:
        raise Malformed(
            f"pattern is too large: expected at most {STATES_MAX} states after expanding its repetitions", rule="policy"
        )
    kind = node[0]
    here = len(program)
    if kind == "char":
        program.append((_CHAR, node[1], here + 1, 0))
    elif kind in ("bol", "eol"):
        program.append((_BOL if kind == "bol" else _EOL, None, here + 1, 0))
    elif kind == "cat":
        for child in node[1]:
            _emit(child, program)
    elif kind == "alt":
        _emit_alternatives(node[1], program)
    else:
        _emit_repeat(node[1], node[2], node[3], program)


def _emit_alternatives(branches: list[Node], program: list[tuple[int, Ranges | None, int, int]]) -> None:
    ends: list[int] = []
    for branch in branches[:-1]:
        split = len(program)
        program.append((_SPLIT, None, split + 1, 0))
        _emit(branch, program)
        ends.append(len(program))
        program.append((_SPLIT, None, 0, 0))
        program[split] = (_SPLIT, None, split + 1, len(program))
    _emit(branches[-1], program)
    for end in ends:
        program[end] = (_SPLIT, None, len(program), len(program))


def _emit_repeat(child: Node, low: int, high: int | None, program: list[tuple[int, Ranges | None, int, int]]) -> None:
    for done in range(low):
        before = len(program)
        _emit(child, program)
        if len(program) == before and done == 0:
            return  # nothing but the empty text, however often: `(){500}` nested would keep the compiler busy for ever
    if high is None:
        split = len(program)
        program.append((_SPLIT, None, 0, 0))
        _emit(child, program)
        program.append((_SPLIT, None, split, split))
        program[split] = (_SPLIT, None, split + 1, len(program))
        return
    splits: list[int] = []
    for _ in range(high - low):
        splits.append(len(program))
        program.append((_SPLIT, None, 0, 0))
        _emit(child, program)
        if len(program) == splits[-1] + 1:
            break
    for split in splits:
        program[split] = (_SPLIT, None, split + 1, len(program))


def compile_pattern(source: str) -> Pattern:
    """Compile `source`; raises `Malformed` (rule `policy`) where it is outside the supported syntax or too large."""
    if len(source) > PATTERN_LENGTH_MAX:
        raise Malformed(f"pattern is too long: at most {PATTERN_LENGTH_MAX} characters, got {len(source)}", rule="policy")
    parser = _Parser(source)
    node = parser.alternation()
    if parser.at != len(source):
        raise parser.fail("no unmatched ')'")
    program: list[tuple[int, Ranges | None, int, int]] = []
    _emit(node, program)
    program.append((_MATCH, None, 0, 0))
    return Pattern(source, tuple(program))


def whole(source: str) -> str:
    """The pattern that is found exactly where the pattern `source` matches the whole of a text of one line."""
    return f"^(?:{source})$"
