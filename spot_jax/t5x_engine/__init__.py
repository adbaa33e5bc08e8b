"""T5X trains, evaluates and infers with this project's prompts on this project's T5.

    python -m t5x.train --gin_file=gin/t5x/prompt_tune.gin ...

gin/t5x/ has the configurations; nothing else imports t5x. A checkpoint holds the
prompt, its optimizer's state and the step; the frozen weights are read from wherever
`spot_jax.pretrained` reads them. `make t5x` installs T5X and runs the tests.
"""
