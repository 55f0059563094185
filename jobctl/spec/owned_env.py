"""Environment variables that belong to the supervisor, the launcher or the venv. A job may not set them."""

from __future__ import annotations

from jobctl.spec.fields import Misfit

# Paddle's launcher lets these beat its own flags (env_args_mapping in launch/context/args_envs.py, paddlepaddle 3.3.1;
# PADDLE_LOG_LEVEL and PADDLE_LOG_OVERWRITE, which steer no process, are left to the job) ...
_LAUNCHER = """
    POD_IP PADDLE_MASTER PADDLE_DEVICES PADDLE_NNODES PADDLE_RUN_MODE PADDLE_SORT_IP PADDLE_NPROC_PER_NODE PADDLE_JOB_ID
    PADDLE_RANK PADDLE_LOG_DIR PADDLE_MAX_RESTART PADDLE_ELASTIC_LEVEL PADDLE_ELASTIC_TIMEOUT PADDLE_SERVER_NUM
    PADDLE_TRAINER_NUM PADDLE_SERVERS_ENDPOINTS PADDLE_TRAINERS_ENDPOINTS PADDLE_GLOO_PORT PADDLE_WITH_GLOO
    PADDLE_START_PORT PADDLE_IPS PADDLE_AUTO_PARALLEL_CONFIG PADDLE_AUTO_CLUSTER
""".split()
# ... and sets these for each rank (launch/controllers/collective.py).
_RANK = """
    PADDLE_GLOBAL_SIZE PADDLE_LOCAL_SIZE PADDLE_GLOBAL_RANK PADDLE_LOCAL_RANK PADDLE_CURRENT_ENDPOINT PADDLE_TRAINER_ID
    PADDLE_TRAINERS_NUM PADDLE_RANK_IN_NODE PADDLE_TRAINER_ENDPOINTS FLAGS_selected_npus FLAGS_selected_gpus
""".split()

_HINTS: dict[str, str] = {
    **dict.fromkeys(_LAUNCHER, "it would beat the launcher's flags; 'cards' and the supervisor decide it"),
    **dict.fromkeys(_RANK, "the launcher sets it for each rank"),
    "ASCEND_RT_VISIBLE_DEVICES": "the supervisor sets it to the cards that the run holds",
    "ASCEND_VISIBLE_DEVICES": "it belongs to the Ascend Docker Runtime",
    "NPU_VISIBLE_DEVICES": "the launcher would read it as the list of cards, and it counts other cards than the run's",
    "PYTHONPATH": "CANN's entries would be lost; use 'environment.pythonpath', which appends",
    "PATH": "the venv's programs would be lost; set it in a file under 'environment.source'",
    "VIRTUAL_ENV": "the supervisor sets it to the run's venv",
}


def check_not_owned(name: str) -> str:
    """The name, or Misfit saying whose variable it is."""
    hint = "it is jobctl's own" if name.startswith("JOBCTL_") else _HINTS.get(name)
    if hint is not None:
        raise Misfit(f"the variable {name} may not be set by a job", hint=hint)
    return name
