# make demo | spot_tiny | test | check | parity | shapes | format. Each installs what is missing first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Where the parity tests run: torch is large, and nothing else needs it.
PARITY := .venv-parity
# Processes that run the tests; two are what a small machine has cores for.
JOBS ?= 2

.PHONY: install demo spot_tiny test test-slow shapes check parity format clean

install: $(VENV)/installed-test

demo: $(VENV)/installed
	$(BIN)/python -m spot_jax demo

# Pre-trains the model in spot_jax/spot_tiny anew: half an hour on 2 cores, longer on slow
# or shared ones (docs/spot_tiny.md).
spot_tiny: $(VENV)/installed
	$(BIN)/python -m spot_jax make_spot_tiny runs/spot_tiny

test: $(VENV)/installed-test
	@echo "Running the tests (not those marked slow or parity: make test-slow, make parity)."
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test-slow: $(VENV)/installed-test
	$(BIN)/python -m pytest -m slow

# The shapes in the signatures of the maths, checked at every call.
MATHS := spot_jax.t5,spot_jax.prompts,spot_jax.losses,spot_jax.optim
MATHS := $(MATHS),spot_jax.retrieval.similarity,spot_jax.retrieval.operators
MATHS_TESTS := tests/t5 tests/prompts tests/test_losses.py tests/test_optim.py \
  tests/retrieval/test_similarity.py tests/retrieval/test_operators.py \
  tests/training/test_step.py

shapes: $(VENV)/installed-test
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(MATHS_TESTS) \
	  --jaxtyping-packages=$(MATHS),beartype.beartype

check: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q tests/test_layout.py tests/test_gin.py

parity: $(PARITY)/installed
	@echo "Comparing with torch, transformers and peft."
	$(PARITY)/bin/python -m pytest -m parity

format: $(VENV)/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/installed: setup.py constraints.txt
	@echo "Installing spot_jax in $(VENV) (TensorFlow and JAX: some minutes)."
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.11')"
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	@echo "Installing what the tests need."
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .[test]
	touch $@

$(PARITY)/installed: setup.py constraints.txt
	@echo "Installing spot_jax, torch, transformers and peft in $(PARITY)."
	test -d $(PARITY) || $(PYTHON) -m venv $(PARITY)
	$(PARITY)/bin/python -m pip install --quiet -c constraints.txt -e .[test,parity]
	touch $@

clean:
	rm -rf $(VENV) $(PARITY) *.egg-info
