"""Which GPU is chosen and what is said when none works, with a stand-in for torch."""

import subprocess
from types import SimpleNamespace

import pytest
from BreastSegLib.errors import DeviceUnavailable
from BreastSegLib.inference.networks import devices

GB = 2**30
BUILT_FOR = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_120"]


class OutOfMemoryError(RuntimeError):
    pass


class FakeCuda:
    """What `devices` asks of torch.cuda."""

    def __init__(self, gpus, fails=None, built_for=BUILT_FOR):
        self.gpus, self.fails, self.built_for, self.asked = gpus, fails, built_for, []

    def is_available(self):
        return self.fails is None and bool(self.gpus)

    def device_count(self):
        return len(self.gpus)

    def init(self):
        if self.fails is not None:
            raise self.fails

    def get_arch_list(self):
        return self.built_for

    def get_device_properties(self, index):
        name, capability, total, _ = self.gpus[index]
        major, minor = capability
        return SimpleNamespace(name=name, major=major, minor=minor, total_memory=total, uuid=f"{index:08d}-aaaa")

    def mem_get_info(self, index):
        self.asked.append(index)
        free = self.gpus[index][3]
        if isinstance(free, Exception):
            raise free
        return free, self.gpus[index][2]


class FakeTensor:
    def add_(self, _):
        return self

    def sum(self):
        return self

    def item(self):
        return 8.0


@pytest.fixture
def torch(monkeypatch):
    """Return a function that puts a stand-in with these GPUs in the place of torch."""

    def make(*gpus, fails=None, built_for=BUILT_FOR, cuda="12.8", touch=None):
        touched = []

        def zeros(_count, device):
            touched.append(device)
            if touch is not None:
                raise touch
            return FakeTensor()

        fake = SimpleNamespace(
            cuda=FakeCuda(gpus, fails, built_for),
            version=SimpleNamespace(cuda=cuda, hip=None),
            device=lambda text: f"device {text}",
            zeros=zeros,
            touched=touched,
        )
        monkeypatch.setattr(devices, "_torch", lambda: fake)
        monkeypatch.setattr(devices, "_free_by_driver", dict)
        return fake

    return make


def gpu(name="RTX A", capability=(8, 6), total=12 * GB, free=10 * GB):
    return name, capability, total, free


def refusal(device):
    with pytest.raises(DeviceUnavailable) as caught:
        devices.choose(device)
    return caught.value.line


def test_auto_is_the_gpu_with_the_most_free_memory(torch):
    fake = torch(gpu(free=2 * GB), gpu("RTX B", free=9 * GB), gpu(free=5 * GB))
    assert devices.choose("auto") == "device cuda:1"
    assert devices.choose("cuda") == "device cuda:1"
    assert fake.touched == ["device cuda:1"] * 2


def test_auto_passes_by_a_gpu_that_this_torch_does_not_support(torch):
    torch(gpu("Old", (6, 1), free=11 * GB), gpu(free=1 * GB))
    assert devices.choose("auto") == "device cuda:1"


def test_a_named_gpu_is_taken_though_another_has_more_memory(torch):
    torch(gpu(free=2 * GB), gpu(free=9 * GB))
    assert devices.choose("cuda:0") == "device cuda:0"


def test_the_cpu_is_chosen_without_asking_cuda(torch):
    fake = torch(gpu())
    assert devices.choose("cpu") == "device cpu"
    assert fake.cuda.asked == [] and fake.touched == []


def test_a_gpu_that_is_not_there_is_refused_with_those_that_are(torch):
    torch(gpu("RTX A"), gpu("RTX B"))
    assert refusal("cuda:7") == "There is no GPU cuda:7. This computer has cuda:0 (RTX A), cuda:1 (RTX B)."


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "CPU", "cuda:-1", None])
def test_an_unknown_device_is_refused_with_the_known_ones(torch, device):
    torch(gpu())
    assert "Devices: auto, cpu, cuda" in refusal(device)


def test_a_torch_without_cuda_says_so_and_nothing_falls_back(torch):
    torch(cuda=None)
    assert refusal("auto") == "There is no usable GPU: this PyTorch has no CUDA support. Use --device cpu (slower)."


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver.",
            "There is no usable GPU: the NVIDIA driver is too old for this PyTorch (CUDA 12.8). Update the driver, "
            "or use --device cpu.",
        ),
        (
            "Found no NVIDIA driver on your system.",
            "There is no usable GPU: no NVIDIA GPU or driver was found. Use --device cpu (slower).",
        ),
        (
            "Unexpected error from cudaGetDeviceCount(). Error 803: system has unsupported display driver / cuda "
            "driver combination",
            "There is no usable GPU: driver and CUDA do not fit together. Update the driver and restart, "
            "or use --device cpu.",
        ),
        (
            "CUDA unknown error - this may be due to\nan incorrectly set up environment",
            "There is no usable GPU: CUDA does not start: CUDA unknown error - this may be due to an incorrectly set "
            "up environment. Restart the computer or update the driver, or use --device cpu.",
        ),
    ],
)
def test_each_reason_of_cuda_not_starting_has_its_sentence(torch, said, expected):
    torch(fails=RuntimeError(said))
    assert refusal("cuda") == expected


def test_cuda_that_starts_but_has_no_gpu_says_that_none_was_found(torch):
    torch()
    assert "no NVIDIA GPU or driver was found" in refusal("auto")


@pytest.mark.parametrize(
    ("capability", "built_for", "works"),
    [
        ((8, 6), BUILT_FOR, True),
        ((8, 9), BUILT_FOR, True),  # code for 8.0 runs on every 8.x
        ((8, 9), ["sm_90"], False),
        ((7, 0), BUILT_FOR, False),
        ((6, 1), BUILT_FOR, False),
        ((10, 0), ["sm_90", "compute_90"], True),  # translated when it is loaded
        ((10, 0), ["sm_90"], False),
        ((12, 1), ["sm_120a"], True),
        ((9, 0), ["gfx90a"], True),  # another maker's: cannot be told
        ((9, 0), [], True),
    ],
)
def test_a_gpu_is_supported_if_the_build_holds_code_that_runs_on_it(torch, capability, built_for, works):
    torch(gpu(capability=capability), built_for=built_for)
    row = devices.list_devices()[0]
    assert row["capability"] == "{}.{}".format(*capability)
    assert (row["problem"] == "") is works
    if not works:
        assert "not supported by this PyTorch build" in refusal("auto")
        assert "Install a PyTorch build that supports this GPU" in refusal("cuda:0")


@pytest.mark.parametrize("error", [OutOfMemoryError("CUDA out of memory."), RuntimeError("CUDA error: out of memory")])
def test_a_full_gpu_says_so(torch, error):
    torch(gpu(free=0), touch=error)
    assert refusal("auto") == (
        "The GPU RTX A has no free memory (cuda:0). Close other programs that use it, choose another GPU, or use "
        "--device cpu."
    )


def test_a_gpu_without_room_for_the_question_counts_as_full(torch):
    torch(gpu(free=RuntimeError("CUDA error: out of memory")), gpu("RTX B", free=1 * GB))
    assert [row["memory_free"] for row in devices.list_devices()][:2] == [0, 1 * GB]
    assert devices.choose("auto") == "device cuda:1"


def test_a_broken_gpu_is_listed_with_its_problem(torch):
    torch(gpu(free=RuntimeError("CUDA error: an illegal memory access\nmore lines")))
    assert devices.list_devices()[0]["problem"] == "The GPU does not work: CUDA error: an illegal memory access"
    assert "illegal memory access" in refusal("auto")


def test_a_missing_kernel_image_is_an_unsupported_gpu(torch):
    torch(gpu(), built_for=[], touch=RuntimeError("CUDA error: no kernel image is available for execution"))
    assert refusal("auto").startswith("The GPU RTX A is not supported by this PyTorch build (cuda:0).")


def test_any_other_error_is_said_in_its_first_line(torch):
    torch(gpu(), touch=RuntimeError("\nCUDA error: unspecified launch failure\nCUDA kernel errors might be …"))
    assert refusal("auto").startswith("The GPU does not work: CUDA error: unspecified launch failure (cuda:0).")


def test_with_several_gpus_the_driver_is_asked_and_not_cuda(torch, monkeypatch):
    fake = torch(gpu(free=9 * GB), gpu(free=1 * GB))
    monkeypatch.setattr(devices, "_free_by_driver", lambda: {"00000000-aaaa": 1 * GB, "00000001-aaaa": 3 * GB})
    assert devices.choose("auto") == "device cuda:1"
    assert fake.cuda.asked == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"GPU-0aB1-cc, 1024\r\nGPU-22, 5\n", {"0ab1-cc": GB, "22": 5 * 2**20}),
        (b"NVIDIA-SMI has failed\xff", {}),
        (b"GPU-0aB1-cc, [N/A]\n", {}),
    ],
)
def test_the_answer_of_the_drivers_tool_is_read_or_left_alone(monkeypatch, answer, expected):
    monkeypatch.setattr(devices.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=answer))
    assert devices._free_by_driver() == expected


@pytest.mark.parametrize("error", [FileNotFoundError(), subprocess.TimeoutExpired("nvidia-smi", 5)])
def test_a_missing_or_hanging_tool_of_the_driver_is_no_error(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(devices.subprocess, "run", fail)
    assert devices._free_by_driver() == {}


def test_without_torch_only_the_cpu_is_listed_and_choosing_says_why(monkeypatch):
    def missing():
        raise ImportError("No module named 'torch'")

    monkeypatch.setattr(devices, "_torch", missing)
    assert [row["device"] for row in devices.list_devices()] == ["cpu"]
    assert refusal("cpu").startswith("PyTorch cannot be loaded: No module named 'torch'.")


def test_the_cpus_memory_is_that_of_the_computer():
    psutil = pytest.importorskip("psutil")
    row = devices.list_devices()[-1]
    assert 0 < row["memory_total"] <= psutil.virtual_memory().total
    assert 0 < row["memory_free"] <= row["memory_total"]


def test_a_containers_limit_counts_where_it_is_lower(monkeypatch, tmp_path):
    from BreastSegLib.inference import hostmemory

    (tmp_path / "max").write_text("1000000\n")
    (tmp_path / "current").write_text("900000\n")
    (tmp_path / "stat").write_text("anon 5\ninactive_file 200000\nactive_file 3\n")
    files = tuple(str(tmp_path / name) for name in ("max", "current", "stat"))
    monkeypatch.setattr(hostmemory, "CGROUPS", (files,))
    assert hostmemory.main_memory() == (1_000_000, 300_000)
    (tmp_path / "max").write_text("max\n")
    assert hostmemory.main_memory()[0] > 1_000_000


def test_unknown_memory_is_said_to_be_unknown(monkeypatch):
    from BreastSegLib.inference import hostmemory

    def fail():
        raise OSError

    for name in ("_linux", "_windows", "_macos"):
        monkeypatch.setattr(hostmemory, name, fail)
    assert hostmemory.main_memory() == (None, None)
