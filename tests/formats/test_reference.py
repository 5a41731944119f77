"""Image references: what they normalise to, and which texts are refused with which words.

The expected values were compared once with github.com/distribution/reference v0.6.0 over 200,000 generated texts; the only
differences are those the module's docstring names.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import Malformed
from chainverify.formats.reference import parse
from chainverify.model.images import ImageReference

HEX = "0123456789abcdef" * 4
SHA256 = f"sha256:{HEX}"
SHA512 = f"sha512:{HEX}{HEX}"

GOOD = {
    "alpine": ("docker.io", "library/alpine", "latest", None),
    "alpine:3.20": ("docker.io", "library/alpine", "3.20", None),
    "library/alpine": ("docker.io", "library/alpine", "latest", None),
    "docker.io/alpine": ("docker.io", "library/alpine", "latest", None),
    "index.docker.io/alpine:1": ("docker.io", "library/alpine", "1", None),
    "index.docker.io/team/app:1": ("docker.io", "team/app", "1", None),
    "team/app": ("docker.io", "team/app", "latest", None),
    "team/app/part:x": ("docker.io", "team/app/part", "x", None),
    "localhost/app": ("localhost", "app", "latest", None),
    "localhost:5000": ("docker.io", "library/localhost", "5000", None),
    "localhost:5000/app": ("localhost:5000", "app", "latest", None),
    "registry:5000/app:5000": ("registry:5000", "app", "5000", None),
    "Registry/app": ("Registry", "app", "latest", None),
    "EXAMPLE.org/app": ("EXAMPLE.org", "app", "latest", None),
    "127.0.0.1/app": ("127.0.0.1", "app", "latest", None),
    "[::1]/app": ("[::1]", "app", "latest", None),
    "[2001:db8::7]:5000/team/app:v1": ("[2001:db8::7]:5000", "team/app", "v1", None),
    "xn--7o8h.example/app": ("xn--7o8h.example", "app", "latest", None),
    "ghcr.io/team/a-b---c.d_e__f:V1.0-x_y": ("ghcr.io", "team/a-b---c.d_e__f", "V1.0-x_y", None),
    f"alpine@{SHA256}": ("docker.io", "library/alpine", None, SHA256),
    f"ghcr.io/team/app:v1@{SHA256}": ("ghcr.io", "team/app", "v1", SHA256),
    f"ghcr.io/team/app@{SHA512}": ("ghcr.io", "team/app", None, SHA512),
    "docker.io/docker.io/app": ("docker.io", "docker.io/app", "latest", None),
    "app:" + "t" * 128: ("docker.io", "library/app", "t" * 128, None),
    "example.org/" + "a" * 255: ("example.org", "a" * 255, "latest", None),
    "a" * 247: ("docker.io", "library/" + "a" * 247, "latest", None),
    HEX[:-1]: ("docker.io", f"library/{HEX[:-1]}", "latest", None),
    f"team/{HEX}": ("docker.io", f"team/{HEX}", "latest", None),
    f"{HEX}:1": ("docker.io", f"library/{HEX}", "1", None),
    "a_b/app:1": ("docker.io", "a_b/app", "1", None),
    "app:_": ("docker.io", "library/app", "_", None),
}


@pytest.mark.parametrize("text", GOOD, ids=lambda text: text[:40])
def test_normalised(text: str) -> None:
    domain, path, tag, digest = GOOD[text]
    found = parse(text)
    bare = text.partition("@")[0]
    defaulted = digest is None and ":" not in bare.rpartition("/")[2]
    assert found == ImageReference(domain, path, tag, digest, defaulted)


BAD = {
    "empty": ("", "is empty"),
    "blank": (" ", r"U\+0020"),
    "blank in front": (" alpine", r"U\+0020"),
    "line end behind": ("alpine:1\n", r"U\+000A"),
    "carriage return": ("alpine:1\r", r"U\+000D"),
    "NUL": ("alpine\0", r"U\+0000"),
    "escape": ("alpine\x1b[1m", r"U\+001B"),
    "letter beyond ASCII": ("älpine", r"U\+00E4"),
    "digit beyond ASCII": ("alpine:١", r"U\+0661"),
    "letter that looks alike": ("ghcr.iо/team/app", r"U\+043E"),
    "zero width space": ("ghcr.io/team/app\u200b", r"U\+200B"),
    "image id": (HEX, "64 hexadecimal digits"),
    "upper case name": ("Alpine", "'A', expected lower case"),
    "upper case path": ("ghcr.io/Team/app", "'T', expected lower case"),
    "no name": ("ghcr.io/", "no repository name|component ''"),
    "only a tag": (":v1", "no repository name"),
    "only a digest": (f"@{SHA256}", "no repository name"),
    "only a slash": ("/", "component ''"),
    "slash in front": ("/app", "component ''"),
    "slash behind": ("team/app/", "component ''"),
    "two slashes": ("team//app", "component ''"),
    "dot in front": ("team/.app", "component '.app'"),
    "two dots": ("team/a..b", "component 'a..b'"),
    "dot path": ("ghcr.io/../app", "component '..'"),
    "three underscores": ("team/a___b", "component 'a___b'"),
    "dash behind": ("team/app-", "component 'app-'"),
    "mixed separators": ("team/a.-b", "component 'a.-b'"),
    "empty tag": ("alpine:", "starts with a letter"),
    "tag with dot in front": ("alpine:.1", "starts with a letter"),
    "tag with dash in front": ("alpine:-1", "starts with a letter"),
    "two tags": ("alpine:1:2", "tag holds ':'"),
    "tag of 129": ("alpine:" + "t" * 129, "got 129 characters"),
    "tag with plus": ("alpine:1+2", "tag holds '\\+'"),
    "no port": ("example.org:/app", "registry 'example.org:'"),
    "port of letters": ("example.org:http/app", "registry 'example.org:http'"),
    "host with dash in front": ("-x.org/app", "registry '-x.org'"),
    "host with underscore": ("foo_bar.com/app", "registry 'foo_bar.com'"),
    "host with two dots": ("example..org/app", "registry 'example..org'"),
    "IPv6 without brackets": ("::1/app", "registry '::1'"),
    "IPv6 with zone": ("[fe80::1%eth0]/app", "registry"),
    "scheme": ("https://example.org/app", "registry 'https:'"),
    "transport": ("docker://alpine", "registry 'docker:'"),
    "user": ("user@example.org/app", "expected a digest"),
    "digest without algorithm": (f"alpine@{HEX}", "expected a digest"),
    "digest empty": ("alpine@", "expected a digest"),
    "digest of md5": ("alpine@md5:" + HEX[:32], "expected a digest"),
    "digest of sha384": ("alpine@sha384:" + HEX + HEX[:32], "expected a digest"),
    "algorithm in upper case": (f"alpine@SHA256:{HEX}", "expected a digest"),
    "digest in upper case": (f"alpine@sha256:{HEX.upper()}", "digest holds 'A', expected lower-case"),
    "digest too short": ("alpine@sha256:" + HEX[:-1], "expected 64 digits in a sha256 digest, got 63"),
    "digest too long": (f"alpine@{SHA256}0", "got 65"),
    "sha512 with 64 digits": (f"alpine@sha512:{HEX}", "expected 128 digits in a sha512 digest, got 64"),
    "two digests": (f"alpine@{SHA256}@{SHA256}", "digest holds '@'"),
    "digest in front of the tag": (f"alpine@{SHA256}:1", "digest holds ':'"),
    "variable": ("alpine:${TAG}", "tag holds '\\$'"),
    "path of 256": ("example.org/" + "a" * 256, "256 characters, expected at most 255"),
    "path of 256 with library": ("a" * 248, "256 characters, expected at most 255"),
    "text of a megabyte": ("a/" * 500_000, "expected at most 1024"),
}


@pytest.mark.parametrize(("text", "why"), BAD.values(), ids=BAD)
def test_refused(text: str, why: str) -> None:
    with pytest.raises(Malformed, match=why) as caught:
        parse(text)
    assert caught.value.rule == "image-unresolved"
    assert caught.value.hint


words = st.text("abz09", min_size=1, max_size=5)
component = st.builds(lambda first, rest: first + "".join(rest), words, st.lists(
    st.builds(str.__add__, st.sampled_from(["_", "__", "-", "---"]), words), max_size=2))  # fmt: skip
dotted = st.builds("{}.{}".format, component, words)
domains = st.sampled_from(["", "example.org/", "EXAMPLE/", "a-b.example:65535/", "localhost/", "localhost:5000/", "[::1]:80/",
                           "docker.io/", "index.docker.io/"])  # fmt: skip
tags = st.one_of(st.just(""), st.builds(":{}{}".format, words, st.sampled_from(["", ".1", "-X", "__", "."])))
digests = st.sampled_from(["", f"@{SHA256}", f"@{SHA512}"])
references = st.builds(
    lambda domain, parts, last, tag, digest: domain + "/".join([*parts, last]) + tag + digest,
    domains, st.lists(component, max_size=3), st.one_of(component, dotted), tags, digests,
)  # fmt: skip


@given(references)
def test_the_canonical_form_is_its_own(text: str) -> None:
    found = parse(text)
    again = parse(found.canonical)
    assert again == found._replace(defaulted=False)
    assert again.canonical == found.canonical
    assert found.canonical.startswith(found.repository)
    assert (found.tag is None) <= (found.digest is not None)


@given(st.one_of(st.text(max_size=60), st.text("aA0.:/@-_[] \n$é", max_size=30)))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    try:
        found = parse(text)
    except Malformed:
        return
    assert text.isascii()
    assert found.canonical.isprintable()
