"""People and keys added to a policy: the change is planned, the whole new policy validated, and only then anything written.

Key files are copied to `keys/` beside the policy, under a name made of the person's; nothing there is ever overwritten.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from chainverify.errors import Malformed, PolicyError, UsageError
from chainverify.formats import sshkey
from chainverify.jobs.keys import list_keys
from chainverify.jobs.policies import KEY_FILE_BYTES_MAX, LoadedPolicy
from chainverify.model.keys import KeyDescription
from chainverify.policy import edit, load
from chainverify.policy.material import check_inside
from chainverify.policy.model import Signer

KEYS: Final = "keys"
"""The directory beside the policy that key files are copied to."""
MAX_NAMES: Final = 1000
"""How many names are tried for a key file."""


class KeyFile(NamedTuple):
    """A public key file: the policy's `key` that names it, the `suffix` of its name, and its content."""

    key: str
    suffix: str
    data: bytes


class Newcomer(NamedTuple):
    """What is to be added for one person, who may be in the policy already (by name, or by one of the addresses).

    `ssh` are key lines for the policy itself, `files` are copied beside it. `gitsign` are pairs of identity and issuer, `times`
    TOML values of `valid-after` and `valid-before`. `observed` marks trust that was only seen, `imported` a person who was found
    and not named: then an address tells who it is. `seen` says where, in a comment.
    """

    name: str
    emails: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    ssh: tuple[str, ...] = ()
    files: tuple[KeyFile, ...] = ()
    gitsign: tuple[tuple[str, str], ...] = ()
    times: tuple[tuple[str, str], ...] = ()
    observed: bool = False
    imported: bool = False
    seen: tuple[str, ...] = ()


class Change(NamedTuple):
    """A validated change: the policy file's old and new content, the files to add beside it, and the keys that are new.

    `known` are the people who were there before and get something.
    """

    path: Path
    before: bytes
    after: bytes
    files: tuple[tuple[str, bytes], ...]
    added: tuple[KeyDescription, ...]
    known: tuple[str, ...]


def plan(path: Path, loaded: LoadedPolicy, newcomers: Sequence[Newcomer], now: int, *, server: bool = False) -> Change:
    """The change of the policy at `path`, which `loaded` was read from. Nothing is written.

    Raises `UsageError` where nothing would be added, or the new policy would be refused (a key or address that is another
    person's), and `PolicyError` where the policy cannot be used as it is.
    """
    policy = loaded.policy
    before = list_keys(loaded, now)
    held = {(key.format, key.fingerprint): person.name for person in before.people for key in person.keys if key.fingerprint}
    # a line of an allowed_signers file may say less than a key of the person's own
    plain = {(person.name, key.fingerprint) for person in before.people for key in person.keys if ".ssh[" in key.path}
    text = policy.text
    files: dict[str, bytes] = {}
    fresh: list[edit.Addition] = []
    known: list[str] = []
    for newcomer in newcomers:
        signer = find(policy.signers, newcomer)
        if signer is not None:
            lines = (line for line in newcomer.ssh if (signer.name, _fingerprint(line)) not in plain)
            newcomer = newcomer._replace(ssh=tuple(lines))  # noqa: PLW2901
        addition = _addition(newcomer, signer, path.parent, files)
        if signer is None:
            fresh.append(addition)
        elif addition.lists or addition.gitsign or addition.times:
            # the mark is for whoever gets something, not for whoever was found again
            text = edit.extend_person(text, signer.position, addition)
            known.append(signer.name)
    if fresh:
        text = edit.add_people(text, fresh)
    if text == policy.text:
        raise UsageError("nothing to add: all of it is in the policy already", hint="chainverify keys list shows what is there")
    try:
        changed = load.parse(text.encode(), policy.source, server=server)
        if loaded.trust == "self":
            check_inside(changed)
        after = list_keys(
            LoadedPolicy(changed, loaded.trust, lambda name: files[name] if name in files else loaded.read(name)), now
        )
    except PolicyError as error:
        raise UsageError(f"nothing was written, for the policy would be refused: {error}", hint=error.hint) from error
    added = tuple(
        key for person in after.people for key in person.keys
        if not key.fingerprint or held.get((key.format, key.fingerprint)) != person.name
    )
    listed = {(key.format, key.path, key.comment) for person in before.people for key in person.keys if not key.fingerprint}
    added = tuple(key for key in added if key.fingerprint or (key.format, key.path, key.comment) not in listed)
    return Change(path, policy.text.encode(), text.encode(), tuple(files.items()), added, tuple(known))


def find(signers: Sequence[Signer], newcomer: Newcomer) -> Signer | None:
    """The person of the policy that is meant: by name (an address will do for it); one that was imported by an address."""
    name = newcomer.name.casefold()
    for signer in signers:
        if name == signer.name.casefold() or name in {email.casefold() for email in signer.emails}:
            return signer
    if not newcomer.imported:
        return None
    wanted = {email.casefold() for email in newcomer.emails}
    return next((signer for signer in signers if wanted & {email.casefold() for email in signer.emails}), None)


def diff(change: Change) -> str:
    """The change as a unified diff, key files as one line each. Text of others stands in it: escape it for a terminal."""
    name = change.path.name
    old, new = (text.decode().splitlines(keepends=True) for text in (change.before, change.after))
    lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
    shown = "".join(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines)
    return shown + "".join(f"new file: {name} ({len(data)} bytes)\n" for name, data in change.files)


def write(change: Change) -> None:
    """Write the key files, then the policy, each as a whole or not at all. Raises `UsageError`; then nothing is left behind."""
    directory = change.path.parent
    made: list[Path] = []
    if change.files and (directory / KEYS).is_symlink():
        # a link would lead out of what was validated
        raise UsageError(f"{directory / KEYS} is a symbolic link", hint="make it a directory")
    try:
        if change.files:
            (directory / KEYS).mkdir(exist_ok=True)
        for name, data in change.files:
            _create(directory / name, data, 0o644)
            made.append(directory / name)
        _replace(change)
    except BaseException as error:
        for path in made:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UsageError(f"cannot write {error.filename or change.path}: {error.strerror}") from error
        raise


def _replace(change: Change) -> None:
    """Put the new policy in the place of the one that was read, if it still is that one."""
    # the file that a link leads to is edited, not the link
    path = Path(os.path.realpath(change.path))
    if path.read_bytes() != change.before:
        raise UsageError(f"{change.path} was changed meanwhile", hint="run the command again")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    _create(temporary, change.after, stat.S_IMODE(path.stat().st_mode))
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _create(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _addition(newcomer: Newcomer, signer: Signer | None, directory: Path, files: dict[str, bytes]) -> edit.Addition:
    """What the policy gets for one person, without what it has; the key files go to `files`."""
    folded = {email.casefold() for email in signer.emails} if signer else set()
    emails = tuple(email for email in dict.fromkeys(newcomer.emails) if email.casefold() not in folded)
    roles = tuple(role for role in dict.fromkeys(newcomer.roles) if signer is None or role not in signer.roles)
    lines = {" ".join(entry.split()[:2]) for entry in signer.ssh} if signer else set()
    ssh = [line for line in dict.fromkeys(newcomer.ssh) if " ".join(line.split()[:2]) not in lines]
    lists: dict[str, list[str]] = {"emails": [*emails], "roles": [*roles], "ssh": ssh}
    named = _named(signer)
    for file in newcomer.files:
        if any(_holds(directory / name, file.data) for name in named):
            continue
        owner = signer.name if signer else newcomer.name
        lists.setdefault(file.key, []).append(_place(owner, file, directory, files))
    have = {(each.identity, each.issuer) for each in signer.gitsign} if signer else set()
    for key, value in newcomer.times if signer else ():
        old = signer.valid_after if key == "valid-after" else signer.valid_before  # type: ignore[union-attr] # signer is there
        if old is not None:
            raise UsageError(
                f"{signer.name!r} has a {key} in the policy already, {value} was given",  # type: ignore[union-attr]
                hint="a person's time is changed by hand: it counts for all keys",
            )
    return edit.Addition(
        signer.name if signer else newcomer.name,
        tuple((key, tuple(lists[key])) for key in edit.LISTS if lists.get(key)),
        tuple(pair for pair in newcomer.gitsign if pair not in have),
        newcomer.times,
        newcomer.observed,
        newcomer.seen,
    )


def _fingerprint(line: str) -> str:
    """That of a key line; empty for a line that is none, which the validation refuses."""
    with contextlib.suppress(Malformed):
        return sshkey.parse_line(line.encode())[0].fingerprint
    return ""


def _named(signer: Signer | None) -> tuple[str, ...]:
    """Everything that a person's table names as a file, inline keys among it, which no file is called like."""
    return (*signer.openpgp, *signer.ssh, *signer.x509, *signer.allowed_signers) if signer else ()


def _place(person: str, file: KeyFile, directory: Path, files: dict[str, bytes]) -> str:
    """A name for a key file that nothing has, or that has this very content."""
    start = stem(person)
    for number in range(1, MAX_NAMES):
        name = f"{KEYS}/{start}{f'-{number}' if number > 1 else ''}{file.suffix}"
        if files.get(name) == file.data or (name not in files and _holds(directory / name, file.data)):
            return name
        if name not in files and not os.path.lexists(directory / name):
            files[name] = file.data
            return name
    raise UsageError(f"no name is free for a key file of {person!r} in {directory / KEYS}")


def _holds(path: Path, data: bytes) -> bool:
    """Whether a regular file has exactly this content."""
    with contextlib.suppress(OSError, ValueError):
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= KEY_FILE_BYTES_MAX:
            return path.read_bytes() == data
    return False


def stem(name: str) -> str:
    """A file's name for a person's keys: lower-case letters and digits of ASCII, `-`, `_` and single dots inside."""
    plain = re.sub(r"[^a-z0-9._]+", "-", name.lower())
    return re.sub(r"[.-]*-[.-]*|\.\.+", "-", plain)[:60].strip("-.") or "key"
