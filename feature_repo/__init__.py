"""Feast: entities, sources, views, and how they are filled."""

# Feast turns on Prometheus' multi-process mode for the whole process unless the client library was imported before it;
# metrics of separate registries would then share their values.
import prometheus_client  # noqa: F401
