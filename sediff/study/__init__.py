"""Are synthetic ECGs useful: classifiers trained with and without them, tested on real patients: `sediff study`."""
