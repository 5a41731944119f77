"""Which rules about messages ask for at least as much as others: what is stricter, key by key of `[messages]`.

A message that follows the stricter rules follows the others, so that it need not be judged again under them. Where that
cannot be told (two patterns that differ), neither is the stricter one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from chainverify.policy.model import MessagesPolicy

_SIGN_OFF: Final = ("exact", "email", "mailmap", "committer", "off")
"""The strictest first; each accepts what those before it accept."""


def covers(strict: Iterable[MessagesPolicy], others: Iterable[MessagesPolicy]) -> bool:
    """Whether what follows all rules of `strict` follows all of `others`."""
    stricter = tuple(strict)
    return all(any(at_least(each, other) for each in stricter) for other in others)


def at_least(one: MessagesPolicy, other: MessagesPolicy) -> bool:
    """Whether `one` asks for at least as much as `other`: in each key, the value that accepts less."""
    return (
        one.introduction == other.introduction
        and _tickets(one, other)
        and (other.pattern is None or one.pattern == other.pattern)
        and _conventional(one, other)
        and _number(one.subject_max, other.subject_max)
        and _number(one.body_line_max, other.body_line_max)
        and set(other.trailers) <= set(one.trailers)
        and _SIGN_OFF.index(one.sign_off) <= _SIGN_OFF.index(other.sign_off)
        and (one.mailmap == other.mailmap or other.sign_off not in ("mailmap", "committer"))
        and (one.merges == "judge" or other.merges == "skip")
        and (one.reverts == "judge" or other.reverts == "skip")
        and (other.allow_fixup or not one.allow_fixup)
    )


def _tickets(one: MessagesPolicy, other: MessagesPolicy) -> bool:
    """Fewer project keys and fewer in a list are stricter; the place and the separator must be the same."""
    if not other.tickets:
        return True
    fewer = bool(one.tickets) and set(one.tickets) <= set(other.tickets) and one.tickets_max <= other.tickets_max
    return fewer and (one.ticket_where, one.separator) == (other.ticket_where, other.separator)


def _conventional(one: MessagesPolicy, other: MessagesPolicy) -> bool:
    """Fewer types and scopes are stricter, as long as both look at the same part of the subject."""
    if other.conventional is None:
        return True
    if one.conventional is None or _before(one) != _before(other):
        return False
    types, scopes = set(one.conventional.types), set(one.conventional.scopes)
    few = not other.conventional.scopes or (bool(scopes) and scopes <= set(other.conventional.scopes))
    return few and types <= set(other.conventional.types)


def _before(rules: MessagesPolicy) -> object:
    """What may stand before the conventional part of a subject."""
    return (rules.tickets, rules.tickets_max, rules.separator) if rules.tickets and rules.ticket_where == "subject" else None


def _number(one: int | None, other: int | None) -> bool:
    return other is None or (one is not None and one <= other)
