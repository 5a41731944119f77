"""Image references by the grammar of github.com/distribution/reference, normalised as container runtimes do.

`ubuntu` is `docker.io/library/ubuntu:latest`; the text before the first `/` is a registry only where it looks like one.
Two deliberate differences, both towards refusing: a digest is lower-case sha256 or sha512 of the right length, nothing
else; and a first part that must be a host but is none (`foo_bar.com/app`, which distribution reads as a path without any
registry) is refused, because readers disagree on where it is pulled from.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from chainverify.errors import Malformed
from chainverify.model.images import ImageReference

DEFAULT_DOMAIN: Final = "docker.io"
DEFAULT_TAG: Final = "latest"
MAX_PATH_CHARACTERS: Final = 255
"""The longest path of a repository, `library/` included, the domain not (`RepositoryNameTotalLengthMax`)."""
MAX_CHARACTERS: Final = 1024
"""The longest text that is looked at: a path, a tag of 128, a digest and the longest domain name (253) stay below."""

_LEGACY_DOMAIN: Final = "index.docker.io"
_OFFICIAL: Final = "library/"
_DIGEST_CHARACTERS: Final = {"sha256": 64, "sha512": 128}

# Python's \w would need re.ASCII and `$` would match before a final line end, so classes are spelled out and fullmatch used.
_COMPONENT: Final = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_domain = re.compile(rf"(?:{_COMPONENT}(?:\.{_COMPONENT})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_path_component = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
_tag = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_identifier = re.compile(r"[a-f0-9]{64}")
_not_printable = re.compile(r"[^\x21-\x7e]")
_not_path = re.compile(r"[^a-z0-9._/-]")
_not_tag = re.compile(r"[^A-Za-z0-9_.-]")
_not_hex = re.compile(r"[^0-9a-f]")


def parse(text: str) -> ImageReference:
    """The reference that `text` is, in canonical form: default registry and `library/` filled in, tag kept beside a digest.

    Raises `Malformed` (rule `image-unresolved`) that says what is expected and shows the character that does not fit.
    """
    if not text:
        _refuse("image reference is empty, expected NAME[:TAG][@DIGEST]")
    if len(text) > MAX_CHARACTERS:
        _refuse(f"image reference has {len(text)} characters, expected at most {MAX_CHARACTERS}")
    if found := _not_printable.search(text):
        _refuse(f"image reference holds {_character(found)}, expected printable ASCII without blanks")
    if _identifier.fullmatch(text):
        _refuse("image reference is 64 hexadecimal digits, which runtimes take for an image id; expected a name")
    name, at, digest = text.partition("@")
    domain, rest = _split_domain(name)
    path, colon, tag = rest.partition(":")
    _check_domain(domain)
    _check_path(path, domain)
    if colon:
        _check_tag(tag)
    if at:
        _check_digest(digest)
    defaulted = not colon and not at
    return ImageReference(domain, path, DEFAULT_TAG if defaulted else tag or None, digest or None, defaulted)


def _split_domain(name: str) -> tuple[str, str]:
    """Registry and the rest (`splitDockerDomain`): what stands before the first `/` is a registry only if it cannot be a
    path component of Docker Hub: it is `localhost`, holds `.` or `:`, or an upper-case letter."""
    first, slash, rest = name.partition("/")
    if not slash:
        return DEFAULT_DOMAIN, _OFFICIAL + name
    if first == _LEGACY_DOMAIN:
        first = DEFAULT_DOMAIN
    elif not (first == "localhost" or "." in first or ":" in first or first != first.lower()):
        return DEFAULT_DOMAIN, name
    if first == DEFAULT_DOMAIN and "/" not in rest:
        rest = _OFFICIAL + rest
    return first, rest


def _check_domain(domain: str) -> None:
    if not _domain.fullmatch(domain):
        _refuse(f"image reference names the registry '{domain[:80]}', expected HOST or HOST:PORT of letters, digits, '-' and '.'")


def _check_path(path: str, domain: str) -> None:
    """The path below the registry: lower case, components joined by `/`."""
    shown = path.removeprefix(_OFFICIAL) if domain == DEFAULT_DOMAIN else path
    if not shown:
        _refuse("image reference has no repository name, expected NAME[:TAG][@DIGEST]")
    if len(path) > MAX_PATH_CHARACTERS:
        _refuse(f"repository name has {len(path)} characters, expected at most {MAX_PATH_CHARACTERS}")
    if found := _not_path.search(shown):
        why = "lower case" if found.group().isupper() else "lower-case letters, digits, '.', '_', '-' and '/'"
        _refuse(f"repository name holds {_character(found)}, expected {why}")
    for component in path.split("/"):
        if not _path_component.fullmatch(component):
            _refuse(
                f"repository name has the component '{component[:80]}', expected letters and digits joined by single '.' or "
                "'_', by '__', or by '-'"
            )


def _check_tag(tag: str) -> None:
    if found := _not_tag.search(tag):
        _refuse(f"tag holds {_character(found)}, expected letters, digits, '_', '.' and '-'")
    if not _tag.fullmatch(tag):
        got = f"{len(tag)} characters" if len(tag) > 128 else f"'{tag}'"
        _refuse(f"expected a tag of 1 to 128 characters that starts with a letter, a digit or '_', got {got}")


def _check_digest(digest: str) -> None:
    algorithm, colon, digits = digest.partition(":")
    if not colon or algorithm not in _DIGEST_CHARACTERS:
        _refuse(f"expected a digest sha256:HEX or sha512:HEX after '@', got '{digest[:40]}'")
    if found := _not_hex.search(digits):
        _refuse(f"digest holds {_character(found)}, expected lower-case hexadecimal digits")
    if len(digits) != _DIGEST_CHARACTERS[algorithm]:
        _refuse(f"expected {_DIGEST_CHARACTERS[algorithm]} digits in a {algorithm} digest, got {len(digits)}")


def _character(found: re.Match[str]) -> str:
    """The offending character for people: itself if it can be seen, its code point always if not."""
    char = found.group()
    return f"'{char}'" if "!" <= char <= "~" else f"U+{ord(char):04X}"


def _refuse(message: str) -> NoReturn:
    raise Malformed(message, rule="image-unresolved", hint="write the reference as REGISTRY/NAME:TAG@sha256:DIGEST")
