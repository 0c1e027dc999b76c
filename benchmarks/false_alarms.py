"""How often the privacy audit fails a model that tells nothing: `python benchmarks/false_alarms.py [--trials 2000]`.

Scores of members and strangers are drawn from one Gaussian, apart for each of three attacks, as if these had nothing in
common; the attacks on one model agree in part, so what is printed is an upper estimate. A trial fails where the gates
of params.yaml would: the largest upper limit of an AUC above 0.55, or the largest share of true positives above 2.5 %.
The upper limit is the AUC and 1.96 of its standard errors, sqrt((m + n + 1) / 12 m n), where the audit draws patients
again: patients with several records make its limits a little wider. Beside the share stands its 95 % interval (Wilson).
"""

import argparse

import numpy as np

from sediff.evaluation.membership import Scored

ATTACKS = 3
AUC, TPR, Z = 0.55, 0.025, 1.96
SIZES = ((1000, 400), (2000, 600), (2000, 800), (2000, 1000), (2000, 1500), (2000, 2000))


def main() -> None:
    """Draw trials of each size and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--members", type=int, default=0, help="this size alone, with --strangers")
    parser.add_argument("--strangers", type=int, default=0)
    arguments = parser.parse_args()
    sizes = ((arguments.members, arguments.strangers),) if arguments.members else SIZES
    print("| members | strangers | fails by chance | by the AUC | by true positives |")
    print("|---|---|---|---|---|")
    for members, strangers in sizes:
        rng = np.random.default_rng([members, strangers])
        failed = np.array([trial(members, strangers, rng) for _ in range(arguments.trials)])
        either, *each = (told(of) for of in (failed.any(1), *failed.T))
        print(f"| {members} | {strangers} | {either} | {' | '.join(each)} |")


def trial(members: int, strangers: int, rng: np.random.Generator) -> tuple[bool, bool]:
    """Whether attacks that tell nothing fail by their AUC, and by their true positives."""
    error = np.sqrt((members + strangers + 1) / (12 * members * strangers))
    patients = np.arange(members), np.arange(strangers)
    found = [Scored(rng.normal(size=members), rng.normal(size=strangers), *patients) for _ in range(ATTACKS)]
    return any(one.auc + Z * error > AUC for one in found), any(one.tpr > TPR for one in found)


def told(failed: np.ndarray) -> str:
    """A share with its interval."""
    n, share, z = len(failed), failed.mean(), Z
    middle, half = share + z * z / (2 * n), z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return f"{share:.1%} ({max(low, 0.0):.1%} to {high:.1%})"


if __name__ == "__main__":
    main()
