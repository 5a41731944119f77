"""The keys that a developer has on this machine, as they are shown and chosen."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from chainverify.model.signing import Format

LocalKind: TypeAlias = Literal["key", "subkey", "certificate", "identity"]


class LocalKey(NamedTuple):
    """Something that git can sign with here: never the secret itself, only where it is and what is known in public.

    `fingerprint` is as in `Evidence` (empty for gitsign, whose keys live for minutes), `value` what `user.signingkey` gets
    (empty: it is left alone), and `program` what signs in the place of what git would call (empty: nothing has to). `where` names
    the file, agent, program or card. `comment` is what the key says of itself: a claim, and anybody's text. `since` and `until`
    are seconds since the epoch, None for an open end. `problem` says why it cannot be used, empty where nothing speaks against
    it, and `remedy` what to do.

    `marks` are all fingerprints by which a policy may know it: the primary key's, the subkeys', of an SSH certificate its
    authority's. `public` is what a policy gets: an SSH key line, of an SSH certificate the authority's; for the other formats it
    is asked from their program when it is needed. `touch` says that it asks its owner to touch it, `card` that the secret is on a
    smart card. `file` is the public file, empty where there is none.
    """

    format: Format
    kind: LocalKind
    fingerprint: str
    value: str
    where: str
    algorithm: str = ""
    comment: str = ""
    since: int | None = None
    until: int | None = None
    problem: str = ""
    remedy: str = ""
    program: str = ""
    marks: tuple[str, ...] = ()
    public: str = ""
    touch: bool = False
    card: bool = False
    file: str = ""


class Holder(NamedTuple):
    """Whose a local key is in a policy: the person's name (empty: an authority's, or a file that names people), the state of the
    key there today, and whether the person is only `observed`."""

    name: str
    state: str
    observed: bool = False
