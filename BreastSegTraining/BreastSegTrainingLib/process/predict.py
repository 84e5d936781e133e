"""Segments cases of a raw dataset with the mean of a training's folds, one after the other, by nnU-Net's predictor."""

import logging
import os
import shutil
import sys
import traceback
from pathlib import Path

from BreastSegLib.files import read_json, write_error, write_json

from ..dataset.layout import remove_parts
from ..launch.predicting import FINAL
from .devices import name_for_people, set_up
from .faults import explain
from .trainerclass import find_trainer

PART = ".part-predict"


def run(training, path):
    """Do what a request file asks for, and answer in the file that it names; an exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    request = read_json(path)
    answer = Path(request["answer"])
    try:
        device = set_up(training.changed(device=request["device"]))
        predict(training, request, device)
    except Exception as error:  # whatever it is, the user gets one sentence, and the log all of it
        traceback.print_exc()
        code, message, hint = explain(error, training=False)
        write_json(answer, {"message": message, "hint": hint}, overwrite=True)
        return code
    write_json(answer, {"device": name_for_people(device)}, overwrite=True)
    return 0


def predict(training, request, device):
    """Write ``CASE.nii.gz`` (and ``CASE.npz``) for each case that has none yet; each file appears whole."""
    output, images = Path(request["output"]), Path(request["images"])
    remove_parts(output)
    predictor = None
    description = read_json(training.model / "dataset.json")
    ending, channels = description["file_ending"], len(description["channel_names"])
    for case in request["cases"]:
        wanted = [f"{case}{ending}", *([f"{case}.npz"] if request["probabilities"] else [])]
        if all((output / name).is_file() for name in wanted):
            continue
        predictor = predictor or _predictor(training, request["folds"], device, description)
        files = [str(images / f"{case}_{index:04d}{ending}") for index in range(channels)]
        part = output / PART
        try:
            part.mkdir(exist_ok=True)
            _one(predictor, files, part / case, request["probabilities"])
            for name in reversed(wanted):  # the mask last: it says that the case is done
                os.replace(part / name, output / name)
        except OSError as error:
            raise write_error(error, output / case) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _predictor(training, folds, device, description):
    """Return nnU-Net's predictor with the weights of all folds."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = PlansManager(read_json(training.model / "plans.json"))
    configuration = plans.get_configuration(training.configuration)
    # Our own files: written by a training in this work folder.
    contents = [
        torch.load(training.output(fold) / FINAL, map_location="cpu", weights_only=False, mmap=True) for fold in folds
    ]
    weights = [content["network_weights"] for content in contents]
    network = find_trainer(training.trainer, training.model / "trainers").build_network_architecture(
        plans,
        configuration,
        determine_num_input_channels(plans, configuration, description),
        plans.get_label_manager(description).num_segmentation_heads,
        enable_deep_supervision=False,
    )
    network.load_state_dict(weights[0])
    predictor = nnUNetPredictor(
        perform_everything_on_device=device.type == "cuda", device=device, allow_tqdm=False, verbose=False
    )
    mirrored = contents[0]["inference_allowed_mirroring_axes"]
    predictor.manual_initialization(
        network.to(device), plans, configuration, weights, description, training.trainer, mirrored
    )
    return predictor


def _one(predictor, files, truncated, probabilities):
    import torch
    from nnunetv2.inference.export_prediction import export_prediction_from_logits

    plans, configuration, description = (
        predictor.plans_manager,
        predictor.configuration_manager,
        predictor.dataset_json,
    )
    preprocessor = configuration.preprocessor_class(verbose=False)
    data, _, properties = preprocessor.run_case(files, None, plans, configuration, description)
    logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data)).cpu()
    export_prediction_from_logits(logits, properties, configuration, plans, description, str(truncated), probabilities)
