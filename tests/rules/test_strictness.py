"""What is stricter, key by key; and that nothing is called stricter under which a message passes that the other refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainverify.policy.model import ConventionalPolicy, MessagesPolicy, TrailerPolicy
from chainverify.rules.messages import MessageFacts, problems
from chainverify.rules.sign_off import People
from chainverify.rules.strictness import at_least, covers

PLAIN = MessagesPolicy()
REVIEWED = TrailerPolicy("Reviewed-by", 1)
STRICTER: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # what asks for more, and what it then covers; never the other way round
    ({"tickets": ("A",)}, {}),
    ({"tickets": ("A",)}, {"tickets": ("A", "B")}),
    ({"tickets": ("A",)}, {"tickets": ("A",), "tickets_max": 2}),
    ({"pattern": "x"}, {}),
    ({"subject_max": 50}, {"subject_max": 72}),
    ({"subject_max": 50}, {}),
    ({"body_line_max": 50}, {"body_line_max": 72}),
    ({"conventional": ConventionalPolicy()}, {}),
    ({"conventional": ConventionalPolicy(("feat",))}, {"conventional": ConventionalPolicy()}),
    ({"conventional": ConventionalPolicy(("feat",), ("a",))}, {"conventional": ConventionalPolicy(("feat",))}),
    ({"trailers": (REVIEWED,)}, {}),
    ({"sign_off": "exact"}, {"sign_off": "email"}),
    ({"sign_off": "email"}, {"sign_off": "mailmap"}),
    ({"sign_off": "mailmap"}, {"sign_off": "committer"}),
    ({"sign_off": "committer"}, {"sign_off": "off"}),
    ({"merges": "judge"}, {}),
    ({"reverts": "judge"}, {}),
    ({}, {"allow_fixup": True}),
]
NEITHER: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"tickets": ("A",)}, {"tickets": ("B",)}),
    ({"tickets": ("A",)}, {"tickets": ("A",), "separator": " "}),
    ({"tickets": ("A",)}, {"tickets": ("A",), "ticket_where": "trailer:T"}),
    ({"pattern": "x"}, {"pattern": "y"}),
    ({"trailers": (REVIEWED,)}, {"trailers": (TrailerPolicy("Reviewed-by", 2),)}),
    ({"subject_max": 50}, {"body_line_max": 50}),
    ({"tickets": ("A",), "conventional": ConventionalPolicy()}, {"conventional": ConventionalPolicy()}),
    ({"introduction": "a"}, {"introduction": "b"}),
    ({"sign_off": "mailmap", "mailmap": ("a",)}, {"sign_off": "mailmap"}),
]


@pytest.mark.parametrize(("one", "other"), STRICTER)
def test_stricter(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert at_least(PLAIN._replace(**one), PLAIN._replace(**other))
    assert not at_least(PLAIN._replace(**other), PLAIN._replace(**one))


@pytest.mark.parametrize(("one", "other"), NEITHER)
def test_neither(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert not at_least(PLAIN._replace(**one), PLAIN._replace(**other))
    assert not at_least(PLAIN._replace(**other), PLAIN._replace(**one))


def test_several() -> None:
    short, reviewed = PLAIN._replace(subject_max=10), PLAIN._replace(trailers=(REVIEWED,))
    assert covers((short, reviewed), (PLAIN, reviewed))
    assert covers((), ())
    assert not covers((short,), (PLAIN, reviewed))
    assert not covers((), (PLAIN,))


def test_every_key_is_compared() -> None:
    """A key added to the policy must be given its place here."""
    told = {key for pair in (*STRICTER, *NEITHER) for rules in pair for key in rules}
    assert set(MessagesPolicy._fields) - told == {"insert_ticket"}, "which of its values is stricter?"


POLICIES = st.builds(
    MessagesPolicy,
    tickets=st.sampled_from([(), ("A",), ("A", "B")]), tickets_max=st.sampled_from([1, 2]),
    subject_max=st.sampled_from([None, 9, 14]),
    pattern=st.sampled_from([None, "x"]), ticket_where=st.sampled_from(["subject", "trailer:T"]),
    conventional=st.sampled_from(
        [None, ConventionalPolicy(), ConventionalPolicy(("feat",)), ConventionalPolicy(("feat",), ("a",))]
    ),
    trailers=st.sampled_from([(), (REVIEWED,), (REVIEWED, TrailerPolicy("T", max=0))]), allow_fixup=st.booleans(),
    sign_off=st.sampled_from(["off", "exact", "email", "mailmap", "committer"]), merges=st.sampled_from(["skip", "judge"]),
)
START = st.sampled_from(["", "fixup! ", "A-1: ", "A-1, B-2: ", "B-1: "])
TEXT = st.sampled_from(["x", "feat: x", "feat(a): y", "docs: x", "a long subject x"])
ENDS = st.lists(
    st.sampled_from(["T: A-1", "T: A-1, B-2", "Reviewed-by: A", "Signed-off-by: A <a@x>", "Signed-off-by: C <c@x>"]), max_size=4
)


@settings(max_examples=400)
@given(POLICIES, POLICIES, st.lists(st.tuples(START, TEXT, ENDS), min_size=5, max_size=5), st.sampled_from([1, 2]))
def test_what_follows_the_stricter_follows_the_other(
    one: MessagesPolicy, other: MessagesPolicy, messages: list[tuple[str, str, list[str]]], parents: int
) -> None:
    if not at_least(one, other):
        return
    people = People(("A", "a@x"), ("C", "c@x"))
    for start, text, ends in messages:
        message = f"{start}{text}\n\n" + "\n".join(ends)
        if not problems(message, MessageFacts(parents, people=people), one):
            assert problems(message, MessageFacts(parents, people=people), other) == []
