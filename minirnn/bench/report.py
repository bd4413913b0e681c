"""What is printed of a measurement."""

import sys

ASKED_OF_PEER = 0.9  # of PyTorch's speed, in training an LSTM on a GPU
ASKED_OF_GENERIC = 10.0  # times the generic kernel's speed, there
_LABELS = {"generic": "times as fast as generic", "PyTorch": "times as fast as PyTorch"}


def print_report(found) -> None:
    """Print the table of a measurement and what is to be known of it."""
    if found["stand_ins"]:
        print(f"stand-ins: {found['stand_ins']}; these times mean nothing for a GPU\n")
    for line in _header(found):
        print(line)
    print()
    _print_table([*found["columns"], *_LABELS.values()], list(_rows(found)))
    for column, reasons in found["not_run"].items():
        print(f"\n{column} was not run:")
        for reason in reasons:
            print(f"  - {reason}")
    for line in _verdicts(found):
        print(line)


def print_what_would_run(found) -> None:
    """Print what would be measured on a GPU, and why it was not."""
    print(f"Nothing was measured, and nothing is claimed: {found['why_not']}\n")
    print(f"On a GPU each of these would be timed on {', '.join(found['columns'])}, in turn and in one run:")
    for title in found["titles"].values():
        print(f"  - {title}")


def _header(found):
    machine, versions = found["machine"], found["machine"]["versions"]
    if found["stand_ins"]:
        yield f"minirnn {versions['minirnn']} on {found['stand_ins']}, in milliseconds"
        return
    device = next(d for d in machine["devices"] if d["device"] == ("GPU:0" if found["gpu"] else "CPU:0"))
    line = f"minirnn {versions['minirnn']} on {device['device']}: {device['model']}"
    yield line if found["gpu"] else f"{line}, {device['cores']} core(s)"
    if found["gpu"]:
        cudnn = machine["cudnn"]
        yield (
            f"CuPy {versions['cupy']}, CUDA runtime {versions['cuda_runtime']}, driver "
            f"{versions['cuda_driver']}, cuDNN {cudnn['version'] if cudnn['found'] else 'not found'}"
        )
    else:
        blas = [f"{b['internal_api']} {b['version']}, {b['num_threads']} thread(s)" for b in machine["blas"]]
        yield f"NumPy {versions['numpy']}; BLAS: {'; '.join(blas) or 'unknown'}"
    if found["peer"]:
        yield f"beside {found['peer']}"
    dtype = "float32"
    if found["gpu"]:
        dtype += ", with factors rounded to TF32" if found["tf32"] else ", not rounded to TF32"
    rounds = f"{found['rounds']} round{'s' if found['rounds'] > 1 else ''}"
    yield f"Milliseconds, medians of {rounds} in which all take turns; {dtype}."


def _rows(found):
    for work in found["works"]:
        times = [_number(work["milliseconds"].get(column)) for column in found["columns"]]
        yield [work["title"], *times, *(_number(work["ratios"].get(name), 2) for name in _LABELS)]


def _number(value, digits=3) -> str:
    if value is None:
        return "–"
    return f"{value:.{digits}f}" if value < 100 else f"{value:.1f}"


def _print_table(headers, rows):
    if not sys.stdout.isatty():
        print(f"| work | {' | '.join(headers)} |")
        print(f"| --- |{' ---: |' * len(headers)}")
        for row in rows:
            print(f"| {' | '.join(row)} |")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("work", show_lines=True)
    for header in headers:
        table.add_column(header, justify="right")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)


def _verdicts(found):
    """Yield how far outputs differ from the peer's, and whether what was asked of a GPU is reached."""
    differences = [w["difference_from_peer"] for w in found["works"] if w["difference_from_peer"] is not None]
    if differences:
        yield f"\nWith the same weights the outputs differ from PyTorch's by at most {max(differences):.1e}."
    training = {work["key"]: work for work in found["works"]}["lstm_training"]
    usual = found["sizes"]["units"] == 512
    if not (found["gpu"] and usual and "cudnn" in training["milliseconds"]) or found["stand_ins"]:
        return
    for name, asked in (("PyTorch", ASKED_OF_PEER), ("generic", ASKED_OF_GENERIC)):
        if name in training["ratios"]:
            ratio = training["ratios"][name]
            verdict = "reached" if ratio >= asked else "missed"
            words = f"{ratio:.2f} times as fast as {name}, asked at least {asked:g}: {verdict}"
            yield f"Training an LSTM: {words}."
