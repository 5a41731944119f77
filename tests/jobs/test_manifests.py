"""Which files of a working tree, of a git tree and of a stream are read, and what is said of those that cannot be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chainverify.errors import ObjectMissing, UsageError
from chainverify.git.objects import ObjectReader
from chainverify.git.repository import Repository as GitRepository
from chainverify.jobs import manifests
from chainverify.jobs.manifests import Scan, scan_paths, scan_stream, scan_tree
from tests.world.repository import Repository

POD = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: "


def pod(image: str) -> bytes:
    return f"{POD}{image}\n".encode()


def write(root: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def told(scan: Scan) -> dict[str, object]:
    """Path to the images found, or to the words of the problem."""
    return {
        path: found.problems[0].message if found.problems else [use.raw for use in found.uses]
        for path, found in scan.extractions.items()
    }


FILES = {
    "a.yaml": pod("a"),
    "b/c.yml": pod("c"),
    "b/d.json": b'{"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"image": "d"}]}}',
    "b/e.txt": pod("not"),
    "b/values.yaml": b"image: not\n",
    "b/service.yaml": b"apiVersion: v1\nkind: Service\n",
    "vendor/f.yaml": pod("f"),
}
READ = {"a.yaml": ["a"], "b/c.yml": ["c"], "b/d.json": ["d"], "b/service.yaml": [], "vendor/f.yaml": ["f"]}


def test_a_working_tree(tmp_path: Path) -> None:
    write(tmp_path, FILES | {".git/g.yaml": pod("not"), "sub/.git/h.yaml": pod("not"), ".github/i.yaml": pod("i")})
    scan = scan_paths(tmp_path)
    assert told(scan) == READ | {".github/i.yaml": ["i"]}
    assert list(scan.extractions) == sorted(scan.extractions)
    assert scan.counts == {"files": 6, "references": 5}
    assert [use.raw for use in scan.uses] == ["i", "a", "c", "d", "f"]
    assert {use.path for use in scan.uses} == {path for path, found in scan.extractions.items() if found.uses}


GLOBS = {
    "exclude": (("**",), ("vendor/**", "b/*.json"), {"a.yaml", "b/c.yml", "b/service.yaml"}),
    "include": (("b/**",), (), {"b/c.yml", "b/d.json", "b/service.yaml"}),
    "both": (("b/**",), ("**/*.yml",), {"b/d.json", "b/service.yaml"}),
    "one star stays in its directory": (("*",), (), {"a.yaml"}),
    "nothing": ((), (), set()),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    repo = Repository.create(tmp_path_factory.mktemp("scan") / "repo")
    repo.commit("files", FILES)
    return repo


@pytest.fixture
def reader(world: Repository) -> Iterator[ObjectReader]:
    with ObjectReader(GitRepository.discover(world.path)) as opened:
        yield opened


@pytest.mark.tool("git")
@pytest.mark.parametrize(("include", "exclude", "expected"), GLOBS.values(), ids=GLOBS)
def test_globs(
    world: Repository, reader: ObjectReader, include: tuple[str, ...], exclude: tuple[str, ...], expected: set[str]
) -> None:
    assert set(scan_paths(world.path, (), include, exclude).extractions) == expected
    assert set(scan_tree(reader, "HEAD", include, exclude).extractions) == expected


@pytest.mark.tool("git")
def test_a_tree_reads_as_its_checkout(world: Repository, reader: ObjectReader) -> None:
    assert scan_tree(reader, "HEAD") == scan_paths(world.path)
    assert told(scan_tree(reader, "HEAD")) == READ
    assert told(scan_tree(reader, "HEAD", only=frozenset(("a.yaml", "b/e.txt", "gone.yaml")))) == {"a.yaml": ["a"]}
    assert told(scan_tree(reader, "HEAD", only=frozenset())) == {}


def test_named_paths(tmp_path: Path) -> None:
    write(tmp_path, FILES | {"../outside/x.yaml": pod("x")})
    root = tmp_path
    assert told(scan_paths(root, [Path("b"), Path("a.yaml"), Path("b/c.yml")])) == {
        name: found for name, found in READ.items() if not name.startswith("vendor")
    }
    assert told(scan_paths(root, [root / "a.yaml"])) == {"a.yaml": ["a"]}
    assert told(scan_paths(root / "b", [Path("../a.yaml")])) == {str(root / "a.yaml"): ["a"]}
    with pytest.raises(UsageError, match=r"cannot read .*gone\.yaml"):
        scan_paths(root, [Path("gone.yaml")])
    with pytest.raises(UsageError, match=r"e\.txt' is no file that holds manifests"):
        scan_paths(root, [Path("b/e.txt")])


def test_links_of_a_working_tree(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    root = tmp_path / "tree"
    write(outside, {"x.yaml": pod("not"), "dir/y.yaml": pod("not")})
    write(root, {"real.yaml": pod("real"), "text.txt": pod("text"), "dir/z.yaml": pod("z"), ".git/config.yaml": pod("not")})
    links = {
        "to-real.yaml": "real.yaml",  # read by its own name already
        "to-text.yaml": "text.txt",
        "to-outside.yaml": str(outside / "x.yaml"),
        "to-outside-relative.yaml": "../outside/x.yaml",
        "to-nothing.yaml": "nothing.yaml",
        "to-itself.yaml": "to-itself.yaml",
        "to-git.yaml": ".git/config.yaml",
        "dir.yaml": "dir",
        "linked": "dir",
        "away": str(outside / "dir"),
        "through.yaml": "away/y.yaml",
        "to-device.yaml": "/dev/zero",
        "note.txt": str(outside / "x.yaml"),
    }
    for name, target in links.items():
        os.symlink(target, root / name)
    assert told(scan_paths(root)) == {
        "real.yaml": ["real"],
        "dir/z.yaml": ["z"],
        "to-text.yaml": ["text"],
        "to-outside.yaml": "symbolic link leaves the tree",
        "to-outside-relative.yaml": "symbolic link leaves the tree",
        "through.yaml": "symbolic link leaves the tree",
        "to-device.yaml": "symbolic link leaves the tree",
        "to-git.yaml": "symbolic link leaves the tree",
        "to-nothing.yaml": "cannot be read: No such file or directory",
        "to-itself.yaml": "cannot be read: Too many levels of symbolic links",
    }
    assert told(scan_paths(root, exclude=("real.yaml",)))["to-real.yaml"] == ["real"]


def test_what_is_no_regular_file_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    write(tmp_path, {"large.yaml": pod("a") + b"#" * 500})
    monkeypatch.setattr(manifests, "MAX_READ_BYTES", 400)
    assert told(scan_paths(tmp_path)) == {"pipe.yaml": "is no regular file", "large.yaml": "has more than 400 bytes"}


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.yaml", "wb") as file:
        file.write(pod("a"))
    assert told(scan_paths(tmp_path)) == {"caf\\xe9.yaml": ["a"]}


def in_tree(repo: Repository, entries: list[tuple[str, str, str]]) -> str:
    """A tree of mode, object id and path, in any order."""
    index = {"GIT_INDEX_FILE": str(repo.git_dir / "index.links")}
    (repo.git_dir / "index.links").unlink(missing_ok=True)
    lines = "".join(f"{mode} {oid}\t{path}\n" for mode, oid, path in entries)
    repo.git("update-index", "--index-info", stdin=lines.encode(), env=index)
    return repo.git("write-tree", "--missing-ok", env=index)


@pytest.mark.tool("git")
def test_links_of_a_git_tree(tmp_path: Path) -> None:
    repo = Repository.create(tmp_path / "repo", bare=True)
    files = {"real.yaml": pod("real"), "text.txt": pod("text"), "dir/z.yaml": pod("z")}
    links = {
        "to-real.yaml": b"real.yaml",
        "dir/to-text.yaml": b"../text.txt",
        "dir/to-text-by-dots.yaml": b"./../dir/..//text.txt",
        "by-linked-dir.yaml": b"linked/to-text.yaml",
        "linked": b"dir",
        "dir.yaml": b"dir",
        "root.yaml": b".",
        "to-outside.yaml": b"../x.yaml",
        "dir/to-outside.yaml": b"../../repo/real.yaml",
        "to-absolute.yaml": b"/etc/x.yaml",
        "to-nothing.yaml": b"nothing.yaml",
        "below-a-file.yaml": b"real.yaml/x",
        "to-itself.yaml": b"to-itself.yaml",
        "into-sub.yaml": b"sub",
        "note.txt": b"/etc/passwd",
    }
    entries = [("100644", repo.write("blob", data), path) for path, data in files.items()]
    entries += [("120000", repo.write("blob", target), path) for path, target in links.items()]
    tree = in_tree(repo, [*entries, ("160000", "1" * 40, "sub")])
    expected = {
        "real.yaml": ["real"],
        "dir/z.yaml": ["z"],
        "dir/to-text.yaml": ["text"],
        "dir/to-text-by-dots.yaml": ["text"],
        "by-linked-dir.yaml": ["text"],
        "to-outside.yaml": "symbolic link leaves the tree",
        "dir/to-outside.yaml": "symbolic link leaves the tree",
        "to-absolute.yaml": "symbolic link leaves the tree",
        "to-nothing.yaml": "symbolic link leads to nothing in the tree",
        "below-a-file.yaml": "symbolic link leads to nothing in the tree",
        "to-itself.yaml": "symbolic link leads over more than 40 links",
        "into-sub.yaml": "symbolic link leads into a submodule",
        "sub": "submodule is not read",
    }
    with ObjectReader(GitRepository.discover(repo.path)) as reader:
        assert told(scan_tree(reader, tree)) == expected
        # a change of what a link leads to is a change of the link's file
        changed = scan_tree(reader, tree, only=frozenset(("text.txt", "sub")))
        by_text = {"dir/to-text.yaml", "dir/to-text-by-dots.yaml", "by-linked-dir.yaml"}
        assert set(changed.extractions) == by_text | {"sub", "into-sub.yaml"}
        assert told(scan_tree(reader, tree, only=frozenset(("to-outside.yaml",)))) == {
            "to-outside.yaml": "symbolic link leaves the tree"
        }
        for include, exclude, read in [
            (("**",), ("sub",), False), (("**",), ("sub/**",), False), (("dir/**",), (), False), (("**/*.yaml",), (), True),
            (("sub/**",), (), True),
        ]:  # fmt: skip
            assert ("sub" in scan_tree(reader, tree, include, exclude).extractions) is read


@pytest.mark.tool("git")
def test_a_missing_or_oversized_blob_is_a_problem_of_its_file(tmp_path: Path) -> None:
    repo = Repository.create(tmp_path / "repo", bare=True)
    good, large = repo.write("blob", pod("a")), repo.write("blob", pod("b") + b"#" * 4000)
    tree = in_tree(repo, [("100644", good, "a.yaml"), ("100644", large, "b.yaml"), ("100755", "2" * 40, "c.yaml"),
                          ("100644", good, "d.yaml")])  # fmt: skip
    with ObjectReader(GitRepository.discover(repo.path), max_bytes=1000) as reader:
        scan = scan_tree(reader, tree)
        assert [path for path, found in scan.extractions.items() if found.problems] == ["b.yaml", "c.yaml"]
        assert {problem.rule for found in scan.extractions.values() for problem in found.problems} == {"manifest-unreadable"}
        assert [use.path for use in scan.uses] == ["a.yaml", "d.yaml"]
        with pytest.raises(ObjectMissing):
            scan_tree(reader, "3" * 40)


KUSTOMIZED = {
    "app/kustomization.yaml": b"""resources: [a.yaml, ../base, plain, b.txt, gone.yaml]
bases: [../../out, ../vendor/v.yaml, ../vendor, ../linked, ../partly]
patches: [{path: a.yaml}, {path: p.txt}]
""",
    "app/a.yaml": pod("a"),
    "app/plain": pod("plain"),
    "app/b.txt": pod("b"),
    "app/p.txt": b"[]",
    "base/kustomization.yaml": b"resources: []",
    "vendor/v.yaml": pod("v"),
    "partly/kustomization.yaml": b"images: [{name: a}]",
}
LEFT = ["plain", "b.txt", "gone.yaml", "../../out", "../vendor/v.yaml", "../vendor", "../partly", "p.txt"]
"""What kustomize would read and nobody else, under `exclude`."""


def test_what_a_kustomization_reads_and_nobody_else_is_unresolved(tmp_path: Path) -> None:
    repo = Repository.create(tmp_path / "repo")
    write(repo.path, KUSTOMIZED)
    (repo.path / "linked").symlink_to("base")
    repo.git("add", "-A")
    tree = repo.git("write-tree")
    exclude = ["vendor/**", "partly/kustomization.yaml"]
    scanned = scan_paths(repo.path, exclude=exclude)
    assert [use.raw for use in scanned.extractions["app/kustomization.yaml"].uses] == LEFT
    assert {use.resolution for use in scanned.extractions["app/kustomization.yaml"].uses} == {"unresolved"}
    with ObjectReader(GitRepository.discover(repo.path)) as reader:
        assert scan_tree(reader, tree, exclude=exclude) == scanned
        everything = scan_tree(reader, tree)
    assert [use.raw for use in everything.extractions["app/kustomization.yaml"].uses] == [
        each for each in LEFT if each not in ("../vendor/v.yaml", "../vendor", "../partly")
    ]


def test_what_leads_elsewhere_than_before_is_read_again(tmp_path: Path) -> None:
    repo = Repository.create(tmp_path / "repo")
    write(repo.path, {"kustomization.yaml": b"resources: [d]", "one/x.txt": pod("one"), "two/x.txt": pod("two"), "d": pod("d")})
    (repo.path / "way").symlink_to("two")
    (repo.path / "link.yaml").symlink_to("way/x.txt")
    repo.git("add", "-A")
    tree = repo.git("write-tree")
    with ObjectReader(GitRepository.discover(repo.path)) as reader:
        # `way` led to `one`, `d` was a directory; the files that lead there did not change
        assert told(scan_tree(reader, tree, only=frozenset(("way",)))) == {"link.yaml": ["two"], "kustomization.yaml": ["d"]}
        assert told(scan_tree(reader, tree, only=frozenset(("d", "d/kustomization.yaml")))) == {"kustomization.yaml": ["d"]}
        assert told(scan_tree(reader, tree, only=frozenset(("one/x.txt",)))) == {}


@pytest.mark.tool("git")
def test_a_name_hides_no_other_that_is_shown_alike(tmp_path: Path) -> None:
    repo = Repository.create(tmp_path / "repo")
    for name in (b"\\xff.yaml", b"\xff.yaml"):
        (repo.path / os.fsdecode(name)).write_bytes(pod("evil"))
    repo.git("add", "-A")
    expected = {"\\xff.yaml": "two files have this name as it is shown, and one of them is not UTF-8"}
    assert told(scan_paths(repo.path)) == expected
    with ObjectReader(GitRepository.discover(repo.path)) as reader:
        assert told(scan_tree(reader, repo.git("write-tree"))) == expected
        # whoever compares two trees by these names does not see that one of the two changed
        assert told(scan_tree(reader, repo.git("write-tree"), only=frozenset())) == expected
    assert told(scan_paths(tmp_path / "repo", [Path("\udcff.yaml"), Path("\udcff.yaml")])) == {"\\xff.yaml": ["evil"]}


def test_a_stream_is_read_whatever_its_name() -> None:
    scan = scan_stream(pod("a") + b"---\n" + pod("b"))
    assert told(scan) == {"-": ["a", "b"]}
    assert scan.counts == {"files": 1, "references": 2}
    assert [use.path for use in scan_stream(pod("a"), "rendered").uses] == ["rendered"]
    assert scan_stream(b"nothing").counts == {"files": 0, "references": 0}
    large = pod("a") + b"#" * (6 << 20)
    assert told(scan_stream(large)) == {"-": ["a"]}


def test_progress_is_told(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    told_: list[int] = []
    scan_paths(tmp_path, progress=told_.append)
    assert told_ == [1, 2, 3, 4, 5, 6]
