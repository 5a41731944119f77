"""`--cache`: facts about signatures that are kept between runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from chainverify.cli.options import Options
from chainverify.git.repository import Repository

if TYPE_CHECKING:
    from chainverify.jobs.factcache import FactCache

cache_option = click.option(
    "--cache", is_flag=True, envvar="CHAINVERIFY_CACHE",
    help="Keep which signatures are cryptographically good in your own cache directory, and spare their check on the next run.",
)  # fmt: skip


@contextmanager
def opened(repo: Repository, options: Options, *, wanted: bool) -> Iterator[FactCache | None]:
    """The facts about a repository, saved at the end; None where they are not wanted. With `--verbose`, what keeps a file from
    being used is told on standard error; it never changes a verdict."""
    if not wanted:
        yield None
        return
    from chainverify.jobs.factcache import FactCache

    facts = FactCache(repo)
    _tell(f"is not used, everything is verified again: {facts.why}" if facts.why else "", options)
    yield facts
    why = facts.save()
    _tell(f"cannot be kept: {why}" if why else "", options)


def _tell(what: str, options: Options) -> None:
    if what and options.verbose:
        click.echo(f"chainverify: note: the cache of facts {what}", err=True)
