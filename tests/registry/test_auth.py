"""Challenges, tokens and logins."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import RegistryUnavailable, UsageError
from chainverify.registry import auth
from chainverify.registry.auth import Login
from chainverify.registry.hosts import Origin

HUB = Origin("https", "registry-1.docker.io", 443)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="a/b:pull,push"',
            [("bearer", {"realm": "https://auth.docker.io/token", "service": "registry.docker.io", "scope": "a/b:pull,push"})],
        ),
        ("Basic realm=x", [("basic", {"realm": "x"})]),
        ('Basic realm="a, b", Bearer realm="c"', [("basic", {"realm": "a, b"}), ("bearer", {"realm": "c"})]),
        ('Negotiate, Bearer realm="c"', [("negotiate", {}), ("bearer", {"realm": "c"})]),
        ('Bearer Realm="a\\"b" , service = y', [("bearer", {"realm": 'a"b', "service": "y"})]),
        ('bearer realm="first",realm="second"', [("bearer", {"realm": "first"})]),
        ("", []),
        ('"', []),
    ],
)
def test_challenges(header: str, expected: list[object]) -> None:
    assert [tuple(found) for found in auth.challenges(header)] == expected


@given(st.text(max_size=300))
def test_challenges_end(header: str) -> None:
    auth.challenges(header)


def test_token_url_has_our_scope() -> None:
    (challenge,) = auth.challenges('Bearer realm="https://auth.docker.io/token?x=1#y",service="a b&c",scope="evil:push"')
    assert auth.token_url(challenge, HUB, "library/app") == (
        "https://auth.docker.io/token?x=1&service=a+b%26c&scope=repository%3Alibrary%2Fapp%3Apull"
    )
    with pytest.raises(RegistryUnavailable):
        auth.token_url(auth.Challenge("bearer", {}), HUB, "a")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"token": "abc"}', ("abc", 60)),
        (b'{"access_token": "abc", "expires_in": 300}', ("abc", 300)),
        (b'{"token": "abc", "expires_in": "soon"}', ("abc", 60)),
        (b'{"token": "abc", "expires_in": -5}', ("abc", 60)),
        (b'{"token": "abc", "expires_in": true}', ("abc", 60)),
    ],
)
def test_tokens(body: bytes, expected: tuple[str, float]) -> None:
    assert auth.parse_token(body, "host") == expected


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\r\\nX: y"}', b'{"token": "a", "token": "b"}', b"\xff"]
)
def test_tokens_refused(body: bytes) -> None:
    with pytest.raises(RegistryUnavailable):
        auth.parse_token(body, "host")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_docker_config() -> None:
    config = {
        "auths": {
            "https://index.docker.io/v1/": {"auth": encoded("hub:pass:word")},
            "ghcr.io": {"username": "me", "password": "secret"},
            "ghcr.io/team": {"auth": encoded("team:secret")},
            "quay.io": {"auth": encoded("x:"), "identitytoken": "t"},
            "empty.example.org": {},
            "token.example.org": {"identitytoken": "t"},
        },
        "credsStore": "desktop",
        "credHelpers": {"gcr.io": "gcloud"},
        "HttpHeaders": {"x": "y"},
    }
    found = auth.parse_docker_config(json.dumps(config).encode(), "config.json")
    assert found.find("docker.io/library/app") == Login("hub", "pass:word")
    assert found.find("ghcr.io/other/app") == Login("me", "secret")
    assert found.find("ghcr.io/team/app") == Login("team", "secret")
    assert found.find("ghcr.io/teams/app") == Login("me", "secret")
    assert found.find("ghcr.io.example.org/app") is None
    assert found.find("empty.example.org/app") is None
    assert "gcloud" in " ".join(found.unsupported)
    assert "desktop" in " ".join(found.unsupported)
    assert "token.example.org" in " ".join(found.unsupported)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"auths": []}', b'{"auths": {"a": {"auth": "!"}}}', b'{"auths": {"a": {"auth": "/w=="}}}']
)
def test_docker_configs_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match=r"^config\.json: "):
        auth.parse_docker_config(data, "config.json")
