"""Serving: the embedded model server, the rollout of versions, the gateway for applications."""
