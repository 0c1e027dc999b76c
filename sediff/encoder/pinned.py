"""Pinned judges: the published ones, which a rerun uses as they are, so that figures stay comparable.

`sediff pin-judges` copies the judges of the last run to `judges/`, gives them to DVC (`judges.dvc`, which git keeps and
`dvc push` shares) and writes their hash to `encoder.judges.pinned`. The parameter is what the stage depends on: it says
which bytes are meant, so the folder need not stand in dvc.yaml, and a project that has pinned nothing has none. Another
corpus, other sizes or another machine give the same judges, scored anew; `encoder.retrain` trains others.
"""

import shutil
from pathlib import Path

from sediff.encoder.contrast import WaveformJudge
from sediff.encoder.judge import Judge
from sediff.encoder.patients import TRAINING, Training
from sediff.encoder.text_ecg import TextJudge
from sediff.errors import UserError
from sediff.files import sha256_file, sha256_json

PINNED = Path("judges")
JUDGES = ("statement", "waveform", "text")
FILES = tuple(f"{name}.{suffix}" for name in JUDGES for suffix in ("json", "safetensors"))


def load_judges(folder: Path) -> tuple[Judge, WaveformJudge, TextJudge]:
    """All three, in evaluation mode and frozen.

    Raises:
        UserError: a file is missing, damaged, or of another version.
    """
    return Judge.load(folder), WaveformJudge.load(folder), TextJudge.load(folder)


def judges_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of the judges' files.

    Raises:
        UserError: a file is missing.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder / missing[0]} is missing: run `dvc pull` or `sediff run encoder@judges`.")
    return sha256_json([[name, sha256_file(folder / name)] for name in FILES])


def copy_pinned(folder: Path, wanted: str, out: Path) -> None:
    """Copy the judges whose hash is `wanted` from `folder` to `out`.

    Raises:
        UserError: they are missing, damaged or others.
    """
    # Whom they were trained on is not hashed: in `judges/` it has other ids than in the folder that was pinned.
    if not folder.is_dir():
        raise UserError(f"{folder} with the pinned judges is missing: run `dvc pull`, or set encoder.retrain.")
    if judges_hash(folder) != wanted:
        raise UserError(
            f"{folder} does not hold the judges that encoder.judges.pinned names: run `dvc checkout {folder}.dvc`, or "
            "set encoder.retrain."
        )
    Training.read(folder)
    for name in (*FILES, TRAINING):
        shutil.copyfile(folder / name, out / name)
