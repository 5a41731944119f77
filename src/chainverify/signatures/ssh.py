"""SSH signatures of git objects, verified in process against the keys of a policy.

Only keys of the policy, and keys that an authority of the policy certified, are ever given to the cryptographic library: a
signature's own key is looked up by its bytes and, where it is not there, decoded for the error alone.
"""

from __future__ import annotations

from collections.abc import Callable

from chainverify.errors import Malformed, SignatureError, first_of
from chainverify.formats import sshcert, sshkey, sshsig
from chainverify.model.signing import Clock, Evidence, SignatureOptions
from chainverify.signatures import ssh_keyring
from chainverify.signatures.facts import Fact, Kind, digest_of
from chainverify.signatures.ssh_crypto import MIN_RSA_BITS, check, signed_data
from chainverify.signatures.ssh_keyring import SshKeyring, TrustedKey, load

__all__ = ["SshKeyring", "TrustedKey", "load", "recall", "verify"]


def verify(  # noqa: PLR0917 - as the seam
    payload: bytes,
    signature: bytes,
    keyring: SshKeyring,
    clock: Clock,
    options: SignatureOptions,
    remember: Callable[[Fact], None] | None = None,
) -> Evidence:
    """Proof that a key of the keyring signed `payload` for git; `signature` is the armor.

    The first row that applies decides:

    | step | what is found | code | rule |
    |---|---|---|---|
    | 1 | text around the armor, a reserved field | MALFORMED | signature-ambiguous |
    | 1 | other damage of armor, structure or key | MALFORMED | signature-bad |
    | 2 | a certificate instead of a key | CERT_*, and others: see `ssh_certificates.prove` | |
    | 3 | another namespace than git | WRONG_NAMESPACE | signature-bad |
    | 3 | a hash other than SHA-256 and SHA-512 | UNSUPPORTED | algorithm-forbidden |
    | 4 | a key that nobody has, compared by its whole wire form | NO_KEY | signer-unknown |
    | 4 | one that nobody could have | UNSUPPORTED, WEAK_KEY | algorithm-forbidden |
    | 5 | a signature algorithm that is not the key's, RSA with SHA-1 | UNSUPPORTED | algorithm-forbidden |
    | 6 | the signature does not fit payload and key, **whatever the state of the key** | BAD | signature-bad |
    | 7 | a security key was not touched, its owner not verified, and `options` ask for it | NO_PRESENCE, NO_VERIFICATION |
          signer-not-allowed |
    | 8 | the key is revoked, whenever it signed | REVOKED_HARD | signer-revoked |
    | 9 | all its lines in allowed signers files are for other namespaces | NO_KEY | signer-unknown |
    | 9 | or for other times than T | EXPIRED_AT_T | signer-expired |
    | 10 | good at T, all lines that say so are over now | evidence code GOOD_EXPIRED_NOW | |
    | 11 | good | evidence code GOOD | |

    An SSH signature holds no time: T is the arrival where the caller has one, else the committer's date; `clock.now` where
    `options.key_validity` is `now`. The evidence names which. All lines of a key are looked at, in all files, where git stops at
    the first. `options.key_validity` has no say in the time of lines and certificates: those are the policy's word, and an
    authority's.

    `remember` is called with the fact of steps 1 to 7 for a plain key: no certificate, and no security key, whose flags are a
    question of policy.

    Raises `SignatureError` with a code of the tables; its evidence holds the key's `fingerprint` once known.
    """
    try:
        parsed = sshsig.parse(signature)
    except Malformed as error:
        raise SignatureError(error.message, code="MALFORMED", rule=error.rule, hint=error.hint) from error
    trusted = keyring.keys.get(parsed.public_key)
    if trusted is None and sshcert.is_certificate(parsed.public_key):
        from chainverify.signatures import ssh_certificates

        return ssh_certificates.prove(payload, parsed, keyring, clock, options)

    fingerprint = trusted.key.fingerprint if trusted else sshkey.fingerprint(parsed.public_key)
    evidence: dict[str, object] = {"format": "ssh", "fingerprint": fingerprint}
    signed = signed_data(parsed, payload, evidence)
    if trusted is None:
        raise _unknown_key(parsed.public_key, fingerprint, keyring, evidence)
    algorithm = f"{parsed.algorithm}/{parsed.hash_algorithm}"
    try:
        check(trusted.key, parsed, signed, options.ssh_require, evidence)
    except SignatureError as error:
        if error.rule != "signer-not-allowed":
            raise
        # its flags are refused, after the signature was found to be good
        _judge(trusted, algorithm, keyring, clock, options, error)
    if remember is not None and not trusted.key.application:
        remember(Fact(Kind("ssh", digest_of(parsed.public_key), algorithm)))
    return _judge(trusted, algorithm, keyring, clock, options)


def recall(fact: Fact, keyring: SshKeyring, clock: Clock, options: SignatureOptions) -> Evidence | None:
    """As `verify` of the signature that a fact is about, without the check; None where the keyring has not the fact's key."""
    trusted = keyring.digests.get(fact.kind.key)
    return _judge(trusted, fact.kind.algorithm, keyring, clock, options) if trusted is not None else None


def _judge(  # noqa: PLR0917
    trusted: TrustedKey, algorithm: str, keyring: SshKeyring, clock: Clock, options: SignatureOptions,
    refused: SignatureError | None = None,
) -> Evidence:  # fmt: skip
    """What policy and time say of a good signature, which was `refused` already or not: steps 8 to 11.

    Raises `SignatureError`, with all else that refuses it, and the proof of whose it is: by the lines that count at T, else by
    those for other times, never by those for other namespaces.
    """
    fingerprint = trusted.key.fingerprint
    believed = clock.believed(options.key_validity, clock.claimed, "committer")
    if not trusted.lines and not trusted.revoked and refused is None:
        # the usual case, made short: a key of a signer's own list, which counts at any time
        return Evidence("ssh", fingerprint, fingerprint, trusted.signer, *believed, algorithm, notes=keyring.notes)
    ours = [line for line in trusted.lines if line.for_git]
    valid = [line for line in ours if line.covers(believed[0])]
    problems = [refused] if refused is not None else []
    facts: dict[str, object] = {"format": "ssh", "fingerprint": fingerprint}
    if trusted.revoked:
        problems.append(ssh_keyring.revoked(fingerprint, trusted.revoked, facts))
    if trusted.lines and not valid:
        problems.append(ssh_keyring.refused_lines(trusted.lines, believed, fingerprint, facts))
    # a signer's own file, where it holds, goes before those that name people
    signer = trusted.signer or next((line.signer for line in valid or ours if line.signer), "")
    lines = [line for line in valid or ours if line.signer == signer]
    proof = Evidence(
        "ssh",
        fingerprint,
        fingerprint,
        signer,
        *believed,
        algorithm,
        "GOOD_EXPIRED_NOW" if lines and all(line.is_over(clock.now) for line in lines) else "GOOD",
        tuple(dict.fromkeys((*keyring.notes, *(note for line in lines for note in line.notes)))),
        principals=() if signer else tuple(dict.fromkeys(line.principals for line in lines)),
    )
    if problems:
        raise first_of(problems, proof._replace(code=problems[0].code) if signer or lines else None)
    return proof


def _unknown_key(blob: bytes, fingerprint: str, keyring: SshKeyring, evidence: dict[str, object]) -> SignatureError:
    """The error for a key that no signer has; an unusable kind or size is told first, for no policy could have it."""
    if blob in keyring.authorities:
        return ssh_keyring.is_authority(keyring.authorities[blob], evidence)
    try:
        key = sshkey.parse_blob(blob)
    except sshkey.UnsupportedKey as error:
        return SignatureError(
            error.message, code="UNSUPPORTED", rule="algorithm-forbidden", hint=error.hint, evidence=evidence
        )
    except Malformed as error:
        return SignatureError(
            error.message, code="MALFORMED", rule="signature-bad", hint=error.hint, evidence=evidence
        )
    if key.kind == "ssh-rsa" and key.modulus.bit_length() < MIN_RSA_BITS:
        return SignatureError(
            f"RSA key {fingerprint} has {key.modulus.bit_length()} bits, expected at least {MIN_RSA_BITS}",
            code="WEAK_KEY",
            rule="algorithm-forbidden",
            hint="make a new key: ssh-keygen -t ed25519",
            evidence=evidence,
        )
    return SignatureError(
        f"SSH key {fingerprint} is not a key of any signer in the policy",
        code="NO_KEY",
        rule="signer-unknown",
        hint="if it should be, add its public key to the signer's ssh list in the policy",
        evidence=evidence,
    )
