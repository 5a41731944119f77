"""What could be a signature of an image, and what came of trying it.

Discovery proves nothing: whatever a registry lists is untrusted until a key of the policy has signed it, and the digest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, TypeVar

from chainverify.errors import BudgetExceeded, ChainverifyError, ImageError, Malformed, Unavailable
from chainverify.formats import reference as grammar
from chainverify.images.keys import TrustedKey
from chainverify.model.images import Candidate, Descriptor, ImageReference, KeyedTrust, Manifest

MAX_REFERRERS: Final = 200
"""Referrers of one image that are fetched; more is an error that names the count, unless these were enough."""
MAX_SIGNATURES: Final = 100
"""Signatures of one legacy manifest that are tried."""
MAX_IMAGE_BYTES: Final = 32 << 20
"""Bytes fetched for one image."""

STEPS: Final[dict[str, str]] = {
    "type": "image-unsigned",
    "predicate": "image-unsigned",
    "form": "image-signature-bad",
    "signer": "image-signer-not-trusted",
    "signature": "image-signature-bad",
    "content": "image-digest-mismatch",
    "digest": "image-digest-mismatch",
    "annotations": "image-signature-bad",
    "reference": "image-reference-mismatch",
}
"""The steps at which a candidate may end, the rule each leads to, the most telling one last: how near it came."""

T = TypeVar("T")


class Content(Protocol):
    """Where images and their signatures are read: a registry, or a layout on disk. Nothing it says is trusted.

    `repository` is `domain/path`. All methods raise `Unavailable` where the answer could not be had, `ImageError`
    (rule `image-digest-mismatch`) where bytes do not have the digest that names them.
    """

    def resolve(self, reference: ImageReference) -> str:
        """The digest of an image, always the same for one reference."""

    def manifest(self, repository: str, digest: str) -> Manifest:
        """A manifest or index by digest, hashed."""

    def blob(self, repository: str, descriptor: Descriptor) -> bytes:
        """A blob, hashed, its size that of the descriptor."""

    def referrers(self, repository: str, digest: str) -> tuple[Descriptor, ...]:
        """What says that it refers to a manifest; empty only where nothing does."""

    def tagged(self, repository: str, tag: str) -> Manifest | None:
        """The manifest of a tag, None only where there is no such tag."""


class Question(NamedTuple):
    """What is asked of every candidate: did keys of `trusted` sign `digest` for `reference`, as `trust` asks?"""

    content: Content
    reference: ImageReference
    digest: str
    trusted: tuple[TrustedKey, ...]
    trust: KeyedTrust

    @property
    def signers(self) -> str:
        """The keys that would do, for people."""
        return ", ".join(key.name for key in self.trusted)


class Attempt(NamedTuple):
    """A candidate that was tried: `fingerprint` of the key that made it where it passed, `problem` where it could not
    be judged, `notes` on what a passing candidate does not prove."""

    candidate: Candidate
    fingerprint: str = ""
    problem: Unavailable | None = None
    notes: tuple[str, ...] = ()


class Remembered:
    """A `Content` for one image that asks nothing twice, errors included, and stays within `MAX_IMAGE_BYTES`."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._answers: dict[tuple[object, ...], object] = {}
        self._errors: dict[tuple[object, ...], ChainverifyError] = {}
        self._bytes = 0

    def resolve(self, reference: ImageReference) -> str:
        return self._once(("resolve", reference), lambda: self._content.resolve(reference))

    def manifest(self, repository: str, digest: str) -> Manifest:
        return self._once(("manifest", repository, digest), lambda: self._counted(self._content.manifest(repository, digest)))

    def blob(self, repository: str, descriptor: Descriptor) -> bytes:
        def fetch() -> bytes:
            self._spend(descriptor.size)
            return self._content.blob(repository, descriptor)

        return self._once(("blob", repository, descriptor.digest, descriptor.size), fetch)

    def referrers(self, repository: str, digest: str) -> tuple[Descriptor, ...]:
        return self._once(("referrers", repository, digest), lambda: self._content.referrers(repository, digest))

    def tagged(self, repository: str, tag: str) -> Manifest | None:
        def fetch() -> Manifest | None:
            found = self._content.tagged(repository, tag)
            return self._counted(found) if found else None

        return self._once(("tagged", repository, tag), fetch)

    def _once(self, key: tuple[object, ...], fetch: Callable[[], T]) -> T:
        if key in self._errors:
            raise self._errors[key]
        if key not in self._answers:
            try:
                self._answers[key] = fetch()
            except ChainverifyError as error:
                self._errors[key] = error
                raise
        return self._answers[key]  # type: ignore[return-value]  # the key names the method, which has one type

    def _counted(self, manifest: Manifest) -> Manifest:
        self._spend(len(manifest.raw))
        return manifest

    def _spend(self, size: int) -> None:
        if self._bytes + size > MAX_IMAGE_BYTES:  # what is refused is not counted: a small one may still fit
            raise too_much(f"candidates of the image have more than {MAX_IMAGE_BYTES} bytes together")
        self._bytes += size


def too_much(message: str) -> BudgetExceeded:
    """The error of a budget that ran out while looking for signatures."""
    return BudgetExceeded(message, rule="image-unavailable", hint="remove what does not belong to the image from its referrers")


def failed(origin: str, step: str, expected: str, got: str) -> Attempt:
    """A candidate that ended at `step`, one of `STEPS`."""
    return Attempt(Candidate(origin, step, expected, got))


def unavailable(origin: str, problem: Unavailable) -> Attempt:
    """A candidate, or a list of them, that could not be had."""
    return Attempt(Candidate(origin, "unavailable", "an answer", problem.message), problem=problem)


def broken(origin: str, error: Malformed | ImageError) -> Attempt:
    """A candidate whose bytes are not what they should be: their form, or their digest."""
    step = "content" if error.rule == "image-digest-mismatch" else "form"
    return failed(origin, step, "bytes that have their digest" if step == "content" else "the format's form", error.message)


def missing_annotation(required: tuple[tuple[str, str], ...], signed: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    """The first required annotation that was not signed, as expected and got."""
    have = dict(signed)
    for key, value in required:
        if have.get(key) != value:
            return f"{key}={value}", f"{key}={have[key]}" if key in have else f"no annotation {key}"
    return None


def reference_differs(signed: str, asked: Question) -> tuple[str, str] | None:
    """How the reference inside a signature differs from the image's, as expected and got; None where it fits.

    `off` asks nothing. `repository`: same domain and path. `exact`: the same tag too, or, for an image named by digest
    alone, the same digest; a signed reference without a tag says less than that, and does not fit.
    """
    wanted, mode = asked.reference, asked.trust.reference
    if mode == "off":
        return None
    try:
        found = grammar.parse(signed)
    except Malformed:
        return wanted.repository, f"{signed[:200]!r}, which is no image reference"
    if found.repository != wanted.repository:
        return wanted.repository, found.repository
    if mode == "exact":
        if wanted.tag is not None and (found.defaulted or found.tag != wanted.tag):
            return f"{wanted.repository}:{wanted.tag}", f"{signed[:200]} (reference = \"exact\" wants the tag signed)"
        if wanted.tag is None and found.digest != asked.digest:
            return f"{wanted.repository}@{asked.digest}", f"{signed[:200]} (reference = \"exact\" wants the digest signed)"
    return None
