"""Sigstore trust roots: which authorities, logs and timestamp authorities are believed, and when each of them was.

The file is `trusted_root.json` (protobuf-specs `sigstore_trustroot.proto`). Every `validFor` window is kept, and whoever uses an
entry asks about it: it is what lets an authority retire a key, or outlive its theft. Read strictly, because a member that is
not understood may be the one that restricts an entry.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from chainverify.errors import Malformed, PolicyError
from chainverify.formats import strictjson
from chainverify.formats.sshwire import damaged
from chainverify.formats.strictjson import Json
from chainverify.output.moment import moment
from chainverify.transparency import certificates, keys
from chainverify.transparency.certificates import Certificate
from chainverify.transparency.keys import TrustedKey

MEDIA_TYPES: Final = (
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot+json;version=0.2",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
)
MAX_ROOT_BYTES: Final = 1 << 20
"""The largest trust root that is read; the public one has under 10 KiB."""
MAX_AUTHORITIES: Final = 64
"""The most authorities, and the most logs, of one kind."""
MAX_CHAIN: Final = 16
"""The most certificates of one authority."""
PUBLIC_GOOD: Final = "https://tuf-repo-cdn.sigstore.dev"
"""The repository whose trust root is the default: that of the public Sigstore services."""

_HASH: Final = "SHA2_256"
_TIME: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_WHAT: Final = "trust root"


class Window(NamedTuple):
    """When something is believed, in milliseconds since the epoch, both ends included; `end` None: still."""

    start: int
    end: int | None

    def has(self, milliseconds: int) -> bool:
        """Whether the moment lies in the window."""
        return self.start <= milliseconds and (self.end is None or milliseconds <= self.end)

    def __str__(self) -> str:
        start = moment(self.start // 1000)
        return f"{start} to {moment(self.end // 1000)}" if self.end is not None else f"{start} on"


class Authority(NamedTuple):
    """A certificate authority (Fulcio, or one of timestamps): its certificates, the anchor last, and when it is believed."""

    uri: str
    certificates: tuple[Certificate, ...]
    window: Window


class Log(NamedTuple):
    """A transparency log: its address and the host in it, which signs its checkpoints; `log_id` and key; when it is believed.

    `hint` are the four bytes by which its checkpoints name the key.
    """

    url: str
    host: str
    log_id: bytes
    hint: bytes
    key: TrustedKey
    window: Window


class TrustRoot(NamedTuple):
    """What a trust root names. `digest` is SHA-256 of the file, in hex: what a verdict rested on."""

    digest: str
    authorities: tuple[Authority, ...]
    ct_logs: tuple[Log, ...]
    logs: tuple[Log, ...]
    timestamp_authorities: tuple[Authority, ...]


def parse(data: bytes) -> TrustRoot:
    """The trust root in a JSON file.

    Raises `Malformed` for whatever is not in the format, unknown members, keys of kinds that are not supported, an entry
    without a window, and for a log or an authority that is there twice: its two windows would contradict each other.
    """
    try:
        return _parse(data)
    except Malformed as error:
        # the reader of JSON is that of images, and names their rule
        raise damaged(error.message) from error


def _parse(data: bytes) -> TrustRoot:
    if len(data) > MAX_ROOT_BYTES:
        raise damaged(f"{_WHAT} has {len(data)} bytes, at most {MAX_ROOT_BYTES} are read")
    found = strictjson.parse_object(data, _WHAT)
    strictjson.only_keys(
        found, ("mediaType", "tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities"), _WHAT
    )
    media_type = strictjson.as_text(found.get("mediaType"), f"{_WHAT}'s mediaType")
    if media_type not in MEDIA_TYPES:
        raise damaged(f"{_WHAT} has the media type {media_type[:100]!r}, expected {MEDIA_TYPES[0]!r} or {MEDIA_TYPES[2]!r}")
    return TrustRoot(
        hashlib.sha256(data).hexdigest(),
        _authorities(found, "certificateAuthorities"),
        _logs(found, "ctlogs"),
        _logs(found, "tlogs"),
        _authorities(found, "timestampAuthorities"),
    )


def shipped() -> bytes:
    """The trust root of the public Sigstore services, as the installed `sigstore` package ships it.

    The file is found by the package's own list of files. The package's interface would copy it into the home directory, then
    believe whatever stands there, and tell nothing of the windows. Raises `PolicyError` where the package, or the file in it,
    is not there.
    """
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        files = distribution("sigstore").files or ()
    except PackageNotFoundError as error:
        raise _not_shipped("the sigstore package is not installed") from error
    for file in files:
        if file.name == "trusted_root.json" and unquote(file.parent.name) == PUBLIC_GOOD:
            try:
                return file.read_binary()
            except OSError as error:
                raise _not_shipped(f"the trust root in the sigstore package cannot be read: {error.strerror}") from error
    raise _not_shipped("the sigstore package ships no trust root where it is expected")


def _not_shipped(why: str) -> PolicyError:
    return PolicyError(
        f"gitsign signatures need a trust root, and {why}", key="commits.trusted-root",
        hint="install sigstore 4 or newer, or name a trusted_root.json in [commits] trusted-root",
    )


def _authorities(root: dict[str, Json], member: str) -> tuple[Authority, ...]:
    found: list[Authority] = []
    for what, entry in _entries(root, member):
        strictjson.only_keys(entry, ("subject", "uri", "certChain", "validFor", "operator"), what)
        chain = strictjson.as_object(entry.get("certChain"), f"{what}.certChain")
        strictjson.only_keys(chain, ("certificates",), f"{what}.certChain")
        chain_certificates: list[Certificate] = []
        for each in strictjson.as_array(chain.get("certificates"), f"{what}.certChain.certificates", MAX_CHAIN):
            certificate = strictjson.as_object(each, f"{what}.certChain.certificates")
            strictjson.only_keys(certificate, ("rawBytes",), f"{what}.certChain.certificates")
            chain_certificates.append(_certificate(_bytes(certificate, "rawBytes", what), what))
        if not chain_certificates:
            raise damaged(f"{what} has no certificate")
        authority = Authority(_text(entry, "uri", what), tuple(chain_certificates), _window(entry, what))
        if any(authority.certificates == other.certificates for other in found):
            raise damaged(f"{what} has the same certificates as an entry before it")
        found.append(authority)
    return tuple(found)


def _certificate(data: bytes, what: str) -> Certificate:
    try:
        return certificates.decode(data)
    except Malformed as error:
        raise damaged(f"{what} holds a certificate that cannot be read: {error.message}") from error


def _logs(root: dict[str, Json], member: str) -> tuple[Log, ...]:
    found: list[Log] = []
    for what, entry in _entries(root, member):
        strictjson.only_keys(
            entry, ("baseUrl", "hashAlgorithm", "publicKey", "logId", "checkpointKeyId", "operator"), what
        )
        if (algorithm := _text(entry, "hashAlgorithm", what)) != _HASH:
            raise damaged(f"{what} has the hash algorithm {algorithm[:60]!r}, expected {_HASH!r}")
        public = strictjson.as_object(entry.get("publicKey"), f"{what}.publicKey")
        strictjson.only_keys(public, ("rawBytes", "keyDetails", "validFor"), f"{what}.publicKey")
        key = keys.load(_bytes(public, "rawBytes", what), _text(public, "keyDetails", what), f"{what}.publicKey")
        log_id = _log_id(entry, "logId", what)
        hint = _log_id(entry, "checkpointKeyId", what) if "checkpointKeyId" in entry else log_id
        url = _text(entry, "baseUrl", what)
        try:
            host = urlsplit(url).hostname or ""
        except ValueError as error:
            raise damaged(f"{what} has the baseUrl {url[:100]!r}, which is no address") from error
        log = Log(url, host, log_id, hint[:4], key, _window(public, f"{what}.publicKey"))
        if any(log.log_id == other.log_id for other in found):
            raise damaged(f"{what} has the log id of an entry before it")
        found.append(log)
    return tuple(found)


def _log_id(entry: dict[str, Json], member: str, what: str) -> bytes:
    inner = strictjson.as_object(entry.get(member), f"{what}.{member}")
    strictjson.only_keys(inner, ("keyId",), f"{what}.{member}")
    value = _bytes(inner, "keyId", what)
    expected = (32,) if member == "logId" else (4, 32)
    if len(value) not in expected:
        raise damaged(f"{what}.{member} has {len(value)} bytes, expected {' or '.join(map(str, expected))}")
    return value


def _entries(root: dict[str, Json], member: str) -> Iterator[tuple[str, dict[str, Json]]]:
    for index, entry in enumerate(strictjson.as_array(root.get(member, []), f"{_WHAT}'s {member}", MAX_AUTHORITIES)):
        what = f"{_WHAT}'s {member}[{index}]"
        yield what, strictjson.as_object(entry, what)


def _window(entry: dict[str, Json], what: str) -> Window:
    """`validFor`. A moment finer than a millisecond is rounded so that the window gets no longer."""
    inner = strictjson.as_object(entry.get("validFor"), f"{what}.validFor")
    strictjson.only_keys(inner, ("start", "end"), f"{what}.validFor")
    start = -(-_nanoseconds(_text(inner, "start", what), what) // 1_000_000)
    end = _nanoseconds(_text(inner, "end", what), what) // 1_000_000 if "end" in inner else None
    if end is not None and end < start:
        raise damaged(f"{what}.validFor ends before it starts")
    return Window(start, end)


def _nanoseconds(text: str, what: str) -> int:
    """An RFC 3339 time in UTC, as the JSON form of a protobuf Timestamp has it, since the epoch."""
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            raise damaged(f"{what}.validFor has {text[:40]!r}, expected a time such as '2025-01-31T12:00:00Z'")
        year, month, day, hour, minute, second = (int(found[group]) for group in range(1, 7))
        read = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise damaged(f"{what}.validFor has {text[:40]!r}, which is no time of the calendar") from error
    return int(read.timestamp()) * 1_000_000_000 + int((found[7] or "").ljust(9, "0"))


def _text(entry: dict[str, Json], member: str, what: str) -> str:
    return strictjson.as_text(entry.get(member), f"{what}.{member}")


def _bytes(entry: dict[str, Json], member: str, what: str) -> bytes:
    return strictjson.decode_base64(_text(entry, member, what), f"{what}.{member}")

