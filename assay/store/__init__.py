"""What stays on disk: the journal of runs, the Parquet made from it, and reading both back."""
