"""A page on which one types a text and sees the ECG."""
