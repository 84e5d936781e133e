"""Trust is given to one file by its content, knowingly, and never to a file that serves to run code."""

import json

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.models import pickles, trust
from hostile_models import SOUND, hidden_pickles, torch_zip

STRANGE = b"\x80\x02cmylab.nets\nThing\n)R."


@pytest.fixture
def strange(tmp_path):
    return torch_zip(tmp_path / "strange.pth", STRANGE)


@pytest.fixture
def library(tmp_path):
    return tmp_path / "library"


def test_an_ordinary_checkpoint_needs_no_trust(tmp_path, library):
    path = torch_zip(tmp_path / "a.pth", SOUND)
    assert trust.check_checkpoint(path, library) == ()
    with pytest.raises(BadInput, match="needs no trust"):
        trust.trust(path, (), library)
    assert not library.exists()


def test_a_strange_checkpoint_is_refused_until_it_is_trusted_and_again_after(strange, library):
    with pytest.raises(BadInput, match="mylab.nets.Thing"):
        trust.check_checkpoint(strange, library)
    row = trust.trust(strange, pickles.unknown_globals(strange), library)
    assert row["file"] == "strange.pth" and row["globals"] == ["mylab.nets.Thing"]
    assert row["date"].endswith("+00:00")
    assert trust.check_checkpoint(strange, library) == ("mylab.nets.Thing",)
    sha256 = trust.file_hash(strange)
    assert trust.is_trusted(sha256, library) and trust.is_trusted(sha256.upper(), library)
    assert list(trust.trusted(library)) == [sha256]
    trust.distrust(sha256, library)
    assert not trust.is_trusted(sha256, library)
    with pytest.raises(BadInput, match="mylab.nets.Thing"):
        trust.check_checkpoint(strange, library)
    with pytest.raises(BadInput, match="No trusted checkpoint"):
        trust.distrust(sha256, library)


def test_trust_is_of_the_content_and_not_of_the_name(strange, library):
    trust.trust(strange, ["mylab.nets.Thing"], library)
    copy = strange.with_name("copy.pth")
    copy.write_bytes(strange.read_bytes())
    assert trust.check_checkpoint(copy, library)
    torch_zip(strange, STRANGE.replace(b"Thing", b"Other"))
    with pytest.raises(BadInput, match="mylab.nets.Other"):
        trust.check_checkpoint(strange, library)


def test_trust_is_given_only_for_the_names_that_were_shown(strange, library):
    for shown in ((), ("other.name",), ("mylab.nets.Thing", "more.names")):
        with pytest.raises(BadInput, match="other names than were shown"):
            trust.trust(strange, shown, library)
    assert not library.exists()


@pytest.mark.parametrize("way", ["plain", "protocol 0", "memo", "instance", "extension", "getattr", "put together"])
def test_a_file_that_serves_to_run_code_is_never_trusted(way, tmp_path, library):
    content, name = hidden_pickles()[way]
    path = torch_zip(tmp_path / "a.pth", content)
    with pytest.raises(BadInput) as caught:
        trust.trust(path, pickles.unknown_globals(path), library)
    assert name in caught.value.line and "cannot be trusted" in caught.value.line
    row = {"file": "a.pth", "globals": list(pickles.unknown_globals(path)), "date": "2026-01-01"}
    library.mkdir()
    listed = {"format": trust.FORMAT, "files": {trust.file_hash(path): row}}
    (library / trust.NAME).write_text(json.dumps(listed))
    with pytest.raises(BadInput) as caught:
        trust.check_checkpoint(path, library)
    assert name in caught.value.line


@pytest.mark.parametrize(
    "name",
    ["_io.open", "io.open", "numpy.load", "torch.serialization.load", "functools.partial", "shelve.open"]
    + ["torch.serialization.os.system", "mylab.tools.subprocess.Popen", "torch.hub.load", "numpy.memmap"],
)
def test_what_opens_files_or_reaches_further_is_never_trusted_wherever_it_is_named(name, tmp_path, library):
    module, _, attribute = name.rpartition(".")
    path = torch_zip(tmp_path / "a.pth", f"\x80\x02c{module}\n{attribute}\n)R.".encode("latin-1"))
    with pytest.raises(BadInput, match="cannot be trusted"):
        trust.trust(path, pickles.unknown_globals(path), library)
    assert not library.exists()


@pytest.mark.parametrize("name", ["mylab.types.Thing", "numpy.ndarray", "pathlib.PosixPath"])
def test_harmless_names_can_be_trusted(name, tmp_path, library):
    module, _, attribute = name.rpartition(".")
    path = torch_zip(tmp_path / "a.pth", f"\x80\x02c{module}\n{attribute}\n)R.".encode("latin-1"))
    assert trust.trust(path, pickles.unknown_globals(path), library)["globals"] == [name]


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"files": {}}', '{"format": "breastseg-trusted-1", "files": {"abc": {}}}']
    + ['{"format": "breastseg-trusted-1", "files": {"%s": {"file": "a", "date": "", "globals": 5}}}' % ("0" * 64)],
)
def test_a_damaged_list_trusts_nothing_and_says_so(content, strange, library):
    library.mkdir()
    (library / trust.NAME).write_text(content)
    for ask in (
        lambda: trust.trusted(library),
        lambda: trust.is_trusted("0" * 64, library),
        lambda: trust.trust(strange, ["mylab.nets.Thing"], library),
        lambda: trust.check_checkpoint(strange, library),
    ):
        with pytest.raises(BadInput) as caught:
            ask()
        assert trust.NAME in caught.value.line and "\n" not in caught.value.line
    assert (library / trust.NAME).read_text() == content


def test_without_a_library_the_users_own_is_asked(strange, library, monkeypatch):
    monkeypatch.setenv("BREASTSEG_MODELS", str(library))
    trust.trust(strange, ["mylab.nets.Thing"])
    assert (library / trust.NAME).is_file() and trust.check_checkpoint(strange)
    assert [path.name for path in library.iterdir()] == [trust.NAME]


def test_a_file_that_is_not_there_is_refused(tmp_path, library):
    for ask in (trust.file_hash, lambda path: trust.check_checkpoint(path, library)):
        with pytest.raises(BadInput, match="cannot be read"):
            ask(tmp_path / "none.pth")
