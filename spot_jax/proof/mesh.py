"""What is known of a mesh before anything is compiled for it."""

from jax.sharding import AbstractMesh

from spot_jax.errors import InputError
from spot_jax.model.automatic import partitions_that_divide
from spot_jax.proof import shapes
from spot_jax.proof.run import Run


def weights_on_a_chip(run: Run, chips: int) -> int:
    """Returns the bytes of the T5's parameters on one of so many chips."""
    partitions = run.model.num_partitions
    # Of no devices: these may be of a kind that nothing here can name.
    mesh = AbstractMesh((chips // partitions, partitions), ("data", "model"))
    return shapes.bytes_on_a_chip(shapes.weights_of(run, mesh))


def microbatches_of(run: Run, data: int) -> list[int]:
    """Returns the MICROBATCHES, from the run's own on, that leave no chip idle.

    Args:
        run: the run.
        data: the size of the data axis.
    """
    rows = shapes.rows_of(run)
    found, number = [], run.training.microbatches
    while data * number <= rows:
        found.append(number)
        number *= 2
    return found


def check_rows(run: Run, chips: int) -> None:
    """Refuses a mesh on which chips would have nothing but padding.

    Args:
        run: the run, of whose mesh nothing is left open.
        chips: how many there are.

    Raises:
        InputError: with the settings that leave none idle.
    """
    partitions, parts = run.model.num_partitions, run.training.microbatches
    data, rows = chips // partitions, shapes.rows_of(run)
    if data * parts <= rows:
        return
    ways = [f"--gin.BATCH_SIZE to at least {-(-data * parts // len(run.bank()))}"]
    if data <= rows:
        ways.append(f"--gin.MICROBATCHES to at most {rows // data}")
    fitting = [
        n
        for n in partitions_that_divide(run.config, chips)
        if chips // n * parts <= rows
    ]
    if fitting:
        listed = ", ".join(map(str, fitting))
        ways.append(f"--gin.NUM_PARTITIONS to one of {listed}")
    raise InputError(
        f"A step has {rows} examples, and {data} groups of chips (NUM_PARTITIONS "
        f"{partitions}) with MICROBATCHES {parts} take {data * parts} at least: some "
        f"would compute nothing but padding. Set {', or '.join(ways)}."
    )
