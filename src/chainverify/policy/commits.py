"""`[policy]`, `[commits]` and `[tags]`: who may change the policy, and how the history is judged."""

from __future__ import annotations

from typing import Any, Final

from chainverify.errors import PolicyError
from chainverify.policy import paths
from chainverify.policy.fields import (
    Choice,
    Field,
    ListOf,
    Number,
    Section,
    Table,
    Text,
    Time,
    into,
)
from chainverify.policy.model import CommitsPolicy

OBJECT_ID: Final = Text(r"[0-9a-f]{40}|[0-9a-f]{64}", "a full object id: 40 or 64 hex digits in lower case")
WHO: Final = ListOf(Text(expected='a signer\'s name or "role:NAME"'), least=1)
"""People, by name or role. An empty list would be read as nobody by one and as anybody by another."""

FILE: Final = Text(expected="a file's name, relative to the policy")
LEVEL: Final = Number(0, 2)
LEVELS_MEAN: Final = (
    "how much of a gitsign signature must be proved: 0 the signature by a certificate of Fulcio, 1 also that its CT log saw it, "
    "2 also the time by a log or timestamp authority"
)

POLICY: Final = Section(
    "[policy]",
    (
        Field("signers", WHO, "who may sign a change to the policy or its files; default: everyone who may sign the ref"),
        Field(
            "min-tool", Text(r"[0-9]{1,6}(\.[0-9]{1,6}){0,2}", 'a version such as "1.2"'),
            "an older chainverify refuses this policy instead of misreading it",
        ),
    ),
    lambda values: values,
    doc="The policy itself.",
)


def _check_commits(value: CommitsPolicy, _: Table, path: str) -> None:
    if "off" in value.identity and len(value.identity) > 1:
        raise PolicyError(
            '"off" stands beside other values, expected it alone', key=paths.join(path, "identity"),
            hint="all values of the list must hold; take \"off\" out, or the others",
        )


COMMITS: Final = Section(
    "[commits]",
    (
        Field(
            "formats", ListOf(Choice(("openpgp", "ssh", "x509", "gitsign")), least=1), "the signature formats that count",
        ),
        Field("introduction", OBJECT_ID, "history after this commit must verify; without it: all of history"),
        Field(
            "exceptions", ListOf(OBJECT_ID, into=frozenset),
            "commits and annotated tags that are excused by full ids, each reported as skip; a commit's id excuses no tag at it",
        ),
        Field(
            "identity", ListOf(Choice(("committer-email", "author-email", "principal", "off")), least=1),
            'what of the commit must belong to the signer; of a list all must hold. "principal": a valid user id of the OpenPGP '
            "key must be an address of the signer. An SSH key has no user id and is the person's by the policy alone: of SSH "
            'signatures "principal" asks nothing, so name an address rule beside it',
        ),
        Field(
            "key-validity", Choice(("strict", "backfill", "identity", "now")), "the time at which a key must have been valid"
        ),
        Field("gitsign-level", LEVEL, LEVELS_MEAN),
        Field(
            "merge-rule", Choice(("every-commit", "any-parent", "all-parents", "first-parent")),
            "which commits behind a merge must be by whom",
        ),
        Field(
            "allowed-signers", ListOf(FILE), "files in OpenSSH's allowed_signers format: each principal is a person, its address "
            "the e-mail. A pattern before a plain key is none of [[signers]]; before cert-authority it narrows whom the "
            "authority may name",
        ),
        Field("ssh-revoked", ListOf(FILE), "revoked SSH keys: a KRL of ssh-keygen -k, or a list of public keys"),
        Field(
            "ssh-require", ListOf(Choice(("presence", "verification"))),
            "what a hardware security key must have proved: a touch, and that its owner was verified; [] asks for neither",
        ),
        Field(
            "x509-roots", ListOf(FILE), "certificates of CAs whose e-mail certificates count, and of CAs below, in PEM or DER: "
            "they can name everybody of [[signers]]",
        ),
        Field("crls", ListOf(FILE), "certificate revocation lists of these CAs, in PEM or DER"),
        Field("timestamp-roots", ListOf(FILE), "certificates of CAs whose RFC 3161 timestamps count, in PEM or DER"),
        Field("trusted-root", FILE, "the Sigstore trust root for gitsign; default: the public-good root that sigstore ships"),
        Field("sha1-before", Time(), "OpenPGP and X.509 signatures made with SHA-1 before this are accepted; default: none"),
        Field(
            "dsa-before", Time(), "OpenPGP signatures by DSA keys of 2048 bits or more, made before this, are accepted; "
            "default: none",
        ),
    ),
    into(CommitsPolicy),
    _check_commits,
    observable=True,
    doc="Asks for a good signature on every commit. Absent: no signature is checked.",
)


def _tags(values: dict[str, Any]) -> str | None:
    return values.get("require")


TAGS: Final = Section(
    "[tags]",
    (
        Field(
            "require", Choice(("signed", "annotated", "off")),
            'what every tag must be; default "signed" where [commits] is there, else "off"',
        ),
    ),
    _tags,
    doc="What is asked of tags.",
)
