"""git's settings for a key: which they are, where they are written, whether they count there, and the way back."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from chainverify.errors import UsageError
from chainverify.git import config
from chainverify.git.config import Setting
from chainverify.jobs.signing import gnupgkeys, record
from chainverify.jobs.signing.record import Kept
from chainverify.model.localkeys import LocalKey


class Changed(NamedTuple):
    """A file that was changed: for each setting the values before and after (None: not set). `kept` are settings that an earlier
    setup made and the user changed since: they are what an undo comes back to."""

    path: Path
    settings: tuple[tuple[str, str | None, str], ...]
    kept: tuple[Kept, ...] = ()


class Reverted(NamedTuple):
    """What an undo did to a file; `found` False: there was nothing to undo."""

    path: Path
    found: bool
    restored: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()
    exact: bool = True


class Shadow(NamedTuple):
    """A setting that does not count, for git takes another one after it: what counts, and where it stands."""

    name: str
    wanted: str
    effective: Setting


def wanted(key: LocalKey, settings: Sequence[Setting], allowed_signers: Path | None) -> dict[str, str]:
    """The settings that make git sign every commit and tag with a key.

    The program is named only where git would call another one for this format. Raises `UsageError` for a value that git would
    read as something else.
    """
    form = "x509" if key.format == "gitsign" else key.format
    found: dict[str, str] = {"gpg.format": form}
    if key.value:
        found["user.signingkey"] = key.value
    found |= {"commit.gpgsign": "true", "tag.gpgsign": "true"}
    if key.program and key.format == "openpgp":
        found["gpg.program"] = key.program
    elif key.program:
        found["gpg.x509.program"] = key.program
    elif key.format == "openpgp" and shutil.which(gnupgkeys.program(settings, "openpgp")) is None:
        raise UsageError("the program that git calls for OpenPGP is not there", hint="git config --show-origin gpg.program")
    if allowed_signers is not None:
        found["gpg.ssh.allowedsignersfile"] = str(allowed_signers.absolute())
    for name, value in found.items():
        if any(c in value for c in "\n\r\0"):
            raise UsageError(f"{name} cannot hold {value!r}", hint="move the key to a path without line ends")
    return found


def write(path: Path, settings: Mapping[str, str]) -> Changed:
    """Set them in a file, as a whole or not at all; the way back stands in the file.

    Setting up again replaces what an earlier setup made, and keeps its way back. Raises `UsageError`.
    """
    before = config.read(path)
    undone = record.undo(before)
    after = record.write(undone.data, settings)
    seen = config.values(before or b"", settings)
    if after != before:
        config.replace(path, before, after)
    told = tuple((name, _counting(seen[name]), value) for name, value in settings.items())
    return Changed(path, told, undone.kept)


def undo(path: Path) -> Reverted:
    """Take out what `write` set, where it is still what it was set to. Running it again finds nothing. Raises `UsageError`."""
    before = config.read(path)
    undone = record.undo(before)
    if undone.found:
        config.replace(path, before, undone.data)
    return Reverted(path, undone.found, undone.restored, undone.kept, undone.exact)


def shadows(settings: Iterable[Setting], asked: Mapping[str, str]) -> tuple[Shadow, ...]:
    """The settings that something else overrides: a worktree's or repository's file, an include, the environment."""
    now = list(settings)
    found = []
    for name, value in asked.items():
        counts = config.last(now, name)
        if counts is not None and not _same(name, counts.value, value):
            found.append(Shadow(name, value, counts))
    return tuple(found)


def _same(name: str, one: str, other: str) -> bool:
    if name.endswith(".gpgsign"):
        return config.is_true(one) == config.is_true(other)
    return one == other


def _counting(values: Sequence[str | None]) -> str | None:
    """The value that counts of those for one name: None where there is none, `true` for a name without a value."""
    return ("true" if values[-1] is None else values[-1]) if values else None
