"""What the image references of files say about themselves, before any registry is asked: resolved, pinned, unambiguous.

| what a file holds | verdict |
|---|---|
| a candidate without a reference | `image-unresolved`, unknown: something runs there and nobody can say what |
| the same in a path that `[[images.allow-unresolved]]` names | `image-unresolved`, skip, waived with its reason |
| a document or file that cannot be read | `manifest-unreadable`, unknown (or skip, as above) |
| a place that readers understand differently | `manifest-ambiguous`, fail, never excused |
| a reference without a digest, and `require-digest` | `image-not-pinned`, fail |

A reference with none of this gets no finding here: it passes where its signature does. Where no signature is asked,
`passed` makes the finding that says so.
"""

from __future__ import annotations

from collections.abc import Iterable

from chainverify.formats import glob
from chainverify.model.images import Extraction, ImageReference, ImageUse, ManifestProblem
from chainverify.model.report import FAIL, PASS, SKIP, UNKNOWN, VERIFIED, Excerpt, Finding, Location, Subject
from chainverify.policy.model import ImagesPolicy

_PIN_HINT = "write the digest behind the name: NAME:TAG@sha256:DIGEST"
_RESOLVE_HINT = "write the reference out, or excuse the path in [[images.allow-unresolved]] and check the rendered form"


def judge(extractions: Iterable[Extraction], policy: ImagesPolicy) -> list[Finding]:
    """The findings of files under `[images]`, file by file: problems first, then references in order.

    Subjects are the file, or the canonical reference where there is one. Nothing here is a `verified`.
    """
    findings: list[Finding] = []
    for extraction in extractions:
        findings += [_problem(problem, policy) for problem in extraction.problems]
        for use in extraction.uses:
            if use.reference is None:
                findings.append(_unresolved(use, policy))
            elif policy.require_digest and use.reference.digest is None:
                findings.append(_not_pinned(use, use.reference))
    return findings


def passed(extractions: Iterable[Extraction], policy: ImagesPolicy) -> list[Finding]:
    """One `verified` for every reference that `judge` has nothing against, for policies that ask for no signature."""
    return [
        Finding(
            VERIFIED,
            PASS,
            Subject("image", use.reference.canonical),
            "resolved and pinned" if use.reference.digest else "resolved",
            location=location(use),
            evidence=evidence(use),
        )
        for extraction in extractions
        for use in extraction.uses
        if use.reference is not None and (use.reference.digest or not policy.require_digest)
    ]


def location(use: ImageUse) -> Location:
    """Where a use stands, its scalar underlined as far as it is on the line."""
    excerpt = None
    if use.excerpt:
        left = max(1, len(use.excerpt) - use.span.column + 1)
        excerpt = Excerpt(use.excerpt, use.span.column, max(1, min(use.span.end - use.span.start, left)))
    return Location(use.path, use.span.line, use.span.column, excerpt)


def evidence(use: ImageUse) -> dict[str, object]:
    """The facts of a use, in the contract's words."""
    reference = use.reference
    return {
        "canonical": reference.canonical if reference else None,
        "digest": reference.digest if reference else None,
        "role": use.role,
        "resolution": use.resolution,
        "confidence": use.confidence,
        "raw": use.raw,
        "pointer": use.pointer,
        "document": use.document,
    }


def _unresolved(use: ImageUse, policy: ImagesPolicy) -> Finding:
    finding = Finding(
        "image-unresolved",
        UNKNOWN,
        Subject("file", use.path, use.pointer),
        f"{use.role} image {_quoted(use.raw)} cannot be resolved: {use.reason}",
        _RESOLVE_HINT,
        location(use),
        evidence=evidence(use),
    )
    return _excused(finding, policy)


def _not_pinned(use: ImageUse, reference: ImageReference) -> Finding:
    what = "has neither tag nor digest" if reference.defaulted else "has no digest"
    return Finding(
        "image-not-pinned",
        FAIL,
        Subject("image", reference.canonical),
        f"{_quoted(use.raw)} {what}, so what it names can change",
        _PIN_HINT,
        location(use),
        evidence=evidence(use),
    )


def _problem(problem: ManifestProblem, policy: ImagesPolicy) -> Finding:
    excerpt = Excerpt(problem.excerpt, problem.column) if problem.excerpt else None
    finding = Finding(
        problem.rule,
        UNKNOWN if problem.rule == "manifest-unreadable" else FAIL,
        Subject("file", problem.path),
        problem.message,
        problem.hint,
        Location(problem.path, problem.line, problem.column, excerpt),
    )
    return _excused(finding, policy) if finding.status == UNKNOWN else finding


def _excused(finding: Finding, policy: ImagesPolicy) -> Finding:
    """The finding as a skip where the policy excuses its path: the images of such files are checked elsewhere."""
    for stanza in policy.allow_unresolved:
        if glob.matches(stanza.path, finding.subject.id):
            return finding._replace(status=SKIP, waived=f"[[images.allow-unresolved]] {stanza.path}: {stanza.reason}")
    return finding


def _quoted(raw: str) -> str:
    """A candidate's text on one line, shortened."""
    line = " ".join(raw.split())
    return f"'{line if len(line) <= 100 else line[:97] + '...'}'"
