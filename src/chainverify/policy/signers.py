"""`[[signers]]`: the people, their addresses, roles and keys, one table per person."""

from __future__ import annotations

from typing import Final

from chainverify.errors import Malformed, PolicyError
from chainverify.policy import paths
from chainverify.policy.commits import FILE, LEVEL, LEVELS_MEAN
from chainverify.policy.fields import PLAIN, Choice, Field, ListOf, Pending, Section, Subs, Table, Text, TextMap, Time, into
from chainverify.policy.model import GitsignIdentity, Signer

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




def _check_gitsign(value: GitsignIdentity, _: Table, path: str) -> None:
    for name, text, regex in (
        ("identity", value.identity, value.identity_regex), ("issuer", value.issuer, value.issuer_regex),
    ):
        if (text is None) == (regex is None):
            problem = "is missing" if text is None else f"stands beside {name}-regex, expected one of the two"
            raise PolicyError(
                problem, key=paths.join(path, name), hint=f"anybody can have a Sigstore identity: name {name} or {name}-regex"
            )
        if text is not None and not text.strip("*"):
            raise PolicyError(f"{text!r} is any {name}, which trusts everybody", key=paths.join(path, name))
        if regex is not None:
            _check_pattern(regex, name, paths.join(path, f"{name}-regex"))


def _check_pattern(source: str, name: str, path: str) -> None:
    from chainverify.formats.pattern import compile_pattern

    try:
        # alone first: a group that the source closes would not be anchored
        compile_pattern(source)
        found = compile_pattern(f"^(?:{source})$")
    except Malformed as error:
        raise PolicyError(error.message, key=path, hint=error.hint) from error
    if not found.can_match():
        raise PolicyError(f"pattern {source!r} can never match", key=path, hint="the whole value must match")
    if found.search(f"any {name} whatever"):
        raise PolicyError(f"{source!r} matches any {name}, which trusts everybody", key=path)


GITSIGN: Final = Section(
    "[[signers.gitsign]]",
    (
        Field("identity", Text(), "the certificate's identity: an address or a URI, whole; * as in all globs"),
        Field("identity-regex", Text(), "a pattern that the whole identity must match, in linear time"),
        Field("issuer", Text(), "the OpenID issuer that vouched for it, whole; * as in all globs"),
        Field("issuer-regex", Text(), "a pattern that the whole issuer must match, in linear time"),
        Field("claims", TextMap(), "further claims of the certificate that must hold, such as source-repository"),
    ),
    into(GitsignIdentity),
    _check_gitsign,
    doc="A Sigstore identity.",
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
        Field("valid-before", Time(), "signatures from after this are refused; a date is its first second"),
        Field("compromised-at", Time(), "signatures not proved older than this are refused"),
        Field(
            "allowed-signers", ListOf(FILE), "files in OpenSSH's allowed_signers format: every line is a key of this person, "
            "certificate authorities and validity included",
        ),
        Field("x509", ListOf(FILE), "pinned certificates of this person, in PEM or DER"),
        Field("gitsign", Subs(GITSIGN), "Sigstore identities of this person"),
        Field("gitsign-level", LEVEL, f"{LEVELS_MEAN}; default: as [commits] says"),
        Field(
            "limit", Choice(("clean-merge",)), "for forges and bots: only merges count whose tree git itself would make of their "
            "parents, all of them by others",
        ),
        Field("pushers", Pending(([],)), "the forge's account names of this person"),
    ),
    into(Signer),
    _check,
    observable=True,
    doc="A person.",
)


def key_lists(signer: Signer) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The keys of the policy's table that name a signer's files and keys, with what they hold."""
    return (
        ("openpgp", signer.openpgp),
        ("ssh", signer.ssh),
        ("allowed-signers", signer.allowed_signers),
        ("x509", signer.x509),
    )


def is_inline(kind: str, entry: str) -> bool:
    """Whether an entry of one of the `key_lists` is the key itself, and not a file's name."""
    return (kind == "openpgp" and is_inline_openpgp(entry)) or (kind == "ssh" and is_inline_ssh(entry))


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
        for kind, entries in key_lists(signer):
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
