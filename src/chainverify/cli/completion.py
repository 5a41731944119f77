"""`chainverify completion`: the shell code that completes verbs, options and rule ids."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from chainverify.errors import UsageError


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print shell completion code.

    \b
    Examples:
      chainverify completion bash >> ~/.bashrc
      chainverify completion fish > ~/.config/fish/completions/chainverify.fish
    """
    from chainverify.cli.main import cli

    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"no completion for {shell}")
    click.echo(found(cli, {}, "chainverify", "_CHAINVERIFY_COMPLETE").source())
    return 0
