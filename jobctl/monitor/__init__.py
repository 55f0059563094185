"""What a run's metrics say: columns, curves, judgements. Pure: text in, data out; no files, no clock, no network."""
