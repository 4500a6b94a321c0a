"""Finds what is allowed in a quota and probably not meant."""

from collections.abc import Iterator
from math import inf

from tesk_scheduler.domain.dimensions import ASKED, RUNNING
from tesk_scheduler.domain.quota import ANY_NAME, NOTHING, Amounts, Quota


def quota_warnings(quota: Quota) -> list[str]:
    """List what an administrator should know, for people.

    What a cluster has is not known here, unless the settings give it.
    """
    return list(_over_guaranteed(quota))


def _over_guaranteed(quota: Quota) -> Iterator[str]:
    total: Amounts = NOTHING
    for subject, share in quota.shares.items():
        if subject.name != ANY_NAME:
            total = total.plus(share.guaranteed)
    there_is = quota.everybody.at_most(quota.capacity)
    for each in (RUNNING, *ASKED):
        if inf > there_is[each] < total[each]:
            promised, most = map(each.unit.format, (total[each], there_is[each]))
            yield (
                f"guaranteed: {promised} {each.noun} in all, of {most} that there"
                " are: not everybody can have it at once"
            )
