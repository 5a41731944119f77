"""The policy of this repository is one that this version can enforce."""

from __future__ import annotations

from pathlib import Path

from chainverify.formats.pattern import compile_pattern
from chainverify.jobs import policies
from chainverify.policy.material import image_trust, signing_material

ROOT = Path(__file__).parent.parent.parent


def test_our_own_policy() -> None:
    loaded = policies.from_file(ROOT / policies.POLICY_NAME, worktree=ROOT)
    assert loaded.trust == "self"
    assert loaded.policy.observed == ()
    assert loaded.policy.messages is not None
    assert loaded.policy.images is not None
    pattern = compile_pattern(loaded.policy.messages.pattern or "")
    assert pattern.search("formats, model: strict object readers")
    for subject in ("Fix it", "policy:", "policy: ", "Policy: x", "fixup! policy: x"):
        assert not pattern.search(subject)
    signing_material(loaded.policy, loaded.read)
    image_trust(loaded.policy, loaded.read)
