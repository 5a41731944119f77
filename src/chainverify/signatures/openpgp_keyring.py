"""The OpenPGP keyring of a policy: its certificates read, merged, verified once, and indexed by their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, NoReturn

from chainverify.errors import Malformed, PolicyError
from chainverify.formats import openpgp, openpgp_keys
from chainverify.formats.openpgp import Signature
from chainverify.model.signing import KeyMaterial
from chainverify.signatures import facts
from chainverify.signatures.openpgp_certificates import Certificate, evaluate, revokes
from chainverify.signatures.openpgp_crypto import Key, decode


class TrustedKey(NamedTuple):
    """A key of a certificate of the policy: number `number` of `certificate`, ready to verify with; `digest` is that of all of
    the key (`facts.digest_of`)."""

    fingerprint: str
    key: Key
    certificate: Certificate
    number: int
    digest: bytes


class OpenPgpKeyring(NamedTuple):
    """All OpenPGP certificates of a policy, and their keys by fingerprint (20 or 32 bytes) and key id (8 bytes).

    Several entries under one fingerprint are one key that several certificates claim as theirs.
    """

    certificates: tuple[Certificate, ...]
    by_fingerprint: Mapping[bytes, tuple[TrustedKey, ...]]
    by_key_id: Mapping[bytes, tuple[TrustedKey, ...]]
    keys: tuple[TrustedKey, ...]


def load(materials: Sequence[KeyMaterial]) -> OpenPgpKeyring:
    """The keyring of a policy; each material is a key file with certificates (armored or binary), or revocations.

    A certificate that one signer names twice is merged: components and revocations of all copies count. Keys that can
    not be used any more (short RSA, revoked) are kept, so that the verdict on their signatures can say so.

    Raises `PolicyError`, with the material's place, for material that is damaged, private, or holds no usable primary
    key, for a revocation of a certificate that is not there, or that is not good, and for a certificate or key that two
    signers claim.
    """
    found: dict[bytes, tuple[openpgp_keys.Certificate, KeyMaterial]] = {}
    orphans: list[tuple[openpgp.Signature, KeyMaterial]] = []
    for material in materials:
        try:
            file = openpgp_keys.parse_file(material.data)
            orphans += [(revocation, material) for revocation in file.revocations]
            _enter(found, file.certificates, material)
        except Malformed as error:
            _refuse(error, material)
    primaries = {fingerprint: decode(raw.primary) for fingerprint, (raw, _) in found.items()}
    certificates: list[tuple[Certificate, KeyMaterial]] = []
    for fingerprint, (raw, material) in found.items():
        own = [item for item, _ in orphans if _is_about(item, fingerprint)]
        try:
            certificates.append((evaluate(raw, material.signer, primaries, own), material))
        except Malformed as error:
            _refuse(error, material)
    for revocation, material in orphans:
        about = [raw for fingerprint, (raw, _) in found.items() if _is_about(revocation, fingerprint)]
        if not about:
            raise _policy_error("revocation of an OpenPGP certificate that no signer has", material)
        if not any(revokes(raw, primaries, revocation) for raw in about):
            raise _policy_error(
                "revocation of an OpenPGP certificate that its key did not make", material,
                "it is damaged, or of another key: leaving it out silently would let a revoked key go on to count",
            )
    return _keyring(certificates)


def _enter(
    found: dict[bytes, tuple[openpgp_keys.Certificate, KeyMaterial]],
    certificates: tuple[openpgp_keys.Certificate, ...],
    material: KeyMaterial,
) -> None:
    """Add a file's certificates. Raises `Malformed`, and `PolicyError` for one that another signer has."""
    problems: list[str] = []
    for certificate in certificates:
        fingerprint = certificate.primary.fingerprint
        known = found.get(fingerprint)
        if known is None:
            found[fingerprint] = (certificate, material)
        elif known[1].signer == material.signer:
            found[fingerprint] = (openpgp_keys.merge(known[0], certificate), known[1])
        else:
            raise _claimed_twice(fingerprint.hex().upper(), known[1].signer, material)
        problem = decode(certificate.primary).problem
        if problem:
            problems.append(f"OpenPGP key {fingerprint.hex().upper()} cannot be used: {problem}")
    if problems and len(problems) == len(certificates):
        raise Malformed(problems[0], rule="algorithm-forbidden", hint="make a new key: gpg --quick-generate-key NAME ed25519")


def _keyring(certificates: Sequence[tuple[Certificate, KeyMaterial]]) -> OpenPgpKeyring:
    """The indexes. Raises `PolicyError` for a key that certificates of two signers rightly claim."""
    by_fingerprint: dict[bytes, list[TrustedKey]] = {}
    by_key_id: dict[bytes, list[TrustedKey]] = {}
    keys: list[TrustedKey] = []
    owners: dict[str, str] = {}
    for certificate, material in certificates:
        for number, component in enumerate(certificate.keys):
            packed = component.packet.fingerprint
            trusted = TrustedKey(
                packed.hex().upper(), component.key, certificate, number, facts.digest_of(component.packet.body)
            )
            if component.proven and owners.setdefault(trusted.fingerprint, certificate.signer) != certificate.signer:
                raise _claimed_twice(trusted.fingerprint, owners[trusted.fingerprint], material)
            keys.append(trusted)
            by_fingerprint.setdefault(packed, []).append(trusted)
            # signatures of version 6 name no key id
            if component.packet.version == 4:
                by_key_id.setdefault(openpgp.key_id(packed), []).append(trusted)
    return OpenPgpKeyring(
        tuple(certificate for certificate, _ in certificates),
        MappingProxyType({name: tuple(entries) for name, entries in by_fingerprint.items()}),
        MappingProxyType({name: tuple(entries) for name, entries in by_key_id.items()}),
        tuple(keys),
    )


def _is_about(revocation: Signature, fingerprint: bytes) -> bool:
    """Whether a lone revocation may be one of this certificate, by the issuer it names."""
    return revocation.fingerprint in (None, fingerprint) and revocation.key_id in (None, openpgp.key_id(fingerprint))


def _claimed_twice(fingerprint: str, owner: str, material: KeyMaterial) -> PolicyError:
    return PolicyError(
        f"OpenPGP key {fingerprint} is given to {owner!r} and to {material.signer!r}",
        key=material.key,
        source=material.source,
        line=material.line,
        hint="a key belongs to one person: remove it from the other",
    )


def _policy_error(message: str, material: KeyMaterial, hint: str = "") -> PolicyError:
    return PolicyError(message, key=material.key, source=material.source, line=material.line, hint=hint)


def _refuse(error: Malformed, material: KeyMaterial) -> NoReturn:
    raise _policy_error(error.message, material, error.hint) from error
