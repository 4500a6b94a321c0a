"""Reports uploaded files to the scheduler."""

from tesk_filer.ports.transfers import Transfers
from tesk_filer.usecases.batched_reports import BatchedReports
from tesk_model.task import OutputFileLog


class OutputLog(BatchedReports[OutputFileLog]):
    """Reports uploaded files to the scheduler in batches; thread-safe."""

    def __init__(self, transfers: Transfers) -> None:
        """Report by ``transfers``."""
        super().__init__(transfers.add_outputs)
