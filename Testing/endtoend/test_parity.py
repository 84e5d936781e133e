"""Without shortcuts, the engine gives what nnU-Net's own predictor gives."""

import functools
import json
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from BreastSegLib.inference.networks.engine import Engine
from BreastSegLib.models import open_model
from BreastSegLib.models.card import read_card, write_card
from nnunetv2.inference import predict_from_raw_data
from tiny_model import make_tiny_model


def silent(*_):
    """A report that nobody reads."""


@contextmanager
def single_precision():
    """Let nnU-Net sum its tiles in float32: half precision is off by up to 0.1 where one faint corner reaches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "half", torch.float32)
        gaussian = functools.partial(predict_from_raw_data.compute_gaussian, dtype=torch.float32)
        patch.setattr(predict_from_raw_data, "compute_gaussian", gaussian)
        yield


def their_chances(folder, folds, channels, spacing, tta):
    """Return nnU-Net's probabilities (labels with background, z, y, x)."""
    predictor = predict_from_raw_data.nnUNetPredictor(
        use_mirroring=tta, device=torch.device("cpu"), allow_tqdm=False, perform_everything_on_device=False
    )
    predictor.initialize_from_trained_model_folder(str(folder), folds, "checkpoint_final.pth")
    properties = {"spacing": list(spacing[::-1])}
    with single_precision():
        _, chances = predictor.predict_single_npy_array(channels.copy(), properties, None, None, True)
    return np.asarray(chances, np.float32)


def our_chances(folder, folds, channels, spacing, tta, **options):
    """Return our probabilities (labels without background, z, y, x)."""
    model = open_model(folder, verify=False)
    return Engine().predict(model, folds, channels, spacing, silent, "cpu", tta=tta, **options)


def picture(channels, shape, seed=0, border=0):
    """Return smooth random channels (c, z, y, x), 0 in a border of some voxels."""
    from scipy import ndimage

    noise = np.random.default_rng(seed).normal(size=(channels, *shape))
    image = ndimage.gaussian_filter(noise, (0, 1.5, 1.5, 1.5)).astype(np.float32) * 20
    if border:
        image[:, :, :border] = 0
        image[:, :, :, -border:] = 0
    return image


def change_plans(folder, **changes):
    """Change fields of the plans, or of the configuration for names that it has."""
    plans = json.loads((folder / "plans.json").read_text())
    (configuration,) = plans["configurations"].values()
    for name, value in changes.items():
        (configuration if name in configuration else plans)[name] = value
    (folder / "plans.json").write_text(json.dumps(plans))
    write_card(folder, {**read_card(folder)})


CASES = {
    "three channels, two folds": dict(folds=("0", "1"), shape=(40, 70, 50)),
    "mirrored": dict(folds=("0",), shape=(20, 40, 50), tta=True),
    "two folds, mirrored": dict(folds=("0", "1"), shape=(17, 33, 40), tta=True),
    "one channel": dict(recipe="single-phase-0002", folds=("0",), shape=(24, 40, 50)),
    "smaller than a tile": dict(folds=("0",), shape=(9, 20, 40)),
    "2D": dict(configuration="2d", folds=("0", "1"), shape=(5, 90, 70)),
    "2D, mirrored": dict(configuration="2d", folds=("0",), shape=(3, 50, 90), tta=True),
    "2D, resampled in plane": dict(configuration="2d", folds=("0",), shape=(4, 90, 70), spacing=(0.7, 0.8, 3.0)),
    "resampled": dict(folds=("0",), shape=(20, 44, 40), spacing=(0.7, 0.8, 1.7)),
    "resampled finer": dict(folds=("0",), shape=(12, 30, 22), spacing=(1.6, 1.5, 1.9)),
    "thick slices one by one": dict(folds=("0",), shape=(10, 40, 50), spacing=(0.8, 0.9, 4.0)),
    "empty border": dict(folds=("0",), shape=(20, 50, 50), border=7),
    "empty border, resampled": dict(folds=("0",), shape=(14, 40, 36), border=5, spacing=(0.8, 0.9, 1.3)),
    "normalised inside": dict(
        folds=("0",), shape=(20, 50, 50), border=7, plans={"use_mask_for_norm": [True, True, True]}
    ),
    "other order of axes": dict(
        folds=("0",),
        shape=(20, 44, 50),
        spacing=(0.9, 1.2, 1.4),
        plans={"transpose_forward": [1, 0, 2], "transpose_backward": [1, 0, 2], "spacing": [1.1, 1.0, 1.2]},
    ),
    "axes in a circle": dict(
        folds=("0",),
        shape=(20, 44, 50),
        spacing=(0.9, 1.2, 1.4),
        tta=True,
        plans={"transpose_forward": [2, 0, 1], "transpose_backward": [1, 2, 0], "spacing": [1.1, 1.0, 1.2]},
    ),
    "torch resampling": dict(
        folds=("0",),
        shape=(16, 40, 36),
        spacing=(0.8, 0.9, 1.3),
        plans={
            "resampling_fn_data": "resample_torch_fornnunet",
            "resampling_fn_data_kwargs": {
                "is_seg": False,
                "force_separate_z": False,
                "memefficient_seg_resampling": False,
            },
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_chances_equal_those_of_nnunet(name, tmp_path):
    case = dict(CASES[name])
    shape, spacing = case.pop("shape"), case.pop("spacing", (1.0, 1.0, 1.0))
    border, tta, plans = case.pop("border", 0), case.pop("tta", False), case.pop("plans", {})
    folder = make_tiny_model(tmp_path / "model", seed=3, **case)
    if plans:
        change_plans(folder, **plans)
    channels = picture(len(open_model(folder).channel_names), shape, border=border)
    before = channels.copy()
    theirs = their_chances(folder, case["folds"], channels, spacing, tta)
    ours = our_chances(folder, case["folds"], channels, spacing, tta)
    assert np.array_equal(channels, before)
    assert ours.chances.shape == (1, *shape) and ours.chances.dtype == np.float32
    assert theirs[1].std() > 0.01, "the random network says the same everywhere"
    assert np.abs(ours.chances[0] - theirs[1]).max() < 1e-3
    level = np.quantile(theirs[1], 0.7)  # a network with random weights has no threshold of its own
    a, b = ours.chances[0] > level, theirs[1] > level
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) >= 0.999
    assert ours.work["tiles_done"] == ours.work["tiles"] and ours.work["passes_done"] == ours.work["passes"]


def test_chances_of_several_labels_equal_those_of_nnunet(tmp_path):
    folder = make_tiny_model(tmp_path / "model", seed=5)
    third_label(folder)
    channels = picture(3, (20, 44, 40), seed=2)
    theirs = their_chances(folder, ("0",), channels, (0.8, 0.9, 1.2), True)
    ours = our_chances(folder, ("0",), channels, (0.8, 0.9, 1.2), True)
    assert ours.chances.shape == (2, 20, 44, 40) and theirs.shape[0] == 3
    assert np.abs(ours.chances - theirs[1:]).max() < 1e-3


def third_label(folder):
    """Give a tiny model a second lesion label, with random weights of its own."""
    dataset = json.loads((folder / "dataset.json").read_text())
    dataset["labels"]["oedema"] = 2
    (folder / "dataset.json").write_text(json.dumps(dataset))
    path = folder / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=True)
    generator = torch.Generator().manual_seed(7)
    for name, weights in content["network_weights"].items():
        if "seg_layers" in name:
            more = torch.randn((1, *weights.shape[1:]), generator=generator) * 0.3
            content["network_weights"][name] = torch.cat([weights, more])
    torch.save(content, path)
    card = read_card(folder)
    labels = {**card["labels"], "second": {"value": 2, "terminology": "neoplasm"}}
    write_card(folder, {**card, "labels": labels})


def test_inside_the_breast_left_out_tiles_change_nothing(tmp_path):
    folder = make_tiny_model(tmp_path / "model", folds=("0", "1"), seed=3)
    channels = picture(3, (40, 100, 120))
    breast = np.zeros((40, 100, 120), bool)
    breast[12:30, 60:90, 20:50] = True
    for spacing in ((1.0, 1.0, 1.0), (0.8, 0.9, 1.3)):
        whole = our_chances(folder, ("0", "1"), channels, spacing, False)
        part = our_chances(folder, ("0", "1"), channels, spacing, False, breast=breast)
        assert 0 < part.work["tiles_done"] < 0.5 * part.work["tiles"] == 0.5 * whole.work["tiles_done"]
        assert np.abs(part.chances - whole.chances)[0][breast].max() < 1e-6
        assert (part.chances[0, :, :20] < 1e-6).all(), "nothing is found where nothing was looked for"


def with_bias(folder, bias):
    """Make the tiny network less inclined to see a lesion."""
    path = folder / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=True)
    name = next(n for n in content["network_weights"] if n.endswith("seg_layers.0.bias"))
    content["network_weights"][name] += torch.tensor([bias, 0.0])
    torch.save(content, path)
    write_card(folder, {**read_card(folder)})
    return folder


class Ramp(torch.nn.Module):
    """Sees a lesion where the first channel is 1, and says a little more at one end of a tile than at the other."""

    def __init__(self, tile):
        super().__init__()
        self.ramp = torch.linspace(-1, 1, int(np.prod(tile))).reshape(tile)

    def forward(self, patches):
        lesion = 12 * patches[:, :1] - 6 + self.ramp
        return torch.cat([torch.zeros_like(lesion), lesion], 1)


@pytest.mark.parametrize("tta", [False, True])
def test_where_something_is_seen_the_result_is_that_of_all_tiles(tmp_path, tta):
    """One lesion in a quiet image: few tiles are computed, and they say the same where it matters."""
    folder = make_tiny_model(tmp_path / "model", seed=3)
    change_plans(folder, normalization_schemes=["NoNormalization"] * 3)
    model, engine = open_model(folder), Engine()
    networks = engine.load(model, ("0",), "cpu", silent)
    networks.folds[:] = [Ramp(networks.tile)]
    channels = np.zeros((3, 48, 160, 192), np.float32)
    channels[0, 14:20, 70:78, 60:70] = 1
    channels[1] = 1  # so that nothing is cropped
    options = dict(tta=tta, device="cpu")
    full = engine.predict(model, ("0",), channels, (1.0, 1.0, 1.0), silent, **options)
    spared = engine.predict(model, ("0",), channels, (1.0, 1.0, 1.0), silent, sparing=True, **options)
    lesion = channels[0] > 0
    assert np.array_equal(spared.chances[0] > 0.5, lesion) and np.array_equal(full.chances[0] > 0.5, lesion)
    assert np.abs(spared.chances - full.chances)[0][lesion].max() < 1e-6
    assert 0 < np.abs(spared.chances - full.chances).max() < 0.01, (
        "elsewhere it is a little off, and nothing either way"
    )
    assert spared.work["tiles_done"] < 0.45 * full.work["tiles_done"]
    assert spared.work["passes_done"] < (0.3 if tta else 0.45) * full.work["passes_done"]


def test_a_network_that_sees_nothing_looks_once(tmp_path):
    folder = with_bias(make_tiny_model(tmp_path / "model", seed=3), 20.0)
    channels = picture(3, (32, 64, 96))
    spared = our_chances(folder, ("0",), channels, (1.0, 1.0, 1.0), True, sparing=True)
    assert spared.work["passes_done"] == spared.work["tiles_done"] == 2 * 2 * 3 < spared.work["tiles"]
    assert spared.work["passes"] == 8 * spared.work["tiles"] and spared.chances.max() < 0.01


def test_spread_is_the_variance_of_the_folds_chances(tmp_path):
    folder = make_tiny_model(tmp_path / "model", folds=("0", "1", "2"), seed=3)
    channels = picture(3, (20, 44, 40))
    alone = [our_chances(folder, (fold,), channels, (0.8, 0.9, 1.3), False).chances[0] for fold in "012"]
    together = our_chances(folder, ("0", "1", "2"), channels, (0.8, 0.9, 1.3), False, spread=True)
    assert together.folds == 3
    assert np.abs(together.spread[0] - np.mean(alone, axis=0)).max() < 1e-5
    assert np.abs(together.spread[1] - np.var(alone, axis=0)).max() < 1e-5
    plain = our_chances(folder, ("0", "1", "2"), channels, (0.8, 0.9, 1.3), False)
    assert np.abs(plain.chances - together.chances).max() < 1e-5 and plain.spread is None
