"""Trailers: vectors with the reason, and generated messages beside real git, many in one repository."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainverify.formats import message as text_of
from chainverify.formats.trailers import block, key_of, trailers
from tests.differential import messages as differential
from tests.world.repository import Repository

SIGNED = "Signed-off-by: A <a@example.org>"
CUT = "# ------------------------ >8 ------------------------\n"

VECTORS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "one": (f"x\n\n{SIGNED}\n", [("Signed-off-by", "A <a@example.org>")]),
    "no line end": ("x\n\nKey: v", [("Key", "v")]),
    "all lines are trailers": ("x\n\nA: 1\nB: 2\n", [("A", "1"), ("B", "2")]),
    "the title never is": ("Key: v\n", []),
    "the title, folded": ("x\nKey: v\n", []),
    "blank lines before the title": ("\n \nKey: v\n", []),
    "prose beside, without a line of git's own": ("x\n\nprose\nKey: v\n", []),
    "prose beside a sign-off: a quarter will do": (f"x\n\na\nb\nc\n{SIGNED}\n", [("Signed-off-by", "A <a@example.org>")]),
    "prose beside a sign-off: less will not": (f"x\n\na\nb\nc\nd\n{SIGNED}\n", []),
    "prose after": (f"x\n\n{SIGNED}\n\nprose\n", []),
    "in the body": (f"x\n\n{SIGNED}\n\nprose\n\nKey: v\n", [("Key", "v")]),
    "a divider divides nothing": (f"x\n---\n\n{SIGNED}\n", [("Signed-off-by", "A <a@example.org>")]),
    "continued": ("x\n\nKey: a\n  b\n\tc\n", [("Key", "a b c")]),
    "continued, nothing before": ("x\n\n  b\nKey: a\n", []),
    "blanks before the separator": ("x\n\nKey \t: v\n", [("Key", "v")]),
    "a blank in the key": ("x\n\nA Key: v\n", []),
    "no value": ("x\n\nKey:\n", [("Key", "")]),
    "no key": ("x\n\n: v\n", []),
    "letters are ASCII": ("x\n\nK\u00e9y: v\n", []),
    "digits are ASCII": ("x\n\nKey\u0661: v\n", []),
    "picked": ("x\n\n(cherry picked from commit 1234)\nprose\nKey: v\n", [("Key", "v")]),
    "comments at the end": ("x\n\nKey: v\n# c\n\n# d\n", [("Key", "v")]),
    "a comment inside": ("x\n\nA: 1\n# c\nB: 2\n", [("A", "1"), ("B", "2")]),
    "an old list of conflicts": ("x\n\nKey: v\n\nConflicts:\n\tfile\n", [("Key", "v")]),
    "scissors": (f"x\n\nKey: v\n{CUT}Other: w\n", [("Key", "v")]),
    "scissors that are none": (f"x\n\nKey: v\n{CUT[2:]}Other: w\n", []),
    "carriage returns": ("x\r\n\r\nKey: v\r\n", [("Key", "v")]),
    "a nul ends it": ("x\n\nKey: v\n\0\n\nOther: w\n", [("Key", "v")]),
    "a line separator is none": ("x\n\nKey: v\u2028Other: w\n", [("Key", "v\u2028Other: w")]),
    "nothing": ("", []),
    "blank": ("\n\n \n", []),
}


@pytest.mark.parametrize(("text", "expected"), VECTORS.values(), ids=VECTORS)
def test_vectors(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(each.key, each.value) for each in trailers(text)] == expected


def test_where_a_trailer_stands() -> None:
    first, second = trailers("\n\nx\n\nbody\n\nA: 1\n  2\nB : 3  \n")
    assert (first.line, first.text) == (7, "A: 1")
    assert (second.line, second.text) == (9, "B : 3")


def repository(path: Path) -> Repository:
    return Repository.create(path, bare=True)


def stored(repo: Repository, ref: str, messages: list[tuple[str | None, bytes]]) -> None:
    """One commit for each encoding header and message, made in one go, on a new ref."""
    stream = []
    for encoding, message in messages:
        header = f"encoding {encoding}\n" if encoding else ""
        start = f"commit {ref}\ncommitter A <a@example.org> 1 +0000\n{header}data {len(message)}\n"
        stream.append(start.encode() + message + b"\n")
    repo.run("fast-import", "--quiet", stdin=b"".join(stream))


@pytest.mark.tool("git")
def test_git_reads_the_vectors_so(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    stored(repo, "refs/heads/main", [(None, text.encode()) for text, _ in VECTORS.values()])
    count, trailed, found = differential.compare(repo.path)
    assert found == []
    assert count == len(VECTORS)
    assert trailed == len([1 for _, expected in VECTORS.values() if expected])


SPOKEN = {
    "EUC-JP": "\u65e5\u672c", "Shift_JIS": "\u65e5\u672c", "ISO-2022-JP": "\u65e5\u672c",
    "GBK": "\u4e2d\u6587", "GB18030": "\u4e2d\u6587",
    "Big5": "\u4e2d\u6587", "EUC-KR": "\ud55c\uad6d", "KOI8-R": "\u0434\u0430", "KOI8-U": "\u0434\u0456",
    "ISO-8859-2": "\u017e\u0159",
    "windows-1251": "\u0434\u0430", "CP1250": "\u017e\u0159", "ISO-8859-15": "\u20ac",
}  # fmt: skip


@pytest.mark.tool("git")
def test_git_reads_other_encodings_so(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    stored(repo, "refs/heads/main", [(name, f"{text}\n\nKey: {text}\n".encode(name)) for name, text in SPOKEN.items()])
    found = dict(differential.gits(repo.path))
    assert sorted(each.subject for each in found.values()) == sorted(SPOKEN.values())
    assert differential.compare(repo.path) == (len(SPOKEN), len(SPOKEN), [])


LINES = st.sampled_from([
    b"", b"", b"", b" ", b"\t", b"\r", b"text", b"more text here", b"Key: v", b"Key:v", b"key : v", b"Other-Key: a b", b" folded",
    b"\tfolded", SIGNED.encode(), b"Signed-off-by: ", b"Signed-off-by:x", b"(cherry picked from commit abc)", b"# comment",
    b"#Key: v", b"Conflicts:", b"\tfile", CUT.encode()[:-1], CUT.encode()[:-2], b"---", b"--- a", b"Key: v\r", b"a:b:c", b": x",
    b"-: x",
    b"K\xc3\xa9y: v", b"Key: caf\xc3\xa9", b"Key: caf\xe9", b"\xff\xfe", b"x\x0by", b"Key:\x0c v", b"\xc2\x85",
    b"Key: \xe2\x80\xa8", b"a\0b",
    b"\xa0", b"Key\xa0: v", b"K" * 200 + b": v",
])  # fmt: skip
MESSAGES = st.tuples(
    st.sampled_from([None, None, None, "ISO-8859-1", "UTF-8", "windows-1252", "latin-1", "no-such", "unicode_escape"]),
    st.one_of(
        st.lists(LINES, max_size=12).map(b"\n".join),
        st.lists(LINES, min_size=3, max_size=8).map(lambda lines: b"x\n\n" + b"\n".join(lines) + b"\n"),
        st.binary(max_size=60),
    ),
)


@pytest.mark.tool("git")
def test_generated_messages_are_read_as_git_reads_them(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    turn = 0

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(MESSAGES, min_size=100, max_size=120))
    def run(generated: list[tuple[str | None, bytes]]) -> None:
        nonlocal turn
        turn += 1
        stored(repo, f"refs/heads/b{turn}", generated)
        assert differential.compare(repo.path, revision=f"refs/heads/b{turn}")[2] == []

    run()


@given(st.lists(LINES, max_size=10).map(lambda lines: b"\n".join(lines).decode("utf-8", "replace")))
def test_a_block_is_a_part_of_the_message_and_holds_its_trailers(text: str) -> None:
    start, end = block(text)
    assert 0 <= start <= end <= len(text)
    for each in trailers(text):
        assert key_of(each.text).rstrip() == each.key
        assert each.text in text[start:end]
        assert "\n" not in each.value
    # something with a blank line after it stands before every block: the title
    assert start == end or text_of.subject(text[:start])


HEAVY = {
    "blank lines": "\n" * 1_000_000,
    "blank body": "x" + "\n" * 1_000_000,
    "comments": "x\n\n" + "#\n" * 500_000,
    "one line": "x\n\n" + "a" * 1_000_000,
    "colons": "x\n\n" + ":" * 1_000_000,
    "trailers": "x\n\n" + "a: b\n" * 200_000,
    "one trailer, continued": "x\n\na: b\n" + " c\n" * 330_000,
    "continued with blanks": "x\n\na: b\n" + (" " * 9 + "\n") * 100_000 + " c\n",
    "conflicts": "x\n\nConflicts:\n" + "\t\n" * 500_000,
    "title": "x\n" * 500_000,
}


@pytest.mark.parametrize("text", HEAVY.values(), ids=HEAVY)
def test_time_is_linear(text: str) -> None:
    start = time.process_time()
    trailers(text)
    assert time.process_time() - start < 3
