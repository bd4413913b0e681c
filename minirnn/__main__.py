"""``python -m minirnn``: the demonstration, what this machine has, how fast and how right it is."""

import argparse
import os
import sys

from minirnn import __version__

_DESCRIPTION = "What this machine has, and how fast and how right minirnn is on it."
_EPILOG = "See python -m minirnn COMMAND --help for the options of one."


def _positive(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more; got {text!r}")
    return int(text)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m minirnn", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"minirnn {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for add in (_add_demo, _add_info, _add_bench, _add_compare):
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


def _add_compare(commands):
    compare = commands.add_parser(
        "compare", help="hold minirnn against Keras, PyTorch or its own generic kernel, on drawn calls"
    )
    compare.set_defaults(run=_run_compare)
    compare.add_argument(
        "model",
        nargs="?",
        help="a saved model with one input, to compare with Keras in place of drawn layers",
    )
    compare.add_argument(
        "--peer", default="keras", help="keras, torch, minirnn or MODULE:FUNCTION (default: %(default)s)"
    )
    compare.add_argument(
        "--peer-backend",
        metavar="NAME",
        help="of Keras jax, torch, tensorflow or numpy (default: jax); of minirnn generic or fused "
        "(default: generic)",
    )
    compare.add_argument(
        "--candidate",
        default="minirnn",
        metavar="NAME",
        help="minirnn, minirnn:generic or minirnn:fused, and but for a model keras:jax, torch, "
        "MODULE:FUNCTION, ... (default: %(default)s)",
    )
    compare.add_argument(
        "--kinds", metavar="A,B", help="classes of layers that are drawn, as in LSTM,GRU (default: all)"
    )
    compare.add_argument("--cases", type=_positive, default=100, help="how many (default: %(default)s)")
    compare.add_argument("--seed", type=int, default=0, help="of the cases (default: %(default)s)")
    compare.add_argument(
        "--case", type=int, metavar="N", help="run only the case of that number, and show it"
    )
    compare.add_argument("--report", metavar="FILE", help="write a page of HTML there")


def _run_compare(options):
    from minirnn.testing.command import run_compare

    return run_compare(options)


def main(arguments=None) -> int:
    """Run the command line; returns the exit status: 0, 1 if `compare` found a difference, 2 on an error.

    Without a command it is 2, with the help in place of an error.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return 2
    from minirnn.backend.cupy_backend import Unavailable

    status = 0
    try:
        status = options.run(options) or 0
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads, `head` perhaps, has had enough. Python would say so once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, Unavailable) as error:
        print(f"minirnn {options.command}: {error}", file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
