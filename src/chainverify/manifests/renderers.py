"""Objects whose controllers render other manifests: the images they bring are in no file of the repository.

This version renders nothing, so each such object is one unresolved candidate: passing over it would call a list complete
that is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chainverify.manifests.yamlnodes import Found, Mapping, Node, Scalar, Steps, objects, texts

KINDS: Final = {
    ("helm.toolkit.fluxcd.io", "HelmRelease"): "chart",
    ("helm.fluxcd.io", "HelmRelease"): "chart",
    ("addons.cluster.x-k8s.io", "HelmChartProxy"): "chart",
    ("helm.cattle.io", "HelmChart"): "chart",
    ("helm.cattle.io", "HelmChartConfig"): "chart",
    ("argoproj.io", "Application"): "application",
    ("argoproj.io", "ApplicationSet"): "application",
    ("fluxcd.controlplane.io", "FluxInstance"): "application",
    ("fleet.cattle.io", "GitRepo"): "application",
    ("fleet.cattle.io", "HelmOp"): "chart",
    ("kappctrl.k14s.io", "App"): "application",
    ("packaging.carvel.dev", "PackageInstall"): "application",
}
"""API group and kind, and the role of what it renders."""

_FLUX: Final = ("kustomize.toolkit.fluxcd.io", "Kustomization")
_OTHER_SOURCES: Final = frozenset(("OCIRepository", "Bucket", "ExternalArtifact"))
"""Sources of a Flux Kustomization that are no git repository, so certainly not this one."""


def find(root: Node, path: str) -> list[Found] | None:
    """One candidate for every object that renders others, inside lists too; None where there is none."""
    found: list[Found] = []
    for node, steps in objects(root):
        groups = {version.partition("/")[0] for version in texts(node, "apiVersion")}
        for value in node.fields.get("kind", ()):
            if not isinstance(value, Scalar):
                continue
            kind = value.value
            role = next((KINDS[group, kind] for group in sorted(groups) if (group, kind) in KINDS), None)
            if role:
                reason = f"this version does not resolve the images that this {kind} renders"
                found.append(Found(value, (steps, "kind"), role, "likely", reason))
            if kind == _FLUX[1] and _FLUX[0] in groups:
                found += _from_elsewhere(node, steps)
    return found or None


def _from_elsewhere(node: Mapping, steps: Steps) -> Iterator[Found]:
    """The source of a Flux Kustomization whose manifests are not in a git repository."""
    for spec in node.fields.get("spec", ()):
        for source in spec.fields.get("sourceRef", ()) if isinstance(spec, Mapping) else ():
            for kind in source.fields.get("kind", ()) if isinstance(source, Mapping) else ():
                if isinstance(kind, Scalar) and kind.value in _OTHER_SOURCES:
                    where: Steps = (((steps, "spec"), "sourceRef"), "kind")
                    reason = f"manifests from a source of kind {kind.value} are not read"
                    yield Found(kind, where, "application", "likely", reason)
