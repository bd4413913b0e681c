"""Settings for every test: the peers' backends, hypothesis profiles. On which arrays: see `arrays.py`."""

import os

# Before anything imports Keras or JAX: both read these once, at import.
os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# The arrays of tests are small: a peer's thread pool costs more in switching than it saves, and a peer's
# compiler more than what it makes faster.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1 --xla_backend_optimization_level=0",
)

import importlib.metadata
import signal

import hypothesis
import pytest

pytest_plugins = ["tests.arrays"]
# A shell starts what runs beside it deaf to Ctrl-C; the tests that press it are to be heard there too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Times vary on a shared machine, so no test fails by its clock. Under CI the examples are the same in each
# run; elsewhere each run looks at new ones. HYPOTHESIS_PROFILE=thorough searches longer.
hypothesis.settings.register_profile("default", deadline=None, max_examples=25, print_blob=True)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=25, print_blob=True, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000, print_blob=True)
hypothesis.settings.register_profile("gpu", deadline=None, max_examples=10, print_blob=True)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default")
)


@pytest.fixture(autouse=True)
def same_weights_in_each_run_of_ci():
    """Under CI the weights that a test leaves to chance are the same in each run, as its examples are."""
    if os.environ.get("CI"):
        from minirnn.utils import set_random_seed

        set_random_seed(0)


@pytest.fixture(autouse=True)
def settings_are_set_back():
    """What one test sets in `minirnn.config`, as a program in a document may, is no setting of the next."""
    from minirnn import config

    before = dict(config._settings)
    yield
    config._settings.update(before)


def pytest_report_header(config: pytest.Config) -> list[str]:
    found = []
    for peer in ("keras", "jax", "torch", "cupy"):
        names = ("cupy-cuda12x", "cupy-cuda13x", "cupy") if peer == "cupy" else (peer,)
        versions = [d.version for d in importlib.metadata.distributions() if d.name.lower() in names]
        found.append(f"{peer} {versions[0] if versions else 'missing'}")
    return [f"peers: {', '.join(found)}"]
