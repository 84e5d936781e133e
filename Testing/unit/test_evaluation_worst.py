"""The pictures of the worst cases: the right slice, the right way up, exact outlines."""

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.evaluation.figurestyle import png_of
from BreastSegTrainingLib.evaluation.pictures import case_picture, outline_segments, window
from BreastSegTrainingLib.evaluation.run import EvaluationOptions
from BreastSegTrainingLib.evaluation.sources import of_test_part
from BreastSegTrainingLib.evaluation.worst import (
    CaseFiles,
    Cut,
    channel_names,
    enlarged,
    picture_files,
    read_cut,
    worst_cases,
)
from evaluation_records import ball
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

SHAPE = (12, 20, 30)


def write(path, array, spacing=(1.0, 1.0, 1.0), flip=()):
    """Write an array (z, y, x; LPS) as an image; along the axes (x, y, z) in `flip` it is stored backwards."""
    image = sitk.GetImageFromArray(np.asarray(array))
    image.SetSpacing(spacing)
    if flip:
        image = sitk.Flip(image, [axis in flip for axis in range(3)])
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def cut_of(folder, image, masks, **options):
    path = write(folder / "c_0000.nii.gz", image.astype(np.float32), **options)
    flip = options.get("flip", ())
    stored = {name: np.flip(mask, tuple(2 - axis for axis in flip)) for name, mask in masks.items()}
    return read_cut(CaseFiles((path,), lambda: stored))


@pytest.fixture
def masks():
    truth = ball(SHAPE, (4, 8, 9), 3)
    truth |= ball(SHAPE, (9, 4, 24), 2)
    return {"truth": truth, "raw": ball(SHAPE, (5, 9, 11), 3)}


def test_the_worst_come_first_and_cases_without_a_value_do_not_come():
    rows = [{"case": name, "raw": {"dice": value}} for name, value in zip("dcba", (0.3, 0.3, None, 0.9))]
    assert [row["case"] for row in worst_cases(rows, 5, "raw")] == ["c", "d", "a"]
    assert worst_cases(rows, 0, "raw") == []


@given(arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))))
@settings(max_examples=80, deadline=None)
def test_outlines_are_the_edges_between_pixels(mask):
    expected = set()
    for row, column in np.argwhere(mask):
        for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            other = (row + down, column + right)
            inside = 0 <= other[0] < mask.shape[0] and 0 <= other[1] < mask.shape[1] and mask[other]
            if not inside:  # the edge lies half way, across the step
                middle = (column + right / 2, row + down / 2)
                expected.add(
                    (
                        (middle[0] - abs(down) / 2, middle[1] - abs(right) / 2),
                        (middle[0] + abs(down) / 2, middle[1] + abs(right) / 2),
                    )
                )
    assert {tuple(map(tuple, edge)) for edge in outline_segments(mask).tolist()} == expected


def test_the_slice_runs_through_the_largest_lesion_of_the_truth(tmp_path, masks):
    cut = cut_of(tmp_path, np.zeros(SHAPE), masks)
    assert cut.text == "axial slice 5 of 12" and np.array_equal(cut.masks["truth"], masks["truth"][4])


def test_without_truth_it_runs_through_what_was_predicted(tmp_path, masks):
    cut = cut_of(tmp_path, np.zeros(SHAPE), {"truth": np.zeros(SHAPE, bool), "raw": masks["raw"]})
    assert cut.text == "axial slice 6 of 12"
    nothing = {"truth": np.zeros(SHAPE, bool), "raw": np.zeros(SHAPE, bool)}
    cut = cut_of(tmp_path, np.zeros(SHAPE), nothing)
    assert enlarged(cut) is None and png_of(case_picture(cut))[:4] == b"\x89PNG"


@pytest.mark.parametrize("flip", [(), (0,), (1,), (2,), (0, 1, 2)])
def test_the_picture_does_not_depend_on_how_the_file_is_stored(tmp_path, masks, flip):
    image = np.random.default_rng(0).random(SHAPE)
    plain = cut_of(tmp_path / "a", image, masks)
    other = cut_of(tmp_path / "b", image, masks, flip=flip)
    assert np.allclose(plain.channels[0], other.channels[0], atol=1e-6)
    assert np.array_equal(plain.masks["raw"], other.masks["raw"]) and plain.text == other.text


@pytest.mark.parametrize("axis, plane", [(0, "axial"), (1, "coronal"), (2, "sagittal")])
def test_thick_slices_are_shown_as_they_were_acquired_with_the_head_up(tmp_path, masks, axis, plane):
    spacing = [1.0, 1.0, 1.0]
    spacing[2 - axis] = 3.0
    image = np.broadcast_to(np.arange(SHAPE[0], dtype=float)[:, None, None], SHAPE)  # grows towards the head
    cut = cut_of(tmp_path, image, masks, spacing=spacing)
    assert cut.text.startswith(plane)
    if axis:
        assert cut.channels[0][0, 0] > cut.channels[0][-1, 0]
    assert cut.spacing == tuple(s for a, s in enumerate(spacing[::-1]) if a != axis)


def test_a_mammogram_is_shown_as_it_lies(tmp_path):
    image = np.random.default_rng(1).random((1, 30, 20))
    mask = np.zeros((1, 30, 20), bool)
    mask[0, 3:6, 4:9] = True
    cut = cut_of(tmp_path, image, {"truth": mask, "raw": mask}, spacing=(0.07, 0.07, 1.0))
    assert cut.text == "" and np.allclose(cut.channels[0], image[0], atol=1e-6) and cut.masks["truth"].sum() == 15


def test_masks_of_another_size_are_refused(tmp_path, masks):
    with pytest.raises(BadInput, match="other sizes"):
        cut_of(tmp_path, np.zeros((12, 20, 31)), masks)


@given(arrays(bool, (25, 40)), st.floats(0.05, 4), st.floats(0.05, 4))
@settings(max_examples=60, deadline=None)
def test_what_is_enlarged_holds_all_masks_and_lies_in_the_slice(mask, rows, columns):
    part = enlarged(Cut([mask], {"truth": mask}, (rows, columns), ""))
    if part is None:
        assert not mask.any()
        return
    assert mask[part].sum() == mask.sum()
    assert all(0 <= span.start < span.stop <= size for span, size in zip(part, mask.shape))


def test_odd_images_have_a_window():
    assert window(np.full((3, 3), np.nan)) == (0.0, 1.0)
    assert window(np.full((3, 3), 7.0)) == pytest.approx((7.0, 7.0), abs=1e-3)
    low, high = window(np.array([[0.0, 1.0, np.inf]]))
    assert low < high < 2


def test_files_of_a_dataset_are_found_and_cleaned(tmp_path, masks):
    dataset = tmp_path / "Dataset101_Try"
    for channel in range(2):
        write(dataset / f"imagesTs/P001_1_{channel:04d}.nii.gz", np.zeros(SHAPE, np.float32))
    far = masks["raw"] | ball(SHAPE, (9, 15, 26), 1)
    write(dataset / "labelsTs/P001_1.nii.gz", masks["truth"].astype(np.uint8))
    write(tmp_path / "pred/P001_1.nii.gz", far.astype(np.uint8))
    (dataset / "dataset.json").write_text('{"channel_names": {"1": "post", "0": "pre"}}')
    source = of_test_part(dataset, tmp_path / "pred")
    files = picture_files(source, EvaluationOptions(cleanup="largest"))("P001_1")
    assert [path.name for path in files.channels] == ["P001_1_0000.nii.gz", "P001_1_0001.nii.gz"]
    found = files.masks()
    assert np.array_equal(found["raw"], far) and np.array_equal(found["cleaned"], masks["raw"])
    assert channel_names(dataset) == ("pre", "post")
    figure = case_picture(read_cut(files), channel_names(dataset), "P001_1")
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:2] == ["pre", "post"] and titles[3:] == ["Truth", "Raw prediction", "Cleaned prediction"]
    (dataset / "imagesTs/P001_1_0000.nii.gz").unlink()
    assert picture_files(source, EvaluationOptions())("P001_1") is None
