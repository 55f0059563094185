"""What the processes of a run see of the host's devices."""

from __future__ import annotations

from jobctl.host.surroundings import with_cards

LOGIN = {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "", "NPU_VISIBLE_DEVICES": "0,1"}


def test_a_run_on_cards_sees_those_it_holds_and_nothing_shifts_them() -> None:
    assert with_cards(LOGIN, "npu", [4, 5]) == {
        "PATH": "/bin",
        "CUDA_VISIBLE_DEVICES": "",
        "ASCEND_RT_VISIBLE_DEVICES": "4,5",
    }


def test_a_run_on_cpus_is_not_misled_by_devices_that_the_login_names() -> None:
    assert with_cards(LOGIN, "cpu", []) == {"PATH": "/bin"}
