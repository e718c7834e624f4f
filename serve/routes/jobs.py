"""Fits as jobs: ask for one, watch it, cancel it, resume it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import HttpMethod, Request, Response, delete, get, post, route
from litestar.params import Parameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from serve.http.auth import client_of
from serve.http.body import json_body
from serve.http.errors import ApiError, invalid, overloaded
from serve.http.examples import JOB_ID
from serve.http.model_run import check_texts
from serve.jobs import ACTIVE, Job
from serve.routes.simulate import check_work
from serve.schemas import FitRequest, JobResponse, JobsResponse
from serve.service import Service, service_of

POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 15.0
FIT_RUNS = 1000
"""A fit may take as much work as so many of the largest runs: about ten minutes."""
_ID = {"pattern": "^[0-9a-f]{32}$", "examples": [JOB_ID]}
JobId = Annotated[str, Parameter(description="Id of the job.", schema_extra=_ID)]


def _response(job: Job) -> JobResponse:
    return JobResponse(**{name: getattr(job, name) for name in JobResponse.__struct_fields__})


async def _find(service: Service, job_id: str, client: str) -> Job:
    """A client's own job, or one that is nobody's; another's is not there."""
    job = await asyncio.to_thread(service.jobs.store.get, job_id)
    if job is None or job.client not in ("", client):
        raise ApiError(404, "There is no such job.")
    return job


def _check_fit(service: Service, work: int) -> None:
    """Raise a 400 for a fit that could take a day."""
    allowed = FIT_RUNS * service.settings.max_cell_steps
    if work > allowed:
        raise invalid(
            "max_steps",
            f"cells × steps × starts × max_steps is {work:.3g}, more than the {allowed:.3g} "
            "allowed: ask for fewer of one of them",
        )


@post("/fit", status_code=202, tags=["jobs"])
async def fit(request: Request[Any, Any, Any]) -> JobResponse:
    """Fit a model to measurements, as a job: the answer says where to look for it."""
    from serve.jobs.fitting import prepare_fit

    service, data = service_of(request), await json_body(request, FitRequest)
    cells, steps = len(data.values[0]), max(data.steps)
    check_work(service, cells=cells, steps=steps)
    _check_fit(service, cells * steps * data.starts * data.max_steps)
    plain: dict[str, Any] = msgspec.to_builtins(data)
    if data.model is None and data.equation is None:
        raise invalid("model", "missing: a fit is of a model, or of an equation")
    check_texts({name: plain[name] for name in ("equation", "parameters", "boundary")})
    await asyncio.to_thread(prepare_fit, plain)  # a bad request is a 400 now, not a failed job
    job = await asyncio.to_thread(service.jobs.store.add, "fit", plain, client_of(request))
    if job is None:
        raise overloaded("Too many jobs wait.", 30)
    service.jobs.wake()
    return _response(job)


@get("/jobs", tags=["jobs"])
async def jobs(request: Request[Any, Any, Any]) -> JobsResponse:
    """The caller's latest jobs, without their results."""
    found = await asyncio.to_thread(service_of(request).jobs.store.recent, client_of(request))
    return JobsResponse(jobs=[_response(job) for job in found])


@route(
    "/jobs/{job_id:str}",
    http_method=[HttpMethod.OPTIONS],
    include_in_schema=False,
    status_code=204,
    sync_to_thread=False,
)
def job_methods(job_id: JobId) -> Response[None]:
    """The methods of a job's address: the framework's own answer names those of one handler."""
    return Response(None, status_code=204, headers={"Allow": "DELETE, GET, OPTIONS"})


@get("/jobs/{job_id:str}", tags=["jobs"])
async def job(request: Request[Any, Any, Any], job_id: JobId) -> JobResponse:
    """A job: its status, its progress, its result."""
    return _response(await _find(service_of(request), job_id, client_of(request)))


@delete("/jobs/{job_id:str}", status_code=200, tags=["jobs"])
async def cancel(request: Request[Any, Any, Any], job_id: JobId) -> JobResponse:
    """Cancel a job that waits or runs."""
    service = service_of(request)
    found = await _find(service, job_id, client_of(request))
    if not await asyncio.to_thread(service.jobs.store.cancel, job_id):
        raise ApiError(409, f"The job is {found.status}: there is nothing to cancel.")
    return _response(await _find(service, job_id, client_of(request)))


@post("/jobs/{job_id:str}/resume", status_code=202, tags=["jobs"])
async def resume(request: Request[Any, Any, Any], job_id: JobId) -> JobResponse:
    """Go on with a job that was interrupted, cancelled or failed, from its checkpoint."""
    service = service_of(request)
    found = await _find(service, job_id, client_of(request))
    if not await asyncio.to_thread(service.jobs.store.resume, job_id):
        raise ApiError(409, f"The job is {found.status}: there is nothing to resume.")
    service.jobs.wake()
    return _response(await _find(service, job_id, client_of(request)))


@get("/jobs/{job_id:str}/events", tags=["jobs"], media_type="text/event-stream")
async def events(request: Request[Any, Any, Any], job_id: JobId) -> ServerSentEvent:
    """The progress of a job as server-sent events, until it ends."""
    service = service_of(request)
    return ServerSentEvent(_progress(service, await _find(service, job_id, client_of(request))))


async def _progress(service: Service, found: Job) -> AsyncIterator[ServerSentEventMessage]:
    seen: Any = None
    sent = time.monotonic()
    while True:
        now = (found.status, found.done, found.total)
        if now != seen:
            seen = now
            data = msgspec.json.encode(_response(found)).decode()
            yield ServerSentEventMessage(data=data, event=found.status, id=str(found.done))
            sent = time.monotonic()
        elif time.monotonic() - sent > HEARTBEAT_SECONDS:  # a proxy closes what is silent
            yield ServerSentEventMessage(comment="still " + found.status)
            sent = time.monotonic()
        if found.status not in ACTIVE or service.is_closing:
            return
        await asyncio.sleep(POLL_SECONDS)
        found = await _find(service, found.id, found.client)
