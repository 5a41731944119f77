"""What stands between a commit here and the policy: git, the policy, the hooks that git really runs, signing, the remote.

Nothing is changed, no network is used, and nothing is run but git and, to time it, our own hook.
"""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import chainverify
from chainverify._version import __version__
from chainverify.errors import ChainverifyError, PolicyError, PolicyMissing, UsageError
from chainverify.git import config
from chainverify.git.config import Setting
from chainverify.git.repository import Repository
from chainverify.jobs import hookchain, hookconfig, hookfiles, validate
from chainverify.jobs.hookchain import Chain
from chainverify.jobs.hookplaces import HooksPath, hooks_path
from chainverify.jobs.policies import LoadedPolicy
from chainverify.model.checkup import Check, Checkup, State
from chainverify.model.hooks import LOCAL
from chainverify.policy.model import Policy

OLDEST_GIT: Final = (2, 31)
"""The first git that chainverify works with."""
SLOW_MS: Final = 100.0
"""Milliseconds that a commit-msg hook may take before it is called slow; it takes about 25 on an idle machine."""
RUNS: Final = 5
RUN_SECONDS: Final = 10.0
_INSTALL: Final = "run: chainverify install"
_SIGN: Final = "run: chainverify sign-setup"


def examine(repo: Repository, load: Callable[[], LoadedPolicy]) -> Checkup:
    """Look at everything; `load` reads the policy that commands here are judged under, and raises as they do.

    Raises `UsageError` where git cannot read its own configuration.
    """
    settings = config.effective(repo.directory)
    version = config.version(repo.directory)
    policy, about_policy = _policy(load)
    checks = [_git(version), _program(), *about_policy]
    links = []
    try:
        path = hooks_path(repo, settings)
    except UsageError as error:
        checks.append(Check("hooks-path", "problem", str(error), error.hint))
    else:
        checks += _directory(repo, path)
        chains = {event: hookchain.chain(repo, event, settings, path, able=version >= hookconfig.SINCE) for event in LOCAL}
        links = [link for each in chains.values() for link in each.links]
        checks += _hooks(chains)
        checks += _commandless(settings, able=version >= hookconfig.SINCE)
        checks.append(_start_up(repo, chains["commit-msg"]))
    checks.append(_signing(settings, policy))
    checks += _remotes(repo, settings)
    return Checkup(tuple(checks), tuple(links))


def _git(version: Sequence[int]) -> Check:
    shown = ".".join(map(str, version)) or "of an unknown version"
    if tuple(version) < OLDEST_GIT:
        return Check("git", "problem", f"git {shown} is too old", f"install git {'.'.join(map(str, OLDEST_GIT))} or newer")
    able = "runs configured hooks" if tuple(version) >= hookconfig.SINCE else "has no configured hooks, which came with 2.54"
    return Check("git", "ok", f"git {shown}, which {able}")


def _program() -> Check:
    shown = ".".join(map(str, sys.version_info[:3]))
    if f"{os.sep}shims{os.sep}" in sys.executable:
        return Check(
            "chainverify", "warn", f"chainverify {__version__} runs under a shim, which is slow: {sys.executable}",
            "install it into an environment of its own, and from there: chainverify install",
        )  # fmt: skip
    return Check("chainverify", "ok", f"chainverify {__version__}, Python {shown} at {sys.executable}")


def _policy(load: Callable[[], LoadedPolicy]) -> tuple[Policy | None, list[Check]]:
    try:
        loaded = load()
        found = validate.validate(loaded)
    except PolicyMissing as error:
        return None, [Check("policy", "problem", str(error), error.hint or "write one: chainverify init")]
    except PolicyError as error:
        return None, [Check("policy", "problem", f"it is wrong: {error}", error.hint or "look with: chainverify policy check")]
    except ChainverifyError as error:
        return None, [Check("policy", "unknown", f"the policy could not be judged: {error}", error.hint)]
    policy = loaded.policy
    holds = f"{found.signers} signers, {found.keys} keys, trust {loaded.trust}"
    checks = [Check("policy", "ok", f"{policy.source} is valid: {holds}")]
    try:
        validate.refuse_observed(loaded)
    except PolicyError as error:
        checks.append(Check("policy", "warn", str(error), error.hint))
    return policy, checks


def _directory(repo: Repository, path: HooksPath) -> Iterator[Check]:
    """Where hook files lie, and whose decision that is."""
    setting = path.setting
    shared = ", shared by its linked worktrees" if repo.git_dir != repo.common_dir else ""
    if setting is None:
        yield Check("hooks-path", "ok", f"hook files are read from {path.directory}{shared}")
    elif setting.scope in {"global", "system"}:
        yield Check(
            "hooks-path", "warn", f"core.hooksPath is {setting.value} for all repositories ({setting.origin}): hook files of "
            "this repository do not run",
            "this is what some managers set up; take it out to use hooks of each repository: git config "
            f"--{setting.scope} --unset core.hooksPath",
        )  # fmt: skip
    elif not path.inside:
        yield Check(
            "hooks-path", "warn", f"core.hooksPath is {setting.value}, outside this repository: others may change what runs here",
            f"look at it; to take it out: git config --{setting.scope} --unset core.hooksPath",
        )  # fmt: skip
    else:
        yield Check("hooks-path", "ok", f"core.hooksPath is {setting.value} ({setting.scope}), in this repository")
    trouble = hookchain.check_directory(path)
    if trouble:
        yield Check(
            "hooks-path", "problem", f"{path.directory}: {trouble}",
            "with git 2.54 or newer: chainverify install --way config; or mount it without noexec",
        )  # fmt: skip


def _hooks(chains: dict[str, Chain]) -> Iterator[Check]:
    """Whether our hooks run, each once, and what they need is there."""
    missing = []
    for event, found in chains.items():
        running = [each for each in found.places if each.link.runs and not each.trouble]
        for each in found.places:
            if each.trouble:
                # where another place runs the hook, this one is only in the way
                state: State = "warn" if running else "problem"
                yield Check(f"hook {event}", state, f"{each.link.name}: {each.trouble}", each.hint)
        for each in running:
            yield from _needs(event, each)
        if len(running) > 1:
            places = ", ".join(f"{each.link.source} {each.link.name}" for each in running)
            yield Check(f"hook {event}", "warn", f"it runs {len(running)} times: {places}", "keep one: chainverify uninstall")
        others = sum(not link.ours and link.runs for link in found.links)
        if running:
            beside = f", beside {others} of others" if others else ""
            yield Check(f"hook {event}", "ok", f"runs from {running[0].link.source} {running[0].link.name}{beside}")
        elif not found.places:
            missing.append(event)
    if len(missing) == len(chains):
        yield Check("hooks", "problem", "git runs no hook of chainverify here", _INSTALL)
    elif missing:
        yield Check("hooks", "warn", f"not installed: {', '.join(missing)}", _INSTALL)


def _needs(event: str, place: hookchain.Place) -> Iterator[Check]:
    """The interpreter and package that a hook names, and whether this very chainverify wrote it."""
    named = hookchain.programs(place.text) if hookfiles.ours(place.text) or hookconfig.ours(place.text) else ()
    gone = [name for name in named if not Path(name).exists()]
    if gone:
        yield Check(f"hook {event}", "problem", f"{gone[0]}, which it starts, is not there: git refuses every time", _INSTALL)
    elif place.is_script and place.text != hookfiles.script(event, python=sys.executable):
        yield Check(f"hook {event}", "warn", "it was written by another chainverify, or for another Python", _INSTALL)


def _commandless(settings: Sequence[Setting], *, able: bool) -> Iterator[Check]:
    """Configured hooks without a command: git refuses everything that would run them."""
    for event in LOCAL if able else ():
        for each in hookconfig.listed(settings, event):
            if each.command is None and each.enabled:
                key = f"hook.{each.name}"
                yield Check(
                    f"hook {event}", "problem", f"{key} has an event and no command ({each.origin}): git refuses every {event}",
                    f"git config --{each.scope} --remove-section {shlex.quote(key)}",
                )  # fmt: skip


def _start_up(repo: Repository, commit_msg: Chain) -> Check:
    """The time of our hook, measured: the installed file where there is one, else this program."""
    files = [Path(each.link.name) for each in commit_msg.places if each.is_script and each.link.runs]
    main = Path(chainverify.__file__).with_name("__main__.py")
    command = [str(files[0])] if files else [sys.executable, "-IS", str(main), "hook", "commit-msg"]
    with tempfile.TemporaryDirectory(prefix="chainverify-doctor-") as scratch:
        message = Path(scratch, "message")
        message.write_text("a message to time the hook with\n")
        times = []
        environ = {**os.environ, "GIT_EDITOR": ":"}
        for _ in range(RUNS):
            started = time.perf_counter()
            try:
                done = subprocess.run(  # noqa: S603 - our own hook, recognised by its digest
                    [*command, str(message)], cwd=repo.directory, env=environ, stdin=subprocess.DEVNULL, capture_output=True,
                    check=False, timeout=RUN_SECONDS,
                )  # fmt: skip
            except (OSError, subprocess.TimeoutExpired) as error:
                return Check("start-up", "unknown", f"the commit-msg hook could not be timed: {error}", _INSTALL)
            times.append((time.perf_counter() - started) * 1000)
    if done.returncode not in {0, 1, 2}:
        words = done.stderr.decode("utf-8", "replace").strip().split("\n")[0]
        return Check("start-up", "problem", f"the commit-msg hook decides nothing (exit {done.returncode}): {words}", _INSTALL)
    median = statistics.median(times)
    if median > SLOW_MS:
        return Check(
            "start-up", "warn", f"the commit-msg hook takes {median:.0f} ms",
            "look for a shim before Python, a slow disk, a virus scanner, or a busy machine",
        )  # fmt: skip
    return Check("start-up", "ok", f"the commit-msg hook takes {median:.0f} ms")


def _signing(settings: Sequence[Setting], policy: Policy | None) -> Check:
    """Whether git signs by itself what the policy wants signed."""
    gpgsign, key, form = (config.last(settings, name) for name in ("commit.gpgsign", "user.signingkey", "gpg.format"))
    on = gpgsign is not None and config.is_true(gpgsign.value)
    kind = form.value if form else "openpgp"
    if not on:
        if policy is None or policy.commits is None:
            return Check("signing", "ok", "git does not sign commits, and no policy here asks for signatures")
        return Check("signing", "warn", "the policy asks for signed commits, and git does not sign them by itself",
                     _SIGN)  # fmt: skip
    if kind == "ssh" and key is None and config.last(settings, "gpg.ssh.defaultkeycommand") is None:
        return Check("signing", "problem", "git signs with SSH and knows no key: no commit succeeds", _SIGN)
    return Check("signing", "ok", f"git signs commits ({kind}{f', key {key.value}' if key else ''})")


def _remotes(repo: Repository, settings: Sequence[Setting]) -> Iterator[Check]:
    """Whether the remotes enforce a policy, as far as that can be seen without asking them. An address may hold a password: only
    the remote's name is shown."""
    urls = {
        each.name.removeprefix("remote.").removesuffix(".url"): each.value
        for each in settings
        if each.name.startswith("remote.") and each.name.endswith(".url")
    }
    if not urls:
        yield Check("remote", "ok", "there is no remote that commits go to")
    for name, url in urls.items():
        there = _local(repo, url)
        if there is None:
            yield Check(
                "remote", "warn", f"whether {name} enforces the policy cannot be seen from here",
                "hooks here can be passed over; ask for chainverify on the server, or check pushes in CI",
            )  # fmt: skip
            continue
        hooks = there / "hooks"
        files = (hooks / "pre-receive", hooks / "pre-receive.d" / "chainverify")
        if any(os.access(file, os.X_OK) and hookfiles.ours(hookfiles.read(file) or "") for file in files):
            yield Check("remote", "ok", f"{name} has chainverify's pre-receive hook")
        else:
            yield Check("remote", "warn", f"{name} has no pre-receive hook of chainverify: it takes every push",
                        f"its administrator runs: chainverify install --server {shlex.quote(str(there))}")  # fmt: skip


def _local(repo: Repository, url: str) -> Path | None:
    """The git directory of a remote on this machine, None for one elsewhere."""
    plain = url.removeprefix("file://")
    if "://" in plain or (":" in plain.split("/", 1)[0] and not url.startswith("file://")):
        return None
    place = repo.directory / plain
    found = place / ".git" if (place / ".git").is_dir() else place
    return found if (found / "objects").is_dir() else None
