"""Whom a Fulcio certificate names: its subject alternative name, the OpenID issuer that vouched for it, and further claims.

The extensions are those of Fulcio's `docs/oid-info.md`. An identity means nothing without its issuer: anybody can run an issuer
that vouches for anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from cryptography import x509

from chainverify.errors import Malformed, PolicyError
from chainverify.formats import glob, pattern
from chainverify.formats.der import DerReader
from chainverify.formats.pattern import Pattern
from chainverify.formats.sshwire import damaged
from chainverify.model.signing import GitsignMaterial
from chainverify.transparency.certificates import Certificate

ARC: Final = "1.3.6.1.4.1.57264.1"
"""The arc of Fulcio's extensions."""
ISSUER_V1: Final = f"{ARC}.1"
ISSUER: Final = f"{ARC}.8"
USERNAME: Final = f"{ARC}.7"
"""The otherName of an identity that is neither an address nor a URI."""
MAX_TEXT: Final = 4096
"""The longest identity, issuer or claim that is read."""

_UTF8_STRING: Final = 0x0C
_RAW: Final = {
    2: "github-workflow-trigger", 3: "github-workflow-sha", 4: "github-workflow-name", 5: "github-workflow-repository",
    6: "github-workflow-ref",
}  # fmt: skip
_CLAIMS: Final = {
    9: "build-signer-uri", 10: "build-signer-digest", 11: "runner-environment", 12: "source-repository-uri",
    13: "source-repository-digest", 14: "source-repository-ref", 15: "source-repository-identifier",
    16: "source-repository-owner-uri", 17: "source-repository-owner-identifier", 18: "build-config-uri",
    19: "build-config-digest", 20: "build-trigger", 21: "run-invocation-uri",
}  # fmt: skip
_NAMES: Final[Mapping[str, tuple[str, bool]]] = MappingProxyType(
    {f"{ARC}.{number}": (name, True) for number, name in _RAW.items()}
    | {f"{ARC}.{number}": (name, False) for number, name in _CLAIMS.items()}
)
"""The name of each claim by its extension, and whether the extension holds bare text instead of a DER UTF8String."""
CLAIMS: Final = frozenset(name for name, _ in _NAMES.values())
ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {"source-repository": "source-repository-uri", "source-repository-owner": "source-repository-owner-uri"}
)
"""Shorter names that a policy may use."""


class Identity(NamedTuple):
    """Whom a certificate names: `name` vouched for by `issuer`. `email` says whether the name is an address."""

    name: str
    email: bool
    issuer: str
    claims: tuple[tuple[str, str], ...]


class Matcher(NamedTuple):
    """What a policy says of one value: `text`, met whole, as a glob where it holds a `*`; or `regex` where that is set."""

    text: str
    regex: Pattern | None = None

    def matches(self, value: str) -> bool:
        """Whether the whole of `value` is meant."""
        if self.regex is not None:
            return self.regex.search(value)
        return glob.matches(self.text, value) if "*" in self.text else value == self.text


class Rule(NamedTuple):
    """An identity that the policy gives to `signer`."""

    signer: str
    name: Matcher
    issuer: Matcher
    claims: tuple[tuple[str, Matcher], ...]

    def holds(self, identity: Identity) -> bool:
        """Whether `identity` is the one meant: name and issuer match, and every claim is there and matches."""
        if not self.name.matches(identity.name) or not self.issuer.matches(identity.issuer):
            return False
        claims = dict(identity.claims)
        return all(name in claims and wanted.matches(claims[name]) for name, wanted in self.claims)


def rule(material: GitsignMaterial) -> Rule:
    """The rule of one entry of a policy. Raises `PolicyError`, with the entry's place."""
    claims: list[tuple[str, Matcher]] = []
    for written, value in material.claims:
        name = ALIASES.get(written, written)
        if name not in CLAIMS:
            raise PolicyError(
                f"no claim of a Fulcio certificate is named {written!r}", key=f"{material.key}.claims", source=material.source,
                line=material.line, hint=f"one of {', '.join(sorted(CLAIMS))}",
            )
        claims.append((name, _matcher(value, regex=False)))
    try:
        return Rule(
            material.signer,
            _matcher(material.identity, regex=material.identity_is_regex),
            _matcher(material.issuer, regex=material.issuer_is_regex),
            tuple(claims),
        )
    except Malformed as error:
        raise PolicyError(
            error.message, key=material.key, source=material.source, line=material.line, hint=error.hint
        ) from error


def _matcher(wanted: str, *, regex: bool) -> Matcher:
    if not regex:
        return Matcher(wanted)
    # alone first: a group that `wanted` closes would not be anchored
    pattern.compile_pattern(wanted)
    return Matcher(wanted, pattern.compile_pattern(f"^(?:{wanted})$"))


def read(certificate: Certificate) -> Identity:
    """The identity in a certificate, which the caller has verified up to an authority.

    There is exactly one subject alternative name: an address, a URI or Fulcio's otherName. Issuer extensions of both versions
    agree where both are there. Raises `Malformed`.
    """
    extensions = {each.oid: each.value for each in certificate.outline.extensions}
    name, email = _subject(certificate)
    issuers: list[str] = []
    if ISSUER in extensions:
        issuers.append(_der_text(extensions[ISSUER], "issuer"))
    if ISSUER_V1 in extensions:
        issuers.append(_text(extensions[ISSUER_V1], "issuer"))
    if not issuers:
        raise damaged("certificate names no OpenID issuer")
    if len(set(issuers)) > 1:
        raise damaged(f"certificate names two OpenID issuers, {_show(issuers[0])} and {_show(issuers[1])}")
    claims: list[tuple[str, str]] = []
    for oid, (claim, raw) in _NAMES.items():
        if oid in extensions:
            claims.append((claim, _text(extensions[oid], claim) if raw else _der_text(extensions[oid], claim)))
    return Identity(name, email, issuers[0], tuple(claims))


def _subject(certificate: Certificate) -> tuple[str, bool]:
    """The subject alternative name, and whether it is an address."""
    found = certificate.names
    if len(found) != 1:
        raise damaged(f"certificate has {len(found)} subject alternative names, expected one")
    only = found[0]
    if isinstance(only, x509.RFC822Name | x509.UniformResourceIdentifier):
        return _text(only.value.encode(), "identity"), isinstance(only, x509.RFC822Name)
    if isinstance(only, x509.OtherName) and only.type_id.dotted_string == USERNAME:
        return _der_text(only.value, "identity"), False
    raise damaged("certificate has a subject alternative name that is no address, URI or user name of Fulcio")


def _der_text(data: bytes, what: str) -> str:
    reader = DerReader(data, f"certificate's {what}")
    value = reader.value(_UTF8_STRING)
    reader.end()
    return _text(value, what)


def _text(data: bytes, what: str) -> str:
    """Text for people to compare: without control characters, and not empty."""
    if not 0 < len(data) <= MAX_TEXT:
        raise damaged(f"certificate's {what} has {len(data)} bytes, expected 1 to {MAX_TEXT}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise damaged(f"certificate's {what} is not UTF-8") from error
    if any(character < " " or "\x7f" <= character < "\xa0" for character in text):
        raise damaged(f"certificate's {what} holds control characters")
    return text


def _show(text: str) -> str:
    return repr(text[:200])
