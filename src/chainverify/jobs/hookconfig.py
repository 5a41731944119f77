"""git's configured hooks (git-config(1), `hook.<name>.command` and `.event`; git 2.54 and newer): ours, and all that git runs.

Ours are named `chainverify-<event>`, one for each event, since a command is not told for which event it runs. Its value starts
with a marker and a digest of the rest, as hook files do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from chainverify.errors import UsageError
from chainverify.git.config import Setting, is_true
from chainverify.jobs import hookfiles

SINCE: Final = (2, 54)
"""The first git that runs configured hooks; an older one ignores them without a word."""
PREFIX: Final = "chainverify-"
OURS: Final = ("command", "event")
"""The variables that we set."""
OTHERS: Final = ("enabled", "parallel")
"""What somebody may have set beside them."""
_MARKER: Final = ": chainverify hook, sha256:"
_FALSE: Final = frozenset(("false", "no", "off", "0", ""))


class Configured(NamedTuple):
    """A configured hook of one event: its name, the last command given for it (None: git dies), where, and whether it is on."""

    name: str
    command: str | None
    scope: str
    origin: str
    enabled: bool


def key(event: str, variable: str) -> str:
    """The name of one of our settings."""
    return f"hook.{PREFIX}{event}.{variable}"


def command(event: str, python: str) -> str:
    """The value of our `command`: git runs it in a shell and adds the hook's arguments."""
    text = hookfiles.call(event, python)
    return f"{_MARKER}{hookfiles.digest(text)}; {text}"


def ours(text: str) -> bool | None:
    """Whether a command is one that `command` made and nobody changed; None where it is not ours at all."""
    if not text.startswith(_MARKER):
        return None
    digest, _, rest = text.removeprefix(_MARKER).partition("; ")
    return digest == hookfiles.digest(rest)


def listed(settings: Iterable[Setting], event: str) -> tuple[Configured, ...]:
    """The configured hooks of an event in the order in which git runs them, those that are switched off too (git's hook.c)."""
    names: list[str] = []
    places: dict[str, Setting] = {}
    commands: dict[str, str] = {}
    off: dict[str, bool] = {}
    for each in settings:
        section, name, variable = _parts(each.name)
        if section != "hook" or not name:
            continue
        if variable == "event" and each.value in {event, ""}:
            if name in names:
                names.remove(name)
            if each.value:
                names.append(name)
                places[name] = each
        elif variable == "command":
            commands[name] = each.value
        elif variable == "enabled" and (is_true(each.value) or each.value.casefold() in _FALSE):
            off[name] = not is_true(each.value)
    # the event's own switch stops its configured hooks; its hook file runs all the same (seen with git 2.55)
    return tuple(
        Configured(
            name, commands.get(name), places[name].scope, places[name].origin, enabled=not off.get(name) and not off.get(event)
        )
        for name in names
    )


def check(values: Sequence[str | None], event: str, where: str) -> None:
    """Raise `UsageError` where our name holds a command that is not ours, or was changed."""
    for each in values:
        if ours(each or "") is not True:
            raise UsageError(
                f"{key(event, 'command')} in {where} is not as chainverify wrote it",
                hint=f"look at it, and remove it yourself: git config --file {where} --remove-section hook.{PREFIX}{event}",
            )


def _parts(name: str) -> tuple[str, str, str]:
    section, _, rest = name.partition(".")
    middle, _, variable = rest.rpartition(".")
    return section, middle, variable
