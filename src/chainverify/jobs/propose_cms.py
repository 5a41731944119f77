"""What a policy would have to say for an X.509 or gitsign signature of somebody unknown. All of it is the signature's own word.

What is proposed was tried: a policy of this one certificate, or of this one identity under the trust root in force, accepts the
signature. That says who could have made it, and never whose it is.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final, NamedTuple

from chainverify.errors import ChainverifyError
from chainverify.formats import pem
from chainverify.jobs.enrol import stem
from chainverify.model.signing import Clock, Evidence, Format, GitsignMaterial, KeyMaterial, SignatureOptions, SigningMaterial
from chainverify.policy import edit
from chainverify.policy.model import CommitsPolicy, Signer
from chainverify.signatures import backends

if TYPE_CHECKING:
    from chainverify.transparency.certificates import Certificate

MAX_SHOWN_BYTES: Final = 4096
"""The largest certificate that is shown whole; a larger one is asked of its owner."""
_SOMEONE: Final = "someone"


class Case(NamedTuple):
    """A signature, and who the object says made it: `name` and `email` as a policy can hold them, `known` the person of the
    policy with that address. `clock` has the time that the object claims."""

    payload: bytes
    signature: bytes
    name: str
    email: str
    known: Signer | None
    clock: Clock


def lines(case: Case, material: SigningMaterial, commits: CommitsPolicy) -> tuple[str, ...]:
    """Lines of TOML and comments, or one comment that says why nothing would do; none for a signature without certificate.

    `material` is the policy's, for the trust root of gitsign.
    """
    from chainverify.formats import cms
    from chainverify.transparency import certificates

    try:
        parsed = cms.parse(cms.dearmor(case.signature))
        der = cms.signer_certificate(parsed)
        if der is None:
            return ()
        certificate = certificates.decode(der)
        if backends.cms_format(parsed) == "gitsign":
            return tuple(_gitsign(case, certificate, material, commits))
        return tuple(_x509(case, certificate))
    except ChainverifyError as error:
        return (f"# nothing is proposed: {edit.one_line(error.message)}",)


def _tried(case: Case, material: SigningMaterial, form: Format) -> Evidence:
    """Proof under a policy of `material` alone, whatever the state of a pinned certificate. Raises as the backends do."""
    options = SignatureOptions(key_validity="identity")
    return backends.verify(case.payload, case.signature, backends.load(material), case.clock, options, (form,))


def _claims(case: Case, named: tuple[str, ...]) -> list[str]:
    """That name and address are the object's own word, and whether the certificate contradicts it."""
    found = ["Name and address are what the object itself claims."]
    if case.known is not None:
        found = [f"That it is of {case.email}, an address of {case.known.name}, is what the object itself claims."]
    if named and case.email.casefold() not in {each.casefold() for each in named}:
        shown = ", ".join(each[:100] for each in named[:4])
        found.append(f"The certificate names {shown} and not {case.email}: find out who it was before you add anything.")
    return found


def _commented(said: list[str]) -> list[str]:
    return [f"# {edit.one_line(line)}".rstrip() for line in said]


# --- X.509


def _x509(case: Case, certificate: Certificate) -> list[str]:
    from chainverify.transparency import certificates

    _tried(case, SigningMaterial(x509=(KeyMaterial(_SOMEONE, certificate.der, "explain", name="its certificate"),)), "x509")
    file = f"{stem(case.known.name if case.known else case.name)}.pem"
    said = [
        "observed, not trusted: that the key of this certificate made the signature does not say whose it is. Compare the",
        "fingerprint with its owner over another channel, then remove the mark; servers and CI refuse it until then.",
        *_claims(case, certificate.addresses),
        f"The certificate {certificate.fingerprint}",
        f"names its holder {certificate.shown} and its issuer {certificates.issuer_name(certificate)}: its own words.",
    ]
    if case.known is not None:
        said += [*_save(certificate, file), f"  chainverify keys add {shlex.quote(case.known.name)} --x509 {file}"]
        found = _commented(said)
    else:
        said += _save(certificate, f"keys/{file} beside the policy")
        lists = (("emails", (case.email,)), ("x509", (f"keys/{file}",)))
        found = edit.stanza(edit.Addition(case.name, lists, observed=True, comments=tuple(said)))
    if not certificate.self_issued and certificate.addresses:
        found += _commented([
            'Or trust its authority, for everybody whose address it certifies: x509-roots = ["ca.pem"] in [commits], the root as',
            "the authority itself publishes it, never one that came with a signature.",
        ])
    return found


def _save(certificate: Certificate, where: str) -> list[str]:
    """How the certificate gets into a file: the signature brings it along."""
    if len(certificate.der) > MAX_SHOWN_BYTES:
        return [f"Get the certificate from its owner, in PEM or DER, and save it as {where}."]
    block = pem.certificate(certificate.der)
    return [f"Save it as {where} (without # and spaces):", *(f"  {line}" for line in block)]


# --- gitsign


def _gitsign(case: Case, certificate: Certificate, material: SigningMaterial, commits: CommitsPolicy) -> list[str]:
    from chainverify.transparency import identities

    found = identities.read(certificate)
    if "*" in found.name + found.issuer:
        # as an identity it would be a glob
        return [f"# nothing is proposed: identity {edit.one_line(repr(found.name))} holds a *, which a policy reads as a glob"]
    identity = GitsignMaterial(
        _SOMEONE, found.name, found.issuer, identity_is_regex=False, issuer_is_regex=False, claims=(), key="explain"
    )
    trust = SigningMaterial(
        gitsign=(identity,), trusted_root=material.trusted_root, x509_roots=material.x509_roots, crls=material.crls,
        timestamp_roots=material.timestamp_roots,
    )  # fmt: skip
    level = _tried(case, trust, "gitsign").level or 0
    said = [
        "observed, not trusted: the trust root vouches that this issuer vouched for this identity, and nobody for whose account",
        "it is, or that it may sign here. Ask its owner over another channel, then remove the mark; servers and CI refuse it",
        "until then.",
        *_claims(case, (found.name,)),
    ]
    asked = case.known.gitsign_level if case.known else None
    asked = commits.gitsign_level if asked is None else asked
    if level < asked:
        said.append(f"The signature reaches level {level}, and gitsign-level {asked} is asked for: it would still be refused.")
    if case.known is not None:
        name, account, issuer = (shlex.quote(each) for each in (case.known.name, found.name, found.issuer))
        return _commented([*said, f"  chainverify keys add {name} --gitsign {account} --issuer {issuer}"])
    return edit.stanza(edit.Addition(
        case.name, (("emails", (case.email,)),), ((found.name, found.issuer),), observed=True, comments=tuple(said)
    ))  # fmt: skip
