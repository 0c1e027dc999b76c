"""The simulator against neurokit2: `python benchmarks/simulator.py [--neurokit PYTHON] [--simulator data/simulator]`.

Both make 12-lead records of 10 s at 100 Hz on the same cores in the same run: ours as `sediff simulate` does, with
rhythm and rounding to int16, neurokit2 by `ecg_simulate(method="multileads")`. They take turns, so that what else
the machine does meets both; torch and numpy have one thread, as neurokit2 uses one.

neurokit2 is of the extra `dev`, and runs as a process of its own. PYTHON is the interpreter of another environment
that has it; without it, this one's.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
THEIRS = """
import time, warnings
import neurokit2
warnings.filterwarnings("ignore")
neurokit2.ecg_simulate(duration=10, sampling_rate=100, method="multileads", random_state=0)
start = time.perf_counter()
for seed in range({records}):
    assert neurokit2.ecg_simulate(duration=10, sampling_rate=100, method="multileads", random_state=seed).shape[1] == 12
print({records} / (time.perf_counter() - start))
"""


def main() -> None:
    """Time both in turns and print rates and ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurokit", type=Path, default=sys.executable, metavar="PYTHON", help="that has neurokit2")
    parser.add_argument("--simulator", type=Path, default=Path("data/simulator"), help="what the stage wrote")
    parser.add_argument("--statement", default="NORM")
    parser.add_argument("--records", type=int, default=4000, help="of ours, a turn")
    parser.add_argument("--neurokit-records", type=int, default=10, help="of neurokit2, a turn")
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    os.environ |= THREADS

    from sediff.simulator.dataset import Simulator, Wanted

    simulator, wanted = Simulator.load(arguments.simulator), Wanted((arguments.statement,), 70.0)
    simulator.simulate(wanted, 64, 0)
    program = [str(arguments.neurokit), "-c", THEIRS.format(records=arguments.neurokit_records)]
    ours, theirs = 0.0, 0.0  # seconds
    for turn in range(arguments.turns):
        start = time.perf_counter()
        simulator.simulate(wanted, arguments.records, turn)
        ours += time.perf_counter() - start
        theirs += arguments.neurokit_records / float(subprocess.run(program, check=True, capture_output=True).stdout)
    made, their_made = arguments.turns * arguments.records, arguments.turns * arguments.neurokit_records
    print(f"sediff: {made} records, {made / ours:.0f} a second")
    print(f"neurokit2: {their_made} records, {their_made / theirs:.2f} a second")
    print(f"ratio: {made / ours / (their_made / theirs):.0f}")


if __name__ == "__main__":
    main()
