# make demo | spot_tiny | test | check | parity | bench | t5x | shapes | format. Each installs what is missing first.
PYTHON ?= python3
# make test PYTHON=python3.12: that Python has an environment and a set of versions of its
# own, with the newest JAX that there is for it.
VERSION := $(shell $(PYTHON) -c "import sys; print('%d.%d' % sys.version_info[:2])")
CONSTRAINTS := $(firstword $(wildcard constraints-$(VERSION).txt) constraints.txt)
VENV ?= $(if $(filter python3,$(PYTHON)),.venv,.venv-$(VERSION))
BIN := $(VENV)/bin
# Where the parity tests run: torch is large, and nothing else needs it.
PARITY := .venv-parity
# Where T5X runs, which brings packages that nothing else needs. It, airio and jestimator
# are on no registry (what is called so there is another or an older one): they come from
# GitHub, or from folders of yours: make t5x T5X=~/t5x AIRIO=~/airio JESTIMATOR=~/jestimator
WITH_T5X := .venv-t5x
GITHUB := git+https://github.com
T5X ?= $(GITHUB)/google-research/t5x@cc342d419ec3e3e9c4bf1df33c82330cafdc1e16
AIRIO ?= $(GITHUB)/google/airio@69897df7d9a427b947a9f7bb4164c7782b43e601
JESTIMATOR ?= $(GITHUB)/google-research/jestimator@326824a477feef6d92e6f44175000907a72899ca
# Processes that run the tests; two are what a small machine has cores for.
JOBS ?= 2

.PHONY: install demo spot_tiny test test-slow shapes check parity bench t5x format clean

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

# Half an hour, on two cores that do nothing else; QUICK=1: two minutes, of a tiny T5.
bench: $(PARITY)/installed
	@echo "Measuring, beside PEFT, into $(if $(QUICK),runs/benchmarks/quick,docs)."
	$(PARITY)/bin/python tests/benchmarks/bench.py $(if $(QUICK),--quick)

t5x: $(WITH_T5X)/installed
	@echo "Training, evaluating and answering under T5X (some minutes)."
	$(WITH_T5X)/bin/python -m pytest -m t5x tests/t5x_engine

format: $(VENV)/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/installed: setup.py $(CONSTRAINTS)
	@echo "Installing spot_jax in $(VENV) (TensorFlow and JAX: some minutes)."
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.11')"
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c $(CONSTRAINTS) -e .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	@echo "Installing what the tests need."
	$(BIN)/python -m pip install --quiet -c $(CONSTRAINTS) -e .[test]
	touch $@

$(PARITY)/installed: setup.py constraints.txt
	@echo "Installing spot_jax, torch, transformers and peft in $(PARITY)."
	test -d $(PARITY) || $(PYTHON) -m venv $(PARITY)
	$(PARITY)/bin/python -m pip install --quiet -c constraints.txt -e .[test,parity]
	touch $@

# Without --no-deps pip would follow what these ask for: heads of flax, optax and seqio,
# tensorflow-cpu, a grain and a tfds-nightly of years ago.
$(WITH_T5X)/installed: setup.py constraints.txt
	@for source in "$(T5X)" "$(AIRIO)" "$(JESTIMATOR)"; do case "$$source" in \
	  git+*) ;; \
	  *) test -d "$$source" || { echo "There is no folder $$source: give that of a checkout, make t5x T5X=FOLDER AIRIO=FOLDER JESTIMATOR=FOLDER."; exit 1; } ;; \
	esac; done
	@echo "Installing spot_jax and T5X in $(WITH_T5X)."
	test -d $(WITH_T5X) || $(PYTHON) -m venv $(WITH_T5X)
	@$(WITH_T5X)/bin/python -m pip install --quiet --no-deps "$(AIRIO)" "$(JESTIMATOR)" "$(T5X)" \
	  || { echo "T5X, airio or jestimator could not be had (above is why). Without a way to GitHub, copy their checkouts here and name them: make t5x T5X=FOLDER AIRIO=FOLDER JESTIMATOR=FOLDER. The commits that are known to work stand in the Makefile."; exit 1; }
	$(WITH_T5X)/bin/python -m pip install --quiet -c constraints.txt -e .[test,t5x]
	touch $@

clean:
	rm -rf $(VENV) $(PARITY) $(WITH_T5X) *.egg-info
