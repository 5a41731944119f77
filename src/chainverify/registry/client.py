"""The registry client: OCI distribution 1.1 over HTTP, read only, every byte hashed before it is believed.

An answer that could not be had is `RegistryUnavailable`, never "there is none": only a 404 says that.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urljoin

from chainverify.errors import ImageError, Malformed, RegistryUnavailable
from chainverify.formats import oci
from chainverify.model.images import Descriptor, ImageReference, Manifest
from chainverify.registry import auth, hosts
from chainverify.registry.auth import Credentials
from chainverify.registry.hosts import Origin

if TYPE_CHECKING:
    import ssl

    import httpx

MAX_BLOB_BYTES: Final = 8 << 20
"""The largest blob that is read: a bundle."""
MAX_REDIRECTS: Final = 5
MAX_PAGES: Final = 20
MAX_LISTED: Final = 2000
"""Referrers of one image that are listed; which of them are fetched is another budget."""
MAX_ERROR_BYTES: Final = 64 << 10
MAX_TRIES: Final = 3
BACKOFF: Final = (0.5, 1.5)
"""Seconds before the second and third try, where the server does not say."""
MAX_WAIT: Final = 15.0
"""The longest `Retry-After`, in seconds, that is waited for."""
MAX_PER_HOST: Final = 6
"""Requests to one host at a time."""
REQUEST_SECONDS: Final = 60.0
"""The longest that one answer may take to arrive, however steadily it drips."""
TIMEOUT: Final = 10.0

_RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NO_REFERRERS_API: Final = frozenset({400, 404, 406})
_ACCEPT: Final = ", ".join(oci.MANIFEST_TYPES)


class _Answer(NamedTuple):
    """A whole answer: `headers` by lower-case name, `complete` False where the body was longer than asked for."""

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class RegistryClient:
    """Reads manifests, blobs and referrers of any registry; safe to share between threads.

    `offline` opens no socket: everything is unavailable. `deadline` is the seconds that all requests together may take,
    `timeout` those of one step of one request. `trust_env` lets `HTTPS_PROXY` and `SSL_CERT_FILE` count; `clock` is
    monotonic. `requests` counts what was sent. All methods raise `RegistryUnavailable` where an answer could not be had
    and `ImageError` (`image-digest-mismatch`) for bytes with another digest than was named.
    """

    def __init__(
        self,
        *,
        credentials: Credentials = Credentials(),  # noqa: B008 - immutable
        offline: bool = False,
        deadline: float | None = None,
        timeout: float = TIMEOUT,
        trust_env: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.requests = 0
        self._credentials = credentials
        self._offline = offline
        self._seconds = deadline
        self._until = None if deadline is None else clock() + deadline
        self._timeout = timeout
        self._trust_env = trust_env
        self._clock = clock
        self._sleep = sleep
        self._http: httpx.Client | None = None
        self._lock = threading.Lock()
        self._locks: defaultdict[tuple[str, ...], threading.Lock] = defaultdict(threading.Lock)
        self._gates: defaultdict[Origin, threading.BoundedSemaphore] = defaultdict(
            lambda: threading.BoundedSemaphore(MAX_PER_HOST)
        )
        self._tags: dict[str, str] = {}
        self._authorization: dict[str, tuple[str, float]] = {}

    def __enter__(self) -> RegistryClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            if self._http is not None:
                self._http.close()
                self._http = None

    def resolve(self, reference: ImageReference) -> str:
        """The digest of an image: its own, or that of what its tag names, asked for once and hashed here."""
        if reference.digest is not None:
            return reference.digest
        name = reference.canonical
        with self._locked("tag", name):
            if name not in self._tags:
                found = self.tagged(reference.repository, reference.tag or "latest")
                if found is None:
                    raise RegistryUnavailable(
                        f"{name} does not exist in its registry", hint="is the tag spelled as it was pushed?"
                    )
                self._tags[name] = found.digest
            return self._tags[name]

    def manifest(self, repository: str, digest: str) -> Manifest:
        """A manifest or index by digest."""
        _digest(digest)
        answer = self._get(repository, f"manifests/{digest}", accept=_ACCEPT, limit=oci.MAX_MANIFEST_BYTES)
        if answer.status == 404:
            raise RegistryUnavailable(f"{repository} does not have the manifest {digest}")
        body = _whole(answer, repository, f"manifest {digest}")
        _hashed(body, digest, f"manifest of {repository}")
        return Manifest(digest, answer.media_type, body)

    def blob(self, repository: str, descriptor: Descriptor) -> bytes:
        """A blob of at most `MAX_BLOB_BYTES`, of the descriptor's size and digest."""
        _digest(descriptor.digest)
        if descriptor.size > MAX_BLOB_BYTES:
            message = f"blob {descriptor.digest} has {descriptor.size} bytes, at most {MAX_BLOB_BYTES} are read"
            raise RegistryUnavailable(message)
        answer = self._get(repository, f"blobs/{descriptor.digest}", accept="*/*", limit=descriptor.size)
        if answer.status == 404:
            raise RegistryUnavailable(f"{repository} does not have the blob {descriptor.digest}")
        if answer.status == 200 and (not answer.complete or len(answer.body) != descriptor.size):
            got = f"{len(answer.body)} bytes" if answer.complete else "more"
            raise _mismatch(f"blob {descriptor.digest} of {repository}", f"{descriptor.size} bytes", got)
        body = _whole(answer, repository, f"blob {descriptor.digest}")
        _hashed(body, descriptor.digest, f"blob of {repository}")
        return body

    def tagged(self, repository: str, tag: str) -> Manifest | None:
        """The manifest that a tag names now, its digest computed from its bytes; None for a 404."""
        answer = self._get(repository, f"manifests/{tag}", accept=_ACCEPT, limit=oci.MAX_MANIFEST_BYTES)
        if answer.status == 404:
            return None
        body = _whole(answer, repository, f"tag {tag}")
        digest = oci.digest_of(body)
        claimed = answer.headers.get("docker-content-digest")
        if claimed is not None and not oci.matches(body, claimed):
            raise _mismatch(f"tag {tag} of {repository}", f"{claimed[:140]} (its header)", digest)
        return Manifest(digest, answer.media_type, body)

    def referrers(self, repository: str, digest: str) -> tuple[Descriptor, ...]:
        """What refers to `digest`, by the referrers API and by the fallback tag, each digest once.

        Both are asked always: a registry that has the API since yesterday may know older referrers by the tag alone.
        """
        _digest(digest)
        merged: dict[str, Descriptor] = {}
        for entry in [*self._referrers_api(repository, digest), *self._fallback_tag(repository, digest)]:
            known = merged.get(entry.digest)
            if known is None or known.artifact_type in ("", oci.EMPTY):
                merged[entry.digest] = entry
        return tuple(merged.values())

    def _referrers_api(self, repository: str, digest: str) -> Iterator[Descriptor]:
        path: str | None = f"referrers/{digest}"
        listed = 0
        for page in range(MAX_PAGES):
            if path is None:
                return
            answer = self._get(repository, path, accept=oci.INDEX, limit=oci.MAX_MANIFEST_BYTES)
            if page == 0 and (answer.status in _NO_REFERRERS_API or (answer.status == 200 and answer.media_type != oci.INDEX)):
                return
            entries = _entries(_whole(answer, repository, "list of referrers"), f"list of referrers of {repository}")
            listed += len(entries)
            if listed > MAX_LISTED:
                break
            yield from entries
            path = _next_page(answer)
        if path is not None:
            raise RegistryUnavailable(
                f"{digest} in {repository} has more than {min(listed, MAX_LISTED)} referrers, which is more than are listed",
                hint="remove what does not belong to the image",
            )

    def _fallback_tag(self, repository: str, digest: str) -> tuple[Descriptor, ...]:
        found = self.tagged(repository, oci.fallback_tag(digest))
        entries = _entries(found.raw, f"fallback tag {oci.fallback_tag(digest)} of {repository}") if found else ()
        if len(entries) > MAX_LISTED:
            message = f"{digest} in {repository} has {len(entries)} referrers, at most {MAX_LISTED} are listed"
            raise RegistryUnavailable(message, hint="remove what does not belong to the image")
        return entries

    def _get(self, repository: str, path: str, *, accept: str, limit: int) -> _Answer:
        """The answer for `path` of a repository, with a token where one is asked for; 401 and 403 are raised."""
        if self._offline:
            raise RegistryUnavailable(f"offline: {repository} was not asked", hint="run without --offline to verify it")
        domain, _, name = repository.partition("/")
        base = hosts.endpoint(domain)
        url = urljoin(f"{base}/v2/{name}/", path)
        if hosts.origin(url) != hosts.origin(base):
            raise RegistryUnavailable(f"{repository} names {hosts.shown(path)}, which leaves its registry")
        known = self._authorization.get(repository)
        authorization = known[0] if known and known[1] > self._clock() else None
        answer = self._tried(url, accept, authorization, limit)
        if answer.status == 401:
            authorization = self._authorize(repository, hosts.origin(base), name, answer, refused=authorization)
            if authorization is not None:
                answer = self._tried(url, accept, authorization, limit)
        if answer.status in (401, 403):
            unsupported = "; ".join(self._credentials.unsupported)
            hint = f"log in with `docker login {domain}`"
            raise RegistryUnavailable(
                f"{domain} refuses to show {name} (status {answer.status})",
                hint=f"{hint} (not used by this version: {unsupported})" if unsupported else hint,
                evidence={"status": answer.status},
            )
        return answer

    def _authorize(self, repository: str, registry: Origin, name: str, answer: _Answer, *, refused: str | None) -> str | None:
        """What the registry's challenge asks for: a token, or the login itself. None where nothing can be offered."""
        with self._locked("token", repository):
            known = self._authorization.get(repository)
            if known and known[0] != refused and known[1] > self._clock():
                return known[0]  # another thread was here first
            login = self._credentials.find(repository)
            for challenge in auth.challenges(answer.headers.get("www-authenticate", "")):
                if challenge.scheme == "bearer":
                    url = auth.token_url(challenge, registry, name)
                    host = hosts.origin(url).host
                    given = self._tried(url, "application/json", login.header if login else None, auth.MAX_TOKEN_BYTES)
                    if given.status != 200 or not given.complete:
                        message = f"token server {host} answered {given.status}, expected a token"
                        raise RegistryUnavailable(message, hint=f"log in with `docker login {registry.host}`")
                    token = auth.parse_token(given.body, host)
                    self._authorization[repository] = (f"Bearer {token.value}", self._clock() + token.lifetime - 5)
                    return f"Bearer {token.value}"
                if challenge.scheme == "basic" and login:
                    self._authorization[repository] = (login.header, float("inf"))
                    return login.header
        return None

    def _tried(self, url: str, accept: str, authorization: str | None, limit: int) -> _Answer:
        """An answer that is not one of those worth a second try, or `RegistryUnavailable` after the last one."""
        host = hosts.origin(url).host
        for attempt in range(MAX_TRIES):
            last = attempt == MAX_TRIES - 1
            try:
                answer = self._followed(url, accept, authorization, limit)
            except _Interrupted as error:
                if last:
                    raise RegistryUnavailable(f"{host} could not be reached: {error}") from error
                self._wait(BACKOFF[attempt], host)
                continue
            if answer.status not in _RETRIED:
                return answer
            wait = _retry_after(answer.headers)
            reason = "it limits the rate of requests" if answer.status == 429 else f"status {answer.status}"
            if last or (wait is not None and wait > MAX_WAIT):
                later = f", to be asked again in {wait:.0f} s" if wait else ""
                raise RegistryUnavailable(
                    f"{host} did not answer: {reason}{later}",
                    hint="log in for a higher limit, or try again later" if answer.status == 429 else "try again later",
                    evidence={"status": answer.status},
                )
            self._wait(BACKOFF[attempt] if wait is None else wait, host)
        raise RegistryUnavailable(f"{host} was not asked")  # not reached: MAX_TRIES is positive

    def _followed(self, url: str, accept: str, authorization: str | None, limit: int) -> _Answer:
        """An answer after redirects; credentials stay with the origin they were meant for."""
        source = hosts.origin(url)
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._sent(url, accept, authorization, limit)
            if answer.status not in _REDIRECTS:
                return answer
            try:
                url = urljoin(url, answer.headers.get("location", ""))
            except ValueError as error:
                raise RegistryUnavailable(f"{source.host} redirects to no URL") from error
            target = hosts.check_followed(source, url, "redirect")
            if target != source:
                authorization = None
                source = target
        raise RegistryUnavailable(f"{source.host} redirects more than {MAX_REDIRECTS} times")

    def _sent(self, url: str, accept: str, authorization: str | None, limit: int) -> _Answer:
        """One request and at most `limit` bytes of its answer. Raises `_Interrupted` where the connection failed."""
        import httpx

        target = hosts.origin(url)
        headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": "chainverify"}
        if authorization:
            headers["Authorization"] = authorization
        with self._lock:
            gate = self._gates[target]
        with gate:
            timeout = httpx.Timeout(min(self._timeout, self._remaining(target.host)))
            end = self._clock() + min(REQUEST_SECONDS, self._remaining(target.host))
            with self._lock:
                self.requests += 1
            try:
                with self._client().stream("GET", url, headers=headers, timeout=timeout) as response:
                    good = response.status_code == 200
                    body, complete = self._body(response, limit if good else MAX_ERROR_BYTES, end, target.host)
                    found = {name.lower(): value for name, value in response.headers.items()}
                    return _Answer(response.status_code, found, body, complete)
            except (httpx.HTTPError, httpx.StreamError, OSError) as error:
                raise _Interrupted(str(error)[:200] or type(error).__name__) from error
            except (httpx.InvalidURL, ValueError) as error:  # a Location or a path that is no URL
                raise RegistryUnavailable(f"{hosts.shown(url)} cannot be asked for") from error

    def _body(self, response: httpx.Response, limit: int, end: float, host: str) -> tuple[bytes, bool]:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_raw():
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                return b"".join(chunks)[:limit], False
            if self._clock() > end:
                raise RegistryUnavailable(f"{host} took too long to answer: {size} bytes when time was up")
        return b"".join(chunks), True

    def _client(self) -> httpx.Client:
        from http.cookiejar import DefaultCookiePolicy

        import httpx

        with self._lock:
            if self._http is None:
                self._http = httpx.Client(
                    verify=_tls(self._trust_env), follow_redirects=False, trust_env=self._trust_env
                )
                self._http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            return self._http

    def _remaining(self, host: str) -> float:
        if self._until is None:
            return float("inf")
        left = self._until - self._clock()
        if left <= 0:
            raise RegistryUnavailable(f"the deadline of {self._seconds:g} s passed before {host} answered")
        return left

    def _wait(self, seconds: float, host: str) -> None:
        if seconds >= self._remaining(host):
            raise RegistryUnavailable(f"the deadline of {self._seconds:g} s would pass before {host} is asked again")
        self._sleep(seconds)

    @contextmanager
    def _locked(self, *key: str) -> Iterator[None]:
        with self._lock:
            lock = self._locks[key]
        with lock:
            yield


@functools.cache
def _tls(trust_env: bool) -> ssl.SSLContext:
    """The certificates that are trusted, read once: that takes as long as dozens of requests."""
    import httpx

    return httpx.create_ssl_context(trust_env=trust_env)


class _Interrupted(Exception):
    """A connection that could not be made, or broke: worth another try."""


def _whole(answer: _Answer, repository: str, what: str) -> bytes:
    """The body of a 200 that fitted its budget."""
    if answer.status != 200:
        message = f"{repository}: {what}: status {answer.status}, expected 200"
        raise RegistryUnavailable(message, evidence={"status": answer.status})
    if not answer.complete:
        raise RegistryUnavailable(f"{repository}: {what}: more than {len(answer.body)} bytes, which are not read")
    return answer.body


def _entries(body: bytes, what: str) -> tuple[Descriptor, ...]:
    try:
        return oci.parse_index(body)
    except Malformed as error:
        raise RegistryUnavailable(f"{what} cannot be read: {error.message}") from error


def _digest(digest: str) -> None:
    if not oci.is_digest(digest):
        raise RegistryUnavailable(f"{hosts.shown(digest)} is not a digest, expected sha256 or sha512")


def _hashed(body: bytes, digest: str, what: str) -> None:
    if not oci.matches(body, digest):
        raise _mismatch(what, digest, oci.digest_of(body, digest.partition(":")[0]))


def _mismatch(what: str, expected: str, got: str) -> ImageError:
    return ImageError(f"{what}: expected {expected}, got {got}", rule="image-digest-mismatch")


def _next_page(answer: _Answer) -> str | None:
    """The target of `Link: <...>; rel="next"` (RFC 8288), None on the last page."""
    for link in answer.headers.get("link", "").split(","):
        target, _, parameters = link.strip().partition(">")
        relation = parameters.replace(" ", "").replace('"', "").lower()
        if target.startswith("<") and "rel=next" in relation.split(";"):
            return target[1:]
    return None


def _retry_after(headers: dict[str, str]) -> float | None:
    """Seconds of `Retry-After` (RFC 9110 section 10.2.3); a date is compared with the server's own `Date`."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))).total_seconds())
    except (ValueError, TypeError):
        return None
