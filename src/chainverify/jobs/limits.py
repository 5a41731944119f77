"""What a forge or bot signed, held to its limit: a merge counts only where its tree is the one that git itself would make.

The key of a forge signs whatever anybody does on its web page. Limited to plain merges it adds nothing that somebody else did
not answer for: the parents are judged like all commits, and the merge brings no change of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chainverify.errors import ChainverifyError, Unavailable
from chainverify.formats.objects import parse_commit
from chainverify.git import mergetree
from chainverify.git.objects import ObjectReader
from chainverify.git.repository import Repository
from chainverify.model.gitobject import Commit
from chainverify.model.report import PASS, SKIP, Finding
from chainverify.rules import signatures as rules_of
from chainverify.rules.signatures import SignatureRules


def check(repo: Repository, findings: Iterable[Finding], rules: SignatureRules) -> list[Finding]:
    """The findings, with one more on each commit that a limited signer made and that oversteps the limit, in place of its pass.

    One that breaks another rule is asked too: the policy may only advise that rule. Merges are computed by one git process for
    all of them.
    """
    found = list(findings)
    if not rules.limited:
        return found
    # of several findings on a commit the last one, so that what is added stands after them
    places = list({each.subject.id: number for number, each in enumerate(found) if _limited(each, rules)}.values())
    if not places:
        return found
    with ObjectReader(repo) as reader:
        commits = [_commit(reader, found[number].subject.id) for number in places]
    pairs = [(each.parents[0], each.parents[1]) for each in commits if isinstance(each, Commit) and len(each.parents) == 2]
    try:
        trees = iter(mergetree.merged(repo, pairs))
    except Unavailable as error:
        trees = iter([error] * len(pairs))
    broken: dict[int, Finding] = {}
    for number, commit in zip(places, commits, strict=True):
        proof = found[number]
        if isinstance(commit, ChainverifyError):
            broken[number] = rules_of.from_error(proof.subject, commit)
        elif len(commit.parents) != 2:
            broken[number] = rules_of.no_merge(proof, len(commit.parents), rules)
        else:
            tree = next(trees)
            if isinstance(tree, ChainverifyError):
                broken[number] = rules_of.from_error(proof.subject, tree)
            elif tree != commit.tree:
                broken[number] = rules_of.unclean_merge(proof, rules, conflict=tree is None)
    return [
        finding for number, each in enumerate(found)
        for finding in ((each,) if number not in broken else (broken[number],) if each.status == PASS else (each, broken[number]))
    ]


def _limited(finding: Finding, rules: SignatureRules) -> bool:
    """Whether a finding is about a commit that a limited signer was proved to have made, whatever it says of it."""
    proof = finding.evidence
    return proof.get("signer") in rules.limited and "signed_at" in proof and finding.subject.kind == "commit"


def _commit(reader: ObjectReader, oid: str) -> Commit | ChainverifyError:
    try:
        return parse_commit(oid, reader.read(oid).data, reader.repo.algorithm)
    except ChainverifyError as error:
        return error


def vouching(findings: Sequence[Finding], rules: SignatureRules) -> tuple[frozenset[str], frozenset[str]]:
    """The commits that count, and those of them that vouch for no parent: a limited signer made them, or they are excused by
    their id, which says nothing of who made them."""
    good = {each.subject.id for each in findings if each.status in (PASS, SKIP)}
    bad = {each.subject.id for each in findings if each.status not in (PASS, SKIP)}
    return frozenset(good - bad), frozenset(each.subject.id for each in findings if each.status == SKIP or _limited(each, rules))
