"""Times for people."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, overload


@overload
def moment(seconds: int) -> str: ...
@overload
def moment(seconds: None) -> None: ...


def moment(seconds: int | None) -> str | None:
    """Seconds since the epoch as RFC 3339 text (`2025-06-15T12:00:00Z`), `@SECONDS` outside the years 1 to 9999."""
    if seconds is None:
        return None
    day, rest = divmod(seconds, 86400)
    try:
        return f"{_date(day)}T{_TWO[rest // 3600]}:{_TWO[rest // 60 % 60]}:{_TWO[rest % 60]}Z"
    except (ValueError, OverflowError, OSError):
        return f"@{seconds}"


_TWO: Final = tuple(f"{number:02}" for number in range(60))
"""Numbers with two digits: formatting each costs more than all the rest."""


@lru_cache(4096)
def _date(day: int) -> str:
    """The date of a day counted from the epoch: a history has many commits of one day."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(day * 86400, UTC).isoformat()[:10]
