"""`chainverify images`: what this repository will run."""

from __future__ import annotations

import os
from pathlib import Path

import click

from chainverify.cli import policies, reasons
from chainverify.cli.options import Options, home, shared
from chainverify.cli.progress import Progress
from chainverify.cli.reporting import finish, write
from chainverify.cli.streams import standard_input
from chainverify.errors import PolicyError, UsageError
from chainverify.git.repository import Repository
from chainverify.jobs import deployed, manifests
from chainverify.jobs.deployed import Deployed, Source
from chainverify.jobs.manifests import Scan
from chainverify.jobs.policies import LoadedPolicy
from chainverify.model.report import UNKNOWN, Report
from chainverify.output import listing
from chainverify.policy.model import ImagesPolicy
from chainverify.rules import enforcement

MAX_STREAM_BYTES = 64 << 20
"""The largest rendered stream that is read."""


@click.command("images")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--rev", metavar="REV", help="Read the files of this revision instead of the working tree.")
@click.option("--since", metavar="REV", help="Only what --rev (default HEAD) deploys and this revision did not.")
@click.option("--list", "only_list", is_flag=True, help="Find references without verifying; needs no policy.")
@click.option("--layout", "layouts", type=click.Path(file_okay=False, exists=True, path_type=Path), multiple=True,
              metavar="DIR", help="Read images from this OCI layout before any registry; may be repeated.")  # fmt: skip
@shared
def images(  # noqa: PLR0917 - a command's options
    paths: tuple[str, ...], rev: str | None, since: str | None, only_list: bool, layouts: tuple[Path, ...], options: Options
) -> int:
    """Find image references in deployment files and verify their signatures.

    PATHs are files and directories of the working tree (default: all of it); - reads a rendered stream.

    \b
    Examples:
      chainverify images --list
      chainverify images deploy/
      chainverify images --rev HEAD --since origin/main
      kustomize build overlays/prod | chainverify images -
      cosign save --dir ./saved IMAGE && chainverify images --layout ./saved --offline
    """
    if paths and (rev or since):
        what = "- reads a stream" if paths == ("-",) else "PATH reads the working tree"
        raise UsageError(f"{what}: it goes with neither --rev nor --since", hint="leave one of them out")
    if "-" in paths and len(paths) > 1:
        raise UsageError("- reads a stream: it goes with no other PATH", hint="run once for each")
    source = Source(options.offline, os.environ, layouts, home())
    if only_list:
        return _list(paths, rev, since, options)
    repo = Repository.discover(options.directory)
    loaded = policies.load(repo, options, _judged(repo, rev, since))
    if loaded.policy.images is None:
        raise PolicyError(
            "has no [images] section, so it asks for no signature of images", source=loaded.policy.source,
            hint="add [images] and [[images.trust]], or list what is there: chainverify images --list",
        )
    with Progress("images", enabled=options.progress) as progress:
        if since is not None:
            new, base = _commit(repo, rev or "HEAD"), _commit(repo, since)
            result = deployed.check_difference(repo, new, base, loaded, source, jobs=options.jobs, progress=progress)
        else:
            scan = _scan(repo, paths, rev, loaded.policy.images, options)
            result = deployed.check(scan, loaded, source, jobs=options.jobs, progress=progress)
    return finish(_report(result, loaded), options)


def _commit(repo: Repository, revision: str) -> str:
    oid = repo.resolve(revision)
    try:
        return repo.resolve(f"{oid}^{{commit}}")
    except UsageError:
        raise UsageError(f"{revision!r} is not a commit", hint="name a commit, a branch or a tag of one") from None


def _judged(repo: Repository, rev: str | None, since: str | None) -> tuple[str, ...]:
    """What is read, as ranges; a tree that is named without its commit is taken for that of HEAD."""
    if since is not None:
        return _commit(repo, rev or "HEAD"), f"^{_commit(repo, since)}"
    try:
        return () if rev is None else (_commit(repo, rev),)
    except UsageError:
        return ()


def _report(result: Deployed, loaded: LoadedPolicy) -> Report:
    reason = reasons.nothing(loaded.policy, sections=("images",))
    return Report(loaded.ref, enforcement.apply(result.findings, loaded.policy), result.counts, result.images, reason)


def _scan(
    repo: Repository | None, paths: tuple[str, ...], rev: str | None, policy: ImagesPolicy, options: Options
) -> Scan:
    if paths == ("-",):
        return manifests.scan_stream(standard_input(MAX_STREAM_BYTES, "stream"))
    if rev is not None:
        if repo is None:
            raise UsageError("--rev needs a repository", hint="run inside one, or give one with -C")
        return deployed.scan_tree(repo, rev, policy)
    root = options.directory if repo is None else repo.worktree
    if root is None:
        raise UsageError("a bare repository has no working tree", hint="read a revision: --rev HEAD")
    return manifests.scan_paths(root, [options.directory / path for path in paths], policy.include, policy.exclude)


def _list(paths: tuple[str, ...], rev: str | None, since: str | None, options: Options) -> int:
    """`--list`: exit 0, or 3 where something is unresolved or unreadable. The policy, where there is one, says what to read."""
    if since is not None:
        raise UsageError("--list shows a whole tree: it does not go with --since")
    try:
        repo: Repository | None = Repository.discover(options.directory)
    except UsageError:
        if rev is not None:
            raise
        repo = None
    policy = ImagesPolicy()
    ref = None
    if options.policy is not None or options.policy_ref is not None:
        if repo is None:
            raise UsageError("--policy needs a repository", hint="run inside one, or give one with -C")
        loaded = policies.load(repo, options, _judged(repo, rev, None))
        policy, ref = loaded.policy.images or policy, loaded.ref
    result = deployed.listed(_scan(repo, paths, rev, policy, options), policy)
    report = Report(ref, tuple(result.findings), result.counts, result.images)
    if options.output_format == "json":
        finish(report, options)
    else:
        write(listing.render(report, colour=options.colour), options)
    return 3 if any(each.status == UNKNOWN for each in result.findings) else 0
