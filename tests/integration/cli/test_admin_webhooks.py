"""What operators type about events that no receiver accepted."""

from builders.scheduler_tasks import NOON
from clients.admin_terminal import AdminTerminal
from schedulers.served import RunningScheduler
from tesk_model.errors import InvalidRequestError
from tesk_scheduler.domain.records import Micros
from tesk_scheduler.domain.state_changes import Position
from tesk_scheduler.domain.webhooks.deliveries import (
    Circuit,
    NewDelivery,
    Outcome,
    Settled,
)
from tesk_scheduler.domain.webhooks.targets import Recipient


def give_dead_letters(running: RunningScheduler) -> None:
    """Let two events be dead letters, and one wait."""
    deliveries = running.store.deliveries
    made = [
        NewDelivery(
            event_id=f"{task}.1",
            recipient=Recipient(target, f"https://{target}.example.org/s3cr3t"),
            task_id=task,
            body=b"{}",
            created_at=NOON,
        )
        for target, task in (("lab", "t-1"), ("portal", "t-2"), ("lab", "t-3"))
    ]
    deliveries.expand(None, Position(1, Micros(1)), made)
    for target in ("lab", "portal"):
        first = deliveries.due_deliveries(target, NOON, 1, leave_out=())
        settled = [
            Settled(delivery=each, outcome=Outcome.DEAD, detail="refuses connections")
            for each in first
        ]
        deliveries.settle(settled, {target: Circuit()}, now=NOON)


def test_dead_letters_are_listed_sent_again_and_dropped(
    terminal: AdminTerminal,
) -> None:
    give_dead_letters(terminal.running)

    shown = terminal.run("webhooks", "list").stdout
    found = terminal.json("webhooks", "list")
    nothing = terminal.run("webhooks", "retry")
    would = terminal.json("webhooks", "retry", "--all", "--dry-run")
    number = next(each for each in found["letters"] if each["target"] == "lab")
    again = terminal.json("webhooks", "retry", str(number["number"]))
    dropped = terminal.run("webhooks", "drop", "--target", "portal")
    left = terminal.json("webhooks", "list")

    assert "waiting to be sent: lab: 1" in shown
    assert "https://portal.example.org:443" in shown
    assert "s3cr3t" not in shown
    assert [each["error"] for each in found["letters"]] == ["refuses connections"] * 2
    assert isinstance(nothing.exception, InvalidRequestError)
    assert would == {"letters": 2}
    assert again == {"letters": 1}
    assert dropped.stdout == "1 dead letters deleted\n"
    assert left["letters"] == []
    assert left["pending"] == {"lab": 2}
