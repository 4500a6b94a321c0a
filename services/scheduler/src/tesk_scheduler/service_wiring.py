"""Wires the use cases of the scheduler to the services that it answers."""

from collections.abc import Callable
from datetime import timedelta

from tesk_scheduler.config import SchedulerSettings, Settings
from tesk_scheduler.domain.attempt_rules import AttemptRules
from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.quota import Quota
from tesk_scheduler.ports.webhooks import NO_WEBHOOKS, TargetSource
from tesk_scheduler.servicer.admin import AdminServicer, AdminUseCases
from tesk_scheduler.servicer.assignments import AssignmentServicer
from tesk_scheduler.servicer.call_wire import call_of
from tesk_scheduler.servicer.load import LoadServicer
from tesk_scheduler.servicer.scheduler import Dependencies
from tesk_scheduler.servicer.server import Servicers
from tesk_scheduler.servicer.tasks import TaskServicer
from tesk_scheduler.servicer.transfers import TransferServicer
from tesk_scheduler.servicer.wire import declaration_of
from tesk_scheduler.usecases.acceptance import Acceptance
from tesk_scheduler.usecases.admin.archive import Exporting, Importing
from tesk_scheduler.usecases.admin.dead_letters import DeadLetterActions
from tesk_scheduler.usecases.admin.expiry import Expiry
from tesk_scheduler.usecases.admin.holding import Holding
from tesk_scheduler.usecases.admin.priorities import Priorities
from tesk_scheduler.usecases.admin.quota_view import QuotaView
from tesk_scheduler.usecases.admin.requeueing import Requeueing
from tesk_scheduler.usecases.admin.stranded_tasks import StrandedTasks
from tesk_scheduler.usecases.admin.taskmasters import Taskmasters
from tesk_scheduler.usecases.admin.verification import Verification
from tesk_scheduler.usecases.call_cache import CallCache
from tesk_scheduler.usecases.call_checks import CallChecks
from tesk_scheduler.usecases.call_explanation import CallExplanation
from tesk_scheduler.usecases.cancellation import Cancellation
from tesk_scheduler.usecases.capacity import ClusterCapacity
from tesk_scheduler.usecases.dry_run import DryRun, Site
from tesk_scheduler.usecases.fleet import Fleet
from tesk_scheduler.usecases.load import LoadView
from tesk_scheduler.usecases.mass_cancellation import MassCancellation
from tesk_scheduler.usecases.queue_places import QueuePlaces
from tesk_scheduler.usecases.reading import Reading
from tesk_scheduler.usecases.reporting import Reporting
from tesk_scheduler.usecases.retention import Retention
from tesk_scheduler.usecases.state_changes import StateChanges
from tesk_scheduler.usecases.submission import Submission
from tesk_scheduler.usecases.syncing import LeaseTerms, Syncing
from tesk_scheduler.usecases.transfers import Transfers

_RECHECK = timedelta(seconds=1)

Rules = Callable[[], AttemptRules]


def make_servicers(
    settings: Settings, dependencies: Dependencies, fleet: Fleet, rules: Rules
) -> Servicers:
    """Make what answers the calls of all services."""
    store, clock = dependencies.store, dependencies.clock
    notifier, observer = dependencies.notifier, dependencies.observer
    places = QueuePlaces(store=store, clock=clock, quotas=dependencies.quotas)
    call_cache = make_call_cache(settings.scheduler)
    tasks = TaskServicer(
        submission=Submission(
            store=store,
            clock=clock,
            ids=dependencies.ids,
            quotas=dependencies.quotas,
            namespace_of=dependencies.namespace_of,
            leader=notifier.leader,
            rules=rules,
            call_cache=call_cache,
            webhooks=_targets(dependencies),
        ),
        reading=Reading(
            store=store,
            secret=dependencies.token,
            observer=observer,
            places=places,
        ),
        cancellation=Cancellation(store=store, clock=clock, notifier=notifier),
        mass_cancellation=MassCancellation(store=store, clock=clock, notifier=notifier),
        dry_run=DryRun(
            store=store,
            clock=clock,
            ids=dependencies.ids,
            quotas=dependencies.quotas,
            acceptance=Acceptance(
                clock=clock, rules=rules, webhooks=_targets(dependencies)
            ),
            places=places,
            site=_site(settings.scheduler, dependencies, fleet),
        ),
        state_changes=StateChanges(
            store=store, secret=dependencies.token, observer=observer
        ),
        call_explanation=CallExplanation(store=store, call_cache=call_cache),
    )
    transfers = Transfers(
        store=store,
        clock=clock,
        declaration_of=declaration_of,
        observer=observer,
        wakeups=notifier.taskmasters,
    )
    return Servicers(
        tasks=tasks,
        assignments=_assignments(settings.scheduler, dependencies, rules),
        transfers=TransferServicer(
            transfers=transfers,
            checks=CallChecks(store=store, call_cache=call_cache),
            secret=dependencies.token,
        ),
        admin=_admin(settings.scheduler, dependencies, fleet, rules),
        load=LoadServicer(
            LoadView(
                store=store,
                clock=clock,
                quotas=_quota_view(dependencies, fleet),
                taskmasters=_taskmasters(dependencies),
            )
        ),
    )


def _assignments(
    own: SchedulerSettings, dependencies: Dependencies, rules: Rules
) -> AssignmentServicer:
    store, clock = dependencies.store, dependencies.clock
    terms = LeaseTerms(
        secret=dependencies.token,
        lease=own.lease,
        idle=own.idle,
        recheck=None if dependencies.exclusive else _RECHECK,
        revision=dependencies.launcher.revision,
        rules=rules,
        call_cache=make_call_cache(own),
    )
    return AssignmentServicer(
        syncing=Syncing(
            store=store, clock=clock, notifier=dependencies.notifier, terms=terms
        ),
        reporting=Reporting(
            store=store,
            clock=clock,
            leader=dependencies.notifier.leader,
            rules=rules,
            call_cache=make_call_cache(own),
        ),
    )


def _admin(
    own: SchedulerSettings, dependencies: Dependencies, fleet: Fleet, rules: Rules
) -> AdminServicer:
    store, clock = dependencies.store, dependencies.clock
    notifier, launcher = dependencies.notifier, dependencies.launcher
    return AdminServicer(
        AdminUseCases(
            store=store,
            holding=Holding(store=store, clock=clock, leader=notifier.leader),
            requeueing=Requeueing(
                store=store, clock=clock, notifier=notifier, rules=rules
            ),
            cancellation=MassCancellation(store=store, clock=clock, notifier=notifier),
            taskmasters=_taskmasters(dependencies),
            verification=Verification(
                store=store,
                launcher=launcher,
                objects=dependencies.task_objects,
                clock=clock,
                stranded=StrandedTasks(
                    store=store, clock=clock, rules=rules, leader=notifier.leader
                ),
            ),
            exporting=Exporting(store=store, observer=dependencies.observer),
            importing=Importing(store=store),
            expiry=Expiry(retention=make_retention(own, dependencies)),
            quota_view=_quota_view(dependencies, fleet),
            check_quota=dependencies.check_quota,
            priorities=Priorities(store=store, leader=notifier.leader),
            dead_letters=DeadLetterActions(
                deliveries=dependencies.deliveries,
                clock=clock,
                observer=dependencies.observer,
                wake=dependencies.webhook_wakeup.notify,
            ),
        )
    )


def _site(own: SchedulerSettings, dependencies: Dependencies, fleet: Fleet) -> Site:
    return Site(
        runtime="cluster" if own.launcher == "kubernetes" else "machine",
        namespaces=dependencies.namespaces,
        cluster=dependencies.cluster,
        capacity=capacity_of_cluster(dependencies, fleet),
        slot_shortage=fleet.slot_shortage,
    )


def _taskmasters(dependencies: Dependencies) -> Taskmasters:
    return Taskmasters(
        store=dependencies.store,
        launcher=dependencies.launcher,
        clock=dependencies.clock,
        notifier=dependencies.notifier,
    )


def _quota_view(dependencies: Dependencies, fleet: Fleet) -> QuotaView:
    return QuotaView(
        store=dependencies.store,
        quotas=dependencies.quotas,
        cluster=capacity_of_cluster(dependencies, fleet),
    )


def _targets(dependencies: Dependencies) -> TargetSource:
    return dependencies.webhooks.targets if dependencies.webhooks else NO_WEBHOOKS


def make_call_cache(own: SchedulerSettings) -> CallCache:
    """Make the rules of the call cache."""
    return CallCache(
        scope=own.call_cache,
        generation=own.call_cache_generation,
        describe=call_of,
    )


def make_retention(own: SchedulerSettings, dependencies: Dependencies) -> Retention:
    """Make what deletes old tasks and changes."""
    return Retention(
        store=dependencies.store,
        clock=dependencies.clock,
        keep=own.retention,
        keep_changes=own.changes_retention,
    )


def capacity_of_cluster(
    dependencies: Dependencies, fleet: Fleet
) -> Callable[[Quota], Capacity | None]:
    """Return what tells the capacity of the nodes; None of it if none is known."""
    if dependencies.cluster is None:
        return lambda _quota: None
    return ClusterCapacity(
        store=dependencies.store,
        clock=dependencies.clock,
        cluster=dependencies.cluster,
        taskmasters=fleet.taskmaster_counts,
    ).now
