"""Settings for every test: the peers' backends, hypothesis profiles, what the machine can run."""

import os

# Before anything imports Keras or JAX: both read these once, at import.
os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# The arrays of tests are small: a peer's thread pool costs more in switching than it saves.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import importlib.metadata
from functools import cache

import hypothesis
import pytest

# Times vary on a shared machine, so no test fails by its clock. Under CI the examples are the same in each
# run; elsewhere each run looks at new ones. HYPOTHESIS_PROFILE=thorough searches longer.
hypothesis.settings.register_profile("default", deadline=None, max_examples=25, print_blob=True)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=25, print_blob=True, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000, print_blob=True)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default")
)


@pytest.fixture(autouse=True)
def same_weights_in_each_run_of_ci():
    """Under CI the weights that a test leaves to chance are the same in each run, as its examples are."""
    if os.environ.get("CI"):
        from minirnn.utils import set_random_seed

        set_random_seed(0)


@cache
def missing_for_gpu() -> str | None:
    """Why tests marked ``gpu`` cannot run here, or None where they can."""
    try:
        import cupy
    except ImportError as error:
        return f"CuPy cannot be imported: {error}"
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"CuPy finds no GPU: {error}"
    return None if devices else "CuPy finds no GPU"


def pytest_report_header(config: pytest.Config) -> list[str]:
    found = []
    for peer in ("keras", "jax", "torch", "cupy"):
        names = ("cupy-cuda12x", "cupy-cuda13x", "cupy") if peer == "cupy" else (peer,)
        versions = [d.version for d in importlib.metadata.distributions() if d.name.lower() in names]
        found.append(f"{peer} {versions[0] if versions else 'missing'}")
    return [f"peers: {', '.join(found)}", f"gpu tests: {missing_for_gpu() or 'run here'}"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("gpu") and (reason := missing_for_gpu()):
            item.add_marker(pytest.mark.skip(reason=reason))
