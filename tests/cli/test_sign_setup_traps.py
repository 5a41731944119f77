"""What can go wrong with `sign-setup`: locked keys, old programs, settings that something else overrides, hostile text."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from chainverify.git import config
from chainverify.jobs.signing import programs, prove
from tests.cli.conftest import Desk, Run, on_path, program
from tests.world.gpg import GpgHome
from tests.world.ssh import SshKey

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen")]

DORA = '[[signers]]\nname = "Dora"\nemails = ["dora@example.org", "dora@work.example"]\nssh = ["{key}"]\n'


def known(desk: Desk, key: SshKey, more: str = "") -> SshKey:
    """The policy knows Dora by this key."""
    desk.policy_file.write_text("version = 1\n[commits]\n" + DORA.format(key=key.public) + more)
    return key


def encrypt(key: SshKey) -> None:
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", key.path], check=True, timeout=60)


# --- nobody is there to answer


def test_an_ssh_key_with_a_passphrase(desk: Desk) -> None:
    encrypt(known(desk, desk.key()))
    before = desk.config.read_bytes()
    started = time.monotonic()
    done = desk("--yes", DISPLAY=":99", SSH_ASKPASS="/bin/false", SSH_ASKPASS_REQUIRE="force")
    assert time.monotonic() - started < 20
    assert (done.status, desk.config.read_bytes()) == (3, before)
    assert done.err == (
        "error: the key is locked: ssh-keygen would ask for its passphrase, and nobody can answer here\n"
        "  = help: run this on a terminal, or put the key into the agent first: ssh-add FILE\n"
    )


@pytest.mark.tool("gpg")
def test_an_openpgp_key_with_a_passphrase_starts_no_pinentry(desk: Desk, gnupg: GpgHome, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    pinentry = program(tmp_path / "bin", "pinentry", f"touch '{asked}'; exec sleep 600")
    (gnupg.path / "gpg-agent.conf").write_text(f"pinentry-program {pinentry}\n")
    key = gnupg.key("Dora Example <dora@example.org>")
    home = ["gpg", "--homedir", str(gnupg.path), "--batch", "--pinentry-mode", "loopback", "--passphrase", "secret"]
    subprocess.run([*home, "--quick-generate-key", "Locked <locked@example.org>", "ed25519", "sign"], check=True, timeout=60,
                   capture_output=True)  # fmt: skip
    subprocess.run(["gpgconf", "--homedir", gnupg.path, "--kill", "gpg-agent"], check=True, timeout=60)
    locked = next(each for each in desk.json("--list", status=0)["keys"] if each["fingerprint"] != key.key_id)
    before = desk.config.read_bytes()
    started = time.monotonic()
    done = desk("--key", locked["fingerprint"], "--yes", DISPLAY=":99")
    assert time.monotonic() - started < 20
    assert (done.status, asked.exists(), desk.config.read_bytes()) == (3, False, before)
    assert done.err == (
        "error: the key is locked: GnuPG would ask for its passphrase or PIN, and nobody can answer here\n"
        "  = help: run this on a terminal, or unlock it first, so that gpg-agent keeps it: sign anything with it once\n"
    )
    # once the agent holds it, nobody has to be asked
    once = ["-u", locked["fingerprint"], "--detach-sign", "-o", tmp_path / "x.sig", __file__]
    subprocess.run([*home, *once], check=True, timeout=60, capture_output=True)
    assert desk("--key", locked["fingerprint"], "--yes").status == 1
    assert not asked.exists()


def test_a_program_that_never_answers(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = known(desk, desk.key())
    child = tmp_path / "child"
    slow = program(tmp_path / "bin", "slow", f"echo $$ > '{child}'; sleep 600")
    monkeypatch.setattr(prove, "SIGN_SECONDS", 2)
    desk.git("config", "gpg.ssh.program", str(slow))
    done = desk("--key", key.fingerprint, "--yes")
    assert done.status == 3
    assert done.err.startswith("error: git had not signed after 2 seconds\n  = help: it may wait for somebody")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and Path(f"/proc/{child.read_text().strip()}").exists():
        time.sleep(0.05)
    # what git had started is gone, too
    assert not Path(f"/proc/{child.read_text().strip()}").exists()
    assert "user.signingkey" not in config.everything(desk.config.read_bytes())


def test_a_program_that_lists_for_ever(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.key()
    program(tmp_path / "bin", "gpg", "exec sleep 600")
    program(tmp_path / "bin", "gpgsm", "yes crs::2048:1:0000000000000000:1:2:: 2>&1 | head -c 9000000")
    on_path(monkeypatch, tmp_path / "bin")
    monkeypatch.setattr(programs, "LISTING_SECONDS", 1)
    assert [each["format"] for each in desk.json("--list", status=0)["keys"]] == ["ssh"]


def test_nothing_is_changed_unasked(desk: Desk) -> None:
    key = desk.key()
    before = desk.config.read_bytes()
    done = desk()
    assert (done.status, desk.config.read_bytes()) == (2, before)
    assert done.err == (
        "error: nobody can be asked here, and nothing is changed unasked\n"
        f"  = help: confirm it: chainverify sign-setup --key {key.fingerprint} --yes\n"
    )


# --- programs


def test_an_ssh_keygen_that_is_too_old(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.key()
    program(tmp_path / "bin", "ssh-keygen", "echo 'unknown option -- Y' >&2; echo 'usage: ssh-keygen [-q]' >&2; exit 1")
    on_path(monkeypatch, tmp_path / "bin")
    (key,) = desk.json("--list", status=1)["keys"]
    assert (key["problem"], key["remedy"]) == (
        "this ssh-keygen is too old to sign (it has no option -Y)", "install OpenSSH 8.2 or newer",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("version", "problems"),
    [
        ((2, 33, 8), ["git 2.33.8 does not sign with SSH keys"] * 2),
        ((2, 34, 1), ["", "it is in the agent alone, and this git takes only keys in files"]),
        ((2, 35), ["", ""]),
    ],
)
def test_a_git_that_is_too_old(
    desk: Desk, version: tuple[int, ...], problems: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.world.agent import real_agent

    desk.key()
    monkeypatch.setattr(config, "version", lambda _: version)
    with real_agent(SshKey.create(tmp_path / "elsewhere", "other")) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        status = 1 if all(problems) else 0
        assert [each["problem"] for each in desk.json("--list", status=status)["keys"]] == problems


# --- who git says that you are


def test_another_address_than_the_policy_has(desk: Desk) -> None:
    known(desk, desk.key())
    desk.git("config", "user.email", "dora@home.example")
    done = desk("--yes")
    assert done.status == 1
    assert "not accepted by .chainverify/policy.toml:\n  identity-mismatch: " in done.out
    assert "the policy knows Dora by dora@example.org, dora@work.example: git must write one of these" in done.out
    assert "= help: git config user.email dora@example.org\n" in done.out
    assert "[[signers]]" not in done.out
    desk.git("config", "user.email", "DORA@work.example")
    assert desk("--check").status == 0


def test_git_does_not_know_who_you_are(desk: Desk) -> None:
    known(desk, desk.key())
    (desk.home / ".gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    before = desk.config.read_bytes()
    done = desk("--yes")
    assert (done.status, desk.config.read_bytes()) == (1, before)
    assert 'error: git does not know who you are\n  = help: git config user.name "YOUR NAME"' in done.err
    # the environment may say so, as for git
    done = desk("--yes", GIT_AUTHOR_NAME="D", GIT_AUTHOR_EMAIL="d@x.example", GIT_COMMITTER_NAME="D",
                GIT_COMMITTER_EMAIL="dora@example.org")  # fmt: skip
    assert done.status == 0


def test_an_address_that_includes_set_for_this_repository(desk: Desk) -> None:
    """Conditional includes ask where the repository lies; the scratch repository lies elsewhere."""
    known(desk, desk.key())
    (desk.home / "work").write_text("[user]\n\temail = dora@work.example\n")
    (desk.home / ".gitconfig").write_text(
        f'[user]\n\tname = Dora\n\temail = dora@nowhere.example\n[includeIf "gitdir:{desk.path}/"]\n\tpath = work\n'
    )
    assert desk.json("--yes", status=0)["signer"] == "Dora"


# --- what git signs with


@pytest.mark.parametrize("form", ["public", "private", "home", "literal", "prefixed literal", "relative"])
def test_every_form_of_a_signing_key_is_understood(desk: Desk, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.world.agent import real_agent

    key = known(desk, desk.key())
    shutil.copy(key.path, desk.path / "my key")
    shutil.copy(f"{key.path}.pub", desk.path / "my key.pub")
    value = {
        "public": f"{key.path}.pub", "private": str(key.path), "home": "~/.ssh/id_ed25519", "literal": key.public,
        "prefixed literal": f"key::{key.public}", "relative": "my key.pub",
    }[form]  # fmt: skip
    for name, setting in (("gpg.format", "ssh"), ("user.signingkey", value), ("commit.gpgsign", "yes"), ("tag.gpgsign", "1")):
        desk.git("config", name, setting)
    with real_agent(key) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        before = desk.config.read_bytes()
        found = desk.json("--check", status=0)
        assert (found["state"], found["signer"]) == ("accepted", "Dora")
        assert [each["fingerprint"] for each in found["keys"] if each["used"]] == [key.fingerprint]
        assert desk.config.read_bytes() == before


def test_a_signing_key_that_is_gone(desk: Desk) -> None:
    key = known(desk, desk.key())
    assert desk("--yes").status == 0
    key.path.unlink()
    done = desk("--check")
    assert done.status == 1
    assert done.err.startswith("error: git could not sign: ")


def test_tags_that_are_not_signed(desk: Desk) -> None:
    known(desk, desk.key())
    assert desk("--yes").status == 0
    desk.git("config", "tag.gpgsign", "false")
    done = desk("--check")
    assert (done.status, done.out) == (
        1, "not set up: git does not sign tags by itself (tag.gpgsign is false)\n  = help: chainverify sign-setup\n",
    )  # fmt: skip
    text = desk.policy_file.read_text()
    desk.policy_file.write_text(text + '[tags]\nrequire = "off"\n')
    assert desk("--check").status == 0


def test_settings_that_something_else_overrides(desk: Desk) -> None:
    known(desk, desk.key())
    environment = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.signingkey", "GIT_CONFIG_VALUE_0": "/nowhere"}
    done = desk("--yes", **environment)
    assert done.status == 1
    assert (
        "it does not count here: user.signingkey = /nowhere comes after it, from the environment (GIT_CONFIG_COUNT or "
        "GIT_CONFIG_PARAMETERS)\n  = help: unset GIT_CONFIG_COUNT"
    ) in done.out
    assert desk("--check").status == 0
    assert desk("--check", **environment).status == 1
    assert desk("--undo").status == 0
    # of all repositories this one says otherwise
    desk.git("config", "commit.gpgsign", "no")
    done = desk("--yes", "--global")
    assert done.status == 1
    assert f"it does not count here: commit.gpgsign = no comes after it, from {'.git/config'} (local)" in done.out
    assert "= help: git config --local --unset-all commit.gpgsign, if it is not needed there\n" in done.out
    desk.git("config", "--unset", "commit.gpgsign")
    assert desk("--check").status == 0
    # an include after it
    (desk.home / ".gitconfig").write_text((desk.home / ".gitconfig").read_text() + "[include]\n\tpath = more\n")
    (desk.home / "more").write_text("[user]\n\tsigningkey = /nowhere\n")
    done = desk("--yes", "--global")
    assert done.status == 1
    assert f"user.signingkey = /nowhere comes after it, from {desk.home}/more (global)" in done.out


def test_hooks_and_templates_of_the_user_take_no_part(desk: Desk, tmp_path: Path) -> None:
    known(desk, desk.key())
    ran = tmp_path / "ran"
    for name in ("commit-msg", "pre-commit", "post-commit", "prepare-commit-msg", "reference-transaction"):
        program(tmp_path / "hooks", name, f"touch '{ran}'; exit 1")
    shutil.copytree(tmp_path / "hooks", tmp_path / "template" / "hooks")
    (desk.home / ".gitconfig").write_text(
        (desk.home / ".gitconfig").read_text()
        + f"[core]\n\thooksPath = {tmp_path}/hooks\n[init]\n\ttemplateDir = {tmp_path}/template\n"
        + "[commit]\n\ttemplate = /nowhere\n"
    )
    assert desk("--yes").status == 0
    assert not ran.exists()


def test_allowed_signers_only_if_asked(desk: Desk) -> None:
    known(desk, desk.key())
    before = desk.config.read_bytes()
    assert desk("--yes").status == 0
    assert "gpg.ssh.allowedsignersfile" not in config.everything(desk.config.read_bytes())
    assert desk("--yes", "--allowed-signers", "allowed signers").status == 0
    assert config.everything(desk.config.read_bytes())["gpg.ssh.allowedsignersfile"] == (str(desk.path / "allowed signers"),)
    assert desk("--undo").status == 0
    assert desk.config.read_bytes() == before


def test_the_lock_of_another_git(desk: Desk) -> None:
    known(desk, desk.key())
    desk.config.with_name("config.lock").touch()
    done = desk("--yes")
    assert (done.status, "another program is changing" in done.err) == (2, True)


def test_what_the_user_changed_is_told_at_the_undo(desk: Desk) -> None:
    known(desk, desk.key())
    assert desk("--yes").status == 0
    desk.git("config", "user.signingkey", "mine\tx")
    done = desk("--undo")
    assert done.status == 0
    assert done.out.splitlines() == [
        f"undone in {desk.config}, which was changed in between: gpg.format, commit.gpgsign, tag.gpgsign set back",
        "left alone: user.signingkey was changed after the setup, it is mine\tx",
    ]
    assert config.values(desk.config.read_bytes(), ("user.signingkey", "gpg.format")) == {
        "user.signingkey": ("mine\tx",), "gpg.format": (),
    }  # fmt: skip


# --- policies


def test_there_is_no_policy(desk: Desk) -> None:
    desk.key()
    desk.policy_file.unlink()
    made = desk.json("--yes", status=3)
    assert (made["state"], made["policy"], made["stanza"]["accepted"], made["findings"]) == ("no policy", None, True, [])
    done = desk("--check")
    assert (done.status, "there is no policy here that says whose key counts" in done.out) == (3, True)


def test_outside_of_any_repository(desk: Desk, run: Run, tmp_path: Path) -> None:
    desk.key()
    (tmp_path / "empty").mkdir()
    done = run(tmp_path / "empty", "sign-setup", "--yes")
    assert (done.status, "not a git repository" in done.err) == (2, True)
    assert run(tmp_path / "empty", "sign-setup", "--list").status == 0
    assert run(tmp_path / "empty", "sign-setup", "--global", "--yes").status == 3
    policy = ("--policy", str(desk.policy_file))
    assert run(tmp_path / "empty", "sign-setup", "--global", "--yes", *policy).status == 1
    known(desk, SshKey.of(desk.home / ".ssh" / "id_ed25519"))
    assert run(tmp_path / "empty", "sign-setup", "--global", "--yes", *policy).status == 0


def test_a_policy_that_is_wrong(desk: Desk) -> None:
    desk.key()
    desk.policy_file.write_text("version = 1\ncommit = 2\n")
    before = desk.config.read_bytes()
    done = desk("--yes")
    assert (done.status, done.err.startswith("policy error: "), desk.config.read_bytes()) == (2, True, before)
    assert desk("--policy", "nowhere.toml", "--list").status == 2


def test_what_a_policy_says_beside_the_key(desk: Desk) -> None:
    key = desk.key()
    known(desk, key, 'observed = true\n[[signers]]\nname = "Root"\nroles = ["owner"]\n'
          '[[refs]]\nmatch = ["refs/heads/main"]\nsigners = ["role:owner"]\n')  # fmt: skip
    desk.policy_file.write_text(desk.policy_file.read_text().replace("[commits]", f'[commits]\nintroduction = "{"1" * 40}"'))
    done = desk("--yes")
    assert done.status == 0
    assert done.out.splitlines()[-4:] == [
        "accepted as Dora by .chainverify/policy.toml",
        "note: Dora is marked observed = true: servers and CI refuse that until it is confirmed",
        "note: what lands on refs/heads/main must be signed by role:owner",
        "note: the policy is that of the worktree; servers and CI judge by their own",
    ]
    desk.policy_file.write_text(desk.policy_file.read_text().replace("[commits]", '[commits]\nformats = ["openpgp"]'))
    done = desk("--check")
    assert (done.status, "signature-format-not-allowed" in done.out, "[[signers]]" in done.out) == (1, True, False)


def test_a_policy_that_asks_for_no_signature(desk: Desk) -> None:
    known(desk, desk.key())
    desk.policy_file.write_text(desk.policy_file.read_text().replace("[commits]\n", ""))
    done = desk("--yes")
    assert done.status == 0
    assert "note: the policy has no [commits] section, so it asks nobody for a signature yet\n" in done.out


def test_a_person_who_has_another_key_already(desk: Desk, tmp_path: Path) -> None:
    old, new = SshKey.create(tmp_path / "old", "old"), desk.key()
    known(desk, old)
    made = desk.json("--yes", status=1)
    assert (made["stanza"]["person"], made["stanza"]["known"], made["stanza"]["accepted"]) == ("Dora", True, True)
    assert made["stanza"]["lines"] == [f'ssh = ["{old.public}", "{new.public}"]']
    done = desk("--check")
    assert "what the owner of .chainverify/policy.toml must add, to Dora's table:\n" in done.out


def test_a_key_that_is_somebody_else_s(desk: Desk) -> None:
    key = desk.key()
    desk.policy_file.write_text(
        f'version = 1\n[commits]\n[[signers]]\nname = "Eve"\nemails = ["eve@example.org"]\nssh = ["{key.public}"]\n'
    )
    (listed,) = desk.json("--list", status=0)["keys"]
    assert listed["holder"] == {"name": "Eve", "state": "good", "observed": False}
    done = desk("--yes")
    assert (done.status, "identity-mismatch: signed by Eve" in done.out) == (1, True)


def test_a_repository_of_sha256(desk: Desk, tmp_path: Path, run: Run) -> None:
    from tests.world.repository import Repository

    key = desk.key()
    repo = Repository.create(tmp_path / "sha256", algorithm="sha256")
    (repo.path / ".chainverify").mkdir()
    (repo.path / ".chainverify" / "policy.toml").write_text("version = 1\n[commits]\n" + DORA.format(key=key.public))
    assert run(repo.path, "sign-setup", "--yes").status == 0
    assert run(repo.path, "sign-setup", "--check").status == 0


# --- words


def test_hostile_text_is_escaped(desk: Desk) -> None:
    key = desk.key(comment="\x1b[31mred\u202e\x07")
    public = Path(f"{key.path}.pub")
    assert "\x1b" in public.read_text()
    (desk.home / ".ssh" / "not\x1b[2Ja key.pub").write_text("ssh-ed448 AAAA\x1b[2J x\n")
    desk.git("config", "user.name", "D\x1b[2Jora")
    for arguments in (("--list",), ("--yes",), ("--check",)):
        done = desk(*arguments)
        assert "\x1b" not in done.out + done.err
        assert "\u202e" not in done.out + done.err
    assert "\\x1b[31mred\\u202e\\x07" in desk("--list").out
    assert 'name = "D?[2Jora"' in desk("--check").out


@pytest.mark.tool("gpg")
def test_hostile_user_ids_are_escaped(desk: Desk, gnupg: GpgHome) -> None:
    gnupg.key("Do\u202era: \\x3a \x1b[31m <dora@example.org>")
    done = desk("--list")
    assert done.status == 0
    assert "\x1b" not in done.out
    assert "\\x80" in done.out  # a half of U+202E: gpg took the argument for Latin-1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--check", "--undo"), "exclude each other"),
        (("--global", "--worktree"), "exclude each other"),
        (("--key", "SHA256:nothing"), "no key here is 'SHA256:nothing'"),
        (("--key", "./nowhere.pub"), "cannot read nowhere.pub: No such file"),
        (("--key", "ab" * 20), "no key here is"),
        (("--format", "pgp"), "'pgp' is not one of 'openpgp', 'ssh', 'x509', 'gitsign'"),
        (("--yes",), "2 keys can be used, and none was named"),
    ],
)
def test_commands_that_are_wrong_say_what_there_is(desk: Desk, arguments: Sequence[str], words: str) -> None:
    keys = [desk.key(), desk.key("second")]
    before = desk.config.read_bytes()
    done = desk(*arguments)
    assert (done.status, words in done.err) == (2, True), done
    assert desk.config.read_bytes() == before
    if "none was named" in words or "no key here" in words:
        assert all(key.fingerprint in done.err for key in keys)


def test_completion_knows_the_keys(desk: Desk) -> None:
    key = desk.key()
    words = {"_CHAINVERIFY_COMPLETE": "bash_complete", "COMP_WORDS": "chainverify sign-setup --key ", "COMP_CWORD": "3"}
    done = subprocess.run([sys.executable, "-m", "chainverify"], cwd=desk.path, env={**os.environ, **words}, check=False,
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert key.fingerprint in done.stdout
    for typed, expected in (("chainverify sign", "sign-setup"), ("chainverify sign-setup --form", "--format")):
        words = {**words, "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
        done = subprocess.run([sys.executable, "-m", "chainverify"], cwd=desk.path, env={**os.environ, **words}, check=False,
                              capture_output=True, text=True, timeout=60)  # fmt: skip
        assert expected in done.stdout


def at_terminal(desk: Desk, *arguments: str, answers: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """Run on a terminal of its own; each answer is typed when its question is seen. Exit status, and what was shown."""
    child, terminal = pty.fork()
    if not child:
        os.chdir(desk.path)
        os.execv(sys.executable, [sys.executable, "-m", "chainverify", "sign-setup", *arguments])
    shown, left = "", list(answers)
    at = 0
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data.decode(errors="replace")
        if left and left[0][0] in shown[at:]:
            at = len(shown)
            os.write(terminal, left.pop(0)[1].encode() + b"\n")
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert not left, shown
    return os.waitstatus_to_exitcode(status), shown.replace("\r\n", "\n")


def test_somebody_at_a_terminal_chooses_and_enters_the_passphrase(desk: Desk) -> None:
    first, second = desk.key("a"), known(desk, desk.key("b"))
    encrypt(second)
    before = desk.config.read_bytes()
    status, shown = at_terminal(desk, answers=[("Which one [2]", ""), ("set git up? [Y/n]", "n")])
    assert status == 130
    assert "aborted" in shown
    assert desk.config.read_bytes() == before
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert re.search(rf"^  1  ssh  {re.escape(first.fingerprint)}  .*\n     not in the policy\n", plain, re.MULTILINE)
    assert re.search(rf"^  2  ssh  {re.escape(second.fingerprint)}  .*\n     in the policy: Dora\n", plain, re.MULTILINE)
    # the first signature, then the second: ssh-keygen asks for each
    answers = [("Which one [2]", ""), ("set git up? [Y/n]", "y"), ("Enter passphrase", "secret"), ("Enter passphrase", "secret")]
    status, shown = at_terminal(desk, answers=answers)
    assert (status, "accepted as Dora by .chainverify/policy.toml" in shown) == (0, True), shown
    assert f"user.signingkey = {second.path}.pub" in shown


@pytest.mark.tool("gpg")
def test_a_pinentry_may_ask_somebody_at_a_terminal(desk: Desk, gnupg: GpgHome, tmp_path: Path) -> None:
    """The pinentry is a program of ours that speaks its protocol and knows the passphrase; it is told which terminal to use."""
    told = tmp_path / "told"
    answers = (
        f"echo 'OK here'; while read line; do echo \"$line\" >> '{told}'; case \"$line\" in GETPIN*) echo 'D secret'; echo OK;; "
        "BYE*) echo OK; exit;; *) echo OK;; esac; done"
    )
    (gnupg.path / "gpg-agent.conf").write_text(f"pinentry-program {program(tmp_path / 'bin', 'pinentry', answers)}\n")
    home = ["gpg", "--homedir", str(gnupg.path), "--batch", "--pinentry-mode", "loopback", "--passphrase", "secret"]
    made = [*home, "--quick-generate-key", "Dora <dora@example.org>", "ed25519", "sign"]
    subprocess.run(made, check=True, timeout=60, capture_output=True)
    subprocess.run(["gpgconf", "--homedir", gnupg.path, "--kill", "gpg-agent"], check=True, timeout=60)
    status, shown = at_terminal(desk, answers=[("Which one [1]", ""), ("set git up? [Y/n]", "")])
    assert (status, "tried: with this the scratch commit and tag are accepted" in shown) == (1, True), shown
    assert "GETPIN" in told.read_text()
    assert re.search(r"^OPTION ttyname=/dev/pts/[0-9]+$", told.read_text(), re.MULTILINE)


def test_json_and_quiet(desk: Desk) -> None:
    known(desk, desk.key())
    done = desk("--yes", "-q")
    assert (done.status, done.out, done.err) == (0, "", "")
    out = desk.path / "record.json"
    assert desk("--check", "--output-format", "json", "--output", str(out)).status == 0
    assert json.loads(out.read_text())["state"] == "accepted"
    undone = desk.json("--undo", status=0)
    assert (undone["found"], undone["exact"], undone["kept"]) == (True, True, [])
