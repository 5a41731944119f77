"""Commit messages from a file, from a history, or on their way into one, judged by `rules.messages`.

Stored objects and files are judged as they are, no line is dropped as a comment; what git will make of an edited file is
the business of `hook.commit_msg`.
"""

from __future__ import annotations

from chainverify.formats import message as text_of
from chainverify.rules import messages as rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Final

    from chainverify.formats.mailmap import Mailmap
    from chainverify.git.objects import RawObject
    from chainverify.git.repository import Repository
    from chainverify.model.gitobject import Commit, Ident
    from chainverify.model.report import Finding, Status
    from chainverify.policy.material import FileReader
    from chainverify.policy.model import Policy
    from chainverify.rules.messages import Rules
    from chainverify.rules.sign_off import Identity, People

LOOKUPS_MAX: Final = 200
"""Claimed reverts that one check looks up; further ones are judged as ordinary messages."""
NEAR: Final = 2000
"""Commits before a revert among which git finds the reverted one without a walk of the whole history."""
WALKS_MAX: Final = 40
"""Walks in one check, each as long as the history is old, for reverts of what is not near and as many for parents of merges.
Further reverts are judged as ordinary messages; of further merges the number of parents is believed, for a history may hold
thousands whose messages git wrote."""


def mailmap(policy: Policy, read: FileReader) -> Mailmap | None:
    """Who is one person: by the mailmap files that the policy names, then by the addresses of each of its people.

    None where no rule asks. Raises `PolicyError` for a file that cannot be read.
    """
    from chainverify.formats import mailmap
    from chainverify.policy.material import mailmaps

    levels: set[object] = {policy.messages.sign_off} if policy.messages is not None else set()
    levels |= {dict(stanza.messages).get("sign_off") for stanza in policy.refs if stanza.messages}
    if not levels & {"mailmap", "committer"}:
        return None
    found = mailmap.Mailmap()
    for data in mailmaps(policy, read):
        found.add(data)
    for signer in policy.signers:
        found.person(signer.emails)
    return found


def identities(repo: Repository, mapped: Mailmap | None = None) -> People | None:
    """Who would write and commit here and now, by git's configuration; None where git does not know."""
    from chainverify.errors import ChainverifyError
    from chainverify.rules.sign_off import People, identity

    try:
        author, committer = (
            identity(repo.run("var", name).decode("utf-8", "replace")) for name in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT")
        )
    except ChainverifyError:
        return None
    return People(author, committer, mapped.mapped if mapped else None)


def _people(commit: Commit, mapped: Mailmap | None) -> People:
    from chainverify.rules.sign_off import People

    def decoded(ident: Ident) -> Identity:
        return tuple(text_of.decode(part, commit.encoding)[0].strip() for part in (ident.name, ident.email))  # type: ignore[return-value]

    return People(decoded(commit.author), decoded(commit.committer), mapped.mapped if mapped else None)


def judge_file(
    data: bytes, policy: Rules, *, path: str = "COMMIT_EDITMSG", encoding: str | None = None, people: People | None = None
) -> list[Finding]:
    """The findings about the message in `data`; `path` is the subject's id and where the findings point to.

    `people` are those who write it, for rules about sign-offs.
    """
    from chainverify.model.report import Subject

    text, problem = text_of.decode(data, encoding, rules.MESSAGE_JUDGED_MAX)
    unread = max(0, len(data) - rules.MESSAGE_JUDGED_MAX)
    facts = rules.MessageFacts(encoding=problem, path=path, unread=unread, people=people)
    return rules.judge(text, facts, policy, Subject("message", path))


def judge_commits(
    commits: Iterable[Commit],
    policy: Rules,
    proved: Callable[[Commit, str, str], bool] | None = None,
    merged: Callable[[Commit], bool] | None = None,
    mapped: Mailmap | None = None,
) -> Iterator[Finding]:
    """The findings about the messages of `commits`, one after the other.

    `proved(commit, oid, subject)` says whether `oid` is an ancestor of the commit and has that subject; without it no revert is
    exempt. It is asked only about messages that break a rule and claim to be a revert. `merged(commit)` says whether a commit
    with several parents joins histories; without it the number decides. It is asked only where a message breaks a rule. `mapped`
    says which addresses are one person's (`mailmap`).
    """
    from chainverify.model.report import FAIL, Subject

    for commit in commits:
        text, problem = text_of.decode(commit.message, commit.encoding, rules.MESSAGE_JUDGED_MAX)
        unread = max(0, len(commit.message) - rules.MESSAGE_JUDGED_MAX)
        people = _people(commit, mapped) if policy.sign_off != "off" else None
        facts = rules.MessageFacts(encoding=problem, path=f"commit:{commit.oid}", unread=unread, people=people)
        subject = Subject("message", commit.oid, text_of.subject(text)[:200])
        found = rules.judge(text, facts, policy, subject)
        if any(each.status == FAIL for each in found):
            if len(commit.parents) >= 2 and policy.merges == "skip" and (merged is None or merged(commit)):
                facts.parents = len(commit.parents)
            elif proved is not None and policy.reverts == "skip" and not unread:
                claim = rules.claimed_revert(text)
                facts.revert = claim is not None and proved(commit, *claim)
            if rules.skipped(facts, policy):
                found = rules.judge(text, facts, policy, subject)
        yield from found


def check_messages(
    repo: Repository, oids: Iterable[str], policy: Rules, *, progress: Callable[[int, int], None] | None = None,
    mapped: Mailmap | None = None,
) -> tuple[list[Finding], dict[str, int]]:
    """The findings about the messages of the commits `oids`, in their order, and `{"messages": how many were looked at}`.

    `mapped` says which addresses are one person's. A commit that cannot be read is one finding with status unknown, one that is
    not strictly a commit a failure; reading goes on.
    `progress` is told before each message, and at the end, how many of how many are done; what it raises (`BudgetExceeded` at a
    deadline) ends the check.
    """
    from chainverify.errors import ChainverifyError, UsageError
    from chainverify.formats.objects import parse_commit
    from chainverify.git.objects import ObjectReader
    from chainverify.model.report import FAIL, PASS, UNKNOWN, Finding, Subject

    found: list[Finding] = []
    count = looked = walked = tested = 0
    with ObjectReader(repo) as reader, ObjectReader(repo) as others:

        def contains(commit: str, oid: str) -> bool:
            nonlocal walked
            if oid.encode() in repo.run("rev-list", f"--max-count={NEAR}", commit).split():
                return True
            walked += 1
            # git prints nothing, and fails where it is no ancestor
            return walked <= WALKS_MAX and not repo.run("merge-base", "--is-ancestor", oid, commit)

        def proved(commit: Commit, oid: str, subject: str) -> bool:
            nonlocal looked
            looked += 1
            if looked > LOOKUPS_MAX or oid == commit.oid:
                return False
            try:
                return _subject(repo, others.read(oid), oid) == subject and contains(commit.oid, oid)
            except ChainverifyError:
                return False  # what cannot be read proves nothing

        def merged(commit: Commit) -> bool:
            nonlocal tested
            for parent in dict.fromkeys(commit.parents[1:]):
                tested += 1
                if tested > WALKS_MAX:
                    return True
                try:
                    repo.run("merge-base", "--is-ancestor", parent, commit.parents[0])
                except UsageError:
                    return True  # git says no by failing; where it fails for another reason, the number of parents decides
            return False

        names = tuple(oids)
        for name, answer in zip(names, reader.stream(names), strict=True):
            if progress is not None:
                progress(count, len(names))
            count += 1
            try:
                if isinstance(answer, ChainverifyError):
                    raise answer
                commit = parse_commit(answer.oid, answer.data, repo.algorithm)
            except ChainverifyError as error:
                status: Status = FAIL if error.status == FAIL else UNKNOWN
                found.append(Finding(error.rule, status, Subject("message", name), error.message, error.hint))
                if not isinstance(answer, ChainverifyError) and answer.kind == "commit":
                    # whatever is wrong with its header, and however little the policy minds: it has a message, and that is judged
                    found.extend(each for each in judge_commits((_bare(answer),), policy, mapped=mapped) if each.status != PASS)
                continue
            found.extend(judge_commits((commit,), policy, proved, merged, mapped))
        if progress is not None:
            progress(count, len(names))
    return found, {"messages": count}


def _subject(repo: Repository, raw: RawObject, oid: str) -> str | None:
    """The subject of the commit `oid`, None where the object is another, no commit, or not in its encoding.

    Raises `Malformed` where it is not strictly a commit.
    """
    from chainverify.formats.objects import parse_commit

    if raw.kind != "commit" or raw.oid != oid:
        return None
    commit = parse_commit(oid, raw.data, repo.algorithm)
    text, problem = text_of.decode(commit.message, commit.encoding, rules.MESSAGE_JUDGED_MAX)
    return None if problem else text_of.subject(text)


def _bare(raw: RawObject) -> Commit:
    """A commit that cannot be split strictly, as far as its message goes: what stands after the first blank line."""
    from chainverify.model.gitobject import Commit, Ident

    nobody = Ident(b"", b"", 0, b"+0000")
    return Commit(raw.oid, "", (), nobody, nobody, None, raw.data.partition(b"\n\n")[2], raw.data, None)
