"""`[[refs]]`: what a push may do to which refs."""

from __future__ import annotations

from typing import Final

from chainverify.policy import globs, paths
from chainverify.policy.commits import WHO
from chainverify.policy.fields import Field, Flag, ListOf, Pending, Section, Sub, Table, Text, into
from chainverify.policy.messages import OVERRIDES
from chainverify.policy.model import RefPolicy


def _check(value: RefPolicy, _: Table, path: str) -> None:
    for index, pattern in enumerate(value.match):
        globs.check_ref(pattern, paths.item(paths.join(path, "match"), index))


REF: Final = Section(
    "[[refs]]",
    (
        Field(
            "match", ListOf(Text(expected="a glob over full ref names"), least=1), "globs over full ref names", required=True
        ),
        Field("signers", WHO, "who may sign what lands here; default: everyone of [[signers]]"),
        Field("allow-rewind", Flag(), "whether the ref may lose commits"),
        Field("allow-delete", Flag(), "whether the ref may be deleted"),
        Field("rewind-signers", WHO, "who may rewind it all the same"),
        Field("push-certificate", Pending(("off",)), "whether pushes must be signed"),
        Field("messages", Sub(OVERRIDES)),
    ),
    into(RefPolicy),
    _check,
    doc="Refs that match; every stanza that matches applies, the strictest wins.",
)
