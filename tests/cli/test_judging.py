"""check, commits, messages and images on real repositories: ranges, sources, exit statuses, records."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from chainverify._version import __version__
from chainverify.rules.table import RULES
from tests.cli.conftest import Run, Scene, Small, checked
from tests.world.gpg import GpgHome
from tests.world.repository import BOB, Repository

JSON = ("--output-format", "json")
BAD = ["commit-unsigned", "signer-unknown", "identity-mismatch", "signature-bad"]
BAD_IMAGES = ["image-not-pinned", "image-signer-not-trusted", "image-unsigned"]
LAYOUT = ("--layout", "../images", "--offline")

# --- commits


@pytest.mark.parametrize(
    ("words", "status", "count", "rules"),
    [
        ((), 1, 7, BAD),
        (("good",), 0, 2, []),
        (("--ref", "good"), 0, 2, []),
        (("--ref", "refs/heads/good"), 0, 2, []),
        (("--ref", "HEAD"), 1, 7, BAD),
        (("good..HEAD",), 1, 5, BAD),
        (("good..",), 1, 5, BAD),
        (("good..main~3",), 1, 2, BAD[:2]),
        (("HEAD~1..HEAD",), 0, 1, []),
        (("HEAD^!",), 0, 1, []),
        (("^good", "main"), 1, 5, BAD),
        (("^good main",), 1, 5, BAD),
        (("good...main",), 1, 5, BAD),
        (("good~1..good", "main~1..main"), 0, 1, []),
        (("good", "--ref", "main"), 1, 7, BAD),
        (("--all",), 1, 7, BAD),
        (("--all", "--jobs", "1", "--no-progress"), 1, 7, BAD),
    ],
)
def test_commits_of_a_range(run: Run, scene: Scene, words: tuple[str, ...], status: int, count: int, rules: list[str]) -> None:
    done = run(scene.path, "commits", *words, *JSON)
    assert (done.status, done.err) == (status, "")
    assert done.report["subjects"] == {"commits": count, "tags": 0, "messages": 0, "images": 0, "refs": 0, "files": 0}
    assert done.rules() == [(rule, "fail") for rule in rules]
    assert done.report["counts"]["pass"] == count - len(rules)
    assert "images" not in done.report


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("nope",), "no revision 'nope'"),
        (("good..nope",), "no revision 'nope'"),
        (("^good",), "no tip in ^good"),
        (("--ref", "nope"), "no ref 'nope'"),
        (("--ref", "main~1"), "no ref 'main~1'"),
        (("HEAD:deploy",), "is not a commit"),
        (("",), "not a revision: ''"),
        (("--", "--exec=touch x"), "no revision '--exec=touch x'"),
    ],
)
def test_what_is_no_range_is_exit_2(run: Run, scene: Scene, words: tuple[str, ...], expected: str) -> None:
    done = run(scene.path, "commits", *words)
    assert (done.status, done.out) == (2, "")
    assert expected in done.err


def test_a_tag_does_not_stand_in_for_the_branch_of_its_name(run: Run, small: Small) -> None:
    good = small.repo.tip()
    small.repo.commit("SHOP-2: not signed")
    small.repo.git("update-ref", "refs/tags/main", str(good))
    done = run(small.path, "commits", "--ref", "main")
    assert done.status == 2
    assert "'main' may be refs/heads/main or refs/tags/main" in done.err
    assert run(small.path, "commits", "--ref", "refs/heads/main").status == 1
    assert run(small.path, "commits", "--ref", "refs/tags/main").status == 0


def test_all_means_every_branch_and_a_detached_head(run: Run, small: Small) -> None:
    assert run(small.path, "commits", "--all").status == 0
    small.repo.git("checkout", "-q", "--detach")
    small.repo.commit("SHOP-2: not signed")
    assert run(small.path, "commits", "--all").status == 1
    small.repo.git("checkout", "-q", "main")
    assert run(small.path, "commits", "--all").status == 0
    small.repo.commit("SHOP-3: not signed", ref="refs/heads/other", parents=[str(small.repo.tip())])
    assert run(small.path, "commits").status == 0
    assert run(small.path, "commits", "--all").status == 1


def test_tags_are_verified_beside_commits(run: Run, small: Small) -> None:
    small.repo.tag("v1", key=small.alice)
    done = run(small.path, "commits", "--tags", *JSON)
    assert done.status == 0
    assert done.report["subjects"]["tags"] == 1
    assert done.report["findings"][-1]["subject"]["kind"] == "tag"
    small.repo.tag("v2")
    small.repo.git("tag", "v3")
    for verb in ("commits", "check"):
        done = run(small.path, verb, "--tags", "HEAD", *JSON)
        assert done.status == 1
        assert done.rules() == [("tag-unsigned", "fail")] * 2
        assert done.report["subjects"]["tags"] == 3
        assert run(small.path, verb).status == 0


def test_a_tag_is_made_again_by_the_command_of_its_hint(run: Run, small: Small, tmp_path: Path) -> None:
    """With real git: the tags stay on their commits, and the forge's copies are replaced."""
    repo = small.repo
    first = repo.tip()
    good = repo.tag("good", key=small.alice)
    repo.tag("unsigned")
    repo.git("tag", "light")
    repo.update("refs/tags/bad", repo.write("tag", repo.read(good).replace(b"tag good", b"tag bad")))
    repo.commit("SHOP-2: more", {"b": "1"}, key=small.alice)
    forge = Repository.create(tmp_path / "forge", bare=True)
    repo.git("remote", "add", "origin", str(forge.path))
    repo.git("push", "-q", "origin", "main", "--tags")
    done = run(small.path, "commits", "--tags", *JSON)
    assert sorted(done.rules()) == [("signature-bad", "fail"), ("tag-unsigned", "fail"), ("tag-unsigned", "fail")]
    repo.configure(user__name="Alice Example", user__email="alice@example.org", gpg__format="ssh",
                   user__signingKey=str(small.alice.path))  # fmt: skip
    for each in done.report["findings"]:
        if each["status"] == "fail":
            make, push = (shlex.split(part) for part in each["hint"].split("make it again: ")[1].split(", then "))
            repo.git(*make[1:], "-m", "again")
            repo.git(*push[1:])
    assert run(small.path, "commits", "--tags", *JSON).status == 0
    for name in ("bad", "light", "unsigned"):
        assert repo.tip(f"refs/tags/{name}") == first
        assert forge.git("rev-parse", f"refs/tags/{name}") == repo.git("rev-parse", f"refs/tags/{name}")


def test_an_exception_does_not_excuse_a_lightweight_tag(run: Run, small: Small) -> None:
    """Anybody who can push could call an excused commit, which nobody vouches for, the newest release."""
    old = small.repo.commit("SHOP-2: not signed", {"b": "1"})
    small.repo.git("tag", "v9")
    small.repo.tag("v8")
    small.policy(small.text.replace("[commits]", f'[commits]\nexceptions = ["{old}"]'))
    done = run(small.path, "commits", "--tags")
    assert done.status == 1
    assert "excuses that commit and no name for it" in done.out
    assert run(small.path, "commits", "--tags", *JSON).rules() == [
        ("verified", "skip"), ("tag-unsigned", "fail"), ("tag-unsigned", "fail"),
    ]
    # an annotated tag has an id of its own, which can be excused
    tag = small.repo.git("rev-parse", "refs/tags/v8")
    small.policy(small.text.replace(old, f'{old}", "{tag}'))
    found = run(small.path, "commits", "--tags", *JSON).rules()
    assert sorted(found) == [("tag-unsigned", "fail"), ("verified", "skip"), ("verified", "skip")]
    small.policy(small.text + '[rules]\ntag-unsigned = "advise"\n')
    assert run(small.path, "commits", "--tags").status == 0


def test_the_introduction_leaves_out_what_was_before(run: Run, small: Small) -> None:
    first = small.repo.tip()
    small.repo.commit("SHOP-2: not signed")
    anchor = small.repo.commit("SHOP-3: signed", key=small.alice)
    small.repo.commit("SHOP-4: signed", key=small.alice)
    small.policy(small.text.replace("[commits]", f'[commits]\nintroduction = "{anchor}"'))
    done = run(small.path, "commits", *JSON)
    assert (done.status, done.report["subjects"]["commits"]) == (0, 1)
    small.repo.git("checkout", "-q", "--detach", str(first))
    small.repo.commit("SHOP-5: aside", key=small.alice)
    small.policy(small.text.replace("[commits]", f'[commits]\nintroduction = "{anchor}"'))
    assert run(small.path, "commits", *JSON).rules() == [("history-not-anchored", "fail")]


# --- messages


@pytest.mark.parametrize(
    ("words", "status", "count"), [((), 1, 7), (("good",), 0, 2), (("good..HEAD~3",), 1, 2), (("HEAD^!",), 0, 1)]
)
def test_messages_of_a_range(run: Run, scene: Scene, words: tuple[str, ...], status: int, count: int) -> None:
    done = run(scene.path, "messages", *words, *JSON)
    assert (done.status, done.err) == (status, "")
    assert done.report["subjects"]["messages"] == count
    assert done.rules() == [("message-ticket", "fail")] * status


def test_messages_from_a_file_and_from_standard_input(run: Run, small: Small) -> None:
    (small.path / "good.txt").write_text("SHOP-1: add it\n")
    (small.path / "bad.txt").write_text("add it\n# SHOP-1: a comment is no subject\n")
    assert run(small.path, "messages", "--file", "good.txt").status == 0
    bad = run(small.path, "messages", "--file", "bad.txt", *JSON)
    assert (bad.status, bad.rules()) == (1, [("message-ticket", "fail")])
    assert bad.report["findings"][0]["subject"] == {"kind": "message", "id": "bad.txt"}
    assert bad.report["findings"][0]["location"]["line"] == 1
    for words in (("-",), ("--file", "-")):
        assert run(small.path, "messages", *words, stdin=b"SHOP-2: it\n").status == 0
        done = run(small.path, "messages", *words, *JSON, stdin=b"it\n")
        assert (done.status, done.report["findings"][0]["subject"]["id"]) == (1, "stdin")
    assert "cannot read nope: No such file" in run(small.path, "messages", "--file", "nope").err
    assert "exclude each other" in run(small.path, "messages", "--file", "good.txt", "HEAD").err
    assert run(small.path, "messages", "-", stdin=b"SHOP-2: \xff\xfe\n").status == 1
    assert run(small.path, "messages", "-", stdin=b"").status == 1
    done = run(small.path, "messages", "-", stdin=b"x" * (16 << 20) + b"x")
    assert (done.status, done.out) == (2, "")
    assert "has more than 16777216 bytes" in done.err


# --- images


@pytest.mark.parametrize(
    ("words", "status", "count", "rules"),
    [
        ((), 1, 5, BAD_IMAGES),
        (("--rev", "HEAD"), 1, 5, BAD_IMAGES),
        (("--rev", "good"), 0, 2, []),
        (("--since", "good"), 1, 3, BAD_IMAGES),
        (("--rev", "good", "--since", "good~1"), 0, 1, []),
        (("deploy/web.yaml",), 0, 1, []),
        (("deploy/web.yaml", "deploy/search.yaml"), 0, 2, []),
        (("deploy",), 1, 5, BAD_IMAGES),
    ],
)
def test_images_of_a_tree(run: Run, scene: Scene, words: tuple[str, ...], status: int, count: int, rules: list[str]) -> None:
    done = run(scene.path, "images", *words, *LAYOUT, *JSON)
    assert (done.status, done.err) == (status, "")
    assert done.rules() == [(rule, "fail") for rule in rules]
    assert done.report["subjects"]["images"] == len(done.report["images"]) == count
    places = {"pass": set(), "fail": set()}
    for each in done.report["findings"]:
        places[each["status"]].add((each["location"]["path"], each["location"]["line"]))
    assert not places["pass"] & places["fail"]  # signed, but not pinned: no subject that passed
    good = [each for each in done.report["findings"] if each["status"] == "pass"]
    assert len(good) == count - len(rules)
    assert all(each["evidence"]["key"] == "keys/cosign.pub" and each["evidence"]["method"] == "key" for each in good)
    assert all(each["subject"]["id"] == each["evidence"]["canonical"] for each in done.report["findings"])


def test_since_asks_nothing_about_what_ran_before_wherever_it_stands_now(run: Run, small: Small) -> None:
    def pod(*names: str) -> str:
        return POD.partition("  - image")[0] + "".join(f"  - image: registry.example.test/{name}:1\n" for name in names)

    small.policy(f"version = 1\n{UNSIGNED_IMAGE}\n[rules]\nimage-not-pinned = 'advise'\n")
    policy = {".chainverify/policy.toml": small.text}
    small.repo.commit("SHOP-2: one", {**policy, "pod.yaml": pod("old")})
    small.repo.commit("SHOP-3: two", {"pod.yaml": pod("new", "old"), "moved.yaml": pod("old")})
    done = run(small.path, "images", "--since", "HEAD~1", *JSON)
    assert [each["canonical"] for each in done.report["images"]] == ["registry.example.test/new:1"]
    assert {each["subject"]["id"] for each in done.report["findings"]} == {"registry.example.test/new:1"}
    assert len(run(small.path, "images", "--rev", "HEAD", *JSON).report["images"]) == 3
    assert run(small.path, "images", "--since", "HEAD", *JSON).status == 3


def test_images_of_a_rendered_stream(run: Run, scene: Scene) -> None:
    stream = (scene.path / "deploy" / "web.yaml").read_bytes()
    done = run(scene.path, "images", "-", *LAYOUT, *JSON, stdin=stream)
    assert done.status == 0
    assert [(each["path"], each["line"], each["column"]) for each in done.report["images"]] == [("-", 10, 18)]
    assert run(scene.path, "images", "-", *LAYOUT, stdin=b"").status == 3


def test_images_are_listed_without_a_policy_and_without_a_repository(run: Run, scene: Scene, tmp_path: Path) -> None:
    listed = run(scene.path, "images", "--list")
    assert listed.status == 0
    assert len(listed.out.splitlines()) == 6
    assert listed.out.splitlines()[-1].startswith("5 references in 5 manifest files: 5 resolved, 0 unresolved")
    manifest = 'apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: "$(APP)"\n'
    (tmp_path / "pod.yaml").write_text(manifest)
    done = run(tmp_path, "images", "--list", *JSON)
    assert (done.status, done.report["policy"]) == (3, None)
    assert done.rules() == [("image-unresolved", "unknown")]
    (record,) = done.report["images"]
    assert (record["resolution"], record["canonical"], record["raw"]) == ("unresolved", None, "$(APP)")
    assert record["reason"]
    assert "1 reference in 1 manifest file: 0 resolved, 1 unresolved" in run(tmp_path, "images", "--list", "pod.yaml").out
    assert run(tmp_path, "images", "--list", "-", stdin=manifest.encode()).status == 3
    assert "not a git repository" in run(tmp_path, "images").err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("deploy", "--rev", "HEAD"), "PATH reads the working tree"),
        (("-", "--rev", "HEAD"), "- reads a stream"),
        (("-", "deploy"), "- reads a stream: it goes with no other PATH"),
        (("--list", "--since", "HEAD"), "--list shows a whole tree"),
        (("--rev", "nope"), "no revision 'nope'"),
        (("--since", "nope"), "no revision 'nope'"),
        (("--since", "HEAD:deploy"), "'HEAD:deploy' is not a commit"),
        (("nowhere/",), "nowhere"),
        (("--layout", "nowhere"), "nowhere"),
        (("--layout", "deploy"), "oci-layout"),
    ],
)
def test_images_that_cannot_be_asked_for(run: Run, scene: Scene, words: tuple[str, ...], expected: str) -> None:
    done = run(scene.path, "images", *words)
    assert done.status == (3 if words == ("--layout", "deploy") else 2)
    assert done.out == ""
    assert expected in done.err


def test_offline_names_the_image_that_no_layout_has(run: Run, scene: Scene) -> None:
    stream = b"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: registry.example.test/no@sha256:" + b"0" * 64 + b"\n"
    done = run(scene.path, "images", "-", *LAYOUT, stdin=stream)
    assert done.status == 3
    assert "is in no layout, and no registry is asked offline" in done.out
    assert "= help: add it: cosign save --dir DIR IMAGE; or run without --offline" in done.out


# --- check


@pytest.mark.parametrize(
    ("words", "status", "subjects", "rules"),
    [
        ((), 1, (7, 7, 5), [*BAD, "message-ticket", *BAD_IMAGES]),
        (("good",), 0, (2, 2, 2), []),
        (("good~1..good",), 0, (1, 1, 1), []),
        (("good~1...good",), 0, (1, 1, 1), []),
        (("good^!",), 0, (1, 1, 1), []),
        (("^good~1", "good"), 0, (1, 1, 1), []),
        (("^good~1 good",), 0, (1, 1, 1), []),
        (("main~1..main",), 1, (1, 1, 3), BAD_IMAGES),
        (("good...main",), 1, (5, 5, 3), [*BAD, "message-ticket", *BAD_IMAGES]),
        (("good", "main~1..main"), 1, None, BAD_IMAGES),
    ],
)
def test_check_is_everything_of_the_range(
    run: Run, scene: Scene, words: tuple[str, ...], status: int, subjects: tuple[int, int, int] | None, rules: list[str]
) -> None:
    done = run(scene.path, "check", *words, *LAYOUT, *JSON)
    assert (done.status, done.err) == (status, "")
    assert done.rules() == [(rule, "fail") for rule in rules]
    if subjects is not None:
        counted = done.report["subjects"]
        assert (counted["commits"], counted["messages"], counted["images"]) == subjects
        assert len(done.report["images"]) == subjects[2]


def test_check_judges_the_images_of_the_named_tip_not_of_head(run: Run, scene: Scene, small: Small) -> None:
    """A range that names another branch must not be answered with what is checked out."""
    scene.repo.git("checkout", "-q", "good")
    try:
        for words in (("^good", "main"), ("good...main",), ("main",), ("main^!",), ("good..main",)):
            done = run(scene.path, "check", *words, *LAYOUT, *JSON)
            assert ("image-unsigned", "fail") in done.rules(), words
    finally:
        scene.repo.git("checkout", "-q", "main")


# --- exit statuses


ALL_OFF = "\n[rules]\n" + "".join(f'{rule} = "off"\n' for rule in ("commit-unsigned", "message-ticket"))
UNSIGNED_IMAGE = '[images]\n[[images.trust]]\nmatch = "registry.example.test/**"\nunsafe-unsigned = "a test"\n'
POD = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: registry.example.test/app@sha256:" + "0" * 64 + "\n"
KEYED = '[images]\n[[images.trust]]\nmatch = "**"\nkeys = ["cosign.pub"]\n'


def test_nothing_to_check_is_3(run: Run, small: Small) -> None:
    for verb in ("commits", "messages", "check"):
        done = run(small.path, verb, "HEAD..HEAD", *JSON)
        assert (done.status, done.report["verdict"], done.report["findings"]) == (3, "unknown", []), verb
        assert "nothing to check: the range holds no commits; name another RANGE" in run(small.path, verb, "HEAD..HEAD").out
        assert run(small.path, verb, "HEAD..HEAD", "-q").out != ""
    small.policy(f"version = 1\n{UNSIGNED_IMAGE}")
    for verb in ("images", "check"):
        done = run(small.path, verb)
        assert done.status == 3
        assert "no image references were found; chainverify images --list" in done.out
    small.policy("version = 1\n")
    done = run(small.path, "check")
    assert done.status == 3
    assert "nothing to check: the policy asks for nothing: give it [commits], [messages] or [images]" in done.out


def test_a_branch_without_commits_is_3(run: Run, small: Small) -> None:
    small.repo.git("symbolic-ref", "HEAD", "refs/heads/unborn")
    for words in (("commits",), ("messages",), ("check",)):
        done = run(small.path, *words)
        assert (done.status, "there are no commits yet" in done.out) == (3, True), words


def test_a_past_that_is_excused_leaves_nothing_to_check(run: Run, small: Small) -> None:
    head = small.repo.tip() or ""
    small.policy(small.text.replace("[commits]\n", f'[commits]\nintroduction = "{head}"\n'))
    done = run(small.path, "commits")
    assert done.status == 3
    assert f"no commits after the introduction {head[:12]}; the next commit is the first to be judged" in done.out


def test_nothing_but_skipped_subjects_is_3(run: Run, small: Small) -> None:
    oid = small.repo.commit("no ticket", {"pod.yaml": POD})
    small.policy(small.text + ALL_OFF)
    for verb in ("commits", "messages"):
        done = run(small.path, verb, "HEAD^!", *JSON)
        assert (done.status, done.report["verdict"]) == (3, "unknown")
        assert done.report["counts"] == {"pass": 0, "fail": 0, "unknown": 0, "skip": 1}
        assert done.report["findings"][0]["waived"]
    small.policy(f"version = 1\n{UNSIGNED_IMAGE}")
    done = run(small.path, "images", *JSON)
    assert (done.status, done.report["counts"]["skip"]) == (3, 1)
    small.policy(f'version = 1\n[commits]\nexceptions = ["{oid}"]\n')
    assert run(small.path, "commits", "HEAD^!", *JSON).rules() == [("verified", "skip")]
    assert run(small.path, "commits", "HEAD^!").status == 3


def test_a_skip_beside_a_pass_is_0_and_advice_changes_nothing(run: Run, small: Small) -> None:
    oid = small.repo.commit("SHOP-2: not signed")
    text = small.text
    small.policy(text.replace("[commits]", f'[commits]\nexceptions = ["{oid}"]'))
    assert run(small.path, "commits").status == 0
    small.policy(text + '\n[rules]\ncommit-unsigned = "advise"\n')
    done = run(small.path, "commits", *JSON)
    assert (done.status, done.report["verdict"]) == (0, "pass")
    assert [(each["rule"], each["level"]) for each in done.report["findings"]][1] == ("commit-unsigned", "warning")
    assert "warning[commit-unsigned]" in run(small.path, "commits").out


def test_2_before_1_before_3(run: Run, small: Small, scene: Scene) -> None:
    (small.path / ".chainverify" / "cosign.pub").write_text(scene.demo.fixtures["keys"]["p256"])
    text = small.text
    small.policy(text + KEYED)
    small.repo.commit("SHOP-2: run it", {"pod.yaml": POD}, key=small.alice)
    small.policy(text + KEYED)
    (small.path / ".chainverify" / "cosign.pub").write_text(scene.demo.fixtures["keys"]["p256"])
    undecided = run(small.path, "check", "--offline", *JSON)
    assert (undecided.status, undecided.report["verdict"]) == (3, "unknown")
    assert undecided.rules() == [("image-unavailable", "unknown")]
    small.repo.commit("SHOP-3: not signed")
    small.policy(text + KEYED)
    (small.path / ".chainverify" / "cosign.pub").write_text(scene.demo.fixtures["keys"]["p256"])
    wrong = run(small.path, "check", "--offline", *JSON)
    assert (wrong.status, wrong.report["verdict"]) == (1, "fail")
    assert {rule for rule, _ in wrong.rules()} == {"commit-unsigned", "image-unavailable"}
    (small.path / ".chainverify" / "cosign.pub").write_text("not a key\n")
    broken = run(small.path, "check", "--offline", *JSON)
    assert (broken.status, broken.out) == (2, "")
    assert "policy error: .chainverify/policy.toml" in broken.err
    assert "cosign.pub" in broken.err


# --- records


def test_the_report_names_tool_policy_and_rules(run: Run, scene: Scene, tmp_path: Path) -> None:
    outside = tmp_path / "policy.toml"
    outside.write_text((scene.path / ".chainverify" / "policy.toml").read_text())
    (tmp_path / "keys").mkdir()
    for key in (scene.path / ".chainverify" / "keys").iterdir():
        (tmp_path / "keys" / key.name).write_bytes(key.read_bytes())
    link = tmp_path / "link.toml"
    link.symlink_to(scene.path / ".chainverify" / "policy.toml")
    for words, source, trust in [
        ((), ".chainverify/policy.toml", "self"),
        (("--policy", ".chainverify/policy.toml"), None, "self"),
        (("--policy", str(link)), str(link), "self"),
        (("--policy", str(outside)), str(outside), "external"),
        (("--policy-ref", "good~1"), "good~1:.chainverify/policy.toml", "base"),
    ]:
        done = run(scene.path, "check", *words, *LAYOUT, *JSON)
        assert done.status == 1
        assert done.report["tool"] == {"name": "chainverify", "version": __version__}
        assert done.report["policy"]["trust"] == trust
        if source:
            assert done.report["policy"]["source"] == source
        assert {each["rule"] for each in done.report["findings"]} <= RULES.keys()
        note = "note: the policy comes from the judged tree (trust self)"
        assert (note in run(scene.path, "check", "good", *words, *LAYOUT).out) == (trust == "self")


def test_images_are_recorded_by_images_and_check_alone(run: Run, scene: Scene) -> None:
    assert "images" not in run(scene.path, "commits", *JSON).report
    assert "images" not in run(scene.path, "messages", *JSON).report
    assert len(run(scene.path, "images", "--list", *JSON).report["images"]) == 5
    assert run(scene.path, "check", "HEAD..HEAD", *LAYOUT, *JSON).report["images"] == []


def test_evidence_of_a_failed_commit_says_what_was_found(run: Run, scene: Scene) -> None:
    found = {each["rule"]: each["evidence"] for each in run(scene.path, "commits", *JSON).report["findings"]}
    assert found["signature-bad"]["code"] == "BAD"
    assert found["identity-mismatch"]["signer"] == "Bob Example"
    assert found["identity-mismatch"]["format"] == "openpgp"
    assert found["signer-unknown"]["code"]


def test_evidence_of_a_failed_image_says_what_was_tried(run: Run, scene: Scene) -> None:
    report = run(scene.path, "images", *LAYOUT, *JSON).report
    for each in report["findings"]:
        if each["rule"] in ("image-signer-not-trusted", "image-unsigned"):
            assert each["evidence"]["candidates"]
            assert all(tried["expected"] and tried["got"] for tried in each["evidence"]["candidates"])


def test_a_report_is_ascii_and_text_holds_no_control_character(run: Run, small: Small) -> None:
    small.repo.commit("SHOP-2: \x1b[2J\u202e evil \x07 ünïcode", key=small.mallory)
    done = run(small.path, "check", *JSON)
    assert done.status == 1
    assert done.out.isascii()
    text = run(small.path, "check", "-v").out
    assert not any(c in text for c in "\x1b\x07\u202e")
    assert "\\x1b[2J\\u202e evil \\x07 ünïcode" in text


def test_a_report_in_a_file(run: Run, scene: Scene, tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    done = run(scene.path, "commits", *JSON, "--output", str(target))
    assert (done.status, done.out, done.err) == (1, "", "")
    assert checked(target.read_text())["verdict"] == "fail"
    run(scene.path, "commits", "good", "--output", str(target), "-v")
    assert "passed: 2 commits checked: 2 good" in target.read_text()
    assert "\x1b" not in target.read_text()
    done = run(scene.path, "commits", "good", "--output", str(tmp_path / "no" / "where"))
    assert done.status == 2
    assert f"cannot write {tmp_path}/no/where: No such file or directory" in done.err
    assert json.loads(run(scene.path, "policy", "show", *JSON).out)


def test_a_sha256_repository(run: Run, tmp_path: Path, small: Small) -> None:
    repo = type(small.repo).create(tmp_path / "sha256", algorithm="sha256")
    repo.commit("SHOP-1: begin", {".chainverify/policy.toml": small.text}, key=small.alice)
    good = run(repo.path, "check", *JSON)
    assert (good.status, good.report["counts"]["pass"]) == (0, 2)
    assert {len(each["subject"]["id"]) for each in good.report["findings"]} == {64}
    repo.commit("SHOP-2: not signed")
    assert run(repo.path, "check", *JSON).rules() == [("commit-unsigned", "fail")]


def test_a_linked_worktree(run: Run, small: Small) -> None:
    small.repo.git("worktree", "add", "-q", "-b", "side", "../linked")
    linked = small.path.parent / "linked"
    small.repo.commit("SHOP-2: not signed")
    assert run(linked, "check").status == 0
    assert run(small.path, "check").status == 1
    assert run(small.path, "check", "-C", "../linked").status == 0


def test_a_second_opinion_is_asked_and_told(run: Run, tmp_path: Path) -> None:
    with GpgHome.create() as gpg:
        key = gpg.key("Bob Example <bob@example.org>")
        repo = Repository.create(tmp_path / "r")
        (tmp_path / "bob.asc").write_bytes(gpg.export(key))
        policy = tmp_path / "policy.toml"
        policy.write_text(
            'version = 1\n[commits]\n[[signers]]\nname = "Bob Example"\nemails = "bob@example.org"\nopenpgp = "bob.asc"\n'
        )
        repo.commit("one", {"a": "1"}, key=key, author=BOB)
        repo.tag("v1", key=key, tagger=BOB)
        words = ("commits", "--tags", "--policy", str(policy), "--second-opinion", "gnupg", "--output-format", "json")
        done = run(repo.path, *words)
        assert done.status == 0
        assert [each["evidence"]["notes"][-1] for each in done.report["findings"]] == ["second-opinion:gnupg"] * 2
        only_git = tmp_path / "bin"
        only_git.mkdir()
        (only_git / "git").symlink_to(shutil.which("git") or "")
        done = run(repo.path, *words, PATH=str(only_git))
        assert done.status == 3
        assert "gpg is not installed" in done.err
        assert run(repo.path, "commits", "--second-opinion", "sq").status == 2
