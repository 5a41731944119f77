"""Manifest files per second of `jobs.manifests.scan_paths`, next to plain `yaml.load(CSafeLoader)` of the same files.

    python -m tests.bench.manifests [--files 2400]

A tree of common Kubernetes objects is written (deployments, services, config maps, kustomizations, a few large custom
resource definitions), then both read it in one run, files from the page cache. CPU seconds of one process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from chainverify.jobs.manifests import Scan, scan_paths

GOAL = 2_000
"""Files per second on one core that let every file be read by default."""
DIGEST = "sha256:" + "0123456789abcdef" * 4


def deployment(number: int) -> str:
    """A deployment as people write them: comments, probes, environment, two containers."""
    variables = "".join(f"        - name: VARIABLE_{each}\n          value: \"value of {each}\"\n" for each in range(12))
    return f"""# deployed by the platform team
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{number}
  labels: {{app.kubernetes.io/name: app-{number}, app.kubernetes.io/part-of: shop}}
spec:
  replicas: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: app-{number}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: app-{number}
    spec:
      initContainers:
      - name: migrate
        image: registry.example.org/shop/migrate:v{number}@{DIGEST}
        command: ["/bin/migrate", "--up"]
      containers:
      - name: app
        image: registry.example.org/shop/app-{number}:v1.{number}@{DIGEST}  # keep in step with the chart
        ports:
        - containerPort: 8080
          name: http
        env:
{variables}        readinessProbe:
          httpGet: {{path: /ready, port: http}}
          periodSeconds: 5
        resources:
          requests: {{cpu: 100m, memory: 128Mi}}
          limits: {{memory: 256Mi}}
      volumes:
      - name: config
        configMap:
          name: app-{number}
"""


def service(number: int) -> str:
    """A service and an account in two documents, without any image."""
    return f"""apiVersion: v1
kind: Service
metadata:
  name: app-{number}
spec:
  selector: {{app.kubernetes.io/name: app-{number}}}
  ports:
  - port: 80
    targetPort: http
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: app-{number}
"""


def config_map(number: int) -> str:
    """A config map with some text that speaks of images."""
    lines = "".join(f"    line {each}: where the image of app {number} is configured\n" for each in range(40))
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app-{number}\ndata:\n  app.conf: |\n{lines}"


def kustomization(number: int) -> str:
    """A kustomization with an override."""
    return f"""apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- deployment.yaml
- service.yaml
images:
- name: registry.example.org/shop/app-{number}
  newTag: v2
"""


def definition(number: int) -> str:
    """A custom resource definition of some 60 kB."""
    fields = "".join(
        f"              field{each}:\n                description: what field {each} means, at some length, for an image\n"
        f"                type: object\n                properties:\n                  image:\n                    type: string\n"
        for each in range(300)
    )
    return f"""apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: things{number}.example.org
spec:
  group: example.org
  versions:
  - name: v1
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
{fields}"""


KINDS = ((deployment, 50), (service, 20), (config_map, 16), (kustomization, 12), (definition, 2))


def write_tree(root: Path, count: int) -> int:
    """Write the files; the bytes written."""
    kinds = [kind for kind, share in KINDS for _ in range(share)]
    total = 0
    for number in range(count):
        kind = kinds[number * 7 % 100]
        path = root / f"apps/{number % 50}/{number}-{kind.__name__}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        total += path.write_text(kind(number))
    return total


def plain_load(root: Path) -> int:
    """What reading every file with the fast safe loader takes; the documents read."""
    count = 0
    for path in sorted(root.rglob("*.yaml")):
        with path.open("rb") as file:
            count += sum(1 for _ in yaml.load_all(file.read(), Loader=yaml.CSafeLoader))
    return count


def timed(run: Callable[[], object]) -> tuple[float, object]:
    """CPU seconds of the best of three runs, and the result."""
    best, result = float("inf"), None
    for _ in range(3):
        start = time.process_time()
        result = run()
        best = min(best, time.process_time() - start)
    return best, result


def main() -> int:
    """Print both rates; exit 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2_400)
    count = parser.parse_args().files
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        size = write_tree(root, count)
        ours, scan = timed(lambda: scan_paths(root))
        plain, documents = timed(lambda: plain_load(root))
    if not isinstance(scan, Scan) or scan.counts["files"] != count:
        print("the scan did not count every file")
        return 1
    print(f"{count} files, {size / 1e6:.1f} MB, {documents} documents, {scan.counts['references']} references")
    print(f"chainverify scan_paths       {ours:6.2f} s CPU  {count / ours:7.0f} files/s  {size / ours / 1e6:5.1f} MB/s")
    print(f"yaml.load_all(CSafeLoader)   {plain:6.2f} s CPU  {count / plain:7.0f} files/s  {size / plain / 1e6:5.1f} MB/s")
    print(f"{plain / ours:.1f} times as fast; goal {GOAL} files/s: {'reached' if count / ours >= GOAL else 'missed'}")
    return 0 if count / ours >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
