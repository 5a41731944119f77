"""`chainverify policy`: validate, show, and the JSON Schema."""

from __future__ import annotations

import click

from chainverify.cli import policies
from chainverify.cli.groups import VerbGroup
from chainverify.cli.options import Options, shared
from chainverify.cli.reporting import write
from chainverify.git.repository import Repository
from chainverify.output.escape import escape
from chainverify.policy import normal, schema


@click.group("policy", cls=VerbGroup)
def policy() -> None:
    """Validate a policy, show what it means, print its JSON Schema."""


@policy.command("check")
@policies.server_option
@shared
def check(server: bool, options: Options) -> int:
    """Validate the policy and every key that it names, and warn of lines in allowed_signers files that have no effect.

    \b
    Examples:
      chainverify policy check
      chainverify policy check --policy draft.toml
      chainverify policy check --server --policy /etc/chainverify/app.toml
    """
    import json

    from chainverify.jobs.validate import idle, line, observed, refuse_observed, validate

    # a change to the policy is checked in CI too: that judges nothing by it
    loaded = policies.look(options, server=server)
    if server or policies.in_ci():
        refuse_observed(loaded)
    counts, warnings = validate(loaded), idle(loaded)
    found = loaded.policy
    asks = [name for name in ("commits", "messages", "images") if getattr(found, name) is not None]
    if options.output_format == "json":
        record = {"valid": True, **loaded.ref._asdict(), "asks": asks, **counts._asdict(), "observed": list(found.observed)}
        record["warnings"] = [each._asdict() for each in warnings]
        write(json.dumps(record, indent=2) + "\n", options)
        return 0
    summary = (
        f"policy is valid: {escape(found.source)} ({found.digest[:19]}, trust {loaded.trust}); asks about "
        f"{', '.join(asks) or 'nothing'}; {_counted(counts.signers, 'signer')} with {_counted(counts.keys, 'key')}"
    )
    lines = [] if options.quiet else [summary]
    lines += [
        f"note: {escape(found.source)}:{line(loaded, path)}: {escape(observed(loaded, path))} is marked observed = true: "
        "servers and CI refuse the policy until a person confirms it"
        for path in found.observed
    ]
    lines += [f"warning: {escape(f'{each.path}:{each.line}: {each.message}')} ({each.hint})" for each in warnings]
    write("".join(f"{each}\n" for each in lines), options)
    return 0


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


@policy.command("show")
@shared
def show(options: Options) -> int:
    """Print the effective policy, defaults filled in, with its source and digest.

    \b
    Examples:
      chainverify policy show
      chainverify policy show --policy-ref origin/main --output-format json
    """
    import json

    loaded = policies.read(Repository.discover(options.directory), options)
    if options.output_format == "json":
        write(json.dumps({**normal.as_json(loaded.policy), "trust": loaded.trust}, indent=2) + "\n", options)
    else:
        write(f"# trust {loaded.trust}\n{normal.show(loaded.policy)}", options)
    return 0


@policy.command("schema")
def print_schema() -> int:
    """Print the JSON Schema of the policy, for editors.

    \b
    Examples:
      chainverify policy schema > policy.schema.json
    """
    click.echo(schema.text(), nl=False)
    return 0
