"""Lines of allowed_signers files that have no effect, or less than they say, for `policy check`.

None of them is an error: the files are shared with other programs, and no line gives more than it says. But whoever wrote such
a line meant something by it, and would learn otherwise only when a signature is refused.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from chainverify.formats import allowed_signers, sshkey
from chainverify.formats.allowed_signers import AllowedSigner
from chainverify.model.signing import KeyMaterial, SigningMaterial
from chainverify.policy.model import Policy
from chainverify.rules.signatures import SignatureRules, prepare

MAX_LINES: Final = 2000
"""How many lines of one policy are looked at: the work for each grows with the policy, and lines may be somebody else's."""
MAX_TOGETHER: Final = 100
"""How many lines with the same key are compared with each other."""
MAX_NAMES: Final = 4
"""How many names one message holds."""


class Idle(NamedTuple):
    """What a line does not do: `path` of the file as the policy's own is named, `line` counts from 1."""

    path: str
    line: int
    message: str
    hint: str


class _Line(NamedTuple):
    """A line and whose file it is, empty for a shared one."""

    signer: str
    line: AllowedSigner


_Told = Iterator[tuple[str, str]]
"""Messages, each with its hint."""


def idle_lines(policy: Policy, material: SigningMaterial) -> tuple[Idle, ...]:
    """What is to be told of the policy's allowed_signers files, in their order, as far as `MAX_LINES` goes.

    The material must have been loaded.
    """
    rules = prepare(policy)
    owners = {own.key.blob: each.signer for each in material.ssh for own in sshkey.parse_file(each.data)}
    lines = [(each, line) for each in material.allowed_signers for line in allowed_signers.parse(each.data)][:MAX_LINES]
    plain: dict[bytes, list[_Line]] = {}
    for each, line in lines:
        together = plain.setdefault(line.key.blob, [])
        if not line.cert_authority and line.for_git and len(together) < MAX_TOGETHER:
            together.append(_Line(each.signer, line))
    return tuple(
        Idle(_path(each), line.number, message, hint)
        for each, line in lines
        for message, hint in _told(_Line(each.signer, line), owners.get(line.key.blob, ""), plain, rules)
    )


def _told(one: _Line, owner: str, plain: dict[bytes, list[_Line]], rules: SignatureRules) -> _Told:
    """What is to be told of one line; `owner` has its key in `ssh`."""
    line = one.line
    if not line.for_git:
        yield f'namespaces="{line.namespaces}" does not have git: the line allows no commit and no tag', "add git to the list"
    elif line.cert_authority:
        return
    elif owner:
        yield from _of_owner(one, owner, rules)
    elif not one.signer:
        yield from _of_shared(line, plain[line.key.blob], rules)


def _of_owner(one: _Line, owner: str, rules: SignatureRules) -> _Told:
    """A line for a key that stands in a signer's `ssh` list, which says all that counts."""
    line = one.line
    parts = (*allowed_signers.names(line.principals), *allowed_signers.wild(line.principals))
    others = tuple(each for each in parts if _person(each, rules) != owner)
    if others and not one.signer:
        yield (
            f"giving the key of {owner!r} to {_some(others)} has no effect: it stands in the ssh list of {owner!r}",
            "remove the name or the line; a key belongs to one person",
        )  # fmt: skip
    limits = (("valid-after", line.valid_after), ("valid-before", line.valid_before))
    idle = [name for name, time in limits if time is not None]
    if idle:
        yield (
            f"{_some(idle)} without effect: the key stands in the ssh list of {owner!r} too, where it has no time",
            "remove it from the ssh list, so that the line says when it counts",
        )  # fmt: skip


def _of_shared(line: AllowedSigner, plain: Sequence[_Line], rules: SignatureRules) -> _Told:
    """A line of a shared file for a key that is in no `ssh` list; `plain` are all lines that give the key for git."""
    names, patterns = allowed_signers.names(line.principals), allowed_signers.wild(line.principals)
    mine = _people(line, rules)
    for owner in dict.fromkeys(each.signer for each in plain if each.signer):
        if set(mine) != {owner}:
            to = _some((*names, *patterns))
            yield (
                f"giving the key of {owner!r} to {to} has an effect only when the signer's own allowed-signers file has none",
                "remove one of the two; a key belongs to one person",
            )
    together = [person for each in plain if not each.signer and _meet(line, each.line) for person in _people(each.line, rules)]
    people = tuple(dict.fromkeys((*mine, *together)))
    if mine and len(people) > 1:
        yield (
            f"the key is given to {_some(tuple(map(repr, people)))}, so it counts for none of them",
            "a key belongs to one person: give each their own",
        )  # fmt: skip
    elif patterns and people:
        yield (
            f"{_some(patterns)} has no effect: the key is that of {people[0]!r}, whomever a commit names",
            "remove the pattern, and give others keys of their own",
        )  # fmt: skip
    elif patterns and (meant := _matched(line, rules)):
        yield (
            f"{_some(patterns)} before a plain key means none of [[signers]]: commits that name {_some(meant)} are refused",
            "name the one person whose key it is, or use cert-authority and certificates",
        )  # fmt: skip
    odd = tuple(each for each in names if "@" not in each)
    if odd and {"committer-email", "author-email"}.intersection(rules.commits.identity):
        yield f"{_some(odd)} is no e-mail address, so it is no committer's", "write the address that the person's commits have"


def _person(address: str, rules: SignatureRules) -> str:
    """The name of the person of the policy who has an address, empty for nobody's."""
    found = rules.addresses.get(address.encode("utf-8", "surrogateescape").lower())
    return found.signer.name if found is not None else ""


def _people(line: AllowedSigner, rules: SignatureRules) -> tuple[str, ...]:
    """The people of the policy whom a line names, and not by a pattern."""
    found = (_person(each, rules) for each in allowed_signers.names(line.principals))
    return tuple(dict.fromkeys(name for name in found if name))


def _matched(line: AllowedSigner, rules: SignatureRules) -> tuple[str, ...]:
    """The people of the policy whom a line's patterns match."""
    people = (person for address, person in rules.addresses.items() if allowed_signers.matches(line.principals, address))
    return tuple(dict.fromkeys(repr(person.signer.name) for person in people))


def _meet(one: AllowedSigner, other: AllowedSigner) -> bool:
    """Whether there is a time at which both lines count; both ends belong to it."""
    return not any(
        first.valid_before is not None and second.valid_after is not None and first.valid_before < second.valid_after
        for first, second in ((one, other), (other, one))
    )


def _path(material: KeyMaterial) -> str:
    return posixpath.join(posixpath.dirname(material.source), material.name)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return " and ".join(names[:MAX_NAMES]) + more
