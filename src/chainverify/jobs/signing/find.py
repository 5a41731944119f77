"""All keys of a developer, whose they are in a policy, which one git uses now, and which one is meant."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from chainverify.errors import UsageError
from chainverify.git import config
from chainverify.git.config import Setting
from chainverify.jobs.keys import list_keys
from chainverify.jobs.policies import LoadedPolicy
from chainverify.jobs.signing import gnupgkeys, sshkeys
from chainverify.jobs.signing.prove import Place
from chainverify.jobs.signing.sshkeys import Machine
from chainverify.model.localkeys import Holder, LocalKey
from chainverify.model.signing import Format

KEY_ID: Final = 16
"""The fewest hexadecimal digits that name an OpenPGP or X.509 key: its end, as gpg's long key id."""


class Scene(NamedTuple):
    """What a run starts from: git's configuration, where git is run, the policy (None: there is none), and the keys.

    `holders` are the people of the policy by key, `used` is the key that git signs with now.
    """

    settings: tuple[Setting, ...]
    place: Place
    loaded: LoadedPolicy | None
    here: Machine
    keys: tuple[LocalKey, ...]
    holders: dict[LocalKey, Holder]
    used: LocalKey | None


def machine(directory: Path, settings: Sequence[Setting], home: Path | None, now: int) -> Machine:
    """What SSH keys are found with."""
    program = config.value(settings, "gpg.ssh.program")
    return Machine(home, config.version(directory), "" if program == "ssh-keygen" else program, now)


def find(settings: Sequence[Setting], here: Machine, formats: Sequence[Format]) -> tuple[LocalKey, ...]:
    """Everything that could sign here, by format; what git uses now is among it, wherever it lies.

    A program that is missing or does not answer has no keys.
    """
    found: list[LocalKey] = []
    if "ssh" in formats:
        found += sshkeys.find(here)
    if "openpgp" in formats:
        found += gnupgkeys.openpgp(settings, here.now)
    if "x509" in formats:
        found += gnupgkeys.x509(settings, here.now)
    if "gitsign" in formats:
        found += gnupgkeys.gitsign(settings)
    used = configured(settings, here, found)
    if used is not None and used not in found and used.format in formats:
        found.append(used)
    return tuple(found)


def configured(settings: Sequence[Setting], here: Machine, keys: Sequence[LocalKey]) -> LocalKey | None:
    """The key that git would use now, None where none is set or it is none of these and cannot be read.

    `user.signingkey` is a path (to the public or the private key), a key itself, or what gpg knows it by.
    """
    form = config.value(settings, "gpg.format") or "openpgp"
    value = config.value(settings, "user.signingkey")
    if form == "x509" and gnupgkeys.program(settings, "x509") == "gitsign":
        return next((key for key in keys if key.format == "gitsign"), None)
    if not value:
        return None
    if form == "ssh":
        return _configured_ssh(value, here, keys)
    mark = _hex(value)
    same = [key for key in keys if key.format == form]
    exact = [key for key in same if key.value in {value, mark}]
    by_mark = [key for key in same if len(mark) >= 8 and any(each.endswith(mark) for each in key.marks)]
    named = [key for key in same if key.comment and value.casefold() in key.comment.casefold()]
    return next(iter((*exact, *by_mark, *named)), None)


def _configured_ssh(value: str, here: Machine, keys: Sequence[LocalKey]) -> LocalKey | None:
    found: LocalKey | None = None
    if value.startswith(("key::", "ssh-")):
        found = sshkeys.literal(value, here)
    else:
        with contextlib.suppress(UsageError):
            found = sshkeys.at(Path(os.path.expanduser(value)), here)  # noqa: PTH111 - as git does, also for ~user
    if found is None:
        return None
    same = (key for key in keys if key.fingerprint == found.fingerprint and key.kind == found.kind)
    return next(same, found)


def choose(keys: Sequence[LocalKey], here: Machine, wanted: str | None) -> LocalKey:
    """The one key that is meant: by fingerprint, key id or path, or because no other can be used.

    Raises `UsageError` that says what there is to choose from.
    """
    if wanted is None:
        usable = [key for key in keys if not key.problem and key.kind != "subkey"]
        if len(usable) == 1:
            return usable[0]
        if not usable:
            raise UsageError("no key here can be used for signing", hint=_how_to_make(keys))
        raise UsageError(
            f"{len(usable)} keys can be used, and none was named",
            hint=f"name one with --key: {', '.join(name(key) for key in usable)}",
        )
    found = [key for key in keys if _names(wanted, key)]
    if not found and (os.sep in wanted or Path(wanted).exists()):
        found = [sshkeys.at(Path(os.path.expanduser(wanted)), here)]  # noqa: PTH111
    # the same key by itself and by its certificate, or a certificate and its one key: the first is what the list shows first
    plain = [key for key in found if name(key).casefold() == wanted.casefold()] or found
    distinct = list(dict.fromkeys(name(key) for key in plain))
    if not plain:
        choices = [name(key) for key in keys if not key.problem]
        hint = f"there are: {', '.join(choices)}" if choices else _how_to_make(keys)
        raise UsageError(f"no key here is {wanted!r}", hint=hint)
    if len(distinct) > 1:
        raise UsageError(f"{wanted!r} is the start or end of several keys", hint=f"name one: {', '.join(distinct)}")
    if plain[0].problem:
        raise UsageError(f"{name(plain[0])} cannot be used: {plain[0].problem}", hint=plain[0].remedy)
    return plain[0]


def name(key: LocalKey) -> str:
    """What --key takes for a key: the fingerprint, of an SSH certificate the file, for gitsign its name."""
    if key.format == "gitsign":
        return "gitsign"
    if key.kind == "certificate" and key.format == "ssh":
        return key.file or key.value
    return key.fingerprint or key.where


def holders(keys: Sequence[LocalKey], loaded: LoadedPolicy, now: int) -> dict[LocalKey, Holder]:
    """Whose each key is in the policy; those that it does not know are left out. Raises `PolicyError`."""
    listed = list_keys(loaded, now)
    known: dict[tuple[str, str], Holder] = {}
    for person in listed.people:
        for each in person.keys:
            known.setdefault((each.format, each.fingerprint), Holder(person.name, each.state, person.observed))
    for each in listed.shared:
        known.setdefault((each.format, each.fingerprint), Holder("", each.state))
    found = {}
    for key in keys:
        marks = (key.fingerprint, *key.marks) if key.kind != "certificate" or key.format != "ssh" else key.marks
        holder = next((known[key.format, mark] for mark in marks if mark and (key.format, mark) in known), None)
        if holder is not None:
            found[key] = holder
    return found


def _names(wanted: str, key: LocalKey) -> bool:
    """Whether `wanted` names a key: whole, by path, or (of GnuPG's) by the end of a fingerprint."""
    if wanted == "gitsign":
        return key.format == "gitsign"
    bare = key.fingerprint.removeprefix("SHA256:") if key.format == "ssh" else key.fingerprint
    if wanted in {key.fingerprint, bare, key.value, key.where}:
        return True
    if key.file:
        path = os.path.realpath(os.path.expanduser(wanted))  # noqa: PTH111
        return path in {os.path.realpath(key.file), os.path.realpath(key.file.removesuffix(".pub"))}
    mark = _hex(wanted)
    marks = (key.fingerprint, key.value.removesuffix("!"), *(key.marks if key.kind != "subkey" else ()))
    return len(mark) >= KEY_ID and key.format != "ssh" and any(each.removeprefix("SHA256:").endswith(mark) for each in marks)


def _hex(text: str) -> str:
    """A fingerprint without spaces, `0x` and what stands around it; empty for any other text."""
    plain = "".join(text.split()).removeprefix("0x").removeprefix("SHA256:").replace(":", "").removesuffix("!").upper()
    return plain if plain and set(plain) <= set("0123456789ABCDEF") else ""


def _how_to_make(keys: Sequence[LocalKey]) -> str:
    """What to do where there is no key: the first problem's remedy, or the command that makes one, which is not run here."""
    remedy = next((f"{key.problem}: {key.remedy}" for key in keys if key.problem and key.remedy), "")
    return remedy or "make one, it is not made for you: ssh-keygen -t ed25519 (with a security key: -t ed25519-sk)"
