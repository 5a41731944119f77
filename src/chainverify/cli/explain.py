"""`chainverify explain`: everything found out about one commit or tag."""

from __future__ import annotations

import click

from chainverify.cli import policies
from chainverify.cli.options import Options, shared
from chainverify.cli.reporting import write
from chainverify.errors import Malformed, UsageError
from chainverify.git.repository import Repository


@click.command("explain")
@click.argument("name", metavar="COMMIT")
@shared
def explain(name: str, options: Options) -> int:
    """Explain the verdict on one commit or tag (COMMIT is what git takes for one: an id, a branch, a tag's name).

    Shown are the object, what its signature says, the key in the policy, the time that is believed and why, and each step of the
    verdict. What is the word of whoever made the object is marked [claimed]. For a key that nobody has, a stanza is printed that
    would accept it: observed, not trusted.

    The exit status is that of `chainverify commits` for this one object.

    \b
    Examples:
      chainverify explain HEAD
      chainverify explain v1.0
      chainverify explain 8f98241 --policy-ref origin/main --output-format json
    """
    import json

    from chainverify._version import __version__
    from chainverify.jobs import explain as job
    from chainverify.model.report import exit_status
    from chainverify.output import explained, text

    repo = Repository.discover(options.directory)
    oid = _resolved(repo, name)
    loaded = policies.load(repo, options, (f"{oid}^!",) if _is_commit(repo, oid) else ())
    found = job.explain(repo, oid, name, loaded, options.now)
    if options.output_format == "json":
        write(json.dumps(explained.record(found, __version__), indent=2) + "\n", options)
        return exit_status(found.report)
    style = text.Style(colour=options.colour, verbose=True)
    parts = [explained.render(found, colour=options.colour), text.render(found.report, style)]
    proposed = explained.proposal(found, colour=options.colour)
    write("".join([parts[0], *([proposed] if proposed else []), parts[1]]), options)
    return exit_status(found.report)


def _is_commit(repo: Repository, oid: str) -> bool:
    try:
        return repo.resolve(f"{oid}^{{commit}}") == oid
    except UsageError:
        return False


def _resolved(repo: Repository, name: str) -> str:
    """The object that is meant. Raises `UsageError`, with a word of its own for the reference of an image."""
    try:
        return repo.resolve(name)
    except UsageError as error:
        if _is_image(name):
            raise UsageError(
                f"{name!r} is no revision here; it reads as an image reference, which explain does not take yet",
                hint="chainverify images verifies the images of a tree and tells what was tried for each",
            ) from error
        raise


def _is_image(name: str) -> bool:
    from chainverify.formats import reference

    if not any(mark in name for mark in ("/", ":", "@sha256")):
        return False
    try:
        reference.parse(name)
    except Malformed:
        return False
    return True
