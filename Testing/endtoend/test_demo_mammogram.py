"""The demo models for mammograms on samples that they have never seen, and 2D networks in general."""

import numpy as np
import pydicom
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.inference.client import WorkerClient
from BreastSegLib.models import find_model
from BreastSegLib.pipeline import segment
from BreastSegLib.recipe import regions_of_mask
from BreastSegLib.samples.dicom_mg import write_mammogram_dicom
from BreastSegLib.samples.mammogram import make_mammogram

SMALL = (1248, 960)
UNSEEN_SEEDS = range(201, 211)  # training uses seeds from 10000


@pytest.fixture(scope="module")
def client():
    with WorkerClient() as one:
        yield one


@pytest.fixture(scope="module")
def mammogram(tmp_path_factory):
    """A right mammogram stored inverted, and its file."""
    sample = make_mammogram(211, "R", "MLO", size=SMALL, polarity="MONOCHROME1")
    return sample, write_mammogram_dicom(sample, tmp_path_factory.mktemp("mammogram") / "IM0001.dcm")


@pytest.fixture(scope="module")
def tiny_2d(tmp_path_factory):
    """A 2D model with random weights that works at the pixel size of the file it is used on, and the file."""
    from tiny_model import make_tiny_model

    folder = tmp_path_factory.mktemp("tiny2d")
    sample = make_mammogram(3, "L", "CC", size=(832, 640))
    model = make_tiny_model(
        folder / "model", "inbreast-ffdm", ("0", "1"), (96, 64), configuration="2d", spacing=sample.spacing_mm
    )
    return model, write_mammogram_dicom(sample, folder / "IM0001.dcm")


def dice(a, b):
    return 2 * np.logical_and(a, b).sum() / max(np.sum(a > 0) + np.sum(b > 0), 1)


def drawn_box(sample, growth=0.3, shift=0.1):
    """Return a box around the mass as a hand draws it: larger than the mass, and not quite centred."""
    boxes = [region.box for region in regions_of_mask(sample.truth)]
    x0, y0, x1, y1 = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
    wide, high = x1 - x0, y1 - y0
    low = [x0 - wide * (growth / 2 - shift), y0 - high * (growth / 2 + shift)]
    box = [low[0], low[1], low[0] + wide * (1 + growth), low[1] + high * (1 + growth)]
    return [int(round(value)) for value in box]


def outside(mask, box):
    x0, y0, x1, y1 = box
    beyond = mask.copy()
    beyond[:, y0:y1, x0:x1] = 0
    return int(np.count_nonzero(beyond))


def test_mean_dice_of_regions_on_ten_unseen_mammograms(client, tmp_path):
    values = []
    for place, seed in enumerate(UNSEEN_SEEDS):
        rng = np.random.default_rng(seed)
        sample = make_mammogram(
            seed,
            "LR"[place % 2],
            ("CC", "MLO")[place // 2 % 2],
            size=SMALL,
            density="abcd"[place % 4],
            polarity=f"MONOCHROME{1 + place % 3 % 2}",
        )
        file = write_mammogram_dicom(sample, tmp_path / f"{seed}.dcm")
        box = drawn_box(sample, rng.uniform(0.05, 0.55), rng.uniform(-0.1, 0.1))
        result = segment({"views": [file]}, "demo-mass-region", "cpu", regions=[{"box": box}], client=client)
        mask = result["views"][0]["mask"].array
        assert mask.shape == (1, *SMALL) and mask.dtype == np.uint8
        assert outside(mask, box) == 0
        values.append(dice(mask[0], sample.truth))
    print("Dice of regions:", " ".join(f"{value:.3f}" for value in values), f"mean {np.mean(values):.3f}")
    assert np.mean(values) >= 0.85 and min(values) >= 0.6


def test_a_lesion_of_a_right_breast_stays_where_it_was_drawn(client, mammogram):
    sample, file = mammogram
    box = drawn_box(sample)
    result = segment({"folder": file.parent}, "demo-mass-region", "cpu", regions=[{"box": box}], client=client)
    (view,) = result["views"]
    assert result["kind"] == "mammograms" and view["view"] == "RMLO"
    assert dice(view["mask"].array[0], sample.truth) >= 0.75
    assert outside(view["mask"].array, box) == 0
    centre = np.flatnonzero(view["mask"].array[0].any(axis=0)).mean()
    truth = np.flatnonzero(sample.truth.any(axis=0)).mean()
    assert (centre > SMALL[1] / 2) == (truth > SMALL[1] / 2) and abs(centre - truth) < 10
    (component, *_) = view["components"]
    area = sample.truth.sum() * sample.spacing_mm**2
    assert component["side"] == "right" and 0.6 < component["area_mm2"] / area < 1.5


def test_a_point_and_a_box_in_one_view_are_two_findings_of_one_mask(client, mammogram):
    sample, file = mammogram
    x0, y0, x1, y1 = drawn_box(sample)
    point = {"point": [(x0 + x1) / 2, (y0 + y1) / 2], "size_mm": 25, "view": "RMLO"}
    rows, columns = np.nonzero(sample.breast)
    other = [int(columns.mean()), int(rows.min()) + 40, int(columns.mean()) + 60, int(rows.min()) + 100]
    regions = [point, {"box": other, "view": "RMLO"}]
    result = segment({"views": [file]}, "demo-mass-region", "cpu", regions=regions, client=client)
    (view,) = result["views"]
    assert [case["case"] for case in result["record"]["preparation"]] == ["RMLO region 1", "RMLO region 2"]
    mask = view["mask"].array.copy()
    mask[:, other[1] : other[3], other[0] : other[2]] = 0
    assert dice(mask[0], sample.truth) >= 0.75


def test_a_region_model_without_a_region_says_what_to_do(client, mammogram):
    with pytest.raises(BadInput, match="none is given"):
        segment({"views": [mammogram[1]]}, "demo-mass-region", "cpu", client=client)


def test_the_pixel_size_means_nothing_where_the_recipe_fixes_the_number_of_pixels(client, mammogram, tmp_path):
    sample, file = mammogram
    data = pydicom.dcmread(file)
    del data.ImagerPixelSpacing
    data.save_as(tmp_path / "unknown.dcm")
    regions = [{"box": drawn_box(sample)}]
    known, unknown = (
        segment({"views": [path]}, "demo-mass-region", "cpu", regions=regions, client=client)["views"][0]
        for path in (file, tmp_path / "unknown.dcm")
    )
    assert known["mask"].array.any() and np.array_equal(known["mask"].array, unknown["mask"].array)
    assert unknown["components"][0]["area_mm2"] is None


def test_the_model_is_small():
    folder = find_model("demo-mass-region").folder
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 3_000_000


def test_2d_probabilities_equal_nnunet_predictor(client, tiny_2d, monkeypatch):
    """Our sliding window of a 2D network against nnU-Net's own predictor (see test_worker for the precision)."""
    import functools

    import torch
    from BreastSegLib.exam.source import read
    from BreastSegLib.recipe import load_recipe, prepare_cases, restore
    from nnunetv2.inference import predict_from_raw_data

    model, file = tiny_2d
    (prepared,) = prepare_cases(load_recipe("inbreast-ffdm"), read({"views": [str(file)]}))
    predictor = predict_from_raw_data.nnUNetPredictor(
        use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(str(model), (0, 1), "checkpoint_final.pth")
    monkeypatch.setattr(torch, "half", torch.float32)
    monkeypatch.setattr(
        predict_from_raw_data,
        "compute_gaussian",
        functools.partial(predict_from_raw_data.compute_gaussian, dtype=torch.float32),
    )
    spacing = {"spacing": list(prepared.geometry.spacing[::-1])}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    _, theirs = predictor.predict_single_npy_array(prepared.channels, spacing, None, None, True)
    torch.set_num_threads(threads)
    ours = segment({"views": [file]}, model, "cpu", cleanup=False, probabilities=True, client=client)["views"][0]
    expected = restore(prepared.record, np.asarray(theirs[1], np.float32)).array
    assert np.abs(ours["probabilities"].array - expected).max() < 1e-3


def test_a_mammogram_without_a_pixel_size_is_taken_at_the_models_own(client, tiny_2d, tmp_path):
    model, file = tiny_2d
    data = pydicom.dcmread(file)
    del data.ImagerPixelSpacing
    data.save_as(tmp_path / "unknown.dcm")
    results = [segment({"views": [path]}, model, "cpu", client=client) for path in (file, tmp_path / "unknown.dcm")]
    known, unknown = (result["views"][0]["mask"].array for result in results)
    assert known.any() and dice(known, unknown) > 0.99
    assert ["pixel size is unknown and" in " ".join(result["notes"]) for result in results] == [False, True]
