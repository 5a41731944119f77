"""People as they turn up in keys and signatures, for `init` and `keys import`: which sightings are of one person.

What a key, a signature or a file says of whose it is, is a claim; nothing here is proof, and nobody is trusted by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from chainverify.formats import allowed_signers, sshkey
from chainverify.formats.allowed_signers import AllowedSigner, format_time
from chainverify.formats.sshkey import SshPublicKey
from chainverify.policy.signers import EMAIL

MAX_EMAIL: Final = 254
"""The longest address (RFC 5321 section 4.5.3.1.3, less the angle brackets)."""
MAX_NAME: Final = 100
"""The most characters of a name that are taken over."""


class Person(NamedTuple):
    """Someone who was seen: `ssh` are key lines, `openpgp` armored keys, `where` says what was seen, for a comment.

    `lines` are lines for an allowed_signers file of the person's own: authorities, and keys with a time. `marks` are the
    fingerprints of the OpenPGP keys; `named` is True where an allowed_signers file already trusts the keys.
    """

    name: str
    emails: tuple[str, ...]
    ssh: tuple[str, ...] = ()
    openpgp: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    named: bool = False
    lines: tuple[str, ...] = ()


class Crowd:
    """People as they turn up: whoever shares an address or a key is one person, for a key belongs to one.

    A key without an address goes to whoever else has it, else to an equal name without an address. Addresses and names are
    compared in either case. An authority's key stands in `Person.lines` and joins nobody: it may be that of several people.
    """

    def __init__(self) -> None:
        self._people: list[Person] = []

    def add(self, person: Person) -> None:
        """Take in what was seen of a person, who stays where the first sighting put them."""
        marks = _marks(person)
        at = [number for number, each in enumerate(self._people) if marks & _marks(each)]
        joined = person
        for number in reversed(at):
            joined = _join(self._people.pop(number), joined)
        self._people.insert(at[0] if at else len(self._people), joined)

    def people(self) -> tuple[Person, ...]:
        """Everyone in the order of first sightings, their names made distinct."""
        wanted = (_usable(person.name, *person.emails) or "someone" for person in self._people)
        return tuple(person._replace(name=name) for person, name in zip(self._people, distinct(wanted), strict=True))


def _join(first: Person, second: Person) -> Person:
    """Two sightings of one person."""
    return Person(
        _usable(first.name, second.name), _union(first.emails, second.emails, fold=True), _union(first.ssh, second.ssh),
        _union(first.openpgp, second.openpgp), _union(first.where, second.where), _union(first.marks, second.marks),
        first.named or second.named, _union(first.lines, second.lines),
    )  # fmt: skip


def _usable(*names: str) -> str:
    """The first name that a policy can hold, empty for none: what starts with `role:` is a role there."""
    return next((name for name in names if name and not name.startswith("role:")), "")


def _marks(person: Person) -> frozenset[str]:
    """What two sightings of one person have in common."""
    keys = [f"ssh {' '.join(line.split()[:2])}" for line in person.ssh]
    who = [f"email {email.casefold()}" for email in person.emails]
    if not who and person.name:
        who = [f"name {person.name.casefold()}"]
    return frozenset((*who, *keys, *(f"openpgp {mark.upper()}" for mark in person.marks)))


def _union(one: tuple[str, ...], other: tuple[str, ...], *, fold: bool = False) -> tuple[str, ...]:
    """All texts in order, each as it was first written."""
    found: dict[str, str] = {}
    for text in (*one, *other):
        found.setdefault(text.casefold() if fold else text, text)
    return tuple(found.values())


def distinct(names: Iterable[str]) -> Iterator[str]:
    """The names, each made another than those before it by a number, upper and lower case alike."""
    taken: set[str] = set()
    for wanted in names:
        name, number = wanted, 1
        while name.casefold() in taken:
            number += 1
            name = f"{wanted} ({number})"
        taken.add(name.casefold())
        yield name


def plain_text(raw: bytes) -> str:
    """A name from an object or a key, fit to be written: what is not printable becomes `?`."""
    found = raw.decode("utf-8", "replace").strip()
    return "".join(c if c.isprintable() else "?" for c in found)[:MAX_NAME]


def address(written: str) -> str | None:
    """An address that a policy can hold, None for any other text."""
    return written if len(written) <= MAX_EMAIL and written.isprintable() and re.fullmatch(EMAIL.pattern, written) else None


def key_line(key: SshPublicKey) -> str:
    """A key as a policy's `ssh` takes it."""
    return sshkey.line_of(key.kind, key.blob)


def of_line(line: AllowedSigner, where: str) -> tuple[Person | None, tuple[str, ...]]:
    """Who a line of an allowed_signers file gives its key to, None for nobody, and why not to some or all that it names.

    A key without a time goes into `ssh`. Windows and authorities stay what they are in a line of the person's own file, whose
    principals are addresses alone: a pattern says nothing of who it is.
    """
    if not line.for_git:
        return None, (f'namespaces="{line.namespaces}" does not have git, so it is no key for commits',)
    left_out: list[str] = []
    emails: list[str] = []
    for principal in line.principals.split(","):
        email = address(principal)
        if email is None or allowed_signers.wild(principal) or principal.startswith("!"):
            left_out.append(f"{principal!r} is no address, so it names nobody")
        elif not allowed_signers.matches(line.principals, email):
            left_out.append(f"{principal!r} is excluded by another principal of the line")
        else:
            emails.append(email)
    if not emails:
        return None, tuple(left_out)
    key = key_line(line.key)
    options = _options(line)
    person = Person("", tuple(emails), where=(where,), named=True)
    if not options:
        return person._replace(ssh=(key,)), tuple(left_out)
    return person._replace(lines=(f"{','.join(emails)} {','.join(options)} {key}",)), tuple(left_out)


def _options(line: AllowedSigner) -> list[str]:
    """The options that a line for git must keep; none where it says no more than who has the key."""
    options = ["cert-authority"] if line.cert_authority else []
    for name, time in (("valid-after", line.valid_after), ("valid-before", line.valid_before)):
        options += [f'{name}="{format_time(time)}"'] if time is not None else []
    if options and line.namespaces is not None:
        options.append(f'namespaces="{line.namespaces}"')
    return options
