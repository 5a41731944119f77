"""What `chainverify doctor` found out: one check after another, and the hooks that git runs."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

State: TypeAlias = Literal["ok", "warn", "problem", "unknown"]
"""`unknown`: it could not be told, which is neither good nor bad."""

STATES: Final[tuple[State, ...]] = ("ok", "warn", "problem", "unknown")


class Check(NamedTuple):
    """One thing that was looked at: its stable name, how it is, in one line, and what to do (empty: nothing)."""

    name: str
    state: State
    message: str
    hint: str = ""


class Link(NamedTuple):
    """One hook that git runs for an event: `source` says what names it (a scope of the configuration, or `file`)."""

    event: str
    source: str
    name: str
    ours: bool
    runs: bool


class Checkup(NamedTuple):
    """All checks, and for each event the hooks in the order in which git runs them."""

    checks: tuple[Check, ...]
    hooks: tuple[Link, ...]

    @property
    def exit_status(self) -> int:
        """1 where something is a problem, else 3 where something could not be told, else 0."""
        states = {each.state for each in self.checks}
        return 1 if "problem" in states else 3 if "unknown" in states else 0
