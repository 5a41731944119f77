"""The rules about commit messages: ticket, pattern, lengths, characters, encoding; trailers and forms of subjects beside it.

Nothing is exempt by its words: "Merge ...", "Revert ..." and "fixup! ..." are judged like any other text. What may be skipped is
skipped by facts that the caller proved (the number of parents, a revert that is one).

`judge` yields findings. The commit-msg hook calls `problems`, the same judgement as plain values, because on its path even
the import of `typing` would cost more than everything here; for that reason this module imports nothing of it at run time. What
only some policies ask for (`rules.trailers`, `rules.sign_off`, `rules.conventional`) is imported when it is asked for.
"""

from __future__ import annotations

from chainverify.formats import characters
from chainverify.formats import message as text_of
from chainverify.formats.pattern import compile_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Protocol

    from chainverify.formats.pattern import Pattern
    from chainverify.model.report import Finding, Status, Subject
    from chainverify.rules.sign_off import People

    class Rules(Protocol):
        """What is read of a `policy.model.MessagesPolicy`."""

        @property
        def tickets(self) -> tuple[str, ...]: ...
        @property
        def separator(self) -> str: ...
        @property
        def pattern(self) -> str | None: ...
        @property
        def subject_max(self) -> int | None: ...
        @property
        def body_line_max(self) -> int | None: ...
        @property
        def merges(self) -> str: ...
        @property
        def reverts(self) -> str: ...
        @property
        def allow_fixup(self) -> bool: ...
        @property
        def ticket_where(self) -> str: ...
        @property
        def tickets_max(self) -> int: ...
        @property
        def conventional(self) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
            """Types, and scopes (none: any)."""
        @property
        def trailers(self) -> tuple[tuple[str, int, int | None, str | None, bool], ...]:
            """Of each: name, least and most number, pattern of the whole value, whether values may stand twice."""
        @property
        def sign_off(self) -> str: ...


SUBJECT_JUDGED_MAX: Final = text_of.SUBJECT_MAX
"""Characters of a subject that are matched at all; a longer one fails, under each rule that asks for a match, without one."""

MESSAGE_JUDGED_MAX: Final = 1 << 20
"""Characters of a message that are judged, and bytes of a stored one that are decoded for it; a longer one fails."""

FIXUPS: Final = ("fixup! ", "squash! ", "amend! ")
"""What `git rebase --autosquash` looks for, exactly so."""

_DIGITS: Final = "0123456789"
_SHOWN: Final = 60
_COMPILED_MAX: Final = 64
_compiled: dict[str, Pattern] = {}
"""The last patterns, compiled: a history is judged under few policies."""


class MessageFacts:
    """What is known of a message besides its text.

    `parents` is their number (2 and more: a merge), `revert` is True only where the revert was proved, `encoding` says what was
    wrong with the bytes (empty: nothing), `path` is where findings point to. `unread` counts the bytes that follow the text and
    were not decoded. `people` says who wrote and who committed it, None where that is not known; only a sign-off needs it.
    """

    __slots__ = ("encoding", "parents", "path", "people", "revert", "unread")

    def __init__(
        self, parents: int = 1, *, revert: bool = False, encoding: str = "", path: str = "COMMIT_EDITMSG", unread: int = 0,
        people: People | None = None,
    ) -> None:
        self.parents = parents
        self.revert = revert
        self.encoding = encoding
        self.path = path
        self.unread = unread
        self.people = people


class Problem:
    """A rule that does not hold: where (line and column from 1, 0 unknown), the line's text, and how wide it is wrong.

    `unknown`: whether it holds could not be decided.
    """

    __slots__ = ("column", "hint", "line", "message", "rule", "text", "unknown", "width")

    def __init__(
        self, rule: str, message: str, hint: str, *, line: int = 0, column: int = 0, text: str | None = None, width: int = 1,
        unknown: bool = False,
    ) -> None:
        self.rule = rule
        self.message = message
        self.hint = hint
        self.line = line
        self.column = column
        self.text = text
        self.width = width
        self.unknown = unknown


def judge(message: str, facts: MessageFacts, policy: Rules, subject: Subject) -> list[Finding]:
    """The findings about one message; never empty.

    A merge or a proved revert that the policy skips has one finding, VERIFIED with status skip, unless its characters or its
    encoding are wrong. A message under which all rules hold has one, VERIFIED with status pass. Otherwise each rule that is
    broken has one finding that points at the first place.
    """
    from chainverify.model.report import FAIL, PASS, SKIP, UNKNOWN, VERIFIED, Excerpt, Finding, Location

    found = []
    for each in problems(message, facts, policy):
        excerpt = None if each.text is None else Excerpt(each.text, each.column, each.width)
        where = Location(facts.path, each.line, each.column, excerpt)
        status: Status = UNKNOWN if each.unknown else FAIL
        found.append(Finding(each.rule, status, subject, each.message, each.hint, where))
    if found:
        return found
    reason = skipped(facts, policy)
    if reason:
        return [Finding(VERIFIED, SKIP, subject, f"not judged: {reason}")]
    return [Finding(VERIFIED, PASS, subject, "the message follows the rules")]


def skipped(facts: MessageFacts, policy: Rules) -> str:
    """Why the words of a message are not judged, empty where they are; what its characters hide is judged always."""
    if facts.parents >= 2 and policy.merges == "skip":
        return f"a merge (a commit with {facts.parents} parents)"
    if facts.revert and policy.reverts == "skip":
        return "a proved revert of an earlier commit"
    return ""


def problems(message: str, facts: MessageFacts, policy: Rules) -> list[Problem]:
    """Every rule that does not hold for a message, empty where all do; at most one problem for each kind of wrong.

    A rule may be switched off, so that none may rely on another one's refusal: each is asked about every message, and what
    is too much to be judged breaks each rule that could not be asked about it.
    """
    over = len(message) > MESSAGE_JUDGED_MAX or facts.unread > 0
    message = message[:MESSAGE_JUDGED_MAX]
    found = [*_encoding(facts), *_characters(message, over=over)]
    if skipped(facts, policy):
        return found
    lines = text_of.subject_lines(message)
    whole = " ".join(text for _, text in lines)
    if over:
        message_ = f"expected a message of at most {MESSAGE_JUDGED_MAX} characters, got a longer one; only its start was judged"
        found.append(Problem("message-body", message_, "put long text into a file or into the ticket"))
    first = lines[0] if lines else (1, "")
    if not characters.visible(whole):
        from chainverify.rules.nearest import example

        hint = f"write one, for example {example(policy)}"
        got = "nothing that can be seen" if lines else "an empty message"
        found.append(at(first, "message-subject", f"expected a subject, got {got}", hint, column=1, width=1))
    long = len(whole) > SUBJECT_JUDGED_MAX
    judged, used = without_fixups(whole[:SUBJECT_JUDGED_MAX])
    if used and not policy.allow_fixup:
        message_ = f"expected a finished commit, got {quoted(used.rstrip())}"
        hint = "squash it into the commit that it corrects: git rebase -i --autosquash"
        found.append(at(first, "message-subject", message_, hint, column=1, width=len(used.rstrip())))
    offset = len(used)
    in_subject = policy.ticket_where == "subject"
    if in_subject:
        found += _ticket(judged, offset, policy, first)
    if long:
        hint = "put a blank line after the first line, so that the rest is the body"
        message_ = f"expected a subject of at most {SUBJECT_JUDGED_MAX} characters, got more"
        found.append(at(first, "message-subject", message_, hint, column=1, width=1))
        if policy.pattern is not None:
            message_ = f"expected a subject that matches {quoted(policy.pattern)}, got one that is too long to be matched"
            found.append(at(first, "message-pattern", message_, hint, column=1, width=1))
    else:
        found += _pattern(judged, offset, policy, first)
        found += _subject_length(judged, offset, len(lines), policy, first)
    if policy.conventional is not None:
        from chainverify.rules import conventional

        start = after_ticket(judged, policy)
        found += conventional.problems(judged[start:], offset + start, policy.conventional, first)
    found += _body_length(message, policy)
    if policy.trailers or policy.sign_off != "off" or not in_subject:
        from chainverify.rules import trailers

        found += trailers.problems(message, facts, policy, over=over)
    return found


def without_fixups(subject: str) -> tuple[str, str]:
    """A subject without the `fixup! `, `squash! ` and `amend! ` before it, however many, and what was removed."""
    at = 0
    while subject.startswith(FIXUPS, at):
        at = subject.index(" ", at) + 1
    return subject[at:], subject[:at]


def ticket_of(subject: str, policy: Rules) -> str | None:
    """The ticket (`JIRA-12`) with which a subject starts as the policy asks, None where it does not.

    Up to `tickets_max` of them, with a comma and perhaps a blank between them, are one. After the ticket stand the separator and
    some text that can be seen; a ticket's number is one or more ASCII digits.
    """
    for end in _list_ends(subject, policy):
        if subject.startswith(policy.separator, end) and characters.visible(subject[end + len(policy.separator) :]):
            return subject[:end]
    return None


def after_ticket(subject: str, policy: Rules) -> int:
    """Where the text after a ticket at the start of a subject begins; 0 where there is no ticket, or none is asked for there."""
    if policy.ticket_where != "subject" or not policy.tickets or (ticket := ticket_of(subject, policy)) is None:
        return 0
    return len(ticket) + len(policy.separator)


def is_ticket_list(text: str, policy: Rules) -> bool:
    """Whether the whole text is a ticket, or as many of them as the policy lets stand together."""
    return len(text) in _list_ends(text, policy)


def _list_ends(text: str, policy: Rules) -> list[int]:
    """Where the first, the second and each further ticket of a list at the start of a text ends."""
    ends: list[int] = []
    start = 0
    while len(ends) < policy.tickets_max:
        end = 0
        for key in policy.tickets:
            end = end or ticket_end(text, key, start)
        if not end:
            break
        ends.append(end)
        if not text.startswith(",", end):
            break
        start = end + (2 if text.startswith(", ", end) else 1)
    return ends


def ticket_end(subject: str, key: str, at: int = 0) -> int:
    """Where the ticket `KEY-NUMBER` that starts at `at` ends, 0 where there is none."""
    if not subject.startswith(key + "-", at):
        return 0
    start = end = at + len(key) + 1
    while end < len(subject) and subject[end] in _DIGITS:
        end += 1
    return end if end > start else 0


def at(line: tuple[int, str], rule: str, message: str, hint: str, *, column: int, width: int) -> Problem:
    """A problem at `column` (from 1) of a line; a place beyond the line is moved to its end."""
    number, text = line
    column = min(column, len(text) + 1)
    width = max(1, min(width, len(text) + 1 - column))
    text = text[: column + SUBJECT_JUDGED_MAX]  # of a line that may be the whole of a large message
    return Problem(rule, message, hint, line=number, column=column, text=text, width=width)


def _encoding(facts: MessageFacts) -> list[Problem]:
    wrong = facts.encoding or (f"the last {facts.unread} bytes were not looked at" if facts.unread else "")
    if not wrong:
        return []
    hint = "write the message in UTF-8, or set i18n.commitEncoding to what it is written in"
    if not facts.encoding:
        hint = f"write at most {MESSAGE_JUDGED_MAX} bytes"
    return [Problem("message-encoding", f"expected text in its declared encoding (or UTF-8), but {wrong}", hint)]


def _characters(message: str, *, over: bool) -> list[Problem]:
    strays = characters.strays(message)
    if not strays and over:
        message_ = "expected text that shows what it says, but only the start of this long one was looked at"
        return [Problem("message-characters", message_, f"write at most {MESSAGE_JUDGED_MAX} characters")]
    if not strays:
        return []
    index, name = strays[0]
    line, column = text_of.line_at(message, index)
    more = f" (and {len(strays) - 1} more)" if len(strays) > 1 else ""
    hint = "remove it; it hides or reorders text, or drives the terminal of whoever reads the log"
    message_ = f"expected text that shows what it says, got {name}{more}"
    return [at(line, "message-characters", message_, hint, column=column, width=1)]


def _ticket(subject: str, offset: int, policy: Rules, first: tuple[int, str]) -> list[Problem]:
    if not policy.tickets or ticket_of(subject, policy):
        return []
    found: list[Problem] = []
    plain = characters.latin(subject)
    if plain != subject and (ticket := ticket_of(plain, policy)):
        end = len(ticket) + len(policy.separator)
        place = next(index for index in range(end) if subject[index] != plain[index])
        code = f"U+{ord(subject[place]):04X}, which only looks like {quoted(plain[place])}"
        message = f"expected {quoted(plain[:end])} in ASCII, got {code}"
        found.append(at(first, "message-characters", message, "type the ticket again", column=offset + place + 1, width=1))
    column, width, got = _ticket_place(subject, policy)
    from chainverify.rules.nearest import example, nearest  # only for a message that is refused

    suggestion = nearest(subject, policy)
    keys = " or ".join(f"{key}-NUMBER" for key in policy.tickets[:4]) + (" or another" if len(policy.tickets) > 4 else "")
    message = f"expected {keys}, then {quoted(policy.separator)} and text, got {got}"
    hint = f"did you mean {quoted(suggestion)}?" if suggestion else f"write, for example, {example(policy, subject)}"
    return [*found, at(first, "message-ticket", message, hint, column=offset + column, width=width)]


def _ticket_place(subject: str, policy: Rules) -> tuple[int, int, str]:
    """Where a subject leaves the form `KEY-NUMBER SEPARATOR TEXT`: column, width, and what stands there."""
    ends = _list_ends(subject, policy)
    if ends:
        end = ends[-1]
        rest, separator = subject[end:], policy.separator
        if rest.startswith(separator) or rest == separator.rstrip():
            return end + 1, max(1, len(rest)), "no text after the ticket"
        wrong = next((i for i, c in enumerate(separator) if rest[i : i + 1] != c), 0)
        got = f"{quoted(rest[: len(separator) + 1])} after the ticket" if rest else "nothing after the ticket"
        return end + 1 + wrong, max(1, len(separator) - wrong), got
    for key in policy.tickets:
        if subject.startswith(key + "-"):
            end = len(key) + 1
            return end + 1, 1, f"{quoted(subject[end])} instead of a number" if subject[end:] else "no number"
    stripped = subject.lstrip()
    return len(subject) - len(stripped) + 1, max(1, len(stripped.partition(" ")[0])), quoted(subject)


def _pattern(subject: str, offset: int, policy: Rules, first: tuple[int, str]) -> list[Problem]:
    if policy.pattern is None or matches(policy.pattern, subject):
        return []
    from chainverify.rules.nearest import nearest

    suggestion = nearest(subject, policy)
    hint = f"did you mean {quoted(suggestion)}?" if suggestion else "change the subject so that the pattern is found in it"
    message = f"expected a subject that matches {quoted(policy.pattern)}, got {quoted(subject)}"
    return [at(first, "message-pattern", message, hint, column=offset + 1, width=len(subject))]


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern that the policy's loader accepted is found in the text."""
    found = _compiled.get(pattern)
    if found is None:
        if len(_compiled) >= _COMPILED_MAX:
            _compiled.clear()
        found = _compiled[pattern] = compile_pattern(pattern)
    return found.search(text)


def _subject_length(subject: str, offset: int, lines: int, policy: Rules, first: tuple[int, str]) -> list[Problem]:
    limit = policy.subject_max
    if limit is None or len(subject) <= limit:
        return []
    message = f"expected a subject of at most {limit} characters, got {len(subject)}"
    if lines > 1:
        message += f" in {lines} lines, which git joins because no blank line follows the first"
        hint = "put a blank line after the subject"
        return [at(first, "message-subject", message, hint, column=1, width=len(first[1]))]
    hint = "say the rest in the body, after a blank line"
    return [at(first, "message-subject", message, hint, column=offset + limit + 1, width=len(subject) - limit)]


def _body_length(message: str, policy: Rules) -> list[Problem]:
    limit = policy.body_line_max
    if limit is None:
        return []
    start, body = text_of.body(message)
    lines = ((number, text.removesuffix("\r")) for number, text in enumerate(body.split("\n"), start) if len(text) > limit)
    long = [line for line in lines if len(line[1]) > limit]
    if not long:
        return []
    width = len(long[0][1])
    more = f" (and {len(long) - 1} more such lines)" if len(long) > 1 else ""
    text = f"expected lines of at most {limit} characters, got {width}{more}"
    return [at(long[0], "message-body", text, "break the line", column=limit + 1, width=width - limit)]


def quoted(text: str) -> str:
    return f'"{text[:_SHOWN]}..."' if len(text) > _SHOWN else f'"{text}"'


def claimed_revert(message: str) -> tuple[str, str] | None:
    """Which commit a message says it reverts, and the subject that commit must then have; None where it says neither.

    The forms are git's own: `Revert "S"` (or, of a revert, `Reapply "S"`), and one line `This reverts commit ID.`; of a merge
    `This reverts commit ID, reversing`. This is a claim: whoever exempts the message must prove it in the history.
    """
    subject = text_of.subject(message)
    if len(message) > MESSAGE_JUDGED_MAX or len(subject) > SUBJECT_JUDGED_MAX:
        return None  # what was not read may say otherwise
    if subject.startswith('Revert "') and subject.endswith('"') and len(subject) > 9:
        meant = subject[8:-1]
    elif subject.startswith('Reapply "') and subject.endswith('"') and len(subject) > 10:
        meant = f'Revert "{subject[9:-1]}"'
    else:
        return None
    start = "This reverts commit "
    lines = text_of.body(message)[1].split("\n")
    named = [text[len(start) :].removesuffix("\r") for text in lines if text.startswith(start)]
    if len(named) != 1:
        return None
    oid = named[0].removesuffix(", reversing").removesuffix(".")
    whole = len(oid) in (40, 64) and not oid.strip("0123456789abcdef")
    return (oid, meant) if whole and named[0] in (oid + ".", oid + ", reversing") else None
