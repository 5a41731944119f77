"""Key files: what is read, what is not, and where an error says the name stands."""

from __future__ import annotations

import pytest

from chainverify.errors import PolicyError
from chainverify.policy import material, people
from chainverify.policy.load import parse
from chainverify.policy.model import Policy

ARMOR = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxyz\n-----END PGP PUBLIC KEY BLOCK-----\n"
TEXT = f"""version = 1
[[signers]]
name = "Alice"
roles = ["owner", "dev"]
openpgp = [
  "keys/alice.asc",
  '''{ARMOR}''',
]
ssh = ["ssh-ed25519 AAAA alice", "ssh-keys/alice.pub"]
[[signers]]
name = "Bob"
roles = "dev"
ssh = "bob.pub"
[images]
[[images.trust]]
match = "docker.io/library/**"
unsafe-unsigned = "scanned"
[[images.trust]]
match = "ghcr.io/x/**"
keys = ["a.pub",
  "b.pub"]
threshold = 2
annotations = {{ env = "prod" }}
"""


def policy(text: str = TEXT) -> Policy:
    return parse(text.encode(), "policy.toml")


def test_what_is_read() -> None:
    asked: list[str] = []

    def read(name: str) -> bytes:
        asked.append(name)
        return name.upper().encode()

    found = material.signing_material(policy(), read)
    assert asked == ["keys/alice.asc", "ssh-keys/alice.pub", "bob.pub"]
    assert [(each.signer, each.data, each.key, each.line) for each in found.openpgp] == [
        ("Alice", b"KEYS/ALICE.ASC", "signers[0].openpgp[0]", 6),
        ("Alice", ARMOR.encode(), "signers[0].openpgp[1]", 7),
    ]
    assert [(each.signer, each.data, each.key, each.line) for each in found.ssh] == [
        ("Alice", b"ssh-ed25519 AAAA alice", "signers[0].ssh[0]", 13),
        ("Alice", b"SSH-KEYS/ALICE.PUB", "signers[0].ssh[1]", 13),
        ("Bob", b"BOB.PUB", "signers[1].ssh[0]", 17),
    ]
    assert {each.source for each in (*found.openpgp, *found.ssh)} == {"policy.toml"}


def test_image_keys() -> None:
    (trust,) = material.image_trust(policy(), lambda name: name.encode())
    assert (trust.match, trust.threshold, trust.annotations) == ("ghcr.io/x/**", 2, (("env", "prod"),))
    assert [(key.name, key.pem, key.key, key.line) for key in trust.keys] == [
        ("a.pub", b"a.pub", "images.trust[1].keys[0]", 24), ("b.pub", b"b.pub", "images.trust[1].keys[1]", 25),
    ]
    assert material.image_trust(policy("version = 1\n"), lambda name: b"") == ()


@pytest.mark.parametrize(("missing", "key", "line"), [
    ("keys/alice.asc", "signers[0].openpgp[0]", 6), ("bob.pub", "signers[1].ssh[0]", 17),
])
def test_unreadable_files_name_key_and_line(missing: str, key: str, line: int) -> None:
    def read(name: str) -> bytes:
        if name == missing:
            raise PolicyError(f"no file {name!r}", hint="add it")
        return b""

    with pytest.raises(PolicyError) as caught:
        material.signing_material(policy(), read)
    assert (caught.value.key, caught.value.line, caught.value.source) == (key, line, "policy.toml")
    assert (caught.value.message, caught.value.hint) == (f"no file {missing!r}", "add it")


@pytest.mark.parametrize(("name", "words"), [
    ("/etc/passwd", "absolute"), ("../x.pub", ".."), ("keys/../../x", ".."), ("keys\\\\..\\\\x", ".."), ("~/x.pub", "absolute"),
    ("C:x.pub", "absolute"), ("\\\\\\\\host\\\\x", "absolute"),
])
def test_names_that_lead_outside(name: str, words: str) -> None:
    for text, key, line in (
        (f'version = 1\n[[signers]]\nname = "A"\nssh = "{name}"\n', "signers[0].ssh[0]", 4),
        (f'version = 1\n[images]\n[[images.trust]]\nmatch = "a.io/b"\nkeys = ["k",\n"{name}"]\n', "images.trust[0].keys[1]", 6),
    ):
        with pytest.raises(PolicyError, match="names") as caught:
            material.check_inside(policy(text))
        assert (caught.value.key, caught.value.line) == (key, line)
        assert words in caught.value.message


def test_names_that_stay_inside() -> None:
    material.check_inside(policy())
    material.check_inside(policy('version = 1\n[[signers]]\nname = "A"\nssh = "a..b/..c.pub"\n'))


def test_people() -> None:
    who = policy()
    assert people.signer_by_name(who, "Bob") is who.signers[1]
    assert people.signer_by_name(who, "bob") is None
    assert people.allowed((), who) == frozenset()
    assert people.allowed(("role:dev",), who) == {"Alice", "Bob"}
    assert people.allowed(("role:owner", "Bob"), who) == {"Alice", "Bob"}
    assert people.allowed(("role:none", "Carol"), who) == frozenset()
