"""The policy as frozen values, a type per section of `.chainverify/policy.toml` (contract, policy version 1).

`policy.load` makes them; nothing below reads TOML again. Names of files stay names here: their bytes are read by
`policy.material`, because the commit-msg hook needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from typing import NamedTuple

    from chainverify.model.signing import Format, KeyValidity, SshRequirement
else:
    # defining real ones takes a fifth of the commit-msg hook's cold start
    from chainverify.model.records import Record as NamedTuple

Enforcement: TypeAlias = Literal["enforce", "advise", "off"]
IdentityRule: TypeAlias = Literal["committer-email", "author-email", "principal", "off"]
TagRule: TypeAlias = Literal["signed", "annotated", "off"]
SkipOrJudge: TypeAlias = Literal["skip", "judge"]
SignOff: TypeAlias = Literal["off", "exact", "email", "mailmap", "committer"]
MergeRule: TypeAlias = Literal["every-commit", "any-parent", "all-parents", "first-parent"]


class GitsignIdentity(NamedTuple):
    """A Sigstore identity of a person: `identity` or `identity_regex`, and `issuer` or `issuer_regex`, and `claims`."""

    identity: str | None = None
    identity_regex: str | None = None
    issuer: str | None = None
    issuer_regex: str | None = None
    claims: tuple[tuple[str, str], ...] = ()
    position: int = 0


class Signer(NamedTuple):
    """A person of `[[signers]]`: `openpgp`, `ssh`, `allowed_signers` and `x509` name files or hold keys, as written.

    `valid_after`, `valid_before` and `compromised_at` are seconds since the epoch (UTC) or None. `position` is the
    number of the table, from 0, so that errors can name `signers[2].ssh[0]`; `observed` marks trust that `init` only saw.
    `gitsign_level` None: as `[commits]` says. `limit` None: whatever this person signs may count.
    """

    name: str
    emails: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    openpgp: tuple[str, ...] = ()
    ssh: tuple[str, ...] = ()
    valid_after: int | None = None
    valid_before: int | None = None
    compromised_at: int | None = None
    observed: bool = False
    position: int = 0
    allowed_signers: tuple[str, ...] = ()
    x509: tuple[str, ...] = ()
    gitsign: tuple[GitsignIdentity, ...] = ()
    gitsign_level: int | None = None
    limit: Literal["clean-merge"] | None = None


class CommitsPolicy(NamedTuple):
    """`[commits]`: its presence asks for a good signature on every commit after `introduction`."""

    formats: tuple[Format, ...] = ("openpgp", "ssh", "x509", "gitsign")
    introduction: str | None = None
    exceptions: frozenset[str] = frozenset()
    identity: tuple[IdentityRule, ...] = ("committer-email",)
    key_validity: KeyValidity = "backfill"
    sha1_before: int | None = None
    ssh_require: tuple[SshRequirement, ...] = ("presence",)
    dsa_before: int | None = None
    gitsign_level: int = 2
    merge_rule: MergeRule = "every-commit"
    allowed_signers: tuple[str, ...] = ()
    ssh_revoked: tuple[str, ...] = ()
    x509_roots: tuple[str, ...] = ()
    crls: tuple[str, ...] = ()
    timestamp_roots: tuple[str, ...] = ()
    trusted_root: str | None = None


class ConventionalPolicy(NamedTuple):
    """`[messages] conventional`: the types and scopes of Conventional Commits that may stand; no scopes: any."""

    types: tuple[str, ...] = (
        "build", "chore", "ci", "docs", "feat", "fix", "perf", "refactor", "revert", "style", "test",
    )  # fmt: skip
    scopes: tuple[str, ...] = ()


class TrailerPolicy(NamedTuple):
    """A key of `[messages] trailers`: at least `min` distinct values and at most `max` trailers (None: any number).

    `value` is the source of a linear-time pattern that each whole value must match, None without one. `duplicates` says whether
    a value may stand twice.
    """

    name: str
    min: int = 0
    max: int | None = None
    value: str | None = None
    duplicates: bool = True


class MessagesPolicy(NamedTuple):
    """`[messages]`: `tickets` are project keys (`JIRA`), `separator` stands between ticket and text.

    `pattern` is the source of a linear-time pattern searched in the subject, None without one; lengths are characters.
    `ticket_where` is `subject` or `trailer:NAME`, `conventional` None where it is not asked for, `mailmap` names files.
    """

    introduction: str | None = None
    tickets: tuple[str, ...] = ()
    separator: str = ": "
    pattern: str | None = None
    subject_max: int | None = None
    body_line_max: int | None = None
    merges: SkipOrJudge = "skip"
    reverts: SkipOrJudge = "skip"
    allow_fixup: bool = False
    ticket_where: str = "subject"
    tickets_max: int = 1
    conventional: ConventionalPolicy | None = None
    trailers: tuple[TrailerPolicy, ...] = ()
    sign_off: SignOff = "off"
    mailmap: tuple[str, ...] = ()
    insert_ticket: bool = True


class RefPolicy(NamedTuple):
    """A stanza of `[[refs]]`: `match` are globs over full ref names, `signers` names or `role:NAME` (empty: everyone).

    `messages` are the attributes of `MessagesPolicy` that it sets otherwise, with their values; None: it says nothing of them.
    """

    match: tuple[str, ...]
    signers: tuple[str, ...] = ()
    allow_rewind: bool = False
    allow_delete: bool = False
    rewind_signers: tuple[str, ...] = ()
    messages: tuple[tuple[str, object], ...] | None = None


class TrustStanza(NamedTuple):
    """A stanza of `[[images.trust]]`: `match` is a glob over `domain/path`; `keys` name public key files.

    `unsafe_unsigned` is the reason why images that match need no signature (then there are no keys), printed on every
    run. `annotations` are pairs that the signed statement must hold. `position` counts the stanzas from 0.
    """

    match: str
    keys: tuple[str, ...] = ()
    threshold: int = 1
    formats: tuple[Literal["bundle", "legacy"], ...] = ("bundle", "legacy")
    reference: Literal["exact", "repository", "off"] = "repository"
    annotations: tuple[tuple[str, str], ...] = ()
    unsafe_unsigned: str | None = None
    observed: bool = False
    position: int = 0


class AllowUnresolved(NamedTuple):
    """A stanza of `[[images.allow-unresolved]]`: unresolved references in paths that match are excused with `reason`."""

    path: str
    reason: str


class ImagesPolicy(NamedTuple):
    """`[images]`: globs over paths say which files are read; `trust` says who must have signed what they reference."""

    require_digest: bool = True
    include: tuple[str, ...] = ("**",)
    exclude: tuple[str, ...] = ()
    allow_unresolved: tuple[AllowUnresolved, ...] = ()
    trust: tuple[TrustStanza, ...] = ()


class ServerPolicy(NamedTuple):
    """`[server]`, only in the server's own file: `deadline` in seconds, `require_trust` the least trust accepted."""

    deadline: float | None = None
    require_trust: Literal["external", "base"] | None = None


class Policy(NamedTuple):
    """A whole policy. A section that is None was absent and asks nothing.

    `source` is where it was read, for people; `digest` is `sha256:` of its bytes. `editors` (`[policy] signers`) may sign
    changes to the policy, empty: everyone who may sign the ref. `rules` overrides how a rule is enforced. `observed` are the
    dotted paths of the tables marked `observed = true`. `text` is the TOML itself, in which errors about key files find
    their line (empty where it is not kept).
    """

    source: str
    digest: str
    commits: CommitsPolicy | None = None
    tags: TagRule = "off"
    signers: tuple[Signer, ...] = ()
    messages: MessagesPolicy | None = None
    refs: tuple[RefPolicy, ...] = ()
    images: ImagesPolicy | None = None
    editors: tuple[str, ...] = ()
    rules: tuple[tuple[str, Enforcement], ...] = ()
    server: ServerPolicy = ServerPolicy()
    observed: tuple[str, ...] = ()
    text: str = ""
