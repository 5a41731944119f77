"""What the owner of a policy must add for a key, proved: the scratch objects are judged once more under the policy with it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from chainverify.errors import ChainverifyError, PolicyError, UsageError
from chainverify.formats import cms, pem
from chainverify.jobs import enrol
from chainverify.jobs.crowd import address, plain_text
from chainverify.jobs.enrol import KeyFile, Newcomer
from chainverify.jobs.policies import POLICY_NAME, LoadedPolicy
from chainverify.jobs.signing import prove
from chainverify.jobs.signing.prove import Signed
from chainverify.model.localkeys import LocalKey
from chainverify.model.report import verdict
from chainverify.policy import load

EMPTY: Final = b"version = 1\n[commits]\n"
"""The policy that a stanza is tried in where there is none yet."""


class Stanza(NamedTuple):
    """What is to be added to the policy for `person`, who is there already if `known`: the lines and the files beside it.

    `email` is the address that git writes. `accepted` says that the scratch objects pass with it; `why` is what still speaks
    against them, or why nothing can be added.
    """

    person: str
    email: str
    known: bool
    lines: tuple[str, ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()
    accepted: bool = False
    why: str = ""


def empty() -> LoadedPolicy:
    """A policy that asks for signatures and knows nobody, for where there is none."""

    def read(name: str) -> bytes:
        raise PolicyError(f"no key file {name}")

    return LoadedPolicy(load.parse(EMPTY, "a new policy"), "self", read)


def propose(made: Signed, key: LocalKey, loaded: LoadedPolicy, now: int) -> Stanza | None:
    """The stanza for the key that signed the scratch objects, in the name and address that they carry.

    None where those are no name and address that a policy can hold.
    """
    ident = made.commit.committer
    email = address(plain_text(ident.email))
    if email is None:
        return None
    name = (plain_text(ident.name) or email).removeprefix("role:")
    newcomer = Newcomer(name, (email,), imported=True)
    signer = enrol.find(loaded.policy.signers, newcomer)
    if signer is not None:
        newcomer = newcomer._replace(name=signer.name)
    try:
        newcomer = _with_key(newcomer, key, made.commit.signature or b"")
        change = enrol.plan(Path(POLICY_NAME), loaded, [newcomer], now)
    except ChainverifyError as error:
        return Stanza(newcomer.name, email, signer is not None, why=error.message)
    files = dict(change.files)
    added = load.parse(change.after, loaded.policy.source)
    under = LoadedPolicy(added, loaded.trust, lambda file: files[file] if file in files else loaded.read(file))
    found = prove.judge(made, under, now, tags=True)
    good = verdict(found.report) == "pass"
    why = "" if good else next((each.message for each in found.report.findings if each.status != "pass"), "")
    return Stanza(newcomer.name, email, signer is not None, _lines(enrol.diff(change)), change.files, good, why)


def _with_key(newcomer: Newcomer, key: LocalKey, signature: bytes) -> Newcomer:
    if key.format == "ssh" and key.kind == "certificate":
        line = f'{newcomer.emails[0]} cert-authority,namespaces="git" {key.public}\n'
        return newcomer._replace(files=(KeyFile("allowed-signers", ".allowed_signers", line.encode()),))
    if key.format == "ssh":
        return newcomer._replace(ssh=(key.public,))
    if key.format == "openpgp":
        from chainverify.signatures.gnupg import export_keys

        (exported,) = export_keys(None, (key.marks[0],))
        return newcomer._replace(files=(KeyFile("openpgp", ".asc", exported.armored.encode()),))
    der = cms.signer_certificate(cms.parse(cms.dearmor(signature))) or b""
    if key.format == "gitsign":
        from chainverify.transparency import certificates, identities

        identity = identities.read(certificates.decode(der))
        if "*" in identity.name + identity.issuer:
            raise UsageError(f"the identity {identity.name!r} holds a *, which a policy reads as a glob")
        return newcomer._replace(gitsign=((identity.name, identity.issuer),))
    return newcomer._replace(files=(KeyFile("x509", ".pem", "\n".join((*pem.certificate(der), "")).encode()),))


def _lines(diff: str) -> tuple[str, ...]:
    """The lines that a change adds or replaces, without those of the diff itself."""
    added = [line[1:] for line in diff.split("\n") if line.startswith("+") and not line.startswith("+++ ")]
    return tuple(line for line in added if line.strip())
