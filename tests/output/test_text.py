"""The text report: what people see, to the letter, and that nothing hostile gets through."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.model.report import (
    FAIL,
    PASS,
    SKIP,
    UNKNOWN,
    VERIFIED,
    Excerpt,
    Finding,
    Location,
    PolicyRef,
    Report,
    Subject,
    exit_status,
    verdict,
)
from chainverify.output import jsonv1, text
from chainverify.output.text import Style

OID = "4f2c" + "0" * 36
POLICY = PolicyRef("refs/heads/main:.chainverify/policy.toml", "sha256:" + "ab" * 32, "base")
COMMIT = Subject("commit", OID, "JIRA-1: add it")
GOOD = Finding(VERIFIED, PASS, COMMIT, "good SSH signature by Alice")
UNSIGNED = Finding("commit-unsigned", FAIL, COMMIT, "commit is not signed", "sign it: git commit --amend -S")
IMAGE = Finding(
    "image-unsigned", FAIL, Subject("image", "registry.example.org/team/app:v1"), "no signature found",
    location=Location("deploy/app.yaml", 12, 16, Excerpt("        image: registry.example.org/team/app:v1", 16, 32)),
    evidence={
        "candidates": [{"origin": "tag sha256-aa.sig", "step": "find", "expected": "a signature", "got": "404", "ok": False}],
    },
)


def report(*findings: Finding, **subjects: int) -> Report:
    return Report(POLICY, findings, subjects)


def test_failures_are_shown_with_place_and_help() -> None:
    assert text.render(report(GOOD, UNSIGNED, commits=2), Style()) == (
        "commit-unsigned: commit is not signed\n"
        "  --> commit 4f2c00000000 JIRA-1: add it\n"
        "   = help: sign it: git commit --amend -S\n"
        "\n"
        "failed: 2 commits checked: 1 good, 1 failed (commit-unsigned 1) "
        "[policy refs/heads/main:.chainverify/policy.toml sha256:abababababab, trust base]\n"
    )


def test_an_excerpt_has_a_caret_under_the_place_and_says_what_was_tried() -> None:
    assert text.render(report(IMAGE, images=1), Style()) == (
        "image-unsigned: no signature found\n"
        "  --> deploy/app.yaml:12:16\n"
        "   |\n"
        "12 |         image: registry.example.org/team/app:v1\n"
        "   |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "   = tried: tag sha256-aa.sig: find: expected a signature, got 404\n"
        "   = help: what to do: chainverify rule image-unsigned\n"
        "\n"
        "failed: 1 image reference checked: 1 failed (image-unsigned 1) "
        "[policy refs/heads/main:.chainverify/policy.toml sha256:abababababab, trust base]\n"
    )


def test_with_a_gutter_no_line_can_be_trimmed_out_of_shape() -> None:
    lines = text.render(report(IMAGE, UNSIGNED, images=1), Style(gutter=True)).split("\n")[:-1]
    assert all(line and line == line.strip() for line in lines)
    excerpt = next(index for index, line in enumerate(lines) if "image: registry" in line)
    assert lines[excerpt].index("registry") == lines[excerpt + 1].index("^")


def test_passing_subjects_only_when_asked() -> None:
    quiet, verbose = (text.render(report(GOOD, commits=1), Style(verbose=verbose)) for verbose in (False, True))
    assert "good SSH signature" not in quiet
    assert "good: good SSH signature by Alice\n  --> commit 4f2c00000000" in verbose
    assert quiet.startswith("passed: 1 commit checked: 1 good")


def test_trust_self_is_said() -> None:
    assert "trust self): fine for your own feedback" in text.render(
        Report(POLICY._replace(trust="self"), (GOOD,), {"commits": 1}), Style()
    )


def test_many_findings_of_a_rule_are_counted_not_shown() -> None:
    shown = text.render(report(*[UNSIGNED] * 100, commits=100), Style())
    assert shown.count("commit is not signed") == text.SHOWN_PER_RULE
    assert "commit-unsigned: 60 more like these" in shown
    assert "100 failed (commit-unsigned 100)" in shown


@pytest.mark.parametrize(
    ("findings", "said", "status"),
    [
        ((), "unknown", 3),
        ((GOOD,), "pass", 0),
        ((GOOD._replace(status=SKIP),), "unknown", 3),
        ((GOOD, UNSIGNED), "fail", 1),
        ((GOOD, UNSIGNED._replace(status=UNKNOWN, rule="object-missing")), "unknown", 3),
        ((UNSIGNED, UNSIGNED._replace(status=UNKNOWN)), "fail", 1),
        ((UNSIGNED._replace(level="warning"),), "pass", 0),
        ((UNSIGNED._replace(level="warning", status=UNKNOWN),), "unknown", 3),
        ((GOOD, UNSIGNED._replace(level="warning", status=UNKNOWN)), "pass", 0),
        ((UNSIGNED._replace(waived="because"),), "unknown", 3),
    ],
)
def test_verdict(findings: tuple[Finding, ...], said: str, status: int) -> None:
    value = report(*findings)
    assert (verdict(value), exit_status(value)) == (said, status)
    assert json.loads("".join(jsonv1.render(value, "1.0")))["verdict"] == said


HOSTILE = "\x1b[31mred\x1b[0m \r\n\u202egnp\u2066 \u200b \x00 \x9b \u2028::error::"


@given(st.text(max_size=80), st.integers(1, 90), st.integers(1, 90))
def test_nothing_hostile_reaches_the_terminal(noise: str, column: int, width: int) -> None:
    bad = HOSTILE + noise
    finding = Finding(
        "image-unsigned", FAIL, Subject("commit", OID, bad), bad, bad, Location(bad, 3, column, Excerpt(bad, column, width)),
        waived=bad, evidence={"candidates": [{"origin": bad, "step": bad, "expected": bad, "got": bad}]},
    )
    for subject in (finding, finding._replace(status=PASS), finding._replace(location=None)):
        value = Report(POLICY._replace(source=bad), (subject,), {"commits": 1})
        for gutter in (False, True):
            shown = text.render(value, Style(verbose=True, gutter=gutter))
            # blanks of other widths are harmless and stay
            assert all("".join("_" if unicodedata.category(c) == "Zs" or c == "\t" else c for c in line).isprintable()
                       for line in shown.split("\n"))
            assert not set(shown) & set("\x1b\r\0\x9b\u202e\u2066\u200b\u2028")
        assert "".join(jsonv1.render(value, "1")).isascii()


def test_colours_only_when_asked() -> None:
    assert "\x1b[" in text.render(report(UNSIGNED), Style(colour=True))
    assert "\x1b[" not in text.render(report(UNSIGNED), Style())


def test_json_has_the_contract_s_keys() -> None:
    value = json.loads("".join(jsonv1.render(report(GOOD, IMAGE, commits=1, images=1), "1.2")))
    assert list(value) == ["version", "tool", "verdict", "policy", "counts", "subjects", "findings"]
    assert value["tool"] == {"name": "chainverify", "version": "1.2"}
    assert value["policy"] == {"source": POLICY.source, "digest": POLICY.digest, "trust": "base"}
    assert value["counts"] == {"pass": 1, "fail": 1, "unknown": 0, "skip": 0}
    assert value["subjects"] == {"commits": 1, "tags": 0, "messages": 0, "images": 1, "refs": 0, "files": 0}
    assert list(value["findings"][1]) == [
        "rule", "status", "level", "subject", "location", "message", "hint", "waived", "evidence",
    ]
    assert value["findings"][1]["location"] == {"path": "deploy/app.yaml", "line": 12, "column": 16}
    assert value["findings"][0]["location"] is None
