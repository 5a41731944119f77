"""Everything found out about one object, for people: facts, steps of the verdict, and what would change it."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from chainverify.model.report import Report

StepStatus: TypeAlias = Literal["passed", "failed", "not decided", "not reached", "skipped"]


class Fact(NamedTuple):
    """Something that is said of the object: a `claim` is the word of whoever made it, all else was checked here."""

    label: str
    value: str
    claim: bool = False


class Section(NamedTuple):
    """Facts that belong together, under a title."""

    title: str
    facts: tuple[Fact, ...]


class Step(NamedTuple):
    """A step of the verdict, in the order in which they are taken; `detail` says what was found."""

    name: str
    status: StepStatus
    detail: str = ""


class Explanation(NamedTuple):
    """One object explained: `report` is what `commits` would say of it, `steps` how it came to that.

    `proposal` are lines of TOML that would accept the object, or of advice in comments: observed, not trusted. `note` says why
    nothing was judged.
    """

    kind: str
    oid: str
    sections: tuple[Section, ...]
    steps: tuple[Step, ...]
    report: Report
    proposal: tuple[str, ...] = ()
    note: str = ""
