"""The commit-msg hook: judges what git is about to store, before it is stored.

Feedback for the developer, not the gate: git does not call it for cherry-picks, reverts and most of a rebase, and `-n` skips it.
It is called on every commit, so on the good path it imports a handful of small modules (tests/test_start_up.py holds the list),
reads one policy from a cache, and runs git once, for its configuration, while it does so.
"""

from __future__ import annotations

import os
import sys

from chainverify.hook import cleanup, local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from chainverify.policy.cache import Entry, Rules
    from chainverify.rules.messages import MessageFacts, Problem

MESSAGE_BYTES_MAX: Final = 64 << 20
"""A message file holds the whole diff after `git commit -v`."""


def main(arguments: list[str], *, patch: bool = False) -> int:
    """Judge the message in the file `arguments[0]`; 0 good, 1 refused, 2 broken policy or call, 3 not decided.

    `patch` says that `git am` asks, as applypatch-msg: it stores the file as it is.
    """
    if len(arguments) != 1:
        name = "applypatch-msg" if patch else "commit-msg"
        return local.stop(local.WRONG, f"{name}: expected one argument, the file with the message, got {len(arguments)}")
    try:
        raw = local.read(arguments[0], MESSAGE_BYTES_MAX)
    except OSError as error:
        return local.stop(local.WRONG, f"cannot read the message file {arguments[0]}: {error.strerror}")
    top, git_dir = local.find()
    git = local.Git(["config", "-z", "--get-regexp", cleanup.CONFIG])
    try:
        path, data = local.read_policy(top)
    except OSError as error:
        git.result()
        return local.stop(local.WRONG, f"cannot read the policy {error.filename}: {error.strerror}")
    if data is None:
        git.result()
        return local.stop(local.GOOD, f"no message was judged: there is no {local.POLICY} (make one with: chainverify init)")
    try:
        entry = local.entry_of(data, path, git_dir)
    except Exception as error:
        git.result()
        return local.wrong_policy(error, "no message was judged")
    status, config = git.result()
    if entry.messages is None:
        return local.stop(local.GOOD, f"no message was judged: {path} has no [messages]")
    if status not in (0, 1):
        text = "git cannot read its configuration, so what it will store is not known; run: git config --list"
        return local.stop(local.UNDECIDED, text)
    place = _Place(arguments[0], git_dir, f"{top}/{path}" if path == local.POLICY else path, patch=patch)
    return _judge(raw, cleanup.parse_config(config), entry, place)


class _Place:
    """Where the message lies: its file as git named it, and the git directory ("" unknown); and where the policy does.

    `patch` says that the message is a patch's, which `git am` is about to apply.
    """

    __slots__ = ("file", "git_dir", "patch", "policy")

    def __init__(self, file: str, git_dir: str, policy: str, *, patch: bool) -> None:
        self.file = file
        self.git_dir = git_dir
        self.policy = policy
        self.patch = patch


def _judge(raw: bytes, config: list[tuple[str, str]], entry: Entry, place: _Place) -> int:
    from chainverify.formats import message
    from chainverify.rules import messages as rules

    asked = local.asked(entry, _branch(place.git_dir) if entry.refs else "")
    text, encoding = message.decode(raw, dict(config).get("i18n.commitencoding"))
    facts = rules.MessageFacts(encoding=encoding, path=place.file)
    if any(policy.sign_off != "off" for policy in asked):
        from chainverify.hook import people

        author = people.of_patch(place.git_dir, local.read) if place.patch else None
        try:
            directory = os.path.dirname(place.policy)  # noqa: PTH120 - no pathlib on the hot path
            facts.people = people.here(asked, entry.people, directory, local.run, local.read, author=author)
        except OSError as error:
            return local.stop(local.WRONG, f"cannot read the mailmap {error.filename}: {error.strerror}")
    arguments: list[str] | None = None
    readings = [text]
    if not place.patch:
        without_editor = os.environ.get("GIT_EDITOR") == ":"
        command = cleanup.git_command()
        arguments, environment = command if command else (None, {})
        readings = cleanup.readings(
            text, config, editor=not without_editor, arguments=arguments,
            unsure=without_editor and environment.get("GIT_EDITOR") == ":",
        )  # fmt: skip
    for stored in readings:
        for policy in asked:
            if any(entry.rules.get(each.rule) != "off" for each in rules.problems(stored, facts, policy)):
                return _refuse(readings, asked, facts, entry, text=text, arguments=arguments or [], place=place)
    return local.GOOD


def _branch(git_dir: str) -> str:
    from chainverify.hook import branch

    return branch.current(git_dir)


def _refuse(
    readings: list[str], asked: tuple[Rules, ...], facts: MessageFacts, entry: Entry, *,
    text: str, arguments: list[str], place: _Place,
) -> int:
    """Say what is wrong with the first of `readings` that breaks a rule and is not exempt; this path may be slow."""
    from chainverify.hook import refusal
    from chainverify.rules import messages as rules

    found: list[Problem] = []
    reason = refused = ""
    # a patch has no parents to tell of
    merges = not place.patch and any(policy.merges == "skip" for policy in asked)
    parents = refusal.parents(place.git_dir, arguments, local.run) if merges else 1
    for stored in readings:
        wrong: list[Problem] = []
        reasons: list[str] = []
        for policy in asked:
            facts.parents, facts.revert = parents, False
            broken = rules.problems(stored, facts, policy)
            if broken and not rules.skipped(facts, policy):
                facts.revert = refusal.reverts(stored, policy, local.run)
                broken = rules.problems(stored, facts, policy) if facts.revert else broken
            reasons.append(rules.skipped(facts, policy))
            said = {(each.rule, each.message) for each in wrong}
            wrong += [each for each in broken if entry.rules.get(each.rule) != "off" and (each.rule, each.message) not in said]
        reason = reason or (reasons[0] if all(reasons) else "")
        enforced = any(entry.rules.get(each.rule) != "advise" for each in wrong)
        if enforced or not found:
            found, refused = wrong, stored if enforced else ""
        if enforced:
            break
    advice = [each for each in found if entry.rules.get(each.rule) == "advise"]
    if found:
        sys.stderr.write(refusal.render(found, advice, text, place.file))
    if len(found) > len(advice):
        if place.patch:
            sys.stderr.write(refusal.PATCH)
        elif refused.strip():
            sys.stderr.write(refusal.recovery(text, arguments, place.file))
        return local.UNDECIDED if all(each.unknown for each in found if each not in advice) else local.REFUSED
    return local.stop(local.GOOD, f"the message was not judged: {reason}") if reason else local.GOOD
