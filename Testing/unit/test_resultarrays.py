"""Arrays of a result that are missing, cut off or of the wrong kind are said in one line."""

import numpy as np
import pytest
from BreastSegLib.errors import BreastSegError
from BreastSegLib.inference.resultarrays import load_array

SHAPE = (3, 4, 5)


def good(path):
    np.save(path, np.arange(60, dtype=np.uint8).reshape(SHAPE))


def missing(path):
    path.unlink(missing_ok=True)


def empty(path):
    path.write_bytes(b"")


def header_cut(path):
    good(path)
    path.write_bytes(path.read_bytes()[:20])


def data_cut(path):
    good(path)
    path.write_bytes(path.read_bytes()[:-7])


def rubbish(path):
    path.write_bytes(b"this is no array" * 20)


def folder(path):
    path.unlink(missing_ok=True)
    path.mkdir()


def other_shape(path):
    np.save(path, np.zeros((5, 4, 3), np.uint8))


def objects(path):
    np.save(path, np.array([[[{}] * 5] * 4] * 3), allow_pickle=True)


def words(path):
    np.save(path, np.full(SHAPE, "x"))


def archive(path):
    with open(path, "wb") as stream:
        np.savez(stream, mask=np.zeros(SHAPE))


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, bool])
def test_a_whole_array(tmp_path, mapped, dtype):
    array = np.random.default_rng(1).random(SHAPE).astype(dtype)
    np.save(tmp_path / "mask.npy", array)
    loaded = load_array(tmp_path / "mask.npy", list(SHAPE), mapped)
    assert np.array_equal(loaded, array) and isinstance(loaded, np.memmap) is mapped


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(
    "fault", [missing, empty, header_cut, data_cut, rubbish, folder, other_shape, objects, words, archive]
)
def test_a_damaged_array(tmp_path, fault, mapped):
    path = tmp_path / "mask.npy"
    fault(path)
    with pytest.raises(BreastSegError, match="The worker's result") as caught:
        load_array(path, SHAPE, mapped)
    line = caught.value.line
    assert "\n" not in line and str(path) in line and "Run again" in line and len(line) < 500
