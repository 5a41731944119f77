"""Which hooks git runs for an event, and in which order: configured ones as the configuration lists them, then the hook file; and
what a known manager's file runs in turn. Files of others are recognised by their text and never run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from chainverify.errors import UsageError
from chainverify.git.config import Setting
from chainverify.git.repository import Repository
from chainverify.jobs import hookconfig, hookfiles, managers
from chainverify.jobs.hookplaces import HooksPath
from chainverify.model.checkup import Link

_CONFIGURATIONS: Final = {
    "pre-commit": (".pre-commit-config.yaml",),
    "prek": (".pre-commit-config.yaml", "prek.toml"),
    "lefthook": managers.LEFTHOOK_FILES,
}
"""Where a manager's team names hooks."""


class Place(NamedTuple):
    """A hook of ours at some place: its text (a file's, or a command's), and why git does not run it, empty where it does."""

    link: Link
    text: str
    trouble: str = ""
    hint: str = "run: chainverify install"

    @property
    def is_script(self) -> bool:
        """Whether it is a hook file that chainverify wrote, unchanged; not a line in, or a configuration of, another program."""
        return self.text.startswith("#!") and hookfiles.ours(self.text) is True


class Chain(NamedTuple):
    """All hooks of one event in git's order, and more about those that are ours."""

    links: tuple[Link, ...]
    places: tuple[Place, ...]


def chain(repo: Repository, event: str, settings: Sequence[Setting], path: HooksPath, *, able: bool) -> Chain:
    """The hooks of an event; `able`: this git runs configured hooks. Raises `UsageError` where a file cannot be read."""
    places = [*_configured(event, settings, able=able), *_files(repo, event, path)]
    return Chain(tuple(each.link for each in places), tuple(each for each in places if each.link.ours))


def _configured(event: str, settings: Sequence[Setting], *, able: bool) -> Iterator[Place]:
    for each in hookconfig.listed(settings, event):
        state = hookconfig.ours(each.command or "")
        mine = state is not None or bool(each.command and _calls(each.command, event))
        trouble = ""
        if not able:
            trouble = "this git is older than 2.54 and ignores configured hooks"
        elif not each.enabled:
            trouble = "it is switched off (hook.*.enabled)"
        elif state is False:
            trouble = "its command is not as chainverify wrote it"
        link = Link(event, each.scope, f"hook.{each.name}", mine, able and each.enabled)
        yield Place(link, each.command or "", trouble)


def _files(repo: Repository, event: str, path: HooksPath) -> Iterator[Place]:
    hook = path.directory / event
    text = hookfiles.read(hook)
    if text is None:
        return
    runs = os.access(hook, os.X_OK)
    yield _file(event, hook, text, "file", runs=runs)
    manager = managers.recognise(hook, text)
    if manager is None:
        return
    via = f"by {manager.name}"
    if manager.name in {"pre-commit", "prek"}:
        legacy = hook.with_name(event + managers.LEGACY)
        below = hookfiles.read(legacy)
        if below is not None:
            yield _file(event, legacy, below, via, runs=runs and os.access(legacy, os.X_OK))
    elif manager.name == "husky":
        script = managers.husky_file(hook)
        below = hookfiles.read(script)
        if below is not None:
            mine = managers.has_block(below) or _calls(below, event)
            yield Place(Link(event, via, str(script), mine, runs), below)
    if repo.worktree is not None:
        yield from _named(repo.worktree, event, manager.name, via, runs=runs)


def _named(top: Path, event: str, manager: str, via: str, *, runs: bool) -> Iterator[Place]:
    """Where a manager's own configuration names our hook."""
    local = managers.lefthook_local(top) if manager == "lefthook" else None
    for file in (*(top / name for name in _CONFIGURATIONS.get(manager, ())), *([local] if local else [])):
        text = hookfiles.read(file) or ""
        if _calls(text, event) or (manager != "lefthook" and f"chainverify-{event}" in text):
            yield Place(Link(event, via, str(file), ours=True, runs=runs), text)


def _file(event: str, path: Path, text: str, source: str, *, runs: bool) -> Place:
    state = hookfiles.ours(text)
    trouble, hint = "", "run: chainverify install"
    if state is False:
        trouble, hint = "somebody changed it", "keep the change elsewhere, remove the file and run: chainverify install"
    elif not runs:
        trouble, hint = "it is not executable, so git passes over it", f"run: chainverify install; or: chmod +x {path}"
    return Place(Link(event, source, str(path), state is not None or _calls(text, event), runs), text, trouble, hint)


def _calls(text: str, event: str) -> bool:
    """Whether a text of others seems to call our hook, in a line that is no comment."""
    call = f" hook {event}"
    for line in text.split("\n"):
        before, found, after = line.partition(call)
        whole = not after[:1].isalnum() and after[:1] != "-"
        if found and whole and "chainverify" in before and not line.lstrip().startswith("#"):
            return True
    return False


def programs(text: str) -> tuple[str, ...]:
    """The interpreter and the files of the package that a hook of ours names by their full paths."""
    found = re.findall(r"^#!(/\S+)|^python='((?:[^'\n]|'\\'')*)'$|\[ -[xf] ('(?:[^'\n]|'\"'\"')*'|\S+) \]", text, re.MULTILINE)
    names = []
    for first, second, third in found:
        if first and first != "/bin/sh":
            names.append(first)
        elif second:
            names.append(second.replace("'\\''", "'"))
        elif third and not third.startswith('"'):
            names.append(third[1:-1].replace("'\"'\"'", "'") if third.startswith("'") else third)
    return tuple(dict.fromkeys(names))


def check_directory(path: HooksPath) -> str:
    """Why files in a directory of hooks cannot be run, empty where nothing says so: a file system mounted without execution."""
    if not hasattr(os, "statvfs") or not path.directory.is_dir():
        return ""
    try:
        flags = os.statvfs(path.directory).f_flag
    except OSError as error:
        raise UsageError(f"cannot look at {path.directory}: {error.strerror}") from error
    return "its file system is mounted noexec, so git runs no hook file there" if flags & os.ST_NOEXEC else ""
