"""Times for people."""

from __future__ import annotations

from typing import overload


@overload
def moment(seconds: int) -> str: ...
@overload
def moment(seconds: None) -> None: ...


def moment(seconds: int | None) -> str | None:
    """Seconds since the epoch as RFC 3339 text, `@SECONDS` outside the years that it can write; None for None."""
    from datetime import UTC, datetime

    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()[:19] + "Z"
    except (ValueError, OverflowError, OSError):
        return f"@{seconds}"
