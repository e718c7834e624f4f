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
from pathlib import Path
from typing import Any

from locust import FastHttpUser, constant_pacing, events, task

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # Locust runs files, not modules

from load_tests import limits, workload
from load_tests.workload import Answers, Call

if os.environ.get("MFN_LOADTEST_DURATION"):
    os.environ.setdefault("LOCUST_RUN_TIME", os.environ["MFN_LOADTEST_DURATION"])

log = logging.getLogger("mfn.load")
answers = Answers()
SEEDS = range(20)
"""Few seeds, so that the same request comes again and its answers can be compared."""


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
        with self.client.request(
            call.method,
            call.path,
            data=call.content,
            headers=self.headers,
            name=call.name,
            catch_response=True,
        ) as response:
            content = response.content or b""
            if self.accepts_refusal and response.status_code == 503 and content:
                refused_well = int(response.headers.get("Retry-After", 0)) >= 1
                response.success() if refused_well else response.failure("503 without Retry-After")
                return
            if response.status_code == 0:
                response.failure(f"no answer: {response.error}")
                return
            problem = call.problem(response.status_code, content)
            problem = problem or answers.problem(call, content)
            response.failure(problem) if problem else response.success()


class MFNAPIUser(MFNUser):
    """Mixed load: mostly small requests, some simulations, now and then a validation.

    Seven requests a second each, so that 10 users make 70 and 50 users 350.
    """

    wait_time = constant_pacing(1 / 7)

    @task(30)
    def health(self) -> None:
        """Liveness."""
        self.call(workload.health())

    @task(5)
    def metrics(self) -> None:
        """Metrics."""
        self.call(workload.metrics())

    @task(40)
    def nernst(self) -> None:
        """A potential of a random ion."""
        outside, inside = random.choice(((0.005, 0.14), (0.145, 0.012), (0.002, 1e-7), (0.1, 0.1)))
        self.call(workload.nernst(outside, inside, random.choice((-1, 1, 2))))

    @task(22)
    def simulate(self) -> None:
        """A 32² simulation."""
        self.call(workload.simulate(seed=random.choice(SEEDS)))

    @task(2)
    def refused(self) -> None:
        """A value out of bounds: refused with 400, by name."""
        self.call(workload.bad_value())

    @task(1)
    def validate(self) -> None:
        """A short validation."""
        self.call(workload.validate())


class MFNReadOnlyUser(MFNUser):
    """What a monitoring system asks: nothing is computed."""

    wait_time = constant_pacing(1 / 10)

    @task(6)
    def health(self) -> None:
        """Liveness."""
        self.call(workload.health())

    @task(3)
    def metrics(self) -> None:
        """Metrics."""
        self.call(workload.metrics())

    @task(1)
    def models(self) -> None:
        """The catalogue."""
        self.call(workload.models())


class MFNHeavyUser(MFNUser):
    """What takes computing time: larger grids, validations, aggregation."""

    wait_time = constant_pacing(2)

    @task(4)
    def simulate(self) -> None:
        """64² and 128² cells."""
        self.call(workload.simulate(*random.choice(((64, 64), (64, 100), (128, 200)))))

    @task(2)
    def validate(self) -> None:
        """A short validation."""
        self.call(workload.validate())

    @task(1)
    def aggregate(self) -> None:
        """Krum of 60 clients."""
        self.call(workload.aggregate(60, 256))


class MFNStressUser(MFNUser):
    """Large answers at high frequency; a full queue may refuse."""

    wait_time = constant_pacing(1 / 5)
    accepts_refusal = True

    @task(5)
    def field(self) -> None:
        """A 64² field with its features."""
        seed = random.choice(SEEDS)
        self.call(workload.simulate(64, 64, seed, include_field=True, include_features=True))

    @task(3)
    def small(self) -> None:
        """A 32² simulation."""
        self.call(workload.simulate(seed=random.choice(SEEDS)))

    @task(1)
    def gradients(self) -> None:
        """A large body: 200 gradients of 512 numbers."""
        self.call(workload.aggregate(200, 512))

    @task(3)
    def nernst(self) -> None:
        """A small request between the large ones."""
        self.call(workload.nernst())


class MFNScalabilityUser(MFNUser):
    """Load that varies: grids from 16² to 128², in bursts with pauses between."""

    accepts_refusal = True

    def wait_time(self) -> float:
        """Nine short waits in ten, then a pause."""
        return random.uniform(0.05, 0.2) if random.random() < 0.9 else random.uniform(1, 3)

    @task(4)
    def any_size(self) -> None:
        """A grid of any documented size and number of steps."""
        size, steps = random.choice((16, 24, 32, 48, 64, 96, 128)), random.choice((8, 32, 100))
        self.call(workload.simulate(size, steps, random.choice(SEEDS)))

    @task(2)
    def nernst(self) -> None:
        """A small request."""
        self.call(workload.nernst())

    @task(1)
    def health(self) -> None:
        """Liveness."""
        self.call(workload.health())


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:
    """The one option of our own."""
    parser.add_argument(
        "--errors-only",
        action="store_true",
        default=False,
        help="judge errors and the rate of requests, not the percentiles that Locust measures",
    )


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
    rate = like.rate if ours else None
    misses = limits.missed_totals(rows, error_rate=like.error_rate, rate=rate)
    if not options.errors_only:
        misses += limits.missed_percentiles(rows)
    for miss in misses:
        log.error("limit missed: %s", miss)
    environment.process_exit_code = int(bool(misses))
