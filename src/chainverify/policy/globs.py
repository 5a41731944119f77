"""What a glob of the policy may look like: one that can never match what it is compared with is an error, not a shrug.

The dialect is `formats.glob`: `**` crosses `/`, `*` does not, all else is literal. Characters that other dialects give a
meaning (`?`, `[`, `]`, `{`, `}`, a leading `!`) are refused, for two readers would disagree about them.
"""

from __future__ import annotations

from chainverify.errors import PolicyError

_FOREIGN = "?[]{}"


def check_path(pattern: str, path: str) -> None:
    """A glob over paths from the top of the repository. Raises `PolicyError` at `path`."""
    _common(pattern, path)
    if any(part in (".", "..") for part in pattern.split("/")):
        raise PolicyError(f"glob {pattern!r} can never match: paths hold no . and no ..", key=path)


def check_ref(pattern: str, path: str) -> None:
    """A glob over full ref names. Raises `PolicyError` at `path`."""
    _common(pattern, path)
    first = pattern.split("/", 1)[0]
    if "*" not in first and first != "refs":
        raise PolicyError(
            f"glob {pattern!r} can never match a full ref name", key=path, hint=f"write 'refs/heads/{pattern}'"
        )
    if "/" not in pattern and "**" not in pattern:
        raise _never(pattern, path, "* does not cross /", "write 'refs/heads/**'")
    if any(part in pattern for part in ("..", "@{", "\\")) or any(c in " ~^:" for c in pattern) or pattern.endswith(".lock"):
        raise _never(pattern, path, "git allows no such ref name")


def check_repository(pattern: str, path: str) -> None:
    """A glob over `domain/path` of an image reference. Raises `PolicyError` at `path`."""
    _common(pattern, path)
    if "://" in pattern:
        raise _never(pattern, path, "image references have no scheme", f"write {pattern.split('://', 1)[1]!r}")
    domain, slash, rest = pattern.partition("/")
    if "@" in pattern or ":" in rest:
        raise _never(pattern, path, "it is compared with domain/path only, without tag and digest")
    if " " in pattern or "//" in pattern or rest != rest.lower():
        raise _never(pattern, path, "the path of an image reference is lower case, without spaces or empty parts")
    if not slash and "**" not in pattern:
        raise _never(pattern, path, "there is no domain in it", f"write 'docker.io/library/{pattern}'")
    if domain == "docker.io" and "/" not in rest and "**" not in rest:
        raise _never(
            pattern, path, "the canonical form has two parts after docker.io", f"write 'docker.io/library/{rest}'"
        )
    if domain in ("index.docker.io", "registry-1.docker.io"):
        raise _never(pattern, path, "its canonical domain is docker.io", f"write 'docker.io/{rest}'")
    if not any(c in domain for c in "*.:") and domain != "localhost" and domain == domain.lower():
        canonical = f"docker.io/{pattern}"
        raise _never(pattern, path, f"{domain!r} is no domain, so the canonical form starts with docker.io/",
                     f"write {canonical!r}")


def _common(pattern: str, path: str) -> None:
    foreign = sorted({c for c in pattern if c in _FOREIGN})
    if foreign or pattern.startswith("!"):
        raise PolicyError(
            f"glob {pattern!r} holds {foreign[0] if foreign else '!'!r}, which has no special meaning here",
            key=path,
            hint="globs know * (within a name) and ** (across /) only; write * in its place",
        )
    if pattern.startswith("/") or pattern.endswith("/") or "//" in pattern:
        raise _never(pattern, path, "no name starts or ends with / or has an empty part",
                     f"write {pattern.strip('/') + '/**'!r}" if pattern.strip("/") else "write '**'")


def _never(pattern: str, path: str, why: str, hint: str = "") -> PolicyError:
    return PolicyError(f"glob {pattern!r} can never match: {why}", key=path, hint=hint)
