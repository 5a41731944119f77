"""What git's hooks call: arguments, standard input and environment in, an exit status out. Without click, for speed."""

from __future__ import annotations

import os
import sys


def run(arguments: list[str]) -> int:
    """Run the hook `arguments[0]` with the rest as git gave them; the exit status.

    A name that is not known is exit 2: a hook that is called and does nothing would look like one that checks.
    """
    name, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if name == "commit-msg":
        from chainverify.hook import commit_msg

        return commit_msg.main(rest)
    if name == "prepare-commit-msg":
        from chainverify.hook import prepare_commit_msg

        return prepare_commit_msg.main(rest)
    if name in ("pre-commit", "pre-merge-commit"):
        from chainverify.hook import pre_commit

        return pre_commit.main(rest, merge=name == "pre-merge-commit")
    if name == "applypatch-msg":
        from chainverify.hook import applypatch_msg

        return applypatch_msg.main(rest)
    if name == "pre-push":
        from chainverify.hook import pre_push

        return pre_push.main(rest, stdin=sys.stdin.buffer, stderr=sys.stderr, environ=os.environ)
    if name == "pre-receive":
        from chainverify.hook import pre_receive

        return pre_receive.main(rest, stdin=sys.stdin.buffer, stderr=sys.stderr, environ=os.environ)
    from chainverify.model.hooks import LOCAL, SERVER

    sys.stderr.write(f"chainverify: expected a hook, one of {', '.join((*LOCAL, *SERVER))}, got {name[:40]!a}\n")
    return 2
