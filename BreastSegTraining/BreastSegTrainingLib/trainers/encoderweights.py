"""Pretrained weights of an encoder: from a file, or by the name of the data they were trained on from the hub."""

import pickle
import zipfile
from pathlib import Path

import torch

from .failures import EncoderWeightsUnfit

_CONTAINERS = ("state_dict", "model_state_dict", "model", "network_weights")


def load(network, source):
    """Put pretrained weights into the encoder of a network, in place.

    Every weight and every running statistic of the encoder has to be in the file; a first layer of another number of
    channels is adapted: to one channel by the sum over the channels, else by repeating them with the same total.
    What else a file holds, such as a classifier, is left out and told.

    Parameters
    ----------
    network : torch.nn.Module
        With an ``encoder``.
    source : str
        A file of torch (opened without running what it holds) or of safetensors; or ``imagenet``: from the hub of
        segmentation-models-pytorch.

    Returns
    -------
    str
        A sentence about what was taken.

    Raises
    ------
    EncoderWeightsUnfit
    """
    encoder = getattr(network, "encoder", None)
    name = getattr(encoder, "name", None)
    if name is None:
        raise EncoderWeightsUnfit("encoder_weights are set, but the network of the plans has no encoder to take them")
    weights = _from_hub(name) if source == "imagenet" else _from_file(source)
    prefix, others = _prefix(weights, encoder.state_dict())
    given = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
    fitted = _fitted(given, encoder.state_dict(), source)
    encoder.load_state_dict(fitted)
    left = len(weights) - sum(key in given for key in fitted)
    note = f"Encoder weights of {name} taken from {Path(source).name}"
    note += f", of its part {prefix.rstrip('.')}" if prefix else ""
    note += f" (there are others: {', '.join(other.rstrip('.') for other in others)})" if others else ""
    return note + (f"; {left} other tensors of the file are not used" if left else "")


def _from_hub(name):
    try:
        from segmentation_models_pytorch.encoders import get_encoder

        return get_encoder(name, weights="imagenet").state_dict()
    except KeyError as error:
        raise EncoderWeightsUnfit(f"The hub has no imagenet weights for the encoder {name}: give a file") from error
    except Exception as error:  # what a missing connection leads to depends on the libraries between
        raise EncoderWeightsUnfit(
            f"The imagenet weights of {name} could not be got from the hub ({type(error).__name__}): connect, or set "
            "encoder_weights to a file"
        ) from error


def _from_file(source):
    path = Path(source)
    if not path.is_file():
        raise EncoderWeightsUnfit(f"There is no file of encoder weights {source}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content = load_file(path, device="cpu")
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise EncoderWeightsUnfit(
            f"The file {path.name} asks for more than weights need, so it is not opened: save its state_dict alone"
        ) from error
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise EncoderWeightsUnfit(f"The file {path.name} of encoder weights is damaged") from error
    except Exception as error:  # safetensors has an error of its own for damaged files
        raise EncoderWeightsUnfit(f"The file {path.name} of encoder weights is damaged") from error
    for key in _CONTAINERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    tensors = {}
    if isinstance(content, dict):
        tensors = {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise EncoderWeightsUnfit(f"The file {path.name} holds no weights")
    return tensors


def _prefix(weights, wanted):
    """Return the beginning of the file's names under which most of the encoder lies, and others just as good."""
    found = {}
    for key in weights:
        for end in wanted:
            if key == end or key.endswith("." + end):
                prefix = key[: len(key) - len(end)]
                found[prefix] = found.get(prefix, 0) + 1
    if not found:
        return "", []
    most = max(found.values())
    best = [prefix for prefix in found if found[prefix] == most]
    return best[0], best[1:]


def _fitted(given, wanted, source):
    result, misfits = {}, []
    for key, now in wanted.items():
        if key not in given:
            if key.endswith("num_batches_tracked"):
                result[key] = now
            else:
                misfits.append(f"{key} is missing")
        elif given[key].shape == now.shape:
            result[key] = given[key]
        elif _is_other_channels(given[key].shape, now.shape) and key == next(iter(wanted)):
            result[key] = adapted(given[key], now.shape[1])
        else:
            sizes = ["×".join(map(str, tensor.shape)) for tensor in (given[key], now)]
            misfits.append(f"{key} is {sizes[0]}, the encoder's is {sizes[1]}")
    if misfits:
        more = f" and {len(misfits) - 3} more" if len(misfits) > 3 else ""
        raise EncoderWeightsUnfit(f"{Path(source).name} does not fit the encoder: {'; '.join(misfits[:3])}{more}")
    return result


def _is_other_channels(given, wanted):
    return len(given) == len(wanted) == 4 and given[0] == wanted[0] and given[2:] == wanted[2:]


def adapted(weight, channels):
    """Return a first layer's weights (outputs, inputs, y, x) for another number of inputs.

    One input takes the sum over the inputs, so that a grey image counts as before; several take the given inputs in
    turn, scaled to the same total.
    """
    if channels == 1:
        return weight.sum(1, keepdim=True)
    order = [index % weight.shape[1] for index in range(channels)]
    return weight[:, order] * (weight.shape[1] / channels)
