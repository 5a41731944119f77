"""`chainverify messages`: why this history was made."""

from __future__ import annotations

from pathlib import Path

import click

from chainverify.cli import policies, reasons
from chainverify.cli.options import Options, shared
from chainverify.cli.progress import Progress
from chainverify.cli.reporting import finish
from chainverify.cli.streams import standard_input
from chainverify.errors import PolicyError, UsageError
from chainverify.git.repository import Repository
from chainverify.jobs import history
from chainverify.jobs import messages as job
from chainverify.model.report import Finding, Report
from chainverify.rules import enforcement

MAX_MESSAGE_BYTES = 16 << 20
"""The largest message that is read from a file."""


@click.command("messages")
@click.argument("ranges", metavar="[RANGE]...", nargs=-1)
@click.option("--file", "file", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True), metavar="FILE",
              help="Judge the message in this file, as it is; - reads standard input.")  # fmt: skip
@shared
def messages(ranges: tuple[str, ...], file: Path | None, options: Options) -> int:
    """Judge commit messages.

    Without RANGE: everything reachable from HEAD after `[messages] introduction`. A RANGE is what `git log` takes. A message in a
    file is judged as if whoever git's configuration names wrote it: a sign-off must be theirs.

    \b
    Examples:
      chainverify messages
      chainverify messages origin/main..HEAD
      echo "JIRA-1: add it" | chainverify messages -
    """
    repo = Repository.discover(options.directory)
    loaded = policies.load(repo, options, () if file is not None or ranges == ("-",) else ranges)
    policy = loaded.policy
    if policy.messages is None:
        raise PolicyError(
            "has no [messages] section, so it asks nothing of messages",
            source=policy.source, hint="add [messages]: see chainverify policy schema, or run chainverify init",
        )
    findings: list[Finding]
    mapped = job.mailmap(policy, loaded.read)
    if file is not None or ranges == ("-",):
        if file is not None and ranges:
            raise UsageError("--file and RANGE exclude each other", hint="run once for each")
        name = "-" if file is None else str(file)
        path = "stdin" if name == "-" else name
        people = job.identities(repo, mapped) if policy.messages.sign_off != "off" else None
        findings, counts = job.judge_file(_read(name), policy.messages, path=path, people=people), {"messages": 1}
    else:
        selection = history.select_messages(repo, ranges, policy)
        with Progress("messages", enabled=options.progress) as progress:
            findings, counts = job.check_messages(repo, selection.oids, policy.messages, progress=progress, mapped=mapped)
        findings = [*selection.findings, *findings]
    reason = reasons.nothing(policy, ranges, ("messages",))
    return finish(Report(loaded.ref, enforcement.apply(findings, policy), counts, reason=reason), options)


def _read(name: str) -> bytes:
    if name == "-":
        return standard_input(MAX_MESSAGE_BYTES, "message")
    try:
        with Path(name).open("rb") as opened:
            data = opened.read(MAX_MESSAGE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}", hint="name a file with a message, or - for a stream") from error
    if len(data) > MAX_MESSAGE_BYTES:
        raise UsageError(f"message in {name} has more than {MAX_MESSAGE_BYTES} bytes", hint="check that it is the right file")
    return data
