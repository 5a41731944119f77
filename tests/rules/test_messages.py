"""The message rules: every vector names the rules that must be broken, and the form that is suggested."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainverify.model.report import FAIL, PASS, SKIP, VERIFIED, Subject
from chainverify.policy.model import MessagesPolicy
from chainverify.rules import messages
from chainverify.rules.messages import MessageFacts, claimed_revert, judge, without_fixups
from chainverify.rules.nearest import nearest

TICKETS = MessagesPolicy(tickets=("JIRA", "FEATURE"))
PATTERN = MessagesPolicy(pattern="^(JIRA-[0-9]+|FEATURE-[0-9]+): .+")
STRICT = TICKETS._replace(subject_max=30, body_line_max=20)
ABOUT = Subject("message", "COMMIT_EDITMSG")

T, P, S, B, C = "message-ticket", "message-pattern", "message-subject", "message-body", "message-characters"
SCISSORS = "# ------------------------ >8 ------------------------"
ESC = "\x1b"


def broken(text: str, policy: MessagesPolicy = TICKETS, facts: MessageFacts | None = None) -> list[str]:
    found = judge(text, facts or MessageFacts(), policy, ABOUT)
    if [each.rule for each in found] == [VERIFIED]:
        assert found[0].status in (PASS, SKIP)
        return [] if found[0].status == PASS else [SKIP]
    assert all(each.status == FAIL and each.hint and each.location for each in found)
    return [each.rule for each in found]


GOOD = [
    "JIRA-1: x", "FEATURE-123456: add the parser\n\nbody", "\n\nJIRA-1: x\n", "JIRA-1: x\r\n\r\nbody\r\n",
    "JIRA-1: caf\u00e9 \u65e5\u672c",
    "JIRA-1: \u2728", "JIRA-1: \u2b06\ufe0f", "JIRA-1: \u2b06\ufe0f x", "JIRA-1: 1\ufe0f\u20e3 x",
    "JIRA-1: x\n# not a comment once it is stored", "JIRA-01: x", "JIRA-1:  two blanks", "JIRA-1: x\nfolded",
]  # fmt: skip

EVASIONS = {
    "comment as subject": "# EVIL\nJIRA-1: good",
    "merge in words": "Merge branch 'x'",
    "merge in other words": "Merge whatever I like",
    "revert in words": 'Revert "x" without ticket',
    "version": "1.2.3",
    "automatic merge": "Automatic merge of evil",
    "auto-merged": "Auto-merged a into b",
    "pull request": "Pull request evil",
    "scissors first": f"{SCISSORS}\nJIRA-1: good",
    "ticket in the body": "fix\n\nJIRA-1: x",
    "ticket on the second line": "fix\nJIRA-1: x",
    "lower case": "jira-1: x",
    "no number": "JIRA-: x",
    "no separator": "JIRA-1 x",
    "half a separator": "JIRA-1:x",
    "no text": "JIRA-1: ",
    "no text but a body": "JIRA-1:\n\nbody",
    "leading blank": " JIRA-1: x",
    "other project": "OTHER-1: x",
    "longer key": "XJIRA-1: x",
    "key is a start": "JIRAX-1: x",
    "ticket later": "x JIRA-1: y",
    "bracketed": "[JIRA-1] x",
    "carriage return before": "evil\rJIRA-1: x",
    "vertical tab before": "evil\vJIRA-1: x",
    "next line before": "evil\u0085JIRA-1: x",
    "line separator before": "evil\u2028JIRA-1: x",
    "cyrillic": "\u0408IRA-1: x",
    "full width": "\uff2aIRA-1: x",
    "arabic digits": "JIRA-\u0661: x",
    "superscript digit": "JIRA-\u00b2: x",
    "en dash": "JIRA\u20131: x",
    "full-width colon": "JIRA-1\uff1ax",
    "zero width inside": "JI\u200bRA-1: x",
    "zero width before": "\ufeffJIRA-1: x",
}

UNSEEN = {
    "combining mark": "JIRA-1: \u0301",
    "variation selector": "JIRA-1: \ufe0f",
    "no-break space": "JIRA-1: \u00a0",
    "empty braille cell": "JIRA-1: \u2800",
}
"""What a pattern such as `.+` is content with is no text after the ticket."""


@pytest.mark.parametrize("text", GOOD)
@pytest.mark.parametrize("policy", [TICKETS, PATTERN, TICKETS._replace(pattern=PATTERN.pattern)])
def test_good(text: str, policy: MessagesPolicy) -> None:
    assert broken(text, policy) == []


@pytest.mark.parametrize("text", EVASIONS.values(), ids=EVASIONS)
def test_evasions(text: str) -> None:
    assert T in broken(text)
    assert P in broken(text, PATTERN)


@pytest.mark.parametrize("text", UNSEEN.values(), ids=UNSEEN)
def test_text_after_the_ticket_can_be_seen(text: str) -> None:
    assert T in broken(text)
    assert T not in broken(text + "x")


CHARACTERS = {
    "terminal sequence": f"JIRA-1: x{ESC}[2K\ry",
    "bidi": "JIRA-1: x\u202ey",
    "isolate": "JIRA-1: x\u2066y",
    "zero width": "JIRA-1: x\u200by",
    "lone cr": "JIRA-1: x\ry",
    "cr at the end": "JIRA-1: x\r",
    "c1": "JIRA-1: x\x9b1m",
    "in the body": f"JIRA-1: x\n\nbody{ESC}[1m",
    "nul": "JIRA-1: x\0y",
    "hidden bytes": "JIRA-1: x\U000e0101\U000e0102",
    "variation selector after a letter": "JIRA-1: x\ufe0f",
    "two after an emoji": "JIRA-1: \u2b06\ufe0f\ufe0f",
    "vowel that shows nothing": "JIRA-1: x\u17b4",
    "beam of music": "JIRA-1: x\U0001d173",
}


@pytest.mark.parametrize("text", CHARACTERS.values(), ids=CHARACTERS)
@pytest.mark.parametrize("policy", [TICKETS, PATTERN, MessagesPolicy()])
def test_characters(text: str, policy: MessagesPolicy) -> None:
    assert broken(text, policy) == [C]


def test_lookalikes_are_told_as_such() -> None:
    found = judge("\u0408IRA-1: x", MessageFacts(), TICKETS, ABOUT)
    assert [each.rule for each in found] == [C, T]
    assert 'U+0408, which only looks like "J"' in found[0].message
    assert found[0].location is not None
    assert found[0].location.column == 1


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("JIRA-1: " + "x" * 22, []),
        ("JIRA-1: " + "x" * 23, [S]),
        ("JIRA-1: xxxxxxxxxxxx\nfolded here", [S]),
        ("JIRA-1: x\n\n" + "y" * 20, []),
        ("JIRA-1: x\n\n" + "y" * 20 + "\r\n", []),
        ("JIRA-1: x\n\n" + "y" * 21, [B]),
        ("JIRA-1: x\n\nhttps://example.org/a/long/address", [B]),
        ("JIRA-1: x\n\nSigned-off-by: Alice Example <alice@example.org>", [B]),
        ("JIRA-1: \u00e9" + "\u00e9" * 21, []),
        ("", [S, T]), (" \n\n", [S, T]), ("\n\t\n", [S, T]), ("\u00a0\n", [S, T]), ("\u0301\u0301", [S, T]),
        ("fixup! JIRA-1: x", [S]), ("squash! JIRA-1: x", [S]), ("amend! JIRA-1: x", [S]), ("fixup! fixup! JIRA-1: x", [S]),
        ("fixup! x", [S, T]), ("fixup!JIRA-1: x", [T]), ("Fixup! JIRA-1: x", [T]), ("fixup JIRA-1: x", [T]),
    ],
)  # fmt: skip
def test_lengths_and_fixups(text: str, rules: list[str]) -> None:
    assert broken(text, STRICT) == rules


def test_allowed_fixups_are_judged_without_their_prefix() -> None:
    policy = STRICT._replace(allow_fixup=True)
    assert broken("fixup! JIRA-1: " + "x" * 22, policy) == []
    assert broken("squash! fixup! JIRA-1: x", policy) == []
    assert broken("fixup! x", policy) == [T]
    assert broken("fixup! ", policy) == [T]
    assert without_fixups("amend! fixup! a") == ("a", "amend! fixup! ")


def test_merges_are_told_by_their_parents() -> None:
    text = "Merge branch 'x'"
    assert broken(text, facts=MessageFacts(2)) == [SKIP]
    assert broken(text, facts=MessageFacts(3)) == [SKIP]
    assert broken(text, facts=MessageFacts(1)) == [T]
    assert broken(text, facts=MessageFacts(0)) == [T]
    assert broken(text, TICKETS._replace(merges="judge"), MessageFacts(2)) == [T]
    # what hides is told, whoever says the words
    assert broken(text + "\u202e", facts=MessageFacts(2)) == [C]
    assert broken(text, facts=MessageFacts(2, encoding="byte 3 is not valid utf-8")) == ["message-encoding"]
    assert broken(text + "\x1b", facts=MessageFacts(revert=True)) == [C]
    (found,) = judge(text, MessageFacts(2), TICKETS, ABOUT)
    assert (found.rule, found.status, found.message) == (VERIFIED, SKIP, "not judged: a merge (a commit with 2 parents)")


def test_reverts_are_exempt_only_when_proved() -> None:
    text = 'Revert "x"\n\nThis reverts commit ' + "1" * 40 + "."
    assert broken(text) == [T]
    assert broken(text, facts=MessageFacts(revert=True)) == [SKIP]
    assert broken(text, TICKETS._replace(reverts="judge"), MessageFacts(revert=True)) == [T]


OID = "0123456789" * 4


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        (f'Revert "S"\n\nThis reverts commit {OID}.\n', (OID, "S")),
        (f'Revert "S"\n\nThis reverts commit {OID}, reversing\nchanges made to {OID}.\n', (OID, "S")),
        (f'Reapply "S"\n\nThis reverts commit {OID}.\n', (OID, 'Revert "S"')),
        (f'Revert "Revert "S""\n\nThis reverts commit {OID}.\n', (OID, 'Revert "S"')),
        (f'Revert "S"\n\nThis reverts commit {OID * 2}.', None),
        (f'Revert "S"\n\nThis reverts commit {"ab" * 32}.', ("ab" * 32, "S")),
        (f'Revert "S"\n\nThis reverts commit {OID[:12]}.', None),
        (f'Revert "S"\n\nThis reverts commit {OID.upper()}x.', None),
        (f'Revert "S"\n\nThis reverts commit {OID}', None),
        (f'Revert "S"\n\nThis reverts commit {OID}. And more', None),
        (f'Revert "S"\n\n  This reverts commit {OID}.', None),
        (f'Revert "S"\n\nThis reverts commit {OID}.\nThis reverts commit {OID}.', None),
        (f'Revert "S"\nThis reverts commit {OID}.', None),
        (f"Revert S\n\nThis reverts commit {OID}.", None),
        (f'Revert ""\n\nThis reverts commit {OID}.', None),
        (f'revert "S"\n\nThis reverts commit {OID}.', None),
        ('Revert "S"\n', None),
        ("", None),
    ],
)
def test_claims_of_reverts(text: str, claim: tuple[str, str] | None) -> None:
    assert claimed_revert(text) == claim


def test_encoding_is_a_finding_and_the_rest_is_judged() -> None:
    facts = MessageFacts(encoding="byte 3 is not valid utf-8")
    assert broken("JIRA-1: caf\ufffd", facts=facts) == ["message-encoding"]
    assert broken("caf\ufffd", facts=facts) == ["message-encoding", T]


SUGGESTIONS = [
    ("jira-12 - add x", "JIRA-12: add x"), ("JIRA-12 add x", "JIRA-12: add x"), ("JIRA 12: x", "JIRA-12: x"), ("[JIRA-12] x",
    "JIRA-12: x"),
    ("JIRA12 x", "JIRA-12: x"), ("JIRA_12: x", "JIRA-12: x"), ("(jira-12): x", "JIRA-12: x"), ("#JIRA-12 x", "JIRA-12: x"),
    ("JIRA-12:x", "JIRA-12: x"), ("JIRA-12, x", "JIRA-12: x"), ("JIRA-12\u2014x", "JIRA-12: x"), ("JRIA-12: x", "JIRA-12: x"),
    ("FEATUR-1: x", "FEATURE-1: x"), ("FEATURES-1: x", "FEATURE-1: x"), ("JURA-1: x", "JIRA-1: x"), ("  JIRA-1: x", "JIRA-1: x"),
    ("add x (JIRA-3)", "JIRA-3: add x"), ("add x JIRA-3", "JIRA-3: add x"), ("fix: JIRA-3 add x", "JIRA-3: fix add x"),
    ("JIRA-12 JIRA-12: x", "JIRA-12: x"), ("\u0408IRA-1: x", "JIRA-1: x"), ("JIRA\u20131: x", "JIRA-1: x"), ("Jira-7: Do it",
    "JIRA-7: Do it"),
    ("fix", ""), ("JIRA-12", ""), ("12: x", ""), ("OTHER-1: x", ""), ("JIRA-: x", ""), ("utf-8 is used", ""), ("", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "form"), SUGGESTIONS)
def test_nearest(text: str, form: str) -> None:
    assert nearest(text, TICKETS) == form
    if text:
        assert nearest(text, PATTERN._replace(separator=": ")) == form


@settings(deadline=None)
@given(
    st.text(max_size=40)
    | st.from_regex(r"[\[(# ]?[Jj][Ii]?[Rr][Aa][ _-]?[0-9]{0,3}[\])]?[ :-]{0,3}[a-z \u202e]{0,8}", fullmatch=True)
)
def test_a_suggestion_passes(text: str) -> None:
    form = nearest(text, STRICT)
    if form:
        assert T not in broken(form)
        assert C not in broken(form)


def test_places() -> None:
    (found,) = judge("\nJIRA-12 add x\n", MessageFacts(path="commit:1"), TICKETS, ABOUT)
    assert found.location is not None
    assert (found.location.path, found.location.line, found.location.column) == ("commit:1", 2, 8)
    assert found.location.excerpt is not None
    assert (found.location.excerpt.text, found.location.excerpt.column, found.location.excerpt.width) == ("JIRA-12 add x", 8, 2)
    assert found.hint == 'did you mean "JIRA-12: add x"?'
    (found,) = judge("JIRA-1: x\n\nok\n" + "y" * 25, MessageFacts(), STRICT, ABOUT)
    assert found.location is not None
    assert (found.location.line, found.location.column) == (4, 21)


@given(st.text(), st.sampled_from([TICKETS, PATTERN, STRICT, MessagesPolicy(), STRICT._replace(allow_fixup=True)]))
def test_places_are_in_the_text(text: str, policy: MessagesPolicy) -> None:
    for each in judge(text, MessageFacts(), policy, ABOUT):
        if each.location is not None and each.location.excerpt is not None:
            mark = each.location.excerpt
            assert 1 <= mark.column <= len(mark.text) + 1
            assert mark.width >= 1
            assert text.split("\n")[each.location.line - 1].startswith(mark.text)


def test_a_long_subject_fails_instead_of_costing_time() -> None:
    start = time.process_time()
    assert broken("a" * 1_000_000, PATTERN) == [S, P]
    assert broken("JIRA-1: " + "a" * messages.SUBJECT_JUDGED_MAX, TICKETS) == [S]
    assert time.process_time() - start < 3
    assert broken("fixup! " * 100_000, TICKETS) == [S, T, S]
    assert time.process_time() - start < 6


@pytest.mark.parametrize(
    "text", ["", " \n\n", "no ticket " + "x" * 5000, "no ticket\n" + "x\n" * 5000, "x" * 4097, "fixup! " * 700]
)
def test_no_rule_relies_on_another_one(text: str) -> None:
    """Each rule may be switched off alone: a subject that is empty or too long breaks those about its form as well."""
    both = TICKETS._replace(pattern=PATTERN.pattern, allow_fixup=True)
    assert {T, P} < set(broken(text, both))
    assert broken(text, MessagesPolicy(allow_fixup=True)) == [S]


def test_what_is_not_judged_of_a_long_subject_is_no_pass() -> None:
    good = "JIRA-1: " + "x" * messages.SUBJECT_JUDGED_MAX
    assert broken(good, PATTERN) == [S, P]
    assert broken(good + "\n\n" + "y" * 21, STRICT) == [S, B]
    assert broken(good.replace("xx", "x\n") + "\n\n" + "y" * 21, STRICT) == [S, B]
    assert broken("JIRA-1: " + "x" * (messages.SUBJECT_JUDGED_MAX - 8), PATTERN) == []


LARGE = messages.MESSAGE_JUDGED_MAX


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("JIRA-1: x\n\n" + "x\n" * ((LARGE - 11) // 2), []),
        ("JIRA-1: x\n\n" + "x\n" * LARGE, [C, B]),
        ("x\n\n" + "x\n" * LARGE, [C, B, T]),
        ("JIRA-1: x\n\n" + "x\n" * LARGE + "\u202e", [C, B]),
        ("JIRA-1: x\n" * LARGE, [C, B, S]),
        ("x\n" * LARGE, [C, B, T, S]),
        ("\n" * LARGE + "JIRA-1: x", [C, B, S, T]),
    ],
    ids=range(7),
)
def test_a_large_message_is_judged_in_part_and_fails(text: str, rules: list[str]) -> None:
    assert broken(text) == rules


def test_bytes_that_were_not_read_are_no_pass() -> None:
    assert broken("JIRA-1: x", facts=MessageFacts(unread=1)) == ["message-encoding", C, B]
    assert broken("Merge", facts=MessageFacts(2, unread=1)) == ["message-encoding", C]


def test_a_revert_in_a_large_message_is_no_claim() -> None:
    text = f'Revert "S"\n\nThis reverts commit {OID}.\n'
    assert claimed_revert(text + "x\n" * LARGE) is None
    assert claimed_revert('Revert "' + "x\n" * 5000 + f'"\n\nThis reverts commit {OID}.\n') is None
