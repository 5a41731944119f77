"""The grammar of allowed signers files and its pattern lists, beside ssh-keygen's reading of the same lines."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import ChainverifyError, Malformed
from chainverify.formats import allowed_signers
from chainverify.formats.allowed_signers import matches
from tests.world.ssh import SshKey

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
NEW_YEAR = 1735689600  # 2025-01-01T00:00:00Z


def one(line: str) -> allowed_signers.AllowedSigner:
    (found,) = allowed_signers.parse(line.encode())
    return found


@pytest.mark.parametrize(
    ("line", "principals", "fields"),
    [
        (f"alice@example.org {KEY}", "alice@example.org", {}),
        (f"alice@example.org {KEY} a comment # with = signs", "alice@example.org", {}),
        (f" \talice@example.org\t \t{KEY}\t", "alice@example.org", {}),
        (f"*@example.org,!bob@example.org,c?t {KEY}", "*@example.org,!bob@example.org,c?t", {}),
        (f'"Alice Example,*@example.org" {KEY}', "Alice Example,*@example.org", {}),
        (f"a#b {KEY}", "a#b", {}),
        (f"a cert-authority {KEY}", "a", {"cert_authority": True}),
        (f"a CERT-Authority,Namespaces=\"git,file\" {KEY}", "a", {"cert_authority": True, "namespaces": "git,file"}),
        (f'a namespaces="a b, c" {KEY}', "a", {"namespaces": "a b, c"}),
        (f'a valid-after="20250101Z" {KEY}', "a", {"valid_after": NEW_YEAR}),
        (f'a VALID-BEFORE="202501010000z"   {KEY}', "a", {"valid_before": NEW_YEAR}),
        (f'a valid-before="20250101000001utc",valid-after="20250101UTC" {KEY}', "a",
         {"valid_after": NEW_YEAR, "valid_before": NEW_YEAR + 1}),
        (f'a valid-after="20250101",valid-before="202501010001" {KEY}', "a",
         {"valid_after": NEW_YEAR, "valid_before": NEW_YEAR + 60, "assumed_utc": True}),
        (f"a {KEY}\r\n", "a", {}),
        (f"\N{LATIN SMALL LETTER E WITH ACUTE}@example.org {KEY}", "\N{LATIN SMALL LETTER E WITH ACUTE}@example.org", {}),
    ],
)  # fmt: skip
def test_lines(line: str, principals: str, fields: dict[str, object]) -> None:
    found = one(line)
    assert found == allowed_signers.AllowedSigner(1, principals, found.key, **fields)  # type: ignore[arg-type]
    assert found.key.kind == "ssh-ed25519"


def test_numbers_count_all_lines() -> None:
    data = f"# people\r\n\r\n   # indented\na {KEY}\n\t\nb {KEY}"
    assert [(line.number, line.principals) for line in allowed_signers.parse(data.encode())] == [(4, "a"), (6, "b")]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("garbage", "stand alone"),
        ("alice@example.org", "stand alone"),
        (KEY, "stand alone, or"),
        (f"a, {KEY}", "a pattern of no bytes"),
        (f",a {KEY}", "a pattern of no bytes"),
        (f"a,!,b {KEY}", "a pattern of no bytes"),
        (f'"" {KEY}', "a pattern of no bytes"),
        (f"{'a' * 1023} {KEY}", "more than 1022"),
        (f'"a {KEY}', "not closed"),
        (f'"a"{KEY}', "not closed before a space"),
        (f'a"b {KEY}', "a quote stands inside"),
        (f"a unknown {KEY}", "unknown option 'unknown'"),
        (f"a no-touch-required {KEY}", "unknown option 'no-touch-required'"),
        (f"a cert-authority,cert-authority {KEY}", "option cert-authority stands twice"),
        (f'a namespaces="git",Namespaces="file" {KEY}', "option namespaces stands twice"),
        (f'a valid-after="20250101Z",valid-after="20250101Z" {KEY}', "option valid-after stands twice"),
        (f"a ,cert-authority {KEY}", "expected an option"),
        (f"a cert-authority, {KEY}", "expected an option"),
        (f"a cert-authority,,namespaces=\"git\" {KEY}", "expected an option"),
        (f"a cert-authority=\"yes\" {KEY}", "takes no value"),
        (f"a namespaces {KEY}", "has no value"),
        (f"a namespaces=git {KEY}", "expected an option"),
        (f'a namespaces="git {KEY}', "never closed"),
        (f'a namespaces="" {KEY}', "a pattern of no bytes"),
        (f'a namespaces="git\\"" {KEY}', "closed"),
        (f'a namespaces="g\\it" {KEY}', "expected an option"),
        (f'a namespaces="git"x {KEY}', "expected an option"),
        (f'a valid-before="20250101Z",valid-after="20250101Z" {KEY}', "could ever be valid"),
        (f'a valid-before="20250101Z",valid-after="20250102Z" {KEY}', "could ever be valid"),
        (f'a valid-before="" {KEY}', "expected a time"),
        (f'a valid-before="2025010Z" {KEY}', "expected a time"),
        (f'a valid-before="2025010112Z" {KEY}', "expected a time"),
        (f'a valid-before="20250101 Z" {KEY}', "expected a time"),
        (f'a valid-before="20250101+1" {KEY}', "expected a time"),
        (f'a valid-before="\N{ARABIC-INDIC DIGIT TWO}0250101Z" {KEY}', "expected a time"),
        (f'a valid-before="20250229Z" {KEY}', "not in the calendar"),
        (f'a valid-before="20251301Z" {KEY}', "not in the calendar"),
        (f'a valid-before="202501012400Z" {KEY}', "not in the calendar"),
        (f'a valid-before="20250101000060Z" {KEY}', "not in the calendar"),
        (f'a valid-before="00000101Z" {KEY}', "not in the calendar"),
        (f'a valid-before="19700101Z" {KEY}', "not after the start of 1970"),
        (f'a valid-before="19691231Z" {KEY}', "not after the start of 1970"),
        ("a cert-authority", "stand alone"),
        ("a cert-authority ssh-ed25519", "no key after its type"),
        ("a ssh-ed25519 AAAA", "cut off"),
        (f"a cert-authority {KEY[:-4]}", "cut off"),
        ("a ssh-dss AAAA", "DSA keys"),
        ("a ssh-mldsa44-ed25519@openssh.com AAAA", "post-quantum keys"),
        ("a ssh-ed25519-cert-v01@openssh.com AAAA", "a certificate stands where a key is expected"),
        ("a cert-authority ssh-rsa-cert-v01@openssh.com AAAA", "a certificate stands where a key is expected"),
        (f"a\0b {KEY}", "control characters"),
        (f"a\x1b[31m {KEY}", "control characters"),
        (f"a {KEY} x\ry", "control characters"),
        (f"\N{ZERO WIDTH NO-BREAK SPACE}# comment {KEY}", "unknown option"),
    ],
)  # fmt: skip
def test_lines_that_are_refused(line: str, why: str) -> None:
    """The number of the line is told, and the good line before it does not count either."""
    with pytest.raises(Malformed, match=re.escape(why)) as caught:
        allowed_signers.parse(f"good@example.org {KEY}\n".encode() + line.encode())
    assert caught.value.message.startswith("allowed signers line 2: ")
    assert "\x1b" not in caught.value.message


def test_other_bytes() -> None:
    with pytest.raises(Malformed, match="line 1: expected UTF-8"):
        allowed_signers.parse(b"al\xffice " + KEY.encode())


@pytest.mark.parametrize("data", [b"", b"\n\r\n", b"# nobody\n"])
def test_a_file_of_nobody(data: bytes) -> None:
    with pytest.raises(Malformed, match="got none"):
        allowed_signers.parse(data)


def test_size() -> None:
    with pytest.raises(Malformed, match="at most"):
        allowed_signers.parse(b"#" * (allowed_signers.MAX_FILE_BYTES + 1))


@pytest.mark.parametrize(
    ("patterns", "name", "expected"),
    [
        ("alice@example.org", "alice@example.org", True),
        ("alice@example.org", "Alice@Example.ORG", True),
        ("ALICE@example.org", "alice@example.org", True),
        ("alice@example.org", "alice@example.org\n", False),
        ("alice@example.org", "xalice@example.org", False),
        ("*@example.org", "alice@example.org", True),
        ("*@example.org", "@example.org", True),
        ("*@example.org", "alice@example.org.evil.example", False),
        ("*@example.org", "alice@examplexorg", False),
        ("*", "x", True),
        ("*", "x\ny", True),
        ("*", "", False),
        ("*?", "", False),
        ("", "", False),
        ("?", "x", True),
        ("?", "xy", False),
        ("a?c", "abc", True),
        ("a*?c", "ac", False),
        ("**a**", "bab", True),
        ("*a*a*a*", "aa", False),
        ("ab*ba", "aba", False),
        ("*aab", "aaab", True),
        ("a*b*c", "abc", True),
        ("a*b*c", "acb", False),
        ("*,!bob@example.org", "bob@example.org", False),
        ("*,!bob@example.org", "BOB@example.org", False),
        ("!bob@example.org,*", "bob@example.org", False),
        ("!*@evil.example,*", "bob@example.org", True),
        ("!bob@example.org", "alice@example.org", False),
        ("a,b", "b", True),
        ("a,b", "a,b", False),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
        ("a.c", "abc", False),
        ("k@example.org", "\N{KELVIN SIGN}@example.org", False),
        ("\N{LATIN CAPITAL LETTER E WITH ACUTE}@x", "\N{LATIN SMALL LETTER E WITH ACUTE}@x", False),
        ("*", "x" * 1024, True),
        ("*", "x" * 1025, False),
    ],
)
def test_matching(patterns: str, name: str, expected: bool) -> None:
    assert matches(patterns, name) is expected
    assert matches(patterns, name.encode()) is expected


def test_bytes_that_are_no_text() -> None:
    assert matches("*@example.org", b"\xff@example.org")
    assert matches("?@x", b"\xff@x")
    assert not matches("\N{LATIN SMALL LETTER Y WITH DIAERESIS}@x", b"\xff@x")


def test_namespaces_are_told_apart_by_case() -> None:
    assert allowed_signers.matches_namespace("file,git", b"git")
    assert allowed_signers.matches_namespace("g*", b"git")
    assert not allowed_signers.matches_namespace("GIT", b"git")
    assert not allowed_signers.matches_namespace("*,!git", b"git")


def slow(patterns: str, name: str) -> bool:
    """OpenSSH's rules word by word, by recursion."""

    def whole(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(whole(pattern[1:], text[at:]) for at in range(len(text) + 1))
        return bool(text) and pattern[0] in ("?", text[0]) and whole(pattern[1:], text[1:])

    found = [(one.startswith("!"), whole(one.removeprefix("!"), name)) for one in patterns.split(",")]
    return bool(name) and any(hit for negated, hit in found if not negated) and not any(hit for negated, hit in found if negated)


@given(st.text("ab*?,!", max_size=10), st.text("ab", max_size=8))
def test_matching_as_by_the_book(patterns: str, name: str) -> None:
    assert matches(patterns, name) == slow(patterns, name)


@pytest.mark.tool("ssh-keygen")
def test_matching_as_ssh_keygen_does(tmp_path: Path) -> None:
    key = SshKey.create(tmp_path)
    lists = ["alice", "a*e", "*i?e", "?????", "*,!alice", "bob,alice", "!bob,*", "al**ce", "*c", "a*l*i*c*e*", "a?*", "alice?"]
    for patterns in lists:
        (tmp_path / "allowed").write_text(key.allowed(patterns))
        for name in ("alice", "bob", "al", "e"):
            done = subprocess.run(
                ["ssh-keygen", "-Y", "match-principals", "-f", tmp_path / "allowed", "-I", name],
                capture_output=True, check=False, timeout=60,
            )  # fmt: skip
            assert matches(patterns, name) == (done.returncode == 0), (patterns, name)


@pytest.mark.parametrize(
    "pattern",
    ["*a" * 500 + "b", "*?a?" * 250 + "*b", "*" + "?" * 500 + "b*" + "?" * 500 + "b", "a?" * 510, "*" * 1022],
    ids=lambda pattern: pattern[:12],
)
def test_matching_takes_bounded_time(pattern: str) -> None:
    started = time.process_time()
    for _ in range(20):
        matches(",".join([pattern] * 20), "a" * 1024)
    assert time.process_time() - started < 4


@given(st.binary(max_size=200))
def test_any_bytes_raise_only_our_errors(data: bytes) -> None:
    with pytest.raises(ChainverifyError):
        allowed_signers.parse(data)


@given(st.text(max_size=60), st.text('abcert-ahoinms=",git 0123Zvl', max_size=60))
def test_any_line_is_read_or_refused(principals: str, options: str) -> None:
    try:
        found = allowed_signers.parse(f"{principals} {options} {KEY}\n".encode("utf-8", "surrogatepass"))
    except Malformed:
        return
    assert all(line.principals and line.key.blob for line in found)


def test_times_are_shown_as_they_are_written() -> None:
    for seconds in (NEW_YEAR, 1, 253402300799):
        assert allowed_signers.parse_time(allowed_signers.format_time(seconds)) == (seconds, False)
    assert allowed_signers.format_time((1 << 64) - 1) == "@18446744073709551615"
    assert allowed_signers.format_time(-(1 << 70)).startswith("@-")
