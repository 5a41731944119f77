"""What a tree deploys: its image references found, judged as references, and verified.

A difference is judged by effective reference: what the old tree already ran is not asked again, whatever file or line it
stands in, and what the new tree runs for the first time is, even where no line of it changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from chainverify.errors import RegistryUnavailable, UsageError
from chainverify.git import trees
from chainverify.git.objects import ObjectReader
from chainverify.git.repository import Repository
from chainverify.jobs import manifests
from chainverify.jobs.manifests import Scan
from chainverify.jobs.policies import LoadedPolicy
from chainverify.model.images import Extraction, ImageReference, ImageUse, ManifestProblem
from chainverify.model.report import FAIL, PASS, VERIFIED, Finding
from chainverify.output import record
from chainverify.policy.material import image_trust
from chainverify.policy.model import ImagesPolicy
from chainverify.rules import enforcement
from chainverify.rules import manifests as rules_of

# the verifiers and the registry client are imported where an image is met: a push without one is most pushes
if TYPE_CHECKING:
    from chainverify.images.verify import Content
    from chainverify.registry import auth
    from chainverify.registry.client import RegistryClient
    from chainverify.registry.layout import Layout

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many images are verified, and how many there are."""


class Source(NamedTuple):
    """Where images are read: OCI layouts on disk first, then registries unless `offline`.

    `environ` and `home` are where logins are looked up; without a home nobody is logged in. `deadline` is in seconds.
    """

    offline: bool
    environ: Mapping[str, str] = {}
    layouts: tuple[Path, ...] = ()
    home: Path | None = None
    deadline: float | None = None

    @contextmanager
    def opened(self) -> Iterator[Callable[[ImageReference], Content]]:
        """The reader for each image; what is read through one of them is read once. Connections are closed at the end."""
        from chainverify.registry import auth
        from chainverify.registry.client import RegistryClient
        from chainverify.registry.layout import Layout

        layouts = [Layout(path) for path in self.layouts]
        with RegistryClient(
            credentials=_logins(self.environ, self.home) if self.home else auth.Credentials(),
            offline=self.offline,
            deadline=self.deadline,
            trust_env=self.home is not None,
        ) as client:
            yield self._reader(client, layouts)

    def _reader(self, client: RegistryClient, layouts: Sequence[Layout]) -> Callable[[ImageReference], Content]:
        """The first layout that has an image, else the registries."""

        def content_for(reference: ImageReference) -> Content:
            reasons: list[str] = []
            for layout in layouts:
                try:
                    layout.resolve(reference)
                except RegistryUnavailable as error:
                    reasons.append(error.message)
                    continue
                return layout
            if reasons and self.offline:
                told = "; ".join(dict.fromkeys(reasons))
                raise RegistryUnavailable(
                    f"{reference.canonical} is in no layout, and no registry is asked offline: {told}",
                    hint="add it: cosign save --dir DIR IMAGE; or run without --offline",
                )
            return client

        return content_for


class Deployed(NamedTuple):
    """Findings in the order of the files, what was looked at, and every reference as a record of the report."""

    findings: list[Finding]
    counts: dict[str, int]
    images: tuple[dict[str, object], ...]


def check(
    scan: Scan, loaded: LoadedPolicy, source: Source, *, jobs: int, progress: Progress | None = None
) -> Deployed:
    """The verdict on everything that a scan found. Raises `PolicyError` for keys that cannot be used."""
    policy = loaded.policy.images
    if policy is None:
        return Deployed([], {}, ())
    return _check(tuple(scan.extractions.values()), loaded, source, jobs, progress)


def listed(scan: Scan, policy: ImagesPolicy) -> Deployed:
    """What a scan found, with what keeps the list from being complete, and nothing verified."""
    extractions = tuple(scan.extractions.values())
    findings = [
        each for each in rules_of.judge(extractions, policy) if each.rule not in ("image-not-pinned",)
    ]
    return Deployed(findings, _counts(extractions), _records(extractions))


def check_difference(
    repo: Repository, new: str, base: str | None, loaded: LoadedPolicy, source: Source, *,
    jobs: int, progress: Progress | None = None,
) -> Deployed:
    """The verdict on what the commit `new` deploys and the commit `base` (None: an empty tree) did not.

    Raises `ObjectMissing`, `Malformed` and `BudgetExceeded` where a tree cannot be read.
    """
    policy = loaded.policy.images
    if policy is None:
        return Deployed([], {}, ())
    return _check(difference(repo, new, base, policy), loaded, source, jobs, progress)


def difference(repo: Repository, new: str, base: str | None, policy: ImagesPolicy) -> tuple[Extraction, ...]:
    """What the commit or tree `new` deploys and `base` (None: an empty tree) did not, file by file. Raises as the above."""
    with ObjectReader(repo) as reader:
        after, before, unchanged = _changed(reader, new, base, policy)
    known = {_key(use) for use in before.uses}
    troubled = {_trouble(problem) for each in before.extractions.values() for problem in each.problems}
    return tuple(
        extraction._replace(
            uses=tuple(use for use in extraction.uses if not (_comparable(use, unchanged) and _key(use) in known)),
            problems=tuple(each for each in extraction.problems if each.path not in unchanged or _trouble(each) not in troubled),
        )
        for extraction in after.extractions.values()
    )


def scan_tree(repo: Repository, revision: str, policy: ImagesPolicy) -> Scan:
    """The manifests of a revision."""
    with ObjectReader(repo) as reader:
        return manifests.scan_tree(reader, repo.resolve(revision), policy.include, policy.exclude)


def _logins(environ: Mapping[str, str], home: Path) -> auth.Credentials:
    """What `docker login` wrote. Raises `UsageError` for a file that cannot be read as that."""
    from chainverify.registry import auth

    path = Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    try:
        return auth.parse_docker_config(path.read_bytes(), str(path))
    except FileNotFoundError:
        return auth.Credentials()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def _changed(
    reader: ObjectReader, new: str, base: str | None, policy: ImagesPolicy
) -> tuple[Scan, Scan, frozenset[str]]:
    """The manifests that two commits do not share, on both sides, and the regular files that they do share."""
    if base is None:
        return manifests.scan_tree(reader, new, policy.include, policy.exclude), Scan({}, {}), frozenset()
    after = {entry.path: entry for entry in trees.files(reader, new)}
    before = {entry.path: entry for entry in trees.files(reader, base)}
    changed = frozenset(path for path in after.keys() | before.keys() if after.get(path) != before.get(path))
    return (
        manifests.scan_tree(reader, new, policy.include, policy.exclude, changed),
        manifests.scan_tree(reader, base, policy.include, policy.exclude, changed),
        frozenset(path for path, entry in after.items() if path not in changed and entry.mode in trees.REGULAR),
    )


def _comparable(use: ImageUse, unchanged: frozenset[str]) -> bool:
    """Whether its key says all about a use. What is unresolved in a file that changed may be anything now: the chart's values,
    the new name of an override and the part of a document that cannot be read are not in the key."""
    return use.reference is not None or use.path in unchanged


def _key(use: ImageUse) -> tuple[str, ...]:
    """What makes two uses the same for a difference: the effective reference; without one, the place and its text."""
    return (use.reference.canonical,) if use.reference else (use.path, use.pointer, use.raw)


def _trouble(problem: ManifestProblem) -> tuple[str, str, str]:
    return problem.rule, problem.path, problem.message


def _check(
    extractions: Sequence[Extraction], loaded: LoadedPolicy, source: Source, jobs: int, progress: Progress | None
) -> Deployed:
    policy = loaded.policy.images or ImagesPolicy()
    uses = [use for extraction in extractions for use in extraction.uses]
    found = rules_of.judge(extractions, policy)
    trust = image_trust(loaded.policy, loaded.read)
    if uses:
        from chainverify.jobs import images

        with source.opened() as content_for:
            verdicts = images.check_images(
                uses, policy, trust, content_for, max(jobs, images.DEFAULT_JOBS), progress=progress
            )
        judged, counts = verdicts.findings, verdicts.counts
    else:
        judged, counts = [], {}
    # a reference that breaks an enforced rule of the manifest is not at the same time a subject that passed
    enforced = enforcement.apply(found, loaded.policy)
    broken = {_place(each) for each in enforced if each.status == FAIL and each.level == "error"}
    findings = found + [
        each
        for each in judged
        if not (each.rule == VERIFIED and each.status == PASS and _place(each) in broken)
    ]
    findings.sort(key=lambda each: (each.location.path, each.location.line) if each.location else ("", 0))
    return Deployed(findings, {**_counts(extractions), **counts}, _records(extractions))


def _place(finding: Finding) -> tuple[object, ...]:
    where = finding.location
    return (finding.subject.id, where.path, where.line, where.column) if where else (finding.subject.id,)


def _counts(extractions: Sequence[Extraction]) -> dict[str, int]:
    return {"files": len(extractions), "images": sum(len(each.uses) for each in extractions)}


def _records(extractions: Sequence[Extraction]) -> tuple[dict[str, object], ...]:
    return tuple(record.image(use) for each in extractions for use in each.uses)
