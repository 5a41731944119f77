"""`chainverify commits`: who made this history."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import click

from chainverify.cli import facts, policies, reasons
from chainverify.cli.facts import cache_option
from chainverify.cli.options import Options, shared
from chainverify.cli.progress import Progress
from chainverify.cli.reporting import finish
from chainverify.errors import PolicyError, UsageError
from chainverify.git.repository import Repository
from chainverify.jobs import history
from chainverify.model.report import Report
from chainverify.policy.material import signing_material
from chainverify.rules import enforcement
from chainverify.signatures import backends

if TYPE_CHECKING:
    from chainverify.model.signing import SigningMaterial
    from chainverify.signatures.gnupg import SecondOpinion


@click.command("commits")
@click.argument("ranges", metavar="[RANGE]...", nargs=-1)
@click.option("--tags", is_flag=True, help="Verify all tags too.")
@click.option("--all", "all_refs", is_flag=True, help="The history of HEAD, all branches and remote branches.")
@click.option("--ref", "named", metavar="NAME", multiple=True, help="The history of this ref; may be repeated.")
@click.option(
    "--second-opinion", type=click.Choice(["gnupg"]), help="Ask gpg about each good OpenPGP signature too (slow: a process each)."
)
@cache_option
@shared
def commits(
    ranges: tuple[str, ...], *, tags: bool, all_refs: bool, named: tuple[str, ...], second_opinion: str | None, cache: bool,
    options: Options,
) -> int:
    """Verify the signatures of commits.

    Without RANGE: everything reachable from HEAD after the policy's introduction commit. A RANGE is what `git log` takes:
    A..B, ^A B, or a commit with all of its history.

    \b
    Examples:
      chainverify commits
      chainverify commits origin/main..HEAD
      chainverify commits --all --tags --output-format json
      chainverify commits v1.0..v1.1 --policy /etc/chainverify/policy.toml
    """
    repo = Repository.discover(options.directory)
    tips = [*ranges, *(_ref(repo, name) for name in named)]
    loaded = policies.load(repo, options, tips)
    policy = loaded.policy
    if policy.commits is None and not (tags and policy.tags != "off"):
        raise PolicyError(
            "has no [commits] section, so it asks for no signature",
            source=policy.source, hint="add [commits] and [[signers]]: see chainverify policy schema, or run chainverify init",
        )
    revisions = [*tips, *(_branches(repo) if all_refs else [])]
    material = signing_material(policy, loaded.read)
    findings, counts = [], {}
    if policy.commits is not None:
        with facts.opened(repo, options, wanted=cache and second_opinion is None) as known:
            with backends.importing(material):
                selection = history.select(repo, revisions, policy, known)
            with _second(second_opinion, material) as second, Progress("commits", enabled=options.progress) as progress:
                verdicts = history.check_commits(
                    repo, selection, policy, material, options.now, jobs=options.jobs, progress=progress, facts=known,
                    second=second,
                )
        findings += verdicts.findings
        counts.update(verdicts.counts)
    if tags:
        with _second(second_opinion, material) as second, Progress("tags", enabled=options.progress) as progress:
            verdicts = history.check_tags(
                repo, repo.refs("refs/tags"), policy, material, options.now, progress=progress, second=second
            )
        findings += verdicts.findings
        counts.update(verdicts.counts)
    reason = "there are no tags" if policy.commits is None else reasons.nothing(policy, revisions, ("commits",))
    return finish(Report(loaded.ref, enforcement.apply(findings, policy), counts, reason=reason), options)


def _second(name: str | None, material: SigningMaterial) -> AbstractContextManager[SecondOpinion | None]:
    """The second opinion that was asked for, over the keys of the policy alone."""
    if name is None:
        return nullcontext()
    from chainverify.signatures import gnupg

    return gnupg.open(material.openpgp)


def _ref(repo: Repository, name: str) -> str:
    """The object id of a ref by its full or short name. Raises `UsageError` where it is none, or several.

    git takes the tag where a branch has the same name: whoever may write tags would choose what is verified.
    """
    candidates = (name, f"refs/heads/{name}", f"refs/tags/{name}", f"refs/remotes/{name}")
    found = {ref: oid for ref, oid in repo.refs() if ref in candidates}
    if name == "HEAD":
        return name
    if not found:
        raise UsageError(f"no ref {name!r}", hint="git for-each-ref lists them; a revision that is no ref is given as RANGE")
    if len(found) > 1 and name not in found:
        raise UsageError(f"{name!r} may be {' or '.join(found)}", hint="give the full name")
    return found.get(name) or next(iter(found.values()))


def _branches(repo: Repository) -> list[str]:
    """HEAD, which may be detached or not have a commit yet, and every branch."""
    tips, _ = history.tips(repo, ())
    return list(dict.fromkeys([*tips, *(oid for _, oid in repo.refs("refs/heads", "refs/remotes"))]))
