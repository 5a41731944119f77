"""What kustomize would do to images and this version does not work out: named as unresolved, never passed over.

A kustomization (or a Flux Kustomization) replaces images of the files below it, so the references found there are not
what runs. Overrides, inline patches, transformers, charts, remote bases and files that are not read by their name each become an
unresolved candidate. A JSON patch (RFC 6902) that sets an image to a plain string is a reference of its own.

kustomize reads its own file by Go's JSON rules: the case of field names does not count, and a missing apiVersion or kind is
filled in. So does this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chainverify.manifests import filenames
from chainverify.manifests.yamlnodes import Found, Mapping, Node, Scalar, Sequence, Steps, objects, texts

LOCAL: Final = "kustomize reads it, and it is not among the files that are read"
"""The reason of an entry that names a file or directory: whoever knows the tree takes out those that are read."""

_OWN_KINDS: Final = frozenset(("Kustomization", "Component"))
_OWN_GROUP: Final = "kustomize.config.k8s.io/"
_FLUX_GROUP: Final = "kustomize.toolkit.fluxcd.io/"
_IMAGES: Final = ("images", "imagetags")
_PATCHES: Final = ("patches", "patchesjson6902", "patchesstrategicmerge")
_CHARTS: Final = ("helmcharts", "helmchartinflationgenerator")
_PLUGINS: Final = ("transformers", "generators", "validators")
_OVERRIDE: Final = "kustomize overrides are not resolved by this version"
_INLINE: Final = "inline patches of kustomize are not resolved by this version"
_PLUGIN: Final = "transformers and generators of kustomize are not resolved by this version"
_BASES: Final = ("resources", "bases", "components")
_DEAD_ENDS: Final = frozenset((
    "metadata", "annotations", "labels", "data", "stringData", "env", "args", "command", "rules", "tls", "selector", "ports",
    "replicas", "subjects",
))  # fmt: skip
"""Fields below which no image stands: a replacement that leads there is none of an image."""


def find(root: Node, path: str) -> list[Found] | None:
    """The places where a kustomization or a JSON patch touches images, None where a document is neither."""
    if isinstance(root, Sequence):
        return list(_json_patch(root)) or None
    if not isinstance(root, Mapping):
        return None
    found = [each for item, steps in objects(root) for each in _flux(item, steps)]
    versions, kinds = texts(root, "apiVersion"), set(texts(root, "kind"))
    named = path.rpartition("/")[2] in filenames.KUSTOMIZATIONS
    if named or (any(version.startswith(_OWN_GROUP) for version in versions) and kinds & _OWN_KINDS):
        return [*found, *_overrides(root, None), *_sources(root)]
    return found or ([] if any(_is_flux(item) for item, _ in objects(root)) else None)


def _is_flux(node: Mapping) -> bool:
    return "Kustomization" in texts(node, "kind") and any(each.startswith(_FLUX_GROUP) for each in texts(node, "apiVersion"))


def _flux(node: Mapping, steps: Steps) -> Iterator[Found]:
    """A Flux Kustomization: its overrides."""
    if _is_flux(node):
        for spec in node.fields.get("spec", ()):
            if isinstance(spec, Mapping):
                yield from _overrides(spec, (steps, "spec"))


def _fields(mapping: Mapping, names: tuple[str, ...], steps: Steps) -> Iterator[tuple[Node, Steps]]:
    """Every value of the fields with these names, given in lower case; Go folds the long s and the Kelvin sign too."""
    for key, values in mapping.fields.items():
        if key.casefold() in names:
            for value in values:
                yield value, (steps, key)


def _entries(mapping: Mapping, names: tuple[str, ...], steps: Steps) -> Iterator[tuple[Node, Steps]]:
    """The items of every sequence under one of the names; what is there and is no sequence, itself."""
    for value, where in _fields(mapping, names, steps):
        if isinstance(value, Sequence):
            yield from ((item, (where, number)) for number, item in enumerate(value.items))
        elif not isinstance(value, Scalar) or value.value:
            yield value, where


def _name(item: Node) -> Node:
    """What stands for an entry: its name where it has one."""
    return next((name for name, _ in _fields(item, ("name",), None)), item) if isinstance(item, Mapping) else item


def _overrides(holder: Mapping, steps: Steps) -> Iterator[Found]:
    """`images`, and inline patches that speak of images."""
    for item, where in _entries(holder, _IMAGES, steps):
        yield Found(_name(item) if where and isinstance(where[1], int) else item, where, "override", "certain", _OVERRIDE)
    for item, where in _entries(holder, _PATCHES, steps):
        if isinstance(item, Mapping):
            for value, _ in _fields(item, ("patch",), None):
                if isinstance(value, Scalar) and _may_set_image(value.value):
                    yield Found(value, where, "override", "likely", _INLINE)
            for value, _ in _fields(item, ("path",), None):
                yield from _file(value, where, "override")
        elif isinstance(item, Scalar) and any(mark in item.value for mark in ("\n", "{", ": ")):
            if _may_set_image(item.value):
                yield Found(item, where, "override", "likely", _INLINE)
        else:
            yield from _file(item, where, "override")


def _may_set_image(patch: str) -> bool:
    """Whether a patch text could touch an image: it speaks of one, or has marks that can spell a word otherwise."""
    return any(word in patch for word in ("image", "ontainers", "volumes", "\\", "!", "copy", "move"))


def _sources(root: Mapping) -> Iterator[Found]:
    """Charts, bases and files that are not read, and what changes fields of the files that are."""
    for item, where in _entries(root, _CHARTS, None):
        yield Found(_name(item), where, "chart", "likely", "this version does not render charts")
    for item, where in _entries(root, _BASES, None):
        yield from _file(item, where, "base")
    for item, where in _entries(root, _PLUGINS, None):
        yield Found(item, where, "override", "likely", _PLUGIN)
    for item, where in _entries(root, ("configurations",), None):
        yield Found(item, where, "override", "likely", "configurations of kustomize may let any field change images")
    for item, where in _entries(root, ("replacements",), None):
        if not isinstance(item, Mapping) or _may_replace_image(item):
            yield Found(item, where, "override", "likely", "replacements of kustomize are not resolved by this version")


def _file(item: Node, steps: Steps, role: str) -> Iterator[Found]:
    """An entry that names a file or directory."""
    if not isinstance(item, Scalar):
        yield Found(item, steps, role, "likely", "is no name of a file")
    elif _is_remote(item.value):
        yield Found(item, steps, role, "likely", "remote bases of kustomize are not read")
    elif item.value:
        yield Found(item, steps, role, "likely", LOCAL)


def _is_remote(name: str) -> bool:
    return any(mark in name for mark in (":", "?", "@", "//")) or name.casefold().startswith("github.com/")


def _may_replace_image(replacement: Mapping) -> bool:
    """Whether a replacement could lead to an image: one in a file of its own, or one with a target that is no dead end."""
    paths = [
        path
        for target, _ in _entries(replacement, ("targets",), None)
        if isinstance(target, Mapping)
        for path, _ in _entries(target, ("fieldpaths",), None)
    ]
    harmless = all(isinstance(path, Scalar) and "\\" not in path.value and _is_dead_end(path.value.split(".")) for path in paths)
    return not paths or not harmless or any(True for _ in _fields(replacement, ("path",), None))


def _is_dead_end(parts: list[str]) -> bool:
    return parts[-1] not in ("image", "reference") and not _DEAD_ENDS.isdisjoint(parts)


def _json_patch(root: Sequence) -> Iterator[Found]:
    """Operations of a JSON patch whose path leads to an image, or whose value brings containers or volumes along."""
    for number, item in enumerate(root.items):
        if not isinstance(item, Mapping) or not texts(item, "op"):
            continue
        steps: Steps = ((None, number), "value")
        for pointer in texts(item, "path"):
            if {"copy", "move"}.intersection(texts(item, "op")) and not _is_dead_end(pointer.split("/")):
                yield Found(item, (None, number), "override", "likely", "a patch that copies or moves fields is not resolved")
            for value in item.fields.get("value", ()):
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
