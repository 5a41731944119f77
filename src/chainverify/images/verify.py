"""The verdict on one image under one trust stanza: proof, or the most telling reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final

from chainverify.errors import BackendCrashed, ChainverifyError, ImageError, PolicyError
from chainverify.images import bundle, candidates, keys, legacy
from chainverify.images.candidates import Attempt, Content, Question, Remembered
from chainverify.images.keys import TrustedKey
from chainverify.model.images import ImageEvidence, ImageReference, KeyedTrust

__all__ = ["Content", "Remembered", "load", "verify"]

FORMATS: Final = {"bundle": bundle.attempts, "legacy": legacy.attempts}
"""One row per signature format, tried in this order: what a current cosign writes first."""

MAX_TRIED: Final = 400
"""Candidates of one image that are tried under one stanza, over all formats."""
MAX_REPORTED: Final = 20
"""Candidates told of a refusal; the most telling ones are kept."""


def load(trust: KeyedTrust) -> tuple[TrustedKey, ...]:
    """The keys of a stanza, decoded. Raises `PolicyError` for one that is unusable, and a threshold above their number."""
    trusted = keys.load(trust.keys)
    if not 1 <= trust.threshold <= len(trusted):
        first = trust.keys[0] if trust.keys else None
        raise PolicyError(
            f"trust for {trust.match} asks for {trust.threshold} of {len(trusted)} keys",
            key=first.key if first else "images.trust",
            source=first.source if first else "",
            line=first.line if first else 0,
            hint="the threshold counts distinct keys: lower it, or add keys",
        )
    return trusted


def verify(content: Content, reference: ImageReference, trust: KeyedTrust) -> ImageEvidence:
    """Proof that at least `threshold` distinct keys of the stanza signed this very digest.

    1. the reference is resolved to a digest, once,
    2. every candidate of every format the stanza allows is tried, until enough keys were found,
    3. candidates that could not be had matter only where the others were not enough.

    The digest itself must be signed; that an index which is signed contains it does not count.

    Raises `ImageError` (`image-unsigned` where no candidate is a signature, `image-threshold-not-met`, or the rule of the
    candidate that came nearest), `Unavailable` where an answer is missing, `PolicyError` for keys.
    """
    trusted = load(trust)
    try:
        return _verify(content, reference, trusted, trust)
    except ChainverifyError:
        raise
    except Exception as error:  # the one boundary: what a library leaks is no verdict
        raise BackendCrashed(
            f"verifying {reference.canonical} failed inside: {type(error).__name__}",
            hint="this is a defect of chainverify: please report it",
        ) from error


def _verify(
    content: Content, reference: ImageReference, trusted: tuple[TrustedKey, ...], trust: KeyedTrust
) -> ImageEvidence:
    source = content if isinstance(content, Remembered) else Remembered(content)
    asked = Question(source, reference, source.resolve(reference), trusted, trust)
    tried: list[Attempt] = []
    signers: dict[str, str] = {}
    for attempt in _attempts(asked):
        tried.append(attempt)
        if attempt.candidate.ok and attempt.fingerprint:
            signers.setdefault(attempt.fingerprint, attempt.candidate.signer)
        if len(signers) >= trust.threshold:
            notes = dict.fromkeys(note for one in tried if one.candidate.ok for note in one.notes)
            if reference.digest is None:
                notes[f"the tag {reference.tag} can move: what was verified is {asked.digest}"] = None
            return ImageEvidence(
                asked.digest, "key", tuple(signers.values()), tuple(one.candidate for one in tried), tuple(notes)
            )
    raise _refusal(asked, tried, tuple(signers.values()))


def _attempts(asked: Question) -> Iterator[Attempt]:
    """The candidates of all formats that the stanza allows, up to a budget."""
    found = chain.from_iterable(attempts(asked) for name, attempts in FORMATS.items() if name in asked.trust.formats)
    yield from islice(found, MAX_TRIED)
    if next(found, None) is not None:
        yield candidates.unavailable("candidates", candidates.too_much(f"image has more than {MAX_TRIED} candidates to try"))


def _refusal(asked: Question, tried: Sequence[Attempt], signers: tuple[str, ...]) -> ChainverifyError:
    """The error for an image without enough signatures."""
    trust = asked.trust
    order = ["unavailable", *candidates.STEPS, "verified"]
    ranked = sorted(tried, key=lambda attempt: -order.index(attempt.candidate.step))
    told = tuple(_told(attempt) for attempt in ranked[:MAX_REPORTED])
    problem = next((attempt.problem for attempt in tried if attempt.problem), None)
    if problem is not None:
        error = type(problem)(problem.message, hint=problem.hint, rule="image-unavailable")
        error.evidence = {**problem.evidence, "digest": asked.digest, "candidates": list(told)}
        return error
    if signers:
        return _error(
            "image-threshold-not-met",
            f"signed by {len(signers)} of the keys that {trust.match} trusts, {trust.threshold} are needed: {', '.join(signers)}",
            "have it signed by another of the stanza's keys",
            asked.digest,
            told,
        )
    rule = candidates.STEPS[ranked[0].candidate.step] if ranked else "image-unsigned"
    if rule == "image-unsigned":
        besides = "; the one artifact found beside it is none" if len(tried) == 1 else ""
        if len(tried) > 1:
            besides = f"; none of the {len(tried)} artifacts found beside it is one"
        return _error(
            rule,
            f"{asked.digest} has no signature of the formats {' and '.join(trust.formats)}{besides}",
            f"sign it: cosign sign --key KEY {asked.reference.repository}@{asked.digest}",
            asked.digest,
            told,
        )
    near = ranked[0].candidate
    more = f" ({len(tried)} candidates were tried)" if len(tried) > 1 else ""
    return _error(
        rule,
        f"{_WORDS[near.step]}: expected {near.expected}, got {near.got}{more}",
        _HINTS.get(near.step, ""),
        asked.digest,
        told,
    )


_WORDS: Final[dict[str, str]] = {
    "form": "signature cannot be read",
    "signer": "signed, but not by a trusted key",
    "signature": "signature is bad",
    "content": "registry returned other bytes than were named",
    "digest": "signature is for another image",
    "annotations": "signature lacks an annotation",
    "reference": "signature is for another reference",
}
_HINTS: Final[dict[str, str]] = {
    "signer": "if the signer should be trusted, add the public key to the stanza's keys",
    "reference": "for a mirror or a copy: have it signed there, or set reference = \"off\" in the stanza",
    "digest": "a signature copied from another image proves nothing: sign this digest",
}


def _told(attempt: Attempt) -> dict[str, str]:
    candidate = attempt.candidate
    told = {"origin": candidate.origin, "step": candidate.step, "expected": candidate.expected, "got": candidate.got}
    return {**told, "signer": candidate.signer} if candidate.signer else told


def _error(rule: str, message: str, hint: str, digest: str, told: tuple[dict[str, str], ...]) -> ImageError:
    error = ImageError(message, rule=rule, hint=hint, candidates=told)
    error.evidence["digest"] = digest
    return error
