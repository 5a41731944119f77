"""What an OpenPGP certificate says of its keys at a time, from self-signatures that were verified.

Everything that does not depend on a time is done once, by `evaluate`. `Certificate.standing` then answers for one key and
one time; since the answer only changes where a statement begins or ends, it is computed once per key and span of time.
The steps are those of RFC 9580 sections 5.2.3.10 to 5.2.3.31 and 10.1, the semantics of revocations Sequoia's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from cryptography.exceptions import InvalidSignature

from chainverify.errors import Malformed
from chainverify.formats import openpgp, openpgp_keys
from chainverify.formats.openpgp import Signature
from chainverify.formats.openpgp_keys import PublicKey, key_prefix
from chainverify.signatures.openpgp_crypto import HASHES, MD5, SHA1, Key, check, decode, digest

Mode: TypeAlias = Literal["strict", "backfill", "identity"]

MAX_SELF_SIGNATURES: Final = 1024
"""The most self-signatures of one certificate that are verified."""
SIGN_FLAG: Final = 0x02
SUPERSEDED: Final = 1
RETIRED: Final = 3
USER_ID_INVALID: Final = 32
_END_OF_TIME: Final = 1 << 62
_SOFT: Final = frozenset((SUPERSEDED, RETIRED))
_SOFT_FOR_USER_IDS: Final = frozenset((SUPERSEDED, RETIRED, USER_ID_INVALID))
_WEAK_SINCE: Final = {MD5: 1_075_593_600, SHA1: 1_675_209_600}
"""From when a hash no longer counts in self-signatures: MD5 2004-02-01, SHA-1 2023-02-01 (second-preimage use)."""


class Statement(NamedTuple):
    """A verified self-signature that binds a key or user id: made at `created`, void from `ends` on (None: never).

    `acceptable` is whether its hash was good enough when it was made. The rest is as in `formats.openpgp.Signature`.
    """

    created: int
    ends: int | None
    key_expires: int
    flags: int | None
    primary: bool
    acceptable: bool


class Revocation(NamedTuple):
    """A verified revocation; a `hard` one says that the key may be in other hands, at any time."""

    created: int
    hard: bool


class Component(NamedTuple):
    """A key of a certificate, the primary first: `key` is decoded, `proven` a subkey that signed its own adoption."""

    packet: PublicKey
    key: Key
    statements: tuple[Statement, ...]
    revocations: tuple[Revocation, ...]
    proven: bool


class User(NamedTuple):
    """A user id with its verified statements; images have no `email` and an empty `text`."""

    text: bytes
    email: str | None
    statements: tuple[Statement, ...]
    revocations: tuple[Revocation, ...]


class Standing(NamedTuple):
    """What a key is worth at a time: `code` is GOOD, or the reason why not with a `message` about the key.

    `user_ids` are the valid ones at that time, `emails` their addresses. `also` are further reasons: codes with their messages.
    """

    code: str
    message: str
    notes: tuple[str, ...]
    user_ids: tuple[bytes, ...]
    emails: tuple[str, ...]
    also: tuple[tuple[str, str], ...] = ()


class Lifetime(NamedTuple):
    """A key as its owner sees it today: from when until when it is good (None: not known, or for ever), its `code` now as in
    `Standing`, and whether it is for signing (`signs`), which `code` says nothing about."""

    since: int | None
    until: int | None
    code: str
    signs: bool


class Certificate:
    """A certificate after verification of its self-signatures, given by the policy to `signer`.

    `weak` is whether its primary key can never be used, `dated` whether only for signatures of DSA's time. Nothing in it
    changes but the memory of answers already computed.
    """

    __slots__ = ("_answers", "_times", "dated", "fingerprint", "keys", "notes", "signer", "users", "weak")

    def __init__(self, signer: str, keys: tuple[Component, ...], users: tuple[User, ...], notes: tuple[str, ...]) -> None:
        self.signer = signer
        self.keys = keys
        self.users = users
        self.notes = notes
        self.fingerprint = keys[0].packet.fingerprint.hex().upper()
        self.weak = keys[0].key.key is None
        self.dated = keys[0].key.algorithm == openpgp.DSA
        self._times = tuple(sorted(set(self._changes())))
        self._answers: dict[tuple[int, int, Mode], Standing] = {}

    def standing(self, number: int, time: int, mode: Mode) -> Standing:
        """What key `number` (0: the primary) is worth at `time`, in seconds since the epoch.

        1. a subkey without any verified binding is NOT_BOUND,
        2. a hard revocation of the key or the primary, whenever made: REVOKED_HARD,
        3. a key made after `time`: FUTURE,
        4. no binding in force at `time`: NOT_BOUND. Mode `backfill` takes the oldest later one, for gpg replaces a
           binding where it refreshes it; `identity` takes any,
        5. a soft revocation made by then, and no newer binding since: REVOKED_SOFT_AT_T,
        6. key flags without signing: NOT_SIGNING_CAPABLE; a subkey that never signed its adoption: NOT_BOUND,
        7. expiry of the key or the primary: EXPIRED_AT_T. Mode `backfill` takes the newest statement's word for it where the
           one in force then says expired: gpg replaces a statement where it extends the key, so the one that said so at
           the time is mostly gone. It is the owner's, who is pinned by the policy, and a revocation still counts.

        In mode `identity` steps 2, 5 and 7 are notes: the policy naming the certificate decides.
        """
        place = (number, bisect_right(self._times, time), mode)
        answer = self._answers.get(place)
        if answer is None:
            answer = self._answers[place] = self._judge(number, time, mode)
        return answer

    def lifetime(self, number: int, now: int) -> Lifetime:
        """From when until when key `number` is good, by everything the certificate says by now; for people, not for verdicts.

        `until` is the next end where the key is good at `now`, and the last one where it was good before.
        """
        spans: list[tuple[int, str]] = []
        for time in sorted({*self._times, now}):
            code = self._fault(number, time)
            if not spans or spans[-1][1] != code:
                spans.append((time, code))
        good = [index for index, (_, code) in enumerate(spans) if code == "GOOD"]
        past = [index for index in good if spans[index][0] <= now]
        chosen = past[-1] if past else good[0] if good else None
        if chosen is None:
            return Lifetime(self.keys[number].packet.created, None, self._fault(number, now), self._signs(number, now))
        until = spans[chosen + 1][0] if chosen + 1 < len(spans) else None
        return Lifetime(spans[good[0]][0], until, self._fault(number, now), self._signs(number, now))

    def _fault(self, number: int, time: int) -> str:
        """What is wrong with a key at a time, whatever it is for; GOOD where nothing is."""
        found = (code for code, _ in self._problems(number, time, "strict", []) if code != "NOT_SIGNING_CAPABLE")
        return next(found, "GOOD")

    def _signs(self, number: int, time: int) -> bool:
        """Whether a key is for signing, by its binding at a time, or its later one."""
        return all(code != "NOT_SIGNING_CAPABLE" for code, _ in self._problems(number, time, "backfill", []))

    def _judge(self, number: int, time: int, mode: Mode) -> Standing:
        users = [user for user in self.users if not _revoked(user, time) and _active(user.statements, time, mode)]
        notes = list(self.notes)
        problems: list[tuple[str, str]] = []
        for found, text in self._problems(number, time, mode, notes):
            if mode == "identity" and found in ("REVOKED_HARD", "REVOKED_SOFT_AT_T", "EXPIRED_AT_T"):
                notes.append("key-" + found.lower().replace("_", "-"))
            else:
                problems.append((found, text))
        code, message = problems[0] if problems else ("GOOD", "")
        return Standing(
            code,
            message,
            tuple(dict.fromkeys(notes)),
            tuple(user.text for user in users if user.text),
            tuple(dict.fromkeys(user.email for user in users if user.email)),
            tuple(problems[1:]),
        )

    def _problems(self, number: int, time: int, mode: Mode, notes: list[str]) -> Iterator[tuple[str, str]]:
        """The steps of `standing`, in order; what is not wrong but worth telling goes to `notes`."""
        primary, own = self.keys[0], self.keys[number]
        involved = (primary, own) if number else (primary,)
        if number and not own.statements:
            yield "NOT_BOUND", "no signature of the primary key binds this subkey"
        for component in involved:
            if any(revocation.hard for revocation in component.revocations):
                yield "REVOKED_HARD", "the key was revoked as compromised, or without a reason that is harmless"
        for component in involved:
            if time < component.packet.created:
                yield "FUTURE", "the key was made later than that"

        governing = self._governing(time, mode)
        binding = _active(own.statements, time, mode) if number else None
        if not governing:
            yield "NOT_BOUND", "no self-signature of the primary key was in force"
        if number and binding is None:
            yield "NOT_BOUND", "no binding of the subkey was in force"
        if any(statement.created > time for statement in (*governing, *([binding] if binding else []))):
            notes.append("binding-backfilled")

        for component in involved:
            renewals = self._primary_statements() if component is primary else component.statements
            if _softly_revoked(component.revocations, renewals, time):
                yield "REVOKED_SOFT_AT_T", "the key had been revoked as superseded or retired"

        flags = binding.flags if binding else next((item.flags for item in governing if item.flags is not None), None)
        if number and not (flags or 0) & SIGN_FLAG:
            yield "NOT_SIGNING_CAPABLE", "the subkey is not for signing"
        elif number and not own.proven:
            yield "NOT_BOUND", "the subkey never signed that it belongs to this certificate (back-signature)"
        elif not number and flags is None:
            notes.append("no-key-flags")
        elif not number and not (flags or 0) & SIGN_FLAG:
            yield "NOT_SIGNING_CAPABLE", "the primary key is not for signing"

        newest = _active(own.statements, _END_OF_TIME, "strict") if number else None
        periods = (
            (primary, governing, self._governing(_END_OF_TIME, "strict")),
            (own, [binding] if binding else [], [newest] if newest else []),
        )
        for component, then, last in periods:
            if not _ended(component, _period(then), time):
                continue
            # no statement that lasts is not one that says for ever
            if mode == "backfill" and last and not _ended(component, _period(last), time):
                notes.append("expiry-backfilled")
            else:
                yield "EXPIRED_AT_T", "the key had expired"

    def _governing(self, time: int, mode: Mode) -> list[Statement]:
        """The statements about the primary key: the direct one, then that of the primary user id; absent ones left out.

        The first that says something of a property decides (RFC 9580 section 5.2.3.10; gpg does the same). A version 6 key
        must have a direct one (section 10.1.1).
        """
        standing_users = [user for user in self.users if not _revoked(user, time)] or list(self.users)
        modes: tuple[Mode, Mode] = ("strict", mode)
        for each in modes:
            direct = _active(self.keys[0].statements, time, each)
            of_users = [_active(user.statements, time, each) for user in standing_users]
            known = [statement for statement in of_users if statement is not None]
            best = max(known, key=lambda item: (item.created <= time, item.primary, item.created), default=None)
            found = [statement for statement in (direct, best) if statement is not None]
            if found and (direct or self.keys[0].packet.version != 6):
                return found
        return []

    def _primary_statements(self) -> tuple[Statement, ...]:
        """All statements that renew the primary key."""
        return self.keys[0].statements + tuple(item for user in self.users for item in user.statements)

    def _changes(self) -> Iterator[int]:
        """Every time at which an answer can change."""
        for component in self.keys:
            yield component.packet.created
            for statement in self._primary_statements() if component is self.keys[0] else component.statements:
                if statement.key_expires:
                    yield component.packet.created + statement.key_expires
        holders: tuple[Component | User, ...] = (*self.keys, *self.users)
        for holder in holders:
            for statement in holder.statements:
                yield statement.created
                if statement.ends is not None:
                    yield statement.ends
            for revocation in holder.revocations:
                yield revocation.created


def evaluate(
    raw: openpgp_keys.Certificate, signer: str, primaries: Mapping[bytes, Key], orphans: Iterable[Signature] = ()
) -> Certificate:
    """The certificate with all its self-signatures verified; those that are not good are left out.

    `primaries` are the decoded primary keys of the whole keyring by fingerprint, for revocations by designated revokers;
    `orphans` are revocations from files of their own. Raises `Malformed` where there are too many self-signatures.
    """
    return _Evaluation(raw, primaries).certificate(signer, tuple(orphans))


def revokes(raw: openpgp_keys.Certificate, primaries: Mapping[bytes, Key], revocation: Signature) -> bool:
    """Whether a revocation from a file of its own is good for this certificate; `primaries` as in `evaluate`."""
    evaluation = _Evaluation(raw, primaries)
    return evaluation.revokes(revocation, evaluation.prefix)


class _Evaluation:
    """One run of `evaluate`: counts the signatures it verifies."""

    def __init__(self, raw: openpgp_keys.Certificate, primaries: Mapping[bytes, Key]) -> None:
        self.raw = raw
        self.primaries = primaries
        self.key = decode(raw.primary)
        self.prefix = key_prefix(raw.primary.body)
        self.revokers: set[bytes] = set()
        self.notes: set[str] = set()
        self.tried = 0

    def certificate(self, signer: str, orphans: tuple[Signature, ...]) -> Certificate:
        direct = tuple(
            self._statement(item)
            for item in self.raw.signatures
            if item.kind == openpgp.DIRECT_KEY and self._is_self(item, self.prefix)
        )
        users = tuple(self._user(user) for user in self.raw.user_ids)
        revocations = tuple(
            Revocation(item.created, item.reason not in _SOFT)
            for item in (*self.raw.signatures, *orphans)
            if item.kind == openpgp.KEY_REVOCATION and self.revokes(item, self.prefix)
        )
        primary = Component(self.raw.primary, self.key, direct, revocations, proven=True)
        subkeys = tuple(self._subkey(subkey) for subkey in self.raw.subkeys)
        return Certificate(signer, (primary, *subkeys), users, tuple(sorted(self.notes)))

    def _user(self, user: openpgp_keys.UserId) -> User:
        data = (b"\xd1" if user.attribute else b"\xb4") + len(user.data).to_bytes(4, "big") + user.data
        statements: list[Statement] = []
        revocations: list[Revocation] = []
        for item in user.signatures:
            if item.kind in openpgp.CERTIFICATIONS and self._is_self(item, self.prefix, data):
                statements.append(self._statement(item))
            elif item.kind == openpgp.USER_ID_REVOCATION and self._is_self(item, self.prefix, data, revocation=True):
                revocations.append(Revocation(item.created, item.reason not in _SOFT_FOR_USER_IDS))
        text = b"" if user.attribute else user.data
        return User(text, openpgp_keys.email(text), tuple(statements), tuple(revocations))

    def _subkey(self, subkey: openpgp_keys.Subkey) -> Component:
        key = decode(subkey.key)
        data = key_prefix(subkey.key.body)
        statements: list[Statement] = []
        revocations: list[Revocation] = []
        proven = False
        for item in subkey.signatures:
            if item.kind == openpgp.SUBKEY_BINDING and self._is_self(item, self.prefix, data):
                statements.append(self._statement(item))
                proven = proven or (key.key is not None and any(self._adopted(key, inner, data) for inner in item.embedded))
            elif item.kind == openpgp.SUBKEY_REVOCATION and self.revokes(item, self.prefix, data):
                revocations.append(Revocation(item.created, item.reason not in _SOFT))
        return Component(subkey.key, key, tuple(statements), tuple(revocations), proven)

    def _adopted(self, key: Key, embedded: bytes, data: bytes) -> bool:
        """Whether a binding's embedded signature is the subkey's own, over the primary key and itself."""
        try:
            inner = openpgp.parse_body(embedded)
        except Malformed:
            return False
        return inner.kind == openpgp.BACK_SIGNATURE and _acceptable(inner) and self._good(key, inner, self.prefix, data)

    def _is_self(self, signature: Signature, *data: bytes, revocation: bool = False) -> bool:
        """Whether the primary key made `signature`; what names another issuer is not even tried."""
        fingerprint = self.raw.primary.fingerprint
        if signature.fingerprint not in (None, fingerprint) or signature.key_id not in (None, openpgp.key_id(fingerprint)):
            return False
        if revocation and signature.hash_algorithm not in HASHES:
            # RIPEMD-160, most likely: what cannot be checked must not be left out, and this can only refuse
            self.notes.add("revocation-not-verified")
            return True
        if not self._good(self.key, signature, *data, revocation=revocation):
            return False
        self.revokers.update(signature.revokers)
        return True

    def revokes(self, signature: Signature, *data: bytes) -> bool:
        """Whether the primary key, or a revoker it designates, made the revocation."""
        if self._is_self(signature, *data, revocation=True):
            return True
        for revoker in self.revokers:
            if signature.fingerprint not in (None, revoker) or signature.key_id not in (None, openpgp.key_id(revoker)):
                continue
            key = self.primaries.get(revoker)
            if key is None:
                self.notes.add("designated-revoker-unknown")
            elif self._good(key, signature, *data, revocation=True):
                return True
        return False

    def _good(self, key: Key, signature: Signature, *data: bytes, revocation: bool = False) -> bool:
        """Whether `key` made `signature`. A revocation counts by a hash that is too short, too: nobody gains by forging one."""
        found = HASHES.get(signature.hash_algorithm)
        if key.key is None or found is None or (found.size < key.min_digest and not revocation):
            return False
        self.tried += 1
        if self.tried > MAX_SELF_SIGNATURES:
            raise Malformed(
                f"OpenPGP certificate has more than {MAX_SELF_SIGNATURES} self-signatures",
                rule="signature-bad",
                hint="export it again with: gpg --export-options export-minimal --export",
            )
        try:
            check(key, signature, digest(signature, *data))
        except InvalidSignature:
            return False
        return True

    @staticmethod
    def _statement(signature: Signature) -> Statement:
        ends = signature.created + signature.expires if signature.expires else None
        return Statement(
            signature.created, ends, signature.key_expires, signature.flags, signature.primary, _acceptable(signature)
        )


def _acceptable(signature: Signature) -> bool:
    """Whether the hash of a self-signature was good enough when it was made."""
    since = _WEAK_SINCE.get(signature.hash_algorithm)
    return since is None or (signature.version == 4 and signature.created < since)


def _active(statements: tuple[Statement, ...], time: int, mode: Mode) -> Statement | None:
    """The statement in force at `time`: the newest made by then; where there is none, what `mode` puts in its place."""
    known = [item for item in statements if item.acceptable and item.created <= time and (not item.ends or time < item.ends)]
    if known:
        # of two made in one second the later in the file counts
        return max(enumerate(known), key=lambda pair: (pair[1].created, pair[0]))[1]
    if mode == "strict":
        return None
    later = [item for item in statements if item.acceptable and item.created > time]
    if later:
        return min(later, key=lambda item: item.created)
    return max(statements, key=lambda item: item.created, default=None) if mode == "identity" else None


def _period(statements: Sequence[Statement]) -> int:
    """Seconds that a key lives after its creation, by the first statement that says so; 0 for ever."""
    return next((item.key_expires for item in statements if item.key_expires), 0)


def _ended(component: Component, period: int, time: int) -> bool:
    return bool(period) and component.packet.created + period <= time


def _softly_revoked(revocations: tuple[Revocation, ...], renewals: tuple[Statement, ...], time: int) -> bool:
    """Whether a soft revocation made by `time` was not taken back by a newer statement of that time."""
    newest = max((item.created for item in renewals if item.acceptable and item.created <= time), default=-1)
    return any(not item.hard and item.created <= time and item.created >= newest for item in revocations)


def _revoked(user: User, time: int) -> bool:
    """Whether a user id was revoked at `time`."""
    return any(item.hard for item in user.revocations) or _softly_revoked(user.revocations, user.statements, time)
