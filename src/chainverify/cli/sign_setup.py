"""`chainverify sign-setup`: git set up to sign with a key that the developer has, proved, and undone."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

import click

from chainverify.cli import policies
from chainverify.cli import signing_words as words
from chainverify.cli.options import Options, home, is_terminal, shared
from chainverify.cli.reporting import write
from chainverify.errors import PolicyMissing, UsageError
from chainverify.git import config
from chainverify.git.config import Scope, Setting
from chainverify.git.repository import Repository
from chainverify.jobs import policies as sources
from chainverify.jobs.policies import LoadedPolicy
from chainverify.jobs.signing import find, prove, setup, stanza
from chainverify.jobs.signing.find import Scene
from chainverify.model.localkeys import LocalKey
from chainverify.model.report import exit_status
from chainverify.model.signing import Format
from chainverify.output.escape import escape

FORMATS: Final[tuple[Format, ...]] = get_args(Format)
_FILE: Final = click.Path(dir_okay=False, path_type=Path)


class _Told(NamedTuple):
    """What a run has to say: the exit status, the lines for people, and the record for machines."""

    status: int
    lines: list[str]
    record: dict[str, Any]


def _complete_keys(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """What --key takes here, for the shell: the fingerprints and files of the keys that can be used."""
    try:
        directory = Path(ctx.params.get("directory") or ".")
        settings = config.effective(directory)
        here = find.machine(directory, settings, home(), 0)
        names = [find.name(key) for key in find.find(settings, here, FORMATS) if not key.problem]
    except Exception:
        return []
    return [each for each in names if each.startswith(incomplete)]


@click.command("sign-setup")
@click.option("--key", "wanted", metavar="FINGERPRINT|PATH", shell_complete=_complete_keys,
              help="The key: a fingerprint, the end of one (16 digits), a .pub file, or gitsign.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(FORMATS), help="Only keys of this format.")
@click.option("--global", "everywhere", is_flag=True, help="For all your repositories, not only this one.")
@click.option("--worktree", "one_worktree", is_flag=True, help="For this worktree alone (extensions.worktreeConfig).")
@click.option("--allowed-signers", type=_FILE, metavar="FILE",
              help="Also set gpg.ssh.allowedSignersFile, by which git log --show-signature tells whose a key is.")  # fmt: skip
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: for scripts.")
@click.option("--list", "only_list", is_flag=True, help="Only list the keys; exit 1 where none can be used.")
@click.option("--check", "only_check", is_flag=True,
              help="Change nothing: exit 0 set up and accepted, 1 not, 3 could not be told.")  # fmt: skip
@click.option("--undo", is_flag=True, help="Set everything back that sign-setup changed, and nothing else.")
@shared
def sign_setup(  # noqa: PLR0917 - a command's options
    wanted: str | None,
    form: Format | None,
    everywhere: bool,
    one_worktree: bool,
    allowed_signers: Path | None,
    yes: bool,
    only_list: bool,
    only_check: bool,
    undo: bool,
    options: Options,
) -> int:
    """Set git up to sign commits and tags with a key that you have, and prove it.

    Lists your SSH keys (files, agent, security keys, certificates), OpenPGP keys, X.509 certificates and gitsign. Sets git up
    with the one you choose. Lets git sign a scratch commit and tag, judges them under the policy, and says who you are to it, or
    what its owner must add. No key is made, moved or changed, and where signing fails no setting is.

    \b
    Examples:
      chainverify sign-setup
      chainverify sign-setup --list
      chainverify sign-setup --key ~/.ssh/id_ed25519.pub --global --yes
      chainverify sign-setup --format openpgp --yes
      chainverify sign-setup --check
      chainverify sign-setup --undo
    """
    if only_list + only_check + undo > 1:
        raise UsageError("--list, --check and --undo exclude each other", hint="give one of them")
    if everywhere and one_worktree:
        raise UsageError("--global and --worktree exclude each other", hint="give one of them, or none for this repository")
    scope: Scope = "global" if everywhere else "worktree" if one_worktree else "repository"
    if undo:
        told = _undo(scope, options)
    else:
        scene = _look(options, form, needs_repository=not (everywhere or only_list))
        if only_list:
            told = _list(scene, options)
        elif only_check:
            told = _check(scene, options)
        else:
            path = config.path_of(scope, options.directory)
            told = _set_up(scene, path, wanted, allowed_signers, options, yes=yes)
    if options.output_format == "json":
        write(json.dumps({"version": 1, **told.record}, indent=2) + "\n", options)
    elif told.status or not options.quiet:
        write("".join(f"{line}\n" for line in told.lines), options)
    return told.status


def _look(options: Options, form: Format | None, *, needs_repository: bool) -> Scene:
    """Everything that is there: configuration, policy, keys."""
    directory = options.directory
    repo: Repository | None = None
    try:
        repo = Repository.discover(directory)
    except UsageError:
        if needs_repository:
            raise
    loaded = _policy(repo, options)
    settings = config.effective(directory)
    here = find.machine(directory, settings, home(), options.now)
    keys = find.find(settings, here, (form,) if form else FORMATS)
    place = prove.Place(directory, repo.worktree if repo else None, repo.algorithm if repo else "sha1")
    holders = find.holders(keys, loaded, options.now) if loaded is not None else {}
    return Scene(settings, place, loaded, here, keys, holders, find.configured(settings, here, keys))


def _policy(repo: Repository | None, options: Options) -> LoadedPolicy | None:
    """The policy that the key is for, None where there is none: looked at, not judged by. Raises `PolicyError`."""
    if repo is None:
        return sources.from_file(options.directory / options.policy, worktree=None) if options.policy is not None else None
    try:
        return policies.read(repo, options)
    except PolicyMissing:
        if options.policy is not None or options.policy_ref is not None:
            raise
        return None


def _list(scene: Scene, options: Options) -> _Told:
    usable = any(not key.problem for key in scene.keys)
    return _Told(0 if usable else 1, words.table(scene, colour=options.colour), words.record("list", scene))


def _undo(scope: Scope, options: Options) -> _Told:
    done = setup.undo(config.path_of(scope, options.directory))
    return _Told(0, *words.undone(done, everywhere=scope == "global"))


def _check(scene: Scene, options: Options) -> _Told:
    """The state as it is, proved by a signature."""
    missing = []
    asks_tags = scene.loaded is None or scene.loaded.policy.tags == "signed"
    for name, what, needed in (("commit.gpgsign", "commits", True), ("tag.gpgsign", "tags", asks_tags)):
        said = config.value(scene.settings, name)
        if needed and not config.is_true(said):
            missing.append(f"git does not sign {what} by itself ({name} is {escape(said) or 'not set'})")
    if missing:
        lines = [f"not set up: {'; '.join(missing)}", "  = help: chainverify sign-setup"]
        return _Told(1, lines, words.record("check", scene, state="not set up", problems=missing))
    return _proved("check", scene, scene.settings, scene.used, options)


def _set_up(
    scene: Scene, path: Path, wanted: str | None, allowed: Path | None, options: Options, *, yes: bool
) -> _Told:
    """Choose, prove, and only then write."""
    asks = not yes and options.output_format == "text" and is_terminal(sys.stdin) and is_terminal(sys.stderr)
    key = _ask(scene) if asks and wanted is None else find.choose(scene.keys, scene.here, wanted)
    asked = setup.wanted(key, scene.settings, allowed)
    if asks:
        click.echo(f"git will be set up in {escape(str(path))}:", err=True)
        for name, value in asked.items():
            click.echo(f"  {name} = {escape(value)}", err=True)
        if not click.confirm("Sign a scratch commit and tag with it, and set git up?", default=True, err=True):
            raise click.Abort
    elif not yes:
        raise UsageError(
            "nobody can be asked here, and nothing is changed unasked",
            hint=f"confirm it: chainverify sign-setup --key {shlex.quote(find.name(key))} --yes",
        )
    return _proved("setup", scene, prove.with_settings(scene.settings, asked), key, options, (path, asked))


def _ask(scene: Scene) -> LocalKey:
    """Show the list on the terminal and let somebody choose. Raises `UsageError` where there is nothing to choose from."""
    usable = [key for key in scene.keys if not key.problem]
    for line in words.table(scene, colour=is_terminal(sys.stderr)):
        click.echo(line, err=True)
    if not usable:
        return find.choose(scene.keys, scene.here, None)
    known = next((number for number, key in enumerate(usable, 1) if key in scene.holders), 1)
    number: int = click.prompt("Which one", type=click.IntRange(1, len(usable)), default=known, err=True)
    return usable[number - 1]


def _proved(  # noqa: PLR0917
    mode: str, scene: Scene, settings: Sequence[Setting], key: LocalKey | None, options: Options,
    change: tuple[Path, Mapping[str, str]] | None = None,
) -> _Told:
    """Sign, judge, write if `change` says what and where, and tell."""
    terminal = is_terminal(sys.stdin)
    if key is not None and key.touch:
        click.echo("touch your key now, when it blinks: once for a commit and once for a tag", err=True)
    if key is not None and key.card:
        click.echo("your card may ask for its PIN, and to be touched: once for a commit and once for a tag", err=True)
    tags = config.is_true(config.value(settings, "tag.gpgsign"))
    loaded = scene.loaded or stanza.empty()
    with prove.signed(scene.place, settings, key, chosen=change is not None, terminal=terminal) as made:
        key = key if change is not None else prove.maker(made, key, scene.keys)
        judged = prove.judge(made, loaded, options.now, tags=tags)
        lines, record = words.verdict(scene, made, judged, key, options.now)
    status = exit_status(judged.report) if scene.loaded is not None else 3
    if change is not None:
        done = setup.write(*change)
        shadows = setup.shadows(config.effective(options.directory), change[1])
        given = click.get_current_context().params
        again = " --global" if given["everywhere"] else " --worktree" if given["one_worktree"] else ""
        told, said = words.written(done, shadows, undo=f"chainverify sign-setup --undo{again}")
        lines, record = [*told, *lines], {**record, **said}
        status = 1 if shadows and status == 0 else status
    return _Told(status, lines, words.record(mode, scene, **record))
