"""Image references of a deployment file: the table of file types, and what becomes of every candidate they find.

Nothing is dropped: a candidate is a reference, or it is unresolved with a reason; a document that cannot be read is a
problem; a place where two readers would see different values is a problem and all values are candidates.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import yaml

from chainverify.errors import Malformed
from chainverify.formats import reference
from chainverify.manifests import filenames, kubernetes, kustomize, renderers, yamlnodes
from chainverify.manifests.yamlnodes import Budgets, Document, Found, Node, Problem, Scalar, Sequence, Steps, Stream
from chainverify.model.images import Extraction, ImageReference, ImageUse, ManifestProblem, Resolution, Span

STREAM_BUDGETS: Final = Budgets(size=64 << 20)
"""A rendered stream holds the manifests of many files."""
MAX_PROBLEMS: Final = 100
"""Problems listed of one file; one more says how many there are in all."""
MAX_RAW: Final = 1024
"""Characters kept of a candidate's text; no reference is longer."""
MAX_STEPS: Final = 150
"""Steps shown of the way to a candidate. Aliases make it longer than any nesting, and there may be many."""


class FileType(NamedTuple):
    """A kind of document: `find` returns its candidates, or None where the document is not of this type."""

    name: str
    find: Callable[[Node, str], list[Found] | None]


FILE_TYPES: Final = (
    FileType("kubernetes", kubernetes.find),
    FileType("kustomize", kustomize.find),
    FileType("renderers", renderers.find),
)

_SPELLED: Final = re.compile(
    rb"\\(?:(?:x|u00|U000000)(?:4[1-9a-fA-F]|5[0-9aA]|6[1-9a-fA-F]|7[0-9aA])|[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9])"
)
"""Ways to write a letter of a quoted key otherwise, or to break the key's word over two lines."""
_TAGGED: Final = re.compile(rb"binary|%TAG|%[0-9a-fA-F]{2}")
_LFS: Final = b"version https://git-lfs.github.com/spec/"
_INNER_MARK: Final = "\ufeff"
_GLUED_MARKER: Final = re.compile(r"^---\S", re.MULTILINE)
_TEMPLATES: Final = ("{{", "${", "$(")
_SIMPLE_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_READ_AS: Final = {"null": "null", "bool": "a truth value", "int": "a number", "float": "a number", "timestamp": "a date",
                   "merge": "a merge key", "value": "a default value"}  # fmt: skip
_RESOLVER: Final[Any] = yaml.resolver.Resolver()


def extract(path: str, data: bytes) -> Extraction:
    """The image references of the file `path`, whose name must be a candidate's; nothing for any other file."""
    return _extract(path, data, Budgets()) if filenames.is_candidate(path) else Extraction()


def extract_stream(name: str, data: bytes) -> Extraction:
    """The image references of a rendered stream of manifests, whatever its name is."""
    return _extract(name, data, STREAM_BUDGETS)


def unreadable(path: str, message: str, hint: str = "") -> Extraction:
    """What a file yields that could not even be read."""
    return Extraction((), (ManifestProblem("manifest-unreadable", path, 0, 0, message, hint),), True)


def _extract(path: str, data: bytes, budgets: Budgets) -> Extraction:
    if data.startswith(_LFS) and len(data) < 1024:
        return unreadable(path, "file is a Git LFS pointer, its content is not in the repository", "store manifests without LFS")
    trace = _trace(data)
    named = path.rpartition("/")[2] in filenames.KUSTOMIZATIONS
    if not (trace.object or trace.image or trace.obscured or named):
        return Extraction()
    return _File(path, data, budgets, likely=trace.object or trace.obscured or named).extraction()


class _Trace(NamedTuple):
    """What the bytes of a file say about it: words of an API object, of images; words that may be hidden."""

    object: bool
    image: bool
    obscured: bool


def _trace(data: bytes) -> _Trace:
    """A prefilter that no spelling of a key evades: letters of a key stand as they are, or one of the marks of hiding does."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        encoding = "utf-32" if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) else "utf-16"
        data = data.decode(encoding, "replace").encode("utf-8", "replace")
    lower = data.lower()
    return _Trace(
        object=b"apiVersion" in data and b"kind" in data,
        # a JSON patch that copies or moves brings an image along without saying so
        image=b"image" in lower or (b"from" in lower and (b"copy" in lower or b"move" in lower)),
        obscured=(b"\\" in data and _SPELLED.search(data) is not None) or (b"!" in data and _TAGGED.search(data) is not None),
    )


class _File:
    """One file on its way to an extraction."""

    def __init__(self, path: str, data: bytes, budgets: Budgets, *, likely: bool) -> None:
        self._path = path
        self._size = len(data)
        self._likely = likely
        self._too_large = len(data) > budgets.size
        self._stream: Stream = yamlnodes.load(data, budgets, kubernetes.is_schema)
        self._source = self._stream.source
        self._uses: dict[tuple[int, bool], ImageUse] = {}
        self._problems: list[ManifestProblem] = []
        self._left_out = 0
        self._recognised = False

    def extraction(self) -> Extraction:
        """Everything found, in the order of the file."""
        if self._too_large and not self._likely:
            return Extraction()  # `image` alone makes no object, and nothing in it can be hidden
        for index, document in enumerate(self._stream.documents):
            self._document(index, document)
        if self._recognised or self._likely:
            self._marks()
        if self._left_out:
            message = f"{self._left_out} more problems are not listed"
            self._problems.append(ManifestProblem("manifest-unreadable", self._path, 0, 0, message))
        uses = sorted(self._uses.values(), key=lambda use: use.span.start)
        return Extraction(tuple(uses), tuple(self._problems), self._recognised or bool(self._problems))

    def _document(self, index: int, document: Document) -> None:
        if document.problem or document.root is None:
            problem = document.problem or Problem("document is empty")
            self._problem("manifest-unreadable", problem._replace(message=f"document {index + 1}: {problem.message}"))
            return
        recognised = False
        for kind in FILE_TYPES:
            found = kind.find(document.root, self._path)
            if found is not None:
                recognised = True
                for each in found:
                    self._use(index, each)
        if recognised:
            self._recognised = True
            for place in document.ambiguities:
                self._problem("manifest-ambiguous", place)

    def _marks(self) -> None:
        """Places in the text of a manifest that other readers split or skip."""
        text = self._source.text
        if (at := text.find(_INNER_MARK)) >= 0:
            message = "byte order mark inside the file, which some readers skip and others take for a letter"
            self._problem("manifest-ambiguous", Problem(message, at, "remove it"))
        if found := _GLUED_MARKER.search(text):
            message = "line starts with '---' but is no document marker; kubectl splits documents here"
            self._problem("manifest-ambiguous", Problem(message, found.start(), "indent the line or end the marker"))

    def _problem(self, rule: str, problem: Problem) -> None:
        if len(self._problems) >= MAX_PROBLEMS:
            self._left_out += 1
            return
        line, column = self._source.place(problem.at)
        excerpt = self._source.excerpt(line, column)
        kind: Final = "manifest-ambiguous" if rule == "manifest-ambiguous" else "manifest-unreadable"
        self._problems.append(ManifestProblem(kind, self._path, line, column, problem.message, problem.hint, excerpt))

    def _use(self, index: int, found: Found) -> None:
        """Record a candidate once for its place: an aliased one stands where its anchor is.

        What is never a reference is told beside a reference at the same place: an alias must not hide one behind the other.
        """
        node = found.node
        place = (node.start, bool(found.reason))
        if place in self._uses:
            return
        start, end = self._source.unprefixed(node.start, node.end)
        raw = node.value if isinstance(node, Scalar) else self._source.text[start:end].strip()
        parsed, reason = (None, found.reason) if found.reason else _resolve(node, raw)
        resolution: Resolution = "unresolved" if parsed is None else "default" if parsed.defaulted else "literal"
        line, column = self._source.place(start)
        self._uses[place] = ImageUse(
            self._path,
            Span(self._source.byte(start), self._source.byte(end), line, column),
            index,
            _pointer(found.steps),
            found.role,
            raw if len(raw) <= MAX_RAW else raw[:MAX_RAW] + "...",
            parsed,
            resolution,
            found.confidence,
            reason,
            self._source.excerpt(line, column),
        )


def _resolve(node: Node, raw: str) -> tuple[ImageReference | None, str]:
    """The reference that a field holds, or why it holds none that can be known from the file."""
    template = next((mark for mark in _TEMPLATES if mark in raw), None)
    if template:
        return None, f"holds '{template}', a variable or template that is filled in elsewhere"
    if not isinstance(node, Scalar):
        return None, f"is a {'list' if isinstance(node, Sequence) else 'mapping'}, expected text"
    if node.tag is not None and node.tag not in ("!", "tag:yaml.org,2002:str"):
        return None, f"has the YAML tag '{node.tag[:60]}', expected plain text"
    if node.plain:
        tag: str = _RESOLVER.resolve(yaml.ScalarNode, raw, (True, False)).rpartition(":")[2]
        if tag != "str":
            return None, f"is read as {_READ_AS.get(tag, tag)}, expected text"
    if not raw:
        return None, "is empty"
    try:
        return reference.parse(raw), ""
    except Malformed as error:
        return None, error.message


def _pointer(steps: Steps) -> str:
    """The way to a node as people write it: `$.spec.containers[0].image`; of a longer one only the end."""
    parts: list[str] = []
    while steps is not None:
        steps, step = steps
        if len(parts) == MAX_STEPS:
            parts.append("...")
            break
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _SIMPLE_KEY.fullmatch(step):
            parts.append(f".{step}")
        else:
            quoted = step[:80].replace("\\", "\\\\").replace("'", "\\'")
            parts.append(f"['{quoted}']")
    return "$" + "".join(reversed(parts))
