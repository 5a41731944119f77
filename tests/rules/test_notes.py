"""The table of notes agrees with the notes that the code writes, and `rule` explains each.

A note is a text in kebab case, or one that is written into something called notes. Every such text in the code that judges has a
row, or stands below as something else: whoever adds a note meets one of the two.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chainverify.model import ruleids
from chainverify.rules.codes import CODES
from chainverify.rules.notes import NOTES, note
from chainverify.rules.table import RULES
from chainverify.transparency.identities import ALIASES, CLAIMS
from tests.cli.conftest import Run, run  # noqa: F401 - a fixture

SOURCE = Path(__file__).parent.parent.parent / "src" / "chainverify"
WRITERS = [
    *sorted(path for part in ("formats", "signatures", "transparency") for path in (SOURCE / part).glob("*.py")),
    SOURCE / "jobs" / "history.py", SOURCE / "rules" / "signatures.py",
]  # fmt: skip
"""The modules that write notes: all that read, prove and judge signatures."""
KEBAB = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+-?:?|[a-z0-9]+(?:-[a-z0-9]+)*:")
OTHERS = {
    # settings of the policy
    "identity", "all-parents", "any-parent", "every-commit", "first-parent", "author-email", "committer-email",
    # SSH: kinds of keys and certificates, options of files
    "cert-authority", "valid-after", "valid-before", "verify-required", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521", "rsa-sha2-256", "rsa-sha2-512", "ssh-dss", "ssh-ed25519", "ssh-ed448", "ssh-rsa", "sk-",
    "webauthn-sk-",
    # encodings
    "euc-jp", "euc-kr", "iso-2022-jp", "iso-8859-", "iso8859-", "iso8859-1", "koi8-r", "koi8-u", "latin-1", "shift-jis",
    "us-ascii", "utf-8", "windows-",
    # git, images, gitsign, files
    "docker-manifest-digest", "docker-reference", "merge-base", "trust-root", "sha256:", "chainverify-gnupg-",
    # the start of a note that a code follows: see below
    "key-", "key-today-",
}  # fmt: skip
"""Texts of that form that are no notes."""


def texts(tree: ast.AST) -> Iterator[str]:
    """The texts of some code that are no documentation."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


def into_notes(tree: ast.AST) -> Iterator[str]:
    """Texts that are written into something called notes, in whatever form: `notes += ("sha1",)`."""
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.keyword) and node.arg == "notes":
            yield from texts(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and "notes" in ast.unparse(node.func.value):
            yield from (text for argument in node.args for text in texts(argument))
        for target in targets:
            if re.search(r"\bnotes\b", ast.unparse(target)):
                yield from texts(target)
                if not isinstance(node, ast.keyword) and getattr(node, "value", None) is not None:
                    yield from texts(node.value)  # type: ignore[attr-defined]


def written() -> set[str]:
    found: set[str] = set()
    for path in WRITERS:
        tree = ast.parse(path.read_text())
        found |= {text for text in texts(tree) if KEBAB.fullmatch(text)} | set(into_notes(tree))
    others = OTHERS | set(RULES) | set(ruleids.RULE_IDS) | CLAIMS | set(ALIASES)
    return {text for text in found if text not in others and re.fullmatch(r"[a-z0-9][a-z0-9:-]*", text)}


def test_every_note_in_the_code_is_explained() -> None:
    assert {text for text in written() if note(text) is None} == set()


def test_what_is_no_note_is_in_the_code() -> None:
    every = {text for path in WRITERS for text in texts(ast.parse(path.read_text()))}
    assert OTHERS - every == set()


def test_every_row_is_written_somewhere() -> None:
    found = written()
    codes = {f"key-{code}" for code in lowered("REVOKED_HARD", "REVOKED_SOFT_AT_T", "EXPIRED_AT_T")}
    # a hard revocation refuses whenever it is made, and an expiry is the code GOOD_EXPIRED_NOW
    today = {f"key-today-{code}" for code in lowered("REVOKED_SOFT_AT_T", "NOT_BOUND", "NOT_SIGNING_CAPABLE", "FUTURE")}
    assert (codes | today) <= set(NOTES)
    left = {row for row in NOTES if row not in found | codes | today}
    assert {row for row in left if not any(text.startswith(row) for text in found)} == set()


def lowered(*codes: str) -> list[str]:
    assert set(codes) <= set(CODES)
    return [code.lower().replace("_", "-") for code in codes]


@pytest.mark.parametrize("source", [
    'notes += ("new-note",)', 'notes = ("new-note",)', 'x = f(notes=("new-note",))', 'self.notes.add("new-note")',
    'found.notes["new-note"] = None', 'NEW = "new-note"\nreturn_value = (NEW,)', 'notes.append("single")', 'notes += ("single",)',
    'x = evidence._replace(notes=(*evidence.notes, "single"))',
])  # fmt: skip
def test_a_new_note_is_found(source: str) -> None:
    tree = ast.parse(source)
    found = {text for text in texts(tree) if KEBAB.fullmatch(text)} | set(into_notes(tree))
    assert found & {"new-note", "single"}


def test_rows_are_complete_and_no_rule_or_code() -> None:
    for row in NOTES.values():
        assert row.when.endswith(".")
        assert row.remedy.endswith(".")
        assert row.about
    assert not set(NOTES) & set(RULES)
    assert not {row.upper().replace("-", "_") for row in NOTES} & set(CODES)


@pytest.mark.parametrize(
    "name", [*NOTES, "target:tree", "unknown-header:x-y", "mergetag-unverified:signer-unknown", "NO-LOG-ENTRY"]
)
def test_rule_explains_a_note(run: Run, tmp_path: Path, name: str) -> None:  # noqa: F811
    done = run(tmp_path, "rule", name)
    assert done.status == 0
    row = note(name.lower())
    assert row is not None
    assert done.out.startswith(f"{row.note.removesuffix(':')}: a note on {row.about}")
    assert "What to do: " in done.out
    assert "".join(row.when.split()) in "".join(done.out.split())


def test_a_near_miss_is_told(run: Run, tmp_path: Path) -> None:  # noqa: F811
    done = run(tmp_path, "rule", "no-log-entri")
    assert done.status == 2
    assert "did you mean 'no-log-entry'?" in done.err
    assert run(tmp_path, "rule", "zzzzzz").status == 2
