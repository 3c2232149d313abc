"""One step each: thin Prefect tasks over the core, where retries and artifacts live."""
