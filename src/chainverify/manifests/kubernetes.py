"""Images of Kubernetes objects: wherever pods are described, in built-in kinds, custom resources and lists of them.

The general rule is the shape of a pod, at any depth: a sequence under `containers`, `initContainers` or
`ephemeralContainers` whose items are mappings with `image`, and `volumes[*].image.reference`. It needs no list of kinds, so
a kind nobody has heard of is read too. Keys are compared in their exact case, as the API server does.
"""

from __future__ import annotations

from typing import Final

from chainverify.manifests.yamlnodes import Found, Mapping, Node, Scalar, Sequence, Steps, texts
from chainverify.model.images import Confidence

ROLES: Final = {"containers": "container", "initContainers": "init", "ephemeralContainers": "ephemeral"}
"""Keys of a pod's sequences of containers, and the role of their images."""

_TEMPLATE: Final = ("spec", "template", "spec")
POD_SPECS: Final[dict[str, tuple[str, ...]]] = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    "Deployment": _TEMPLATE,
    "ReplicaSet": _TEMPLATE,
    "ReplicationController": _TEMPLATE,
    "StatefulSet": _TEMPLATE,
    "DaemonSet": _TEMPLATE,
    "Job": _TEMPLATE,
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Where the built-in kinds keep their pod: an image there is certain, one found by shape alone is likely."""
MAX_DEFINITION_KEYS: Final = 16
"""Keys and values in front of the spec of a definition that is passed over; asked of every collection, so few."""
_DEFINITION: Final = "CustomResourceDefinition"
_DEFINITION_GROUP: Final = "apiextensions.k8s.io/"
_BUILT_IN_GROUPS: Final = frozenset(("", "apps", "batch", "extensions"))


def find(root: Node, path: str) -> list[Found] | None:
    """The image fields of a document, None where it is no Kubernetes object. `path` plays no part."""
    if not isinstance(root, Mapping) or not texts(root, "apiVersion") or not texts(root, "kind"):
        return None
    walk = _Walk()
    walk.objects.append((root, None))
    while walk.objects:
        walk.object(*walk.objects.pop())
    return walk.found


def is_schema(children: list[Node]) -> bool:
    """Whether the value that comes next in a root mapping is the spec of a CustomResourceDefinition: by far the largest part of
    many files, and nothing that `find` looks at. `children` are keys and values in turn, the last one is the key."""
    if not len(children) % 2 or len(children) > MAX_DEFINITION_KEYS:
        return False
    words = [child.value if isinstance(child, Scalar) and child.tag is None else "" for child in children]
    known = dict(zip(words[::2], words[1::2], strict=False))
    return (
        words[-1] == "spec"
        and known.get("kind") == _DEFINITION
        and known.get("apiVersion", "").startswith(_DEFINITION_GROUP)
    )


class _Walk:
    """The nodes of one document, each visited once in each meaning, however many aliases lead to it."""

    def __init__(self) -> None:
        self.found: list[Found] = []
        self.objects: list[tuple[Mapping, Steps]] = []
        self._seen: set[tuple[int, str]] = set()

    def object(self, node: Mapping, start: Steps) -> None:
        """One API object: all of it but `.status`, which the cluster writes."""
        kinds, versions = texts(node, "kind"), texts(node, "apiVersion")
        if _is_definition(node, kinds, versions) or not self._first(node, "object"):
            return
        certain = _certain(kinds, versions, start)
        is_list = any(kind.endswith("List") for kind in kinds)
        stack: list[tuple[Node, Steps]] = []
        for key, values in node.fields.items():
            if key == "status":
                continue
            for value in values:
                if key == "items" and is_list and isinstance(value, Sequence):
                    self._items(value, (start, key), stack)
                elif not isinstance(value, Scalar):
                    self._field(key, value, start, certain, stack)
        stack += [(value, (start, "?")) for value in node.loose]
        while stack:
            below, steps = stack.pop()
            if isinstance(below, Scalar) or not self._first(below, "value"):
                continue
            if isinstance(below, Sequence):
                stack += [(item, (steps, number)) for number, item in enumerate(below.items) if not isinstance(item, Scalar)]
                continue
            for key, values in below.fields.items():
                for value in values:
                    if not isinstance(value, Scalar):
                        self._field(key, value, steps, certain, stack)
            stack += [(value, (steps, "?")) for value in below.loose]

    def _items(self, items: Sequence, steps: Steps, stack: list[tuple[Node, Steps]]) -> None:
        """The objects of a List."""
        for number, item in enumerate(items.items):
            if isinstance(item, Mapping):
                self.objects.append((item, (steps, number)))
            else:
                stack.append((item, (steps, number)))

    def _field(
        self, key: str, value: Node, steps: Steps, certain: Steps, stack: list[tuple[Node, Steps]]
    ) -> None:
        """One collection in a mapping: containers or volumes where its key and shape say so, and whatever is below it."""
        here: Steps = (steps, key)
        if isinstance(value, Sequence):
            if key in ROLES and self._first(value, key):
                self._containers(value, ROLES[key], here, "certain" if certain is not None and steps == certain else "likely")
            elif key == "volumes" and self._first(value, key):
                self._volumes(value, here, "certain" if certain is not None and steps == certain else "likely")
        stack.append((value, here))

    def _containers(self, value: Sequence, role: str, steps: Steps, confidence: Confidence) -> None:
        for number, item in enumerate(value.items):
            if isinstance(item, Mapping):
                for image in item.fields.get("image", ()):
                    self.found.append(Found(image, ((steps, number), "image"), role, confidence))

    def _volumes(self, value: Sequence, steps: Steps, confidence: Confidence) -> None:
        """Image volumes: `image.reference`; the `image` of other volume types (`rbd`) is deeper and something else."""
        for number, item in enumerate(value.items):
            for image in item.fields.get("image", ()) if isinstance(item, Mapping) else ():
                for reference in image.fields.get("reference", ()) if isinstance(image, Mapping) else ():
                    below: Steps = (((steps, number), "image"), "reference")
                    self.found.append(Found(reference, below, "image-volume", confidence))

    def _first(self, node: Node, meaning: str) -> bool:
        """Whether a node is met for the first time in this meaning."""
        mark = (id(node), meaning)
        if mark in self._seen:
            return False
        self._seen.add(mark)
        return True


def _is_definition(node: Mapping, kinds: list[str], versions: list[str]) -> bool:
    """Whether an object is certainly a CustomResourceDefinition, whose schema describes fields and holds no images."""
    return (
        kinds == [_DEFINITION]
        and len(node.fields["kind"]) == len(node.fields["apiVersion"]) == 1
        and versions[0].startswith(_DEFINITION_GROUP)
    )


def _certain(kinds: list[str], versions: list[str], start: Steps) -> Steps:
    """Where the pod of a built-in kind is, None where the kind is no such kind or not one."""
    if len(kinds) != 1 or len(versions) != 1 or kinds[0] not in POD_SPECS:
        return None
    group, slash, _ = versions[0].rpartition("/")
    if group not in _BUILT_IN_GROUPS or (not slash and versions[0] != "v1"):
        return None
    steps = start
    for key in POD_SPECS[kinds[0]]:
        steps = (steps, key)
    return steps
