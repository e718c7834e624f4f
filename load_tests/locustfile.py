"""Locust users for the HTTP server.

    locust -f load_tests/locustfile.py --host http://localhost:8000 --headless -u 10 -r 2 -t 1m

Without a class name only `MFNAPIUser` runs; name others behind the command to run them. Every
answer is checked, a wrong one is a failure. The exit status is 1 when the error rate, the rate of
requests or a percentile of the documented tables is missed (``--errors-only`` leaves the
percentiles to the probe of ``load_tests/scenarios.py``: on the cores that the server computes on,
Locust measures its own waiting too).

Environment: ``MFN_LOADTEST_BASE_URL`` (http://localhost:8000; ``--host`` goes before it),
``MFN_LOADTEST_API_KEY``, ``MFN_LOADTEST_DURATION`` (for instance 30s or 5m; ``-t`` goes before it).
"""

from __future__ import annotations

import logging
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from locust import FastHttpUser, constant_pacing, events

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # Locust runs files, not modules

from load_tests import limits, workload
from load_tests.workload import Answers, Call

if os.environ.get("MFN_LOADTEST_DURATION"):
    os.environ.setdefault("LOCUST_RUN_TIME", os.environ["MFN_LOADTEST_DURATION"])

log = logging.getLogger("mfn.load")
answers = Answers()
IONS = ((0.005, 0.14), (0.145, 0.012), (0.002, 1e-7), (0.1, 0.1))
SIZES, STEPS = (16, 24, 32, 48, 64, 96, 128), (8, 32, 100)


def seed() -> int:
    """One of few seeds, so that the same request comes again and its answers can be compared."""
    return random.randrange(20)


def task(make: Callable[[], Call]) -> Callable[[Any], None]:
    """What a user does: send a call that is made for each request."""
    return lambda user: user.call(make())


class MFNUser(FastHttpUser):
    """What all users share: the key, and the check of every answer."""

    abstract = True
    host = os.environ.get("MFN_LOADTEST_BASE_URL", "http://localhost:8000")
    accepts_refusal = False
    """Whether 503 with Retry-After counts as an answer: the documented one of a full queue."""

    def on_start(self) -> None:
        """Take the key from the environment."""
        key = os.environ.get("MFN_LOADTEST_API_KEY")
        self.headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})

    def call(self, call: Call) -> None:
        """Send a call and record what is wrong with the answer."""
        how = {"data": call.content, "headers": self.headers, "name": call.name}
        with self.client.request(call.method, call.path, catch_response=True, **how) as response:
            content, problem = response.content or b"", None
            if self.accepts_refusal and response.status_code == 503 and content:
                if int(response.headers.get("Retry-After", 0)) < 1:
                    problem = "503 without Retry-After"
            elif response.status_code == 0:
                problem = f"no answer: {response.error}"
            else:
                problem = call.problem(response.status_code, content)
                problem = problem or answers.problem(call, content)
            response.failure(problem) if problem else response.success()


class MFNAPIUser(MFNUser):
    """Mixed load: mostly small requests, some simulations, now and then a validation.

    Seven requests a second each, so that 10 users make 70 and 50 users 350.
    """

    wait_time = constant_pacing(1 / 7)
    tasks = {  # noqa: RUF012
        task(workload.health): 30,
        task(workload.metrics): 5,
        task(lambda: workload.nernst(*random.choice(IONS), random.choice((-1, 1, 2)))): 40,
        task(lambda: workload.simulate(seed=seed())): 22,
        task(workload.bad_value): 2,
        task(workload.validate): 1,
    }


class MFNReadOnlyUser(MFNUser):
    """What a monitoring system asks: nothing is computed."""

    wait_time = constant_pacing(1 / 10)
    tasks = {  # noqa: RUF012
        task(workload.health): 6,
        task(workload.metrics): 3,
        task(workload.models): 1,
    }


class MFNHeavyUser(MFNUser):
    """What takes computing time: grids of 64² and 128², validations, Krum of 60 clients."""

    wait_time = constant_pacing(2)
    tasks = {  # noqa: RUF012
        task(lambda: workload.simulate(*random.choice(((64, 64), (64, 100), (128, 200))))): 4,
        task(workload.validate): 2,
        task(lambda: workload.aggregate(60, 256)): 1,
    }


class MFNStressUser(MFNUser):
    """Large answers (a 64² field) and bodies (200 gradients) often; a full queue may refuse."""

    wait_time = constant_pacing(1 / 5)
    accepts_refusal = True
    tasks = {  # noqa: RUF012
        task(
            lambda: workload.simulate(64, 64, seed(), include_field=True, include_features=True)
        ): 5,
        task(lambda: workload.simulate(seed=seed())): 3,
        task(lambda: workload.aggregate(200, 512)): 1,
        task(workload.nernst): 3,
    }


class MFNScalabilityUser(MFNUser):
    """Load that varies: grids from 16² to 128², in bursts with pauses between."""

    accepts_refusal = True
    tasks = {  # noqa: RUF012
        task(lambda: workload.simulate(random.choice(SIZES), random.choice(STEPS), seed())): 4,
        task(workload.nernst): 2,
        task(workload.health): 1,
    }

    def wait_time(self) -> float:
        """Nine short waits in ten, then a pause."""
        return random.uniform(0.05, 0.2) if random.random() < 0.9 else random.uniform(1, 3)


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:
    """The one option of our own."""
    told = "judge errors and the rate of requests, not the percentiles that Locust measures"
    parser.add_argument("--errors-only", action="store_true", default=False, help=told)


@events.init.add_listener
def choose_users(environment: Any, **_: Any) -> None:
    """Without a class name only `MFNAPIUser` runs."""
    options = environment.parsed_options
    if options is not None and not options.user_classes:
        environment.user_classes[:] = [MFNAPIUser]


@events.quitting.add_listener
def judge(environment: Any, **_: Any) -> None:
    """Set the exit status by the documented limits of a run of so many users."""
    options = environment.parsed_options
    like = limits.scenario_like(options.num_users or 1)
    rows = limits.rows_of(environment.stats)
    ours = environment.user_classes == [MFNAPIUser]  # the documented rate is theirs
    misses = limits.missed_totals(rows, like.error_rate, like.rate if ours else None)
    if not options.errors_only:
        misses += limits.missed_percentiles(rows)
    for miss in misses:
        log.error("limit missed: %s", miss)
    environment.process_exit_code = int(bool(misses))
