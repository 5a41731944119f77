"""The `pre-receive` hook of a plain repository: one report on all refs of a push, before any of them moves.

The policy is the server's own file, named by `CHAINVERIFY_POLICY` in the server's environment (`install --server` writes it into
the hook), or `.chainverify/policy.toml` at the old tip of the default branch: never anything that the push itself brings.
Without either every push is refused, unless the hook was installed with `--allow-unconfigured` and no policy was ever there.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from chainverify.errors import BudgetExceeded, ChainverifyError, ObjectMissing, PolicyError, PolicyMissing, UsageError
from chainverify.formats import push as push_format
from chainverify.git.repository import Repository
from chainverify.jobs import policies, push
from chainverify.jobs.deployed import Source
from chainverify.jobs.policies import LoadedPolicy
from chainverify.jobs.processors import processors
from chainverify.jobs.validate import refuse_observed
from chainverify.model.report import Report, exit_status
from chainverify.output import text
from chainverify.output.escape import escape
from chainverify.rules import enforcement

MAX_INPUT: Final = 64 << 20
"""The most bytes of ref updates that are read from git."""
ALLOW_UNCONFIGURED: Final = "--allow-unconfigured"
MARKER: Final = "chainverify-configured"
"""A file in the git directory that says: a policy was in force here once."""


def main(arguments: Sequence[str], *, stdin: IO[bytes], stderr: IO[str], environ: Mapping[str, str]) -> int:
    """Judge the push that git describes on `stdin`; the exit status is the hook's: 0 lets the push in, all else refuses it."""
    try:
        return _judge(arguments, stdin, stderr, environ)
    except ChainverifyError as error:
        kind = "policy error" if isinstance(error, PolicyError) and not isinstance(error, PolicyMissing) else error.rule
        lines = [f"chainverify: {kind}: {escape(str(error))}"]
        if error.hint:
            lines.append(f"| = help: {escape(error.hint)}")
        _say(stderr, [*lines, "chainverify: the push was refused as a whole"])
        if isinstance(error, UsageError | PolicyError):
            return 2
        return 1 if error.status == "fail" else 3


def _judge(arguments: Sequence[str], stdin: IO[bytes], stderr: IO[str], environ: Mapping[str, str]) -> int:
    unknown = [argument for argument in arguments if argument != ALLOW_UNCONFIGURED]
    if unknown:
        raise UsageError(f"unknown argument {unknown[0]!r}, expected {ALLOW_UNCONFIGURED} or none")
    now = int(time.time())
    started = time.monotonic()
    data = stdin.read(MAX_INPUT + 1)
    if len(data) > MAX_INPUT:
        raise BudgetExceeded(f"the push names more refs than {MAX_INPUT} bytes hold", hint="push them in parts")
    repo = Repository.discover(Path.cwd(), environ)
    updates = push_format.parse(data, repo.algorithm)
    if not updates:
        _say(stderr, ["chainverify: the push updates nothing, so nothing was checked"])
        return 0
    loaded = _policy(repo, environ, allow_unconfigured=ALLOW_UNCONFIGURED in arguments)
    if loaded is None:
        words = f"this repository has no policy: NOTHING was checked (installed with {ALLOW_UNCONFIGURED})"
        _say(stderr, [f"chainverify: warning: {words}"])
        return 0
    deadline = loaded.policy.server.deadline
    judging = push.Judging(
        loaded, now, processors(), Source(offline=False, environ=environ), _in_time(started, deadline),
        lambda: _left(started, deadline),
    )  # fmt: skip
    return _answer(push.check_push(repo, updates, judging), stderr)


def _answer(report: Report, stderr: IO[str]) -> int:
    """Show the report; the exit status. A push of nothing but excused objects is let in, and said to be one."""
    status = exit_status(report)
    if status == 3 and enforcement.nothing_but_skips(report.findings):
        status = 0
        _say(stderr, ["chainverify: nothing in this push was checked: the policy excuses all of it"])
    _say(stderr, text.render(report, text.Style(gutter=True)).split("\n")[:-1])
    if status:
        _say(stderr, ["chainverify: the push was refused as a whole"])
    return status


def _policy(repo: Repository, environ: Mapping[str, str], *, allow_unconfigured: bool) -> LoadedPolicy | None:
    """The policy in force, None where there is none and the administrator allowed that. Raises `PolicyError`."""
    named = environ.get(policies.VARIABLE)
    marker = repo.common_dir / MARKER
    if named:
        path = Path(named)
        if not path.is_absolute():
            text = f"{policies.VARIABLE} names the relative path {named!r}"
            raise PolicyError(text, hint="name the server's policy by its full path")
        loaded = policies.from_file(path, worktree=None, server=True)
    else:
        found = _from_default_branch(repo)
        if found is None:
            if allow_unconfigured and not marker.exists():
                return None
            raise PolicyMissing(
                "this repository has no policy, so no push is let in",
                hint="the administrator installs one: chainverify install --server DIR --policy FILE; or commits "
                ".chainverify/policy.toml to the default branch before installing the hook",
            )
        loaded = found
    refuse_observed(loaded)
    least = loaded.policy.server.require_trust
    if least == "external" and loaded.trust != "external":
        raise PolicyError(f"the policy's trust is {loaded.trust}, the server requires {least}", source=loaded.policy.source)
    try:
        marker.touch(exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot write {marker}: {error.strerror}", hint="the hook remembers there that a policy is in force"
        ) from error
    return loaded


def _from_default_branch(repo: Repository) -> LoadedPolicy | None:
    """The policy at the tip that the default branch had before this push, None where branch or file is not there."""
    branch = repo.head_ref()
    if branch is None or branch not in dict(repo.refs(branch)):
        return None
    try:
        return policies.from_revision(repo, branch)
    except (PolicyMissing, ObjectMissing):
        return None


def _in_time(started: float, deadline: float | None) -> Callable[[int, int], None]:
    def check(done: int, total: int) -> None:
        if deadline is not None and time.monotonic() - started > deadline:
            of = f"{done} of {total} objects were checked" if total else "not everything was checked"
            raise BudgetExceeded(
                f"{of} within the deadline of {deadline:g} s", hint="push in smaller parts, or ask for a longer deadline"
            )

    return check


def _left(started: float, deadline: float | None) -> float:
    """Seconds that registries may take: what is left of the deadline, and never more than a pusher would wait."""
    most = push.MAX_IMAGE_SECONDS
    return most if deadline is None else max(0.0, min(most, started + deadline - time.monotonic()))


def _say(stderr: IO[str], lines: Sequence[str]) -> None:
    """Whole lines on stderr, which git shows to the pusher; one without a line end would be glued to git's own words."""
    stderr.write("".join(f"{line or '|'}\n" for line in lines))
    stderr.flush()


def run(arguments: Sequence[str]) -> int:
    """The hook as git starts it."""
    return main(arguments, stdin=sys.stdin.buffer, stderr=sys.stderr, environ=os.environ)
