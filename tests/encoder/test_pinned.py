import json
import shutil

import pytest

from sediff.encoder.patients import TRAINING, Training
from sediff.encoder.pinned import FILES, judges_hash
from sediff.errors import UserError
from tests.encoder.conftest import LABELS, judges_params
from tests.learnable import write_records


@pytest.fixture
def pinned(stage):
    """The stage once its judges were trained and pinned, and their hash."""
    stage.train_judges("first")
    shutil.copytree(stage.folder / "first/out", stage.pinned)
    return stage, judges_hash(stage.pinned)


def test_another_corpus_uses_the_pinned_judges_and_scores_them_anew(pinned):
    stage, wanted = pinned
    write_records(stage.folder / "wrong", LABELS, seed=1, mislabelled=True)
    metrics = stage.train_judges("second", judges_params(wanted), corpus="wrong")
    assert all(
        (stage.folder / "second/out" / name).read_bytes() == (stage.pinned / name).read_bytes() for name in FILES
    )
    told = [Training.read(stage.folder / name / "out") for name in ("first", "second")]
    assert told[0] == told[1], "whom they were trained on goes with them"
    assert metrics["pinned"]
    assert metrics["sha256"] == wanted
    assert metrics["statement"]["macro_auroc"] < 0.05, "of labels that are all wrong"


def test_retrain_and_an_empty_pin_train_others(pinned):
    stage, wanted = pinned
    write_records(stage.folder / "other", LABELS, seed=1)
    for name, params in (("a", judges_params(wanted, retrain=True)), ("b", judges_params())):
        metrics = stage.train_judges(name, params, corpus="other")
        assert metrics["sha256"] == judges_hash(stage.folder / name / "out") != wanted
        assert not metrics["pinned"]


def test_damaged_other_or_missing_pinned_judges_are_one_sentence(pinned):
    stage, wanted = pinned
    weights = stage.pinned / "text.safetensors"
    content = weights.read_bytes()

    def refusal(name: str) -> str:
        with pytest.raises(UserError) as error:
            stage.train_judges(name, judges_params(wanted))
        assert "\n" not in str(error.value)
        assert not list((stage.folder / name / "out").iterdir()), "nothing is left half done"
        return str(error.value)

    weights.write_bytes(content[:-1] + b"?")
    assert "does not hold the judges that encoder.judges.pinned names" in refusal("damaged")
    weights.unlink()
    assert "text.safetensors is missing" in refusal("incomplete")
    weights.write_bytes(content)
    (stage.pinned / TRAINING).unlink()
    assert "training.json is missing" in refusal("unknown")
    shutil.rmtree(stage.pinned)
    assert "with the pinned judges is missing" in refusal("missing")


def test_pinned_judges_of_another_version_are_one_sentence(pinned):
    stage, _ = pinned
    path = stage.pinned / "waveform.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"width": 12}))
    with pytest.raises(UserError, match="no networks of this version"):
        stage.train_judges("other", judges_params(judges_hash(stage.pinned)))
