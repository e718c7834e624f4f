"""Jobs: work of minutes, done by a process of its own and kept in a file.

The SQLite file is the one truth. Requests, several workers, the job's process and the next start
of the server all read and write it, and nothing else passes between them.
"""

from serve.jobs.runner import JobRunner
from serve.jobs.store import ACTIVE, RESUMABLE, Job, JobStore, open_store

__all__ = ["ACTIVE", "RESUMABLE", "Job", "JobRunner", "JobStore", "open_store"]
