"""What git tells its hooks of a push (githooks(5)): pre-receive one line `OLD NEW REF` per ref, pre-push one line
`LOCAL NEW REF OLD`.

The names of the refs come from whoever pushes, and git checks them only after the hook has run.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, NoReturn

from chainverify.errors import BudgetExceeded, Malformed

MAX_UPDATES: Final = 100_000
"""The most refs of one push; mirrors of large forges stay below."""
MAX_REF_BYTES: Final = 4096
"""The longest ref name; it is a path on disk."""

_match_line: Final = re.compile(rb"([0-9a-f]+) ([0-9a-f]+) (refs/[^\x00-\x20\x7f~^:?*\[\\]+)").fullmatch
# git-check-ref-format(1), rules 1, 3, 6, 7, 8: what the characters of the line's pattern leave open
_BAD_PART: Final = re.compile(rb"\.\.|//|/\.|@\{|\.lock(?:/|\Z)|[./]\Z")
_WIDTH: Final = {"sha1": 40, "sha256": 64}


class RefUpdate(NamedTuple):
    """A ref of a push: `old` is the object id it has, `new` the one it shall have, None where there is none.

    Bytes of `ref` that are not UTF-8 are shown as `\\xNN`, which no other name is: none holds a backslash.
    """

    ref: str
    old: str | None
    new: str | None

    @property
    def creates(self) -> bool:
        """Whether the ref is not there yet."""
        return self.old is None and self.new is not None

    @property
    def deletes(self) -> bool:
        """Whether the ref shall be gone, even if it is not there."""
        return self.new is None


def parse(data: bytes, algorithm: Literal["sha1", "sha256"]) -> tuple[RefUpdate, ...]:
    """The updates of a push, in its order; `data` is the hook's standard input, nothing where it is empty.

    Raises `Malformed` (rule `usage`) for anything git would not write, a name git would not store and a ref that is named
    twice, and `BudgetExceeded` for more than `MAX_UPDATES`.
    """
    if not data:
        return ()
    if not data.endswith(b"\n"):
        _refuse("the list of refs ends inside a line")
    lines = data[:-1].split(b"\n")
    if len(lines) > MAX_UPDATES:
        raise BudgetExceeded(f"the push updates {len(lines)} refs, at most {MAX_UPDATES} are judged", hint="push them in parts")
    updates = tuple(_update(line, algorithm) for line in lines)
    seen: set[str] = set()
    for update in updates:
        if update.ref in seen:
            _refuse(f"the push names {update.ref} twice")
        seen.add(update.ref)
    return updates


def parse_outgoing(data: bytes, algorithm: Literal["sha1", "sha256"]) -> tuple[RefUpdate, ...]:
    """The updates of a push that leaves, as pre-push is told them; `old` is what the other side says it has.

    What stands for the new value is left out: it is what the user typed (`HEAD~1`, `:/some words`, `(delete)`), and may hold
    blanks. Raises as `parse`.
    """
    if not data:
        return ()
    if not data.endswith(b"\n"):
        _refuse("the list of refs ends inside a line")
    turned = []
    for line in data[:-1].split(b"\n"):
        parts = line.rsplit(b" ", 3)
        if len(parts) != 4:
            _refuse(f"expected 'LOCAL NEW refs/NAME OLD', got {_show(line)}")
        turned.append(b" ".join((parts[3], parts[1], parts[2])) + b"\n")
    return parse(b"".join(turned), algorithm)


def _update(line: bytes, algorithm: str) -> RefUpdate:
    found = _match_line(line)
    if found is None:
        _refuse(f"expected 'OLD NEW refs/NAME', got {_show(line)}")
    old, new, ref = found.groups()
    width = _WIDTH[algorithm]
    if len(old) != width or len(new) != width:
        _refuse(f"expected object ids of {width} digits, got {_show(line)}")
    if len(ref) > MAX_REF_BYTES or _BAD_PART.search(ref) is not None:
        _refuse(f"git stores no ref of the name {_show(ref)}")
    return RefUpdate(ref.decode("utf-8", "backslashreplace"), _object(old), _object(new))


def _object(oid: bytes) -> str | None:
    """An object id, None for the one of zeros only."""
    return oid.decode("ascii") if oid.strip(b"0") else None


def _refuse(message: str) -> NoReturn:
    raise Malformed(message, rule="usage", hint="git itself calls the hook, and writes these lines")


def _show(value: bytes) -> str:
    """Hostile bytes for a message: short, printable ASCII, quoted."""
    return repr(value[:120])[1:] + ("..." if len(value) > 120 else "")
