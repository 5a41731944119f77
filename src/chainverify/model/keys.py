"""The keys of a policy as people look at them: whose, which, from when until when, and what each is worth today."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

KeyState: TypeAlias = Literal["good", "expired", "revoked", "compromised", "not yet", "cannot sign", "not read"]
"""`not read` is a form of key that this version lists and does not look into: it is no reason to call it good."""


class KeyDescription(NamedTuple):
    """One key, certificate, identity or authority that a policy names; for people, never a reason to accept a signature.

    `holder` is the person's name, empty for what names people itself or is nobody's. `fingerprint` is as in `Evidence`, empty
    where there is none; `primary` is the OpenPGP certificate that a subkey belongs to. `kind` says what it is (`key`, `subkey`,
    `certificate`, `authority`, `identity`, `principals`, `revocations`). `file` is the name as the policy writes it, empty for
    what stands in the policy itself; `path` and `line` (0 unknown) say where. `since` and `until` are seconds since the epoch,
    None for an open end; the person's own time in the policy is counted in. `comment` and `emails` are what the key says of
    itself: claims.
    """

    format: str
    kind: str
    holder: str
    fingerprint: str
    algorithm: str
    file: str
    path: str
    line: int
    since: int | None
    until: int | None
    state: KeyState
    primary: str = ""
    comment: str = ""
    emails: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class PersonDescription(NamedTuple):
    """A person of a policy with all keys, in the policy's order; the fields are those of `policy.model.Signer`."""

    name: str
    emails: tuple[str, ...]
    roles: tuple[str, ...]
    limit: str | None
    valid_after: int | None
    valid_before: int | None
    compromised_at: int | None
    observed: bool
    keys: tuple[KeyDescription, ...]


class KeyList(NamedTuple):
    """Everybody of a policy, and what names people or revokes for all of them (`shared`)."""

    people: tuple[PersonDescription, ...]
    shared: tuple[KeyDescription, ...]
