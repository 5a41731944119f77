"""What an OpenPGP verification costs beside the bare cryptographic operation: `python -m tests.bench.openpgp`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from chainverify.formats import openpgp as packets
from chainverify.model.signing import Clock, KeyMaterial, SignatureOptions
from chainverify.signatures import openpgp
from chainverify.signatures.openpgp_crypto import check, digest
from tests.world.gpg import GpgHome
from tests.world.repository import START

PAYLOAD = b"tree %040d\nparent %040d\n" % (0, 1) + b"author A <a@example.org> 1 +0000\n" * 2 + b"\nsubject\n\nbody\n" * 10
ROUNDS = 2000


def microseconds(work: Callable[[], object]) -> float:
    """The best of several means, for a machine that does other things too."""
    best = float("inf")
    for _ in range(8):
        start = time.perf_counter()
        for _ in range(ROUNDS // 8):
            work()
        best = min(best, (time.perf_counter() - start) / (ROUNDS // 8))
    return best * 1e6


def main() -> None:
    with GpgHome.create() as home:
        for kind in ("ed25519", "rsa2048", "rsa4096", "nistp256"):
            key = home.key(kind=kind, subkeys=[kind])
            armored = home.sign(key, PAYLOAD)
            material = [KeyMaterial("Alice", home.export(key), "key")]
            ring = openpgp.load(material)
            clock, options = Clock(START, START + 1000), SignatureOptions()
            parsed = packets.parse_detached(armored)
            assert parsed.fingerprint
            trusted = ring.by_fingerprint[parsed.fingerprint][0]
            signed = digest(parsed, PAYLOAD)
            ours = microseconds(partial(openpgp.verify, PAYLOAD, armored, ring, clock, options))
            bare = microseconds(partial(check, trusted.key, parsed, signed))
            parse = microseconds(partial(packets.parse_detached, armored))
            load = microseconds(partial(openpgp.load, material))
            print(f"{kind:10} {ours:6.1f} us, bare {bare:6.1f}, beside it {ours - bare:5.1f} (parse {parse:.1f}) load {load:.0f}")


if __name__ == "__main__":
    main()
