"""The proof that git is set up to sign: a commit and a tag that git itself signs, judged by our own verifier under the policy.

Both are made in a repository of their own that is gone afterwards, under the very configuration that git sees in the user's,
conditional includes and `GIT_CONFIG_*` resolved: what was read there is all that counts here. The user's history gets nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from chainverify.errors import BudgetExceeded, ChainverifyError, Unavailable
from chainverify.formats import objects
from chainverify.git import config
from chainverify.git.config import Setting
from chainverify.git.objects import ObjectReader
from chainverify.git.repository import Algorithm, Repository
from chainverify.jobs import history
from chainverify.jobs.claims import issuer
from chainverify.jobs.policies import LoadedPolicy
from chainverify.jobs.signing import gnupgkeys, programs
from chainverify.model.gitobject import Commit
from chainverify.model.localkeys import LocalKey
from chainverify.model.report import PASS, Finding, Report
from chainverify.policy.material import signing_material
from chainverify.policy.model import CommitsPolicy, Policy
from chainverify.rules import enforcement

SIGN_SECONDS: Final = 30
"""How long one signature may take where nobody is asked anything."""
TOUCH_SECONDS: Final = 60
"""How long a key may wait for being touched."""
TERMINAL_SECONDS: Final = 300
"""How long somebody at a terminal may take to enter a passphrase."""
MESSAGE: Final = "chainverify sign-setup: a scratch commit that proves how git signs"
TAG: Final = "chainverify-sign-setup"

_COPIED: Final = ("user.", "author.", "committer.", "gpg.", "gitsign.")
_COPIED_WHOLE: Final = frozenset(("commit.gpgsign", "tag.gpgsign", "tag.forcesignannotated", "i18n.commitencoding"))
_WHO: Final = frozenset(("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"))
_FIXED: Final = (("core.hooksPath", os.devnull), ("gc.auto", "0"), ("maintenance.auto", "false"), ("core.fsmonitor", "false"))
_NO_PINENTRY: Final = 85
"""GPG_ERR_NO_PIN_ENTRY (gpg-error.h): the agent would have to ask."""
_failure: Final = re.compile(rb"^\[GNUPG:\] FAILURE \S+ ([0-9]+)", re.MULTILINE).findall


class NotSigned(ChainverifyError):
    """git could not sign, and would not in the next commit either."""

    rule = "commit-unsigned"
    status = "fail"


class Place(NamedTuple):
    """Where git is run: the directory that configuration is read from, the worktree (None without one), the object format."""

    directory: Path
    worktree: Path | None
    algorithm: Algorithm


class Signed(NamedTuple):
    """The scratch repository with its commit, for as long as it is open; `tag` is the tag object."""

    repo: Repository
    commit: Commit
    tag: str


class Judged(NamedTuple):
    """The verdict on the scratch objects: the report, who signed them ("" where nobody was proved), and facts of the proof."""

    report: Report
    signer: str
    evidence: dict[str, object]


def with_settings(settings: Sequence[Setting], wanted: Mapping[str, str]) -> tuple[Setting, ...]:
    """The configuration as it will be once `wanted` is set where it counts."""
    return (*settings, *(Setting(name, value, "wanted", "") for name, value in wanted.items()))


@contextlib.contextmanager
def signed(
    place: Place, settings: Sequence[Setting], key: LocalKey | None, *, chosen: bool, terminal: bool
) -> Iterator[Signed]:
    """A commit and a tag made by git under this configuration, in a repository that is removed in the end.

    `key` is the one that is expected to sign, None where that is not known; `chosen` says that no other may. Raises
    `Unavailable` where somebody would have to enter a passphrase and cannot, or nobody touched the key in time, and `NotSigned`
    where git fails or does not sign.
    """
    if not terminal:
        _may_sign_unasked(settings)
    with tempfile.TemporaryDirectory(prefix="chainverify-proof-") as scratch:
        top = Path(scratch, "repository")
        environ = _environment(settings, terminal=terminal)
        _git(["init", "-q", f"--object-format={place.algorithm}", "--template=", str(top)], Path(scratch), environ)
        git = [f"--git-dir={top / '.git'}", f"--work-tree={place.worktree or top}"]
        waits = key is not None and (key.touch or key.card)
        seconds = TERMINAL_SECONDS if terminal else TOUCH_SECONDS if waits else SIGN_SECONDS
        for command in (["commit", "-q", "--allow-empty", "--no-verify", "-m", MESSAGE], ["tag", "-m", MESSAGE, TAG]):
            try:
                done = programs.run(
                    ["git", *git, *command], seconds, environ=environ, directory=place.worktree or top, terminal=terminal
                )
            except BudgetExceeded as error:
                raise _not_in_time(key, seconds, terminal=terminal) from error
            if done.status:
                raise _failed(done, settings, key)
        repo = Repository.discover(top, {name: value for name, value in environ.items() if not name.startswith("GIT_")})
        with ObjectReader(repo) as reader:
            raw = reader.read(repo.resolve("HEAD"))
        commit = objects.parse_commit(raw.oid, raw.data, repo.algorithm)
        if commit.signature is None:
            raise NotSigned("git made a commit without a signature", hint="git config commit.gpgSign true makes it sign each")
        if chosen and key is not None and not _made_by(commit.signature, key):
            raise NotSigned(
                f"git signed with {issuer(commit.signature) or 'another key'}, expected {key.fingerprint}",
                hint="look at git config --show-origin --get-regexp '^(user.signingkey|gpg)'",
            )
        yield Signed(repo, commit, dict(repo.refs("refs/tags"))[f"refs/tags/{TAG}"])


def maker(made: Signed, used: LocalKey | None, keys: Sequence[LocalKey]) -> LocalKey | None:
    """The key that the scratch commit's signature names: `used` where it may be that one, else the first of `keys` that it is."""
    signature = made.commit.signature or b""
    if used is not None and _made_by(signature, used):
        return used
    return next((key for key in keys if _comparable(key) and _made_by(signature, key)), None)


def judge(made: Signed, loaded: LoadedPolicy, now: int, *, tags: bool) -> Judged:
    """The verdict on the scratch objects under a policy. `tags` False leaves the tag out where the policy asks for none.

    What a policy says of single commits (introduction, exceptions) and of how they are related is about others. Raises
    `PolicyError` for a policy whose keys cannot be used.
    """
    policy = loaded.policy
    plain = CommitsPolicy()
    commits = (policy.commits or plain)._replace(introduction=None, exceptions=frozenset(), merge_rule=plain.merge_rule)
    asked = policy._replace(commits=commits, tags="signed" if policy.tags == "off" and tags else policy.tags)
    material = signing_material(policy, loaded.read)
    selection = history.select(made.repo, ("HEAD",), asked)
    found = history.check_commits(made.repo, selection, asked, material, now, jobs=1)
    findings: list[Finding] = list(found.findings)
    counts = dict(found.counts)
    if asked.tags != "off":
        about = history.check_tags(made.repo, [(f"refs/tags/{TAG}", made.tag)], asked, material, now)
        findings += about.findings
        counts.update(about.counts)
    evidence = next((each.evidence for each in findings if "signed_at" in each.evidence), {})
    passed = next((each for each in findings if each.status == PASS and each.subject.kind == "commit"), None)
    signer = str((passed.evidence if passed else evidence).get("signer", ""))
    return Judged(Report(loaded.ref, enforcement.apply(findings, policy), counts), signer, evidence)


def refs_of_others(policy: Policy, signer: str) -> tuple[tuple[str, str], ...]:
    """Refs that this person's signatures do not count for, and who may sign what lands there."""
    from chainverify.policy.people import allowed

    return tuple(
        (", ".join(stanza.match), ", ".join(stanza.signers)) for stanza in policy.refs
        if stanza.signers and signer not in allowed(stanza.signers, policy)
    )  # fmt: skip


def _environment(settings: Sequence[Setting], *, terminal: bool) -> dict[str, str]:
    """The caller's environment with this configuration and no other, and nothing in it that asks or points elsewhere."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _WHO}
    copied = [(each.name, each.value) for each in settings if each.name.startswith(_COPIED) or each.name in _COPIED_WHOLE]
    pairs = [*copied, *_FIXED]
    environ |= {
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_SYSTEM": os.devnull, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(pairs)), "GIT_EDITOR": ":",
    }  # fmt: skip
    for number, (name, value) in enumerate(pairs):
        environ |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    if not terminal:
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_ASKPASS", "GPG_TTY"):
            environ.pop(name, None)
        environ["SSH_ASKPASS_REQUIRE"] = "never"
    elif "GPG_TTY" not in environ and hasattr(os, "ttyname"):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            environ["GPG_TTY"] = os.ttyname(sys.stdin.fileno())
    return environ


def _git(command: list[str], directory: Path, environ: Mapping[str, str]) -> None:
    done = programs.run(["git", *command], SIGN_SECONDS, environ=environ, directory=directory)
    if done.status:
        raise Unavailable(f"git {command[0]} failed in a directory of its own: {done.said}", rule="internal")


def _may_sign_unasked(settings: Sequence[Setting]) -> None:
    """Ask gpg or gpgsm for a signature without a pinentry: it would wait for somebody who is not there. Raises `Unavailable`."""
    done = _asked_directly(settings)
    if done is None or not done.status:
        return
    codes = {int(code) & 0xFFFF for code in _failure(done.out)}
    if _NO_PINENTRY in codes or b"No pinentry" in done.err:
        raise Unavailable(
            "the key is locked: GnuPG would ask for its passphrase or PIN, and nobody can answer here",
            rule="internal",
            hint="run this on a terminal, or unlock it first, so that gpg-agent keeps it: sign anything with it once",
        )


def _asked_directly(settings: Sequence[Setting]) -> programs.Done | None:
    """What gpg or gpgsm says when it is to sign without asking anybody, which git does not pass on; None for other programs.

    Raises `Unavailable` where it does not answer in time.
    """
    form = config.value(settings, "gpg.format") or "openpgp"
    program = gnupgkeys.program(settings, form)
    if form not in {"openpgp", "x509"} or Path(program).stem not in {"gpg", "gpg2", "gpgsm"}:
        return None
    user = config.value(settings, "user.signingkey")
    who = ["--local-user", user] if user else []
    command = [program, "--batch", "--no-tty", "--pinentry-mode", "error", "--status-fd", "1", *who, "--detach-sign"]
    environ = {**{name: value for name, value in os.environ.items() if name not in {"DISPLAY", "GPG_TTY"}}, "LC_ALL": "C"}
    try:
        return programs.run(command, SIGN_SECONDS, environ=environ, stdin=b"chainverify sign-setup\n")
    except BudgetExceeded as error:
        raise Unavailable(error.message, rule="internal", hint="is a card missing, or waiting to be touched?") from error
    except Unavailable:
        return None  # it is not there: git says so, too


def _failed(done: programs.Done, settings: Sequence[Setting], key: LocalKey | None) -> ChainverifyError:
    """The error for a git that could not sign: locked or absent keys are a doubt, all else is how the next commit would end."""
    said = done.said or "no reason given"
    if b"Please tell me who you are" in done.err or b"empty ident name" in done.err or b"useConfigOnly" in done.err:
        return NotSigned(
            "git does not know who you are", hint='git config user.name "YOUR NAME", git config user.email ADDRESS; then again'
        )
    if (config.value(settings, "gpg.format") or "openpgp") == "ssh" and _is_locked(config.value(settings, "user.signingkey")):
        return Unavailable(
            "the key is locked: ssh-keygen would ask for its passphrase, and nobody can answer here", rule="internal",
            hint="run this on a terminal, or put the key into the agent first: ssh-add FILE",
        )  # fmt: skip
    if key is not None and (key.touch or key.card):
        what = "security key" if key.touch else "card"
        return Unavailable(f"git could not sign: {said}", rule="internal", hint=f"is the {what} plugged in? run it again")
    direct = _asked_directly(settings)
    if direct is not None and direct.status and direct.said:
        said = direct.said
    return NotSigned(f"git could not sign: {said}", hint="the key may be gone, or its program: chainverify sign-setup --list")


def _is_locked(value: str) -> bool:
    """Whether the private SSH key of `user.signingkey` has a passphrase: ssh-keygen tries the empty one."""
    path = os.path.expanduser(value).removesuffix("-cert.pub").removesuffix(".pub")  # noqa: PTH111 - as git does
    if value.startswith("key::") or not Path(path).is_file():
        return False
    try:
        done = programs.run(["ssh-keygen", "-y", "-P", "", "-f", path], SIGN_SECONDS, environ={**os.environ, "LC_ALL": "C"})
    except ChainverifyError:
        return False
    return done.status != 0 and b"passphrase" in done.err


def _not_in_time(key: LocalKey | None, seconds: float, *, terminal: bool) -> Unavailable:
    waits = key is not None and key.touch
    asks = "enter the passphrase when it is asked for" if terminal else "unlock the key first, or run this on a terminal"
    hint = "touch the key while it blinks" if waits else f"it may wait for somebody: {asks}"
    return Unavailable(f"git had not signed after {seconds:.0f} seconds", rule="deadline", hint=hint)


def _made_by(signature: bytes, key: LocalKey) -> bool:
    """Whether a signature says that it is by a key, as far as the two can be compared."""
    if not _comparable(key):
        return True
    said = issuer(signature)
    exact = key.kind == "subkey" or key.value.endswith("!")
    marks = (key.fingerprint,) if exact else key.marks
    return any(said == mark or (len(said) == 16 and mark.endswith(said)) for mark in marks)


def _comparable(key: LocalKey) -> bool:
    """Whether a key is known by what a signature names: gitsign's live for minutes, smimesign lists by another digest."""
    return bool(key.marks) and (key.format != "x509" or any(mark.startswith("SHA256:") for mark in key.marks))
