"""One private Sigstore for the tests of a module: its keys cost time, and nothing changes them."""

from __future__ import annotations

import pytest

from tests.world.sigstore import Sigstore


@pytest.fixture(scope="session")
def sigstore() -> Sigstore:
    return Sigstore()
