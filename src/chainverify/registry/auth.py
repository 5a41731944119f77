"""How a registry is told who asks: challenges (RFC 9110 section 11), bearer tokens (distribution's token protocol), and the
`auths` of a Docker `config.json`."""

from __future__ import annotations

import base64
import re
from typing import Final, NamedTuple
from urllib.parse import urlencode, urlsplit, urlunsplit

from chainverify.errors import Malformed, RegistryUnavailable, UsageError
from chainverify.formats import strictjson
from chainverify.registry import hosts
from chainverify.registry.hosts import Origin

MAX_TOKEN_BYTES: Final = 64 << 10
DEFAULT_LIFETIME: Final = 60
"""Seconds that a token without `expires_in` lives (token protocol)."""
MAX_CONFIG_BYTES: Final = 1 << 20

_TOKEN68: Final = re.compile(r"[!-~]+")
_SCHEME: Final = re.compile(r"\s*,?\s*([A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]*)(?=\s|$|,)")
_PARAMETER: Final = re.compile(r'\s*,?\s*([A-Za-z_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))')


class Challenge(NamedTuple):
    """One challenge of a `WWW-Authenticate` header: `scheme` in lower case."""

    scheme: str
    parameters: dict[str, str]


class Token(NamedTuple):
    """A bearer token and the seconds it lives from when it was given."""

    value: str
    lifetime: float


class Login(NamedTuple):
    """A user name and password."""

    user: str
    password: str

    @property
    def header(self) -> str:
        """The value of `Authorization`."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Credentials(NamedTuple):
    """Logins by `host[:port][/path]`; `unsupported` names what a configuration has and this version cannot use."""

    logins: tuple[tuple[str, Login], ...] = ()
    unsupported: tuple[str, ...] = ()

    def find(self, repository: str) -> Login | None:
        """The login for `domain/path`: the longest entry that is its domain or a prefix of its path, part by part."""
        fitting = [(name, login) for name, login in self.logins if repository == name or repository.startswith(name + "/")]
        return max(fitting, key=lambda entry: len(entry[0]))[1] if fitting else None


def challenges(header: str) -> list[Challenge]:
    """The challenges of a header, what cannot be read left out."""
    found: list[Challenge] = []
    at = 0
    while at < len(header):
        parameter = _PARAMETER.match(header, at)
        if parameter and found:
            quoted, plain = parameter.group(2), parameter.group(3)
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            found[-1].parameters.setdefault(parameter.group(1).lower(), value)
            at = parameter.end()
            continue
        scheme = _SCHEME.match(header, at)
        if not scheme:
            break
        found.append(Challenge(scheme.group(1).lower(), {}))
        at = scheme.end()
    return found


def token_url(challenge: Challenge, registry: Origin, path: str) -> str:
    """The URL that gives a token to pull `path`. The scope is ours, not the server's.

    Raises `RegistryUnavailable` for a realm that must not be asked (`hosts.check_followed`).
    """
    realm = challenge.parameters.get("realm", "")
    hosts.check_followed(registry, realm, "token realm")
    parts = urlsplit(realm)
    query = [("scope", f"repository:{path}:pull")]
    if "service" in challenge.parameters:
        query.insert(0, ("service", challenge.parameters["service"]))
    joined = "&".join(filter(None, (parts.query, urlencode(query))))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, joined, ""))


def parse_token(body: bytes, host: str) -> Token:
    """The token of a token server's answer. Raises `RegistryUnavailable`."""
    try:
        answer = strictjson.parse_object(body, "token answer")
    except Malformed as error:
        raise RegistryUnavailable(f"token server {host} answered outside the protocol: {error.message}") from error
    value = answer.get("token") or answer.get("access_token")
    if not isinstance(value, str) or not _TOKEN68.fullmatch(value):
        raise RegistryUnavailable(f"token server {host} answered without a token")
    lifetime = answer.get("expires_in")
    if isinstance(lifetime, int | float) and not isinstance(lifetime, bool) and 0 < lifetime < 10**6:
        return Token(value, float(lifetime))
    return Token(value, DEFAULT_LIFETIME)


def parse_docker_config(data: bytes, source: str) -> Credentials:
    """The `auths` of a Docker or Podman configuration; `source` names it in errors.

    Credential helpers are not run, identity tokens are not used; `unsupported` names them. Raises `UsageError`.
    """
    logins: list[tuple[str, Login]] = []
    unsupported: list[str] = []
    try:
        if len(data) > MAX_CONFIG_BYTES:
            raise strictjson.malformed(f"it has {len(data)} bytes, at most {MAX_CONFIG_BYTES} are read")
        config = strictjson.parse_object(data, "configuration")
        for name, value in strictjson.as_object(config.get("auths", {}), "auths").items():
            entry = strictjson.as_object(value, f"auths[{name!r}]")
            login = _login(entry, name)
            if login:
                logins.append((_entry_name(name), login))
            elif entry.get("identitytoken"):
                unsupported.append(f"the identity token of {name}")
        unsupported += [f"the credential helper {config[key]}" for key in ("credsStore",) if config.get(key)]
        helpers = strictjson.as_object(config.get("credHelpers", {}), "credHelpers")
        unsupported += [f"the credential helper {helper} of {name}" for name, helper in helpers.items()]
    except Malformed as error:
        raise UsageError(f"{source}: {error.message}", hint="expected is what `docker login` writes") from error
    return Credentials(tuple(logins), tuple(unsupported))


def _login(entry: dict[str, strictjson.Json], name: str) -> Login | None:
    encoded = entry.get("auth")
    if encoded:
        text = strictjson.decode_base64(strictjson.as_text(encoded, f"auths[{name!r}].auth"), f"auths[{name!r}].auth")
        try:
            user, colon, password = text.decode().rstrip("\0").partition(":")
        except UnicodeDecodeError as error:
            raise strictjson.malformed(f"auths[{name!r}].auth is not UTF-8") from error
        return Login(user, password) if colon else None
    name_part, secret = entry.get("username"), entry.get("password")
    return Login(name_part, secret) if isinstance(name_part, str) and name_part and isinstance(secret, str) else None


def _entry_name(name: str) -> str:
    """`https://index.docker.io/v1/` and the like as `domain[/path]`."""
    bare = re.sub(r"^https?://", "", name).rstrip("/")
    host, _, path = bare.partition("/")
    if host in ("index.docker.io", "registry-1.docker.io", hosts.DOCKER_HUB):
        host = hosts.DOCKER_HUB
    path = "" if path in ("v1", "v2") else path
    return f"{host}/{path}" if path else host
