"""`[rules]`, and `[server]`, which only the server's own file may hold."""

from __future__ import annotations

from typing import Final

from chainverify.model.ruleids import ALWAYS, NOT_YET, RULE_IDS
from chainverify.policy.fields import Choice, Duration, Field, Pending, Refused, Section, into
from chainverify.policy.model import ServerPolicy

ENFORCEMENT: Final = Choice(("enforce", "advise", "off"))

ONLY_ENFORCED: Final = Choice(("enforce",))


def _setting(rule: str) -> Choice | Pending:
    """What a rule may be set to: what could not be checked stays that, whatever a policy says."""
    return Pending(("off",)) if rule in NOT_YET else ONLY_ENFORCED if rule in ALWAYS else ENFORCEMENT


RULES: Final = Section(
    "[rules]",
    (
        *(Field(rule, _setting(rule)) for rule in RULE_IDS),
        Field("verified", Refused("is what a subject that passes is reported under, and cannot be set")),
    ),
    lambda values: tuple(values.items()),
    doc="How strictly a rule is taken: enforced, advised (level warning), or off.",
)

SERVER: Final = Section(
    "[server]",
    (
        Field("deadline", Duration(), "how long judging one push may take"),
        Field("require-trust", Choice(("external", "base")), "policies that come from less are refused"),
        Field("audit-log", Pending(), "the server's log"),
        Field("metrics", Pending(), "a file of metrics"),
        Field("webhook", Pending(), "where reports are sent"),
        Field("break-glass", Pending(({},)), "who may break glass"),
    ),
    into(ServerPolicy),
    doc="What belongs to the machine; only in the server's own file.",
)
