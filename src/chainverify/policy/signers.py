"""`[[signers]]`: the people, their addresses, roles and keys, one table per person."""

from __future__ import annotations

from typing import Final

from chainverify.errors import PolicyError
from chainverify.policy import paths
from chainverify.policy.fields import PLAIN, Field, ListOf, Pending, Section, Table, Text, Time, into
from chainverify.policy.model import Signer

EMAIL: Final = Text(r"[^@\s<>\u0000-\u001f\u007f]+@[^@\s<>\u0000-\u001f\u007f]+", "an address such as alice@example.org")
OPENPGP: Final = Text(
    r"[^\u0000-\u001f\u007f]+|-----BEGIN PGP PUBLIC KEY BLOCK-----[^\u0000]*", "a key file's name, or an armored public key"
)
SSH_TYPES: Final = ("ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "webauthn-sk-")
"""How the type of an SSH key starts; a text that starts so and holds a space is a key, all else is a file's name."""


def is_inline_openpgp(text: str) -> bool:
    """Whether an entry of `openpgp` is the key itself."""
    return text.startswith("-----BEGIN PGP")


def is_inline_ssh(text: str) -> bool:
    """Whether an entry of `ssh` is a key line, not the name of a file."""
    return text.startswith(SSH_TYPES) and " " in text


def _check(value: Signer, _: Table, path: str) -> None:
    if value.name.startswith("role:"):
        raise PolicyError("a name cannot start with role:", key=paths.join(path, "name"), hint="roles stand in `roles`")
    for index, role in enumerate(value.roles):
        if role.startswith("role:"):
            raise PolicyError(
                f"expected the role's name alone, got {role!r}", key=paths.item(paths.join(path, "roles"), index),
                hint=f"write {role.removeprefix('role:')!r} here; role: is for the places that ask for one",
            )
    if value.valid_after is not None and value.valid_before is not None and value.valid_after >= value.valid_before:
        raise PolicyError(
            "is not after valid-after, so no signature could ever be valid", key=paths.join(path, "valid-before")
        )


SIGNER: Final = Section(
    "[[signers]]",
    (
        Field("name", Text(), "the person's name, unique in the policy", required=True),
        Field("emails", ListOf(EMAIL), "the person's addresses, unique in the policy, upper and lower case alike"),
        Field("roles", ListOf(Text(expected="a role's name")), "what this person may stand for, asked for as role:NAME"),
        Field("openpgp", ListOf(OPENPGP), "OpenPGP keys: files beside the policy, or armored text"),
        Field("ssh", ListOf(Text(PLAIN, "a .pub file's name, or a public key line")), "SSH keys: .pub files, or key lines"),
        Field("valid-after", Time(), "signatures from before this are refused"),
        Field("valid-before", Time(), "signatures from this time on are refused"),
        Field("compromised-at", Time(), "signatures not proved older than this are refused"),
        Field("allowed-signers", Pending(([],)), "a file in OpenSSH's format, every line a key of this person"),
        Field("x509", Pending(([],)), "pinned certificates"),
        Field("gitsign", Pending(([],)), "Sigstore identities"),
        Field("gitsign-level", Pending((2,)), "how much of a gitsign signature must be proved"),
        Field("limit", Pending(), "for forges and bots: what they may sign"),
        Field("pushers", Pending(([],)), "the forge's account names of this person"),
    ),
    into(Signer),
    _check,
    observable=True,
    doc="A person.",
)


def check_people(signers: tuple[Signer, ...]) -> None:
    """No name, address or key may belong to two people. Raises `PolicyError`.

    Keys are compared as they are written; that two files hold one key is found when they are read (`signatures`).
    """
    names: dict[str, Signer] = {}
    emails: dict[str, Signer] = {}
    keys: dict[tuple[str, str], Signer] = {}
    for signer in signers:
        path = paths.item("signers", signer.position)
        other = names.setdefault(signer.name.casefold(), signer)
        if other is not signer:
            raise _twice("name", signer.name, other, paths.join(path, "name"))
        for index, email in enumerate(signer.emails):
            other = emails.setdefault(email.casefold(), signer)
            if other is not signer:
                raise _twice("address", email, other, paths.item(paths.join(path, "emails"), index))
        for kind, entries in (("openpgp", signer.openpgp), ("ssh", signer.ssh)):
            for index, entry in enumerate(entries):
                other = keys.setdefault((kind, _identity(kind, entry)), signer)
                if other is not signer:
                    raise _twice("key", entry[:80], other, paths.item(paths.join(path, kind), index))


def _identity(kind: str, entry: str) -> str:
    """What two entries for the same key have in common: a key line without its comment, a file's plain name."""
    if kind == "ssh" and is_inline_ssh(entry):
        return " ".join(entry.split()[:2])
    if kind == "openpgp" and is_inline_openpgp(entry):
        return entry.strip()
    return "/".join(part for part in entry.split("/") if part not in ("", "."))


def _twice(what: str, value: str, other: Signer, path: str) -> PolicyError:
    return PolicyError(
        f"{what} {value!r} belongs to {other.name!r} (signers[{other.position}]) already", key=path,
        hint=f"one table per person: remove it from one of the two, or put what is {other.name!r}'s into one table",
    )
