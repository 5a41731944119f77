"""How strictly a policy takes each rule: `enforce` counts, `advise` warns, `off` says nothing.

An advised failure was judged and does not count. An advised unknown does not count either, but it proves nothing: a run that
has nothing else stays undecided (`model.report.verdict`). `off` turns a rule's findings into skips that say so.
"""

from __future__ import annotations

from collections.abc import Iterable

from chainverify.model.report import FAIL, SKIP, UNKNOWN, VERIFIED, Finding
from chainverify.policy.model import Policy


def apply(findings: Iterable[Finding], policy: Policy) -> tuple[Finding, ...]:
    """The findings under `[rules]` of the policy, in order. No subject becomes `verified` that broke a rule."""
    settings = dict(policy.rules)
    if not settings:
        return tuple(findings)
    out: list[Finding] = []
    for each in findings:
        setting = settings.get(each.rule, "enforce")
        if each.status not in (FAIL, UNKNOWN) or each.rule == VERIFIED or setting == "enforce":
            out.append(each)
        elif setting == "off":
            out.append(each._replace(status=SKIP, waived=f'[rules] {each.rule} = "off"'))
        else:
            out.append(each._replace(level="warning"))
    return tuple(out)


def nothing_but_skips(findings: Iterable[Finding]) -> bool:
    """Whether everything was skipped by rules of the policy, or there was nothing: no failure and no doubt, advised or not."""
    return all(each.status == SKIP for each in findings)
