import resource
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from sediff.corpus.params import ScreeningParams
from sediff.corpus.readers import READERS, RawRecord, Rejection
from sediff.corpus.readers.comments import person, recorded_at, snomed_codes, statements
from sediff.corpus.waveform import read_waveform
from sediff.ecg import LEADS
from sediff.errors import UserError
from sediff.knowledge.measures import SCALARS, VOLTAGES
from sediff.knowledge.profiles import build_profiles
from sediff.sources import Source
from tests.conftest import ROOT
from tests.corpus.raw import ecg, hashes_of, record_of, write_challenge, write_wfdb

MIMIC_LEADS = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
LUDB_HEADER = "# <age>: 51\n#<sex>: F\n#<diagnoses>:\n#Rhythm: Sinus bradycardia.\n#Left ventricular hypertrophy. \n"
REPORTS = ",".join(f"report_{n}" for n in range(18))
DATA = ROOT.parent / "shared/data"


def read(name: str, root: Path) -> list[RawRecord | Rejection]:
    return list(READERS[name]("raw", root).records())


def waveforms(name: str, root: Path):
    hashes = hashes_of(root)
    return [read_waveform(root, record, hashes, ScreeningParams()) for record in read(name, root)]


@pytest.fixture
def mimic(tmp_path) -> Path:
    """Three studies of two patients; leads in MIMIC's order, 200 units a mV; the second has no statements."""
    listed, measured = (
        ["subject_id,study_id,file_name,ecg_time,path"],
        [f"subject_id,study_id,cart_id,{REPORTS},p_axis"],
    )
    for seed, (subject, study) in enumerate([(10000032, 40689238), (10000032, 44458630), (10000117, 45090959)]):
        path = f"files/p1000/p{subject}/s{study}/{study}"
        order = [LEADS.index(lead) for lead in MIMIC_LEADS]
        write_wfdb(tmp_path / path, ecg(seed=seed)[order], names=MIMIC_LEADS, gain=200.0)
        listed.append(f"{subject},{study},{study},2180-07-23 08:44:00,{path}")
        if seed != 1:
            cells = [f"Sinus rhythm {seed}", "", "Possible infarct, age undetermined"] + [""] * 15
            measured.append(f"{subject},{study},6848296," + ",".join(f'"{cell}"' for cell in cells) + ",51")
    (tmp_path / "record_list.csv").write_text("\n".join(listed) + "\n")
    (tmp_path / "machine_measurements.csv").write_text("\n".join([measured[0], *measured[:0:-1]]) + "\n")
    return tmp_path


@pytest.fixture
def ludb(tmp_path) -> Path:
    """Two records whose gains scale each lead to 1 mV, as LUDB's do."""
    (tmp_path / "ludb.csv").write_text("ID,Sex,Age\n")
    for number in (2, 10):
        path = write_wfdb(tmp_path / f"data/{number}", ecg(seed=number), names=tuple(map(str.lower, LEADS)))
        lines = path.with_suffix(".hea").read_text().splitlines()
        lines[1:] = [line.replace("1000.0(0)", f"{1000 + 37 * n}({n})") for n, line in enumerate(lines[1:])]
        path.with_suffix(".hea").write_text("\n".join(lines) + "\n" + LUDB_HEADER)
    return tmp_path


@pytest.fixture
def challenge(tmp_path) -> Path:
    comments = ("#Age: 74", "#Sex: Male", "#Dx: 426783006,164889003", "#Rx: Unknown", "#Hx: Unknown", "#Sx: Unknown")
    write_challenge(tmp_path / "training/g1/A0001", ecg(seconds=15), 500, comments, "12-May-2020 12:33:31")
    comments = ("# Age: NaN", "# Sex:  Female", "# Dx:  427084000")
    write_challenge(tmp_path / "training/g2/JS1", ecg(seed=1), 500, comments)
    return tmp_path


def test_mimic_iv_ecg(mimic):
    first, second, third = read("mimic-iv-ecg", mimic)
    assert (first.record_id, first.patient_id, first.recorded_at) == (
        "raw/40689238",
        "raw/10000032",
        "2180-07-23T08:44:00",
    )
    assert first.lines == ("Sinus rhythm 0", "Possible infarct, age undetermined")
    assert (second.lines, third.lines) == ((), ("Sinus rhythm 2", "Possible infarct, age undetermined"))
    assert (first.age, first.sex) == (None, None)
    assert (first.device, second.device) == ("6848296", "")
    assert [waveform.repairs for waveform in waveforms("mimic-iv-ecg", mimic)] == [("leads_reordered",)] * 3


def test_mimic_records_are_linked_to_the_ehr_beside_them(mimic, vocabulary, blank_profile):
    """Of two patients with an admission, the ECG of one was taken in it, that of the other years before."""
    hosp = mimic / "hosp"
    hosp.mkdir()
    tables = {
        "patients": ["subject_id", "10000032", "10000117"],
        "admissions": [
            "subject_id,hadm_id,admittime,dischtime",
            "10000032,29079034,2180-07-22 16:00:00,2180-07-25 17:00:00",
            "10000117,22927623,2183-11-15 02:00:00,2183-11-16 14:00:00",
        ],
        "diagnoses_icd": ["subject_id,hadm_id,icd_code,icd_version", "10000032,29079034,42731,9"],
        "prescriptions": ["subject_id,hadm_id,drug", "10000032,29079034,Lanoxin 0.25 mg Tablet"],
        "procedures_icd": ["subject_id,hadm_id,icd_code,icd_version"],
    }
    for name, lines in tables.items():
        (hosp / f"{name}.csv").write_text("\n".join(lines) + "\n")
    records = read("mimic-iv-ecg", mimic)
    rows = [
        blank_profile | {name: getattr(record, name) for name in ("record_id", "patient_id", "recorded_at")}
        for record in records
    ]
    source = Source("raw", "mimic-iv-ecg", "restricted", mimic, mimic / "raw.parquet")
    profiles = build_profiles(pl.DataFrame(rows).with_columns(source=pl.lit("raw")), [source], vocabulary)
    assert profiles["admission"].to_list() == ["29079034", "29079034", ""]
    assert profiles["diagnoses"].to_list()[0] == ["diagnosis:atrial fibrillation"]
    assert profiles["medications"].to_list() == [["drug:digoxin"], ["drug:digoxin"], []]


@pytest.fixture
def blank_profile() -> dict[str, object]:
    """A record of which nothing was measured."""
    measured = dict.fromkeys(SCALARS) | {name: [0.0] * len(leads) for name, leads in VOLTAGES.items()}
    return {"split": "train", "statements": [], "age": None, "sex": None} | measured


@pytest.mark.parametrize(("age", "expected"), [("52", 84.0), ("91", None), ("x", None)])
def test_mimic_ages_come_from_patients_where_they_are_there(age, expected, mimic):
    table = f"subject_id,gender,anchor_age,anchor_year\n10000032,F,{age},2148\n10000117,M,40,2180\n"
    (mimic / "patients.csv").write_text(table)
    records = read("mimic-iv-ecg", mimic)
    assert [record.age for record in records] == [expected, expected, 40.0]
    assert records[2].sex == "male"


@pytest.mark.parametrize("row", ["40689238,1,another," + "," * 17, "x,1,," + "," * 17, "1,2"])
def test_a_row_of_statements_that_is_not_used_is_told(row, mimic):
    expected = read("mimic-iv-ecg", mimic)
    with (mimic / "machine_measurements.csv").open("a") as table:
        table.write(f"{row}\n")
    rejection, *records = read("mimic-iv-ecg", mimic)
    assert records == expected
    assert (rejection.reason, rejection.record_id) == ("bad_table_row", "raw/machine_measurements-line-4")


def test_ludb(ludb):
    second, tenth = sorted(read("ludb", ludb), key=lambda record: int(record.record_id.split("/")[1]))
    assert (second.record_id, second.patient_id, second.path) == ("raw/2", "raw/2", Path("data/2"))
    assert (tenth.age, tenth.sex) == (51.0, "female")
    assert tenth.lines == ("Rhythm: Sinus bradycardia.", "Left ventricular hypertrophy.")
    for waveform in waveforms("ludb", ludb):
        assert waveform.repairs == ("gain_replaced",)


def test_challenge(challenge):
    first, second = read("challenge", challenge)
    assert first.record_id == "raw/training/g1/A0001"
    assert (first.age, first.sex, first.snomed) == (74.0, "male", ("426783006", "164889003"))
    assert first.recorded_at == "2020-05-12T12:33:31"
    assert (second.age, second.sex, second.snomed) == (None, "female", ("427084000",))
    assert [waveform.repairs for waveform in waveforms("challenge", challenge)] == [("date_dropped", "cropped"), ()]


def test_plain_folder(tmp_path):
    write_wfdb(tmp_path / "a/b/r1", ecg(), comments=("age: 81 sex: m", "Reason for admission: Myocardial infarction"))
    write_wfdb(tmp_path / "r2", ecg(seed=1), rate=500)
    second, first = read("wfdb", tmp_path)
    assert (first.record_id, first.age, first.sex) == ("raw/a/b/r1", 81.0, "male")
    assert first.lines == ("Reason for admission: Myocardial infarction",)
    assert (second.record_id, second.lines) == ("raw/r2", ())
    assert len(waveforms("wfdb", tmp_path)) == 2


@pytest.mark.parametrize(("reader", "column", "folder", "rate"), [
    ("ptb-xl", "filename_lr", "records100", 100), ("ptb-xl-500", "filename_hr", "records500", 500),
])  # fmt: skip
def test_ptb_xl_at_both_rates(reader, column, folder, rate, tmp_path):
    write_wfdb(tmp_path / folder / "00000/00001_x", ecg(rate), rate)
    other = {"filename_lr": "filename_hr", "filename_hr": "filename_lr"}[column]
    (tmp_path / "ptbxl_database.csv").write_text(
        f"ecg_id,patient_id,age,sex,recording_date,report,scp_codes,heart_axis,infarction_stadium1,infarction_stadium2,"
        f"validated_by_human,site,device,strat_fold,{column},{other}\n"
        f"1,15709.0,300.0,1,1984-11-09 09:17:34,sinusrhythmus,\"{{'SR': 0.0, 'NORM': 100.0}}\",LAD,,Stadium III,"
        f"True,12.0,CS-12   E,3,{folder}/00000/00001_x,elsewhere/x\n"
    )
    (record,) = read(reader, tmp_path)
    assert (record.record_id, record.patient_id, record.fold) == ("raw/00001", "raw/15709", 3)
    assert (record.age, record.sex, record.axis, record.stages) == (None, "female", "LAD", ("Stadium III",))
    assert record.scp == {"NORM": 100.0, "SR": 0.0}
    assert (record.site, record.device) == ("12", "CS-12 E")
    assert len(waveforms(reader, tmp_path)) == 1
    assert next(name for name, one in READERS.items() if one.recognises(tmp_path)) == reader


def test_every_layout_is_recognised_before_the_plain_folder(mimic, tmp_path_factory, request):
    assert next(name for name, reader in READERS.items() if reader.recognises(mimic)) == "mimic-iv-ecg"
    assert not any(reader.recognises(tmp_path_factory.mktemp("empty")) for reader in READERS.values())


@pytest.mark.parametrize("name", ["ludb", "challenge"])
def test_layouts_without_a_table_of_records_are_recognised(name, request):
    root = request.getfixturevalue(name)
    assert next(reader for reader, one in READERS.items() if one.recognises(root)) == name


def test_a_plain_folder_is_recognised_last(tmp_path):
    write_wfdb(tmp_path / "deep/er/r", ecg())
    assert [name for name, reader in READERS.items() if reader.recognises(tmp_path)] == ["wfdb"]


@pytest.mark.parametrize(("text", "codes"), [
    ("Dx: 1,2", ("1", "2")), ("Dx:  1 , 1;3", ("1", "3")), ("Dx: Unknown", ()), ("Dx:", ()), ("dx: 5", ("5",)),
])  # fmt: skip
def test_snomed_codes(text, codes):
    assert snomed_codes([text]) == codes


@pytest.mark.parametrize(("text", "expected"), [
    ("Age: 74", (74.0, None)), ("<age>: 51", (51.0, None)), ("age: 60+ Sex=F", (None, "female")),
    ("Age: 300", (None, None)), ("Age: -1", (None, None)),
    ("Age:   33   Sex:  Male", (33.0, "male")), ("stage: 3", (None, None)), ("Gender: X", (None, None)),
])  # fmt: skip
def test_age_and_sex(text, expected):
    assert person([text]) == expected


@pytest.mark.parametrize(("line", "expected"), [
    ("r 12 500 5000 10:31:00 02/01/2165", "2165-01-02T10:31:00"),
    ("r 12 500 5000 12-May-2020 2:33:31", "2020-05-12T02:33:31"),
    ("r 12 500 5000", ""), ("r 12 500 5000 05-Foo-2020", ""), ("r 12 500 5000 99/99/2020", ""),
])  # fmt: skip
def test_dates(line, expected):
    assert recorded_at([line]) == expected


def test_statements_are_what_remains():
    assert statements(["Age: 5", "Dx: 1", "", "Sex: F Holter", "ok"]) == ("Holter", "ok")


@pytest.mark.parametrize("encode", [
    lambda text: b"\xef\xbb\xbf" + text.encode(), lambda text: text.replace("\n", "\r\n").encode(),
])  # fmt: skip
def test_tables_with_a_mark_or_other_line_ends_are_read(encode, mimic):
    expected = read("mimic-iv-ecg", mimic)
    for name in ("record_list.csv", "machine_measurements.csv"):
        (mimic / name).write_bytes(encode((mimic / name).read_text()))
    assert read("mimic-iv-ecg", mimic) == expected


@pytest.mark.parametrize("content", [
    None, b"", b"\xff\xfes\0u\0", b"subject_id,study_id,ecg_time,path\n1,2,Mu\xfcller,x\n", b"a,b\n1,2\n",
    b'subject_id,study_id,ecg_time,path\n1,2,3,"' + b"x" * 200_000, b'subject_id,study_id,ecg_time,path\n1,2,3,"x',
    b"subject_id,study_id,ecg_time,path,path\n",
])  # fmt: skip
@pytest.mark.parametrize("name", ["record_list.csv", "machine_measurements.csv"])
def test_an_unreadable_table_is_a_sentence(name, content, mimic):
    (mimic / name).unlink()
    if content is not None:
        (mimic / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        read("mimic-iv-ecg", mimic)


@pytest.mark.parametrize("row", [
    "x,2,f,t,a", "1,x,f,t,a", "1,1e999,f,t,a", "1,nan,f,t,a", "1,40689238,f,t,a", "1,2,f,t", "1,2,f,t,a,b", "1,2,f,t,",
    "1,2,f,t,../../etc/passwd", "1,2,f,t,/etc/passwd", "1,2,f,t,a/../../b", "1,2,f,t,a\\b", "1,2,f,t,a\0b",
    "1,2,f,t,a\x1b[2J", f"1,2,f,t,{'a/' * 3000}a",
], ids=lambda row: repr(row)[:40])  # fmt: skip
def test_a_bad_row_is_rejected_and_the_others_are_read(row, mimic):
    with (mimic / "record_list.csv").open("a") as table:
        table.write(f"{row}\n")
    *records, rejection = read("mimic-iv-ecg", mimic)
    assert len(records) == 3
    assert (rejection.reason, rejection.record_id) == ("bad_table_row", "raw/line-5")


def test_links_are_refused_with_a_reason(tmp_path):
    outside = write_wfdb(tmp_path / "outside/r", ecg())
    root = tmp_path / "root"
    write_wfdb(root / "good", ecg())
    (root / "leads_out.hea").symlink_to(outside.with_suffix(".hea"))
    (root / "circle.hea").symlink_to(root / "circle.hea")
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "bad\nname.hea").write_text("")
    (root / b"latin\xfc.hea".decode("utf-8", "surrogateescape")).write_text("")
    found = read("wfdb", root)
    assert [record.record_id for record in found if isinstance(record, RawRecord)] == ["raw/good"]
    rejected = [rejection for rejection in found if isinstance(rejection, Rejection)]
    assert [rejection.reason for rejection in rejected] == ["unsafe_path"] * 5
    assert "raw/latin\\xfc.hea" in [rejection.record_id for rejection in rejected]


def test_the_list_of_a_large_corpus_streams(tmp_path):
    """A child with 400 MB of address space to spare lists 100,000 records whose statements come in another order."""
    count = 100_000
    with (tmp_path / "record_list.csv").open("w") as stream:
        stream.write("subject_id,study_id,ecg_time,path\n")
        stream.writelines(f"{n // 5},{n},2150-05-17 08:01:00,files/p{n // 5}/s{n}/{n}\n" for n in range(count))
    with (tmp_path / "machine_measurements.csv").open("w") as stream:
        stream.write(f"study_id,{REPORTS}\n")
        tail = "Sinus rhythm" + "," * 17 + "\n"
        stream.writelines(f"{n},{tail}" for n in reversed(range(count)))
    code = (
        "import sys, resource; from pathlib import Path; from sediff.corpus.readers import READERS\n"
        "n = sum(bool(r.lines) for r in READERS['mimic-iv-ecg']('m', Path(sys.argv[1])).records())\n"
        "print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (400 << 20,) * 2)

    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=limit,
    )
    assert done.stdout.split()[:1] == [str(count)], done.stderr


@pytest.mark.skipif(not (DATA / "ludb").is_dir(), reason="../shared/data/ludb is not here")
def test_real_ludb_records(tmp_path):
    shutil.unpack_archive(next((DATA / "ludb").glob("*.tar.xz")), tmp_path)
    root = next(path.parent for path in tmp_path.rglob("ludb.csv"))
    assert READERS["ludb"].recognises(root)
    records = read("ludb", root)
    assert len(records) == 100
    assert all(record.age and record.sex and record.lines[0].startswith("Rhythm: ") for record in records)
    assert [waveform.repairs for waveform in waveforms("ludb", root)] == [("gain_replaced",)] * 100


def test_an_unsafe_record_is_refused_by_the_screening_too(tmp_path):
    record = record_of(tmp_path, "../x")
    with pytest.raises(ValueError, match="unsafe_path"):
        read_waveform(tmp_path, record, dict.fromkeys(record.files, ""), ScreeningParams())
