from spot_jax.settings import Training


def test_what_follows_a_step():
    training = Training(
        12, eval_period=4, checkpoint_period=3, log_period=5, embedding_step=7
    )
    due = {number: training.due(number) for number in range(1, 13)}
    assert {n for n in due if "evaluate" in due[n]} == {4, 8, 12}
    assert {n for n in due if "save" in due[n]} == {3, 6, 9, 12}
    assert {n for n in due if "embed" in due[n]} == {7}
    assert {n for n in due if "log" in due[n]} == {3, 4, 5, 6, 7, 8, 9, 10, 12}
    assert {n for n in due if "last" in due[n]} == {12}
