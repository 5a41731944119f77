"""Inclusion proofs against trees that are built by the recursive definitions of RFC 6962."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import Malformed
from chainverify.transparency import merkle
from tests.world.sigstore import audit_path, tree_root

TREES = [(size, index) for size in range(1, 34) for index in range(size)]


def test_every_leaf_of_every_small_tree_leads_to_its_root() -> None:
    for size, index in TREES:
        leaves = [b"leaf %d" % number for number in range(size)]
        path = audit_path(index, leaves)
        assert merkle.root_of(merkle.leaf_hash(leaves[index]), index, size, path) == tree_root(leaves)


@given(st.data())
def test_a_proof_proves_one_place_of_one_tree(data: st.DataObject) -> None:
    size, index = data.draw(st.sampled_from(TREES))
    leaves = [b"leaf %d" % number for number in range(size)]
    path = audit_path(index, leaves)
    other_size, other_index = data.draw(st.sampled_from(TREES))
    leaf = data.draw(st.sampled_from([*leaves, b"stranger"]))
    try:
        root = merkle.root_of(merkle.leaf_hash(leaf), other_index, other_size, path)
    except Malformed:
        assert (other_size, other_index) != (size, index)
        return
    # The path of a leaf may fit another size of the same shape: it is the checkpoint that fixes the size.
    assert (root == tree_root(leaves)) == (leaf == leaves[index] and _turns(other_index, other_size) == _turns(index, size))


def _turns(index: int, size: int) -> list[bool]:
    """On which side of the path the sibling is at each level, from the leaf up (RFC 6962 section 2.1.1)."""
    if size == 1:
        return []
    split = 1 << (size - 1).bit_length() - 1
    return [*_turns(index, split), False] if index < split else [*_turns(index - split, size - split), True]


@pytest.mark.parametrize(
    ("index", "size", "path", "reason"),
    [
        (0, 0, [], "leaf 0 of 0"),
        (5, 5, [], "leaf 5 of 5"),
        (-1, 5, [], "leaf -1 of 5"),
        (0, 1, [bytes(32)], "more hashes"),
        (0, 2, [], "fewer hashes"),
        (0, 2, [bytes(32)] * 2, "more hashes"),
        (3, 1 << 62, [bytes(32)] * 61, "fewer hashes"),
    ],
)
def test_a_path_of_the_wrong_length_is_refused(index: int, size: int, path: list[bytes], reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        merkle.root_of(bytes(32), index, size, path)
