"""Who is meant by the names and roles of a policy. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable

from chainverify.policy.model import Policy, Signer


def signer_by_name(policy: Policy, name: str) -> Signer | None:
    """The person of that name, None where the policy has none."""
    return next((signer for signer in policy.signers if signer.name == name), None)


def allowed(names: Iterable[str], policy: Policy) -> frozenset[str]:
    """The names of the people that `names` (names, and `role:NAME` for whoever holds it) stand for.

    No names are nobody: a caller for whom an absent list means everyone has to say so itself.
    """
    found: set[str] = set()
    for entry in names:
        if entry.startswith("role:"):
            role = entry.removeprefix("role:")
            found.update(signer.name for signer in policy.signers if role in signer.roles)
        elif signer_by_name(policy, entry) is not None:
            found.add(entry)
    return frozenset(found)
