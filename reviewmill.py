"""The console command: a table of subcommands, each imported only when it is asked for."""
