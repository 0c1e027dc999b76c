import shutil
from pathlib import Path

import pytest

from sediff.errors import UserError
from sediff.params import Params, set_params

ROOT = Path(__file__).parents[1]
MORPHOLOGY = "diffusion.denoiser.morphology"


@pytest.fixture
def path(tmp_path) -> Path:
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml"))


def test_a_value_is_changed_and_comments_stay(path):
    before = path.read_text()
    assert set_params(path, ["diffusion.steps=7"]) == ["diffusion.steps: 2000 → 7"]
    assert Params.load(path).diffusion.steps == 7
    assert before.count("#") == path.read_text().count("#")
    assert len(before.splitlines()) == len(path.read_text().splitlines())
    set_params(path, ["diffusion.steps=2000"])
    set_params(path, ["runtime.llm_base_url=http://127.0.0.1:9/v1"])
    assert set_params(path, ["runtime.llm_base_url="])
    assert Params.load(path).runtime.llm_base_url == ""
    assert path.read_text() == before


def test_a_list_keeps_the_style_it_is_given_in(path):
    before = path.read_text()
    set_params(path, ["corpus.sources=[{name: other, reader: ptb-xl, sharing: restricted}]"])
    assert Params.load(path).corpus.sources[0].sharing == "restricted"
    set_params(path, ["corpus.sources=[{name: virtual, reader: ptb-xl, sharing: open}]"])
    assert path.read_text() == before


def test_a_gate_is_changed_by_its_dotted_name(path):
    set_params(path, ["gates.evaluation.heart_rate.mae_bpm={max: 3}", "gates.evaluation.privacy.near_copies.max=2"])
    gates = Params.load(path).gates.root
    assert gates["evaluation.heart_rate.mae_bpm"].max == 3
    assert gates["evaluation.privacy.near_copies"].max == 2


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("diffusion.steps=many", r"diffusion\.steps is 'many'"),
        ("diffusion.steps=-1", r"diffusion\.steps is -1, but input should be greater than or equal to 1"),
        ("diffusion.stepz=5", r"no parameter diffusion\.stepz; did you mean steps"),
        ("difusion.steps=5", r"no parameter difusion; did you mean diffusion"),
        ("diffusion", "write section.key=value"),
        ("diffusion.steps=[1", "is no YAML"),
        ("synthesis.sampler.steps.x=1", "is no section"),
        ("pseudonyms.key=clinic", r"pseudonyms\.key is 'clinic', but"),
        ("pseudonyms.key=1234567890123456", r"pseudonyms\.key is 1234567890123456, but input should be a valid string"),
        ("corpus.sources=[]", r"corpus\.sources"),
        ("corpus.folds.test=[1]", "a fold may stand in one split only"),
    ],
)
def test_mistakes_are_sentences_and_nothing_is_written(path, assignment, message):
    before = path.read_bytes()
    with pytest.raises(UserError, match=message) as error:
        set_params(path, ["autoencoder.steps=9", assignment])
    assert "\n" not in str(error.value)
    assert path.read_bytes() == before


def test_intervals_may_be_asked_of_models_with_a_morphology(path):
    set_params(path, ["synthesis.dataset=[{text: AF, qt: {mean: 400, sd: 20}, records: 2}]", f"{MORPHOLOGY}=true"])
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"dataset: row 1 asks for .* set diffusion\.denoiser\.morphology to true"):
        set_params(path, [f"{MORPHOLOGY}=false"])
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "a: [", "corpus: 5\n", "reproducibility:\n  seed: 0\n"])
def test_a_broken_file_is_a_sentence(path, text):
    path.write_text(text)
    with pytest.raises(UserError, match=r"params\.yaml") as error:
        Params.load(path)
    assert "\n" not in str(error.value)


def test_the_file_states_every_parameter():
    """What stands in params.yaml is what runs: no value hides in a default."""
    import yaml

    written = yaml.safe_load((ROOT / "params.yaml").read_text())
    full = Params.load(ROOT / "params.yaml").model_dump(mode="json")
    for section in full:
        assert set(written[section]) == set(full[section]), section
