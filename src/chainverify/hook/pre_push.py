"""The pre-push hook: all refs of a push, with the verdict that the server's pre-receive will give for them.

Feedback, and no gate: `--no-verify` skips it, and the server alone knows who pushes, when that arrives, and what its own
settings are. git calls it for `--dry-run` too, and without any ref where all is up to date.
"""

from __future__ import annotations

from chainverify.hook import local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO, Final

    from chainverify.jobs.outgoing import Chosen
    from chainverify.model.report import Report

MAX_INPUT: Final = 64 << 20
"""The most bytes of refs that are read from git."""
FRAMEWORK: Final = "PRE_COMMIT_REMOTE_BRANCH"
"""Set by hook managers that show a hook one ref of a push, in variables, and nothing on standard input."""


def main(arguments: Sequence[str], *, stdin: IO[bytes], stderr: IO[str], environ: Mapping[str, str]) -> int:
    """Judge the push that git describes on `stdin`; 0 good, 1 refused, 2 broken policy or call, 3 not decided."""
    if len(arguments) != 2:
        return local.stop(local.WRONG, f"pre-push: expected the remote's name and URL, got {len(arguments)} arguments")
    data = stdin.read(MAX_INPUT + 1)
    if not data:
        if environ.get(FRAMEWORK):
            text = "the hook manager shows one ref of a push and not all of them, so the push cannot be judged"
            return local.stop(local.UNDECIDED, text, "take this hook out of its configuration and run: chainverify install")
        return local.stop(local.GOOD, "nothing is pushed, so nothing was checked")
    local.whole_site()
    from chainverify.errors import ChainverifyError, PolicyError, UsageError

    try:
        return _judge(arguments[0], arguments[1], data, stderr, environ)
    except ChainverifyError as error:
        wrong = isinstance(error, UsageError | PolicyError) or error.rule == "usage"
        status = local.WRONG if wrong else local.REFUSED if error.status == "fail" else local.UNDECIDED
        local.stop(status, f"{'policy error: ' if isinstance(error, PolicyError) else ''}{error}", error.hint)
        stderr.write("chainverify: nothing was pushed\n")
        return status


def _judge(name: str, url: str, data: bytes, stderr: IO[str], environ: Mapping[str, str]) -> int:
    import time
    from pathlib import Path

    from chainverify.errors import BudgetExceeded
    from chainverify.formats import push as push_format
    from chainverify.git.repository import Repository
    from chainverify.jobs import outgoing, push
    from chainverify.jobs.deployed import Source
    from chainverify.jobs.processors import processors

    if len(data) > MAX_INPUT:
        raise BudgetExceeded(f"the push names more refs than {MAX_INPUT} bytes hold", hint="push them in parts")
    repo = Repository.discover(Path.cwd(), environ)
    updates = push_format.parse_outgoing(data, repo.algorithm)
    remote = outgoing.known(repo, name, url)
    other = outgoing.receiver(repo, remote, updates)
    chosen = outgoing.policy(repo, remote, other, environ)
    if chosen.loaded is None:
        why = f"there is no {local.POLICY} (make one with: chainverify init), and {chosen.why}"
        return local.stop(local.GOOD, f"nothing that is pushed was judged: {why}")
    judging = push.Judging(
        chosen.loaded, int(time.time()), processors(), Source(offline=False, environ=environ), lambda _done, _total: None,
        lambda: push.MAX_IMAGE_SECONDS, other,
    )  # fmt: skip
    return _answer(push.check_push(repo, updates, judging), chosen, stderr)


def _answer(report: Report, chosen: Chosen, stderr: IO[str]) -> int:
    """Show the report, whose policy it is, and what only the server knows; the exit status."""
    from chainverify.model.report import exit_status
    from chainverify.output import text
    from chainverify.output.escape import escape
    from chainverify.rules import enforcement

    status = exit_status(report)
    if status == local.UNDECIDED and enforcement.nothing_but_skips(report.findings):
        status = local.GOOD
        stderr.write("chainverify: nothing in this push was checked: the policy excuses all of it\n")
    stderr.write(text.render(report, text.Style(colour=local.colour())))
    if chosen.why:
        stderr.write(f"chainverify: note: judged by the policy at hand, not by the server's: {escape(chosen.why)}\n")
    if status:
        stderr.write(
            "chainverify: nothing was pushed; a server under this policy would refuse it too (it judges by the time of arrival, "
            "and it alone knows who pushes)\n"
        )
    return status

