"""Which image references come out of manifests, where they stand, and that no spelling hides one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chainverify.manifests import extract, filenames, yamlnodes
from chainverify.manifests.extract import FILE_TYPES, MAX_PROBLEMS
from chainverify.manifests.kubernetes import POD_SPECS
from chainverify.model.images import Extraction, ImageUse

POD = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    image: "


def read(text: str | bytes, path: str = "a/x.yaml") -> Extraction:
    return extract.extract(path, text.encode() if isinstance(text, str) else text)


def names(found: Extraction) -> list[str]:
    """What was found, in order: canonical references, and `?` with the raw text of what is unresolved."""
    return [use.reference.canonical if use.reference else f"?{use.raw}" for use in found.uses]


def hub(*found: str) -> list[str]:
    return [f"docker.io/library/{name}" for name in found]


EVIL = hub("evil:latest")


def one(text: str | bytes, path: str = "a/x.yaml") -> ImageUse:
    found = read(text, path)
    assert len(found.uses) == 1
    assert found.problems == ()
    return found.uses[0]


# --- kinds


def built_in(kind: str) -> dict[str, object]:
    pod: object = {
        "initContainers": [{"name": "i", "image": "init:1"}],
        "containers": [{"name": "c", "image": "main:1", "imagePullPolicy": "Always"}, {"name": "d", "image": "side:1"}],
        "ephemeralContainers": [{"name": "e", "image": "debug:1"}],
        "volumes": [
            {"name": "v", "image": {"reference": "files:1", "pullPolicy": "Always"}},
            {"name": "w", "rbd": {"image": "disk"}},
        ],
        "imagePullSecrets": [{"name": "secret"}],
    }
    for key in reversed(POD_SPECS[kind]):
        pod = {key: pod}
    version = {"Pod": "v1", "PodTemplate": "v1", "ReplicationController": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}
    return {"apiVersion": version.get(kind, "apps/v1"), "kind": kind, "metadata": {"name": "x"}, **dict(pod)}  # type: ignore[call-overload]


@pytest.mark.parametrize("form", ["block", "flow", "json"])
@pytest.mark.parametrize("kind", POD_SPECS)
def test_built_in_kinds(kind: str, form: str) -> None:
    value = built_in(kind)
    text = json.dumps(value, indent=1) if form == "json" else yaml.safe_dump(value, default_flow_style=form == "flow")
    found = read(text, "x.json" if form == "json" else "x.yml")
    assert found.problems == ()
    where = "$." + ".".join(POD_SPECS[kind])
    assert {(use.role, use.raw, use.pointer, use.confidence) for use in found.uses} == {
        ("init", "init:1", f"{where}.initContainers[0].image", "certain"),
        ("container", "main:1", f"{where}.containers[0].image", "certain"),
        ("container", "side:1", f"{where}.containers[1].image", "certain"),
        ("ephemeral", "debug:1", f"{where}.ephemeralContainers[0].image", "certain"),
        ("image-volume", "files:1", f"{where}.volumes[0].image.reference", "certain"),
    }


SHAPES = {
    "custom resource": (
        "{apiVersion: example.org/v1, kind: Thing, spec: {a: [{b: {containers: [{image: x}]}}]}}",
        "$.spec.a[0].b.containers[0].image",
    ),
    "a kind by a built-in name": (
        "{apiVersion: example.org/v1, kind: Pod, spec: {containers: [{image: x}]}}",
        "$.spec.containers[0].image",
    ),
    "JobSet": (
        (
            "{apiVersion: jobset.x-k8s.io/v1, kind: JobSet, spec: {replicatedJobs: [{template: {spec: {template: {spec: "
            "{containers: [{image: x}]}}}}}]}}"
        ),
        "$.spec.replicatedJobs[0].template.spec.template.spec.containers[0].image",
    ),
    "at an unusual place of a Pod": (
        "{apiVersion: v1, kind: Pod, spec: {overhead: {containers: [{image: x}]}}}",
        "$.spec.overhead.containers[0].image",
    ),
    "under a key that is no word": (
        "{apiVersion: v1, kind: X, 'a b': {\"it's\": {containers: [{image: x}]}}}",
        "$['a b']['it\\'s'].containers[0].image",
    ),
    "under a key that is a mapping": (
        "{apiVersion: v1, kind: X, spec: {? {a: b} : {containers: [{image: x}]}}}",
        "$.spec['?'].containers[0].image",
    ),
    "OpenShift Template": (
        (
            "{apiVersion: template.openshift.io/v1, kind: Template, objects: [{apiVersion: v1, kind: Pod, spec: "
            "{containers: [{image: x}]}}]}"
        ),
        "$.objects[0].spec.containers[0].image",
    ),
}


@pytest.mark.parametrize(("text", "pointer"), SHAPES.values(), ids=SHAPES)
def test_pods_are_known_by_their_shape(text: str, pointer: str) -> None:
    use = one(text)
    assert (use.pointer, use.confidence, use.raw) == (pointer, "likely", "x")


NOT_IMAGES = {
    "CustomResourceDefinition": (
        "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, spec: {containers: [{image: x}]}}"
    ),
    "status": "{apiVersion: v1, kind: Pod, status: {containers: [{image: x}], containerStatuses: [{image: x, imageID: y}]}}",
    "rbd": "{apiVersion: v1, kind: Pod, spec: {volumes: [{name: v, rbd: {image: disk, monitors: []}}]}}",
    "policy and secrets": (
        "{apiVersion: v1, kind: Pod, spec: {imagePullSecrets: [{name: x}], containers: [{imagePullPolicy: Always}]}}"
    ),
    "managed fields": "{apiVersion: v1, kind: Pod, metadata: {managedFields: [{fieldsV1: {'f:containers': {'f:image': {}}}}]}}",
    "container without an image": "{apiVersion: v1, kind: Pod, spec: {containers: [{name: image}]}}",
    "containers that are none": "{apiVersion: v1, kind: Pod, spec: {containers: image, initContainers: {image: x}, volumes: 1}}",
    "other letter case": "{apiVersion: v1, kind: Pod, spec: {Containers: [{image: x}], containers: [{Image: x}]}}",
    "Service": "{apiVersion: v1, kind: Service, metadata: {name: image}}",
}


@pytest.mark.parametrize("text", NOT_IMAGES.values(), ids=NOT_IMAGES)
def test_what_is_no_image(text: str) -> None:
    assert read(text) == Extraction((), (), True)


OTHER_FILES = {
    "no object": "a: {containers: [{image: x}]}",
    "Compose": "services: {web: {image: nginx}}",
    "Helm values": "image: {repository: x, tag: 1}",
    "no kind": "{apiVersion: v1, spec: {containers: [{image: x}]}}",
    "kind is a list": "{apiVersion: v1, kind: [Pod], spec: {containers: [{image: x}]}}",
    "list": "[{image: x}]",
    "text": "an image of apiVersion and kind",
    "empty": "",
}


@pytest.mark.parametrize("text", OTHER_FILES.values(), ids=OTHER_FILES)
def test_other_files_are_not_counted(text: str) -> None:
    assert read(text) == Extraction()


def test_the_name_says_which_files_are_read() -> None:
    for name in ("x.yaml", "a/b.yml", "X.YAML", "x.json", "a/Kustomization"):
        assert filenames.is_candidate(name)
    for name in ("x.txt", "yaml", "x.yaml.tpl", "Kustomization.txt", "a.yaml/b"):
        assert not filenames.is_candidate(name)
        assert extract.extract(name, POD.encode() + b"x\n") == Extraction()
    assert len(extract.extract_stream("-", POD.encode() + b"x\n").uses) == 1


LISTS = """
apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: Deployment
  spec: {template: {spec: {containers: [{image: a}]}}}
- apiVersion: v1
  kind: List
  items:
  - {apiVersion: v1, kind: Pod, spec: {containers: [{image: b}]}, status: {containers: [{image: not}]}}
  - {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, spec: {containers: [{image: not}]}}
- [{containers: [{image: c}]}]
---
apiVersion: v1
kind: PodList
items:
- {spec: {containers: [{image: d}]}}
"""


def test_lists_are_read_through() -> None:
    found = read(LISTS)
    assert names(found) == hub("a:latest", "b:latest", "c:latest", "d:latest")
    assert [use.document for use in found.uses] == [0, 0, 0, 1]
    assert [use.confidence for use in found.uses] == ["certain", "certain", "likely", "likely"]


def test_a_definition_is_only_skipped_where_it_is_certainly_one() -> None:
    pod = "spec: {containers: [{image: x}]}"
    crd = "kind: CustomResourceDefinition"
    assert read(f"{{apiVersion: apiextensions.k8s.io/v1, {crd}, {pod}}}").uses == ()
    for text in (
        f"{{apiVersion: v1, {crd}, {pod}}}",
        f"{{apiVersion: apiextensions.k8s.io/v1, {crd}, kind: Pod, {pod}}}",
        f"{{apiVersion: apiextensions.k8s.io/v1, apiVersion: v1, {crd}, {pod}}}",
        f"{{apiVersion: apiextensions.k8s.io/v1, kind: [], {crd}, {pod}}}",
        f"{{apiVersion: v1, kind: Pod, spec: {{apiVersion: apiextensions.k8s.io/v1, {crd}, containers: [{{image: x}}]}}}}",
    ):
        assert names(read(text)) == hub("x:latest"), text


CRD = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
SCHEMAS = {
    "plain": ("spec: {containers: [{image: x}]}\n", []),
    "quoted": ("'spec': {'containers': [{image: x}]}\nmetadata: {name: a}\n", []),
    "then a pod": (f"spec: {{containers: [{{image: not}}]}}\n---\n{POD}x", ["x"]),
    "then another kind": ("spec: {containers: [{image: x}]}\nkind: Pod\n", ["x"]),
    "then another version": ("spec: {containers: [{image: x}]}\napiVersion: v1\n", ["x"]),
    "then another kind, escaped": ("spec: {containers: [{image: x}]}\n'kind': []\n", ["x"]),
    "then a merge": ("spec: {containers: [{image: not}]}\n<<: {kind: Pod}\n", ["not"]),
    "then a merge of the spec": ("spec: &s {containers: [{image: x}]}\nx: *s\n", []),
    "an anchor inside": ("spec: {containers: &c [{image: x}]}\nother: *c\n---\na: b\n", []),
    "two specs": ("spec: {containers: [{image: x}]}\nspec: {}\n", []),
}


@pytest.mark.parametrize(("text", "expected"), SCHEMAS.values(), ids=SCHEMAS)
def test_a_schema_is_only_passed_over_where_that_changes_nothing(text: str, expected: list[str]) -> None:
    assert names(read(CRD + text)) == hub(*(f"{name}:latest" for name in expected))
    root = yamlnodes.load((CRD + text).encode()).documents[0].root
    assert root is not None
    built = [each for kind in FILE_TYPES for each in kind.find(root, "x.yaml") or []]
    assert len(built) == len([use for use in read(CRD + text).uses if use.document == 0])


def test_a_schema_that_is_passed_over_is_still_checked() -> None:
    assert read(CRD + "spec: {image: [}\n").problems[0].rule == "manifest-unreadable"
    assert "nested deeper" in read(CRD + "spec: " + "[" * 120 + "]" * 120 + " # image").problems[0].message
    assert "names no anchor" in read(CRD + "spec: {image: *x}\n").problems[0].message
    assert "stands twice" in read(CRD + "spec: {image: 1}\nspec: {}\n").problems[0].message


# --- what a field holds

UNRESOLVED = {
    "null": ("", "is read as null"),
    "tilde": ("~", "is read as null"),
    "number": ("123", "is read as a number"),
    "float": ("1.10", "is read as a number"),
    "truth": ("yes", "is read as a truth value"),
    "date": ("2026-01-01", "is read as a date"),
    "list": ("[a]", "is a list, expected text"),
    "mapping": ("{repository: a}", "is a mapping, expected text"),
    "empty": ("''", "is empty"),
    "bare template": ("{{ .Values.image }}", "holds '{{'"),
    "quoted template": ("'{{ .Values.image }}'", "holds '{{'"),
    "template in the tag": ("'app:{{ .tag }}'", "holds '{{'"),
    "shell variable": ("app:${TAG}", "holds '${'"),
    "kustomize variable": ("$(IMAGE)", "holds '$('"),
    "plain variable": ("app:$TAG", "tag holds '$'"),
    "base64": ("!!binary bmdpbng=", "has the YAML tag 'tag:yaml.org,2002:binary'"),
    "own tag": ("!image nginx", "has the YAML tag '!image'"),
    "number by its tag": ("!!int '1'", "has the YAML tag"),
    "folded with a line end": (">\n      nginx\n", "holds U+000A"),
    "literal with a line end": ("|\n      nginx\n", "holds U+000A"),
    "folded over two lines": (">-\n      nginx\n      :1\n", "holds U+0020"),
    "quoted over two lines": ("'nginx\n      :1'", "holds U+0020"),
    "blank": ("' nginx'", "holds U+0020"),
    "upper case": ("Nginx", "'N', expected lower case"),
    "transport": ("docker://nginx", "registry 'docker:'"),
    "other letters": ("nginх", "holds U+0445"),
    "long": ("a" * 5000, "5000 characters"),
}


@pytest.mark.parametrize(("value", "why"), UNRESOLVED.values(), ids=UNRESOLVED)
def test_what_cannot_be_known_is_unresolved_with_a_reason(value: str, why: str) -> None:
    use = one(f"{POD}{value}\n")
    assert (use.reference, use.resolution) == (None, "unresolved")
    assert why in use.reason
    assert len(use.raw) < 1100
    assert (use.span.line, use.confidence) == (6, "certain")


RESOLVED = {
    "plain": "nginx:1",
    "single quotes": "'nginx:1'",
    "double quotes": '"nginx:1"',
    "escapes": '"ng\\x69n\\u0078:1"',
    "escaped line end": '"ngi\\\n      nx:1"',
    "tag of text": "!!str nginx:1",
    "tag of text in full": "!<tag:yaml.org,2002:str> nginx:1",
    "non-specific tag": "! nginx:1",
    "anchor": "&x nginx:1",
    "folded, stripped": ">-\n      nginx:1\n",
    "literal, stripped": "|-\n      nginx:1\n",
    "comment": "nginx:1 # {{ }}",
    "behind a line": "\n      nginx:1\n",
}


@pytest.mark.parametrize("value", RESOLVED.values(), ids=RESOLVED)
def test_every_way_to_write_a_text(value: str) -> None:
    use = one(f"{POD}{value}\n")
    assert use.reference is not None
    assert (use.raw, use.reference.canonical, use.resolution) == ("nginx:1", "docker.io/library/nginx:1", "literal")


def test_a_use_says_where_it_stands() -> None:
    data = ("\ufeff# ü\r\n" + (POD + "'nginx' # new").replace("\n", "\r\n")).encode()
    use = one(data)
    assert data[use.span.start : use.span.end] == b"'nginx'"
    assert (use.span.line, use.span.column, use.excerpt) == (7, 12, "    image: 'nginx' # new")
    assert (use.path, use.document, use.pointer) == ("a/x.yaml", 0, "$.spec.containers[0].image")
    assert use.resolution == "default"


# --- spellings that could hide an image: all must be found, or be a problem

EVASIONS = {
    "escaped key": (POD.replace("image", '"\\x69mage"') + "evil", EVIL),
    "every key escaped": (
        '{"\\u0061piVersion": v1, "\\U0000006bind": Pod, "s\\x70ec": {"\\x63ontainers": [{"im\\x61ge": evil}]}}',
        EVIL,
    ),
    "keys broken over lines": (
        '{? "api\\\n  Version" : v1, ? "ki\\\n  nd" : Pod, spec: {? "contain\\\n ers" : [{? "im\\\n age" : evil}]}}',
        EVIL,
    ),
    "base64 keys": (
        "{!!binary YXBpVmVyc2lvbg==: v1, !!binary a2luZA==: Pod, spec: {!!binary Y29udGFpbmVycw==: [{!!binary aW1hZ2U=: evil}]}}",
        EVIL,
    ),
    "base64 keys by a tag in full": (
        (
            "{!<tag:yaml.org,2002:%62inary> YXBpVmVyc2lvbg==: v1, !<tag:yaml.org,2002:%62inary> a2luZA==: Pod, spec: "
            "{containers: [{!<tag:yaml.org,2002:%62inary> aW1hZ2U=: evil}]}}"
        ),
        EVIL,
    ),
    "base64 keys by a tag handle": (
        (
            "%TAG !b! tag:yaml.org,2002:bin\n--- {!b!ary YXBpVmVyc2lvbg==: v1, kind: Pod"
            ", spec: {containers: [{!b!ary aW1hZ2U=: evil}]}}"
        ),
        EVIL,
    ),
    "complex key": (POD.replace("image: ", "? image\n    : ") + "evil", EVIL),
    "anchors": (
        "{x: [{image: &i evil}], apiVersion: v1, kind: Pod, spec: {containers: [{image: *i}, {image: *i}]}}",
        EVIL,
    ),
    "aliased containers": ("{apiVersion: v1, kind: Pod, x: &c [{image: evil}], spec: {containers: *c}}", EVIL),
    "aliased pod": ("{apiVersion: v1, kind: X, status: &p {containers: [{image: evil}]}, spec: *p}", EVIL),
    "aliased key": ("{apiVersion: v1, kind: Pod, x: &k image, spec: {containers: [{*k : evil}]}}", EVIL),
    "merged image": ("{apiVersion: v1, kind: Pod, x: &c {image: evil}, spec: {containers: [{name: a, <<: *c}]}}", EVIL),
    "merged pod": ("{apiVersion: v1, kind: Pod, x: &s {containers: [{image: evil}]}, spec: {<<: *s}}", EVIL),
    "merged kind": ("{<<: {apiVersion: v1, kind: Pod}, spec: {containers: [{image: evil}]}}", EVIL),
    "merge through a list": (
        "{apiVersion: v1, kind: Pod, x: &a {image: first}, y: &b {image: second}, spec: {containers: [{<<: [*a, *b]}]}}",
        hub("first:latest"),
    ),
    "second document behind a broken one": (f"a: [\n---\n{POD}evil", EVIL),
    "document on the marker's line": ("--- {apiVersion: v1, kind: Pod, spec: {containers: [{image: evil}]}}", EVIL),
    "nested list": (
        (
            "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, "
            "spec: {containers: [{image: evil}]}}]}]}"
        ),
        EVIL,
    ),
    "JSON in a YAML file": (json.dumps(built_in("Pod")), hub("init:1", "main:1", "side:1", "debug:1", "files:1")),
    "JSON with tabs": (json.dumps(built_in("Pod"), indent="\t"), hub("init:1", "main:1", "side:1", "debug:1", "files:1")),
    "CRLF": ((POD + "evil\n").replace("\n", "\r\n"), EVIL),
    "CR only": ((POD + "evil\n").replace("\n", "\r"), EVIL),
    "next lines": ((POD + "evil\n").replace("\n", "\u0085"), EVIL),
    "line separators": ((POD + "evil\n").replace("\n", "\u2028"), EVIL),
    "behind a comment that ends early": ((POD + "evil\n").replace("    image", "    # note\u2029    image"), EVIL),
    "byte order mark": ("\ufeff" + POD + "evil", EVIL),
    "no line end": (POD + "evil", EVIL),
    "a very long line": (f"x: {'y' * 400_000}\n" + POD + "evil", EVIL),
    "behind a long line": ("{apiVersion: v1, kind: Pod, x: '" + "é" * 200_000 + "', spec: {containers: [{image: evil}]}}", EVIL),
    "deep, within the budget": (
        "apiVersion: v1\nkind: X\nx: " + "[" * 90 + "{containers: [{image: evil}]}" + "]" * 90,
        EVIL,
    ),
}


@pytest.mark.parametrize(("text", "expected"), EVASIONS.values(), ids=EVASIONS)
def test_no_spelling_hides_an_image(text: str, expected: list[str]) -> None:
    assert sorted(names(read(text))) == sorted(expected)


DOUBTS = {
    "duplicate image": (f"{POD}good\n    image: evil\n", "manifest-ambiguous", "key 'image' stands twice", ["good", "evil"]),
    "duplicate containers": (
        f"{POD}good\n  containers: [{{image: evil}}]\n",
        "manifest-ambiguous",
        "'containers' stands twice",
        ["good", "evil"],
    ),
    "duplicate spec": (
        f"{POD}good\nspec: {{containers: [{{image: evil}}]}}\n",
        "manifest-ambiguous",
        "'spec' stands twice",
        ["good", "evil"],
    ),
    "duplicate kind": (f"{POD}good\nkind: ConfigMap\n", "manifest-ambiguous", "'kind' stands twice", ["good"]),
    "duplicate by an escape": (
        f'{POD}good\n    "\\x69mage": evil\n',
        "manifest-ambiguous",
        "'image' stands twice",
        ["good", "evil"],
    ),
    "merge behind the key": (
        "{apiVersion: v1, kind: Pod, x: &e {image: evil}, spec: {containers: [{image: good, <<: *e}]}}",
        "manifest-ambiguous",
        "kubectl then takes",
        ["evil", "good"],
    ),
    "mark inside the file": (f"# \ufeff\n{POD}good\n", "manifest-ambiguous", "byte order mark", ["good"]),
    "two marks": (f"\ufeff\ufeff{POD}good\n", "manifest-ambiguous", "byte order mark", ["good"]),
    "marker with text": (f"{POD}'good\n---x\n    '\n", "manifest-ambiguous", "kubectl splits", ["?good ---x "]),
    "broken YAML": (f"{POD}[\n", "manifest-unreadable", "not YAML", []),
    "broken template": (f"{{{{- if .x }}}}\n{POD}x\n{{{{- end }}}}\n", "manifest-unreadable", "not YAML", []),
    "broken template without the word": (
        "{{ if .x }}\napiVersion: v1\nkind: Pod\n{{ end }}\n",
        "manifest-unreadable",
        "not YAML",
        [],
    ),
    "broken, only the word image": ("image: [\n", "manifest-unreadable", "not YAML", []),
    "broken with escapes": ('"\\x61piVersion": [', "manifest-unreadable", "not YAML", []),
    "too deep": (f"{POD}x\n    y: " + "[" * 200_000, "manifest-unreadable", "nest", []),
    "depth bomb first": ("[" * 200_000 + f"\n---\n{POD}good\n", "manifest-unreadable", "nest", ["good"]),
    "contains itself": (f"{POD}x\n    y: &a [*a]\n", "manifest-unreadable", "contains itself", []),
    "UTF-16": (("\ufeff" + POD + "x").encode("utf-16-le"), "manifest-unreadable", "file is UTF-16", []),
    "UTF-32": (("\ufeff" + POD + "x").encode("utf-32-be"), "manifest-unreadable", "file is UTF-32", []),
    "Latin-1": (POD.encode() + b"caf\xe9", "manifest-unreadable", "is not UTF-8", []),
    "too large": (POD + "x\n" + "#" * (5 << 20), "manifest-unreadable", "at most 5242880 are read", []),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "manifest-unreadable", "Git LFS", []),
}


@pytest.mark.parametrize(("text", "rule", "why", "expected"), DOUBTS.values(), ids=DOUBTS)
def test_what_cannot_be_read_in_one_way_is_a_problem(text: str | bytes, rule: str, why: str, expected: list[str]) -> None:
    found = read(text)
    assert found.recognised
    assert [problem.rule for problem in found.problems] == [rule]
    assert why in found.problems[0].message
    assert names(found) == [name if name.startswith("?") else f"docker.io/library/{name}:latest" for name in expected]


def test_a_mark_in_front_of_a_key_is_named_besides_the_error() -> None:
    """libyaml refuses it, kubectl's reader takes it for a letter of the key."""
    found = read(f"metadata: {{}}\n\ufeff{POD}good\n")
    assert [problem.rule for problem in found.problems] == ["manifest-unreadable", "manifest-ambiguous"]


HARMLESS = {
    "broken, no trace": "a: [",
    "Latin-1, no trace": b"caf\xe9",
    "UTF-16, no trace": "\ufeffa: b".encode("utf-16-le"),
    "large, no trace": b"[" + b"1," * (3 << 20) + b"1]",
    "large, only the word image": b"image: [" + b"1," * (3 << 20) + b"1]",
    "deep, no trace": "[" * 200_000,
}


@pytest.mark.parametrize("data", HARMLESS.values(), ids=HARMLESS)
def test_files_without_a_trace_of_manifests_are_let_through(data: str | bytes) -> None:
    assert read(data) == Extraction()


def test_a_large_file_with_hidden_words_is_a_problem() -> None:
    assert read(b'{"\\u0061piVersion": "v1"}' + b" " * (5 << 20)).problems[0].rule == "manifest-unreadable"


BOMBS = {
    "aliases": "{apiVersion: v1, kind: X, a0: &a0 [{image: x}], "
    + ", ".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 60))
    + ", containers: *a0}",
    "merges": "apiVersion: v1\nkind: X\na0: &a0 {containers: [{image: x}]}\n"
    + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 60)),
    "lists of lists": "apiVersion: v1\nkind: List\na0: &a0 {kind: List, items: [{containers: [{image: x}]}]}\n"
    + "".join(f"a{n}: &a{n} {{kind: XList, items: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 40))
    + "items: [*a39]\n",
    "one container under many keys": "apiVersion: v1\nkind: X\na: &a [{image: x}]\n"
    + "".join(f"b{n}: {{containers: *a}}\n" for n in range(20_000)),
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_bombs_are_read_in_little_time(text: str) -> None:
    start = time.process_time()
    assert names(read(text)) == hub("x:latest")
    assert time.process_time() - start < 15


def test_many_specs_of_a_definition_take_little_time() -> None:
    start = time.process_time()
    assert read(CRD + "spec: {image: x}\n" * 40_000).uses == ()
    assert time.process_time() - start < 15


def test_long_ways_over_aliases_take_little_time() -> None:
    links = "".join(f"- &a{i} {{containers: [{{image: a}}], x: *a{i - 1}}}\n" for i in range(1, 10_000))
    started = time.perf_counter()
    found = read(f"apiVersion: v1\nkind: Pod\nx:\n- &a0 {{}}\n{links}")
    assert time.perf_counter() - started < 5
    assert len(found.uses) == 9_999
    assert max(len(use.pointer) for use in found.uses) < 1000


def test_many_images_on_one_line_take_little_time() -> None:
    start = time.process_time()
    found = read("{apiVersion: v1, kind: Pod, spec: {containers: [" + "{image: é}, {image: x}, " * 5_000 + "]}}")
    assert len(found.uses) == 10_000
    assert time.process_time() - start < 15


def test_many_problems_are_counted() -> None:
    found = read("image: [\n---\n" * 500)
    assert len(found.problems) == MAX_PROBLEMS + 1
    assert found.problems[-1].message == "400 more problems are not listed"


# --- what is not resolved today is said

OVERRIDES = {
    "kustomization": (
        (
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
            "images:\n- name: a\n  newTag: '1'\n- {name: b, newName: c}\n"
        ),
        "k.yaml",
        [("override", "a", "$.images[0]"), ("override", "b", "$.images[1]")],
    ),
    "component": (
        "{apiVersion: kustomize.config.k8s.io/v1alpha1, kind: Component, images: [{name: a}]}",
        "k.yaml",
        [("override", "a", "$.images[0]")],
    ),
    "by its name alone": ("images: [{name: a}]", "k/kustomization.yml", [("override", "a", "$.images[0]")]),
    "without an ending": ("images: [{name: a}]", "k/Kustomization", [("override", "a", "$.images[0]")]),
    "by an alias": ("{x: &i [{name: a}], images: *i}", "kustomization.yaml", [("override", "a", "$.images[0]")]),
    "entry without a name": (
        "images: [{newName: a}, b]",
        "kustomization.yaml",
        [("override", "{newName: a}", "$.images[0]"), ("override", "b", "$.images[1]")],
    ),
    "no list": ("images: {name: a}", "kustomization.yaml", [("override", "{name: a}", "$.images")]),
    "inline patches": (
        (
            "patches:\n- patch: '[{op: replace, path: /spec/image, value: x}]'\n- path: image.yaml\n"
            "patchesStrategicMerge:\n- image.yaml\n- '{spec: {containers: []}}'\n- |-\n  a: b\n  c: d\n"
        ),
        "kustomization.yaml",
        [
            ("override", "[{op: replace, path: /spec/image, value: x}]", "$.patches[0]"),
            ("override", "image.yaml", "$.patches[1]"),
            ("override", "image.yaml", "$.patchesStrategicMerge[0]"),
            ("override", "{spec: {containers: []}}", "$.patchesStrategicMerge[1]"),
        ],
    ),
    "charts": ("helmCharts: [{name: c, repo: x}]\nimages:\n", "kustomization.yaml", [("chart", "c", "$.helmCharts[0]")]),
    "remote bases": (
        "resources: ['https://example.org/x?ref=1', 'GitHub.com/a/b', 'git@example.org:a/b', 'gh:a/b', example.org/a.git//b]",
        "kustomization.yaml",
        [
            ("base", "https://example.org/x?ref=1", "$.resources[0]"),
            ("base", "GitHub.com/a/b", "$.resources[1]"),
            ("base", "git@example.org:a/b", "$.resources[2]"),
            ("base", "gh:a/b", "$.resources[3]"),
            ("base", "example.org/a.git//b", "$.resources[4]"),
        ],
    ),
    # who knows the tree takes out what is read: see tests/jobs/test_manifests.py
    "local bases and files": (
        "{resources: [a.yaml, ../base], components: [c], bases: [b.txt], patches: [{path: p.txt}]}",
        "kustomization.yaml",
        [
            ("base", "a.yaml", "$.resources[0]"),
            ("base", "../base", "$.resources[1]"),
            ("base", "c", "$.components[0]"),
            ("base", "b.txt", "$.bases[0]"),
            ("override", "p.txt", "$.patches[0]"),
        ],
    ),
    # each of the following makes `kubectl kustomize` (5.5.0) print another image than the files hold
    "kind without apiVersion": (
        "{kind: Kustomization, images: [{name: a}]}",
        "kustomization.yaml",
        [("override", "a", "$.images[0]")],
    ),
    "field names in another case": (
        "{Images: [{Name: a}], image\u017f: [{name: b}], Patches: [{Patch: image}]}",
        "kustomization.yaml",
        [("override", "a", "$.Images[0]"), ("override", "b", "$['image\u017f'][0]"), ("override", "image", "$.Patches[0]")],
    ),
    "the old name of images": ("imageTags: [{name: a}]", "kustomization.yaml", [("override", "a", "$.imageTags[0]")]),
    "transformers": (
        "{transformers: [t.yaml, '{kind: ImageTagTransformer}'], generators: [g.yaml], validators: [v.yaml]}",
        "kustomization.yaml",
        [
            ("override", "t.yaml", "$.transformers[0]"),
            ("override", "{kind: ImageTagTransformer}", "$.transformers[1]"),
            ("override", "g.yaml", "$.generators[0]"),
            ("override", "v.yaml", "$.validators[0]"),
        ],
    ),
    "configurations": ("configurations: [c.yaml]", "kustomization.yaml", [("override", "c.yaml", "$.configurations[0]")]),
    "replacements": (
        (
            "replacements: [{targets: [{fieldPaths: [spec.containers.0.image]}]}, {path: r.yaml}, {targets: []}"
            ", {targets: [{fieldPaths: [metadata.name, spec.containers.0.env.0.value]}]}"
            ", {targets: [{fieldPaths: [data.image]}]}]"
        ),
        "kustomization.yaml",
        [
            ("override", "{targets: [{fieldPaths: [spec.containers.0.image]}]}", "$.replacements[0]"),
            ("override", "{path: r.yaml}", "$.replacements[1]"),
            ("override", "{targets: []}", "$.replacements[2]"),
            ("override", "{targets: [{fieldPaths: [data.image]}]}", "$.replacements[4]"),
        ],
    ),
    "inline patch in other letters": (
        "{patches: [{patch: '- {op: add, path: !!binary L2ltYWdl, value: x}'}, {patch: '[{op: copy, from: /a, path: /b}]'}]}",
        "kustomization.yaml",
        [
            ("override", "- {op: add, path: !!binary L2ltYWdl, value: x}", "$.patches[0]"),
            ("override", "[{op: copy, from: /a, path: /b}]", "$.patches[1]"),
        ],
    ),
    "JSON patch that copies or moves": (
        (
            "[{op: copy, from: /metadata/name, path: /spec/containers/0/image}, {op: move, from: /a, path: /spec/template}"
            ", {op: move, from: /a, path: /metadata/labels/b}]"
        ),
        "p.json",
        [
            ("override", "{op: copy, from: /metadata/name, path: /spec/containers/0/image}", "$[0]"),
            ("override", "{op: move, from: /a, path: /spec/template}", "$[1]"),
        ],
    ),
    "JSON patch that moves a container": (
        "[{op: move, from: /spec/hidden, path: /spec/template}]",
        "p.json",
        [("override", "{op: move, from: /spec/hidden, path: /spec/template}", "$[0]")],
    ),
    "Flux Kustomization in a list": (
        (
            "{apiVersion: v1, kind: List, items: [{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization"
            ", spec: {images: [{name: a}]}}]}"
        ),
        "f.yaml",
        [("override", "a", "$.items[0].spec.images[0]")],
    ),
    "Flux Kustomization": (
        (
            "{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization"
            ", spec: {images: [{name: a}], patches: [{patch: 'image: b'}]}}"
        ),
        "f.yaml",
        [("override", "a", "$.spec.images[0]"), ("override", "image: b", "$.spec.patches[0]")],
    ),
    "HelmRelease": (
        "{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, spec: {chart: {}}}",
        "f.yaml",
        [("chart", "HelmRelease", "$.kind")],
    ),
    "HelmChart": ("{apiVersion: helm.cattle.io/v1, kind: HelmChart}", "f.yaml", [("chart", "HelmChart", "$.kind")]),
    "Application in a list": (
        "{apiVersion: v1, kind: List, items: [{apiVersion: argoproj.io/v1alpha1, kind: Application}]}",
        "f.yaml",
        [("application", "Application", "$.items[0].kind")],
    ),
    "ApplicationSet": (
        "{apiVersion: argoproj.io/v1alpha1, kind: ApplicationSet}",
        "f.yaml",
        [("application", "ApplicationSet", "$.kind")],
    ),
    "Flux Kustomization of another source": (
        "{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, spec: {sourceRef: {kind: OCIRepository}}}",
        "f.yaml",
        [("application", "OCIRepository", "$.spec.sourceRef.kind")],
    ),
    "Carvel App": ("{apiVersion: kappctrl.k14s.io/v1alpha1, kind: App}", "f.yaml", [("application", "App", "$.kind")]),
    "JSON patch that adds a container": (
        "[{op: add, path: /spec/containers/-, value: {image: x}}]",
        "p.json",
        [("override", "{image: x}", "$[0].value")],
    ),
}


@pytest.mark.parametrize(("text", "path", "expected"), OVERRIDES.values(), ids=OVERRIDES)
def test_what_is_rendered_elsewhere_is_unresolved(text: str, path: str, expected: list[tuple[str, str, str]]) -> None:
    found = read(text, path)
    assert found.problems == ()
    assert [(use.role, use.raw, use.pointer) for use in found.uses] == expected
    assert {(use.resolution, use.reference) for use in found.uses} == {("unresolved", None)}
    assert all(use.reason for use in found.uses)


def test_an_alias_hides_no_override_behind_a_reference() -> None:
    text = (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec:\n  x: {containers: [{image: &a good}]}\n"
        "  images: [{name: *a, newName: evil}]\n"
    )
    assert [(use.role, use.resolution) for use in read(text).uses] == [("container", "default"), ("override", "unresolved")]


def test_a_json_patch_of_an_image_is_a_reference() -> None:
    text = (
        "- {op: test, path: /image, value: a}\n- {op: replace, path: /spec/x/volumes/0/image/reference, value: b}"
        "\n- {op: remove, path: /image}"
    )
    found = read(text)
    assert names(found) == hub("a:latest", "b:latest")
    assert {use.role for use in found.uses} == {"override"}
    assert read("[{op: replace, path: /metadata/image-name, value: x}]") == Extraction()


def test_a_kustomization_of_a_git_repository_is_read_as_files() -> None:
    text = "{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, spec: {sourceRef: {kind: GitRepository}}}"
    assert read(text) == Extraction((), (), True)


def test_kinds_of_other_groups_render_nothing() -> None:
    for text in ("{apiVersion: example.org/v1, kind: Application}", "{apiVersion: argoproj.io/v1alpha1, kind: Rollout}"):
        assert read(text).uses == ()


# --- a second method finds the same

CONTAINER_KEYS = ("containers", "initContainers", "ephemeralContainers")


def second_opinion(value: object) -> Iterator[str]:
    """The rule of shape over plain values, written another way."""
    if isinstance(value, dict):
        for key in CONTAINER_KEYS:
            for item in value[key] if isinstance(value.get(key), list) else ():
                if isinstance(item, dict) and "image" in item:
                    yield str(item["image"])
        for item in value["volumes"] if isinstance(value.get("volumes"), list) else ():
            image = item.get("image") if isinstance(item, dict) else None
            if isinstance(image, dict) and "reference" in image:
                yield str(image["reference"])
        for below in value.values():
            yield from second_opinion(below)
    elif isinstance(value, list):
        for below in value:
            yield from second_opinion(below)


images = st.sampled_from(["a", "b:1", "ghcr.io/c/d:2", "e@sha256:" + "0" * 64, "f:${X}", "G", "{{ h }}", "i\n", "été"])
volumes = st.lists(
    st.one_of(
        st.fixed_dictionaries({"name": st.just("v"), "image": st.fixed_dictionaries({"reference": images})}),
        st.fixed_dictionaries({"name": st.just("v"), "rbd": st.fixed_dictionaries({"image": images})}),
    ),
    max_size=2,
)
containers = st.lists(
    st.one_of(st.fixed_dictionaries({"name": st.just("c"), "image": images}), st.just({"name": "c"}), st.just("text")), max_size=3
)
values = st.recursive(
    st.one_of(images, st.none(), st.integers(), st.just({"image": "not"})),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["spec", "template", "items", "image", "a b", "x", "rbd"]), inner, max_size=3),
        st.fixed_dictionaries({}, optional=dict.fromkeys(CONTAINER_KEYS, containers) | {"volumes": volumes, "x": inner}),
    ),
    max_leaves=12,
)
objects = st.builds(
    lambda kind, spec: {"apiVersion": "v1", "kind": kind, "spec": spec},
    st.sampled_from(["Pod", "List", "Deployment", "Thing"]),
    values,
)


@given(st.lists(objects, min_size=1, max_size=3), st.sampled_from(["block", "flow", "aliases", "json", "CRLF"]))
def test_a_second_method_finds_the_same(documents: list[dict[str, object]], form: str) -> None:
    if form == "json":
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}, ensure_ascii=False)
    elif form == "aliases":
        text = "\n---\n".join(
            yaml.safe_dump({"apiVersion": "v1", "kind": "List", "x": each, "items": [each]}) for each in documents
        )
    else:
        text = yaml.safe_dump_all(documents, default_flow_style=form == "flow", explicit_start=True)
        text = text.replace("\n", "\r\n") if form == "CRLF" else text
    expected = {each for document in yaml.safe_load_all(text) for each in second_opinion(document)}
    found = read(text)
    assert found.problems == ()
    assert {use.raw for use in found.uses} == expected
    places = [use.span for use in found.uses]
    assert len(places) == len(set(places))
    data = text.encode()
    for use in found.uses:
        assert yaml.safe_load(data[use.span.start : use.span.end]) == use.raw or "\n" in use.raw


@given(st.binary(max_size=60), st.sampled_from([b"", POD.encode(), b"image: "]))
def test_any_bytes_are_an_extraction(noise: bytes, start: bytes) -> None:
    found = read(start + noise)
    assert all(use.reference or use.reason for use in found.uses)
    assert all(0 <= use.span.start <= use.span.end <= len(start + noise) for use in found.uses)


def test_every_type_of_the_table_finds_something_only_it_finds() -> None:
    texts = {
        "kubernetes": f"{POD}x",
        "kustomize": "{kind: Component, apiVersion: kustomize.config.k8s.io/v1, images: [a]}",
        "renderers": "{apiVersion: argoproj.io/v1, kind: Application}",
    }
    assert [kind.name for kind in FILE_TYPES] == list(texts)
    for name, text in texts.items():
        root = yamlnodes.load(text.encode()).documents[0].root
        assert root is not None
        assert [kind.name for kind in FILE_TYPES if kind.find(root, "x.yaml")] == [name]


def test_a_broken_object_is_told_even_where_it_names_no_image() -> None:
    found = extract.extract("pod.yaml", b"apiVersion: v1\nkind: Pod\nspec:\n  containers: [\n")
    assert [problem.rule for problem in found.problems] == ["manifest-unreadable"]
    whole = extract.extract("service.yaml", b"apiVersion: v1\nkind: Service\nspec: {}\n")
    assert (whole.problems, whole.recognised) == ((), True)
