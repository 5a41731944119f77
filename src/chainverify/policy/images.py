"""`[images]`: which files are read for image references, and who must have signed what they reference."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from chainverify.errors import PolicyError
from chainverify.policy import globs, paths
from chainverify.policy.fields import Choice, Field, Flag, ListOf, Number, Pending, Section, Subs, Table, Text, TextMap, into
from chainverify.policy.model import AllowUnresolved, ImagesPolicy, TrustStanza

PATHS: Final = ListOf(Text(expected="a glob over paths"))
_OF_KEYS: Final = ("threshold", "formats", "reference", "annotations")


def _check_trust(value: TrustStanza, raw: Table, path: str) -> None:
    globs.check_repository(value.match, paths.join(path, "match"))
    if value.unsafe_unsigned is not None:
        for key in ("keys", *_OF_KEYS):
            if key in raw:
                raise PolicyError(
                    "stands beside unsafe-unsigned, which asks for no signature", key=paths.join(path, key),
                    hint="take out one of the two",
                )
        return
    if not value.keys:
        raise PolicyError(
            "has no keys, so nothing could ever match it", key=paths.join(path, "keys") if "keys" in raw else path,
            hint='name a public key (keys = ["keys/cosign.pub"]), or say why none is needed (unsafe-unsigned = "reason")',
        )
    _distinct(value.keys, paths.join(path, "keys"))
    if value.threshold > len(value.keys):
        raise PolicyError(
            f"expected at most {len(value.keys)}, the number of keys of this stanza, got {value.threshold}",
            key=paths.join(path, "threshold"),
        )


def _distinct(keys: Iterable[str], path: str) -> None:
    seen: set[str] = set()
    for index, name in enumerate(keys):
        plain = "/".join(part for part in name.split("/") if part not in ("", "."))
        if plain in seen:
            raise PolicyError(f"key {name!r} is named twice, but counts once", key=paths.item(path, index))
        seen.add(plain)


def _check_images(value: ImagesPolicy, _: Table, path: str) -> None:
    for key, patterns in (("include", value.include), ("exclude", value.exclude)):
        for index, pattern in enumerate(patterns):
            globs.check_path(pattern, paths.item(paths.join(path, key), index))


def _check_unresolved(value: AllowUnresolved, _: Table, path: str) -> None:
    globs.check_path(value.path, paths.join(path, "path"))


TRUST: Final = Section(
    "[[images.trust]]",
    (
        Field(
            "match", Text(expected="a glob over domain/path"), "a glob over domain/path of the reference", required=True
        ),
        Field("keys", ListOf(Text(expected="the name of a public key file")), "public key files, PEM"),
        Field("threshold", Number(1, 1000), "how many distinct keys of this stanza must have signed"),
        Field("formats", ListOf(Choice(("bundle", "legacy")), least=1), "the signature formats that count"),
        Field(
            "reference", Choice(("exact", "repository", "off")), "how the reference in the signature is compared"
        ),
        Field("annotations", TextMap(), "what the signed statement must hold"),
        Field("unsafe-unsigned", Text(), "the reason why no signature is asked for, printed on every run"),
        Field("transparency-log", Pending(("optional",)), "whether a log entry is required"),
        Field("remap", Pending(({},)), "where references stand for others"),
        Field("identities", Pending(([],)), "Sigstore identities"),
        Field("trusted-root", Pending(([],)), "the trust root for identities"),
        Field("unsafe-no-ct-log", Pending((False,)), "accept certificates without proof of logging"),
        Field("signature", Pending(("required",)), "whether a signature is asked for beside attestations"),
        Field("attestations", Pending(([],)), "attestations that must be there"),
    ),
    into(TrustStanza),
    _check_trust,
    observable=True,
    doc="Who signs the images that match; all stanzas that match must pass.",
)

ALLOW_UNRESOLVED: Final = Section(
    "[[images.allow-unresolved]]",
    (
        Field("path", Text(expected="a glob over paths"), "a glob over paths", required=True),
        Field("reason", Text(), "why unresolved references are excused there", required=True),
    ),
    into(AllowUnresolved),
    _check_unresolved,
    doc="Files in which a reference may stay unresolved.",
)

IMAGES: Final = Section(
    "[images]",
    (
        Field("require-digest", Flag(), "whether references must name a digest (rule image-not-pinned)"),
        Field("include", ListOf(Text(expected="a glob over paths"), least=1), "globs over the paths that are read"),
        Field("exclude", PATHS, "globs over the paths that are not read"),
        Field("allow-unresolved", Subs(ALLOW_UNRESOLVED)),
        Field("trust", Subs(TRUST), "who must have signed what"),
        Field("platforms", Pending(("any",)), "which platforms must be signed"),
        Field("renderers", Pending(([],)), "programs that render manifests"),
        Field("when", Pending(("push",)), "when a server judges images"),
        Field("fields", Pending(([],)), "image fields of your own kinds"),
        Field("registries", Pending(({},)), "mirrors and certificates of registries"),
    ),
    into(ImagesPolicy),
    _check_images,
    observable=True,
    doc="What is asked of container images. Absent: no image is looked for.",
)
