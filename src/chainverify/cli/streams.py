"""Standard input, read within a budget."""

from __future__ import annotations

import sys

from chainverify.errors import UsageError


def standard_input(limit: int, what: str) -> bytes:
    """All of standard input. Raises `UsageError` where it is closed, cannot be read, or has more than `limit` bytes."""
    if sys.stdin is None:
        raise UsageError("standard input is closed", hint=f"give the {what} there, or name a file instead of -")
    try:
        data = sys.stdin.buffer.read(limit + 1)
    except OSError as error:
        raise UsageError(f"cannot read standard input: {error.strerror}") from error
    if len(data) > limit:
        raise UsageError(f"the {what} on standard input has more than {limit} bytes", hint="check what writes it")
    return data
