"""The table of faults: what is done, during which command, what must be true after, and the test that shows it.

All that is named here is done for real: real signals, a real sshd, real full file systems. "Sound" is what
`sound.assert_sound` asks for in the end, whatever the outcome is.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    fault: str
    during: str
    outcome: str
    test: str  # the node id, relative to the project; `::test_x[case]` names a case


_OVER = "FAILED, and the reason says {}; nothing of it lives on"
_KILLED = "tests/chaos/test_killed_processes.py::"
_FILES = "tests/chaos/test_files_on_the_host.py::"
_LOST = "tests/chaos/test_lost_connections.py::"
_DISKS = "tests/chaos/test_full_disks.py::"
_CLOCKS = "tests/chaos/test_clocks.py::"
_LOGINS = "tests/chaos/test_login_shells.py::"
_CUT = "tests/e2e/test_cut_connections.py::"
_LAPTOP = "tests/e2e/test_killed_laptop.py::"
_WHOLE = "the run is submitted, followed to SUCCEEDED and pulled"

ROWS = (
    Row("rank 2 gets SIGKILL", "training", _OVER.format("rank 2"), _KILLED + "test_a_rank_dies_of_a_signal[SIGKILL]"),
    Row("rank 1 gets SIGSEGV", "training", _OVER.format("rank 1"), _KILLED + "test_a_rank_dies_of_a_signal[SIGSEGV]"),
    Row("rank 3 exits with 7", "training", _OVER.format("its last line"), _KILLED + "test_a_rank_exits_with_7"),
    Row("the launcher gets SIGKILL", "training", _OVER.format("SIGKILL"), _KILLED + "test_the_launcher_is_killed"),
    Row(
        "the supervisor gets SIGKILL",
        "training",
        "LOST, and `ps` says why; its keeper has ended the ranks; `cancel`: CANCELLED",
        _KILLED + "test_the_supervisor_is_killed",
    ),
    Row(
        "the supervisor gets SIGKILL, with `retry`",
        "training",
        "begins again by itself; SUCCEEDED",
        "tests/host/test_keeper.py::test_a_lost_run_begins_again_by_itself_when_its_retry_says_so",
    ),
    Row(
        "the keeper beside the supervisor gets SIGKILL",
        "training",
        "the run goes on; SUCCEEDED",
        "tests/host/test_keeper.py::test_a_run_that_loses_its_keeper_goes_on_to_its_end",
    ),
    Row(
        "a rank is killed five times at random, with `retry`",
        "training, at steps and saves",
        "all iterations and the last checkpoint; at most one save interval repeated each time",
        "tests/host/test_resume.py::test_a_training_killed_five_times_ends_with_all_its_iterations[7]",
    ),
    Row(
        "the host has been restarted, with `on_boot: resume`",
        "training",
        "goes on by the line in the crontab",
        "tests/host/test_boot.py::test_a_run_that_a_restart_ended_goes_on_by_the_line_in_the_crontab",
    ),
    Row(
        "two submits at the same instant for the same cards",
        "`submit`",
        "two runs, one after the other",
        "tests/e2e/test_crowded_host.py::"
        "test_two_submits_at_the_same_instant_for_the_same_cards_run_one_after_the_other",
    ),
    Row(
        "20 runs of four cards for eight cards",
        "waiting",
        "never more than two at once, in order, all SUCCEEDED",
        "tests/host/test_crowd.py::test_twenty_runs_of_four_cards_on_eight_run_two_at_a_time_in_the_order_they_came",
    ),
    Row(
        "sessions of sshd are killed, three times",
        "`logs -f`",
        "connects again; each byte of the log once",
        _CUT + "test_a_followed_log_arrives_whole_although_the_connection_is_cut_again_and_again",
    ),
    Row(
        "sshd and its sessions are killed, started again",
        "`ps`, training",
        "the host cannot be asked, which is no failure of the run; SUCCEEDED",
        _CUT + "test_the_run_outlives_every_session_and_the_server_itself",
    ),
    Row(
        "sshd and its sessions are killed, started again",
        "`submit`, in the transfer",
        "`submit` again: exactly one run",
        _LOST + "test_sshd_is_stopped_and_started_during_submit",
    ),
    Row(
        "sshd and its sessions are killed, started again",
        "`logs -f`",
        "connects again; each byte of the log once",
        _LOST + "test_sshd_is_stopped_and_started_during_logs",
    ),
    Row(
        "sshd and its sessions are killed, started again",
        "`pull`",
        "goes on by itself, or at the next `pull`; all arrives",
        _LOST + "test_sshd_is_stopped_and_started_during_pull",
    ),
    *(
        Row(
            "every packet is swallowed, nobody is told",
            during,
            outcome,
            _LOST + "test_every_packet_is_swallowed_during_submit_logs_and_pull",
        )
        for during, outcome in (
            ("`submit`, in the transfer", "given up after half a minute; `submit` again: exactly one run"),
            ("`logs -f`", "connects again; each byte of the log once; the run did not notice"),
            ("`pull`", "goes on by itself, or at the next `pull`; all arrives"),
        )
    ),
    Row(
        "the laptop's process is killed",
        "`pull`",
        "nothing half-done under a final name; the next `pull` goes on there",
        _CUT + "test_a_pull_that_is_cut_goes_on_where_it_stopped",
    ),
    *(
        Row(
            f"the laptop's process is killed before each step of the {side}",
            "`submit`",
            "`submit` again: exactly one run",
            f"tests/chaos/test_every_step_of_submit.py::test_the_laptop_is_killed_at_each_step[{side}]",
        )
        for side in ("laptop", "host")
    ),
    Row(
        "the laptop's process is killed at seven moments",
        "`submit`",
        "`submit` again: exactly one run",
        _LAPTOP + "test_submit_after_a_killed_submit_leaves_exactly_one_run",
    ),
    Row(
        "the laptop's process is killed at seven moments",
        "`submit`",
        "`adopt`: one run or none",
        _LAPTOP + "test_adopt_after_a_killed_submit_leaves_one_run_or_none",
    ),
    Row(
        "the disk of the host is full",
        "`submit`",
        "exit 3, says where; nothing half-done; `submit` again when there is space",
        "tests/e2e/test_wrong_inputs.py::test_a_host_without_space_says_so_and_keeps_nothing_half[ssh]",
    ),
    Row(
        "the disk of the host is full",
        "training, at a checkpoint",
        "FAILED, the reason says so; what was saved before stays",
        _DISKS + "test_the_hosts_disk_is_full_when_a_checkpoint_is_written",
    ),
    Row(
        "the disk of the host is full",
        "training, at `status.json`",
        "the ranks die, FAILED is told as soon as there is space",
        _DISKS + "test_the_hosts_disk_is_full_when_the_status_is_written",
    ),
    Row(
        "the disk of the laptop is full",
        "`pull`",
        "says so; nothing half-done under a final name; the next `pull` brings all",
        _DISKS + "test_the_laptops_disk_is_full_in_the_middle_of_a_pull",
    ),
    Row("HOME of the host is read-only", "all", _WHOLE, _DISKS + "test_home_of_the_host_is_read_only"),
    Row("/tmp of the host is noexec", "all", _WHOLE, _DISKS + "test_tmp_of_the_host_is_noexec"),
    Row(
        "the clock of the host jumps back an hour",
        "training",
        "SUCCEEDED, nothing is misfired",
        _CLOCKS + "test_the_hosts_clock_jumps_back_while_the_run_goes_on",
    ),
    *(
        Row(
            f"the clock of the host is an hour {name}",
            "all",
            _WHOLE,
            f"{_CLOCKS}test_the_hosts_clock_is_an_hour_off[{name}]",
        )
        for name in ("ahead", "behind")
    ),
    *(
        Row(
            f"`status.json` {name}, the supervisor dead",
            "`status`, `ps`, `cancel`",
            "LOST; `cancel`: CANCELLED",
            f"{_FILES}test_status_json[{name}]",
        )
        for name in ("truncated", "empty", "of a newer version")
    ),
    Row(
        "`status.json` truncated, empty, of a newer version",
        "training",
        "the supervisor writes it anew; SUCCEEDED",
        _FILES + "test_status_json_while_the_run_goes_on",
    ),
    Row(
        "the dead supervisor's pid belongs to a stranger",
        "`status`, `cancel`",
        "LOST; CANCELLED; the stranger lives",
        _FILES + "test_the_pid_of_a_dead_supervisor_is_somebody_elses",
    ),
    Row(
        "the host program is replaced",
        "training, `logs -f`",
        "the run goes on, the program is sent again",
        _FILES + "test_the_host_program_is_replaced_while_the_run_goes_on",
    ),
    Row(
        "the host program has one bit changed",
        "connecting",
        "never run; sent again",
        "tests/remote/test_bootstrap.py::test_a_damaged_host_program_is_replaced_before_it_is_used[one bit changed]",
    ),
    Row(
        "HOME of the laptop cannot be written",
        "`submit`",
        "one error that names it",
        "tests/e2e/test_odd_outputs.py::test_a_home_that_cannot_be_written_is_named",
    ),
    Row("the login shell is fish", "all", _WHOLE, _LOGINS + "test_a_login_shell_that_is_not_a_posix_shell[fish]"),
    Row("the login shell is csh", "all", _WHOLE, _LOGINS + "test_a_login_shell_that_is_not_a_posix_shell[csh]"),
    Row("the login shell prints a banner", "all", _WHOLE, _LOGINS + "test_a_start_up_file[prints a banner]"),
    Row("`set -u` in the login shell's rc", "all", _WHOLE, _LOGINS + "test_a_start_up_file[set -u]"),
    Row(
        "sshd with MaxSessions 1, MaxStartups 2",
        "all",
        _WHOLE,
        _LOGINS + "test_a_server_with_one_session_and_two_startups",
    ),
)


def table(results: dict[str, str] | None = None) -> str:
    """The rows in Markdown; with results, by node id, a further column."""
    head = ["fault", "during", "outcome", *(["result"] if results is not None else [])]
    lines = [head, ["---"] * len(head)]
    for row in ROWS:
        last = [results.get(row.test, "not run")] if results is not None else []
        lines.append([row.fault, row.during, row.outcome, *last])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
