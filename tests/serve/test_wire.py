"""What the wire refuses and how: keys, limits, bodies, ids, labels. No engine is started."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import math
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from litestar.testing import TestClient

from serve.app import create_app
from serve.http.arrays import read_array, write_npy
from serve.http.auth import address_of
from serve.http.body import accepted, decode_json
from serve.http.errors import ApiError
from serve.http.logs import Formatter
from serve.http.rate_limit import SETS, RateLimit
from serve.main import main
from serve.schemas import AggregateRequest
from serve.settings import Settings, SettingsError, remarks

ION = {"concentration_out_molar": 0.005, "concentration_in_molar": 0.14}


def client(tmp_path: Path, **settings: Any) -> TestClient[Any]:
    return TestClient(create_app(Settings(state_dir=tmp_path, **settings)))


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"MFN_ENV": "prod"}, "MFN_API_KEY"),
        ({"MFN_ENV": "production"}, "MFN_ENV"),
        ({"MFN_RATE_LIMIT_REQUESTS": "many"}, "MFN_RATE_LIMIT_REQUESTS"),
        ({"MFN_QUEUE_SECONDS": "nan"}, "MFN_QUEUE_SECONDS"),
        ({"MFN_API_KEY_REQUIRED": "maybe"}, "MFN_API_KEY_REQUIRED"),
        ({"MFN_API_KEY_REQUIRED": "true"}, "MFN_API_KEY"),
    ],
)
def test_an_unusable_setting_is_named_in_one_line(variables: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        Settings.from_environment(variables)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"MFN_STATE_DIR": __file__}, "it is a file"),
        ({"MFN_STATE_DIR": f"{__file__}/state"}, "there is no folder"),
        ({"MFN_STATE_DIR": "/nowhere/at/all"}, "there is no folder /nowhere/at"),
        ({"MFN_STATE_DIR": "/proc"}, "unable to open"),  # not even for root
        ({"MFN_REQUEST_SECONDS": "0"}, "MFN_REQUEST_SECONDS"),
    ],
)
def test_the_server_does_not_start_with_what_it_cannot_use(
    variables: dict[str, str], named: str
) -> None:
    done = CliRunner().invoke(main, ["--port", "0"], env=variables)
    assert done.exit_code == 2
    assert named in done.output
    assert next(iter(variables)) in done.output
    assert done.output.count("\n") == 1  # it says nothing else, of a port least of all


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite3").write_bytes(b"something else, long enough to be looked at" * 99)
    done = CliRunner().invoke(main, ["--port", "0"], env={"MFN_STATE_DIR": str(tmp_path)})
    assert done.exit_code == 2
    assert "jobs.sqlite3: file is not a database" in done.output


def test_whoever_starts_it_is_told_of_misspelt_settings_and_of_an_open_door() -> None:
    variables = {"MFN_API_KY": "1", "MFN_LOADTEST_API_KEY": "1", "MFN_ENV": "dev", "PATH": ""}
    settings = Settings.from_environment(variables)
    (misspelt,) = remarks(settings, variables, "127.0.0.1")
    assert misspelt == "there is no setting MFN_API_KY: did you mean MFN_API_KEY?"
    assert [said[:25] for said in remarks(settings, {}, "0.0.0.0")] == ["listening on 0.0.0.0 with"]
    assert list(remarks(settings, {}, "::1")) == []
    keyed = Settings(api_keys=("key",), api_key_required=True)
    assert list(remarks(keyed, {}, "0.0.0.0")) == []


def test_prod_with_a_key_asks_for_it_and_limits_the_rate() -> None:
    settings = Settings.from_environment({"MFN_ENV": "prod", "MFN_API_KEYS": "a-key, b-key"})
    assert settings.api_key_required
    assert settings.rate_limit_enabled
    assert settings.api_keys == ("a-key", "b-key")
    assert "a-key" not in repr(settings)


def test_a_key_is_asked_for_where_something_is_computed(tmp_path: Path) -> None:
    web = client(tmp_path, api_keys=("right-key",), api_key_required=True)
    missing = web.post("/nernst", json=ION)
    wrong = web.post("/nernst", json=ION, headers={"X-API-Key": "wrong-key"})
    right = web.post("/nernst", json=ION, headers={"X-API-Key": "right-key"})
    assert (missing.status_code, missing.json()["error_code"]) == (401, "AUTHENTICATION_REQUIRED")
    assert (wrong.status_code, wrong.json()["error_code"]) == (401, "INVALID_API_KEY")
    assert right.status_code == 200
    assert web.get("/models").status_code == 401
    for path in ("/health", "/metrics", "/openapi.json", "/", "/docs"):
        assert web.get(path).status_code == 200, path


@pytest.mark.parametrize("molar", [1e-300, 1e-31, 0.1, 1e7, 1e308])
def test_any_concentration_has_a_potential(tmp_path: Path, molar: float) -> None:
    body = {"concentration_out_molar": molar, "concentration_in_molar": 1, "z_valence": -2}
    answer = client(tmp_path).post("/nernst", json=body)
    # RT/F = 26.7267 mV at 310.15 K, by hand from the CODATA constants.
    expected = pytest.approx(-26.726660 / 2 * math.log(molar), rel=1e-6)
    assert answer.json()["potential_mV"] == expected


def test_the_application_is_made_without_a_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client(tmp_path)


def test_too_many_requests_are_told_when_to_come_back(tmp_path: Path) -> None:
    web = client(tmp_path, rate_limit_enabled=True, rate_limit_requests=2)
    statuses = [web.post("/nernst", json=ION).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    refused = web.post("/nernst", json=ION)
    assert refused.json()["error_code"] == "RATE_LIMIT_EXCEEDED"
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert web.get("/health").status_code == 200


@pytest.mark.parametrize("settings", [{}, {"api_keys": ("right-key",)}])
def test_made_up_keys_do_not_evade_the_limit(tmp_path: Path, settings: dict[str, Any]) -> None:
    web = client(tmp_path, rate_limit_enabled=True, rate_limit_requests=3, **settings)
    statuses = [
        web.post("/nernst", json=ION, headers={"X-API-Key": f"made-up-{k}"}).status_code
        for k in range(4)
    ]
    assert statuses == [200, 200, 200, 429]


def test_wrong_keys_are_limited_and_leave_the_right_one_alone(tmp_path: Path) -> None:
    keys = {"api_keys": ("right-key", "other-key"), "api_key_required": True}
    web = client(tmp_path, rate_limit_enabled=True, rate_limit_requests=2, **keys)

    def ask(**headers: str) -> int:
        return int(web.post("/nernst", json=ION, headers=headers).status_code)

    assert [ask(**{"X-API-Key": f"wrong-{k}"}) for k in range(3)] == [401, 401, 429]
    assert ask() == 429  # no key: the same address
    assert [ask(**{"X-API-Key": "right-key"}) for _ in range(3)] == [200, 200, 429]
    assert ask(**{"X-API-Key": "other-key"}) == 200


@pytest.mark.parametrize(
    ("host", "alike"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),
        ("unknown", "unknown"),
    ],
)
def test_addresses_of_one_client_share_a_bucket(host: str, alike: str) -> None:
    assert address_of(host) == address_of(alike)
    assert address_of(host) not in (address_of("192.0.2.8"), address_of("2001:db8:0:1::1"))


@pytest.mark.thorough
def test_workers_share_the_buckets_and_the_fullest_gives_way(tmp_path: Path) -> None:
    one, two = RateLimit(3, tmp_path), RateLimit(3, tmp_path)
    assert [one.spend("a", 0.0), two.spend("a", 0.0), one.spend("a", 0.0)] == [0.0] * 3
    assert two.spend("a", 0.0) == pytest.approx(20.0)
    crowd = 20 * SETS
    assert all(one.spend(f"{k}", 1.0) == 0.0 for k in range(crowd))  # more than there are rows
    assert two.spend("a", 1.0) > 0


def test_a_bucket_fills_evenly() -> None:
    limit = RateLimit(60)
    assert [limit.spend("a", 0.0) for _ in range(60)] == [0.0] * 60
    assert limit.spend("a", 0.0) == pytest.approx(1.0)
    assert limit.spend("a", 1.0) == 0.0
    assert limit.spend("b", 1.0) == 0.0


def test_all_wrong_fields_are_reported_at_once(tmp_path: Path) -> None:
    body = {"grid_size": 7, "steps": "many", "alpha": 0.3, "what": 1}
    answer = client(tmp_path).post("/simulate", json=body)
    problem = answer.json()
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert {error["field"] for error in problem["errors"]} == set(body)
    assert problem["error_code"] == "VALIDATION_ERROR"
    assert problem["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"concentration_out_molar": NaN, "concentration_in_molar": 1}',
        b'{"concentration_out_molar": Infinity, "concentration_in_molar": 1}',
        b'{"concentration_out_molar": 1e308, "concentration_in_molar": 1e-308}',
        b'{"concentration_out_molar": 5e-324, "concentration_in_molar": 1e308}',
        b'{"concentration_out_molar": 1e999, "concentration_in_molar": 1}',
        b'{"concentration_out_molar": 1, "concentration_in_molar": 0}',
        b'{"concentration_out_molar": 1, "concentration_in_molar": 1, "z_valence": 0}',
        b'{"concentration_out_molar": "1", "concentration_in_molar": 1}',
        b'{"concentration_out_molar": 1, "concentration_in_molar": true}',
        b"[" * 100_000,
        b'{"a":' * 10_000,
        b"\xff\xfe\x00",
    ],
)
def test_a_bad_body_is_a_400(tmp_path: Path, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = client(tmp_path).post("/nernst", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_code"] == "VALIDATION_ERROR"


def test_other_refusals_have_their_status(tmp_path: Path) -> None:
    web = client(tmp_path, max_body_bytes=2048, max_cell_steps=10_000)
    text = web.post("/nernst", content=b"{}", headers={"content-type": "text/plain"})
    large = web.post("/nernst", content=b" " * 4096, headers={"content-type": "application/json"})
    work = web.post("/simulate", json={"grid_size": 64, "steps": 64})
    assert (text.status_code, text.json()["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert (large.status_code, large.json()["error_code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert (work.status_code, work.json()["errors"][0]["field"]) == (400, "steps")
    assert web.get("/nowhere").json()["error_code"] == "NOT_FOUND"
    assert web.delete("/nernst").json()["error_code"] == "METHOD_NOT_ALLOWED"


def test_a_request_id_cannot_inject_anything(tmp_path: Path) -> None:
    web = client(tmp_path)
    kept = web.get("/health", headers={"X-Request-ID": "abc-123"})
    assert kept.headers["x-request-id"] == "abc-123"
    for hostile in ("a b", "x" * 200, 'a"b', "a\tb", "a%0d%0ab;c"):
        made = web.get("/health", headers={"X-Request-ID": hostile}).headers["x-request-id"]
        assert made != hostile
        assert len(made) == 32


@pytest.mark.parametrize("style", ["json", "text"])
def test_nothing_breaks_out_of_its_line_of_the_log(style: str) -> None:
    record = logging.makeLogRecord({"msg": "one\nline", "path": "/a\r\nb", "levelname": "INFO"})
    line = Formatter(style).format(record)
    assert len(line.splitlines()) == 1
    assert "INFO" in line.upper()
    assert r"/a\r\nb" in line


def test_cors_is_answered_for_the_listed_origins_only(tmp_path: Path) -> None:
    web = client(tmp_path, cors_origins=("https://a.example",))
    allowed = web.get("/health", headers={"Origin": "https://a.example"})
    other = web.get("/health", headers={"Origin": "https://b.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://a.example"
    assert "access-control-allow-origin" not in other.headers


async def _scan(app: Any, count: int) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        pass

    for k in range(count):
        path = f"/{k:x}/{k * 7919 % 104729}"
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [],
            "client": ("127.0.0.1", 1),
            "server": ("localhost", 80),
            "scheme": "http",
            "http_version": "1.1",
            "root_path": "",
            "asgi": {"version": "3.0"},
        }
        await app(scope, receive, send)


def series(web: TestClient[Any]) -> set[str]:
    lines = web.get("/metrics").text.splitlines()
    return {line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")}


@pytest.mark.parametrize("count", [300, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_scan_of_random_paths_makes_one_series(tmp_path: Path, count: int) -> None:
    app = create_app(Settings(state_dir=tmp_path, log_level="error"))
    web = TestClient(app)
    web.get("/nowhere")
    asyncio.run(asyncio.sleep(0.11))
    before = series(web)
    asyncio.run(_scan(app, count))
    asyncio.run(asyncio.sleep(0.11))
    added = series(web) - before
    assert all('endpoint="/metrics"' in line for line in added), added


def test_a_refused_method_is_counted_for_its_route(tmp_path: Path) -> None:
    web = client(tmp_path)
    assert web.put("/simulate").status_code == 405
    assert web.put(f"/jobs/{'0' * 32}").status_code == 405
    counted = {line for line in series(web) if 'status="405"' in line and "_total" in line}
    assert counted == {
        'mfn_http_requests_total{endpoint="/simulate",method="PUT",status="405"}',
        'mfn_http_requests_total{endpoint="/jobs/{job_id}",method="PUT",status="405"}',
    }


def npz(**arrays: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in arrays.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def test_arrays_are_read_without_loss() -> None:
    field = np.linspace(-0.09, 0.04, 12, dtype=np.float32).reshape(3, 4)
    for body in (
        write_npy(field),
        write_npy(np.asfortranarray(field)),
        npz(field=write_npy(field)),
    ):
        np.testing.assert_array_equal(read_array(body, max_bytes=1000), field)


def _pickled() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([{}], object), allow_pickle=True)
    return file.getvalue()


ONE = write_npy(np.zeros((4, 4), np.float32))
HUGE = write_npy(np.zeros(1, np.float32)).replace(b"(1,)", b"(9999999999,)", 1)


@pytest.mark.parametrize(
    "body",
    [
        _pickled(),
        npz(field=_pickled()),
        write_npy(np.array(["text"])),
        write_npy(np.zeros((2, 2)))[:-3],
        write_npy(np.zeros((2, 2), np.int32)),
        HUGE,
        ONE.replace(b"(4, 4), }", b"(-1, -16)}"),
        ONE.replace(b"(4, 4), }", b"(True, 16)", 1).replace(b"16)  ", b"16)} "),
        npz(field=write_npy(np.zeros(10**6))),
        npz(other=b"x", another=b"y"),
        npz(field=b"no array"),
        b"PK\x03\x04 nothing of the kind",
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"",
    ],
    ids=range(14),
)
def test_a_hostile_array_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        read_array(body, max_bytes=10_000)
    assert caught.value.status in (400, 413)


@pytest.mark.parametrize("path", ["/health", "/", "/models", "/openapi.json", "/nowhere"])
def test_head_is_get_without_a_body(tmp_path: Path, path: str) -> None:
    web = client(tmp_path)
    full, head = web.get(path), web.head(path)
    assert (head.status_code, head.content) == (full.status_code, b"")
    if path != "/nowhere":  # a problem holds the id of its request
        assert head.headers["content-length"] == full.headers["content-length"]
    assert head.headers["content-type"] == full.headers["content-type"]


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/x-npy", "application/x-npy"),
        ("application/json;q=0.5, application/x-npy", "application/x-npy"),
        ("application/x-npy;q=0.2, application/json;q=0.9", "application/json"),
        ("application/x-npy, application/json", "application/x-npy"),
        ("application/x-npy; q=0, */*", "application/json"),
        ("text/html, application/*;q=0.1", "application/json"),
        ("text/html", "application/json"),
        ("application/x-npy;q=much", "application/x-npy"),
        ("", "application/json"),
    ],
)
def test_accept_is_weighed(accept: str, form: str) -> None:
    class Connection:
        scope = {"headers": [(b"host", b"mfn"), (b"accept", accept.encode())]}  # noqa: RUF012

    assert accepted(Connection(), ("application/json", "application/x-npy")) == form


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b'{"gradients":[' + b"[1]," * 300_000 + b"[1]]}", "lists"),
        (b"{" + b",".join(b'"a%d":1' % n for n in range(20_000)) + b"}", "names"),
        (b'{"gradients":[[' + b"1," * (2**22 + 1) + b"1]]}", "values"),
    ],
    ids=["lists", "names", "values"],
)
def test_a_body_that_would_hold_up_everybody_is_not_read(body: bytes, what: str) -> None:
    began = time.thread_time()
    with pytest.raises(ApiError, match=f"more than the .* {what} allowed") as caught:
        decode_json(body, AggregateRequest)
    assert time.thread_time() - began < 0.05
    assert caught.value.status == 413


def test_a_zip_of_very_many_entries_is_not_read() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(3000):
            archive.writestr(f"{number:030d}", b"")
    body = file.getvalue()
    # A second end in the last 22 bytes does not hide the first.
    for bomb in (body, body[:-2] + b"\x04\x00" + b"PK\x05\x06"):
        began = time.thread_time()
        with pytest.raises(ApiError):
            read_array(bomb, max_bytes=10**6)
        assert time.thread_time() - began < 0.01


def test_an_aggregation_is_bounded_by_what_it_computes(tmp_path: Path) -> None:
    """Of 250 000 clients a tenth is drawn: 25 000² distances in one cluster are 10 GB."""
    body = {"gradients": [[float(n % 7)] for n in range(50_000)], "num_clusters": 1}
    answer = client(tmp_path).post("/federated/aggregate", json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"] == (
        "50000 gradients need 25000001 distances between them, more than the 16777216 allowed: ask "
        "for more clusters than 1"
    )


def test_the_description_has_the_errors_and_the_bounds(tmp_path: Path) -> None:
    document = json.loads(client(tmp_path).get("/openapi.json").content)
    assert document["openapi"].startswith("3.1")
    size = document["components"]["schemas"]["SimulateRequest"]["properties"]["grid_size"]
    assert (size["minimum"], size["maximum"]) == (8, 256)
    responses = document["paths"]["/simulate"]["post"]["responses"]
    assert {"200", "400", "401", "413", "415", "422", "429", "503"} <= set(responses)
