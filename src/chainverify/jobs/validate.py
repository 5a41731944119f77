"""A policy judged as a whole: that every key it names can be read and used, before anything depends on it."""

from __future__ import annotations

from typing import NamedTuple

from chainverify.errors import PolicyError
from chainverify.jobs import messages
from chainverify.jobs.idle import Idle, idle_lines
from chainverify.jobs.policies import LoadedPolicy
from chainverify.policy.material import image_trust, signing_material
from chainverify.signatures import backends


class Validated(NamedTuple):
    """How many `signers` a policy has, and how many entries with `keys` or identities of theirs."""

    signers: int
    keys: int


def validate(loaded: LoadedPolicy) -> Validated:
    """Read every key that a policy names, as a run would. Raises `PolicyError` for the first that cannot be used."""
    # the verifiers of images take their time to import, and most callers want no more than the next function
    from chainverify.images import verify

    material = signing_material(loaded.policy, loaded.read)
    backends.load(material)
    messages.mailmap(loaded.policy, loaded.read)
    for stanza in image_trust(loaded.policy, loaded.read):
        verify.load(stanza)
    return Validated(len(loaded.policy.signers), sum(map(len, (material.openpgp, material.ssh, material.x509, material.gitsign))))


def idle(loaded: LoadedPolicy) -> tuple[Idle, ...]:
    """The lines of allowed_signers files that have no effect, or less than they say; the policy must be valid."""
    return idle_lines(loaded.policy, signing_material(loaded.policy, loaded.read))


def refuse_observed(loaded: LoadedPolicy) -> None:
    """Raise `PolicyError` where trust that was only observed was not confirmed by a person: servers and CI refuse it."""
    policy = loaded.policy
    if policy.observed:
        path = policy.observed[0]
        raise PolicyError(
            f"{observed(loaded, path)} is marked observed = true: it was seen by init or an import, and nobody confirmed it",
            key=path,
            source=policy.source,
            line=line(loaded, path),
            hint="check the key or name with its owner over another channel, then remove the mark",
        )


def line(loaded: LoadedPolicy, path: str) -> int:
    """The line of the policy's file on which the table at a dotted path stands, 0 where it is not known."""
    from chainverify.policy.lines import Lines

    return Lines(loaded.policy.text).of(path)


def observed(loaded: LoadedPolicy, path: str) -> str:
    """What an observed table is about: the person's name, the images' glob, or the table."""
    policy = loaded.policy
    for index, signer in enumerate(policy.signers):
        if path == f"signers[{index}]":
            return signer.name
    for index, stanza in enumerate(policy.images.trust if policy.images else ()):
        if path == f"images.trust[{index}]":
            return stanza.match
    return f"the table [{path}]"
