import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from sediff.corpus.grid import on_grid
from sediff.corpus.header import parse_header
from sediff.corpus.params import ScreeningParams
from sediff.corpus.readers import READERS
from sediff.corpus.screening import CHECKS, REPAIRS, RULES, UnusableError
from sediff.corpus.waveform import Waveform, read_waveform
from sediff.ecg import LEADS, LIMB_LEADS, limb_lead_residual, to_microvolts
from tests.conftest import ROOT
from tests.corpus.raw import ecg, hashes_of, record_of, write_challenge, write_wfdb

PTB_XL = ROOT.parent / "shared/data/ptb-xl/unpack.py"


def read(root: Path, name: str = "r", rate: float | None = None, suffix: str = ".dat", **limits) -> Waveform:
    record = record_of(root, name, rate=rate, suffix=suffix)
    return read_waveform(root, record, hashes_of(root), ScreeningParams(**limits))


def reason(root: Path, **arguments) -> tuple[str, str]:
    with pytest.raises(UnusableError) as caught:
        read(root, **arguments)
    assert caught.value.reason in RULES
    return caught.value.reason, caught.value.detail


@pytest.mark.parametrize("fmt", ["16", "24", "32", "80", "212"])
def test_every_format_is_read_as_wfdb_reads_it(fmt, tmp_path):
    gain = 50.0 if fmt == "80" else 1000.0
    write_wfdb(tmp_path / "r", ecg(), gain=gain, fmt=fmt)
    _check_against_wfdb(tmp_path, ecg(), gain)


def _pack_310(a, b, c):
    return (a & 0x7F) << 1 | (a >> 7) << 8 | (c & 0x1F) << 11 | (b & 0x7F) << 17 | (b >> 7) << 24 | (c >> 5) << 27


PACKINGS = {  # of formats that wfdb reads and does not write; 310 and 311 hold three samples in four bytes
    "61": lambda digital: digital.astype(">i2"),
    "160": lambda digital: (digital + 32768).astype("<u2"),
    "310": lambda digital: _pack_310(*(digital.reshape(-1, 3).T & 0x3FF)).astype("<u4"),
    "311": lambda digital: ((digital.reshape(-1, 3) & 0x3FF) << [0, 10, 20]).sum(1).astype("<u4"),
}


@pytest.mark.parametrize("fmt", PACKINGS)
def test_formats_that_wfdb_does_not_write_are_read_too(fmt, tmp_path):
    digital = np.rint(ecg() * 200).astype(np.int64)
    (tmp_path / "r.dat").write_bytes(PACKINGS[fmt](digital.T.ravel()).tobytes())
    sums = digital.sum(1) % 65536
    lines = [f"r.dat {fmt} 200(0)/mV 16 0 0 {total} 0 {lead}" for total, lead in zip(sums, LEADS, strict=True)]
    (tmp_path / "r.hea").write_text("\n".join(["r 12 500 5000", *lines]))
    _check_against_wfdb(tmp_path, ecg(), 200)


def _check_against_wfdb(root: Path, signal: np.ndarray, gain: float) -> None:
    found = read(root, max_limb_lead_residual_mv=1, clipped_s=1)
    assert np.array_equal(found.signal, wfdb.rdrecord(str(root / "r")).p_signal.T)
    assert np.abs(found.signal - signal).max() <= 0.5 / gain + 1e-9
    assert (found.rate, found.repairs) == (500, ())


@given(
    seed=st.integers(0, 1000),
    gain=st.sampled_from([200.0, 1000.0, 1716.0, 0.5e3]),
    rate=st.sampled_from([100, 250, 500]),
)
@settings(max_examples=15, deadline=None)
def test_round_trips_are_exact_at_the_native_rate(seed, gain, rate, tmp_path_factory):
    root = tmp_path_factory.mktemp("trip")
    digital = np.rint(ecg(rate, seed=seed) * gain)
    write_wfdb(root / "r", digital / gain, rate, gain=gain)
    found = read(root)
    assert np.array_equal(np.rint(found.signal * gain), digital)
    assert np.array_equal(to_microvolts(found.signal), to_microvolts(digital / gain))
    if rate == 100:
        assert np.array_equal(on_grid(found.signal, rate), found.signal)


@given(seed=st.integers(0, 1000), rate=st.sampled_from([125, 250, 257, 360, 400, 500, 1000]))
@settings(max_examples=30, deadline=None)
def test_resampling_moves_no_r_peak_by_half_a_sample(seed, rate):
    """One R wave, a Gaussian of 12 ms, where it pleases; its place is a parabola's through the highest samples."""
    at = np.random.default_rng(seed).uniform(1, 9)
    wave = np.exp(-((np.arange(10 * rate) / rate - at) ** 2) / (2 * 0.012**2))
    grid = on_grid(np.tile(wave, (12, 1)), rate)
    assert grid.shape == (12, 1000)
    peak = int(grid[0].argmax())
    before, top, after = grid[0, peak - 1 : peak + 2]
    place = peak + 0.5 * (before - after) / (before - 2 * top + after)
    assert abs(place - 100 * at) < 0.25


@pytest.mark.parametrize("rate", [250, 500])
def test_the_kept_filter_is_scipys(rate):
    signal = ecg(rate)
    expected = resample_poly(signal, 100, rate, axis=1, padtype="reflect")
    assert np.allclose(on_grid(signal, rate), expected[:, :1000], atol=1e-12)


def test_headers_are_read_as_wfdb_reads_them(tmp_path):
    lines = ["r 12 500/500(0) 5000 10:31:00 02/01/2165"]
    lines += [f"r.dat 16 {900.0 + n}({n})/uV 16 {n} -{n} {n * 999} 0 {lead}" for n, lead in enumerate(LEADS[:9])]
    lines += ["r.dat 16 200 12 5 3 4 0 V4", "r.dat 16 1e3/mV 12 0 3 4 0 V5 ", "r.dat 16 0"]
    (tmp_path / "r.hea").write_text("\n".join(lines) + "\n")
    expected = wfdb.rdheader(str(tmp_path / "r"))
    header = parse_header((tmp_path / "r.hea").read_bytes(), "r.hea", "r.dat")
    assert (header.rate, header.samples, header.repairs) == (expected.fs, expected.sig_len, ())
    for field, name in [("units", "unit"), ("baseline", "baseline"), ("checksum", "checksum"), ("fmt", "format")]:
        assert [getattr(channel, name) for channel in header.channels] == getattr(expected, field)
    assert [channel.gain or 200 for channel in header.channels] == expected.adc_gain
    assert [channel.name or None for channel in header.channels] == expected.sig_name


def test_leads_are_reordered_by_name_and_extra_ones_dropped(tmp_path):
    signal = ecg()
    order = [5, 4, 3, 2, 1, 0, *range(6, 12)]
    names = (*(LEADS[i].lower() for i in order), "vx")
    write_wfdb(tmp_path / "r", np.concatenate([signal[order], signal[:1]]), names=names)
    found = read(tmp_path)
    assert found.repairs == ("leads_reordered", "extra_leads_dropped")
    assert np.array_equal(np.rint(found.signal * 1000), np.rint(signal * 1000))


@pytest.mark.parametrize("missing", [("III",), ("aVR", "aVL", "aVF"), ("III", "aVR", "aVL", "aVF")])
def test_limb_leads_that_follow_are_derived(missing, tmp_path):
    kept = [i for i, lead in enumerate(LEADS) if lead not in missing]
    write_wfdb(tmp_path / "r", ecg()[kept], names=tuple(LEADS[i] for i in kept))
    found = read(tmp_path)
    assert found.repairs == ("limb_leads_derived",)
    absent = [LEADS.index(lead) - 2 for lead in missing]
    assert np.abs(limb_lead_residual(found.signal)[absent]).max() < 1e-12


@pytest.mark.parametrize(("names", "told"), [
    (LEADS[:11], "no lead V6"), ((*LEADS[:11], "v5"), "no lead V6; lead V5 twice"), ((*LEADS, "v6"), "lead V6 twice"),
    (("II", *LEADS[2:], "X"), "no lead I"),
])  # fmt: skip
def test_missing_leads_are_named(names, told, tmp_path):
    write_wfdb(tmp_path / "r", np.resize(ecg(), (len(names), 5000)), names=names)
    assert reason(tmp_path) == ("missing_lead", told)


def test_missing_samples_are_counted_or_filled_in(tmp_path):
    signal = ecg()
    signal[8, 100:103] = signal[1, 4999] = -32.768
    write_wfdb(tmp_path / "r", signal)
    assert reason(tmp_path) == ("nan", "missing samples of 5000: II 1, V3 3")
    found = read(tmp_path, max_missing_share=0.001)
    assert found.repairs == ("samples_interpolated",)
    assert found.signal[8, 101] == pytest.approx((found.signal[8, 99] + found.signal[8, 103]) / 2)
    assert np.isfinite(found.signal).all()


def _changed(change) -> np.ndarray:
    signal = ecg()
    change(signal)
    return signal


def _flat(signal):
    signal[7] = 0.005


def _clip(signal):
    signal[8] = np.minimum(5 * signal[8], 1.5)


def _loud(signal):
    signal[6, 50] = -12


def _contradict(signal):
    signal[2] += 0.3


def _swap_arms(signal):
    signal[:6] = signal[[0, 2, 1, 4, 3, 5]]
    signal[0] *= -1


def _swap_arm_and_leg(signal):
    signal[:2] = -signal[[2, 1]]
    signal[2:6] = LIMB_LEADS @ signal[:2]


@pytest.mark.parametrize(("rule", "change", "told"), [
    ("flat_lead", _flat, "lead V2: a range of 0.000 mV, under 0.02 mV"),
    ("clipped", _clip, "lead V3 stays at 1.500 mV for"), ("amplitude", _loud, "12.00 mV in lead V1, above 8 mV"),
    ("limb_leads", _contradict, "lead III contradicts I and II by 0.30"),
    ("reversed_leads", _swap_arms, "the arms look swapped: P points down in I, its correlation with V6 is -1.00"),
    ("reversed_leads", _swap_arm_and_leg, "the right arm and the left leg look swapped: P points down in II"),
])  # fmt: skip
def test_rules_find_what_they_are_for(rule, change, told, tmp_path):
    write_wfdb(tmp_path / "r", _changed(change))
    found = reason(tmp_path)
    assert found[0] == rule
    assert told in found[1]


@pytest.mark.parametrize("swap", [_swap_arms, _swap_arm_and_leg])
def test_swaps_show_at_100_hz_too(swap, tmp_path):
    write_wfdb(tmp_path / "r", on_grid(_changed(swap), 500), 100)
    assert reason(tmp_path)[0] == "reversed_leads"


@pytest.mark.parametrize(("change", "switch"), [
    (_flat, {"flat_range_mv": 0}), (_clip, {"clipped_s": 1}), (_clip, {"clipped_from_mv": 2}),
    (_loud, {"max_amplitude_mv": 20}),
    (_contradict, {"max_limb_lead_residual_mv": 1}), (_swap_arms, {"reversal_correlation": 1}),
])  # fmt: skip
def test_thresholds_are_parameters(change, switch, tmp_path):
    write_wfdb(tmp_path / "r", _changed(change))
    assert read(tmp_path, **switch).repairs == ()


def test_every_check_is_a_rule_and_every_rule_is_described():
    assert set(CHECKS) <= set(RULES)
    assert all(RULES.values()) and all(REPAIRS.values())


def test_sampling_is_held_to_what_the_layout_promises(tmp_path):
    write_wfdb(tmp_path / "r", ecg(250), 250)
    assert read(tmp_path, rate=250).rate == 250
    assert reason(tmp_path, rate=500) == ("sampling_rate", "250 Hz, the layout promises 500 Hz")


def test_what_is_shorter_than_ten_seconds_is_refused_and_longer_is_cropped(tmp_path):
    write_wfdb(tmp_path / "r", ecg(seconds=9.5))
    assert reason(tmp_path) == ("too_short", "9.50 s, under 10 s")
    signal = ecg(seconds=20)
    signal[:, 9000:] = 30  # a fault that nothing reads
    write_wfdb(tmp_path / "r", signal)
    found = read(tmp_path)
    assert (found.signal.shape, found.repairs) == ((12, 5000), ("cropped",))


@pytest.mark.parametrize(
    "date", ["12-May-2020", "12-May-2020 12:33:31", "2020-05-12", "1:2:3:4", "99:99:99 40/13/2020"]
)
def test_a_date_that_wfdb_refuses_is_dropped(date, tmp_path):
    write_challenge(tmp_path / "r", ecg(), 500, (), date)
    assert read(tmp_path, suffix=".mat").repairs == ("date_dropped",)


def test_microvolts_are_scaled(tmp_path):
    write_wfdb(tmp_path / "r", ecg(), gain=1.0 * 1000)
    header = tmp_path / "r.hea"
    header.write_text(header.read_text().replace("1000.0(0)/mV", "1(0)/uV"))
    assert np.allclose(read(tmp_path).signal, ecg(), atol=0.0005001)


@pytest.mark.skipif(not PTB_XL.is_file(), reason="../shared/data/ptb-xl is not here")
def test_a_fold_of_ptb_xl(tmp_path):
    """The same samples as wfdb's, and few recordings set aside."""
    subprocess.run([sys.executable, str(PTB_XL), str(tmp_path), "--folds", "9", "9"], check=True, capture_output=True)
    records = [r for r in READERS["ptb-xl"]("p", tmp_path).records() if (tmp_path / r.files[0]).is_file()]
    hashes, reasons = hashes_of(tmp_path), []
    for number, record in enumerate(records):
        try:
            found = read_waveform(tmp_path, record, hashes, ScreeningParams())
        except UnusableError as unusable:
            reasons.append(unusable.reason)
            continue
        if number % 20 == 0:
            assert np.array_equal(found.signal.T, wfdb.rdrecord(str(tmp_path / record.path)).p_signal)
    assert len(records) > 2000
    assert len(reasons) < 0.01 * len(records)
    assert reasons.count("reversed_leads") < 0.003 * len(records)


def test_a_slow_wave_in_coarse_steps_is_not_clipped(tmp_path):
    signal = ecg()
    signal[8] += 2 * np.sin(np.arange(5000) / 700)
    write_wfdb(tmp_path / "r", signal, gain=50)
    assert read(tmp_path).repairs == ()
