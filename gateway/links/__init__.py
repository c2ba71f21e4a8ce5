"""Links: signed, short-lived URLs. Direct ones are S3's own (SigV4), stream ones are ours; neither needs a lookup."""
