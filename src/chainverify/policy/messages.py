"""`[messages]`: what a commit message must look like, and what `[[refs]]` may ask otherwise of what lands on a ref."""

from __future__ import annotations

from typing import Any, Final

from chainverify.errors import Malformed, PolicyError
from chainverify.policy import paths
from chainverify.policy.commits import FILE, OBJECT_ID
from chainverify.policy.fields import (
    PLAIN,
    Choice,
    Field,
    Flag,
    ListOf,
    Named,
    Number,
    Section,
    Switch,
    Table,
    Text,
    into,
)
from chainverify.policy.model import ConventionalPolicy, MessagesPolicy, RefPolicy, TrailerPolicy

LENGTH: Final = Number(1, 100_000)
COUNT: Final = Number(0, 100)
TICKETS_MAX: Final = 20
SKIP_OR_JUDGE: Final = Choice(("skip", "judge"))
TRAILER_NAME: Final = "[A-Za-z0-9-]+"
_PROJECT: Final = Text(r"[A-Za-z][A-Za-z0-9_]*", 'a project key such as "JIRA", without number')


def _compiles(pattern: str, key: str, shown: str, what: str) -> None:
    """Raise `PolicyError` where a pattern is not supported, or can never match a text of one line."""
    from chainverify.formats.pattern import compile_pattern

    try:
        compiled = compile_pattern(pattern)
    except Malformed as error:
        raise PolicyError(error.message, key=key, hint=error.hint) from error
    if not compiled.can_match():
        raise PolicyError(f"pattern {shown!r} can never match {what}", key=key,
                          hint=f"^ matches only at the start of {what}, $ only at its end; it is one line")


def check(value: MessagesPolicy, _: Table, path: str) -> None:
    """What must hold between the keys of `[messages]` at `path`, for a ref's own rules too. Raises `PolicyError`."""
    if value.pattern is not None:
        _compiles(value.pattern, paths.join(path, "pattern"), value.pattern, "a subject")
    if not value.tickets and value.ticket_where != "subject":
        raise PolicyError("says where tickets stand, and no tickets are asked for", key=paths.join(path, "ticket-where"),
                          hint='name the project keys: tickets = ["JIRA"]')
    if not value.tickets and value.tickets_max > 1:
        raise PolicyError("says how many tickets may stand together, and none are asked for",
                          key=paths.join(path, "tickets-max"), hint='name the project keys: tickets = ["JIRA"]')
    if value.mailmap and value.sign_off not in ("mailmap", "committer"):
        raise PolicyError(f'has no meaning under sign-off = "{value.sign_off}"', key=paths.join(path, "mailmap"),
                          hint='write sign-off = "mailmap" or "committer"')


def _check_trailer(value: TrailerPolicy, _: Table, path: str) -> None:
    if value.value is not None:
        from chainverify.formats.pattern import whole

        _compiles(value.value, paths.join(path, "value"), value.value, "a value")
        _compiles(whole(value.value), paths.join(path, "value"), value.value, "a value")
    if value.max is not None and value.max < value.min:
        raise PolicyError(f"at most {value.max} are fewer than at least {value.min}", key=paths.join(path, "max"),
                          hint="min may not be above max")
    if not value.min and value.max is None and value.value is None and value.duplicates:
        raise PolicyError("asks for nothing", key=path, hint=f"say how many there must be: {value.name} = {{ min = 1 }}")


CONVENTIONAL: Final = Section(
    "[messages] conventional",
    (
        Field(
            "types", ListOf(Text("[A-Za-z][A-Za-z0-9_-]*", 'a type such as "feat"'), least=1),
            "the types that may stand, in this spelling",
        ),
        Field(
            "scopes", ListOf(Text(r"[^\u0000-\u001f\u007f-\u009f()]+", "a scope without parentheses"), least=1),
            "the scopes that may stand; default: any, and none",
        ),
    ),
    into(ConventionalPolicy),
    doc="Conventional Commits 1.0: `type(scope)!: description`. Under `tickets` in the subject it is what follows the ticket.",
)

TRAILER: Final = Section(
    "[messages] trailers",
    (
        Field("min", COUNT, "the fewest distinct values; an address counts once, in whatever case"),
        Field("max", COUNT, "the most trailers of this name; 0 forbids it; default: any number"),
        Field("value", Text(PLAIN, "a pattern on one line"), "a linear-time pattern that the whole of every value must match"),
        Field("duplicates", Flag(), "whether a value may stand twice"),
    ),
    into(TrailerPolicy),
    _check_trailer,
    doc="What is asked of a trailer, by its name (`Reviewed-by`, in any case); git says what is a trailer.",
)

_TICKETS: Final = "project keys; each ticket is one, a hyphen and a number"
_OVERRIDABLE: Final = (
    Field("ticket-where", Text(f"subject|trailer:{TRAILER_NAME}", '"subject" or "trailer:NAME"'),
          "where the ticket stands: at the start of the subject, before the separator and text, or as the value of a trailer"),
    Field(
        "tickets-max", Number(1, TICKETS_MAX),
        "the most tickets in one place, with a comma between them: `JIRA-1, JIRA-2: text`",
    ),
    Field("separator", Text(PLAIN), "what stands between ticket and text"),
    Field(
        "pattern", Text(PLAIN, "a pattern on one line"),
        "a linear-time pattern searched in the subject; with tickets both must hold",
    ),
    Field("conventional", Switch(CONVENTIONAL), "whether, and how, the subject follows Conventional Commits"),
    Field("subject-max", LENGTH, "the most characters of a subject"),
    Field("body-line-max", LENGTH, "the most characters of a line of the body"),
    Field("trailers", Named(TRAILER, TRAILER_NAME, "the name of a trailer: letters, digits and hyphens"),
          "what is asked of trailers, by their names"),
    Field(
        "sign-off", Choice(("off", "exact", "email", "mailmap", "committer")),
        "whose Signed-off-by trailer must be there, ever wider: exact, the author's name and address as they are; email, the "
        "author's address; mailmap, an address that the policy's people or `mailmap` give to the author; committer, also the "
        "committer's",
    ),
    Field("merges", SKIP_OR_JUDGE, "whether merges, told by their parents, are judged"),
    Field("reverts", SKIP_OR_JUDGE, "whether reverts that are proved are judged"),
    Field("allow-fixup", Flag(), "whether fixup!, squash! and amend! may stay"),
)  # fmt: skip

MESSAGES: Final = Section(
    "[messages]",
    (
        Field("introduction", OBJECT_ID, "messages of commits after this one are judged; without it: of all commits"),
        Field("tickets", ListOf(_PROJECT, least=1), _TICKETS),
        *_OVERRIDABLE,
        Field(
            "mailmap", ListOf(FILE),
            "files in git's mailmap format: they say which addresses are one person's, and no file of the commits does",
        ),
        Field("insert-ticket", Flag(), "whether prepare-commit-msg inserts the branch's ticket"),
    ),
    into(MessagesPolicy),
    check,
    observable=True,
    doc="What is asked of commit messages. Absent: no message is judged.",
)


def _pairs(values: dict[str, Any]) -> tuple[tuple[str, object], ...] | None:
    """An empty table says nothing, as an absent one."""
    return tuple((key.replace("-", "_"), value) for key, value in values.items()) or None


OVERRIDES: Final = Section(
    "[refs.messages]",
    (Field("tickets", ListOf(_PROJECT), f"{_TICKETS}; [] asks for none"), *_OVERRIDABLE),
    _pairs,
    doc="Keys that stand here take the place of those of `[messages]`. Of several stanzas with `messages` that match a ref, each "
    "makes rules of its own, and a message must follow all of them.",
)


def overridden(base: MessagesPolicy, ref: RefPolicy) -> MessagesPolicy:
    """The rules of a stanza that has `messages`: those of `[messages]` with its own in their place."""
    named: dict[str, Any] = dict(ref.messages or ())
    # what only serves a rule that the stanza switches off goes with it
    if not named.get("tickets", base.tickets):
        named = {"ticket_where": "subject", "tickets_max": 1, **named}
    if named.get("sign_off", base.sign_off) not in ("mailmap", "committer"):
        named = {"mailmap": (), **named}
    return base._replace(**named)
