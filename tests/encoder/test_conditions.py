from dataclasses import replace

import numpy as np
import pytest
import torch

from sediff.encoder.conditioner import TOKENS, Conditioner
from sediff.encoder.conditions import MAX_STATEMENTS, REPORT_SUBWORDS, Condition, encode_conditions, subwords
from sediff.encoder.segments import MAX_SEGMENTS, segments
from sediff.encoder.tokens import TEXT_TOKENS
from sediff.knowledge.experience import Experience
from sediff.knowledge.measures import FITTED, SLICES, VALUES, Statistics
from sediff.knowledge.report import POSSIBLE, Report

BUCKETS = 256
AGE, SEX, RATE, AXIS, FINDINGS, TEXT, MEASURED, MORPHOLOGY = range(TEXT_TOKENS, TOKENS)
EXPERIENCE = (FINDINGS, TEXT, MEASURED, MORPHOLOGY)


def encode(vocabulary, *conditions: Condition):
    return encode_conditions(conditions, vocabulary, BUCKETS)


def conditioner(vocabulary) -> Conditioner:
    torch.manual_seed(0)
    return Conditioner(len(vocabulary.codes), 32, BUCKETS).eval()


@pytest.fixture
def experience(vocabulary) -> Experience:
    """Of ten neighbours, half of whom have atrial fibrillation; nobody's PR is known."""
    shares = np.zeros(len(vocabulary.codes), np.float32)
    shares[vocabulary.codes.index("AFIB")] = 0.5
    median = np.linspace(-1, 1, VALUES, dtype=np.float32)
    median[SLICES["pr"]] = np.nan
    known = np.where(np.isnan(median), 0, 10).astype(np.int32)
    report = Report(
        rhythm="atrial fibrillation", findings=(), **dict.fromkeys(POSSIBLE), morphology=(), confidence=0.5,
        cited=("N1",), text="Rhythm: atrial fibrillation 50 %.",
    )  # fmt: skip
    statistics = Statistics(np.int32(10), shares, median - 1, median, median + 1, known)
    return Experience("e", "r", report, "offline", None, ("n",), (1.0,), statistics)


def test_each_part_of_an_experience_has_a_token_of_its_own(vocabulary, experience):
    own = experience.statistics

    def with_statistics(**changes) -> Experience:
        return replace(experience, statistics=replace(own, **changes))

    moved = np.where(np.arange(VALUES) == SLICES["qt"].start, own.median + 1, own.median)
    fitted = np.where(np.arange(VALUES) == FITTED.start, own.median + 1, own.median)
    reworded = experience.report.model_copy(update={"text": "Rhythm: sinus rhythm 50 %."})
    others = {
        FINDINGS: with_statistics(shares=own.shares / 2),
        TEXT: replace(experience, report=reworded),
        MEASURED: with_statistics(median=moved.astype(np.float32)),
        MORPHOLOGY: with_statistics(median=fitted.astype(np.float32)),
    }
    asked = [Condition("sinus rhythm", experience=e) for e in (experience, *others.values(), None)]
    tokens, mask = conditioner(vocabulary)(encode(vocabulary, *asked))
    assert torch.isfinite(tokens).all() and mask[:, TEXT_TOKENS:].all()
    for row, own_token in enumerate(others, start=1):
        changed = [
            token for token in range(TOKENS) if not torch.allclose(tokens[0, token], tokens[row, token], atol=1e-5)
        ]
        assert changed == [own_token]
    changed = [token for token in range(TOKENS) if not torch.allclose(tokens[0, token], tokens[-1, token], atol=1e-5)]
    assert changed == list(EXPERIENCE)


def test_findings_are_the_statements_own_embeddings_by_their_shares(vocabulary, experience):
    network = conditioner(vocabulary)
    shares = torch.from_numpy(experience.statistics.shares)[None]
    wanted = 0.5 * network.text.statements.weight[1 + vocabulary.codes.index("AFIB")]
    torch.testing.assert_close(network._findings(shares)[0], wanted)


def test_an_experience_of_nobody_is_not_no_experience(vocabulary, experience):
    nothing = np.full(VALUES, np.nan, np.float32)
    nobody = Statistics(
        np.int32(0), np.zeros_like(experience.statistics.shares), nothing, nothing, nothing, np.zeros(VALUES, np.int32)
    )
    asked = Condition("", experience=replace(experience, statistics=nobody)), Condition("")
    tokens, _ = conditioner(vocabulary)(encode(vocabulary, *asked))
    assert torch.isfinite(tokens).all()
    for token in (FINDINGS, MEASURED, MORPHOLOGY):
        assert not torch.allclose(tokens[0, token], tokens[1, token])


def test_withheld_drops_an_experience_as_a_whole(vocabulary, experience):
    encoded = encode(vocabulary, *[Condition("sinus rhythm", 60, experience=experience)] * 2000)
    left = encoded.withheld(0.3, torch.Generator().manual_seed(0))
    gone = left.experience.isnan().all(1)
    assert 0.25 < gone.float().mean() < 0.35
    assert torch.equal(gone, ~left.experience_subwords.any(1))
    assert torch.equal(left.experience[~gone].nan_to_num(), encoded.experience[~gone].nan_to_num())
    network = conditioner(vocabulary)
    dropped, never = network(left.rows(gone.nonzero()[:1, 0])), network(encode(vocabulary, Condition("", 60)))
    torch.testing.assert_close(dropped[0][:, FINDINGS:], never[0][:, FINDINGS:])


def test_gradients_are_finite_with_and_without_experience(vocabulary, experience):
    network = conditioner(vocabulary).train()
    asked = [Condition("sinus rhythm", experience=e) for e in (experience, None)]
    network.pooled(encode(vocabulary, *asked)).square().sum().backward()
    own = {name: weight.grad for name, weight in network.named_parameters() if name.startswith(("mea", "morp", "no_"))}
    assert len(own) == 11
    assert all(torch.isfinite(gradient).all() and gradient.abs().sum() > 0 for gradient in own.values())


def test_negation_is_understood(vocabulary):
    encoded = encode(
        vocabulary,
        Condition("atrial fibrillation"),
        Condition("sinus rhythm, no evidence of atrial fibrillation"),
        Condition("possible atrial fibrillation"),
    )
    code = vocabulary.codes.index("AFIB") + 1
    assert encoded.statements[0, 0] == code
    assert code not in encoded.statements[1]
    assert encoded.statements[2, 0] == code
    assert encoded.certainties[0, 0] != encoded.certainties[2, 0], "uncertain is not present"


def test_a_text_has_a_token_for_each_statement_and_each_segment(vocabulary):
    encoded = encode(vocabulary, Condition("Sinus rhythm. Left bundle branch block, cause unknown"), Condition(""))
    tokens, mask = conditioner(vocabulary)(encoded)
    assert tokens.shape == (2, TOKENS, 32)
    assert mask[:, :MAX_STATEMENTS].sum(1).tolist() == [2, 0]
    assert mask[:, MAX_STATEMENTS:TEXT_TOKENS].sum(1).tolist() == [3, 0]
    assert mask[:, TEXT_TOKENS:].all(), "what is missing has a token that says so"
    assert torch.isfinite(tokens).all()


def test_segments_are_sentences_clauses_and_lines_and_nothing_is_lost():
    assert segments("Sinus rhythm, rate 71.5. PR 0,16 s\nnormal") == [
        "Sinus rhythm",
        "rate 71.5",
        "PR 0,16 s",
        "normal",
    ]
    many = segments(", ".join(f"w{i}" for i in range(20)))
    assert len(many) == MAX_SEGMENTS
    assert [word for part in many for word in part.split(", ")] == [f"w{i}" for i in range(20)]
    assert segments(" ., \n") == []


def test_equal_conditions_give_equal_rows_and_others_other_rows(vocabulary):
    same = Condition("sinus rhythm", 60, "male", 70, axis=30)
    others = [
        Condition("sinus rhythm", 61, "male", 70, axis=30),
        Condition("sinus rhythm", 60, "female", 70, axis=30),
        Condition("sinus rhythm", 60, "male", 71, axis=30),
        Condition("sinus rhythm", 60, "male", 70, axis=31),
        Condition("sinus rhythm, pale", 60, "male", 70, axis=30),
    ]
    tokens, _ = conditioner(vocabulary)(encode(vocabulary, same, same, *others))
    torch.testing.assert_close(tokens[0], tokens[1])  # rows of a batch may differ in their last bit
    assert not any(torch.equal(tokens[0], other) for other in tokens[2:])


def test_what_is_not_stated_is_a_token_of_its_own(vocabulary):
    encoded = encode(vocabulary, Condition("sinus rhythm"), Condition("sinus rhythm", 0, None, 0, axis=0))
    tokens, _ = conditioner(vocabulary)(encoded)
    assert torch.isfinite(tokens).all()
    for token in (AGE, RATE, AXIS):
        assert not torch.allclose(tokens[0, token], tokens[1, token]), "unknown is not 0"


def test_a_batch_without_any_number_has_finite_gradients(vocabulary):
    network = conditioner(vocabulary).train()
    network.pooled(encode(vocabulary, *[Condition("sinus rhythm")] * 4)).square().sum().backward()
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert network.heart_rate.missing.grad.abs().sum() > 0


def test_the_axis_is_an_angle(vocabulary):
    encoded = encode(vocabulary, *[Condition("", axis=axis) for axis in (-180, 180, 0)])
    tokens, _ = conditioner(vocabulary)(encoded)
    torch.testing.assert_close(tokens[0, AXIS], tokens[1, AXIS], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(tokens[0, AXIS], tokens[2, AXIS], atol=1e-3)


def test_withheld_leaves_out_about_the_share_and_never_the_text(vocabulary):
    encoded = encode(vocabulary, *[Condition("sinus rhythm", 60, "female", 70, axis=45)] * 2000)
    left = encoded.withheld(0.3, torch.Generator().manual_seed(0))
    for share in (left.age.isnan(), left.sex == 0, left.heart_rate.isnan(), left.axis.isnan()):
        assert 0.25 < share.float().mean() < 0.35
    assert torch.equal(left.statements, encoded.statements)
    assert torch.equal(left.segments, encoded.segments)
    assert not encoded.age.isnan().any(), "the original is untouched"


def test_reworded_takes_whole_texts_and_nothing_else_from_about_the_share(vocabulary):
    english = encode(vocabulary, *[Condition("atrial fibrillation, pale", 60)] * 2000)
    german = encode(vocabulary, *[Condition("linksschenkelblock", 30)] * 2000)
    mixed = english.reworded(german, 0.3, torch.Generator().manual_seed(0))
    changed = (mixed.segments == german.segments).flatten(1).all(1)
    assert 0.25 < changed.float().mean() < 0.35
    assert torch.equal(mixed.segments[~changed], english.segments[~changed])
    assert torch.equal(mixed.statements[changed], german.statements[changed])
    assert torch.equal(mixed.age, english.age)


def test_subwords_fill_their_room_and_no_more():
    long = " ".join(f"word{i}" for i in range(200))
    for text in ("", "sinus rhythm", long):
        rows = subwords(text, BUCKETS)
        assert len(rows) == 48
        assert all(0 <= row < BUCKETS for row in rows)
    assert set(subwords("", BUCKETS)) == {0}
    assert set(subwords("tachycardia", 4096)) & set(subwords("tachycardic", 4096)) - {0}, "inflections share pieces"


def test_saved_and_loaded_it_is_the_same(vocabulary, tmp_path):
    network, encoded = conditioner(vocabulary), encode(vocabulary, Condition("left bundle branch block", 70))
    network.save(tmp_path)
    assert torch.equal(Conditioner.load(tmp_path)(encoded)[0], network(encoded)[0])


def test_the_last_sentence_of_a_report_counts():
    sentences = " ".join(f"Finding number{i} is expected in lead V{i}." for i in range(1, 12))
    one, other = (subwords(f"{sentences} The T wave is {shape}.", 4096, REPORT_SUBWORDS) for shape in ("low", "peaked"))
    assert len(one) == len(other) == REPORT_SUBWORDS
    assert one != other
