import pytest

from sediff.language import detect_language


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "sinus rhythm. normal ecg."),
        ("en", "atrial fibrillation"),
        ("en", "Left bundle branch block"),
        ("en", "SINUS TACHYCARDIA"),
        ("en", "T waves are flat in V5 and V6"),
        ("en", "trace only requested."),
        ("en", "pacemaker rhythm"),
        ("de", "sinusrhythmus lagetyp normal normales ekg"),
        ("de", "sinusrhythmus"),
        ("de", "VORHOFFLIMMERN"),
        ("de", "schrittmacher ekg"),
        ("de", "sinusrhythmus unvollstÄndiger rechtsschenkelblock"),
        ("de", "sinusrhythmus periphere low voltage"),
        ("de", "inferiorer infarkt, alter unbest."),
        ("de", "kein Hinweis auf Ischämie"),
        ("de", "av-knotenrhythmus"),
        ("sv", "sinusrytm normalt ekg"),
        ("sv", "sinustakykardi vÄnster el-axel eljest normalt ekg"),
        ("sv", "fÖrmaksflimmer"),
        ("sv", "anterior infarkt, Ålder ej bestÄmmbar"),
        ("", ""),
        ("", "12345"),
        ("", "LBBB, AV I"),
    ],
)
def test_terse_reports(language, text):
    assert detect_language(text) == language


def test_the_language_with_more_words_wins_and_a_tie_is_left_open():
    assert detect_language("sinus rhythm, kein Hinweis auf Infarkt") == "de"
    assert detect_language("rhythm, rhythmus") == ""
