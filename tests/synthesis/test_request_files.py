import math
import shutil
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from sediff.errors import UserError
from sediff.pipeline.run import _require_request
from sediff.synthesis.read import read_request
from sediff.synthesis.schema import DrawnRequest, FillRequest, LikeRequest, PromptRequest, RequestFile

PARTS = """
- {text: atrial fibrillation, age: 71, sex: female, heart_rate: 110, records: 16}
- {statements: [CLBBB, SR]}
- statements: {SR CLBBB: 1, NORM: 3}
  age: {mean: 60, sd: 15, high: 90}
  sex: {female: 0.4}
  heart_rate: {low: 50, high: 100}
  records: 20
- {like: corpus, records: 30}
- {fill: {CLBBB: 500, up_to: 100}}
"""


def test_the_keys_tell_what_a_part_is(vocabulary, tmp_path):
    path = tmp_path / "request.yaml"
    path.write_text(PARTS)
    kinds = [type(part) for part in read_request(path, vocabulary).parts]
    assert kinds == [PromptRequest, PromptRequest, DrawnRequest, LikeRequest, FillRequest]
    path.write_text("{like: corpus, records: 30}")
    assert read_request(path, vocabulary).parts == (LikeRequest(like="corpus", records=30),)


def test_a_sex_may_be_a_letter_as_on_the_command_line(vocabulary, tmp_path):
    path = tmp_path / "request.yaml"
    path.write_text("- {text: a, sex: F}\n- {text: a, sex: {M: 0.3}, records: 2}")
    one, other = read_request(path, vocabulary).parts
    assert (one.sex, other.sex) == ("female", {"male": 0.3})


def test_a_changed_request_has_another_digest(vocabulary, tmp_path):
    path, digests = tmp_path / "request.yaml", set()
    for text in (PARTS, PARTS.replace("71", "72"), PARTS.replace("NORM: 3", "NORM: 2"), PARTS + "# a comment"):
        path.write_text(text)
        digests.add(read_request(path, vocabulary).digest)
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {text: a}\n- {text: a, age: old}", r"row 2, age: write a number from 0 to 120 \(it is 'old'\)\."),
        ("- {text: a, age: {mean: 60}, records: 2}", r"row 1, age: write \{mean, sd\} or \{low, high\}"),
        ("- {text: a, age: {mean: 160, sd: 1}, records: 2}", "row 1, age: it must lie between 0 and 120"),
        ("- {text: a, heart_rate: {low: 90, high: 50}, records: 2}", "row 1, heart_rate: low must be below"),
        ("- {text: a, age: -3}", r"row 1, age: it must lie between 0 and 120 \(it is -3\)\."),
        ("- {text: a, age: .nan}", r"row 1, age: it must lie between 0 and 120 \(it is nan\)\."),
        ("- {text: a, age: {mean: .inf, sd: 1}, records: 2}", r"row 1, age.mean: it must lie between 0 and 120"),
        ("- {text: a, heart_rate: 900}", r"row 1, heart_rate: it must lie between 20 and 300 \(it is 900\)\."),
        ("- {text: a, sex: {}, records: 2}", "row 1, sex: write at least one entry"),
        ('- {statements: {"": 1}, records: 2}', "row 1, statements: a key is blank: name what the share is of"),
        ('- {text: {" ": 1}, records: 2}', "row 1, text: a key is blank"),
        ('- {statements: ["AFIB SR"], records: 2}', "row 1, statements: AFIB SR is no statement of the vocabulary"),
        ("- {text: a, records: 9999999999999999999999}", r"row 1, records: write a number of at most 1e\+09"),
        ("&a [*a]", r"row 1: write keys with values, \{key: value\}\."),
        ("- &a {text: *a, records: 2}", r"row 1, text\.text: write a number\."),
        ("- &a {? *a : 3}", "is no YAML"),
        ("[" * 5000, "is nested too deeply: write a list of rows"),
        ("- {text: a, sex: {other: 0.3}, records: 2}", "row 1, sex.other: write 'male' or 'female'"),
        ("- {text: a, sex: {male: 0.3, female: 0.3}, records: 2}", "row 1: the shares of the sexes must add up to 1"),
        ("- {text: a, pr: 900}", r"row 1, pr: .*400 \(it is 900\)"),
        ("- {text: a, qt: {low: 300, high: 900}, records: 2}", "row 1, qt: it must lie between 200 and 700"),
        ("- {text: a, sexx: male}", "row 1 has sexx, which is no key there: the keys are text, statements, .*fill"),
        (
            "- {like: corpus, records: 3, number: 3}",
            r"row 1 has number, which is no key there: the keys are like, records\.",
        ),
        ("- {text: a, age: {mean: 6, std: 1}, records: 2}", r"has age.std, .* the keys are mean, sd, low, high\."),
        ("- {text: a, records: '3'}", r"row 1, records: write a whole number \(it is '3'\)\."),
        ("- {text: a, records: 0}", r"row 1, records: write a number of at least 1 \(it is 0\)\."),
        ("- {text: a, age: {mean: 60, sd: -1}, records: 2}", r"age.sd: write a number above 0 \(it is -1\)\."),
        ("- {text: a, age: {mean: 60, sd: .nan}, records: 2}", r"age.sd: write a number \(it is nan\)\."),
        ("- {text: a, sex: man}", r"row 1, sex: write 'male' or 'female' \(it is 'man'\)\."),
        ("- {text: 5}", r"row 1, text: write a text \(it is 5\)\."),
        (
            f"- {{text: {'a' * 2001}}}",
            r"row 1, text: it may have 2000 characters at most \(it is 'a{12}\.\.\.a{13}'\)\.",
        ),
        ("- {statements: SR}", r"row 1, statements: write a list, \[one, other\] \(it is 'SR'\)\."),
        ("- {fill: {}}", r"row 1, fill: write at least one entry\."),
        ("- {fill: 3}", r"row 1, fill: write keys with values, \{key: value\} \(it is 3\)\."),
        ("- {age: 50}", "row 1: say what the ECG should show"),
        ("- {text: a, statements: [SR]}", "row 1: give text or statements, not both"),
        ("- {statements: [XYZ]}", "row 1, statements: XYZ is no statement"),
        ("- {statements: {SR XYZ: 1}, records: 2}", "row 1, statements: XYZ is no statement"),
        ("- {fill: {XYZ: 3}}", "row 1, fill: XYZ is no statement"),
        ("- {fill: {CLBBB: none}}", "row 1, fill.CLBBB: write a whole number"),
        ("- {like: other, records: 3}", "row 1, like: write 'corpus'"),
        ("- {like: corpus}", r"row 1, records: it is missing, and must be given\."),
        ("- atrial fibrillation", r"row 1: write keys with values, \{key: value\} \(it is 'atrial"),
        ("- {text: a, sex: {M: 0.5, male: 0.5}, records: 2}", "row 1, sex: a sex stands there twice"),
        (
            "- {text: a, records: 1000000000}\n- {like: corpus, records: 1}",
            "asks for 1,000,000,001 records: ask for at",
        ),
        ("- {text: a, text: b}", "is no YAML .*text stands twice"),
        ("- {text: a, age: {mean: 50, mean: 60, sd: 5}, records: 2}", "is no YAML .*mean stands twice"),
        ("[", "is no YAML"),
        ("", "has no row"),
        ("5", "has no row"),
    ],
)
def test_a_mistake_is_a_sentence_with_file_row_and_key(vocabulary, tmp_path, text, message):
    path = tmp_path / "request.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read_request(path, vocabulary)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)
    assert "nput should" not in str(error.value), "in this project's words"


def test_a_table_is_checked_row_by_row(vocabulary, tmp_path):
    path = tmp_path / "request.parquet"
    good = {"text": ["AF", None], "statements": [None, "SR CLBBB"], "age": [71, None]}
    pl.DataFrame(good).write_parquet(path)
    assert read_request(path, vocabulary).table == path
    shutil.copyfile(path, tmp_path / "LOUD.PARQUET")
    assert read_request(tmp_path / "LOUD.PARQUET", vocabulary).table == tmp_path / "LOUD.PARQUET"
    for column, values, message in (
        ("age", [71, 500], r"row 2, age: .*120 \(it is 500\)"),
        ("age", [71.0, math.nan], r"row 2, age: it must lie between 0 and 120 \(it is nan\)"),
        ("statements", [None, "XYZ"], "row 2, statements: XYZ is no statement"),
        ("statements", ["SR", "SR"], "row 1: give text or statements, not both"),
        ("years", [1, 2], "there is no column years"),
        ("records", ["2", "3"], "the column records is of (large_)?string: write whole numbers in it"),
        ("records", pl.Series([None, None], dtype=pl.String), "the column records is of (large_)?string"),
    ):
        pl.DataFrame(good | {column: values}).write_parquet(path)
        with pytest.raises(UserError, match=message):
            read_request(path, vocabulary)
    pl.DataFrame({"text": ["AF", "AF"], "records": [10**9, 1]}).write_parquet(path)
    with pytest.raises(UserError, match=r"asks for 1,000,000,001 records: ask for at most 1,000,000,000 at once"):
        read_request(path, vocabulary)
    columns = [pa.array(["AF"]), pa.array(["SR"])]
    pq.write_table(pa.Table.from_arrays(columns, names=["text", "text"]), path)
    with pytest.raises(UserError, match="has the column text more than once: leave one"):
        read_request(path, vocabulary)
    with pytest.raises(UserError, match="is a folder: name a request"):
        read_request(tmp_path, vocabulary)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="is no Parquet"):
        read_request(path, vocabulary)


def test_the_parameters_have_the_same_schema(vocabulary, tmp_path):
    from sediff.params import Params

    values = yaml.safe_load(Path("params.yaml").read_text())
    values["synthesis"]["dataset"] = yaml.safe_load(PARTS)
    path = tmp_path / "request.yaml"
    path.write_text(PARTS)
    assert Params.check(values, path).synthesis.dataset == read_request(path, vocabulary).parts
    values["synthesis"]["dataset"][2]["age"] = {"mean": 60}
    with pytest.raises(UserError, match=r"synthesis\.dataset\.2\.age: write \{mean, sd\}"):
        Params.check(values, path)


def test_a_text_of_several_lines_becomes_one(vocabulary, tmp_path):
    """Of YAML's blocks, which are easily written, and of a table: a header, a title and a list take one line."""
    path, wanted = tmp_path / "request.yaml", "atrial fibrillation, rapid"
    drawn = {"text": {"atrial fibrillation,\n rapid": 1}, "records": 2}
    path.write_text(f"- text: |\n    atrial  fibrillation,\n    rapid\n{yaml.safe_dump([drawn])}")
    one, other = read_request(path, vocabulary).parts
    assert one.text == wanted and list(other.text) == [wanted]
    path.write_text(yaml.safe_dump([{"text": {"x" * 2001: 1}, "records": 2}]))
    with pytest.raises(UserError, match=r"row 1, text\.\.\.\.: it may have 2000 characters at most"):
        read_request(path, vocabulary)


def test_params_name_a_file_by_its_hash(vocabulary, tmp_path, monkeypatch):
    """`sediff configure --request` writes it; a file that is another then is told of before anything runs."""
    from sediff.configure import configure
    from sediff.params import PARAMS, Params, set_params

    (tmp_path / "knowledge").symlink_to(Path("knowledge").resolve())
    shutil.copy("params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    path = Path("mine.yaml")
    path.write_text("- {text: atrial fibrillation, records: 3}")
    (line,) = configure(request=path)
    assert line.startswith("synthesis.dataset: ") and configure(request=path) == []
    named = Params.load().synthesis.dataset
    assert isinstance(named, RequestFile) and named.found() == path
    path.write_text("- {text: sinus rhythm}")
    for ask in (named.found, lambda: _require_request(Params.load(), ["synthesis@dataset"])):
        with pytest.raises(UserError, match=r"mine\.yaml, the request of synthesis\.dataset, is not as it was"):
            ask()
    _require_request(Params.load(), ["corpus"])
    path.unlink()
    with pytest.raises(UserError, match=r"mine\.yaml, .*is missing: `sediff configure --request mine\.yaml`"):
        named.found()
    path.write_text("- {text: sinus rhythm, age: old}")
    with pytest.raises(UserError, match="row 1, age: write a number"):
        configure(request=path)
    with pytest.raises(UserError, match=r"synthesis\.dataset\.sha256"):
        set_params(PARAMS, ["synthesis.dataset.sha256=abc"])
