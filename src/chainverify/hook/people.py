"""Who makes the commit whose message is judged: only policies that ask for a sign-off need it."""

from __future__ import annotations

import os

from chainverify.rules.sign_off import People

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Final

    from chainverify.policy.cache import Rules
    from chainverify.rules.sign_off import Identity

MAILMAP_BYTES_MAX: Final = 4 << 20
"""The largest mailmap that is read."""


def here(
    asked: Iterable[Rules], people: Iterable[tuple[str, ...]], directory: str, run: Callable[..., tuple[int, bytes]],
    read: Callable[[str, int], bytes],
) -> People | None:
    """The author that git told the hook of, the committer by git's configuration, and the policy's word on who is one person.

    None where git does not know who commits. Raises OSError for a mailmap of the policy (in `directory`) that cannot be read.
    """
    author = _identity("AUTHOR", run)
    committer = _identity("COMMITTER", run)
    if author is None or committer is None:
        return None
    if not any(rules.sign_off in ("mailmap", "committer") for rules in asked):
        return People(author, committer)
    from chainverify.formats.mailmap import Mailmap

    mailmap = Mailmap()
    for name in dict.fromkeys(name for rules in asked for name in rules.mailmap):
        mailmap.add(read(os.path.join(directory, name), MAILMAP_BYTES_MAX))  # noqa: PTH118 - no pathlib on the hot path
    for addresses in people:
        mailmap.person(addresses)
    return People(author, committer, mailmap.mapped)


def _identity(who: str, run: Callable[..., tuple[int, bytes]]) -> Identity | None:
    """Name and address from the environment (git sets the author's for its hooks), else as git would make them."""
    name, address = os.environ.get(f"GIT_{who}_NAME"), os.environ.get(f"GIT_{who}_EMAIL")
    if name and address:
        return name.strip(), address.strip()
    status, line = run("var", f"GIT_{who}_IDENT")
    name, _, rest = line.decode("utf-8", "replace").partition("<")
    return None if status else (name.strip(), rest.partition(">")[0])
