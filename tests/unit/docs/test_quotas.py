"""Every example of docs/quotas.md is a quota, and means what the page says."""

import re
from pathlib import Path

import pytest

from tesk_scheduler.domain.charging import limit_of, share_of
from tesk_scheduler.domain.dimensions import CPU, RUNNING
from tesk_scheduler.domain.quota import Limit, Quota, Subject, SubjectKind
from tesk_scheduler.domain.quota_warnings import quota_warnings
from tesk_scheduler.quota_config.conversion import quota_from_settings
from tesk_scheduler.quota_config.loading import load_quota

PAGE = Path(__file__).parents[3] / "docs" / "quotas.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def quota_of(example: str) -> Quota:
    return quota_from_settings(load_quota(example), Limit())


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_a_quota(example: str) -> None:
    assert quota_warnings(quota_of(example)) == []


def test_the_examples_mean_what_the_page_says() -> None:
    laboratory, groups, *_ = map(quota_of, EXAMPLES)
    clinic = Subject(SubjectKind.GROUP, "clinic")
    genomics = Subject(SubjectKind.GROUP, "genomics")

    assert limit_of(Subject(SubjectKind.USER, "carol"), laboratory) == Limit()
    assert limit_of(Subject(SubjectKind.USER, "dan"), laboratory)[RUNNING] == 50
    assert limit_of(clinic, groups)[CPU] == 150_000
    assert share_of(clinic, groups).kept[CPU] == 100_000
    assert share_of(genomics, groups).kept[CPU] == 100_000
