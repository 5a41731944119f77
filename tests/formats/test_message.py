"""Messages as git reads them: every expectation is compared with the real git, on the same bytes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainverify.formats import message
from tests.world.repository import Repository

pytestmark = pytest.mark.tool("git")

SUBJECTS = {
    "plain": ("JIRA-1: x\n", "JIRA-1: x"),
    "no line end": ("JIRA-1: x", "JIRA-1: x"),
    "folded": ("# EVIL\nJIRA-1: ok\n\nbody", "# EVIL JIRA-1: ok"),
    "leading blank lines": ("\n \t\n\nJIRA-1: x\n", "JIRA-1: x"),
    "leading blanks are kept": ("  JIRA-1: x\n", "  JIRA-1: x"),
    "folded line keeps its indentation": ("a\n  b\n", "a   b"),
    "crlf": ("JIRA-1: x\r\n\r\nbody\r\n", "JIRA-1: x"),
    "cr alone is text": ("a\rb\n", "a\rb"),
    "vertical tab does not end a line, nor is it blank": ("\v\na\fb\v\nc\n\nd", "\v a\fb\v c"),
    "next line and line separator are text": ("a\u0085b\u2028c\n", "a\u0085b\u2028c"),
    "no-break space is text": ("\u00a0\nx", "\u00a0 x"),
    "empty": ("", ""),
    "blank": (" \n\t\n", ""),
}


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository.create(tmp_path_factory.mktemp("message") / "repo")


def stored(repo: Repository, text: str) -> str:
    """A commit object whose message is exactly `text`."""
    tree = repo.git("mktree", stdin=b"")
    head = f"tree {tree}\nauthor A <a@example.org> 1 +0000\ncommitter A <a@example.org> 1 +0000\n\n"
    return repo.write("commit", head.encode() + text.encode())


def subjects(repo: Repository, texts: list[str]) -> list[str]:
    """What git prints as `%s` of each message."""
    oids = [stored(repo, text) for text in texts]
    out = repo.run("log", "--no-walk=unsorted", "-z", "--format=%s", *oids).stdout
    return out.decode().split("\0")[: len(texts)]


@pytest.mark.parametrize(("text", "expected"), SUBJECTS.values(), ids=SUBJECTS)
def test_subject_is_what_git_prints(repo: Repository, text: str, expected: str) -> None:
    assert message.subject(text) == expected
    assert subjects(repo, [text]) == [expected]


WILD = st.text(st.sampled_from("ab# \t\n\n\r\v\f\u0085\u00a0:-"), max_size=25)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WILD, min_size=1, max_size=8, unique=True))
def test_any_subject_is_what_git_prints(repo: Repository, texts: list[str]) -> None:
    texts = [f"{text}\n{number}" for number, text in enumerate(texts)]
    assert [message.subject(text) for text in texts] == subjects(repo, texts)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WILD, st.sampled_from(["strip", "whitespace"]))
def test_cleanup_is_git_stripspace(repo: Repository, text: str, mode: str) -> None:
    options = ["--strip-comments"] if mode == "strip" else []
    expected = repo.run("stripspace", *options, stdin=text.encode()).stdout.decode()
    assert message.cleanup(text, mode) == expected


CUT = "# ------------------------ >8 ------------------------"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"a\n{CUT}\nb\n", "a\n"),
        (f"{CUT}\nb\n", ""),
        (f"a\n {CUT}\nb\n", f"a\n {CUT}\nb\n"),
        (f"a\n{CUT} \nb\n", f"a\n{CUT} \nb\n"),
        (f"a\n{CUT}", f"a\n{CUT}"),
        (f"a\n;{CUT[1:]}\nb\n", f"a\n;{CUT[1:]}\nb\n"),
    ],
)
def test_scissors_count_only_as_a_whole_line(repo: Repository, tmp_path: Path, text: str, expected: str) -> None:
    assert message.cut_scissors(text) == expected
    # with -v git cuts in every mode, without an editor too; what it cuts it has cleaned once already
    file = tmp_path / "message"
    file.write_text("x\n" + text)
    repo.git("commit", "--allow-empty", "-q", "--cleanup=whitespace", "-v", "-F", str(file),
             env={"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a", "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a"})
    raw = repo.read("HEAD").decode().partition("\n\n")[2]
    assert raw == message.cleanup(message.cleanup("x\n" + text, "whitespace"), "whitespace", cut=True)


def test_comment_strings_may_be_long() -> None:
    assert message.cleanup("// c\n/ d\n", "strip", "//") == "/ d\n"


def test_verbatim_changes_nothing() -> None:
    assert message.cleanup("\n\n # x \n\n", "verbatim") == "\n\n # x \n\n"


@pytest.mark.parametrize(
    ("data", "encoding", "text", "problem"),
    [
        (b"caf\xc3\xa9", None, "caf\u00e9", ""),
        (b"caf\xe9", None, "caf\ufffd", "byte 3 is not valid utf-8"),
        (b"caf\xe9", "ISO-8859-1", "caf\u00e9", ""),
        (b"caf\xe9", "latin1", "caf\u00e9", ""),
        (b"\x93", "Windows-1252", "\u201c", ""),
        (b"\x82\xa0", "SHIFT_JIS", "\u3042", ""),
        (b"\\x41", "unicode_escape", "\\x41", "unknown encoding 'unicode_escape'"),
        (b"+AEE-", "utf-7", "+AEE-", "unknown encoding 'utf-7'"),
        (b"x", "no\x1b[31m", "x", "unknown encoding 'no\\x1b[31m'"),
        (b"x", "rot13", "x", "unknown encoding 'rot13'"),
        (b"\xed\xa0\x80", None, "\ufffd\ufffd\ufffd", "byte 0 is not valid utf-8"),
    ],
)
def test_decoding(data: bytes, encoding: str | None, text: str, problem: str) -> None:
    assert message.decode(data, encoding) == (text, problem)


@given(st.binary(max_size=40), st.one_of(st.none(), st.text(max_size=12)))
def test_decoding_never_raises(data: bytes, encoding: str | None) -> None:
    text, problem = message.decode(data, encoding)
    assert problem or text.encode("utf-8", "strict") is not None


def test_lines_and_columns() -> None:
    text = "one\ntwo\r\n\nbody\n  end"
    assert message.subject_lines(text) == ((1, "one"), (2, "two"))
    assert message.body(text) == (3, "\nbody\n  end")
    assert message.line_at(text, text.index("wo")) == ((2, "two\r"), 2)
    assert message.body("\n\n") == (0, "")
    assert message.body("") == (0, "")
    assert message.body("a\nb") == (0, "")
    assert message.body("a\nb\n") == (3, "")
    assert message.body("\n\na\n \r\nb\n") == (4, " \r\nb\n")
    for lines in (1, 15, 16, 17, 40):
        assert message.body("a\n" * lines) == (lines + 1, "")
        assert message.body("a\n" * lines + " \t\r\nb") == (lines + 1, " \t\r\nb")
        assert message.body("a\n" * lines + "b") == (0, "")
        assert message.body("a\n" * lines + "b\n ") == (lines + 2, " ")


@given(WILD)
def test_subject_and_body_are_the_message(text: str) -> None:
    first = message.subject_lines(text)
    number, rest = message.body(text)
    after = first[-1][0] if first else 0
    assert (number, rest) == ((after + 1, "\n".join(text.split("\n")[after:])) if 0 < after < text.count("\n") + 1 else (0, ""))


def test_a_subject_without_end_is_not_read_to_the_end() -> None:
    lines = message.subject_lines("JIRA-1: x\n" * 3_000_000)
    assert message.SUBJECT_MAX < len(" ".join(text for _, text in lines)) < message.SUBJECT_MAX + 20


def test_a_large_message_takes_linear_time() -> None:
    start = time.process_time()
    text = "\n" * 200_000 + "a\n" * 200_000
    message.subject(text)
    message.cleanup(text, "strip")
    message.body(text)
    message.subject("\n \t" * 4_000_000 + "a\n" * 4_000_000)
    message.body("\n \t" * 4_000_000 + "a\n" * 4_000_000)
    message.body(("a\n" + " " * 1000 + "b\n") * 10_000)
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    ("data", "encoding", "text", "problem"),
    [
        (b"caf\xc3\xa9", None, "caf", ""),
        (b"cafe\xff", None, "cafe", ""),
        (b"cafe", None, "cafe", ""),
        (b"abc\x82\xa0", "SHIFT_JIS", "abc", ""),
        (b"caf\xe9s", "ISO-8859-1", "caf\u00e9", ""),
    ],
)
def test_decoding_a_part(data: bytes, encoding: str | None, text: str, problem: str) -> None:
    assert message.decode(data, encoding, 4) == (text, problem)


def test_what_is_wrong_in_a_part_is_said() -> None:
    assert message.decode(b"\xff" + b"x" * 40, None, 20)[1] == "byte 0 is not valid utf-8"
