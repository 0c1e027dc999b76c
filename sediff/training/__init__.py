"""The one training loop: resumable, and the same weights whatever interrupted it."""

from sediff.training.job import Job, Schedule
from sediff.training.loop import Batch, Curves, Loss, Terms, Trained, train

__all__ = ["Batch", "Curves", "Job", "Loss", "Schedule", "Terms", "Trained", "train"]
