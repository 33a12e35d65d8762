"""Brings home the logs of every physical server of a CloudDC fleet, verified and accounted for."""
