"""The people and keys of a policy as a list, and what of it expires."""

from __future__ import annotations

from typing import Final

from chainverify.jobs.describe import Loaded, describe
from chainverify.jobs.policies import LoadedPolicy
from chainverify.model.keys import KeyDescription, KeyList, KeyState, PersonDescription
from chainverify.policy.material import signing_material
from chainverify.policy.model import Signer
from chainverify.signatures import backends

_NEVER: Final = 1 << 62


def list_keys(loaded: LoadedPolicy, now: int) -> KeyList:
    """Everybody of the policy with all keys, in its order. Raises `PolicyError` for a key that cannot be used."""
    material = signing_material(loaded.policy, loaded.read)
    found = list(describe(Loaded(material, backends.load(material), now)))
    people = tuple(_person(signer, found, now) for signer in loaded.policy.signers)
    return KeyList(people, tuple(each for each in found if not each.holder))


def expiring(listed: KeyList, until: int) -> KeyList:
    """The people and keys of a list that have expired, or will by `until` (seconds since the epoch).

    A subkey that another key of its certificate outlives asks for nothing: renewing is done by adding such keys, and the old
    ones stay in the certificate for the signatures that they made.
    """
    people = []
    for person in listed.people:
        keys = tuple(each for each in person.keys if _ends(each, until) and not _outlived(each, person.keys, until))
        if keys:
            people.append(person._replace(keys=keys))
    return KeyList(tuple(people), tuple(each for each in listed.shared if _ends(each, until)))


def not_read(listed: KeyList) -> tuple[KeyDescription, ...]:
    """What stands in the list by name alone: whether it expires is not known."""
    everything = (*(each for person in listed.people for each in person.keys), *listed.shared)
    return tuple(each for each in everything if each.state == "not read")


def _ends(each: KeyDescription, until: int) -> bool:
    return each.state == "expired" or (each.state in ("good", "not yet") and each.until is not None and each.until <= until)


def _outlived(each: KeyDescription, others: tuple[KeyDescription, ...], until: int) -> bool:
    if each.format != "openpgp" or each.kind != "subkey":
        return False
    return any(
        other.state == "good" and (other.primary or other.fingerprint) == each.primary and (other.until or _NEVER) > until
        for other in others
    )


def _person(signer: Signer, found: list[KeyDescription], now: int) -> PersonDescription:
    keys = tuple(_within(each, signer, now) for each in found if each.holder == signer.name)
    return PersonDescription(
        signer.name, signer.emails, signer.roles, signer.limit, signer.valid_after, signer.valid_before, signer.compromised_at,
        signer.observed, keys,
    )


def _within(each: KeyDescription, signer: Signer, now: int) -> KeyDescription:
    """A key with its person's own time in the policy counted in, as `rules.signatures` does."""
    since = max((time for time in (each.since, signer.valid_after) if time is not None), default=None)
    until = min((time for time in (each.until, signer.valid_before) if time is not None), default=None)
    state: KeyState = each.state
    if signer.compromised_at is not None:
        state = "compromised"
    elif state in ("good", "not yet", "cannot sign"):
        if signer.valid_before is not None and now > signer.valid_before:
            state = "expired"
        elif state == "good" and signer.valid_after is not None and now < signer.valid_after:
            state = "not yet"
    return each._replace(since=since, until=until, state=state)
