"""The object reader against real repositories: order, pipelining, what is missing, damaged or too large."""

from __future__ import annotations

import os
import random
import shutil
import signal
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainverify.errors import BudgetExceeded, ObjectMissing, Unavailable
from chainverify.formats.objects import object_id
from chainverify.git import objects
from chainverify.git.objects import ObjectReader, RawObject
from chainverify.git.repository import Repository
from tests.world.repository import Repository as World

pytestmark = pytest.mark.tool("git")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    repo = World.create(tmp_path_factory.mktemp("objects") / "repo")
    for number in range(4):
        repo.commit(f"commit {number}", {"a": b"x" * number * 1000, "b/c": b"\0\n" * number})
    repo.tag("v1")
    return repo


def reader_of(world: World, **options: int) -> ObjectReader:
    return ObjectReader(Repository.discover(world.path), **options)


def test_each_kind(world: World) -> None:
    with reader_of(world) as reader:
        kinds = {"HEAD": "commit", "v1": "tag", "HEAD^{tree}": "tree", "HEAD:a": "blob", "v1^{commit}": "commit"}
        for name, kind in kinds.items():
            found = reader.read(name)
            assert (found.oid, found.kind) == (world.git("rev-parse", name), kind)
            assert found.data == world.read(found.oid)


def test_empty_object_and_one_that_looks_like_an_answer(world: World) -> None:
    fake = b"0" * 40 + b" commit 5\nhello\n"
    names = [world.write("blob", b""), world.write("blob", fake), world.write("blob", b"\n")]
    with reader_of(world) as reader:
        assert [found.data for found in reader.read_many(names)] == [b"", fake, b"\n"]


@pytest.mark.parametrize(
    "name",
    ["", "nope", "0" * 40, "HEAD\nHEAD", "HEAD\0", "HEAD\r", "-h", "--batch-all-objects", "HEAD x", "HEAD:none", "x" * 100_000],
)
def test_missing(world: World, name: str) -> None:
    with reader_of(world) as reader:
        with pytest.raises(Unavailable) as caught:
            reader.read(name)
        assert caught.value.status == "unknown"
        if len(name) < 100:
            assert isinstance(caught.value, ObjectMissing)
        assert reader.read("HEAD").oid == world.tip()


def test_errors_stand_in_their_place(world: World) -> None:
    names = ["HEAD", "nope", "", "v1", "a\nb", "HEAD~1"]
    with reader_of(world) as reader:
        found = list(reader.stream(names))
        assert [answer.kind if isinstance(answer, RawObject) else type(answer).__name__ for answer in found] == [
            "commit", "ObjectMissing", "ObjectMissing", "tag", "ObjectMissing", "commit"
        ]
        with pytest.raises(ObjectMissing):
            list(reader.read_many(names))
        assert reader.read("HEAD").kind == "commit"


def test_too_large_is_skipped_not_read(world: World) -> None:
    large = world.write("blob", random.Random(1).randbytes(3_000_000))
    with reader_of(world, max_bytes=100_000) as reader:
        found = list(reader.stream(["HEAD", large, "HEAD", large]))
        assert isinstance(found[1], BudgetExceeded)
        assert "3000000 bytes" in found[1].message
        assert found[0] == found[2]
        assert isinstance(found[3], BudgetExceeded)


def test_budget_is_exact(world: World) -> None:
    oid = world.write("blob", b"x" * 100)
    with reader_of(world, max_bytes=100) as reader:
        assert len(reader.read(oid).data) == 100
    with reader_of(world, max_bytes=99) as reader, pytest.raises(BudgetExceeded):
        reader.read(oid)


@given(st.lists(st.sampled_from(["HEAD", "v1", "HEAD~1", "nope", "HEAD:a", "", "x" * 5000, "HEAD^{tree}"]), max_size=300))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_sequence_comes_back_in_order(world: World, names: list[str]) -> None:
    with reader_of(world) as reader:
        alone = {name: _shown(next(iter(reader.stream([name])))) for name in set(names)}
        assert [_shown(answer) for answer in reader.stream(names)] == [alone[name] for name in names]


def _shown(answer: object) -> str:
    return answer.oid if isinstance(answer, RawObject) else type(answer).__name__


def test_readers_interleave_and_may_be_left(world: World) -> None:
    names = ["HEAD", "v1", "HEAD~1"] * 300
    with reader_of(world) as reader:
        many = reader.read_many(names)
        first = [next(many).kind for _ in range(5)]
        other = reader.read_many(["HEAD:a"] * 500)
        assert next(other).kind == "blob"
        assert reader.read("HEAD^{tree}").kind == "tree"
        first += [found.kind for found in many]
        assert first == ["commit", "tag", "commit"] * 300
        left = reader.read_many(names)
        next(left)
        left.close()
        assert [found.kind for found in other] == ["blob"] * 499
        assert reader.read("v1").kind == "tag"


def test_large_answers_never_block(world: World) -> None:
    """Answers of a megabyte fill every pipe while names are still being written: a naive writer would stop for ever."""
    oid = world.write("blob", random.Random(2).randbytes(1_000_000))
    with reader_of(world) as reader:
        assert sum(len(found.data) for found in reader.read_many([oid] * 15)) == 15_000_000
        assert sum(len(found.data) for found in reader.read_many(["HEAD:a"] * 5_000)) == 15_000_000


def test_names_are_taken_only_as_needed(world: World) -> None:
    taken = 0
    tip = world.tip()

    def names() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield tip

    with reader_of(world) as reader:
        many = reader.read_many(names())  # type: ignore[arg-type]
        for _ in range(10):
            next(many)
            reader.read("HEAD")
        assert taken < 300


def damaged(world: World, raw: bytes) -> str:
    """A loose object whose file is garbage."""
    oid = object_id("blob", raw, "sha1")
    path = world.git_dir / "objects" / oid[:2] / oid[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"garbage")
    return oid


def test_damaged_objects_do_not_end_the_reading(world: World) -> None:
    bad = [damaged(world, b"damaged %d" % number) for number in range(3)]
    names = ["HEAD", bad[0], "v1", *["HEAD~1"] * 200, bad[1], bad[2], "HEAD", *["v1"] * 200]
    with reader_of(world) as reader:
        found = list(reader.stream(names))
    kinds = [answer.kind if isinstance(answer, RawObject) else "unknown" for answer in found]
    assert kinds == ["commit", "unknown", "tag", *["commit"] * 200, "unknown", "unknown", "commit", *["tag"] * 200]
    assert all(isinstance(found[at], Unavailable) for at in (1, 203, 204))


def test_content_of_another_object_is_found_by_its_id(world: World) -> None:
    """git does not compare a loose object with its name when it reads it; whoever judges has to."""
    oid = world.write("commit", world.read(world.tip() or "") + b"more")
    path = world.git_dir / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    raw = b"other"
    path.write_bytes(zlib.compress(b"commit %d\0" % len(raw) + raw))
    with reader_of(world) as reader:
        answer = next(iter(reader.stream([oid])))
    if isinstance(answer, RawObject):
        assert object_id("commit", answer.data, "sha1") != oid


def test_killed_git_is_started_again_until_it_is_hopeless(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "MAX_DEATHS", 3)
    with reader_of(world) as reader:
        # the first time nothing is lost: what git had gathered is asked again
        assert reader.read("HEAD").oid == world.tip()
        assert reader._process is not None
        os.kill(reader._process.pid, signal.SIGKILL)
        reader._process.wait()
        for _ in range(3):
            assert reader.read("HEAD").oid == world.tip()
            assert reader._process is not None
            os.kill(reader._process.pid, signal.SIGKILL)
            reader._process.wait()
            with pytest.raises(Unavailable, match="could not read"):
                reader.read("HEAD")
        assert reader.read("HEAD").oid == world.tip()
        os.kill(reader._process.pid, signal.SIGKILL)
        for _ in range(3):
            with pytest.raises(Unavailable):
                reader.read("HEAD")


def test_git_that_cannot_gather_its_answers_is_asked_for_each(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git before 2.36 ends with a usage error over `--batch-command`."""
    real = shutil.which("git")
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    old.write_text(
        f'#!/bin/sh\ncase " $* " in *" --batch-command "*) echo "usage: git cat-file" >&2; exit 129;; esac\nexec {real} "$@"\n'
    )
    old.chmod(0o755)
    bad = damaged(world, b"damaged")
    monkeypatch.setenv("PATH", f"{old.parent}{os.pathsep}{os.environ['PATH']}")
    with reader_of(world) as reader:
        found = list(reader.stream(["HEAD", "nothing here", *["v1"] * 300, bad, "HEAD"]))
    kinds = [answer.kind if isinstance(answer, RawObject) else type(answer).__name__ for answer in found]
    assert kinds == ["commit", "ObjectMissing", *["tag"] * 300, "ObjectMissing", "commit"]


def test_closing_leaves_no_process(world: World) -> None:
    with reader_of(world) as reader:
        reader.read("HEAD")
        assert reader._process is not None
        pid = reader._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_replaced_objects_are_read_as_they_are(world: World) -> None:
    tip = world.tip()
    assert tip is not None
    other = world.git("rev-parse", "HEAD~1")
    raw = world.read(tip)
    world.git("replace", tip, other)
    try:
        assert world.run("cat-file", "commit", tip).stdout != raw
        with reader_of(world) as reader:
            assert reader.read(tip).data == raw
    finally:
        world.git("replace", "-d", tip)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_quarantine_and_alternates(tmp_path: Path, algorithm: str) -> None:
    """As inside pre-receive: objects lie in a directory that only the environment names."""
    world = World.create(tmp_path / "r.git", bare=True, algorithm=algorithm)  # type: ignore[arg-type]
    old = world.commit("old", {"a": b"1"})
    incoming = world.git_dir / "objects" / "tmp_objdir-incoming-x"
    incoming.mkdir()
    env = {
        "GIT_DIR": ".", "GIT_OBJECT_DIRECTORY": "./objects/tmp_objdir-incoming-x", "GIT_QUARANTINE_PATH": str(incoming),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(world.git_dir / "objects"),
    }
    raw = world.read(old).replace(b"old", b"new")
    new = world.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw, env=env).stdout.decode().strip()
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **env}
    repo = Repository.discover(world.path, environ)
    assert repo.git_dir == world.git_dir
    assert repo.incomplete() is None
    with ObjectReader(repo) as reader:
        assert [found.oid for found in reader.read_many([old, new])] == [old, new]
    with reader_of(world) as reader, pytest.raises(ObjectMissing):
        reader.read(new)
