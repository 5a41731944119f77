"""What a policy would have accepted in place of what it refused: the form to suggest. Only for messages that are refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chainverify.formats import characters
from chainverify.rules.messages import after_ticket, matches, quoted, ticket_end, ticket_of

if TYPE_CHECKING:
    from chainverify.rules.messages import Rules


def nearest(subject: str, policy: Rules) -> str:
    """The form of `subject` that the policy would accept, empty where none is near.

    Found are tickets in the wrong case, bracketed, with another separator, with blanks or nothing between key and number,
    with one letter of the key wrong, and tickets that stand elsewhere in the subject. What is returned passes. Under a policy
    that has only a pattern, the keys are taken from parts of it that look like `JIRA-[0-9]+`.
    """
    keys = _tickets(policy) or tuple(re.findall(r"([A-Z][A-Z0-9_]+)-(?:\[0-9\]|\\d)", policy.pattern or ""))
    plain = characters.latin(subject).strip()
    start = (
        r"[\[({<#\s]{0,4}([A-Za-z][A-Za-z0-9_]{0,40}?)[\s_#-]{0,3}"
        r"([0-9]{1,12})(?![0-9A-Za-z])[\])}>]{0,2}[\s:;,.|/-]{0,8}"
    )
    candidates: list[tuple[str, str, str]] = []
    if match := re.match(start, plain):
        candidates.append((match[1], match[2], plain[match.end() :]))
    inside = r"[\[(<#]?\b([A-Za-z][A-Za-z0-9_]{0,40})-([0-9]{1,12})\b[\])>]?:?"
    for number, match in enumerate(re.finditer(inside, plain)):
        if number == 8:
            break
        text = f"{plain[: match.start()].rstrip(' :;,#-')} {plain[match.end() :].lstrip(' :;,-')}".strip()
        candidates.append((match[1], match[2], text))
    for key, digits, text in candidates:
        for meant in sorted(keys, key=lambda name: name.casefold() != key.casefold()):
            if not alike(key.casefold(), meant.casefold()):
                continue
            again = f"{meant}-{digits}"
            words = text.split()
            more = _leading(words, keys, again, policy.tickets_max)
            form = ", ".join(more) + policy.separator + _conventional(" ".join(words), policy)
            if _good(form, policy):
                return form
    return ""


def _tickets(policy: Rules) -> tuple[str, ...]:
    """The project keys with which a subject may start."""
    return policy.tickets if policy.ticket_where == "subject" else ()


def _leading(words: list[str], keys: tuple[str, ...], first: str, most: int) -> list[str]:
    """`first` and the tickets that follow it, up to `most`; they, and `first` said again, are taken off the front of `words`."""
    found = [first]
    while words:
        key, _, digits = words[0].rstrip(":;,.").rpartition("-")
        ticket = f"{key.upper()}-{digits}"
        again = ticket in found or words[0].rstrip(":;,.") in found
        if not again and not (len(found) < most and key.upper() in keys and digits.isdigit() and digits.isascii()):
            break
        if not again:
            found.append(ticket)
        del words[0]
    return found


def _conventional(text: str, policy: Rules) -> str:
    """What follows the ticket, in the form of Conventional Commits where the policy asks for that and one is near."""
    if policy.conventional is None:
        return text
    from chainverify.rules import conventional

    return conventional.nearest(text, policy.conventional) or text


def _good(subject: str, policy: Rules) -> bool:
    if (_tickets(policy) and not ticket_of(subject, policy)) or characters.strays(subject):
        return False
    if policy.conventional is not None:
        from chainverify.rules import conventional

        if conventional.problems(subject[after_ticket(subject, policy) :], 0, policy.conventional, (1, subject)):
            return False
    return policy.pattern is None or matches(policy.pattern, subject)


def ticket_list(text: str, policy: Rules) -> str:
    """The tickets that a text names, as the policy wants them alone in a trailer; empty where it names none."""
    found: dict[str, None] = {}
    for match in re.finditer(r"([A-Za-z][A-Za-z0-9_]{0,40})[\s_#-]{0,3}([0-9]{1,12})(?![0-9A-Za-z])", characters.latin(text)):
        meant = [key for key in policy.tickets if key.casefold() == match[1].casefold()]
        meant += [key for key in policy.tickets if alike(match[1].casefold(), key.casefold())]
        if meant:
            found[f"{meant[0]}-{match[2]}"] = None
        if len(found) == policy.tickets_max:
            break
    return ", ".join(found)


def alike(one: str, other: str) -> bool:
    """Equal, or one letter apart: replaced, added, left out, or two neighbours swapped (keys of three letters and more)."""
    if one == other:
        return True
    if len(other) < 3 or abs(len(one) - len(other)) > 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    swapped = one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
    return swapped or one[at + 1 :] == other[at + 1 :] or one[at + 1 :] == other[at:] or one[at:] == other[at + 1 :]


def example(policy: Rules, subject: str = "") -> str:
    """A subject that the ticket rule accepts, made of the words of `subject` where it has some of its own."""
    text = " ".join(characters.latin(subject).split())
    keys = _tickets(policy)
    ticket = f"{keys[0]}-123" if keys else ""
    for key in keys:
        if text.startswith(key + "-"):
            end = ticket_end(text, key)
            ticket = text[:end] or f"{key}-123"
            text = text[end or len(key) + 1 :].lstrip(" :-")
    text = _conventional(text or "say what changes", policy)
    return quoted(f"{ticket}{policy.separator}{text}" if ticket else text)
