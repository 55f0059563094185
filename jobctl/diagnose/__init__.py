"""Why a job failed: a catalogue of signatures (data) and a matcher that reads logs with it. Pure."""
