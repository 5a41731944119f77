"""`[messages]`: what a commit message must look like."""

from __future__ import annotations

from typing import Final

from chainverify.errors import Malformed, PolicyError
from chainverify.policy import paths
from chainverify.policy.commits import OBJECT_ID
from chainverify.policy.fields import PLAIN, Choice, Field, Flag, ListOf, Number, Pending, Section, Table, Text, into
from chainverify.policy.model import MessagesPolicy

LENGTH: Final = Number(1, 100_000)
SKIP_OR_JUDGE: Final = Choice(("skip", "judge"))


def _check(value: MessagesPolicy, _: Table, path: str) -> None:
    if value.pattern is None:
        return
    from chainverify.formats.pattern import compile_pattern

    key = paths.join(path, "pattern")
    try:
        pattern = compile_pattern(value.pattern)
    except Malformed as error:
        raise PolicyError(error.message, key=key, hint=error.hint) from error
    if not pattern.can_match():
        raise PolicyError(f"pattern {value.pattern!r} can never match a subject", key=key,
                          hint="^ matches only at the start of the subject, $ only at its end; a subject is one line")


MESSAGES: Final = Section(
    "[messages]",
    (
        Field("introduction", OBJECT_ID, "messages of commits after this one are judged; without it: of all commits"),
        Field(
            "tickets", ListOf(Text(r"[A-Za-z][A-Za-z0-9_]*", 'a project key such as "JIRA", without number'), least=1),
            "project keys; a subject starts with one, a number, the separator, and text",
        ),
        Field("separator", Text(PLAIN), "what stands between ticket and text"),
        Field(
            "pattern", Text(PLAIN, "a pattern on one line"),
            "a linear-time pattern searched in the subject; with tickets both must hold",
        ),
        Field("subject-max", LENGTH, "the most characters of a subject"),
        Field("body-line-max", LENGTH, "the most characters of a line of the body"),
        Field("merges", SKIP_OR_JUDGE, "whether merges, told by their parents, are judged"),
        Field("reverts", SKIP_OR_JUDGE, "whether reverts that are proved are judged"),
        Field("allow-fixup", Flag(), "whether fixup!, squash! and amend! may stay"),
        Field("insert-ticket", Flag(), "whether prepare-commit-msg inserts the ticket that the branch is named after"),
        Field("ticket-where", Pending(("subject",)), "where the ticket stands"),
        Field("conventional", Pending((False,)), "Conventional Commits"),
        Field("trailers", Pending(({},)), "trailers that must be there"),
        Field("sign-off", Pending(("off",)), "whose Signed-off-by must be there"),
    ),
    into(MessagesPolicy),
    _check,
    observable=True,
    doc="What is asked of commit messages. Absent: no message is judged.",
)
