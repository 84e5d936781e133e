"""The real breast DCE-MRI slice as a 4D file: what is read of it, and what the image says about contrast."""

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.source import describe, read_exam
from scipy.io import loadmat

STEP_S = 16.43


@pytest.fixture(scope="module")
def dynamic(real_data):
    """The 25 time points, float64, (t, y, x), and the arterial input at each."""
    data = loadmat(real_data / "breast-dce-invivo" / "invivo.mat")
    return np.asarray(data["DCEdata"]), np.ravel(data["Cp"])


@pytest.fixture(scope="module")
def file(dynamic, tmp_path_factory):
    """The time points as a 4D NIfTI file with its time step; the pixel size is an assumption of this test."""
    images = []
    for plane in dynamic[0]:
        image = sitk.GetImageFromArray(plane[None].astype(np.float32))
        image.SetSpacing((0.9, 0.9, 3.0))
        images.append(image)
    path = tmp_path_factory.mktemp("real") / "dynamic.nii.gz"
    joined = sitk.JoinSeries(images, 0.0, STEP_S)
    joined.SetMetaData("xyzt_units", "10")
    sitk.WriteImage(joined, str(path))
    return path


def test_time_points_come_in_order_with_their_times(file, dynamic):
    exam = read_exam({"files": [file]})
    assert len(exam.phases) == len(dynamic[0]) == 25
    for volume, plane in zip(exam.volumes, dynamic[0]):
        np.testing.assert_array_equal(volume.array[0], plane.astype(np.float32))
    assert exam.phases[0].time_s == pytest.approx(-STEP_S, abs=0.01)
    assert exam.phases[-1].time_s == pytest.approx(23 * STEP_S, abs=0.01)


def test_image_shows_when_contrast_arrives_and_the_user_can_say_so(file, dynamic):
    exam = read_exam({"files": [file]})
    note = next(note for note in exam.notes if "as before contrast" in note)
    # The blood shows contrast first.
    arrival = int(np.argmax(dynamic[1] > 0.1 * dynamic[1].max()))
    assert f"Phases 1 to {arrival} look as before contrast" in note
    told = read_exam({"files": [file], "decisions": {"pre": str(arrival)}})
    assert len(told.phases) == 25 - arrival + 1 and told.phases[1].time_s == 0
    np.testing.assert_array_equal(told.volume("pre").array[0], dynamic[0][arrival - 1].astype(np.float32))
    np.testing.assert_array_equal(told.volume("post1").array[0], dynamic[0][arrival].astype(np.float32))
    assert "chosen by the user" in told.phases[0].evidence
    assert not any("as before contrast" in note for note in told.notes)
    scan = describe({"files": [file], "decisions": {"pre": str(arrival)}})
    assert len(scan.left_out) == arrival - 1


def test_all_time_points_may_lie_after_contrast(file):
    exam = read_exam({"files": [file], "decisions": {"pre": "0"}})
    assert [phase.name for phase in exam.phases[:2]] == ["post1", "post2"] and len(exam.phases) == 25


@pytest.mark.parametrize("value", ["25", "-1", "four"])
def test_impossible_numbers_of_phases_before_contrast_are_refused(file, value):
    with pytest.raises(BadInput, match="There is no pre"):
        read_exam({"files": [file], "decisions": {"pre": value}})
