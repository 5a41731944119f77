"""Lines of allowed_signers files that do not do what they say are told of, with file and line; those that do are not."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from chainverify.jobs import idle, policies, validate
from tests.world.ssh import SshKey

pytestmark = pytest.mark.tool("ssh-keygen")

HEAD = "version = 1\n[commits]\n"
PEOPLE = """\
[[signers]]
name = "Alice Example"
emails = ["alice@example.org", "alice@work.example"]
%s
[[signers]]
name = "Bob Example"
emails = ["bob@example.org"]
%s
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory = tmp_path_factory.mktemp("keys")
    return {name: " ".join(SshKey.create(directory, name).public.split()[:2]) for name in ("A", "B", "C")}


class Case(NamedTuple):
    """`lines` of the shared file; what is told of each line that anything is told of; what Alice and Bob have of their own."""

    lines: tuple[str, ...]
    told: dict[int, str]
    alice: str = ""
    bob: str = ""
    own: tuple[str, ...] = ()
    more: str = ""


MINE = 'allowed-signers = "own"'
CASES = {
    "nothing wrong": Case(
        ("# people", "alice@example.org A", 'bob@example.org namespaces="git,file" B', "new@example.org C"), {},
    ),
    "authorities": Case(("* cert-authority A", "*@example.org cert-authority B", "alice@example.org cert-authority A"), {}),
    "one person's several addresses": Case(("alice@example.org,ALICE@work.example A", "alice@work.example A"), {}),
    "strangers": Case(("*@other.example,new@example.org A", "* B"), {2: "* before a plain key means none of [[signers]]"}),
    "other namespaces": Case(
        ('alice@example.org namespaces="file" A', '* cert-authority,namespaces="*,!git" B', "", 'x@y namespaces="GIT" C'),
        {1: 'namespaces="file" does not have git', 2: 'namespaces="*,!git" does not', 4: 'namespaces="GIT" does not'},
    ),
    "other namespaces in a signer's file": Case(
        ("bob@example.org B",), {101: 'namespaces="file" does not have git'}, MINE, own=('x namespaces="file" A', "x C"),
    ),
    "the key of another's list": Case(
        ("alice@example.org A", "bob@example.org A"),
        {2: "giving the key of 'Alice Example' to bob@example.org has no effect: it stands in the ssh list of 'Alice Example'"},
        'ssh = "A"',
    ),
    "the key of another's list for everybody": Case(
        ("alice@example.org,* A",), {1: "giving the key of 'Alice Example' to * has no effect"}, 'ssh = "A"',
    ),
    "a time that a list has not": Case(
        ('alice@example.org valid-before="20300101Z" A',), {1: "valid-before without effect: the key stands in the ssh list of"},
        'ssh = "A"',
    ),
    "a time that a list has not, in a signer's file": Case(
        ("bob@example.org B",), {101: "valid-after and valid-before without effect"}, f'ssh = "A"\n{MINE}',
        own=('anything valid-after="20200101Z",valid-before="20300101Z" A',),
    ),
    "the key of another's file": Case(
        ("bob@example.org A",), {1: "giving the key of 'Alice Example' to bob@example.org has an effect only when"}, MINE,
        own=('x valid-before="20200101Z" A',),
    ),
    "the key of the person's own file": Case(("alice@example.org A",), {}, MINE, own=('x valid-before="20200101Z" A',)),
    "two people on one line": Case(
        ("alice@example.org,bob@example.org A",),
        {1: "the key is given to 'Alice Example' and 'Bob Example', so it counts for none of them"},
    ),
    "two people on two lines": Case(
        ("alice@example.org A", "bob@example.org A"), {1: "counts for none of them", 2: "counts for none of them"},
    ),
    "two people one after the other": Case(
        ('alice@example.org valid-before="20250101Z" A', 'bob@example.org valid-after="20250101000001Z" A'), {},
    ),
    "two people at one moment": Case(
        ('alice@example.org valid-before="20250101Z" A', 'bob@example.org valid-after="20250101Z" A'), {1: "none", 2: "none"},
    ),
    "two people, one of them for files": Case(
        ("alice@example.org A", 'bob@example.org namespaces="file" A'), {2: "does not have git"},
    ),
    "a domain with listed people": Case(
        ("*@example.org A",),
        {1: "before a plain key means none of [[signers]]: commits that name 'Alice Example' and 'Bob Example' are refused"},
    ),
    "a domain, without one of them": Case(
        ("*@example.org,!bob@* A",), {1: "commits that name 'Alice Example' are refused"},
    ),
    "a person and a domain": Case(
        ("alice@example.org,*@example.org A",), {1: "*@example.org has no effect: the key is that of 'Alice Example', whomever"},
    ),
    "a person, and a domain on another line": Case(
        ("alice@example.org A", "* A"), {2: "* has no effect: the key is that of 'Alice Example'"},
    ),
    "user names": Case(("alice A", "bob@example.org,bob B"), {1: "alice is no e-mail address", 2: "bob is no e-mail address"}),
    "user names where no address is asked for": Case(("alice A",), {}, more='identity = "off"\n'),
}  # fmt: skip


def told(directory: Path, case: Case, keys: dict[str, str]) -> dict[int, str]:
    """What is told, by line; lines of Alice's own file from 101 on."""

    def filled(text: str) -> str:
        return "\n".join(" ".join(keys.get(word, word) for word in line.split(" ")) for line in text.split("\n"))

    directory.joinpath("shared").write_text(filled("\n".join(case.lines)) + "\n")
    directory.joinpath("own").write_text(filled("\n".join(case.own)) + "\n")
    people = PEOPLE % (case.alice.replace('"A"', f'"{keys["A"]}"'), case.bob)
    path = directory / "policy.toml"
    path.write_text(f'{HEAD}{case.more}allowed-signers = "shared"\n{people}')
    loaded = policies.from_file(path, worktree=None)
    validate.validate(loaded)
    found = validate.idle(loaded)
    assert {each.path for each in found} <= {str(directory / "shared"), str(directory / "own")}
    assert all(each.hint for each in found)
    return {each.line + 100 * each.path.endswith("own"): each.message for each in found}


@pytest.mark.parametrize("name", CASES)
def test_what_is_told(tmp_path: Path, keys: dict[str, str], name: str) -> None:
    found = told(tmp_path, CASES[name], keys)
    assert found.keys() == CASES[name].told.keys(), found
    for line, message in CASES[name].told.items():
        assert message in found[line]


def test_the_work_is_bounded(tmp_path: Path, keys: dict[str, str]) -> None:
    lines = (*(f"new{number}@example.org A" for number in range(idle.MAX_LINES)), "* B")
    assert told(tmp_path, Case(lines, {}), keys) == {}
    assert told(tmp_path, Case(lines[1:], {}), keys).keys() == {idle.MAX_LINES}
