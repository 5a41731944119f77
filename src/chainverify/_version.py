"""The version of the installed chainverify; `importlib.metadata` would cost more than a commit-msg check."""

from __future__ import annotations

__version__ = "0.1.0"
