"""Which stanzas apply to a reference, and what a finding says."""

from __future__ import annotations

import pytest

from chainverify.errors import BackendCrashed, BudgetExceeded, ImageError, RegistryUnavailable
from chainverify.formats.reference import parse
from chainverify.model.images import Candidate, ImageEvidence, ImageUse, KeyedTrust, Span
from chainverify.model.report import FAIL, PASS, SKIP, UNKNOWN, VERIFIED
from chainverify.policy.model import ImagesPolicy, TrustStanza
from chainverify.rules import images

REFERENCE = parse("registry.example.org/team/app:v1")
USE = ImageUse("a.yaml", Span(4, 10, 3, 12), 0, "$.image", "init", REFERENCE.canonical, REFERENCE, "literal", "certain")


@pytest.mark.parametrize(
    ("pattern", "selected"),
    [
        ("registry.example.org/team/app", True),
        ("registry.example.org/team/*", True),
        ("registry.example.org/**", True),
        ("**", True),
        ("registry.example.org/*", False),
        ("registry.example.org/team/app:v1", False),
        ("registry.example.org/team", False),
        ("example.org/team/app", False),
        ("registry?example.org/team/app", False),
        ("*", False),
        ("", False),
    ],
)
def test_select(pattern: str, selected: bool) -> None:
    keyed = KeyedTrust(pattern, ())
    unsigned = TrustStanza(pattern, unsafe_unsigned="")
    found = images.select(REFERENCE, ImagesPolicy(trust=(unsigned, TrustStanza(pattern, ("a.pub",)))), (keyed,))
    assert found == (((keyed,), (unsigned,)) if selected else ((), ()))


def test_passed() -> None:
    ok = Candidate("tag x", "verified", "d", "d", ok=True, signer="a.pub")
    junk = tuple(Candidate(f"referrer {number}", "signer", "a", "b") for number in range(100))
    proofs = [
        ImageEvidence("sha256:x", "key", ("a.pub",), (*junk, ok), ("note",)),
        ImageEvidence("sha256:x", "key", ("a.pub", "b.pub"), (ok,)),
    ]
    found = images.passed(USE, REFERENCE, proofs)
    assert (found.rule, found.status, found.subject.id) == (VERIFIED, PASS, REFERENCE.canonical)
    assert found.evidence["key"] == "a.pub, b.pub"
    assert found.evidence["notes"] == ["note"]
    told = found.evidence["candidates"]
    assert isinstance(told, list)
    assert len(told) == images.MAX_REPORTED
    assert told[0]["signer"] == "a.pub"
    assert "sha256:x" in found.message


@pytest.mark.parametrize(
    ("error", "rule", "status"),
    [
        (ImageError("m", rule="image-unsigned", hint="h"), "image-unsigned", FAIL),
        (ImageError("m", hint="h"), "image-signature-bad", FAIL),
        (RegistryUnavailable("m", hint="h"), "image-unavailable", UNKNOWN),
        (BudgetExceeded("m", hint="h", rule="image-unavailable"), "image-unavailable", UNKNOWN),
        (BackendCrashed("m", hint="h"), "internal", UNKNOWN),
    ],
)
def test_refused(error: Exception, rule: str, status: str) -> None:
    found = images.refused(USE, REFERENCE, error)  # type: ignore[arg-type]
    assert (found.rule, found.status, found.message, found.hint) == (rule, status, "m", "h")
    assert found.location is not None
    assert (found.location.path, found.location.line, found.location.column) == ("a.yaml", 3, 12)
    assert found.evidence["role"] == "init"


def test_not_covered_and_unsigned() -> None:
    found = images.not_covered(USE, REFERENCE)
    assert (found.rule, found.status) == ("image-not-covered", FAIL)
    assert "registry.example.org/team/app" in found.hint
    skipped = images.unsigned(USE, REFERENCE, (TrustStanza("**", unsafe_unsigned="we said so"),))
    assert (skipped.rule, skipped.status, skipped.message) == (VERIFIED, SKIP, "no signature is asked of it: we said so")
