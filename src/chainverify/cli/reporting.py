"""From a finished report to output and exit status."""

from __future__ import annotations

import click

from chainverify._version import __version__
from chainverify.cli.options import Options
from chainverify.errors import UsageError
from chainverify.model.report import Report, exit_status
from chainverify.output import jsonv1, text


def finish(report: Report, options: Options) -> int:
    """Write the report as the options ask; returns the exit status of the verdict."""
    status = exit_status(report)
    if options.output_format == "json":
        rendered = jsonv1.render(report, __version__)
    else:
        rendered = text.render(report, text.Style(colour=options.colour, verbose=options.verbose))
        if options.quiet and status == 0:
            rendered = ""
    write(rendered, options)
    return status


def write(rendered: str, options: Options) -> None:
    """Write text to `--output` or standard output. Raises `UsageError` where the file cannot be written."""
    if options.output is None:
        click.echo(rendered, nl=False, color=options.colour)
        return
    try:
        options.output.write_text(rendered, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {options.output}: {error.strerror}") from error
