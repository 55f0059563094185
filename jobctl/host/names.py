"""Names that the one who starts or cancels a run and its supervisor agree on."""

LOCK_VARIABLE = "JOBCTL_LOCK_DESCRIPTOR"
"""The environment variable that hands the held supervisor.lock down to the supervisor."""

CANCEL_FILE = "cancel.json"
"""Lies in the run directory once somebody has cancelled the run: {"at", "grace_s"}."""

IMAGE_VARIABLE = "JOBCTL_IMAGE"
"""The environment variable that tells a step in a container the id of its image."""

WEBHOOK = "webhook.json"
"""In the run directory, mode 0600, where somebody wants to be told of its end: {"url", "host"}."""

WHEELS = "wheels"
"""Folder of the run directory with the packages that a bundle brought."""
