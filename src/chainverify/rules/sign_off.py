"""Whose `Signed-off-by` a message carries: the Developer Certificate of Origin asks for the author's.

A sign-off is a statement, not a proof: whoever writes the message writes it. What binds it to a person is the commit's signature.
Which addresses belong to one person is never taken from the history that is judged: the policy's people say so, and the mailmap
files that the policy names.
"""

from __future__ import annotations

from chainverify.formats.characters import ascii_folded
from chainverify.rules.messages import quoted
from chainverify.rules.trailers import SIGN_OFF, missing, pointing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, TypeAlias

    from chainverify.formats.trailers import Trailer
    from chainverify.rules.messages import MessageFacts, Problem, Rules

    Identity: TypeAlias = tuple[str, str]
    """Name and address."""

RULE: Final = "message-sign-off"
_NOREPLY: Final = "@users.noreply.github.com"


class People:
    """Who wrote a commit and who committed it; `mapped` leads name and address to the ones that stand for the person."""

    __slots__ = ("author", "committer", "mapped")

    def __init__(self, author: Identity, committer: Identity, mapped: Callable[[str, str], Identity] | None = None) -> None:
        self.author = author
        self.committer = committer
        self.mapped = mapped


def problems(mine: list[Trailer], message: str, facts: MessageFacts, policy: Rules) -> list[Problem]:
    """Whether one of the sign-offs `mine` is by whom the policy asks: nothing, or the one problem."""
    people = facts.people
    if people is None:
        said = "who the author is, is not known here, so nobody can tell whether the sign-off is the author's"
        found = missing(SIGN_OFF, "NAME <ADDRESS>", message, RULE, said)
        found.unknown = bool(mine)
        if not mine:
            found.message = "expected a sign-off by the author, got none"
        return [found]
    level = policy.sign_off
    name, address = people.author
    if level == "exact":
        good = any(each.value == f"{name} <{address}>" for each in mine)
    else:
        mapped = people.mapped if level in ("mailmap", "committer") else None
        wanted = {_same(people.author, mapped)}
        if level == "committer":
            wanted.add(_same(people.committer, mapped))
        signed = [parsed for each in mine if (parsed := identity_of(each.value)) is not None]
        good = any(_same(each, mapped) in wanted for each in signed)
    if good:
        return []
    whom = f"the author, {name} <{address}>"
    if level == "committer" and people.committer != people.author:
        whom += f", or the committer, {people.committer[0]} <{people.committer[1]}>"
    said = f"expected a sign-off by {whom}, got {quoted(mine[-1].value) if mine else 'none'}"
    if not mine:
        found = missing(SIGN_OFF, f"{name} <{address}>", message, RULE, said)
        if found.hint.startswith("end"):
            found.hint = f"commit with -s (git rebase --signoff for older ones), or {found.hint}"
        return [found]
    hint = f"add {quoted(f'{SIGN_OFF}: {name} <{address}>')}, or set the commit's author right: git commit --amend --reset-author"
    return [pointing(mine[-1], RULE, said, hint)]


def identity(line: str) -> Identity:
    """Name and address of an identity as git prints it: `NAME <ADDRESS> SECONDS ZONE`."""
    name, _, rest = line.partition("<")
    return name.strip(), rest.partition(">")[0]


def identity_of(value: str) -> Identity | None:
    """Name and address of `NAME <ADDRESS>`, None for any other text."""
    name, bracket, rest = value.partition("<")
    address = rest.removesuffix(">")
    if not bracket or not rest.endswith(">") or "<" in address or ">" in address or not address.strip():
        return None
    return name.strip(), address.strip()


def _same(who: Identity, mapped: Callable[[str, str], Identity] | None) -> str:
    """The address that stands for a person: equal for two identities that are one."""
    return folded((mapped(*who) if mapped else who)[1])


def folded(address: str) -> str:
    """An address without the case of its letters, and GitHub's `ID+LOGIN@users.noreply.github.com` without the number."""
    address = ascii_folded(address)
    number, plus, rest = address.partition("+")
    return rest if plus and number.isdigit() and address.endswith(_NOREPLY) else address
