"""The images that files name, verified: each once, many at a time, reported at every place that names them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Final, NamedTuple, TypeAlias

from chainverify.errors import ChainverifyError, PolicyError
from chainverify.images import verify as images
from chainverify.images.verify import Content, Remembered
from chainverify.model.images import ImageEvidence, ImageReference, ImageUse, KeyedTrust
from chainverify.model.report import Finding
from chainverify.policy.model import ImagesPolicy
from chainverify.rules import images as rules_of
from chainverify.rules.images import Stanzas

DEFAULT_JOBS: Final = 8
"""Images verified at a time: nearly all of it is waiting for registries."""
MAX_JOBS: Final = 32

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many images are verified, and how many there are; from the calling thread."""


class ImageVerdicts(NamedTuple):
    """Findings in the order of the uses; counts hold `images`, the references that were judged."""

    findings: list[Finding]
    counts: dict[str, int]


_Outcome: TypeAlias = tuple[tuple[ImageEvidence, ...], tuple[ChainverifyError, ...]]
"""The proofs of the stanzas that were satisfied, and the errors of those that were not."""


def check_images(
    uses: Sequence[ImageUse],
    policy: ImagesPolicy,
    trust: Sequence[KeyedTrust],
    content_for: Callable[[ImageReference], Content],
    jobs: int = DEFAULT_JOBS,
    *,
    progress: Progress | None = None,
) -> ImageVerdicts:
    """The verdict on every use with a reference; those without one are the manifest rules' to report.

    `trust` are the stanzas of `policy` that have keys (`policy.material.image_trust`). `content_for` says where an image is
    read, and may raise `Unavailable`. A use that passes has one `verified` finding; one that does not, one finding for each
    stanza that refuses it. No registry is asked about an image that no stanza with keys matches.

    Raises `PolicyError` for keys that cannot be used, before anything is asked.
    """
    for stanza in trust:
        images.load(stanza)
    named = [(use, use.reference) for use in uses if use.reference is not None]
    stanzas = {reference: rules_of.select(reference, policy, trust) for _, reference in named}
    outcomes = _verify_all([each for each, found in stanzas.items() if found.keyed], stanzas, content_for, jobs, progress)
    findings: list[Finding] = []
    for use, reference in named:
        found = stanzas[reference]
        if found.keyed:
            proofs, errors = outcomes[reference]
            findings += [rules_of.refused(use, reference, error) for error in errors] or [
                rules_of.passed(use, reference, proofs)
            ]
        elif found.unsigned:
            findings.append(rules_of.unsigned(use, reference, found.unsigned))
        else:
            findings.append(rules_of.not_covered(use, reference))
    return ImageVerdicts(findings, {"images": len(named)})


def _verify_all(
    references: Sequence[ImageReference],
    stanzas: dict[ImageReference, Stanzas],
    content_for: Callable[[ImageReference], Content],
    jobs: int,
    progress: Progress | None,
) -> dict[ImageReference, _Outcome]:
    """Verify in parallel; references to one digest of one repository share what was fetched for it."""
    groups: dict[tuple[str, str], list[ImageReference]] = {}
    for reference in references:
        groups.setdefault((reference.repository, reference.digest or f":{reference.tag}"), []).append(reference)
    outcomes: dict[ImageReference, _Outcome] = {}
    if not groups:
        return outcomes
    pool = ThreadPoolExecutor(max_workers=max(1, min(jobs, MAX_JOBS, len(groups))), thread_name_prefix="images")
    try:
        running = [pool.submit(_verify_group, group, stanzas, content_for) for group in groups.values()]
        for done, future in enumerate(as_completed(running), start=1):
            outcomes.update(future.result())
            if progress:
                progress(done, len(groups))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return outcomes


def _verify_group(
    group: Sequence[ImageReference],
    stanzas: dict[ImageReference, Stanzas],
    content_for: Callable[[ImageReference], Content],
) -> dict[ImageReference, _Outcome]:
    try:
        content = Remembered(content_for(group[0]))
    except PolicyError:
        raise
    except ChainverifyError as error:
        return dict.fromkeys(group, ((), (error,)))
    return {reference: _verify(reference, stanzas[reference].keyed, content) for reference in group}


def _verify(reference: ImageReference, trust: Sequence[KeyedTrust], content: Content) -> _Outcome:
    """All stanzas that match one reference; the same refusal by several of them is told once."""
    proofs: list[ImageEvidence] = []
    errors: dict[tuple[str, str], ChainverifyError] = {}
    for stanza in trust:
        try:
            proofs.append(images.verify(content, reference, stanza))
        except PolicyError:
            raise
        except ChainverifyError as error:
            errors.setdefault((error.rule, error.message), error)
    return tuple(proofs), tuple(errors.values())
