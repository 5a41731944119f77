"""Exceptions of chainverify as people read them, and the exit status they lead to."""

from __future__ import annotations

from typing import Final

import click

from chainverify.errors import ChainverifyError, PolicyError, UsageError
from chainverify.output.escape import escape

HANDLED: Final = (ChainverifyError,)


def exit_status(error: ChainverifyError) -> int:
    """2 for a wrong command or policy, 1 for something judged bad, 3 for what could not be decided."""
    if isinstance(error, UsageError | PolicyError):
        return 2
    return 1 if error.status == "fail" else 3


def show(error: ChainverifyError) -> int:
    """Print the error and its hint on stderr; returns the exit status."""
    kind = "policy error" if isinstance(error, PolicyError) else "error"
    lines = [f"{click.style(kind, fg='red', bold=True)}: {escape(str(error))}"]
    if error.hint:
        lines.append(f"  = {click.style('help', fg='cyan')}: {escape(error.hint)}")
    click.echo("\n".join(lines), err=True)  # coloured as the context says
    return exit_status(error)
