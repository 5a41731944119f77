"""The key files that a policy names, read and handed on unparsed: who may read which file is the reader's business.

`FileReader` is made where a policy comes from (`jobs.policies`): beside a file, in a tree, or outside the repository.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from chainverify.errors import PolicyError
from chainverify.model.images import ImageKey, KeyedTrust
from chainverify.model.signing import KeyMaterial
from chainverify.policy import paths
from chainverify.policy.lines import Lines
from chainverify.policy.model import Policy
from chainverify.policy.signers import is_inline_openpgp, is_inline_ssh

FileReader: TypeAlias = Callable[[str], bytes]
"""The content of a file by its path relative to the policy; raises `PolicyError` where it cannot, or may not, be read."""


class SigningMaterial(NamedTuple):
    """The keys of all signers, in the policy's order, not yet parsed."""

    openpgp: tuple[KeyMaterial, ...]
    ssh: tuple[KeyMaterial, ...]


class NamedFile(NamedTuple):
    """A file that a policy names: `name` as written, `key` the dotted path of where."""

    name: str
    key: str


def named_files(policy: Policy) -> Iterator[NamedFile]:
    """Every file that the policy names, in order."""
    for signer in policy.signers:
        path = paths.item("signers", signer.position)
        for kind, entries, inline in (("openpgp", signer.openpgp, is_inline_openpgp), ("ssh", signer.ssh, is_inline_ssh)):
            for index, entry in enumerate(entries):
                if not inline(entry):
                    yield NamedFile(entry, paths.item(paths.join(path, kind), index))
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
    """The keys of all signers. Raises `PolicyError` that names key and line where a file cannot be read."""
    lines = Lines(policy.text)
    openpgp: list[KeyMaterial] = []
    ssh: list[KeyMaterial] = []
    for signer in policy.signers:
        path = paths.item("signers", signer.position)
        for kind, entries, inline, found in (
            ("openpgp", signer.openpgp, is_inline_openpgp, openpgp),
            ("ssh", signer.ssh, is_inline_ssh, ssh),
        ):
            for index, entry in enumerate(entries):
                key = paths.item(paths.join(path, kind), index)
                data = entry.encode() if inline(entry) else _read(policy, read, entry, key)
                found.append(KeyMaterial(signer.name, data, key, policy.source, lines.of(key)))
    return SigningMaterial(tuple(openpgp), tuple(ssh))


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
