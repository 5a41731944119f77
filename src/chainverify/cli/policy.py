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
from chainverify.policy.material import image_trust, signing_material


@click.group("policy", cls=VerbGroup)
def policy() -> None:
    """Validate a policy, show what it means, print its JSON Schema."""


@policy.command("check")
@shared
def check(options: Options) -> int:
    """Validate the policy and every key that it names.

    \b
    Examples:
      chainverify policy check
      chainverify policy check --policy draft.toml
    """
    import json

    from chainverify.images import verify
    from chainverify.signatures import backends

    # a change to the policy is checked in CI too: that judges nothing by it
    loaded = policies.read(Repository.discover(options.directory), options)
    if policies.in_ci():
        policies.refuse_observed(loaded)
    material = signing_material(loaded.policy, loaded.read)
    backends.load(material.openpgp, material.ssh)
    for stanza in image_trust(loaded.policy, loaded.read):
        verify.load(stanza)
    found = loaded.policy
    asks = [name for name in ("commits", "messages", "images") if getattr(found, name) is not None]
    keys = len(material.openpgp) + len(material.ssh)
    if options.output_format == "json":
        record = {
            "valid": True, **loaded.ref._asdict(), "asks": asks, "signers": len(found.signers), "keys": keys,
            "observed": list(found.observed),
        }  # fmt: skip
        write(json.dumps(record, indent=2) + "\n", options)
        return 0
    summary = (
        f"policy is valid: {escape(found.source)} ({found.digest[:19]}, trust {loaded.trust}); asks about "
        f"{', '.join(asks) or 'nothing'}; {len(found.signers)} signers with {keys} keys"
    )
    lines = [] if options.quiet else [summary]
    lines += [
        f"note: {escape(path)} is marked observed = true: servers and CI refuse the policy until a person confirms it"
        for path in found.observed
    ]
    write("".join(f"{line}\n" for line in lines), options)
    return 0


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
