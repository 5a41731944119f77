"""Revoked SSH keys and certificates: every way to revoke, every way to be trusted, and what ssh-keygen makes of the same file."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import NamedTuple

import pytest

from chainverify.errors import PolicyError, SignatureError
from chainverify.model.signing import Clock, KeyMaterial, SigningMaterial
from chainverify.signatures import ssh
from tests.formats.test_krl import ONE, certificates, extension, sub, whole
from tests.signatures.test_ssh_allowed_signers import CLOCK, OPTIONS, PAYLOAD, T, inline, own, refusal, ring, shared
from tests.world.mutations import damaged
from tests.world.ssh import SshKey, git_asks, krl

pytestmark = pytest.mark.tool("ssh-keygen")

REVOKED = ("REVOKED_HARD", "signer-revoked")


class World(NamedTuple):
    authority: SshKey
    alice: SshKey
    bob: SshKey
    certificate: SshKey

    @property
    def text(self) -> str:
        return self.authority.allowed("*@x.org", "cert-authority") + self.alice.allowed("alice@x.org")

    def line(self, key: SshKey) -> str:
        return " ".join(key.public.split()[:2])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("revocation")
    authority, alice, bob = (SshKey.create(root, name) for name in ("authority", "alice", "bob"))
    return World(authority, alice, bob, authority.certify(bob, "bob@x.org", "-z", "42", name="laptop"))


def lists(world: World) -> list[tuple[str, bytes, bool, bool]]:
    """Name, file, whether it revokes Alice's key, and whether Bob's certificate."""
    alice, bob, authority = world.alice, world.bob, world.authority
    return [
        ("nothing", krl(), False, False),
        ("key", krl("", alice), True, False),
        ("sha1", krl(f"sha1: {world.line(alice)}\n"), True, False),
        ("sha256", krl(f"sha256: {world.line(alice)}\nserial: 41\n", authority=authority), True, False),
        ("list of keys", f"# stolen\n{alice.public}\n".encode(), True, False),
        ("serial", krl("serial: 42\n", authority=authority), False, True),
        ("range", krl("serial: 40-50\n", authority=authority), False, True),
        ("bitmap", krl("".join(f"serial: {number}\n" for number in range(2, 90, 2)), authority=authority), False, True),
        ("other bitmap", krl("".join(f"serial: {number}\n" for number in range(1, 90, 2)), authority=authority), False, False),
        ("serial of any", krl("serial: 42\n", authority="none"), False, True),
        ("serial of another", krl("serial: 42\n", authority=alice), False, False),
        ("key id", krl("id: laptop\n", authority=authority), False, True),
        ("key id of any", krl("id: laptop\n", authority="none"), False, True),
        ("another key id", krl("id: Laptop\n", authority=authority), False, False),
        ("certified key", krl("", bob), False, True),
        ("certified key's hash", krl(f"sha256: {world.line(bob)}\n"), False, True),
        ("certified key in a list", bob.public.encode(), False, True),
        ("certificate in a list", world.certificate.public.encode(), False, True),
        ("authority", krl("", authority), False, True),
        ("authority's hash", krl(f"sha1: {world.line(authority)}\n"), False, True),
        ("authority in a list", authority.public.encode(), False, True),
    ]


def test_every_way_beside_git(world: World) -> None:
    for name, data, key, certificate in lists(world):
        allowed = ring(shared(world.text), revoked=(data,))
        for signer, revoked in ((world.alice, key), (world.certificate, certificate)):
            signed = signer.sign(PAYLOAD)
            assert git_asks(world.text, PAYLOAD, signed, at=T, revoked=data).good != revoked, name
            if revoked:
                error = refusal(allowed, signed)
                assert (error.code, error.rule) == REVOKED, name
                assert "in revoked" in error.message
                assert error.evidence["fingerprint"] == signer.fingerprint
            else:
                assert ssh.verify(PAYLOAD, signed, allowed, CLOCK, OPTIONS).code == "GOOD", name


def test_revocation_is_for_all_ways_to_be_trusted(world: World) -> None:
    data = krl("", world.alice)
    signed = world.alice.sign(PAYLOAD)
    for allowed in (
        ring(keys=(inline("Alice", world.alice),), revoked=(data,)),
        ring(own("Alice", world.alice.allowed("alice@x.org")), revoked=(data,)),
        ring(shared(world.alice.allowed("alice@x.org")), revoked=(data,)),
        ring(keys=(inline("Alice", world.alice),), revoked=(krl(), data)),
        ring(keys=(inline("Alice", world.alice),), revoked=(data, krl())),
    ):
        assert (refusal(allowed, signed).code, refusal(allowed, signed).rule) == REVOKED
    other = ring(keys=(inline("Alice", world.alice), inline("Bob", world.bob)), revoked=(data,))
    assert ssh.verify(PAYLOAD, world.bob.sign(PAYLOAD), other, CLOCK, OPTIONS).signer == "Bob"


def test_no_time_is_before_a_revocation(world: World) -> None:
    """No list says since when; a date that was written by a thief, or an arrival, changes nothing."""
    allowed = ring(shared(world.text), revoked=(krl("", world.alice),))
    for clock in (Clock(0, T), Clock(T, T, 1), Clock(-1, T)):
        assert refusal(allowed, world.alice.sign(PAYLOAD), clock).code == "REVOKED_HARD"


def test_revocation_before_expiry_and_after_the_signature(world: World) -> None:
    expired = world.alice.allowed("alice@x.org", 'valid-before="20200101Z"')
    allowed = ring(shared(expired), revoked=(krl("", world.alice),))
    assert refusal(allowed, world.alice.sign(PAYLOAD)).code == "REVOKED_HARD"
    with pytest.raises(SignatureError) as caught:
        ssh.verify(PAYLOAD + b"x", world.alice.sign(PAYLOAD), allowed, CLOCK, OPTIONS)
    assert caught.value.code == "BAD"


@pytest.mark.parametrize("data", [b"", b"# none\n", b"garbage", b"SSHKRL\n\0", b"serial: 5\n", whole(sub(9, b""))], ids=repr)
def test_a_list_that_says_nothing_is_an_error(world: World, data: bytes) -> None:
    """git warns, and says Good."""
    with pytest.raises(PolicyError) as caught:
        ring(shared(world.text), revoked=(data,))
    assert (caught.value.key, caught.value.source, caught.value.line) == ("commits.ssh-revoked[0]", "policy.toml", 4)


def test_it_is_an_error_without_any_key_too() -> None:
    from chainverify.signatures import backends

    with pytest.raises(PolicyError):
        backends.load(SigningMaterial(ssh_revoked=(KeyMaterial("", b"garbage", "commits.ssh-revoked[0]"),)))


def test_what_was_left_aside_is_noted(world: World) -> None:
    data = whole(sub(255, extension(critical=b"\0")), b"\x04" + bytes(8))
    allowed = ring(shared(world.text), keys=(inline("Bob", world.bob),), revoked=(data, data))
    for signer in (world.alice, world.bob, world.certificate):
        proof = ssh.verify(PAYLOAD, signer.sign(PAYLOAD), allowed, CLOCK, OPTIONS)
        assert proof.notes == ("krl-extension-ignored", "krl-signature-ignored")


def test_serial_number_zero_is_no_number(world: World) -> None:
    unnumbered = world.authority.certify(world.bob, "bob@x.org")
    data = whole(certificates(sub(0x21, ONE + b"\xff" * 8)))
    allowed = ring(shared(world.text), revoked=(data,))
    assert ssh.verify(PAYLOAD, unnumbered.sign(PAYLOAD), allowed, CLOCK, OPTIONS).principals == ("bob@x.org",)
    assert git_asks(world.text, PAYLOAD, unnumbered.sign(PAYLOAD), at=T, revoked=data).good
    assert refusal(allowed, world.certificate.sign(PAYLOAD)).code == "REVOKED_HARD"


def test_no_damaged_list_is_another_error(world: World) -> None:
    """A damaged list may revoke less, which no reader can see; it is read or refused whole, and nothing else happens."""
    rng = random.Random(9)
    signed = world.alice.sign(PAYLOAD)
    refused = 0
    real = krl(f"sha256: {world.line(world.alice)}\nserial: 1-9\n", authority=world.authority)
    for data in (real, world.alice.public.encode()):
        for _ in range(400):
            try:
                allowed = ring(shared(world.text), revoked=(damaged(data, rng),))
            except PolicyError:
                refused += 1
                continue
            with suppress(SignatureError):
                assert ssh.verify(PAYLOAD, signed, allowed, CLOCK, OPTIONS).principals == ("alice@x.org",)
    assert refused > 300
