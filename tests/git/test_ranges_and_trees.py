"""Ranges against git's own answer, with and without damage; trees against `git ls-tree`, and trees no checkout can hold."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from chainverify.errors import BudgetExceeded, Malformed, Unavailable, UsageError
from chainverify.git import ranges, trees
from chainverify.git.objects import ObjectReader
from chainverify.git.repository import Repository
from chainverify.git.trees import TreeFile
from tests.world.repository import Repository as World

pytestmark = pytest.mark.tool("git")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two branches merged, a tag, and a second root."""
    repo = World.create(tmp_path_factory.mktemp("ranges") / "repo")
    repo.commit("root", {"a": b"1", "d/e/f": b"2", "d.x": b"3", "d-x": b"4"})
    side = repo.commit("side", {"s": b"1"}, ref="refs/heads/side", parents=[repo.tip() or ""])
    repo.commit("main", {"a": b"2"})
    repo.merge("merge", side)
    repo.tag("v1")
    repo.commit("last", {"a": b"3"})
    repo.commit("other root", {"z": b"1"}, ref="refs/heads/orphan", parents=())
    return repo


RANGES = [
    (["HEAD"], []), (["HEAD"], ["v1"]), (["v1"], ["side"]), (["HEAD", "orphan"], ["HEAD~1"]), (["side"], ["HEAD"]),
    (["HEAD"], ["orphan"]), (["HEAD", "HEAD"], []), ([], ["HEAD"]),
]


@pytest.mark.parametrize(("include", "exclude"), RANGES)
def test_ranges_are_gits(world: World, include: list[str], exclude: list[str]) -> None:
    repo = Repository.discover(world.path)
    expected = set(world.git("rev-list", *include, "--not", *exclude).split()) if include else set()
    found = ranges.commits(repo, include, exclude)
    walked = ranges.walk(repo, [repo.resolve(name) for name in include], [repo.resolve(name) for name in exclude])
    assert set(found) == set(walked) == expected
    for listed in (found, walked):
        assert len(set(listed)) == len(listed)
        for at, oid in enumerate(listed):
            parents = world.git("rev-parse", f"{oid}^@").split()
            assert not set(parents) & set(listed[at:]), "a parent after its child"


YEARS_AGO = 1_000_000_000


def skewed(path: Path) -> tuple[World, dict[str, str]]:
    """An unsigned past, then fifteen commits of a clock that stood at 2001, then right ones; branches from before and after."""
    world = World.create(path)
    named = {f"base{at}": world.commit(f"base {at}", {"a": str(at)}) for at in range(3)}
    named |= {f"old{at}": world.commit(f"old {at}", {"b": str(at)}, when=YEARS_AGO + at) for at in range(15)}
    named["top"] = world.commit("top", {"c": "1"})
    named["early"] = world.commit("early", {"d": "1"}, ref=None, parents=[named["base0"]])
    named["side"] = world.commit("side", {"e": "1"}, ref=None, parents=[named["base2"]])
    named["merge"] = world.commit("merge", {"f": "1"}, ref=None, parents=[named["top"], named["early"]])
    named["root"] = world.commit("another root", {"g": "1"}, ref=None, parents=())
    named["joined"] = world.commit("joined", {"h": "1"}, ref=None, parents=[named["merge"], named["root"]])
    return world, named


@pytest.mark.parametrize("limit", ["MAX_ASKED", "MAX_TIPS", None])
def test_a_wrong_clock_changes_no_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str | None) -> None:
    if limit is not None:
        monkeypatch.setattr(ranges, limit, 0)
    world, named = skewed(tmp_path / "r")
    repo = Repository.discover(world.path)
    expected: dict[tuple[tuple[str, ...], tuple[str, ...]], set[str]] = {
        (("base2",), ("old14",)): set(), (("base2",), ("top",)): set(), (("base0", "base1"), ("old14", "root")): set(),
        (("side",), ("top",)): {"side"}, (("early",), ("top",)): {"early"}, (("early", "side"), ("old14",)): {"early", "side"},
        (("merge",), ("old14",)): {"merge", "early", "top"}, (("merge",), ("top",)): {"merge", "early"},
        (("joined",), ("top",)): {"joined", "merge", "early", "root"}, (("joined",), ("merge",)): {"joined", "root"},
        (("top",), ("side",)): {"top", *(f"old{at}" for at in range(15))}, (("top",), ("joined",)): set(),
        (("root",), ("top",)): {"root"}, (("side",), ("joined", "early")): {"side"}, (("base1",), ("early", "old14")): set(),
    }
    astray = 0
    for (include, exclude), names in expected.items():
        ids = [named[name] for name in include], [named[name] for name in exclude]
        found = ranges.commits(repo, *ids)
        assert {name for name, oid in named.items() if oid in found} == names, (include, exclude)
        assert len(found) == len(names)
        assert set(ranges.walk(repo, *ids)) == set(found)
        astray += len(world.git("rev-list", *ids[0], "--not", *ids[1]).split()) > len(names)
    assert astray >= 4, "git itself lists too much: else nothing was tested"


@given(st.data())
@settings(max_examples=15, phases=(Phase.explicit, Phase.reuse, Phase.generate))  # shrinking would make repositories for minutes
def test_ranges_of_any_history_with_any_dates(data: st.DataObject) -> None:
    count = data.draw(st.integers(12, 40))
    numbers = st.integers(0, count - 1)
    # mostly a line, with a clock that stood years ago for a run long enough to lead git astray, and odd dates anywhere
    first = data.draw(st.integers(1, 6))
    run = range(first, first + data.draw(st.integers(0, 24)))
    other_dates = st.sampled_from([YEARS_AGO, 1_500_000_000, 1_750_000_001, 2_000_000_000])
    odd = data.draw(st.dictionaries(numbers, other_dates, max_size=4))
    dates = [odd.get(at, (YEARS_AGO if at in run else 1_750_000_000) + at) for at in range(count)]
    more = data.draw(st.dictionaries(st.integers(1, count - 1), st.sets(numbers, max_size=2), max_size=8))
    parents = [sorted({other for other in more.get(at, {at - 1}) if 0 <= other < at}) for at in range(count)]
    stream = []
    for at, named in enumerate(parents):
        who = f"A <a@example.org> {dates[at]} +0000"
        stream += [f"commit refs/heads/b{at}\nmark :{at + 1}\nauthor {who}\ncommitter {who}\ndata 3\n{at:03}\n"]
        # without a first parent fast-import would take the branch's tip; each branch is new
        stream += [f"{'merge' if place else 'from'} :{parent + 1}\n" for place, parent in enumerate(named)]
    reach: list[set[int]] = []
    for at, named in enumerate(parents):
        reach.append({at}.union(*(reach[parent] for parent in named)))
    with tempfile.TemporaryDirectory() as directory:
        world = World.create(Path(directory), bare=True)
        world.git("fast-import", "--quiet", "--export-marks=marks", stdin="".join(stream).encode())
        marks = dict(line.split() for line in (world.path / "marks").read_text().splitlines())
        oids = [marks[f":{at + 1}"] for at in range(count)]
        repo = Repository.discover(world.path)
        for _ in range(4):
            include, exclude = (data.draw(st.lists(numbers, min_size=1, max_size=3, unique=True)) for _ in range(2))
            wanted = set().union(*(reach[at] for at in include)).difference(*(reach[at] for at in exclude))
            found = ranges.commits(repo, [oids[at] for at in include], [oids[at] for at in exclude])
            assert {at for at in range(count) if oids[at] in found} == wanted
            assert len(found) == len(wanted)
            place = {oid: at for at, oid in enumerate(found)}
            for at in wanted:
                assert all(place[oids[parent]] < place[oids[at]] for parent in parents[at] if parent in wanted)
            assert repo.is_ancestor(oids[exclude[0]], *(oids[at] for at in include)) == any(
                exclude[0] in reach[at] for at in include
            )


def test_unknown_revisions(world: World) -> None:
    repo = Repository.discover(world.path)
    with pytest.raises(UsageError):
        ranges.commits(repo, ["--all"], [])
    with pytest.raises(Unavailable):
        ranges.commits(repo, ["0" * 40], [])


def test_damaged_commits_are_listed_and_walked_past(tmp_path: Path) -> None:
    world = World.create(tmp_path / "r")
    root = world.commit("root", {"a": b"1"})
    tree = world.git("rev-parse", f"{root}^{{tree}}")
    nonsense = world.write("commit", b"nonsense")
    bad = world.write("commit", f"tree {tree}\nparent {root}\nparent {nonsense}\nauthor broken\n\nx".encode())
    gone = "1" * 40
    tip = world.write(
        "commit", f"tree {tree}\nparent {bad}\nparent {gone}\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nx".encode()
    )
    repo = Repository.discover(world.path)
    assert world.run("rev-list", tip, check=False).returncode != 0
    assert set(ranges.commits(repo, [tip], [])) == {root, nonsense, bad, gone, tip}
    assert set(ranges.commits(repo, [tip], [root])) == {nonsense, bad, gone, tip}
    assert ranges.commits(repo, [tip], [])[-1] == tip


def test_a_lying_commit_graph_is_not_read(world: World, tmp_path: Path) -> None:
    clone = World.clone(world.path, tmp_path / "c")
    clone.git("commit-graph", "write", "--reachable")
    graph = clone.git_dir / "objects/info/commit-graph"
    data = bytearray(graph.read_bytes())
    start = next(
        int.from_bytes(data[at + 4 : at + 12]) for at in range(8, 80, 12) if data[at : at + 4] == b"CDAT"
    )
    count = len(ranges.commits(Repository.discover(clone.path), ["HEAD"], []))
    for at in range(start, start + 36 * count, 36):
        data[at + 20 : at + 28] = b"\x70\x00\x00\x00" * 2  # no parents
    graph.chmod(0o644)
    graph.write_bytes(data)
    assert len(clone.git("-c", "core.commitGraph=true", "rev-list", "HEAD").split()) == 1, "the lie works on git"
    assert len(ranges.commits(Repository.discover(clone.path), ["HEAD"], [])) == count > 1


def test_files_are_those_of_ls_tree(world: World) -> None:
    with ObjectReader(Repository.discover(world.path)) as reader:
        for name in ("HEAD", "v1", "HEAD^{tree}"):
            listed = [line.split(None, 3) for line in world.git("ls-tree", "-r", name).split("\n")]
            assert list(trees.files(reader, name)) == [TreeFile(path, int(mode, 8), oid) for mode, _, oid, path in listed]


def test_links_and_odd_names(tmp_path: Path) -> None:
    world = World.create(tmp_path / "r", algorithm="sha256")
    blob = world.write("blob", b"target")
    name = blob.encode()
    lines = [b"120000 blob %s\tlink" % name, b"160000 commit %s\tsub" % (b"1" * 64), b"100755 blob %s\tx\xff" % name]
    tree = world.git("mktree", "-z", "--missing", stdin=b"\0".join(lines) + b"\0")
    top = world.git("mktree", stdin=f"040000 tree {tree}\tdir\n100644 blob {blob}\ta b\n".encode())
    with ObjectReader(Repository.discover(world.path)) as reader:
        assert [(file.path, oct(file.mode)) for file in trees.files(reader, top)] == [
            ("a b", "0o100644"), ("dir/link", "0o120000"), ("dir/sub", "0o160000"), ("dir/x\\xff", "0o100755")
        ]
        assert trees.read_path(reader, top, "a b") == b"target"
        assert trees.read_path(reader, top, "dir/x\udcff") == b"target"
        for path in ("dir/link", "dir/sub", "dir", "dir/link/x", "dir/sub/x", "none", "dir/none", "a b/c", "", "/a b", "../a b",
                     "dir/../a b"):
            assert trees.read_path(reader, top, path) is None, path


ID = b"\1" * 20
DAMAGED = {
    "cut in the id": b"100644 a\0" + ID[:-1],
    "cut in the name": b"100644 abc",
    "no space": b"100644a\0" + ID,
    "unknown mode": b"100666 a\0" + ID,
    "mode with a sign": b"+100644 a\0" + ID,
    "mode in other digits": b"1_0644 a\0" + ID,
    "no mode": b" a\0" + ID,
    "empty name": b"100644 \0" + ID,
    "slash": b"100644 a/b\0" + ID,
    "dot": b"40000 .\0" + ID,
    "dot dot": b"40000 ..\0" + ID,
    "git directory": b"40000 .GIT\0" + ID,
    "twice": b"100644 a\0" + ID + b"100755 a\0" + ID,
    "file and directory": b"100644 a\0" + ID + b"100644 a.b\0" + ID + b"40000 a\0" + ID,
    "out of order": b"100644 b\0" + ID + b"100644 a\0" + ID,
    "rest": b"100644 a\0" + ID + b"x",
}


@pytest.mark.parametrize("raw", DAMAGED.values(), ids=DAMAGED)
def test_damaged_trees(world: World, raw: bytes) -> None:
    oid = world.write("tree", raw)
    with ObjectReader(Repository.discover(world.path)) as reader:
        with pytest.raises(Malformed) as caught:
            list(trees.files(reader, oid))
        assert caught.value.rule == "commit-malformed"
        with pytest.raises(Malformed):
            trees.read_path(reader, oid, "a")


def test_depth_and_kind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = world.write("blob", b"x")
    oid = world.write("tree", b"100644 f\0" + bytes.fromhex(blob))
    for _ in range(8):
        oid = world.write("tree", b"40000 d\0" + bytes.fromhex(oid))
    wrong = world.write("tree", b"40000 d\0" + bytes.fromhex(blob))
    monkeypatch.setattr(trees, "MAX_DEPTH", 5)
    with ObjectReader(Repository.discover(world.path)) as reader:
        with pytest.raises(BudgetExceeded):
            list(trees.files(reader, oid))
        with pytest.raises(BudgetExceeded):
            trees.read_path(reader, oid, "d/" * 8 + "f")
        with pytest.raises(Malformed, match="its tree says tree"):
            list(trees.files(reader, wrong))
