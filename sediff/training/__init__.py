"""The one training loop: resumable, and the same weights whatever interrupted it."""

from sediff.training.job import Job, Schedule
from sediff.training.loop import Batch, Curves, Loss, Terms, Trained, train
from sediff.training.start import Start

__all__ = ["Batch", "Curves", "Job", "Loss", "Schedule", "Start", "Terms", "Trained", "train"]
