"""Raw commits and tags: what is split out of them, and which bytes are refused with which rule.

What other verifiers say of the same bytes stands in `tests/signatures/test_table_1c.py`.
"""

from __future__ import annotations

import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import BudgetExceeded, ChainverifyError, Malformed
from chainverify.formats import objects
from chainverify.formats.objects import object_id, parse_commit, parse_tag
from chainverify.model.gitobject import Commit, Ident
from chainverify.model.signing import Clock, KeyMaterial, SignatureOptions
from chainverify.signatures import ssh
from tests.world.repository import Repository, signed_commit
from tests.world.ssh import SshKey, keygen_verifies, load

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen")]

AMBIGUOUS = "signature-ambiguous"
BROKEN = "commit-malformed"
BEGIN = b"-----BEGIN SSH SIGNATURE-----"
END = b"-----END SSH SIGNATURE-----"


TREE = b"tree " + b"1" * 40 + b"\n"
PARENT = b"parent " + b"2" * 40 + b"\n"
AUTHOR = b"author A <a@b> 1 +0000\n"
COMMITTER = b"committer C <c@d> 2 -0130\n"
HEAD = TREE + PARENT + AUTHOR + COMMITTER


def parsed(raw: bytes) -> Commit:
    return parse_commit(object_id("commit", raw, "sha1"), raw, "sha1")


STRUCTURE = {
    "empty": (b"", "no blank line"),
    "only line ends": (b"\n\n\n", "expected 'tree '"),
    "no blank line": (HEAD, "no blank line"),
    "tree missing": (PARENT + AUTHOR + COMMITTER + b"\n", "expected 'tree '"),
    "tree in upper case": (TREE.replace(b"1", b"A") + AUTHOR + COMMITTER + b"\n", "expected 'tree '"),
    "tree too short": (TREE[:-2] + b"\n" + AUTHOR + COMMITTER + b"\n", "expected 'tree '"),
    "tree of SHA-256": (TREE[:-1] + b"1" * 24 + b"\n" + AUTHOR + COMMITTER + b"\n", "expected 'tree '"),
    "tree with two spaces": (b"tree  " + b"1" * 39 + b"\n" + AUTHOR + COMMITTER + b"\n", "expected 'tree '"),
    "tree folded": (TREE + b" x\n" + AUTHOR + COMMITTER + b"\n", "expected 'tree '"),
    "tree with CR": (TREE[:-1] + b"\r\n" + AUTHOR + COMMITTER + b"\n", "expected 'tree '"),
    "parent before tree": (PARENT + TREE + AUTHOR + COMMITTER + b"\n", "expected 'tree '"),
    "parent after author": (TREE + AUTHOR + PARENT + COMMITTER + b"\n", "expected 'committer "),
    "parent after committer": (TREE + AUTHOR + COMMITTER + PARENT + b"\n", "repeated or out of its place"),
    "parent twice": (TREE + PARENT * 2 + AUTHOR + COMMITTER + b"\n", "same parent twice"),
    "author missing": (TREE + COMMITTER + b"\n", "ends before author"),
    "committer missing": (TREE + AUTHOR + b"\nx\n", "ends before author"),
    "author twice": (TREE + AUTHOR * 2 + COMMITTER + b"\n", "expected 'committer "),
    "author after": (HEAD + AUTHOR + b"\n", "repeated or out of its place"),
    "committer twice": (HEAD + COMMITTER + b"\n", "repeated or out of its place"),
    "committer before author": (TREE + COMMITTER + AUTHOR + b"\n", "expected 'author "),
    "author folded": (TREE + b"author A\n B <a@b> 1 +0000\n" + COMMITTER + b"\n", "expected 'author "),
    "encoding twice": (HEAD + b"encoding latin-1\nencoding utf-8\n\n", "two encoding"),
    "encoding with CR": (HEAD + b"encoding latin-1\r\n\n", "carriage return"),
    "header without a value": (HEAD + b"lonely\n\n", "expected a header name and a value"),
    "header name not ASCII": (HEAD + b"h\xc3\xa4der x\n\n", "expected a header name and a value"),
    "header with CR": (HEAD + b"other x\r\n\n", "carriage return"),
    "folded header with CR": (HEAD + b"other x\n y\r\n\n", "carriage return"),
    "NUL in a header": (HEAD + b"other x\0y\n\n", "NUL"),
    "NUL instead of a folded line": (HEAD + b"other x\0y\n z\n\n", "NUL"),
    "zone too short": (HEAD.replace(b"+0000", b"+000") + b"\n", "expected 'author "),
    "zone without sign": (HEAD.replace(b"+0000", b"0000") + b"\n", "expected 'author "),
    "time not a number": (HEAD.replace(b"> 1 ", b"> one ") + b"\n", "expected 'author "),
    "time in other digits": (HEAD.replace(b"> 1 ", "> ١ ".encode()) + b"\n", "expected 'author "),
    "time with underscore": (HEAD.replace(b"> 1 ", b"> 1_0 ") + b"\n", "expected 'author "),
    "time of 2^63": (HEAD.replace(b"> 1 ", b"> 9223372036854775808 ") + b"\n", "out of range"),
    "time of 5000 digits": (HEAD.replace(b"> 1 ", b"> " + b"9" * 5000 + b" ") + b"\n", "expected 'author "),
    "no e-mail": (HEAD.replace(b"A <a@b>", b"A") + b"\n", "expected 'author "),
    "two e-mails": (HEAD.replace(b"<a@b>", b"<a@b> <x@y>") + b"\n", "expected 'author "),
    "bracket in e-mail": (HEAD.replace(b"<a@b>", b"<a<@b>") + b"\n", "expected 'author "),
    "CR in author": (HEAD.replace(b"A <", b"A\r <") + b"\n", "expected 'author "),
    "CR after author": (HEAD.replace(b"+0000", b"+0000\r") + b"\n", "expected 'author "),
}


@pytest.mark.parametrize(("raw", "why"), STRUCTURE.values(), ids=STRUCTURE)
def test_damaged_structure_is_malformed(raw: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why) as caught:
        parsed(raw)
    assert caught.value.rule == BROKEN


def test_another_id_is_refused() -> None:
    raw = HEAD + b"\nmessage\n"
    with pytest.raises(Malformed, match="another id"):
        parse_commit("0" * 40, raw, "sha1")
    with pytest.raises(Malformed, match="another id"):
        parse_commit(object_id("tag", raw, "sha1"), raw, "sha1")
    with pytest.raises(Malformed, match="another id"):
        parse_commit(object_id("commit", raw, "sha1").upper(), raw, "sha1")


def test_fields_of_a_commit() -> None:
    raw = (
        HEAD + b"mergetag object 1\n type commit\n \n text\r\nencoding ISO-8859-1\n"
        b"change-id abc\nHG:extra a\nHG:extra b\n"
        b"gpgsig one\n  two\n \nvanity x\n\nsubject\n\ngpgsig not one\n"
    )
    commit = parsed(raw)
    assert commit.tree == "1" * 40
    assert commit.parents == ("2" * 40,)
    assert commit.author == Ident(b"A", b"a@b", 1, b"+0000")
    assert commit.committer == Ident(b"C", b"c@d", 2, b"-0130")
    assert commit.encoding == "ISO-8859-1"
    assert commit.signature == b"one\n two\n"
    assert commit.payload == raw.replace(b"gpgsig one\n  two\n \n", b"")
    assert commit.message == b"subject\n\ngpgsig not one\n"
    assert commit.notes == (
        "unknown-header:change-id", "unknown-header:HG:extra", "unknown-header:vanity"
    )


@pytest.mark.parametrize(
    ("ident", "expected"),
    [
        (b" <> 0 +0000", Ident(b"", b"", 0, b"+0000")),
        (b"a b  <x y> -1 -0000", Ident(b"a b ", b"x y", -1, b"-0000")),
        (b"\xff\xfe <\xff> 9223372036854775807 +9999", Ident(b"\xff\xfe", b"\xff", (1 << 63) - 1, b"+9999")),
    ],
)
def test_odd_identities_that_are_read(ident: bytes, expected: Ident) -> None:
    assert parsed(TREE + b"author " + ident + b"\n" + COMMITTER + b"\n").author == expected


def test_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    many = b"".join(b"parent %040x\n" % number for number in range(objects.MAX_PARENTS + 1))
    with pytest.raises(BudgetExceeded, match="257 parents"):
        parsed(TREE + many + AUTHOR + COMMITTER + b"\n")
    assert len(parsed(TREE + many[48:] + AUTHOR + COMMITTER + b"\n").parents) == objects.MAX_PARENTS
    with pytest.raises(BudgetExceeded, match="header has"):
        parsed(HEAD + b"other " + b"x" * objects.MAX_HEADER_BYTES + b"\n\n")
    monkeypatch.setattr(objects, "MAX_OBJECT_BYTES", 100)
    with pytest.raises(BudgetExceeded, match="at most 100"):
        parsed(HEAD + b"\n" + b"x" * 100)


def test_notes_are_few_and_short() -> None:
    raw = HEAD + b"".join(b"h%d-%s x\n" % (number, b"y" * 100) for number in range(1000)) + b"\n"
    notes = parsed(raw).notes
    assert len(notes) == objects.MAX_NOTES
    assert max(map(len, notes)) < 60


def test_many_quoted_tags_take_no_longer_than_their_bytes() -> None:
    """As many as the header may hold: gathered one by one into a tuple they took minutes."""
    field = b"mergetag x\n"
    count = (objects.MAX_HEADER_BYTES - len(HEAD)) // len(field)
    started = time.process_time()
    assert len(parsed(HEAD + field * count + b"\n").mergetags) == count
    assert time.process_time() - started < 10


def test_long_lines_are_read() -> None:
    message = b"x" * 1_000_000
    assert parsed(HEAD + b"\n" + message).message == message


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_objects_of_git(tmp_path, algorithm: objects.Algorithm) -> None:
    """What git itself writes in both object formats, and tags of all kinds of objects."""
    key = SshKey.create(tmp_path / "keys", "alice")
    keyring = load([KeyMaterial("Alice", key.public.encode(), "key")])
    repo = Repository.create(tmp_path / "repo", algorithm=algorithm)
    root = repo.commit("root", {"a": "1"}, key=key)
    side = repo.commit("side", {"b": "2"}, parents=[root], ref="refs/heads/side", key=key)
    repo.commit("main", {"c": "3"}, key=key)
    merge = repo.merge("merge", side, key=key)
    commit = parse_commit(merge, repo.read(merge), algorithm)
    assert commit.parents == (repo.git("rev-parse", f"{merge}^1"), side)
    assert commit.tree == repo.git("rev-parse", f"{merge}^{{tree}}")
    assert commit.payload == repo.read(merge).replace(_field_of(commit, algorithm), b"")
    assert commit.signature is not None
    proof = ssh.verify(commit.payload, commit.signature, keyring, Clock(commit.committer.time, 0), SignatureOptions())
    assert proof.fingerprint == key.fingerprint

    first = repo.tag("v1", merge, key=key)
    targets = {"commit": merge, "tag": first, "tree": commit.tree, "blob": repo.write("blob", b"x")}
    for kind, target in targets.items():
        oid = repo.tag(f"on-{kind}", target, key=key)
        tag = parse_tag(oid, repo.read(oid), algorithm)
        assert (tag.target, tag.target_type, tag.name) == (target, kind, f"on-{kind}".encode())
        assert tag.message == b"release\n"
        assert tag.signature is not None
        ssh.verify(tag.payload, tag.signature, keyring, Clock(0, 0), SignatureOptions())
    plain = repo.tag("plain", merge)
    assert parse_tag(plain, repo.read(plain), algorithm).signature is None


def test_a_signed_merge_of_a_signed_tag(tmp_path) -> None:
    """The mergetag header quotes a whole signed tag, and is not taken for the commit's signature."""
    key = SshKey.create(tmp_path / "keys", "alice")
    repo = Repository.create(tmp_path / "repo")
    root = repo.commit("root", {"a": "1"})
    repo.tag("v1", repo.commit("side", {"b": "2"}, parents=[root], ref="refs/heads/side"), key=key)
    repo.commit("main", {"c": "3"})
    repo.configure(user__name="A", user__email="a@b", gpg__format="ssh", user__signingkey=str(key.path))
    repo.run("merge", "-q", "-S", "--no-ff", "-m", "merge", "v1")
    oid = repo.tip()
    assert oid is not None
    raw = repo.read(oid)
    commit = parse_commit(oid, raw, "sha1")
    assert raw.count(BEGIN) == 2
    assert commit.notes == ()
    assert [parse_tag(object_id("tag", each, "sha1"), each, "sha1").name for each in commit.mergetags] == [b"v1"]
    assert commit.signature is not None
    assert commit.payload == raw.replace(_field_of(commit, "sha1"), b"")
    assert commit.payload.count(BEGIN) == 1
    assert keygen_verifies(key, commit.payload, commit.signature)


def _field_of(commit: Commit, algorithm: objects.Algorithm) -> bytes:
    assert commit.signature is not None
    name = b"gpgsig " if algorithm == "sha1" else b"gpgsig-sha256 "
    return name + commit.signature.replace(b"\n", b"\n ") + b"\n"


def test_the_other_format_s_signature_is_ambiguous_in_sha256_too() -> None:
    head = b"tree " + b"1" * 64 + b"\n" + AUTHOR + COMMITTER
    for line in (b"gpgsig x\n", b"gpgsig-sha256 x\ngpgsig y\n", b"gpgsig-sha512 x\n", b"gpgsig-sha256\n"):
        raw = head + line + b"\n"
        with pytest.raises(Malformed) as caught:
            parse_commit(object_id("commit", raw, "sha256"), raw, "sha256")
        assert caught.value.rule == AMBIGUOUS
    raw = head + b"gpgsig-sha256 x\n\n"
    assert parse_commit(object_id("commit", raw, "sha256"), raw, "sha256").signature == b"x"


TAG_HEAD = b"object " + b"1" * 40 + b"\ntype commit\ntag v1\n"
TAGGER = b"tagger A <a@b> 1 +0000\n"
TAG_STRUCTURE = {
    "empty": b"",
    "no blank line": TAG_HEAD + TAGGER,
    "no name": TAG_HEAD.replace(b"v1", b"") + TAGGER + b"\n",
    "no tag header": TAG_HEAD.replace(b"tag v1\n", b"") + TAGGER + b"\n",
    "no type": TAG_HEAD.replace(b"type commit\n", b"") + TAGGER + b"\n",
    "folded type": TAG_HEAD.replace(b"commit", b"commit\n x") + TAGGER + b"\n",
    "folded name": TAG_HEAD.replace(b"v1", b"v1\n x") + TAGGER + b"\n",
    "CR in the name": TAG_HEAD.replace(b"v1", b"v1\r") + TAGGER + b"\n",
    "bad tagger": TAG_HEAD + b"tagger A\n\n",
    "two taggers": TAG_HEAD + TAGGER * 2 + b"\n",
    "type before object": b"type commit\nobject " + b"1" * 40 + b"\ntag v1\n\n",
    "target of SHA-256": TAG_HEAD.replace(b"1" * 40, b"1" * 64) + TAGGER + b"\n",
}


@pytest.mark.parametrize("raw", TAG_STRUCTURE.values(), ids=TAG_STRUCTURE)
def test_damaged_tags_are_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        parse_tag(object_id("tag", raw, "sha1"), raw, "sha1")
    assert caught.value.rule == BROKEN


def test_an_old_tag_has_no_tagger() -> None:
    raw = TAG_HEAD + b"\nold\n"
    tag = parse_tag(object_id("tag", raw, "sha1"), raw, "sha1")
    assert (tag.tagger, tag.name, tag.message, tag.payload, tag.signature) == (None, b"v1", b"old\n", raw, None)


@given(st.binary(max_size=300))
def test_any_bytes_raise_only_our_errors(raw: bytes) -> None:
    for kind, parse in (("commit", parse_commit), ("tag", parse_tag)):
        with pytest.raises(ChainverifyError):
            parse(object_id(kind, raw, "sha1"), raw, "sha1")


LINE = st.sampled_from(
    [b"gpgsig a", b"gpgsig", b" b", b" ", b"gpgsig-sha256 a", b"other x", b"encoding utf-8", b"mergetag x", b"", BEGIN,
     END, b"parent " + b"3" * 40, b"tagger A <a@b> 1 +0000", b"tag v1", b"\r"]
)


@given(st.lists(LINE, max_size=12))
def test_lines_in_any_order_keep_their_bytes(lines: list[bytes]) -> None:
    """What is accepted is the payload with the signature's lines put back, and nothing else is lost."""
    raw = HEAD + b"\n".join(lines) + b"\n"
    try:
        commit = parsed(raw)
    except Malformed:
        return
    if commit.signature is None:
        assert commit.payload == raw
        return
    lost = b"gpgsig " + commit.signature.replace(b"\n", b"\n ") + b"\n"
    assert len(commit.payload) + len(lost) == len(raw)
    at = raw.index(b"\n" + lost) + 1
    assert raw == commit.payload[:at] + lost + commit.payload[at:]
    assert commit.message == raw.partition(b"\n\n")[2]
    assert b"gpgsig" not in commit.payload.partition(b"\n\n")[0].replace(b"\n ", b"")


@given(
    st.binary(max_size=80).filter(lambda b: b"\0" not in b),
    st.binary(max_size=200).filter(lambda b: b"\0" not in b),
)
def test_splitting_undoes_signing(signature: bytes, message: bytes) -> None:
    payload = HEAD + b"\n" + message
    raw = signed_commit(payload, signature)
    commit = parsed(raw)
    assert (commit.payload, commit.signature, commit.message) == (payload, signature, message)


@given(st.binary(max_size=300), st.sampled_from(["sha1", "sha256"]))
def test_object_id_is_the_hash_of_header_and_content(raw: bytes, algorithm: objects.Algorithm) -> None:
    expected = hashlib.new(algorithm, b"blob " + str(len(raw)).encode() + b"\0" + raw).hexdigest()
    assert object_id("blob", raw, algorithm) == expected
