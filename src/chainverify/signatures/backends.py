"""The signature formats as a table, and the one boundary between their verifiers and the rest.

A format's module is imported when a policy has a key of that kind, so a policy of SSH keys never loads the OpenPGP reader.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from chainverify.errors import BackendCrashed, ChainverifyError, Malformed, SignatureError
from chainverify.model.signing import FORMAT_TITLES, Clock, Evidence, Format, SignatureOptions, SigningMaterial

if TYPE_CHECKING:
    from chainverify.formats.cms import Cms
    from chainverify.signatures.facts import Fact
    from chainverify.signatures.gitsign import GitsignKeyring
    from chainverify.signatures.openpgp import OpenPgpKeyring
    from chainverify.signatures.ssh import SshKeyring
    from chainverify.signatures.x509 import X509Keyring

MAX_SIGNATURE_BYTES: Final = 256 << 10
"""The largest signature that is given to a verifier."""

_FIRST_LINES: Final[dict[bytes, str]] = {
    b"-----BEGIN PGP SIGNATURE-----": "openpgp",
    b"-----BEGIN SSH SIGNATURE-----": "ssh",
    b"-----BEGIN SIGNED MESSAGE-----": "x509",
}
_HELD: Final[dict[str, str]] = {
    "openpgp": "OpenPGP key", "ssh": "SSH key or authority", "x509": "X.509 certificate or authority",
    "gitsign": "Sigstore identity",
}  # fmt: skip
"""What a policy names for each format."""
_FULCIO_ISSUERS: Final = frozenset({"1.3.6.1.4.1.57264.1.1", "1.3.6.1.4.1.57264.1.8"})
"""The extensions of a certificate in which Fulcio names the OpenID issuer."""


class Keyrings(NamedTuple):
    """The keys of a policy by format, None where it has none of that format."""

    openpgp: OpenPgpKeyring | None = None
    ssh: SshKeyring | None = None
    x509: X509Keyring | None = None
    gitsign: GitsignKeyring | None = None


def load(material: SigningMaterial) -> Keyrings:
    """Decode the keys of a policy, once. Raises `PolicyError`, with the place in the policy, for one that cannot be used."""
    openpgp: OpenPgpKeyring | None = None
    ssh: SshKeyring | None = None
    x509: X509Keyring | None = None
    gitsign: GitsignKeyring | None = None
    if material.openpgp:
        from chainverify.signatures import openpgp as openpgp_backend

        openpgp = openpgp_backend.load(material.openpgp)
    if material.ssh or material.allowed_signers or material.ssh_revoked:
        from chainverify.signatures import ssh as ssh_backend

        ssh = ssh_backend.load(material)
    if material.x509 or material.x509_roots or material.crls or material.timestamp_roots:
        from chainverify.signatures import x509 as x509_backend

        x509 = x509_backend.load(material)
    if material.gitsign:
        from chainverify.signatures import gitsign as gitsign_backend

        gitsign = gitsign_backend.load(material)
    return Keyrings(openpgp, ssh, x509, gitsign)


@contextmanager
def importing(material: SigningMaterial) -> Iterator[None]:
    """Import the verifiers that `load` will need, while something else is waited for; what goes wrong, `load` tells."""
    given = {
        "openpgp": material.openpgp, "ssh": material.ssh or material.allowed_signers,
        "x509": material.x509 or material.x509_roots, "gitsign": material.gitsign,
    }  # fmt: skip
    wanted = [f"{__package__}.{name}" for name, keys in given.items() if keys]

    def work() -> None:
        with suppress(Exception):
            for name in wanted:
                import_module(name)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def detect(signature: bytes) -> str | None:
    """The format that the exact first line of a signature says (`openpgp`, `ssh`, `x509`), None for any other line.

    gitsign's signatures look like those of X.509 from outside: `verify` tells them apart.
    A CR before the line end is not part of the line here: whether an armor may have it is the format's question.
    """
    return _FIRST_LINES.get(signature.partition(b"\n")[0].removesuffix(b"\r"))


def verify(  # noqa: PLR0917 - the seam of all backends, with the formats as one more
    payload: bytes,
    signature: bytes,
    keyrings: Keyrings,
    clock: Clock,
    options: SignatureOptions,
    formats: Collection[Format],
    remember: Callable[[Fact], None] | None = None,
) -> Evidence:
    """Proof that a key of the policy made `signature` over `payload`, in one of `formats`.

    1. the first line names a format, and for CMS the signer's certificate says whether it is gitsign's, 2. the policy accepts
    the format, 3. the policy has keys of the format, 4. the format's verifier proves the signature.

    `remember` is called with the cryptographic fact, for `recall`, where there is one: of plain SSH keys and of OpenPGP.

    Raises `SignatureError` (rule `signature-format-not-allowed` for the second, `signer-unknown` for the third), other
    errors of ours as the verifier raised them, and `BackendCrashed` in place of any foreign exception.
    """
    name = detect(signature)
    if name is None:
        line = signature.partition(b"\n")[0]
        rule = "signature-ambiguous" if b"-----BEGIN " in signature else "signature-bad"
        raise SignatureError(
            f"signature starts with {repr(line[:60])[1:]}, expected the BEGIN line of an OpenPGP, SSH or CMS signature",
            code="MALFORMED",
            rule=rule,
        )
    try:
        cms: Cms | None = None
        if name == "x509" and ("x509" in formats or "gitsign" in formats):
            cms = _parse_cms(signature)
            name = cms_format(cms)
        _check_accepted(name, signature, formats)
        return _prove(name, payload, signature, cms, keyrings, clock, options, remember)
    except ChainverifyError:
        raise
    except Exception as error:
        raise _crashed(name, error) from error


def recall(
    fact: Fact, keyrings: Keyrings, clock: Clock, options: SignatureOptions, formats: Collection[Format]
) -> Evidence | None:
    """As `verify` of the signature that a fact is about, without the cryptography; None where it must be verified itself.

    A fact only spares the check of a signature that it is about, with a key that the policy has now. Raises as `verify`.
    """
    name = fact.kind.format
    if name not in formats:
        return None
    keyring = keyrings.ssh if name == "ssh" else keyrings.openpgp if name == "openpgp" else None
    try:
        return _recalling(name)(fact, keyring, clock, options) if keyring is not None else None
    except ChainverifyError:
        raise
    except Exception as error:
        raise _crashed(name, error) from error


@cache
def _recalling(name: str) -> Callable[[Fact, Any, Clock, SignatureOptions], Evidence | None]:
    """The `recall` of a format: an import inside of it would be a tenth of its time."""
    found: Callable[[Fact, Any, Clock, SignatureOptions], Evidence | None] = import_module(f"{__package__}.{name}").recall
    return found


def _crashed(name: str, error: Exception) -> BackendCrashed:
    return BackendCrashed(
        f"the {FORMAT_TITLES[name]} verifier failed with {type(error).__name__}: the signature was not judged",
        hint="please report this, with the object",
    )


def _check_accepted(name: str, signature: bytes, formats: Collection[Format]) -> None:
    """Step 2, and the size of what is given to a verifier. Raises `SignatureError`."""
    if name not in formats:
        raise SignatureError(
            f"{FORMAT_TITLES[name]} signatures are not accepted, expected {' or '.join(FORMAT_TITLES[one] for one in formats)}",
            code="UNSUPPORTED",
            rule="signature-format-not-allowed",
            hint="sign in an accepted format, or add this one to [commits] formats",
            evidence={"format": name},
        )
    if len(signature) > MAX_SIGNATURE_BYTES:
        raise SignatureError(
            f"signature has {len(signature)} bytes, at most {MAX_SIGNATURE_BYTES} are read",
            code="MALFORMED",
            evidence={"format": name},
        )


def _parse_cms(signature: bytes) -> Cms:
    """The CMS structure in an armor. Raises `SignatureError`."""
    from chainverify.formats import cms

    try:
        return cms.parse(cms.dearmor(signature))
    except Malformed as error:
        raise SignatureError(
            error.message, code="MALFORMED", rule=error.rule, hint=error.hint, evidence={"format": "x509"}
        ) from error


def cms_format(parsed: Cms) -> Format:
    """Which format a CMS signature is: gitsign's where the signer's certificate says that it comes from Fulcio.

    That is the signer's own word, and only chooses who judges it: each format believes its own authorities alone.
    """
    from chainverify.formats import certificate, cms

    try:
        signer = cms.signer_certificate(parsed)
        extensions = certificate.parse(signer).extensions if signer is not None else ()
    except Malformed as error:
        raise SignatureError(
            error.message, code="MALFORMED", rule=error.rule, hint=error.hint, evidence={"format": "x509"}
        ) from error
    return "gitsign" if any(each.oid in _FULCIO_ISSUERS for each in extensions) else "x509"


def _prove(  # noqa: PLR0917
    name: str,
    payload: bytes,
    signature: bytes,
    cms: Cms | None,
    keyrings: Keyrings,
    clock: Clock,
    options: SignatureOptions,
    remember: Callable[[Fact], None] | None,
) -> Evidence:
    """Steps 3 and 4. A format that the table names and that has no verifier here has no keys either."""
    if name == "ssh" and keyrings.ssh is not None:
        from chainverify.signatures import ssh

        return ssh.verify(payload, signature, keyrings.ssh, clock, options, remember)
    if name == "openpgp" and keyrings.openpgp is not None:
        from chainverify.signatures import openpgp

        return openpgp.verify(payload, signature, keyrings.openpgp, clock, options, remember)
    if name == "x509" and cms is not None and keyrings.x509 is not None:
        from chainverify.signatures import x509

        return x509.verify(payload, cms, keyrings.x509, clock, options)
    if name == "gitsign" and cms is not None and keyrings.gitsign is not None:
        from chainverify.signatures import gitsign

        return gitsign.verify(payload, cms, keyrings.gitsign, clock, options)
    raise SignatureError(
        f"{FORMAT_TITLES[name]} signature, and the policy names no {_HELD[name]}",
        code="NO_KEY",
        rule="signer-unknown",
        hint=f"if it should count, its signer needs the list {name} in the policy; chainverify explain shows what it names",
        evidence={"format": name},
    )
