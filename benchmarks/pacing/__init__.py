"""The engine under a virtual clock, against simulated gateways, beside a bound and what others do.

    python -m benchmarks.pacing [--only GLOB] [--seeds N]

Ends with 1 unless every scenario of `scenarios.toml` keeps the limits of `promises.py`.
"""
