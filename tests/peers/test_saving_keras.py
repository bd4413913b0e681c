"""Files of real Keras read here, and files from here read by real Keras: equal outputs and states."""

import numpy as np
import pytest

import minirnn
from minirnn import saving
from tests.peers.test_layers_keras import CASES

# Keras's own, from its Variables under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RNG = np.random.default_rng(0)
STACK = {"return_sequences": True, "zero_output_for_mask": True}


def recurrent(kind, **arguments):
    return lambda L: getattr(L, kind)(3, **arguments)


# What takes other layers, or integers: from a module of layers to a layer.
BUILT = {
    "SimpleRNN": recurrent("SimpleRNN", use_bias=False, dropout=0.1, activation="relu"),
    "GRU": recurrent("GRU", return_sequences=True, dropout=0.1, recurrent_dropout=0.1),
    "GRU reset_after=False": recurrent("GRU", reset_after=False, go_backwards=True),
    "LSTM": recurrent("LSTM", unit_forget_bias=False, kernel_regularizer="l2", bias_constraint="non_neg"),
    "LSTM unroll": recurrent("LSTM", unroll=True, recurrent_initializer="glorot_normal", **STACK),
    "LSTM stateful": recurrent("LSTM", stateful=True),
    "RNN of one cell": lambda L: L.RNN(L.LSTMCell(3), return_sequences=True),
    "RNN of a list": lambda L: L.RNN([L.GRUCell(2), L.LSTMCell(3, dropout=0.1), L.SimpleRNNCell(2)]),
    "RNN of a list of equal kinds": lambda L: L.RNN([L.GRUCell(2), L.GRUCell(3), L.GRUCell(4)]),
    "Bidirectional": lambda L: L.Bidirectional(L.LSTM(2, return_sequences=True), merge_mode="sum"),
    "Bidirectional of two": lambda L: L.Bidirectional(L.GRU(2), backward_layer=L.LSTM(2, go_backwards=True)),
    "Bidirectional of an RNN": lambda L: L.Bidirectional(L.RNN([L.GRUCell(2), L.GRUCell(3)])),
    "TimeDistributed": lambda L: L.TimeDistributed(L.Dense(2, activation="tanh")),
}


def numbers(shape):
    return RNG.normal(size=shape).astype("float32")


def model_of(lib, layers, shapes):
    """A functional model of several layers side by side, each with inputs of its own."""
    inputs, results = [], []
    for layer, shape in zip(layers, shapes, strict=True):
        own = [lib.Input(batch_shape=s) for s in (shape if isinstance(shape, list) else [shape])]
        inputs += own
        results.append(layer(own if len(own) > 1 else own[0]))
    return lib.Model(inputs, results)


def randomize(model):
    model.set_weights([RNG.uniform(0.2, 1.5, w.shape).astype(w.dtype) for w in model.get_weights()])


def outputs(model, inputs):
    import jax

    # Compiling what is run once costs more than all else here.
    with jax.disable_jit():
        return [np.asarray(y) for y in model(inputs)]


def assert_equal(ours, theirs, tolerance=0.0):
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=f"number {i}")


def assert_exchanged(keras, build, shapes, tmp_path):
    """A model that `build` makes is the same in the other library, whichever wrote the file."""
    inputs = [numbers(s) for shape in shapes for s in (shape if isinstance(shape, list) else [shape])]
    for source, target in ((keras, minirnn), (minirnn, keras)):
        model = build(source)
        randomize(model)
        path, weights = (str(tmp_path / f"{source.__name__}{end}") for end in (".keras", ".weights.h5"))
        model.save(path)
        model.save_weights(weights)
        loaded = target.saving.load_model(path)
        assert_equal(loaded.get_weights(), model.get_weights())
        assert_equal(outputs(loaded, inputs), outputs(model, inputs), 1e-5)
        loaded.set_weights([np.zeros_like(w) for w in loaded.get_weights()])
        loaded.load_weights(weights)
        assert_equal(loaded.get_weights(), model.get_weights())


@pytest.mark.parametrize("start", range(0, len(CASES), 17))
def test_layers_are_the_same_in_the_other_library(keras, tmp_path, start):
    cases = CASES[start : start + 17]

    def build(lib):
        return model_of(lib, [getattr(lib.layers, name)(**a) for name, a, _ in cases], [c[2] for c in cases])

    assert_exchanged(keras, build, [shapes for _, _, shapes in cases], tmp_path)


def test_recurrent_layers_are_the_same_in_the_other_library(keras, tmp_path):
    shapes = [(2, 4, 3)] * len(BUILT)
    assert_exchanged(
        keras, lambda lib: model_of(lib, [b(lib.layers) for b in BUILT.values()], shapes), shapes, tmp_path
    )


OPTIMIZERS = {
    "SGD": {"momentum": 0.9, "nesterov": True},
    "RMSprop": {"momentum": 0.5, "centered": True, "rho": 0.8},
    "Adam": {"amsgrad": True, "clipnorm": 1.0},
    "AdamW": {"weight_decay": 0.01, "use_ema": True, "ema_overwrite_frequency": 3},
    "Adamax": {"gradient_accumulation_steps": 2},
    "Nadam": {"use_ema": True, "gradient_accumulation_steps": 2},
    "Adagrad": {},
    "Adadelta": {"global_clipnorm": 0.5},
    "Lion": {"beta_1": 0.8},
    "LossScaleOptimizer": {"initial_scale": 8.0, "dynamic_growth_steps": 2},
}
X, Y = numbers((6, 5)), numbers((6, 2))


def optimizer_of(lib, name, arguments):
    if name == "LossScaleOptimizer":
        return lib.optimizers.LossScaleOptimizer(lib.optimizers.Adam(0.1), **arguments)
    return getattr(lib.optimizers, name)(0.1, **arguments)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("written_by", ["keras", "minirnn"])
def test_training_goes_on_in_the_other_library(keras, tmp_path, name, written_by):
    """Three steps there, then three here, are six in one."""
    source, target = (keras, minirnn) if written_by == "keras" else (minirnn, keras)
    model = source.Sequential([source.Input((5,)), source.layers.Dense(2)])
    randomize(model)
    model.compile(optimizer_of(source, name, OPTIMIZERS[name]), "mse", run_eagerly=True)
    for _ in range(3):
        model.train_on_batch(X, Y)
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = target.saving.load_model(path)
    before = [np.asarray(v) for v in model.optimizer.variables]
    assert_equal([np.asarray(v) for v in loaded.optimizer.variables], before)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    loaded.run_eagerly = True
    for _ in range(3):
        losses = [np.asarray(m.train_on_batch(X, Y)) for m in (model, loaded)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    assert_equal(loaded.get_weights(), model.get_weights(), 1e-4)


def assert_equal_where_both_say(ours, theirs, where):
    """Some configs of Keras lack arguments: those of Huber, its delta."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in ours.keys() & theirs.keys():
            assert_equal_where_both_say(ours[key], theirs[key], f"{where}/{key}")
        assert where.endswith("/config") or ours.keys() == theirs.keys(), where
    elif isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert_equal_where_both_say(a, b, f"{where}/{i}")
    else:
        assert ours == theirs, where


def test_losses_metrics_and_the_rest_of_compile_are_the_same_in_the_other_library(keras, tmp_path):
    kinds = [n for n in minirnn.losses.__all__ if n[0].isupper() and hasattr(keras.losses, n) and n != "Loss"]
    names = [n for n in sorted(minirnn.metrics.__all__) if n[0].isupper() and hasattr(keras.metrics, n)]
    needed = {
        "MeanMetricWrapper": None,
        "Metric": None,
        "TopKCategoricalAccuracy": {"k": 2},
        "SparseTopKCategoricalAccuracy": {"k": 2},
        "MeanRelativeError": {"normalizer": [1.0, 2.0]},
        "PrecisionAtRecall": {"recall": 0.5},
        "RecallAtPrecision": {"precision": 0.5},
        "SensitivityAtSpecificity": {"specificity": 0.5},
        "SpecificityAtSensitivity": {"sensitivity": 0.5},
        "MeanIoU": {"num_classes": 2},
        "IoU": {"num_classes": 2, "target_class_ids": [0]},
    }

    def metrics(lib):
        kept = [(name, needed.get(name, {})) for name in names]
        return [getattr(lib.metrics, name)(**arguments) for name, arguments in kept if arguments is not None]

    for source, target in ((keras, minirnn), (minirnn, keras)):
        losses = [getattr(source.losses, name)() for name in kinds]
        inputs = source.Input((3,))
        heads = [source.layers.Dense(2, name=f"head_{i}")(inputs) for i in range(len(losses) + 2)]
        model = source.Model(inputs, heads)
        named = {f"head_{i}": loss for i, loss in enumerate(losses)}
        last = f"head_{len(losses) + 1}"
        named |= {f"head_{len(losses)}": source.losses.mean_squared_error, last: "mae"}
        weights = dict.fromkeys(named, 0.5)
        rate = source.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
        model.compile(
            source.optimizers.Adam(rate),
            named,
            loss_weights=weights,
            metrics={last: [*metrics(source), "mse"]},
            weighted_metrics={last: ["mae"]},
            steps_per_execution=3,
        )
        path = str(tmp_path / "model.keras")
        model.save(path)
        loaded = target.saving.load_model(path)
        got, wanted = (
            lib.saving.serialize_keras_object(m.get_compile_config())
            for lib, m in ((target, loaded), (source, model))
        )
        assert got.keys() == wanted.keys()
        for key in got.keys() - {"jit_compile"}:
            assert_equal_where_both_say(got[key], wanted[key], key)
        assert loaded.steps_per_execution == 3
        assert len(losses) > 15


def two_inputs(lib):
    words, numbers_ = lib.Input((None,), dtype="int32", name="words"), lib.Input((4,), name="numbers")
    embedded = lib.layers.Embedding(7, 3, mask_zero=True, name="embedding")(words)
    inner_in = lib.Input((None, 3))
    shared = lib.layers.Dense(3, name="shared")
    inner = lib.Model(inner_in, lib.layers.LSTM(3)(shared(inner_in)), name="inner")
    stack = lib.Sequential(
        [lib.Input((4,)), lib.layers.Dense(3), lib.layers.BatchNormalization()], name="stack"
    )
    x = lib.layers.Concatenate()([inner(embedded), stack(numbers_)])
    frozen = lib.layers.Dense(2, name="frozen", trainable=False)
    return lib.Model(
        {"words": words, "numbers": numbers_}, {"a": frozen(x), "b": lib.layers.Dense(1, name="b")(x)}
    )


@pytest.mark.parametrize("written_by", ["keras", "minirnn"])
def test_models_within_models_are_the_same_in_the_other_library(keras, tmp_path, written_by):
    source, target = (keras, minirnn) if written_by == "keras" else (minirnn, keras)
    model = two_inputs(source)
    randomize(model)
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = target.saving.load_model(path)
    assert_equal(loaded.get_weights(), model.get_weights())
    data = {"words": np.array([[1, 2, 0], [3, 0, 0]], "int32"), "numbers": numbers((2, 4))}
    ours, theirs = loaded(data), model(data)
    for name in ("a", "b"):
        np.testing.assert_allclose(np.asarray(ours[name]), np.asarray(theirs[name]), rtol=1e-5, atol=1e-5)
    assert [v.trainable for v in loaded.weights] == [v.trainable for v in model.weights]
    assert loaded.get_layer("frozen").trainable is False


def test_a_model_of_many_models_is_the_same_in_the_other_library(keras, tmp_path):
    def build(lib):
        parts = [lib.Sequential([lib.Input((3,)), lib.layers.Dense(3)]) for _ in range(12)]
        return lib.Sequential([lib.Input((3,)), *parts])

    for source, target in ((keras, minirnn), (minirnn, keras)):
        model = build(source)
        model.save(tmp_path / "model.keras")
        assert_equal(target.saving.load_model(tmp_path / "model.keras").get_weights(), model.get_weights())


def subclassed(lib):
    """A model with its layers in attributes of every kind."""

    @lib.saving.register_keras_serializable("tests")
    class Branches(lib.Model):
        def __init__(self, units=3, **kwargs):
            super().__init__(**kwargs)
            L = lib.layers
            self.units = units
            self.encoder = L.LSTM(units)
            self.zlist = [L.Dense(2), [L.Dense(3), L.Dense(4)], {"b": L.Dense(5), "a": L.Dense(6)}]
            self._hidden = L.Dense(7)
            self.adapter = L.Dense(8)
            self.again = self.adapter

        def call(self, x):
            first, (second, third), named = self.zlist
            for layer in (
                self.encoder,
                first,
                second,
                third,
                named["b"],
                named["a"],
                self._hidden,
                self.again,
            ):
                x = layer(x)
            return x

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    return Branches


def test_a_subclassed_model_is_the_same_in_the_other_library(keras, tmp_path):
    classes = {keras: subclassed(keras), minirnn: subclassed(minirnn)}
    x = numbers((2, 4, 3))
    for source, target in ((keras, minirnn), (minirnn, keras)):
        model = classes[source](units=4)
        model.compile("sgd", "mse")
        model(x)
        randomize(model)
        path = str(tmp_path / "model.keras")
        model.save(path)
        loaded = target.saving.load_model(path)
        assert type(loaded) is classes[target] and loaded.units == 4
        assert_equal([np.asarray(loaded(x))], [np.asarray(model(x))], 1e-5)
        paths = [v.shape for v in loaded.weights]
        assert sorted(paths) == sorted(v.shape for v in model.weights)


def test_a_model_goes_through_json_to_the_other_library(keras):
    for source, target in ((keras, minirnn), (minirnn, keras)):
        model = source.Sequential([source.Input((None, 3)), source.layers.GRU(2), source.layers.Dense(1)])
        loaded = target.models.model_from_json(model.to_json())
        assert [w.shape for w in loaded.weights] == [w.shape for w in model.weights]


def test_keras_cannot_read_weights_as_npz_whoever_wrote_them(keras, tmp_path):
    """If this fails, Keras has learned it, and a model saved without h5py can be read there."""
    from keras.src.saving import saving_lib

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    path = str(tmp_path / "model.keras")
    saving_lib.save_model(model, path, weights_format="npz")
    with pytest.raises(ValueError, match="allow_pickle"):
        keras.saving.load_model(path)
    with pytest.raises(saving.UnsafeFileError, match="holds object where numbers are expected"):
        saving.load_model(path)


def test_lambda_layers_are_the_same_in_the_other_library(keras, tmp_path):
    """A lambda as code, for who trusts it; a function of the user's by name, for all."""
    factor, x, path = 3.0, numbers((2, 4)), str(tmp_path / "m.keras")

    def tripled(x):
        return x * 3

    for source, target in ((keras, minirnn), (minirnn, keras)):
        model = source.Sequential([source.Input((4,)), source.layers.Lambda(lambda x: x * factor + 2)])
        model.save(path)
        with pytest.raises(ValueError, match="safe_mode=False"):
            target.saving.load_model(path)
        assert_equal(outputs(target.saving.load_model(path, safe_mode=False), x), outputs(model, x))
        model = source.Sequential([source.Input((4,)), source.layers.Lambda(tripled)])
        model.save(path)
        loaded = target.saving.load_model(path, custom_objects={"tripled": tripled})
        assert_equal(outputs(loaded, x), outputs(model, x))
