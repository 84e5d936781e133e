"""plans.json and dataset.json are checked value by value before a network is imported or built from them."""

import copy
import json
import shutil
import sys
from pathlib import Path

import pytest
from BreastSegLib.errors import BadInput, Undecided
from BreastSegLib.models.plans import Network, check_network, configurations, read_network
from hostile_models import (
    SOUND,
    architecture,
    configuration,
    dataset,
    old_configuration,
    plans,
    torch_zip,
    write_plans,
)
from hypothesis import given, settings
from hypothesis import strategies as st

MODELS = Path(__file__).parents[2] / "BreastSeg" / "Resources" / "Models"
NAME = "nnUNetTrainer__nnUNetPlans__3d_fullres"


def refused(folder, plans_=None, dataset_=None, configuration_=None, check=check_network):
    shutil.rmtree(folder / NAME, ignore_errors=True)
    write_plans(folder / NAME, plans_, dataset_)
    with pytest.raises(BadInput) as caught:
        check(folder / NAME, configuration_)
    line = caught.value.line
    assert line.isprintable() and str(folder) in line and len(line) < 700
    return line


def changed(path, value, base=None):
    """Return plans with one value changed; ``path`` leads to it from the configuration 3d_fullres, by dots."""
    made = copy.deepcopy(base or plans())
    place = made["configurations"]["3d_fullres"]
    *way, last = path.split(".")
    for key in way:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return made


@pytest.mark.parametrize("name", ["demo-dce", "demo-mass-region"])
def test_the_shipped_models_can_be_run(name):
    network = check_network(MODELS / name)
    assert network.dimension == len(network.patch_size) == len(network.spacing)
    assert network.labels == {"background": 0, "lesion": 1}
    assert network.trainer.startswith("nnUNetTrainer")  # from the checkpoint: the folder does not tell


def test_everything_of_a_network_is_read(tmp_path):
    given_dataset = dataset(("pre", "post1"), labels={"background": 0, "b": 2, "a": "1", "ignore": 3})
    folder = write_plans(tmp_path / "T__P__2d", plans({"2d": configuration(2, 2), "3d_fullres": {}}), given_dataset)
    assert check_network(folder) == Network(
        "2d",
        2,
        (32, 32),
        (1.0, 1.0),
        ("pre", "post1"),
        {"background": 0, "b": 2, "a": 1},
        "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "T",
        "nnUNetPlans",
        "Dataset105_full_image",
        "",
    )
    assert configurations(folder) == ("2d", "3d_fullres")


@pytest.mark.parametrize("network", ["PlainConvUNet", "ResidualEncoderUNet"])
@pytest.mark.parametrize("dimension", [2, 3])
def test_networks_of_the_default_planners_are_known_in_new_and_old_plans(network, dimension, tmp_path):
    for name, plan in (
        ("new", configuration(dimension, network=network)),
        ("old", old_configuration(dimension, network)),
    ):
        folder = write_plans(tmp_path / name, plans({"c": plan}))
        assert check_network(folder).network_class.endswith("." + network)


def test_ten_channels_come_in_the_order_of_their_numbers(tmp_path):
    names = {str(index): f"n{index}" for index in (10, 2, 0, 1, 3, 4, 5, 6, 7, 8, 9)}
    folder = write_plans(
        tmp_path / NAME, plans({"3d_fullres": configuration(channels=11)}), dataset(channel_names=names)
    )
    assert check_network(folder).channel_names == tuple(f"n{index}" for index in range(11))


def test_what_a_configuration_inherits_is_its_own(tmp_path):
    table = {"3d_fullres": configuration(), "3d_small": {"inherits_from": "3d_fullres", "patch_size": [16, 16, 16]}}
    folder = write_plans(tmp_path / "m", plans(table))
    assert check_network(folder, "3d_small").patch_size == (16, 16, 16)


# --- which configuration ------------------------------------------------------------------------------------------


def test_the_configuration_comes_from_the_user_the_folder_the_plans_or_the_checkpoint(tmp_path):
    both = plans({"2d": configuration(2), "3d_fullres": configuration()})
    folder = write_plans(tmp_path / NAME, both)
    assert read_network(folder).configuration == "3d_fullres"
    assert read_network(folder, "2d").configuration == "2d"
    plain = write_plans(tmp_path / "my model", both)
    with pytest.raises(Undecided) as caught:
        read_network(plain)
    assert caught.value.name == "configuration"
    assert [value for value, _ in caught.value.choices] == ["2d", "3d_fullres"]
    (plain / "fold_0").mkdir()
    torch_zip(plain / "fold_0" / "checkpoint_final.pth", SOUND)
    assert read_network(plain).configuration == "2d"


def test_a_damaged_checkpoint_does_not_keep_the_plans_from_being_read(tmp_path):
    folder = write_plans(tmp_path / "m")
    (folder / "fold_0").mkdir()
    (folder / "fold_0" / "checkpoint_final.pth").write_bytes(b"damaged")
    assert read_network(folder).trainer == ""


def test_an_unknown_configuration_is_refused_with_those_there_are(tmp_path):
    line = refused(tmp_path, plans(), configuration_="3d_lowres")
    assert "3d_lowres" in line and "3d_fullres" in line


# --- what is not supported, with the reason -----------------------------------------------------------------------


def test_a_cascade_is_refused_with_what_to_install_instead(tmp_path):
    table = {
        "2d": configuration(2),
        "3d_fullres": configuration(),
        "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"},
    }
    line = refused(tmp_path, plans(table), configuration_="3d_cascade_fullres")
    assert "cascade" in line and "3d_lowres" in line and "2d or 3d_fullres" in line
    assert read_network(tmp_path / NAME, "3d_cascade_fullres").previous_stage == "3d_lowres"


def test_labels_that_are_regions_are_refused_with_the_reason(tmp_path):
    labels = {"background": 0, "whole": [1, 2], "core": [2]}
    line = refused(tmp_path, None, dataset(labels=labels, regions_class_order=[1, 2]))
    assert "whole" in line and "region" in line and "not supported yet" in line


def test_models_of_nnunet_v1_are_told_apart(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "plans.pkl").write_bytes(b"")
    with pytest.raises(BadInput, match="nnU-Net v1"):
        read_network(tmp_path / "old")
    assert "nnU-Net v1" in refused(tmp_path, {"plans_per_stage": {}, "num_modalities": 1})
    v1 = {"modality": {"0": "MRI"}, "labels": {"0": "background", "1": "tumour"}}
    assert "nnU-Net v1" in refused(tmp_path, None, v1)


@pytest.mark.parametrize("missing", ["plans.json", "dataset.json"])
def test_a_folder_without_one_of_the_two_files_is_no_model(missing, tmp_path):
    folder = write_plans(tmp_path / "m")
    (folder / missing).unlink()
    with pytest.raises(BadInput, match=missing):
        check_network(folder)


@pytest.mark.parametrize("content", ["", "[]", "{", "null", "1" * 5000, "[" * 100_000, '{"a": NaN}', "\ufeff{}"])
@pytest.mark.parametrize("name", ["plans.json", "dataset.json"])
def test_files_that_are_no_table_are_refused(name, content, tmp_path):
    folder = write_plans(tmp_path / "m")
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        check_network(folder)
    assert name in caught.value.line and "\n" not in caught.value.line


def test_a_huge_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("BreastSegLib.models.plans.MOST_BYTES", 1000)
    assert "MiB" in refused(tmp_path)


# --- names of code ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "subprocess.Popen",
        "mylab.nets.UNet",
        "dynamic_network_architectures.os.system",
        "dynamic_network_architectures.architectures.unet.torch.hub.load",
        "dynamic_network_architectures.architectures.unet.Union",
        "dynamic_network_architectures.architectures.unet.os.Popen",
        "dynamic_network_architectures.building_blocks.helper.nn.Conv3d",
        "nnunetv2.paths.os.system",
        "nnunetv2.inference.predict_from_raw_data.multiprocessing.Pool",
        "nnunetv2.inference.predict_from_raw_data.np.Thing",
        "nnunetv2",
        "nnunetv2evil.nets.UNet",
        "../unet.PlainConvUNet",
        "nnunetv2..UNet",
        "nnunetv2.__builtins__.Thing",
        "",
        None,
        7,
        ["nnunetv2.nets.UNet"],
    ],
)
def test_a_network_class_from_elsewhere_is_refused_by_name(name, tmp_path):
    line = refused(tmp_path, changed("architecture.network_class_name", name))
    assert str(name) in line.replace("'", "") or not name or isinstance(name, list)


@pytest.mark.parametrize(
    "name",
    [
        "nnunetv2.nets.UMamba.UMambaBot",
        "dynamic_network_architectures.architectures.primus.PrimusM",
        "dynamic_network_architectures.building_blocks.other.Net",
    ],
)
def test_classes_of_the_known_packages_are_taken(name, tmp_path):
    folder = write_plans(tmp_path / NAME, changed("architecture.network_class_name", name))
    assert check_network(folder).network_class == name
    assert not any(module.startswith(("nnunetv2.nets", name)) for module in sys.modules)


@pytest.mark.parametrize("field", ["conv_op", "norm_op", "nonlin", "dropout_op"])
@pytest.mark.parametrize(
    "value",
    [
        "os.system",
        "torch.hub.load",
        "torch.nn.os.System",
        "torch.nn.modules.module.functools.Partial",
        "eval",
        5,
        ["a"],
    ],
)
def test_a_part_of_a_network_from_elsewhere_is_refused(field, value, tmp_path):
    line = refused(tmp_path, changed(f"architecture.arch_kwargs.{field}", value))
    assert field in line and "no part of a network" in line


def test_imports_have_to_be_arguments_and_fit_the_dimension(tmp_path):
    assert "anything" in refused(tmp_path, changed("architecture._kw_requires_import", ["conv_op", "anything"]))
    assert "_kw_requires_import" in refused(tmp_path, changed("architecture._kw_requires_import", None))
    line = refused(tmp_path, changed("architecture.arch_kwargs.conv_op", "torch.nn.modules.conv.Conv2d"))
    assert "3 sides" in line


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("normalization_schemes", ["os.system"]),
        ("normalization_schemes", ["ZScoreNormalization"] * 2),
        ("normalization_schemes", None),
        ("use_mask_for_norm", []),
        ("resampling_fn_data", "partial"),
        ("resampling_fn_probabilities", ...),
        ("resampling_fn_data_kwargs", []),
        ("resampling_fn_probabilities_kwargs", {"order": 1e300}),
        ("resampling_fn_data_kwargs", {"order": 99}),
        ("resampling_fn_data_kwargs", {"order": "3"}),
        ("resampling_fn_data_kwargs", {"force_separate_z": "no"}),
        ("resampling_fn_data_kwargs", {"separate_z_anisotropy_threshold": 0}),
        ("resampling_fn_data_kwargs", {"mode": "cubic"}),
        ("preprocessor_name", "../../preprocessor"),
        ("preprocessor_name", ...),
        ("normalization_schemes", ["CTNormalization"]),
    ],
)
def test_steps_around_the_network_are_known_ones(field, value, tmp_path):
    line = refused(tmp_path, changed(field, value))
    assert field in line or value == ["CTNormalization"] and "foreground_intensity_properties_per_channel" in line


@pytest.mark.parametrize(
    "name", ["foreground_intensity_properties_per_channel", "foreground_intensity_properties_by_modality"]
)
def test_what_ct_normalisation_needs_of_the_training_is_there_and_a_number(name, tmp_path):
    whole = {"mean": 1.0, "std": 2, "percentile_00_5": 0.0, "percentile_99_5": 9.5}
    table = {"3d_fullres": configuration(normalization_schemes=["CTNormalization"])}
    assert read_network(write_plans(tmp_path / "good", plans(table, **{name: {"0": whole}}))).dimension == 3
    for number, wrong in enumerate(([1], {"0": 3}, {"1": whole}, {"0": {**whole, "std": "x"}})):
        assert "foreground_intensity" in refused(tmp_path / str(number), plans(table, **{name: wrong}))


def test_another_label_manager_is_refused(tmp_path):
    assert "label_manager" in refused(tmp_path, plans(label_manager="torch"))


# --- sizes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("patch_size", [0, 32, 32], "patch_size is 0"),
        ("patch_size", [-32, 32, 32], "patch_size is -32"),
        ("patch_size", [32, 32], "spacing"),
        ("patch_size", [32, 32, 32, 32], "two or three"),
        ("patch_size", [32, 32, 32.5], "not a whole number"),
        ("patch_size", [32, 32, True], "not a whole number"),
        ("patch_size", [4096, 4096, 4096], "voxels of a patch"),
        ("patch_size", [33, 32, 32], "divided by the strides"),
        ("patch_size", ..., "patch_size is None"),
        ("spacing", [1.0, -1.0, 1.0], "spacing is -1.0"),
        ("spacing", [1.0, 0, 1.0], "spacing is 0"),
        ("spacing", [1.0, float("nan"), 1.0], "spacing is nan"),
        ("spacing", [1.0, float("inf"), 1.0], "spacing is inf"),
        ("spacing", ["1", 1, 1], "spacing is '1'"),
        ("spacing", [10**400, 1, 1], "outside"),
        ("architecture.arch_kwargs.anything", [-(10**400)], "outside"),
        ("spacing", 1.0, "spacing is 1.0"),
        ("architecture", [], "not a table"),
        ("architecture.arch_kwargs", [], "arch_kwargs"),
        ("architecture.arch_kwargs.n_stages", 0, "n_stages is 0"),
        ("architecture.arch_kwargs.n_stages", 4, "features_per_stage"),
        ("architecture.arch_kwargs.features_per_stage", [32, 64, 10**9], "features_per_stage is 1000000000"),
        ("architecture.arch_kwargs.features_per_stage", [32, 64, -1], "features_per_stage is -1"),
        ("architecture.arch_kwargs.features_per_stage", "many", "features_per_stage is 'many'"),
        ("architecture.arch_kwargs.features_per_stage", 10**30, "outside"),
        ("architecture.arch_kwargs.kernel_sizes", [[3, 3, 3], [3, 3, 3], [99, 3, 3]], "kernel_sizes is 99"),
        ("architecture.arch_kwargs.kernel_sizes", [[3, 3], [3, 3], [3, 3]], "not 3 numbers"),
        ("architecture.arch_kwargs.strides", [[0, 1, 1], [2, 2, 2], [2, 2, 2]], "strides is 0"),
        ("architecture.arch_kwargs.n_conv_per_stage", [2, 2, 10**6], "1000000"),
        ("architecture.arch_kwargs.n_conv_per_stage_decoder", [2], "not a list of 2"),
        ("architecture.arch_kwargs.anything", 10**12, "anything"),
        ("architecture.arch_kwargs.anything", [0] * 1000, "1000 values"),
        ("architecture.arch_kwargs.anything", "x" * 1000, "1000 letters"),
        ("architecture.arch_kwargs.anything", [[[[[[[[1]]]]]]]], "too deep"),
        ("architecture.arch_kwargs.norm_op_kwargs", {"eps": float("inf")}, "norm_op_kwargs"),
        ("inherits_from", "none", "inherits from 'none'"),
        ("inherits_from", "3d_fullres", "inherits from itself"),
        ("inherits_from", ["2d"], "inherits from"),
        ("previous_stage", 5, "previous_stage is 5"),
    ],
)
def test_wrong_sizes_and_types_are_refused_by_field_and_value(field, value, said, tmp_path):
    assert said in refused(tmp_path, changed(field, value))


def test_a_network_of_too_many_weights_is_refused(tmp_path):
    made = changed("architecture.arch_kwargs.features_per_stage", [4096] * 3)
    assert "number of weights" in refused(tmp_path, changed("architecture.arch_kwargs.kernel_sizes", 15, made))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("UNet_class_name", "Evil", "PlainConvUNet"),
        ("UNet_class_name", ["PlainConvUNet"], "PlainConvUNet"),
        ("UNet_class_name", ..., "names no network"),
        ("UNet_base_num_features", 10**9, "UNet_base_num_features is 1000000000"),
        ("conv_kernel_sizes", ..., "conv_kernel_sizes"),
        ("pool_op_kernel_sizes", [[1, 1, 1]], "not a list of 3"),
        ("n_conv_per_stage_encoder", 3, "n_conv_per_stage_encoder is 3"),
    ],
)
def test_wrong_values_of_old_plans_are_refused(field, value, said, tmp_path):
    assert said in refused(tmp_path, changed(field, value, plans({"3d_fullres": old_configuration()})))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("configurations", {}),
        ("configurations", {"3d_fullres": 5}),
        ("configurations", []),
        ("configurations", {"a\nb": {}}),
        ("plans_name", None),
        ("dataset_name", 5),
        ("dataset_name", "a\x1b[31m"),
        ("transpose_forward", [0, 1]),
        ("transpose_forward", [0, 1, 1]),
        ("transpose_forward", [0, 1, True]),
        ("transpose_backward", [2, 0, 1]),
    ],
)
def test_a_wrong_frame_of_the_plans_is_refused(field, value, tmp_path):
    line = refused(tmp_path, plans(**{field: value}))
    assert field.removesuffix("s") in line


def test_any_order_of_axes_with_its_inverse_is_taken(tmp_path):
    folder = write_plans(tmp_path / NAME, plans(transpose_forward=[2, 0, 1], transpose_backward=[1, 2, 0]))
    assert check_network(folder)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("channel_names", {}, "channel_names"),
        ("channel_names", ["a"], "channel_names"),
        ("channel_names", {"1": "a"}, "number its channels"),
        ("channel_names", {"0": "a", "00": "b"}, "number its channels"),
        ("channel_names", {"0": 5}, "holds 5"),
        ("channel_names", {str(index): "a" for index in range(100)}, "number of channels is 100"),
        ("labels", {}, "background"),
        ("labels", [0, 1], "background"),
        ("labels", {"background": 0}, "number of labels is 1"),
        ("labels", {"background": 1, "a": 0}, "0 for background"),
        ("labels", {"background": 0, "a": 2}, "0 for background"),
        ("labels", {"background": 0, "a": 1, "b": 1}, "0 for background"),
        ("labels", {"background": 0, "a": 1.5}, "label a is 1.5"),
        ("labels", {"background": 0, "a": None}, "label a is None"),
        ("labels", {"background": 0, "a\n": 1}, "not a name"),
        ("labels", {"background": 0, "a": 1, "ignore": 1}, "highest"),
    ],
)
def test_wrong_channels_and_labels_are_refused(field, value, said, tmp_path):
    assert said in refused(tmp_path, None, dataset(**{field: value}))


# --- any value in any place ---------------------------------------------------------------------------------------

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=6,
)


def places_in(value, way=()):
    """Return the way to every value of a nested table."""
    found = [way] if way else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        found += places_in(item, (*way, key))
    return found


@pytest.mark.parametrize("name", ["plans.json", "dataset.json", "old plans.json"])
def test_any_value_in_any_place_gives_a_network_or_one_line(name, tmp_path):
    base = {"plans.json": plans(), "dataset.json": dataset()}.get(name) or plans({"3d_fullres": old_configuration()})
    folder = write_plans(tmp_path / NAME, base if "plans" in name else None)

    @settings(max_examples=250, deadline=None)
    @given(way=st.sampled_from(places_in(base)), value=_values)
    def try_one(way, value):
        made = copy.deepcopy(base)
        place = made
        for key in way[:-1]:
            place = place[key]
        place[way[-1]] = value
        (folder / name.removeprefix("old ")).write_text(json.dumps(made))
        try:
            network = check_network(folder)
        except BadInput as error:
            assert error.line.isprintable()
        else:
            assert isinstance(network, Network) and all(size > 0 for size in network.patch_size)

    try_one()


def test_the_tables_of_these_tests_are_those_that_nnunet_builds_from():
    network = pytest.importorskip("nnunetv2.utilities.get_network_from_plans")
    given_ = architecture()
    names = ("network_class_name", "arch_kwargs", "_kw_requires_import")
    assert network.get_network_from_plans(*(given_[name] for name in names), 1, 2, deep_supervision=False)
