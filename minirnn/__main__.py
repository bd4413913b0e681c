"""``python -m minirnn``: the demonstration."""

import argparse
import sys

from minirnn import __version__

_EPILOG = "See `python -m minirnn demo --help` for its options."


def _positive(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more; got {text!r}")
    return int(text)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m minirnn", description=__doc__, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"minirnn {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="train the digit classifier of the RNN guide on real digits")
    demo.add_argument("--optimizer", default="adam", help="name of an optimizer (default: %(default)s)")
    demo.add_argument("--epochs", type=_positive, default=5, help="default: %(default)s")
    demo.add_argument("--units", type=_positive, default=64, help="of the LSTM (default: %(default)s)")
    demo.add_argument("--seed", type=int, default=0, help="of weights and shuffling (default: %(default)s)")
    demo.add_argument("--backend", default="auto", help="auto, numpy or cupy (default: %(default)s)")
    demo.add_argument(
        "--plot", default="minirnn-demo.png", metavar="FILE", help="the learning curve (default: %(default)s)"
    )
    return parser


def main(arguments=None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    from minirnn.backend.cupy_backend import Unavailable
    from minirnn.demo import run_demo

    try:
        run_demo(
            optimizer=options.optimizer,
            epochs=options.epochs,
            units=options.units,
            seed=options.seed,
            backend_name=options.backend,
            plot=options.plot,
        )
    except (ValueError, Unavailable) as error:
        print(f"minirnn demo: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
