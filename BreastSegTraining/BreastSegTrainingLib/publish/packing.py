"""The zip of a model: nnU-Net's own layout of an export, which nnU-Net and BreastSeg both install."""

import zipfile

DATE = (1980, 1, 1, 0, 0, 0)  # the same model gives the same zip
PIECE = 1 << 20


def pack(folder, path, dataset, trainer, plans, configuration, report=None):
    """Write a model folder as a zip.

    Parameters
    ----------
    folder : Path
    path : Path
        The file to write; see `BreastSegLib.files.whole_file`.
    dataset, trainer, plans, configuration : str
        nnU-Net's names: ``DATASET/TRAINER__PLANS__CONFIGURATION`` is the folder in the zip.
    report : callable, optional
        ``report(stage, done, total)`` in MiB.
    """
    place = f"{dataset}/{trainer}__{plans}__{configuration}"
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    total, done = sum(file.stat().st_size for file in files), 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for file in files:
            entry = zipfile.ZipInfo(f"{place}/{file.relative_to(folder).as_posix()}", DATE)
            # Weights do not become smaller.
            entry.compress_type = zipfile.ZIP_STORED if file.suffix == ".pth" else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            with open(file, "rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                while piece := source.read(PIECE):
                    target.write(piece)
                    done += len(piece)
                    if report is not None:
                        report("Packing", done >> 20, total >> 20)
