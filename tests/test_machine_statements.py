"""Lines that carts print (MIMIC-IV-ECG's report_0 to report_17; GE's and Philips' style) and LUDB's diagnoses."""

from pathlib import Path

import pytest

from sediff.vocabulary import Vocabulary

VOCABULARY = Vocabulary.load(Path(__file__).parents[1] / "knowledge/statements.yaml")

# What a line gives: codes alone are present, "?" before a code is uncertain, "-" is absent, "" is nothing.
LINES = {
    # rhythm
    "Sinus rhythm": "SR",
    "SINUS RHYTHM": "SR",
    "Normal sinus rhythm": "SR",
    "Sinus rhythm.": "SR",
    "Sinus bradycardia": "SBRAD",
    "Marked sinus bradycardia": "SBRAD",
    "Sinus tachycardia": "STACH",
    "Sinus arrhythmia": "SARRH",
    "Sinus rhythm with marked sinus arrhythmia": "SR SARRH",
    "Sinus rhythm with PAC(s)": "SR PAC",
    "Sinus rhythm with PACs.": "SR PAC",
    "Sinus rhythm with occasional PACs": "SR PAC",
    "Sinus rhythm with PVC(s).": "SR PVC",
    "Sinus rhythm with frequent multifocal PVCs": "SR PVC",
    "Sinus tachycardia with occasional premature ventricular complexes": "STACH PVC",
    "Sinus bradycardia with premature supraventricular complexes": "SBRAD PAC",
    "Multiple ventricular premature complexes": "PVC",
    "Multiform ventricular premature complexes": "PVC",
    "Paired ventricular premature complexes": "PVC",
    "Atrial premature complex": "PAC",
    "Atrial premature complex(es)": "PAC",
    "- frequent premature ventricular contractions": "PVC",
    "- with multifocal PVC's": "PVC",
    "Ventricular bigeminy": "BIGU",
    "Supraventricular bigeminy": "BIGU",
    "Ventricular trigeminy": "TRIGU",
    "Atrial fibrillation": "AFIB",
    "ATRIAL FIBRILLATION": "AFIB",
    "Atrial fibrillation with rapid ventricular response": "AFIB",
    "Atrial fibrillation with slow ventricular response": "AFIB BRADY",
    "Atrial fibrillation with PVC(s)": "AFIB PVC",
    "Atrial fibrillation, average V-rate  68": "AFIB",
    "Coarse atrial fibrillation": "AFIB",
    "Probable atrial fibrillation": "?AFIB",
    "Afib/flutter and ventricular-paced rhythm": "AFIB PACE",
    "Afib/flut and V-paced complexes": "AFIB PACE",
    "Atrial flutter": "AFLT",
    "Atrial flutter with 4:1 A-V block": "AFLT",
    "Atrial flutter with variable A-V block": "AFLT",
    "Supraventricular tachycardia": "SVTAC",
    "Atrial tachycardia": "SVTAC",
    "Probable supraventricular tachycardia": "?SVTAC",
    "Ventricular pacing": "PACE",
    "Ventricular-paced rhythm": "PACE",
    "Atrial-paced rhythm": "PACE",
    "A-V dual-paced rhythm": "PACE",
    "AV dual-paced complexes w/ some inhibition": "PACE",
    "Atrial-sensed ventricular-paced rhythm": "PACE",
    "Electronic ventricular pacemaker": "PACE",
    "Demand pacemaker; interpretation is based on intrinsic rhythm": "PACE",
    "Pacemaker rhythm - no further analysis": "PACE",
    "Wandering atrial pacemaker": "",
    # conduction
    "Sinus rhythm with 1st degree A-V block": "SR 1AVB",
    "Sinus bradycardia with 1st degree A-V block.": "SBRAD 1AVB",
    "Sinus rhythm with borderline 1st degree A-V block": "SR ?1AVB",
    "- first degree A-V block": "1AVB",
    "- borderline first degree A-V block": "?1AVB",
    "Second degree AV block, Mobitz II": "2AVB",
    "Sinus rhythm with 2nd degree A-V block, Mobitz I (Wenckebach)": "SR 2AVB",
    "Third degree A-V block": "3AVB",
    "Complete A-V block with wide QRS complex": "3AVB",
    "Prolonged PR interval": "LPR",
    "Borderline prolonged PR interval": "?LPR",
    "Left bundle branch block": "CLBBB",
    "Right bundle branch block": "CRBBB",
    "Incomplete RBBB": "IRBBB",
    "Incomplete left bundle branch block": "ILBBB",
    "RBBB and LAFB": "CRBBB LAFB",
    "RBBB with left anterior fascicular block": "CRBBB LAFB",
    "RBBB with RAD - possible left posterior fascicular block": "CRBBB RAD ?LPFB",
    "Left anterior fascicular block": "LAFB",
    "Possible left anterior fascicular block": "?LAFB",
    "Left axis deviation - possible left anterior fascicular block": "LAD ?LAFB",
    "IV conduction defect": "IVCD",
    "IV conduction defect is nonspecific": "IVCD",
    "I.V. CONDUCTION DEFECT OF RIGHT BUNDLE BRANCH BLOCK TYPE": "IVCD",
    "Conduction defect of LBBB type": "IVCD",
    "Nonspecific intraventricular conduction delay": "IVCD",
    "Nonspecific intraventricular block": "IVCD",
    "IVCD, consider atypical RBBB": "IVCD ?CRBBB",
    "Bundle branch block": "BBB",
    "WPW pattern - probable left posteroseptal accessory pathway": "WPW",
    "Ventricular pre-excitation, WPW pattern type A": "WPW",
    # axis, voltage and R wave progression
    "Left axis deviation": "LAD",
    "Leftward axis": "LAD",
    "QRS axis leftward for age": "LAD",
    "Marked left axis deviation": "LAD",
    "Borderline left axis deviation": "?LAD",
    "Right axis deviation": "RAD",
    "Rightward axis": "RAD",
    "Severe right axis deviation": "RAD",
    "Poor R wave progression": "PRWP",
    "Poor R wave progression - probable normal variant": "PRWP",
    "Poor R wave progression - cannot rule out anteroseptal infarct": "PRWP ?ASMI",
    "Abnormal R-wave progression, late transition": "PRWP",
    "Abnormal R-wave progression, early transition": "",
    "Low QRS voltages in limb leads": "LVOLT",
    "Low QRS voltages in precordial leads": "LVOLT",
    "Generalized low QRS voltages - consider pericardial effusion": "LVOLT",
    "Low voltage, precordial leads": "LVOLT",
    "Borderline low voltage, extremity leads": "?LVOLT",
    # hypertrophy
    "Left ventricular hypertrophy": "LVH",
    "Possible left ventricular hypertrophy": "?LVH",
    "Left ventricular hypertrophy by voltage only": "VCLVH",
    "Minimal voltage criteria for LVH, may be normal variant": "VCLVH",
    "LVH with secondary repolarization abnormality": "LVH",
    "Left ventricular hypertrophy with ST-T abnormality": "LVH NST_",
    "Consider right ventricular hypertrophy": "?RVH",
    "RVH, consider associated LVH": "RVH ?LVH",
    "Possible left atrial abnormality": "?LAO/LAE",
    "Consider left atrial abnormality": "?LAO/LAE",
    "Left atrial enlargement": "LAO/LAE",
    "Probable left atrial enlargement": "?LAO/LAE",
    "Possible right atrial abnormality": "?RAO/RAE",
    # infarction
    "Inferior infarct - age undetermined": "IMI",
    "Inferior infarct, old": "IMI",
    "Old inferior infarct": "IMI",
    "Inferior infarct, possibly acute": "IMI",
    "*** INFERIOR INFARCT - POSSIBLY ACUTE ***": "IMI",
    "Possible inferior infarct - age undetermined": "?IMI",
    "Inferior infarct (cited on or before 01-JAN-2010)": "IMI",
    "Anteroseptal infarct, age indeterminate": "ASMI",
    "Cannot rule out anteroseptal infarct - age undetermined": "?ASMI",
    "Septal infarct - age undetermined": "ASMI",
    "Possible anterior infarct - age undetermined": "?AMI",
    "Anterolateral infarct - age undetermined": "ALMI",
    "Lateral infarct - age undetermined": "LMI",
    "Probable posterior infarct": "?PMI",
    "Q in V1/V2 may be normal variant but septal infarct cannot be excluded": "?ASMI",
    "QRS changes V3/V4 may be due to LVH but cannot rule out anterior infarct": "?LVH ?AMI",
    "Small inferior Q waves noted: probably normal ECG": "QWAVE ?NORM",
    "Inferior Q waves may be due to cardiomyopathy": "QWAVE",
    "Abnormal Q waves of undetermined cause": "QWAVE",
    # ST, T and QT
    "Nonspecific ST-T abnormalities": "NST_",
    "Lateral ST-T changes are nonspecific": "NST_",
    "Inferior/lateral ST-T changes are nonspecific": "NST_",
    "Ant/septal and lateral ST-T changes are nonspecific": "NST_",
    "Septal ST changes are nonspecific": "NST_",
    "Nonspecific ST and T wave abnormality": "NST_",
    "Lateral ST-T changes may be due to myocardial ischemia": "NST_ ?ISC_",
    "Inferior ST-T changes may be due to the hypertrophy and/or ischemia": "NST_ ?ISC_",
    "Marked ST abnormality, possible inferior subendocardial injury": "NST_ ?INJIN",
    "ST & T wave abnormality, consider lateral ischemia": "NST_ ?ISCLA",
    "Repol abnrm suggests ischemia, anterolateral": "NST_ ?ISC_",
    "Lateral T wave changes are nonspecific": "NT_",
    "Nonspecific T abnormalities, diffuse leads": "NT_",
    "Nonspecific T abnrm, anterolateral leads": "NT_",
    "Nonspecific T wave abnormality": "NT_",
    "Extensive T wave changes may be due to myocardial ischemia": "NT_ ?ISC_",
    "T wave abnormality, consider inferior ischemia": "TAB_ ?ISCIN",
    "Borderline T wave abnormalities": "?TAB_",
    "T wave inversion now evident in Anterior leads": "INVT",
    "ST junctional depression is nonspecific": "STD_",
    "Minimal ST depression, anterolateral leads": "STD_",
    "Anterior ST elevation is nonspecific": "STE_",
    "ST elev, probable normal early repol pattern": "STE_",
    "Inferior ST elevation, CONSIDER ACUTE INFARCT": "STE_",
    "Prolonged QT interval": "LNGQT",
    "Borderline prolonged QT interval": "?LNGQT",
    "Long QTc interval": "LNGQT",
    "Prolonged QT - consider ischemia, electrolyte imbalance, drug effects": "LNGQT ?ISC_ ?EL",
    "Tall T waves - consider hyperkalemia": "?EL",
    "ST changes consistent with digitalis effect": "NST_ DIG",
    # summaries, comparison and technique
    "Normal ECG": "NORM",
    "Normal ECG except for rate": "NORM",
    "Otherwise normal ECG": "NORM",
    "Probably normal ECG": "?NORM",
    "Borderline ECG": "",
    "Abnormal ECG": "",
    "Summary: abnormal ECG": "",
    "Since previous tracing, no significant change": "",
    "No significant change was found, atrial fibrillation": "AFIB",
    "Sinus rhythm has replaced atrial fibrillation": "SR -AFIB",
    "Premature ventricular complexes are no longer present": "-PVC",
    "Nonspecific T wave abnormality no longer evident in Lateral leads": "-NT_",
    "Lead(s) unsuitable for analysis: V6": "",
    "Possible faulty V2 - omitted from analysis": "",
    "Suspect arm lead reversal, interpretation assumes no reversal": "",
    "*** Report made without knowing patient's sex ***": "",
    "Marked anteroseptal ST depression, CONSIDER ACUTE INFARCT (proximal LAD occlusion)": "STD_",
}
LUDB = {
    "Rhythm: Sinus rhythm": "SR",
    "Rhythm: Atrial flutter, typical": "AFLT",
    "Electric axis of the heart: left axis deviation": "LAD",
    "Electric axis of the heart: right axis deviation": "RAD",
    "Left atrial hypertrophy": "LAO/LAE",
    "Right atrial overload": "RAO/RAE",
    "I degree AV block": "1AVB",
    "III degree AV-block": "3AVB",
    "Non-specific intravintricular conduction delay": "IVCD",  # spelt so
    "Atrial extrasystole, type: single PAC": "PAC",
    "Atrial extrasystole: SA-nodal extrasystole": "PAC",
    "Ventricular extrasystole, localisation: RVOT, anterior wall": "PVC",
    "UNIpolar ventricular pacing": "PACE",
    "Biventricular pacing": "PACE",
    "Ischemia: inferior wall": "ISCIN",
    "Ischemia: lateral wall": "ISCLA",
    "Ischemia: anterior wall": "ISCAN",
    "Ischemia: septal": "ISCAS",
    "Ischemia: apical": "ISC_",
    "STEMI: septal": "ASMI",
    "STEMI: anterior wall": "AMI",
    "Scar formation: inferior wall": "IMI",
    "Scar formation: posterior wall": "PMI",
    "Undefined ischemia/scar/supp.NSTEMI: lateral wall": "?ISC_",
    "Non-specific repolarization abnormalities: anterior wall": "NST_",
    "Electric axis of the heart: vertical": "",
    "STEMI: apical": "",
    "Left ventricular overload": "",
    "P-synchrony": "",
}
SIGNS = {"?": "uncertain", "-": "absent"}


def expected(notation: str) -> dict[str, str]:
    return {code.lstrip("?-"): SIGNS.get(code[0], "present") for code in notation.split()}


def test_there_are_enough_of_them():
    assert len(LINES) >= 120


@pytest.mark.parametrize(("line", "notation"), [*LINES.items(), *LUDB.items()])
def test_a_line_gives_its_statements(line, notation):
    reading = VOCABULARY.from_text([line])
    assert {code: said.certainty for code, said in reading.statements.items()} == expected(notation)
    assert reading.unmapped == (() if notation else (line,))


def test_the_lines_of_a_record_add_up():
    lines = ["Sinus rhythm", "Possible inferior infarct", "Inferior infarct - age undetermined", "", "Abnormal ECG"]
    reading = VOCABULARY.from_text(lines)
    assert reading.codes("present") == ["IMI", "SR"], "present outweighs uncertain"
    assert reading.unmapped == ("Abnormal ECG",)
    assert VOCABULARY.from_text("\n".join(lines)) == reading


def test_a_line_ends_the_reach_of_doubt():
    reading = VOCABULARY.from_text(["Possible", "Sinus rhythm"])
    assert reading.codes("present") == ["SR"]
    assert reading.unmapped == ("Possible",)
