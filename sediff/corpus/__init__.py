"""From raw recordings to screened 12-lead records with beats, in patient-disjoint splits."""
