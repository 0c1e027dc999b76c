from sediff.texts import with_details


def test_a_text_and_its_details_stand_between_single_commas():
    assert with_details("Atrial fibrillation.", "71 years", "", "female") == "Atrial fibrillation, 71 years, female"
    assert with_details("1. AVB, evtl. LVH; ", "71 years") == "1. AVB, evtl. LVH, 71 years", "stops within it stay"
    assert with_details("Atrial fibrillation.") == "Atrial fibrillation.", "as it was written, where nothing follows"
    assert with_details("", "71 years") == with_details(" . ", "71 years") == "71 years"
