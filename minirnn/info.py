"""``python -m minirnn info``: what this machine has, and what minirnn makes of it."""

import importlib.metadata
import json
import os
import platform
import sys
import warnings
from contextlib import nullcontext

import numpy as np

import minirnn
from minirnn import backend, layers
from minirnn.backend import cudnn

# What minirnn can be used with or is compared to, where it is installed.
_OTHERS = (
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "h5py",
    "onnx",
    "onnxruntime",
    "matplotlib",
)
_NEEDED = ("rich", "threadpoolctl")


def print_info(as_json=False) -> None:
    """Print what `collect` finds: as tables on a terminal, as plain lines elsewhere, or as JSON."""
    found = collect()
    if as_json:
        print(json.dumps(found, indent=2))
    elif sys.stdout.isatty():
        _print_tables(sections(found))
    else:
        for title, rows in sections(found).items():
            width = max(len(label) for label, _ in rows) + 2
            indent = "\n" + " " * (width + 2)
            print(title)
            for label, text in rows:
                print(f"  {label:{width}}{indent.join(text.splitlines())}".rstrip())


def collect() -> dict:
    """Return what there is as a dict of what JSON knows. What is missing is said, and is no error."""
    chosen, why, gpu, why_no_gpu = _backends()
    # Where even NumPy was forbidden, by MINIRNN_BACKEND=cupy without CuPy, the rest is told for NumPy.
    with backend.device("cpu") if chosen is None else nullcontext():
        return {
            "versions": _versions(gpu),
            "backend": {
                "name": chosen.name if chosen else None,
                "array_module": chosen.xp.__name__ if chosen else None,
                "why": why,
                "MINIRNN_BACKEND": os.environ.get("MINIRNN_BACKEND"),
                "why_no_cupy": why_no_gpu,
            },
            "devices": [_host(), *_gpus(gpu)],
            "cudnn": _cudnn(gpu),
            "blas": _blas(),
            "kernel": _kernel(),
        }


def _backends():
    """Return the backend chosen (or None) and why, that of the GPU (or None) and why there is none."""
    gpu, why_no_gpu = None, None
    try:
        gpu = backend.find("cupy")
    except RuntimeError as error:
        why_no_gpu = str(error)
    asked = os.environ.get("MINIRNN_BACKEND", "auto")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of a broken CuPy, which is told below
            chosen = backend.current()
    except (RuntimeError, ValueError) as error:
        return None, f"MINIRNN_BACKEND={asked} stops every program: {error}", gpu, why_no_gpu
    if chosen.name == "cupy":
        real = chosen.xp.__name__ == "cupy"
        why = "CuPy is installed and computes on a GPU." if real else "A stand-in is in the place of CuPy."
    elif asked == "numpy":
        why = "MINIRNN_BACKEND=numpy asks for it."
    else:
        why = why_no_gpu or "It was chosen by set_backend or a device block."
    return chosen, why, gpu, why_no_gpu


def _ask(function, *args):
    """Return what a library says, or that it could not be asked and why."""
    try:
        return function(*args)
    except (AttributeError, ImportError, KeyError, OSError, RuntimeError, ValueError) as error:
        return f"not known ({type(error).__name__}: {error})"


def _version(distribution) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _versions(gpu) -> dict:
    names = {d.name.lower(): d.version for d in importlib.metadata.distributions() if d.name}
    cupy = {name: version for name, version in names.items() if name.split("-")[0] == "cupy"}
    versions = {
        "minirnn": minirnn.__version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": platform.platform(),
        "numpy": np.__version__,
        "cupy": ", ".join(f"{version} ({name})" for name, version in cupy.items()) or None,
        "cuda_runtime": None,
        "cuda_driver": None,
    }
    if gpu is not None:
        versions["cupy"] = getattr(gpu.xp, "__version__", versions["cupy"])
        versions["cuda_runtime"] = _ask(lambda: _cuda_version(gpu.xp.cuda.runtime.runtimeGetVersion()))
        versions["cuda_driver"] = _ask(lambda: _cuda_version(gpu.xp.cuda.runtime.driverGetVersion()))
    for title, group in (("needed", _NEEDED), ("others", _OTHERS)):
        versions[title] = {name: version for name in group if (version := _version(name))}
    return versions


def _cuda_version(number) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _host() -> dict:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = _ask(lambda: os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return {"device": "CPU:0", "model": _cpu_model(), "cores": cores, "memory_bytes": memory}


def _cpu_model() -> str:
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpus(gpu) -> list[dict]:
    return [] if gpu is None else [_gpu(gpu.xp, number) for number in range(len(gpu.devices()))]


def _gpu(xp, number) -> dict:
    found = {"device": f"GPU:{number}"}
    properties = _ask(lambda: xp.cuda.runtime.getDeviceProperties(number))
    if isinstance(properties, dict):
        name = properties["name"]
        found["model"] = name.decode() if isinstance(name, bytes) else name
        found["compute_capability"] = f"{properties['major']}.{properties['minor']}"
    else:
        found["model"] = properties
    memory = _ask(lambda: xp.cuda.Device(number).mem_info)
    free, total = memory if isinstance(memory, tuple) else (memory, memory)
    return {**found, "memory_bytes": total, "free_bytes": free}


def _cudnn(gpu) -> dict:
    """Return the libcudnn that is used, or would be with a GPU, or each place where none was found."""
    try:
        library = cudnn.load() if gpu is None else gpu.cudnn
    except cudnn.LibraryUnavailable as error:
        library, why = None, str(error)
    else:
        why = None if gpu is None else gpu.why_no_cudnn
    if library is None:
        return {"found": False, "version": None, "where": None, "why_not": why}
    unused = "It is not used: there is no GPU that CuPy can compute on." if gpu is None else None
    return {"found": True, "version": library.version_text, "where": library.where, "why_not": unused}


def _blas() -> list[dict]:
    from threadpoolctl import threadpool_info

    names = ("internal_api", "version", "num_threads", "threading_layer", "architecture", "filepath")
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return [{name: pool.get(name) for name in names} for pool in pools]


def _kernel() -> dict:
    choice = layers.LSTM(64, name="lstm").kernel_report()
    return {"layer": "LSTM(64)", "tier": choice.tier, "reasons": choice.reasons}


def sections(found) -> dict[str, list[tuple[str, str]]]:
    """Return what `collect` found as the lines of a table, each a label and a text, under its title."""
    versions, chosen = found["versions"], found["backend"]
    names = {"minirnn": "minirnn", "python": "Python", "system": "system", "numpy": "NumPy", "cupy": "CuPy"}
    names |= {"cuda_runtime": "CUDA runtime", "cuda_driver": "CUDA driver"}
    rows = {"Versions": [(label, versions[name] or "none found") for name, label in names.items()]}
    for title, label in (("needed", "needed too"), ("others", "also installed")):
        text = ", ".join(f"{name} {version}" for name, version in versions[title].items())
        rows["Versions"].append((label, text or "none"))
    rows["Backend"] = [("chosen", _chosen_text(chosen)), ("why", chosen["why"])]
    if chosen["why_no_cupy"] and chosen["why_no_cupy"] != chosen["why"]:
        rows["Backend"].append(("why not CuPy", chosen["why_no_cupy"]))
    rows["Backend"].append(("MINIRNN_BACKEND", chosen["MINIRNN_BACKEND"] or "not set"))
    rows["Devices"] = [(device["device"], _device_text(device)) for device in found["devices"]]
    rows["cuDNN"] = _cudnn_rows(found["cudnn"])
    rows["BLAS"] = [(blas["internal_api"], _blas_text(blas)) for blas in found["blas"]]
    rows["BLAS"] = rows["BLAS"] or [("none", "that threadpoolctl knows; its threads are left as they are")]
    kernel = found["kernel"]
    rows["Kernels"] = [(kernel["layer"], f"runs on the {kernel['tier']} kernel")]
    for tier, reasons in kernel["reasons"].items():
        rows["Kernels"].append((f"not on {tier}", "\n".join(f"- {reason}" for reason in reasons)))
    return rows


def _chosen_text(chosen) -> str:
    name, module = chosen["name"], chosen["array_module"]
    return "none" if name is None else name if module == name else f"{name} ({module}, a stand-in)"


def _device_text(device) -> str:
    parts = [device["model"]]
    if "cores" in device:
        parts.append(f"{device['cores']} core(s) for this process")
    if "compute_capability" in device:
        parts.append(f"compute capability {device['compute_capability']}")
    parts.append(f"memory {_size_text(device['memory_bytes'])}")
    if "free_bytes" in device:
        parts.append(f"of it free {_size_text(device['free_bytes'])}")
    return ", ".join(parts)


def _size_text(size) -> str:
    return f"{size / 2**30:.1f} GiB" if isinstance(size, int) else str(size)


def _cudnn_rows(found) -> list[tuple[str, str]]:
    if not found["found"]:
        return [("libcudnn", found["why_not"])]
    rows = [("libcudnn", found["where"]), ("version", found["version"])]
    return [*rows, ("use", found["why_not"])] if found["why_not"] else rows


def _blas_text(blas) -> str:
    details = ", ".join(str(blas[name]) for name in ("threading_layer", "architecture") if blas[name])
    version = f"{blas['version'] or 'of unknown version'}{f' ({details})' if details else ''}"
    return f"{version}, {blas['num_threads']} thread(s)\n{blas['filepath']}"


def _print_tables(titled_rows) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    for title, rows in titled_rows.items():
        table = Table(title=title, title_justify="left", show_header=False, width=console.width)
        table.add_column(no_wrap=True, style="bold", width=18)
        table.add_column(overflow="fold", ratio=1)
        for label, text in rows:
            table.add_row(Text(label), Text(text))
        console.print(table)
