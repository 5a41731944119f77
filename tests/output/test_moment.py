"""Times for people."""

from __future__ import annotations

import pytest

from chainverify.output.moment import moment


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59Z"), (1_750_000_000, "2025-06-15T15:06:40Z"),
     (1 << 62, f"@{1 << 62}"), (-(1 << 62), f"@{-(1 << 62)}")],
)
def test_times_in_reports(seconds: int, text: str) -> None:
    assert moment(seconds) == text


def test_an_open_end_is_none() -> None:
    assert moment(None) is None
