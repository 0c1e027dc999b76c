"""What lies in a dataset folder of each format."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """Files of one format.

    Attributes:
        files: glob of the files with signals, and their media type.
        table: glob of the Parquet files with the rows; "" where there is none.
        told: how to read a signal, for people.
    """

    files: str
    media_type: str
    told: str
    table: str = ""


PARQUET = "application/x-parquet"
DRAWN = "ECG paper, 25 mm/s and 10 mm/mV or what the footer says, in true size."
LAYOUTS = {
    "parquet": Layout(
        "records/shard-*.parquet",
        PARQUET,
        "A row is a record. `signal` is 12 leads × 1,000 samples of little-endian int16, in microvolts: "
        '`numpy.frombuffer(row["signal"], "<i2").reshape(12, 1000)`.',
        "records/shard-*.parquet",
    ),
    "numpy": Layout(
        "signals.npy",
        "application/octet-stream",
        'Signals, (records, 12, 1000) int16 microvolts, `numpy.load("signals.npy", mmap_mode="r")`; row i of '
        "`records.parquet` says what record i is.",
        "records.parquet",
    ),
    "wfdb": Layout(
        "records/*/*.dat",
        "application/octet-stream",
        "WFDB records, format 16, 1,000 units a millivolt, named in `RECORDS`; the comments of a header say what its "
        "record is: `wfdb.rdrecord(name)`.",
    ),
    "dicom": Layout(
        "records/*/*.dcm",
        "application/dicom",
        "DICOM 12-lead ECG waveforms, one unit a microvolt, named in `RECORDS`: "
        "`pydicom.dcmread(path).waveform_array(0)`. DICOM takes no less than 200 samples a second, so there are 500: "
        "every fifth is the record's own, and those between are interpolated. Dates of 1900 are there because DICOM "
        "insists on one.",
    ),
    "png": Layout("records/*/*.png", "image/png", DRAWN),
    "svg": Layout("records/*/*.svg", "image/svg+xml", DRAWN),
    "pdf": Layout("records/*/*.pdf", "application/pdf", DRAWN),
}
