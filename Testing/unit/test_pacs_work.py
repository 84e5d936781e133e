"""What a watch asks of the worker: masks in the order of the views, and only the results that there can be."""

from pathlib import Path

import numpy as np
import pytest
from BreastSegLib.errors import BadInput, Cancelled, WorkerDied
from BreastSegLib.pacs import work as module
from BreastSegLib.pacs.work import ModelWork
from BreastSegLib.volume import Geometry, Volume

GEOMETRY = Geometry((1, 2, 2))


def mask(value):
    return Volume(np.full((1, 2, 2), value, np.uint8), GEOMETRY)


def result(kind="dce", lesions=1):
    common = {"kind": kind, "measures": {"lesions": [{}] * lesions}, "record": {"views": [{}, {}, {}]}}
    if kind == "dce":
        return {**common, "mask": mask(1)}
    return {**common, "views": [{"index": 2, "mask": mask(2)}, {"index": 0, "mask": mask(3)}]}


class Client(module._Client):
    """A client without a worker that keeps what it was sent."""

    sent = None

    @property
    def folder(self):
        return self.place

    def send(self, request, **fields):
        if self._stopped():
            raise Cancelled
        self.sent = {"request": request, **fields}
        paths = fields["mask"] if isinstance(fields["mask"], list) else [fields["mask"]]
        self.masks = [None if path is None else np.load(path) for path in paths]
        return 1

    def wait(self, *_):
        return {"written": list(self.sent["outputs"].values())}

    def close(self):
        return None


@pytest.fixture
def worked(monkeypatch, tmp_path):
    """``worked(result, kinds, stopped)`` returns the `ModelWork` whose runs give this result."""
    Client.place = tmp_path / "private"
    Client.place.mkdir()
    monkeypatch.setattr(module, "_Client", Client)

    def make(answers, kinds=("seg", "sr", "pdf"), stopped=lambda: False):
        answers = list(answers) if isinstance(answers, list) else [answers]

        def segment(*_, **__):
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            (Client.place / "result-1").mkdir(exist_ok=True)
            return answer

        monkeypatch.setattr(module, "segment", segment)
        return ModelWork("demo-dce", "cpu", kinds, stopped)

    return make


def test_the_results_of_an_exam(worked, tmp_path):
    work = worked(result())
    paths = work.run(tmp_path / "exam", tmp_path / "out", lambda *_: None)
    assert [path.name for path in paths] == ["segmentation.dcm", "measurements.dcm", "report.dcm"]
    sent = work._client.sent
    assert sent["request"] == "export" and set(sent["outputs"]) == {"seg", "sr", "pdf_dicom"}
    assert sent["source"] == {"folder": str(tmp_path / "exam")} and Path(sent["model"]).is_dir()
    assert np.array_equal(work._client.masks[0], mask(1).array)
    assert list((tmp_path / "private").iterdir()) == []  # the arrays are gone


def test_each_mammogram_has_its_place(worked, tmp_path):
    work = worked(result("mammograms"))
    work.run(tmp_path / "exam", tmp_path / "out", lambda *_: None)
    first, second, third = work._client.masks
    assert second is None and first.max() == 3 and third.max() == 2


def test_without_lesions_there_is_only_the_report(worked, tmp_path):
    work = worked(result(lesions=0))
    paths = work.run(tmp_path / "exam", tmp_path / "out", lambda *_: None)
    assert [path.name for path in paths] == ["report.dcm"]
    assert worked(result(lesions=0), ("seg", "sr")).run(tmp_path / "exam", tmp_path / "out", lambda *_: None) == []


def test_a_worker_that_dies_is_tried_once_more(worked, tmp_path):
    assert worked([WorkerDied("gone"), result()]).run(tmp_path / "exam", tmp_path / "out", lambda *_: None)
    with pytest.raises(WorkerDied):
        worked([WorkerDied("gone"), WorkerDied("gone")]).run(tmp_path / "exam", tmp_path / "out", lambda *_: None)


def test_stopping_gives_up_what_runs(worked, tmp_path):
    with pytest.raises(Cancelled):
        worked(result(), stopped=lambda: True).run(tmp_path / "exam", tmp_path / "out", lambda *_: None)


def test_a_model_that_needs_somebody_to_draw_is_refused():
    with pytest.raises(BadInput, match="regions that somebody draws"):
        ModelWork("demo-mass-region", "cpu", ("seg",), lambda: False)
