"""`interop.to_onnx`: onnx.checker accepts the file, and onnxruntime computes what the model does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirnn
from minirnn import interop, layers

KINDS = (layers.SimpleRNN, layers.GRU, layers.LSTM)
D, H = 4, 5
SIZES = ((1, 1), (3, 7), (6, 4))  # batches and steps

# What onnxruntime's recurrent operators know, and what its other ones do.
RECURRENT = ["linear", "relu", "sigmoid", "tanh", "elu", "softplus", "softsign", "leaky_relu", "hard_sigmoid"]
ACTIVATIONS = [
    "linear",
    "relu",
    "sigmoid",
    "tanh",
    "softmax",
    "log_softmax",
    "elu",
    "celu",
    "selu",
    "softplus",
    "softsign",
    "leaky_relu",
    "hard_sigmoid",
    "hard_silu",
    "exponential",
    "relu6",
    "hard_tanh",
    "silu",
    "gelu",
    "mish",
    "log_sigmoid",
]

recurrent_options = st.fixed_dictionaries(
    {
        "return_sequences": st.booleans(),
        "return_state": st.booleans(),
        "go_backwards": st.booleans(),
        "use_bias": st.booleans(),
        "zero_output_for_mask": st.booleans(),
    }
)


@pytest.fixture(scope="module")
def run(onnxruntime):
    """Return a function that gives what onnxruntime makes of a model of ONNX."""

    def call(proto, *arrays):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return session.run(None, {i.name: x for i, x in zip(session.get_inputs(), arrays, strict=True)})

    return call


def with_weights(model, size=0.4):
    """Give a model random weights, so that none of them can be mistaken for another."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        value = rng.normal(size=weight.shape) * size
        weight.assign(np.abs(value) + 0.1 if "variance" in weight.name else value)
    return model


def sequences(batch, steps, masked=False):
    """Return sequences; with zeros at their end, start or middle, and throughout, if some are `masked`."""
    x = np.random.default_rng(batch * 10 + steps).normal(size=(batch, steps, D)).astype("float32")
    if masked:
        x[0, max(1, steps // 2) :] = 0
        x[1:2, : steps // 2] = 0
        x[2:3, 1:3] = 0
        x[4:5] = 0
    return x


def assert_equal(run, model, *arrays, atol=2e-5, **options):
    got = run(interop.to_onnx(model, **options), *arrays)
    want = minirnn.tree.flatten(model(arrays[0] if len(arrays) == 1 else list(arrays)))
    assert len(got) == len(want)
    for y, y_ours in zip(got, want):
        assert y.shape == y_ours.shape
        assert y.dtype == y_ours.dtype
        np.testing.assert_allclose(y, y_ours.numpy(), atol=atol, rtol=1e-5)


@pytest.mark.parametrize("cls", KINDS)
@settings(max_examples=20)
@given(options=recurrent_options, masked=st.booleans(), more=st.data())
def test_a_recurrent_layer_gives_the_same_in_onnxruntime(run, cls, options, masked, more):
    if cls is layers.GRU:
        options["reset_after"] = more.draw(st.booleans(), "reset_after")
    x = layers.Input((None, D))
    layer = cls(H, **options)
    model = with_weights(minirnn.Model(x, layer(layers.Masking()(x) if masked else x)))
    for batch, steps in SIZES:
        assert_equal(run, model, sequences(batch, steps, masked))


@pytest.mark.parametrize("cls", KINDS)
@settings(max_examples=15)
@given(
    options=recurrent_options,
    masked=st.booleans(),
    merge_mode=st.sampled_from(["concat", "sum", "mul", "ave", None]),
)
def test_a_bidirectional_layer_gives_the_same_in_onnxruntime(run, cls, options, masked, merge_mode):
    x = layers.Input((None, D))
    layer = layers.Bidirectional(cls(H, **{**options, "go_backwards": False}), merge_mode=merge_mode)
    model = with_weights(minirnn.Model(x, layer(layers.Masking()(x) if masked else x)))
    for batch, steps in SIZES:
        assert_equal(run, model, sequences(batch, steps, masked))


@pytest.mark.parametrize("name", RECURRENT)
def test_activations_of_gates_and_candidates_keep_their_places_and_numbers(run, name):
    for cls in KINDS:
        for option in (
            ("activation", "recurrent_activation") if cls is not layers.SimpleRNN else ("activation",)
        ):
            for other in ("elu", "hard_sigmoid", "leaky_relu"):
                x = layers.Input((None, D))
                forward = cls(H, **{option: name})
                backward = cls(H, go_backwards=True, **{option: other})
                layer = layers.Bidirectional(forward, backward_layer=backward)
                assert_equal(run, with_weights(minirnn.Model(x, layer(x)), 0.2), sequences(3, 5))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_gives_the_same_in_onnxruntime(run, name):
    dense = layers.Dense(3, activation=name)
    model = minirnn.Sequential([layers.Input((None, D)), dense, layers.Activation(name)])
    assert_equal(run, with_weights(model), sequences(3, 5), atol=1e-5)


FLEXIBLE, FIXED = (None, D), (5, D)


@pytest.mark.parametrize(
    "shape, stack",
    [
        (FLEXIBLE, lambda: [layers.LayerNormalization()]),
        (FLEXIBLE, lambda: [layers.LayerNormalization(scale=False, epsilon=0.1)]),
        (FLEXIBLE, lambda: [layers.LayerNormalization(center=False)]),
        (FIXED, lambda: [layers.LayerNormalization(axis=[1, 2])]),
        (FLEXIBLE, lambda: [layers.BatchNormalization()]),
        (FLEXIBLE, lambda: [layers.BatchNormalization(scale=False, center=False)]),
        (FIXED, lambda: [layers.BatchNormalization(axis=1)]),
        (FIXED, lambda: [layers.Flatten(), layers.Dense(2, use_bias=False)]),
        (FIXED, lambda: [layers.Flatten(data_format="channels_first")]),
        (FIXED, lambda: [layers.Reshape((10, 2)), layers.Permute((2, 1))]),
        (FLEXIBLE, lambda: [layers.Reshape((-1, 2))]),
        (FLEXIBLE, lambda: [layers.LSTM(3), layers.RepeatVector(4), layers.GRU(2, return_sequences=True)]),
        (FLEXIBLE, lambda: [layers.TimeDistributed(layers.Dense(3, activation="softmax"))]),
        (FLEXIBLE, lambda: [layers.GlobalAveragePooling1D()]),
        (FLEXIBLE, lambda: [layers.Masking(), layers.GlobalAveragePooling1D(keepdims=True)]),
        (FLEXIBLE, lambda: [layers.GlobalMaxPooling1D()]),
        (FIXED, lambda: [layers.GlobalMaxPooling1D(data_format="channels_first")]),
        (FLEXIBLE, lambda: [layers.Rescaling(0.5, 1.0), layers.ReLU(max_value=1.0)]),
        (FLEXIBLE, lambda: [layers.ReLU(negative_slope=0.1), layers.LeakyReLU(), layers.ELU(0.5)]),
        (FLEXIBLE, lambda: [layers.Softmax(axis=1)]),
        (FLEXIBLE, lambda: [layers.Dropout(0.5), layers.GaussianNoise(0.1), layers.SpatialDropout1D(0.1)]),
        (FLEXIBLE, lambda: [layers.Masking(), layers.Dense(3), layers.Dropout(0.1), layers.GRU(2)]),
    ],
)
@pytest.mark.parametrize("opset", (17, 20))
def test_layers_around_recurrent_ones_give_the_same_in_onnxruntime(run, shape, stack, opset):
    model = with_weights(minirnn.Sequential([layers.Input(shape), *stack()]))
    for batch in (1, 3):
        assert_equal(run, model, sequences(batch, 5, masked=True), opset=opset)


@pytest.mark.parametrize(
    "name", ["Add", "Subtract", "Average", "Multiply", "Maximum", "Minimum", "Concatenate"]
)
def test_layers_that_merge_give_the_same_in_onnxruntime(run, name):
    x = layers.Input((None, D))
    branches = [layers.Dense(3)(x), layers.LSTM(3, return_sequences=True)(x)]
    model = with_weights(minirnn.Model(x, getattr(layers, name)()(branches)))
    assert_equal(run, model, sequences(3, 5))


@pytest.mark.parametrize("name", ("Add", "Concatenate"))
def test_a_merge_of_two_masks_is_masked_as_here(run, name):
    x, z = layers.Input((None, D), name="x"), layers.Input((None, D), name="z")
    merged = getattr(layers, name)()([layers.Masking()(x), layers.Masking()(z)])
    model = with_weights(minirnn.Model([x, z], layers.LSTM(H)(merged)))
    assert_equal(run, model, sequences(6, 7, masked=True), sequences(6, 7, masked=True)[::-1].copy())


@pytest.mark.filterwarnings("ignore:.*does not support masking")
def test_a_layer_that_drops_the_mask_drops_it_in_onnxruntime_too(run):
    stack = [layers.Masking(), layers.Permute((1, 2)), layers.LSTM(H)]
    assert_equal(run, with_weights(minirnn.Sequential([layers.Input(FIXED), *stack])), sequences(6, 5, True))


def tokens(batch, steps):
    ids = np.random.default_rng(batch + steps).integers(1, 9, (batch, steps)).astype("int32")
    ids[0, steps // 2 :] = 0
    ids[1:2] = 0
    ids[2:3, 0] = 0
    return ids


@pytest.mark.parametrize("cls", KINDS)
@pytest.mark.parametrize("both", (False, True))
def test_an_encoder_gives_its_states_to_a_decoder(run, cls, both):
    source, target = (layers.Input((None,), dtype="int32", name=n) for n in ("source", "target"))
    embedding = layers.Embedding(9, D, mask_zero=True)
    encoder, decoder = cls(H, return_state=True), cls(H, return_sequences=True, return_state=True)
    if both:
        encoder, decoder = layers.Bidirectional(encoder), layers.Bidirectional(decoder)
    _, *states = encoder(embedding(source))
    y, *states = decoder(embedding(target), initial_state=states)
    words = layers.TimeDistributed(layers.Dense(9, activation="softmax"))(y)
    model = with_weights(minirnn.Model([source, target], [words, *states]))
    for batch, steps in ((1, 2), (4, 6)):
        assert_equal(run, model, tokens(batch, steps), tokens(batch, steps + 3)[:, ::-1].copy())


@pytest.mark.parametrize("go_backwards", (False, True))
def test_before_the_first_step_that_counts_stands_the_first_state(run, go_backwards):
    x, state = layers.Input((None, D), name="x"), layers.Input((H,), name="state")
    layer = layers.GRU(H, return_sequences=True, return_state=True, go_backwards=go_backwards)
    y, last = layer(layers.Masking()(x), initial_state=state)
    model = with_weights(minirnn.Model([x, state], [y, last]))
    h = np.random.default_rng(0).normal(size=(6, H)).astype("float32")
    assert_equal(run, model, sequences(6, 7, masked=True), h)


def test_models_in_models_and_layers_called_twice_share_their_weights(run):
    inner = minirnn.Sequential([layers.Input((None, D)), layers.LSTM(D, return_sequences=True)], name="inner")
    x = layers.Input((None, D))
    y = inner(x)
    model = with_weights(minirnn.Model(x, [y, inner(layers.Dropout(0.1)(y))]))
    proto = interop.to_onnx(model)
    assert len([c for c in proto.graph.initializer if c.name.endswith("/kernel")]) == 1
    assert_equal(run, model, sequences(3, 5))
    assert_equal(run, minirnn.Sequential([layers.Input((None, D)), inner]), sequences(3, 5))


def test_a_layer_by_itself_takes_any_batch_and_any_number_of_steps(run):
    x = sequences(3, 5)
    for layer in (layers.LSTM(H, return_state=True), layers.Dense(2), layers.RNN(layers.GRUCell(H))):
        layer(x)
        for batch, steps in SIZES:
            assert_equal(run, layer, sequences(batch, steps))
    embedding = layers.Embedding(9, D)
    embedding(tokens(2, 3))
    assert_equal(run, embedding, tokens(4, 6))
    names = [value.name for value in interop.to_onnx(layers_with_states()).graph.output]
    assert names == ["output_0", "output_1", "output_2"]


def layers_with_states():
    layer = layers.LSTM(H, return_state=True)
    layer(sequences(1, 2))
    return layer


def test_inputs_and_outputs_have_the_names_of_the_model_and_open_axes_are_open(onnxruntime):
    x = layers.Input((None, D), name="signal")
    model = minirnn.Model(x, [layers.GRU(H, name="code")(x), layers.Dense(2, name="each")(x)])
    graph = interop.to_onnx(model).graph
    assert [v.name for v in graph.input] == ["signal"]
    assert [v.name for v in graph.output] == ["code", "each"]
    dims = graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == ["batch", "steps", D]


def test_float64_is_kept_and_accepted_by_the_checker(onnxruntime):
    import onnx

    layer = layers.LSTM(H, dtype="float64")
    layer(np.zeros((2, 3, D)))
    proto = interop.to_onnx(layer)
    kinds = {c.data_type for c in proto.graph.initializer if "kernel" in c.name}
    assert kinds == {onnx.TensorProto.DOUBLE}
    assert proto.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.DOUBLE


def test_every_opset_from_17_is_written_and_others_are_refused(run, onnxruntime):
    import onnx

    model = with_weights(
        minirnn.Sequential([layers.Embedding(9, D, mask_zero=True), layers.Bidirectional(layers.LSTM(H))])
    )
    newest = onnx.defs.onnx_opset_version()
    for opset in (17, 18, 21, 22, newest):
        assert_equal(run, model, tokens(4, 6), opset=opset)
        assert interop.to_onnx(model, opset=opset).opset_import[0].version == opset
    for opset in (16, newest + 1, "17"):
        with pytest.raises(ValueError, match=r"opset must be an integer from 17 to \d+"):
            interop.to_onnx(model, opset=opset)


def test_the_file_holds_the_model(run, tmp_path):
    import onnx

    path = tmp_path / "model.onnx"
    path.write_text("old")
    model = minirnn.Sequential([layers.Input((None, D)), layers.LSTM(H)])
    proto = interop.to_onnx(model, path)
    assert onnx.load(path) == proto
    assert [f.name for f in tmp_path.iterdir()] == ["model.onnx"]


def of_input(*stack, shape=FLEXIBLE):
    return minirnn.Sequential([layers.Input(shape), *stack])


def with_op():
    x = layers.Input((None, D))
    return minirnn.Model(x, layers.LSTM(H)(minirnn.ops.exp(x)), name="odd")


def with_mask_argument():
    x, mask = layers.Input((None, D)), layers.Input((None,), dtype="bool")
    return minirnn.Model([x, mask], layers.LSTM(H, name="odd")(x, mask=mask))


def masked_softmax():
    return of_input(layers.Masking(), layers.Softmax(name="odd"))


def half_masked():
    x = layers.Input((None, D))
    return minirnn.Model(x, layers.Concatenate(name="odd")([layers.Masking()(x), x]))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: of_input(layers.LSTM(H, activation="gelu", name="odd")), r"LSTM 'odd'.*activation='gelu'"),
        (
            lambda: of_input(layers.GRU(H, recurrent_activation=minirnn.ops.cos, name="odd")),
            r"GRU 'odd'.*recurr",
        ),
        (lambda: of_input(layers.Dense(3, activation="sparsemax", name="odd")), r"Dense 'odd'.*'sparsemax'"),
        (lambda: of_input(layers.LSTM(H, dtype="mixed_float16", name="odd")), r"LSTM 'odd'.*mixed_float16"),
        (lambda: of_input(layers.Dense(H, dtype="float16", name="odd")), r"Dense 'odd'.*dtype float16"),
        (lambda: of_input(layers.RNN([layers.LSTMCell(2)], name="odd")), r"RNN 'odd'.*a StackedRNNCells"),
        (
            lambda: minirnn.Sequential(
                [layers.Input(batch_shape=(2, 3, D)), layers.GRU(H, stateful=True, name="odd")]
            ),
            r"GRU 'odd'.*stateful=True",
        ),
        (
            lambda: of_input(
                layers.Bidirectional(
                    layers.GRU(2), backward_layer=layers.GRU(3, go_backwards=True), name="odd"
                )
            ),
            r"Bidirectional 'odd'.*different kinds, units",
        ),
        (
            lambda: of_input(
                layers.TimeDistributed(layers.Dense(1), name="a"),
                layers.TimeDistributed(layers.LayerNormalization(name="inner"), name="odd"),
            ),
            r"TimeDistributed 'odd'.*a LayerNormalization \('inner'\)",
        ),
        (lambda: of_input(layers.LayerNormalization(axis=1, name="odd"), shape=(5, D)), r"'odd'.*axis=\[1\]"),
        (masked_softmax, r"Softmax 'odd'.*with a mask"),
        (half_masked, r"Concatenate 'odd'.*with masks"),
        (with_op, r"Functional 'odd'.*the op 'exp'"),
        (with_mask_argument, r"LSTM 'odd'.*a call with mask"),
        (lambda: layers.LSTM(H, name="odd"), r"LSTM 'odd'.*needs to know the shape"),
        (
            lambda: minirnn.Sequential([layers.LSTM(H)], name="odd"),
            r"Sequential 'odd'.*needs to know its input",
        ),
    ],
)
def test_an_option_that_onnx_lacks_is_refused_by_name_and_no_file_is_touched(
    onnxruntime, make, message, tmp_path
):
    path = tmp_path / "model.onnx"
    path.write_text("old")
    with pytest.raises(ValueError, match=message):
        interop.to_onnx(make(), path)
    assert path.read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["model.onnx"]
