"""Coverage-guided fuzzing of what reads files, with atheris (the extra `fuzz`).

    pip install -e '.[keras,fuzz]'
    python tests/fuzz/fuzz_loading.py --target keras -max_total_time=300

Targets are those of targets.py: keras, config, deserialize, weights_h5, legacy_h5, npz. What follows goes to
libFuzzer: -max_total_time=SECONDS, -runs=N, -seed=N, and a folder of more files to start from. Files that
reach new code are kept in a folder of the run, not in tests/fuzz/corpus, which is only read. A file that
breaks the law is written to the working folder as crash-...; `--replay FILE...` loads files again, without
atheris. Once the code is mended, such a file belongs in the corpus, and a test with a name says what was
wrong.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"


def main(arguments=None):
    """Fuzz one target until the time is over or the law is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--target", required=True)
    parser.add_argument("--replay", nargs="+", metavar="FILE", help="load these files and nothing else")
    options, rest = parser.parse_known_args(arguments)
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    if options.replay:
        from tests.fuzz.targets import TARGETS

        target = TARGETS[options.target]()
        for name in options.replay:
            print(name, "accepted" if target(Path(name).read_bytes()) else "refused")
        target.close()
        return

    import atheris

    with atheris.instrument_imports(include=["minirnn", "zipfile", "json"]):
        from tests.fuzz.targets import TARGETS

        # Much is imported when it is first used, so inside of this block too.
        target = TARGETS[options.target]()
    from tests.fuzz.mutations import mutated

    def mutate(data, largest, seed):
        rng = random.Random(seed)
        return mutated(bytes(data), rng, lambda part: atheris.Mutate(part, max(len(part) + 16, 64)))[:largest]

    found = tempfile.mkdtemp(prefix="minirnn-fuzz-found-")
    limits = ["-max_len=65536", "-rss_limit_mb=3000", "-timeout=120", "-len_control=0"]
    command = [sys.argv[0], *limits, *rest, found, str(CORPUS / options.target)]
    atheris.Setup(command, lambda data: target(data) and None, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
