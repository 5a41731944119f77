"""Bad input, issue by issue: a finding or an error that names the place and the remedy, the right exit status, no traceback."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Run, Scene, Small, layout
from tests.world.images import Signer, Store
from tests.world.registry import LoopbackRegistry, endless, status, truncated
from tests.world.repository import Repository

JSON = ("--output-format", "json")


def damage_identity(raw: bytes) -> bytes:
    return raw.replace(b"committer Alice Example <alice@example.org>", b"committer Alice Example alice@example.org")


@pytest.mark.parametrize(
    "damage",
    [
        damage_identity,
        lambda raw: raw.replace(b"\nauthor ", b"\nauthor\x00 "),
        lambda raw: raw.replace(b"tree ", b"trie ", 1),
        lambda raw: raw[:60],
        lambda raw: b"",
        lambda raw: raw.replace(b"\ncommitter", b"\nparent " + b"0" * 40 + b"\ncommitter"),
    ],
)
def test_a_malformed_commit(run: Run, small: Small, damage: object) -> None:
    oid = small.repo.commit("SHOP-2: damaged", key=small.alice, ref=None, parents=[str(small.repo.tip())])
    bad = small.repo.write("commit", damage(small.repo.read(oid)))  # type: ignore[operator]
    for verb in ("commits", "check"):
        done = run(small.path, verb, bad, *JSON)
        assert done.status == 1, done
        assert ("commit-malformed", "fail") in done.rules()
        assert bad in {each["subject"]["id"] for each in done.report["findings"] if each["rule"] == "commit-malformed"}
        text = run(small.path, verb, bad).out
        assert "commit-malformed: " in text
        assert f"--> commit {bad[:12]}" in text
        assert "= help: " in text


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"tree", b"-----BEGIN PGP SIGNATURE-----\n"])
def test_a_malformed_signature(run: Run, small: Small, data: bytes) -> None:
    from tests.world.repository import signed_commit

    tip = small.repo.tip()
    plain = small.repo.read(small.repo.commit("SHOP-2: it", ref=None, parents=[str(tip)]))
    bad = small.repo.write("commit", signed_commit(plain, data))
    done = run(small.path, "commits", bad, *JSON)
    assert done.status == 1
    assert len(done.rules()) == 1
    assert "= help: " in run(small.path, "commits", bad).out


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda text: text.replace('ssh = ["ssh-ed25519', 'ssh = ["ssh-ed25519 AAAA'), "signers[0].ssh"),
        (lambda text: text.replace('ssh = ["ssh-ed25519', 'ssh = ["keys/nobody.pub", "ssh-ed25519'), "keys/nobody.pub"),
        (lambda text: text.replace("[messages]", 'openpgp = ["key.asc"]\n[messages]'), "key.asc"),
        (lambda text: text.replace("[messages]", 'openpgp = ["broken.asc"]\n[messages]'), "signers[0].openpgp"),
        (lambda text: text.replace("[messages]", 'openpgp = ["../../outside.asc"]\n[messages]'), "../../outside.asc"),
    ],
)
def test_an_unreadable_key(run: Run, small: Small, change: object, place: str) -> None:
    small.policy(change(small.text))  # type: ignore[operator]
    (small.path / ".chainverify" / "broken.asc").write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n")
    for verb in (("commits",), ("check",), ("policy", "check")):
        done = run(small.path, *verb)
        assert (done.status, done.out) == (2, ""), done
        assert "policy error: " in done.err
        assert place in done.err


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("version = 1\n[comits]\n", (":2", "comits", "commits")),
        ("version = 1\n[commits\n", (":2",)),
        ("version = 1\n[messages]\nsubject-max = 'many'\n", (":3", "messages.subject-max")),
        ("version = 2\n", ("version",)),
        ("", ("version",)),
        ("\0", (":1",)),
        ("version = 1\n[rules]\nimage-not-pined = 'off'\n", (":3", "rules.image-not-pined", "image-not-pinned")),
    ],
)
def test_a_broken_policy(run: Run, small: Small, text: str, parts: tuple[str, ...]) -> None:
    small.policy(text)
    for verb in (("check",), ("commits",), ("messages",), ("images",), ("policy", "check"), ("policy", "show")):
        done = run(small.path, *verb)
        assert (done.status, done.out) == (2, ""), done
        assert "policy error: .chainverify/policy.toml" in done.err
        assert [part for part in parts if part not in done.err] == []


@pytest.mark.parametrize(("verb", "section"), [("commits", "[commits]"), ("messages", "[messages]"), ("images", "[images]")])
def test_a_policy_that_asks_nothing_of_a_verb(run: Run, small: Small, verb: str, section: str) -> None:
    small.policy("version = 1\n")
    done = run(small.path, verb)
    assert (done.status, done.out) == (2, "")
    assert f"policy error: .chainverify/policy.toml: has no {section} section" in done.err
    assert "= help: add " in done.err


def test_a_missing_commit(run: Run, small: Small) -> None:
    gone = small.repo.commit("SHOP-2: it", key=small.alice)
    small.repo.commit("SHOP-3: it", key=small.alice)
    small.delete(gone)
    for verb in ("commits", "messages", "check"):
        done = run(small.path, verb, *JSON)
        assert (done.status, done.report["verdict"]) == (3, "unknown")
        assert ("object-missing", "unknown") in done.rules()
        assert gone in {each["subject"]["id"] for each in done.report["findings"] if each["rule"] == "object-missing"}
        text = run(small.path, verb).out
        assert f"object-missing (not decided): object {gone} is not in the repository" in text
        assert "= help: fetch the history that is missing, or run git fsck" in text


KEYED = '[images]\n[[images.trust]]\nmatch = "**"\nkeys = ["cosign.pub"]\n'


@pytest.fixture
def shop(scene: Scene, tmp_path: Path) -> Repository:
    """A copy of the scene, to be damaged."""
    shutil.copytree(scene.demo.root / "shop", tmp_path / "shop")
    return Repository(tmp_path / "shop")


@pytest.mark.parametrize("name", ["HEAD:deploy/web.yaml", "HEAD:deploy", "HEAD^{tree}"])
def test_a_missing_file_or_tree(run: Run, scene: Scene, shop: Repository, name: str) -> None:
    gone = shop.git("rev-parse", name)
    (shop.git_dir / "objects" / gone[:2] / gone[2:]).unlink()
    done = run(shop.path, "images", "--rev", "HEAD", *layout(scene))
    assert done.status in (1, 3)  # 1: other files are judged, and some of their images are bad
    missing = gone if name != "HEAD^{tree}" else shop.git("rev-parse", "HEAD") + "^{tree}"
    assert f"object {missing} is not in the repository" in done.out + done.err
    assert "fetch the history that is missing" in done.out + done.err
    done = run(shop.path, "check", "HEAD^!", *layout(scene), *JSON)
    assert done.status == (1 if name.endswith("yaml") else 3)
    assert done.report["counts"]["pass"] >= 2
    worst = run(shop.path, "check", *layout(scene), *JSON)
    assert (worst.status, worst.report["verdict"]) == (1, "fail")
    assert {"commit-unsigned", "message-ticket"} <= {rule for rule, _ in worst.rules()}
    assert [rule for rule, each in worst.rules() if each == "unknown"] == [
        "manifest-unreadable" if name.endswith("yaml") else "object-missing"
    ]


def test_a_damaged_object(run: Run, small: Small) -> None:
    oid = small.repo.commit("SHOP-2: it", key=small.alice)
    file = small.repo.git_dir / "objects" / oid[:2] / oid[2:]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-12])
    done = run(small.path, "commits", oid)
    assert done.status in (1, 2, 3)
    assert done.status != 2 or oid in done.err
    assert "passed" not in done.out


@pytest.mark.parametrize("bad", [False, True])
def test_a_shallow_clone(run: Run, small: Small, bad: bool) -> None:
    small.repo.commit("SHOP-2: it", key=small.alice)
    small.repo.commit("SHOP-3: it", key=None if bad else small.alice)
    cut = Repository.clone(f"file://{small.path}", small.path.parent / "cut", "--depth=1")
    for verb in ("commits", "check"):
        done = run(cut.path, verb, *JSON)
        assert (done.status, done.report["verdict"]) == ((1, "fail") if bad else (3, "unknown"))
        assert ("history-incomplete", "unknown") in done.rules()
        assert (("commit-unsigned", "fail") in done.rules()) == bad
        assert "= help: git fetch --unshallow (in CI: fetch-depth: 0) gets all of it" in run(cut.path, verb).out
    cut.git("fetch", "-q", "--unshallow")
    assert run(cut.path, "commits").status == (1 if bad else 0)


BROKEN = [
    b"apiVersion: v1\nkind: Pod\nspec:\n  containers: [ {image: nginx:1 \n",
    b"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: a\n\t- image: b\n",
    b"kind: Pod\nimage: \xff\xfe\n",
    b"image: \x00\n",
]


@pytest.mark.parametrize("data", BROKEN)
def test_a_manifest_that_is_not_yaml(run: Run, small: Small, data: bytes, scene: Scene) -> None:
    small.policy(small.text + KEYED)
    (small.path / ".chainverify" / "cosign.pub").write_text(scene.demo.fixtures["keys"]["p256"])
    (small.path / "deploy.yaml").write_bytes(data)
    for words in (("images",), ("images", "deploy.yaml"), ("images", "--list")):
        done = run(small.path, *words, "--offline", *JSON)
        assert (done.status, done.report["verdict"]) == (3, "unknown"), data
        assert ("manifest-unreadable", "unknown") in done.rules()
        assert done.report["findings"][0]["subject"] == {"kind": "file", "id": "deploy.yaml"}
    text = run(small.path, "images", "--offline").out
    assert "manifest-unreadable (not decided): " in text
    assert "--> deploy.yaml" in text
    assert "= help: " in text
    assert "manifest-unreadable: " in run(small.path, "images", "--list").out


@pytest.fixture
def signed(small: Small) -> tuple[Small, Store, Signer]:
    """A policy that trusts a key, and an image that it signed, in a store."""
    signer, store = Signer.create("cosign.pub"), Store()
    small.policy("version = 1\n" + KEYED)
    (small.path / ".chainverify" / "cosign.pub").write_bytes(signer.pem)
    return small, store, signer


@pytest.mark.parametrize(
    ("pattern", "action"),
    [
        ("/v2/", status(500)),
        ("/manifests/", status(500, b"<html>oops")),
        ("/referrers/", status(503)),
        ("/manifests/", status(404)),
        ("/v2/", status(403)),
        ("/v2/", status(429)),
        ("/v2/", status(302, Location="http://198.51.100.1/")),
        ("/manifests/", truncated),
        ("/manifests/", endless),
        ("/manifests/", status(200, b"not json", "application/vnd.oci.image.manifest.v1+json")),
    ],
)
def test_a_registry_that_fails(
    run: Run, signed: tuple[Small, Store, Signer], pattern: str, action: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, store, signer = signed
    monkeypatch.setattr("chainverify.registry.client.BACKOFF", (0.0,) * 10)
    with LoopbackRegistry(store) as registry:
        name = f"{registry.domain}/team/app"
        digest = store.image(name)
        store.sign_bundle(name, digest, signer)
        pod = f"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {name}@{digest}\n"
        (small.path / "pod.yaml").write_text(pod)
        good = run(small.path, "images", *JSON)
        assert (good.status, good.report["counts"]["pass"]) == (0, 1)
        assert run(small.path, "images", "--offline").status == 3
        registry.fault(pattern, action)  # type: ignore[arg-type]
        done = run(small.path, "images", *JSON)
        assert done.status != 0
        rules = done.rules()
        assert len(rules) == 1
        if rules[0][1] == "fail":  # bytes that do not have the digest that was asked for
            assert rules[0][0] == "image-digest-mismatch"
            assert done.status == 1
        else:
            assert (done.status, rules[0][0]) == (3, "image-unavailable")
        text = run(small.path, "images").out
        assert registry.domain in text
        assert "--> pod.yaml:5:12" in text
        assert "= help: " in text


def test_no_registry_at_all(run: Run, signed: tuple[Small, Store, Signer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainverify.registry.client.BACKOFF", (0.0,) * 10)
    small, *_ = signed
    pod = f"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: 127.0.0.1:9/app@sha256:{'0' * 64}\n"
    (small.path / "pod.yaml").write_text(pod)
    done = run(small.path, "images")
    assert done.status == 3
    assert "image-unavailable (not decided): " in done.out
    assert "127.0.0.1:9" in done.out


def test_a_login_file_that_is_broken(run: Run, signed: tuple[Small, Store, Signer], tmp_path: Path) -> None:
    small, *_ = signed
    (small.path / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: 127.0.0.1:9/app:1\n")
    (tmp_path / "config.json").write_text("{")
    done = run(small.path, "images", DOCKER_CONFIG=str(tmp_path))
    assert done.status in (2, 3)
    assert f"{tmp_path}/config.json" in done.out + done.err


def test_no_git(run: Run, small: Small, tmp_path: Path) -> None:
    done = run(small.path, "commits", PATH=str(tmp_path))
    assert (done.status, done.out) == (3, "")
    assert "the program git was not found" in done.err
    assert "= help: install git" in done.err


def test_a_malformed_tree(run: Run, small: Small, scene: Scene) -> None:
    tree = small.repo.write("tree", b"100644 a\0short")
    oid = small.repo.commit("SHOP-2: it", key=small.alice, tree=tree, ref=None, parents=[str(small.repo.tip())])
    small.policy(small.text + KEYED)
    (small.path / ".chainverify" / "cosign.pub").write_text(scene.demo.fixtures["keys"]["p256"])
    done = run(small.path, "images", "--rev", oid, "--offline")
    assert (done.status, done.out) == (1, "")
    assert tree in done.err
    found = run(small.path, "check", oid, "--offline", *JSON)
    assert found.status == 1
    assert found.report["counts"]["fail"] == 1
    assert found.report["counts"]["pass"] == 4


def test_hostile_text_of_a_manifest_reaches_no_terminal(run: Run, signed: tuple[Small, Store, Signer]) -> None:
    small, *_ = signed
    (small.path / "pod.yaml").write_text('kind: Pod\napiVersion: v1\nspec:\n  containers:\n  - image: "\\e[2J\\u202Ea b"\n')
    for words in ((), ("--list",), ("-v",)):
        done = run(small.path, "images", "--offline", *words)
        assert done.status == 3
        assert not any(c in done.out for c in "\x1b\u202e")
        assert "\\x1b[2J\\u202ea b" in done.out
