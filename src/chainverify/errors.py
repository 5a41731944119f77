"""The exceptions of chainverify; each class knows the rule it is reported under and the status it leads to.

Exceptions neither print nor exit: the surfaces (`hook`, `cli`) turn them into findings and exit statuses.
"Could not be checked" (`Unavailable`) is never worded, and never counted, as "is bad" (`Malformed`, `SignatureError`).
"""

from __future__ import annotations


class ChainverifyError(Exception):
    """Base of all errors raised on purpose.

    `rule` is a stable rule id of the contract, `status` one of the report's statuses (`model.report`),
    `hint` says in one line what to do next, `evidence` holds facts worth reporting (JSON-able values only).
    """

    rule: str = "internal"
    status: str = "unknown"

    def __init__(
        self, message: str, *, hint: str = "", rule: str | None = None, evidence: dict[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.evidence: dict[str, object] = evidence or {}
        if rule is not None:
            self.rule = rule


class UsageError(ChainverifyError):
    """The command line, the environment or the repository's state does not fit the request (exit 2)."""

    rule = "usage"


class PolicyError(ChainverifyError):
    """The policy is wrong (exit 2): `key` is the dotted path, `source` and `line` (from 1, 0 unknown) say where."""

    rule = "policy"

    def __init__(self, message: str, *, key: str = "", source: str = "", line: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.key = key
        self.source = source
        self.line = line

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}: " if self.source and self.line else f"{self.source}: " if self.source else ""
        return f"{where}{self.key}: {self.message}" if self.key else f"{where}{self.message}"


class PolicyMissing(PolicyError):
    """No policy was found where one must be (exit 2)."""

    rule = "policy-missing"


class Malformed(ChainverifyError):
    """Bytes that do not follow their format strictly enough to be believed (a failure, not a doubt)."""

    rule = "commit-malformed"
    status = "fail"


class SignatureError(ChainverifyError):
    """A signature that is there, was read, and is not good enough.

    `code` is the finer result of the format (`BAD`, `NO_KEY`, `EXPIRED_AT_T`, `WEAK_HASH`, ...), see docs/rules. `proof` is the
    `model.signing.Evidence` of what was proved all the same, where a key of the policy made the signature and does not count:
    the other questions of the policy are asked of it too. `also` is whatever else refuses it: a policy may only advise the rule
    of this one.
    """

    rule = "signature-bad"
    status = "fail"

    def __init__(
        self,
        message: str,
        *,
        code: str,
        rule: str | None = None,
        hint: str = "",
        evidence: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, rule=rule, evidence=evidence)
        self.code = code
        self.proof: object = None
        self.also: tuple[SignatureError, ...] = ()


def first_of(problems: list[SignatureError], proof: object) -> SignatureError:
    """The first of several errors about one signature, with what was proved and the errors that have other rules."""
    first = problems[0]
    by_rule: dict[str, SignatureError] = {}
    for each in problems:
        by_rule.setdefault(each.rule, each)
    first.proof, first.also = proof, tuple(by_rule.values())[1:]
    return first


class ImageError(ChainverifyError):
    """An image whose signature, digest or reference does not satisfy a trust stanza.

    `candidates` records every alternative that was tried: dicts of `step`, `expected`, `got` and where it came from.
    """

    rule = "image-signature-bad"
    status = "fail"

    def __init__(
        self,
        message: str,
        *,
        rule: str | None = None,
        hint: str = "",
        candidates: tuple[dict[str, str], ...] = (),
    ) -> None:
        super().__init__(message, hint=hint, rule=rule, evidence={"candidates": list(candidates)} if candidates else {})
        self.candidates = candidates


class Unavailable(ChainverifyError):
    """Something needed for the verdict could not be had (exit 3): never a pass, never worded as a bad signature."""

    rule = "object-missing"
    status = "unknown"


class ObjectMissing(Unavailable):
    """A git object that the history names is not in the repository (shallow, partial, damaged)."""


class HistoryIncomplete(Unavailable):
    """The history is cut: shallow clone, grafts or a partial clone."""

    rule = "history-incomplete"


class RegistryUnavailable(Unavailable):
    """A registry did not answer, refused access, or answered outside the protocol or a budget."""

    rule = "image-unavailable"


class BackendCrashed(Unavailable):
    """A verifier raised something that is not ours; the object was not judged."""

    rule = "internal"


class BudgetExceeded(Unavailable):
    """A named budget (size, count, time) ran out before the verdict."""

    rule = "deadline"
