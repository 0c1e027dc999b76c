"""DICOM 12-lead ECG waveforms (PS3.3 A.34.3), written through pydicom.

The standard takes 200 to 1000 samples a second, so a record is interpolated to 500: every fifth sample is the record's
own, to the microvolt, and the others lie on the band-limited curve through them. A record has no date; where DICOM
insists on one it is the first of January 1900.
"""

import io
import uuid

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage
from scipy.signal import resample_poly

from sediff.ecg import LEADS, SAMPLING_RATE
from sediff.export.record import Record

RATE = 500  # Hz
FACTOR = RATE // SAMPLING_RATE
NO_DATE, NO_TIME = "19000101", "000000"
# CID 3001, in MDC's coding of SCP-ECG's leads
LEAD_CODES = (
    codes.cid3001.LeadI,
    codes.cid3001.LeadII,
    codes.cid3001.LeadIII,
    codes.cid3001.AvrAugmentedVoltageRight,
    codes.cid3001.AvlAugmentedVoltageLeft,
    codes.cid3001.AvfAugmentedVoltageFoot,
    codes.cid3001.LeadV1,
    codes.cid3001.LeadV2,
    codes.cid3001.LeadV3,
    codes.cid3001.LeadV4,
    codes.cid3001.LeadV5,
    codes.cid3001.LeadV6,
)
MICROVOLT = Code("uV", "UCUM", "microvolt")
BANDWIDTH = SAMPLING_RATE / 2  # Hz: what the source's samples can hold
NO_SAMPLE = b"\x00\x80"  # -32768, which no signal has
LONGEST_TEXT = 10_240  # characters of a Long Text
LONGEST_STRING = 64  # of a Long String


def dicom_file(record: Record) -> bytes:
    """One record as a DICOM file, the same bytes each time; its UIDs follow from what it is a function of."""
    identity = record.identity
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    _identify(dataset, record, identity)
    dataset.WaveformSequence = Sequence([_waveform(record.signal)])
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def at_500_hz(signal: NDArray[np.int16]) -> NDArray[np.int16]:
    """Band-limited interpolation of (leads, n) to (leads, 5 n) that keeps every sample that is there."""
    between = resample_poly(signal.astype(np.float64), FACTOR, 1, axis=-1, padtype="line")
    limits = np.iinfo(np.int16)
    dense = np.clip(np.rint(between), limits.min, limits.max).astype(np.int16)
    dense[..., ::FACTOR] = signal
    return dense


def _identify(dataset: Dataset, record: Record, identity: str) -> None:
    """Patient, study, series, equipment and instance: modules M of the 12-lead ECG."""
    dataset.SOPClassUID = TwelveLeadECGWaveformStorage
    dataset.SOPInstanceUID = _uid(identity, "instance")
    dataset.StudyInstanceUID = _uid(identity, "study")
    dataset.SeriesInstanceUID = _uid(identity, "series")
    dataset.PatientName = f"SYNTHETIC^{record.name}"
    dataset.PatientID = f"SYNTHETIC-{identity[:16]}"
    dataset.PatientBirthDate = dataset.StudyDate = dataset.StudyTime = ""
    dataset.PatientSex = {"male": "M", "female": "F"}.get(record.sex or "", "")
    if record.age is not None:
        dataset.PatientAge = f"{min(round(record.age), 999):03d}Y"
    dataset.PatientComments = "\r\n".join(record.comments())[:LONGEST_TEXT]
    dataset.StudyID = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "SYNTHETIC ECG, no patient"
    dataset.SeriesDescription = _long_string(record.title)
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.Modality = "ECG"
    dataset.Manufacturer = "sediff"
    dataset.ContentDate, dataset.ContentTime = NO_DATE, NO_TIME
    dataset.AcquisitionDateTime = NO_DATE + NO_TIME
    dataset.AcquisitionContextSequence = Sequence([])


def _long_string(text: str) -> str:
    """One value of a Long String (PS3.5 6.2): a backslash would begin another, and control characters may not stand."""
    one = text.replace("\\", "/")[:LONGEST_STRING]
    return "".join(character if character.isprintable() else " " for character in one)


def _waveform(signal: NDArray[np.int16]) -> Dataset:
    """The one multiplex group: 12 channels of int16, one unit a microvolt."""
    dense = at_500_hz(signal)
    group = Dataset()
    group.WaveformOriginality = "DERIVED"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = dense.shape
    group.SamplingFrequency = RATE
    group.MultiplexGroupLabel = "SYNTHETIC"
    group.ChannelDefinitionSequence = Sequence(
        [_channel(lead, code) for lead, code in zip(LEADS, LEAD_CODES, strict=True)]
    )
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformPaddingValue = NO_SAMPLE
    group.WaveformData = np.ascontiguousarray(dense.T, "<i2").tobytes()
    return group


def _channel(lead: str, code: Code) -> Dataset:
    channel = Dataset()
    channel.ChannelLabel = lead
    channel.ChannelSourceSequence = Sequence([_coded(code)])
    channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline = 1, 1, 0
    channel.ChannelSensitivityUnitsSequence = Sequence([_coded(MICROVOLT)])
    channel.ChannelSampleSkew = 0
    channel.WaveformBitsStored = 16
    channel.FilterHighFrequency = BANDWIDTH
    return channel


def _coded(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def _uid(identity: str, what: str) -> str:
    """A UID under 2.25, the root of UUIDs: one of version 5 over the record's identity."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'sediff {what} {identity}').int}"
