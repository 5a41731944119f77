"""Trailers, sign-offs, ticket lists and conventional subjects: every vector says which rule breaks, where, and the hint."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.formats.mailmap import Mailmap
from chainverify.formats.message import line_at
from chainverify.model.report import FAIL, PASS, SKIP, UNKNOWN, VERIFIED, Subject
from chainverify.policy.model import ConventionalPolicy, MessagesPolicy, TrailerPolicy
from chainverify.rules import messages
from chainverify.rules.messages import MESSAGE_JUDGED_MAX, MessageFacts, Problem, judge, problems
from chainverify.rules.nearest import nearest
from chainverify.rules.sign_off import People, folded, identity_of
from chainverify.rules.trailers import JUDGED_MAX

ALICE = ("Alice Example", "alice@example.org")
BOB = ("Bob Example", "bob@example.org")
SIGNED = "Signed-off-by: Alice Example <alice@example.org>"
ABOUT = Subject("message", "COMMIT_EDITMSG")


def people(author: tuple[str, str] = ALICE, committer: tuple[str, str] | None = None, mailmap: Mailmap | None = None) -> People:
    return People(author, committer or author, mailmap.mapped if mailmap else None)


def one(text: str, policy: MessagesPolicy, who: People | None = None) -> Problem | None:
    """The one problem of a message, None where it has none."""
    found = problems(text, MessageFacts(people=who or people()), policy)
    assert len(found) <= 1, [(each.rule, each.message) for each in found]
    return found[0] if found else None


def asking(name: str = "Reviewed-by", **asked: object) -> MessagesPolicy:
    return MessagesPolicy(trailers=(TrailerPolicy(name, **asked),))  # type: ignore[arg-type]


REVIEWED = "x\n\nReviewed-by: A <a@example.org>\n"
TRAILERS: list[tuple[str, MessagesPolicy, str, str, int]] = [
    # text, policy, words of the message ("" good), words of the hint, line
    (REVIEWED, asking(min=1), "", "", 0),
    ("x\n\nreviewed-BY: A <a@example.org>\n", asking(min=1), "", "", 0),
    ("x\n", asking(min=1), "at least 1 Reviewed-by trailer, got none", 'of its own: "Reviewed-by: NAME', 1),
    ("x\n\nbody\nmore\n", asking("Ticket", min=1), "got none", '"Ticket: VALUE"', 4),
    ("Reviewed-by: A <a@example.org>\n", asking(min=1), "got none", "into the last paragraph", 1),
    ("x\n\nReviewed-by: A <a@b>\n\nprose\n", asking(min=1), "got none", "into the last paragraph", 3),
    ("x\n\nReviewd-by: A <a@b>\n", asking(min=1), "got none", 'did you mean "Reviewed-by: A <a@b>"?', 3),
    ("x\n\nReviewed-by:\n", asking(min=1), "got none", "", 3),
    ("x\n\nReviewed-by: \u00a0\n", asking(min=1), "got none", "", 3),
    (REVIEWED, asking(min=2), "at least 2 Reviewed-by trailers, got 1", "", 3),
    (REVIEWED + "Reviewed-by: Other Name <A@Example.org>\n", asking(min=2), "got 1", "", 4),
    (REVIEWED + "Reviewed-by: B <b@example.org>\n", asking(min=2), "", "", 0),
    (REVIEWED + "Reviewed-by: A <a@example.org>\n", asking(duplicates=False), "each Reviewed-by trailer once", "remove one", 4),
    (REVIEWED + "Reviewed-by: A <a@example.org>\n", asking(max=2), "", "", 0),
    (REVIEWED + "Reviewed-by: B <b@example.org>\n", asking(max=1), "at most 1 Reviewed-by trailer, got 2", "too many", 4),
    (REVIEWED, asking(max=0), "no Reviewed-by trailer, got 1", "too many", 3),
    (REVIEWED, asking("Other", max=0), "", "", 0),
    (REVIEWED, asking(value="[^<]+ <[^@]+@example\\.org>"), "", "", 0),
    (REVIEWED, asking(value="[^<]+ <[^@]+@example"), 'to match "[^<]+', "the whole", 3),
    (REVIEWED, asking(value="<a@example.org>"), "to match", "the whole", 3),
    (REVIEWED, asking(value="x|A <a@example\\.org>|y"), "", "", 0),
    ("x\n\nReviewed-by: A\n <a@example.org>\n", asking(min=1, value="A <a@example\\.org>"), "", "", 0),
    ("x\n", asking(value="a+"), "", "", 0),
    ("x\n\nReviewed-by: " + "a" * 5000, asking(value="a+"), "more than is matched", "", 3),
]


@pytest.mark.parametrize(("text", "policy", "words", "hint", "line"), TRAILERS)
def test_trailers(text: str, policy: MessagesPolicy, words: str, hint: str, line: int) -> None:
    found = one(text, policy)
    if not words:
        assert found is None, found and found.message
        return
    assert found is not None
    assert found.rule == "message-trailer"
    assert words in found.message
    assert hint in found.hint
    assert found.line == line


def test_the_caret_is_under_the_value() -> None:
    found = one("x\n\nA: 1\nReviewed-by :  nobody\n", asking(value="A.*"))
    assert found is not None
    assert found.text is not None
    assert found.text[found.column - 1 : found.column - 1 + found.width] == "nobody"


def test_several_rules_are_each_asked() -> None:
    policy = MessagesPolicy(trailers=(TrailerPolicy("A", 1), TrailerPolicy("B", 1)), sign_off="exact")
    found = problems("x\n", MessageFacts(people=people()), policy)
    assert [each.rule for each in found] == ["message-trailer", "message-trailer", "message-sign-off"]


# --- sign-off

MAILMAP = b"""\
# people
Alice Example <alice@example.org> <alice@old.example>
<alice@example.org> <al@home.example>
Bob Example <bob@example.org> Bobby <shared@example.org>
"""
LEVELS = ("exact", "email", "mailmap", "committer")
SIGN_OFFS: list[tuple[str, tuple[str, str], tuple[str, str], str]] = [
    # value of the sign-off, author, committer, the strictest level that accepts it ("" none)
    ("Alice Example <alice@example.org>", ALICE, ALICE, "exact"),
    ("alice example <alice@example.org>", ALICE, ALICE, "email"),
    ("Alice Example <Alice@Example.org>", ALICE, ALICE, "email"),
    ("Alice <alice@example.org>", ALICE, ALICE, "email"),
    ("Alice Example <alice@old.example>", ALICE, ALICE, "mailmap"),
    ("Alice Example <AL@home.example>", ALICE, ALICE, "mailmap"),
    ("Bobby <shared@example.org>", BOB, BOB, "mailmap"),
    ("Somebody <shared@example.org>", BOB, BOB, ""),
    ("Alice Example <alice@people.example>", ALICE, ALICE, "mailmap"),
    ("Bob Example <bob@example.org>", ALICE, BOB, "committer"),
    ("Bob Example <bob@example.org>", ALICE, ALICE, ""),
    ("Alice Example", ALICE, ALICE, ""),
    ("alice@example.org", ALICE, ALICE, ""),
    ("Alice Example <alice@example.org> (approved)", ALICE, ALICE, ""),
    ("Alice Example <alice@example.org.evil>", ALICE, ALICE, ""),
    ("Alice <\u212aate@example.org>", ("K", "kate@example.org"), ALICE, ""),
    ("A <12345+alice@users.noreply.github.com>", ("A", "alice@users.noreply.github.com"), ALICE, "email"),
    ("A <x+alice@users.noreply.github.com>", ("A", "alice@users.noreply.github.com"), ALICE, ""),
    ("A <1+alice@example.com>", ("A", "alice@example.com"), ALICE, ""),
]


@pytest.mark.parametrize(("value", "author", "committer", "strictest"), SIGN_OFFS)
@pytest.mark.parametrize("level", LEVELS)
def test_sign_off(value: str, author: tuple[str, str], committer: tuple[str, str], strictest: str, level: str) -> None:
    mailmap = Mailmap()
    mailmap.add(MAILMAP)
    mailmap.person(("alice@example.org", "alice@people.example"))
    found = one(f"x\n\nSigned-off-by: {value}\n", MessagesPolicy(sign_off=level), people(author, committer, mailmap))  # type: ignore[arg-type]
    good = bool(strictest) and LEVELS.index(level) >= LEVELS.index(strictest)
    assert (found is None) is good, found and found.message
    if found is not None:
        assert found.rule == "message-sign-off"
        assert f"by the author, {author[0]} <{author[1]}>" in found.message
        assert "Signed-off-by: " in found.hint


@pytest.mark.parametrize(("text", "hint"), [
    ("x\n", "commit with -s"),
    (f"x\n{SIGNED}\n", "into the last paragraph"),
    (f"x\n\n{SIGNED}\n\nprose\n", "into the last paragraph"),
    (f"x\n\nprose {SIGNED}\n", "commit with -s"),
])
def test_a_sign_off_that_is_no_trailer(text: str, hint: str) -> None:
    found = one(text, MessagesPolicy(sign_off="exact"))
    assert found is not None
    assert found.rule == "message-sign-off"
    assert found.message.endswith("got none")
    assert hint in found.hint


def test_any_of_several_sign_offs_will_do() -> None:
    text = f"x\n\nSigned-off-by: Bob Example <bob@example.org>\n{SIGNED}\nsigned-off-by: C <c@example.org>\n"
    assert one(text, MessagesPolicy(sign_off="exact")) is None


def test_an_unknown_author_is_not_decided() -> None:
    policy = MessagesPolicy(sign_off="email")
    assert [each.status for each in judge(f"x\n\n{SIGNED}\n", MessageFacts(), policy, ABOUT)] == [UNKNOWN]
    assert [each.status for each in judge("x\n", MessageFacts(), policy, ABOUT)] == [FAIL]


def test_identities() -> None:
    assert identity_of("A B <a@b>") == ("A B", "a@b")
    assert identity_of("<a@b>") == ("", "a@b")
    for text in ("", "A", "A <>", "A < >", "A <a@b", "A <a@b> x", "A <a<b>", "A <a>b>"):
        assert identity_of(text) is None
    assert folded("A@B") == "a@b"


# --- tickets: lists, trailers

LISTS = MessagesPolicy(tickets=("JIRA", "OPS"), tickets_max=3)


@pytest.mark.parametrize("text", [
    "JIRA-1: x", "JIRA-1, OPS-2: x", "JIRA-1,JIRA-2,OPS-3: x", "JIRA-1, JIRA-1: x", "JIRA-1, OPS-2: and JIRA-9, JIRA-10",
])
def test_ticket_lists(text: str) -> None:
    assert one(text, LISTS) is None


@pytest.mark.parametrize(("text", "suggestion"), [
    ("JIRA-1, OPS-2, JIRA-3, JIRA-4: x", "JIRA-1, OPS-2, JIRA-3: JIRA-4: x"),
    ("JIRA-1 OPS-2: x", "JIRA-1, OPS-2: x"),
    ("jira-1, ops-2 fix", "JIRA-1, OPS-2: fix"),
    ("JIRA-1,  OPS-2: x", "JIRA-1, OPS-2: x"),
    ("JIRA-1, OTHER-2: x", "JIRA-1: OTHER-2: x"),
    ("JIRA-1,: x", "JIRA-1: x"),
    ("JIRA-1, OPS-2: ", ""),
])
def test_ticket_lists_that_are_none(text: str, suggestion: str) -> None:
    found = one(text, LISTS)
    assert found is not None
    assert found.rule == "message-ticket"
    if suggestion:
        assert found.hint == f'did you mean "{suggestion}"?'


def test_without_lists_a_second_ticket_is_no_ticket() -> None:
    found = one("JIRA-1, JIRA-2: x", LISTS._replace(tickets_max=1))
    assert found is not None
    assert 'got ", J" after the ticket' in found.message


def test_a_separator_with_a_comma() -> None:
    policy = LISTS._replace(separator=", ")
    assert one("JIRA-1, OPS-2 is done", policy) is None
    assert one("JIRA-1, OPS-2, is done", policy) is None


IN_TRAILER = MessagesPolicy(tickets=("JIRA", "OPS"), ticket_where="trailer:Ticket", tickets_max=2)
IN_TRAILERS: list[tuple[str, str, str]] = [
    ("x\n\nTicket: JIRA-1\n", "", ""),
    ("x\n\nticket: JIRA-1, OPS-2\n", "", ""),
    ("x\n\nTicket: JIRA-1\nTicket: OPS-2\n", "", ""),
    ("JIRA-1: x\n", "trailer Ticket with JIRA-NUMBER or OPS-NUMBER, got none", '"Ticket: JIRA-123"'),
    ("x\n\nTicket: JIRA-1\n\nprose\n", "got none", "into the last paragraph"),
    ("x\n\nTicket: jira-1\n", "and nothing else in Ticket", '"Ticket: JIRA-1"?'),
    ("x\n\nTicket: JIRA-1 and OPS 2\n", "and nothing else", '"Ticket: JIRA-1, OPS-2"?'),
    ("x\n\nTicket: JIRA-1\nTicket: none\n", "and nothing else", '"Ticket: JIRA-123"'),
    ("x\n\nTicket: JIRA-1: text\n", "and nothing else", '"Ticket: JIRA-1"?'),
    ("x\n\nTicket:\n", "and nothing else", '"Ticket: JIRA-123"'),
]


@pytest.mark.parametrize(("text", "words", "hint"), IN_TRAILERS)
def test_tickets_in_trailers(text: str, words: str, hint: str) -> None:
    found = one(text, IN_TRAILER)
    if not words:
        assert found is None
        return
    assert found is not None
    assert found.rule == "message-ticket"
    assert words in found.message
    assert hint in found.hint


def test_a_confusable_ticket_in_a_trailer() -> None:
    found = problems("x\n\nTicket: \u0408IRA-1\n", MessageFacts(), IN_TRAILER)
    assert [each.rule for each in found] == ["message-characters", "message-ticket"]


# --- conventional commits

USUAL = MessagesPolicy(conventional=ConventionalPolicy())
SCOPED = MessagesPolicy(conventional=ConventionalPolicy(("feat", "fix"), ("api", "the cli")))


@pytest.mark.parametrize(("text", "policy"), [
    ("feat: x", USUAL), ("fix(parser): x", USUAL), ("feat!: x", USUAL), ("feat(api)!: x", SCOPED), ("fix(the cli): x", SCOPED),
    ("feat: x", SCOPED), ("chore(a/b-c): x", USUAL), ("feat:  x", USUAL),
    ("JIRA-1: feat: x", USUAL._replace(tickets=("JIRA",))),
    ("feat: x\n\nTicket: JIRA-1\n", IN_TRAILER._replace(conventional=ConventionalPolicy())),
    ("fixup! feat: x", USUAL._replace(allow_fixup=True)),
])
def test_conventional(text: str, policy: MessagesPolicy) -> None:
    assert one(text, policy) is None


@pytest.mark.parametrize(("text", "policy", "words", "hint"), [
    ("add x", USUAL, 'expected build, chore, ci', 'for example, "build: what changes"'),
    ("Feat: x", USUAL, "expected build", 'mean "feat: x"?'),
    ("feature(api): x", USUAL, "expected build", 'mean "feat(api): x"?'),
    ("docs : x", USUAL, 'expected ": " after "docs", got " :"', 'mean "docs: x"?'),
    ("fix:x", USUAL, 'expected ": " after "fix", got ":x"', 'mean "fix: x"?'),
    ("fix - x", USUAL, 'expected ": " after "fix"', 'mean "fix: x"?'),
    ("fix the build", USUAL, 'expected ": " after "fix"', 'mean "fix: the build"?'),
    ("fix: ", USUAL, 'expected ": " after "fix", got ":"', "for example"),
    ("fix: \u2800x".removesuffix("x"), USUAL, "a description", "for example"),
    ("fix(): x", USUAL, "got empty parentheses", 'mean "fix: x"?'),
    ("fix(a: x", USUAL, "got no closing parenthesis", "for example"),
    ("fix[api]: x", USUAL, "expected build", 'mean "fix(api): x"?'),
    ("fix(apo): x", SCOPED, "expected the scope api or the cli", 'mean "fix(api): x"?'),
    ("fix(other): x", SCOPED, "expected the scope", 'mean "fix: x"?'),
    ("docs: x", SCOPED, "expected feat or fix at", "for example"),
    ("\uff46\uff49\uff58: x", USUAL, "expected build", 'mean "fix: x"?'),
])
def test_not_conventional(text: str, policy: MessagesPolicy, words: str, hint: str) -> None:
    found = [each for each in problems(text, MessageFacts(), policy) if each.rule != "message-characters"]
    assert [each.rule for each in found] == ["message-pattern"]
    assert words in found[0].message
    assert hint in found[0].hint


def test_after_a_ticket_the_caret_is_where_the_type_should_stand() -> None:
    found = one("JIRA-1: add x", USUAL._replace(tickets=("JIRA",)))
    assert found is not None
    assert (found.column, found.width) == (9, 3)
    assert nearest("jira-1 Feature: x", USUAL._replace(tickets=("JIRA",))) == "JIRA-1: feat: x"


# --- whatever is written

LINES = st.sampled_from([
    "", "x", "JIRA-1: feat(api)!: x", "feat: x", SIGNED, "Signed-off-by: B <b@b>", "Reviewed-by: A <a@a>", "Reviewed-by:",
    " folded", "Ticket: JIRA-1", "Ticket: JIRA-1, OPS-2", "ticket: jira-1", "# c", "Reviewd-by: x", "fixup! x", "\ufeff",
    "a" * 60, "JIRA-1,",
])  # fmt: skip
EVERYTHING = MessagesPolicy(
    tickets=("JIRA", "OPS"), tickets_max=2, conventional=ConventionalPolicy(scopes=("api",)), sign_off="committer",
    trailers=(TrailerPolicy("Reviewed-by", 1, 2, "[^<]+<[^>]+>", duplicates=False), TrailerPolicy("X", max=0)), subject_max=40,
)
POLICIES = st.sampled_from([EVERYTHING, EVERYTHING._replace(ticket_where="trailer:Ticket"), LISTS, IN_TRAILER, USUAL])


@given(st.one_of(st.lists(LINES, max_size=9).map("\n".join), st.text()), POLICIES)
def test_places_are_in_the_text(text: str, policy: MessagesPolicy) -> None:
    for each in problems(text, MessageFacts(people=people()), policy):
        assert each.hint
        assert "\n" not in each.message + each.hint
        if each.text is not None and each.line and text:
            assert each.text in text.split("\n")[each.line - 1]
            assert 1 <= each.column <= len(each.text) + 1
            assert each.width >= 1


@given(st.text(), st.sampled_from([LISTS, EVERYTHING, USUAL._replace(tickets=("JIRA",))]))
def test_what_is_suggested_passes(text: str, policy: MessagesPolicy) -> None:
    suggestion = nearest(f"jira-12 {text}", policy)
    if suggestion:
        subject_alone = policy._replace(sign_off="off", trailers=(), subject_max=None)
        found = problems(suggestion, MessageFacts(people=people()), subject_alone)
        assert [each.message for each in found] == []


def test_a_merge_is_skipped() -> None:
    found = judge("Merge\n", MessageFacts(parents=2, people=people()), EVERYTHING, ABOUT)
    assert [(each.rule, each.status) for each in found] == [(VERIFIED, SKIP)]
    found = judge("JIRA-1: feat: x\n\nReviewed-by: B <b@b>\n" + SIGNED, MessageFacts(people=people()), EVERYTHING, ABOUT)
    assert [each.status for each in found] == [PASS]


def test_what_is_cut_off_breaks_every_rule_that_could_not_be_asked() -> None:
    policy = EVERYTHING._replace(ticket_where="trailer:Ticket")
    text = "feat: x\n\n" + "y\n" * (MESSAGE_JUDGED_MAX // 2) + "\nTicket: JIRA-1\nReviewed-by: A <a@a>\n" + SIGNED
    rules = {each.rule for each in problems(text, MessageFacts(people=people()), policy)}
    assert {"message-ticket", "message-trailer", "message-sign-off"} <= rules


HEAVY = {
    "trailers": "JIRA-1: feat: x\n\n" + "Reviewed-by: A <a@b>\n" * 45_000,
    "distinct trailers": "JIRA-1: feat: x\n\n" + "".join(f"Reviewed-by: A <{n}@b>\n" for n in range(40_000)),
    "sign-offs": "JIRA-1: feat: x\n\n" + "Signed-off-by: A <a@b>\n" * 40_000,
    "long value": "JIRA-1: feat: x\n\nReviewed-by: " + "a" * 1_000_000,
    "long key": "JIRA-1: feat: x\n\n" + "a" * 1_000_000 + ": x",
    "many keys": "JIRA-1: feat: x\n\n" + "".join(f"Reviewed-b{n}: x\n" for n in range(50_000)),
    "tickets": "JIRA-1," * 140_000,
    "type": "a" * 1_000_000,
    "scope": "feat(" + "(" * 1_000_000,
    "blanks": "feat" + " " * 1_000_000 + "x",
    "folded": "JIRA-1: feat: x\n\nReviewed-by: a\n" + " b\n" * 300_000,
    "ticket trailer": "feat: x\n\nTicket: " + "JIRA-1 " * 140_000,
}


@pytest.mark.parametrize("text", HEAVY.values(), ids=HEAVY)
@pytest.mark.parametrize("where", ["subject", "trailer:Ticket"])
def test_time_is_bounded(text: str, where: str) -> None:
    asked = (TrailerPolicy("Reviewed-by", 1, None, "((a|b|<|>|@| )*)*[0-9]*c?"), TrailerPolicy("Ticket", 1, None, "(x*)*y"))
    policy = EVERYTHING._replace(trailers=asked, ticket_where=where)
    start = time.process_time()
    problems(text, MessageFacts(people=people()), policy)
    assert time.process_time() - start < 10


def test_no_more_values_are_matched_than_the_budget_says() -> None:
    text = "x\n\n" + "A: a\n" * (JUDGED_MAX + 1)
    found = one(text, MessagesPolicy(trailers=(TrailerPolicy("A", value="a"),)))
    assert found is not None
    assert "more than is matched" in found.message
    assert line_at(text, text.rindex("A"))[0][0] == found.line
    assert messages.matches("^a$", "a")
