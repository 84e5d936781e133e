"""The check of an interpreter, on interpreters that lack things, hang, crash, or are none."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from BreastSegLib.commands import run
from BreastSegLib.commands.environment import screen
from BreastSegLib.inference import checkup, environment, requirements
from BreastSegLib.inference.checkup import Checkup, install_all, rows, works

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-ins for interpreters are shell scripts")

TORCH = """
__version__ = "2.12.1+cpu"
class cuda:
    is_available = staticmethod(lambda: False)
class version:
    cuda = hip = None
"""
# distribution: (version, file of the module, its source, requirements)
PACKAGES = {
    "numpy": ("2.4.6", "numpy.py", "", ()),
    "scipy": ("1.17.1", "scipy/ndimage.py", "", ()),
    "SimpleITK": ("2.5.5", "SimpleITK.py", "", ()),
    "pydicom": ("3.0.2", "pydicom.py", "", ()),
    "scikit-image": ("0.26.0", "skimage/measure.py", "", ()),
    "torch": ("2.12.1+cpu", "torch.py", TORCH, ()),
    "torchvision": ("0.27.1", "torchvision.py", "", ("numpy", "torch==2.12.1")),
    "timm": ("1.0.22", "timm.py", "", ()),
    "nnunetv2": ("2.8.1", "nnunetv2/inference/predict_from_raw_data.py", "", ()),
}


@pytest.fixture
def python(tmp_path):
    """A script that starts the running Python without its installed packages."""
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def check(tmp_path, python):
    """Return a function that checks an interpreter with stand-ins for packages."""

    def run_check(limit_s=20.0, without=(), **changes):
        site = tmp_path / "site"
        for name, row in PACKAGES.items():
            if name not in without:
                key = name.replace("-", "_")
                _write_package(
                    site, name, **{**dict(zip(("version", "file", "source", "needs"), row)), **changes.get(key, {})}
                )
        variables = {**os.environ, "PYTHONPATH": str(site)}
        with Checkup(python, variables, limit_s=60.0, import_limit_s=limit_s) as made:
            return made.wait()

    return run_check


def _write_package(site, name, version, file, source, needs):
    path = site / file
    path.parent.mkdir(parents=True, exist_ok=True)
    for folder in path.parents:
        if folder == site:
            break
        (folder / "__init__.py").touch()
    path.write_text(source)
    if version is None:
        return
    record = site / f"{name.replace('-', '_')}-{version}.dist-info"
    record.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {n}" for n in needs)]
    (record / "METADATA").write_text("\n".join(lines) + "\n")


def row_of(report, what):
    return next(row for row in rows(report) if row["what"] == what)


def script(tmp_path, text):
    path = tmp_path / "interpreter"
    path.write_text(text)
    path.chmod(0o755)
    return path


def failure(path, **limits):
    with Checkup(path, **limits) as made:
        report = made.wait()
    (row,) = rows(report)
    assert row["state"] == "missing" and row["mend"] == checkup.CHOOSE
    assert not works(report)
    return row["found"]


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def await_(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"did not happen within {seconds} s"
        time.sleep(0.02)


# --- packages --------------------------------------------------------------------------------------------------------


def test_an_interpreter_with_everything_works_and_nothing_is_to_be_mended_but_the_gpu(check):
    report = check()
    assert {row["what"] for row in rows(report) if row["state"] != "ok"} == {"GPU"}
    assert works(report)
    assert row_of(report, "torch")["found"] == "2.12.1+cpu"
    assert "this PyTorch has no CUDA support" in row_of(report, "GPU")["found"]


def test_every_missing_package_is_named_with_the_command_that_installs_it(python):
    with Checkup(python, {**os.environ, "PYTHONPATH": ""}) as made:
        report = made.wait()
    assert {row["what"] for row in rows(report) if row["state"] == "missing"} == set(PACKAGES)
    assert row_of(report, "pydicom")["mend"].endswith('-m pip install --upgrade "pydicom>=3.0"')
    assert row_of(report, "torchvision")["mend"].endswith('--upgrade "torch>=2.6,!=2.9.*" torchvision')
    text = screen(report)
    assert text.count("pip install") == 1
    assert all(name in text.splitlines()[-1] for name in PACKAGES)


def test_the_torch_that_nnunet_excludes_is_refused(check):
    report = check(torch={"version": "2.9.1", "source": TORCH}, torchvision={"needs": ("torch==2.9.1",)})
    assert row_of(report, "torch")["found"] == "version 2.9.1 does not work"
    assert '"torch>=2.6,!=2.9.*"' in row_of(report, "torch")["mend"]
    assert not works(report)


def test_an_nnunet_that_was_not_tested_is_a_note_and_no_obstacle(check):
    report = check(nnunetv2={"version": "2.7.0"})
    row = row_of(report, "nnunetv2")
    assert row["state"] == "warning" and "the version that was tested is 2.8.1" in row["found"]
    assert works(report)


def test_torch_and_torchvision_that_do_not_match_are_told(check):
    source = "raise RuntimeError('operator torchvision::nms does not exist')"
    report = check(torch={"version": "2.13.0", "source": TORCH}, torchvision={"source": source})
    row = row_of(report, "torchvision")
    assert "torchvision 0.27.1 is made for torch 2.12.1, not 2.13.0" in row["found"]
    assert "operator torchvision::nms does not exist" in row["found"]
    assert "--force-reinstall" in row["mend"] and not works(report)


def test_a_pair_that_does_not_match_but_imports_is_a_note(check):
    report = check(torch={"version": "2.12.0", "source": TORCH})
    assert row_of(report, "torchvision")["state"] == "warning"
    assert works(report)


def test_a_package_without_a_record_gives_its_own_version(check):
    report = check(SimpleITK={"version": None, "source": "__version__ = '2.3.0'"})
    assert row_of(report, "SimpleITK")["found"] == "version 2.3.0 does not work"


def test_what_a_package_prints_does_not_disturb_the_answer(check):
    report = check(numpy={"source": "import os; print('hello'); os.write(1, b'{\"begin\": 5}\\n')"})
    assert works(report)


def test_an_import_that_fails_is_told_in_its_first_line(check):
    report = check(nnunetv2={"source": "raise ImportError('cannot import name x\\nmore')"})
    assert row_of(report, "nnunetv2")["found"] == "2.8.1, cannot be imported: ImportError: cannot import name x"
    assert not works(report)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import time; time.sleep(600)", "did not finish importing within 3 s"),
        ("import os; os._exit(5)", "crashed while it was imported (exit code 5)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed while it was imported (signal 11)"),
        ("import os; os.write(2, b'no such symbol\\n'); os.abort()", "crashed while it was imported (no such symbol)"),
    ],
)
def test_an_import_that_hangs_or_crashes_is_told_and_the_others_are_still_tried(check, source, expected):
    report = check(limit_s=3.0, scikit_image={"source": source})
    assert expected in row_of(report, "scikit-image")["found"]
    assert row_of(report, "nnunetv2")["state"] == "ok"
    assert not works(report)


def test_what_needs_a_torch_that_hangs_is_not_tried(check):
    report = check(limit_s=3.0, torch={"source": "import time; time.sleep(600)"})
    assert "did not finish importing" in row_of(report, "torch")["found"]
    assert "was not tried, as torch does not work" in row_of(report, "nnunetv2")["found"]
    assert row_of(report, "scikit-image")["state"] == "ok"
    assert "torch" in install_all(report)


def test_in_slicer_the_pytorch_extension_is_the_remedy(check):
    report = check(without=("torch", "scikit-image"))
    report["slicer"] = True
    assert "extension PyTorch" in row_of(report, "torch")["mend"]
    assert row_of(report, "scikit-image")["mend"].startswith("Press Segment")
    assert install_all(report) == ""


# --- interpreters that are none --------------------------------------------------------------------------------------


def test_a_program_that_does_not_exist_is_told(tmp_path):
    assert failure(tmp_path / "nothing").endswith("There is no such program")


def test_a_folder_is_no_interpreter(tmp_path):
    assert "It cannot be started" in failure(tmp_path)


def test_a_path_that_is_none_is_told():
    assert "It cannot be started" in failure("a\0b")


def test_an_interpreter_that_hangs_is_ended_with_what_it_started(tmp_path):
    path = script(tmp_path, f"#!/bin/sh\nsleep 600 &\necho $! > {tmp_path}/pid\nsleep 600\n")
    assert failure(path, limit_s=1.0).endswith("It did not answer within 1 s")
    pid = int((tmp_path / "pid").read_text())
    await_(lambda: gone(pid))


def test_an_interpreter_that_prints_rubbish_is_told(tmp_path):
    path = script(
        tmp_path, "#!/bin/sh\nprintf 'a\\377\\000b\\n{\"format\": 3}\\n[1]\\n'; echo 'Try --help' >&2; exit 2\n"
    )
    assert failure(path).endswith("It is no working Python: it ended with exit code 2 and said: Try --help")


def test_an_interpreter_that_writes_without_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(checkup, "OUTPUT_LIMIT", 100_000)
    assert "It writes without end" in failure(script(tmp_path, "#!/bin/sh\nexec yes\n"), limit_s=30.0)


@pytest.mark.parametrize("said", ["SyntaxError: invalid syntax", "ImportError: No module named queue"])
def test_a_python_of_another_age_is_told_by_its_error(tmp_path, said):
    assert failure(script(tmp_path, f"#!/bin/sh\necho '{said}' >&2; exit 1\n")).endswith("a Python that is too old")


def test_a_python_that_is_too_old_is_told_before_anything_is_imported(monkeypatch):
    monkeypatch.setattr(environment, "OLDEST_PYTHON", (9, 1))
    report = environment.survey()
    (row,) = rows(report)
    assert row["found"].endswith("is too old") and row["mend"] == checkup.CHOOSE
    assert report["packages"] == {}


@pytest.mark.parametrize("name", ["environment.py", "requirements.py", "hostmemory.py"])
def test_an_old_interpreter_can_read_the_files_that_answer(name):
    import ast

    ast.parse((Path(environment.__file__).parent / name).read_text(encoding="utf-8"), feature_version=(3, 7))


# --- never waiting, nothing left -------------------------------------------------------------------------------------


def test_asking_never_blocks_and_the_answer_stays(check, tmp_path):
    path = script(tmp_path, f'#!/bin/sh\nsleep 0.5\nexec "{sys.executable}" -S "$@"\n')
    with Checkup(path, {**os.environ, "PYTHONPATH": ""}) as made:
        slowest = 0.0
        while made.poll() is None:
            began = time.perf_counter()
            made.poll()
            slowest = max(slowest, time.perf_counter() - began)
            time.sleep(0.01)
        assert slowest < 0.3
        assert made.poll() is made.poll() is made.wait()


def test_closing_ends_the_check_with_everything_it_started(tmp_path, python):
    site = tmp_path / "site"
    source = f"import os, time; open(r'{tmp_path}/pid', 'w').write(str(os.getpid())); time.sleep(600)"
    _write_package(site, "numpy", "2.4.6", "numpy.py", source, ())
    made = Checkup(python, {**os.environ, "PYTHONPATH": str(site)})
    await_(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text())
    pid = int((tmp_path / "pid").read_text())
    made.close()
    await_(lambda: gone(pid))
    assert made.poll()["failed"]["why"] == "The check was stopped"
    made.close()


def test_the_check_ends_when_whoever_asked_is_gone(tmp_path, python):
    site = tmp_path / "site"
    source = f"import os, time; open(r'{tmp_path}/pid', 'w').write(str(os.getpid())); time.sleep(600)"
    _write_package(site, "numpy", "2.4.6", "numpy.py", source, ())
    code = f"import time; from BreastSegLib.inference.checkup import Checkup; c = Checkup({str(python)!r})"
    paths = os.pathsep.join([str(checkup.PACKAGE_FOLDER), str(site)])
    parent = subprocess.Popen(
        [sys.executable, "-S", "-c", f"{code}; time.sleep(600)"], env={**os.environ, "PYTHONPATH": paths}
    )
    await_(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text())
    pid = int((tmp_path / "pid").read_text())
    parent.kill()
    parent.wait()
    await_(lambda: gone(pid))


def test_a_relative_path_counts_from_where_the_user_is(tmp_path, python, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Checkup("./python", {**os.environ, "PYTHONPATH": ""}) as made:
        assert made.wait()["python"]["ok"]


# --- what else is told -----------------------------------------------------------------------------------------------


def test_a_temporary_folder_that_cannot_be_written_is_an_obstacle(monkeypatch, tmp_path):
    monkeypatch.setattr(environment.tempfile, "gettempdir", lambda: str(tmp_path / "gone"))
    row = checkup._temporary_row(environment._temporary_folder())
    assert row["state"] == "missing" and "TMPDIR" in row["mend"]


def test_little_memory_little_room_and_strange_letters_are_notes():
    assert checkup._memory_row({"total": 2**34, "free": 2**30})["state"] == "warning"
    temp = {"path": "/tmp/ä", "writable": True, "ascii": False, "total": 2**40, "free": 2**39}
    assert "plain letters" in checkup._temporary_row(temp)["mend"]
    assert "Free some space" in checkup._temporary_row({**temp, "free": 2**30})["mend"]


def test_gpus_are_listed_with_their_memory_and_their_problems(check):
    report = check()
    gpu = {"device": "cuda:0", "name": "RTX", "memory_total": 12 * 2**30, "memory_free": 3 * 2**29, "problem": ""}
    report["devices"] = [gpu, {**gpu, "device": "cuda:1", "problem": "The GPU RTX is not supported"}]
    report["gpu"] = None
    assert row_of(report, "cuda:0")["found"] == "RTX, 1.5 GB of 12.0 GB free"
    assert row_of(report, "cuda:1")["state"] == "warning"
    assert works(report)


@pytest.mark.parametrize(
    ("version", "conditions", "expected"),
    [
        ("2.12.1+cu130", ">=2.6,!=2.9.*", (True, True)),
        ("2.9.0", ">=2.6,!=2.9.*", (False, True)),
        ("2.90", "!=2.9.*", (True, True)),
        ("2.6", ">=2.6.0", (True, True)),
        ("2.5.9", ">=2.6", (False, True)),
        ("2.8.1", "==2.8.1", (True, True)),
        ("2.8.1.post1", "==2.8.1", (True, True)),
        ("2.7", "==2.8.*", (True, False)),
        ("1.0", "<1.0", (False, True)),
        ("0.9rc1", "<=0.9", (True, True)),
        ("anything", "", (True, True)),
    ],
)
def test_versions_are_compared_by_their_numbers(version, conditions, expected):
    assert requirements.compare(version, conditions) == expected


def test_the_data_file_is_what_the_project_itself_declares():
    import tomllib

    declared = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"]
    listed = {name + conditions for name, conditions in requirements.read_requirements().items()}
    assert listed - {"timm"} <= {*declared["dependencies"], *declared["optional-dependencies"]["models"]}
    assert declared["requires-python"] == ">=" + ".".join(map(str, environment.OLDEST_PYTHON))


def test_a_line_that_is_no_requirement_is_refused(tmp_path):
    (tmp_path / "r.txt").write_text("torch>=2 # fine\n\nnot a requirement\n")
    with pytest.raises(ValueError, match="not a requirement"):
        requirements.read_requirements(tmp_path / "r.txt")


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_says_in_one_screen_that_this_environment_works(capsys):
    pytest.importorskip("nnunetv2")
    assert run(["models", "check-environment"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24 and max(map(len, lines[:-1])) < 120
    assert lines[-1].startswith("A model can run")


def test_the_command_gives_everything_as_json_and_fails_for_what_cannot_work(capsys, tmp_path):
    assert run(["models", "check-environment", "--json", "--python", str(tmp_path / "nothing")]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["works"] is False and answer["rows"][0]["state"] == "missing"
