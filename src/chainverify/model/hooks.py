"""The names of git's hooks that chainverify answers, in one place (githooks(5))."""

from __future__ import annotations

from typing import Final

LOCAL: Final = ("commit-msg", "prepare-commit-msg", "pre-commit", "pre-merge-commit", "pre-push", "applypatch-msg")
"""Hooks of a clone: feedback for whoever works there, and no gate."""
SERVER: Final = ("pre-receive",)
"""Hooks of a repository that people push to."""
