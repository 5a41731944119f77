"""`chainverify keys`: the people and keys of a policy, listed, added one by one, imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from chainverify.cli import policies
from chainverify.cli.groups import VerbGroup
from chainverify.cli.options import Options, shared
from chainverify.cli.reporting import write
from chainverify.errors import PolicyError, UsageError
from chainverify.output.escape import escape

if TYPE_CHECKING:
    from chainverify.jobs.enrol import Newcomer
    from chainverify.jobs.policies import LoadedPolicy

COMPARE: Final = (
    "compare each fingerprint with its owner over another channel (in person, by telephone) before you commit this: whoever can "
    "put a key here signs in that person's name"
)
OBSERVED: Final = (
    "marked observed = true: servers and CI refuse the policy until you have confirmed the keys and removed the marks"
)
_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_CHANGING: Final = click.option("--diff", "--dry-run", "only_diff", is_flag=True, help="Show the change and write nothing.")


@click.group("keys", cls=VerbGroup)
def keys() -> None:
    """List the people and keys of the policy, add some, import many."""


@keys.command("list")
@click.option("--expiring", metavar="DURATION", help="Only what expires within this time (30d, 12h), or has; exit 1 if any does.")
@policies.server_option
@shared
def list_(expiring: str | None, server: bool, options: Options) -> int:
    """List everybody of the policy with all keys: format, state today, fingerprint, algorithm, validity, place.

    The state is good, expired, revoked, compromised, not yet, or cannot sign. With --expiring the exit status is 1 where
    something is listed, 0 where nothing is, and 3 where nothing is and some keys could not be looked into.

    \b
    Examples:
      chainverify keys list
      chainverify keys list --expiring 30d
      chainverify keys list --policy-ref origin/main --output-format json
    """
    import json

    from chainverify.jobs import keys as job
    from chainverify.output import keytable
    from chainverify.output.moment import moment

    period = None if expiring is None else _seconds(expiring)
    loaded = policies.look(options, server=server)
    listed = job.list_keys(loaded, options.now)
    unread = job.not_read(listed)
    if period is not None:
        listed = job.expiring(listed, options.now + period)
    found = bool(listed.people or listed.shared)
    if options.output_format == "json":
        record = {"version": 1, "policy": loaded.ref._asdict(), "now": moment(options.now), **keytable.records(listed)}
        write(json.dumps(record, indent=2) + "\n", options)
    else:
        text = keytable.render(listed, colour=options.colour)
        if not text and not options.quiet:
            text = f"nothing expires within {expiring}\n" if expiring else "the policy has no people\n"
        if expiring and unread and not found:
            text = f"not decided: {len(unread)} entries of the policy could not be looked into, the first is {unread[0].path}\n"
        write(text, options)
    if period is None:
        return 0
    return 1 if found else 3 if unread else 0


@keys.command("add")
@click.argument("name")
@click.option("--email", "emails", multiple=True, metavar="ADDRESS", help="An address of the person; may be repeated.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="A role of the person; may be repeated.")
@click.option("--ssh", "ssh", multiple=True, metavar="FILE|LINE", help="A .pub file, or the key line itself.")
@click.option("--openpgp", "openpgp", multiple=True, type=_FILE, metavar="FILE", help="An export of gpg.")
@click.option("--x509", "x509", multiple=True, type=_FILE, metavar="FILE", help="A certificate to pin, in PEM or DER.")
@click.option("--allowed-signers", "allowed", multiple=True, type=_FILE, metavar="FILE",
              help="OpenSSH's format: every line is a key of this person.")  # fmt: skip
@click.option("--gitsign", "identities", multiple=True, metavar="IDENTITY", help="A Sigstore identity; needs --issuer.")
@click.option("--issuer", "issuers", multiple=True, metavar="ISSUER", help="The OpenID issuer, one for each --gitsign.")
@click.option("--valid-after", metavar="DATE", help="Signatures from before this are refused (2026-05-01, or a time with Z).")
@click.option("--valid-before", metavar="DATE", help="Signatures from this time on are refused.")
@_CHANGING
@policies.server_option
@shared
def add(  # noqa: PLR0917 - a command's options
    name: str,
    emails: tuple[str, ...],
    roles: tuple[str, ...],
    ssh: tuple[str, ...],
    openpgp: tuple[Path, ...],
    x509: tuple[Path, ...],
    allowed: tuple[Path, ...],
    identities: tuple[str, ...],
    issuers: tuple[str, ...],
    valid_after: str | None,
    valid_before: str | None,
    only_diff: bool,
    server: bool,
    options: Options,
) -> int:
    """Add a person to the policy, or keys to a person who is there (NAME is the name, or an address).

    The policy is edited in place: all other lines and comments stay. Key files are copied to keys/ beside it, never over another
    file. The whole new policy is validated before anything is written.

    \b
    Examples:
      chainverify keys add "Carol Example" --email carol@example.org --ssh carol.pub
      chainverify keys add "Carol Example" --openpgp carol.asc --role maintainer
      chainverify keys add carol@example.org --ssh "ssh-ed25519 AAAA..." --diff
    """
    from chainverify.jobs import keyfiles
    from chainverify.jobs.enrol import KeyFile, Newcomer, find

    if len(identities) != len(issuers):
        raise UsageError(
            f"{len(identities)} times --gitsign and {len(issuers)} times --issuer, expected one issuer for each identity",
            hint="anybody can have an account somewhere: name who vouches, as in --issuer https://accounts.google.com",
        )
    given = [keyfiles.ssh(each) for each in ssh]
    files = [each for each in given if isinstance(each, KeyFile)]
    files += [keyfiles.openpgp(each) for each in openpgp]
    files += [keyfiles.x509(each) for each in x509]
    files += [keyfiles.allowed_signers(each) for each in allowed]
    newcomer = Newcomer(
        name, emails, roles, tuple(each for each in given if isinstance(each, str)), tuple(files),
        tuple(zip(identities, issuers, strict=True)),
        tuple((key, _date(value)) for key, value in (("valid-after", valid_after), ("valid-before", valid_before)) if value),
    )
    path, loaded = _editable(options, server=server)
    if find(loaded.policy.signers, newcomer) is None:
        if not (newcomer.ssh or files or identities):
            raise UsageError(
                f"the policy has nobody named {name!r}, and no key was given",
                hint="give one: --ssh FILE, --openpgp FILE, --x509 FILE, --allowed-signers FILE, or --gitsign with --issuer",
            )
        if "@" in name and not emails:
            raise UsageError(
                f"the policy has nobody with the address {name!r}",
                hint=f"for somebody new give the name, too: chainverify keys add NAME --email {name} ...",
            )
        if not emails:
            click.echo(f"note: {escape(name)} has no address: no commit can be theirs until one is added (--email)", err=True)
    return _change(path, loaded, [newcomer], options, only_diff=only_diff, server=server)


@keys.command("import")
@click.argument("sources", metavar="[SOURCE]...", nargs=-1, type=_FILE)
@click.option("--allowed-signers", "allowed", multiple=True, type=_FILE, metavar="FILE",
              help="OpenSSH's format: one person for each address among the principals.")  # fmt: skip
@click.option("--gnupg", is_flag=False, flag_value="", metavar="[HOME]", help="Keys of a GnuPG home; default: your own.")
@click.option("--key", "fingerprints", multiple=True, metavar="FPR", help="Of the GnuPG home only this key; may be repeated.")
@click.option("--confirmed", is_flag=True, help="The keys were compared with their owners: no observed = true.")
@_CHANGING
@policies.server_option
@shared
def import_(  # noqa: PLR0917 - a command's options
    sources: tuple[Path, ...],
    allowed: tuple[Path, ...],
    gnupg: str | None,
    fingerprints: tuple[str, ...],
    confirmed: bool,
    only_diff: bool,
    server: bool,
    options: Options,
) -> int:
    """Add many people at once: from exports of gpg, .pub files, OpenSSH's allowed_signers, or a GnuPG home.

    Who a key belongs to is what the key itself says: the valid user ids of an OpenPGP certificate, the comment of an SSH key, the
    principals of allowed_signers. A key with an address of a person of the policy is added to that person. None of that is proof,
    so everybody who gets a key is marked observed = true, which servers and CI refuse until a person has confirmed the keys and
    removed the mark; --confirmed leaves it out.

    \b
    Examples:
      chainverify keys import team/*.asc team/*.pub
      chainverify keys import --allowed-signers .git_allowed_signers --diff
      chainverify keys import --gnupg --key 0123456789ABCDEF0123456789ABCDEF01234567
    """
    from chainverify.jobs.gather import GnuPg, gather

    if fingerprints and gnupg is None:
        raise UsageError("--key is about a GnuPG home", hint="give --gnupg too")
    if not sources and not allowed and gnupg is None:
        raise UsageError("nothing to import", hint="name key files, --allowed-signers FILE, or --gnupg for the keys of gpg")
    home = None if gnupg is None else GnuPg(Path(gnupg) if gnupg else None, fingerprints)
    found = gather(sources, allowed, home, options.now, observed=not confirmed)
    for note in found.skipped:
        click.echo(f"left out: {escape(note)}", err=True)
    if not found.people:
        raise UsageError("no key was found that can be somebody's", hint="add keys one by one: chainverify keys add NAME")
    path, loaded = _editable(options, server=server)
    return _change(path, loaded, found.people, options, only_diff=only_diff, server=server)


def _editable(options: Options, *, server: bool) -> tuple[Path, LoadedPolicy]:
    """The policy file that is edited, and what it holds."""
    from chainverify.git.repository import Repository
    from chainverify.jobs.policies import POLICY_NAME

    if options.policy_ref is not None:
        raise UsageError("--policy-ref names a revision, which cannot be edited", hint="leave it out, or name a --policy FILE")
    loaded = policies.look(options, server=server)
    if options.policy is not None:
        return (options.directory / options.policy).absolute(), loaded
    worktree = Repository.discover(options.directory).worktree
    if worktree is None:
        raise UsageError("a bare repository has no policy to edit", hint="run in a clone, or name a file with --policy")
    return worktree / POLICY_NAME, loaded


def _change(
    path: Path, loaded: LoadedPolicy, newcomers: Sequence[Newcomer], options: Options, *, only_diff: bool, server: bool
) -> int:
    """Plan, show or write, and say what was done."""
    import json

    from chainverify.jobs import enrol
    from chainverify.output import keytable

    change = enrol.plan(path, loaded, newcomers, options.now, server=server)
    if not only_diff:
        enrol.write(change)
    if options.output_format == "json":
        record = {
            "version": 1, "written": not only_diff, "policy": str(path), "files": [name for name, _ in change.files],
            "added": [keytable.record(each) for each in change.added], "diff": enrol.diff(change),
        }  # fmt: skip
        write(json.dumps(record, indent=2) + "\n", options)
        return 0
    if only_diff:
        write("".join(f"{escape(line)}\n" for line in enrol.diff(change).split("\n")[:-1]), options)
        return 0
    lines = [f"changed {escape(str(path))}:"]
    for each in change.added:
        what = escape(each.fingerprint or each.comment or each.file)
        place = f", in {escape(each.file)}" if each.file and each.fingerprint else ""
        algorithm = f" ({escape(each.algorithm)})" if each.algorithm else ""
        lines.append(f"  {escape(each.holder)}: {each.format} {each.kind} {what}{algorithm}{place}")
    if not change.added:
        lines.append(f"  no new key; more for {escape(', '.join(change.known))}")
    else:
        lines.append(COMPARE)
    if any(newcomer.observed for newcomer in newcomers):
        lines.append(OBSERVED)
    write("".join(f"{line}\n" for line in lines) if not options.quiet else "", options)
    return 0


def _date(text: str) -> str:
    """A date or time as TOML writes it. Raises `UsageError`."""
    import tomllib

    from chainverify.policy.fields import Time, scalar

    try:
        scalar(Time(), tomllib.loads(f"x = {text}").get("x") if "\n" not in text else None, "")
    except (PolicyError, ValueError) as error:
        raise UsageError(f"{text!r} is no date", hint="write it as 2026-05-01, or 2026-05-01T12:00:00Z") from error
    return text.strip()


def _seconds(text: str) -> int:
    from chainverify.policy.fields import Duration, scalar

    try:
        return int(scalar(Duration(), text, "--expiring"))
    except PolicyError as error:
        raise UsageError(f"--expiring {text!r} is no duration", hint="write it as 30d, 12h or 90m") from error
