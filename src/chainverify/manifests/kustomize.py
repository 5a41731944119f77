"""What kustomize would do to images and this version does not work out: named as unresolved, never passed over.

A kustomization (or a Flux Kustomization) replaces images of the files below it, so the references found there are not
what runs. Overrides, inline patches, charts and remote bases each become an unresolved candidate. A JSON patch (RFC 6902)
that sets an image to a plain string is a reference of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chainverify.manifests.yamlnodes import Found, Mapping, Node, Scalar, Sequence, Steps, entries, texts

FILE_NAMES: Final = frozenset(("kustomization.yaml", "kustomization.yml", "Kustomization"))
"""Names under which kustomize looks for a kustomization, which then needs neither apiVersion nor kind."""

_OWN_KINDS: Final = frozenset(("Kustomization", "Component"))
_OWN_GROUP: Final = "kustomize.config.k8s.io/"
_FLUX_GROUP: Final = "kustomize.toolkit.fluxcd.io/"
_PATCHES: Final = ("patches", "patchesJson6902", "patchesStrategicMerge")
_CHARTS: Final = ("helmCharts", "helmChartInflationGenerator")
_OVERRIDE: Final = "kustomize overrides are not resolved by this version"
_BASES: Final = ("resources", "bases", "components")


def find(root: Node, path: str) -> list[Found] | None:
    """The places where a kustomization or a JSON patch touches images, None where a document is neither."""
    if isinstance(root, Sequence):
        return list(_json_patch(root)) or None
    if not isinstance(root, Mapping):
        return None
    versions, kinds = texts(root, "apiVersion"), set(texts(root, "kind"))
    if any(version.startswith(_FLUX_GROUP) for version in versions) and "Kustomization" in kinds:
        specs = [spec for spec in root.fields.get("spec", ()) if isinstance(spec, Mapping)]
        return [found for spec in specs for found in _overrides(spec, (None, "spec"))]
    named = path.rpartition("/")[2] in FILE_NAMES and not kinds
    if named or (any(version.startswith(_OWN_GROUP) for version in versions) and kinds & _OWN_KINDS):
        return [*_overrides(root, None), *_sources(root)]
    return None


def _overrides(holder: Mapping, steps: Steps) -> Iterator[Found]:
    """`images`, and inline patches that speak of images."""
    for value in holder.fields.get("images", ()):
        if not isinstance(value, Sequence) and (not isinstance(value, Scalar) or value.value):
            yield Found(value, (steps, "images"), "override", "certain", _OVERRIDE)
    for item, where in entries(holder, "images", steps):
        names = item.fields.get("name", ()) if isinstance(item, Mapping) else ()
        yield Found(names[0] if names else item, where, "override", "certain", _OVERRIDE)
    for key in _PATCHES:
        for item, where in entries(holder, key, steps):
            inline = item.fields.get("patch", ()) if isinstance(item, Mapping) else (item,)
            for patch in inline:
                if isinstance(patch, Scalar) and _may_set_image(patch.value, bare=patch is item):
                    reason = "inline patches of kustomize are not resolved by this version"
                    yield Found(patch, where, "override", "likely", reason)


def _may_set_image(patch: str, *, bare: bool) -> bool:
    """Whether a patch text could touch an image; a `bare` one may be a file's name, which is read as a file by itself."""
    if bare and not any(mark in patch for mark in ("\n", "{", ": ")):
        return False
    return "image" in patch or "ontainers" in patch or "volumes" in patch or "\\" in patch


def _sources(root: Mapping) -> Iterator[Found]:
    """Charts and remote bases: what they hold is not in this repository."""
    for key in _CHARTS:
        for item, where in entries(root, key, None):
            names = item.fields.get("name", ()) if isinstance(item, Mapping) else ()
            yield Found(names[0] if names else item, where, "chart", "likely", "this version does not render charts")
    for key in _BASES:
        for item, where in entries(root, key, None):
            if isinstance(item, Scalar) and _is_remote(item.value):
                yield Found(item, where, "base", "likely", "remote bases of kustomize are not read")


def _is_remote(name: str) -> bool:
    return "://" in name or "?ref=" in name or name.startswith(("git@", "git::", "github.com/", "github.com:"))


def _json_patch(root: Sequence) -> Iterator[Found]:
    """Operations of a JSON patch whose path leads to an image, or whose value brings containers or volumes along."""
    for number, item in enumerate(root.items):
        if not isinstance(item, Mapping) or not texts(item, "op"):
            continue
        for pointer in texts(item, "path"):
            for value in item.fields.get("value", ()):
                steps: Steps = ((None, number), "value")
                if isinstance(value, Scalar):
                    if pointer.endswith(("/image", "/image/reference")):
                        yield Found(value, steps, "override", "likely")
                elif _brings_image(value):
                    reason = "a patch that adds whole containers or volumes is not resolved by this version"
                    yield Found(value, steps, "override", "likely", reason)


def _brings_image(value: Node) -> bool:
    """Whether a patch's value holds a field named `image` anywhere."""
    stack, seen = [value], set[int]()
    while stack:
        node = stack.pop()
        if isinstance(node, Scalar) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Sequence):
            stack += node.items
        elif "image" in node.fields:
            return True
        else:
            stack += [below for values in node.fields.values() for below in values]
            stack += node.loose
    return False
