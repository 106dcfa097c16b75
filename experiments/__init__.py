"""What a lab runs: command line, procedures, training, benchmarks and reports."""
