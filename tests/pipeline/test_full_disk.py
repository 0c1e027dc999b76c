"""A disk that fills up while a stage writes: one sentence, and with room again the same bytes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sediff.lineage.dvc_hash import files_of
from tests.pipeline.clone import command

OTHERS = (
    "simulator", "knowledge", "encoder@conditioner", "encoder@judges", "diffusion", "synthesis@evaluation",
    "synthesis@augmentation", "synthesis@dataset", "evaluation", "augmentation", "report",
)  # fmt: skip
ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size={size} none {place}
cp -R kept/. {place}
exec {python} -m flows.{program}
"""
ALONE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")  # what is mounted goes with the process
PAGE = 4096


def room_for(place: Path) -> int:
    """Bytes that a folder's files, or a file, take on a disk of pages."""
    sizes = [path.stat().st_size for path in files_of(place).values()]
    return sum(-(-size // PAGE) * PAGE for size in sizes)


@pytest.mark.parametrize(
    "stage", ["corpus", "autoencoder", *(pytest.param(other, marks=pytest.mark.slow) for other in OTHERS)]
)
def test_a_stage_on_a_disk_that_fills_up_goes_on_with_room(project, tmp_path, stage):
    """Half of its out fits."""
    folder, (name, _, item) = tmp_path / "clone", stage.partition("@")
    shutil.copytree(project[0], folder, symlinks=True)
    shutil.rmtree(folder / ".sediff/work", ignore_errors=True)
    out = Path("reports/index.html") if stage == "report" else Path("data", name, item)
    place = folder / out.parts[0]
    place.rename(folder / "kept")
    place.mkdir()
    folder.joinpath("kept", *out.parts[1:]).rename(tmp_path / "wanted")
    size = room_for(folder / "kept") + max(room_for(tmp_path / "wanted") // 2, PAGE)
    script = ON_A_SMALL_DISK.format(size=size, place=place.name, python=sys.executable, program=f"{name} {item}")
    if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a disk of their own")
    result = command(folder, *ALONE, script)
    assert (result.returncode, f"{stage}: the disk is full; free some space" in result.stderr) == (1, True), result
    assert "Traceback" not in result.stderr

    place.rmdir()
    (folder / "kept").rename(place)
    again = command(folder, sys.executable, "-m", f"flows.{name}", *([item] if item else []))
    assert again.returncode == 0, again.stderr
    made, wanted = (files_of(place) for place in (folder / out, tmp_path / "wanted"))
    assert {n: file.read_bytes() for n, file in made.items()} == {n: file.read_bytes() for n, file in wanted.items()}
