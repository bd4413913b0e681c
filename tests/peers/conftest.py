"""The peers as fixtures. A missing one skips its tests, or fails them where MINIRNN_REQUIRE_PEERS is set."""

import os
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.arrays import chosen

REQUIRED = "MINIRNN_REQUIRE_PEERS"


@pytest.fixture(scope="session")
def keras() -> ModuleType:
    return pytest.importorskip("keras", reason="Keras is not installed; the extra 'test' brings it")


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    module = pytest.importorskip("torch", reason="PyTorch is not installed; the extra 'torch' brings it")
    module.set_num_threads(1)
    return module


@pytest.fixture(scope="session")
def onnxruntime() -> ModuleType:
    for name in ("onnx", "onnxruntime"):
        module = pytest.importorskip(name, reason=f"{name} is not installed; the extra 'test' brings it")
    return module


# Whatever way a test here skips itself (fixture, importorskip at the top of the module, mark), it ends in one
# of these two reports. A test that needs a GPU, or NumPy's arrays where the tests run on others, is no matter
# of peers and may skip.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    elsewhere = item.get_closest_marker("host_only") and chosen(item.config) != "numpy"
    if item.get_closest_marker("gpu") is None and not elsewhere:
        _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    report = yield
    _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get(REQUIRED) and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{REQUIRED} is set, so no test of the peers may skip; this one did. {reason}"
