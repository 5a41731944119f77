"""Which files may hold manifests, told by their names. A local hook asks this on every commit: no import beside it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

SUFFIXES: Final = (".yaml", ".yml", ".json")
KUSTOMIZATIONS: Final = frozenset(("kustomization.yaml", "kustomization.yml", "Kustomization"))
"""Names under which kustomize looks for a kustomization, which then needs neither apiVersion nor kind."""


def is_candidate(path: str) -> bool:
    """Whether a file's name says that it may hold manifests."""
    return path.lower().endswith(SUFFIXES) or path.rpartition("/")[2] in KUSTOMIZATIONS
