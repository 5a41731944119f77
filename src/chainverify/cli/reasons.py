"""Why a run had nothing to judge, and what to do next: "not decided" alone helps nobody."""

from __future__ import annotations

from collections.abc import Sequence

from chainverify.policy.model import Policy

_ASKED = ("commits", "messages", "images")


def nothing(policy: Policy, ranges: Sequence[str] = (), sections: Sequence[str] = _ASKED) -> str:
    """The reason for a report without findings, of a run that was about these `sections` of the policy and these `ranges`."""
    asked = [name for name in sections if getattr(policy, name) is not None]
    if not asked:
        return "the policy asks for nothing: give it [commits], [messages] or [images] (chainverify policy schema)"
    found = []
    history = [name for name in asked if name != "images"]
    if history:
        introductions = [getattr(policy, name).introduction for name in history]
        after = next((each for each in introductions if each), None)
        if ranges:
            what = "the range holds no commits" + (" after the introduction" if after else "")
            found.append(f"{what}; name another RANGE, or leave it out for the whole history")
        elif after:
            found.append(
                f"there are no commits after the introduction {after[:12]}; the next commit is the first to be judged, or name "
                "an earlier introduction in the policy"
            )
        else:
            found.append("there are no commits yet; make one first")
    if "images" in asked:
        found.append("no image references were found; chainverify images --list shows what is read")
    return "; ".join(found)
