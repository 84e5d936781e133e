"""Our networks: their sizes, what a published model may ask for, how the worker builds them, pretrained encoders."""

import json

import pytest
import torch
from BreastSegLib.errors import BadInput
from BreastSegLib.inference.networks import architectures
from BreastSegLib.models.architecture import Unfit, check_architecture, limits
from BreastSegTrainingLib import trainers
from BreastSegTrainingLib.trainers import EncoderWeightsUnfit, encoderweights
from trainer_cases import make_preprocessed, make_trainer, ours, quiet, weights_of

NETWORKS = [
    ("BaselineUNet", {"features": [4, 8, 16]}, 40),
    ("UNet", {"encoder": "resnet22", "dropout": 0.2}, 64),
    ("UNet", {"encoder": "resnet18"}, 40),
    ("FPN", {"encoder": "resnet22", "dropout": 0.2}, 64),
    ("FPN", {"encoder": "resnet18"}, 64),
    ("UNetPlusPlus", {"encoder": "resnet18"}, 64),
    ("PSPNet", {"encoder": "resnet18"}, 40),
    ("LinkNet", {"encoder": "resnet18"}, 64),
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name, arguments, side", NETWORKS)
def test_networks_give_as_many_pixels_as_they_take(name, arguments, side):
    network = architectures.build(f"breastseg_networks.{name}", arguments, 2, 3).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 2, side, 2 * side)).shape == (1, 3, side, 2 * side)


def trainable(module):
    return sum(weight.numel() for weight in module.parameters() if weight.requires_grad)


@pytest.mark.parametrize("decoder", ["UNet", "FPN"])
def test_resnet22_has_exactly_as_many_parameters_as_its_source(decoder):
    network = architectures.build(decoder, {"encoder": "resnet22", "dropout": 0.2}, 1, 2)
    assert trainable(network.encoder) == 2_799_536


def test_resnet22_is_a_pre_activation_network_of_22_layers():
    encoder = architectures.build("UNet", {"encoder": "resnet22"}, 1, 2).encoder.eval()
    convolutions = [one for one in encoder.modules() if isinstance(one, torch.nn.Conv2d) and one.kernel_size != (1, 1)]
    assert len(convolutions) + 1 == 22  # the classifier's last layer is the 22nd
    features = encoder(torch.rand(1, 1, 128, 128))
    assert [tuple(one.shape[1:]) for one in features] == [
        (1, 128, 128), (16, 64, 64), (16, 32, 32), (32, 16, 16), (64, 8, 8), (128, 4, 4), (256, 2, 2)
    ]  # fmt: skip
    block, image = encoder.layer_list[1][0], torch.rand(1, 16, 8, 8)
    first = torch.relu(block.bn1(image))
    expected = block.conv2(torch.relu(block.bn2(block.conv1(first)))) + block.downsample(first)
    assert torch.allclose(block(image), expected)


def test_the_baseline_is_the_u_net_of_its_method():
    network = architectures.build("BaselineUNet", {}, 1, 2)
    widths = [[part.out_channels for part in block if isinstance(part, torch.nn.Conv2d)] for block in network.down]
    assert widths == [[64] * 2, [128] * 2, [256] * 2, [512] * 2]
    kinds = {type(one) for one in network.modules()}
    assert torch.nn.BatchNorm2d in kinds and torch.nn.ConvTranspose2d not in kinds
    # U-Net's size by hand: two 3×3 convolutions with batch norm on each level and at each step back, 1×1 at the end.
    level = lambda before, after: 9 * before * after + 9 * after * after + 4 * after  # noqa: E731
    by_hand = level(1, 64) + level(64, 128) + level(128, 256) + level(256, 512)
    by_hand += level(768, 256) + level(384, 128) + level(192, 64) + 64 * 2 + 2
    assert trainable(network) == by_hand


@pytest.mark.parametrize("decoder", ["UNet", "FPN"])
def test_spatial_dropout_leaves_out_whole_channels_in_training_only(decoder):
    network = architectures.build(decoder, {"encoder": "resnet22", "dropout": 0.2}, 1, 2)
    layers = [one for one in network.modules() if isinstance(one, torch.nn.Dropout2d)]
    assert [one.p for one in layers] == [0.2]
    seen = []
    network.segmentation_head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image = torch.rand(2, 1, 64, 64)
    network.eval()
    with torch.no_grad():
        assert torch.equal(network(image), network(image))
        network.train()
        network(image)
        network(image)
    left_out = [(one.flatten(2).abs().amax(2) == 0) for one in seen[2:]]
    assert left_out[0].any() and not torch.equal(*left_out)


# --- vetting of what a published model asks for


def vetted(name, arguments, patch=(64, 64), **more):
    plan = {"architecture": {**ours(name, **arguments), **more}}
    return check_architecture(plan, len(patch), patch)


@pytest.mark.parametrize("name, arguments, side", NETWORKS)
def test_networks_pass_the_check_of_published_models(name, arguments, side):
    assert vetted(name, arguments, (side, side)) == f"breastseg_networks.{name}"


def test_the_networks_of_all_trainers_pass_and_are_those_that_can_be_built():
    rows = [row for name in trainers.names() for row in trainers.describe(name)["architectures"]]
    assert len(rows) > 8
    for row in rows:
        vetted(row["name"], row["arch_kwargs"])
    from BreastSegLib.inference.networks.architectures.build import NETWORKS as known

    assert set(known) == set(limits()["ours"]["networks"])


@pytest.mark.parametrize(
    "name, arguments, patch, more, word",
    [
        ("UNet.encoder", {}, (64, 64), {}, "not known"),
        ("Segmenter", {}, (64, 64), {}, "not known"),
        ("UNet", {"encoder": "os.system"}, (64, 64), {}, "encoder"),
        ("UNet", {"encoder": ["resnet34"]}, (64, 64), {}, "encoder"),
        ("UNet", {"encoder_weights": "imagenet"}, (64, 64), {}, "encoder_weights"),
        ("UNet", {"dropout": 1}, (64, 64), {}, "dropout"),
        ("UNet", {"dropout": "0.2"}, (64, 64), {}, "dropout"),
        ("UNetPlusPlus", {"encoder": "resnet22"}, (64, 64), {}, "encoder"),
        ("BaselineUNet", {"features": [64]}, (64, 64), {}, "features"),
        ("BaselineUNet", {"features": [64, 10**9]}, (64, 64), {}, "features"),
        ("BaselineUNet", {"features": [64, True]}, (64, 64), {}, "features"),
        ("FPN", {"encoder": "resnet22"}, (96, 64), {}, "64"),
        ("LinkNet", {}, (60, 64), {}, "32"),
        ("UNet", {}, (16, 64, 64), {}, "2 dimensions"),
        ("UNet", {}, (64, 64), {"_kw_requires_import": ["encoder"]}, "_kw_requires_import"),
        ("UNet", {}, (64, 64), {"arch_kwargs": []}, "arch_kwargs"),
    ],
)
def test_networks_with_anything_else_are_refused(name, arguments, patch, more, word):
    with pytest.raises(Unfit) as caught:
        vetted(name, arguments, patch, **more)
    assert word in str(caught.value) and str(caught.value).isprintable()


class Model:
    name = "a-model"


class Configuration:
    """What of nnU-Net's configuration is read to build a network."""

    network_arch_class_name = "breastseg_networks.UNetPlusPlus"
    network_arch_init_kwargs = {"encoder": "resnet18"}
    network_arch_init_kwargs_req_import = ()


def test_the_worker_builds_our_networks_whatever_the_trainer_is_called():
    from BreastSegLib.inference.networks.network import _build, builds_from_plans

    network = _build(Model, "nnUNetTrainerOfSomebody", None, Configuration, 1, 2)
    assert type(network).__name__ == "UnetPlusPlus"
    assert all(builds_from_plans(name) for name in trainers.names())
    assert not builds_from_plans("nnUNetTrainerOfSomebody")


def test_a_missing_package_is_named_with_what_to_do(monkeypatch):
    import sys

    from BreastSegLib.inference.networks.network import _build

    for name in list(sys.modules):
        if name.partition(".")[0] == "segmentation_models_pytorch":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(BadInput) as caught:
        _build(Model, "nnUNetTrainerBreastSegM4", None, Configuration, 1, 2)
    assert "needs the package segmentation-models-pytorch" in caught.value.line
    assert "pip install segmentation-models-pytorch" in caught.value.line


# --- pretrained encoders


def tensors(encoder, seed=3, channels=None):
    """Return random weights for every tensor of an encoder, with another number of input channels if wanted."""
    generator = torch.Generator().manual_seed(seed)
    result = {}
    for index, (name, value) in enumerate(encoder.state_dict().items()):
        shape = list(value.shape)
        if index == 0 and channels:
            shape[1] = channels
        result[name] = torch.rand(shape, generator=generator) if value.is_floating_point() else value
    return result


def test_a_file_for_three_channels_is_adapted_as_the_library_does(tmp_path):
    from segmentation_models_pytorch.encoders import get_encoder

    given = get_encoder("resnet18", in_channels=3, weights=None)
    torch.save({**given.state_dict(), "fc.weight": torch.zeros(2), "fc.bias": torch.zeros(2)}, tmp_path / "w.pth")
    for channels in (1, 2, 3, 5):
        network = architectures.build("UNet", {"encoder": "resnet18"}, channels, 2)
        note = encoderweights.load(network, str(tmp_path / "w.pth"))
        assert "w.pth" in note and "2 other tensors" in note
        other = get_encoder("resnet18", in_channels=3, weights=None)
        other.load_state_dict(given.state_dict())
        other.set_in_channels(channels, pretrained=True)
        expected, now = other.state_dict(), network.encoder.state_dict()
        assert all(torch.allclose(now[name], expected[name]) for name in expected)


def test_weights_of_the_nyu_classifier_go_into_resnet22(tmp_path):
    network = architectures.build("FPN", {"encoder": "resnet22"}, 1, 2)
    cc, mlo = tensors(network.encoder, 1), tensors(network.encoder, 2)
    content = {f"four_view_resnet.cc.{name}": value for name, value in cc.items()}
    content |= {f"four_view_resnet.mlo.{name}": value for name, value in mlo.items()}
    torch.save({"model": {**content, "fc1_cc.weight": torch.zeros(3)}}, tmp_path / "nyu.p")
    note = encoderweights.load(network, str(tmp_path / "nyu.p"))
    assert "four_view_resnet.cc" in note and "there are others: four_view_resnet.mlo" in note
    assert all(torch.equal(value, cc[name]) for name, value in network.encoder.state_dict().items())


def test_safetensors_are_read(tmp_path):
    from safetensors.torch import save_file

    network = architectures.build("FPN", {"encoder": "resnet22"}, 1, 2)
    given = tensors(network.encoder)
    save_file(given, tmp_path / "w.safetensors")
    encoderweights.load(network, str(tmp_path / "w.safetensors"))
    assert torch.equal(network.encoder.first_conv.weight, given["first_conv.weight"])


class Dangerous:
    def __reduce__(self):
        return print, ("this must not run",)


def test_files_that_do_not_fit_say_what_is_wrong(tmp_path, capsys):
    network = architectures.build("UNet", {"encoder": "resnet22"}, 1, 2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    given = tensors(network.encoder)
    missing = {name: value for name, value in given.items() if name != "final_bn.weight"}
    other = {**given, "layer_list.1.0.conv1.weight": torch.zeros(7, 16, 3, 3)}
    cases = [
        (missing, "final_bn.weight is missing"),
        (other, "layer_list.1.0.conv1.weight is 7×16×3×3, the encoder's is 32×16×3×3"),
        ({"x": torch.zeros(2)}, "does not fit the encoder"),
        ({"x": 1}, "holds no weights"),
        ({"x": Dangerous()}, "asks for more than weights need"),
        (None, "damaged"),
    ]
    for content, words in cases:
        if content is None:
            (tmp_path / "w.pth").write_bytes(b"PK\x03\x04 no weights")
        else:
            torch.save(content, tmp_path / "w.pth")
        with pytest.raises(EncoderWeightsUnfit) as caught:
            encoderweights.load(network, str(tmp_path / "w.pth"))
        assert words in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(EncoderWeightsUnfit, match="no file"):
        encoderweights.load(network, str(tmp_path / "none.pth"))
    with pytest.raises(EncoderWeightsUnfit, match="no encoder"):
        encoderweights.load(architectures.build("BaselineUNet", {"features": [4, 8]}, 1, 2), str(tmp_path / "w.pth"))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert "must not run" not in capsys.readouterr().out


def test_the_hub_without_a_connection_is_one_sentence(monkeypatch):
    from segmentation_models_pytorch import encoders

    def unreachable(*arguments, **named):
        raise ConnectionError("a long\ntext")

    monkeypatch.setattr(encoders, "hf_hub_download", unreachable)
    network = architectures.build("UNet", {"encoder": "resnet18"}, 1, 2)
    with pytest.raises(EncoderWeightsUnfit, match="could not be got from the hub .*set encoder_weights to a file$"):
        encoderweights.load(network, "imagenet")
    network = architectures.build("UNet", {"encoder": "resnet22"}, 1, 2)
    with pytest.raises(EncoderWeightsUnfit, match="no imagenet weights for the encoder resnet22"):
        encoderweights.load(network, "imagenet")


def test_the_hub_s_weights_are_taken(monkeypatch):
    from segmentation_models_pytorch import encoders

    given = encoders.get_encoder("resnet18", weights=None)
    monkeypatch.setattr(encoders, "hf_hub_download", lambda *arguments, **named: "file")
    monkeypatch.setattr(encoders, "load_file", lambda *arguments, **named: dict(given.state_dict()))
    network = architectures.build("UNet", {"encoder": "resnet18"}, 1, 2)
    encoderweights.load(network, "imagenet")
    assert torch.equal(network.encoder.layer4[0].conv1.weight, given.layer4[0].conv1.weight)
    assert torch.allclose(network.encoder.conv1.weight, given.conv1.weight.sum(1, keepdim=True))


def test_encoder_weights_are_taken_at_the_beginning_only(tmp_path, monkeypatch):
    architecture = ours("UNet", encoder="resnet22")
    make_preprocessed(tmp_path, (1, 64, 64), architecture=architecture)
    encoder = architectures.build("UNet", {"encoder": "resnet22"}, 1, 2).encoder
    given, path = tensors(encoder), tmp_path / "w.pth"
    torch.save(given, path)
    name, settings = "nnUNetTrainerBreastSegM5Jaccard", {"encoder_weights": str(path), "seed": 1}
    trainer = make_trainer(tmp_path, name, settings=settings, monkeypatch=monkeypatch)
    with quiet():
        trainer.initialize()
        assert torch.equal(weights_of(trainer)["encoder.first_conv.weight"], given["first_conv.weight"])
        trainer.network.encoder.first_conv.weight.data.zero_()
        trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_latest.pth")
        path.unlink()  # a training that goes on does not ask for the file again
        again = make_trainer(tmp_path, name, settings=settings, monkeypatch=monkeypatch)
        again.load_checkpoint(f"{trainer.output_folder}/checkpoint_latest.pth")
    assert not weights_of(again)["encoder.first_conv.weight"].any()
    plans = json.loads(json.dumps(again.plans_manager.plans))
    assert plans["breastseg"]["encoder_weights"] == str(path)
    with quiet(), pytest.raises(EncoderWeightsUnfit, match="no file"):
        make_trainer(tmp_path, name, settings=settings, monkeypatch=monkeypatch).initialize()


def test_fine_tuning_takes_the_weights_of_another_training(tmp_path, monkeypatch):
    from nnunetv2.run.load_pretrained_weights import load_pretrained_weights

    make_preprocessed(tmp_path, (1, 64, 64), architecture=ours("UNet", encoder="resnet22"))
    trainer = make_trainer(tmp_path, "nnUNetTrainerBreastSegM5Jaccard", monkeypatch=monkeypatch)
    with quiet():
        trainer.initialize()
        trainer.save_checkpoint(str(tmp_path / "model.pth"))
        other = make_trainer(tmp_path, "nnUNetTrainerBreastSegM5Tversky", monkeypatch=monkeypatch)
        other.initialize()
        load_pretrained_weights(other.network, str(tmp_path / "model.pth"), verbose=False)
    one, two = weights_of(trainer), weights_of(other)
    assert all(torch.equal(one[name], two[name]) for name in one)
