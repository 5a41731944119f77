"""The policy as one section, and what must hold between its parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from chainverify.errors import PolicyError
from chainverify.policy import messages, paths
from chainverify.policy.commits import COMMITS, POLICY, TAGS
from chainverify.policy.fields import Field, Number, Pending, Refused, Section, Sub, Subs, nearest
from chainverify.policy.images import IMAGES
from chainverify.policy.machine import RULES, SERVER
from chainverify.policy.model import Policy
from chainverify.policy.refs import REF
from chainverify.policy.signers import SIGNER, check_people

_FIELDS: Final = (
    Field("version", Number(1, 1), "the version of the policy's format", required=True),
    Field("policy", Sub(POLICY)),
    Field("commits", Sub(COMMITS)),
    Field("tags", Sub(TAGS)),
    Field("signers", Subs(SIGNER)),
    Field("messages", Sub(messages.MESSAGES)),
    Field("refs", Subs(REF)),
    Field("protected", Pending(([],)), "paths and kinds that need approvals"),
    Field("images", Sub(IMAGES)),
    Field("rules", Sub(RULES)),
)

SERVER_FILE: Final = Section(
    "the policy", (*_FIELDS, Field("server", Sub(SERVER))), lambda values: values, doc="A policy of chainverify, version 1."
)
"""The server's own file, which may hold `[server]`."""

FILE: Final = Section(
    SERVER_FILE.name,
    (*_FIELDS, Field("server", Refused(
        "belongs to the machine and may stand only in the server's own file",
        "move it to the file that CHAINVERIFY_POLICY names on the server",
    ))),
    SERVER_FILE.make, doc=SERVER_FILE.doc,
)
"""Every other policy."""


def check(policy: Policy) -> None:
    """People are distinct, and every name and role that is asked for exists. Raises `PolicyError`."""
    check_people(policy.signers)
    names = frozenset(signer.name for signer in policy.signers)
    roles = frozenset(role for signer in policy.signers for role in signer.roles)
    _check_who(policy.editors, "policy.signers", names, roles)
    for index, ref in enumerate(policy.refs):
        path = paths.item("refs", index)
        _check_who(ref.signers, paths.join(path, "signers"), names, roles)
        _check_who(ref.rewind_signers, paths.join(path, "rewind-signers"), names, roles)
        if ref.messages is not None:
            here = paths.join(path, "messages")
            if policy.messages is None:
                raise PolicyError("changes the rules of [messages], and there are none", key=here, hint="add [messages]")
            messages.check(messages.overridden(policy.messages, ref), {}, here)


def _check_who(entries: Iterable[str], path: str, names: frozenset[str], roles: frozenset[str]) -> None:
    for index, entry in enumerate(entries):
        here = paths.item(path, index)
        if entry.startswith("role:"):
            if entry.removeprefix("role:") not in roles:
                known = sorted(f"role:{role}" for role in roles)
                raise PolicyError(
                    f"nobody holds the role {entry.removeprefix('role:')!r}", key=here,
                    hint=nearest(entry, known) or "give it to someone: roles = [...] in [[signers]]",
                )
        elif entry not in names:
            hint = nearest(entry, sorted(names))
            if entry in roles:
                hint = f"it is a role: write 'role:{entry}'"
            raise PolicyError(f"no signer is named {entry!r}", key=here, hint=hint or 'a role is written "role:NAME"')
