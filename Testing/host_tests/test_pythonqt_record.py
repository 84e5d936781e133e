"""The compact record agrees with the record of the real application."""

import json

import pytest
from Host.pythonqt import make_record, record

needsShared = pytest.mark.skipif(
    not record.LIVE_API.exists(), reason="the record of the real application (../shared/slicer-5.12) is not here"
)


@needsShared
def test_record_is_what_the_generator_makes():
    api = json.loads(record.LIVE_API.read_text(encoding="utf-8"))
    made = make_record.render(make_record.distil(api, make_record.readSupported()))
    assert made == record.RECORD_FILE.read_text(encoding="utf-8"), "run: python -m Host.pythonqt.make_record"


@needsShared
@pytest.mark.parametrize(
    "name", ["qt.QPushButton", "qt.QProcess", "ctk.ctkPathLineEdit", "slicer.qMRMLNodeComboBox", "qt.Qt"]
)
def test_members_are_the_recorded_ones(name):
    """The flattened members of a class are the union over its recorded bases."""
    classes = json.loads(record.LIVE_API.read_text(encoding="utf-8"))["classes"]
    modules = {full.split(".", 1)[1]: full for full in classes}
    methods, properties, signals = set(), set(), set()
    for each in [name] + [modules[base] for base in classes[name]["bases"]]:
        methods |= set(classes[each]["methods"])
        methods |= {slot["signature"].split("(")[0] for slot in classes[each]["public_slots"]}
        properties |= {p for p in classes[each]["properties"] if not p.startswith("__")}
        signals |= set(classes[each]["signals"])
    info = record.members(name.split(".", 1)[1])
    assert set(info.methods) == methods - set(record.EVERY_OBJECT)
    assert set(info.properties) == properties
    assert {text for texts in info.signals.values() for text in texts} >= signals
    assert {value: number for value, (_, number) in info.values.items()} == _values(classes, name, modules)


def _values(classes, name, modules):
    out = {}
    for base in reversed([name] + [modules[each] for each in classes[name]["bases"]]):
        out.update(classes[base]["enum_values_on_class"])
    return out


def test_record_is_small():
    assert record.RECORD_FILE.stat().st_size < 420_000


def test_unknown_supported_name_is_refused():
    with pytest.raises(ValueError, match="qt.QNoSuchThing is not in the recorded API"):
        make_record.distil({"classes": {}, "modules": {}}, ["qt.QNoSuchThing"])
