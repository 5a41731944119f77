"""The certificates that a policy believes: those pinned to a person, authorities, and what was revoked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple

from chainverify.errors import Malformed, PolicyError, SignatureError
from chainverify.formats.cms import Cms
from chainverify.model.signing import KeyMaterial, SigningMaterial
from chainverify.transparency import certificates, chains, crls
from chainverify.transparency.algorithms import Key
from chainverify.transparency.certificates import Certificate
from chainverify.transparency.crls import Revocations
from chainverify.transparency.timestamps import TimestampAuthority


class Pinned(NamedTuple):
    """A certificate of a person of the policy. `path` is it and the authorities of the policy that issued it, if any did: they
    do not vouch for it, but can revoke it.
    """

    signer: str
    certificate: Certificate
    key: Key
    path: tuple[Certificate, ...]


class X509Keyring(NamedTuple):
    """All that a policy says of X.509: pinned certificates by their DER, and found by what a signature calls its signer.

    `roots` are believed in what they certify, `others` are authorities below them which a signature may leave out.
    """

    pinned: Mapping[bytes, Pinned]
    by_name: Mapping[tuple[bytes, int] | bytes, tuple[bytes, ...]]
    roots: tuple[Certificate, ...]
    others: tuple[Certificate, ...]
    revocations: Revocations
    timestamp_authorities: tuple[TimestampAuthority, ...]

    def named(self, cms: Cms) -> tuple[bytes, ...]:
        """The pinned certificates (DER) that a signature may mean with its signer."""
        named = cms.issuer_serial or cms.subject_key_id
        return self.by_name.get(named, ()) if named is not None else ()


def load(material: SigningMaterial) -> X509Keyring:
    """The certificates of a policy.

    Of the certificates in `x509_roots` those that another of them issued are authorities below it, so that their revocation
    lists can be proved; all others are roots, self-signed or not. The same goes for `timestamp_roots`.

    Raises `PolicyError`, with the material's place, for files that cannot be read whole, keys that are too weak or of a kind that
    is not supported, a root that is no authority, a certificate that two people have, and revocation lists as `crls.load` does.
    """
    roots, others = _authorities(material.x509_roots)
    timestamp_roots, timestamp_others = _authorities(material.timestamp_roots)
    authorities = (*roots, *others, *timestamp_roots, *timestamp_others)
    pinned: dict[bytes, Pinned] = {}
    by_name: dict[tuple[bytes, int] | bytes, tuple[bytes, ...]] = {}
    for each in material.x509:
        with _placed(each):
            for data in certificates.read_file(each.data):
                _pin(each.signer, certificates.decode(data), authorities, pinned, by_name)
    stamping = (TimestampAuthority(timestamp_roots, timestamp_others),) if timestamp_roots else ()
    return X509Keyring(
        MappingProxyType(pinned), MappingProxyType(by_name), roots, others, crls.load(material.crls, authorities), stamping
    )


def _pin(
    signer: str,
    certificate: Certificate,
    authorities: Sequence[Certificate],
    pinned: dict[bytes, Pinned],
    by_name: dict[tuple[bytes, int] | bytes, tuple[bytes, ...]],
) -> None:
    """Enter a certificate that no other person has. Raises `Malformed` or `SignatureError`."""
    known = pinned.get(certificate.der)
    if known is not None and known.signer == signer:
        return
    if known is not None:
        raise Malformed(
            f"certificate {certificate.shown} ({certificate.fingerprint}) is given to {known.signer!r} and to {signer!r}",
            hint="a certificate belongs to one person: remove it from the other",
        )
    chains.check_usage(certificate)
    path = [certificate]
    while len(path) < chains.MAX_DEPTH:
        issuer = certificates.issuer_of(path[-1], authorities)
        if issuer is None or issuer in path:
            break
        path.append(issuer)
    pinned[certificate.der] = Pinned(signer, certificate, certificate.key(), tuple(path))
    outline = certificate.outline
    for name in ((outline.issuer, outline.serial), outline.key_id):
        if name is not None:
            by_name[name] = (*by_name.get(name, ()), certificate.der)


def _authorities(materials: Sequence[KeyMaterial]) -> tuple[tuple[Certificate, ...], tuple[Certificate, ...]]:
    """Roots, and the authorities below them. Raises `PolicyError`."""
    found: dict[bytes, tuple[Certificate, KeyMaterial]] = {}
    for each in materials:
        with _placed(each):
            for data in certificates.read_file(each.data):
                certificate = certificates.decode(data)
                certificate.key()
                found.setdefault(data, (certificate, each))
    everyone = [certificate for certificate, _ in found.values()]
    roots: list[Certificate] = []
    others: list[Certificate] = []
    for certificate, each in found.values():
        rest = [other for other in everyone if other.der != certificate.der]
        if not certificate.self_issued and certificates.issuer_of(certificate, rest) is not None:
            others.append(certificate)
            continue
        with _placed(each):
            _check_root(certificate)
        roots.append(certificate)
    if found and not roots:
        each = materials[0]
        raise PolicyError(
            "names no root: each certificate was issued by another of them", key=each.key, source=each.source, line=each.line,
            hint="name the root's certificate too",
        )
    return tuple(roots), tuple(others)


def _check_root(certificate: Certificate) -> None:
    """Raises `Malformed` for a certificate below which no path can ever be valid."""
    if not certificate.authority or (certificate.usages is not None and "key_cert_sign" not in certificate.usages):
        raise Malformed(
            f"certificate {certificate.shown} is not that of an authority, which may sign certificates",
            hint="name the certificate of the CA; a person's own certificate goes into the signer's x509 list",
        )
    if certificate.unknown_critical:
        raise Malformed(
            f"certificate {certificate.shown} has the critical extension {certificate.unknown_critical[0]}, "
            "which is not processed"
        )


@contextmanager
def _placed(material: KeyMaterial) -> Iterator[None]:
    """Errors about a file of the policy, told as such."""
    try:
        yield
    except (Malformed, SignatureError) as error:
        raise PolicyError(
            f"{material.name}: {error.message}", key=material.key, source=material.source, line=material.line, hint=error.hint
        ) from error
