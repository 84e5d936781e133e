"""The demo: a synthetic DICOM exam goes through the BreastSeg panel in the stand-in application, as a user does it.

``python3 Testing/run.py demo [--seed N]`` leaves segmentation, run record, report and screenshots in ``demo-output/``.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 900


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "demo-output")
    parser.add_argument(
        "--seed", type=int, default=42, help="which synthetic exam (below 10000: never used in training)"
    )
    options = parser.parse_args()
    output = fresh_folder(options.output)
    say("Writing a synthetic DICOM exam (seed {})", options.seed)
    sample = write_exam(output, options.seed)
    say("Opening the BreastSeg module")
    from Host import application, screenshots

    host = application.start([ROOT / "BreastSeg"], testing=True)
    host.moduleManager.selectModule("BreastSeg")
    import slicer

    panel = slicer.util.getModuleWidget("BreastSeg").panel
    load_exam(panel, output / "exam")
    screenshots.layoutScreenshot(str(output / "1-exam-loaded.png"), size=(1440, 960))
    result = press_segment(panel)
    save(result, sample, panel, output, screenshots)
    application.stop()
    return 0


def fresh_folder(folder):
    """Empty the demo's own folder; a folder that the demo did not make is left alone."""
    mark = folder / ".breastseg-demo"
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        sys.exit(f"{folder} holds something that is not a demo's result. Give --output with the name of a new folder.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.touch()
    return folder


def write_exam(output, seed):
    """Write the sample exam as DICOM and return it."""
    from BreastSegLib.samples.dce import make_dce_exam
    from BreastSegLib.samples.writing import write_dce_sample

    sample = make_dce_exam(seed)
    folder = write_dce_sample(sample, output / "sample")
    for item in folder.iterdir():
        item.rename(output / item.name)
    folder.rmdir()
    return sample


def load_exam(panel, folder):
    """Choose the folder and press "Load exam"."""
    panel.examStep.setFolder(str(folder))
    panel.ui.loadButton.click()
    wait_until_idle(panel, "Loading the exam")
    if panel.examStep.exam is None:
        sys.exit(f"The exam could not be loaded: {panel.ui.statusLabel.text}")
    for phase in panel.examStep.exam.phases:
        say("  {:16s} {}", phase.title, phase.evidence)


def press_segment(panel):
    """Choose the demo model and the CPU or GPU, press the primary button and wait for the result."""
    import shutil as tools

    panel.modelStep.chooseModel("demo-dce")
    panel.modelStep.chooseDevice("auto" if tools.which("nvidia-smi") else "cpu")
    panel.ui.segmentButton.click()
    wait_until_idle(panel, "Segmenting")
    if panel.result is None:
        sys.exit(f"The run failed: {panel.ui.statusLabel.text}")
    return panel.result


def wait_until_idle(panel, what):
    """Let the event loop turn until the panel has finished; show its stages."""
    import slicer

    shown, end = None, time.monotonic() + PATIENCE_S
    while panel.working:
        slicer.app.processEvents()
        stage = panel.ui.stageLabel.text.split(" – ")[0]
        if stage and stage != shown:
            shown = stage
            say("  {} …", stage)
        if time.monotonic() > end:
            sys.exit(f"{what} did not end within {PATIENCE_S} s")
        time.sleep(0.005)


def save(result, sample, panel, output, screenshots):
    """Save segmentation, run record, report and screenshots, and print how good the result is."""
    import slicer
    from BreastSegLib.files import write_json

    reference = panel.examStep.exam.reference
    segment_ids = [
        result.node.GetSegmentation().GetNthSegmentID(i)
        for i in range(result.node.GetSegmentation().GetNumberOfSegments())
    ]
    mask = np.zeros(sample.truth.array.shape, np.uint8)
    for segment_id in segment_ids:
        mask |= (slicer.util.arrayFromSegmentBinaryLabelmap(result.node, segment_id, reference) > 0).astype(np.uint8)
    truth = sample.truth.array > 0
    dice = 2 * np.count_nonzero(mask & truth) / max(np.count_nonzero(mask) + np.count_nonzero(truth), 1)
    if not slicer.util.saveNode(result.node, str(output / "segmentation.seg.nrrd")):
        sys.exit("The segmentation could not be saved")
    screenshots.layoutScreenshot(str(output / "2-result.png"), size=(1440, 960))
    screenshots.sliceViewScreenshot("Red", str(output / "3-slice-view.png"))
    screenshots.threeDScreenshot(str(output / "4-3d-view.png"))
    screenshots.panelScreenshot(slicer.util.getModuleWidget("BreastSeg"), str(output / "5-panel.png"))
    write_json(output / "run.json", result.record)
    write_reports(output, mask, result)
    say("")
    for number, lesion in enumerate(result.lesions, 1):
        say("Lesion {}: {} breast, {:.2f} cm³", number, lesion["side"] or "unknown", lesion["volume_mm3"] / 1000)
    for mass in sample.masses:
        say("Truth:    {} breast, {:.2f} cm³", mass.side, mass.volume_mm3 / 1000)
    say("Dice against the truth: {:.3f} (synthetic exam, demo model: for trying out only)", dice)
    say("Time: {}", ", ".join(f"{stage.lower()} {seconds:.1f} s" for stage, seconds in result.timings.items()))
    say("Look at {}/report.html, report.pdf and the pictures beside them.", output)


def write_reports(output, mask, result):
    """Write the measures, and the report as a page and as PDF with the 3D view of the application."""
    from BreastSegLib.files import write_json
    from BreastSegLib.inference.client import WorkerClient

    write_json(output / "measures.json", result.measures)
    np.save(output / "mask.npy", mask)
    request = {
        "source": {"folder": str(output / "exam")},
        "mask": str(output / "mask.npy"),
        "measures": result.measures,
        "record": result.record,
        "model": result.record["model"]["name"],
        "outputs": {"html": str(output / "report.html"), "pdf": str(output / "report.pdf")},
        "pictures": [["Segmentation in the application's 3D view", str(output / "4-3d-view.png")]],
    }
    client = WorkerClient()
    try:
        client.start()
        client.wait(client.send("export", **request))
    finally:
        client.close()
    (output / "mask.npy").unlink()


def say(text, *values):
    """Print one line at once."""
    sys.stdout.write((text.format(*values) if values else text) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
