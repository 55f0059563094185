"""One line that says why: from logs as Paddle, its launcher and PaddleSeg leave them."""

from __future__ import annotations

import pytest

from jobctl.host import failure

TRACEBACK = """\
Traceback (most recent call last):
  File "tools/train.py", line 212, in <module>
    main(args)
  File "paddleseg/core/train.py", line 9, in train
    raise ValueError("x")
{last}
"""
CHAINED = TRACEBACK.format(last="KeyError: 'the cause'") + (
    "\nDuring handling of the above exception, another exception occurred:\n\n"
    + TRACEBACK.format(last="RuntimeError: the consequence")
)
SEGFAULT = """\
--------------------------------------
C++ Traceback (most recent call last):
--------------------------------------
No stack trace in paddle, may be caused by external reasons.

----------------------
Error Message Summary:
----------------------
FatalError: `Segmentation fault` is detected by the operating system.
  [TimeInfo: *** Aborted at {at} (unix time) try "date -d @{at}" if you are using GNU date ***]
  [SignalInfo: *** SIGSEGV (@0x0) received by PID 4242 (TID 0x7f) from PID 0 ***]
"""
PADDLE_ERROR = TRACEBACK.format(
    last="""\
RuntimeError:

--------------------------------------
C++ Traceback (most recent call last):
--------------------------------------
0   phi::AddKernel

----------------------
Error Message Summary:
----------------------
InvalidArgumentError: The shapes do not match.
  [Hint: Expected 2, but received 3.]"""
)

LOGS: dict[str, tuple[str, str | None]] = {
    "an exception": (TRACEBACK.format(last="AssertionError: Config path (x.yml) does not exist"), None),
    "a chain of exceptions": (CHAINED, "KeyError: 'the cause'"),
    "an exception without words": (TRACEBACK.format(last="KeyboardInterrupt"), "KeyboardInterrupt"),
    "a module's own exception": (TRACEBACK.format(last="yaml.parser.ParserError: while parsing"), None),
    "a crash in C++": (SEGFAULT.format(at=1), "FatalError: `Segmentation fault` is detected by the operating system."),
    "an error of Paddle's core": (PADDLE_ERROR, "InvalidArgumentError: The shapes do not match."),
    "argparse": ("usage: train.py [-h]\ntrain.py: error: unrecognized arguments: --x\n", None),
    "a warning is no error": ("FutureWarning: this will be an Error: some day\nUserWarning: x\n", ""),
    "a healthy log": ("2026-11-23 00:13:07 [INFO]\t[TRAIN] epoch: 2, iter: 10/20, loss: 2.4\n", ""),
}


@pytest.mark.parametrize("name", LOGS)
def test_the_first_error_of_a_log_is_found(name: str) -> None:
    text, wanted = LOGS[name]
    if wanted is None:
        wanted = text.strip().splitlines()[-1]
    assert (failure.first_error("starting\n" + text) or "") == wanted


LAUNCHER = """\
LAUNCH INFO 2026-11-23 07:51:41,432 Pod failed
LAUNCH ERROR 2026-11-23 07:51:41,432 Container failed !!!
Container rank {rank} status failed cmd ['/opt/venv/bin/python', '-u', 'train.py'] code {code} log /x/workerlog.{rank}
LAUNCH INFO 2026-11-23 07:51:41,633 Exit code -15
"""
WORKERS: dict[str, tuple[dict[int, str], str, tuple[int, str]]] = {
    "the cause before the consequence": (
        {
            0: TRACEBACK.format(last="RuntimeError: [gloo] Connection closed by peer [127.0.0.1]:4242"),
            1: TRACEBACK.format(last="ValueError: label 255 is out of range"),
        },
        LAUNCHER.format(rank=0, code=1),
        (1, "ValueError: label 255 is out of range"),
    ),
    "the earlier of two crashes": (
        {0: SEGFAULT.format(at=1700000009), 3: SEGFAULT.format(at=1700000001)},
        LAUNCHER.format(rank=0, code=-11),
        (3, "FatalError: `Segmentation fault` is detected by the operating system."),
    ),
    "a time says nothing about a rank without one": (
        {0: TRACEBACK.format(last="ValueError: label 255 is out of range"), 3: SEGFAULT.format(at=1700000001)},
        LAUNCHER.format(rank=0, code=1),
        (0, "ValueError: label 255 is out of range"),
    ),
    "nor the other way round": (
        {0: TRACEBACK.format(last="ValueError: label 255 is out of range"), 3: SEGFAULT.format(at=1700000001)},
        LAUNCHER.format(rank=3, code=-11),
        (3, "FatalError: `Segmentation fault` is detected by the operating system."),
    ),
    "a rank that was killed": (
        {0: TRACEBACK.format(last="RuntimeError: Connection reset by peer"), 1: "training\n"},
        LAUNCHER.format(rank=1, code=-9),
        (1, "killed by SIGKILL"),
    ),
    "a rank that ended without a word": (
        {0: TRACEBACK.format(last="RuntimeError: Connection reset by peer"), 1: "training\n"},
        LAUNCHER.format(rank=1, code=7),
        (1, "exit code 7"),
    ),
    "the rank that the launcher names, of several": (
        {rank: TRACEBACK.format(last="ValueError: the same everywhere") for rank in range(4)},
        LAUNCHER.format(rank=2, code=1),
        (2, "ValueError: the same everywhere"),
    ),
}


@pytest.mark.parametrize("name", WORKERS)
def test_the_rank_that_failed_first_is_found(name: str) -> None:
    workers, launcher, wanted = WORKERS[name]
    fault = failure.find_fault(workers, launcher)
    assert fault is not None
    assert (fault.rank, fault.line) == wanted


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (7, "exit code 7"),
        (-9, "killed by SIGKILL"),
        (-11, "killed by SIGSEGV"),
        (137, "exit code 137 (as after SIGKILL)"),
        (127, "exit code 127 (command not found)"),
        (241, "exit code 241"),
    ],
)
def test_exit_codes_are_told_in_words(code: int, words: str) -> None:
    assert failure.exit_words(code) == words


def test_a_reason_is_one_line_of_bounded_length() -> None:
    reason = failure.explain(None, 1, {}, TRACEBACK.format(last="ValueError: " + "x" * 5000))
    assert "\n" not in reason
    assert len(reason) <= 400


def test_without_any_error_the_last_line_is_told() -> None:
    assert failure.explain(None, 3, {}, "loading\nI give up\n\n") == "I give up · exit code 3"
    assert failure.explain(None, None, {}, "") == "it failed and said nothing"
