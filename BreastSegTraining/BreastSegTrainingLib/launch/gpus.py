"""Which GPU a process sees: nnU-Net's trainers take the first one."""


def visible(number, environment):
    """Return CUDA_VISIBLE_DEVICES for one GPU, counted among those that are visible already."""
    shown = [name.strip() for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return shown[number] if number < len(shown) else str(number)
