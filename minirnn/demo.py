"""The demonstration: the digit classifier of the RNN guide, on real digits, from data to picture."""

import sys

import minirnn
from minirnn import backend, datasets, layers, losses, models, ops, utils, viz


def run_demo(*, optimizer="adam", epochs=5, units=64, seed=0, backend_name="auto", plot="minirnn-demo.png"):
    """Train the classifier, print how it goes, draw one digit, and write the learning curve.

    Parameters
    ----------
    optimizer : str
    epochs, units, seed : int
    backend_name : str
        As `backend.set_backend` takes it.
    plot : str
        The file of the learning curve; written where matplotlib is installed.

    Returns
    -------
    History
        What `fit` returned.

    Raises
    ------
    ValueError
        If the optimizer or the backend is not known; nothing has been trained then.
    """
    backend.set_backend(backend_name)
    utils.set_random_seed(seed)
    (x_train, y_train), (x_test, y_test) = datasets.mnist.load_data()
    x_train, x_test = x_train / 255.0, x_test / 255.0

    # The guide's classifier: the 28 rows of a digit are read as 28 time steps.
    lstm = layers.LSTM(units)
    model = models.Sequential([layers.Input((28, 28)), lstm, layers.BatchNormalization(), layers.Dense(10)])
    model.compile(
        loss=losses.SparseCategoricalCrossentropy(from_logits=True), optimizer=optimizer, metrics=["accuracy"]
    )
    print(f"minirnn {minirnn.__version__}, backend {backend.current().name}")
    print(lstm.kernel_report(x_train[:64]))
    print(f"{len(x_train)} digits to learn from, {len(x_test)} to test on\n")

    history = model.fit(x_train, y_train, validation_data=(x_test, y_test), batch_size=64, epochs=epochs)
    print("\nAccuracy on the test digits, epoch by epoch:")
    print("  " + "  ".join(f"{value:.4f}" for value in history.history["val_accuracy"]))

    sample, label = x_test[0], y_test[0]
    predicted = int(ops.argmax(model.predict_on_batch(sample[None]), axis=1)[0])
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    print("\n" + viz.draw_image(sample, plain=not encoding.startswith("utf")))
    print(f"\npredicted: {predicted}   true label: {label}\n")
    try:
        print(f"Learning curve: {viz.plot_history(history, plot)}")
    except OSError as error:
        print(f"The learning curve could not be written to {plot}: {error}.")
    except ModuleNotFoundError as error:
        print(f"No learning curve was drawn: {error}. Install it with pip install 'minirnn[plot]'.")
    return history
