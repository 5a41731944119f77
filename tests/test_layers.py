"""The architecture as a test: which module may import which, and where each third-party package lives.

A package imports only from layers below its own and from itself; the parts of a plug-in package never import each
other. Imports inside functions count too.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("_version", "errors", "model"),
    ("formats", "output"),
    ("policy",),
    ("rules", "manifests", "transparency"),
    ("signatures", "images", "registry", "git", "forges"),
    ("jobs",),
    ("hook", "cli", "_api"),
    ("_entry",),
    ("__main__",),
)
"""Lowest first. The package itself (`chainverify/__init__`) is the public API and stands on top of `jobs`."""

PLUGINS = {"signatures", "images", "manifests", "forges", "output"}
"""Packages whose modules are alternatives: each may import only the package's shared modules named here."""
SHARED = {
    "signatures": {
        "backends", "openpgp_crypto", "openpgp_certificates", "openpgp_keyring", "ed25519", "ssh_crypto", "ssh_keyring",
        "ssh_certificates", "facts", "x509_keyring",
    },
    "images": {"verify", "candidates", "keys"},
    "manifests": {"yamlnodes", "extract", "filenames"},
    "output": {"escape", "moment", "record"},
    "forges": set[str](),
}

HOMES: dict[str, set[str]] = {
    "click": {"cli"},
    "pygit2": {"git"},
    "gnupg": {"signatures"},
    "cryptography": {"signatures", "images", "transparency"},
    "nacl": {"signatures"},
    "sigstore": {"transparency"},
    "yaml": {"manifests"},
    "httpx": {"registry"},
}


def modules(root: Path) -> dict[str, Path]:
    """Every module of the package by dotted name."""
    found = {}
    for path in sorted((root / "chainverify").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(source: str, name: str, *, package: bool) -> list[tuple[int, str]]:
    """Line and absolute name of everything that a module imports."""
    out: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            out += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = name.split(".")[: -(node.level - 1) or None] if package else name.split(".")[: -node.level]
                base = ".".join([*up, *([node.module] if node.module else [])])
            out += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
    return out


def layer(part: str) -> int:
    return next(index for index, names in enumerate(LAYERS) if part in names)


def violations(name: str, source: str, *, package: bool = False) -> list[str]:
    """What of `source` breaks the layers, as readable lines."""
    found: list[str] = []
    parts = name.split(".")
    own = parts[1] if len(parts) > 1 else ""
    for line, target in imported(source, name, package=package):
        top, *rest = target.split(".")
        if top == "chainverify" and rest:
            there = rest[0]
            known = {part for names in LAYERS for part in names}
            if there not in known:
                if own:
                    found.append(f"{name}:{line}: imports {target}, the public API, from inside")
                continue
            if own and there != own and layer(there) >= layer(own):
                found.append(f"{name}:{line}: {own} imports {there}, which is not below it")
            if own == there and own in PLUGINS and len(parts) > 2 and parts[2] not in SHARED[own]:
                sibling = rest[1] if len(rest) > 1 else ""
                if sibling and sibling != parts[2] and sibling not in SHARED[own]:
                    found.append(f"{name}:{line}: {own}.{parts[2]} imports its sibling {sibling}")
        elif top in HOMES and own not in HOMES[top]:
            found.append(f"{name}:{line}: imports {top}, whose home is {', '.join(sorted(HOMES[top]))}")
    if own in ("_version", "model", "errors"):
        for line, target in imported(source, name, package=package):
            if target.split(".")[0] not in {"chainverify", "__future__", "typing", "collections", "operator"}:
                found.append(f"{name}:{line}: {own} imports {target}, but holds values only")
    if own:
        found += [f"{name}:{node.lineno}: assert is stripped by -O; raise instead"
                  for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]
    return found


def test_the_package_keeps_its_layers() -> None:
    found = [
        line
        for name, path in modules(SOURCE).items()
        for line in violations(name, path.read_text(), package=path.name == "__init__.py")
    ]
    assert found == []


def test_every_part_has_a_layer() -> None:
    known = {part for names in LAYERS for part in names}
    parts = {name.split(".")[1] for name in modules(SOURCE) if "." in name}
    assert parts <= known


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("chainverify.formats.x", "from chainverify.policy.model import Policy", "formats imports policy"),
        ("chainverify.rules.x", "def f():\n    import chainverify.git.reader", "rules imports git"),
        ("chainverify.git.x", "from chainverify.registry.client import C", "git imports registry"),
        ("chainverify.git.x", "from ..registry import client", "git imports registry"),
        ("chainverify.jobs.x", "import click", "imports click"),
        ("chainverify.formats.x", "from cryptography.hazmat.primitives import hashes", "imports cryptography"),
        ("chainverify.signatures.ssh", "from chainverify.signatures import openpgp", "imports its sibling openpgp"),
        ("chainverify.manifests.a", "from .b import x", "imports its sibling b"),
        ("chainverify.model.x", "import json", "holds values only"),
        ("chainverify._version", "import importlib.metadata", "holds values only"),
        ("chainverify.rules.x", "assert 1", "assert is stripped"),
        ("chainverify.jobs.x", "from chainverify import verify_commits", "the public API, from inside"),
    ],
)
def test_a_violation_is_found(name: str, source: str, expected: str) -> None:
    assert any(expected in line for line in violations(name, source))
