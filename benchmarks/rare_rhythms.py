"""What is expected where a rare rhythm is asked for by its name alone: `python benchmarks/rare_rhythms.py DATA`.

DATA is the folder `data` of a finished run on PTB-XL. Of each rhythm (and block) that is named, and nothing else: how
many of the neighbours have it, their median heart rate, and that of all training records with it. Texts are matched
exactly and by meaning, as `sediff knowledge ask` does; the index is made in a folder of its own and removed. Beside it
the best without the cut of `knowledge.closeness`, among which few have a rare rhythm, but weigh the more.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from sediff.knowledge.index import KnowledgeIndex
from sediff.knowledge.query import ask
from sediff.knowledge.store import Store, open_store
from sediff.vocabulary import Vocabulary

RHYTHMS = (
    "PSVT",
    "SVTAC",
    "TRIGU",
    "AFLT",
    "BIGU",
    "SVARR",
    "PACE",
    "2AVB",
    "3AVB",
    "WPW",
    "SBRAD",
    "SARRH",
    "STACH",
    "AFIB",
)


def row(code: str, store: Store, index: KnowledgeIndex, vocabulary: Vocabulary) -> str:
    """A line of the table."""
    stated = store.training["statements"].list.contains(code)
    usual = store.training.filter(stated)["heart_rate"].median()
    cells = [vocabulary[code].name, f"{stated.sum()}", f"{usual:.0f}"]
    cut = store.closeness
    for store.closeness in (cut, 0.0):
        answer = ask(vocabulary[code].name, vocabulary, store, index)
        near = store.training.filter(pl.col("record_id").is_in([n.record_id for n in answer.neighbours]))
        share = near["statements"].list.contains(code).mean()
        rate = answer.experience.statistics.value("heart_rate") if answer.experience else np.nan
        cells += [f"{len(near)}", f"{100 * share:.0f} %", f"{rate:.0f}"]
    store.closeness = cut
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder data of a finished run")
    arguments = parser.parse_args()
    vocabulary, store = Vocabulary.load(), open_store(arguments.data / "knowledge")
    print("| asked for | training records | their rate, bpm | neighbours | with it | rate | uncut | with it | rate |")
    print("|" + "---|" * 9)
    with TemporaryDirectory() as folder:
        index = KnowledgeIndex.open(arguments.data / "knowledge", Path(folder))
        for code in RHYTHMS:
            print(row(code, store, index, vocabulary))


if __name__ == "__main__":
    main()
