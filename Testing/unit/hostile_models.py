"""Files as strangers send them: model zips and checkpoints, sound ones and ones built to do harm. No torch needed."""

import io
import json
import pickle
import stat
import struct
import zipfile
import zlib
from pathlib import Path

DATASET = "Dataset105_full_image"
TOP = f"{DATASET}/nnUNetTrainer__nnUNetPlans__3d_fullres"


# --- plans and datasets -------------------------------------------------------------------------------------------


def plans(configurations=None, **changes):
    """Return plans.json of a small 3D U-Net as nnU-Net 2.8 writes it."""
    table = {"3d_fullres": configuration()} if configurations is None else configurations
    return {
        "dataset_name": DATASET,
        "plans_name": "nnUNetPlans",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": table,
        "label_manager": "LabelManager",
    } | changes


def configuration(dimension=3, channels=1, network="PlainConvUNet", **changes):
    """Return one configuration with ``architecture``."""
    return _frame(dimension, channels) | {"architecture": architecture(dimension, network)} | changes


def old_configuration(dimension=3, network="PlainConvUNet", **changes):
    """Return one configuration as nnU-Net 2.0 and 2.1 wrote it."""
    return (
        _frame(dimension, 1)
        | {
            "UNet_class_name": network,
            "UNet_base_num_features": 32,
            "unet_max_num_features": 320,
            "n_conv_per_stage_encoder": [2, 2, 2],
            "n_conv_per_stage_decoder": [2, 2],
            "num_pool_per_axis": [2] * dimension,
            "pool_op_kernel_sizes": [[1] * dimension, [2] * dimension, [2] * dimension],
            "conv_kernel_sizes": [[3] * dimension] * 3,
        }
        | changes
    )


def architecture(dimension=3, network="PlainConvUNet"):
    """Return the ``architecture`` of a U-Net with three stages."""
    blocks = "n_conv_per_stage" if network == "PlainConvUNet" else "n_blocks_per_stage"
    return {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{network}",
        "arch_kwargs": {
            "n_stages": 3,
            "features_per_stage": [32, 64, 128],
            "conv_op": f"torch.nn.modules.conv.Conv{dimension}d",
            "kernel_sizes": [[3] * dimension] * 3,
            "strides": [[1] * dimension, [2] * dimension, [2] * dimension],
            blocks: [2, 2, 2],
            "n_conv_per_stage_decoder": [2, 2],
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimension}d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def dataset(channels=("first_post",), **changes):
    """Return dataset.json."""
    names = {str(index): name for index, name in enumerate(channels)}
    return {"channel_names": names, "labels": {"background": 0, "tumor": 1}, "file_ending": ".nii.gz"} | changes


def write_plans(folder, plans_=None, dataset_=None):
    """Write plans.json and dataset.json to a new folder and return it."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans() if plans_ is None else plans_))
    (folder / "dataset.json").write_text(json.dumps(dataset() if dataset_ is None else dataset_))
    return folder


def _frame(dimension, channels):
    return {
        "patch_size": [32] * dimension,
        "spacing": [1.0] * dimension,
        "batch_size": 2,
        "preprocessor_name": "DefaultPreprocessor",
        "normalization_schemes": ["ZScoreNormalization"] * channels,
        "use_mask_for_norm": [False] * channels,
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None},
    }


# --- zips ---------------------------------------------------------------------------------------------------------


def exported(path, extra=(), top=TOP, folds=("0",), checkpoint=b"weights"):
    """Write a zip as nnU-Net's export does, plus ``extra``: rows (name, content) or (ZipInfo, content)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for fold in folds:
            archive.writestr(f"{top}/fold_{fold}/checkpoint_final.pth", checkpoint)
            archive.writestr(f"{top}/fold_{fold}/progress.png", b"picture")
            archive.writestr(f"{top}/fold_{fold}/validation/summary.json", b"{}")
        archive.writestr(f"{top}/plans.json", json.dumps(plans()))
        archive.writestr(f"{top}/dataset_fingerprint.json", b"{}")
        archive.writestr(f"{top}/dataset.json", json.dumps(dataset()))
        for name, content in extra:
            archive.writestr(name, content)
    return path


def named(name, mode=0o100644, attributes=0):
    """Return a ZipInfo with a name and a Unix mode taken literally."""
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = name
    info.create_system, info.external_attr = 3, (mode << 16) | attributes
    return info


def link(name, mode=stat.S_IFLNK | 0o777):
    """Return the ZipInfo of a symbolic link."""
    return named(name, mode)


def changed_header(path, name, **fields):
    """Overwrite fields of one entry in both its headers: flags, method, crc, packed, unpacked."""
    local = {"flags": (6, "<H"), "method": (8, "<H"), "crc": (14, "<I"), "packed": (18, "<I"), "unpacked": (22, "<I")}
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo(name).header_offset
    for place, shift in ((offset, 0), (_central(content, name), 2)):
        for field, value in fields.items():
            start, form = local[field]
            struct.pack_into(form, content, place + start + shift, value)
    path.write_bytes(content)
    return path


def broken_content(path, name):
    """Flip bits in the packed content of an entry."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo(name)
    place = entry.header_offset + 30 + len(name.encode()) + entry.compress_size // 2
    content[place] ^= 0xFF
    path.write_bytes(content)
    return path


def many_entries(path, count):
    """Write a zip of ``count`` empty entries, quickly."""
    body, directory = io.BytesIO(), io.BytesIO()
    for index in range(count):
        name = b"f%06d" % index
        offset = body.tell()
        body.write(struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0) + name)
        directory.write(
            struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, offset) + name
        )
    size, start = directory.tell(), body.tell()
    # The count takes 16 bits; readers go by the size of the directory.
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count & 0xFFFF, count & 0xFFFF, size, start, 0)
    path.write_bytes(body.getvalue() + directory.getvalue() + end)
    return path


def overlapping(path, count=200):
    """Write a zip in which many entries unpack the same bytes: small on disk, large when unpacked."""
    content = zlib.compress(bytes(1 << 20), 9)[2:-4]
    crc = zlib.crc32(bytes(1 << 20))
    numbers = (crc, len(content), 1 << 20)
    header = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, *numbers, 10, 0)
    body, directory = header + b"plans.json" + content, b""
    for index in range(count):
        name = b"plans.json" if not index else b"%03d/plans.json" % index
        directory += (
            struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 0, *numbers, len(name), 0, 0, 0, 0, 0, 0) + name
        )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
    path.write_bytes(body + directory + end)
    return path


def _central(content, name):
    return content.index(name.encode(), content.index(b"PK\1\2")) - 46


# --- checkpoints --------------------------------------------------------------------------------------------------


class Call:
    """Pickles as a call: what opens it as a pickle runs ``function(*arguments)``."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def torch_zip(path, content, extra=(), method=zipfile.ZIP_STORED):
    """Write a checkpoint in torch's zip format around the bytes of its ``data.pkl``."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("checkpoint_final/data.pkl", content)
        archive.writestr("checkpoint_final/byteorder", b"little")
        archive.writestr("checkpoint_final/data/0", bytes(64))
        archive.writestr("checkpoint_final/version", b"3\n")
        for name, more in extra:
            archive.writestr(name, more)
    return path


def legacy(path, pickles=None, tail=bytes(64)):
    """Write a checkpoint in the format before torch 1.6; ``pickles`` replaces some of its five by position."""
    parts = [
        pickle.dumps(0x1950A86A20F9469CFC6C, 2),
        pickle.dumps(1001, 2),
        pickle.dumps({"protocol_version": 1001, "little_endian": True}, 2),
        pickle.dumps({"network_weights": {}}, 2),
        pickle.dumps([], 2),
    ]
    for position, content in (pickles or {}).items():
        parts[position] = content
    path.write_bytes(b"".join(parts) + tail)
    return path


def text(value):
    """Return the opcode that pushes a text."""
    content = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(content)) + content


STACK_GLOBAL, STOP, MEMOIZE, POP = b"\x93", b".", b"\x94", b"0"
SOUND = pickle.dumps({"network_weights": {}, "init_args": {"configuration": "2d"}, "trainer_name": "nnUNetTrainer"}, 2)


def hidden_pickles():
    """Return {name: (pickle, the global it should be refused by)}: the same call, hidden in several ways."""
    call = b"\x85R."  # one-tuple of the argument, call, stop
    return {
        "plain": (b"\x80\x02cos\nsystem\n" + text("true") + call, "os.system"),
        "protocol 0": (b"cposix\nsystem\n(S'true'\ntR.", "posix.system"),
        "old spelling": (b"\x80\x02c__builtin__\neval\n" + text("1") + call, "builtins.eval"),
        "stack": (b"\x80\x04" + text("os") + text("system") + STACK_GLOBAL + text("true") + call, "os.system"),
        "memo": (
            b"\x80\x04"
            + text("system")
            + MEMOIZE
            + POP
            + text("posix")
            + MEMOIZE
            + POP
            + b"h\x01h\x00"
            + STACK_GLOBAL
            + text("true")
            + call,
            "posix.system",
        ),
        "memo by put": (
            b"\x80\x02"
            + text("eval")
            + b"q\x630"
            + text("builtins")
            + b"r\x00\x01\x00\x000"
            + b"j\x00\x01\x00\x00h\x63"
            + STACK_GLOBAL
            + text("1")
            + call,
            "builtins.eval",
        ),
        "module pushed twice": (
            b"\x80\x04" + text("nt") + b"2" + POP + text("system") + STACK_GLOBAL + text("true") + call,
            "nt.system",
        ),
        "text as bytes": (b"\x80\x04U\x02osU\x06system" + STACK_GLOBAL + text("true") + call, "os.system"),
        "put together": (
            b"\x80\x04" + text("os") + text("system") + b"\x86" + POP + b"N" + text("system") + STACK_GLOBAL + STOP,
            "(a name that is put together while loading)",
        ),
        "instance": (b"(S'true'\nios\nsystem\n.", "os.system"),
        "object": (b"(cposix\nsystem\nS'true'\no.", "posix.system"),
        "extension": (b"\x80\x02\x82\x07)R.", "(extension number 7)"),
        "partial": (b"\x80\x02cfunctools\npartial\ncos\nsystem\n" + text("true") + b"\x86R.", "functools.partial"),
        "getattr": (b"\x80\x02cbuiltins\ngetattr\n" + text("x") + text("y") + b"\x86R.", "builtins.getattr"),
        "after a list and a table": (
            b"\x80\x04" + text("os") + text("system") + b"](NNe0}(NNu0}NNs(10" + STACK_GLOBAL + STOP,
            "os.system",
        ),
        "after popping": (b"\x80\x02}0cos\nsystem\n0}.", "os.system"),
        "inner object": (pickle.dumps({"network_weights": [{"a": Call(print, 1)}]}, 4), "builtins.print"),
        "attribute of a module": (
            b"\x80\x04" + text("torch") + text("os.system") + STACK_GLOBAL + STOP,
            "torch.os.system",
        ),
        "name with a line end": (
            b"\x80\x04" + text("os\n") + text("system") + STACK_GLOBAL + text("true") + call,
            "os\\x0a.system",
        ),
    }
