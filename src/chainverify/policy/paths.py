"""Dotted paths into a policy, as errors print them: `signers[1].emails`, `images.registries."registry.example.org"`."""

from __future__ import annotations

_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def join(path: str, key: str) -> str:
    """The path of `key` in the table at `path` (empty: the whole policy), quoted where TOML would want it quoted."""
    shown = key if key and _BARE.issuperset(key) else _quoted(key)
    return f"{path}.{shown}" if path else shown


def item(path: str, index: int) -> str:
    """The path of element `index` (from 0) of the list at `path`."""
    return f"{path}[{index}]"


def parent(path: str) -> str:
    """The path that `path` is directly below, empty for a key of the top."""
    if path.endswith("]"):
        return path[: path.rfind("[")]
    if not path.endswith('"'):
        return path[: max(path.rfind("."), 0)]
    at = len(path) - 2
    # back to the quote that opens the key: one that no backslash precedes
    while at > 0 and (path[at] != '"' or _escaped(path, at)):
        at -= 1
    return path[: max(at - 1, 0)]


def _escaped(path: str, at: int) -> bool:
    count = 0
    while at - count - 1 >= 0 and path[at - count - 1] == "\\":
        count += 1
    return count % 2 == 1


def _quoted(key: str) -> str:
    text = key.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text) + '"'
