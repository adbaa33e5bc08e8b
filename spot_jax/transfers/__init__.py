"""What `spot_jax transfer` does: candidates, starts, what to run next."""
