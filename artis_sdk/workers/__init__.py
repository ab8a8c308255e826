"""Many tasks over many workers: processes of this machine, or actors of a Ray cluster."""

from artis_sdk.workers.actors import RayWorkers
from artis_sdk.workers.pool import Here, Job, Run, TaskEnded, Worker, WorkerPool, opened, results
from artis_sdk.workers.processes import ProcessWorkers

__all__ = [
    "Here",
    "Job",
    "ProcessWorkers",
    "RayWorkers",
    "Run",
    "TaskEnded",
    "Worker",
    "WorkerPool",
    "opened",
    "results",
]
