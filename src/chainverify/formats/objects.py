"""Raw git objects split strictly into what a signature covers and the signature itself.

Follows git's `commit.c`, `gpg-interface.c` and `fsck.c`. Everything is cut out of the raw bytes and nothing is
serialised again, so the payload is byte for byte what was signed. Where two verifiers in use would take another
signature or another payload out of the same bytes, the object is refused with rule `signature-ambiguous`; all other
damage is `commit-malformed`, of tags too.

This is the hot path of a history run: one `replace` folds continuation lines (NUL, which no object may hold, stands for
LF SP), one `split` then yields whole header fields.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Final, Literal, NoReturn, TypeAlias

from chainverify.errors import BudgetExceeded, Malformed
from chainverify.model.gitobject import Commit, Ident, Tag

Algorithm: TypeAlias = Literal["sha1", "sha256"]
TargetType: TypeAlias = Literal["commit", "tag", "tree", "blob"]

MAX_OBJECT_BYTES: Final = 64 << 20
"""The largest commit or tag that is read."""
MAX_HEADER_BYTES: Final = 4 << 20
"""The largest header of one object; mergetag headers of kernel-sized merges stay far below."""
MAX_PARENTS: Final = 256
"""The most parents of one commit; the largest octopus known has 66."""
MAX_NOTES: Final = 16
"""The most notes kept of one object; an object full of unknown headers must not fill the report."""
MAX_TIME: Final = (1 << 63) - 1
"""The latest time stamp, in seconds since the epoch."""

_HEX_DIGITS: Final = b"0123456789abcdef"
_WIDTH: Final[dict[str, int]] = {"sha1": 40, "sha256": 64}
_SIGNATURE_FIELD: Final[dict[str, bytes]] = {"sha1": b"gpgsig ", "sha256": b"gpgsig-sha256 "}
_FIXED: Final = frozenset((b"tree", b"parent", b"author", b"committer"))
_TAG_FIXED: Final = frozenset((b"object", b"type", b"tag", b"tagger"))
_TARGET_TYPES: Final[dict[bytes, TargetType]] = {b"commit": "commit", b"tag": "tag", b"tree": "tree", b"blob": "blob"}
_BEGIN: Final = re.compile(rb"-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE|SSH SIGNATURE)-----")

# NUL stands for a folded line end here, so excluding it also refuses identities that go on in a second line.
_match_ident: Final = re.compile(
    rb"([^<>\x00\r]*) <([^<>\x00\r]*)> (-?[0-9]{1,19}) ([+-][0-9]{4})"
).fullmatch
_match_name: Final = re.compile(rb"[\x21-\x7e]+").fullmatch
_IDENT: Final = rb"([^<>\x00\r\n]*) <([^<>\x00\r\n]*)> (-?[0-9]{1,19}) ([+-][0-9]{4})\n"
_match_start: Final[dict[str, Callable[[bytes], re.Match[bytes] | None]]] = {
    algorithm: re.compile(
        rb"tree ([0-9a-f]{%d})\n((?:parent [0-9a-f]{%d}\n)*)author %bcommitter %b(?! )" % (width, width, _IDENT, _IDENT)
    ).match
    for algorithm, width in _WIDTH.items()
}
"""The start of a commit as nearly all have it, in one step; `_start` reads the same, and knows what is wrong with the others."""


def object_id(kind: str, raw: bytes, algorithm: Algorithm) -> str:
    """The object id git gives to `raw` as an object of `kind`, in lower-case hex."""
    start = b"%b %d\0" % (kind.encode(), len(raw))
    # SHA-1 names objects here as git does; signatures made with it are judged by the backends.
    digest = hashlib.sha256(start) if algorithm == "sha256" else hashlib.sha1(start, usedforsecurity=False)
    digest.update(raw)
    return digest.hexdigest()


def parse_commit(oid: str, raw: bytes, algorithm: Algorithm) -> Commit:
    """The commit `oid` of a repository that names objects by `algorithm`, split from its raw content.

    An unsigned commit has `signature` None and `payload` equal to `raw`; a signature block in the message is message
    text. `signature` is the unfolded value of the header as it stands: whether it is one clean armor is the backend's
    question.

    Raises `Malformed` (rule `commit-malformed`, or `signature-ambiguous`) and `BudgetExceeded`.
    """
    head, message = _split("commit", oid, raw, algorithm)
    usual = _match_start[algorithm](raw)
    if usual is None:
        tree, parents, author, committer, fields = _start(head, _WIDTH[algorithm])
    else:
        tree, parents, author, committer = _usual(usual)
        end = usual.end()
        fields = raw[end : len(head)].replace(b"\n ", b"\0").split(b"\n") if end < len(head) else []
    signature: bytes | None = None
    encoding: str | None = None
    payload = raw
    notes: tuple[str, ...] = ()
    mergetags: list[bytes] = []
    expected = _SIGNATURE_FIELD[algorithm]
    for field in fields:
        if field.startswith(b"gpgsig"):
            if signature is not None or not field.startswith(expected):
                _ambiguous_header(field, expected)
            signature = field[len(expected) :].replace(b"\0", b"\n")
            payload = _without(raw, expected, field)
        elif field.startswith(b"encoding "):
            if encoding is not None:
                _malformed("commit has two encoding headers")
            _check_extra(field, _FIXED)
            encoding = field[9:].decode("ascii", "backslashreplace")
        elif field.startswith(b"mergetag "):
            _check_extra(field, _FIXED)
            # git drops the last line end of the tag when it quotes it, and puts it back to look at it
            mergetags.append(field[9:].replace(b"\0", b"\n") + b"\n")
        else:
            notes = _noted(notes, _check_extra(field, _FIXED))
    return Commit(oid, tree, parents, author, committer, encoding, message, payload, signature, notes, tuple(mergetags))


def _usual(start: re.Match[bytes]) -> tuple[str, tuple[str, ...], Ident, Ident]:
    """Tree, parents, author and committer of a start that `_match_start` found."""
    tree, named, *who = start.groups()
    parents = named.decode("ascii").split()[1::2]
    if len(parents) > 1:
        _check_parents(parents)
    author = Ident(who[0], who[1], _time(who[2], b"author "), who[3])
    # most people commit what they wrote, at once
    same = who[:4] == who[4:]
    committer = author if same else Ident(who[4], who[5], _time(who[6], b"committer "), who[7])
    return tree.decode("ascii"), tuple(parents), author, committer


def _start(head: bytes, width: int) -> tuple[str, tuple[str, ...], Ident, Ident, list[bytes]]:
    """Tree, parents, author and committer of a commit's header, and the fields after them. Raises `Malformed`."""
    fields = head.replace(b"\n ", b"\0").split(b"\n")
    tree = _object_name(fields[0], b"tree ", width)
    index = 1
    parents: list[str] = []
    for field in fields[1:]:
        if not field.startswith(b"parent "):
            break
        parents.append(_object_name(field, b"parent ", width))
        index += 1
    if index > 2:
        _check_parents(parents)
    if len(fields) < index + 2:
        _malformed("commit header ends before author and committer")
    author = _ident(fields[index], b"author ")
    committer = _ident(fields[index + 1], b"committer ")
    return tree, tuple(parents), author, committer, fields[index + 2 :]


def parse_tag(oid: str, raw: bytes, algorithm: Algorithm) -> Tag:
    """The annotated tag `oid`, split from its raw content.

    A signature is the last part of the tag: it starts at a line that begins with an armor's BEGIN line, as git's
    `parse_signed_buffer` has it, in SHA-256 repositories too. `payload` is everything before it; `signature` is the
    rest without the final LF, the same form as a commit's. A second BEGIN marker anywhere, at a line start or not,
    makes git, which takes the last, and others, which take the first, disagree: rule `signature-ambiguous`. So do
    `gpgsig` headers, which git removes from the payload.

    Raises `Malformed` (rule `commit-malformed`, or `signature-ambiguous`) and `BudgetExceeded`.
    """
    head, message = _split("tag", oid, raw, algorithm)
    fields = head.replace(b"\n ", b"\0").split(b"\n")
    target = _object_name(fields[0], b"object ", _WIDTH[algorithm])
    if len(fields) < 3:
        _malformed("tag header ends before type and tag")
    target_type = _TARGET_TYPES.get(_single_line(fields[1], b"type "))
    if target_type is None:
        _malformed(f"tag has type {_show(fields[1][5:])}, expected commit, tag, tree or blob")
    name = _single_line(fields[2], b"tag ")
    if not name:
        _malformed("tag has an empty name")
    rest = fields[3:]
    tagger: Ident | None = None
    if rest and rest[0].startswith(b"tagger "):
        tagger = _ident(rest.pop(0), b"tagger ")
    notes: tuple[str, ...] = ()
    for field in rest:
        if field.startswith(b"gpgsig"):
            _ambiguous(f"tag has the header {_show(field.partition(b' ')[0])}; git removes it from what is verified")
        notes = _noted(notes, _check_extra(field, _TAG_FIXED))

    begin = _signature_start(raw, len(raw) - len(message))
    if begin is None:
        return Tag(oid, target, target_type, name, tagger, message, raw, None, notes)
    if not raw.endswith(b"\n"):
        _malformed("tag does not end with a line end after its signature")
    message = raw[len(raw) - len(message) : begin]
    return Tag(oid, target, target_type, name, tagger, message, raw[:begin], raw[begin:-1], notes)


def _split(kind: str, oid: str, raw: bytes, algorithm: Algorithm) -> tuple[bytes, bytes]:
    """Header and message of an object whose id was recomputed and that holds no NUL."""
    if len(raw) > MAX_OBJECT_BYTES:
        raise BudgetExceeded(f"{kind} has {len(raw)} bytes, at most {MAX_OBJECT_BYTES} are read")
    found = object_id(kind, raw, algorithm)
    if found != oid:
        _malformed(f"{kind} content has another id: expected {oid}, got {found}")
    if b"\0" in raw:
        _malformed(f"{kind} holds a NUL byte, after which some verifiers stop reading")
    head, blank, message = raw.partition(b"\n\n")
    if not blank:
        _malformed(f"{kind} has no blank line after its header")
    if len(head) > MAX_HEADER_BYTES:
        raise BudgetExceeded(f"{kind} header has {len(head)} bytes, at most {MAX_HEADER_BYTES} are read")
    return head, message


def _object_name(field: bytes, start: bytes, width: int) -> str:
    """The object id of a `tree`, `parent` or `object` field: exactly `width` lower-case hex digits."""
    value = field[len(start) :]
    # strip() leaves nothing exactly when every byte is one of the digits
    if not field.startswith(start) or len(value) != width or value.strip(_HEX_DIGITS):
        _malformed(f"expected '{start.decode()}' and {width} lower-case hex digits, got {_show(field)}")
    return value.decode("ascii")


def _ident(field: bytes, start: bytes) -> Ident:
    """The identity of an `author`, `committer` or `tagger` field."""
    found = _match_ident(field, len(start)) if field.startswith(start) else None
    if found is None:
        _malformed(f"expected '{start.decode()}NAME <EMAIL> SECONDS ZONE', got {_show(field)}")
    name, email, seconds, zone = found.groups()
    return Ident(name, email, _time(seconds, start), zone)


def _time(digits: bytes, start: bytes) -> int:
    """The seconds of a field."""
    time = int(digits)
    if not -MAX_TIME <= time <= MAX_TIME:
        _malformed(f"{start.decode()}time {time} is out of range, expected at most {MAX_TIME}")
    return time


def _single_line(field: bytes, start: bytes) -> bytes:
    """The value of a field that must come here and have one line."""
    if not field.startswith(start):
        _malformed(f"expected '{start.decode()}', got {_show(field)}")
    if b"\0" in field or b"\r" in field:
        _malformed(f"header '{start.decode().strip()}' holds a line end, got {_show(field)}")
    return field[len(start) :]


def _check_parents(parents: list[str]) -> None:
    """Parents are few and distinct."""
    if len(parents) > MAX_PARENTS:
        raise BudgetExceeded(f"commit has {len(parents)} parents, at most {MAX_PARENTS} are read")
    if len(set(parents)) != len(parents):
        _malformed("commit names the same parent twice")


def _check_extra(field: bytes, fixed: frozenset[bytes]) -> bytes:
    """The name of a header after the fixed ones; it is inside the signed payload, so not knowing it is no danger."""
    first, _, rest = field.partition(b"\0")
    name, space, _ = first.partition(b" ")
    if name in fixed:
        _malformed(f"header {_show(name)} is repeated or out of its place")
    if not space or _match_name(name) is None:
        _malformed(f"expected a header name and a value, got {_show(first)}")
    # a mergetag quotes a whole tag, whose message may have any line ends
    if b"\r" in first or (b"\r" in rest and name != b"mergetag"):
        _malformed(f"header {_show(name)} holds a carriage return")
    return name


def _noted(notes: tuple[str, ...], name: bytes) -> tuple[str, ...]:
    """The notes with one more header that is tolerated and not judged."""
    note = f"unknown-header:{name[:40].decode('ascii')}"
    return notes if note in notes or len(notes) >= MAX_NOTES else (*notes, note)


def _without(raw: bytes, start: bytes, field: bytes) -> bytes:
    """`raw` with the lines of one header field removed and nothing else changed.

    The first line of the object that begins with `start` is the field: it is in the header, where nothing else can
    begin so, because continuation lines begin with a space.
    """
    at = raw.index(b"\n" + start)
    return raw[:at] + raw[at + 1 + len(field) + field.count(b"\0") :]


def _signature_start(raw: bytes, body: int) -> int | None:
    """Where the signature of a tag starts, None for an unsigned tag; `body` is where the message starts."""
    marks = [found.start() for found in _BEGIN.finditer(raw)]
    anchored = [at for at in marks if raw[at - 1] == 0x0A]
    if not anchored:
        return None
    if len(marks) > 1:
        _ambiguous(f"tag holds {len(marks)} signature BEGIN markers, expected one; verifiers take different ones")
    if anchored[0] < body:
        _ambiguous("tag has a signature BEGIN marker in its header")
    return anchored[0]


_EXCUSABLE: Final = "one that is old and known can be listed by its full id in [commits] exceptions, with the reason as a comment"


def _ambiguous_header(field: bytes, expected: bytes) -> NoReturn:
    """Refuse a second signature header, or one that is not this repository's."""
    if field.startswith(expected):
        _ambiguous(f"commit has two {_show(expected.strip())} headers; some verifiers join them, some take one")
    name = field.partition(b"\0")[0].partition(b" ")[0]
    _ambiguous(f"commit has the header {_show(name)}, expected only {_show(expected.strip())}; git does not verify it")


def _ambiguous(message: str) -> NoReturn:
    raise Malformed(
        message,
        rule="signature-ambiguous",
        hint=f"make the object again with git itself; {_EXCUSABLE}",
    )


def _malformed(message: str) -> NoReturn:
    raise Malformed(message, rule="commit-malformed", hint=f"run git fsck on the repository it came from; {_EXCUSABLE}")


def _show(value: bytes) -> str:
    """Hostile bytes for a message: short, printable ASCII, quoted."""
    return repr(value[:60])[1:] + ("..." if len(value) > 60 else "")
