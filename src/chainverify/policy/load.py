"""A policy from the bytes of its TOML file: strict, with errors that name the dotted path, the line and the nearest name.

Nothing heavy is imported before there is something to parse: the commit-msg hook may have the policy from a cache.
"""

from __future__ import annotations

from typing import Any, Final

from chainverify._version import __version__
from chainverify.errors import PolicyError
from chainverify.policy import whole
from chainverify.policy.commits import POLICY
from chainverify.policy.fields import Reading, read, scalar, shown
from chainverify.policy.model import Policy, ServerPolicy

POLICY_BYTES_MAX: Final = 1 << 20
"""The largest policy file that is read; one with a thousand people and inline keys is smaller."""
VERSION: Final = 1


def parse(
    data: bytes, source: str, *, server: bool = False, tool_version: str = __version__, hashed: bool = True
) -> Policy:
    """The policy in the bytes of a file; `source` is its name for people.

    `server` says that this is the server's own file, which may hold `[server]`. `tool_version` is what `min-tool` is
    compared with. `hashed = False` leaves `digest` empty, for the commit-msg hook, which shows none: `hashlib` loads
    OpenSSL. Raises `PolicyError` with `key`, `source`, `line` and a hint.
    """
    text = _text(data, source)
    raw = _toml(text, source)
    try:
        _check_version(raw, tool_version)
        policy = _build(raw, text, data, source, server=server, hashed=hashed)
        whole.check(policy)
    except PolicyError as error:
        from chainverify.policy.lines import Lines

        error.source = source
        error.line = Lines(text).of(error.key)
        raise
    return policy


def _text(data: bytes, source: str) -> str:
    if len(data) > POLICY_BYTES_MAX:
        raise PolicyError(
            f"policy has {len(data)} bytes, at most {POLICY_BYTES_MAX} are read", source=source,
            hint="put keys into files beside it",
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PolicyError(
            f"policy is not UTF-8: byte {error.start} is {data[error.start]:#04x}", source=source, line=line,
            hint="save it as UTF-8, without a byte order mark",
        ) from error
    if "\0" in text:
        raise PolicyError("policy holds a NUL character", source=source, line=text.count("\n", 0, text.index("\0")) + 1)
    return text


def _toml(text: str, source: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, what = _syntax(str(error), text)
        raise PolicyError(f"not valid TOML: {what}", source=source, line=line, hint=_syntax_hint(what)) from error
    except RecursionError as error:
        raise PolicyError("lists and tables are nested too deeply", source=source) from error
    except ValueError as error:
        # int() refuses numbers of many thousand digits
        raise PolicyError(f"not valid TOML: {str(error).lower()[:200]}", source=source) from error


def _syntax(message: str, text: str) -> tuple[int, str]:
    """Line and reason of one of tomllib's errors, which say `(at line 3, column 5)` or `(at end of document)`."""
    what, _, place = message.rpartition(" (at ")
    words = place.rstrip(")").replace(",", "").split()
    what = what[:1].lower() + what[1:]
    if words[:1] == ["line"] and words[1:2] and words[1].isdigit():
        return int(words[1]), what
    return (text.rstrip("\n").count("\n") + 1, what) if place.startswith("end of document") else (0, message)


def _syntax_hint(what: str) -> str:
    if what.startswith("cannot overwrite") or "already" in what or "twice" in what:
        return "a key or table stands there a second time; several of a kind are written [[name]]"
    return "text stands in quotes, lists in [ ], tables start with [name] on a line of its own"


def _check_version(raw: dict[str, Any], tool_version: str) -> None:
    """Before anything else: a newer format or a newer tool's keys must be told as such, not as unknown keys."""
    if "version" not in raw:
        raise PolicyError(f"is missing, expected version = {VERSION}", key="version", hint="write it as the first line")
    version = raw["version"]
    if type(version) is not int or version != VERSION:
        newer = type(version) is int and version > VERSION
        raise PolicyError(
            f"expected {VERSION}, got {shown(version)}", key="version",
            hint="this chainverify is too old for the policy: update it" if newer else f"write version = {VERSION}",
        )
    table = raw.get("policy")
    if not isinstance(table, dict) or "min-tool" not in table:
        return
    key = "policy.min-tool"
    shape = next(field.shape for field in POLICY.fields if field.key == "min-tool")
    wanted = scalar(shape, table["min-tool"], key)  # type: ignore[arg-type] # the field is a Text
    if _numbers(wanted) > _numbers(tool_version):
        raise PolicyError(
            f"the policy asks for chainverify {wanted} or newer, this is {tool_version}", key=key,
            hint="update chainverify; an older one could misread the policy",
        )


def _numbers(version: str) -> tuple[int, ...]:
    """The release numbers of a version, three of them; a suffix such as `.dev1` or `rc1` is left out."""
    parts: list[int] = []
    for part in version.split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        parts.append(int(digits) if digits else 0)
        if digits != part:
            break
    return tuple(parts + [0] * (3 - len(parts)))


def _build(raw: dict[str, Any], text: str, data: bytes, source: str, *, server: bool, hashed: bool) -> Policy:
    reading = Reading()
    values = read(whole.SERVER_FILE if server else whole.FILE, raw, "", reading)
    commits = values.get("commits")
    return Policy(
        source=source,
        digest=_digest(data) if hashed else "",
        commits=commits,
        tags=values.get("tags") or ("signed" if commits is not None else "off"),
        signers=values.get("signers", ()),
        messages=values.get("messages"),
        refs=values.get("refs", ()),
        images=values.get("images"),
        editors=values.get("policy", {}).get("signers", ()),
        rules=values.get("rules", ()),
        server=values.get("server", ServerPolicy()),
        observed=tuple(reading.observed),
        text=text,
    )


def _digest(data: bytes) -> str:
    import hashlib

    return "sha256:" + hashlib.sha256(data).hexdigest()
