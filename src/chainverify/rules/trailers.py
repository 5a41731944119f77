"""The rules about trailers: how many there are, what they say, tickets in them, and whose sign-off is there.

What is a trailer is git's word (`formats.trailers`): a line in the middle of the body that looks like one is none.
"""

from __future__ import annotations

from chainverify.formats import characters
from chainverify.formats import trailers as text_of
from chainverify.formats.pattern import whole
from chainverify.rules.messages import MESSAGE_JUDGED_MAX, Problem, at, is_ticket_list, matches, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TypeAlias

    from chainverify.formats.trailers import Trailer
    from chainverify.rules.messages import MessageFacts, Rules

    Asked: TypeAlias = tuple[str, int, int | None, str | None, bool]
    """Name, least and most number, pattern, whether values may stand twice."""

SIGN_OFF: Final = "Signed-off-by"
VALUE_JUDGED_MAX: Final = 4096
"""Characters of a trailer's value that are matched at all; a longer one fails without a match."""
JUDGED_MAX: Final = 1000
"""Trailers of one name whose values are matched; where there are more the rule fails."""
_EXAMPLE: Final = "NAME <ADDRESS>"


def problems(message: str, facts: MessageFacts, policy: Rules, *, over: bool) -> list[Problem]:
    """Everything about the trailers of a message that does not hold; `over` says that its end, where they stand, was cut off."""
    tickets = policy.ticket_where.removeprefix("trailer:") if policy.ticket_where != "subject" and policy.tickets else ""
    if over:
        rules = ["message-ticket"] if tickets else []
        rules += ["message-trailer"] if policy.trailers else []
        rules += ["message-sign-off"] if policy.sign_off != "off" else []
        text = "expected trailers at the end of the message, but only its start was looked at"
        return [Problem(rule, text, f"write at most {MESSAGE_JUDGED_MAX} characters") for rule in rules]
    theirs: dict[str, list[Trailer]] = {}
    for each in text_of.trailers(message):
        theirs.setdefault(each.key.lower(), []).append(each)
    found: list[Problem] = []
    if tickets:
        found += _tickets(tickets, theirs.get(tickets.lower(), []), message, policy)
    for asked in policy.trailers:
        found += _asked(asked, theirs, message)
    if policy.sign_off != "off":
        from chainverify.rules import sign_off

        found += sign_off.problems(theirs.get(SIGN_OFF.lower(), []), message, facts, policy)
    return found


def missing(name: str, value: str, message: str, rule: str, said: str) -> Problem:
    """The problem that a trailer is not there; it points at a line that looks like it and is none, else at the message's end."""
    known = {each.line for each in text_of.trailers(message)}
    last = (1, "")
    for number, line in enumerate(message.split("\n"), 1):
        if line.strip():
            last = (number, line.rstrip("\r"))
        key = text_of.key_of(line)
        if key and number not in known and key.rstrip().lower() == name.lower():
            hint = "move it into the last paragraph, which holds nothing but trailers: elsewhere git reads it as text"
            return at(last, rule, said, hint, column=1, width=len(line))
    hint = f"end the message with a paragraph of its own: {quoted(f'{name}: {value}')}"
    return at(last, rule, said, hint, column=len(last[1]) + 1, width=1)


def pointing(trailer: Trailer, rule: str, message: str, hint: str) -> Problem:
    """A problem with the value of a trailer."""
    start = trailer.text.find(text_of.SEPARATOR) + 1
    value = trailer.text[start:]
    column = start + len(value) - len(value.lstrip()) + 1
    return at((trailer.line, trailer.text), rule, message, hint, column=column, width=max(1, len(value.strip())))


def _asked(asked: Asked, theirs: dict[str, list[Trailer]], message: str) -> list[Problem]:
    name, least, most, pattern, duplicates = asked
    rule = "message-trailer"
    mine = theirs.get(name.lower(), [])
    distinct: set[str] = set()
    for each in mine:
        same = identity(each.value)
        if same in distinct and not duplicates:
            said = f"expected each {name} trailer once, got {quoted(each.value)} again"
            return [pointing(each, rule, said, "remove one of them")]
        if characters.visible(each.value):
            distinct.add(same)
    if most is not None and len(mine) > most:
        expected = f"at most {most} {_trailers(name, most)}" if most else f"no {name} trailer"
        return [pointing(mine[most], rule, f"expected {expected}, got {len(mine)}", "remove what is too many")]
    if len(distinct) < least:
        return [_too_few(name, least, len(distinct), theirs, message)]
    if pattern is None:
        return []
    for number, each in enumerate(mine):
        too_much = number >= JUDGED_MAX or len(each.value) > VALUE_JUDGED_MAX
        if too_much or not matches(whole(pattern), each.value):
            got = "more than is matched" if too_much else quoted(each.value)
            hint = "change the value so that the whole of it matches the pattern"
            return [pointing(each, rule, f"expected {name} to match {quoted(pattern)}, got {got}", hint)]
    return []


def _too_few(name: str, least: int, count: int, theirs: dict[str, list[Trailer]], message: str) -> Problem:
    from chainverify.rules.nearest import alike

    said = f"expected at least {least} {_trailers(name, least)}, got {count or 'none'}"
    for key, near in theirs.items():
        if key != name.lower() and alike(key, name.lower()):
            each = near[0]
            hint = f"did you mean {quoted(f'{name}: {each.value}')}?"
            return at((each.line, each.text), "message-trailer", said, hint, column=1, width=len(each.key))
    return missing(name, _EXAMPLE if name.lower().endswith("-by") else "VALUE", message, "message-trailer", said)


def _trailers(name: str, number: int) -> str:
    return f"{name} trailer" + ("s" if number > 1 else "")


def identity(value: str) -> str:
    """What makes two values the same: the address in angle brackets that ends the value, else all of it; case does not count."""
    start = value.rfind("<")
    return (value[start:] if value.endswith(">") and start >= 0 else value).casefold()


def _tickets(name: str, mine: list[Trailer], message: str, policy: Rules) -> list[Problem]:
    rule = "message-ticket"
    example = f"{policy.tickets[0]}-123"
    if not mine:
        keys = " or ".join(f"{key}-NUMBER" for key in policy.tickets[:4]) + (" or another" if len(policy.tickets) > 4 else "")
        return [missing(name, example, message, rule, f"expected the trailer {name} with {keys}, got none")]
    for each in mine:
        if is_ticket_list(each.value, policy):
            continue
        from chainverify.rules.nearest import ticket_list

        found: list[Problem] = []
        start = each.value[:VALUE_JUDGED_MAX]
        plain = characters.latin(start)
        if plain != each.value and is_ticket_list(plain, policy):
            said = f"expected {quoted(plain)} in ASCII, got characters that only look like it"
            found.append(pointing(each, "message-characters", said, "type the ticket again"))
        near = ticket_list(start, policy)
        hint = f"did you mean {quoted(f'{name}: {near}')}?" if near else f"write, for example, {quoted(f'{name}: {example}')}"
        most = f"up to {policy.tickets_max} tickets" if policy.tickets_max > 1 else "a ticket"
        return [*found, pointing(each, rule, f"expected {most} and nothing else in {name}, got {quoted(each.value)}", hint)]
    return []
