"""Fixtures that all tests share."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
for folder in ("Testing", "BreastSegTraining", "BreastSeg"):
    if str(ROOT / folder) not in sys.path:
        sys.path.insert(0, str(ROOT / folder))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session", autouse=True)
def own_model_library(tmp_path_factory):
    """A model library of the tests' own: nobody's installed models are seen, used or changed."""
    folder = tmp_path_factory.mktemp("library")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BREASTSEG_MODELS", str(folder))
        yield folder


@pytest.fixture(scope="session")
def artefacts():
    """Folder for pictures and reports that people look at after a test run."""
    folder = ROOT / "test-artefacts"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def real_data():
    """Folder of real data for tests; the test is skipped where it is missing."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("the real test data (../shared/data) is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """An nnU-Net model folder with random weights, two folds."""
    from tiny_model import make_tiny_model

    return make_tiny_model(tmp_path_factory.mktemp("model") / "tiny", folds=("0", "1"), patch=(80, 80, 96))


@pytest.fixture(scope="session")
def sample():
    """A small synthetic exam with its truth."""
    from BreastSegLib.samples.dce import make_dce_exam

    return make_dce_exam(seed=7, posts=2)


@pytest.fixture(scope="session")
def exam_store(sample, tmp_path_factory):
    """The sample exam as arrays in a folder."""
    from BreastSegLib.exam.store import save_exam

    return save_exam(sample.exam, tmp_path_factory.mktemp("exam"))


@pytest.fixture(scope="session")
def dicom_sample(sample, tmp_path_factory):
    """The sample exam written as DICOM: the folder with ``exam/``, ``truth.nii.gz`` and ``sample.json``."""
    from BreastSegLib.samples.writing import write_dce_sample

    return write_dce_sample(sample, tmp_path_factory.mktemp("dicom") / "sample")
