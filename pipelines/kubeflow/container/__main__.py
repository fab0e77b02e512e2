"""The command of every container of the compiled pipeline."""

import sys

from pipelines.kubeflow.container.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
