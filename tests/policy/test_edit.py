"""Edits of a policy: what is inserted is read back, and everything else stays byte for byte."""

from __future__ import annotations

import difflib
import tomllib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chainverify.errors import PolicyError
from chainverify.policy.edit import Addition, add_people, extend_person
from chainverify.policy.lines import layout
from tests.policy.examples import GOOD

CAROL = Addition(
    "Carol \"C\" Example", (("emails", ("carol@example.org",)), ("roles", ("developer",)), ("ssh", ("keys/carol.pub",))),
    (("carol@example.org", "https://accounts.example.org"),), (("valid-after", "2026-01-01"),), observed=True,
    comments=("seen in: a.pub",),
)
MORE = Addition("Alice Example", (("ssh", ("keys/a2.pub", "keys/a3.pub")), ("x509", ("keys/a.pem",))))
HEAD = "version = 1\n"


def kept(old: str, new: str) -> bool:
    """Whether nothing of `old` is gone: it is a subsequence of `new`."""
    rest = iter(new)
    return all(c in rest for c in old)


def added(old: str, new: str) -> list[str]:
    return [line[1:] for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line.startswith("+")]


@pytest.mark.parametrize("text", [
    HEAD,
    "version = 1",
    HEAD + '\n# people\n[[signers]]\nname = "A" # first\n\n# --- messages\n[messages]\ntickets = ["X"]\n',
    HEAD + '[[signers]]\nname = "A"\n[[signers.gitsign]]\nidentity = "a@example.org"\nissuer = "https://i"\n[commits]\n',
    HEAD + '[[signers]]\nname = "A"\n[commits]\n[[signers]]\nname = "B"',
    'signers = [{ name = "A" }]\n' + HEAD,
    'signers = [\n  { name = "A" }, # one\n  { name = "B" } # two\n]\n' + HEAD,
    'signers = []\n' + HEAD,
    HEAD.replace("\n", "\r\n") + '[[signers]]\r\nname = "A"\r\n\r\n[commits]\r\n',
    HEAD + '[[signers]]\nname = "A"\nopenpgp = """-----BEGIN PGP\n[[signers]]\nname = "no"\n"""\n',
])  # fmt: skip
def test_new_people(text: str) -> None:
    other = CAROL._replace(name="Dan", gitsign=(), times=(), observed=False, comments=())
    new = add_people(text, [CAROL, other])
    before, after = tomllib.loads(text), tomllib.loads(new)
    people, others = after.pop("signers"), before.pop("signers", [])
    assert [each["name"] for each in people] == [*(each["name"] for each in others), CAROL.name, "Dan"]
    assert after == before
    assert people[-2]["observed"] is True
    assert kept(text, new)
    assert text.count("\r\n") == text.count("\n") or "\r" not in new
    if "\r\n" in text:
        assert new.count("\r\n") == new.count("\n")


def test_a_new_person_stands_after_the_last_one_and_before_the_next_comment() -> None:
    text = HEAD + '[[signers]]\nname = "A" # first\n\n# --- messages\n[messages]\n'
    new = add_people(text, [Addition("B", (("ssh", ("k.pub",)),))])
    assert new == text.replace("first\n", 'first\n\n[[signers]]\nname = "B"\nssh = ["k.pub"]\n')


@pytest.mark.parametrize(("table", "wanted"), [
    ('ssh = ["a"]', 'ssh = ["a", "keys/a2.pub", "keys/a3.pub"]'),
    ('ssh = ["a", ] # c', 'ssh = ["a", "keys/a2.pub", "keys/a3.pub", ] # c'),
    ('ssh = "a"  # c', 'ssh = ["a", "keys/a2.pub", "keys/a3.pub"]  # c'),
    ("ssh = 'a'", "ssh = ['a', \"keys/a2.pub\", \"keys/a3.pub\"]"),
    ("ssh = []", 'ssh = ["keys/a2.pub", "keys/a3.pub"]'),
    ('ssh = [\n  "a", # laptop\n  # the end\n]', 'ssh = [\n  "a", # laptop\n  "keys/a2.pub",\n  "keys/a3.pub",\n  # the end\n]'),
    ('ssh = [\n\t"a" # laptop\n]', 'ssh = [\n\t"a", # laptop\n\t"keys/a2.pub",\n\t"keys/a3.pub"\n]'),
    ('ssh = [ # all\n  "a" ]', 'ssh = [ # all\n  "a",\n  "keys/a2.pub",\n  "keys/a3.pub" ]'),
    ('ssh = ["a"\n , ]', 'ssh = ["a", "keys/a2.pub", "keys/a3.pub"\n , ]'),
])  # fmt: skip
def test_more_keys_of_a_list(table: str, wanted: str) -> None:
    text = HEAD + f'[[signers]]\nname = "A"\n{table}\nroles = ["r"]\n\n[commits]\n'
    new = extend_person(text, 0, MORE)
    assert new == HEAD + f'[[signers]]\nname = "A"\n{wanted}\nroles = ["r"]\nx509 = ["keys/a.pem"]\n\n[commits]\n'


@pytest.mark.parametrize("text", [
    HEAD + '[[signers]]\nname = "A"',
    HEAD + '[signers]\nname = "A"\nssh = "b"\n',
    HEAD + '[[signers]]\n[[signers.gitsign]]\nidentity = "a"\nissuer = "i"\n[[signers]]\nname = "B"\n',
    HEAD + 'signers = [{ name = "A" }, { name = "B" }]\n',
    HEAD + 'signers = [{ name = "A", ssh = "x" }]\n',
    HEAD + 'signers = { name = "A", gitsign = { identity = "x", issuer = "y" } }\n',
    HEAD + '[[signers]]\n"name" = "A"\n"ssh" = ["k"]\ngitsign = [{ identity = "x", issuer = "y" }]\n[commits]\n',
    HEAD + '[[ signers ]] # first\nname = "A"\n[signers.gitsign]\nidentity = "x"\nissuer = "y"\n',
])  # fmt: skip
def test_more_for_a_person(text: str) -> None:
    addition = MORE._replace(gitsign=(("b", "j"),), times=(("valid-before", "2027-01-01T00:00:00Z"),), observed=True)
    if "\n[signers.gitsign]" in text:  # a table that no insertion makes two of
        with pytest.raises(PolicyError) as refused:
            extend_person(text, 0, addition)
        assert "by hand" in refused.value.hint
        return
    new = extend_person(text, 0, addition)
    first = tomllib.loads(new)["signers"]
    first = first[0] if isinstance(first, list) else first
    assert first["ssh"][-2:] == ["keys/a2.pub", "keys/a3.pub"]
    assert first["gitsign"][-1] == {"identity": "b", "issuer": "j"}
    assert first["observed"] is True
    assert kept(text, new)


def test_what_is_not_edited_is_said() -> None:
    with pytest.raises(PolicyError, match="one person in a table"):
        add_people(HEAD + '[signers]\nname = "A"\n', [CAROL])
    with pytest.raises(PolicyError, match="observed = false"):
        extend_person(HEAD + '[[signers]]\nname = "A"\nobserved = false\n', 0, MORE._replace(observed=True))


@pytest.mark.parametrize("source", GOOD.values(), ids=GOOD)
def test_every_good_policy_can_be_edited(source: str) -> None:
    raw = tomllib.loads(source)
    if isinstance(raw.get("signers"), dict):
        return
    new = add_people(source, [CAROL])
    assert tomllib.loads(new)["signers"][-1]["name"] == CAROL.name
    assert kept(source, new)
    for position in range(len(raw.get("signers", []))):
        assert kept(source, extend_person(source, position, MORE))


VALUES = st.text(max_size=20)
SPACE = st.sampled_from(["", " ", "\n", "\n  ", " # ] , [[signers]]\n", "\t"])


@st.composite
def lists(draw: st.DrawFn) -> str:
    """A list of texts, written with any layout that TOML has."""
    from chainverify.policy.normal import basic_string

    out = "[" + draw(SPACE)
    for value in draw(st.lists(VALUES, max_size=3)):
        out += basic_string(value) + draw(SPACE) + "," + draw(SPACE)
    if "," in out and draw(st.booleans()):
        head, _, tail = out.rpartition(",")
        out = head + tail
    return out + "]"


@given(lists(), lists(), st.lists(VALUES, min_size=1, max_size=3), st.booleans())
def test_any_layout(first: str, second: str, values: list[str], crlf: bool) -> None:
    text = f'{HEAD}[[signers]]\nname = "A"\nssh = {first}\n# c\nroles = {second}\n\n[commits]\n'
    text = text.replace("\n", "\r\n") if crlf else text
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assume(False)
        return
    addition = Addition("A", (("ssh", tuple(values)), ("x509", tuple(values))))
    new = extend_person(text, 0, addition)
    after = tomllib.loads(new)
    assert after["signers"][0]["ssh"] == [*before["signers"][0]["ssh"], *values]
    assert after["signers"][0]["roles"] == before["signers"][0]["roles"]
    assert kept(text, new)


def test_layout_spans() -> None:
    text = 'a = "x" # c\nb = [ 1, { k = 2 } ]\n[t]\nd = 2025-01-01\n'
    found = layout(text)
    assert found is not None
    assert {path: text[start:end] for path, (start, end) in found.values.items()} == {
        "a": '"x"', "b": "[ 1, { k = 2 } ]", "b[0]": "1", "b[1]": "{ k = 2 }", "b[1].k": "2", "t.d": "2025-01-01",
    }
    assert layout("a = ") is None or layout("a = [") is None
