"""Makes ids from time and chance."""

from ulid import ULID

from tesk_model.task import TaskId


class UlidGenerator:
    """Makes ULIDs in lower case, which sort by time."""

    def task_id(self) -> TaskId:
        """Return a new task id of 26 characters."""
        return TaskId(str(ULID()).lower())

    def taskmaster_id(self) -> str:
        """Return a new taskmaster id."""
        return f"tm-{str(ULID()).lower()}"
