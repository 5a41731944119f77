"""chainverify: who made a Git history, why, and which signed container images it will run.

The names of the public API (docs/api.md) are loaded when they are first used, because the commit-msg hook imports this package on
every commit and needs none of them.
"""

from __future__ import annotations

from chainverify._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from chainverify._api import *  # noqa: F403 - the names of __all__

__all__ = [
    "ChainverifyError", "Finding", "ImageReference", "ImageUse", "LoadedPolicy", "PolicyError", "Report", "Repository", "Source",
    "Unavailable", "UsageError", "__version__", "check", "check_commits", "exit_status", "find_images", "load_policy",
    "open_repository", "parse_reference", "verdict",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """A name of the public API (PEP 562). Submodules are asked for here too, so nothing is loaded for other names."""
    if name in __all__:
        from chainverify import _api

        return getattr(_api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
