"""`chainverify doctor`: what is installed, effective, slow or missing."""

from __future__ import annotations

import click

from chainverify.cli import policies
from chainverify.cli.options import Options, shared
from chainverify.cli.reporting import write
from chainverify.git.repository import Repository


@click.command("doctor")
@shared
def doctor(options: Options) -> int:
    """Show whether the hooks here really run, and what they need: git, the policy, signing, the remote.

    Each line is ok, warn (worth a look), problem (something does not work) or unknown (it could not be told), with what to do.
    Below stand all hooks that git runs, those of others too, in git's order. Nothing is changed and no network is used.

    \b
    Exit status: 0 no problem, 1 a problem, 3 none, but something could not be told.

    \b
    Examples:
      chainverify doctor
      chainverify doctor -q                      only what needs attention
      chainverify doctor --output-format json
    """
    import json

    from chainverify.jobs import doctor as job
    from chainverify.output import checkup

    repo = Repository.discover(options.directory)
    found = job.examine(repo, lambda: policies.read(repo, options))
    if options.output_format == "json":
        write(json.dumps(checkup.records(found), indent=2) + "\n", options)
    else:
        write(checkup.render(found, colour=options.colour, quiet=options.quiet), options)
    return found.exit_status
