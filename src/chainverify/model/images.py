"""Image references, their uses in files, and what is known of an image's signatures."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Resolution: TypeAlias = Literal["literal", "assembled", "default", "overridden", "rendered", "unresolved"]
Confidence: TypeAlias = Literal["certain", "likely", "possible"]


class ImageReference(NamedTuple):
    """A reference by the grammar of distribution: canonical `domain/path[:tag][@digest]`.

    `tag` is "latest" when neither tag nor digest was written (`defaulted` is then True); `digest` is `sha256:<64 hex>` or
    `sha512:<128 hex>`, lower case, or None.
    """

    domain: str
    path: str
    tag: str | None
    digest: str | None
    defaulted: bool = False

    @property
    def repository(self) -> str:
        """`domain/path`, what `[[images.trust]] match` is compared with."""
        return f"{self.domain}/{self.path}"

    @property
    def canonical(self) -> str:
        """The canonical form of the contract: tag kept beside a digest, `:latest` where neither is given."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


class Span(NamedTuple):
    """A place in a file: `start`/`end` are byte offsets of the raw scalar as written (quotes included),
    `line` and `column` count from 1, the column in characters."""

    start: int
    end: int
    line: int
    column: int


class ImageUse(NamedTuple):
    """An image reference found at a span of a file.

    `raw` is the text after YAML decoding, `reference` the parsed form, None where `resolution` is "unresolved" and
    `reason` says why. `role` names the field's meaning (container, init, ephemeral, image-volume, ...), `pointer` the
    path inside the document (`$.spec.containers[0].image`), `document` the index of the document in a stream from 0,
    `excerpt` the source line for people.
    """

    path: str
    span: Span
    document: int
    pointer: str
    role: str
    raw: str
    reference: ImageReference | None
    resolution: Resolution
    confidence: Confidence
    reason: str = ""
    excerpt: str = ""


class ManifestProblem(NamedTuple):
    """Something in a file that keeps its list of images from being complete or unambiguous.

    `rule` is `manifest-unreadable` (status unknown: images may be missed) or `manifest-ambiguous` (two readers would
    disagree: duplicate keys), `line`/`column` from 1 or 0 where not known.
    """

    rule: Literal["manifest-unreadable", "manifest-ambiguous"]
    path: str
    line: int
    column: int
    message: str
    hint: str = ""
    excerpt: str = ""


class Extraction(NamedTuple):
    """What one file yields. `recognised` is False for a file of no known type (it is then not counted)."""

    uses: tuple[ImageUse, ...] = ()
    problems: tuple[ManifestProblem, ...] = ()
    recognised: bool = False


class Descriptor(NamedTuple):
    """An OCI content descriptor: what a manifest or index says about a blob."""

    media_type: str
    digest: str
    size: int
    artifact_type: str = ""
    annotations: tuple[tuple[str, str], ...] = ()


class Manifest(NamedTuple):
    """A manifest or index fetched by digest and hashed: `raw` are exactly the bytes whose digest is `digest`."""

    digest: str
    media_type: str
    raw: bytes


class Candidate(NamedTuple):
    """One alternative that was tried for an image: where it came from, the step that decided, expected and got.

    `ok` is True where every step passed; `signer` then is the key that made it (its policy path).
    """

    origin: str
    step: str
    expected: str
    got: str
    ok: bool = False
    signer: str = ""


class ImageEvidence(NamedTuple):
    """What was proved of an image: exists only after success against one trust stanza."""

    digest: str
    method: Literal["key"]
    keys: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = ()


class ImageKey(NamedTuple):
    """A public key of a trust stanza, not yet parsed: `name` as the policy writes it, `pem` the file's bytes,
    `key`, `source`, `line` where the policy names it, for errors."""

    name: str
    pem: bytes
    key: str
    source: str = ""
    line: int = 0


class KeyedTrust(NamedTuple):
    """A trust stanza with keys: at least `threshold` distinct `keys` must each have signed the image.

    `formats` are the signature formats that count, `reference` says how the signed reference is compared,
    `annotations` must all be in the signed statement.
    """

    match: str
    keys: tuple[ImageKey, ...]
    threshold: int = 1
    formats: tuple[Literal["bundle", "legacy"], ...] = ("bundle", "legacy")
    reference: Literal["exact", "repository", "off"] = "repository"
    annotations: tuple[tuple[str, str], ...] = ()
