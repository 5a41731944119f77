"""Who makes the commit whose message is judged: only policies that ask for a sign-off need it."""

from __future__ import annotations

import os

from chainverify.rules.sign_off import People, identity

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
    read: Callable[[str, int], bytes], *, author: Identity | None = None,
) -> People | None:
    """The `author`, or the one that git told of; the committer by git's configuration; and who is one person by the policy.

    None where git does not know who commits. Raises OSError for a mailmap of the policy (in `directory`) that cannot be read.
    """
    author = author or _identity("AUTHOR", run)
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


def of_patch(git_dir: str, read: Callable[[str, int], bytes]) -> Identity | None:
    """The author of the patch that `git am` is about to apply, as it keeps it in shell quotes; None where that cannot be read."""
    try:
        lines = read(f"{git_dir}/rebase-apply/author-script", MAILMAP_BYTES_MAX).decode("utf-8", "replace").split("\n")
    except OSError:
        return None
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    name, address = (_unquoted(values.get(f"GIT_AUTHOR_{part}", "")) for part in ("NAME", "EMAIL"))
    return (name, address) if name and address else None


def _unquoted(text: str) -> str:
    """A value without the quotes of `sq_quote` (git's `quote.c`)."""
    return text.replace("'\\''", "\0").replace("'\\!'", "!").strip("'").replace("\0", "'")


def _identity(who: str, run: Callable[..., tuple[int, bytes]]) -> Identity | None:
    """Name and address from the environment (git sets the author's for its hooks), else as git would make them."""
    name, address = os.environ.get(f"GIT_{who}_NAME"), os.environ.get(f"GIT_{who}_EMAIL")
    if name and address:
        return name.strip(), address.strip()
    status, line = run("var", f"GIT_{who}_IDENT")
    return None if status else identity(line.decode("utf-8", "replace"))
