"""Examples of the OpenAPI document: one for each request and answer.

The tests send every request and hold the answer against the one that stands here.
"""

from __future__ import annotations

from typing import Any

JOB_ID = "5f0c4b2e9d1a4c7f8e3b6a5d2c1f0e9b"

EXAMPLES: dict[str, dict[str, Any]] = {
    "NernstRequest": {
        "z_valence": 1,
        "concentration_out_molar": 0.005,
        "concentration_in_molar": 0.14,
        "temperature_k": 310.15,
    },
    "NernstResponse": {"potential_mV": -89.05869403673188},
    "SimulateRequest": {"seed": 42, "grid_size": 32, "steps": 32, "alpha": 0.18},
    "SimulateResponse": {
        "growth_events": 7,
        "pot_min_mV": -70.65127563476562,
        "pot_max_mV": -67.08778381347656,
        "pot_mean_mV": -69.81963348388672,
        "pot_std_mV": 0.4198439121246338,
        "fractal_dimension": 0.0,
    },
    "ModelRunRequest": {
        "model": "gray-scott",
        "preset": "spots",
        "parameters": {"F": 0.03},
        "grid_size": 32,
        "steps": 100,
        "boundary": "neumann",
    },
    "ModelRunResponse": {
        "model": "gray-scott",
        "counts": {},
        "main_field": "v",
        "statistics": {
            "u": {
                "unit": "",
                "min": 0.3197755217552185,
                "max": 0.9999754428863525,
                "mean": 0.8804699385364074,
                "std": 0.20431530291372707,
            },
            "v": {
                "unit": "",
                "min": 2.4344812832310936e-09,
                "max": 0.32169973850250244,
                "mean": 0.04159274318488325,
                "std": 0.0877938234086691,
            },
        },
        "fractal_dimension": 1.148086667060852,
    },
    "StreamRequest": {
        "model": "gray-scott",
        "preset": "spots",
        "parameters": {"F": 0.03},
        "grid_size": 16,
        "steps": 4,
        "frames": 2,
    },
    "ValidateRequest": {"seed": 42, "epochs": 1, "batch_size": 4, "grid_size": 32, "steps": 32},
    "ValidateResponse": {
        "loss_start": 2.154841661453247,
        "loss_final": 0.35669127106666565,
        "loss_drop": 1.7981503903865814,
        "pot_min_mV": -71.21338695287704,
        "pot_max_mV": -61.918072402477264,
        "example_fractal_dim": 0.0,
        "lyapunov_exponent": -2.1695351600646973,
        "growth_events": 7,
        "nernst_symbolic_mV": -89.05869403673188,
        "nernst_numeric_mV": -89.05870056152344,
    },
    "FeaturesRequest": {"field_mV": [[-70.0, -50.0], [-60.0, -40.0]]},
    "FeaturesResponse": {
        "features": {
            "D_box": 0.0,
            "D_r2": 0.0,
            "V_min": -70.0,
            "V_max": -40.0,
            "V_mean": -55.0,
            "V_std": 11.180340766906738,
            "V_skew": 0.0,
            "V_kurt": -1.36,
            "dV_mean": None,
            "dV_max": None,
            "T_stable": None,
            "E_trend": None,
            "f_active": 0.5,
            "N_clusters_low": 1,
            "N_clusters_med": 1,
            "N_clusters_high": 0,
            "max_cluster_size": 2,
            "cluster_size_std": 0.0,
        }
    },
    "AggregateRequest": {
        "gradients": [[1.0, 2.0], [1.1, 2.1], [0.9, 1.9], [1.0, 2.05], [100.0, -100.0]],
        "num_clusters": 1,
        "byzantine_fraction": 0.2,
    },
    "AggregateResponse": {
        "aggregated_gradient": [1.0, 2.049999952316284],
        "num_input_gradients": 5,
    },
    "FitRequest": {
        "model": "fisher-kpp",
        "parameters": {"diffusivity": 0.4, "growth_rate": 0.2},
        "fixed": ["capacity"],
        "field": "u",
        "start": {"u": [0.8, 0.8, 0.8, 0.8, 0.0, 0.0, 0.0, 0.0]},
        "steps": [20, 40],
        "dt": 0.25,
        "values": [
            [0.87, 0.86, 0.82, 0.71, 0.42, 0.25, 0.1, 0.05],
            [0.91, 0.9, 0.85, 0.75, 0.55, 0.4, 0.25, None],
        ],
    },
    "JobResponse": {
        "id": JOB_ID,
        "kind": "fit",
        "status": "running",
        "done": 17,
        "total": 200,
        "created": 1795580659.43,
        "updated": 1795580665.54,
    },
}
"""By the name of the schema."""

STREAM = (
    '{"type":"header","model":"gray-scott","fields":["u","v"],"field":"v","steps":4,"frames":2}\n'
    '{"type":"frame","step":2,"min":0.0,"max":0.199,"data":"AAAAAAAAAAAA…"}\n'
    '{"type":"frame","step":4,"min":0.0,"max":0.167,"data":"AAAAAQEAAAAA…"}\n'
    '{"type":"end","counts":{},"features":null,"seconds":0.24}\n'
)
EVENTS = (
    f'event: running\ndata: {{"id":"{JOB_ID}","status":"running","done":17,"total":200}}\n\n'
    f'event: done\ndata: {{"id":"{JOB_ID}","status":"done","done":41,"total":200}}\n\n'
)
