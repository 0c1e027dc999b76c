"""Tables of the evaluation: each quantity in synthetic, reconstructed and real records, beside the floor."""

from dataclasses import dataclass

from sediff.report import rows
from sediff.report.measured import named
from sediff.report.rows import Metrics, Row
from sediff.report.words import superclass

SETS = ("Synthetic", "Reconstructed", "Simulator alone", "Real")  # as `rows.BESIDE` has them
OTHERS = ("Autoencoder alone", "Simulator alone", "Floor")  # beside a figure of synthetic records


@dataclass(frozen=True)
class Table:
    """A title, what it means in a sentence, the columns' names and the rows' cells."""

    title: str
    note: str
    head: Row
    rows: tuple[Row, ...]


def evaluation_tables(evaluation: Metrics) -> list[Table]:
    """The tables that the metrics have rows for; a cell that a public page hides has words.

    Args:
        evaluation: without what was left out.
    """
    evaluation = named(evaluation)
    tables = (
        Table(
            "Heart rate",
            "Mean absolute error against the rate asked for, bpm, with its 95 % interval over patients, and records in "
            "which the detector finds no rate.",
            ("Rhythm", "Records", *SETS, *(f"No rate, {of[0].lower()}{of[1:]}" for of in SETS)),
            tuple(rows.rates(evaluation.get("heart_rate", {}).get("by_rhythm", {}))),
        ),
        Table(
            "Means",
            "Difference from real with its 95 % interval over patients; floor: mean absolute difference between random "
            "halves of the real patients.",
            ("Quantity", "Records", *SETS, "Synthetic − real", "Floor"),
            tuple(rows.means({key: value for key, value in evaluation.items() if key != "signs"})),
        ),
        Table(
            "Signs",
            "Share of the records of a statement in which the sign is found that its definition names (they stand in "
            "sediff/evaluation/signs.py), with the 95 % interval of the difference over patients; floor: mean absolute "
            "difference between random halves of the real patients. Too few: fewer patients than an interval needs.",
            (
                "Statement",
                "Sign",
                "Records",
                "Synthetic",
                "Reconstructed",
                "Simulator alone",
                "Real",
                "Synthetic − real",
                "Floor",
            ),
            tuple(rows.signs(evaluation)),
        ),
        Table(
            "Distances",
            "From real records; floor: of other real ones, as many. Wasserstein-1: how far the values of one set must "
            "be moved on average until they are distributed as the other's, in their own unit; 0 if they already are. "
            "× floor: synthetic over the floor, so 1 is as near as real records are to each other; what the "
            "autoencoder alone makes of real records, and the simulator alone of their conditions. PR, QRS and QT in "
            "ms, the axis in degrees, amplitudes and beats in mV.",
            (
                "Distance",
                "Records",
                "Synthetic",
                "Reconstructed",
                "Floor",
                "× floor",
                "× floor, autoencoder alone",
                "× floor, simulator alone",
            ),
            (*rows.distances(evaluation), *rows.in_features(evaluation)),
        ),
        Table(
            "Intervals and amplitudes",
            "By rhythm, and amplitudes and ST also by lead: Wasserstein-1 from real records, deviation as a share of "
            "real's, median less real's; ms, degrees and mV. Floors: of halves of the real patients, their distance, "
            "and how far on average from a share of 1 and from no difference.",
            (
                "Quantity",
                "Records",
                *(column for measure in ("Wasserstein-1", "Deviation", "Median") for column in (measure, *OTHERS)),
            ),
            tuple(rows.spreads(evaluation.get("intervals", {}))),
        ),
        Table(
            "Controls",
            "What must look bad, for the distances above to mean anything, at the same number of records: the "
            "simulator alone, real records whose leads are in a random order, white noise and flat lines; 95 % "
            "intervals over draws of the patients. Density means something only where coverage is high: many records "
            "within few real ones' reach are dense too.",
            ("Distance", "Records", "Floor", "Simulator alone", "Leads shuffled", "Noise", "Flat line"),
            tuple(rows.controls(evaluation)),
        ),
        Table(
            "Agreement",
            "What the statement judge reads of what was asked for, mean over the statements, and over that on real "
            "records of the same conditions; the mean cosine of text and ECG by the text judge. 95 % intervals over "
            "patients.",
            ("Records", "AUROC", "AUPRC", "AUROC over real's", "CLIP score"),
            tuple(rows.agreement(evaluation)),
        ),
        Table(
            "Statements",
            "What the statement judge reads of what was asked for, beside real records of the same conditions. Of "
            "rare statements only their pool is told, within each of them, so that how rare it is tells nothing; 95 % "
            "intervals over patients.",
            ("Statement", "Cases", "AUROC", "AUROC, real", "AUPRC", "AUPRC, real"),
            (
                *rows.statements(evaluation.get("agreement", {})),
                *rows.rare(evaluation.get("agreement", {}).get("rare", {})),
            ),
        ),
        Table(
            "Logits",
            "How sure the statement judge is of a statement in records asked for it, against real ones that have it, "
            "in deviations of the real ones' logits. A positive shift is exaggeration; floors: between halves of the "
            "real patients.",
            (
                *("Statement", "Records", "Shift", "Shift, autoencoder alone", "Floor of the shift"),
                *("Wasserstein-1", "Floor of Wasserstein-1", "× floor"),
            ),
            tuple(rows.logits(evaluation.get("logits", {}))),
        ),
        Table(
            "Retrieval",
            "Share of texts that find their ECG, or one with the same statements, first or among the first ten of all; "
            "macro: mean over sets of statements; 95 % intervals over distinct texts, whose records hit or miss "
            "together; of the most frequent sets over patients.",
            ("Text", "Among", "Records", "First", "First ten", "First, macro", "First ten, macro"),
            tuple(rows.retrieval(evaluation)),
        ),
        Table(
            "For comparison with the papers only",
            "Errors against the real record of the same condition, and FD and CLIP score over real's, in the features "
            "of this project's judges: no gate and no target. A flat line errs least, as no condition says where a "
            "beat is to lie. 95 % intervals over patients.",
            ("Against the real record", "Records", "MAE (mV)", "NRMSE", "rFID", "rCLIP"),
            tuple(rows.paired(evaluation.get("paired", {}))),
        ),
        Table(
            "Deviation by rhythm",
            "Standard deviation by lead, the median over records: real's in mV, the others' as a share of real's with "
            "its 95 % interval over patients.",
            ("Rhythm, lead", "Records", "Synthetic", "Reconstructed", "Simulator alone", "Real (mV)"),
            tuple(rows.deviations(evaluation.get("deviation_by_stratum", {}))),
        ),
        Table(
            "Patterns no heart makes",
            "Share of the records that break a rule which real ones practically never do (their limits stand in "
            "sediff/evaluation/rules.py), with its 95 % interval over patients.",
            ("Rule", "Records", *SETS, "Synthetic − real"),
            tuple(rows.impossible(evaluation.get("impossible", {}))),
        ),
        Table(
            "Known truth",
            "Of simulated patients: mean error of what is measured against what they were simulated with, with its "
            "95 % interval over patients. That of real records is the error of measuring. bpm, ms and mV.",
            ("Condition", "Quantity", "Records", "Truth", "Synthetic", "Reconstructed", "Real"),
            tuple(rows.biases(evaluation.get("known_truth", {}))),
        ),
        Table(
            "Effects",
            "Slopes or differences in sinus rhythm, with 95 % intervals over patients; over real's where that is not "
            "near zero.",
            ("Effect", "Records", *SETS, "Synthetic over real"),
            tuple(rows.effects(evaluation.get("effects", {}))),
        ),
        Table(
            "Privacy",
            "Attacks that guess who was trained on, with 95 % intervals over patients; an AUC of 0.5 tells nothing. "
            "True positives are those at 1 % false positives.",
            ("Attack", "Members", "Strangers", "AUC", "True positives"),
            tuple(rows.attacks(evaluation.get("privacy", {}))),
        ),
        Table(
            "Copies",
            "Correlation over all leads with the record that is most alike, at the best shift in time and whatever the "
            "scale: the median and the highest. Near-copies lie above evaluation.near_copy; disguised copies of "
            "training records (shifted, scaled, with noise) show that the search finds them. Canaries are recordings "
            "run backwards, as no heart makes them.",
            ("Of", "Compared with", "Median", "Highest", "Near-copies"),
            tuple(rows.copies(evaluation.get("privacy", {}))),
        ),
        Table(
            "Attributes",
            "How well the synthetic records most like an ECG tell what is not asked of it: AUC of members and of "
            "strangers, and what training adds, with its 95 % interval over patients.",
            ("Attribute", "Members", "Strangers", "Advantage"),
            tuple(rows.attributes(evaluation.get("privacy", {}).get("attributes", {}))),
        ),
        Table(
            "Diversity",
            "Mean distance in the statement judge's features within groups of five like conditions (statements, sex, "
            "age and rate), over that of the real records of these conditions, with a 95 % interval over groups.",
            ("Groups", "Synthetic", "Real", "Synthetic over real", "Autoencoder alone, over real"),
            tuple(rows.diversity(evaluation.get("diversity", {}))),
        ),
        Table(
            "Slices",
            "The headline figures of parts of the records with their 95 % intervals over patients; differences and "
            f"distances are from real.{rows.WORSE}: the whole interval lies further from what a perfect generator has "
            "than the figure of all records; one in twenty may by chance.",
            ("Slice", "Records", *rows.SLICED.values()),
            tuple(rows.slices(evaluation.get("slices", {}))),
        ),
    )
    return [table for table in tables if table.rows]


def usefulness_tables(augmentation: Metrics) -> list[Table]:
    """The arms of the augmentation, one a row, where any was trained.

    Args:
        augmentation: without what was left out.
    """
    table = Table(
        "Arms",
        "The same small classifier of the superclasses, trained on real records, on synthetic ones and on both, and "
        "tested on real patients whom neither it nor the generator has seen. AUROC: 1 is perfect, 0.5 is guessing; "
        "macro: the mean over the superclasses, with its 95 % interval over patients.",
        (
            "Trained on",
            "Real records",
            "Synthetic records",
            "Macro AUROC",
            *map(superclass, augmentation.get("classes", ())),
        ),
        tuple(rows.usefulness(augmentation)),
    )
    return [table] if table.rows else []


def knowledge_tables(knowledge: Metrics) -> list[Table]:
    """What a language model wrote, where one was asked.

    Args:
        knowledge: without what was left out.
    """
    table = Table(
        "Language model",
        "The answers that the experiences rest on, whenever they were given, and the tokens that they took. What "
        "they cost, and which calls failed on the way, differs from run to run: the run's record in runs/knowledge "
        "says it.",
        ("Measure", "Count"),
        tuple(rows.language_model(knowledge)),
    )
    return [table] if table.rows else []
