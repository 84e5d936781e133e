"""The names in a checkpoint are found without opening it as a pickle, however they are hidden."""

import contextlib
import io
import pickle
import struct
import sys
import tarfile
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter
from pathlib import Path

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.models import pickles
from BreastSegLib.models.pickle_machine import UNTOLD, Damaged, Machine
from BreastSegLib.models.zipped import readable
from hostile_models import SOUND, Call, exported, hidden_pickles, legacy, text, torch_zip
from hypothesis import given, settings
from hypothesis import strategies as st

HIDDEN = hidden_pickles()
SHIPPED = sorted((Path(__file__).parents[2] / "BreastSeg" / "Resources" / "Models").glob("*/fold_*/*.pth"))


def refused(path):
    with pytest.raises(BadInput) as caught:
        pickles.globals_of(path)
    line = caught.value.line
    assert line.isprintable() and str(path) in line and len(line) < 600
    return line


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parts[-3])
def test_shipped_checkpoints_hold_only_known_names(path):
    assert "torch._utils._rebuild_tensor_v2" in pickles.globals_of(path)
    assert pickles.unknown_globals(path) == ()
    assert pickles.hints_of(path)["trainer_name"].startswith("nnUNetTrainer")


@pytest.mark.parametrize("way", HIDDEN)
def test_a_call_hidden_in_a_checkpoint_is_named(way, tmp_path):
    content, name = HIDDEN[way]
    for path in (
        torch_zip(tmp_path / "zip.pth", content),
        torch_zip(tmp_path / "other.pth", SOUND, [("checkpoint_final/more/Other.PKL", content)]),
        legacy(tmp_path / "second.pth", {1: content}),
        legacy(tmp_path / "object.pth", {3: content}),
        legacy(tmp_path / "last.pth", {4: content}),
    ):
        assert name in pickles.unknown_globals(path)
        assert name in pickles.refusal(path, pickles.unknown_globals(path)).line
    bare = tmp_path / "bare.pth"
    bare.write_bytes(content)
    assert name in pickles.unknown_globals(bare)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_calls_written_by_pickle_itself_are_named_and_never_made(protocol, tmp_path, capsys):
    target = tmp_path / "made"
    content = pickle.dumps({"a": [Call(open, str(target), "w"), Call(eval, f"print({target.name!r})")]}, protocol)
    path = torch_zip(tmp_path / "a.pth", content)
    # NAME_MAPPING spells what is `open` in io as the pickle module does.
    assert {"builtins.eval", "io.open"} <= set(pickles.unknown_globals(path)) | {
        name.replace("_io.", "io.").replace("builtins.open", "io.open") for name in pickles.unknown_globals(path)
    }
    assert not target.exists() and capsys.readouterr().out == ""


def test_a_refusal_of_code_does_not_offer_trust_and_another_does(tmp_path):
    code = pickles.refusal(tmp_path, ("posix.system",)).line
    other = pickles.refusal(tmp_path, ("mylab.nets.Thing",)).line
    assert "trust" not in code and "posix.system" in code
    assert "models trust" in other and "mylab.nets.Thing" in other
    assert "and 3 more" in pickles.refusal(tmp_path, tuple(f"a.b{index}" for index in range(8))).line


@pytest.mark.parametrize("version", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_numbers_of_both_numpy_versions_are_known(version, tmp_path):
    content = b"\x80\x02c" + version.encode() + b"\nscalar\ncnumpy\ndtype\n" + text("f4") + b"\x85R\x85R."
    assert pickles.unknown_globals(torch_zip(tmp_path / "a.pth", content)) == ()
    assert pickles.added()[version + ".scalar"]


def test_the_table_has_what_todays_torch_takes_and_nothing_that_runs_code():
    names = pickles.allowed()
    assert {"collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch.device"} <= set(names)
    assert not [name for name in names if pickles.runs_code(name)]
    for name in ("os.system", "nt.system", "builtins.eval", "subprocess.Popen", "builtins.getattr", UNTOLD):
        assert pickles.runs_code(name) and name not in names
    torch = pytest.importorskip("torch._weights_only_unpickler")
    assert {name for name in names if name.startswith("torch")} <= set(torch._get_allowed_globals())


def test_hints_are_read_from_a_torch_file_of_either_format(tmp_path):
    for path in (torch_zip(tmp_path / "a.pth", SOUND), legacy(tmp_path / "b.pth", {3: SOUND})):
        assert pickles.hints_of(path) == {"configuration": "2d", "trainer_name": "nnUNetTrainer"}


def test_a_legacy_file_is_read_to_its_fifth_pickle_and_its_raw_numbers_are_not(tmp_path):
    path = legacy(tmp_path / "a.pth", {3: SOUND}, tail=b"cos\nsystem\n" * 10)
    assert pickles.unknown_globals(path) == ()


def test_torch_itself_agrees_on_both_formats(tmp_path):
    torch = pytest.importorskip("torch")
    content = {"network_weights": {"a": torch.zeros(3)}, "init_args": {"device": torch.device("cpu")}}
    for new in (True, False):
        path = tmp_path / f"{new}.pth"
        torch.save(content, path, _use_new_zipfile_serialization=new)
        assert {"torch.device", "torch.FloatStorage"} <= set(pickles.globals_of(path))
        assert pickles.unknown_globals(path) == ()


# --- damaged and misleading files ---------------------------------------------------------------------------------


def test_torchscript_is_refused_by_its_name(tmp_path):
    for extra in ("checkpoint_final/constants.pkl", "checkpoint_final/code/__torch__.py"):
        assert "TorchScript" in refused(torch_zip(tmp_path / "a.pth", SOUND, [(extra, SOUND)]))


def test_the_old_tar_form_is_refused_by_its_name(tmp_path):
    path = tmp_path / "a.pth"
    with tarfile.open(path, "w") as made:
        made.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    assert "tar form" in refused(path)


def test_a_zip_of_a_model_is_not_taken_for_a_checkpoint(tmp_path):
    assert "no data.pkl but" in refused(exported(tmp_path / "a.pth"))


def test_two_entries_of_one_name_are_refused(tmp_path):
    for name in ("checkpoint_final/data.pkl", "Checkpoint_Final/DATA.pkl"):
        if name.islower():
            with pytest.warns(UserWarning, match="Duplicate"):
                path = torch_zip(tmp_path / "a.pth", SOUND, [(name, SOUND)])
        else:
            path = torch_zip(tmp_path / "a.pth", SOUND, [(name, SOUND)])
        assert "two entries" in refused(path)


def test_every_pickle_of_a_zip_is_looked_at(tmp_path):
    path = torch_zip(tmp_path / "a.pth", SOUND, [("other/data.pkl", HIDDEN["plain"][0])])
    assert pickles.unknown_globals(path) == ("os.system",)


def test_a_huge_pickle_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "MOST_PICKLE", 1 << 10)
    big = b"\x80\x02" + text("x" * 5000) + b"."
    assert "data.pkl" in refused(torch_zip(tmp_path / "a.pth", big))
    assert "more than" in refused(legacy(tmp_path / "b.pth", {3: big}))


def test_a_checkpoint_that_unpacks_to_many_times_its_size_is_refused(tmp_path):
    path = torch_zip(tmp_path / "a.pth", SOUND, [("checkpoint_final/data/1", bytes(8 << 20))], zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 16
    assert "fill the memory" in refused(path)


def test_endless_names_and_steps_are_refused(tmp_path, monkeypatch):
    many = b"\x80\x02" + b"".join(b"ca%d\nb\n" % index for index in range(3000)) + b"."
    assert "a0.b" in refused(torch_zip(tmp_path / "a.pth", many))
    monkeypatch.setattr("BreastSegLib.models.pickle_machine.MOST_STEPS", 100)
    assert "too many steps" in refused(torch_zip(tmp_path / "b.pth", b"\x80\x02" + b"N0" * 200 + b"N."))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.9])
def test_cut_off_files_of_both_formats_are_refused(share, tmp_path):
    for path in (torch_zip(tmp_path / "a.pth", SOUND), legacy(tmp_path / "b.pth", tail=b"")):
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        refused(path)


def test_a_damaged_pickle_is_still_refused_by_the_name_that_comes_before(tmp_path):
    path = torch_zip(tmp_path / "a.pth", HIDDEN["plain"][0][:-3])
    assert "os.system" in refused(path)


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html>", b"version https://x\noid sha256:0\n", b"\0" * 600])
def test_files_that_are_no_checkpoint_are_refused(content, tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    refused(path)


def test_a_harmless_pickle_that_torch_did_not_write_is_refused(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(SOUND)
    assert "no checkpoint of torch" in refused(path)


def test_a_missing_file_is_refused(tmp_path):
    assert "cannot be read" in refused(tmp_path / "none.pth")


def test_long_and_unprintable_names_are_shown_short_and_escaped(tmp_path):
    content = b"\x80\x04" + text("os\x1b[31m") + text("s" * 3000) + b"\x93."
    name = pickles.unknown_globals(torch_zip(tmp_path / "a.pth", content))[0]
    assert name.startswith("os\\x1b[31m.sss") and len(name) < 130 and name.isprintable()


# --- against pickle itself ----------------------------------------------------------------------------------------

_NAMES = ("os", "posix", "system", "builtins", "eval", "__builtin__", "collections", "OrderedDict", "torch", "a.b", "")
_names, _slots = st.sampled_from(_NAMES), st.sampled_from([b"\0", b"\1", b"\2", b"\3"])
COUNTS = Counter()
_steps = st.one_of(
    st.sampled_from([b"(", b"0", b"1", b"2", b"t", b"l", b"d", b")", b"]", b"}", b"N", b"\x85", b"\x86", b"\x87"]),
    st.sampled_from([b"a", b"e", b"s", b"u", b"R", b"b", b"\x81", b"\x93", b"\x93", b"\x93", b"\x94", b"o", b"\x92"]),
    st.sampled_from([b"q\0", b"q\1", b"h\0", b"h\1", b"h\2", b"p1\n", b"g1\n", b"r\2\0\0\0", b"j\2\0\0\0", b"Q"]),
    st.builds(lambda a, b: f"c{a}\n{b}\n".encode(), _names, _names),
    st.builds(lambda a, b: f"(i{a}\n{b}\n".encode(), _names, _names),
    st.builds(text, _names),
    st.builds(lambda a: b"\x8c" + bytes([len(a)]) + a.encode(), _names),
    st.builds(lambda a: b"U" + bytes([len(a)]) + a.encode(), _names),
    st.builds(lambda a: b"\x8d" + struct.pack("<Q", len(a)) + a.encode(), _names),
    st.builds(lambda a: f"V{a}\n".encode(), _names),
    st.builds(lambda a: f"S'{a}'\n".encode(), _names),
    st.builds(lambda a, b: text(a) + text(b) + b"\x93", _names, _names),
)


class Dummy:
    """What the watched unpickler makes of every class and function: takes all, does nothing."""

    def __init__(self, *arguments, **named):
        pass

    def __new__(cls, *arguments, **named):
        return super().__new__(cls)

    def append(self, item):
        pass

    def __setitem__(self, key, value):
        pass

    def __setstate__(self, state):
        pass

    def add(self, item):
        pass


def asked_for(content, kind):
    """Return the names that an unpickler of Python asks for, as far as it comes."""
    asked = []

    class Watched(kind):
        def find_class(self, module, name):
            asked.append((module, name))
            return Dummy

        def persistent_load(self, identifier):
            return Dummy()

    with contextlib.suppress(Exception):  # whatever it stumbles over, the names until then count
        Watched(io.BytesIO(content)).load()
    return asked


# Each keeps a value on the stack, so that long programs stay sound; between them, single steps of any kind.
_wholes = st.one_of(
    st.builds(lambda a, b: text(a) + text(b) + b"\x93", _names, _names),
    st.builds(lambda a, b, c: text(a) + b"q" + c + b"0" + text(b) + b"h" + c + b"\x93", _names, _names, _slots),
    st.builds(lambda a, b, c: text(a) + b"r" + c + b"\0\0\0" + text(b) + b"\x93", _names, _names, _slots),
    st.builds(lambda a, b, c: b"h" + c + text(a) + b"2\x93" + text(b), _names, _names, _slots),
    st.builds(lambda a, b: b"(N" + text(a) + b"1" + text(a) + text(b) + b"\x93", _names, _names),
    st.builds(lambda a: text(a) + b"\x94h\0" + b"h\1\x93", _names),
    st.builds(lambda a, b: f"(S'{a}'\ni{a}\n{b}\n".encode(), _names, _names),
    st.builds(lambda a, b: f"(c{a}\n{b}\no".encode(), _names, _names),
    st.builds(lambda a, b: f"c{a}\n{b}\n)R".encode(), _names, _names),
    st.builds(lambda a, b: f"c{a}\n{b}\n)\x81}}b".encode("latin-1"), _names, _names),
    st.builds(lambda a, b: b"}(" + text(a) + b"N" + text(b) + b"]u", _names, _names),
)
_put_all = b"".join(text(name) + b"q" + bytes([slot]) + b"0" for slot, name in enumerate(_NAMES[:4]))
_versions = st.sampled_from([b"", b"\x80\x02", b"\x80\x04"])


@settings(max_examples=1200, deadline=None)
@given(rows=st.lists(st.one_of(_wholes, _wholes, _wholes, _steps), max_size=16), version=_versions, cut=st.booleans())
def test_no_unpickler_of_python_asks_for_a_name_that_was_not_told(rows, version, cut):
    content = version + _put_all + b"".join(rows) + (b"" if cut else b".")
    machine, damaged = Machine(), False
    try:
        machine.walk(io.BytesIO(content))
    except Damaged:
        damaged = True
    asked = [pair for kind in (pickle._Unpickler, pickle.Unpickler) for pair in asked_for(content, kind)]
    for module, name in asked:
        spelt = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        told = {readable(f"{module}.{name}"), readable(".".join(spelt)), f"({module} {name})", UNTOLD}
        assert told & machine.names or damaged
    COUNTS["sound" if asked and not damaged else "other"] += 1


def test_many_of_those_programs_were_sound_and_asked_for_names():
    if sum(COUNTS.values()) < 500:
        pytest.skip("the test before this one did not run")
    assert COUNTS["sound"] > 0.1 * sum(COUNTS.values())


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_looked_at_without_another_error(content):
    machine = Machine()
    try:
        machine.walk(io.BytesIO(b"\x80\x02" + content))
    except Damaged as error:
        assert str(error).isprintable()
    assert all(name.isprintable() for name in machine.names)


def test_nothing_of_a_checkpoint_is_imported(tmp_path):
    path = torch_zip(tmp_path / "a.pth", b"\x80\x02cantigravity\nfly\n.")
    assert pickles.unknown_globals(path) == ("antigravity.fly",)
    assert "antigravity" not in sys.modules
