"""``python -m minirnn``: the demonstration, what this machine has, and how fast it is."""

import argparse
import os
import sys

from minirnn import __version__

_EPILOG = "See `python -m minirnn COMMAND --help` for the options of one."


def _positive(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more; got {text!r}")
    return int(text)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m minirnn", description=__doc__, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"minirnn {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_add_demo, _add_info, _add_bench):
        add(commands)
    return parser


def _add_demo(commands):
    demo = commands.add_parser("demo", help="train the digit classifier of the RNN guide on real digits")
    demo.set_defaults(run=_run_demo)
    demo.add_argument("--optimizer", default="adam", help="name of an optimizer (default: %(default)s)")
    demo.add_argument("--epochs", type=_positive, default=5, help="default: %(default)s")
    demo.add_argument("--units", type=_positive, default=64, help="of the LSTM (default: %(default)s)")
    demo.add_argument("--seed", type=int, default=0, help="of weights and shuffling (default: %(default)s)")
    demo.add_argument("--backend", default="auto", help="auto, numpy or cupy (default: %(default)s)")
    demo.add_argument(
        "--plot", default="minirnn-demo.png", metavar="FILE", help="the learning curve (default: %(default)s)"
    )


def _run_demo(options):
    from minirnn.demo import run_demo

    run_demo(
        optimizer=options.optimizer,
        epochs=options.epochs,
        units=options.units,
        seed=options.seed,
        backend_name=options.backend,
        plot=options.plot,
    )


def _add_info(commands):
    info = commands.add_parser(
        "info", help="print versions, devices, libraries, and which kernel an LSTM gets and why"
    )
    info.set_defaults(run=_run_info)
    info.add_argument("--json", action="store_true", help="as JSON")


def _run_info(options):
    from minirnn.info import print_info

    print_info(as_json=options.json)


def _add_bench(commands):
    bench = commands.add_parser(
        "bench", help="time the kernels beside one another, and beside PyTorch where it is installed"
    )
    bench.set_defaults(run=_run_bench)
    bench.add_argument("--gpu", action="store_true", help="on the first GPU; default: on NumPy")
    bench.add_argument("--json", metavar="FILE", help="write all that was measured there")
    bench.add_argument("--rounds", type=_positive, help="how often each is measured (default: 5)")
    bench.add_argument("--quick", action="store_true", help="small sizes, to see that all runs")
    bench.add_argument("--tf32", action="store_true", help="let cuDNN round factors to TF32, in PyTorch too")


def _run_bench(options):
    from minirnn.bench import run_bench

    run_bench(options.gpu, options.json, options.rounds, options.quick, options.tf32)


def main(arguments=None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    from minirnn.backend.cupy_backend import Unavailable

    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads, `head` perhaps, has had enough. Python would say so once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, Unavailable) as error:
        print(f"minirnn {options.command}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
