"""Groups of verbs: what they do with no verb, or with one that does not exist."""

from __future__ import annotations

import difflib

import click


class VerbGroup(click.Group):
    """A group for which no verb is a wrong command (exit 2): a script whose variable is empty has checked nothing."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with the help on stderr and exit status 2 where there is nothing to parse."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest verb for a mistyped one."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-") and not ctx.resilient_parsing:
            verbs = self.list_commands(ctx)
            near = difflib.get_close_matches(name, verbs, 1)
            advice = f"Did you mean {near[0]!r}?" if near else f"Expected one of: {', '.join(verbs)}."
            raise click.UsageError(f"No such command {name!r}. {advice}", ctx)
        return super().resolve_command(ctx, args)
