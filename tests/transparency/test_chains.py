"""Certification paths, each wrong in one thing, beside what `openssl verify` says of them."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from chainverify.errors import ChainverifyError, Malformed, SignatureError
from chainverify.transparency import certificates, chains, names
from chainverify.transparency.certificates import Certificate
from tests.world import x509 as world
from tests.world.repository import START
from tests.world.x509 import SINCE, UNTIL, Identity, mint

EMAIL = (chains.EMAIL_PROTECTION,)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")


class Case(NamedTuple):
    """A root, a path below it (nearest to the root first, the leaf last), and what is said of it: None where it is good.

    `openssl` is what openssl says, where it differs from us, with the reason in the name of the case.
    """

    certificates: Sequence[Identity]
    expected: str | None
    openssl: bool | None = None


def path(*changes: dict[str, Any], depth: int = 3, subject: Any = "Leaf") -> list[Identity]:
    """A root, authorities and a leaf; `changes` are for each of them in that order."""
    made: list[Identity] = []
    for number in range(depth):
        change = dict(changes[number]) if number < len(changes) else {}
        last = number == depth - 1
        common = change.pop("subject", subject if last else f"Authority {number}")
        issuer = change.pop("issuer", made[-1] if made else None)
        made.append(mint(common, issuer, **{"authority": not last, "emails": ["a@b.example"] if last else (), **change}))
    return made


def constrained(
    permitted: Sequence[x509.GeneralName] = (), excluded: Sequence[x509.GeneralName] = ()
) -> dict[str, Any]:
    return {"constraints": x509.NameConstraints(list(permitted) or None, list(excluded) or None)}


def self_issued() -> list[Identity]:
    """An authority that issued itself a second certificate, below one that allows a single authority below."""
    root = mint("Root", authority=True, path_length=1)
    first = mint("A", root, authority=True)
    second = mint("A", first, authority=True)
    return [root, first, second, mint("Leaf", second, emails=["a@b.example"])]


def too_deep(levels: int) -> list[Identity]:
    return path(depth=levels)


RFC822, DNS, URI = x509.RFC822Name, x509.DNSName, x509.UniformResourceIdentifier
CASES: dict[str, Callable[[], Case]] = {
    "good": lambda: Case(path(), None),
    "good, directly below the root": lambda: Case(path(depth=2), None),
    "good, RSA": lambda: Case(path(*[{"key": "rsa2048"}] * 3), None),
    "good, RSA-PSS": lambda: Case(path({"key": "rsa2048"}, {"pss": True}, depth=2), None),
    "good, Ed25519": lambda: Case(path({"key": "ed25519"}), None),
    "good, P-384 and P-521": lambda: Case(path({"key": "p384"}, {"key": "p521", "hashing": hashes.SHA384()}), None),
    "good, without key usage": lambda: Case(path({"usages": None}, {"usages": None}, {"usages": None}), None),
    "good, content commitment": lambda: Case(path({}, {}, {"usages": ["content_commitment"]}), None),
    "good, two purposes": lambda: Case(path({}, {}, {"purposes": [*EMAIL, chains.CODE_SIGNING]}), None),
    "good, the longest path": lambda: Case(too_deep(chains.MAX_DEPTH), None),
    "too long": lambda: Case(too_deep(chains.MAX_DEPTH + 1), "CERT_NOT_TRUSTED", openssl=True),
    "expired root": lambda: Case(path({"until": START - 1}), "EXPIRED_AT_T"),
    "expired authority": lambda: Case(path({}, {"until": START - 1}), "EXPIRED_AT_T"),
    "expired leaf": lambda: Case(path({}, {}, {"until": START - 1}), "EXPIRED_AT_T"),
    "root to come": lambda: Case(path({"since": START + 1}), "FUTURE"),
    "authority to come": lambda: Case(path({}, {"since": START + 1}), "FUTURE"),
    "leaf to come": lambda: Case(path({}, {}, {"since": START + 1}), "FUTURE"),
    "last second, which openssl does not count": lambda: Case(path({}, {}, {"until": START}), None, openssl=False),
    "first second": lambda: Case(path({}, {"since": START}, {}), None),
    "path length 0, met": lambda: Case(path({}, {"path_length": 0}), None),
    "path length 0, broken": lambda: Case(path({"path_length": 0}), "CERT_NOT_ALLOWED"),
    "path length 1, broken": lambda: Case(path({"path_length": 1}, depth=4), "CERT_NOT_ALLOWED"),
    "path length 1, met": lambda: Case(path({"path_length": 1}), None),
    "path length, self-issued; openssl takes the first of two issuers of one name": lambda: Case(
        self_issued(), None, openssl=False,
    ),
    "authority without basic constraints": lambda: Case(
        path({}, {"authority": None, "usages": ["key_cert_sign"]}), "CERT_NOT_ALLOWED",
    ),
    "authority that is none": lambda: Case(path({}, {"authority": False, "usages": ["key_cert_sign"]}), "CERT_NOT_ALLOWED"),
    "a person's certificate as authority": lambda: Case(path({}, {"authority": False}), "CERT_NOT_ALLOWED"),
    "root without key usage for it": lambda: Case(path({"usages": ["crl_sign"]}), "CERT_NOT_ALLOWED"),
    "authority without key usage for it": lambda: Case(path({}, {"usages": ["crl_sign"]}), "CERT_NOT_ALLOWED"),
    "unknown critical extension in the root": lambda: Case(path({"extensions": [(UNKNOWN, True)]}), "CERT_NOT_ALLOWED"),
    "unknown critical extension in an authority": lambda: Case(path({}, {"extensions": [(UNKNOWN, True)]}), "CERT_NOT_ALLOWED"),
    "unknown critical extension in the leaf": lambda: Case(path({}, {}, {"extensions": [(UNKNOWN, True)]}), "CERT_NOT_ALLOWED"),
    "unknown extension": lambda: Case(path({}, {"extensions": [(UNKNOWN, False)]}), None),
    "policy constraints": lambda: Case(
        path({}, {"extensions": [(x509.PolicyConstraints(0, None), True)]}), "CERT_NOT_ALLOWED", openssl=True,
    ),
    "certificate policies": lambda: Case(path({}, {"extensions": [(x509.CertificatePolicies(
        [x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)]), True)]}), None),
    "leaf of an authority": lambda: Case(path({}, {}, {"authority": True, "usages": None}), "CERT_NOT_ALLOWED", openssl=True),
    "leaf for the web": lambda: Case(path({}, {}, {"purposes": ["1.3.6.1.5.5.7.3.1"]}), "CERT_NOT_ALLOWED"),
    "leaf for anything": lambda: Case(path({}, {}, {"purposes": [chains.ANY_PURPOSE]}), "CERT_NOT_ALLOWED"),
    "leaf without purpose": lambda: Case(path({}, {}, {"purposes": None}), "CERT_NOT_ALLOWED", openssl=True),
    "leaf for encryption": lambda: Case(path({}, {}, {"usages": ["key_encipherment"]}), "CERT_NOT_ALLOWED"),
    "authority for the web": lambda: Case(path({}, {"purposes": ["1.3.6.1.5.5.7.3.1"]}), "CERT_NOT_ALLOWED"),
    "authority for anything": lambda: Case(path({}, {"purposes": [chains.ANY_PURPOSE]}), None, openssl=False),
    "root for the web": lambda: Case(path({"purposes": ["1.3.6.1.5.5.7.3.1"]}), None, openssl=False),
    "RSA of 1024 bits as authority": lambda: Case(path({}, {"key": "rsa1024"}), "WEAK_KEY", openssl=True),
    "RSA of 1024 bits as root": lambda: Case(path({"key": "rsa1024"}), "WEAK_KEY", openssl=True),
    "secp256k1": lambda: Case(path({}, {"key": "k256"}), "UNSUPPORTED", openssl=True),
    "SHA-224": lambda: Case(path({}, {"hashing": hashes.SHA224()}), "WEAK_HASH", openssl=True),
    "SHA-3": lambda: Case(path({}, {"hashing": hashes.SHA3_256()}), "UNSUPPORTED"),
    "signed by another key": lambda: Case(path({}, {}, {"signing_key": world.new_key()}), "CERT_NOT_TRUSTED"),
    "authority signed by another key": lambda: Case(path({}, {"signing_key": world.new_key()}), "CERT_NOT_TRUSTED"),
    "mailbox, permitted": lambda: Case(path(constrained([RFC822("a@b.example")])), None),
    "mailbox, not permitted": lambda: Case(path(constrained([RFC822("c@b.example")])), "CERT_NOT_ALLOWED"),
    "mailbox, excluded": lambda: Case(path(constrained([], [RFC822("a@b.example")])), "CERT_NOT_ALLOWED"),
    "host, permitted": lambda: Case(path(constrained([RFC822("b.example")])), None),
    "host, not permitted": lambda: Case(path(constrained([RFC822("example")])), "CERT_NOT_ALLOWED"),
    "hosts below, permitted": lambda: Case(path(constrained([RFC822(".example")])), None),
    "hosts below, not the host itself": lambda: Case(path(constrained([RFC822(".b.example")])), "CERT_NOT_ALLOWED"),
    "host, excluded": lambda: Case(path(constrained([], [RFC822("b.example")])), "CERT_NOT_ALLOWED"),
    "host, excluded by an authority below": lambda: Case(path({}, constrained([], [RFC822("b.example")])), "CERT_NOT_ALLOWED"),
    "one of two addresses, not permitted": lambda: Case(
        path(constrained([RFC822("b.example")]), {}, {"emails": ["a@b.example", "a@c.example"]}), "CERT_NOT_ALLOWED",
    ),
    "permitted by one authority, not by the other": lambda: Case(
        path(constrained([RFC822("b.example")]), constrained([RFC822("c.example")])), "CERT_NOT_ALLOWED",
    ),
    "address in the subject, not permitted": lambda: Case(
        path(constrained([RFC822("b.example")]), subject=world.name("Leaf", email="a@c.example")), "CERT_NOT_ALLOWED",
    ),
    "constraint on other names only": lambda: Case(path(constrained([DNS("c.example")])), None),
    "domain, permitted": lambda: Case(path(constrained([DNS("c.example")]), {}, {"names": [DNS("x.c.example")]}), None),
    "domain, not permitted": lambda: Case(
        path(constrained([DNS("c.example")]), {}, {"names": [DNS("xc.example")]}), "CERT_NOT_ALLOWED",
    ),
    "domain, excluded": lambda: Case(
        path(constrained([], [DNS("c.example")]), {}, {"names": [DNS("x.C.example")]}), "CERT_NOT_ALLOWED",
    ),
    "URI, permitted": lambda: Case(path(constrained([URI("c.example")]), {}, {"names": [URI("https://c.example/x")]}), None),
    "URI, not permitted": lambda: Case(
        path(constrained([URI("c.example")]), {}, {"names": [URI("https://x.c.example/x")]}), "CERT_NOT_ALLOWED",
    ),
    "directory, permitted": lambda: Case(
        path(constrained([x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Our  firm")]))]),
             {"subject": world.name("Middle", organization="our FIRM")}, subject=world.name("Leaf", organization="Our Firm")),
        None,
    ),
    "directory, not permitted": lambda: Case(
        path(constrained([x509.DirectoryName(world.name("Middle"))])), "CERT_NOT_ALLOWED",
    ),
    "directory, excluded": lambda: Case(
        path(constrained([], [x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Firm")]))]),
             subject=world.name("Leaf", organization="firm")), "CERT_NOT_ALLOWED",
    ),
    "addresses of machines, not compared": lambda: Case(
        path(constrained([x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))]), {},
             {"names": [x509.IPAddress(ipaddress.ip_address("10.0.0.1"))]}), "CERT_NOT_ALLOWED", openssl=True,
    ),
    "constraints in a leaf": lambda: Case(path({}, {}, constrained([RFC822("b.example")])), "CERT_NOT_ALLOWED", openssl=True),
}  # fmt: skip


def decoded(identities: Sequence[Identity]) -> list[Certificate]:
    return [certificates.decode(each.der) for each in identities]


def verdict(
    identities: Sequence[Identity], at: int | None = START, purposes: Sequence[str] = (*EMAIL, chains.CODE_SIGNING)
) -> str | None:
    root, *others, leaf = decoded(identities)
    try:
        found = chains.validate(leaf, others, [root], at, purposes)
    except SignatureError as error:
        return error.code
    assert found == (leaf, *reversed(others), root)
    return None


def openssl_says(directory: Path, identities: Sequence[Identity]) -> bool:
    root, *others, leaf = identities
    (directory / "root.pem").write_bytes(root.pem)
    (directory / "others.pem").write_bytes(b"".join(each.pem for each in others))
    (directory / "leaf.pem").write_bytes(leaf.pem)
    untrusted = ["-untrusted", "others.pem"] if others else []
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", "root.pem", *untrusted, "-purpose", "smimesign", "-attime", str(START), "leaf.pem"],
        cwd=directory, capture_output=True, check=False, timeout=60,
    )
    return done.returncode == 0


@pytest.mark.tool("openssl")
@pytest.mark.parametrize("name", CASES)
def test_paths(name: str, tmp_path: Path) -> None:
    case = CASES[name]()
    assert verdict(case.certificates) == case.expected
    expected = case.openssl if case.openssl is not None else case.expected is None
    assert openssl_says(tmp_path, case.certificates) == expected


@pytest.mark.parametrize("name", ["expired root", "expired authority", "expired leaf", "leaf to come", "good"])
def test_validity_left_to_the_caller(name: str) -> None:
    assert verdict(CASES[name]().certificates, None) is None


def test_purposes_are_the_caller_s() -> None:
    made = path({}, {}, {"purposes": [chains.CODE_SIGNING]})
    assert verdict(made, purposes=[chains.CODE_SIGNING]) is None
    assert verdict(made, purposes=EMAIL) == "CERT_NOT_ALLOWED"
    assert verdict(made, purposes=[chains.TIME_STAMPING]) == "CERT_NOT_ALLOWED"


def test_a_leaf_for_something_else_reads_what_it_should_be_for() -> None:
    root, middle, leaf = decoded(path({}, {}, {"purposes": ["1.3.6.1.5.5.7.3.1"]}))
    with pytest.raises(SignatureError, match="has no extended key usage emailProtection") as caught:
        chains.validate(leaf, [middle], [root], None, EMAIL)
    assert "extended key usage emailProtection" in caught.value.hint


def test_one_good_path_is_enough() -> None:
    """Cross-certified authorities: an expired path beside a good one, and one to a root that nobody trusts."""
    root, other = mint("Root", authority=True), mint("Other", authority=True)
    middle = mint("Middle", root, authority=True)
    key = middle.key
    expired = mint("Middle", root, key=key, authority=True, until=START - 1)
    elsewhere = mint("Middle", other, key=key, authority=True)
    leaf = mint("Leaf", middle, emails=["a@b.example"])
    for order in ([middle, expired, elsewhere], [elsewhere, expired, middle], [expired, middle, elsewhere]):
        found = chains.validate(*_arguments(leaf, order, [root]), START, EMAIL)
        assert [each.der for each in found] == [leaf.der, middle.der, root.der]
    with pytest.raises(SignatureError) as caught:
        chains.validate(*_arguments(leaf, [elsewhere, expired], [root]), START, EMAIL)
    assert caught.value.code == "EXPIRED_AT_T"


def _arguments(
    leaf: Identity, others: Sequence[Identity], roots: Sequence[Identity]
) -> tuple[Certificate, list[Certificate], list[Certificate]]:
    return certificates.decode(leaf.der), decoded(others), decoded(roots)


def test_loops_end() -> None:
    one, two = world.new_key(), world.new_key()
    first = mint("One", authority=True, key=one)
    second = mint("Two", first, authority=True, key=two)
    crossed = mint("One", second, authority=True, key=one)
    leaf = mint("Leaf", crossed, emails=["a@b.example"])
    arguments = _arguments(leaf, [second, crossed], [mint("Root", authority=True)])
    with pytest.raises(SignatureError) as caught:
        chains.validate(*arguments, START, EMAIL)
    assert caught.value.code == "CERT_NOT_TRUSTED"


def test_the_tries_are_limited() -> None:
    """Certificates of one name and key, each an issuer of each: the number of paths grows with every one."""
    key = world.new_key()
    issuer = mint("Loop", authority=True, key=key)
    others = [mint("Loop", issuer, authority=True, key=key) for _ in range(20)]
    leaf = mint("Leaf", issuer, emails=["a@b.example"])
    with pytest.raises(SignatureError, match=f"{chains.MAX_SIGNATURES} signatures") as caught:
        chains.validate(*_arguments(leaf, others, [mint("Root", authority=True)]), START, EMAIL)
    assert (caught.value.code, caught.value.rule) == ("MALFORMED", "signature-bad")


def test_a_name_is_its_bytes() -> None:
    """The issuer's name in another string type is another name."""
    kind = x509.NameOID.COMMON_NAME
    printable, utf8 = (
        x509.Name([x509.NameAttribute(kind, "Root", type_)])
        for type_ in (x509.name._ASN1Type.PrintableString, x509.name._ASN1Type.UTF8String)
    )
    key = world.new_key()
    root = mint(printable, authority=True, key=key)
    leaf = mint("Leaf", mint(utf8, authority=True, key=key), emails=["a@b.example"])
    assert verdict([root, leaf]) == "CERT_NOT_TRUSTED"


@pytest.mark.parametrize(("constraint", "value", "permits", "excludes"), [
    ("b.example", "a@b.example", True, True),
    ("b.example", "a@B.EXAMPLE", True, True),
    ("B.example", "a@b.example", True, True),
    ("b.example", "a@b.example.", False, True),
    ("b.example", "a@x.b.example", False, False),
    (".b.example", "a@x.b.example", True, True),
    (".b.example", "a@xb.example", False, False),
    ("a@b.example", "A@b.example", False, True),
    ("a@b.example", "a@B.example", True, True),
    ("b.example", "a", False, True),
    ("", "a@b.example", False, True),
])  # fmt: skip
def test_mailboxes(constraint: str, value: str, permits: bool, excludes: bool) -> None:
    made = x509.RFC822Name._init_without_validation
    assert names._mailbox(made(value), made(constraint), False) == permits
    assert names._mailbox(made(value), made(constraint), True) == excludes


@pytest.mark.parametrize(("constraint", "value", "permits", "excludes"), [
    ("c.example", "c.example", True, True),
    ("c.example", "x.y.c.example", True, True),
    (".c.example", "c.example", False, True),
    (".c.example", "x.c.example", True, True),
    ("c.example", "c.example.", True, True),
    ("x.c.example", "*.c.example", False, True),
    ("c.example", "*.c.example", True, True),
    ("c.example", "example", False, False),
    ("", "c.example", True, True),
])  # fmt: skip
def test_domains(constraint: str, value: str, permits: bool, excludes: bool) -> None:
    made = x509.DNSName._init_without_validation
    assert names._domain(made(value), made(constraint), False) == permits
    assert names._domain(made(value), made(constraint), True) == excludes


@pytest.mark.parametrize(("constraint", "value", "permits", "excludes"), [
    ("c.example", "https://c.example/", True, True),
    ("c.example", "https://user@c.example:8443/x", True, True),
    (".c.example", "https://x.c.example/", True, True),
    ("c.example", "https://c.example.evil.example/", False, False),
    ("c.example", "urn:c.example", False, True),
    ("c.example", "https://10.0.0.1/", False, True),
    ("c.example", "https://[::1]/", False, True),
    ("c.example", "https://[/", False, True),
])  # fmt: skip
def test_uris(constraint: str, value: str, permits: bool, excludes: bool) -> None:
    made = x509.UniformResourceIdentifier._init_without_validation
    assert names._uri(made(value), made(constraint), False) == permits
    assert names._uri(made(value), made(constraint), True) == excludes


def test_names_are_limited() -> None:
    many = mint("Many", names=[x509.DNSName(f"x{number}.example") for number in range(names.MAX_NAMES)])
    constraints = x509.NameConstraints([x509.DNSName("example")], None)
    assert names.violation(constraints, certificates.decode(many.der)) == "more names or constraints than are compared"
    few = mint("Few", names=[x509.DNSName("x.example")])
    assert names.violation(constraints, certificates.decode(few.der)) is None


# --- certificates

def test_decoding_damaged_certificates() -> None:
    """Every byte of a certificate, changed: it is refused, or read; nothing else."""
    data = mint("Leaf", mint("Root", authority=True), emails=["a@b.example"]).der
    for at in range(len(data)):
        mutant = data[:at] + bytes((data[at] ^ 0x41,)) + data[at + 1 :]
        try:
            certificates.decode(mutant).key()
        except ChainverifyError as error:
            assert error.rule in {"signature-bad", "algorithm-forbidden"}  # noqa: PT017 - most are refused, not all


def test_extensions_that_contradict_each_other() -> None:
    leaf = mint("Leaf")
    der_ = leaf.der
    with pytest.raises(Malformed, match="inside and another outside"):
        certificates.decode(der_.replace(bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d040303"), 1))


def test_windows_of_a_year() -> None:
    outline = certificates.decode(mint("Leaf").der).outline
    assert (outline.not_before, outline.not_after) == (SINCE, UNTIL)
    late = certificates.decode(mint("Leaf", until=4_000_000_000).der).outline  # GeneralizedTime
    assert late.not_after == 4_000_000_000
