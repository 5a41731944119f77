"""Subjects in the form of Conventional Commits 1.0: `type(scope)!: description`."""

from __future__ import annotations

from chainverify.formats import characters
from chainverify.rules.messages import Problem, at, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TypeAlias

    Convention: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
    """The types, and the scopes (none: any)."""

_NAMED: Final = 12
"""Types or scopes that a message lists before it says that there are more."""
_MEANT: Final = {
    "feature": "feat", "bug": "fix", "bugfix": "fix", "hotfix": "fix", "fixes": "fix", "fixed": "fix", "doc": "docs",
    "documentation": "docs", "tests": "test", "testing": "test", "performance": "perf", "refactoring": "refactor",
    "refactored": "refactor", "styles": "style", "chores": "chore", "builds": "build", "deps": "build", "reverts": "revert",
}  # fmt: skip
"""Other words that people write for the usual types."""


def problems(subject: str, offset: int, convention: Convention, first: tuple[int, str]) -> list[Problem]:
    """What is wrong with the form of a subject that starts at `offset` of the line `first`: nothing, or the first thing."""
    found = _wrong(subject, convention)
    if found is None:
        return []
    place, width, expected, got = found
    suggestion = nearest(subject, convention)
    example = quoted(f"{convention[0][0]}: what changes")
    hint = f"did you mean {quoted(suggestion)}?" if suggestion else f"write, for example, {example}"
    message = f"expected {expected}, got {got}"
    return [at(first, "message-pattern", message, hint, column=offset + place + 1, width=width)]


def _wrong(subject: str, convention: Convention) -> tuple[int, int, str, str] | None:
    """Place from 0 and width of the first thing that is wrong, what was expected and what stands there; None: nothing is."""
    types, scopes = convention
    end = next((place for place, c in enumerate(subject) if c in "(!: "), len(subject))
    if subject[:end] not in types:
        return 0, max(1, end), f"{_some(types)} at the start of a conventional subject", quoted(subject)
    if subject.startswith("(", end):
        close = subject.find(")", end)
        scope = subject[end + 1 : close] if close > 0 else ""
        if not characters.visible(scope):
            got = "empty parentheses" if close > 0 else "no closing parenthesis"
            return end, max(1, close + 1 - end), "a scope in parentheses", got
        if scopes and scope not in scopes:
            return end + 1, len(scope), f"the scope {_some(scopes)}", quoted(scope)
        end = close + 1
    end += subject.startswith("!", end)
    if not subject.startswith(": ", end):
        got = quoted(subject[end : end + 2]) if subject[end:] else "nothing"
        return end, 1, f'": " after {quoted(subject[:end])}', got
    if not characters.visible(subject[end + 2 :]):
        return end, 2, f"a description after {quoted(subject[: end + 1])}", "none"
    return None


def _some(names: tuple[str, ...]) -> str:
    more = " or another" if len(names) > _NAMED else ""
    return " or ".join(filter(None, (", ".join(names[: min(len(names), _NAMED) - 1]), names[min(len(names), _NAMED) - 1]))) + more


def nearest(subject: str, convention: Convention) -> str:
    """The conventional form of a subject, empty where none is near; what is returned has nothing wrong."""
    import re

    from chainverify.rules.nearest import alike

    types, scopes = convention
    plain = " ".join(characters.latin(subject).split())
    match = re.match(r"([A-Za-z][\w-]{0,30}) ?(?:[(\[{] ?([^()\[\]{}]{0,60}?) ?[)\]}])? ?(!?) ?(?:[:;-]|$)", plain)
    if match is None:
        # a type without its colon: only a word that is one, for most first words are just words
        match = re.match(r"([A-Za-z][\w-]{0,30})()()(?= )", plain)
        if match is None or match[1].casefold() not in {each.casefold() for each in types}:
            return ""
    word = match[1].casefold()
    word = _MEANT.get(word, word)
    near = [each for each in types if each.casefold() == word] + [each for each in types if alike(word, each.casefold())]
    kind = near[0] if near else ""
    scope = match[2] or ""
    if scope and scopes and scope not in scopes:
        scope = next((each for each in scopes if alike(scope.casefold(), each.casefold())), "")
    form = f"{kind}{f'({scope})' if scope else ''}{match[3]}: {plain[match.end() :].strip(' :;-')}"
    return form if kind and _wrong(form, convention) is None and not characters.strays(form) else ""
