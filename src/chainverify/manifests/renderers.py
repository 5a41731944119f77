"""Objects whose controllers render other manifests: the images they bring are in no file of the repository.

This version renders nothing, so each such object is one unresolved candidate: passing over it would call a list complete
that is not.
"""

from __future__ import annotations

from typing import Final

from chainverify.manifests.yamlnodes import Found, Mapping, Node, Scalar, Sequence, Steps, texts

KINDS: Final = {
    ("helm.toolkit.fluxcd.io", "HelmRelease"): "chart",
    ("helm.cattle.io", "HelmChart"): "chart",
    ("helm.cattle.io", "HelmChartConfig"): "chart",
    ("argoproj.io", "Application"): "application",
    ("argoproj.io", "ApplicationSet"): "application",
}
"""API group and kind, and the role of what it renders."""


def find(root: Node, path: str) -> list[Found] | None:
    """One candidate for every object that renders others, inside lists too; None where there is none."""
    found: list[Found] = []
    stack: list[tuple[Node, Steps]] = [(root, None)]
    seen: set[int] = set()
    while stack:
        node, steps = stack.pop()
        if not isinstance(node, Mapping) or id(node) in seen:
            continue
        seen.add(id(node))
        groups = {version.partition("/")[0] for version in texts(node, "apiVersion")}
        for value in node.fields.get("kind", ()):
            if not isinstance(value, Scalar):
                continue
            kind = value.value
            role = next((KINDS[group, kind] for group in sorted(groups) if (group, kind) in KINDS), None)
            if role:
                reason = f"this version does not resolve the images that this {kind} renders"
                found.append(Found(value, (steps, "kind"), role, "likely", reason))
            if kind.endswith("List"):
                for items in node.fields.get("items", ()):
                    if isinstance(items, Sequence):
                        stack += [(item, ((steps, "items"), number)) for number, item in enumerate(items.items)]
    return found or None
