"""bioRxiv and medRxiv: MECA archives of the monthly buckets, read in place by HTTP ranges."""
