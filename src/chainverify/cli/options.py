"""The options that all judging commands share, and what they mean together."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TextIO, TypeVar

import click
from click.core import ParameterSource

from chainverify.errors import UsageError
from chainverify.jobs.processors import processors

FORMATS = ("text", "json")
"""Output formats of this version."""

F = TypeVar("F", bound=Callable[..., Any])


class Options(NamedTuple):
    """The shared options as given. `now` is the one reading of the clock, in seconds since the epoch."""

    directory: Path
    policy: Path | None
    policy_ref: str | None
    allow_self_policy: bool
    output_format: str
    output: Path | None
    colour: bool
    quiet: bool
    verbose: bool
    progress: bool
    jobs: int
    offline: bool
    now: int


def home() -> Path | None:
    """The user's home, where logins are looked up; None for a user without one, as in many containers."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def colour(choice: str = "auto") -> bool | None:
    """`--color`, NO_COLOR and FORCE_COLOR; None is for each stream to decide: colours on terminals (https://no-color.org)."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a standard stream is a terminal; Python has None for one that the caller closed."""
    return stream is not None and stream.isatty()


def _enter(ctx: click.Context, _parameter: click.Parameter, value: Path) -> Path:
    """`-C DIR` as git reads it: as if started there, so that all other paths are relative to it. The absolute directory."""
    if ctx.resilient_parsing:
        return value
    try:
        if value != Path():
            ctx.with_resource(contextlib.chdir(value))
        return Path.cwd()
    except OSError as error:
        raise UsageError(
            f"cannot work in {value}: {error.strerror}", hint="give a repository's directory with -C, or leave it out"
        ) from error


directory_option = click.option(
    "-C", "directory", type=click.Path(path_type=Path), default=".", metavar="DIR", is_eager=True, callback=_enter,
    help="Run as if started in this directory.",
)  # fmt: skip
"""`-C DIR`, for commands that share nothing else."""


def shared(function: F) -> F:
    """Decorate a command with the shared options; it gets them as `options`."""

    def wrapper(**given: Any) -> Any:
        ctx = click.get_current_context()
        output = given.pop("output")
        # the root's is for errors, which are shown when the command's own context is gone
        ctx.color = ctx.find_root().color = colour(given.pop("color"))
        if given["policy_ref"] is not None and ctx.get_parameter_source("policy_file") is ParameterSource.COMMANDLINE:
            raise UsageError("--policy and --policy-ref exclude each other", hint="name one source of the policy")
        options = Options(
            directory=given.pop("directory"),
            policy=given.pop("policy_file"),
            policy_ref=given.pop("policy_ref"),
            allow_self_policy=given.pop("allow_self_policy"),
            output_format=given.pop("output_format"),
            output=output,
            colour=(output is None and is_terminal(sys.stdout)) if ctx.color is None else ctx.color,
            quiet=given.pop("quiet"),
            verbose=given.pop("verbose"),
            progress=not given.pop("no_progress") and is_terminal(sys.stderr),
            jobs=given.pop("jobs") or processors(),
            offline=given.pop("offline"),
            now=int(time.time()),
        )
        return function(options=options, **given)

    wrapper.__name__, wrapper.__doc__ = function.__name__, function.__doc__
    for decorate in reversed(_DECORATORS):
        wrapper = decorate(wrapper)
    return wrapper  # type: ignore[return-value]  # click decorators keep the callable


_DECORATORS: tuple[Callable[[Any], Any], ...] = (
    directory_option,
    click.option("--policy", "policy_file", type=click.Path(dir_okay=False, path_type=Path), envvar="CHAINVERIFY_POLICY",
                 metavar="FILE", help="Policy file; default: .chainverify/policy.toml of the repository."),
    click.option("--policy-ref", metavar="REF", help="Read the policy from this revision (trust: base)."),
    click.option("--allow-self-policy", is_flag=True,
                 help="In CI: accept a policy that comes from the very tree that is judged."),
    click.option("--output-format", type=click.Choice(FORMATS), default="text", show_default=True,
                 envvar="CHAINVERIFY_OUTPUT_FORMAT", help="How the report is written."),
    click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
                 help="Write the report to this file instead of standard output."),
    click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True,
                 help="Colours; NO_COLOR and FORCE_COLOR are honoured."),
    click.option("-q", "--quiet", is_flag=True,
                 help="Print nothing where all is good; what is wrong or not decided is printed all the same."),
    click.option("-v", "--verbose", is_flag=True, help="Show passing subjects too, and every finding."),
    click.option("--no-progress", is_flag=True, help="No progress on the terminal."),
    click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Processes to use; default: all processors."),
    click.option("--offline", is_flag=True, help="Open no network connection: what would need one is not decided (exit 3)."),
)  # fmt: skip
