"""Rows of the report's tables: what the evaluation's metrics say of each quantity, as cells of text."""

from collections.abc import Iterator, Mapping
from typing import Any

from sediff.report.words import statement

Metrics = Mapping[str, Any]
Row = tuple[str, ...]
DISTANCES = (
    ("dispersion", "RMSSD / mean RR, Wasserstein-1"),
    ("intervals", "Wasserstein-1"),
    ("median_beats", "median beats"),
    ("spectra", "spectra (dB)"),
)
FEATURE_METRICS = {"fd": "FD", "kid": "KID", "coverage": "coverage", "density": "density"}
IN_FEATURES = (("distribution", "statement judge"), ("distribution_waveform", "waveform judge"))
SETS = ("synthetic", "reconstructed", "real")
CONTROLS = ("simulator", "shuffled_leads", "noise", "flat_line")
MADE = ("synthetic", "reconstructed", "simulator")
BESIDE = (*MADE, "real")  # the sets, and the simulator alone, as tables of figures by set have them
SLICED = {
    "mae_bpm": "Heart rate off by (bpm)",
    "dispersion": "RMSSD / mean RR, difference",
    "p_waves": "P waves, difference",
    "beat_consistency": "Beat consistency, difference",
    "pr": "PR, difference (ms)",
    "qrs_duration": "QRS, difference (ms)",
    "qtcf": "QTcF, difference (ms)",
    "deviation_ratio": "Deviation, of real's",
    "coverage": "Coverage",
    "density": "Density",
    "diversity": "Diversity, of real's",
    "auroc_over_real": "AUROC, of real's",
    "auprc_over_real": "AUPRC, of real's",
    "impossible": "Impossible patterns, difference",
    "near_copies": "Near-copies, difference",
    "spectra_distance": "Spectra, distance × floor",
    "dispersion_distance": "RMSSD / mean RR, distance × floor",
    "pr_distance": "PR, distance × floor",
    "qrs_duration_distance": "QRS, distance × floor",
    "qt_distance": "QT, distance × floor",
    "kid": "KID",
    "fd_distance": "FD, distance × floor",
}
WORSE = " ▼"
EFFECTS = {
    "qt_on_rr": "QT on RR (ms for each s)",
    "women_qtcf": "women − men, QTcF (ms)",
    "women_qrs_duration": "women − men, QRS duration (ms)",
    "women_r_v5": "women − men, R in V5 (mV)",
    "axis_on_age": "axis in ten years (degrees)",
    "r_v5_on_age": "R in V5 in ten years (mV)",
}
RETRIEVED = {
    "retrieval": {
        **{of_set: ("asked for", of_set) for of_set in (*SETS, "simulator")},
        "frequency_baseline": ("none: the most frequent sets of statements", "all"),
    },
    "wordings": {
        "original_report": ("the source's report", "real"),
        "report": ("composed of it", "real"),
        "statement_names": ("its statements alone", "real"),
        "frequency_baseline": ("none: the most frequent sets of statements", "real"),
    },
}
AS_WRITTEN = {
    "qtcf": "QTcF",
    "rmssd": "RMSSD / mean RR",
    **{word: word.upper() for word in ("p", "r", "t", "st", "pr", "qrs", "qt", "rr", "v1", "v5")},
}
NO_PLACE = "–"
CANARIES_AMONG = "synthetic records of both"
COPIES = {
    "synthetic": ("synthetic records", "near_copies"),
    "training_conditions": ("synthetic records of training records' conditions", "near_copies_training_conditions"),
    "held_out": ("real records of test patients", "near_copies_held_out"),
}
PAIRED = {
    "synthetic": "synthetic",
    "reconstructed": "itself, reconstructed",
    "simulator": "simulator alone",
    "flat_line": "a flat line",
    "random": "another real one, drawn",
    "same_condition": "a real one of the same condition",
}
ARMS = {"real": ("real",), "synthetic": ("synthetic",), "both": ("real", "synthetic")}  # and what each is trained on
IN_WORDS = {"simulator": "simulator alone", "shuffled": "synthetic, of another condition"}


class Figure(str):
    """A cell's words, the number they begin with, and half the width of its 95 % interval; 0 where it has none."""

    value: float
    half_width: float

    def __new__(cls, words: str, value: float, half_width: float = 0.0) -> "Figure":
        figure = super().__new__(cls, words)
        figure.value, figure.half_width = value, half_width
        return figure


def means(metrics: Metrics, path: str = "") -> Iterator[Row]:
    """Rows of whatever holds a mean for each set and their difference."""
    for key, value in metrics.items():
        name = f"{path}, {_words(key)}" if path else _words(key)
        if not isinstance(value, Mapping):
            continue
        if {"difference", "real_halves"} <= value.keys():
            difference = value["difference"]["synthetic"]
            told = _with_interval(difference["mean"], difference)
            of_sets = (_number(value.get(of_set, NO_PLACE)) for of_set in BESIDE)
            yield (name, _number(value["records"]), *of_sets, told, _number(value["real_halves"]))
        else:
            yield from means(value, name)


def rates(found: Metrics) -> Iterator[Row]:
    """How far the heart rate is off by rhythm, and in how many records no rate was found."""
    for rhythm, of_rhythm in found.items():
        told = (_figure(of_rhythm.get(of, {}), "mae_bpm") for of in BESIDE)
        lost = (_number(of_rhythm["detector_failures"].get(of, NO_PLACE)) for of in BESIDE)
        yield (_words(rhythm), _number(of_rhythm["records"]), *told, *lost)


def distances(evaluation: Metrics) -> Iterator[Row]:
    """Distances of each set from real records, over the floor."""
    for section, title in DISTANCES:
        yield from _over_floor(evaluation.get(section, {}), title)


def _over_floor(found: Metrics, path: str) -> Iterator[Row]:
    """Rows of whatever holds a distance for each set, or a ratio of them, over the floor."""
    for key, value in found.items():
        if not isinstance(value, Mapping):
            continue
        if "over_floor" not in value:
            yield from _over_floor(value, f"{path}, {_words(key)}")
            continue
        medians = (_number(value[of_set]["median"]) if of_set in value else NO_PLACE for of_set in SETS)
        ratios = (_ratio(value["over_floor"].get(of_set)) for of_set in MADE)
        yield (f"{path}, {_words(key)}", _number(value.get("records", NO_PLACE)), *medians, *ratios)


def spreads(found: Metrics) -> Iterator[Row]:
    """Deviation and median of each interval and amplitude by rhythm, of an amplitude by lead too, beside real's."""
    for name, strata in found.items():
        for stratum, of_stratum in strata.items():
            title, records = f"{_words(name)}, {_words(stratum)}", _number(of_stratum["records"])
            medians = {of: of_stratum[of]["median"] for of in BESIDE if of in of_stratum}
            parts = {title: {**of_stratum, "wasserstein": medians}}
            parts |= {f"{title}, {lead}": of_lead for lead, of_lead in of_stratum.get("by_lead", {}).items()}
            for part, values in parts.items():
                departures = (values.get(key, {}) for key in ("deviation_ratio", "median_difference"))
                cells = (of.get(side, NO_PLACE) for of in departures for side in (*MADE, "real_halves"))
                yield (
                    part,
                    records,
                    *(_number(values["wasserstein"].get(of, NO_PLACE)) for of in BESIDE),
                    *map(_number, cells),
                )


def in_features(evaluation: Metrics) -> Iterator[Row]:
    """Distances in the judges' features."""
    for section, judge in IN_FEATURES:
        found = evaluation.get(section, {})
        for metric, title in FEATURE_METRICS.items():
            if metric not in found.get("over_floor", {}).get("synthetic", {}):
                continue
            medians = (_number(found[of_set][metric]["median"]) for of_set in SETS)
            ratios = (_ratio(found["over_floor"].get(of_set, {}).get(metric)) for of_set in MADE)
            yield (f"{title}, {judge}", _number(found["records_compared"]), *medians, *ratios)


def controls(evaluation: Metrics) -> Iterator[Row]:
    """Distances of what must look bad."""
    for lead, of_lead in evaluation.get("spectra", {}).items():
        distances = (_figure(of_lead.get(of, {}), "median") for of in ("real", *CONTROLS))
        yield (f"spectra (dB), {_words(lead)}", _number(of_lead["records"]), *distances)
    for section, judge in IN_FEATURES:
        found = evaluation.get(section, {})
        for metric, title in FEATURE_METRICS.items():
            told = [_figure(found.get(of, {}).get(metric, {}), "median") for of in CONTROLS]
            if set(told) != {NO_PLACE}:
                floor = _figure(found.get("real", {}).get(metric, {}), "median")
                yield (f"{title}, {judge}", _number(found["records_compared"]), floor, *told)


def agreement(evaluation: Metrics) -> Iterator[Row]:
    """What the judges make of each set, and of wrong pairs."""
    found, clip = evaluation.get("agreement", {}), evaluation.get("clip", {})
    for of_set in (*MADE, "real", "shuffled"):
        scores = (_beside(found, f"{score}_{of_set}") for score in ("auroc", "auprc"))
        ratio = _figure(found.get("over_real", {}).get(of_set, {}), "ratio")
        cells = (*scores, ratio, _figure(clip.get(of_set, {}), "mean"))
        if set(cells) != {NO_PLACE}:
            yield (IN_WORDS.get(of_set, of_set), *cells)


def statements(found: Metrics) -> Iterator[Row]:
    """What the judge reads of each statement, beside what it reads of real records."""
    for code, values in found.get("statements", {}).items():
        keys = ("auroc", "auroc_real", "auprc", "auprc_real")
        yield (statement(code), _number(values["cases"]), *(_number(values.get(key, NO_PLACE)) for key in keys))


def rare(found: Metrics) -> Iterator[Row]:
    """The rare statements by name and count, and what their pool says."""
    if not (listed := found.get("statements")):
        return
    yield from ((statement(code), _number(cases), *[NO_PLACE] * 4) for code, cases in listed.items())
    pools = {of_set: found.get(of_set, {}) for of_set in ("synthetic", "real")}
    told = (
        _with_interval(pool[score]["value"], pool[score]) if pool else NO_PLACE
        for score in ("auroc", "auprc")
        for pool in pools.values()
    )
    yield ("rare ones, pooled", _number(pools["synthetic"].get("cases", NO_PLACE)), *told)


def logits(found: Metrics) -> Iterator[Row]:
    """How sure the judge is of each statement."""
    for code, values in found.items():
        shifts = (_with_interval(of["mean"], of) for of in (values["shift"][of_set] for of_set in SETS[:2]))
        distance = values.get("wasserstein", {})
        medians = (_number(distance[of_set]["median"]) if distance else NO_PLACE for of_set in ("synthetic", "real"))
        ratio = _ratio((distance or values)["over_floor"].get("synthetic"))
        cells = (_number(values.get("real_halves", NO_PLACE)), *medians, ratio)
        yield (statement(code), _number(values.get("records", NO_PLACE)), *shifts, *cells)


def retrieval(evaluation: Metrics) -> Iterator[Row]:
    """Asked texts among each set, texts in each wording among real records, and what needs no reading."""
    for section, titles in RETRIEVED.items():
        found = evaluation.get(section, {})
        for key, (text, among) in titles.items():
            if key in found:
                hits = (_beside(found[key], f"hits_at_{k}") for k in (1, 10))
                macro = (_number(found[key][f"macro_hits_at_{k}"]) for k in (1, 10))
                yield (text, among, _number(found["records"]), *hits, *macro)


def paired(found: Metrics) -> Iterator[Row]:
    """Errors of each kind of record against the real one, and the papers' ratios."""
    for name, title in PAIRED.items():
        if name in found:
            told = (_figure(found[name].get(metric, {}), "mean") for metric in ("mae_mv", "nrmse"))
            ratios = (_figure(found.get(of, {}) if name == "synthetic" else {}, "ratio") for of in ("rfid", "rclip"))
            yield (title, _number(found[name]["records"]), *told, *ratios)


def deviations(found: Metrics) -> Iterator[Row]:
    """Each lead's standard deviation within each rhythm."""
    for stratum, of_stratum in found.items():
        for lead, real in of_stratum["real"].items():
            ratios = (_figure(of_stratum.get(of, {}).get(lead, {}), "ratio") for of in MADE)
            yield (f"{_words(stratum)}, {lead}", _number(of_stratum["records"]), *ratios, _number(real))


def impossible(found: Metrics) -> Iterator[Row]:
    """How many records break each rule."""
    for name, of_rule in found.items():
        told = (_figure(of_rule.get(of, {}), "share") for of in BESIDE)
        difference = of_rule["difference"]["synthetic"]
        more = _with_interval(difference["mean"], difference)
        yield (_words(name), _number(of_rule["records"]), *told, more)


def biases(found: Metrics) -> Iterator[Row]:
    """What is measured against what was simulated."""
    for condition, quantities in found.items():
        for name, of in quantities.items():
            told = (_with_interval(of[of_set]["bias"], of[of_set]) for of_set in SETS)
            yield (_words(condition), _words(name), _number(of["records"]), _number(of["truth"]), *told)


def effects(found: Metrics) -> Iterator[Row]:
    """Slopes and differences between groups."""
    for name, effect in found.items():
        told = (_figure(effect.get(of, {}), "value") for of in BESIDE)
        ratio = _figure(effect.get("over_real", {}).get("synthetic", {}), "ratio")
        yield (EFFECTS.get(name, _words(name)), _number(effect["records"]), *told, ratio)


def signs(evaluation: Metrics) -> Iterator[Row]:
    """How many records of a statement show a sign that its definition names; last those of too few records."""
    for key, of_sign in evaluation.get("signs", {}).items():
        if "records" in of_sign:
            code, _, sign = key.partition("_")
            yield (statement(code), *next(means({sign: of_sign})))
    for note in evaluation.get("left_out", ()):
        section, _, key = note.partition(":")[0].partition(".")
        if section == "signs" and "." not in key:
            code, _, sign = key.partition("_")
            yield (statement(code), _words(sign), "too few", *[NO_PLACE] * 6)


def usefulness(found: Metrics) -> Iterator[Row]:
    """What a classifier trained on each arm makes of real test patients."""
    for arm, of in ARMS.items():
        if arm in found:
            trained = (_number(found[f"{side}_records"]) if side in of else NO_PLACE for side in ("real", "synthetic"))
            classes = (_number(found[arm]["auroc"][name]) for name in found["classes"])
            yield (arm, *trained, _figure(found[arm], "macro_auroc"), *classes)


def language_model(found: Metrics) -> Iterator[Row]:
    """What a language model wrote, and what it took: none where it was not asked."""
    if "answers" not in found:
        return
    for name, count in found["distillers"].items():
        yield (f"experiences by {name}", _number(count))
    for reason, count in found["fallbacks"].items():
        yield (f"of those distilled offline, fell back for {reason}", _number(count))
    for key in ("answers", "answers_asked_again", "prompt_tokens", "completion_tokens"):
        yield (_words(key), _number(found[key]))


def attacks(found: Metrics) -> Iterator[Row]:
    """What each attack on the members finds."""
    for name, values in found.get("attacks", {}).items():
        told = (_with_interval(values[share]["value"], values[share]) for share in ("auc", "tpr"))
        yield (_words(name), _number(found["members"]), _number(found["strangers"]), *told)


def copies(found: Metrics) -> Iterator[Row]:
    """How near records come to those that the generator learnt from, and which of these came out again."""
    for key, (of, name) in COPIES.items():
        if name in found:
            likeness = (found.get(f"{which}correlation_{key}", NO_PLACE) for which in ("", "highest_"))
            yield (of, "training records", *map(_number, likeness), _number(found[name]))
    if "planted_copies_found" in found:
        share = found["planted_copies_found"]
        told = share if isinstance(share, str) else Figure(f"{100 * share:.3g} % of them", share)
        yield (f"{_number(found['planted_copies'])} disguised copies", "training records", NO_PLACE, NO_PLACE, told)
    if "planted" in (canaries := found.get("canaries", {})):
        against = f"{_number(canaries['planted'])} canaries, planted in training"
        counts = (_number(canaries["highest"]), _number(canaries["came_out"]))
        yield (CANARIES_AMONG, against, NO_PLACE, *counts)
        if "highest_not_planted" in canaries:
            highest = _number(canaries["highest_not_planted"])
            yield (CANARIES_AMONG, "as many that were not planted", NO_PLACE, highest, NO_PLACE)


def attributes(found: Metrics) -> Iterator[Row]:
    """What the nearest synthetic records tell of a member."""
    for name, values in found.items():
        told = _with_interval(values["advantage"]["value"], values["advantage"])
        yield (_words(name), _number(values["members"]), _number(values["strangers"]), told)


def diversity(found: Metrics) -> Iterator[Row]:
    """Distance within like conditions."""
    if "over_real" in found:
        ratios = (_with_interval(of["ratio"], of) for of in (found["over_real"], found["reconstructed"]))
        yield (_number(found["conditions"]), _number(found["synthetic"]), _number(found["real"]), *ratios)


def slices(found: Metrics) -> Iterator[Row]:
    """The headline figures of each slice."""
    for kind, of_kind in found.items():
        for name, values in of_kind.items():
            cells = (_sliced(values, key) for key in SLICED)
            told = statement(name) if kind == "statement" else _words(name)
            yield (f"{_words(kind)}, {told}", _number(values["records"]), *cells)


def _sliced(values: Metrics, key: str) -> str:
    if key not in values:
        return NO_PLACE
    cell = _with_interval(values[key]["value"], values[key])
    return _more(cell, WORSE) if key in values.get("worse", ()) else cell


def _more(cell: str, words: str) -> str:
    """A cell with words after it."""
    return Figure(cell + words, cell.value, cell.half_width) if isinstance(cell, Figure) else cell + words


def _figure(found: Metrics, key: str) -> str:
    """A number with the interval that it stands in."""
    return _with_interval(found[key], found) if key in found else NO_PLACE


def _beside(found: Metrics, key: str) -> str:
    """A number with the interval that stands beside it, where one does."""
    if f"{key}_interval" in found:
        return _with_interval(found[key], found[f"{key}_interval"])
    return _number(found.get(key, NO_PLACE))


def _with_interval(value: float | str, interval: Metrics) -> str:
    """A number with its interval, if it has one; words, where it is hidden, stand alone."""
    if isinstance(value, str) or not {"low", "high"} <= interval.keys():
        return _number(value)
    words, ends = _number(value), (interval["low"], interval["high"])
    half_width = 0.0 if any(isinstance(end, str) for end in ends) else (ends[1] - ends[0]) / 2
    return Figure(f"{words} ({_number(ends[0])} to {_number(ends[1])})", value, half_width)


def _ratio(value: Any) -> str:
    """A number, or the mean or else median of an interval."""
    if isinstance(value, Mapping):
        value = value.get("mean", value.get("median"))
    return NO_PLACE if value is None else _number(value)


def _number(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return Figure(f"{value:,}" if isinstance(value, int) else f"{value:.3g}", value)


def _words(key: str) -> str:
    return " ".join(AS_WRITTEN.get(word, word) for word in key.split("_"))
