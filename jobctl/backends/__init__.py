"""PURE. Who starts a run on the host: argv lists that the host program carries out there."""
