"""Where requests may go."""

from __future__ import annotations

import pytest

from chainverify.errors import RegistryUnavailable
from chainverify.registry import hosts
from chainverify.registry.hosts import Origin


@pytest.mark.parametrize(
    ("domain", "url"),
    [
        ("docker.io", "https://registry-1.docker.io"),
        ("ghcr.io", "https://ghcr.io"),
        ("registry.example.org:5000", "https://registry.example.org:5000"),
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("127.8.9.1", "http://127.8.9.1"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("10.0.0.5:5000", "https://10.0.0.5:5000"),
        ("localhost.example.org", "https://localhost.example.org"),
        ("127.0.0.1.example.org", "https://127.0.0.1.example.org"),
    ],
)
def test_endpoint(domain: str, url: str) -> None:
    assert hosts.endpoint(domain) == url


@pytest.mark.parametrize(
    "domain",
    ["169.254.169.254", "169.254.169.254:80", "[fe80::1]", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "a b", "u@h", ""],
)
def test_never_asked(domain: str) -> None:
    with pytest.raises(RegistryUnavailable):
        hosts.endpoint(domain)


PUBLIC = Origin("https", "registry.example.org", 443)
LOCAL = Origin("http", "127.0.0.1", 5000)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (PUBLIC, "https://auth.example.org/token"),
        (PUBLIC, "https://registry.example.org/token"),
        (PUBLIC, "https://8.8.8.8/token"),
        (LOCAL, "http://127.0.0.1:5000/token"),
        (LOCAL, "https://auth.example.org/token"),
    ],
)
def test_followed(source: Origin, target: str) -> None:
    assert hosts.check_followed(source, target, "realm").host in target


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (PUBLIC, "http://auth.example.org/token"),
        (PUBLIC, "http://registry.example.org/token"),
        (PUBLIC, "https://127.0.0.1/token"),
        (PUBLIC, "https://localhost/token"),
        (PUBLIC, "https://localhost./token"),
        (PUBLIC, "https://api.localhost/token"),
        (PUBLIC, "https://[::1]/token"),
        (PUBLIC, "https://[::ffff:127.0.0.1]/token"),
        (PUBLIC, "https://169.254.169.254/latest"),
        (PUBLIC, "https://10.1.2.3/"),
        (PUBLIC, "https://192.168.1.1/"),
        (PUBLIC, "https://[fd00::1]/"),
        (PUBLIC, "https://0.0.0.0/"),
        (PUBLIC, "https://2130706433/"),
        (PUBLIC, "https://0x7f.1/"),
        (PUBLIC, "https://user:password@auth.example.org/"),
        (PUBLIC, "https://auth.example.org\\@127.0.0.1/"),
        (PUBLIC, "file:///etc/passwd"),
        (PUBLIC, "ftp://auth.example.org/"),
        (PUBLIC, "//auth.example.org/token"),
        (PUBLIC, "https://[/"),
        (PUBLIC, "https://auth.example.org:99999/"),
        (PUBLIC, ""),
        (LOCAL, "http://127.0.0.1:5001/token"),
        (LOCAL, "http://localhost:5000/token"),
        (LOCAL, "http://auth.example.org/token"),
        (LOCAL, "https://127.0.0.1:5000/token"),
    ],
)
def test_not_followed(source: Origin, target: str) -> None:
    with pytest.raises(RegistryUnavailable):
        hosts.check_followed(source, target, "realm")
