"""The applypatch-msg hook: judges the message of a patch before `git am` applies it. No other hook sees that message.

Nothing is guessed here: `git am` has cleaned the message up before, and stores the file as it is.
"""

from __future__ import annotations

from chainverify.hook import commit_msg


def main(arguments: list[str]) -> int:
    """Judge the message in the file `arguments[0]`; the exit status as of commit-msg."""
    return commit_msg.main(arguments, patch=True)
