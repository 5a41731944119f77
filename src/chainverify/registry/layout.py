"""OCI image layouts on disk (image-spec `image-layout.md`), as `cosign save` and others write them.

A layout is as untrusted as a registry: digests are checked before they become paths, no symbolic link below the layout's
directory is followed, every blob is hashed (cosign 3 believes the file name of the image's own manifest).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chainverify.errors import ImageError, Malformed, RegistryUnavailable
from chainverify.formats import oci, simplesigning, strictjson
from chainverify.model.images import Descriptor, ImageReference, Manifest

MAX_BLOB_BYTES: Final = 8 << 20
MAX_SCANNED: Final = 20_000
"""Blobs that are looked at for what refers to an image."""

KIND: Final = "kind"
REF_NAME: Final = "org.opencontainers.image.ref.name"
FULL_NAME: Final = "io.containerd.image.name"
_SIGNATURES: Final = "dev.cosignproject.cosign/sigs"


class Layout:
    """Reads one layout; the `repository` of a question is not compared with anything, a layout does not know its own.

    Raises `RegistryUnavailable` where the directory is no layout or lacks what it names, `ImageError`
    (`image-digest-mismatch`) for bytes with another digest than was named.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            version = strictjson.parse_object(self._read("oci-layout", limit=64 << 10), "oci-layout")
            if version.get("imageLayoutVersion") != "1.0.0":
                raise RegistryUnavailable(f"{directory} is a layout of an unknown version, expected 1.0.0")
            self._entries = oci.parse_index(self._read("index.json", limit=oci.MAX_MANIFEST_BYTES))
        except Malformed as error:
            raise RegistryUnavailable(f"{directory} is no OCI layout: {error.message}") from error

    def resolve(self, reference: ImageReference) -> str:
        """The digest of an image that is in the layout, whole and hashed.

        A tag is only found where the index names the whole reference (`domain/path:tag`). A bare tag, or the only image of a
        layout, may be any repository's: taking it would verify one image in the place of another.
        """
        digest = reference.digest or self._named_image(reference)
        self.manifest(reference.repository, digest)
        return digest

    def manifest(self, repository: str, digest: str) -> Manifest:
        """A manifest or index by digest."""
        raw = self._blob(digest, oci.MAX_MANIFEST_BYTES)
        return Manifest(digest, next((entry.media_type for entry in self._entries if entry.digest == digest), ""), raw)

    def blob(self, repository: str, descriptor: Descriptor) -> bytes:
        """A blob of at most `MAX_BLOB_BYTES`, of the descriptor's size and digest."""
        data = self._blob(descriptor.digest, MAX_BLOB_BYTES)
        if len(data) != descriptor.size:
            raise _mismatch(descriptor.digest, f"{descriptor.size} bytes", f"{len(data)} bytes")
        return data

    def tagged(self, repository: str, tag: str) -> Manifest | None:
        """The manifest whose reference name is `tag`, or the whole reference; None where none has.

        What asks for tags looks for signatures, which hold the digest that they are for.
        """
        for entry in self._entries:
            if dict(entry.annotations).get(REF_NAME) in (tag, f"{repository}:{tag}"):
                return self.manifest(repository, entry.digest)
        return None

    def referrers(self, repository: str, digest: str) -> tuple[Descriptor, ...]:
        """Everything in the layout whose subject is `digest`, and cosign's legacy signatures.

        `index.json` does not list bundles, so all blobs are looked at. What `cosign save` marks as signatures names no
        image: it is returned for each, and belongs to the one whose digest its payloads hold.
        """
        found = {entry.digest: entry for entry in self._subjects(digest)}
        for entry in self._entries:
            if dict(entry.annotations).get(KIND) == _SIGNATURES:
                found.setdefault(entry.digest, entry._replace(artifact_type=simplesigning.ARTIFACT))
        fallback = self.tagged(repository, oci.fallback_tag(digest))
        if fallback:
            try:
                for entry in oci.parse_index(fallback.raw):
                    found.setdefault(entry.digest, entry)
            except Malformed as error:
                raise RegistryUnavailable(f"fallback tag in {self._directory} cannot be read: {error.message}") from error
        return tuple(found.values())

    def _named_image(self, reference: ImageReference) -> str:
        name = f"{reference.repository}:{reference.tag}"
        named = {
            entry.digest for entry in self._entries if name in (dict(entry.annotations).get(key) for key in (REF_NAME, FULL_NAME))
        }
        if len(named) != 1:
            raise RegistryUnavailable(
                f"{self._directory} has {len(named)} images with the name {name}, expected one",
                hint="name the image by its digest: cosign save writes no names",
            )
        return named.pop()

    def _subjects(self, digest: str) -> Iterator[Descriptor]:
        scanned = 0
        for algorithm in ("sha256", "sha512"):
            for name in self._names(algorithm):
                scanned += 1
                if scanned > MAX_SCANNED:
                    raise RegistryUnavailable(f"{self._directory} has more than {MAX_SCANNED} blobs, which are not searched")
                found = f"{algorithm}:{name}"
                if not oci.is_digest(found):
                    continue
                raw = self._small(algorithm, name)
                if raw is None or not raw.startswith(b"{") or digest.encode() not in raw:
                    continue
                try:
                    manifest = oci.parse_manifest(raw)
                except Malformed:
                    continue  # a config or a payload that holds the digest: no manifest, so no referrer
                if manifest.subject is not None and manifest.subject.digest == digest:
                    yield Descriptor(manifest.media_type, found, len(raw), manifest.artifact_type, manifest.annotations)

    def _names(self, algorithm: str) -> list[str]:
        try:
            with _Directory(self._directory, "blobs", algorithm) as directory:
                return sorted(os.listdir(directory))  # noqa: PTH208 - a descriptor, which no rename can move
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RegistryUnavailable(f"{self._directory}/blobs/{algorithm} cannot be read: {error.strerror}") from error

    def _small(self, algorithm: str, name: str) -> bytes | None:
        """A blob that may be a manifest; None for a larger one and for what is no regular file."""
        try:
            return self._read("blobs", algorithm, name, limit=oci.MAX_MANIFEST_BYTES)
        except _NotAFile:
            return None

    def _blob(self, digest: str, limit: int) -> bytes:
        if not oci.is_digest(digest):
            raise RegistryUnavailable(f"{digest[:120]!r} is not a digest, expected sha256 or sha512")
        algorithm, _, name = digest.partition(":")
        data = self._read("blobs", algorithm, name, limit=limit)
        if not oci.matches(data, digest):
            raise _mismatch(digest, digest, oci.digest_of(data, algorithm))
        return data

    def _read(self, *parts: str, limit: int) -> bytes:
        """A regular file of at most `limit` bytes, through no symbolic link."""
        shown = "/".join(parts)
        try:
            with _Directory(self._directory, *parts[:-1]) as directory:
                opened = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
            try:
                if not stat.S_ISREG(os.fstat(opened).st_mode):
                    raise _NotAFile(f"{self._directory}: {shown} is not a regular file")
                with os.fdopen(opened, "rb", closefd=False) as file:
                    data = file.read(limit + 1)
            finally:
                os.close(opened)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _NotAFile(f"{self._directory}: {shown} is a symbolic link, which is not followed") from error
            raise RegistryUnavailable(f"{self._directory}: {shown} cannot be read: {error.strerror}") from error
        if len(data) > limit:
            raise _NotAFile(f"{self._directory}: {shown} has more than {limit} bytes, which are not read")
        return data


class _NotAFile(RegistryUnavailable):
    """Something in the layout that is too large, or no regular file."""


class _Directory:
    """A directory below `root` as a descriptor, opened part by part so that no part may be a symbolic link."""

    def __init__(self, root: Path, *parts: str) -> None:
        self._descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in parts:
            above = self._descriptor
            try:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                self._descriptor = os.open(part, flags, dir_fd=above)
            finally:
                os.close(above)

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _mismatch(digest: str, expected: str, got: str) -> ImageError:
    return ImageError(f"blob {digest} of the layout: expected {expected}, got {got}", rule="image-digest-mismatch")
