"""Every key of a policy described, a function per kind of material; `jobs.keys` puts them together.

The material has been loaded by the verifiers before, so what stands here is what counts: a key that cannot be used is an error
of the policy, not a line of a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from chainverify.errors import SignatureError
from chainverify.model.keys import KeyDescription, KeyState
from chainverify.model.signing import GitsignMaterial, KeyMaterial, SigningMaterial
from chainverify.signatures.backends import Keyrings

if TYPE_CHECKING:
    from chainverify.formats.sshkey import SshPublicKey
    from chainverify.transparency.certificates import Certificate

_STATES: Final[dict[str, KeyState]] = {
    "GOOD": "good", "EXPIRED_AT_T": "expired", "REVOKED_HARD": "revoked", "REVOKED_SOFT_AT_T": "revoked", "FUTURE": "not yet",
}  # fmt: skip
"""What a code of `openpgp_certificates` is for people; all others mean that the key cannot sign."""


class Loaded(NamedTuple):
    """What is described: the policy's material, and what the verifiers made of it; `now` in seconds since the epoch."""

    material: SigningMaterial
    keyrings: Keyrings
    now: int


def describe(loaded: Loaded) -> Iterator[KeyDescription]:
    """All keys, by format and in the policy's order. The person's own times are not counted in yet."""
    for each in DESCRIBERS:
        yield from each(loaded)


def openpgp(loaded: Loaded) -> Iterator[KeyDescription]:
    """The keys of OpenPGP certificates: the primary key, and the subkeys that are for signing."""
    from chainverify.formats import openpgp_keys

    ring = loaded.keyrings.openpgp
    if ring is None:
        return
    left = {certificate.fingerprint: certificate for certificate in ring.certificates}
    for material in loaded.material.openpgp:
        for raw in openpgp_keys.parse_file(material.data).certificates:
            # a second copy adds to the first one and is not listed again
            certificate = left.pop(raw.primary.fingerprint.hex().upper(), None)
            if certificate is None:
                continue
            today = certificate.standing(0, loaded.now, "backfill")
            for number, component in enumerate(certificate.keys):
                life = certificate.lifetime(number, loaded.now)
                if number and not life.signs:
                    continue
                problem = component.key.problem
                usable = life.signs and not problem
                state = _STATES.get(life.code, "cannot sign")
                if not usable and state == "good":
                    state = "cannot sign"
                notes = (f"cannot be used: {problem}",) if problem else () if life.signs else ("certifies only",)
                yield _described(
                    material, "openpgp", "subkey" if number else "key", component.packet.fingerprint.hex().upper(),
                    component.key.name, state,
                )._replace(
                    since=life.since, until=life.until, primary=certificate.fingerprint if number else "",
                    comment=_first(today.user_ids), emails=today.emails, notes=notes,
                )


def ssh(loaded: Loaded) -> Iterator[KeyDescription]:
    """The keys of `ssh`, inline or from files, which have no time of their own, and the lines of allowed signers files."""
    from chainverify.formats import allowed_signers, sshkey

    ring = loaded.keyrings.ssh
    if ring is None:
        return
    seen: set[bytes] = set()
    for material in loaded.material.ssh:
        for line in sshkey.parse_file(material.data):
            if line.key.blob in seen:
                continue
            seen.add(line.key.blob)
            revoked = ring.keys[line.key.blob].revoked
            found = _described(
                material, "ssh", "key", line.key.fingerprint, _ssh_name(line.key), "revoked" if revoked else "good"
            )
            yield found._replace(comment=line.comment, notes=(revoked,) if revoked else ())
    for material in loaded.material.allowed_signers:
        for each in allowed_signers.parse(material.data):
            trusted = (ring.authorities if each.cert_authority else ring.keys)[each.key.blob]
            state = _state(each.valid_after, each.valid_before, loaded.now)
            notes = [f"line {each.number} of the file", f"principals {each.principals}"]
            notes += [f"namespaces {each.namespaces}"] if each.namespaces is not None else []
            notes += [trusted.revoked] if trusted.revoked else []
            found = _described(
                material, "ssh", "authority" if each.cert_authority else "key", each.key.fingerprint, _ssh_name(each.key),
                "revoked" if trusted.revoked else state,
            )  # fmt: skip
            yield found._replace(since=each.valid_after, until=each.valid_before, notes=tuple(notes))


def _ssh_name(key: SshPublicKey) -> str:
    return key.kind + (f" {key.modulus.bit_length()}" if key.modulus else "")


def gitsign(loaded: Loaded) -> Iterator[KeyDescription]:
    """The Sigstore identities: no keys, but who an issuer vouches for."""
    for each in loaded.material.gitsign:
        yield KeyDescription(
            "gitsign", "identity", each.signer, "", "", "", each.key, each.line, None, None, "good", comment=_identity(each)
        )


def trust_root(loaded: Loaded) -> Iterator[KeyDescription]:
    """The authorities and logs of Sigstore's trust root, by what they are called, with the windows that it gives them."""
    ring = loaded.keyrings.gitsign
    if ring is None:
        return
    root, material = ring.root, loaded.material.trusted_root
    given = material or KeyMaterial("", b"", "commits.trusted-root", name="the public-good root of the sigstore package")
    named = [(each.uri, each.certificates[-1].fingerprint, each.window) for each in root.authorities]
    named += [(each.uri, each.certificates[-1].fingerprint, each.window) for each in root.timestamp_authorities]
    named += [(each.url, each.log_id.hex(), each.window) for each in (*root.ct_logs, *root.logs)]
    for name, fingerprint, window in named:
        since, until = window.start // 1000, None if window.end is None else window.end // 1000
        found = _described(given, "gitsign", "authority", fingerprint, "", _state(since, until, loaded.now))
        yield found._replace(since=since, until=until, comment=name)


def x509(loaded: Loaded) -> Iterator[KeyDescription]:
    """Pinned certificates, and those of the authorities."""
    material = loaded.material
    kinds = (("certificate", material.x509), ("authority", (*material.x509_roots, *material.timestamp_roots)))
    if not any(files for _, files in kinds):
        return
    from chainverify.transparency import certificates

    for kind, files in kinds:
        for each in files:
            for der in certificates.read_file(each.data):
                certificate = certificates.decode(der)
                since, until = certificate.outline.not_before, certificate.outline.not_after
                revoked = _revoked(certificate, loaded)
                state = "revoked" if revoked else _state(since, until, loaded.now)
                found = _described(each, "x509", kind, certificate.fingerprint, certificate.key().name, state)
                yield found._replace(
                    since=since, until=until, comment=certificate.subject.rfc4514_string(), emails=certificate.addresses,
                    notes=(revoked,) if revoked else (),
                )


def _revoked(certificate: Certificate, loaded: Loaded) -> str:
    """Why a pinned certificate is revoked today, empty for all others."""
    from chainverify.transparency import crls

    ring = loaded.keyrings.x509
    pinned = ring.pinned.get(certificate.der) if ring is not None else None
    if ring is None or pinned is None:
        return ""
    try:
        crls.check(pinned.path, ring.revocations, loaded.now, loaded.now, None)
    except SignatureError as error:
        return error.message
    return ""


def revocation_lists(loaded: Loaded) -> Iterator[KeyDescription]:
    """The revocation lists of authorities, which last until their successor is due."""
    ring = loaded.keyrings.x509
    if ring is None:
        return
    from chainverify.transparency import crls

    stamping = (root for each in ring.timestamp_authorities for root in (*each.roots, *each.others))
    authorities = (*ring.roots, *ring.others, *stamping)
    for each in loaded.material.crls:
        found = crls.load((each,), authorities).lists.values()
        due = min((one.next_update for lists in found for one in lists if one.next_update is not None), default=None)
        yield _described(each, "x509", "revocations", "", "", _state(None, due, loaded.now))._replace(until=due)


def _state(since: int | None, until: int | None, now: int) -> KeyState:
    """What a window says of today; both ends belong to it."""
    if until is not None and until < now:
        return "expired"
    return "not yet" if since is not None and now < since else "good"


def ssh_revocations(loaded: Loaded) -> Iterator[KeyDescription]:
    """The lists of revoked SSH keys, which do not expire; the keys that they revoke say so themselves."""
    for each in loaded.material.ssh_revoked:
        yield _described(each, "ssh", "revocations", "", "", "good")


DESCRIBERS: Final[tuple[Callable[[Loaded], Iterator[KeyDescription]], ...]] = (
    openpgp, ssh, x509, gitsign, ssh_revocations, revocation_lists, trust_root,
)  # fmt: skip
"""Everything a policy can name, each kind once."""


def _described(  # noqa: PLR0917 - the fields of a description
    material: KeyMaterial, form: str, kind: str, fingerprint: str, algorithm: str, state: KeyState
) -> KeyDescription:
    return KeyDescription(
        form, kind, material.signer, fingerprint, algorithm, material.name, material.key, material.line, None, None, state
    )


def _first(user_ids: tuple[bytes, ...]) -> str:
    return user_ids[0].decode("utf-8", "backslashreplace") if user_ids else ""


def _identity(each: GitsignMaterial) -> str:
    """An identity and its issuer, with what else of the certificate must hold."""
    form = {True: " (pattern)", False: ""}
    claims = "".join(f", {name} = {value}" for name, value in each.claims)
    return (
        f"{each.identity}{form[each.identity_is_regex]} of {each.issuer}{form[each.issuer_is_regex]}{claims}"
    )
