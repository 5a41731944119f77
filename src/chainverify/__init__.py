"""chainverify: who made a Git history, why, and which signed container images it will run."""

from __future__ import annotations

from chainverify._version import __version__

__all__ = ["__version__"]
