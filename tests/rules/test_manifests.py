"""The manifest rules: which finding, with which status, about which subject."""

from __future__ import annotations

import pytest

from chainverify.formats.reference import parse
from chainverify.manifests.extract import extract
from chainverify.model.images import Extraction, ImageUse, ManifestProblem, Span
from chainverify.model.report import Excerpt, Finding, Location, Subject
from chainverify.policy.model import AllowUnresolved, ImagesPolicy
from chainverify.rules.manifests import judge, location, passed

DIGEST = "sha256:" + "0" * 64
POD = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: "


def use(raw: str, path: str = "a/x.yaml", **fields: object) -> ImageUse:
    reference = None if "$" in raw else parse(raw)
    found = ImageUse(path, Span(50, 50 + len(raw), 5, 12), 0, "$.spec.containers[0].image", "container", raw, reference,
                     "literal" if reference else "unresolved", "certain", "" if reference else "holds '${'",
                     f"  - image: {raw}")  # fmt: skip
    return found._replace(**fields)  # type: ignore[arg-type]


def judged(*uses: ImageUse, problems: tuple[ManifestProblem, ...] = (), policy: ImagesPolicy | None = None) -> list[Finding]:
    return judge([Extraction(uses, problems, True)], policy or ImagesPolicy())


UNREADABLE = ManifestProblem("manifest-unreadable", "a/x.yaml", 3, 7, "document 1: not YAML", "mend it", "kind: [}")
AMBIGUOUS = ManifestProblem("manifest-ambiguous", "a/x.yaml", 6, 5, "key 'image' stands twice", "keep one", "    image: b")
EXCUSE = ImagesPolicy(allow_unresolved=(AllowUnresolved("charts/**", "rendered in CI"), AllowUnresolved("a/*", "looked at")))


def test_unresolved_is_unknown_and_points_at_the_field() -> None:
    (found,) = judged(use("app:${TAG}"))
    assert found.rule == "image-unresolved"
    assert found.status == "unknown"
    assert found.subject == Subject("file", "a/x.yaml", "$.spec.containers[0].image")
    assert found.message == "container image 'app:${TAG}' cannot be resolved: holds '${'"
    assert found.location == Location("a/x.yaml", 5, 12, Excerpt("  - image: app:${TAG}", 12, 10))
    assert found.waived is None
    assert found.hint
    assert found.evidence["canonical"] is None


@pytest.mark.parametrize("confidence", ["certain", "likely", "possible"])
def test_unresolved_counts_whatever_the_confidence(confidence: str) -> None:
    assert [each.status for each in judged(use("${X}", confidence=confidence))] == ["unknown"]


def test_unresolved_and_unreadable_are_excused_by_path_and_by_nothing_else() -> None:
    found = judged(use("${X}"), problems=(UNREADABLE, AMBIGUOUS), policy=EXCUSE)
    waiver = "[[images.allow-unresolved]] a/*: looked at"
    assert [(each.rule, each.status, each.waived) for each in found] == [
        ("manifest-unreadable", "skip", waiver),
        ("manifest-ambiguous", "fail", None),
        ("image-unresolved", "skip", waiver),
    ]
    deeper = judged(use("${X}", path="a/b/x.yaml"), policy=EXCUSE)
    assert [(each.status, each.waived) for each in deeper] == [("unknown", None)]
    pinned = judged(use("app:1"), policy=EXCUSE)
    assert [(each.rule, each.status) for each in pinned] == [("image-not-pinned", "fail")]


PINNING = {
    "tag": ("app:1", True, ["image-not-pinned"], "'app:1' has no digest"),
    "neither": ("app", True, ["image-not-pinned"], "'app' has neither tag nor digest"),
    "digest": (f"app@{DIGEST}", True, [], ""),
    "tag and digest": (f"app:1@{DIGEST}", True, [], ""),
    "tag, not asked": ("app:1", False, [], ""),
    "neither, not asked": ("app", False, [], ""),
}


@pytest.mark.parametrize(("raw", "required", "rules", "words"), PINNING.values(), ids=PINNING)
def test_pinning(raw: str, required: bool, rules: list[str], words: str) -> None:
    policy = ImagesPolicy(require_digest=required)
    found = judged(use(raw), policy=policy)
    assert [each.rule for each in found] == rules
    for each in found:
        assert each.status == "fail"
        assert each.subject == Subject("image", parse(raw).canonical)
        assert words in each.message
    good = passed([Extraction((use(raw),), (), True)], policy)
    assert [(each.rule, each.status, each.subject.id) for each in good] == (
        [] if rules else [("verified", "pass", parse(raw).canonical)]
    )


def test_nothing_unresolved_is_ever_passed() -> None:
    for policy in (ImagesPolicy(require_digest=False), EXCUSE):
        assert passed([Extraction((use("${X}"),), (UNREADABLE,), True)], policy) == []


def test_problems_keep_their_words_and_place() -> None:
    found = judged(problems=(UNREADABLE, AMBIGUOUS))
    assert [(each.rule, each.status) for each in found] == [("manifest-unreadable", "unknown"), ("manifest-ambiguous", "fail")]
    assert found[0].subject == Subject("file", "a/x.yaml")
    assert (found[0].message, found[0].hint) == ("document 1: not YAML", "mend it")
    assert found[0].location == Location("a/x.yaml", 3, 7, Excerpt("kind: [}", 7))


def test_the_underline_stays_on_the_line() -> None:
    quoted = location(use("app", span=Span(0, 5, 1, 12), excerpt="  - image: 'app'"))
    assert quoted.excerpt == Excerpt("  - image: 'app'", 12, 5)
    block = location(use("app", span=Span(0, 400, 1, 12), excerpt="  - image: |-"))
    assert block.excerpt == Excerpt("  - image: |-", 12, 2)
    assert location(use("app", excerpt="")).excerpt is None


def test_a_hostile_text_is_quoted_on_one_line() -> None:
    text = POD + '"a\\nb\\nforged: passed ' + "x" * 500 + '"\n'
    (found,) = judge([extract("x.yaml", text.encode())], ImagesPolicy())
    assert "\n" not in found.message
    assert len(found.message) < 400


def test_from_a_file_to_its_findings() -> None:
    text = f"{POD}a:1\n  - image: b@{DIGEST}\n  - image: '{{{{ c }}}}'\n  - image: d\n    image: e\n"
    found = judge([extract("x.yaml", text.encode())], ImagesPolicy())
    assert [(each.rule, each.subject.id, each.location and each.location.line) for each in found] == [
        ("manifest-ambiguous", "x.yaml", 9),
        ("image-not-pinned", "docker.io/library/a:1", 5),
        ("image-unresolved", "x.yaml", 7),
        ("image-not-pinned", "docker.io/library/d:latest", 8),
        ("image-not-pinned", "docker.io/library/e:latest", 9),
    ]
