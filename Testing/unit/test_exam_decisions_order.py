"""Where the tags do not tell the order of the images, or some are missing, the user's answer gives the right exam."""

from functools import lru_cache

import numpy as np
import pydicom
import pytest
from asking import answered, asked, holds, lost_slice, refused, two_images, two_orders
from BreastSegLib.errors import BadInput, Undecided
from BreastSegLib.exam.source import describe, read_exam
from dicom_phantoms import SLICES, changed, clock, dynamic, write

# --- clock, order, images


def test_clock_of_phases_that_contradict(tmp_path):
    images, arrays = dynamic("philips", ContentTime=lambda p, z: clock(36000 - 70 * p))
    write(tmp_path, images)
    choices = asked({"folder": tmp_path}, "clock")
    wanted = {"trigger": arrays, "content": arrays[::-1], "temporal": arrays}
    assert {"trigger", "content"} <= set(choices) <= set(wanted)
    for value in choices:
        exam = answered(tmp_path, clock=value)
        holds(exam, wanted[value])
        assert all("chosen by the user" in phase.evidence for phase in exam.phases)
    exam = answered(tmp_path, clock="trigger")
    assert [p.time_s for p in exam.phases] == [-70, 0, 70, 140]
    assert any("content time" in said for phase in exam.phases for said in phase.contradictions)
    for lacking in ("offset", "reference", "number"):
        assert "hoose another clock" in refused({"folder": tmp_path, "decisions": {"clock": lacking}})


def test_clock_where_no_tag_tells(tmp_path):
    bare = dict.fromkeys(("ContentTime", "AcquisitionTime", "SeriesTime", "AcquisitionNumber"))
    images, arrays = dynamic("siemens", **bare)
    write(tmp_path, images)
    assert list(asked({"folder": tmp_path}, "clock")) == ["instance"]
    exam = answered(tmp_path, clock="instance")
    holds(exam, arrays)
    assert [p.time_s for p in exam.phases] == [None] * 4
    assert all("instance number (chosen by the user)" in p.evidence for p in exam.phases)


def test_instance_number_that_repeats_at_a_place_is_no_clock(tmp_path):
    bare = dict.fromkeys(("ContentTime", "AcquisitionTime", "SeriesTime", "AcquisitionNumber"))
    images, _ = dynamic("siemens", InstanceNumber=lambda p, z: z + 1, **bare)
    write(tmp_path, images)
    for source in ({"folder": tmp_path}, {"folder": tmp_path, "decisions": {"clock": "instance"}}):
        with pytest.raises(BadInput) as error:
            read_exam(source)
        assert not isinstance(error.value, Undecided)


def test_order_of_series(tmp_path):
    folder, arrays = two_orders(tmp_path)
    choices = asked({"folder": folder}, "order")
    wanted = {"acquisition": arrays, "content": arrays[::-1], "series": arrays, "number": arrays}
    assert {"acquisition", "content", "number"} <= set(choices) <= set(wanted)
    for value in choices:
        exam = answered(folder, order=value)
        holds(exam, wanted[value])
        assert all("chosen by the user" in phase.evidence for phase in exam.phases)
    said = [text for phase in answered(folder, order="acquisition").phases for text in phase.contradictions]
    assert any("content time" in text for text in said)


def test_order_by_number_is_offered_only_where_there_are_numbers(tmp_path):
    images, arrays = dynamic(
        "siemens", one_series=False, ContentTime=lambda p, z: clock(36000 - 70 * p), SeriesNumber=None
    )
    write(tmp_path, images)
    for value in asked({"folder": tmp_path}, "order"):
        holds(answered(tmp_path, order=value), arrays[::-1] if value == "content" else arrays)


def test_order_of_series_by_number_or_temporal_position(tmp_path):
    bare = dict.fromkeys(("ContentTime", "AcquisitionTime", "SeriesTime", "TriggerTime"))
    images, arrays = dynamic("philips", one_series=False, TemporalPositionIdentifier=lambda p, z: 4 - p, **bare)
    write(tmp_path, images)
    assert set(asked({"folder": tmp_path}, "order")) == {"number", "temporal"}
    holds(answered(tmp_path, order="number"), arrays)
    exam = answered(tmp_path, order="temporal")
    holds(exam, arrays[::-1])
    assert any("series number" in said for said in exam.phases[0].contradictions)


def test_images_of_one_place_and_time(tmp_path):
    folder, first, second = two_images(tmp_path)
    choices = asked({"folder": folder}, "images")
    assert list(choices) == ["1", "2"]
    exam = answered(folder, images="1")
    holds(exam, first)
    assert [p.time_s for p in exam.phases] == [-70, 0, 70, 140]
    holds(answered(folder, images="2"), second)
    told = describe({"folder": folder, "decisions": {"images": "2"}})
    assert "chosen by the user" in " ".join([*told.notes, *(p.evidence for p in told.phases)])


# --- incomplete


def test_incomplete_time_point_of_one_series(tmp_path):
    folder, arrays = lost_slice(tmp_path)
    assert list(asked({"folder": folder}, "incomplete")) == ["leave-out"]
    exam = answered(folder, incomplete="leave-out")
    holds(exam, [arrays[0], arrays[1], arrays[3]])
    assert [p.time_s for p in exam.phases] == [-70, 0, 140]
    found = describe({"folder": folder, "decisions": {"incomplete": "leave-out"}})
    assert any("incomplete" in reason and "by the user" in reason for _, reason in found.left_out)


@pytest.mark.parametrize("lost", [0, 1, 3])
def test_incomplete_series_of_several(tmp_path, lost):
    images, arrays = dynamic("ge", one_series=False)
    del images[2 * SLICES + lost]
    write(tmp_path, images)
    assert list(asked({"folder": tmp_path}, "incomplete")) == ["leave-out"]
    exam = answered(tmp_path, incomplete="leave-out")
    holds(exam, [arrays[0], arrays[1], arrays[3]])
    assert [p.name for p in exam.phases] == ["pre", "post1", "post2"]
    assert [p.time_s for p in exam.phases] == [-70, 0, 140]


def test_incomplete_phase_before_contrast_leaves_phases_after_contrast_only(tmp_path):
    images, arrays = dynamic("ge", one_series=False)
    del images[1]
    exam = answered(write(tmp_path, images), incomplete="leave-out")
    holds(exam, arrays[1:])
    assert [p.name for p in exam.phases] == ["post1", "post2", "post3"]


def test_incomplete_phase_before_contrast_of_one_series(tmp_path):
    images, arrays = dynamic("ge")
    del images[1]
    exam = answered(write(tmp_path, images), incomplete="leave-out")
    holds(exam, arrays[1:])
    # The first phase that is left was acquired after the one before contrast: nothing may call it "pre" in silence.
    assert exam.phases[0].role == "post" or any("before contrast" in note for note in exam.notes)


def test_phase_with_a_slice_twice_can_be_left_out(tmp_path):
    images, arrays = dynamic("siemens")
    double = changed(images[5:6], SOPInstanceUID="1.2.3.4")
    write(tmp_path, images + double)
    asked({"folder": tmp_path}, "incomplete")
    holds(answered(tmp_path, incomplete="leave-out"), [arrays[0], arrays[2], arrays[3]])


# --- real series


@lru_cache(2)
def images_of(folder):
    """Return the images of a folder as pydicom reads them."""
    return [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]


def by_place(folder, pick):
    """Return the pixels that `pick` chooses of the images of each place, with pydicom alone, as one volume."""
    images = images_of(folder)
    axes = [float(v) for v in images[0].ImageOrientationPatient]
    normal = np.cross(axes[:3], axes[3:])
    places = {}
    for d in images:
        places.setdefault(round(float(np.dot(normal, d.ImagePositionPatient)), 2), []).append(d)
    chosen = [pick(places[place]) for place in sorted(places)]
    return np.array(
        [d.pixel_array * float(d.get("RescaleSlope", 1)) + float(d.get("RescaleIntercept", 0)) for d in chosen]
    )


def test_real_series_without_index_is_ordered_by_instance_number_when_the_user_says_so(real_data):
    folder = real_data / "dicom-mr-series" / "ge-no-temporal-index"
    assert list(asked({"folder": folder}, "clock")) == ["instance"]
    exam = answered(folder, clock="instance")
    assert len(exam.phases) == 3 and [p.time_s for p in exam.phases] == [None] * 3
    for k, volume in enumerate(exam.volumes):
        wanted = by_place(folder, lambda rows, k=k: sorted(rows, key=lambda d: d.InstanceNumber)[k])
        np.testing.assert_allclose(volume.array, wanted, rtol=1e-6)


@pytest.mark.parametrize("which", [1, 2])
def test_real_series_with_two_images_of_each_place_and_phase(real_data, which):
    folder = real_data / "dicom-mr-series" / "philips-two-images-per-phase"
    assert list(asked({"folder": folder}, "images")) == ["1", "2"]
    exam = answered(folder, images=which)
    assert len(exam.phases) == 8 and exam.geometry.shape[0] == 14
    for k, volume in enumerate(exam.volumes):

        def pick(rows, k=k):
            times = sorted({float(d.TriggerTime) for d in rows})
            assert len(times) == 8
            return sorted((d for d in rows if float(d.TriggerTime) == times[k]), key=lambda d: d.InstanceNumber)[
                which - 1
            ]

        np.testing.assert_allclose(volume.array, by_place(folder, pick), rtol=1e-6)
