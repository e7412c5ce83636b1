"""The command line `energybench`: `main` knows the subcommands, none of them knows it."""
