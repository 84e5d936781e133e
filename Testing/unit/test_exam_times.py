"""What the tags tell about time besides the order: resolution, injection, and tags that said otherwise."""

import numpy as np
import pytest
from BreastSegLib.exam.dce import Phase
from BreastSegLib.exam.dicom.times import seconds_of_day
from BreastSegLib.exam.dynamic.scan import scan
from BreastSegLib.exam.source import read_exam
from dicom_phantoms import clock, dynamic, write


def phases(folder, images, **decisions):
    """Write images and return the phases that are found."""
    return scan(write(folder, images), decisions=decisions).phases


@pytest.mark.parametrize("one_series", [True, False])
@pytest.mark.parametrize("vendor", ["ge", "siemens", "philips", ""])
def test_temporal_resolution_of_every_phase(tmp_path, vendor, one_series):
    images, _ = dynamic(vendor, one_series=one_series, TemporalResolution=65000)
    assert [p.resolution_s for p in phases(tmp_path, images)] == [65] * 4


def test_resolution_that_is_longer_than_the_way_to_the_next_phase_is_that_of_the_series(tmp_path):
    images, _ = dynamic("siemens", TemporalResolution=280000)
    assert [p.resolution_s for p in phases(tmp_path, images)] == [None] * 4


@pytest.mark.parametrize("value", [0, -5, 1e9])
def test_resolution_that_cannot_be_is_unknown(tmp_path, value):
    images, _ = dynamic("siemens", TemporalResolution=value)
    assert [p.resolution_s for p in phases(tmp_path, images)] == [None] * 4


def test_duration_of_ge_is_read_only_from_its_own_private_block(tmp_path):
    for creator, wanted in (("GEMS_ACQU_01", 64.5), ("SOMEBODY ELSE", None)):
        images, _ = dynamic("ge", 3)
        for d in images:
            d.add_new(0x00190010, "LO", creator)
            d.add_new(0x0019105A, "FL", 64.5e6)
        assert [p.resolution_s for p in phases(tmp_path / creator, images)] == [wanted] * 3


@pytest.mark.parametrize("one_series", [True, False])
def test_seconds_since_injection(tmp_path, one_series):
    images, _ = dynamic("siemens", one_series=one_series, ContentTime=None, ContrastBolusStartTime=clock(36060))
    found = phases(tmp_path, images)
    assert [p.since_injection_s for p in found] == [-60, 10, 80, 150]
    assert [p.time_s for p in found] == [-70, 0, 70, 140]
    assert "contrast bolus start time" in found[0].evidence


@pytest.mark.parametrize(("start", "bolus"), [(86330, 86390), (86330, 86405), (86270, 86399), (86399.5, 86460)])
@pytest.mark.parametrize("dated", [True, False], ids=["dates", "no dates"])
def test_seconds_since_injection_past_midnight(tmp_path, start, bolus, dated):
    def date(p, z):
        return ("20240105" if start + 70 * p < 86400 else "20240106") if dated else None

    tags = {"AcquisitionDate": date, "SeriesDate": date, "ContentTime": None, "ContentDate": None}
    images, _ = dynamic("", start=start, ContrastBolusStartTime=clock(bolus), **tags)
    found = phases(tmp_path, images)
    before = sum(start + 70 * k < bolus for k in range(4))
    wanted = [round(start + 70 * k - bolus, 3) for k in range(4)][before - 1 :]
    assert [p.since_injection_s for p in found] == wanted
    assert [p.role for p in found] == ["pre"] + ["post"] * (len(wanted) - 1)


@pytest.mark.parametrize(
    "tags",
    [
        {"ContrastBolusStartTime": clock(36000 + 5 * 3600)},
        {"ContrastBolusStartTime": lambda p, z: clock(36030 + 100 * p)},
        {"ContrastBolusStartTime": clock(36060), "ContentTime": None, "AcquisitionTime": None, "SeriesTime": None},
        {"ContrastBolusStartTime": "nonsense"},
        {},
    ],
    ids=["hours away", "several", "no clock", "nonsense", "none"],
)
def test_injection_that_the_tags_do_not_tell_is_unknown(tmp_path, tags):
    images, _ = dynamic("philips", **tags)
    assert [p.since_injection_s for p in phases(tmp_path, images)] == [None] * 4


def test_clocks_of_other_length_are_contradictions(tmp_path):
    images, _ = dynamic("ge", TriggerTime=lambda p, z: 1000.0 * 30 * p)
    found = scan(write(tmp_path, images))
    assert all(p.contradictions == ("trigger time: spans 90 s, not 210 s",) for p in found.phases)
    assert any("span 210 s by content time (used) and 90 s by trigger time" in note for note in found.notes)


def test_series_numbers_against_the_clock_are_a_contradiction(tmp_path):
    images, arrays = dynamic("ge", one_series=False, series=lambda p, z: 9 - p)
    write(tmp_path, images)
    exam = read_exam({"folder": tmp_path})
    for volume, array in zip(exam.volumes, arrays):
        np.testing.assert_array_equal(volume.array, array)
    assert all("series numbers: another order" in p.contradictions for p in exam.phases)


def test_clean_exam_has_no_contradictions(tmp_path):
    for vendor in ("ge", "siemens", "philips"):
        images, _ = dynamic(vendor)
        assert all(p.contradictions == () for p in phases(tmp_path / vendor, images))


def test_every_field_of_a_phase_survives_json():
    phase = Phase("post", 2, 70.5, "content time", (), 65.0, 81.25, ("trigger time: another order",))
    assert Phase.from_json(phase.to_json()) == phase
    old = {k: v for k, v in phase.to_json().items() if k in ("role", "number", "time_s", "evidence")}
    assert Phase.from_json(old) == Phase("post", 2, 70.5, "content time")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("101530.5", 36930.5), ("10:15:30", 36930), ("1015", 36900), ("10", None), ("2560", None), ("noon", None)],
)
def test_times_of_the_day(text, seconds):
    assert seconds_of_day(text) == seconds
