"""OpenPGP signatures of git objects: a keyring from the policy's certificates, and their verification in process.

Only certificates of the policy count: no key is fetched, no GnuPG home is read. All work that does not depend on a
signature is done by `load`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature

from chainverify.errors import Malformed, SignatureError, first_of
from chainverify.formats import openpgp, openpgp_keys
from chainverify.formats.openpgp import Signature
from chainverify.model.signing import Clock, Evidence, SignatureOptions
from chainverify.output.moment import moment
from chainverify.signatures.facts import Fact, Kind
from chainverify.signatures.openpgp_certificates import Mode, Standing
from chainverify.signatures.openpgp_crypto import HASHES, MD5, RIPEMD160, SHA1, algorithm_name, check
from chainverify.signatures.openpgp_keyring import OpenPgpKeyring, TrustedKey, load

__all__ = ["OpenPgpKeyring", "TrustedKey", "load", "recall", "verify"]

MAX_FUTURE_SECONDS: Final = 300
"""How far a signature's own time may lie after the clock: computers disagree a little."""
SKEW_SECONDS: Final = 600
"""A larger distance between committer date and signature time is noted."""
MAX_TRIED_KEYS: Final = 64
"""The most keys that one signature is tried with, which only matters for one that names no issuer."""

_VERIFYING: Final = openpgp.RSA | {openpgp.ECDSA, openpgp.EDDSA_LEGACY, openpgp.ED25519, openpgp.ED448}
_DSA_HINT: Final = "signatures that it made long ago count where [commits] dsa-before names a date; new ones need a new key"
_RULES: Final[dict[str, str]] = {
    "EXPIRED_AT_T": "signer-expired",
    "FUTURE": "signature-bad",
    "REVOKED_HARD": "signer-revoked",
    "REVOKED_SOFT_AT_T": "signer-revoked",
    "NOT_BOUND": "signer-not-allowed",
    "NOT_SIGNING_CAPABLE": "signer-not-allowed",
    "INVALID_UID": "identity-mismatch",
}
_HINTS: Final[dict[str, str]] = {
    "EXPIRED_AT_T": "if the key was renewed since, put its new export into the policy",
    "NOT_BOUND": "put a complete export of the certificate into the policy: gpg --armor --export FINGERPRINT",
    "NOT_SIGNING_CAPABLE": "sign with a key or subkey that is marked for signing",
    "REVOKED_HARD": "sign the change again with another key",
    "REVOKED_SOFT_AT_T": "sign with the key that replaces it",
    "FUTURE": "check the clocks of the signer's computer and of this one",
}
_MODES: Final[dict[str, Mode]] = {"strict": "strict", "backfill": "backfill", "identity": "identity", "now": "strict"}
_VERDICT_FIRST: Final = ("GOOD", "REVOKED_HARD", "REVOKED_SOFT_AT_T", "EXPIRED_AT_T", "FUTURE", "NOT_SIGNING_CAPABLE")


class _Made(NamedTuple):
    """What steps 1 to 5 prove: the key that made a signature, once for each certificate that claims it, and what the signature
    says. `left_fits` is whether its digest prefix is right."""

    candidates: tuple[TrustedKey, ...]
    signature: Signature
    left_fits: bool


def verify(  # noqa: PLR0917 - as the seam
    payload: bytes,
    signature: bytes,
    keyring: OpenPgpKeyring,
    clock: Clock,
    options: SignatureOptions,
    remember: Callable[[Fact], None] | None = None,
) -> Evidence:
    """Proof that a key of the keyring signed `payload` and was good at the time; `signature` is the armor.

    The first row that applies decides:

    | step | what is found | code | rule |
    |---|---|---|---|
    | 1 | several packets or armors, text around the armor | MALFORMED | signature-ambiguous |
    | 1 | other damage, unknown critical subpackets | MALFORMED | signature-bad |
    | 1 | version 2, 3 or 5; not a signature over bytes | UNSUPPORTED | algorithm-forbidden |
    | 2 | ElGamal, an unknown algorithm or hash | UNSUPPORTED | algorithm-forbidden |
    | 2 | DSA made at or after `options.dsa_before` | WEAK_KEY | algorithm-forbidden |
    | 2 | MD5, RIPEMD-160; SHA-1 made at or after `options.sha1_before`, or in version 6 | WEAK_HASH | algorithm-forbidden |
    | 3 | no key of the keyring has the fingerprint, or else the key id | NO_KEY | signer-unknown |
    | 4 | the key, or its primary, is too weak or of a kind that does not sign; the primary is DSA and the signature was made
          at or after `options.dsa_before` | WEAK_KEY | algorithm-forbidden |
    | 4 | a hash shorter than the elliptic curve, or DSA's group, asks for | WEAK_HASH | algorithm-forbidden |
    | 5 | the signature does not fit payload and key, **whatever the state of the key** | BAD | signature-bad |
    | 6 | made over 300 s after the clock, or before the key | FUTURE | signature-bad |
    | 7 | at T, by `openpgp_certificates.Certificate.standing`: REVOKED_HARD, NOT_BOUND, FUTURE, REVOKED_SOFT_AT_T,
          NOT_SIGNING_CAPABLE, EXPIRED_AT_T | that | signer-revoked, signer-not-allowed, signature-bad, signer-expired |
    | 8 | the signature's own expiration has passed (a note in mode `identity`) | EXPIRED_AT_T | signer-expired |
    | 9 | a signed user id that is none of the valid ones at T (a note in mode `identity`) | INVALID_UID | identity-mismatch |
    | 10 | good at T, the key expired by now | evidence code GOOD_EXPIRED_NOW | |
    | 11 | good | evidence code GOOD | |

    T is the arrival where the caller has one, else the signature's creation time; `clock.now` where
    `options.key_validity` is `now`. A claimed time is the key holder's word: what passes on it alone is for the caller's
    rules to weigh. SHA-1 is judged by the claimed time in any case: an attack on the hash, other than on the key, cannot
    choose when the key's holder signed. DSA is too, and there it is the word of whoever has the key. A signature's own
    expiration is judged by the latest clock: it is the signer's explicit wish about verifiers, not a property of the key.

    Wrong digest prefixes, leading zeros in numbers and a missing fingerprint are noted, not failures.

    `remember` is called with the fact of steps 1 to 5 where it stays one under every policy.

    Raises `SignatureError` with a code of the table; its evidence holds `fingerprint` once known.
    """
    made = _prove(payload, signature, keyring, options)
    if remember is not None and (fact := _fact(made)) is not None:
        remember(fact)
    return _judge(made, clock, options)


def recall(fact: Fact, keyring: OpenPgpKeyring, clock: Clock, options: SignatureOptions) -> Evidence | None:
    """As `verify` of the signature that a fact is about, without the check; None where the keyring asks for another one.

    That is where the name in the signature does not mean exactly the key of the fact, or that key may not be used.
    """
    kind = fact.kind
    if kind.fingerprint is not None:
        candidates = keyring.by_fingerprint.get(kind.fingerprint, ())
    else:
        candidates = keyring.by_key_id.get(kind.key_id, ()) if kind.key_id is not None else ()
    hashing = HASHES.get(kind.hash_algorithm)
    if len(candidates) != 1 or hashing is None:
        return None
    trusted = candidates[0]
    if trusted.digest != kind.key or trusted.key.key is None or hashing.size < trusted.key.min_digest:
        return None
    said = Signature(
        openpgp.BINARY, trusted.key.algorithm, kind.hash_algorithm, b"", b"", (), fact.created, kind.expires,
        kind.fingerprint, kind.key_id, kind.signer_user_id, notes=kind.notes,
    )  # fmt: skip
    return _judge(_Made(candidates, said, kind.left_fits), clock, options)


def _fact(made: _Made) -> Fact | None:
    """What of a proof is worth keeping: nothing that a policy had to allow, or that other certificates could change."""
    said = made.signature
    named = said.fingerprint is not None or said.key_id is not None
    if len(made.candidates) != 1 or not named or not _is_usual(said):
        return None
    return Fact(
        Kind(
            "openpgp", made.candidates[0].digest, "", said.hash_algorithm, said.expires, said.fingerprint, said.key_id,
            said.signer_user_id, said.notes, made.left_fits,
        ),
        said.created,
    )  # fmt: skip


def _is_usual(parsed: Signature) -> bool:
    """Whether nothing of a signature's form and algorithms needs a second look."""
    known = parsed.algorithm in _VERIFYING and parsed.hash_algorithm in HASHES
    return known and parsed.kind == openpgp.BINARY and parsed.hash_algorithm not in (SHA1, MD5)


def _prove(payload: bytes, signature: bytes, keyring: OpenPgpKeyring, options: SignatureOptions) -> _Made:
    """Steps 1 to 5, the last part of 4 excepted. Raises `SignatureError`."""
    try:
        parsed = openpgp.parse_detached(signature)
    except openpgp.UnsupportedVersion as error:
        raise _unsupported(error.message, {"format": "openpgp"}, error.hint) from error
    except Malformed as error:
        raise SignatureError(
            error.message, code="MALFORMED", rule=error.rule, hint=error.hint, evidence={"format": "openpgp"}
        ) from error
    if not _is_usual(parsed):
        _check_algorithms(parsed, options)
    hashing = HASHES[parsed.hash_algorithm]

    candidates = _candidates(parsed, keyring)
    state = hashing.new(parsed.salt, usedforsecurity=False)
    state.update(payload)
    state.update(parsed.hashed)
    signed: bytes = state.digest()
    trusted = candidates[0]
    if len(candidates) == 1 and trusted.key.key is not None and hashing.size >= trusted.key.min_digest:
        try:
            check(trusted.key, parsed, signed)
        except InvalidSignature as error:
            raise _bad(trusted) from error
    else:
        candidates = _verified(candidates, parsed, signed, hashing.size)
    return _Made(candidates, parsed, signed[:2] == parsed.left)


def _judge(made: _Made, clock: Clock, options: SignatureOptions) -> Evidence:
    """What policy and time say of a good signature: the last part of step 4, and steps 6 to 11.

    Raises `SignatureError` with all that refuses it, and the proof of who made it: a subkey that nothing binds is nobody's.
    """
    candidates, parsed, left_fits = made
    problems: list[SignatureError] = []
    trusted = candidates[0]
    if trusted.certificate.weak or trusted.certificate.dated or len(candidates) > 1:
        try:
            candidates = _with_strong_primary(candidates, options, dsa=_is_of_dsas_time(parsed, options))
        except SignatureError as error:
            problems.append(error)

    believed = clock.believed(options.key_validity, parsed.created, "signature")
    time, source = believed
    trusted, standing = _standing(candidates, time, options)
    refusals, notes = _accept(trusted, standing, parsed, believed, clock, lenient=options.key_validity == "identity")
    problems += refusals
    if problems:
        bound = all(each.code != "NOT_BOUND" for each in problems)
        proof = _evidence_of(trusted, made, time, source, problems[0].code, (), standing.emails)
        raise first_of(problems, proof if bound else None)
    if not left_fits:
        notes += ("left16-mismatch",)
    code = "GOOD"
    if time != clock.now and options.key_validity != "identity":
        today = trusted.certificate.standing(trusted.number, clock.now, _MODES[options.key_validity]).code
        if today == "EXPIRED_AT_T":
            code = "GOOD_EXPIRED_NOW"
        elif today != "GOOD":
            notes += ("key-today-" + today.lower().replace("_", "-"),)
    return _evidence_of(trusted, made, time, source, code, notes, standing.emails)


def _evidence_of(  # noqa: PLR0917 - the parts that differ from one signature to the next
    trusted: TrustedKey, made: _Made, time: int, source: str, code: str, notes: tuple[str, ...], emails: tuple[str, ...]
) -> Evidence:
    return Evidence(
        "openpgp", trusted.fingerprint, trusted.certificate.fingerprint, trusted.certificate.signer, time, source,
        f"{trusted.key.name}/{HASHES[made.signature.hash_algorithm].name}", code, notes, emails,
    )  # fmt: skip


def _rightful(candidates: tuple[TrustedKey, ...]) -> tuple[TrustedKey, ...]:
    """Those of several certificates that claim a key which the key agreed to be in; all of them where it agreed to none."""
    if len(candidates) == 1:
        return candidates
    return tuple(item for item in candidates if item.certificate.keys[item.number].proven) or candidates


def _check_algorithms(parsed: Signature, options: SignatureOptions) -> None:
    """Steps 1 (its last row) and 2. Raises `SignatureError`."""
    evidence: dict[str, object] = {"format": "openpgp"}
    if parsed.fingerprint:
        evidence["fingerprint"] = parsed.fingerprint.hex().upper()
    if parsed.kind == openpgp.TEXT:
        raise _unsupported("OpenPGP signature is one over text, expected one over bytes", evidence)
    if parsed.kind != openpgp.BINARY:
        raise _unsupported(f"OpenPGP signature has type 0x{parsed.kind:02x}, expected 0x00", evidence)
    if parsed.algorithm == openpgp.DSA:
        if not _is_of_dsas_time(parsed, options):
            key = evidence.get("fingerprint") or (parsed.key_id.hex().upper() if parsed.key_id else "that is not named")
            raise SignatureError(
                f"OpenPGP key {key} cannot be used: {_dsa_problem(options)}",
                code="WEAK_KEY",
                rule="algorithm-forbidden",
                hint=_DSA_HINT,
                evidence=evidence,
            )
    elif parsed.algorithm not in _VERIFYING:
        name = algorithm_name(parsed.algorithm)
        raise _unsupported(f"OpenPGP signature uses the algorithm {name}, expected RSA, ECDSA or EdDSA", evidence)
    old_enough = options.sha1_before is not None and parsed.created < options.sha1_before
    if parsed.hash_algorithm == SHA1 and parsed.version == 4 and old_enough:
        return
    if parsed.hash_algorithm in (MD5, SHA1, RIPEMD160):
        name = {MD5: "MD5", SHA1: "SHA-1"}.get(parsed.hash_algorithm, "RIPEMD-160")
        raise SignatureError(
            f"OpenPGP signature uses the hash {name}, expected SHA-256 or better",
            code="WEAK_HASH",
            rule="algorithm-forbidden",
            hint="remove digest-algo and personal-digest-preferences from gpg.conf",
            evidence=evidence,
        )
    if parsed.hash_algorithm not in HASHES:
        raise _unsupported(f"OpenPGP signature uses the unknown hash {parsed.hash_algorithm}", evidence)


def _is_of_dsas_time(parsed: Signature, options: SignatureOptions) -> bool:
    return options.dsa_before is not None and parsed.created < options.dsa_before


def _dsa_problem(options: SignatureOptions) -> str:
    if options.dsa_before is None:
        return "it is DSA, expected RSA, ECDSA or EdDSA"
    return f"it is DSA, and the signature was not made before the policy's dsa-before, {moment(options.dsa_before)}"


def _candidates(parsed: Signature, keyring: OpenPgpKeyring) -> tuple[TrustedKey, ...]:
    """Step 3: the keys that the signature may be by. Raises `SignatureError`."""
    if parsed.fingerprint is not None:
        found = keyring.by_fingerprint.get(parsed.fingerprint, ())
        named = parsed.fingerprint.hex().upper()
    elif parsed.key_id is not None:
        found = keyring.by_key_id.get(parsed.key_id, ())
        named = parsed.key_id.hex().upper()
    else:
        kinds = (1, 3) if parsed.algorithm in openpgp.RSA else (parsed.algorithm,)
        found = tuple(item for item in keyring.keys if item.key.algorithm in kinds)
        named = ""
        if not found or len(found) > MAX_TRIED_KEYS:
            raise _unnamed(len(found))
    if not found:
        raise SignatureError(
            f"OpenPGP key {named} is not a key of any signer in the policy",
            code="NO_KEY",
            rule="signer-unknown",
            hint="if it should be, add its certificate to the signer's openpgp list in the policy",
            evidence={"format": "openpgp", "fingerprint": named},
        )
    return found


def _unnamed(candidates: int) -> SignatureError:
    """The error for a signature that says nothing of its key where no key of the policy is tried."""
    why = f"the policy has {candidates} that it may be by, of which at most {MAX_TRIED_KEYS} are tried" if candidates else (
        "the policy has none of its algorithm"
    )
    return SignatureError(
        f"OpenPGP signature names no key, and {why}", code="NO_KEY", rule="signer-unknown",
        hint="sign again with gpg, whose signatures name their key", evidence={"format": "openpgp"},
    )  # fmt: skip


def _verified(
    candidates: tuple[TrustedKey, ...], parsed: Signature, signed: bytes, digest_size: int
) -> tuple[TrustedKey, ...]:
    """Steps 4 and 5 for several candidates or unusable ones: those of the one key that made the signature."""
    usable = [item for item in candidates if item.key.key is not None]
    if not usable:
        raise _weak_key(candidates[0], candidates[0].key.problem)
    strong = [item for item in usable if digest_size >= item.key.min_digest]
    if not strong:
        raise SignatureError(
            f"OpenPGP signature by {usable[0].fingerprint} has a digest of {digest_size} bytes, "
            f"expected at least {usable[0].key.min_digest} for a key {usable[0].key.name}",
            code="WEAK_HASH",
            rule="algorithm-forbidden",
            evidence=_evidence(usable[0]),
        )
    good: dict[str, bool] = {}
    for item in strong:
        if item.fingerprint not in good:
            try:
                check(item.key, parsed, signed)
                good[item.fingerprint] = True
            except InvalidSignature:
                good[item.fingerprint] = False
    makers = [name for name, made in good.items() if made]
    if not makers:
        raise _bad(strong[0])
    if len(makers) > 1:
        raise SignatureError(
            f"OpenPGP signature fits several keys: {', '.join(makers)}", code="MALFORMED", rule="signature-ambiguous",
            evidence={"format": "openpgp"},
        )
    return tuple(item for item in strong if item.fingerprint == makers[0])


def _with_strong_primary(
    candidates: tuple[TrustedKey, ...], options: SignatureOptions, *, dsa: bool
) -> tuple[TrustedKey, ...]:
    """Step 4 for primary keys: whatever else a certificate says rests on its primary key's signatures."""
    strong = tuple(item for item in candidates if not item.certificate.weak and (dsa or not item.certificate.dated))
    if strong:
        return strong
    first = candidates[0]
    if first.certificate.weak:
        raise _weak_key(first, first.certificate.keys[0].key.problem)
    raise _weak_key(first, "the primary key of its certificate: " + _dsa_problem(options), _DSA_HINT)


def _standing(
    candidates: tuple[TrustedKey, ...], time: int, options: SignatureOptions
) -> tuple[TrustedKey, Standing]:
    """The key and its standing; of several certificates that claim it, one that may, and the worst said of it by those.

    A certificate that a key never agreed to be in says nothing about it.
    """
    mode = _MODES[options.key_validity]
    if len(candidates) == 1:
        trusted = candidates[0]
        return trusted, trusted.certificate.standing(trusted.number, time, mode)
    found = [(item, item.certificate.standing(item.number, time, mode)) for item in _rightful(candidates)]
    for item, standing in found:
        if standing.code == "REVOKED_HARD":
            return item, standing
    order = {code: rank for rank, code in enumerate(_VERDICT_FIRST)}
    return min(found, key=lambda pair: order.get(pair[1].code, len(order)))


def _accept(
    trusted: TrustedKey,
    standing: Standing,
    parsed: Signature,
    believed: tuple[int, str],
    clock: Clock,
    *,
    lenient: bool,
) -> tuple[list[SignatureError], tuple[str, ...]]:
    """Steps 6 to 9: what refuses a signature, and the notes of one that may pass."""
    created = parsed.created
    time, source = believed
    latest = clock.now if clock.arrival is None else min(clock.now, clock.arrival)
    problems: list[SignatureError] = []
    if created > latest + MAX_FUTURE_SECONDS:
        why = f"it was made at {moment(created)}, {created - latest} seconds after the clock"
        problems.append(_refused(trusted, "FUTURE", why))
    made = trusted.certificate.keys[trusted.number].packet.created
    if created < made:
        why = f"it was made at {moment(created)}, before the key, which was made at {moment(made)}"
        problems.append(_refused(trusted, "FUTURE", why))
    if standing.code != "GOOD":
        for code, message in ((standing.code, standing.message), *standing.also):
            problems.append(_refused(trusted, code, f"{message} (judged at {moment(time)}, {_TIMES[source]})"))
    notes = parsed.notes + trusted.key.notes + standing.notes
    if parsed.expires and created + parsed.expires <= max(clock.now, time):
        if not lenient:
            why = f"the signature itself expired at {moment(created + parsed.expires)}"
            problems.append(_refused(trusted, "EXPIRED_AT_T", why))
        notes += ("signature-expired",)
    if parsed.signer_user_id is not None and not _names(parsed.signer_user_id, standing):
        if not lenient:
            shown = parsed.signer_user_id[:80].decode("utf-8", "backslashreplace")
            why = f"it says it is by {shown!r}, which was no valid user id of the key"
            problems.append(_refused(trusted, "INVALID_UID", why))
        notes += ("signer-user-id-unknown",)
    if parsed.hash_algorithm == SHA1:
        notes += ("sha1",)
    if abs(clock.claimed - created) > SKEW_SECONDS:
        notes += ("skew",)
    return problems, notes


_TIMES: Final = {"signature": "the signature's own time", "arrival": "its arrival", "now": "the present"}


def _names(signer: bytes, standing: Standing) -> bool:
    """Whether a Signer's User ID is a valid user id, or the address of one."""
    if signer in standing.user_ids:
        return True
    address = openpgp_keys.email(signer)
    return address is not None and address.lower() in {known.lower() for known in standing.emails}


def _refused(trusted: TrustedKey, code: str, why: str) -> SignatureError:
    return SignatureError(
        f"OpenPGP signature by {trusted.fingerprint} is good but does not count: {why}",
        code=code,
        rule=_RULES[code],
        hint=_HINTS.get(code, ""),
        evidence=_evidence(trusted),
    )


def _evidence(trusted: TrustedKey) -> dict[str, object]:
    return {
        "format": "openpgp",
        "fingerprint": trusted.fingerprint,
        "primary": trusted.certificate.fingerprint,
        "signer": trusted.certificate.signer,
    }


def _bad(trusted: TrustedKey) -> SignatureError:
    return SignatureError(
        f"OpenPGP signature by {trusted.fingerprint} does not fit the signed bytes",
        code="BAD",
        rule="signature-bad",
        evidence=_evidence(trusted),
    )


_NEW_KEY: Final = "make a new key: gpg --quick-generate-key NAME ed25519"


def _weak_key(trusted: TrustedKey, problem: str, hint: str = _NEW_KEY) -> SignatureError:
    return SignatureError(
        f"OpenPGP key {trusted.fingerprint} cannot be used: {problem}",
        code="WEAK_KEY",
        rule="algorithm-forbidden",
        hint=hint,
        evidence=_evidence(trusted),
    )


def _unsupported(message: str, evidence: dict[str, object], hint: str = "") -> SignatureError:
    return SignatureError(message, code="UNSUPPORTED", rule="algorithm-forbidden", hint=hint, evidence=evidence)
