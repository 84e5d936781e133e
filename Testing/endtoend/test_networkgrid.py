"""Resampling, tiles and weights against nnU-Net's own functions."""

import functools

import numpy as np
import pytest
import torch
from BreastSegLib.errors import BadInput
from BreastSegLib.inference.networks.networkgrid import Way, mask_forward
from BreastSegLib.inference.networks.resampling import resample, separate_axis
from BreastSegLib.inference.networks.tiles import (
    all_tiles,
    covering_tiles,
    mirrorings,
    tile_starts,
    touching,
    weights,
    widened,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window
from nnunetv2.preprocessing.resampling import default_resampling

DEFAULT = "resample_data_or_seg_to_shape"
LENGTHS = st.tuples(*[st.integers(2, 14)] * 3)
SPACINGS = st.tuples(*[st.sampled_from([0.5, 0.8, 1.0, 1.7, 3.5, 5.0])] * 3)


@settings(deadline=None, max_examples=60)
@given(
    LENGTHS,
    LENGTHS,
    SPACINGS,
    SPACINGS,
    st.sampled_from([0, 1, 2, 3]),
    st.sampled_from([0, 1]),
    st.sampled_from([None, True, False]),
    st.integers(0, 99),
)
def test_resampling_equals_nnunets(old, new, spacing, new_spacing, order, order_z, force, seed):
    images = np.random.default_rng(seed).normal(size=(2, *old)).astype(np.float32) * 10
    options = {"is_seg": False, "order": order, "order_z": order_z, "force_separate_z": force}
    theirs = default_resampling.resample_data_or_seg_to_shape(images, new, spacing, new_spacing, **options)
    ours = resample(torch.from_numpy(images), new, spacing, new_spacing, DEFAULT, options).numpy()
    assert ours.dtype == np.float32 and ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-3 if order != 0 else np.mean(np.abs(ours - theirs) < 1e-3) > 0.98


@settings(deadline=None)
@given(SPACINGS, SPACINGS, st.sampled_from([None, True, False]))
def test_slices_are_taken_one_by_one_where_nnunet_does_it(spacing, new_spacing, force):
    together, axis = default_resampling.determine_do_sep_z_and_axis(force, spacing, new_spacing)
    assert separate_axis(spacing, new_spacing, force) == (int(axis) if together else None)


def test_plans_can_ask_for_no_resampling_and_for_nothing_unknown():
    images = torch.zeros((1, 2, 3, 4))
    assert resample(images, (5, 5, 5), (1, 1, 1), (2, 2, 2), "no_resampling_hack", {}) is images
    with pytest.raises(BadInput, match="evil_function"):
        resample(images, (5, 5, 5), (1, 1, 1), (2, 2, 2), "evil_function", {})


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(4, 60), st.integers(4, 30)), min_size=3, max_size=3))
def test_tiles_lie_where_nnunet_puts_them(sizes):
    tile = [min(a, b) for a, b in sizes]
    shape = [max(a, b) for a, b in sizes]
    assert tile_starts(shape, tile) == compute_steps_for_sliding_window(shape, tile, 0.5)
    covered = np.zeros(shape, int)
    for place in all_tiles(shape, tile):
        covered[place] += 1
        assert covered[place].shape == tuple(tile)
    assert covered.min() >= 1


def test_a_2d_network_has_tiles_of_its_own_in_every_slice():
    tiles = all_tiles((3, 20, 30), (16, 16))
    assert len(tiles) == 3 * 2 * 3 and {tile[0] for tile in tiles} == {0, 1, 2}


@pytest.mark.parametrize("tile", [(64, 64, 64), (16, 32, 32), (7, 9, 12), (512, 448), (20, 320, 256), (4, 4, 4)])
def test_weights_equal_nnunets(tile):
    theirs = functools.partial(compute_gaussian, dtype=torch.float32, device=torch.device("cpu"))
    expected = theirs(tile, sigma_scale=1 / 8, value_scaling_factor=10).numpy()
    assert np.allclose(weights(tile), expected, rtol=1e-4, atol=1e-12) and (weights(tile) > 0).all()


def test_mirrorings_are_all_combinations():
    assert mirrorings((0, 1, 2)) == [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    assert mirrorings(None) == mirrorings(()) == []


@settings(deadline=None, max_examples=40)
@given(LENGTHS, LENGTHS, st.integers(0, 99), st.permutations([0, 1, 2]))
def test_no_voxel_of_the_breast_is_lost_on_the_way_to_the_networks_grid(old, new, seed, axes):
    """Where resampled breast is more than nothing, the mask says so: no tile that matters is left out."""
    mask = np.random.default_rng(seed).random(old) < 0.05
    full = tuple(old[axis] for axis in axes)
    way = Way(tuple(axes), full, tuple(slice(0, n) for n in full), (1, 1, 1), (1, 1, 1), new)
    found = mask_forward(mask, way)
    turned = torch.from_numpy(np.ascontiguousarray(mask.transpose(axes), np.float32))[None]
    options = {"order": 1, "order_z": 0, "force_separate_z": False}
    linear = resample(turned, new, (1, 1, 1), (1, 1, 1), DEFAULT, options)[0].numpy()
    assert found.shape == new and found[linear > 1e-6].all()
    assert found.any() == mask.any()


def test_only_tiles_that_hold_breast_are_computed():
    mask = np.zeros((20, 40, 40), bool)
    mask[5, 10, 10] = True
    tiles = all_tiles(mask.shape, (10, 16, 16))
    chosen = touching(tiles, mask)
    assert 0 < len(chosen) < len(tiles) and all(mask[tile].any() for tile in chosen)
    assert widened(mask).sum() == 125 and touching(tiles, np.zeros_like(mask)) == []


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(4, 60), st.integers(4, 30)), min_size=3, max_size=3), st.booleans())
def test_few_tiles_cover_the_whole_image(sizes, flat):
    tile = [min(a, b) for a, b in sizes][1 if flat else 0 :]
    shape = [max(a, b) for a, b in sizes]
    every, few = all_tiles(shape, tile), covering_tiles(shape, tile)
    assert {str(place) for place in few} <= {str(place) for place in every}
    covered = np.zeros(shape, bool)
    for place in few:
        covered[place] = True
    assert covered.all()
    half = np.prod([-(-n // t) for n, t in zip(shape[-len(tile) :], tile)]) * (shape[0] if flat else 1)
    assert half <= len(few) <= max(half * 2 ** len(tile), 1)
