"""The same results on every device: what NumPy computes, an array module as strict as CuPy computes too.

Without a GPU the module is hostcupy, a stand-in for CuPy in host memory. What is shown then is that nothing
meets a NumPy array on its way and nothing leaves the device unasked; that CuPy's own kernels agree is for
``pytest -m gpu`` to show.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirnn
from minirnn import backend, kernels, layers, losses, models, ops, optimizers, random, tree
from minirnn.autograd import Tensor, Variable, grad, no_grad
from minirnn.models.data import to_tensor
from tests.arrays import drawing_as_numpy, on_gpu
from tests.laws import strategies
from tests.laws.test_layers import CASES, inputs_of
from tests.losses.test_losses import NAMES, examples
from tests.metrics.cases import CASES as METRICS
from tests.metrics.cases import predictions
from tests.ops.calls import ENTRIES, Maker
from tests.ops.test_ops_numpy import named_apart
from tests.standins import hostcupy, hostcupy_for_cupy


def on_both(run):
    """Return the results of a function on NumPy and on a GPU or hostcupy, leaves as NumPy arrays.

    Every Tensor among them must be on the device.
    """
    with minirnn.device("cpu"):
        on_host = as_arrays(run(), np.ndarray)
    with on_gpu(), drawing_as_numpy():
        return [on_host, as_arrays(run(), backend.current().xp.ndarray)]


def as_arrays(results, kind):
    found = []
    for leaf in tree.flatten(results):
        if isinstance(leaf, Tensor):
            assert isinstance(leaf.data, kind), f"{type(leaf.data)} in place of {kind}"
            leaf = leaf.numpy()
        found.append(None if leaf is None else np.asarray(leaf))
    return found


def assert_same(run, tolerance=1e-6):
    ours, theirs = on_both(run)
    if not backend.on_host() and backend.current().xp is not hostcupy:
        tolerance = max(tolerance, 1e-5)  # another exp, another order of sums
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        if one is None or other is None:
            assert one is other
            continue
        assert one.dtype == other.dtype and one.shape == other.shape
        scale = max(1.0, float(np.abs(one).max(initial=0))) if one.dtype.kind == "f" else 1
        np.testing.assert_allclose(other, one, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("entry", ENTRIES, ids=named_apart(ENTRIES))
def test_an_op_and_its_gradient_are_the_same(entry):
    def run():
        call = entry.make(Maker())
        leaves = tree.flatten((call.args, call.kwargs))
        floats = {i for i, a in enumerate(leaves) if isinstance(a, np.ndarray) and a.dtype == "float32"}
        results = tree.flatten(getattr(ops, entry.name)(*call.args, **call.kwargs))
        if entry.name in ("linspace", "convert_to_numpy"):
            return results
        variables = {i: Variable(leaves[i]) for i in floats}
        args, kwargs = tree.pack_sequence_as(
            (call.args, call.kwargs), [variables.get(i, a) for i, a in enumerate(leaves)]
        )
        again = tree.flatten(getattr(ops, entry.name)(*args, **kwargs))
        total = strategies.project([y for y in again if isinstance(y, Tensor) and y.dtype == "float32"])
        if not (isinstance(total, Tensor) and total.requires_grad):
            return results, again
        return results, again, grad(total, list(variables.values()))

    with np.errstate(all="ignore"):
        assert_same(run)


@pytest.mark.parametrize("tier", kernels.TIERS)
@given(case=strategies.cases())
def test_a_recurrent_layer_gives_the_same_outputs_states_and_gradients(tier, case):
    def run():
        with kernels.use_tier(tier):
            layer = case.layer()
            return case.run(layer), case.gradients(case.layer())

    assert_same(run)


@settings(max_examples=10)
@given(case=strategies.cases())
def test_the_loop_over_a_cell_gives_the_same(case):
    assert_same(lambda: case.run(case.layer_of_cell()))


@pytest.mark.parametrize("kind", strategies.KINDS)
@pytest.mark.parametrize("name", sorted(kernels.activations.ELEMENTWISE))
def test_a_fused_kernel_gives_the_same_with_every_activation(kind, name):
    def run():
        layer = strategies.KINDS[kind][0](3, activation=name, return_sequences=True)
        x = inputs_of((2, 4, 3))
        layer.build(x.shape)
        layer.set_weights([0.3 * inputs_of(w.shape, seed=n) for n, w in enumerate(layer.weights)])
        with kernels.use_tier("fused"):
            y = layer(x)
            assert layer.kernel_report(ops.convert_to_tensor(x)).tier == "fused"
        return y, grad(strategies.project(y), layer.trainable_weights)

    assert_same(run)


@pytest.mark.parametrize("make, shapes", CASES)
def test_a_layer_gives_the_same_in_training_and_out_of_it(make, shapes):
    def run():
        minirnn.utils.set_random_seed(4)
        layer, x = make(), inputs_of(shapes)
        outputs = [layer(x), layer(x, training=True)]
        gradients = []
        if layer.trainable_weights:
            gradients = grad(strategies.project(layer(x)), layer.trainable_weights)
        return outputs, gradients, layer.losses, layer.get_weights()

    assert_same(run, 2e-6)


@pytest.mark.parametrize("name, logits", NAMES)
def test_a_loss_and_its_gradient_are_the_same(name, logits):
    def run():
        y, p = examples(name, (4, 3), 1, logits)
        classes = {n.lower(): n for n in losses.__all__ if n[0].isupper()}
        loss = getattr(losses, classes[name.replace("_", "")])
        p = Variable(p)
        value = loss(**({"from_logits": True} if logits else {}))(y, p, np.array([0.5, 1.0, 0.0, 2.0]))
        return value, grad(value, [p])

    assert_same(run)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_the_same_and_reads_nothing_from_the_device_to_take_in_a_batch(name):
    make, arguments, _ = METRICS[name]

    def run():
        metric = make()
        for seed in range(2):
            batch = [to_tensor(a) for a in arguments(*predictions(seed))]  # as `fit` hands them on
            with hostcupy.count_reads() as counted:
                metric.update_state(*batch, sample_weight=ops.convert_to_tensor(np.arange(12.0)))
            assert counted == [0]
        return metric.result(), metric.variables

    assert_same(run)


OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adam": lambda: optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=2),
    "amsgrad": lambda: optimizers.Adam(_Schedule(), amsgrad=True, loss_scale_factor=8.0),
    "accumulating": lambda: optimizers.SGD(0.1, gradient_accumulation_steps=2),
    "clipvalue": lambda: optimizers.SGD(0.1, clipvalue=0.2),
    "clipnorm": lambda: optimizers.SGD(0.1, clipnorm=0.5),
    "global_clipnorm": lambda: optimizers.SGD(0.1, global_clipnorm=0.5),
    "adamw": lambda: optimizers.AdamW(optimizers.schedules.CosineDecay(0.01, 3)),
    "adamax": lambda: optimizers.Adamax(0.01),
    "nadam": lambda: optimizers.Nadam(0.01, gradient_accumulation_steps=2, use_ema=True),
    "adagrad": lambda: optimizers.Adagrad(0.01),
    "adadelta": lambda: optimizers.Adadelta(1.0),
    "lion": lambda: optimizers.Lion(0.01, clipnorm=0.5),
}


class _Schedule(optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return ops.where(step < 2, 0.1, 0.01 * ops.exp(-ops.cast(step, "float32") / 10.0))

    def get_config(self):
        return {}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_an_optimizer_does_the_same_and_reads_nothing_from_the_device(make):
    def run():
        weights = [Variable(inputs_of((3, 2))), Variable(inputs_of((2,), seed=1))]
        optimizer = make()
        with hostcupy.count_reads() as counted:
            for step in range(4):
                gradients = [inputs_of(w.shape, seed=step + n) for n, w in enumerate(weights)]
                optimizer.apply([ops.convert_to_tensor(g) for g in gradients], weights)
        assert counted == [0]
        # The numbers that the host reads in each step stay there.
        return weights, [v for v in optimizer.variables if v.ndim]

    assert_same(run)


@pytest.mark.stand_ins
def test_a_scaled_loss_reads_one_flag_a_step_from_the_device():
    def run():
        weights = [Variable(inputs_of((3, 2))), Variable(inputs_of((2,), seed=1))]
        optimizer = optimizers.LossScaleOptimizer(optimizers.Nadam(0.01), 16.0, 2)
        for step in range(5):
            gradients = [inputs_of(w.shape, seed=step + n) for n, w in enumerate(weights)]
            gradients[1][0] = np.nan if step == 2 else 1.0
            with hostcupy.count_reads() as counted:
                loss = optimizer.scale_loss(ops.convert_to_tensor(np.float32(2.0)))
                optimizer.apply([ops.convert_to_tensor(g) for g in gradients], weights)
            assert counted == [0 if type(loss.data) is np.ndarray else 1]
        return loss, weights, [v for v in optimizer.variables if v.ndim]

    assert_same(run)


DRAWS = {
    "normal": lambda: random.normal((5, 3), seed=1),
    "truncated_normal": lambda: random.truncated_normal((5, 3), seed=1),
    "uniform": lambda: random.uniform((5, 3), 1.0, 2.0, seed=random.SeedGenerator(3)),
    "randint": lambda: random.randint((5, 3), -2, 9, seed=1),
    "categorical": lambda: random.categorical(np.array([[0.1, 2.0, 0.3]]), 6, seed=1),
    "shuffle": lambda: random.shuffle(np.arange(6), seed=1),
    "dropout": lambda: random.dropout(np.ones((5, 3), "float32"), 0.4, seed=1),
    "gamma": lambda: random.gamma((5, 3), 2.0, seed=1),
    "beta": lambda: random.beta((5, 3), 2.0, np.array([1.0, 2.0, 3.0]), seed=1),
    "binomial": lambda: random.binomial((5, 3), 7, 0.4, seed=1),
}


@pytest.mark.stand_ins
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_a_draw_is_made_on_the_device_and_depends_on_the_seed_alone(draw):
    """The values are NumPy's because the stand-in draws with NumPy; CuPy's are others."""
    assert_same(lambda: (draw(), draw()))


def data(samples=12):
    x = inputs_of((samples, 5, 3))
    return x, np.arange(samples) % 4


def model(kind="LSTM", metrics=("accuracy", "sparse_top_k_categorical_accuracy")):
    minirnn.utils.set_random_seed(1)
    found = models.Sequential(
        [
            layers.Input((5, 3)),
            layers.Masking(),
            layers.Bidirectional(strategies.KINDS[kind][0](3, dropout=0.2)),
            layers.BatchNormalization(),
            layers.Dense(4),
        ]
    )
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    found.compile("adam", loss, metrics=list(metrics))
    return found


@pytest.mark.parametrize("kind", strategies.KINDS)
def test_training_evaluation_and_prediction_are_the_same(kind):
    def run():
        x, y = data()
        trained = model(kind)
        history = trained.fit(x, y, epochs=2, batch_size=4, validation_split=0.25, verbose=0)
        predicted = trained.predict(x, batch_size=5, verbose=0)
        assert type(predicted) is np.ndarray
        return history.history, trained.evaluate(x, y, verbose=0), predicted, trained.weights

    assert_same(run, 1e-5)


@pytest.mark.stand_ins
def test_a_batch_of_training_reads_the_device_once_at_most():
    """The one is whether all labels are classes. Loss and accuracy stay there until they are shown."""
    with hostcupy_for_cupy():
        x, y = data()
        trained = model(metrics=["accuracy"])
        trained.fit(x, y, epochs=1, batch_size=4, verbose=0)
        with hostcupy.count_reads() as few:
            trained.fit(x, y, epochs=1, batch_size=12, shuffle=False, verbose=0)
        with hostcupy.count_reads() as many:
            trained.fit(x, y, epochs=1, batch_size=1, shuffle=False, verbose=0)
    assert many[0] - few[0] <= 11


@pytest.mark.stand_ins
@pytest.mark.parametrize("cudnn, reads", [(True, 2), (False, 1)])
def test_prediction_reads_the_device_once_a_batch_and_once_more_for_a_mask_made_there(cudnn, reads):
    """For cuDNN each row's length must be known to the host."""
    with hostcupy_for_cupy(cudnn=cudnn):
        x, _ = data()
        trained = model()
        with hostcupy.count_reads() as counted:
            trained.predict(x, batch_size=4, verbose=0)
    assert counted == [3 * reads]


@pytest.mark.stand_ins
def test_a_step_without_training_reads_nothing():
    with hostcupy_for_cupy(), no_grad():
        layer = layers.LSTM(3, stateful=True)
        x = ops.convert_to_tensor(inputs_of((2, 1, 3)))
        layer(x)
        with hostcupy.count_reads() as counted:
            layer(x)
    assert counted == [0]


def test_weights_go_from_device_to_host_and_back_by_name():
    x, _ = data()
    with minirnn.device("cpu"):
        on_host = model()
    with on_gpu():
        on_device = model()
        on_device.set_weights(on_host.get_weights())
        predicted = on_device.predict(x, verbose=0)
        weights = on_device.get_weights()
    assert all(type(w) is np.ndarray for w in weights)
    with minirnn.device("cpu"):
        np.testing.assert_allclose(predicted, on_host.predict(x, verbose=0), rtol=0, atol=1e-6)
        on_host.set_weights(weights)


def test_a_model_made_on_the_host_works_there_while_the_gpu_is_current():
    x, y = data()
    with minirnn.device("cpu"):
        expected = model().predict(x, verbose=0)
    with on_gpu(), minirnn.device("cpu"):
        trained = model()
        np.testing.assert_array_equal(trained.predict(x, verbose=0), expected)
        trained.fit(x, y, verbose=0)
        assert {type(w.data) for w in trained.weights} == {np.ndarray}


@given(st.sampled_from(["int8", "uint8", "int16", "int64", "bool", "float16"]), st.integers(0, 99))
def test_scattering_adds_the_same_in_types_that_have_no_atomics(dtype, seed):
    rng = np.random.default_rng(seed)
    index, values = rng.integers(0, 4, (6, 1)), rng.integers(-3, 4, (6, 2)).astype(dtype)
    if dtype == "int64":
        values *= 2**40
    assert_same(lambda: ops.scatter(index, values, (4, 2)), 0)
