"""The loader: every error at its key and line with its reason, defaults as in the contract, the schema beside it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tomllib
from datetime import date, datetime, time
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainverify
from chainverify import _version
from chainverify.errors import PolicyError
from chainverify.model import ruleids
from chainverify.policy import load, model, normal, schema, whole
from chainverify.policy.load import parse
from chainverify.rules import table
from tests.policy.examples import BAD, GOOD, HEAD, OID, OID256, PEOPLE, SERVER, Bad

VALIDATOR = jsonschema.Draft7Validator(schema.schema())


def as_json(value: Any) -> Any:
    """TOML values as an editor hands them to a JSON Schema: times are text."""
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_json(each) for each in value]
    return value.isoformat() if isinstance(value, datetime | date | time) else value


def schema_accepts(text: str) -> bool:
    return bool(VALIDATOR.is_valid(as_json(tomllib.loads(text))))


def refusal(text: str | bytes, *, server: bool = False) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        parse(text.encode() if isinstance(text, str) else text, "policy.toml", server=server)
    assert caught.value.source == "policy.toml"
    return caught.value


# --- good and bad examples, loader and schema side by side

@pytest.mark.parametrize("name", [*GOOD, *SERVER])
def test_good(name: str) -> None:
    text = {**GOOD, **SERVER}[name]
    parse(text.encode(), "policy.toml", server=name in SERVER)
    VALIDATOR.validate(as_json(tomllib.loads(text)))


@pytest.mark.parametrize("bad", [each for each in BAD if each.name != "newer tool with unknown keys"], ids=lambda b: b.name)
def test_bad(bad: Bad) -> None:
    error = refusal(bad.text, server=bad.server)
    assert (error.key, error.line) == (bad.key, bad.line), str(error)
    assert bad.words in error.message
    assert bad.hint in error.hint
    assert "\n" not in error.message
    assert schema_accepts(bad.text) is not bad.schema


def test_a_newer_tool_is_named_before_its_keys() -> None:
    bad = next(each for each in BAD if each.name == "newer tool with unknown keys")
    error = refusal(bad.text)
    assert (error.key, error.line) == (bad.key, bad.line)
    assert "99.1 or newer" in error.message


def test_names_of_examples_are_distinct() -> None:
    texts = [bad.text for bad in BAD]
    assert len(texts) == len(set(texts))


def test_pending_is_not_unknown() -> None:
    for bad in BAD:
        error = refusal(bad.text, server=bad.server)
        assert ("unknown key" in error.message) != ("not enforced" in error.message) or "not enforced" not in bad.words


# --- what comes out

def test_defaults_are_the_contracts() -> None:
    policy = parse((HEAD + '[commits]\n[messages]\n[images]\n[[images.trust]]\nmatch = "a.io/b"\nkeys = "k"\n').encode(), "p")
    assert policy.commits == model.CommitsPolicy(
        formats=("openpgp", "ssh", "x509", "gitsign"), introduction=None, exceptions=frozenset(), identity=("committer-email",),
        key_validity="backfill", sha1_before=None,
    )
    assert policy.messages == model.MessagesPolicy(
        introduction=None, tickets=(), separator=": ", pattern=None, subject_max=None, body_line_max=None, merges="skip",
        reverts="skip", allow_fixup=False, insert_ticket=True,
    )
    assert policy.images is not None
    assert policy.images[:4] == (True, ("**",), (), ())
    assert policy.images.trust == (
        model.TrustStanza("a.io/b", ("k",), 1, ("bundle", "legacy"), "repository", (), None, False, 0),
    )
    assert policy.tags == "signed"
    assert (policy.signers, policy.refs, policy.rules, policy.editors, policy.observed) == ((), (), (), (), ())
    assert policy.server == model.ServerPolicy(None, None)


def test_an_absent_section_asks_nothing() -> None:
    policy = parse(HEAD.encode(), "p")
    assert (policy.commits, policy.messages, policy.images, policy.tags) == (None, None, None, "off")


@pytest.mark.parametrize(("text", "expected"), [
    ("", "off"), ("[tags]\n", "off"), ("[commits]\n", "signed"), ("[commits]\n[tags]\n", "signed"),
    ('[commits]\n[tags]\nrequire = "off"\n', "off"), ('[tags]\nrequire = "signed"\n', "signed"),
])
def test_tags(text: str, expected: str) -> None:
    assert parse((HEAD + text).encode(), "p").tags == expected


def test_values() -> None:
    policy = parse(GOOD["people"].encode(), "p")
    alice, bob = policy.signers
    assert alice.emails == ("alice@example.org", "alice@work.example")
    assert alice.valid_after == 1735689600  # date -u -d 2025-01-01 +%s
    assert alice.valid_before == 1798761600
    assert alice.compromised_at == 1777593600
    assert bob.valid_after == 1735689600
    assert (alice.position, bob.position) == (0, 1)
    assert (alice.observed, bob.observed) == (True, False)
    assert policy.observed == ("signers[0]",)
    assert policy.editors == ("role:owner", "Bob")
    commits = parse(GOOD["commits with everything"].encode(), "p").commits
    assert commits is not None
    assert commits.exceptions == frozenset((OID, OID256))
    assert commits.sha1_before == 1609459200
    images = parse(GOOD["images"].encode(), "p").images
    assert images is not None
    assert images.exclude == ("vendor/**",)
    assert images.trust[0].annotations == (("env", "prod"), ("a.b", "c"))
    assert [stanza.position for stanza in images.trust] == [0, 1, 2, 3]
    assert images.trust[1].unsafe_unsigned == "mirrored and scanned"
    rules = parse(GOOD["rules"].encode(), "p").rules
    assert dict(rules) == {"image-not-pinned": "advise", "message-characters": "off", "commit-unsigned": "enforce"}


def test_a_single_value_is_a_list_of_it() -> None:
    policy = parse(GOOD["single values for lists"].encode(), "p")
    assert policy.commits is not None
    assert policy.commits.formats == ("ssh",)
    assert policy.commits.exceptions == frozenset((OID,))
    assert policy.signers[0].ssh == ("keys/alice.pub",)
    assert policy.refs[0].match == ("refs/heads/main",)


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30.0), ("1500ms", 1.5), ("2m", 120.0), ("1h", 3600.0)])
def test_durations(text: str, seconds: float) -> None:
    policy = parse(f'{HEAD}[server]\ndeadline = "{text}"\n'.encode(), "p", server=True)
    assert policy.server.deadline == seconds


def test_digest_is_of_the_bytes() -> None:
    one, two = parse(b"version = 1\n", "p"), parse(b"version = 1 \n", "p")
    # printf 'version = 1\n' | sha256sum
    assert one.digest == "sha256:dbab12665d98aef021ba64953c61b0ed8a908cfb56a1c01e2fcb4b052b71a2a1"
    assert one.digest != two.digest


@pytest.mark.parametrize(("wanted", "installed", "good"), [
    ("1.2", "1.2.0", True), ("1.2", "1.10", True), ("1.10", "1.9.9", False), ("1.2.1", "1.2", False), ("2", "1.99", False),
    ("1.2", "1.2.0.dev1", True), ("1.2", "1.2rc1", True), ("0", "0.1.0", True),
])
def test_min_tool(wanted: str, installed: str, good: bool) -> None:
    data = f'version = 1\n[policy]\nmin-tool = "{wanted}"\n'.encode()
    if good:
        parse(data, "p", tool_version=installed)
    else:
        with pytest.raises(PolicyError, match="or newer"):
            parse(data, "p", tool_version=installed)


def test_the_version_is_the_packages() -> None:
    assert chainverify.__version__ == _version.__version__
    assert _version.__version__ == metadata.version("chainverify")


# --- bytes that are no policy

@pytest.mark.parametrize(("data", "line", "words"), [
    (b"version = 1\n[commits\n", 2, "not valid TOML"),
    (b"version = 1\nversion = 1\n", 2, "not valid TOML"),
    (b"version = 1\n[a]\n[a]\n", 3, "not valid TOML"),
    (b"version = 1\nx = \"\n", 2, "not valid TOML"),
    (b"version = 1\nx = [1,\n\n", 2, "not valid TOML"),
    (b"version = 1\nx = 2026-02-31\n", 2, "not valid TOML"),
    (b"version = 1\n\nname = \"\xff\"\n", 3, "not UTF-8"),
    (b"version = 1\n# \0\n", 2, "NUL"),
    (b"\xef\xbb\xbfversion = 1\n", 1, "not valid TOML"),
    (b"version = 1\nx = " + b"[" * 100_000, 0, "nested too deeply"),
    (b"version = 1\nx = " + b"9" * 10_000 + b"\n", 0, "not valid TOML"),
    (b"#" * (load.POLICY_BYTES_MAX + 1), 0, "at most 1048576"),
    (b"", 0, "is missing, expected version"),
])
def test_not_a_policy(data: bytes, line: int, words: str) -> None:
    error = refusal(data)
    assert error.line == line, str(error)
    assert words in error.message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_policy_or_an_error(data: bytes) -> None:
    with contextlib.suppress(PolicyError):
        parse(b"version = 1\n" + data, "p")


_VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-2, 200), st.text(max_size=6), st.sampled_from(["ssh", "off", OID, "a@b", "refs/**"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(
        st.sampled_from(["name", "match", "keys", "formats", "identity", "trust", "path", "reason", "tickets", "observed"]),
        inner, max_size=3)),
    max_leaves=6,
)
_KEYS = {field.key: field for field in whole.FILE.fields}


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(sorted(_KEYS)), st.one_of(_VALUES, st.dictionaries(
    st.sampled_from(["formats", "identity", "tickets", "pattern", "require", "include", "trust", "signers", "deadline"]),
    _VALUES, max_size=3))))
def test_the_schema_is_never_stricter_than_the_loader(values: dict[str, Any]) -> None:
    text = normal_toml({**values, "version": 1})
    try:
        parse(text.encode(), "p")
    except PolicyError:
        return
    assert schema_accepts(text)


def normal_toml(value: Any, top: bool = True) -> str:
    """Any value as TOML, tables inline."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return normal.basic_string(value)
    if isinstance(value, list):
        return "[" + ", ".join(normal_toml(each, False) for each in value) + "]"
    if isinstance(value, dict):
        pairs = [f"{key} = {normal_toml(each, False)}" for key, each in value.items()]
        return "\n".join(pairs) + "\n" if top else "{" + ", ".join(pairs) + "}"
    return str(value)


# --- the effective policy

@pytest.mark.parametrize("name", [*GOOD, *SERVER])
def test_show_reads_back_as_the_same_policy(name: str) -> None:
    policy = parse({**GOOD, **SERVER}[name].encode(), "a\nb", server=name in SERVER)
    text = normal.show(policy)
    again = parse(text.encode(), "p", server=name in SERVER)
    assert again._replace(source="", digest="", text="") == policy._replace(source="", digest="", text="")
    json.dumps(normal.as_json(policy))


def test_show_fills_in_defaults() -> None:
    text = normal.show(parse((HEAD + "[commits]\n" + PEOPLE).encode(), "policy.toml"))
    assert 'identity = ["committer-email"]' in text
    assert 'key-validity = "backfill"' in text
    assert 'require = "signed"' in text
    assert "# no [messages]: nothing is asked of commit messages" in text


@given(st.text())
def test_basic_strings_read_back(text: str) -> None:
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        return
    assert tomllib.loads(f"x = {normal.basic_string(text)}") == {"x": text}


# --- what is committed, and what is imported

def test_the_published_schema_is_the_generated_one() -> None:
    committed = Path(schema.__file__).with_name("schema.json").read_text()
    assert committed == schema.text(), "run: python -m chainverify.policy.schema > src/chainverify/policy/schema.json"
    jsonschema.Draft7Validator.check_schema(schema.schema())


def test_rule_ids_are_the_tables() -> None:
    rows = {row.id for row in table._ROWS} - {"verified"}
    assert rows <= set(ruleids.RULE_IDS)
    assert set(ruleids.RULE_IDS) - rows == ruleids.NOT_YET
    assert len(set(ruleids.RULE_IDS)) == len(ruleids.RULE_IDS)


def test_importing_the_loader_is_cheap() -> None:
    code = ("import sys; before = set(sys.modules); import chainverify.policy.load; "
            "print(*sorted(set(sys.modules) - before))")
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "chainverify.policy.load" in loaded
    assert not loaded & {
        "tomllib", "dataclasses", "json", "importlib.metadata", "datetime", "hashlib", "difflib", "inspect",
    }
