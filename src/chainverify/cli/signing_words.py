"""`chainverify sign-setup` in words and as records: what was found, set, proved and undone."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, Final

from chainverify.git.config import Setting
from chainverify.jobs.signing import prove, stanza
from chainverify.jobs.signing.find import Scene
from chainverify.jobs.signing.prove import Judged, Signed
from chainverify.jobs.signing.setup import Changed, Reverted, Shadow
from chainverify.jobs.signing.stanza import Stanza
from chainverify.model.localkeys import LocalKey
from chainverify.model.report import FAIL, UNKNOWN, exit_status
from chainverify.model.signing import FORMAT_TITLES
from chainverify.output import localkeys
from chainverify.output.escape import escape

_COMPARE: Final = (
    "the owner compares the fingerprint with you over another channel first: whoever can put a key there signs in your name"
)


def table(scene: Scene, *, colour: bool) -> list[str]:
    """The keys, numbered where they can be chosen."""
    shown = localkeys.render(
        scene.keys, scene.holders, scene.used, policy=scene.loaded is not None, colour=colour
    )  # fmt: skip
    return shown.splitlines() or [
        "no keys were found: no SSH key (~/.ssh/*.pub, agent), none of GnuPG, no certificate, no gitsign",
        "to make one, which is not done for you: ssh-keygen -t ed25519 (on a security key: -t ed25519-sk)",
    ]


def record(mode: str, scene: Scene, **more: Any) -> dict[str, Any]:
    """What every record of a run holds, and more."""
    return {
        "mode": mode,
        "policy": scene.loaded.ref._asdict() if scene.loaded is not None else None,
        "keys": [localkeys.record(key, scene.holders.get(key), used=key == scene.used) for key in scene.keys],
        **more,
    }


def undone(done: Reverted, *, everywhere: bool) -> tuple[list[str], dict[str, Any]]:
    """What an undo did."""
    where = escape(str(done.path))
    if not done.found:
        lines = [f"nothing to undo: {where} holds no settings of sign-setup"]
        if not everywhere:
            lines.append("  = help: a setup for all repositories is undone with --global")
    elif done.exact:
        lines = [f"undone: the settings in {where} are again what they were, byte for byte"]
    else:
        lines = [f"undone in {where}, which was changed in between: {', '.join(done.restored) or 'no setting'} set back"]
    for each in done.kept:
        now = ", ".join("true" if value is None else value for value in each.values)
        now = f"it is {now}" if each.values else "it is not set any more"
        lines.append(f"left alone: {each.name} was changed after the setup, {escape(now)}")
    said = {
        "mode": "undo", "file": str(done.path), "found": done.found, "restored": list(done.restored), "exact": done.exact,
        "kept": [{"name": each.name, "values": list(each.values)} for each in done.kept],
    }  # fmt: skip
    return lines, said


def written(done: Changed, shadows: Sequence[Shadow], *, undo: str) -> tuple[list[str], dict[str, Any]]:
    """What was set where, what keeps it from counting, and `undo`, the command that takes it back."""
    lines = [f"set up in {escape(str(done.path))}:"]
    for name, before, after in done.settings:
        was = "" if before == after else " (was not set)" if before is None else f" (was {escape(before)})"
        lines.append(f"  {name} = {escape(after)}{was}")
    lines.append(f"undo it with: {undo}")
    for each in shadows:
        lines.append(
            f"it does not count here: {each.name} = {escape(each.effective.value)} comes after it, from "
            f"{escape(_origin(each.effective))}"
        )
        lines.append(f"  = help: {_unshadow(each.effective)}")
    said = {
        "file": str(done.path), "effective": not shadows,
        "settings": [{"name": name, "before": before, "after": after} for name, before, after in done.settings],
    }  # fmt: skip
    return lines, said


def _origin(setting: Setting) -> str:
    if setting.scope == "command":
        return "the environment (GIT_CONFIG_COUNT or GIT_CONFIG_PARAMETERS)"
    return f"{setting.origin.removeprefix('file:')} ({setting.scope})"


def _unshadow(setting: Setting) -> str:
    if setting.scope == "command":
        return "unset GIT_CONFIG_COUNT and GIT_CONFIG_PARAMETERS, or take it out of what sets them"
    if setting.scope in {"local", "worktree", "global"}:
        return f"git config --{setting.scope} --unset-all {setting.name}, if it is not needed there"
    return f"look at git config --show-origin --get-all {setting.name}"


def verdict(scene: Scene, made: Signed, judged: Judged, key: LocalKey | None, now: int) -> tuple[list[str], dict[str, Any]]:
    """What the verifier says of the scratch objects, and what is missing."""
    form = str(judged.evidence.get("format") or (key.format if key else ""))
    title = FORMAT_TITLES.get(form, "signing")
    mark = str(judged.evidence.get("fingerprint") or (key.fingerprint if key else ""))
    bad = [each for each in judged.report.findings if each.status in {FAIL, UNKNOWN}]
    status = exit_status(judged.report)
    state = {0: "accepted", 1: "not accepted", 3: "could not be told"}[status] if scene.loaded else "no policy"
    lines = [f"git signed a scratch commit and tag with the {title} key {escape(mark)}".replace(" key  ", " ").rstrip()]
    proposal: Stanza | None = None
    if scene.loaded is not None and status == 0:
        lines.append(f"accepted as {escape(judged.signer)} by {escape(scene.loaded.policy.source)}")
    elif scene.loaded is None:
        lines.append("there is no policy here that says whose key counts (chainverify init writes one)")
    else:
        lines.append(f"{state} by {escape(scene.loaded.policy.source)}:")
    shown = bad if scene.loaded is not None else []
    for message, hint in dict.fromkeys((f"{each.rule}: {each.message}", each.hint) for each in shown):
        lines.append(f"  {escape(message)}")
        lines += [f"   = help: {escape(hint)}"] if hint else []
    lines += _address(scene, judged)
    if key is not None and any(each.rule == "signer-unknown" for each in bad):
        proposal = stanza.propose(made, key, scene.loaded or stanza.empty(), now)
        lines += _stanza(proposal, key, scene)
    lines += _notes(scene, judged) if scene.loaded is not None else []
    record = {
        "state": state, "signer": judged.signer or None, "fingerprint": mark, "format": form,
        "findings": [
            {"rule": each.rule, "status": each.status, "message": each.message, "hint": each.hint, "level": each.level}
            for each in shown
        ],
        "stanza": None if proposal is None else {
            "person": proposal.person, "email": proposal.email, "known": proposal.known, "lines": list(proposal.lines),
            "accepted": proposal.accepted, "why": proposal.why,
            "files": {name: data.decode("utf-8", "replace") for name, data in proposal.files},
        },
    }  # fmt: skip
    return lines, record


def _address(scene: Scene, judged: Judged) -> list[str]:
    """Which address git must write, where the policy binds people to theirs."""
    if not any(each.rule == "identity-mismatch" for each in judged.report.findings) or scene.loaded is None:
        return []
    emails = next((each.emails for each in scene.loaded.policy.signers if each.name == judged.signer), ())
    if not emails:
        return []
    return [
        f"  the policy knows {escape(judged.signer)} by {escape(', '.join(emails))}: git must write one of these",
        f"   = help: git config user.email {escape(shlex.quote(emails[0]))}",
    ]


def _stanza(proposal: Stanza | None, key: LocalKey, scene: Scene) -> list[str]:
    """What the policy's owner must add."""
    if proposal is None:
        return ["  no stanza can be written: git knows no name and address of yours that a policy can hold",
                "   = help: git config user.email ADDRESS"]  # fmt: skip
    if not proposal.lines:
        return [f"  what to add cannot be told: {escape(proposal.why)}"]
    where = f"to {escape(proposal.person)}'s table" if proposal.known else "as a table of its own"
    source = escape(scene.loaded.policy.source) if scene.loaded else "the policy"
    lines = ["", f"what the owner of {source} must add, {where}:"]
    lines += [f"  {escape(line)}" for line in proposal.lines]
    for name, data in proposal.files:
        lines += ["", f"and the file {escape(name)} beside it:"]
        lines += [f"  {escape(line)}" for line in data.decode("utf-8", "replace").splitlines()]
    lines.append("")
    command = _command(proposal, key)
    lines += [f"in a clone this does it: {escape(command)}"] if command and scene.loaded is not None else []
    if proposal.accepted:
        lines.append("tried: with this the scratch commit and tag are accepted")
    elif proposal.why:
        lines.append(f"not enough: with this they are still refused: {escape(proposal.why)}")
    if key.kind == "certificate" and key.format == "ssh":
        lines.append("it trusts whoever holds the authority's key to name you; your plain key in its place trusts you alone")
    lines.append(f"your fingerprint: {escape(key.fingerprint)}" if key.fingerprint else "your identity is in the lines above")
    return [*lines, _COMPARE]


def _command(proposal: Stanza, key: LocalKey) -> str:
    """The command that makes this change in a clone, empty where none does."""
    add = f"chainverify keys add {shlex.quote(proposal.person)}"
    add += "" if proposal.known else f" --email {shlex.quote(proposal.email)}"
    if key.format == "ssh" and key.kind == "key":
        return f"{add} --ssh {shlex.quote(key.file or key.public)}"
    if key.format == "openpgp":
        return f"gpg --armor --export {key.marks[0]} > key.asc && {add} --openpgp key.asc"
    return ""


def _notes(scene: Scene, judged: Judged) -> list[str]:
    """What servers and CI may say beside this."""
    if scene.loaded is None:
        return []
    lines = []
    person = next((each for each in scene.loaded.policy.signers if each.name == judged.signer), None)
    if person is not None and person.observed:
        lines.append(f"note: {escape(person.name)} is marked observed = true: servers and CI refuse that until it is confirmed")
    if person is not None:
        for refs, signers in prove.refs_of_others(scene.loaded.policy, person.name):
            lines.append(f"note: what lands on {escape(refs)} must be signed by {escape(signers)}")
    if scene.loaded.policy.commits is None:
        lines.append("note: the policy has no [commits] section, so it asks nobody for a signature yet")
    if scene.loaded.trust == "self":
        lines.append("note: the policy is that of the worktree; servers and CI judge by their own")
    return lines
