"""The process behind `KerasProcess`: reads questions from standard input and writes answers to the output."""

import gc
import os
import sys

from minirnn.testing.keras_engine import KerasHere
from minirnn.testing.process import pack_answer, receive, send, unpack_question


def main() -> None:
    """Answer until standard input is closed."""
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a framework prints is not to stand among the answers.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    side, shape = KerasHere(), None
    if side.backend == "torch":
        sys.modules["torch"].set_num_threads(1)  # the arrays are small
    if len(sys.argv) > 1:
        model = side.engine.module.saving.load_model(sys.argv[1], compile=False)
        side, shape = KerasHere(model), model.input_shape
    # What the import has left is never freed, and is not to be looked through again and again.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    versions = {"keras": side.engine.module.__version__}
    if side.backend != "numpy":
        versions[side.backend] = sys.modules[side.backend].__version__
    send(pipe, {"versions": versions, "shape": shape}, [])
    while True:
        try:
            message, arrays = receive(sys.stdin.buffer)
        except EOFError:
            return
        send(pipe, *pack_answer(side.answer(unpack_question(message, arrays))))


if __name__ == "__main__":
    main()
