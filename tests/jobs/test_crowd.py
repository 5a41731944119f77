"""Which sightings are of one person, and whose key a line of allowed_signers is: one table for `init` and `keys import`.

Both are then run on the same files, and see the same people.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from chainverify.formats import allowed_signers
from chainverify.git.repository import Repository as Git
from chainverify.jobs import initialise
from chainverify.jobs.crowd import Crowd, Person, of_line
from chainverify.jobs.gather import gather
from tests.world.repository import Repository
from tests.world.ssh import SshKey

A, B, C = (f"ssh-ed25519 {letter * 4}" for letter in "ABC")
NOW = 1_750_000_000


def seen(name: str, *emails: str, ssh: str = "", mark: str = "", line: str = "") -> Person:
    return Person(
        name, emails, (ssh,) if ssh else (), (f"armor {mark}",) if mark else (), ("here",), (mark,) if mark else (),
        lines=(line,) if line else (),
    )  # fmt: skip


Seen = tuple[Person, ...]
Told = tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]
"""People: name, addresses, key lines."""
SIGHTINGS: dict[str, tuple[Seen, Told]] = {
    "nobody": ((), ()),
    "strangers": (
        (seen("A", "a@x", ssh=A), seen("B", "b@x", ssh=B)),
        (("A", ("a@x",), (A,)), ("B", ("b@x",), (B,))),
    ),
    "one address": (
        (seen("A", "a@x", ssh=A), seen("B", "A@X", ssh=B)),
        (("A", ("a@x",), (A, B)),),
    ),
    "one SSH key": (
        (seen("A", "a@x", ssh=A), seen("B", "b@x", ssh=A)),
        (("A", ("a@x", "b@x"), (A,)),),
    ),
    "one OpenPGP key": (
        (seen("A", "a@x", mark="AB"), seen("B", "b@x", mark="ab")),
        (("A", ("a@x", "b@x"), ()),),
    ),
    "keys of two kinds with the same text": (
        (seen("A", "a@x", ssh="x y"), seen("B", "b@x", mark="x y")),
        (("A", ("a@x",), ("x y",)), ("B", ("b@x",), ())),
    ),
    "two joined by another": (
        (seen("A", "a@x", ssh=A), seen("B", "b@x", ssh=B), seen("C", "c@x", ssh=C), seen("D", "b@x", ssh=A)),
        (("A", ("a@x", "b@x"), (A, B)), ("C", ("c@x",), (C,))),
    ),
    "an address found later": (
        (seen("B", "b@x"), seen("file", ssh=A), seen("A", "a@x", ssh=A)),
        (("B", ("b@x",), ()), ("file", ("a@x",), (A,))),
    ),
    "one name without addresses": (
        (seen("dan", ssh=A), seen("Dan", ssh=B)),
        (("dan", (), (A, B)),),
    ),
    "one name, and one of them has an address": (
        (seen("dan", ssh=A), seen("dan", "d@x", ssh=B)),
        (("dan", (), (A,)), ("dan (2)", ("d@x",), (B,))),
    ),
    "no name": (
        (seen("", "a@x", ssh=A), seen("", ssh=B), seen("", ssh=C)),
        (("a@x", ("a@x",), (A,)), ("someone", (), (B,)), ("someone (2)", (), (C,))),
    ),
    "a name found later": (
        (seen("", "a@x", ssh=A), seen("Ann", "a@x")),
        (("Ann", ("a@x",), (A,)),),
    ),
    "a name that would be a role": (
        (seen("role:owner", "role:a@x", "a@x"), seen("Ann", "A@x")),
        (("Ann", ("role:a@x", "a@x"), ()),),
    ),
    "nothing but such names": (
        (seen("role:owner", "role:a@x", "a@x", ssh=A),),
        (("a@x", ("role:a@x", "a@x"), (A,)),),
    ),
    "one authority for two": (
        (seen("", "a@x", line=f"a@x cert-authority {A}"), seen("", "b@x", line=f"b@x cert-authority {A}")),
        (("a@x", ("a@x",), ()), ("b@x", ("b@x",), ())),
    ),
}


@pytest.mark.parametrize("name", SIGHTINGS)
def test_who_is_one_person(name: str) -> None:
    sightings, expected = SIGHTINGS[name]
    crowd = Crowd()
    for each in sightings:
        crowd.add(each)
    people = crowd.people()
    assert tuple((each.name, each.emails, each.ssh) for each in people) == expected
    assert sorted(line for each in people for line in each.lines) == sorted(line for each in sightings for line in each.lines)
    assert {key for each in people for key in each.openpgp} == {key for each in sightings for key in each.openpgp}


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIZRMhClTuqy669pDLJFkGjN5dzoWsewMQDO1mguwArO"
LINES: dict[str, tuple[str, tuple[str, ...], str, str]] = {
    # principals and options: the addresses, the line for a file of the person's own, and a reason why somebody is left out
    "plain": ("a@x", ("a@x",), "", ""),
    "several": ("a@x,b@x", ("a@x", "b@x"), "", ""),
    "quoted": ('"a@x,Ann Example"', ("a@x",), "", "'Ann Example' is no address"),
    "for git": ('a@x namespaces="git"', ("a@x",), "", ""),
    "for git too": ('a@x namespaces="file,g*"', ("a@x",), "", ""),
    "not for git": ('a@x namespaces="file"', (), "", 'namespaces="file" does not have git'),
    "git excluded": ('a@x namespaces="*,!git"', (), "", "does not have git"),
    "everybody": ("*", (), "", "'*' is no address"),
    "a domain": ("*@x", (), "", "'*@x' is no address"),
    "one letter open": ("?@x", (), "", "'?@x' is no address"),
    "a person and a domain": ("a@x,*@x", ("a@x",), "", "'*@x' is no address"),
    "excluded": ("a@x,b@x,!B@*", ("a@x",), "", "'b@x' is excluded"),
    "nobody left": ("a@x,!a@x", (), "", "'a@x' is excluded"),
    "user name": ("ann", (), "", "'ann' is no address"),
    "window": (
        'a@x valid-after="20200101",valid-before="20300101Z"', ("a@x",),
        f'a@x valid-after="20200101000000Z",valid-before="20300101000000Z" {KEY}', "",
    ),
    "window for git": (
        'a@x,* namespaces="git",valid-before="20300101Z"', ("a@x",),
        f'a@x valid-before="20300101000000Z",namespaces="git" {KEY}', "'*' is no address",
    ),
    "authority": ("a@x,*@x cert-authority", ("a@x",), f"a@x cert-authority {KEY}", "'*@x' is no address"),
    "everybody's authority": ("* cert-authority", (), "", "'*' is no address"),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_whose_key_a_line_is(name: str) -> None:
    text, emails, own, reason = LINES[name]
    (line,) = allowed_signers.parse(f"{text} {KEY}\n".encode())
    person, left_out = of_line(line, "here")
    assert (person.emails if person else ()) == emails
    assert bool(left_out) == bool(reason)
    assert reason in " ".join(left_out)
    if person is not None:
        assert (person.ssh, person.lines) == (((), (own,)) if own else ((KEY,), ()))
        assert (person.name, person.named, person.where) == ("", True, ("here",))
        # the line of the person's own file says what the shared one said
        for mine in person.lines:
            (again,) = allowed_signers.parse(mine.encode())
            assert again == line._replace(principals=again.principals, assumed_utc=False)


@pytest.mark.tool("git", "ssh-keygen")
def test_both_commands_see_the_same_people(tmp_path: Path) -> None:
    keys = {name: SshKey.create(tmp_path / "k", name, comment="ann@example.org") for name in ("a", "b", "c", "d", "e", "ca")}
    lines = (
        keys["a"].allowed("ann@example.org,a@work.example") + keys["b"].allowed("A@WORK.example", 'namespaces="git"')
        + keys["c"].allowed("cy@example.org,*") + keys["d"].allowed("*@example.org")
        + keys["e"].allowed("eve@example.org", 'namespaces="file"') + keys["ca"].allowed("*", "cert-authority")
    )  # fmt: skip
    files = {"allowed_signers": lines, "more.pub": keys["e"].public + "\n"}
    world = Repository.create(tmp_path / "r")
    world.commit("JIRA-1: one", files)
    written = tomllib.loads(initialise.initial_policy(Git.discover(world.path)))["signers"]
    found = gather([world.path / "more.pub"], [world.path / "allowed_signers"], None, NOW, observed=True)

    expected = [
        ("ann@example.org", ["ann@example.org", "a@work.example"], ["a", "b", "e"]),
        ("cy@example.org", ["cy@example.org"], ["c"]),
    ]
    lines_of = [(name, emails, sorted(" ".join(keys[key].public.split()[:2]) for key in own)) for name, emails, own in expected]
    assert [(each["name"], each["emails"], sorted(each["ssh"])) for each in written] == lines_of
    assert sorted((each.name, [*each.emails], sorted(each.ssh)) for each in found.people) == sorted(lines_of)
    assert all(each["observed"] for each in written)
    assert all(each.observed for each in found.people)
    assert len(found.skipped) == 4
