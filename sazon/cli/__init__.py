"""The `sazon` command. Every module here imports what is heavy inside its commands, so that `--help` is instant."""
