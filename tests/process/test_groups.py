"""Partitions: every element in exactly one group, the named ones as the paper draws them, and what is refused."""

import numpy as np
import pytest

import gdm_jax as gdm


def test_partition(groups):
    assert groups.sizes.sum() == groups.index.size
    assert (groups.sizes > 0).all() and len(groups.sizes) == groups.k


def test_equal_partitions_hash_alike():
    a, b = (gdm.groups.bottom_to_top((4, 4), 2) for _ in range(2))
    assert a == b and hash(a) == hash(b) and a != gdm.groups.right_to_left((4, 4), 2)


@pytest.mark.parametrize(
    "groups, drawn",
    [
        (gdm.groups.bottom_to_top((4, 2), 2), ["11", "11", "00", "00"]),
        (gdm.groups.right_to_left((2, 4), 2), ["1100", "1100"]),
        (gdm.groups.right_to_left((1, 7), 3), ["2211000"]),
        (gdm.groups.blockwise((2, 4), (2, 2)), ["0011", "2233"]),
        (gdm.groups.cascade((4, 4), 2), ["0101", "1111", "0101", "1111"]),
        (gdm.groups.cascade((4, 4), 3), ["0212", "2222", "1212", "2222"]),
        (gdm.groups.cascade_inverse((2, 2), 2), ["10", "00"]),
        (gdm.groups.per_element((2, 2)), ["01", "23"]),
        (gdm.groups.frequency_bands(gdm.basis.dct(3).rank, (1, 4)), ["012", "112", "222"]),
    ],
)
def test_named_partitions(groups, drawn):
    assert ["".join(map(str, row)) for row in groups.index] == drawn


def test_paper_bands():
    """Table 2: S_1 = {0..29}, S_2 = {30..99}, S_3 = {100..499}, S_4 = {500..r^2 - 1}."""
    groups = gdm.groups.frequency_bands(gdm.basis.gaussian_blur(64).rank, (30, 100, 500))
    np.testing.assert_array_equal(groups.sizes, [30, 70, 400, 64 * 64 - 500])


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: gdm.groups.from_sets((2, 2), [[0, 1], [2]]), "element 3 of 4 is in no set"),
        (lambda: gdm.groups.from_sets((2, 2), [[0, 1], [1, 2, 3]]), "element 1 is in two sets"),
        (lambda: gdm.groups.from_sets((2, 2), [[0, 0, 1], [2, 3]]), "in two sets"),
        (lambda: gdm.groups.from_sets((2, 2), [[0, 1, 2, 3, 4]]), "names element 4"),
        (lambda: gdm.groups.from_index([0, 2]), "no element belongs to group 1"),
        (lambda: gdm.groups.from_index([0.5]), "must be a non-empty integer array"),
        (lambda: gdm.groups.from_index([-1, 0]), "must not be negative"),
        (lambda: gdm.groups.bottom_to_top((4, 4), 5), "k must be between 1 and 4"),
        (lambda: gdm.groups.bottom_to_top((4,), 2), r"\(height, width\)"),
        (lambda: gdm.groups.frequency_bands(np.arange(9), (3, 3)), "rise strictly"),
        (lambda: gdm.groups.frequency_bands(None, (3,)), "needs a basis with a frequency order"),
    ],
)
def test_bad_partitions(build, message):
    with pytest.raises(ValueError, match=message):
        build()
