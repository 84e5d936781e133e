"""Masks of cases: of every file kind, with labels by value, name or code, on the exam's grid or refused."""

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.volume import Geometry, Volume
from BreastSegTrainingLib.cases.masks import label_rules, read_lesion_mask, require
from BreastSegTrainingLib.cases.rawmasks import read_raw_mask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts_cases import box, disc, write_dicom, write_pictures, write_sitk
from PIL import Image
from scipy import ndimage

SHAPE = (8, 30, 26)
OBLIQUE = (0.96, 0.28, 0.0, -0.28, 0.96, 0.0, 0.0, 0.0, 1.0)
GRID = Geometry(SHAPE, (0.9, 0.8, 2.0), (5.0, -12.0, 30.0), OBLIQUE)
MASK = box(SHAPE, (2, 8, 5), (6, 20, 17))
FLAT = Geometry((1, 120, 80))
SPOT = disc((120, 80), (60, 30), 18)


def write(path, array, geometry=GRID, **tags):
    image = Volume(array, geometry).to_sitk()
    for key, text in tags.items():
        image.SetMetaData(key, text)
    write_sitk(image, path)
    return path


def lesion(paths, wanted=(), fixes=(), geometry=GRID, flat=False):
    return read_lesion_mask(paths if isinstance(paths, list) else [paths], geometry, flat, wanted, fixes)


def codes(result):
    return [(complaint.code, complaint.fix, complaint.fixed) for complaint in result.complaints]


def same(result, truth=MASK):
    assert result.volume.geometry.shape == truth.shape and result.volume.array.dtype == np.uint8
    np.testing.assert_array_equal(result.volume.array, (truth != 0).astype(np.uint8))


# kinds of files


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".seg.nrrd", ".npy", "", "é ü.nii.gz"])
def test_every_kind_of_file_gives_the_same_mask(tmp_path, ending):
    path = tmp_path / f"m{ending}"
    if ending == ".npy":
        np.save(path, MASK)
    elif ending == "":
        write_pictures(path, MASK)
    else:
        write(path, MASK)
    result = lesion(path)
    assert result.complaints == () and result.labels == {"1": int(MASK.sum())}
    same(result)
    assert require(result, "a") is result.volume


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_one_volume_in_time_lies_where_its_file_says(tmp_path, ending):
    turned = sitk.Flip(Volume(MASK.astype(np.uint8), GRID).to_sitk(), [True, True, False])
    path = tmp_path / f"m{ending}"
    sitk.WriteImage(sitk.JoinSeries([turned]), str(path))
    result = lesion(path, fixes=("resample",))
    assert codes(result) == [("mask-grid", "resample", True)]
    same(result)


def test_breastdm_arrays_have_their_slices_last(tmp_path):
    shape = (8, 30, 30)
    mask = box(shape, (2, 8, 5), (6, 20, 17))
    np.save(tmp_path / "m.npy", np.moveaxis(mask, 0, -1))
    same(lesion(tmp_path / "m.npy", geometry=Geometry(shape)), mask)


@pytest.mark.parametrize("ending", [".png", ".tif", ".dcm", ".nii.gz", ".npy"])
def test_masks_of_mammograms(tmp_path, ending):
    path = tmp_path / f"m{ending}"
    if ending == ".dcm":
        write_dicom(path, SPOT.astype(np.uint8), bits=8)
    elif ending == ".npy":
        np.save(path, SPOT)
    elif ending == ".nii.gz":
        sitk.WriteImage(sitk.GetImageFromArray(SPOT.astype(np.uint8)), str(path))
    else:
        Image.fromarray(SPOT.astype(np.uint8)).save(path)
    result = lesion(path, geometry=FLAT, flat=True)
    assert result.complaints == ()
    same(result, SPOT[None])


@pytest.mark.parametrize(
    "name, array, what",
    [
        ("m.npy", np.full(SHAPE, 0.5), "between whole numbers"),
        ("m.npy", np.full(SHAPE, np.nan), "between whole numbers"),
        ("m.npy", np.full(SHAPE, -1), "values from -1 to -1"),
        ("m.npy", np.full(SHAPE, 70_000), "values from 70000"),
        ("m.npy", np.arange(np.prod(SHAPE)).reshape(SHAPE) % 300, "more than 255 different values"),
        ("m.npy", np.zeros((3, 3), np.uint8), "2 axes"),
        ("m.npy", np.array(["a"]), "does not hold numbers"),
        ("m.nii.gz", b"no image", "damaged"),
        ("m.npy", b"no array", "damaged"),
        ("m.npy", b"\x93NUMPY\x01\x00\x0c\x00{'descr': \x00'", "damaged"),
        ("m.npy", b"\x93NUMPY\x01\x00\x04\x00{((\n", "damaged"),
        ("m.npy", b"PK\x05\x06" + bytes(18), "does not hold numbers"),
        ("m.txt", b"x", "kind of mask file is not known"),
        ("m.png", b"x", "kind of mask file is not known"),
        ("m.xml", b"x", "damaged"),
        ("none.nii", None, "no such mask file"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, name, array, what):
    path = tmp_path / name
    if isinstance(array, bytes):
        path.write_bytes(array)
    elif array is not None:
        np.save(path, array)
    with pytest.raises(BadInput, match=what) as raised:
        lesion(path)
    assert "\n" not in raised.value.line


def test_a_mask_of_numbers_with_a_point_is_one_of_labels(tmp_path):
    same(lesion(write(tmp_path / "m.nii.gz", MASK.astype(np.float32))))
    same(lesion(write(tmp_path / "n.nii.gz", MASK.astype(np.int16))))


# labels


@pytest.mark.parametrize(
    "wanted, values",
    [
        (["1"], {1}),
        (["1", "6"], {1, 6}),
        (["m3"], {1, 2, 6}),
        (["M3"], {1, 2, 6}),
        (["3", "99"], {3}),
        (["m3", "3"], {1, 2, 3, 6}),
    ],
)
def test_labels_are_chosen_by_value_or_rule(tmp_path, wanted, values):
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:7, 2:28, 2:8] = np.array([1, 2, 3, 4, 5, 6], np.uint8)[:, None, None]
    result = lesion(write(tmp_path / "m.nii.gz", labels), wanted)
    assert result.complaints == () and result.labels == {str(k): 26 * 6 for k in range(1, 7)}
    same(result, np.isin(labels, list(values)))


def test_several_labels_have_to_be_chosen_or_merged(tmp_path):
    path = write(tmp_path / "m.nii.gz", MASK + box(SHAPE, (3, 9, 6), (4, 10, 8)))
    result = lesion(path)
    assert codes(result) == [("several-labels", "merge", False)]
    with pytest.raises(BadInput, match="several labels: 1, 2.*Write merge in the column fixes"):
        require(result, "case a")
    merged = lesion(path, fixes=["merge"])
    assert codes(merged) == [("several-labels", "merge", True)]
    same(merged)


@pytest.mark.parametrize("value, code", [(255, "label-255"), (65535, "label-255"), (7, "label-value")])
def test_a_single_label_that_is_not_1_is_said(tmp_path, value, code):
    path = tmp_path / "m.npy"
    np.save(path, MASK.astype(np.uint16) * value)
    assert codes(lesion(path)) == [(code, "to-1", False)]
    fixed = lesion(path, fixes=["to-1"])
    assert codes(fixed) == [(code, "to-1", True)]
    same(fixed)
    same(lesion(path, [str(value)]))


SEGMENTS = {
    "Segment0_ID": "Segment_1", "Segment0_Name": "Breast", "Segment0_LabelValue": "1", "Segment0_Layer": "0",
    "Segment1_ID": "Segment_2", "Segment1_Name": "Tumour left", "Segment1_LabelValue": "2", "Segment1_Layer": "0",
    "Segment1_Tags": "Segmentation.Status:inprogress|TerminologyEntry:Segmentation category~SCT^49755003^Morphology"
    "~SCT^4147007^Mass~^^~Anatomic codes~^^~^^|",
}  # fmt: skip


@pytest.mark.parametrize(
    "wanted", ["Tumour left", "tumour LEFT", "Segment_2", "SCT:4147007", "4147007", "Mass", "2", "mass"]
)
def test_segments_are_chosen_by_name_or_code(tmp_path, wanted):
    both = np.where(MASK, 2, box(SHAPE, (0, 0, 0), (8, 30, 26))).astype(np.uint8)
    path = write(tmp_path / "m.seg.nrrd", both, **SEGMENTS)
    result = lesion(path, [wanted])
    assert result.refusal is None
    same(result)
    assert result.labels == {"Breast": both.size - int(MASK.sum()), "Tumour left": int(MASK.sum())}
    assert read_raw_mask(path, SHAPE, False).names[2] == ("Tumour left", "Segment_2", "SCT:4147007", "4147007", "Mass")


def test_segments_with_letters_that_are_no_utf8_are_read(tmp_path):
    path = write(tmp_path / "m.seg.nrrd", MASK * np.uint8(2), **SEGMENTS)
    content = path.read_bytes().replace(b"Tumour left", b"Tumou\xe9 left").replace(b"Segment0_ID", b"Segment0_\xe9D")
    path.write_bytes(content)
    same(lesion(path, ["SCT:4147007"]))
    assert list(lesion(path).labels) == ["Tumou\ufffd left"]


def test_a_single_named_segment_needs_no_choice(tmp_path):
    path = write(
        tmp_path / "m.seg.nrrd", MASK * np.uint8(3), Segment0_Name="Lesion", Segment0_ID="a", Segment0_LabelValue="3"
    )
    assert lesion(path).complaints == ()
    same(lesion(path))


def write_layers(path, *layers, **tags):
    image = sitk.GetImageFromArray(np.stack(layers, axis=-1).astype(np.uint8), isVector=True)
    image.SetSpacing(GRID.spacing)
    image.SetOrigin(GRID.origin)
    image.SetDirection(GRID.direction)
    for key, text in tags.items():
        image.SetMetaData(key, text)
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


def test_segments_that_lie_on_each_other_are_whole(tmp_path):
    # Slicer puts segments that overlap into layers of one file; labels begin anew in each.
    inner, outer = box(SHAPE, (3, 10, 7), (5, 14, 12)), box(SHAPE, (1, 5, 3), (7, 25, 20))
    tags = SEGMENTS | {"Segment0_Name": "Breast", "Segment1_LabelValue": "1", "Segment1_Layer": "1"}
    tags |= {"Segment2_Name": "Clip", "Segment2_LabelValue": "2", "Segment2_Layer": "0", "Segment2_ID": "c"}
    clip = box(SHAPE, (0, 0, 0), (1, 2, 2))
    path = write_layers(tmp_path / "m.seg.nrrd", outer + 2 * clip, inner, **tags)
    for wanted, truth in (("Breast", outer), ("SCT:4147007", inner), ("tumour left", inner), ("c", clip)):
        result = lesion(path, [wanted])
        assert result.refusal is None
        same(result, truth)
    assert result.labels == {"Breast": int(outer.sum()), "Tumour left": int(inner.sum()), "Clip": int(clip.sum())}
    said, _, names = lesion(path).refusal.text.partition(": ")
    assert said == "the mask has several labels" and set(names.split(", ")) == {"Breast", "Tumour left", "Clip"}
    assert lesion(path, ["1"]).refusal.code == "label-absent"  # 1 is another segment in each layer


@pytest.mark.parametrize(
    "changed, what",
    [
        ({"Segment1_Layer": "7"}, "layer that the mask has not"),
        ({"Segment1_LabelValue": "two"}, "Segment 2 of the mask has no number"),
        ({"Segment0_LabelValue": None}, "several values in each voxel"),
    ],
)
def test_damaged_segments_are_refused(tmp_path, changed, what):
    tags = {key: text for key, text in (SEGMENTS | changed).items() if text is not None}
    path = write_layers(tmp_path / "m.seg.nrrd", MASK, MASK, **tags)
    with pytest.raises(BadInput, match=what):
        lesion(path)


def test_an_absent_label_is_said_with_those_that_there_are(tmp_path):
    path = write(tmp_path / "m.nii.gz", MASK)
    result = lesion(path, ["Tumour", "7"])
    assert result.refusal.text == "no label of the mask is Tumour or 7: it has 1"
    negative = lesion(path, ["7"], ["negative"])
    assert negative.refusal is None and not negative.volume.array.any()


def test_rules_say_what_they_mean():
    for rule in label_rules().values():
        assert rule["title"] and rule["labels"]


# none, empty, several


def test_no_mask_and_an_empty_mask_are_negatives_only_when_chosen(tmp_path):
    assert codes(lesion([])) == [("mask-missing", "negative", False)] and lesion([]).volume is None
    chosen = lesion([], fixes=["negative"])
    assert codes(chosen) == [("mask-missing", "negative", True)]
    assert not require(chosen, "a").array.any() and chosen.volume.geometry == GRID
    empty = write(tmp_path / "m.nii.gz", MASK * np.uint8(0))
    assert codes(lesion(empty)) == [("mask-empty", "negative", False)]
    assert lesion(empty, fixes=["negative"]).refusal is None
    with pytest.raises(BadInput, match="Write negative in the column fixes"):
        require(lesion(empty), "a")


def test_several_files_are_joined(tmp_path):
    other = box(SHAPE, (0, 0, 0), (3, 9, 6))
    paths = [write(tmp_path / "a.nii.gz", MASK), write(tmp_path / "b.nii.gz", other)]
    result = lesion(paths)
    same(result, MASK | other)
    assert result.labels == {"1": int(MASK.sum() + other.sum())}
    # A label that one of the files has is not absent.
    np.save(tmp_path / "c.npy", other * 5)
    assert lesion([paths[0], tmp_path / "c.npy"], ["5"]).refusal is None


# grids


def test_a_cropped_mask_on_the_same_voxels_is_pasted(tmp_path):
    low = np.array((2, 8, 5))
    origin = GRID.ijk_to_lps @ np.array([*low[::-1], 1.0])
    crop = Geometry((4, 12, 12), GRID.spacing, tuple(origin[:3]), OBLIQUE)
    result = lesion(write(tmp_path / "m.seg.nrrd", MASK[2:6, 8:20, 5:17].copy(), crop))
    assert result.complaints == ()
    same(result)


def test_a_larger_mask_is_pasted_where_its_lesion_lies_inside(tmp_path):
    origin = GRID.ijk_to_lps @ np.array([-3.0, -3.0, -3.0, 1.0])
    large = Geometry(tuple(n + 6 for n in SHAPE), GRID.spacing, tuple(origin[:3]), OBLIQUE)
    result = lesion(write(tmp_path / "m.nrrd", np.pad(MASK, 3), large))
    assert result.complaints == ()
    same(result)


def test_a_mask_on_another_grid_is_resampled_only_when_chosen(tmp_path):
    fine = Geometry((16, 60, 52), (0.45, 0.4, 1.0), OBLIQUE_ORIGIN, OBLIQUE)
    path = write(tmp_path / "m.nii.gz", np.kron(MASK, np.ones((2, 2, 2), np.uint8)), fine)
    assert codes(lesion(path)) == [("mask-grid", "resample", False)]
    result = lesion(path, fixes=["resample"])
    assert codes(result) == [("mask-grid", "resample", True)]
    same(result)


# The centre of the first fine voxel: a quarter of a voxel before that of the first coarse one, along each axis.
OBLIQUE_ORIGIN = tuple((GRID.ijk_to_lps @ np.array([-0.25, -0.25, -0.25, 1.0]))[:3])


def test_resampling_is_that_of_scipy(tmp_path):
    own = Geometry(SHAPE, (1.0, 0.7, 2.2), (4.3, -11.2, 29.1), OBLIQUE)
    path = write(tmp_path / "m.nii.gz", MASK, own)
    result = lesion(path, fixes=["resample"])
    steps = np.linalg.inv(own.ijk_to_lps) @ GRID.ijk_to_lps
    matrix, offset = steps[:3, :3][::-1, ::-1], steps[:3, 3][::-1]
    expected = ndimage.affine_transform(MASK, matrix, offset, SHAPE, order=0, mode="constant")
    assert np.count_nonzero(result.volume.array != expected) <= 2  # at ties the two may round otherwise
    assert expected.sum() > 100


def test_what_resampling_would_cut_off_is_said(tmp_path):
    moved = Geometry(SHAPE, GRID.spacing, (GRID.origin[0], GRID.origin[1], GRID.origin[2] + 2.0 * 3), OBLIQUE)
    path = write(tmp_path / "m.nrrd", MASK, moved)
    result = lesion(path)
    lost = 1 - result.volume.array.sum() / MASK.sum()
    assert 0.1 < lost < 0.5 and f"{lost:.0%} of it lies outside" in result.complaints[0].text
    assert codes(lesion(path, fixes=("resample",))) == [("mask-grid", "resample", True)]


def test_a_mask_somewhere_else_is_refused_whatever_is_chosen(tmp_path):
    away = Geometry(SHAPE, GRID.spacing, (500.0, 500.0, 500.0), OBLIQUE)
    result = lesion(write(tmp_path / "m.nii.gz", MASK, away), fixes=["resample"])
    assert codes(result) == [("mask-elsewhere", "", False)] and result.volume is None
    with pytest.raises(BadInput, match="100% of the mask lies outside.*Correct the mask"):
        require(result, "a")


def test_arrays_and_pictures_need_the_exams_size(tmp_path):
    np.save(tmp_path / "m.npy", np.zeros((8, 30, 25), np.uint8))
    result = lesion(tmp_path / "m.npy")
    assert result.volume is None
    assert result.refusal.text == "the mask has 25 × 30 × 8 voxels, the exam 26 × 30 × 8"


@pytest.mark.parametrize("factor", [2, 0.5])
def test_a_mammograms_mask_of_another_size_is_resampled_only_when_chosen(tmp_path, factor):
    size = tuple(int(n * factor) for n in SPOT.shape)
    path = tmp_path / "m.png"
    Image.fromarray(disc(size, (60 * factor, 30 * factor), 18 * factor).astype(np.uint8)).save(path)
    assert codes(lesion(path, geometry=FLAT, flat=True)) == [("mask-grid", "resample", False)]
    result = lesion(path, fixes=["resample"], geometry=FLAT, flat=True)
    mask = result.volume.array[0] != 0
    assert 2 * np.sum(mask & SPOT) / (mask.sum() + SPOT.sum()) > 0.9


def test_a_crops_mask_is_no_mask_of_the_mammogram(tmp_path):
    Image.fromarray(SPOT[40:84, 8:60].astype(np.uint8)).save(tmp_path / "m.png")
    result = lesion(tmp_path / "m.png", fixes=["resample"], geometry=FLAT, flat=True)
    assert codes(result) == [("mask-grid", "", False)] and result.volume is None


KINDS = ("m.nii.gz", "m.seg.nrrd", "m.npy", "m.mha")


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """Bytes of an intact file of each kind: written once, because some hold the time at which they were written."""
    folder = tmp_path_factory.mktemp("intact")
    np.save(folder / "m.npy", MASK)
    for name in KINDS:
        if name != "m.npy":
            write(folder / name, MASK, **(SEGMENTS if "seg" in name else {}))
    return {name: (folder / name).read_bytes() for name in KINDS}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(KINDS), st.data())
def test_damaged_files_never_raise_anything_else(tmp_path, intact, name, data):
    good = intact[name]
    place = data.draw(st.integers(0, len(good) - 1))
    noise = data.draw(st.binary(max_size=8))
    path = tmp_path / name
    path.write_bytes(good[:place] + noise + good[place + len(noise) :] if data.draw(st.booleans()) else good[:place])
    try:
        read_raw_mask(path, SHAPE, flat=False)
    except BadInput as error:
        assert "\n" not in error.line
