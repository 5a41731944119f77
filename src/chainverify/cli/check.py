"""`chainverify check`: everything the policy asks, in one report."""

from __future__ import annotations

import os
from pathlib import Path

import click

from chainverify.cli import facts, policies, reasons
from chainverify.cli.facts import cache_option
from chainverify.cli.options import Options, home, shared
from chainverify.cli.progress import Progress
from chainverify.cli.reporting import finish
from chainverify.git.repository import Repository
from chainverify.jobs import check as job
from chainverify.jobs.deployed import Source


@click.command("check")
@click.argument("ranges", metavar="[RANGE]...", nargs=-1)
@click.option("--tags", is_flag=True, help="Verify all tags too.")
@click.option("--layout", "layouts", type=click.Path(file_okay=False, exists=True, path_type=Path), multiple=True,
              metavar="DIR", help="Read images from this OCI layout before any registry; may be repeated.")  # fmt: skip
@cache_option
@shared
def check(ranges: tuple[str, ...], tags: bool, layouts: tuple[Path, ...], cache: bool, options: Options) -> int:
    """Check everything the policy asks: signatures, messages and images.

    Without RANGE: the whole history after the introduction commits, and all images of HEAD. With A..B: the commits of the
    range, and the images that B deploys and A did not. A RANGE is what `git log` takes.

    Who may sign what lands on which branch (`[[refs]]`) and who may change the policy (`[policy] signers`) are questions about
    updates of refs: the server's pre-receive hook answers them. Here every commit may be by any signer of the policy.

    \b
    Examples:
      chainverify check
      chainverify check origin/main..HEAD --policy-ref origin/main
      chainverify check $BEFORE..HEAD --policy-ref $BEFORE    after a push, with the tip before it
    """
    repo = Repository.discover(options.directory)
    loaded = policies.load(repo, options, ranges)
    source = Source(options.offline, os.environ, layouts, home())
    with facts.opened(repo, options, wanted=cache) as known, Progress("objects", enabled=options.progress) as progress:
        report = job.check(
            repo, ranges, loaded, source, options.now, tags=tags, jobs=options.jobs, progress=progress, facts=known
        )
    return finish(report._replace(reason=reasons.nothing(loaded.policy, ranges)), options)
