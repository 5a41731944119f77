"""Another spelling of a registry's host does not lead around the stanza that asks for a key."""

from __future__ import annotations

import pytest

from chainverify.formats.reference import parse
from chainverify.model.images import KeyedTrust
from chainverify.policy.model import ImagesPolicy, TrustStanza
from chainverify.rules.images import select

KEYED = KeyedTrust("ghcr.io/example/**", ())
POLICY = ImagesPolicy(trust=(TrustStanza("**", unsafe_unsigned="a test"), TrustStanza("ghcr.io/example/**", keys=("k",))))


@pytest.mark.parametrize(
    ("reference", "keyed"),
    [
        ("ghcr.io/example/app", True),
        ("GHCR.io/example/app", True),
        ("ghcr.io:443/example/app", True),
        ("Ghcr.IO:443/example/app", True),
        ("ghcr.io:8443/example/app", False),
        ("ghcr.io.example.org/example/app", False),
        ("docker.io/example/app", False),
    ],
)
def test_spellings(reference: str, keyed: bool) -> None:
    assert bool(select(parse(reference), POLICY, (KEYED,)).keyed) is keyed
