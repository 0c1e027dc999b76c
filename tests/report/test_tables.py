"""The evaluation's tables, and what a public page shows in them."""

from pathlib import Path

from sediff.evaluation.keys import NAMES, with_keys
from sediff.files import write_json
from sediff.params import Params
from sediff.report.build import build_report
from sediff.report.markdown import tables_of, written
from sediff.report.measured import named
from sediff.report.params import GatesParams
from sediff.report.public import public
from sediff.report.rows import COPIES
from sediff.report.tables import Table, evaluation_tables
from sediff.report.words import GATES


def interval(median: float) -> dict:
    return {"median": median, "low": median - 0.01, "high": median + 0.01}


def means(records: int) -> dict:
    return {
        "records": records,
        "synthetic": 0.94,
        "simulator": 0.9,
        "reconstructed": 0.951,
        "real": 0.9553,
        "difference": {"synthetic": {"mean": -0.0153, **interval(-0.015)}, "reconstructed": {"mean": 0, **interval(0)}},
        "real_halves": 0.002,
    }


EVALUATION = {
    "records": 330,
    "beat_consistency": {"sinus": means(306), "fibrillation": means(24)},
    "dispersion": {
        "sinus": {
            "records": 306,
            **{name: interval(0.02) for name in ("synthetic", "reconstructed", "real")},
            "over_floor": {"synthetic": 1.25, "reconstructed": 1.01},
        },
        "pooled": {"over_floor": {"synthetic": {"mean": 1.3, **interval(1.2)}, "reconstructed": {"mean": 1.0}}},
    },
    "distribution": {
        "records_compared": 160,
        "coverage": 0.97,
        **{name: {"fd": interval(3.5)} for name in ("synthetic", "reconstructed", "real")},
        "noise": {"fd": interval(90)},
        "over_floor": {
            name: {"fd": interval(ratio)}
            for name, ratio in (("synthetic", 7), ("reconstructed", 1.1), ("simulator", 40))
        },
    },
}


def test_every_set_stands_beside_the_floor():
    of_means, distances, controls = evaluation_tables(EVALUATION)
    assert controls.rows == (
        ("FD, statement judge", "160", "3.5 (3.49 to 3.51)", "–", "–", "90 (90 to 90)", "–"),
    )  # fmt: skip
    assert of_means.rows[0] == (
        "beat consistency, sinus", "306", "0.94", "0.951", "0.9", "0.955", "-0.0153 (-0.025 to -0.005)", "0.002",
    )  # fmt: skip
    assert [row[0] for row in distances.rows] == [
        "RMSSD / mean RR, Wasserstein-1, sinus",
        "RMSSD / mean RR, Wasserstein-1, pooled",
        "FD, statement judge",
    ]
    assert distances.rows[1][-3:] == ("1.3", "1", "–")
    assert distances.rows[2] == ("FD, statement judge", "160", "3.5", "3.5", "3.5", "7", "1.1", "40")
    assert all(len(row) == len(table.head) for table in (of_means, distances, controls) for row in table.rows)


def test_heart_rates_have_a_row_for_each_rhythm():
    sides = ("synthetic", "reconstructed", "simulator", "real")
    found = {"detector_failures": dict.fromkeys(sides, 1), **{of: {"mae_bpm": 1.3, **interval(1.3)} for of in sides}}
    by_rhythm = {"fibrillation": {"records": 27, **found}}
    (table,) = evaluation_tables({"heart_rate": {"mae_bpm": 0.2, "by_rhythm": by_rhythm}})
    assert table.rows == (("fibrillation", "27", *["1.3 (1.29 to 1.31)"] * 4, *["1"] * 4),)
    assert len(table.head) == len(table.rows[0])


def test_a_number_whose_interval_is_not_known_stands_alone():
    whole = {"value": 150.0, **interval(150)}
    without = [{key: whole[key] for key in whole if key != end} for end in ("low", "high")]
    sides = dict(zip(("synthetic", "reconstructed", "real"), (*without, whole), strict=True))
    (table,) = evaluation_tables({"effects": {"qt_on_rr": {"records": 300, **sides}}})
    assert table.rows[0][1:] == ("300", "150", "150", "–", "150 (150 to 150)", "–")


def test_intervals_have_a_row_and_amplitudes_one_for_each_lead_too():
    sides = {"synthetic": 1.1, "reconstructed": 1.0, "simulator": 1.9, "real_halves": 0.05}
    spread = {"deviation_ratio": sides, "median_difference": sides}
    whole = {
        "records": 30,
        **{name: interval(0.2) for name in ("synthetic", "reconstructed", "simulator", "real")},
        **spread,
    }
    by_lead = {"V1": {"wasserstein": {"synthetic": 0.3, "reconstructed": 0.2, "real": 0.1}, **spread}}
    table = evaluation_tables({"intervals": {"pr": {"all": whole}, "st": {"sinus": {**whole, "by_lead": by_lead}}}})[-1]
    told = ("1.1", "1", "1.9", "0.05")
    assert table.rows == (
        ("PR, all", "30", *["0.2"] * 4, *told, *told),
        ("ST, sinus", "30", *["0.2"] * 4, *told, *told),
        ("ST, sinus, V1", "30", "0.3", "0.2", "–", "0.1", *told, *told),
    )
    assert len(table.head) == len(table.rows[0])


def test_attacks_have_a_row_each():
    attack = {share: {"value": 0.51, "low": 0.48, "high": 0.54} for share in ("auc", "tpr")}
    privacy = {"members": 1000, "strangers": 900, "attacks": {"calibrated_loss": attack}}
    (table,) = evaluation_tables({"privacy": privacy})
    told = "0.51 (0.48 to 0.54)"
    assert table.rows == (("calibrated loss", "1,000", "900", told, told),)


def test_each_set_of_records_has_its_agreement():
    ratio = {"ratio": 0.95, "low": 0.9, "high": 1.0}
    agreement = {
        "auroc_synthetic": 0.9,
        "auroc_synthetic_interval": {"low": 0.85, "high": 0.92},
        "auroc_simulator": 0.7,
        "auprc_synthetic": 0.5,
        "over_real": {"synthetic": ratio},
    }
    clip = {name: {"mean": 0.4, **interval(0.4)} for name in ("synthetic", "shuffled")}
    (table,) = evaluation_tables({"agreement": agreement, "clip": clip})
    assert table.rows == (
        ("synthetic", "0.9 (0.85 to 0.92)", "0.5", "0.95 (0.9 to 1)", "0.4 (0.39 to 0.41)"),
        ("simulator alone", "0.7", "–", "–", "–"),
        ("synthetic, of another condition", "–", "–", "–", "0.4 (0.39 to 0.41)"),
    )
    assert all(len(row) == len(table.head) for row in table.rows)


def test_the_papers_figures_are_marked_as_such():
    mean = {"mean": 0.17, "low": 0.16, "high": 0.18}
    errors = {"records": 400, "mae_mv": mean, "nrmse": mean}
    ratio = {"ratio": 1.02, "low": 1.0, "high": 1.1}
    found = {"synthetic": errors, "flat_line": errors, "rfid": ratio, "rclip": ratio}
    (table,) = evaluation_tables({"paired": found})
    assert table.title == "For comparison with the papers only"
    told, ratios = ["0.17 (0.16 to 0.18)"] * 2, ["1.02 (1 to 1.1)"] * 2
    assert table.rows == (("synthetic", "400", *told, *ratios), ("a flat line", "400", *told, "–", "–"))
    assert all(len(row) == len(table.head) for row in table.rows)


def test_effects_and_slices_have_a_row_each():
    side = {"value": 150.0, **interval(150)}
    found = {
        "effects": {
            "qt_on_rr": {"records": 300, **dict.fromkeys(("synthetic", "reconstructed", "simulator", "real"), side)}
        }
    }
    told = {"value": 0.25, "low": 0.2, "high": 0.3}
    found["slices"] = {"sex": {"female": {"records": 170, "mae_bpm": told, "coverage": told, "worse": ["coverage"]}}}
    found["slices"]["statement"] = {"ISC_": {"records": 21, "coverage": told}}
    effects, slices = evaluation_tables(found)
    assert effects.rows == (("QT on RR (ms for each s)", "300", *["150 (150 to 150)"] * 4, "–"),)
    row, of_statement = slices.rows
    assert of_statement[0] == "statement, ISC_ (non-specific ischemia)"
    cells = dict(zip(slices.head, row, strict=True))
    assert cells["Slice"] == "sex, female" and cells["Records"] == "170"
    assert cells["Heart rate off by (bpm)"] == "0.25 (0.2 to 0.3)"
    assert cells["Coverage"] == "0.25 (0.2 to 0.3) ▼", "worse than all records"
    assert set(row[3:]) == {"–", cells["Coverage"]}


def test_meaning_has_a_row_for_each_statement_one_for_the_rare_and_one_for_each_text():
    told = {"value": 0.8, "low": 0.7, "high": 0.9}
    pool = {"cases": 21, "prevalence": 0.01, "auroc": told, "auprc": told}
    statement = {"cases": 40, "auroc": 0.9, "auprc": 0.5, "auroc_real": 0.95, "auprc_real": 0.55}
    rare = {"statements": {"WPW": 12, "RVH": 9}, "synthetic": pool, "real": pool}
    shift = {name: {"mean": 0.5, **interval(0.5)} for name in ("synthetic", "reconstructed")}
    distance = {name: interval(0.2) for name in ("synthetic", "real")} | {"over_floor": {"synthetic": 1.1}}
    logits = {
        "NORM": {"records": 40, "shift": shift, "real_halves": 0.1, "wasserstein": distance},
        "pooled": {"shift": shift, "over_floor": {"synthetic": {"mean": 1.2, **interval(1.2)}}},
    }
    hits = {f"{macro}hits_at_{k}": 0.3 for k in (1, 10) for macro in ("", "macro_")}
    hits |= {f"hits_at_{k}_interval": {"low": 0.2, "high": 0.4} for k in (1, 10)}
    found = {
        "agreement": {"statements": {"NORM": statement}, "rare": rare},
        "logits": logits,
        "retrieval": {"records": 50, "synthetic": hits, "frequency_baseline": hits},
        "wordings": {"records": 45, "statement_names": hits},
    }
    statements, sureness, retrieval = evaluation_tables(found)
    assert statements.rows == (
        ("NORM (normal ECG)", "40", "0.9", "0.95", "0.5", "0.55"),
        ("WPW (Wolff-Parkinson-White syndrome)", "12", *["–"] * 4),
        ("RVH (right ventricular hypertrophy)", "9", *["–"] * 4),
        ("rare ones, pooled", "21", *["0.8 (0.7 to 0.9)"] * 4),
    )
    shifted = "0.5 (0.49 to 0.51)"
    assert sureness.rows == (
        ("NORM (normal ECG)", "40", shifted, shifted, "0.1", "0.2", "0.2", "1.1"),
        ("pooled", "–", shifted, shifted, "–", "–", "–", "1.2"),
    )
    assert [row[:3] for row in retrieval.rows] == [
        ("asked for", "synthetic", "50"),
        ("none: the most frequent sets of statements", "all", "50"),
        ("its statements alone", "real", "45"),
    ]
    assert retrieval.rows[0][3:] == (*["0.3 (0.2 to 0.4)"] * 2, "0.3", "0.3")
    assert all(len(row) == len(table.head) for table in (statements, sureness, retrieval) for row in table.rows)
    hidden = evaluation_tables(public({"evaluation": found})["evaluation"])[0].rows[2]
    assert hidden[1] == "fewer than 10"


def test_nothing_measured_gives_no_table():
    assert evaluation_tables({}) == []


def test_a_public_page_hides_in_the_tables_what_it_hides_elsewhere(tmp_path):
    evaluation = EVALUATION | {"beat_consistency": {"sinus": means(306), "fibrillation": means(7)}}
    shown = public({"evaluation": evaluation})["evaluation"]
    of_means = evaluation_tables(shown)[0]
    assert [row[1] for row in of_means.rows][1] == "fewer than 10"
    write_json(tmp_path / "reports/evaluation/metrics.json", evaluation)
    for restricted in (False, True):
        page = tmp_path / f"{restricted}.html"
        arguments = (tmp_path / "reports", tmp_path / "data", GatesParams(), page, tmp_path / "verdict")
        build_report(*arguments, restricted=restricted)
        assert ("<td>7</td><td>0.94</td>" in page.read_text()) != restricted
        assert "beat consistency, fibrillation" in page.read_text()


def test_attributes_and_diversity_have_a_row_each():
    guessed = {"members": 0.7, "strangers": 0.68, "advantage": {"value": 0.02, "low": -0.03, "high": 0.07}}
    ratio = {"ratio": 0.9, "low": 0.8, "high": 1.0}
    found = {
        "privacy": {"attributes": {"female": guessed}},
        "diversity": {"conditions": 12, "synthetic": 1.8, "real": 2.0, "over_real": ratio, "reconstructed": ratio},
    }
    attributes, diversity = evaluation_tables(found)
    assert attributes.rows == (("female", "0.7", "0.68", "0.02 (-0.03 to 0.07)"),)
    assert diversity.rows == (("12", "1.8", "2", *["0.9 (0.8 to 1)"] * 2),)
    assert all(len(row) == len(table.head) for table in (attributes, diversity) for row in table.rows)


def test_copies_and_canaries_are_told_beside_what_nobody_was_trained_on():
    found = {f"{of}correlation_{side}": 0.5 for side in COPIES for of in ("", "highest_")}
    found |= {
        "near_copies": 0,
        "near_copies_training_conditions": 3,
        "near_copies_held_out": 1,
        "planted_copies": 50,
        "planted_copies_found": 0.98,
    }
    canaries = {"planted": 34, "came_out": 2, "highest": 0.97, "highest_not_planted": 0.6}
    (table,) = evaluation_tables({"privacy": found | {"canaries": canaries}})
    assert table.rows == (
        ("synthetic records", "training records", "0.5", "0.5", "0"),
        ("synthetic records of training records' conditions", "training records", "0.5", "0.5", "3"),
        ("real records of test patients", "training records", "0.5", "0.5", "1"),
        ("50 disguised copies", "training records", "–", "–", "98 % of them"),
        ("synthetic records of both", "34 canaries, planted in training", "–", "0.97", "2"),
        ("synthetic records of both", "as many that were not planted", "–", "0.6", "–"),
    )
    (without,) = evaluation_tables({"privacy": found | {"canaries": {}}})
    assert len(without.rows) == 4
    assert all(len(row) == len(table.head) for row in table.rows)


def test_effects_have_a_row_each_with_their_share_of_reals():
    value = {"value": 140.0, "low": 120.0, "high": 160.0}
    effect = {"records": 306, **dict.fromkeys(("synthetic", "reconstructed", "simulator", "real"), value)}
    over = {"over_real": {"synthetic": {"ratio": 0.8, "low": 0.7, "high": 0.9}}}
    (table,) = evaluation_tables({"effects": {"qt_on_rr": effect | over, "women_qtcf": effect}})
    told = ["140 (120 to 160)"] * 4
    assert table.rows == (
        ("QT on RR (ms for each s)", "306", *told, "0.8 (0.7 to 0.9)"),
        ("women − men, QTcF (ms)", "306", *told, "–"),
    )
    assert all(len(row) == len(table.head) for row in table.rows)


def test_patterns_that_no_heart_makes_have_a_row_each():
    share = {"share": 0.25, "low": 0.1, "high": 0.4}
    sets = dict.fromkeys(("synthetic", "reconstructed", "simulator", "real"), share)
    rule = {"records": 340, **sets, "difference": {"synthetic": {"mean": 0, **interval(0)}}}
    (table,) = evaluation_tables({"impossible": {"flat_lead": rule}})
    told = "0.25 (0.1 to 0.4)"
    assert table.rows == (("flat lead", "340", *[told] * 4, "0 (-0.01 to 0.01)"),)
    assert len(table.head) == len(table.rows[0])


def test_deviations_have_a_row_for_each_rhythm_and_lead():
    ratio = {"V1": {"ratio": 0.9, "low": 0.8, "high": 1.0}}
    made = dict.fromkeys(("synthetic", "reconstructed", "simulator"), ratio)
    found = {"sinus": {"records": 306, "real": {"V1": 0.211}, **made}}
    (table,) = evaluation_tables({"deviation_by_stratum": found})
    assert table.rows == (("sinus, V1", "306", *["0.9 (0.8 to 1)"] * 3, "0.211"),)
    assert len(table.head) == len(table.rows[0])


def test_known_truths_have_a_row_for_each_condition_and_quantity():
    bias = {"bias": -3.0, "low": -4.0, "high": -2.0}
    quantity = {"records": 60, "truth": 250.0, **dict.fromkeys(("synthetic", "reconstructed", "real"), bias)}
    (table,) = evaluation_tables({"known_truth": {"first_degree_block": {"pr": quantity}}})
    assert table.rows == (("first degree block", "PR", "60", "250", *["-3 (-4 to -2)"] * 3),)
    assert len(table.head) == len(table.rows[0])


def test_signs_have_a_row_for_each_statement_and_sign():
    few = ["signs.WPW_delta: fewer than 20 patients", "signs.LVH_sokolow_lyon.over_real: real's mean is not above zero"]
    (table,) = evaluation_tables({"signs": {"LVH_sokolow_lyon": means(25)}, "left_out": few})
    assert table.rows[0][:3] == ("LVH (left ventricular hypertrophy)", "sokolow lyon", "25")
    assert table.rows[1:] == (("WPW (Wolff-Parkinson-White syndrome)", "delta", "too few", *["–"] * 6),)
    assert all(len(table.head) == len(row) for row in table.rows)


def test_every_gate_of_the_project_has_a_sentence():
    assert Params.load(Path(__file__).parents[2] / "params.yaml").gates.root.keys() == GATES.keys()


def test_what_the_evaluation_keeps_under_keys_is_read_under_its_names():
    found = {"slices": {"device": {"AT-6 C 5.5": 1, "CS-12": 2}}}
    kept, names = with_keys(found)
    assert kept != found
    assert named({**kept, NAMES: names}) == found


def test_a_written_table_is_read_back():
    table = Table("Slices", "Of few.", ("Slice", "Records"), (("a|b", "1,000"), ("c", "–")))
    again = Table("Slices", "Of few.", ("Slice", "Records"), (("a/b", "1,000"), ("c", "–")))
    assert tables_of(written(table)) == [again]
