"""A program as users write it, over the whole API; `test_typing.py` runs it and has it read by pyright."""

import numpy as np

import minirnn
from minirnn import Input, KerasTensor, Tensor, Variable, activations, callbacks, constraints, initializers
from minirnn import (
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    random,
    regularizers,
    saving,
    tree,
    utils,
)
from minirnn.optimizers import schedules

# ruff: noqa: I001

utils.set_random_seed(1)
x = np.random.default_rng(0).normal(size=(12, 6, 4)).astype("float32")
y = x.sum(axis=(1, 2))[:, None]
classes = np.arange(12) % 3
seen: list = []

# Layers, with names, objects, functions and numbers.

lstm = layers.LSTM(
    4,
    activation=activations.relu,
    recurrent_activation=ops.sigmoid,
    kernel_initializer=initializers.Orthogonal(1),
    recurrent_initializer=initializers.RandomNormal(0, 1, seed=3),
    bias_initializer=initializers.Constant(1),
    kernel_regularizer=regularizers.L2(1),
    recurrent_regularizer="l1",
    bias_constraint=constraints.MaxNorm(1.5),
    activity_regularizer=regularizers.L1L2(0, 1),
    dropout=0,
    recurrent_dropout=0.5,
    seed=1,
    use_cudnn=False,
    return_sequences=True,
    return_state=True,
    dtype=minirnn.DTypePolicy("float32"),
)
sequence, h, c = lstm(x, mask=np.ones((12, 6), bool), training=False)
again = lstm(sequence[:, ::2, :4] * 2 + 1, initial_state=[h, c])[0]
gru = layers.GRU(3, "tanh", lambda v: ops.sigmoid(v), kernel_initializer="ones", reset_after=False)
simple = layers.SimpleRNN(3, None, bias_initializer=initializers.get("ones"), stateful=True, use_cudnn="auto")
simple(x)
simple.reset_state(np.zeros((12, 3)))
both = layers.Bidirectional(layers.LSTM(3), merge_mode=None, backward_layer=layers.LSTM(3, go_backwards=True))
ahead, back = both(x)
cells = [layers.LSTMCell(3), layers.GRUCell(3, activation=ops.tanh, dropout=0)]
output, *states = layers.RNN(cells, return_state=True)(x)
rnn = layers.RNN(layers.StackedRNNCells([layers.SimpleRNNCell(3, activation="relu", use_bias=False)]))
images = layers.ConvLSTM2D(2, (3, 3), strides=(1, 1), padding="same", dilation_rate=(1, 1))
images(np.zeros((1, 2, 5, 5, 1)))
steps = layers.ConvLSTM1D(2, 3, activation=activations.get("relu"), recurrent_activation=None)
seen += [lstm.cell.kernel.shape[0] + 1, cells[0].kernel[0], simple.states[0] + 1, both.forward_layer.units]
seen += [
    rnn(x)[0] + 1,
    gru(x).shape[-1] + 1,
    lstm.kernel_report().tier,
    steps.name,
    back[0],
    rnn.cell.cells[0],
]

model = models.Sequential(
    [
        Input((6, 4), batch_size=None),
        layers.Conv1D(8, 2, strides=(1,), padding="causal", dilation_rate=(1,), activation=ops.relu),
        layers.BatchNormalization(momentum=0, epsilon=1, gamma_initializer=initializers.Ones()),
        layers.LayerNormalization(axis=(-1,), epsilon=1, beta_initializer=initializers.Constant([1] * 8)),
        layers.TimeDistributed(layers.Dense(4, "relu", kernel_initializer=initializers.HeNormal())),
        layers.ZeroPadding1D((1, 2)),
        layers.Cropping1D(1),
        layers.UpSampling1D(size=2),
        layers.MaxPooling1D(2, strides=1, padding="same"),
        layers.AveragePooling1D(pool_size=(2,)),
        layers.Dropout(0, noise_shape=(None, 1, None), seed=1),
        layers.SpatialDropout1D(0.5),
        layers.GaussianNoise(1),
        layers.GaussianDropout(0),
        layers.Activation(activations.tanh),
        layers.ReLU(max_value=6, negative_slope=1, threshold=0),
        layers.LeakyReLU(1),
        layers.ELU(alpha=2),
        layers.Softmax(axis=(1, 2)),
        layers.ActivityRegularization(l1=1, l2=0.5),
        layers.Rescaling(1 / 255, offset=[1, 2, 3, 4]),
        layers.Lambda(lambda v: v * 2),
        layers.Permute((2, 1)),
        layers.Reshape((-1, 4)),
        layers.Recompute(layers.Dense(4)),
        layers.Masking(mask_value=-1),
        layers.GlobalAveragePooling1D(keepdims=False),
        layers.RepeatVector(3),
        layers.Identity(),
        layers.Flatten(),
        layers.Dense(1, bias_initializer=initializers.Zeros(), kernel_constraint=constraints.UnitNorm([0])),
    ]
)
model.add(layers.Dense(units=1, dtype="float32"))
model.layers[-1].trainable = False
seen += [model.layers[0].kernel.shape[0] + 1, model.get_layer(index=1).gamma[0], model.output_shape[-1] * 2]
seen += [model.layers[0].output.shape[-1] // 2, model.input.shape[1:], model.get_weights()[0].shape]

# Functional models.

words = Input(shape=(None,), dtype="int32", name="words")
v = layers.Embedding(10, 4, embeddings_initializer=initializers.RandomUniform(-1, 1), mask_zero=True)(words)
v = layers.concatenate([v * 2, 1 - v, ops.exp(v) / 3], axis=2)
attended = layers.Attention(use_scale=True, score_mode="concat", dropout=0)([v, v])
attended, scores = layers.AdditiveAttention(dropout=0)([v, attended], return_attention_scores=True)
merged = layers.Add()([v, attended[:, :, :]]) @ np.ones((12, 5), "float32")
merged = layers.Dot(axes=(2, 2), normalize=True)([merged, merged])
last = layers.GlobalMaxPooling1D()(layers.Concatenate(axis=1)([-merged, abs(merged)]) ** 2)
assert isinstance(last, KerasTensor) and words.shape[0] is None
mean = ops.mean(v, axis=1) * 2
outputs = {"a": layers.Dense(mean.shape[-1] // 12)(mean), "b": layers.Dense(3, "softmax")(mean[..., :2])}
tagger = models.Model(inputs={"words": words}, outputs=outputs, name="tagger")
tagger.compile(
    optimizers.SGD(schedules.ExponentialDecay(0.1, 10, 0.9), momentum=1, nesterov=True, clipnorm=1),
    loss={"a": "mse", "b": losses.SparseCategoricalCrossentropy(from_logits=False)},
    loss_weights={"a": 1, "b": 0.5},
    metrics={"a": ["mae", metrics.MeanAbsoluteError(name="m")], "b": "accuracy"},
)
tokens, targets = {"words": np.ones((12, 5), int)}, {"a": y, "b": classes}
tagger.fit(tokens, targets, 4, verbose=0, sample_weight={"a": np.ones(12), "b": np.ones(12)})
seen += [tagger.outputs[0].shape, tagger.input_shape, tagger.get_layer("words").output.shape[-1]]
seen += [tagger.predict(tokens, verbose=0)["a"][0, 0], tagger.evaluate(tokens, targets, verbose=0)[0] + 1]

# Optimizers, schedules, losses and metrics.

for rate in (
    1,
    np.float32(0.1),
    schedules.CosineDecay(0.1, 10, alpha=1, warmup_target=1, warmup_steps=5),
    schedules.CosineDecayRestarts(1, 10, t_mul=1, m_mul=1, alpha=0),
    schedules.PolynomialDecay(1, 10, end_learning_rate=0, power=2),
    schedules.InverseTimeDecay(1, 10, 1, staircase=True),
    schedules.PiecewiseConstantDecay([5, 10], [1, 0.5, 0.1]),
    lambda: 0.1,
):
    seen += [optimizers.AdamW(rate, weight_decay=0), optimizers.Nadam(rate), optimizers.Adamax(rate)]
    seen += [optimizers.RMSprop(rate, rho=0, momentum=0.5), optimizers.Adadelta(rate, rho=0)]
    seen += [optimizers.Adagrad(rate, 1), optimizers.Lion(rate, beta_1=1, use_ema=True, ema_momentum=0)]
adam = optimizers.Adam(1, beta_1=0, beta_2=0.5, epsilon=1e-3, amsgrad=True, weight_decay=1, clipvalue=1)
adam.learning_rate.assign(adam.learning_rate * 0.5)
scaled = optimizers.LossScaleOptimizer(optimizers.Adam(), initial_scale=1024, dynamic_growth_steps=10)
seen += [
    losses.BinaryCrossentropy(label_smoothing=0, reduction=None)([[1.0]], [[0.5]])[0],
    adam.iterations + 1,
]
seen += [losses.Huber(delta=2, reduction="sum")(y, y).numpy() + 1, losses.huber(y, 2 * y, delta=1)[0]]
seen += [
    losses.CategoricalFocalCrossentropy(alpha=[0.2, 0.8], gamma=1),
    losses.BinaryFocalCrossentropy(gamma=0),
]
seen += [losses.MeanSquaredError("none"), losses.CosineSimilarity(axis=1), losses.get("mse")(y, y)[0] + 1]
auc = metrics.AUC(num_thresholds=10, thresholds=[0.2, 0.5], curve="PR", multi_label=False)
auc.update_state(np.eye(3), np.full((3, 3), 0.5), sample_weight=[1, 1, 1])
seen += [
    float(auc.result()),
    metrics.Mean()(3) + 1,
    metrics.BinaryAccuracy(threshold=1),
    metrics.F1Score("micro"),
]
seen += [metrics.Precision(thresholds=[0.5], top_k=None), metrics.Recall(0.5), metrics.FBetaScore(beta=2.0)]
seen += [
    metrics.TopKCategoricalAccuracy(k=2),
    metrics.Perplexity(axis=2),
    metrics.R2Score(class_aggregation=None),
]
seen += [metrics.SensitivityAtSpecificity(1), metrics.MeanMetricWrapper(losses.huber, delta=1)]
seen += [metrics.CategoricalCrossentropy(label_smoothing=0.1, axis=1), metrics.get("mse").name]

# Training.

stop = callbacks.EarlyStopping(min_delta=0.01, patience=1, baseline=0.5, start_from_epoch=1)
model.compile(optimizer=adam, loss=losses.mean_squared_error, metrics=[lambda t, p: p - t])
model.compile(optimizer=scaled, loss=lambda t, p: ops.mean((t - p) ** 2), jit_compile=False)
history = model.fit(
    x,
    y,
    verbose=0,
    epochs=2,
    validation_split=0.25,
    validation_freq=[1, 2],
    callbacks=[
        stop,
        callbacks.ModelCheckpoint("{epoch}.weights.h5", save_weights_only=True, save_freq=1),
        callbacks.ModelCheckpoint("b.weights.h5", "loss", 0, True, True, initial_value_threshold=1),
        callbacks.BackupAndRestore("backup", save_freq=5),
        callbacks.ReduceLROnPlateau(factor=0.5, patience=1, min_delta=0, cooldown=1, min_lr=1e-5),
        callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9, verbose=False),
        callbacks.CSVLogger("log.csv", separator=";", append=True),
        callbacks.GradientNorms(every=2),
        callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["loss"])),
        callbacks.TerminateOnNaN(),
    ],
)
seen += [history.history["loss"][-1] + 1, history.params["epochs"], model.history.epoch[0], stop.best - 1]
seen += [model.predict(x, verbose=0)[0, 0:], model(x)[:, 0].numpy().mean(), model.predict_on_batch(x)[0] + 1]
seen += [model.evaluate(x, y, verbose=0, return_dict=True)["loss"], round(model.evaluate(x, y, verbose=0), 3)]
seen += [model.train_on_batch(x, y) + 1, model.test_on_batch(x, y, return_dict=True)["loss"]]
model.optimizer.learning_rate = 0.05


class Batches(utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return x[4 * index : 4 * index + 4], y[4 * index : 4 * index + 4]


def endless():
    while True:
        yield x, y


data = Batches(workers=2)
model.fit(endless(), steps_per_epoch=2, validation_data=data, validation_steps=1, verbose=0)
model.fit(data, verbose=False, validation_data=(x, y, np.ones(12)), validation_batch_size=4)
model.fit([x], [y], batch_size=12, verbose=0, shuffle=False)
windows = utils.timeseries_dataset_from_array(x[0], None, sequence_length=3, sequence_stride=2, seed=1)
padded = utils.pad_sequences([[1, 2], [3]], maxlen=3, dtype="float32", padding="post", value=-1)
seen += [next(iter(windows)).shape, padded[0, 0], utils.to_categorical(classes, num_classes=3)[0, 1]]
seen += [utils.normalize(x, order=1)[0], utils.split_dataset(x, 0.5)[0]]

# Classes of the user's own.


@saving.register_keras_serializable()
class Gate(layers.Layer):
    def __init__(self, units=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.inner = layers.Dense(4)
        self.input_spec = layers.InputSpec(min_ndim=2)

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], 4), "glorot_uniform", name="kernel")
        self.rest = self.add_weight(
            shape=(4,), initializer=initializers.Zeros(), regularizer=regularizers.L2(1)
        )

    def call(self, inputs, training=None, mask=None):
        if training:
            self.add_loss(1e-3 * ops.sum(self.kernel**2))
        return ops.sigmoid(inputs @ self.kernel + self.rest) * self.inner(inputs)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 4)

    def compute_mask(self, inputs, previous_mask=None):
        return previous_mask

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Cell(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1] + self.units, self.units), name="w")
        self.built = True

    def call(self, inputs, states, training=None):
        h = ops.tanh(ops.matmul(ops.concatenate([inputs, states[0]], axis=-1), self.w))
        return h, [h]

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, self.units))]


class Peephole(layers.LSTMCell):
    def build(self, input_shape):
        super().build(input_shape)
        self.peep = self.add_weight(shape=(self.units,), name="peep")

    def call(self, inputs, states, training=None):
        h, (_, c) = super().call(inputs, states, training)
        return h + c * self.peep, [h, c]


class Squared(losses.Loss):
    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_pred - y_true), axis=-1)


class Bias(metrics.Metric):
    def __init__(self, name="bias", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(shape=(1,), name="total", initializer=initializers.Zeros())

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(ops.sum(y_pred - ops.cast(y_true, self.dtype), keepdims=True)[0])

    def result(self):
        return self.total[0] / 2

    def reset_state(self):
        self.total.assign([0])


class Watch(callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.losses: list[float] = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])
        self.model.stop_training = batch > self.params["epochs"]


class Warm(schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.1 * ops.minimum(ops.cast(step, "float32") / 10, 1)


class Twos(initializers.Initializer):
    def __call__(self, shape, dtype=None, **kwargs):
        return ops.ones(shape, dtype) * 2


class Plain(optimizers.Optimizer):
    def __init__(self, learning_rate, **kwargs):
        super().__init__(learning_rate, **kwargs)

    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, learning_rate * gradient)


class Own(models.Model):
    def __init__(self):
        super().__init__(name="own")
        self.rnn = layers.RNN(Cell(4), return_sequences=True)
        self.both = layers.Bidirectional(layers.RNN(Peephole(2), return_sequences=True), merge_mode="sum")
        self.gate = Gate(activity_regularizer="l2")
        self.head = layers.Dense(1, kernel_initializer=Twos())

    def call(self, inputs, training=False):
        return self.head(ops.mean(self.gate(self.both(self.rnn(inputs)), training=training), axis=1))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, y, y_pred, sample_weight, training) + ops.mean(y_pred - y) ** 2

    def train_step(self, data):
        x, y = data
        y_pred = self(x, training=True)
        loss = self.compute_loss(x, y, y_pred)
        weights = self.trainable_variables
        self.optimizer.apply_gradients(zip(minirnn.grad(loss, weights), weights))
        return {"loss": loss, **self.compute_metrics(x, y, y_pred)}


own = Own()
own.compile(Plain(Warm()), Squared(), metrics=[Bias(), "mse"], run_eagerly=True, steps_per_execution=1)
own.fit(x, y, epochs=1, callbacks=[Watch()], verbose=0)
own.summary(line_length=100, print_fn=seen.append)
model.save_weights("w.weights.h5", overwrite=True)
model.load_weights("w.weights.h5")
tagger.save("tagger.keras")
loaded = models.load_model("tagger.keras", custom_objects={"Gate": Gate}, compile=False)
copied = models.Model.from_config(tagger.get_config())
seen += [loaded.layers[0].name, loaded.predict(tokens, verbose=0)["b"].shape, copied.count_params() + 1]

# Tensors, gradients, ops and random numbers.

a = ops.convert_to_tensor([[1.0, 2.0], [3.0, 4.0]])
b = 2 * a + np.ones((2, 2)) - [1, 2] / a @ a.T**2
seen += [
    a[0, 1].item() + 1,
    float(b[0][1]),
    int(a[0, 0]),
    (b > a).numpy().any(),
    -a,
    abs(b)[..., None].shape[0],
]
seen += [
    [row.shape for row in a],
    len(a),
    a.sum(axis=1, keepdims=True).mean(),
    np.asarray(a)[0],
    a.reshape(-1),
]
seen += [
    ops.max([1, 2, 3]),
    ops.softmax(x, axis=(1, 2))[0],
    ops.concatenate([a, np.eye(2)], axis=1),
    ops.sum(3),
]
seen += [ops.where(a > 2, a, 0)[0], ops.one_hot([0, 1], 3, dtype="float32"), ops.arange(3.0), ops.pad(a, 1)]
seen += [ops.einsum("ij,jk->ik", a, x[0, :2]), ops.top_k(a, k=1)[0], ops.split(x, [2, 3], axis=1)[0] + 1]
seen += [ops.clip(a, 0, 1), ops.leaky_relu(a, 1), ops.isclose(a, a, rtol=0, atol=1), ops.nan_to_num(a, nan=1)]
seen += [ops.scan(lambda s, v: (s + v, s), ops.zeros(()), xs=ops.arange(3.0))[0], ops.linspace(0, 1, 5)[0]]
seen += [
    ops.while_loop(lambda i: i < 3, lambda i: (i + 1,), (0,))[0] + 1,
    ops.roll(a, (1,), axis=(0,)),
    ops.eye(2, k=1),
]
seen += [
    ops.conv(x, np.ones((2, 4, 3)), strides=(1,)),
    ops.max_pool(x, (2,), strides=2),
    ops.argsort(a, axis=None),
]
seen += [
    ops.logsumexp(x, axis=(1, 2)),
    ops.stack([a, a], axis=-1).shape,
    ops.unstack(a)[0],
    ops.shape(a)[0] + 1,
]
seen += [
    ops.normalize(x, axis=(1, 2)),
    ops.cond(True, lambda: a, lambda: b)[0],
    ops.size(a) + 1,
    ops.quantile(a, 0.5),
]
seen += [random.normal((2, 3), 1, 2, seed=3).numpy() + 1, random.randint((2,), 0, 5, dtype="int64")[0]]
seen += [initializers.VarianceScaling(2, "fan_avg")((2, 2))[0], tree.map_structure(lambda t: t * 2, [a])[0]]
f = minirnn.grad(lambda v: ops.sum(v**3))
seen += [
    f(np.arange(3.0))[0],
    f(2.0) + 1,
    minirnn.value_and_grad(lambda p, q: p * q, (0, 1))(2.0, 3.0)[1][0],
]
w = Variable(np.ones(3), dtype="float32", name="w")
w.assign(w * 2).assign_add([1, 1, 1])
w.regularizer = regularizers.L1(1)
assert isinstance(w.value, Tensor) and w[0] == 3
(w**2).sum().backward()
seen += [w.grad[0], minirnn.grad(ops.sum(w * 2), [w])[0][1:], minirnn.grad(ops.sum(w * w), w) + 1]
with minirnn.device("cpu"), minirnn.no_grad():
    seen += [minirnn.stop_gradient(w) + 1, minirnn.recompute(lambda v: v * 2)(w)[0]]
