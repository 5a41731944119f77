"""One line of progress on a terminal's stderr, gone when the work is done."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final, Self

INTERVAL: Final = 0.1
"""Seconds between two drawings."""
DELAY: Final = 0.5
"""Seconds of work before anything is drawn: short runs show nothing."""


class Progress:
    """Draws `label done/total`; call it with the counts, leave its context to clear the line."""

    def __init__(self, label: str, *, enabled: bool) -> None:
        self._label = label
        self._enabled = enabled
        self._next = time.monotonic() + DELAY
        self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __call__(self, done: int, total: int) -> None:
        """Draw if it is time to: `total` 0 is not known."""
        if not self._enabled or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + INTERVAL
        self._drawn = True
        of = f"/{total} ({100 * done // total}%)" if total else ""
        sys.stderr.write(f"\r\x1b[K{self._label}: {done}{of}")
        sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
