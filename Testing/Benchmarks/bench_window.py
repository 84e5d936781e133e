"""How long the window stands still while a large exam is loaded and segmented (stand-in application).

``python3 Testing/run.py bench window [--small]``

The exam has 360 x 360 x 180 voxels and three phases (93 MB each as float32). What remains in the main thread are
single calls to the scene, one in each turn of the event loop; drawing the views in software is left out, as a graphics
card does that in Slicer.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import SimpleITK as sitk

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[2]


def write_files(folder, small):
    """Write a large sample exam as uncompressed phase files and return their paths."""
    from BreastSegLib.samples.dce import make_dce_exam

    shape, spacing = ((40, 96, 160), (1.2, 1.2, 2.0)) if small else ((180, 360, 360), (0.54, 0.32, 0.45))
    sample = make_dce_exam(101, shape=shape, spacing=spacing, posts=2)
    paths = []
    for index, volume in enumerate(sample.exam.volumes):
        paths.append(str(folder / f"phase{index}.mha"))
        sitk.WriteImage(volume.to_sitk(), paths[-1])
    return paths


def turn(panel):
    """Let the event loop turn until the panel has finished."""
    import slicer

    while panel.working:
        slicer.app.processEvents()
        time.sleep(0.002)


def measure(name, action, panel):
    """Run one action under the meter and print the longest stretches without an event."""
    from Host.eventloop import BlockMeter

    start = time.perf_counter()
    with BlockMeter() as meter:
        action()
        turn(panel)
    blocks = sorted((block.seconds - block.drawing for block in meter.blocks), reverse=True)
    print(
        f"{name:10s} {time.perf_counter() - start:6.1f} s in all; longest stretches without an event (ms): "
        + ", ".join(f"{1000 * seconds:.0f}" for seconds in blocks[:5])
    )
    return meter


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="the ordinary sample exam instead")
    parser.add_argument("--where", action="store_true", help="also print where the main thread was")
    options = parser.parse_args()
    from Host import application

    host = application.start([ROOT / "BreastSeg"], testing=True)
    host.moduleManager.selectModule("BreastSeg")
    import slicer

    panel = slicer.util.getModuleWidget("BreastSeg").panel
    with tempfile.TemporaryDirectory(prefix="breastseg-bench-") as folder:
        paths = write_files(Path(folder), options.small)
        panel.examStep.setFiles(paths)
        meters = [measure("loading", panel.ui.loadButton.click, panel)]
        if panel.examStep.exam is None:
            sys.exit(panel.ui.statusLabel.text)
        panel.modelStep.chooseModel("demo-dce")
        panel.modelStep.chooseDevice("cpu")
        meters.append(measure("segmenting", panel.ui.segmentButton.click, panel))
        if panel.result is None:
            sys.exit(panel.ui.statusLabel.text)
        if options.where:
            print(*(meter.report() for meter in meters), sep="\n")
    application.stop()


if __name__ == "__main__":
    main()
