"""The common options and the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from chainverify.cli import policies
from tests.cli.conftest import POLICY, Run, Scene, Small, layout
from tests.world.repository import Repository

JSON = ("--output-format", "json")


def test_directory_is_where_the_command_starts(run: Run, scene: Scene) -> None:
    """As with `git -C`: all paths are relative to it."""
    above = scene.path.parent
    assert run(above, "commits", "-C", "shop", "good").status == 0
    done = run(above, "images", "-C", "shop", "deploy/web.yaml", "--layout", "../images", "--offline", *JSON)
    assert (done.status, [each["path"] for each in done.report["images"]]) == (0, ["deploy/web.yaml"])
    done = run(above, "images", "-C", "shop/deploy", "web.yaml", "--list", *JSON)
    assert [each["path"] for each in done.report["images"]] == ["deploy/web.yaml"]
    done = run(scene.path / "deploy", "images", *layout(scene), *JSON)
    assert len(done.report["images"]) == 5
    assert run(above, "commits", "good", "--policy", ".chainverify/policy.toml", "-C", "shop").status == 0
    assert run(scene.path / "deploy", "commits", "good").status == 0


@pytest.mark.parametrize(("place", "expected"), [("nowhere", "nowhere: No such file"), ("a file", "Not a directory")])
def test_a_directory_that_is_none(run: Run, tmp_path: Path, place: str, expected: str) -> None:
    (tmp_path / "a file").write_text("")
    for verb in (("check",), ("init",), ("install",), ("policy", "check")):
        done = run(tmp_path, *verb, "-C", place)
        assert (done.status, done.out) == (2, "")
        assert expected in done.err
        assert "= help: give a repository's directory with -C" in done.err


def test_outside_of_a_repository(run: Run, tmp_path: Path) -> None:
    for verb in ("check", "commits", "messages", "images", "init", "install", "uninstall", "policy check"):
        done = run(tmp_path, *verb.split())
        assert (done.status, done.out) == (2, "")
        assert "not a git repository" in done.err
        assert "= help: run inside a repository, or give one with -C" in done.err


def test_the_policy_is_named_or_looked_for(run: Run, small: Small) -> None:
    small.repo.commit("SHOP-2: drop the policy", key=small.alice, remove=[".chainverify/policy.toml"])
    done = run(small.path, "commits")
    assert (done.status, done.out) == (2, "")
    assert "policy error: no policy at .chainverify/policy.toml" in done.err
    assert "= help: run chainverify init to write one, or name one with --policy" in done.err
    assert run(small.path, "commits", "--policy-ref", "HEAD~1").status == 0
    assert "no regular file .chainverify/policy.toml in HEAD" in run(small.path, "commits", "--policy-ref", "HEAD").err
    assert "no revision 'nope'" in run(small.path, "commits", "--policy-ref", "nope").err
    outside = small.path.parent / "policy.toml"
    outside.write_text(POLICY.format(key=small.alice.public))
    assert run(small.path, "commits", "--policy", "../policy.toml").status == 0
    assert run(small.path, "commits", CHAINVERIFY_POLICY=str(outside)).status == 0
    assert run(small.path, "commits", CHAINVERIFY_POLICY="").status == 2
    assert "no policy at" in run(small.path, "commits", "--policy", "../nope.toml", CHAINVERIFY_POLICY=str(outside)).err
    assert run(small.path, "commits", "--policy-ref", "HEAD~1", CHAINVERIFY_POLICY="/nowhere").status == 0
    done = run(small.path, "commits", "--policy", "../policy.toml", "--policy-ref", "HEAD~1")
    assert done.status == 2
    assert "--policy and --policy-ref exclude each other" in done.err


def test_a_bare_repository_is_judged_under_a_policy_of_its_history(run: Run, small: Small) -> None:
    bare = Repository.clone(small.path, small.path.parent / "bare.git", "--bare")
    assert "name a policy with --policy FILE or --policy-ref HEAD" in run(bare.path, "check").err
    done = run(bare.path, "check", "--policy-ref", "main", *JSON)
    assert (done.status, done.report["policy"]["trust"]) == (0, "self")
    Repository(bare.path).commit("SHOP-2: go on", {"a": "b"}, key=small.alice)
    done = run(bare.path, "check", "--policy-ref", "main~1", *JSON)
    assert (done.status, done.report["policy"]["trust"]) == (0, "base")


@pytest.mark.parametrize("verb", ["check", "commits", "messages"])
@pytest.mark.parametrize("reference", ["HEAD", "HEAD~1", "@{0}", "feature", "main"])
def test_a_commit_does_not_excuse_itself_by_the_policy_it_brings(run: Run, small: Small, verb: str, reference: str) -> None:
    """The branch brings a policy that asks nothing of its unsigned commits without tickets."""
    small.repo.git("checkout", "-q", "-b", "feature")
    excuse = "version = 1\n[commits]\n[messages]\nsubject-max = 999\n"
    first = small.repo.commit("excuses itself", {".chainverify/policy.toml": excuse})
    second = small.repo.commit("and this one", {"a": "b"})
    small.repo.commit("excused", {".chainverify/policy.toml": excuse.replace(
        "[messages]", f'exceptions = ["{first}", "{second}"]\n[messages]'
    )})
    done = run(small.path, verb, "main..HEAD", "--policy-ref", reference, *JSON, CI="true")
    if reference == "main":
        assert (done.status, done.report["policy"]["trust"]) == (1, "base")
    else:
        assert (done.status, done.out) == (2, "")
        assert "the policy comes from the tree that is judged" in done.err


@pytest.mark.parametrize("verb", ["check", "commits"])
def test_a_tag_does_not_stand_in_for_the_base(run: Run, small: Small, verb: str) -> None:
    """A tag that is called origin/main, with a policy of Mallory's, in a clone that fetched it."""
    small.repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
    small.repo.commit("SHOP-2: by Mallory", key=small.mallory)
    words = ("origin/main..HEAD", "--policy-ref", "origin/main")
    assert run(small.path, verb, *words, CI="true").status == 1
    theirs = {".chainverify/policy.toml": POLICY.format(key=small.mallory.public)}
    tip = small.repo.commit("SHOP-3: policy", theirs, key=small.mallory, parents=["refs/remotes/origin/main"], ref=None)
    small.repo.git("update-ref", "refs/tags/origin/main", tip)
    done = run(small.path, verb, *words, CI="true")
    assert (done.status, done.out) == (2, "")
    assert "'origin/main' may be refs/remotes/origin/main or refs/tags/origin/main" in done.err
    full = [word.replace("origin", "refs/remotes/origin") for word in words]
    assert run(small.path, verb, *full, CI="true").status == 1


@pytest.mark.parametrize("name", [*policies.CI_VARIABLES, "CI"])
def test_ci_systems_are_known_by_what_they_set(run: Run, small: Small, name: str) -> None:
    for value, status in (("true", 2), ("True", 2), ("1", 2), ("https://ci.example.org/", 2), ("false", 0), ("0", 0), ("", 0)):
        assert run(small.path, "commits", **{name: value}).status == status, value


@pytest.mark.parametrize("verb", ["check", "commits", "messages"])
def test_in_ci_the_judged_tree_is_not_its_own_judge(run: Run, small: Small, verb: str) -> None:
    done = run(small.path, verb, CI="true")
    assert (done.status, done.out) == (2, "")
    assert "the policy comes from the tree that is judged" in done.err
    assert "--policy-ref origin/main; or say that you accept it: --allow-self-policy" in done.err
    assert run(small.path, verb, "--policy", ".chainverify/policy.toml", CI="1").status == 2
    assert run(small.path, verb, "--allow-self-policy", CI="true").status == 0
    for spelling in ("HEAD", "main", "@{0}", "HEAD^0", small.repo.tip() or "", "HEAD^{tree}"):
        done = run(small.path, verb, "--policy-ref", spelling, CI="true")
        assert (done.status, done.out) == (2, ""), spelling
        assert "name a revision that RANGE leaves out" in done.err
    assert run(small.path, verb, "--policy-ref", "HEAD", "--allow-self-policy", CI="true").status == 0
    assert run(small.path, verb, "--policy-ref", "HEAD").status == 0
    assert run(small.path, verb, CI="false").status == 0
    small.policy(small.text.replace('emails = ["alice', 'observed = true\nemails = ["alice'))
    done = run(small.path, verb, "--allow-self-policy", CI="true")
    assert done.status == 2
    assert "signers[0]: Alice Example is marked observed = true" in done.err
    assert run(small.path, verb).status == 0


def test_output_format_from_the_environment(run: Run, small: Small) -> None:
    assert run(small.path, "commits", CHAINVERIFY_OUTPUT_FORMAT="json").report["verdict"] == "pass"
    done = run(small.path, "commits", "--output-format", "text", CHAINVERIFY_OUTPUT_FORMAT="json")
    assert done.out.splitlines()[-1].startswith("passed: 1 commit checked: 1 good [policy ")
    done = run(small.path, "commits", CHAINVERIFY_OUTPUT_FORMAT="xml")
    assert (done.status, done.out) == (2, "")
    assert "'xml' is not one of 'text', 'json'" in done.err


def test_quiet_and_verbose(run: Run, scene: Scene) -> None:
    assert run(scene.path, "commits", "good", "-q").out == ""
    assert run(scene.path, "commits", "good", "-q", *JSON).report["verdict"] == "pass"
    assert "commit-unsigned" in run(scene.path, "commits", "-q").out
    assert "good: good" not in run(scene.path, "commits", "good").out
    assert run(scene.path, "commits", "good", "-v").out.count("good: good ") == 2


@pytest.mark.parametrize("value", ["1", "2", "7"])
def test_jobs_change_nothing(run: Run, scene: Scene, value: str) -> None:
    assert run(scene.path, "check", "good", "--jobs", value, *layout(scene), *JSON).out == run(
        scene.path, "check", "good", *layout(scene), *JSON
    ).out


@pytest.mark.parametrize(
    ("words", "environment", "coloured"),
    [
        ((), {}, False),
        (("--color", "always"), {}, True),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
        ((), {"FORCE_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ((), {"FORCE_COLOR": "", "NO_COLOR": ""}, False),
    ],
)
def test_colours_off_a_terminal(
    run: Run, scene: Scene, words: tuple[str, ...], environment: dict[str, str], coloured: bool
) -> None:
    assert ("\x1b[" in run(scene.path, "commits", *words, **environment).out) == coloured
    assert ("\x1b[" in run(scene.path, "commits", "nope", *words, **environment).err) == coloured
    assert "\x1b" not in run(scene.path, "commits", *JSON, *words, **environment).out
    if not words:
        assert ("\x1b[" in run(scene.path, "rule", **environment).out) == coloured


def test_the_cache_is_kept_only_where_it_is_asked_for(small: Small, run: Run) -> None:
    arguments = ("commits", "--allow-self-policy", "--output-format", "json", "--jobs", "1")
    cold = run(small.path, *arguments)
    kept = Path.home() / ".cache" / "chainverify"
    assert not kept.exists()
    for verb in ("commits", "check"):
        assert run(small.path, verb, *arguments[1:], "--cache").status == run(small.path, verb, *arguments[1:]).status
        assert len(list(kept.iterdir())) == 1
    assert run(small.path, *arguments, CHAINVERIFY_CACHE="1").out == cold.out
    [file] = kept.iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    damaged = run(small.path, *arguments, "--cache")
    assert (damaged.out, damaged.err) == (cold.out, "")
    file.write_bytes(file.read_bytes()[:-1])
    told = run(small.path, *arguments, "--cache", "--verbose")
    assert told.out == cold.out
    assert "the cache of facts is not used, everything is verified again: it was changed" in told.err
