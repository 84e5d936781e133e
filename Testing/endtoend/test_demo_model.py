"""The demo model on exams it has never seen, and on one real exam."""

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.exam.store import save_exam
from BreastSegLib.inference.client import WorkerClient
from BreastSegLib.models import find_model
from BreastSegLib.pipeline import segment
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.volume import Geometry, Volume

UNSEEN_SEEDS = range(101, 111)  # training uses seeds from 10000


@pytest.fixture(scope="module")
def client():
    with WorkerClient() as one:
        yield one


def dice(a, b):
    return 2 * np.logical_and(a, b).sum() / max(np.sum(a > 0) + np.sum(b > 0), 1)


def test_mean_dice_on_ten_unseen_exams(client, tmp_path):
    values = []
    for seed in UNSEEN_SEEDS:
        sample = make_dce_exam(seed)
        store = save_exam(sample.exam, tmp_path / str(seed))
        result = segment({"store": store}, "demo-dce", "cpu", client=client)
        values.append(dice(result["mask"].array > 0, sample.truth.array > 0))
    print("Dice on unseen sample exams:", " ".join(f"{value:.3f}" for value in values), f"mean {np.mean(values):.3f}")
    assert np.mean(values) >= 0.85


def test_model_is_small():
    folder = find_model("demo-dce").folder
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 3_000_000


@pytest.mark.parametrize("axes, flips", [((0, 1, 2), (0, 0, 1)), ((2, 0, 1), (1, 0, 0)), ((1, 2, 0), (0, 1, 0))])
def test_result_does_not_depend_on_how_the_exam_was_acquired(client, tmp_path, axes, flips):
    """The same exam stored sagittal, coronal or flipped gives the same lesion at the same place and side."""
    sample = make_dce_exam(5)
    assert sample.masses[0].side == "right"
    plain = segment({"store": save_exam(sample.exam, tmp_path / "plain")}, "demo-dce", "cpu", client=client)
    images = [
        sitk.Flip(sitk.PermuteAxes(volume.to_sitk(), axes), [bool(f) for f in flips]) for volume in sample.exam.volumes
    ]
    from BreastSegLib.exam.dce import DceExam

    turned = DceExam(sample.exam.phases, tuple(Volume.from_sitk(image) for image in images))
    other = segment({"store": save_exam(turned, tmp_path / "turned")}, "demo-dce", "cpu", client=client)
    assert other["mask"].geometry.same_grid(turned.geometry)
    back = sitk.GetArrayFromImage(
        sitk.Resample(other["mask"].to_sitk(), sample.truth.to_sitk(), sitk.Transform(), sitk.sitkNearestNeighbor)
    )
    assert dice(back > 0, plain["mask"].array > 0) > 0.999
    assert other["components"][0]["side"] == plain["components"][0]["side"] == "right"


def test_real_exam_runs_through_the_whole_chain(client, real_data, artefacts, tmp_path):
    """One real sagittal slice with a rim-enhancing tumour: pre, about 2 min and about 6 min after it.

    Whatever is found is shown as it is.
    """
    from scipy.io import loadmat

    data = loadmat(real_data / "breast-dce-invivo" / "invivo.mat")
    series, seconds = np.asarray(data["DCEdata"]), np.ravel(data["t"])
    series = (
        series
        if series.shape[0] == seconds.size
        else np.moveaxis(series, int(np.argmax(np.array(series.shape) == seconds.size)), 0)
    )
    chosen = [0, int(np.abs(seconds - 120).argmin()), int(np.abs(seconds - 360).argmin())]
    # The file tells neither spacing nor orientation: 1 mm pixels, one 4 mm sagittal slice, are this test's assumption.
    geometry = Geometry((1, 192, 192), (1.0, 1.0, 4.0), (60.0, -96.0, 96.0), (0, 0, 1, 1, 0, 0, 0, -1, 0))
    paths = []
    for index in chosen:
        volume = Volume(np.ascontiguousarray(series[index][None], np.float32), geometry)
        paths.append(tmp_path / f"{int(seconds[index]):03d}s.nii.gz")
        sitk.WriteImage(volume.to_sitk(), str(paths[-1]))
    result = segment(
        {"files": [str(path) for path in paths], "times": [float(seconds[i]) for i in chosen]},
        "demo-dce",
        "cpu",
        client=client,
        cleanup=False,
    )
    assert result["mask"].geometry.shape == (1, 192, 192)
    assert [phase["number"] for phase in result["record"]["phases"]] == [0, 1, 2]
    _overlay(series[chosen[1]], result["raw"].array[0], artefacts / "real-exam-overlay.png")
    assert (artefacts / "real-exam-overlay.png").stat().st_size > 5000


def _overlay(image, mask, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 5), layout="constrained")
    for axis in axes:
        axis.imshow(image, cmap="gray", vmax=np.percentile(image, 99.7))
        axis.axis("off")
    axes[0].set_title("Real exam, about 2 min")
    axes[1].set_title(
        f"Demo model (synthetic training): {int((mask > 0).sum())} pixels"
        if mask.any()
        else "Demo model: nothing found"
    )
    if mask.any():
        axes[1].contour(mask, [0.5], colors="red", linewidths=1)
    figure.savefig(path, dpi=110)
    plt.close(figure)
