#!/bin/sh
# The command, without an installed package: the code is on PYTHONPATH.
exec python -m sazon.cli.main "$@"
