"""YAML as nodes with positions, built from parser events under budgets: what every manifest type reads.

PyYAML's C parser is a close relative of the parser that kubectl, kustomize, Flux, Argo CD and Helm use, so both see the same
documents. Only its *events* are used: composing or loading a hostile file crashes, or multiplies aliases. Aliases share the
node they name, merge keys are resolved into `Mapping.fields`, and where kubectl's reader (go-yaml 2) would take another
value than the YAML 1.1 merge specification says, all values are kept and the place is reported as ambiguous.

Positions are character indexes of the decoded text without its byte order mark; `Source` turns them into bytes and lines.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import codecs
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import yaml
from yaml.events import ScalarEvent

from chainverify.manifests.source import Source
from chainverify.model.images import Confidence

MAX_BYTES: Final = 5 << 20
"""The largest file that is parsed."""
MAX_DEPTH: Final = 100
"""The deepest nesting; real manifests and schemas stay under 50."""
MAX_NODES: Final = 2_000_000
"""The most nodes of one file, entries that merge keys copy included."""
MAX_AMBIGUITIES: Final = 20
"""Ambiguous places kept of one document; all their values are kept whatever the count."""

_TAG: Final = "tag:yaml.org,2002:"
_MERGE_TAG: Final = _TAG + "merge"
_BINARY_TAG: Final = _TAG + "binary"
_UTF16: Final = ((codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF32_BE, "UTF-32"),
                 (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"))  # fmt: skip
_BREAKS: Final = "\n\r\x85\u2028\u2029"
"""What the parser takes for a line end."""
_BREAK: Final = re.compile(f"[{_BREAKS}]")
_MARKER: Final = re.compile(rf"(?:\A|(?<=[{_BREAKS}]))---(?=[ \t{_BREAKS}]|\Z)")
_LOADER: Callable[[str], yaml.CSafeLoader | yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Budgets(NamedTuple):
    """How much of one file is read before it counts as unreadable."""

    size: int = MAX_BYTES
    depth: int = MAX_DEPTH
    nodes: int = MAX_NODES


class Scalar:
    """A scalar: `value` decoded, `tag` as written (None without one), `plain` for one without quotes or block marks."""

    __slots__ = ("end", "plain", "start", "tag", "value")

    def __init__(self, value: str, tag: str | None, plain: bool, start: int, end: int) -> None:
        self.value = value
        self.tag = tag
        self.plain = plain
        self.start = start
        self.end = end


class Sequence:
    """A sequence of nodes."""

    __slots__ = ("end", "items", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        self.items: list[Node] = []


class Mapping:
    """A mapping: `fields` hold every value a reader may take for a key, usually one, merged ones included.

    `loose` are the nodes that stand under, or are, keys that are no scalars; `merges` says whether it has a merge key.
    """

    __slots__ = ("end", "fields", "loose", "merges", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        self.fields: dict[str, list[Node]] = {}
        self.loose: list[Node] = []
        self.merges = False


Node: TypeAlias = Scalar | Sequence | Mapping


class Problem(NamedTuple):
    """Something wrong at a character index (-1: not known)."""

    message: str
    at: int = -1
    hint: str = ""


class Document(NamedTuple):
    """One document of a stream: its root (None for one that could not be read, with the `problem`), ambiguous places."""

    root: Node | None
    problem: Problem | None = None
    ambiguities: tuple[Problem, ...] = ()


class Stream(NamedTuple):
    """A file: its text for positions, and its documents in order."""

    source: Source
    documents: tuple[Document, ...]


Steps: TypeAlias = "tuple[Steps, str | int] | None"
"""The way from the root of a document to a node: the steps before, and a key or an index; None at the root."""


class Found(NamedTuple):
    """A candidate that a manifest type sees in a document: the node that holds, or stands for, an image reference.

    `reason` says why it cannot be resolved whatever it holds; empty where `node` should be a reference.
    """

    node: Node
    steps: Steps
    role: str
    confidence: Confidence
    reason: str = ""


def texts(mapping: Mapping, key: str) -> list[str]:
    """The scalar values of a key, all of them where it stands several times."""
    return [value.value for value in mapping.fields.get(key, ()) if isinstance(value, Scalar)]


def entries(mapping: Mapping, key: str, steps: Steps) -> Iterator[tuple[Node, Steps]]:
    """The items of every sequence that stands under a key."""
    for value in mapping.fields.get(key, ()):
        if isinstance(value, Sequence):
            for number, item in enumerate(value.items):
                yield item, ((steps, key), number)


def objects(root: Node) -> Iterator[tuple[Mapping, Steps]]:
    """A Kubernetes object, or a List and the objects in it, at any depth of Lists; one that aliases repeat comes once."""
    stack: list[tuple[Node, Steps]] = [(root, None)]
    seen: set[int] = set()
    while stack:
        node, steps = stack.pop()
        if not isinstance(node, Mapping) or id(node) in seen:
            continue
        seen.add(id(node))
        yield node, steps
        if any(kind.endswith("List") for kind in texts(node, "kind")):
            stack += entries(node, "items", steps)


Skip: TypeAlias = Callable[[list[Node]], bool]
"""Says, of the keys and values of a root mapping so far and the key that comes next, whether the value need not be built."""


class _Rebuild(Exception):
    """A value was skipped in a document where it may matter after all."""


class _Unreadable(Exception):
    """The document being built cannot be read."""

    def __init__(self, message: str, at: int, hint: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(message, at, hint)


class _Spent(_Unreadable):
    """The budget of the file is spent: nothing more of it is read."""


def decode(data: bytes) -> tuple[Source, Problem | None]:
    """The text of a file, and why it is none: YAML here is UTF-8, with or without a byte order mark."""
    for mark, name in _UTF16:
        if data.startswith(mark):
            return Source(""), Problem(f"file is {name}, expected UTF-8", hint="store it as UTF-8")
    shift = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    try:
        return Source(data[shift:].decode(), shift), None
    except UnicodeDecodeError as error:
        before = data[shift : shift + error.start].decode()
        message = f"byte 0x{data[shift + error.start]:02x} is not UTF-8"
        return Source(before, shift), Problem(message, len(before), "store the file as UTF-8")


def load(data: bytes, budgets: Budgets | None = None, skip: Skip | None = None) -> Stream:
    """The documents of a file. Never raises: a document that cannot be read is one with a `problem`.

    A value that `skip` names is read without being built and comes out empty; never in a file where an anchor, an alias, a
    merge or a key that stands twice could make it matter.

    One broken document does not hide the others: where the stream as a whole has an error, every document is read by itself.
    """
    budgets = budgets or Budgets()
    if len(data) > budgets.size:
        message = f"file has {len(data)} bytes, at most {budgets.size} are read"
        return Stream(Source(""), (Document(None, Problem(message, hint="split the file, or exclude it")),))
    source, damage = decode(data)
    if damage:
        return Stream(source, (Document(None, damage),))
    try:
        documents, problem = _read(source.text, 0, _Builder(budgets, skip))
    except _Rebuild:
        documents, problem = _read(source.text, 0, _Builder(budgets, None))
    if problem is None:
        return Stream(source, tuple(documents))
    builder = _Builder(budgets, None)
    apart: list[Document] = []
    for start, end in _split(source.text):
        found, trouble = _read(source.text[start:end], start, builder)
        apart += found
        if trouble:
            apart.append(Document(None, trouble))
        if builder.left < 0:
            break
    if all(document.problem is None for document in apart):
        apart.append(Document(None, problem))
    return Stream(source, tuple(apart))


def _split(text: str) -> Iterator[tuple[int, int]]:
    """Pieces that start at document markers; directives (`%YAML 1.2`) in front of a marker belong to it."""
    lines = [0, *(found.end() for found in _BREAK.finditer(text))]
    start = 0
    for marker in _MARKER.finditer(text):
        begin = marker.start()
        number = bisect.bisect_left(lines, begin)
        while number > 0 and lines[number - 1] >= start:
            number -= 1
            content = text[lines[number] : lines[number + 1]].strip()
            if content.startswith("%"):
                begin = lines[number]
            elif content and not content.startswith("#"):
                break
        if begin > start:
            yield start, begin
        start = begin
    yield start, len(text)


def _read(text: str, base: int, builder: _Builder) -> tuple[list[Document], Problem | None]:
    """The documents of a text up to its end or first problem; `base` is the index of its first character in the file."""
    documents: list[Document] = []
    try:
        loader = _LOADER(text)
        try:
            while (document := builder.document(loader.get_event, base)) is not None:
                documents.append(document)
        finally:
            loader.dispose()
    except _Unreadable as error:
        return documents, error.problem
    except yaml.YAMLError as error:
        return documents, _syntax_problem(error, text, base)
    except (ValueError, OverflowError) as error:  # the pure parser on escapes beyond Unicode
        return documents, Problem(f"not YAML: {error}")
    return documents, None


def _syntax_problem(error: yaml.YAMLError, text: str, base: int) -> Problem:
    """The parser's words about damaged YAML, on one line."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        words = ", ".join(part for part in (error.context, error.problem) if part)
        return Problem(f"not YAML: {words}", -1 if mark is None else base + mark.index)
    # a ReaderError counts bytes in one parser and characters in the other, so the character itself is looked up
    character = getattr(error, "character", None)
    at = text.find(chr(character)) if isinstance(character, int) else -1
    return Problem(f"not YAML: {getattr(error, 'reason', 'unreadable characters')}", at if at < 0 else base + at)


class _Open:
    """A collection that is being read."""

    __slots__ = ("children", "node")

    def __init__(self, node: Sequence | Mapping) -> None:
        self.node = node
        self.children: list[Node] = []


class _Builder:
    """Makes nodes of events; the node budget is shared by all documents of a file."""

    def __init__(self, budgets: Budgets, skip: Skip | None) -> None:
        self.left = budgets.nodes
        self._skip = skip
        self._nodes = budgets.nodes
        self._depth = budgets.depth
        self._ambiguities: list[Problem] = []

    def document(self, get_event: Callable[[], Any], base: int) -> Document | None:
        """The next document, None at the end of the stream."""
        anchors: dict[str, Node] = {}
        stack: list[_Open] = []
        root: Node | None = None
        skipped = False
        self._ambiguities = []
        children: list[Node] = []
        while True:
            event = get_event()
            kind = type(event)
            node: Node
            if kind is ScalarEvent:  # first, and spelled out: nearly all events are scalars
                self.left -= 1
                start = base + event.start_mark.index
                if self.left < 0:
                    self._spend(0, start)
                tag = event.tag
                node = Scalar(event.value, tag, tag is None and not event.style, start, base + event.end_mark.index)
                if event.anchor is not None:
                    anchors[event.anchor] = node
                if stack:
                    children.append(node)
                else:
                    root = node
                continue
            if event is None or kind is yaml.StreamEndEvent:
                return None
            if kind is yaml.StreamStartEvent or kind is yaml.DocumentStartEvent:
                continue
            if kind is yaml.DocumentEndEvent:
                if skipped and (self._ambiguities or (isinstance(root, Mapping) and root.merges)):
                    raise _Rebuild
                return Document(root, None, tuple(self._ambiguities))
            start = base + event.start_mark.index
            self._spend(1, start)
            if kind is yaml.SequenceStartEvent or kind is yaml.MappingStartEvent:
                if len(stack) >= self._depth:
                    raise _Unreadable(f"nested deeper than {self._depth} levels", start)
                opened = Sequence(start) if kind is yaml.SequenceStartEvent else Mapping(start)
                if len(stack) == 1 and self._skip and isinstance(stack[0].node, Mapping) and self._skip(children):
                    skipped = True
                    opened.end = base + self._pass_over(get_event, event, base)
                    children.append(opened)
                    continue
                if event.anchor is not None:
                    anchors[event.anchor] = opened
                stack.append(_Open(opened))
                children = stack[-1].children
                continue
            if kind is yaml.AliasEvent:
                node = _aliased(event.anchor, anchors, stack, start)
            else:
                done = stack.pop()
                node = done.node
                node.end = base + event.end_mark.index
                if isinstance(node, Sequence):
                    node.items = done.children
                else:
                    self._fill(node, done.children)
                if stack:
                    children = stack[-1].children
            if stack:
                children.append(node)
            else:
                root = node

    def _pass_over(self, get_event: Callable[[], Any], event: Any, base: int) -> int:
        """Read a collection to its end under the same budgets; where it ends. An anchor or alias in it needs it built."""
        depth = 0
        while True:
            kind = type(event)
            if kind is yaml.SequenceStartEvent or kind is yaml.MappingStartEvent:
                depth += 1
                if depth >= self._depth:
                    raise _Unreadable(f"nested deeper than {self._depth} levels", base + event.start_mark.index)
            elif kind is yaml.SequenceEndEvent or kind is yaml.MappingEndEvent:
                depth -= 1
                if not depth:
                    return int(event.end_mark.index)
                event = get_event()
                continue
            if kind is yaml.AliasEvent or event.anchor is not None:
                raise _Rebuild
            self.left -= 1
            if self.left < 0:
                self._spend(0, base + event.start_mark.index)
            event = get_event()

    def _spend(self, count: int, at: int) -> None:
        self.left -= count
        if self.left < 0:
            raise _Spent(f"file has more than {self._nodes} nodes, merged ones counted", at, "split the file")

    def _fill(self, mapping: Mapping, children: list[Node]) -> None:
        """Sort keys and values into the mapping's fields and apply its merge keys."""
        fields = mapping.fields
        merged: dict[str, list[Node]] | None = None
        contested: dict[str, list[Node]] = {}
        pairs = iter(children)
        for key, value in zip(pairs, pairs, strict=True):
            if not isinstance(key, Scalar):
                mapping.loose += (key, value)
                continue
            name = key.value
            if key.tag == _BINARY_TAG:
                name = _binary(name)
            elif name == "<<" and (key.plain or key.tag == _MERGE_TAG):
                mapping.merges = True
                offered = self._offered(key, value)
                for each in offered.keys() & fields.keys():
                    self._spend(len(offered[each]), key.start)
                    contested.setdefault(each, []).extend(offered[each])
                if merged is None:
                    merged = offered
                    continue
                self._ambiguous("merge key '<<' stands twice in one mapping", key.start, "merge a list: <<: [*a, *b]")
                for each, values in offered.items():
                    before = merged.get(each, [])
                    self._spend(len(before) + len(values), key.start)
                    merged[each] = before + values
                continue
            if name in fields:
                self._ambiguous(f"key '{_shown(name)}' stands twice in one mapping", key.start, "keep one of them")
                fields[name].append(value)
            else:
                fields[name] = [value]
        if merged:
            for name, values in merged.items():
                if name not in fields:
                    fields[name] = values
        for name, values in contested.items():
            other = [value for value in values if not _same(value, fields[name][0])]
            if other:
                message = f"merge key '<<' stands after the key '{_shown(name)}', which kubectl then takes from the merge"
                self._ambiguous(message, fields[name][0].start, "put << in front of the other keys")
                fields[name] = fields[name] + other

    def _offered(self, key: Scalar, value: Node) -> dict[str, list[Node]]:
        """What a merge key offers: of several sources the earlier one wins."""
        sources = value.items if isinstance(value, Sequence) else [value]
        offered: dict[str, list[Node]] = {}
        for source in sources:
            if not isinstance(source, Mapping):
                raise _Unreadable("merge key '<<' needs a mapping or a list of mappings", key.start)
            self._spend(len(source.fields) + 1, key.start)
            for name, values in source.fields.items():
                offered.setdefault(name, values)
        return offered

    def _ambiguous(self, message: str, at: int, hint: str) -> None:
        if len(self._ambiguities) < MAX_AMBIGUITIES:
            self._ambiguities.append(Problem(message, at, hint))


def _aliased(anchor: str, anchors: dict[str, Node], stack: list[_Open], at: int) -> Node:
    """The node that an alias names; a node inside itself is refused, as all readers in use do."""
    node = anchors.get(anchor)
    if node is None:
        raise _Unreadable(f"alias '*{_shown(anchor)}' names no anchor in front of it", at)
    if any(opened.node is node for opened in stack):
        raise _Unreadable(f"anchor '&{_shown(anchor)}' contains itself", at)
    return node


def _same(one: Node, other: Node) -> bool:
    """Whether two values are certainly read as the same."""
    if isinstance(one, Scalar) and isinstance(other, Scalar):
        return (one.value, one.tag, one.plain) == (other.value, other.tag, other.plain)
    return one is other


def _binary(value: str) -> str:
    """The text of a `!!binary` key, which kubectl decodes; the written text where it is no base64."""
    try:
        return base64.b64decode("".join(value.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return value


def _shown(name: str) -> str:
    return name if len(name) <= 60 else name[:57] + "..."
