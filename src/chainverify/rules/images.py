"""Who must have signed an image: which trust stanzas apply to a reference, and the findings on each place that names it.

A reference must match at least one stanza of `[[images.trust]]`, and all that match must pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from chainverify.errors import ChainverifyError
from chainverify.formats.glob import matches
from chainverify.model.images import Candidate, ImageEvidence, ImageReference, ImageUse, KeyedTrust
from chainverify.model.report import FAIL, PASS, SKIP, UNKNOWN, VERIFIED, Excerpt, Finding, Location, Subject
from chainverify.policy.model import ImagesPolicy, TrustStanza

MAX_REPORTED: Final = 20
"""Candidates told of an image that passes; those that count are kept."""


class Stanzas(NamedTuple):
    """The stanzas that match a reference: those with keys, and those that ask for no signature."""

    keyed: tuple[KeyedTrust, ...]
    unsigned: tuple[TrustStanza, ...]


def select(reference: ImageReference, policy: ImagesPolicy, trust: Sequence[KeyedTrust]) -> Stanzas:
    """The stanzas whose `match` is the whole `domain/path` of a reference; `trust` are those of `policy` with keys."""
    names = _spellings(reference)
    return Stanzas(
        tuple(stanza for stanza in trust if any(matches(stanza.match, name) for name in names)),
        tuple(
            stanza
            for stanza in policy.trust
            if stanza.unsafe_unsigned is not None and any(matches(stanza.match, name) for name in names)
        ),
    )


def _spellings(reference: ImageReference) -> tuple[str, ...]:
    """The repository as written, and as its registry would be reached: host names have no case, and https has a default port.

    Both count, so that a stanza with keys is not evaded by another spelling of the host.
    """
    plain = f"{reference.domain.lower().removesuffix(':443')}/{reference.path}"
    return (reference.repository,) if plain == reference.repository else (reference.repository, plain)


def not_covered(use: ImageUse, reference: ImageReference) -> Finding:
    """No stanza matches: that nobody wrote a rule for an image does not allow it."""
    return Finding(
        "image-not-covered",
        FAIL,
        _subject(use, reference),
        f"no [[images.trust]] stanza matches {reference.repository}",
        f'add one: match = "{reference.repository}", with keys, or with unsafe-unsigned and a reason',
        _location(use),
        evidence=_evidence(use, reference),
    )


def unsigned(use: ImageUse, reference: ImageReference, stanzas: Sequence[TrustStanza]) -> Finding:
    """Only stanzas match that ask for no signature: nothing was verified, and each run says why."""
    reasons = "; ".join(stanza.unsafe_unsigned or "" for stanza in stanzas)
    return Finding(
        VERIFIED,
        SKIP,
        _subject(use, reference),
        f"no signature is asked of it: {reasons}",
        location=_location(use),
        waived=f'[[images.trust]] match = "{stanzas[0].match}" unsafe-unsigned',
        evidence=_evidence(use, reference),
    )


def passed(use: ImageUse, reference: ImageReference, proofs: Sequence[ImageEvidence]) -> Finding:
    """Every stanza that matches was satisfied; `proofs` holds one evidence for each, at least one."""
    digest = proofs[0].digest
    names = tuple(dict.fromkeys(name for proof in proofs for name in proof.keys))
    tried = tuple(dict.fromkeys(candidate for proof in proofs for candidate in proof.candidates))
    tried = tuple(sorted(tried, key=lambda candidate: not candidate.ok))[:MAX_REPORTED]
    notes = tuple(dict.fromkeys(note for proof in proofs for note in proof.notes))
    evidence = {
        **_evidence(use, reference),
        "digest": digest,
        "method": proofs[0].method,
        "key": ", ".join(names),
        "candidates": [_told(candidate) for candidate in tried],
        **({"notes": list(notes)} if notes else {}),
    }
    which = "" if reference.digest else f", which was {digest} when it was resolved"
    message = f"signed by {', '.join(names)}{which}"
    return Finding(VERIFIED, PASS, _subject(use, reference), message, location=_location(use), evidence=evidence)


def refused(use: ImageUse, reference: ImageReference, error: ChainverifyError) -> Finding:
    """A stanza was not satisfied, or that could not be decided."""
    return Finding(
        error.rule,
        FAIL if error.status == FAIL else UNKNOWN,
        _subject(use, reference),
        error.message,
        error.hint,
        _location(use),
        evidence={**_evidence(use, reference), **error.evidence},
    )


def _subject(use: ImageUse, reference: ImageReference) -> Subject:
    return Subject("image", reference.canonical, use.raw)


def _location(use: ImageUse) -> Location:
    excerpt = Excerpt(use.excerpt, use.span.column, max(1, len(use.raw))) if use.excerpt else None
    return Location(use.path, use.span.line, use.span.column, excerpt)


def _evidence(use: ImageUse, reference: ImageReference) -> dict[str, object]:
    evidence: dict[str, object] = {"canonical": reference.canonical, "role": use.role, "resolution": use.resolution}
    return {**evidence, "digest": reference.digest} if reference.digest else evidence


def _told(candidate: Candidate) -> dict[str, str]:
    told = {"origin": candidate.origin, "step": candidate.step, "expected": candidate.expected, "got": candidate.got}
    return {**told, "signer": candidate.signer} if candidate.signer else told
