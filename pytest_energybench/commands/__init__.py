"""The subcommands of `energybench`, one a file; each has `add_arguments` and `run`."""
