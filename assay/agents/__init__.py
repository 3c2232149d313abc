"""One file per way to reach an agent, all behind the protocol in `protocol.py`."""
