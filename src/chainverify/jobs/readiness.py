"""Whether the next commit will be signed as the policy asks: told from git's configuration, before the commit is made.

Advice, and nothing more: `git commit -S` and `-SKEY` may do right what the configuration does not, and whether a signature is
good is judged on the commit. Where the configuration does not name the key by itself (a key agent, gitsign, an address for
gpg to look up) nothing is said of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from chainverify.errors import ChainverifyError
from chainverify.formats import sshkey
from chainverify.git.config import is_true
from chainverify.jobs import keys
from chainverify.jobs.policies import LoadedPolicy
from chainverify.model.keys import KeyDescription, KeyList
from chainverify.model.signing import FORMAT_TITLES
from chainverify.policy.model import CommitsPolicy

KEY_BYTES_MAX: Final = 64 << 10
"""The largest public key file of the developer that is read."""
_match_id: Final = re.compile(r"(?:0x)?([0-9A-Fa-f]{8,64})!?").fullmatch


class Readiness(NamedTuple):
    """`unsigned` says why a commit will not be signed unless `-S` asks for it; `key` what is wrong with the key that git would
    sign with. Each is empty where nothing speaks against it."""

    unsigned: str = ""
    key: str = ""


def check(loaded: LoadedPolicy, config: Mapping[str, str], email: str, home: Path | None, now: int) -> Readiness:
    """What `config` (git's names in lower case, the last value) means for commits under the policy.

    `email` is the committer's address, empty where it is not known; `home` resolves `~`; `now` is in seconds since the epoch.
    Raises `PolicyError` for a key of the policy that cannot be used.
    """
    commits = loaded.policy.commits
    if commits is None:
        return Readiness()
    unsigned = ""
    if not is_true(config.get("commit.gpgsign", "")):
        unsigned = "the policy asks for signed commits, and commit.gpgsign is not set: without -S this commit will not be signed"
    form = format_of(config)
    if form not in commits.formats:
        accepted = " or ".join(FORMAT_TITLES[each] for each in commits.formats)
        return Readiness(unsigned, f"git is set up to sign with {FORMAT_TITLES.get(form, form)}, the policy accepts {accepted}")
    fingerprint = _fingerprint(form, config.get("user.signingkey", ""), home)
    if not fingerprint:
        return Readiness(unsigned)
    return Readiness(unsigned, _key(form, fingerprint, keys.list_keys(loaded, now), commits, email))


def format_of(config: Mapping[str, str]) -> str:
    """The format that git signs in: `gpg.format`, and gitsign where that is the program for X.509."""
    form = config.get("gpg.format", "openpgp").lower()
    if form == "x509" and Path(config.get("gpg.x509.program", "")).name.startswith("gitsign"):
        return "gitsign"
    return form


def key_file(config: Mapping[str, str], home: Path | None) -> Path | None:
    """The file that `user.signingkey` names for SSH, None where it names none."""
    value = config.get("user.signingkey", "")
    if format_of(config) != "ssh" or not value or value.startswith(("key::", "ssh-", "sk-", "ecdsa-")):
        return None
    if value.startswith("~/"):
        return home / value[2:] if home is not None else None
    return Path(value)


def _fingerprint(form: str, value: str, home: Path | None) -> str:
    """The fingerprint of the key that `user.signingkey` names, or the end of one; empty where that cannot be told."""
    if form == "openpgp":
        found = _match_id(value)
        return found[1].upper() if found else ""
    if form != "ssh" or not value:
        return ""
    path = key_file({"gpg.format": "ssh", "user.signingkey": value}, home)
    try:
        if path is None:
            lines = sshkey.parse_file(value.removeprefix("key::").encode())
        else:
            # a private key has its public half beside it
            data = _read(path)
            lines = sshkey.parse_file(data if b"PRIVATE KEY-----" not in data else _read(path.with_name(path.name + ".pub")))
    except (ChainverifyError, OSError, ValueError):
        return ""
    return lines[0].key.fingerprint if len(lines) == 1 else ""


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(KEY_BYTES_MAX)


def _key(form: str, fingerprint: str, listed: KeyList, commits: CommitsPolicy, email: str) -> str:
    """What is wrong with signing by this key, empty for nothing."""
    held = [(person, each) for person in listed.people for each in person.keys if _is(each, form, fingerprint)]
    shown = f"{FORMAT_TITLES[form]} key {fingerprint}"
    if not held:
        if any(_is(each, form, fingerprint) or (form == "ssh" and each.kind == "principals") for each in listed.shared):
            return ""  # an allowed signers file names people by patterns: who it is, is judged on the commit
        return f"git signs with the {shown}, which belongs to nobody in the policy"
    person, each = held[0]
    if each.state != "good":
        return f"git signs with the {shown} of {person.name}, and the policy has it as: {each.state}"
    emails = {address.lower() for address in person.emails}
    if email and "committer-email" in commits.identity and emails and email.lower() not in emails:
        return f"git signs with the {shown} of {person.name}, whose addresses do not include the committer's, {email}"
    return ""


def _is(each: KeyDescription, form: str, fingerprint: str) -> bool:
    if each.format != form:
        return False
    if form == "openpgp":
        return each.fingerprint.upper().endswith(fingerprint) or each.primary.upper().endswith(fingerprint)
    return each.fingerprint == fingerprint
