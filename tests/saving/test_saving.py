"""Saving and loading changes nothing: outputs, weights, what training does next."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirnn
from minirnn import layers, optimizers, saving
from minirnn.layers.rollback import all_or_nothing
from minirnn.utils import set_random_seed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5, 3)).astype("float32")
Y = RNG.normal(size=(4, 2)).astype("float32")

NAMES = ["Adam", "SGD", "RMSprop", "Nadam", "Adamax", "Adagrad", "Adadelta", "Lion", "AdamW"]
recurrent = st.sampled_from(
    [
        lambda: layers.LSTM(3, return_sequences=True, dropout=0.2),
        lambda: layers.GRU(3, return_sequences=True, recurrent_dropout=0.2, reset_after=False),
        lambda: layers.RNN([layers.GRUCell(2), layers.LSTMCell(3, dropout=0.3)], return_sequences=True),
        lambda: layers.Bidirectional(layers.SimpleRNN(2, return_sequences=True, stateful=True)),
        lambda: layers.LSTM(3, stateful=True, return_sequences=True),
        lambda: layers.TimeDistributed(layers.Dense(3, activation="relu")),
        lambda: layers.BatchNormalization(),
        lambda: layers.Dropout(0.3),
        lambda: layers.GaussianNoise(0.3),
        lambda: layers.Conv1D(3, 2, padding="causal", kernel_regularizer="l2"),
        lambda: layers.Masking(),
    ]
)


def train(model, epochs=2):
    set_random_seed(3)
    return model.fit(X, Y, batch_size=4, epochs=epochs, verbose=0).history


def assert_same(other, one):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    if one.optimizer is not None and one.optimizer.built:
        for a, b in zip(one.optimizer.variables, other.optimizer.variables, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


@settings(max_examples=20)
@given(st.lists(recurrent, min_size=1, max_size=3), st.sampled_from(NAMES), st.booleans(), st.booleans())
def test_training_goes_on_as_if_it_had_not_been_saved(tmp_path_factory, stack, optimizer, trained, built):
    """To the bit: dropout draws the same, states of stateful layers are where they were."""
    folder = tmp_path_factory.mktemp("model")
    first = [minirnn.Input((5, 3), batch_size=4)] if built else []
    model = minirnn.Sequential([*first, *(make() for make in stack), layers.LSTM(2), layers.Dense(2)])
    model.compile(optimizer, "mse", metrics=["mae"])
    if trained or not built:
        train(model)
    model.save(folder / "model.keras")
    loaded = saving.load_model(folder / "model.keras")
    assert loaded.get_config() == model.get_config()
    assert_same(loaded, model)
    np.testing.assert_array_equal(
        loaded.predict(X, batch_size=4, verbose=0), model.predict(X, batch_size=4, verbose=0)
    )
    assert train(loaded) == train(model)
    assert_same(loaded, model)


def small(**options):
    model = minirnn.Sequential([minirnn.Input((5, 3)), layers.LSTM(3), layers.Dense(2)])
    model.compile(**{"optimizer": "adam", "loss": "mse", **options})
    return model


@pytest.mark.parametrize("ending", [".weights.h5", ".weights.npz"])
@pytest.mark.parametrize("used_before", [False, True])
def test_weights_alone_bring_the_state_of_the_optimizer(tmp_path, ending, used_before):
    path, model, other = tmp_path / f"w{ending}", small(), small()
    train(model)
    if used_before:
        train(other, epochs=1)
    model.save_weights(path)
    other.load_weights(path)
    assert_same(other, model)
    assert train(other) == train(model)


def test_weights_come_from_a_whole_model_too(tmp_path):
    model, other = small(), small()
    train(model)
    model.save(tmp_path / "m.keras")
    other.load_weights(tmp_path / "m.keras")
    assert_same(other, model)


def test_an_optimizer_that_was_not_used_is_none_after_loading(tmp_path, recwarn):
    model = small(optimizer=optimizers.SGD(0.25, momentum=0.5))
    model.save(tmp_path / "m.keras")
    loaded = saving.load_model(tmp_path / "m.keras")
    assert float(loaded.optimizer.learning_rate) == 0.25 and int(loaded.optimizer.iterations) == 0
    assert not recwarn.list


def test_compile_false_gives_a_model_without_optimizer(tmp_path):
    small().save(tmp_path / "m.keras")
    loaded = saving.load_model(tmp_path / "m.keras", compile=False)
    assert not loaded.compiled and loaded.optimizer is None


def test_a_model_is_saved_without_its_optimizer_where_that_is_asked_for(tmp_path):
    model = small()
    train(model)
    model.save(tmp_path / "m.keras", True, True, include_optimizer=False, save_format="keras")
    loaded = saving.load_model(tmp_path / "m.keras")
    assert not loaded.compiled and loaded.optimizer is None
    assert_same(model, loaded)
    model.save_weights(tmp_path / "m.weights.h5", max_shard_size=None)
    model.save(tmp_path / "whole.keras")
    sizes = [(tmp_path / name).stat().st_size for name in ("m.keras", "whole.keras")]
    assert sizes[0] < sizes[1]


def test_a_shared_layer_is_one_again(tmp_path):
    embedding = layers.Embedding(7, 3)
    parts = [minirnn.Sequential([minirnn.Input((None,)), embedding, layers.LSTM(2)]) for _ in range(2)]
    inputs = minirnn.Input((None,))
    model = minirnn.Model(inputs, layers.Concatenate()([part(inputs) for part in parts]))
    model.save(tmp_path / "m.keras")
    loaded = saving.load_model(tmp_path / "m.keras")
    one, other = (part.layers[0] for part in loaded.layers if isinstance(part, minirnn.Sequential))
    assert one is other
    assert_same(loaded, model)


@saving.register_keras_serializable("tests")
class Counting(minirnn.Layer):
    """Keeps its weight in a form of its own."""

    def build(self, input_shape):
        self.count = self.add_weight((), "zeros", name="count", trainable=False)

    def call(self, x):
        return x + self.count

    def save_own_variables(self, store):
        store["halves"] = np.array([self.count.numpy() / 2] * 2)

    def load_own_variables(self, store):
        self.count.assign(store["halves"].sum())


def test_a_layer_may_keep_its_weights_in_its_own_form(tmp_path):
    layer = Counting()
    model = minirnn.Sequential([minirnn.Input((2,)), layer])
    layer.count.assign(5.0)
    model.save(tmp_path / "m.keras")
    assert saving.load_model(tmp_path / "m.keras").layers[0].count.numpy() == 5


def test_a_class_that_is_not_registered_comes_with_custom_objects(tmp_path):
    class Own(layers.Dense):
        pass

    model = minirnn.Sequential([minirnn.Input((2,)), Own(2)])
    model.save(tmp_path / "m.keras")
    with pytest.raises(saving.UnsafeFileError, match="unknown name 'Own'"):
        saving.load_model(tmp_path / "m.keras")
    assert_same(saving.load_model(tmp_path / "m.keras", custom_objects={"Own": Own}), model)


def test_mixed_precision_comes_back(tmp_path):
    minirnn.config.set_dtype_policy("mixed_float16")
    try:
        model = small()
        train(model)
        model.save(tmp_path / "m.keras")
        loaded = saving.load_model(tmp_path / "m.keras")
    finally:
        minirnn.config.set_dtype_policy(None)
    assert isinstance(loaded.optimizer, optimizers.LossScaleOptimizer)
    assert_same(loaded, model)


def test_training_false_in_a_functional_model_stays(tmp_path):
    inputs = minirnn.Input((3,))
    model = minirnn.Model(inputs, layers.Dropout(0.5)(inputs, training=False))
    model.save(tmp_path / "m.keras")
    x = np.ones((4, 3), "float32")
    np.testing.assert_array_equal(saving.load_model(tmp_path / "m.keras")(x, training=True).numpy(), x)


def test_weights_of_another_model_change_nothing(tmp_path):
    model = minirnn.Sequential([minirnn.Input((5, 3)), layers.LSTM(3), layers.Dense(4)])
    model.save_weights(tmp_path / "m.weights.h5")
    other = small()
    before = other.get_weights()
    message = r"Dense '.*': weight '.*kernel' has shape \(3, 2\); in the file it has \(3, 4\)"
    with pytest.raises(ValueError, match=message):
        other.load_weights(tmp_path / "m.weights.h5")
    for a, b in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.warns(UserWarning, match="1 layer.* left as they are: Dense"):
        other.load_weights(tmp_path / "m.weights.h5", skip_mismatch=True)
    for a, b in zip(other.layers[0].get_weights(), model.layers[0].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_objects_to_skip_stay_as_they_are(tmp_path):
    model, other = small(), small()
    model.save_weights(tmp_path / "m.weights.h5")
    dense = other.layers[1].get_weights()
    other.load_weights(tmp_path / "m.weights.h5", objects_to_skip=[other.layers[1]])
    np.testing.assert_array_equal(other.layers[1].get_weights()[0], dense[0])
    np.testing.assert_array_equal(other.layers[0].get_weights()[0], model.layers[0].get_weights()[0])


def test_without_h5py_models_are_saved_and_loaded_all_the_same(tmp_path):
    code = """
import sys
sys.modules["h5py"] = None
import numpy as np
import minirnn
from minirnn import layers, saving
model = minirnn.Sequential([minirnn.Input((5, 3)), layers.LSTM(3), layers.Dense(2)])
model.compile("adam", "mse")
model.fit(np.ones((2, 5, 3)), np.ones((2, 2)), verbose=0)
model.save("m.keras")
loaded = saving.load_model("m.keras")
assert all((a == b).all() for a, b in zip(model.get_weights(), loaded.get_weights()))
for call in (lambda: model.save_weights("w.weights.h5"), lambda: saving.load_model("h5.keras")):
    try:
        call()
    except ImportError as error:
        print(error)
"""
    small().save(tmp_path / "h5.keras")
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(minirnn.__path__[0]).rpartition("minirnn")[0]},
    )
    assert done.stdout.count("minirnn[keras]") == 2, done.stderr
    assert zipfile.ZipFile(tmp_path / "m.keras").namelist()[-1] == "model.weights.npz"
    assert saving.load_model(tmp_path / "m.keras").count_params() == small().count_params()


def test_json_describes_the_model(tmp_path):
    model = small()
    assert json.loads(model.to_json(indent=2))["class_name"] == "Sequential"
    loaded = minirnn.models.model_from_json(model.to_json())
    assert loaded.get_config() == model.get_config()


def test_errors_say_what_to_do(tmp_path):
    model = small()
    model.save(tmp_path / "m.keras")
    cases = [
        (lambda: model.save(tmp_path / "m.zip"), ValueError, "save writes .keras files"),
        (lambda: model.save(tmp_path / "m.keras", overwrite=False), FileExistsError, "overwrite=True"),
        (lambda: model.save_weights(tmp_path / "m.h5"), ValueError, ".weights.h5 or .weights.npz"),
        (lambda: model.load_weights(tmp_path / "m.bin"), FileNotFoundError, "m.bin"),
        (lambda: saving.load_model(tmp_path / "none.keras"), FileNotFoundError, "none.keras"),
        (lambda: saving.load_model(tmp_path / "none.keras"), ValueError, "File not found"),
        (lambda: saving.load_model(tmp_path / "none.h5"), ValueError, "File not found"),
        (lambda: model.load_weights(tmp_path / "none.weights.h5"), ValueError, "File not found"),
        (lambda: model.save(tmp_path / "n.keras", zipped=False), ValueError, "zipped=False"),
        (lambda: model.save(tmp_path / "n.keras", save_format="tf"), ValueError, "got 'tf'"),
        (lambda: model.save_weights(tmp_path / "n.weights.h5", max_shard_size=1), ValueError, "no shards"),
        (lambda: minirnn.Sequential([layers.Dense(2)]).save_weights("w.weights.h5"), ValueError, "is built"),
        (lambda: minirnn.Sequential([layers.Dense(2)]).load_weights("w.weights.h5"), ValueError, "is built"),
    ]
    for call, kind, text in cases:
        with pytest.raises(kind, match=text.replace(".", r"\.")):
            call()


def test_a_lambda_is_saved_as_code_which_is_run_for_who_trusts_it_alone(tmp_path):
    path, factor = tmp_path / "m.keras", 3.0
    layer = layers.Lambda(lambda x, n=2: x * factor + n, output_shape=lambda s: s, mask=lambda x, m: None)
    model = minirnn.Sequential([minirnn.Input((4, 3)), layer, layers.TimeDistributed(layer)])
    for _ in range(2):
        model.save(path)
        with pytest.raises(saving.UnsafeFileError, match="safe_mode=False"):
            saving.load_model(path)
        again = saving.load_model(path, safe_mode=False)
        np.testing.assert_array_equal(again(X).numpy(), (X * 3 + 2) * 3 + 2)
        model = again


def test_a_lambda_that_holds_what_no_config_can_is_not_saved(tmp_path):
    table = np.ones(3)
    model = minirnn.Sequential([minirnn.Input((3,)), layers.Lambda(lambda x: x + table)])
    with pytest.raises(ValueError, match="plain values"):
        model.save(tmp_path / "m.keras")
    assert not list(tmp_path.iterdir())


@saving.register_keras_serializable("tests")
def tripled(x, factor=3.0):
    return x * factor


def quadrupled(x):
    return x * 4


def first_step(x, mask=None):
    return x[:, 0, 0] > 0


@pytest.mark.parametrize("function, known", [(tripled, {}), (quadrupled, {"quadrupled": quadrupled})])
def test_a_lambda_layer_of_a_function_of_the_users_loads_as_any_layer(tmp_path, function, known):
    model = minirnn.Sequential([minirnn.Input((4, 3)), layers.Lambda(function)])
    model.save(tmp_path / "m.keras")
    again = saving.load_model(tmp_path / "m.keras", custom_objects=known)
    np.testing.assert_array_equal(again(X).numpy(), model(X).numpy())
    again = saving.model_from_json(model.to_json(), custom_objects=known)
    np.testing.assert_array_equal(again(X).numpy(), model(X).numpy())
    with saving.custom_object_scope(known):
        saving.load_model(tmp_path / "m.keras")


def test_a_lambda_layer_may_have_an_array_as_its_mask():
    layer = layers.Lambda(tripled, mask=np.array([True, False]))
    again = saving.model_from_json(minirnn.Sequential([minirnn.Input((4, 3)), layer]).to_json())
    assert again.layers[-1].mask.tolist() == [True, False]


def test_each_function_of_a_lambda_layer_must_be_the_users():
    model = minirnn.Sequential([minirnn.Input((4, 3)), layers.Lambda(tripled, mask=first_step)])
    with pytest.raises(saving.UnsafeFileError, match="Lambda layer"):
        saving.model_from_json(model.to_json())
    saving.model_from_json(model.to_json(), custom_objects={"first_step": first_step})
    with pytest.raises(saving.UnsafeFileError, match="Lambda layer"):
        saving.model_from_json(model.to_json(), custom_objects={"first_step": layers.Dense})


@pytest.mark.parametrize("how", ["sequential", "functional", "subclassed"])
def test_each_of_many_models_in_a_model_has_its_own_path(tmp_path, how):
    """Lists that properties make in passing must not be taken for one another."""

    class Many(minirnn.Model):
        def __init__(self, parts, **kwargs):
            super().__init__(**kwargs)
            self.parts = parts

        def call(self, x):
            for part in self.parts:
                x = part(x)
            return x

    def make():
        parts = [minirnn.Sequential([minirnn.Input((3,)), layers.Dense(3)]) for _ in range(12)]
        if how == "sequential":
            return minirnn.Sequential([minirnn.Input((3,)), *parts])
        if how == "subclassed":
            model = Many(parts)
            model(X[:, 0])
            return model
        x = y = minirnn.Input((3,))
        for part in parts:
            y = part(y)
        return minirnn.Model(x, y)

    model, other = make(), make()
    model.save_weights(tmp_path / "many.weights.h5")
    other.load_weights(tmp_path / "many.weights.h5")
    assert_same(other, model)


class Twice(minirnn.Model):
    """Built when it first sees data: its layers, and a layer that has layers and no `build`."""

    class Block(minirnn.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.rnn, self.block = layers.GRU(3), self.Block()

    def call(self, x):
        return self.block(self.rnn(x))


@pytest.mark.parametrize("how", ["call", "fit", "evaluate", "train_on_batch", "predict", "build"])
def test_a_subclassed_model_is_loaded_whatever_built_it(tmp_path, how):
    set_random_seed(0)
    model = Twice()
    model.compile("adam", "mse")
    {
        "call": lambda: model(X),
        "fit": lambda: model.fit(X, Y, verbose=0),
        "evaluate": lambda: model.evaluate(X, Y, verbose=0),
        "train_on_batch": lambda: model.train_on_batch(X, Y),
        "predict": lambda: model.predict(X, verbose=0),
        "build": lambda: model.build((None, 5, 3)),
    }[how]()
    model.save(tmp_path / "m.keras")
    other = saving.load_model(tmp_path / "m.keras", custom_objects={"Twice": Twice})
    assert_same(other, model)


class Pair(minirnn.layers.Layer):
    """Two weights, of which a file may fit the first alone; it says itself how they are kept."""

    def __init__(self, n, **kwargs):
        super().__init__(**kwargs)
        self.n = n

    def build(self, shape):
        self.a = self.add_weight((2,), "zeros", name="a")
        self.b = self.add_weight((self.n,), "zeros", name="b")

    def call(self, x):
        return x

    def save_own_variables(self, store):
        store["a"], store["b"] = self.a.numpy(), self.b.numpy()

    def load_own_variables(self, store):
        self.a.assign(store["a"])
        self.b.assign(store["b"])


def test_a_layer_that_does_not_fit_is_left_whole(tmp_path):
    one, two = (minirnn.Sequential([minirnn.Input((4,)), Pair(n)]) for n in (2, 3))
    one.layers[0].a.assign([5, 5])
    one.save_weights(tmp_path / "a.weights.h5")
    with pytest.warns(UserWarning, match="1 layer"):
        two.load_weights(tmp_path / "a.weights.h5", skip_mismatch=True)
    assert not two.layers[0].a.numpy().any()


def test_what_a_broken_step_has_loaded_is_taken_back(tmp_path):
    model = minirnn.Sequential([minirnn.Input((4,)), layers.Dense(2)])
    model.save_weights(tmp_path / "a.weights.h5")
    model.set_weights([np.zeros((4, 2)), np.zeros(2)])

    def load_and_break():
        model.load_weights(tmp_path / "a.weights.h5")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        all_or_nothing(load_and_break)
    assert not model.get_weights()[0].any()
