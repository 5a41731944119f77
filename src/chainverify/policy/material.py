"""The key files that a policy names, read and handed on unparsed: who may read which file is the reader's business.

`FileReader` is made where a policy comes from (`jobs.policies`): beside a file, in a tree, or outside the repository.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from chainverify.errors import PolicyError
from chainverify.model.images import ImageKey, KeyedTrust
from chainverify.model.signing import GitsignMaterial, KeyMaterial, SigningMaterial
from chainverify.policy import paths
from chainverify.policy.lines import Lines
from chainverify.policy.model import CommitsPolicy, Policy
from chainverify.policy.signers import is_inline, key_lists

FileReader: TypeAlias = Callable[[str], bytes]
"""The content of a file by its path relative to the policy; raises `PolicyError` where it cannot, or may not, be read."""


class NamedFile(NamedTuple):
    """A file that a policy names: `name` as written, `key` the dotted path of where."""

    name: str
    key: str


def named_files(policy: Policy) -> Iterator[NamedFile]:
    """Every file that the policy names, in order."""
    for signer in policy.signers:
        path = paths.item("signers", signer.position)
        for kind, entries in key_lists(signer):
            for index, entry in enumerate(entries):
                if not is_inline(kind, entry):
                    yield NamedFile(entry, paths.item(paths.join(path, kind), index))
    if policy.commits is not None:
        for key, names in _shared_files(policy.commits):
            for index, name in enumerate(names):
                yield NamedFile(name, paths.item(paths.join("commits", key), index))
        if policy.commits.trusted_root is not None:
            yield NamedFile(policy.commits.trusted_root, "commits.trusted-root")
    if policy.messages is not None:
        for index, name in enumerate(policy.messages.mailmap):
            yield NamedFile(name, paths.item("messages.mailmap", index))
    for stanza in policy.images.trust if policy.images is not None else ():
        path = paths.join(paths.item("images.trust", stanza.position), "keys")
        for index, name in enumerate(stanza.keys):
            yield NamedFile(name, paths.item(path, index))


def check_inside(policy: Policy) -> None:
    """A policy inside a repository names only relative files of the same tree. Raises `PolicyError` for any other name.

    Symbolic links are the reader's business.
    """
    for file in named_files(policy):
        if file.name.startswith(("/", "\\", "~")) or file.name[1:2] == ":":
            raise _error(policy, file.key, f"names the absolute path {file.name!r}",
                         "a policy inside a repository names files relative to itself")
        if ".." in file.name.replace("\\", "/").split("/"):
            raise _error(policy, file.key, f"names {file.name!r}, which leads out of the policy's directory with ..",
                         "put the file beside the policy, or below it")


def signing_material(policy: Policy, read: FileReader) -> SigningMaterial:
    """All that the policy believes of who signs. Raises `PolicyError` that names key and line where a file cannot be read."""
    lines = Lines(policy.text)

    def from_file(key: str, name: str, signer: str = "") -> KeyMaterial:
        return KeyMaterial(signer, _read(policy, read, name, key), key, policy.source, lines.of(key), name)

    def from_files(path: str, names: Iterable[str]) -> tuple[KeyMaterial, ...]:
        return tuple(from_file(paths.item(path, index), name) for index, name in enumerate(names))

    own: dict[str, list[KeyMaterial]] = {}
    identities: list[GitsignMaterial] = []
    for signer in policy.signers:
        path = paths.item("signers", signer.position)
        for kind, entries in key_lists(signer):
            for index, entry in enumerate(entries):
                key = paths.item(paths.join(path, kind), index)
                own.setdefault(kind, []).append(
                    KeyMaterial(signer.name, entry.encode(), key, policy.source, lines.of(key)) if is_inline(kind, entry)
                    else from_file(key, entry, signer.name)
                )
        for each in signer.gitsign:
            key = paths.item(paths.join(path, "gitsign"), each.position)
            identities.append(GitsignMaterial(
                signer.name, each.identity or each.identity_regex or "", each.issuer or each.issuer_regex or "",
                each.identity is None, each.issuer is None, each.claims, key, policy.source, lines.of(key),
            ))  # fmt: skip
    commits = policy.commits
    shared = {key: from_files(f"commits.{key}", names) for key, names in _shared_files(commits)} if commits else {}
    return SigningMaterial(
        openpgp=tuple(own.get("openpgp", ())),
        ssh=tuple(own.get("ssh", ())),
        allowed_signers=(*own.get("allowed-signers", ()), *shared.get("allowed-signers", ())),
        ssh_revoked=shared.get("ssh-revoked", ()),
        x509=tuple(own.get("x509", ())),
        x509_roots=shared.get("x509-roots", ()),
        crls=shared.get("crls", ()),
        timestamp_roots=shared.get("timestamp-roots", ()),
        gitsign=tuple(identities),
        trusted_root=from_file("commits.trusted-root", commits.trusted_root) if commits and commits.trusted_root else None,
    )


def _shared_files(commits: CommitsPolicy) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The keys of `[commits]` that name files of no one person, with the names."""
    return (
        ("allowed-signers", commits.allowed_signers),
        ("ssh-revoked", commits.ssh_revoked),
        ("x509-roots", commits.x509_roots),
        ("crls", commits.crls),
        ("timestamp-roots", commits.timestamp_roots),
    )


def mailmaps(policy: Policy, read: FileReader) -> tuple[bytes, ...]:
    """The contents of `[messages] mailmap`, in order. Raises `PolicyError` as `signing_material` does."""
    names = policy.messages.mailmap if policy.messages is not None else ()
    return tuple(_read(policy, read, name, paths.item("messages.mailmap", index)) for index, name in enumerate(names))


def image_trust(policy: Policy, read: FileReader) -> tuple[KeyedTrust, ...]:
    """The trust stanzas that have keys, in order. Raises `PolicyError` as `signing_material` does."""
    if policy.images is None:
        return ()
    lines = Lines(policy.text)
    found: list[KeyedTrust] = []
    for stanza in policy.images.trust:
        if not stanza.keys:
            continue
        path = paths.join(paths.item("images.trust", stanza.position), "keys")
        keys = []
        for index, name in enumerate(stanza.keys):
            key = paths.item(path, index)
            keys.append(ImageKey(name, _read(policy, read, name, key), key, policy.source, lines.of(key)))
        found.append(KeyedTrust(
            stanza.match, tuple(keys), stanza.threshold, stanza.formats, stanza.reference, stanza.annotations
        ))
    return tuple(found)


def _read(policy: Policy, read: FileReader, name: str, key: str) -> bytes:
    try:
        return read(name)
    except PolicyError as error:
        raise _error(policy, key, error.message, error.hint) from error


def _error(policy: Policy, key: str, message: str, hint: str) -> PolicyError:
    return PolicyError(message, key=key, source=policy.source, line=Lines(policy.text).of(key), hint=hint)
