"""Checkpoints: signed notes of transparency logs, read strictly."""

from __future__ import annotations

import base64

import pytest

from chainverify.errors import Malformed
from chainverify.formats import signednote

ROOT = base64.b64encode(bytes(range(32))).decode()
SIGNATURE = base64.b64encode(b"hint" + b"s" * 64).decode()
GOOD = f"log.example.org - 17\n42\n{ROOT}\n\n— log.example.org {SIGNATURE}\n"


def test_a_checkpoint_is_read() -> None:
    found = signednote.checkpoint(GOOD)
    assert found == signednote.Checkpoint(
        "log.example.org - 17", 42, bytes(range(32)), f"log.example.org - 17\n42\n{ROOT}\n".encode(),
        (signednote.NoteSignature("log.example.org", b"hint", b"s" * 64),),
    )  # fmt: skip


def test_extension_lines_are_signed_and_have_no_meaning() -> None:
    found = signednote.checkpoint(GOOD.replace(f"{ROOT}\n", f"{ROOT}\nTimestamp: 1689177396617352539\n"))
    assert found.signed.endswith(b"Timestamp: 1689177396617352539\n")


def test_witnesses_may_sign_too() -> None:
    assert len(signednote.checkpoint(f"{GOOD}— witness {SIGNATURE}\n").signatures) == 2


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        ("", "not a signed note"),
        (GOOD.replace("\n\n", "\n"), "not a signed note"),
        (f"x\n42\n\n— n {SIGNATURE}\n", "not a signed note"),
        (GOOD.replace(f"{ROOT}\n", f"{ROOT}\n\nmore\n"), "not a signed note"),
        ("\n" + GOOD, "not a signed note"),
        (GOOD.replace("\n42\n", "\n042\n"), "expected a decimal number"),
        (GOOD.replace("\n42\n", "\n-1\n"), "expected a decimal number"),
        (GOOD.replace("\n42\n", "\n٤٢\n"), "expected a decimal number"),
        (GOOD.replace("\n42\n", f"\n{10**30}\n"), "expected a decimal number"),
        (GOOD.replace(ROOT, ROOT[4:]), "a root of 29 bytes"),
        (GOOD.replace(ROOT, ROOT.replace("=", "")), "not base64"),
        (GOOD.replace(ROOT, ROOT[:-2] + "9="), "not canonical"),
        (GOOD.replace("— ", "- "), "where a signature is expected"),
        (GOOD.replace("— log", "—  log"), "where a signature is expected"),
        (GOOD[:-1], "does not end with a line end"),
        (GOOD + "trailing\n", "where a signature is expected"),
        (GOOD.replace(SIGNATURE, "aGludA=="), "empty signature"),
        (GOOD.replace("\n42", "\r\n42"), "control characters"),
        (GOOD + f"— w {SIGNATURE}\n" * 64, "65 signatures"),
        ("x" * 70_000, "at most"),
    ],
)
def test_anything_else_is_refused(note: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as caught:
        signednote.checkpoint(note)
    assert caught.value.rule == "signature-bad"
