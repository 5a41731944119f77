"""The programs that hold and use the developer's keys, run for a bounded time: an argument list, no shell, no input.

Without a terminal nobody can answer: then a program gets a session of its own, so that it cannot reach one and ask there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from chainverify.errors import BudgetExceeded, Unavailable

LISTING_SECONDS: Final = 20
"""How long a program may take to list keys: gpg may have to start its agent and wake a card."""
OUTPUT_BYTES_MAX: Final = 4 << 20
"""The most of a program's output that is looked at."""


class Done(NamedTuple):
    """A program that ran to its end."""

    status: int
    out: bytes
    err: bytes

    @property
    def said(self) -> str:
        """The last lines of its messages, for people; anybody's text."""
        lines = [line.strip() for line in self.err.decode("utf-8", "backslashreplace").splitlines() if line.strip()]
        return "; ".join(lines[-3:])[:400]


def run(
    command: Sequence[str], seconds: float, *, environ: Mapping[str, str] | None = None, directory: Path | None = None,
    terminal: bool = False, stdin: bytes = b"",
) -> Done:  # fmt: skip
    """Run a program to its end; `terminal` lets it ask on the developer's terminal.

    Raises `Unavailable` where it cannot be run, `BudgetExceeded` after `seconds`: then it and all that it started are ended.
    """
    name = Path(command[0]).name
    try:
        process = subprocess.Popen(  # noqa: S603 - an argument list; what is the user's stands behind fixed options
            list(command), cwd=directory, env=None if environ is None else dict(environ), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=not terminal,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise Unavailable(f"the program {name} was not found", rule="internal", hint="install it, or put it on PATH") from error
    except OSError as error:
        raise Unavailable(f"{name} cannot be run: {error.strerror}", rule="internal") from error
    try:
        out, err = process.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise BudgetExceeded(f"{name} took longer than {seconds:.0f} seconds") from error
    finally:
        _end(process, whole_session=not terminal)
    return Done(process.returncode, out[:OUTPUT_BYTES_MAX], err[:OUTPUT_BYTES_MAX])


def _end(process: subprocess.Popen[bytes], *, whole_session: bool) -> None:
    """End a program that still runs, and what it started and left waiting for somebody to answer."""
    if process.poll() is None:
        with contextlib.suppress(OSError):
            if whole_session and hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGTERM)
            else:
                process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
        if process.poll() is None:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
