"""The one glob dialect of chainverify: `**` crosses `/`, `*` does not, everything else is literal, the whole value must match.

Matching walks the set of reachable positions, so its time is at most pattern length times value length.
"""

from __future__ import annotations


def _tokens(pattern: str) -> list[str]:
    tokens: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern.startswith("**", at):
            tokens.append("**")
            at += 2
            while at < len(pattern) and pattern[at] == "*":
                at += 1
        else:
            tokens.append(pattern[at])
            at += 1
    return tokens


def matches(pattern: str, value: str) -> bool:
    """Whether the whole of `value` matches `pattern`.

    `**/` at the start or after a slash also matches nothing, as in gitignore: `**/x` matches `x`, `a/**/b` matches `a/b`.
    """
    tokens = _tokens(pattern)
    positions = {0}
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token == "**":  # noqa: S105 - a glob token, not a secret
            first = min(positions)
            reachable = set(range(first, len(value) + 1))
            if tokens[index + 1 : index + 2] == ["/"] and (index == 0 or tokens[index - 1] == "/"):
                # "**/" as a whole part of the path: nothing, or anything that ends in a slash.
                reachable = positions | {i for i in reachable if i > first and value[i - 1] == "/"}
                index += 1
            positions = reachable
        elif token == "*":  # noqa: S105 - a glob token
            grown: set[int] = set()
            covered = -1
            for start in sorted(positions):
                if start <= covered:
                    continue
                end = value.find("/", start)
                covered = len(value) if end < 0 else end
                grown.update(range(start, covered + 1))
            positions = grown
        else:
            positions = {i + 1 for i in positions if i < len(value) and value[i] == token}
        if not positions:
            return False
        index += 1
    return len(value) in positions


def matches_any(patterns: tuple[str, ...], value: str) -> bool:
    """Whether any pattern matches the whole of `value`."""
    return any(matches(pattern, value) for pattern in patterns)
