"""SSH certificates: real ones by ssh-keygen, beside what git would learn of them, and those that no honest authority issues."""

from __future__ import annotations

import base64
import random
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import ChainverifyError, Malformed, PolicyError, SignatureError
from chainverify.formats import sshcert, sshkey
from chainverify.formats.sshwire import string
from chainverify.model.signing import Clock, Evidence, SignatureOptions
from chainverify.signatures import ssh
from tests.signatures.test_ssh import SECURITY_KEYS, SecurityKey, armored_of, blob_of, private, signed_bytes
from tests.signatures.test_ssh_allowed_signers import CLOCK, OPTIONS, PAYLOAD, T, inline, own, refusal, ring, shared
from tests.world.mutations import damaged
from tests.world.ssh import SshKey, git_asks

pytestmark = pytest.mark.tool("ssh-keygen")

DAY = 86400
KINDS = [("ed25519", 0), ("rsa", 2048), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521)]


class World(NamedTuple):
    authority: SshKey
    other: SshKey
    alice: SshKey

    def allowed(self, principals: str = "*@x.org", options: str = "cert-authority") -> str:
        return self.authority.allowed(principals, options)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("certificates")
    return World(*(SshKey.create(root, name) for name in ("authority", "other", "alice")))


def proof(ring: ssh.SshKeyring, signed: bytes, clock: Clock = CLOCK, options: SignatureOptions = OPTIONS) -> Evidence:
    return ssh.verify(PAYLOAD, signed, ring, clock, options)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_kind_of_key_and_authority(world: World, tmp_path: Path, kind: tuple[str, int]) -> None:
    name, bits = kind
    key = SshKey.create(tmp_path, "key", kind=name, bits=bits)  # type: ignore[arg-type]
    for authority, subject in ((key, world.alice), (world.authority, key)):
        certificate = authority.certify(subject, "alice@x.org,alice", "-z", "18446744073709551615", name="Alice's laptop")
        text = authority.allowed("*@x.org", "cert-authority")
        signed = certificate.sign(PAYLOAD)
        found = proof(ring(shared(text)), signed)
        assert (found.signer, found.principals, found.emails) == ("", ("alice@x.org",), ())
        assert found.fingerprint == found.primary == certificate.fingerprint == subject.fingerprint
        assert found.claims == (
            ("certificate", "Alice's laptop"), ("serial", str((1 << 64) - 1)), ("authority", authority.fingerprint),
        )  # fmt: skip
        assert git_asks(text, PAYLOAD, signed, at=T) == (("alice@x.org",), True)
        with pytest.raises(SignatureError) as caught:
            ssh.verify(PAYLOAD + b"\n", signed, ring(shared(text)), CLOCK, OPTIONS)
        assert (caught.value.code, caught.value.rule) == ("BAD", "signature-bad")


class Case(NamedTuple):
    """`expected` is the principals that are proved, or code and rule; `git` what git says, `why` where that differs."""

    name: str
    lines: tuple[tuple[str, str], ...]
    issue: tuple[str, ...]
    expected: tuple[str, ...] | str
    git: bool
    why: str = ""
    at: int = T


CA = ("*@x.org", "cert-authority")
IN_TIME = ("-n", "alice@x.org", "-V", "20250615000000Z:20250616000000Z")
MIDNIGHT = 1_750_032_000
CASES = [
    Case("plain", (CA,), ("-n", "alice@x.org"), ("alice@x.org",), True),
    Case("for ever", (CA,), ("-n", "alice@x.org", "-V", "always:forever"), ("alice@x.org",), True),
    Case("several principals", (CA,), ("-n", "root,bob@x.org,alice@x.org"), ("bob@x.org", "alice@x.org"), True),
    Case("twice the same", (CA, CA), ("-n", "alice@x.org,alice@x.org"), ("alice@x.org",), True),
    Case("lines unite", (("a@x.org", "cert-authority"), ("b@x.org", "cert-authority")), ("-n", "b@x.org,a@x.org"),
         ("a@x.org", "b@x.org"), True),
    Case("no principals", (CA,), (), "CERT_PRINCIPAL signer-not-allowed", False),
    Case("other principal", (CA,), ("-n", "alice@y.org"), "CERT_PRINCIPAL signer-not-allowed", False),
    Case("everybody", (CA,), ("-n", "*@x.org"), "CERT_PRINCIPAL signer-not-allowed", True,
         "a principal that reads as a pattern names nobody"),
    Case("everybody but one", (CA,), ("-n", "!b@x.org"), "CERT_PRINCIPAL signer-not-allowed", True, "as above"),
    Case("with a space", (CA,), ("-n", "alice alice@x.org"), "CERT_PRINCIPAL signer-not-allowed", True, "as above"),
    Case("pattern beside a name", (CA,), ("-n", "*@x.org,alice@x.org"), ("alice@x.org",), True),
    Case("negated", (("!bob@x.org,*@x.org", "cert-authority"),), ("-n", "bob@x.org"),
         "CERT_PRINCIPAL signer-not-allowed", False),
    Case("negated in upper case", (("!bob@x.org,*@x.org", "cert-authority"),), ("-n", "BOB@x.org"),
         "CERT_PRINCIPAL signer-not-allowed", True, "addresses are compared in either case, so exclusions are too"),
    Case("in time", (CA,), IN_TIME, ("alice@x.org",), True),
    Case("last second", (CA,), IN_TIME, ("alice@x.org",), True, at=MIDNIGHT - 1),
    Case("over", (CA,), IN_TIME, "CERT_EXPIRED signer-expired", False, at=MIDNIGHT),
    Case("first second", (CA,), IN_TIME, ("alice@x.org",), True, at=MIDNIGHT - DAY),
    Case("not yet", (CA,), IN_TIME, "CERT_EXPIRED signer-expired", False, at=MIDNIGHT - DAY - 1),
    Case("line over", (("*@x.org", 'cert-authority,valid-before="20250101Z"'),), ("-n", "alice@x.org"),
         "EXPIRED_AT_T signer-expired", False),
    Case("line over, another is not", (("*@x.org", 'cert-authority,valid-before="20250101Z"'), CA), ("-n", "alice@x.org"),
         ("alice@x.org",), True),
    Case("line for git", (("*@x.org", 'cert-authority,namespaces="git"'),), ("-n", "alice@x.org"), ("alice@x.org",), True),
    Case("line for others", (("*@x.org", 'cert-authority,namespaces="file"'),), ("-n", "alice@x.org"),
         "CERT_NOT_TRUSTED signer-unknown", False),
    Case("line for others, line over", (("*@x.org", 'cert-authority,namespaces="file"'),
         ("*@x.org", 'cert-authority,valid-before="20250101Z"')), ("-n", "alice@x.org"), "EXPIRED_AT_T signer-expired", False),
    Case("no authority", (("*@x.org", ""),), ("-n", "alice@x.org"), "CERT_NOT_TRUSTED signer-unknown", False),
    Case("host", (CA,), ("-n", "alice@x.org", "-h"), "CERT_TYPE signer-not-allowed", False),
    Case("forced command", (CA,), ("-n", "alice@x.org", "-O", "force-command=true"), "CERT_OPTION signer-not-allowed", True,
         "ssh-keygen does not look at critical options"),
    Case("source address", (CA,), ("-n", "alice@x.org", "-O", "source-address=10.0.0.0/8"), "CERT_OPTION signer-not-allowed",
         True, "as above"),
    Case("unknown critical option", (CA,), ("-n", "alice@x.org", "-O", "critical:new@x.org=1"),
         "CERT_OPTION signer-not-allowed", True, "as above"),
    Case("verification by a key that cannot", (CA,), ("-n", "alice@x.org", "-O", "verify-required"),
         "NO_VERIFICATION signer-not-allowed", True, "as above"),
    Case("unknown extension", (CA,), ("-n", "alice@x.org", "-O", "extension:new@x.org=1"), ("alice@x.org",), True),
    Case("no extensions", (CA,), ("-n", "alice@x.org", "-O", "clear"), ("alice@x.org",), True),
    Case("no touch required", (CA,), ("-n", "alice@x.org", "-O", "no-touch-required"), ("alice@x.org",), True),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_beside_git(world: World, case: Case) -> None:
    text = "".join(world.allowed(*line) for line in case.lines)
    certificate = world.authority.certify(world.alice, "", *case.issue)
    signed = certificate.sign(PAYLOAD)
    clock = Clock(case.at, case.at + 1)
    if isinstance(case.expected, tuple):
        found = proof(ring(shared(text)), signed, clock)
        assert (found.signer, found.principals) == ("", case.expected)
    else:
        error = refusal(ring(shared(text)), signed, clock)
        assert f"{error.code} {error.rule}" == case.expected
        assert error.evidence["fingerprint"] == world.alice.fingerprint
        assert error.hint
    said = git_asks(text, PAYLOAD, signed, at=case.at)
    assert said.good == case.git
    assert case.why or isinstance(case.expected, tuple) == case.git


def test_plain_lines_and_certificates_are_apart(world: World) -> None:
    """A certificate by an authority that is not known, for a key that is: the key's own line says nothing of it."""
    certificate = world.authority.certify(world.alice, "alice@x.org")
    plain = world.alice.allowed("alice@x.org")
    assert refusal(ring(shared(plain)), certificate.sign(PAYLOAD)).code == "CERT_NOT_TRUSTED"
    assert refusal(ring(keys=(inline("Alice", world.alice),)), certificate.sign(PAYLOAD)).code == "CERT_NOT_TRUSTED"
    assert not git_asks(plain, PAYLOAD, certificate.sign(PAYLOAD), at=T).good
    # and the plain key says nothing of its certificates
    both = ring(shared(world.allowed()))
    assert refusal(both, world.alice.sign(PAYLOAD)).code == "NO_KEY"
    assert refusal(both, world.authority.sign(PAYLOAD)).code == "NO_KEY"
    assert refusal(both, world.other.certify(world.alice, "alice@x.org").sign(PAYLOAD)).code == "CERT_NOT_TRUSTED"


def test_certificates_of_a_signer(world: World) -> None:
    """An authority in a signer's file: the principals are filtered, and told for the rules to compare."""
    alice, bob = own("Alice", world.allowed("alice@x.org,al@x.org")), own("Bob", world.allowed("bob@x.org"))
    everyone = shared(world.allowed())
    signed = world.authority.certify(world.alice, "root,al@x.org,alice@x.org").sign(PAYLOAD)
    for materials in ((alice,), (alice, bob, everyone), (everyone, bob, alice)):
        found = proof(ring(*materials), signed)
        assert (found.signer, found.emails, found.principals) == ("Alice", ("al@x.org", "alice@x.org"), ())
    found = proof(ring(alice, everyone), world.authority.certify(world.alice, "carol@x.org").sign(PAYLOAD))
    assert (found.signer, found.emails, found.principals) == ("", (), ("carol@x.org",))
    assert refusal(ring(bob), signed).code == "CERT_PRINCIPAL"
    both = refusal(ring(alice, bob, everyone), world.authority.certify(world.alice, "alice@x.org,bob@x.org").sign(PAYLOAD))
    assert (both.code, both.rule) == ("CERT_PRINCIPAL", "signer-not-allowed")
    assert "'Alice' and for 'Bob'" in both.message


def test_good_then_and_over_now(world: World) -> None:
    signed = world.authority.certify(world.alice, "", *IN_TIME).sign(PAYLOAD)
    allowed = ring(shared(world.allowed()))
    for now, code in [(T, "GOOD"), (MIDNIGHT - 1, "GOOD"), (MIDNIGHT, "GOOD_EXPIRED_NOW")]:
        assert proof(allowed, signed, Clock(T, now)).code == code
    assert refusal(allowed, signed, Clock(T, MIDNIGHT, MIDNIGHT)).code == "CERT_EXPIRED"
    said = refusal(allowed, signed, Clock(T, MIDNIGHT, MIDNIGHT)).message
    assert said.endswith(" expired at 2025-06-16T00:00:00Z, signature is of 2025-06-16T00:00:00Z (source: arrival)")
    assert refusal(allowed, signed, Clock(T, MIDNIGHT), SignatureOptions(key_validity="now")).code == "CERT_EXPIRED"
    line = ring(shared(world.allowed(options='cert-authority,valid-before="20250616"')))
    found = proof(line, world.authority.certify(world.alice, "alice@x.org").sign(PAYLOAD), Clock(T, MIDNIGHT + 1))
    assert (found.code, found.notes) == ("GOOD_EXPIRED_NOW", ("allowed-signers-time-as-utc",))


def test_authorities_that_are_too_weak(world: World, tmp_path: Path) -> None:
    weak, strong = (SshKey.create(tmp_path, f"rsa{bits}", kind="rsa", bits=bits) for bits in (1024, 2048))
    with pytest.raises(PolicyError, match="1024 bits"):
        ring(shared(weak.allowed("*@x.org", "cert-authority")))
    text = strong.allowed("*@x.org", "cert-authority")
    for algorithm in ("rsa-sha2-256", "rsa-sha2-512"):
        found = proof(ring(shared(text)), strong.certify(world.alice, "alice@x.org", "-t", algorithm).sign(PAYLOAD))
        assert found.principals == ("alice@x.org",)
    error = refusal(ring(shared(text)), strong.certify(world.alice, "alice@x.org", "-t", "ssh-rsa").sign(PAYLOAD))
    assert (error.code, error.rule) == ("UNSUPPORTED", "algorithm-forbidden")
    assert "ssh-rsa" in error.message
    error = refusal(ring(shared(world.allowed())), world.authority.certify(weak, "alice@x.org").sign(PAYLOAD))
    assert (error.code, error.rule) == ("WEAK_KEY", "algorithm-forbidden")


# --- certificates no honest authority issues

def certificate_of(by: SshKey, subject: bytes, kind: str = "ssh-ed25519-cert-v01@openssh.com", **changed: Any) -> bytes:
    """A certificate for a plain key's wire form, signed by `by` (Ed25519) whatever it says."""
    body = {
        "nonce": string(bytes(32)),
        "fields": subject[4 + int.from_bytes(subject[:4], "big") :],
        "serial": (7).to_bytes(8, "big"),
        "role": (1).to_bytes(4, "big"),
        "key_id": string(b"id"),
        "principals": string(string(b"alice@x.org")),
        "after": bytes(8),
        "before": b"\xff" * 8,
        "critical": string(b""),
        "extensions": string(b""),
        "reserved": string(b""),
        "authority": string(blob_of(by)),
    }
    assert changed.keys() <= body.keys() | {"signed", "tail"}
    signed = string(kind.encode()) + b"".join({**body, **changed}[name] for name in body)
    value = private(by).sign(changed.get("signed", signed))
    return signed + string(string(b"ssh-ed25519") + string(value)) + changed.get("tail", b"")


def by_certificate(certificate: bytes, key: SshKey) -> bytes:
    return armored_of(certificate, "ssh-ed25519", private(key).sign(signed_bytes()))


def options(*pairs: tuple[bytes, bytes]) -> bytes:
    return string(b"".join(string(name) + string(value) for name, value in pairs))


def names(*principals: bytes) -> bytes:
    return string(b"".join(map(string, principals)))


def test_the_forger_s_tools_work(world: World) -> None:
    certificate = certificate_of(world.authority, blob_of(world.alice))
    signed = by_certificate(certificate, world.alice)
    assert proof(ring(shared(world.allowed())), signed).principals == ("alice@x.org",)
    assert git_asks(world.allowed(), PAYLOAD, signed, at=T).good
    parsed = sshcert.parse(certificate)
    assert (parsed.key.blob, parsed.serial, parsed.role, parsed.key_id) == (blob_of(world.alice), 7, sshcert.USER, b"id")
    assert (parsed.valid_after, parsed.valid_before) == (0, (1 << 64) - 1)


MALFORMED = "MALFORMED signature-bad"


@pytest.mark.parametrize(
    ("changed", "expected", "git"),
    [
        ({"nonce": string(b"")}, "GOOD", True),
        ({"reserved": string(b"more")}, "GOOD", True),
        ({"tail": b"\0"}, MALFORMED, False),
        ({"role": (0).to_bytes(4, "big")}, MALFORMED, False),
        ({"role": (3).to_bytes(4, "big")}, MALFORMED, False),
        ({"key_id": string(b"a\0b")}, MALFORMED, False),
        ({"principals": names(b"alice@x.org\0")}, MALFORMED, True),
        ({"principals": string(string(b"alice@x.org") + b"\0")}, MALFORMED, False),
        ({"principals": names(*[b"alice@x.org"] * 256)}, "GOOD", True),
        ({"principals": names(*[b"alice@x.org"] * 257)}, MALFORMED, False),
        ({"principals": names(b"")}, "CERT_PRINCIPAL signer-not-allowed", False),
        ({"principals": names(b"alice@x.org\n")}, "CERT_PRINCIPAL signer-not-allowed", False),
        ({"principals": names(b"al\xffice@x.org")}, "CERT_PRINCIPAL signer-not-allowed", True),
        ({"principals": names("alice\N{NO-BREAK SPACE}@x.org".encode())}, "CERT_PRINCIPAL signer-not-allowed", True),
        ({"principals": names(b"alice@x.org,bob@x.org")}, "CERT_PRINCIPAL signer-not-allowed", False),
        ({"before": (0).to_bytes(8, "big")}, "CERT_EXPIRED signer-expired", False),
        ({"critical": options((b"verify-required", b"x"))}, "CERT_OPTION signer-not-allowed", True),
        ({"critical": options((b"force-command", b""), (b"force-command", b""))}, MALFORMED, True),
        ({"critical": options((b"b", b""), (b"a", b""))}, MALFORMED, True),
        ({"critical": string(string(b"verify-required"))}, MALFORMED, False),
        ({"critical": options((b"", b""))}, MALFORMED, True),
        ({"extensions": options((b"a", b""), (b"a", b""))}, MALFORMED, True),
        ({"extensions": string(b"\0")}, MALFORMED, False),
        ({"signed": b"something else"}, "CERT_BAD signature-bad", False),
    ],
    ids=str,
)
def test_what_no_authority_issues(world: World, changed: dict[str, Any], expected: str, git: bool) -> None:
    signed = by_certificate(certificate_of(world.authority, blob_of(world.alice), **changed), world.alice)
    assert git_asks(world.allowed(), PAYLOAD, signed, at=T).good == git
    if expected == "GOOD":
        assert proof(ring(shared(world.allowed())), signed).principals == ("alice@x.org",)
    else:
        error = refusal(ring(shared(world.allowed())), signed)
        assert f"{error.code} {error.rule}" == expected


def test_the_authority_of_a_certificate_is_a_plain_key(world: World) -> None:
    chained = base64.b64decode(world.authority.certify(world.other, "x@x.org").public.split()[1])
    certificate = certificate_of(world.other, blob_of(world.alice), authority=string(chained))
    error = refusal(ring(shared(world.allowed())), by_certificate(certificate, world.alice))
    assert (error.code, error.rule) == ("UNSUPPORTED", "algorithm-forbidden")


def test_a_certificate_for_oneself(world: World) -> None:
    """A key that names itself as authority, or a known authority over its own signature."""
    allowed = ring(shared(world.allowed()))
    selfmade = certificate_of(world.alice, blob_of(world.alice))
    assert refusal(allowed, by_certificate(selfmade, world.alice)).code == "CERT_NOT_TRUSTED"
    lying = certificate_of(world.alice, blob_of(world.alice), authority=string(blob_of(world.authority)))
    error = refusal(allowed, by_certificate(lying, world.alice))
    assert (error.code, error.rule) == ("CERT_BAD", "signature-bad")


def test_another_s_certificate(world: World) -> None:
    """Certificates are public: whose key it is makes the signature."""
    certificate = certificate_of(world.authority, blob_of(world.alice))
    error = refusal(ring(shared(world.allowed())), by_certificate(certificate, world.other))
    assert (error.code, error.rule) == ("BAD", "signature-bad")


def test_types_of_certificates(world: World, tmp_path: Path) -> None:
    """The names of RSA signature algorithms are types too; a type that does not fit its key is none."""
    key = SshKey.create(tmp_path, "rsa", kind="rsa", bits=2048)
    allowed = ring(shared(world.allowed()))
    value = private(key).sign(signed_bytes(), padding.PKCS1v15(), hashes.SHA512())
    for kind in ("ssh-rsa", "rsa-sha2-256", "rsa-sha2-512"):
        certificate = certificate_of(world.authority, blob_of(key), f"{kind}-cert-v01@openssh.com")
        found = proof(allowed, armored_of(certificate, "rsa-sha2-512", value))
        assert found.fingerprint == key.fingerprint
        for algorithm in ("ssh-rsa", f"{kind}-cert-v01@openssh.com"):
            assert refusal(allowed, armored_of(certificate, algorithm, value)).code == "UNSUPPORTED"
    for kind, expected in [
        ("ssh-ed25519-cert-v01@openssh.com", MALFORMED),
        ("ssh-dss-cert-v01@openssh.com", "UNSUPPORTED algorithm-forbidden"),
        ("ssh-rsa-cert-v00@openssh.com", "UNSUPPORTED algorithm-forbidden"),
        ("webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "UNSUPPORTED algorithm-forbidden"),
        ("ssh-mldsa44-ed25519-cert-v01@openssh.com", "UNSUPPORTED algorithm-forbidden"),
        ("-cert-v0", "UNSUPPORTED algorithm-forbidden"),
    ]:
        certificate = certificate_of(world.authority, blob_of(key), kind)
        error = refusal(allowed, armored_of(certificate, "rsa-sha2-512", value))
        assert f"{error.code} {error.rule}" == expected


@pytest.mark.parametrize("key", SECURITY_KEYS, ids=lambda key: key.kind)
def test_security_keys(world: World, tmp_path: Path, key: SecurityKey) -> None:
    kind = f"{key.kind.removesuffix('@openssh.com')}-cert-v01@openssh.com"
    plain = certificate_of(world.authority, key.blob, kind)
    verified = certificate_of(world.authority, key.blob, kind, critical=options((b"verify-required", b"")))
    allowed = ring(shared(world.allowed()))

    def signed(certificate: bytes, flags: int) -> bytes:
        value, tail = key.device(signed_bytes(), flags)
        return armored_of(certificate, key.kind, value, extra=tail)

    for certificate, flags, code in [
        (plain, 0x01, "GOOD"), (plain, 0x00, "NO_PRESENCE"), (verified, 0x05, "GOOD"), (verified, 0x01, "NO_VERIFICATION"),
    ]:  # fmt: skip
        assert git_asks(world.allowed(), PAYLOAD, signed(certificate, flags), at=T).good
        if code == "GOOD":
            assert proof(allowed, signed(certificate, flags)).fingerprint == sshkey.fingerprint(key.blob)
        else:
            error = refusal(allowed, signed(certificate, flags))
            assert (error.code, error.rule) == (code, "signer-not-allowed")
    # the certificate asks for verification, whatever the policy asks for
    assert refusal(allowed, signed(verified, 0x01), CLOCK, SignatureOptions(ssh_require=())).code == "NO_VERIFICATION"
    assert proof(allowed, signed(plain, 0x00), CLOCK, SignatureOptions(ssh_require=())).code == "GOOD"


@pytest.mark.parametrize("key", SECURITY_KEYS, ids=lambda key: key.kind)
def test_a_security_key_as_authority(world: World, key: SecurityKey) -> None:
    text = f"*@x.org cert-authority {key.line.decode()}\n"
    honest = certificate_of(world.authority, blob_of(world.alice), authority=string(key.blob))
    body = honest[: -len(string(string(b"ssh-ed25519") + string(bytes(64))))]

    def signed(flags: int, tail: bytes = b"") -> bytes:
        value, beside = key.device(body, flags)
        inner = string(key.kind.encode()) + string(value) + beside + tail
        return by_certificate(body + string(inner), world.alice)

    allowed = ring(shared(text))
    assert proof(allowed, signed(0x01)).principals == ("alice@x.org",)
    assert git_asks(text, PAYLOAD, signed(0x01), at=T).good
    assert refusal(allowed, signed(0x00)).code == "NO_PRESENCE"
    assert refusal(allowed, signed(0x01, b"\0")).code == "CERT_BAD"
    assert proof(allowed, signed(0x00), CLOCK, SignatureOptions(ssh_require=())).code == "GOOD"


# --- damage

def test_no_damaged_certificate_passes(world: World) -> None:
    """Damage anywhere in a certificate, under an honest signature of the commit: never a proof, never another exception."""
    rng = random.Random(5)
    certificate = base64.b64decode(world.authority.certify(world.alice, "alice@x.org").public.split()[1])
    allowed = ring(shared(world.allowed()))
    assert proof(allowed, by_certificate(certificate, world.alice))
    codes: set[str] = set()
    for _ in range(1500):
        mutant = damaged(certificate, rng)
        if mutant != certificate:
            codes.add(refusal(allowed, by_certificate(mutant, world.alice)).code)
    assert {"CERT_BAD", "CERT_NOT_TRUSTED", "MALFORMED"} <= codes
    assert codes <= {"CERT_BAD", "CERT_NOT_TRUSTED", "MALFORMED", "UNSUPPORTED", "NO_KEY"}


def test_every_cut_is_refused(world: World) -> None:
    certificate = certificate_of(world.authority, blob_of(world.alice))
    for end in range(len(certificate)):
        with pytest.raises(Malformed):
            sshcert.parse(certificate[:end])


@given(st.binary(max_size=300), st.sampled_from(sorted(sshcert.KINDS)))
def test_any_bytes_raise_only_our_errors(data: bytes, kind: str) -> None:
    for blob in (data, string(kind.encode()) + data):
        with pytest.raises(ChainverifyError):
            sshcert.parse(blob)


def test_time_is_bounded(world: World) -> None:
    """As many principals as there may be, each as long as it may be, against patterns as bad as they may be."""
    evil = names(*[(b"%03d" % number) + b"a" * 1000 for number in range(120)])
    signed = by_certificate(certificate_of(world.authority, blob_of(world.alice), principals=evil), world.alice)
    allowed = ring(shared("".join(world.allowed("*?a?" * 200 + f"*{number}") for number in range(50))))
    started = time.process_time()
    assert refusal(allowed, signed).code == "CERT_PRINCIPAL"
    assert time.process_time() - started < 10
    huge = certificate_of(world.authority, blob_of(world.alice), key_id=string(b"x" * (150 << 10)))
    assert refusal(allowed, by_certificate(huge, world.alice)).code == "MALFORMED"


def test_messages_of_hostile_certificates(world: World) -> None:
    evil = certificate_of(
        world.authority, blob_of(world.alice), key_id=string(b"\x1b[2J\n" + b"x" * 5000), principals=names(b"\x1b]0;x\x07@y.org")
    )
    error = refusal(ring(shared(world.allowed())), by_certificate(evil, world.alice))
    assert error.code == "CERT_PRINCIPAL"
    assert error.message.isprintable()
    assert len(error.message) < 400
