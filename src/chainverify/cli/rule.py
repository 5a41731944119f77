"""`chainverify rule`: the rules, or one of them explained."""

from __future__ import annotations

import click

from chainverify.errors import UsageError
from chainverify.model.ruleids import ALWAYS
from chainverify.rules.codes import CODES
from chainverify.rules.table import RULES, RuleText, nearest


@click.command("rule")
@click.argument("rule_id", metavar="[ID]", required=False)
def rule(rule_id: str | None) -> int:
    """List the rules, or explain one: what it means, why it is asked, what to do. A code tells which rules report it.

    \b
    Examples:
      chainverify rule
      chainverify rule commit-unsigned
      chainverify rule NO_KEY                  a code of the evidence
    """
    if rule_id is None:
        for family in dict.fromkeys(row.family for row in RULES.values()):
            click.secho(family, bold=True)
            for row in RULES.values():
                if row.family == family:
                    click.echo(f"  {row.id:<30} {row.title}")
        return 0
    code = CODES.get(rule_id.upper().replace("-", "_"))
    if code is not None:
        click.echo(f"{click.style(code.code, bold=True)}: {code.meaning}\n\nReported by: {', '.join(code.rules)}\n")
        rule_id = code.rules[0]
    rule_id = rule_id.lower()
    if rule_id not in RULES:
        near = nearest(rule_id)
        raise UsageError(
            f"there is no rule {rule_id!r}", hint=f"did you mean {near!r}?" if near else "run: chainverify rule"
        )
    click.echo(explained(RULES[rule_id]))
    return 0


def explained(row: RuleText) -> str:
    """One rule as text."""
    parts = [
        click.style(f"{row.id}: {row.title}", bold=True),
        "", click.wrap_text(row.why, 96),
        "", f"Example:  {row.example}",
        "", click.wrap_text(f"What to do: {row.remedy}", 96),
    ]  # fmt: skip
    if row.status == "unknown":
        parts += ["", "Findings of this rule are not decided: exit status 3, never a pass."]
    if row.id in ALWAYS:
        parts += ["", "No policy can relax this rule."]
    return "\n".join(parts)
