"""Local hooks put in place beside what is there, and taken out again: planned as a whole first, then written.

For each hook there is one place:

| what git would run now | place |
|---|---|
| nothing, or a hook file of ours | the hook file |
| pre-commit's or prek's script | `<hook>.legacy` beside it, which they run first |
| husky, lefthook, another script, or a `core.hooksPath` shared with other repositories | a configured hook (git 2.54 and newer) |
| the same under an older git | husky's or lefthook's own file, else refused with the line to add |

A hook that git already runs by its configuration gets no file as well, so nothing runs twice. Nothing of others is changed, and
nothing is removed but what is ours by its content.
"""

from __future__ import annotations

import shlex
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from chainverify.errors import UsageError
from chainverify.git import config
from chainverify.git.config import Setting
from chainverify.git.repository import Repository
from chainverify.jobs import hookconfig, hookfiles, managers
from chainverify.jobs.hookfiles import Change, Installed
from chainverify.jobs.hookplaces import HooksPath, hooks_path
from chainverify.model.hooks import LOCAL

Way: TypeAlias = Literal["auto", "files", "config"]
WAYS: Final[tuple[Way, ...]] = ("auto", "files", "config")
"""How hooks are put in place: as fits, by files only, or by git's configuration only."""


class Wish(NamedTuple):
    """What is to be installed: which hooks, in which way, the interpreter that they call."""

    hooks: Sequence[str] = LOCAL
    way: Way = "auto"
    python: str = sys.executable


class _Places(NamedTuple):
    """Where each hook goes: files by path to their new text; hooks that are configured, that the user's own configuration
    runs already, that have a block in a script of husky's, and that lefthook runs."""

    files: dict[Path, str]
    configured: list[str]
    covered: list[str]
    blocks: list[Path]
    lefthook: list[str]


def install(
    repo: Repository, hooks: Sequence[str] = LOCAL, *, way: Way = "auto", python: str = sys.executable
) -> tuple[Installed, ...]:
    """Put the local `hooks` where git runs them. Raises as `plan` does."""
    return apply(plan(repo, Wish(hooks, way, python)))


def uninstall(repo: Repository, hooks: Sequence[str] = LOCAL) -> tuple[Installed, ...]:
    """Take the local `hooks` out, wherever they are; what is not ours stays. Raises as `plan_removal` does."""
    return apply(plan_removal(repo, hooks))


def apply(changes: Iterable[Change]) -> tuple[Installed, ...]:
    """Make the changes, each as a whole or not at all. Raises `UsageError` where something changed since they were planned."""
    return tuple(_apply(change) for change in changes)


def plan(repo: Repository, wish: Wish) -> tuple[Change, ...]:
    """What `install` writes. Nothing is written where this raises.

    Raises `UsageError` for an unknown hook, where another program's hook is in the place and nothing of ours can stand beside it
    (with the line to add), where a file of ours was changed, or where git is too old for the way.
    """
    _known(wish.hooks)
    if repo.worktree is None:
        raise UsageError(
            f"{repo.git_dir} has no worktree, so nobody commits here",
            hint=f"for a repository that people push to: chainverify install --server {shlex.quote(str(repo.git_dir))}",
        )
    settings = config.effective(repo.directory)
    path = hooks_path(repo, settings)
    able = config.version(repo.directory) >= hookconfig.SINCE
    if wish.way == "config" and not able:
        raise _too_old(repo.directory)
    places = _Places({}, [], [], [], [])
    for event in wish.hooks:
        _place(repo, event, wish, places, settings=settings, path=path, able=able)
    file = config.path_of("repository", repo.directory)
    elsewhere = [event for event in wish.hooks if event not in places.configured]
    changes = [
        *(_file(path, text) for path, text in places.files.items()),
        *(_block(path) for path in places.blocks),
        # never both: the hook would run twice
        *_settings(file, places.configured, elsewhere, wish.python),
        *(_without_files(path, [*places.configured, *places.covered]) if path.inside else ()),
    ]
    if places.lefthook:
        changes.append(_lefthook(repo.worktree, places.lefthook, wish.python))
    return tuple(changes)


def plan_removal(repo: Repository, hooks: Sequence[str] = LOCAL) -> tuple[Change, ...]:
    """What `uninstall` removes: only what is there and ours. Raises `UsageError` for what is ours and was changed."""
    _known(hooks)
    settings = config.effective(repo.directory)
    own = HooksPath(repo.common_dir / "hooks", None, inside=True)
    try:
        path = hooks_path(repo, settings)
    except UsageError:
        path = own
    directories = [own, *([path] if path.inside and path.directory != own.directory else [])]
    changes = [change for each in directories for change in _without_files(each, hooks)]
    # husky's scripts are looked at whether or not its directory is in force
    husky = [path.directory.parent] if path.inside and path.directory.name == "_" else []
    husky += [repo.worktree / ".husky"] if repo.worktree else []
    changes += [_unblock(directory / event) for directory in dict.fromkeys(husky) for event in hooks]
    changes += _settings(config.path_of("repository", repo.directory), (), hooks)
    local = managers.lefthook_local(repo.worktree) if repo.worktree else None
    if local is not None:
        changes.append(_without_lefthook(local, hooks))
    return tuple(change for change in changes if change.changed)


def plan_global(directory: Path, wish: Wish) -> tuple[Change, ...]:
    """What `install --global` writes: configured hooks of this user, for all repositories, or files in a global `core.hooksPath`.

    Raises `UsageError` where this git has neither.
    """
    _known(wish.hooks)
    shared = _global_path(config.effective(directory))
    if wish.way != "files" and config.version(directory) >= hookconfig.SINCE:
        return tuple(_settings(config.path_of("global", directory), wish.hooks, (), wish.python))
    if wish.way == "config" or shared is None:
        raise _too_old(directory)
    changes = []
    for event in wish.hooks:
        hook = shared / event
        text = hookfiles.read(hook)
        hookfiles.check_free(_beside(hook, text), _add(event, wish.python))
        changes.append(_file(_beside(hook, text), hookfiles.script(event, python=wish.python)))
    return tuple(changes)


def plan_global_removal(directory: Path, hooks: Sequence[str] = LOCAL) -> tuple[Change, ...]:
    """What `uninstall --global` removes. Raises as `plan_removal` does."""
    _known(hooks)
    shared = _global_path(config.effective(directory))
    files = _without_files(HooksPath(shared, None, inside=True), hooks) if shared else []
    changes = [*_settings(config.path_of("global", directory), (), hooks), *files]
    return tuple(change for change in changes if change.changed)


def _place(
    repo: Repository, event: str, wish: Wish, places: _Places, *, settings: Sequence[Setting], path: HooksPath, able: bool
) -> None:
    """Choose the place of one hook."""
    running = [each for each in hookconfig.listed(settings, event) if hookconfig.ours(each.command or "") is not None]
    if able and wish.way != "files" and any(each.scope not in {"local", "worktree"} and each.enabled for each in running):
        places.covered.append(event)
        return
    if wish.way == "config" or (able and wish.way == "auto" and running):
        places.configured.append(event)
        return
    hook = path.directory / event
    text = hookfiles.read(hook) if path.inside else None
    place = _beside(hook, text)
    taken = hookfiles.read(place) if path.inside else None
    if path.inside and (taken is None or hookfiles.ours(taken) is not None):
        hookfiles.check_free(place, "")
        places.files[place] = hookfiles.script(event, python=wish.python)
        return
    if able and wish.way == "auto":
        places.configured.append(event)
        return
    if not path.inside:
        setting = path.setting
        raise UsageError(
            f"core.hooksPath is {setting.value if setting else path.directory}, which other repositories may share",
            hint=f"put it there for all of them with --global; or, in a hook there, {_add(event, wish.python)}",
        )
    manager = managers.recognise(hook, text or "")
    if manager is not None and manager.name == "husky":
        _on_path(event, wish.python)
        places.blocks.append(managers.husky_file(hook))
    elif manager is not None and manager.name == "lefthook":
        places.lefthook.append(event)
    else:
        hookfiles.check_free(place, _add(event, wish.python))


def _beside(hook: Path, text: str | None) -> Path:
    """The file for our script: the hook itself, or the one that pre-commit and prek run before they do anything."""
    manager = managers.recognise(hook, text) if text else None
    if manager is not None and manager.name in {"pre-commit", "prek"}:
        return hook.with_name(hook.name + managers.LEGACY)
    return hook


def _file(path: Path, text: str) -> Change:
    before = hookfiles.read(path)
    mode = stat.S_IMODE(path.stat().st_mode) if before is not None else None
    return Change(path, before, text, executable=True, mode=mode)


def _without_files(path: HooksPath, hooks: Iterable[str]) -> list[Change]:
    """The removal of the files of ours in a directory of hooks."""
    found = []
    for event in hooks:
        for file in (path.directory / event, path.directory / f"{event}{managers.LEGACY}"):
            if hookfiles.is_ours(file):
                found.append(Change(file, hookfiles.read(file), None))
    return found


def _block(path: Path) -> Change:
    before = hookfiles.read_shared(path)
    return Change(path, before, _in(path, lambda: managers.with_block(before, path.name)))


def _unblock(path: Path) -> Change:
    # a link and a file that is no script hold nothing of ours
    before = hookfiles.read(path)
    return Change(path, before, _in(path, lambda: managers.without_block(before)[0]) if before else before)


def _in(path: Path, edit: Callable[[], str | None]) -> str | None:
    try:
        return edit()
    except UsageError as error:
        raise UsageError(f"{path}: {error}", hint=error.hint) from error


def _settings(file: Path, add: Sequence[str], drop: Sequence[str], python: str = "") -> list[Change]:
    """A configuration file with our hooks `add` and without `drop`, in one write: git dies on an event without a command."""
    before = config.read(file)
    data = before or b""
    parts = (*hookconfig.OURS, *hookconfig.OTHERS)
    held = config.values(data, [hookconfig.key(event, part) for event in (*add, *drop) for part in parts])
    wanted: dict[str, Sequence[str | None]] = {}
    sections = []
    for event in (*add, *drop):
        hookconfig.check(held[hookconfig.key(event, "command")], event, str(file))
        if event in add:
            wanted[hookconfig.key(event, "command")] = [hookconfig.command(event, python)]
            wanted[hookconfig.key(event, "event")] = [event]
        elif any(held[hookconfig.key(event, part)] for part in hookconfig.OTHERS):
            wanted |= {hookconfig.key(event, part): () for part in hookconfig.OURS}
        elif any(held[hookconfig.key(event, part)] for part in hookconfig.OURS):
            # whole: where a comment stands before it, git keeps the head of a section that it has emptied
            sections.append(f"hook.{hookconfig.PREFIX}{event}")
    if not add and not any(held.values()):
        return []
    after = config.changed(data, wanted)
    for section in sections:
        after = config.changed(after, {}, section)
    return [Change(file, _text(before), _text(after), settings=True)]


def _lefthook(top: Path, hooks: Sequence[str], python: str) -> Change:
    local = managers.lefthook_local(top)
    before = hookfiles.read(local) if local else None
    if local is None or (before is not None and hookfiles.ours(before) is None):
        raise UsageError(
            f"lefthook runs the {hooks[0]} hook, and {local or 'its configuration'} is not chainverify's to change",
            hint=f"add to it:\n{managers.snippet('lefthook', hooks)}",
        )
    if before is not None and not hookfiles.ours(before):
        raise hookfiles.changed(local)
    events = dict.fromkeys((*(managers.lefthook_events(before) if before else ()), *hooks))
    return Change(local, before, managers.lefthook_text([each for each in LOCAL if each in events], python))


def _without_lefthook(local: Path, hooks: Sequence[str]) -> Change:
    before = hookfiles.read(local)
    if not hookfiles.is_ours(local) or before is None:
        return Change(local, before, before)
    left = [event for event in managers.lefthook_events(before) if event not in hooks]
    return Change(local, before, managers.lefthook_text(left, sys.executable) if left else None)


def _apply(change: Change) -> Installed:
    if not change.changed:
        return Installed(change.path, changed=False)
    if change.settings:
        config.replace(change.path, _bytes(change.before), _bytes(change.after))
        return Installed(change.path, changed=True)
    return hookfiles.carry_out(change)


def _global_path(settings: Sequence[Setting]) -> Path | None:
    """The user's own `core.hooksPath`, None where there is none."""
    found = [each.value for each in settings if each.name == "core.hookspath" and each.scope == "global"]
    return Path(found[-1]).expanduser().absolute() if found and found[-1] else None


def _known(hooks: Sequence[str]) -> None:
    unknown = [name for name in hooks if name not in LOCAL]
    if unknown:
        raise UsageError(f"no such hook: {unknown[0]!r}, expected {', '.join(LOCAL)}")


def _too_old(directory: Path) -> UsageError:
    version = ".".join(map(str, config.version(directory)))
    return UsageError(
        f"git {version} has no configured hooks, which came with 2.54",
        hint="use a newer git, or install in each repository by files; a core.hooksPath for all repositories would switch off "
        "the hooks that each has of its own, so none is set for you",
    )


def _on_path(event: str, python: str) -> None:
    if shutil.which("chainverify") is None:
        raise UsageError(
            f"husky's {event} script is shared with the team and calls chainverify by its name, which is not on PATH",
            hint=f"put it on PATH: export PATH={shlex.quote(str(Path(python).parent))}:$PATH",
        )


def _add(event: str, python: str) -> str:
    return f"add this line to it, or to its manager: {hookfiles.line(event, python)}"


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "surrogateescape")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogateescape")
