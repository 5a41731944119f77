"""The command line: one click group, a module per verb, imported only when its verb is used."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

import click
from click.exceptions import Exit

from chainverify._version import __version__
from chainverify.cli import failures
from chainverify.cli.groups import VerbGroup
from chainverify.cli.options import colour
from chainverify.cli.reporting import discard_output

VERBS: Final[dict[str, str]] = {
    "init": "chainverify.cli.init",
    "check": "chainverify.cli.check",
    "commits": "chainverify.cli.commits",
    "messages": "chainverify.cli.messages",
    "images": "chainverify.cli.images",
    "policy": "chainverify.cli.policy",
    "keys": "chainverify.cli.keys",
    "sign-setup": "chainverify.cli.sign_setup",
    "explain": "chainverify.cli.explain",
    "rule": "chainverify.cli.rule",
    "install": "chainverify.cli.install",
    "uninstall": "chainverify.cli.install",
    "doctor": "chainverify.cli.doctor",
    "hook": "chainverify.cli.hook",
    "completion": "chainverify.cli.completion",
}
"""Verb to module; the module's attribute of the verb's name (`_` for `-`) is the command."""
_COMPLETE: Final = "_CHAINVERIFY_COMPLETE"
_OUTPUT_ERRORS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class LazyGroup(VerbGroup):
    """A group that imports a verb's module when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of the table, the most used first."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb, None for an unknown one."""
        if cmd_name not in VERBS:
            return None
        command = getattr(importlib.import_module(VERBS[cmd_name]), cmd_name.replace("-", "_"))
        if not isinstance(command, click.Command):
            raise TypeError(f"{VERBS[cmd_name]}.{cmd_name} is not a command")
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with a hint for an option that stands before its verb, where git has its `-C`."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            check = self.get_command(ctx, "check")
            known = {option: parameter.metavar for parameter in check.params for option in parameter.opts} if check else {}
            if error.option_name not in known:
                raise
            value = f" {known[error.option_name]}" if known[error.option_name] else ""
            raise click.UsageError(
                f"Options stand after the verb: chainverify check {error.option_name}{value}", ctx
            ) from error

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb; every error of ours leaves as one readable block on stderr."""
        ctx.color = colour()
        try:
            return super().invoke(ctx)
        except failures.HANDLED as error:
            return failures.show(error)


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="chainverify")
def cli() -> None:
    """Verify who made a Git history, why, and which signed container images it will run.

    \b
    Examples:
      chainverify init                      write a policy from what the repository shows
      chainverify check origin/main..HEAD   everything the policy asks of these commits
      chainverify commits                   the signatures of the whole history
      chainverify images --list             every image the manifests reference
      chainverify install                   check messages before each commit
      chainverify doctor                    whether the hooks here really run
      chainverify sign-setup                sign with a key that you have, and prove it

    \b
    Exit status: 0 all checked and good, 1 something is wrong, 2 the command or
    policy is wrong, 3 something could not be decided.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; every error leaves as one readable block on stderr."""
    # a stream that the caller closed: the next file that is opened would get its descriptor, and with it what is written
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for as long as the process lives
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if _COMPLETE in os.environ:  # a shell asks for completions; this ends in SystemExit
            cli.main(words, prog_name="chainverify", complete_var=_COMPLETE, standalone_mode=False)
        # not click's main(): it ends with status 1 where a reader of the output goes away, which here means something else
        with cli.make_context("chainverify", words) as ctx:
            result = cli.invoke(ctx)
    except Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except failures.HANDLED as error:  # raised while options are read
        return failures.show(error)
    except click.Abort:
        click.echo("aborted", err=True)
        return 130
    except BrokenPipeError:
        discard_output()
        return 3
    except OSError as error:
        if error.errno not in _OUTPUT_ERRORS:
            raise
        discard_output()
        click.echo(f"error: cannot write to standard output: {error.strerror}", err=True)
        return 3
    return result if isinstance(result, int) else 0
