"""``models catalogue`` and the installation of its entries: licence, own files, downloads, events for a window."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import zipfile

import jsonschema
import pytest
from BreastSegLib.models import catalogue, find_model
from command_cases import call, refused
from download_server import serving
from tiny_model import make_tiny_model

FOLDER = "Dataset105_full_image/nnUNetTrainer__nnUNetPlans__3d_fullres"


@pytest.fixture(scope="module")
def model_zip(tmp_path_factory):
    """A zip as users bring it: one channel, the folder's name tells nothing of the breast, no model card."""
    folder = make_tiny_model(
        tmp_path_factory.mktemp("brought") / "tiny", recipe="mama-mia-first-post", folds=("0", "1")
    )
    path = folder.parent / "weights.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.name != "breastseg.json":
                archive.write(file, f"{FOLDER}/{file.relative_to(folder).as_posix()}")
    return path


@pytest.fixture
def library(tmp_path, monkeypatch):
    """An empty model library of the user's own."""
    folder = tmp_path / "library"
    folder.mkdir()
    monkeypatch.setenv("BREASTSEG_MODELS", str(folder))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return folder


def own_entry(library, path, url="", **fields):
    """Put an entry ``clinic`` for a zip into the user's catalogue."""
    entry = {
        "name": "clinic",
        "title": "Model of our clinic",
        "description": "For tests only.",
        "recipe": "mama-mia-first-post",
        "labels": {"lesion": {"value": 1, "terminology": "mass"}},
        "licence": {"name": "Only inside the clinic", "must_accept": False},
        "citation": "none",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "size": path.stat().st_size,
        **({"url": url} if url else {"instructions": "Ask Anna for the zip."}),
        **fields,
    }
    record = {"format": "breastseg-catalogue-1", "models": [entry]}
    (library / "catalogue.json").write_text(json.dumps(record), encoding="utf-8")


def served(content):
    return lambda request: request.serve(content)


# --- the list --------------------------------------------------------------------------------------------------------


def test_the_list_says_licence_file_and_command(library, capsys):
    code, out, err = call(capsys, "models", "catalogue")
    assert (code, err) == (0, "")
    assert "mama-mia: MAMA-MIA baseline" in out
    assert "CC BY-NC 4.0, https://creativecommons.org/licenses/by-nc/4.0/, has to be accepted" in out
    assert "models install mama-mia --file ZIP --accept-licence" in out
    assert str(library / "catalogue.json") in out


def test_the_list_shows_own_entries_and_what_is_wrong_with_others(library, capsys, model_zip):
    own_entry(library, model_zip, "https://files.example.org/m.zip", size=1_500_000_000)
    out = call(capsys, "models", "catalogue", "clinic")[1]
    assert "Size: 1.5 GB" in out and "Install: models install clinic\n" in out and "MAMA-MIA" not in out
    own_entry(library, model_zip, labels={})
    out = call(capsys, "models", "catalogue")[1]
    assert "mama-mia" in out and "Not usable: The model catalogue's entry 'clinic' is wrong: labels" in out
    assert "labels is not" in refused(capsys, library, "models", "catalogue", "clinic")


def test_json_and_schema_are_for_programs(library, capsys, model_zip):
    own_entry(library, model_zip)
    record = json.loads(call(capsys, "models", "catalogue", "--json")[1])
    assert [entry["name"] for entry in record["models"]] == ["mama-mia", "clinic"]
    assert record["models"][0]["licence"]["must_accept"] is True
    assert record["models"][1]["install"] == "models install clinic --file ZIP"
    assert record["problems"] == []
    schema = json.loads(call(capsys, "models", "catalogue", "--schema")[1])
    jsonschema.validate(json.loads((library / "catalogue.json").read_text()), schema)


# --- the user's own file ---------------------------------------------------------------------------------------------


def test_mama_mia_installs_from_the_users_zip_with_its_recipe(library, capsys, model_zip):
    line = refused(capsys, library, "models", "install", "mama-mia", "--file", model_zip)
    assert "licence of mama-mia has to be accepted: CC BY-NC 4.0" in line and "--accept-licence" in line
    line = refused(capsys, library, "models", "install", "mama-mia", "--accept-licence")
    assert "cannot be downloaded" in line and "Synapse" in line and "--file ZIP" in line
    code, out, err = call(capsys, "models", "install", "mama-mia", "--file", model_zip, "--accept-licence")
    assert (code, "mama-mia" in out) == (0, True), err
    model = find_model("mama-mia")
    assert model.recipe_source == "mama-mia-first-post"
    assert model.card["labels"]["lesion"] == {"value": 1, "terminology": "neoplasm"}
    assert model.card["licence"] == catalogue.entry("mama-mia").licence.text
    assert model.folds == ("0", "1")


def test_the_unpacked_folder_does_as_well(library, capsys, model_zip, tmp_path):
    with zipfile.ZipFile(model_zip) as archive:
        archive.extractall(tmp_path / "unpacked")
    folder = tmp_path / "unpacked" / "Dataset105_full_image"
    code, _, err = call(capsys, "models", "install", "mama-mia", "--file", folder, "--accept-licence", "--name", "mm")
    assert code == 0, err
    assert find_model("mm").recipe_source == "mama-mia-first-post"


def test_a_file_that_is_not_that_of_the_entry_is_refused(library, capsys, model_zip, tmp_path):
    own_entry(library, model_zip)
    install = ("models", "install", "clinic", "--file")
    other = tmp_path / "other.zip"
    content = bytearray(model_zip.read_bytes())
    other.write_bytes(content[:-1])
    assert "bytes; that of clinic has" in refused(capsys, library, *install, other)
    content[1000] ^= 1
    other.write_bytes(content)
    assert "SHA-256 differs" in refused(capsys, library, *install, other)
    assert "has to be a zip" in refused(capsys, library, *install, tmp_path)
    line = refused(capsys, library, *install, tmp_path / "missing.zip")
    assert "no such file" in line and "Ask Anna" in line
    assert call(capsys, *install, model_zip)[0] == 0


# --- downloads -------------------------------------------------------------------------------------------------------


def test_an_entry_with_an_address_is_downloaded_and_installed(library, capsys, model_zip):
    with serving(served(model_zip.read_bytes())) as server:
        own_entry(library, model_zip, server.url())
        code, out, err = call(capsys, "models", "install", "clinic")
        assert code == 0, err
        assert "clinic" in out and "Downloading" in err
    assert find_model("clinic").card["citation"] == "none"
    assert not list((library / ".downloads").iterdir())
    assert call(capsys, "models", "list")[1].count("clinic") >= 1


def test_a_taken_name_is_told_before_anything_is_downloaded(library, capsys, model_zip):
    with serving(served(model_zip.read_bytes())) as server:
        own_entry(library, model_zip, server.url())
        assert call(capsys, "models", "install", "clinic")[0] == 0
        assert "clinic" in refused(capsys, library, "models", "install", "clinic")
        assert len(server.requests) == 1
        assert call(capsys, "models", "install", "clinic", "--name", "second")[0] == 0


def test_a_download_is_kept_when_it_is_no_model_and_not_downloaded_again(library, capsys, tmp_path):
    path = tmp_path / "empty.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    with serving(served(path.read_bytes())) as server:
        own_entry(library, path, server.url())
        for _ in range(2):
            code, _, err = call(capsys, "models", "install", "clinic")
            assert code == 2 and "holds no nnU-Net model" in err
        assert len(server.requests) == 1
    assert not list(library.glob("*/breastseg.json"))


def test_a_proxy_can_be_given(library, capsys, model_zip):
    with serving(served(model_zip.read_bytes())) as proxy:
        own_entry(library, model_zip, "http://127.0.0.1:9/clinic.zip")
        code, _, err = call(capsys, "models", "install", "clinic", "--proxy", f"http://{proxy.address}")
        assert code == 0, err
        assert proxy.requests[0].path == "http://127.0.0.1:9/clinic.zip"


# --- for a window ----------------------------------------------------------------------------------------------------


def events_of(out):
    return [json.loads(line) for line in out.splitlines()]


def test_events_tell_progress_and_result(library, capsys, model_zip):
    with serving(served(model_zip.read_bytes())) as server:
        own_entry(library, model_zip, server.url())
        code, out, err = call(capsys, "models", "install", "clinic", "--events")
    assert (code, err) == (0, "")
    *progress, last = events_of(out)
    assert {event["event"] for event in progress} == {"progress"}
    assert all(set(event) == {"event", "stage", "done", "total", "eta_s"} for event in progress)
    assert progress[0]["stage"] == "Downloading"
    size = model_zip.stat().st_size
    assert any(event["stage"] == "Downloading" and event["done"] == event["total"] == size for event in progress)
    assert last["event"] == "result" and [model["name"] for model in last["models"]] == ["clinic"]


def test_events_tell_an_error_with_code_and_hint(library, capsys, model_zip):
    code, out, err = call(capsys, "models", "install", "mama-mia", "--file", model_zip, "--events")
    assert code == 2 and err.startswith("Error: ")
    (event,) = events_of(out)
    assert event["event"] == "error" and event["code"] == "needs-licence"
    assert "has to be accepted" in event["message"] and "--accept-licence" in event["hint"]


@pytest.mark.skipif(os.name == "nt", reason="Windows interrupts a process in another way")
@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_an_interrupted_download_goes_on_later(library, model_zip, how):
    """As the window does it: a child process, interrupted or killed in the middle, then started again."""
    content = model_zip.read_bytes()
    half = len(content) // 2

    def slow(request):
        request.answer(200, content[:half], length=len(content), ETag='"one"')
        server.closing.wait(20)

    command = [sys.executable, "-u", "-m", "BreastSegLib", "models", "install", "clinic", "--events"]
    with serving(slow, served(content)) as server:
        own_entry(library, model_zip, server.url())
        with subprocess.Popen(
            deaf(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        ) as child:
            for line in child.stdout:
                if json.loads(line)["done"] >= half:
                    break
            child.send_signal(getattr(signal, how))
            out, err = child.communicate(timeout=60)
        if how == "SIGINT":
            assert child.returncode == 130 and "Cancelled" in err
            assert events_of(out)[-1]["code"] == "cancelled"
        assert [path.stat().st_size for path in (library / ".downloads").glob("*.part")] == [half]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60)
        assert done.returncode == 0, done.stderr
        assert server.requests[1].header("Range") == f"bytes={half}-"
    assert find_model("clinic").name == "clinic"


def deaf(command):
    """Return a command that starts deaf to interrupts, as everything does that a shell starts in the background."""
    return ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command]


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
