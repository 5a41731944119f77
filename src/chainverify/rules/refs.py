"""What a push may do to refs: rewind, delete, move tags, and whose commits may land where (`[[refs]]`).

Every stanza that matches applies and the strictest wins. A ref that none matches may be created, updated, rewound and deleted;
its objects are judged all the same.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from chainverify.formats.glob import matches_any
from chainverify.formats.push import RefUpdate
from chainverify.model.report import FAIL, PASS, VERIFIED, Finding, Subject
from chainverify.policy.messages import overridden
from chainverify.policy.model import MergeRule, MessagesPolicy, Policy, RefPolicy
from chainverify.policy.people import allowed

TAGS: Final = "refs/tags/"
REPLACE: Final = "refs/replace"
"""Refs under this name make git show other objects than the ones that were asked for, and signed."""


class RefChange(NamedTuple):
    """A ref update and what the history says of it.

    `rewinds`: the old object is not in the history of the new one, so the ref loses something (for a tag object: of the commits
    they lead to). `tip_signer` is the proved signer of the new tip, None where nothing was proved; `tip_is_new` says that
    the push brings the tip, which a mere step back to an older commit does not.
    """

    update: RefUpdate
    rewinds: bool = False
    tip_signer: str | None = None
    tip_is_new: bool = False


def replaces(ref: str) -> bool:
    """Whether a ref makes git show another object than the one that was asked for; file systems may take both cases for one."""
    return (ref.lower() + "/").startswith(REPLACE + "/")


def stanzas(ref: str, policy: Policy) -> tuple[RefPolicy, ...]:
    """The stanzas of `[[refs]]` that apply to a full ref name."""
    return tuple(stanza for stanza in policy.refs if matches_any(stanza.match, ref))


def message_rules(ref: str, policy: Policy) -> tuple[MessagesPolicy, ...]:
    """What a message that lands on a ref must follow, all of it; nothing without `[messages]`.

    Each stanza that matches and has `messages` makes rules of its own, `[messages]` with its keys put in place; so of two
    stanzas the stricter wins, key by key, and none can take away what another asks. Where no stanza has any it is `[messages]`.
    """
    if policy.messages is None:
        return ()
    own = (overridden(policy.messages, stanza) for stanza in stanzas(ref, policy) if stanza.messages)
    return tuple(dict.fromkeys(own)) or (policy.messages,)


def judge(change: RefChange, policy: Policy) -> list[Finding]:
    """The findings on one ref update: one `verified`, or one for each of `ref-delete`, `ref-rewind` and `tag-moved`.

    Writing `refs/replace/*` is `ref-rewind` whatever the policy says: like a rewind it takes away history that was judged.
    """
    update = change.update
    subject = Subject("ref", update.ref, update.ref)
    if not update.deletes and replaces(update.ref):
        return [
            Finding(
                "ref-rewind",
                FAIL,
                subject,
                f"{update.ref} would make git show another object than the one that was signed",
                "replacements stay local: rewrite the history, or keep it",
            )
        ]
    found = stanzas(update.ref, policy)
    if update.deletes:
        broken = _deletion(subject, found)
    elif update.old is None or update.old == update.new:
        broken = []
    else:
        broken = _move(subject, change, found, policy)
    if broken:
        return broken
    what = "deleted" if update.deletes else "created" if update.creates else "updated"
    return [Finding(VERIFIED, PASS, subject, f"{update.ref} may be {what}")]


def signers(ref: str, policy: Policy) -> frozenset[str] | None:
    """Names of those who may sign what lands on `ref`: in every stanza that names signers. None: every signer may."""
    found: frozenset[str] | None = None
    for stanza in stanzas(ref, policy):
        if stanza.signers:
            names = allowed(stanza.signers, policy)
            found = names if found is None else found & names
    return found


def refused_signer(
    subject: Subject, signer: str, ref: str, may: frozenset[str] | None, merge_rule: MergeRule | None = None
) -> Finding | None:
    """The `signer-not-allowed` finding for an object whose proved signer is not among `may` (from `signers`), else None.

    `merge_rule` is the one in force, for a commit that a merge by somebody among `may` brings in: another would not ask of it.
    """
    if may is None or signer in may:
        return None
    return Finding(
        "signer-not-allowed",
        FAIL,
        subject,
        f"signed by {signer}, who may not sign what lands on {ref}",
        f"have it signed by {_some(may)}" + (_MERGED.format(merge_rule) if merge_rule is not None else ""),
        evidence={"signer": signer, "ref": ref},
    )


_MERGED: Final = "; merge-rule is {}: under first-parent a merge by them could bring in what others signed"


def _deletion(subject: Subject, found: tuple[RefPolicy, ...]) -> list[Finding]:
    if all(stanza.allow_delete for stanza in found):
        return []
    return [
        Finding(
            "ref-delete",
            FAIL,
            subject,
            f"{subject.id} may not be deleted",
            "allow-delete in its [[refs]] stanza would allow it",
        )
    ]


def _move(subject: Subject, change: RefChange, found: tuple[RefPolicy, ...], policy: Policy) -> list[Finding]:
    """What is broken by pointing an existing ref at another object."""
    ref = subject.id
    permitted = all(_may_rewind(stanza, change, policy) for stanza in found)
    broken: list[Finding] = []
    # a stanza that allows it says that this very tag is meant to move
    if ref.startswith(TAGS) and policy.tags == "signed" and not (found and permitted):
        broken.append(
            Finding(
                "tag-moved",
                FAIL,
                subject,
                f"{ref} exists and would point at another object",
                "make a new tag; allow-rewind in a [[refs]] stanza lets a tag move",
            )
        )
    elif change.rewinds and not permitted:
        broken.append(
            Finding(
                "ref-rewind",
                FAIL,
                subject,
                f"{ref} would lose {change.update.old}",
                "push without force: merge or rebase on top of it; allow-rewind or rewind-signers would allow it",
            )
        )
    return broken


def _may_rewind(stanza: RefPolicy, change: RefChange, policy: Policy) -> bool:
    """Whether a stanza lets the ref lose history. `rewind-signers` answer for it by signing a new tip: an old commit of theirs
    says nothing about going back to it."""
    if stanza.allow_rewind:
        return True
    if not stanza.rewind_signers or not change.tip_is_new or change.tip_signer is None:
        return False
    return change.tip_signer in allowed(stanza.rewind_signers, policy)


def _some(names: frozenset[str]) -> str:
    """A few names for a hint."""
    listed = sorted(names)
    return " or ".join(listed[:4]) + (" or others" if len(listed) > 4 else "") if listed else "someone the policy names"
