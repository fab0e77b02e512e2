"""The gateway for applications and people: a small JSON API and one page, in front of the model server."""
