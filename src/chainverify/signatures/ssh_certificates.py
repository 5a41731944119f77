"""SSH signatures by certified keys: an authority of the policy says whose key it is, for how long, and for what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from chainverify.errors import Malformed, SignatureError, first_of
from chainverify.formats import allowed_signers, sshcert
from chainverify.formats.sshcert import SshCertificate
from chainverify.formats.sshsig import SshSignature
from chainverify.model.signing import Clock, Evidence, SignatureOptions
from chainverify.output.moment import moment
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

    Raises `SignatureError` with a code of the table: that of the first row that applies, from 7 on with all others, and with
    the proof of whom the authority named, if it is one person.
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
    problems: list[SignatureError] = []
    try:
        check(key, parsed, signed, require, evidence)
    except SignatureError as error:
        if error.rule != "signer-not-allowed":
            raise
        # its flags are refused, after the signature was found to be good
        problems.append(error)
    believed = clock.believed(options.key_validity, clock.claimed, "committer")
    problems += _refusals(certificate, authority, key, keyring, evidence)
    problems += _out_of_time(certificate, believed, evidence)
    named, failure = _named(certificate, authority, believed, evidence)
    problems += [failure] if failure is not None else []
    if named is None or problems:
        # the names of a host are nobody's, whatever they look like
        person = named if certificate.role == sshcert.USER else None
        proof = None if person is None else _evidence(certificate, person, parsed, keyring, believed, clock.now)
        raise first_of(problems, proof and proof._replace(code=problems[0].code))
    return _evidence(certificate, named, parsed, keyring, believed, clock.now)


def _evidence(  # noqa: PLR0917
    certificate: SshCertificate, named: _Named, parsed: SshSignature, keyring: SshKeyring, believed: tuple[int, str], now: int
) -> Evidence:
    """Steps 15 and 16: what is proved of a signature whose maker an authority named."""
    fingerprint = certificate.key.fingerprint
    lines = named.lines
    over = certificate.valid_before <= now or all(line.is_over(now) for line in lines)
    return Evidence(
        "ssh",
        fingerprint,
        fingerprint,
        named.signer,
        *believed,
        f"{parsed.algorithm}/{parsed.hash_algorithm}",
        "GOOD_EXPIRED_NOW" if over else "GOOD",
        tuple(dict.fromkeys((*keyring.notes, *(note for line in lines for note in line.notes)))),
        emails=named.names if named.signer else (),
        principals=() if named.signer else named.names,
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


def _refusals(
    certificate: SshCertificate, authority: TrustedKey, key: Key, keyring: SshKeyring, evidence: dict[str, object]
) -> Iterator[SignatureError]:
    """Steps 7 to 11: what of the certificate itself refuses a signature that is good."""
    what = f"SSH certificate {_shown(certificate.key_id)!r}"
    why = _revoked(certificate, authority, keyring)
    if why:
        yield ssh_keyring.revoked(certificate.key.fingerprint, why, evidence)
    if certificate.role != sshcert.USER:
        yield _not_allowed("CERT_TYPE", f"{what} is for a host, expected one for a user", "have one issued without -h", evidence)
    for name, value in certificate.critical:
        if name != VERIFY_REQUIRED or value:
            yield _not_allowed(
                "CERT_OPTION",
                f"{what} is limited by the critical option {name}, which does not fit the signing of commits",
                "have a certificate issued without it: ssh-keygen -s CA -n NAME KEY.pub",
                evidence,
            )
    if _asks_verification(certificate) and not key.application:
        yield not_verified(f"{what} asks for verification, which {key.kind} has none of", evidence)
    if not certificate.principals:
        yield _not_allowed(
            "CERT_PRINCIPAL", f"{what} names no principals, and would be anybody's", "have one issued with -n NAME", evidence
        )


def _out_of_time(
    certificate: SshCertificate, believed: tuple[int, str], evidence: dict[str, object]
) -> Iterator[SignatureError]:
    """Step 12."""
    time, source = believed
    if certificate.valid_after <= time < certificate.valid_before:
        return
    limit = (
        f"is valid only from {moment(certificate.valid_after)} on" if time < certificate.valid_after
        else f"expired at {moment(certificate.valid_before)}"
    )
    yield SignatureError(
        f"SSH certificate {_shown(certificate.key_id)!r} {limit}, signature is of {moment(time)} (source: {source})",
        code="CERT_EXPIRED",
        rule="signer-expired",
        hint="sign with a certificate that is valid now",
        evidence=evidence,
    )


class _Named(NamedTuple):
    """Whom a certificate is for: the `signer`, empty where the `names` are to tell, and the lines that say so."""

    signer: str
    names: tuple[str, ...]
    lines: tuple[Line, ...]


def _named(
    certificate: SshCertificate, authority: TrustedKey, believed: tuple[int, str], evidence: dict[str, object]
) -> tuple[_Named | None, SignatureError | None]:
    """Steps 13 and 14: whom it is for, by the lines that count at T, else by those for other times; and what is wrong with it."""
    what = f"SSH certificate {_shown(certificate.key_id)!r}"
    naming = _naming(certificate, authority)
    if not naming:
        shown = ", ".join(repr(_shown(each)) for each in certificate.principals[:5])
        return None, _not_allowed(
            "CERT_PRINCIPAL",
            f"{what} is for {shown}, whom no line of its authority {authority.key.fingerprint} allows",
            "put the names that the authority may certify before cert-authority in the allowed_signers file",
            evidence,
        )
    ours = [line for line in naming if line.for_git]
    if not ours:
        return None, _other_namespaces(tuple(naming), authority, believed, evidence)
    valid = [line for line in ours if line.covers(believed[0])]
    signers = dict.fromkeys(line.signer for line in valid or ours if line.signer)
    if len(signers) > 1:
        return None, _not_allowed(
            "CERT_PRINCIPAL",
            f"{what} is for {' and for '.join(repr(signer) for signer in signers)}, expected one person",
            "have certificates issued that name one person each, or give the name to one of them",
            evidence,
        )
    signer = next(iter(signers), "")
    lines = tuple(line for line in valid or ours if line.signer == signer)
    named = _Named(signer, tuple(dict.fromkeys(name for line in lines for name in naming[line])), lines)
    if not valid:
        return named, ssh_keyring.refused_lines(tuple(naming), believed, authority.key.fingerprint, evidence)
    return named, None


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
