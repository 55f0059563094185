"""What the catalogue says of logs whose cause is known.

A new case: a signature in `jobctl/diagnose/catalogue/*.yaml`, and a log with what must be said of it in `cases/*.yaml`:
`first` the category that must come first, `sure` how sure it may be, no more and no less, `also` others among the first
three. Lines that carry a signature are facts and are quoted from public reports; paths and addresses are made up.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.diagnose.logs import Log
from jobctl.diagnose.signatures import CATEGORIES, SURE, load_catalogue, make_signature
from jobctl.diagnose.verdict import diagnose

CASES: dict[str, dict[str, Any]] = {
    f"{file.stem}: {case['name']}": case
    for file in sorted(Path(__file__).with_name("cases").glob("*.yaml"))
    for case in yaml.safe_load(file.read_text("utf-8"))
}
HEALTHY = (
    "2026-11-23 00:13:07 [INFO]\t[TRAIN] epoch: 2, iter: {}/20, loss: 2.4096, lr: 0.005839, batch_cost: 0.7836, "
    "reader_cost: 0.00666, ips: 2.5522 samples/sec | ETA 00:00:07\n"
)


@pytest.mark.parametrize("name", CASES)
def test_the_cause_comes_first_and_is_as_sure_as_it_can_be(name: str) -> None:
    case = CASES[name]
    found = diagnose([Log("workerlog.0", case["log"])])
    categories = [cause.category for cause in found.causes]
    assert categories[0] == case["first"]
    assert found.causes[0].sure == case["sure"]
    assert set(case.get("also", [])) <= set(categories[:3])
    assert found.causes[0].evidence


@pytest.mark.parametrize("name", CASES)
def test_a_healthy_log_around_it_changes_nothing(name: str) -> None:
    case = CASES[name]
    before, after = "".join(map(HEALTHY.format, range(10))), HEALTHY.format(11)
    found = diagnose([Log("workerlog.0", before + case["log"] + after), Log("workerlog.1", before)])
    assert (found.causes[0].category, found.causes[0].sure) == (case["first"], case["sure"])


def test_every_category_of_a_failure_has_a_case_and_a_signature() -> None:
    assert {cause.category for signature in load_catalogue() for cause in signature.causes} == CATEGORIES
    assert CATEGORIES - {case["first"] for case in CASES.values()} == set()


def test_of_a_healthy_log_nothing_is_said_to_be_established() -> None:
    found = diagnose([Log("workerlog.0", "".join(map(HEALTHY.format, range(100))))])
    assert [(cause.category, cause.sure) for cause in found.causes] == [("other", "possible")]
    assert not found.established


GENERIC = ["EZ9999", "EE9999", "EI9999", "EH9999", "E19999", "EL9999"]
CODES = ["500000", "500001", "500002", "507000", "507011", "507015", "507018", "507033", "507035", "507899", "507901"]


@pytest.mark.parametrize("code", [*GENERIC, *CODES])
def test_a_code_that_stands_for_many_causes_is_never_established(code: str) -> None:
    for line in (f"{code}: Inner Error!", f"ACL error, the error code is : {code}", f"error code {code}"):
        assert not diagnose([Log("plog", line)]).established


def test_victims_rank_behind_the_cause_whatever_comes_first() -> None:
    victim = "2026-01-12 10:00:00 EI0006: Getting socket times out\nABORT!!! Out of all 4 trainers\n"
    cause = "2026-01-12 10:05:00 OSError: [Errno 28] No space left on device\n"
    for logs in ([victim, cause], [cause, victim]):
        found = diagnose([Log(f"workerlog.{rank}", text) for rank, text in enumerate(logs)])
        assert found.causes[0].category == "disk_full_or_io"
        assert any(one.category == "hccl_connect_timeout" and one.symptom for one in found.causes)


def test_of_two_causes_the_first_in_time_counts_and_only_that_is_established() -> None:
    early = "2026-01-12 10:00:00 OSError: [Errno 24] Too many open files\n"
    late = "2026-01-12 10:00:09 OSError: [Errno 28] No space left on device\n"
    for logs in ([early, late], [late, early]):
        found = diagnose([Log(f"workerlog.{rank}", text) for rank, text in enumerate(logs)])
        assert [(one.category, one.sure) for one in found.causes] == [
            ("ulimit_files", "established"),
            ("disk_full_or_io", "likely"),
        ]


def test_codes_are_explained_by_the_vendors_tables() -> None:
    text = "EJ0001: Failed\nrtMalloc failed, drvRetCode=6\nret is -8005\nerror code is 507033, retCode=0x7020009\n"
    found = {code.code: code.name for code in diagnose([Log("plog", text)]).codes}
    assert found["EJ0001"] == "HCCP_Process_Initialization_Failure"
    assert found["507033"] == "ACL_ERROR_RT_DEV_SETUP_ERROR"
    assert found["6"] == "DRV_ERROR_OUT_OF_MEMORY"
    assert found["-8005"] == "DCMI_ERR_CODE_INNER_ERR"


WRONG: dict[str, dict[str, Any]] = {
    "no id": {"lines": ["x"], "weight": 1, "causes": [], "source": "s"},
    "no lines": {"id": "a", "weight": 1, "causes": [{}], "source": "s"},
    "an unknown field": {"id": "a", "lines": ["x"], "weight": 1, "causes": [{}], "source": "s", "line": "y"},
    "a pattern that is none": {"id": "a", "lines": ["("], "weight": 1, "causes": [{}], "source": "s"},
    "an unknown category": {
        "id": "a",
        "lines": ["x"],
        "weight": 1,
        "source": "s",
        "causes": [{"category": "bad_luck", "sure": SURE[0], "summary": "s", "remedy": "r"}],
    },
}


@pytest.mark.parametrize("name", WRONG)
def test_a_signature_with_a_mistake_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=r"wrong\.yaml: "):
        make_signature(WRONG[name], "wrong.yaml")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text() | st.sampled_from([case["log"] for case in CASES.values()]), max_size=3))
def test_no_log_is_too_odd(texts: list[str]) -> None:
    found = diagnose([Log(f"log {index}", text) for index, text in enumerate(texts)])
    assert found.causes
    assert all(cause.category in CATEGORIES and cause.sure in SURE for cause in found.causes)
    assert len({cause.category for cause in found.causes}) == len(found.causes)
