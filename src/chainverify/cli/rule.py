"""`chainverify rule`: the rules, or one of them explained."""

from __future__ import annotations

import click

from chainverify.errors import UsageError
from chainverify.model.ruleids import ALWAYS
from chainverify.rules.codes import CODES
from chainverify.rules.notes import NOTES, NoteText, note
from chainverify.rules.table import RULES, RuleText, nearest


@click.command("rule")
@click.argument("rule_id", metavar="[ID]", required=False)
def rule(rule_id: str | None) -> int:
    """List the rules, or explain one: what it means, why it is asked, what to do. A code tells which rules report it, and a note
    when it appears.

    \b
    Examples:
      chainverify rule
      chainverify rule commit-unsigned
      chainverify rule NO_KEY                  a code of the evidence
      chainverify rule no-log-entry            a note of the evidence, as explain shows it
    """
    if rule_id is None:
        for family in dict.fromkeys(row.family for row in RULES.values()):
            click.secho(family, bold=True)
            for row in RULES.values():
                if row.family == family:
                    click.echo(f"  {row.id:<30} {row.title}")
        click.echo("\ncodes and notes of the evidence are explained too: chainverify rule NO_KEY, chainverify rule no-log-entry")
        return 0
    code = CODES.get(rule_id.upper().replace("-", "_"))
    if code is not None:
        click.echo(f"{click.style(code.code, bold=True)}: {code.meaning}\n\nReported by: {', '.join(code.rules)}\n")
        rule_id = code.rules[0]
    rule_id = rule_id.lower()
    noted = note(rule_id) if rule_id not in RULES else None
    if noted is not None:
        click.echo(_note(noted))
        return 0
    if rule_id not in RULES:
        near = nearest(rule_id, (*NOTES, *CODES))
        raise UsageError(
            f"there is no rule, code or note {rule_id!r}", hint=f"did you mean {near!r}?" if near else "run: chainverify rule"
        )
    click.echo(explained(RULES[rule_id]))
    return 0


def _note(row: NoteText) -> str:
    """One note as text."""
    name = row.note.removesuffix(":")
    return "\n".join((
        click.style(f"{name}: a note on {row.about}, no failure", bold=True),
        "", click.wrap_text(row.when, 96),
        "", click.wrap_text(f"What to do: {row.remedy}", 96),
    ))  # fmt: skip


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
