"""The host's DICOM database and DICOMLib: names and answers are those of the application."""

import json
from pathlib import Path

import pytest

API = Path(__file__).resolve().parents[3] / "shared" / "slicer-5.12" / "api.json"


@pytest.mark.skipif(not API.exists(), reason="the record of the real application (../shared/slicer-5.12) is not here")
def test_the_stand_ins_have_no_name_that_the_application_lacks(host):
    from DICOMLib import DICOMLoadable, DICOMPlugin
    from Host.dicomlib.database import DicomDatabase

    record = json.loads(API.read_text(encoding="utf-8"))
    recorded = record["modules"]["DICOMLib.DICOMPlugin"]["classes"]["DICOMPlugin"]["methods"]
    assert {name for name in vars(DICOMPlugin) if not name.startswith("__")} <= set(recorded)
    loadable = record["classes"]["slicer.qSlicerDICOMLoadable"]["properties"]
    assert set(vars(DICOMLoadable())) <= set(loadable)
    entry = record["classes"]["ctk.ctkDICOMDatabase"]
    known = {*entry["methods"], *entry["properties"], *(text.split("(")[0] for text in entry["signals"])}
    assert {name for name in vars(DicomDatabase) if not name.startswith("_") and name != "staticMetaObject"} <= known


def test_names_that_dicomlib_lacks_are_refused(host):
    import DICOMLib
    import slicer
    from Host.record import NotProvided

    for owner, name in ((DICOMLib, "nothing"), (DICOMLib.DICOMUtils, "nothing"), (slicer.dicomDatabase, "nothing")):
        with pytest.raises(AttributeError) as refused:
            getattr(owner, name)
        assert not isinstance(refused.value, NotProvided)
    with pytest.raises(NotProvided):
        getattr(DICOMLib.DICOMUtils, "importFrom" + "DICOMWeb")


def test_the_database_answers_as_the_application_does(host, real_data):
    from DICOMLib import DICOMUtils

    with DICOMUtils.TemporaryDICOMDatabase() as database:
        DICOMUtils.importDicom(str(real_data / "dicom-mr-series" / "ge-no-temporal-index"))
        (series,) = DICOMUtils.allSeriesUIDsInDatabase()
        files = database.filesForSeries(series)
        assert isinstance(files, tuple) and len(files) == 45 and database.isOpen is True
        assert database.seriesForFile(files[3]) == series == database.fileValue(files[3], "0020,000e")
        assert database.fileForInstance(database.instanceForFile(files[3])) == files[3]
        assert database.fileValue(files[0], 0x0008, 0x0060) == "MR" and database.fileValue(files[0], "0018,9089") == ""
        assert database.fileValue(files[0], "0020,0037").count("\\") == 5
        assert database.instanceForFile("elsewhere.dcm") == "" == database.fileValue("elsewhere.dcm", "0008,0060")
        assert database.studiesForPatient(database.patients()[0]) == (database.studyForSeries(series),)
    assert database.patients() == () and database.isOpen, "the database of before is back"
