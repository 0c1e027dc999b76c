import torch

from sediff.encoder.conditioner import TOKENS, Conditioner
from sediff.encoder.conditions import MAX_STATEMENTS, Condition, encode_conditions, subwords
from sediff.knowledge.experience import value_count

BUCKETS = 256


def encode(vocabulary, *conditions: Condition):
    return encode_conditions(conditions, vocabulary, BUCKETS)


def conditioner(vocabulary) -> Conditioner:
    torch.manual_seed(0)
    return Conditioner(len(vocabulary.codes), value_count(len(vocabulary.codes)), 32, BUCKETS).eval()


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


def test_equal_conditions_give_equal_rows_and_others_other_rows(vocabulary):
    same = Condition("sinus rhythm", 60, "male", 70)
    encoded = encode(vocabulary, same, same, Condition("sinus rhythm", 61, "male", 70))
    tokens, mask = conditioner(vocabulary)(encoded)
    assert tokens.shape == (3, TOKENS, 32)
    torch.testing.assert_close(tokens[0], tokens[1])  # rows of a batch may differ in their last bit
    assert not torch.equal(tokens[0], tokens[2])
    assert mask[:, MAX_STATEMENTS:].all()
    assert mask[:, :MAX_STATEMENTS].sum(1).tolist() == [1, 1, 1]


def test_what_is_not_stated_is_a_token_of_its_own(vocabulary):
    network = conditioner(vocabulary)
    tokens, _ = network(encode(vocabulary, Condition("sinus rhythm"), Condition("sinus rhythm", 0, None, 0)))
    assert torch.isfinite(tokens).all()
    age, rate = MAX_STATEMENTS + 1, MAX_STATEMENTS + 3
    assert not torch.allclose(tokens[0, age], tokens[1, age]), "unknown age is not age 0"
    assert not torch.allclose(tokens[0, rate], tokens[1, rate])


def test_withheld_leaves_out_about_the_share_and_never_the_statements(vocabulary):
    encoded = encode(vocabulary, *[Condition("sinus rhythm", 60, "female", 70)] * 2000)
    left = encoded.withheld(0.3, torch.Generator().manual_seed(0))
    for share in (left.age.isnan(), left.sex == 0, left.heart_rate.isnan()):
        assert 0.25 < share.float().mean() < 0.35
    assert torch.equal(left.statements, encoded.statements)
    assert not encoded.age.isnan().any(), "the original is untouched"


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
