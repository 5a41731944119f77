"""Where requests may go: the address of a registry, and guards on every other address that a server names.

A registry, or a manifest that somebody pushed, chooses realms, redirects and next pages; none of them may lead into the
network of the machine that verifies. Names are not resolved here: a public name that resolves to an inner address passes.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from chainverify.errors import RegistryUnavailable

DOCKER_HUB: Final = "docker.io"
_HUB_ENDPOINT: Final = "https://registry-1.docker.io"
_NUMERIC: Final = re.compile(r"[0-9.]+|0[xX][0-9a-fA-F.xX]*")
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.?|[0-9A-Fa-f:.]+")


class Origin(NamedTuple):
    """Scheme, host in lower case and port: what credentials belong to."""

    scheme: str
    host: str
    port: int


def endpoint(domain: str) -> str:
    """The base URL of the registry of `domain` (`host[:port]`): https, plain http for loopback addresses alone.

    Raises `RegistryUnavailable` for a host that is no name, and for link-local addresses (metadata services live there).
    """
    if domain == DOCKER_HUB:
        return _HUB_ENDPOINT
    scheme = "http" if is_loopback(split_host(domain)) else "https"
    url = f"{scheme}://{domain}"
    found = origin(url)
    if _address_kind(found.host) == "link-local":
        raise RegistryUnavailable(f"registry {domain} is a link-local address, which is never asked")
    return url


def split_host(domain: str) -> str:
    """The host of `host[:port]`, without the brackets of IPv6."""
    if domain.startswith("["):
        return domain[1:].partition("]")[0]
    return domain.partition(":")[0]


def origin(url: str) -> Origin:
    """The origin of a URL. Raises `RegistryUnavailable` for what is not plain http(s) to a host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise RegistryUnavailable(f"{shown(url)} is not a URL") from error
    host = (parts.hostname or "").lower()
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or "\\" in url or not _HOST.fullmatch(host):
        raise RegistryUnavailable(f"{shown(url)} is not a URL that is followed, expected https://HOST/...")
    if _NUMERIC.fullmatch(host) and _address(host) is None:
        raise RegistryUnavailable(f"{shown(url)} has the host {host}, which readers take for different addresses")
    return Origin(parts.scheme, host, port or (443 if parts.scheme == "https" else 80))


def is_loopback(host: str) -> bool:
    """Whether `host` can only be this machine: `localhost`, 127.0.0.0/8, ::1."""
    name = host.lower().removesuffix(".")
    return name == "localhost" or name.endswith(".localhost") or _address_kind(host) == "loopback"


def check_followed(source: Origin, target_url: str, what: str) -> Origin:
    """The origin of `target_url`, named by `source` as a redirect or a realm.

    1. https, or plain http where the source has it too and both are loopback,
    2. no loopback, link-local or private address, unless it is the source's own origin.

    Raises `RegistryUnavailable` where it must not be asked.
    """
    target = origin(target_url)
    if target == source:
        return target
    if target.scheme != "https":
        raise RegistryUnavailable(f"{what} leads from {source.host} to plain http on {target.host}, not followed")
    if is_loopback(target.host) or _address_kind(target.host) is not None:
        raise RegistryUnavailable(f"{what} leads from {source.host} to the inner address {target.host}, not followed")
    return target


def shown(text: str) -> str:
    """Hostile text for a message: short, on one line."""
    return repr(text[:120])


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _address_kind(host: str) -> str | None:
    """What kind of inner address `host` is, None for a name or a public address."""
    address = _address(host.removesuffix("."))
    if address is None:
        return None
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    return None if address.is_global else "private"
