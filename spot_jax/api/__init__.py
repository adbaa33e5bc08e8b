"""What Python programs import, each reachable as `spot_jax.NAME`."""
