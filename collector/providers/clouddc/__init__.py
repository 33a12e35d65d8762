"""Huawei Cloud CloudDC: physical servers and the export of their logs."""
