"""What a policy would have to say for a signature by an unknown key: observed, never trusted by being proposed."""

from __future__ import annotations

import shlex

from chainverify.jobs.claims import issuer
from chainverify.jobs.crowd import address, plain_text
from chainverify.jobs.enrol import stem
from chainverify.jobs.initialise import certified, keyless
from chainverify.jobs.observe import Keyless, proved_authority, proved_key
from chainverify.model.gitobject import Ident
from chainverify.model.signing import Clock, SigningMaterial
from chainverify.policy import edit
from chainverify.policy.model import CommitsPolicy, Policy
from chainverify.signatures import backends

_WARNING = (
    "observed, not trusted: that this key made the signature does not say whose key it is. Compare the fingerprint",
    "with its owner over another channel, then remove the mark; servers and CI refuse it until then.",
    "Name and address are what the object itself claims.",
)


def proposal(  # noqa: PLR0917
    payload: bytes, signature: bytes, ident: Ident | None, policy: Policy, material: SigningMaterial, now: int
) -> tuple[str, ...]:
    """Lines of TOML that would accept the signature, or comments on how to get there; none where nothing can be said.

    `ident` is the committer or tagger, whose name and address are claims. `material` is the policy's, `now` in seconds since the
    epoch.
    """
    email = address(plain_text(ident.email)) if ident is not None else None
    if ident is None or email is None:
        return ()
    name = plain_text(ident.name) or email
    known = next((each for each in policy.signers if email.casefold() in {own.casefold() for own in each.emails}), None)
    form = backends.detect(signature)
    if form == "openpgp" and (mark := issuer(signature)):
        if known is None:
            return tuple(line for line in keyless(Keyless(name, email, mark, 1)) if line)
        file = f"{stem(known.name)}.asc"
        return (
            f"# get the OpenPGP key {mark} from {edit.one_line(known.name)}, and check it over another channel; then:",
            f"#   gpg --armor --export {mark} > {file}",
            f"#   chainverify keys add {shlex.quote(known.name)} --openpgp {file}",
        )
    taken = {each.name.casefold() for each in policy.signers}
    name = email if name.casefold() in taken or name.startswith("role:") else name
    if form == "x509":
        from chainverify.jobs import propose_cms

        case = propose_cms.Case(payload, signature, name, email, known, Clock(ident.time, now))
        return propose_cms.lines(case, material, policy.commits or CommitsPolicy())
    line = proved_key(payload, signature, ident.time) if form == "ssh" else ""
    if not line:
        authority = proved_authority(payload, signature, ident.time)
        return tuple(text for text in certified(authority) if text) if authority is not None else ()
    if known is not None:
        return (
            *(f"# {text}" for text in _WARNING),
            f"#   chainverify keys add {shlex.quote(known.name)} --ssh {shlex.quote(line)}",
        )
    person = edit.Addition(name, (("emails", (email,)), ("ssh", (line,))), observed=True, comments=_WARNING)
    return tuple(edit.stanza(person))
