"""Several transmissions that share their draws: every point of such a plan compares like with like."""
