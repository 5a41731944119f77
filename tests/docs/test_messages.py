"""The tables of docs/messages.md: what each policy says of each message."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chainverify.formats.mailmap import Mailmap
from chainverify.jobs import messages as job
from chainverify.model.report import FAIL, VERIFIED
from chainverify.policy.load import parse
from chainverify.rules import messages as rules
from chainverify.rules import sign_off, trailers
from chainverify.rules.refs import message_rules
from chainverify.rules.sign_off import People

PAGE = (Path(__file__).parent.parent.parent / "docs" / "messages.md").read_text()
MAILMAP = b"Alice Example <alice@example.org> <alice@old.example>\n"
ALICE = ("Alice Example", "alice@example.org")


def rows() -> list[tuple[str, str, str]]:
    """Policy, message and verdict of each row."""
    found = []
    for policy, rest in re.findall(r"```toml\n(version = 1\n.*?)```\n(.*?)(?=```toml|\Z)", PAGE, re.DOTALL):
        table = re.search(r"\| message \| verdict \|\n\| --- \| --- \|\n((?:\|.*\n)+)", rest)
        for row in table[1].splitlines() if table else ():
            message, _, verdict = row.removeprefix("| `").removesuffix(" |").partition("` | ")
            found.append((policy, message.replace("\\n", "\n"), verdict))
    return found


ROWS = rows()


def test_there_are_many() -> None:
    assert len(ROWS) == len(re.findall(r"^\| `.*\| (?:good|`message-)", PAGE, re.MULTILINE)) > 30
    assert MAILMAP.decode().strip() in PAGE


@pytest.mark.parametrize(("policy", "message", "verdict"), ROWS, ids=[message for _, message, _ in ROWS])
def test_rows(policy: str, message: str, verdict: str) -> None:
    parsed = parse(policy.encode(), "docs/messages.md")
    assert parsed.messages is not None
    mailmap: Mailmap | None = job.mailmap(parsed, lambda _: MAILMAP)
    found = job.judge_file(message.encode(), parsed.messages, people=People(ALICE, ALICE, mailmap.mapped if mailmap else None))
    broken = sorted({each.rule for each in found if each.rule != VERIFIED})
    assert broken == sorted(re.findall(r"`(message-[a-z-]+)`", verdict)), [each.message for each in found]
    assert all(each.status == FAIL for each in found if each.rule != VERIFIED)
    _, colon, words = verdict.partition(": ")
    if colon:
        assert any(words in each.hint for each in found), [each.hint for each in found]


def test_the_refs_of_the_page() -> None:
    (text,) = [policy for policy in re.findall(r"```toml\n(version = 1\n.*?)```", PAGE, re.DOTALL) if "[[refs]]" in policy]
    policy = parse(text.encode(), "docs/messages.md")
    (wip,), (release,), (main,) = (message_rules(f"refs/heads/{name}", policy) for name in ("wip/a", "release/1", "main"))
    assert main == policy.messages
    assert (wip.tickets, wip.allow_fixup, wip.sign_off) == ((), True, "off")
    assert (release.tickets, release.allow_fixup, release.sign_off) == (("JIRA",), False, "email")


def test_the_limits_of_the_page() -> None:
    for limit in (rules.MESSAGE_JUDGED_MAX, rules.SUBJECT_JUDGED_MAX, trailers.VALUE_JUDGED_MAX, trailers.JUDGED_MAX):
        assert f"{limit:,}" in PAGE
    levels = re.findall(r'^\| `"([a-z]+)"` \|', PAGE, re.MULTILINE)
    assert levels == ["exact", "email", "mailmap", "committer"]
    assert sign_off.RULE in PAGE
