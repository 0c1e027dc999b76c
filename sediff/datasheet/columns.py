"""What the columns of a dataset's rows say, for its datasheet and its Croissant metadata."""

COLUMNS_TOLD = {
    "record_id": "the record's name, request/index",
    "request": "what the request is called",
    "seed": "seed of the noise, which with index and try is all that the record's noise depends on",
    "index": "place of the record in the request, from 0",
    "try": "how often the record was made again by the physiological gate",
    "miss": "what the record still misses of what was asked for; null: not measured",
    "text": "clinical text that was asked for",
    "age": "years; null: not asked for, as of all that follow to qt",
    "sex": "male or female",
    "heart_rate": "beats a minute",
    "axis": "of the QRS complex, degrees",
    "pr": "PR interval, ms",
    "qrs": "QRS duration, ms",
    "qt": "QT interval, ms",
    "statements": "codes of the ECG statements that were asked for, of sediff's vocabulary",
    "matched_record_id": "training or held-out record whose condition it has; empty: none",
    "experience_id": "the experience that it rests on, of a record or of a text; empty: none",
    "experience": "that experience's report in words",
    "distiller": "who wrote the report: offline, or llm: and the model",
    "neighbours": "ids of the training records that the experience rests on, most similar first",
    "similarities": "of each neighbour, 0 to 1: what it was chosen by",
    "confidence": "how sure the experience is, 0 to 1; null: there is none, as of both similarities",
    "exact_similarity": "largest exact similarity of a neighbour, 0 to 1: τ, the weighted mean of Jaccard's "
    "coefficients of diagnoses, medications and procedures",
    "meaning_similarity": "largest similarity by meaning of a neighbour, -1 to 1: cosine of the vectors of both texts; "
    "null also where the condition is a real record's, which is compared exactly alone",
    "simulator_statement": "statement whose simulator morphology was used; *: that of all",
    "model": "SHA-256 of the models' weights",
    "fingerprint": "SHA-256 of all that the dataset depends on, its whole request too: the one column in which a "
    "record differs from the same one of a larger request",
    "signal": "12 leads × 1,000 samples of little-endian int16, in microvolts",
}
