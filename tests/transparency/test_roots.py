"""Trust roots are read strictly, with every window; the shipped one is what sigstore itself would use."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from chainverify.errors import Malformed, PolicyError
from chainverify.transparency import keys, roots
from chainverify.transparency.roots import Window
from tests.world.sigstore import DER, Sigstore, b64, log, p256, spki

Change = Callable[[dict[str, Any]], object]


def parse(root: dict[str, Any]) -> roots.TrustRoot:
    return roots.parse(json.dumps(root).encode())


def test_a_trust_root_is_read_with_its_windows(sigstore: Sigstore) -> None:
    root = sigstore.trust()
    root["certificateAuthorities"][0]["validFor"] = {"start": "2023-01-01T00:00:00Z", "end": "2024-01-01T00:00:00.999Z"}
    data = json.dumps(root).encode()
    found = roots.parse(data)
    assert found.digest == hashlib.sha256(data).hexdigest()
    assert tuple(each.der for each in found.authorities[0].certificates) == tuple(
        each.public_bytes(DER) for each in (sigstore.intermediate, sigstore.root)
    )
    assert found.authorities[0].window == Window(1_672_531_200_000, 1_704_067_200_999)
    assert [each.host for each in found.logs] == ["rekor.example.org", "log2025.rekor.example.org"]
    assert found.ct_logs[0].log_id == hashlib.sha256(spki(sigstore.ct_key)).digest()
    assert found.timestamp_authorities[0].uri == "https://tsa.example.org"


def test_a_window_holds_both_its_ends() -> None:
    window = Window(10, 20)
    assert [window.has(at) for at in (9, 10, 20, 21)] == [False, True, True, False]
    assert Window(10, None).has(1 << 60)
    assert str(Window(0, 1000)) == "1970-01-01T00:00:00Z to 1970-01-01T00:00:01Z"


@pytest.mark.parametrize(
    ("text", "start"),
    [("2023-01-01T00:00:00.000000001Z", 1_672_531_200_001), ("2023-01-01T00:00:00.001Z", 1_672_531_200_001)],
)
def test_a_fine_moment_makes_the_window_no_longer(sigstore: Sigstore, text: str, start: int) -> None:
    root = sigstore.trust()
    root["ctlogs"][0]["publicKey"]["validFor"] = {"start": text, "end": "2023-01-01T00:00:00.001999Z"}
    assert parse(root).ct_logs[0].window == Window(start, 1_672_531_200_001)


@pytest.mark.parametrize("media_type", roots.MEDIA_TYPES)
def test_every_version_of_the_format_is_read(sigstore: Sigstore, media_type: str) -> None:
    assert parse(sigstore.trust(mediaType=media_type)).logs


def test_a_deployment_without_logs_is_read(sigstore: Sigstore) -> None:
    root = sigstore.trust()
    for member in ("tlogs", "ctlogs", "timestampAuthorities"):
        del root[member]
    del root["certificateAuthorities"][0]["subject"]
    found = parse(root)
    assert (found.logs, found.ct_logs, found.timestamp_authorities) == ((), (), ())


def _public(key: rsa.RSAPrivateKey, form: serialization.PublicFormat) -> bytes:
    return key.public_key().public_bytes(DER, form)


def test_keys_of_every_kind_are_read(sigstore: Sigstore) -> None:
    rsa_key = rsa.generate_private_key(65537, 2048)
    p384 = ec.generate_private_key(ec.SECP384R1())
    pkix, pkcs1 = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1
    loaded = {
        "PKIX_ECDSA_P256_SHA_256": spki(sigstore.ct_key),
        "PKIX_ECDSA_P384_SHA_384": spki(p384),
        "PKIX_ED25519": spki(sigstore.rekor2_key),
        "PKIX_RSA_PKCS1V15_2048_SHA256": _public(rsa_key, pkix),
        "PKIX_RSA_PKCS1V5": _public(rsa_key, pkix),
        "PKCS1_RSA_PKCS1V5": _public(rsa_key, pkcs1),
    }
    for details, data in loaded.items():
        found = keys.load(data, details, "key")
        assert keys.spki(found) == (_public(rsa_key, pkix) if "RSA" in details else data)
    for details in loaded:  # and no key passes for another
        for other, data in loaded.items():
            rsa_both = {details, other} == {"PKIX_RSA_PKCS1V15_2048_SHA256", "PKIX_RSA_PKCS1V5"}
            if details != other and not rsa_both:
                with pytest.raises(Malformed, match="is not the"):
                    keys.load(data, details, "key")


def _remove(*path: str | int) -> Change:
    def change(root: dict[str, Any]) -> None:
        inner: Any = root
        for step in path[:-1]:
            inner = inner[step]
        del inner[path[-1]]

    return change


def _set(value: object, *path: str | int) -> Change:
    def change(root: dict[str, Any]) -> None:
        inner: Any = root
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value

    return change


def _twice(member: str) -> Change:
    return lambda root: root[member].append(root[member][0])


CERTIFICATES = ("certificateAuthorities", 0, "certChain", "certificates")
LOG_KEY = ("tlogs", 0, "publicKey")
DEFECTS: list[tuple[Change, str]] = [
    (_set("application/json", "mediaType"), "media type 'application/json'"),
    (_remove("mediaType"), "mediaType is missing"),
    (_set([], "extra"), "unknown member 'extra'"),
    (_set(1, "tlogs", 0, "restriction"), "unknown member 'restriction'"),
    (_set(1, *LOG_KEY, "validFor", "except"), "unknown member 'except'"),
    (_set(1, "certificateAuthorities", 0, "x"), "unknown member 'x'"),
    (_set({}, "tlogs"), "tlogs is an object, expected an array"),
    (_twice("tlogs"), r"tlogs\[2\] has the log id of an entry before it"),
    (_twice("ctlogs"), r"ctlogs\[1\] has the log id of an entry before it"),
    (_twice("certificateAuthorities"), "same certificates as an entry before"),
    (_twice("timestampAuthorities"), "same certificates as an entry before"),
    (_remove("certificateAuthorities", 0, "validFor"), "validFor is missing"),
    (_remove("timestampAuthorities", 0, "validFor"), "validFor is missing"),
    (_remove(*LOG_KEY, "validFor"), "validFor is missing"),
    (_remove(*LOG_KEY, "validFor", "start"), "start is missing"),
    (_set("2022-01-01T00:00:00Z", *LOG_KEY, "validFor", "end"), "ends before it starts"),
    (_set(None, *LOG_KEY, "validFor", "end"), "end is missing or null"),
    (_set("2023-02-30T00:00:00Z", *LOG_KEY, "validFor", "start"), "no time of the calendar"),
    (_set("2023-01-01 00:00:00Z", *LOG_KEY, "validFor", "start"), "expected a time such as"),
    (_set("2023-01-01T00:00:00+01:00", *LOG_KEY, "validFor", "start"), "expected a time such as"),
    (_set("٢٠٢٣-01-01T00:00:00Z", *LOG_KEY, "validFor", "start"), "expected a time such as"),
    (_set("SHA2_512", "tlogs", 0, "hashAlgorithm"), "hash algorithm 'SHA2_512'"),
    (_set("PKIX_ED25519_PH", *LOG_KEY, "keyDetails"), "not supported"),
    (_set("PKIX_ED25519", *LOG_KEY, "keyDetails"), "is not the PKIX_ED25519"),
    (_set("AAAA", *LOG_KEY, "rawBytes"), "not a public key"),
    (_set("A A=", *LOG_KEY, "rawBytes"), "not base64"),
    (_set("AAAA", "tlogs", 0, "logId", "keyId"), "logId has 3 bytes, expected 32"),
    (_remove("tlogs", 0, "logId"), "logId is missing"),
    (_set({"keyId": "AAAA"}, "tlogs", 0, "checkpointKeyId"), "checkpointKeyId has 3 bytes"),
    (_set("https://[", "tlogs", 0, "baseUrl"), "no address"),
    (_set([], *CERTIFICATES), "has no certificate"),
    (_set([{"rawBytes": "AAAA"}], *CERTIFICATES), "certificate that cannot be read"),
    (_set([{"rawBytes": "AAAA"}] * 17, *CERTIFICATES), "17 elements, at most 16"),
    (_set([{}] * 65, "ctlogs"), "65 elements, at most 64"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), DEFECTS, ids=[reason for _, reason in DEFECTS])
def test_what_is_not_understood_is_refused(sigstore: Sigstore, change: Change, reason: str) -> None:
    root = sigstore.trust()
    change(root)
    with pytest.raises(Malformed, match=reason) as caught:
        parse(root)
    assert caught.value.rule == "signature-bad"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"mediaType":"x","mediaType":"y"}', "twice"),
        (b"[]", "expected an object"),
        (b"\xff", "not UTF-8"),
        (b" " * ((1 << 20) + 1), "at most"),
    ],
)
def test_damaged_json_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as caught:
        roots.parse(data)
    assert caught.value.rule == "signature-bad"


def test_a_weak_key_is_refused(sigstore: Sigstore) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    entry = log("https://x.example.org", p256(), details="PKIX_RSA_PKCS1V5")
    entry["publicKey"]["rawBytes"] = b64(_public(weak, serialization.PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(Malformed, match="RSA key of 1024 bits"):
        parse(sigstore.trust(ctlogs=[entry]))


def test_the_shipped_root_is_the_public_one() -> None:
    found = roots.parse(roots.shipped())
    assert {"https://fulcio.sigstore.dev"} == {each.uri for each in found.authorities}
    assert {"rekor.sigstore.dev", "log2025-1.rekor.sigstore.dev"} <= {each.host for each in found.logs}
    assert len(found.ct_logs) >= 2


def test_the_shipped_root_is_what_sigstore_uses_offline(tmp_path: Path) -> None:
    """Its interface copies the root into the home directory; ours only reads, and loads nothing of the package."""
    program = (
        "import sys\n"
        "from chainverify.transparency import roots\n"
        "data = roots.shipped()\n"
        "assert not any(name.split('.')[0] == 'sigstore' for name in sys.modules)\n"
        "import pathlib\n"
        "assert not list(pathlib.Path(sys.argv[1]).iterdir())\n"
        "from sigstore.models import ClientTrustConfig\n"
        "ClientTrustConfig.production(offline=True)\n"
        "copies = [file.read_bytes() for file in pathlib.Path(sys.argv[1]).rglob('trusted_root.json')]\n"
        "assert copies == [data], copies\n"
    )
    environment = {
        "HOME": str(tmp_path), "PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, env=environment, timeout=60)


def test_without_the_package_the_policy_must_name_a_root(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    def missing(name: str) -> object:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(PolicyError, match="sigstore package is not installed") as caught:
        roots.shipped()
    assert caught.value.key == "commits.trusted-root"
    assert "trusted_root.json" in caught.value.hint
