"""SSH signatures by certified keys: an authority of the policy says whose key it is, for how long, and for what."""

from __future__ import annotations

from typing import Final

from chainverify.errors import Malformed, SignatureError
from chainverify.formats import allowed_signers, sshcert
from chainverify.formats.allowed_signers import format_time
from chainverify.formats.sshcert import SshCertificate
from chainverify.formats.sshsig import SshSignature
from chainverify.model.signing import Clock, Evidence, SignatureOptions
from chainverify.signatures import ssh_keyring
from chainverify.signatures.ssh_crypto import Key, check, decode, not_verified, signed_data
from chainverify.signatures.ssh_keyring import Line, SshKeyring, TrustedKey

VERIFY_REQUIRED: Final = "verify-required"
"""The critical option that asks for a security key which verified its owner: the only one that can be honoured here."""

_PATTERN: Final = frozenset('*?!,"')
_BY_AUTHORITY: Final = {"BAD": "CERT_BAD", "MALFORMED": "CERT_BAD"}


def prove(
    payload: bytes, parsed: SshSignature, keyring: SshKeyring, clock: Clock, options: SignatureOptions
) -> Evidence:
    """Proof that a key certified by an authority of the keyring made the signature. T is as in `ssh.verify`.

    | step | what is found | code | rule |
    |---|---|---|---|
    | 1 | a certificate that is damaged, of an unknown type | MALFORMED, UNSUPPORTED | signature-bad, algorithm-forbidden |
    | 2 | another namespace than git, another hash | as `ssh.verify` | |
    | 3 | its authority is on no cert-authority line | CERT_NOT_TRUSTED | signer-unknown |
    | 4 | the authority's signature does not fit the certificate | CERT_BAD | signature-bad |
    | 4 | it was made with SHA-1 | UNSUPPORTED | algorithm-forbidden |
    | 5 | the certified key is RSA under 2048 bits | WEAK_KEY | algorithm-forbidden |
    | 6 | the signature of the commit is not good, or a security key's flags do not do | as `ssh.verify` | |
    | 7 | the key, its authority, the serial number or key id is revoked | REVOKED_HARD | signer-revoked |
    | 8 | not for users but for hosts | CERT_TYPE | signer-not-allowed |
    | 9 | a critical option other than verify-required | CERT_OPTION | signer-not-allowed |
    | 10 | verify-required, and the key verified nobody | NO_VERIFICATION | signer-not-allowed |
    | 11 | no principals | CERT_PRINCIPAL | signer-not-allowed |
    | 12 | T is before valid-after, or not before valid-before | CERT_EXPIRED | signer-expired |
    | 13 | no line of the authority allows a principal; lines of two signers do | CERT_PRINCIPAL | signer-not-allowed |
    | 14 | those that do are for other namespaces | CERT_NOT_TRUSTED | signer-unknown |
    | 14 | or for other times | EXPIRED_AT_T | signer-expired |
    | 15 | good at T, the certificate or the lines are over now | evidence code GOOD_EXPIRED_NOW | |
    | 16 | good | evidence code GOOD | |

    Principals are the certificate's own, those that a line's pattern list matches (in either case, where OpenSSH tells cases
    apart); one that itself is a pattern, or holds spaces, names nobody. They are `emails` where the line is in the file of a
    signer, `principals` else. ssh-keygen takes no notice of critical options, and OpenSSH gives a certificate without principals
    to nobody, too. What `options` ask of security keys is asked of a security key of the authority as well.

    Raises `SignatureError` with a code of the table.
    """
    certificate = _parse(parsed.public_key)
    fingerprint = certificate.key.fingerprint
    evidence: dict[str, object] = {
        "format": "ssh", "fingerprint": fingerprint, "authority": certificate.authority.fingerprint,
        "certificate": _shown(certificate.key_id), "serial": str(certificate.serial),
    }  # fmt: skip
    signed = signed_data(parsed, payload, evidence)
    authority = keyring.authorities.get(certificate.authority.blob)
    if authority is None:
        raise SignatureError(
            f"SSH certificate {_shown(certificate.key_id)!r} is by {certificate.authority.fingerprint}, which is no authority in "
            "the policy",
            code="CERT_NOT_TRUSTED",
            rule="signer-unknown",
            hint="if it should be, put a line `PRINCIPALS cert-authority KEY` with its key into an allowed_signers file",
            evidence=evidence,
        )
    _check_authority(certificate, authority.key, options, evidence)
    key = _decode(certificate, evidence)
    require = (*options.ssh_require, "verification") if _asks_verification(certificate) else options.ssh_require
    try:
        check(key, parsed, signed, require, evidence)
        return _accepted(certificate, authority, key, parsed, keyring, clock, options, evidence)
    except SignatureError as error:
        if error.rule in {"signer-expired", "signer-not-allowed", "signer-revoked"}:
            error.proof = _proof(certificate, authority, parsed, clock, options)
        raise


def _proof(
    certificate: SshCertificate, authority: TrustedKey, parsed: SshSignature, clock: Clock, options: SignatureOptions
) -> Evidence | None:
    """Whom the authority certifies, whatever certificate and lines say of time and use; None where that is nobody, or several."""
    naming = _naming(certificate, authority)
    signers = dict.fromkeys(line.signer for line in naming)
    if len(signers) != 1:
        return None
    (signer,) = signers
    names = tuple(dict.fromkeys(name for held in naming.values() for name in held))
    fingerprint = certificate.key.fingerprint
    return Evidence(
        "ssh", fingerprint, fingerprint, signer, *clock.believed(options.key_validity, clock.claimed, "committer"),
        f"{parsed.algorithm}/{parsed.hash_algorithm}", emails=names if signer else (), principals=() if signer else names,
    )  # fmt: skip


def _accepted(  # noqa: PLR0917
    certificate: SshCertificate, authority: TrustedKey, key: Key, parsed: SshSignature, keyring: SshKeyring, clock: Clock,
    options: SignatureOptions, evidence: dict[str, object],
) -> Evidence:  # fmt: skip
    """Steps 7 to 15: what policy, certificate and time say of a signature that is good. Raises `SignatureError`."""
    fingerprint = certificate.key.fingerprint
    why = _revoked(certificate, authority, keyring)
    if why:
        raise ssh_keyring.revoked(fingerprint, why, evidence)
    _check_use(certificate, evidence)
    if _asks_verification(certificate) and not key.application:
        raise not_verified(f"SSH certificate {_shown(certificate.key_id)!r} asks for verification, which {key.kind} has none of",
                           evidence)
    believed = clock.believed(options.key_validity, clock.claimed, "committer")
    _check_time(certificate, believed, evidence)
    signer, names, lines = _named(certificate, authority, believed, evidence)
    over = certificate.valid_before <= clock.now or all(line.is_over(clock.now) for line in lines)
    return Evidence(
        "ssh",
        fingerprint,
        fingerprint,
        signer,
        *believed,
        f"{parsed.algorithm}/{parsed.hash_algorithm}",
        "GOOD_EXPIRED_NOW" if over else "GOOD",
        tuple(dict.fromkeys((*keyring.notes, *(note for line in lines for note in line.notes)))),
        emails=names if signer else (),
        principals=() if signer else names,
        claims=(
            ("certificate", _shown(certificate.key_id)),
            ("serial", str(certificate.serial)),
            ("authority", certificate.authority.fingerprint),
        ),
    )


def _parse(blob: bytes) -> SshCertificate:
    """Step 1. Raises `SignatureError`."""
    try:
        return sshcert.parse(blob)
    except Malformed as error:
        code = "UNSUPPORTED" if error.rule == "algorithm-forbidden" else "MALFORMED"
        raise SignatureError(error.message, code=code, rule=error.rule, hint=error.hint, evidence={"format": "ssh"}) from error


def _check_authority(certificate: SshCertificate, key: Key, options: SignatureOptions, evidence: dict[str, object]) -> None:
    """Step 4. Raises `SignatureError`."""
    try:
        check(key, certificate, certificate.signed, options.ssh_require, evidence)
    except SignatureError as error:
        raise SignatureError(
            f"SSH certificate {_shown(certificate.key_id)!r} is not good: {error.message}",
            code=_BY_AUTHORITY.get(error.code, error.code),
            rule=error.rule,
            hint=error.hint,
            evidence=evidence,
        ) from error


def _decode(certificate: SshCertificate, evidence: dict[str, object]) -> Key:
    """Step 5: the certified key, which is not decoded before its authority has vouched for it. Raises `SignatureError`."""
    try:
        return decode(certificate.key)
    except Malformed as error:
        code = "WEAK_KEY" if error.rule == "algorithm-forbidden" else "MALFORMED"
        raise SignatureError(error.message, code=code, rule=error.rule, hint=error.hint, evidence=evidence) from error


def _revoked(certificate: SshCertificate, authority: TrustedKey, keyring: SshKeyring) -> str:
    """Why and where the certificate is revoked, empty where it is not."""
    if authority.revoked:
        return f"its authority {authority.key.fingerprint} is, {authority.revoked}"
    for name, each in keyring.revocations:
        why = each.revokes_key(certificate.key) or each.revokes_certificate(certificate)
        if why:
            return f"{why}, in {name}"
    return ""


def _asks_verification(certificate: SshCertificate) -> bool:
    """Whether the authority wants the key's owner to be verified."""
    return any(name == VERIFY_REQUIRED for name, _ in certificate.critical)


def _check_use(certificate: SshCertificate, evidence: dict[str, object]) -> None:
    """Steps 8, 9 and 11. Raises `SignatureError`."""
    what = f"SSH certificate {_shown(certificate.key_id)!r}"
    if certificate.role != sshcert.USER:
        raise _not_allowed("CERT_TYPE", f"{what} is for a host, expected one for a user", "have one issued without -h", evidence)
    for name, value in certificate.critical:
        if name != VERIFY_REQUIRED or value:
            raise _not_allowed(
                "CERT_OPTION",
                f"{what} is limited by the critical option {name}, which does not fit the signing of commits",
                "have a certificate issued without it: ssh-keygen -s CA -n NAME KEY.pub",
                evidence,
            )
    if not certificate.principals:
        raise _not_allowed(
            "CERT_PRINCIPAL", f"{what} names no principals, and would be anybody's", "have one issued with -n NAME", evidence
        )


def _check_time(certificate: SshCertificate, believed: tuple[int, str], evidence: dict[str, object]) -> None:
    """Step 12. Raises `SignatureError`."""
    time, source = believed
    if certificate.valid_after <= time < certificate.valid_before:
        return
    limit = (
        f"is valid from {format_time(certificate.valid_after)} on" if time < certificate.valid_after
        else f"was valid until before {format_time(certificate.valid_before)}"
    )
    raise SignatureError(
        f"SSH certificate {_shown(certificate.key_id)!r} {limit}, signature is of {format_time(time)} (source: {source})",
        code="CERT_EXPIRED",
        rule="signer-expired",
        hint="sign with a certificate that is valid now",
        evidence=evidence,
    )


def _named(
    certificate: SshCertificate, authority: TrustedKey, believed: tuple[int, str], evidence: dict[str, object]
) -> tuple[str, tuple[str, ...], tuple[Line, ...]]:
    """Steps 13 and 14: the signer, empty where the names are to tell; the names; and the lines that say so.

    Raises `SignatureError`.
    """
    what = f"SSH certificate {_shown(certificate.key_id)!r}"
    naming = _naming(certificate, authority)
    if not naming:
        shown = ", ".join(repr(_shown(each)) for each in certificate.principals[:5])
        raise _not_allowed(
            "CERT_PRINCIPAL",
            f"{what} is for {shown}, whom no line of its authority {authority.key.fingerprint} allows",
            "put the names that the authority may certify before cert-authority in the allowed_signers file",
            evidence,
        )
    valid = [line for line in naming if line.covers(believed[0])]
    if not valid:
        if not any(line.for_git for line in naming):
            raise _other_namespaces(tuple(naming), authority, believed, evidence)
        raise ssh_keyring.refused_lines(tuple(naming), believed, authority.key.fingerprint, evidence)
    signers = dict.fromkeys(line.signer for line in valid if line.signer)
    if len(signers) > 1:
        raise _not_allowed(
            "CERT_PRINCIPAL",
            f"{what} is for {' and for '.join(repr(signer) for signer in signers)}, expected one person",
            "have certificates issued that name one person each, or give the name to one of them",
            evidence,
        )
    signer = next(iter(signers), "")
    lines = tuple(line for line in valid if line.signer == signer)
    return signer, tuple(dict.fromkeys(name for line in lines for name in naming[line])), lines


def _naming(certificate: SshCertificate, authority: TrustedKey) -> dict[Line, tuple[str, ...]]:
    """The lines of the authority that allow names of the certificate, with these names."""
    own = tuple(name for each in certificate.principals if (name := _name(each)))
    return {
        line: names for line in authority.lines
        if (names := tuple(name for name in own if allowed_signers.matches(line.principals, name)))
    }  # fmt: skip


def _other_namespaces(
    lines: tuple[Line, ...], authority: TrustedKey, believed: tuple[int, str], evidence: dict[str, object]
) -> SignatureError:
    error = ssh_keyring.refused_lines(lines, believed, authority.key.fingerprint, evidence)
    return SignatureError(error.message, code="CERT_NOT_TRUSTED", rule=error.rule, hint=error.hint, evidence=evidence)


def _name(principal: bytes) -> str:
    """A principal of a certificate as a pattern list that names it alone, empty where it is none: authorities issue what they
    are asked for, and `*` would be everybody."""
    try:
        name = principal.decode()
    except UnicodeDecodeError:
        return ""
    return "" if not name.isprintable() or any(char in _PATTERN or char.isspace() for char in name) else name


def _not_allowed(code: str, message: str, hint: str, evidence: dict[str, object]) -> SignatureError:
    return SignatureError(message, code=code, rule="signer-not-allowed", hint=hint, evidence=evidence)


def _shown(text: bytes) -> str:
    """Hostile bytes for a message."""
    return text[:60].decode("utf-8", "backslashreplace")
