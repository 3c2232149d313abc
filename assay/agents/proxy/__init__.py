"""The recording proxy: what stands between an agent of one's own and its model, and counts."""
