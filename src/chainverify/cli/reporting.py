"""From a finished report to output and exit status."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Final

import click

from chainverify._version import __version__
from chainverify.cli.options import Options
from chainverify.errors import Unavailable, UsageError
from chainverify.model.report import Report, exit_status
from chainverify.output import jsonv1, text


def finish(report: Report, options: Options) -> int:
    """Write the report as the options ask; returns the exit status of the verdict."""
    status = exit_status(report)
    rendered: str | Iterable[str]
    if options.output_format == "json":
        rendered = jsonv1.render(report, __version__)
    else:
        shown = text.render(report, text.Style(colour=options.colour, verbose=options.verbose))
        rendered = "" if options.quiet and status == 0 else shown
    try:
        write(rendered, options)
    except BrokenPipeError:
        # whoever read the report has gone, as head does: what was found wrong stays wrong, but nothing was shown to be good
        discard_output()
        return status or 3
    return status


WRITTEN_AT_ONCE: Final = 1 << 16
"""Characters that are gathered before they are written."""


def write(rendered: str | Iterable[str], options: Options) -> None:
    """Write a text, or the pieces of one, to `--output` or standard output.

    Raises `UsageError` where the file cannot be written, `Unavailable` where standard output cannot, and `BrokenPipeError`.
    """
    pieces = (rendered,) if isinstance(rendered, str) else rendered
    if options.output is None:
        try:
            for part in _gathered(pieces):
                click.echo(part, nl=False, color=options.colour)
        except BrokenPipeError:
            raise
        except OSError as error:
            discard_output()
            raise Unavailable(
                f"cannot write to standard output: {error.strerror}", hint="make room, or name a file with --output"
            ) from error
        return
    try:
        with options.output.open("w", encoding="utf-8") as file:
            file.writelines(_gathered(pieces))
    except OSError as error:
        raise UsageError(f"cannot write {options.output}: {error.strerror}") from error


def _gathered(pieces: Iterable[str]) -> Iterator[str]:
    """The same text in larger pieces."""
    waiting: list[str] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= WRITTEN_AT_ONCE:
            yield "".join(waiting)
            waiting, size = [], 0
    yield "".join(waiting)


def discard_output() -> None:
    """Send what is still buffered for standard output nowhere, or Python would complain when it flushes at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
