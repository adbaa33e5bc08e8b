"""Checkpoints of what is trained; the frozen model comes from where it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import PyTree
from t5x import checkpoints

from spot_jax.errors import InputError
from spot_jax.model.weights import LoadedModel
from spot_jax.model_dir import made_for, names
from spot_jax.prompts import files
from spot_jax.prompts.base import described, shapes_of
from spot_jax.reading import path_of
from spot_jax.t5x_engine import prompts, saved
from spot_jax.t5x_engine.module import PROMPT
from spot_jax.t5x_engine.run import Run

# T5X's evaluation sorts what it restores from by the number at its end, and has to find
# one there.
_NUMBER = "#0"
_CURE = "Set INITIAL_CHECKPOINT_PATH to the model that it was trained for."


def numbered(path: str) -> str:
    """Returns CHECKPOINT_PATH so that T5X takes it, whatever it is called."""
    return path if path.rstrip("/")[-1:].isdigit() else path + _NUMBER


def embedding_steps(run: Run) -> list[int]:
    """Returns the step, as T5X counts, at which a checkpoint has the embedding."""
    # After the last of these T5X stops with an error (cc342d4): one that never comes.
    return [run.base_step + run.embedding_step, np.iinfo(np.int32).max]


class PromptCheckpointer(checkpoints.Checkpointer):
    """T5X's native checkpoints, of the prompt, its optimizer's state and the step.

    Beside them MODEL_DIR/prompts/NAME/ has the prompt as this project's file, `last`
    from the latest checkpoint and `embedding` from that of EMBEDDING_STEP; see
    prompts.py. Of a T5 that is tuned checkpoints hold all, as T5X's own do, and its
    vocabulary, so that each is a model that can be tuned further.

    It restores from three kinds of places: the frozen model itself, with which a run
    begins; the file of a prompt; a checkpoint of this kind.

    Args:
        train_state: shapes, as T5X gives them.
        partitioner: T5X's.
        checkpoints_dir: MODEL_DIR.
        dataset_iterator: whose place is saved as well.
        run: which T5, data and prompt.
        weights_dtype: what frozen weights are held in.
        options: as T5X's checkpointer has them.
    """

    def __init__(
        self,
        train_state: Any,
        partitioner: Any,
        checkpoints_dir: str,
        dataset_iterator: Any = None,
        *,
        run: Run,
        weights_dtype: str = "float32",
        **options,
    ):
        self._run, self._weights_dtype = run, jnp.dtype(weights_dtype)
        super().__init__(
            train_state, partitioner, checkpoints_dir, dataset_iterator, **options
        )

    def save(
        self,
        train_state: Any,
        state_transformation_fns: Sequence = (),
        *,
        concurrent_gb: int = 128,
    ) -> None:
        """Writes MODEL_DIR/checkpoint_STEP, and the prompt."""
        fns = list(state_transformation_fns)
        if self._run.source is None:
            super().save(train_state, fns, concurrent_gb=concurrent_gb)
            step = int(checkpoints.get_local_data(train_state.step))
            self._run.write_vocabulary(self._get_checkpoint_dir(step))
            return
        super().save(train_state, [*fns, _keep_trained], concurrent_gb=concurrent_gb)
        prompts.write_checkpoint(self._run, self.checkpoints_dir, train_state)

    def restore(
        self,
        step: int | None = None,
        path: str | None = None,
        state_transformation_fns: Sequence = (),
        fallback_state: Mapping | None = None,
        lazy_parameters: bool = False,
    ) -> Any:
        """Returns the whole state, frozen weights included.

        Raises:
            InputError: when the weights cannot be read, or the prompt is of others.
        """
        run, path = self._run, path and path.removesuffix(_NUMBER)
        if run.steps is not None:
            is_new = path == run.checkpoint
            prompts.check_folder(self.checkpoints_dir, run.entry.name, is_new=is_new)
        if path == run.checkpoint:
            loaded = self._load()
            prompt = None if run.source is None else run.start(loaded)
            return self._first_state(loaded, prompt, 0)
        if run.source is None:
            return super().restore(step, path, state_transformation_fns, fallback_state)
        if path and saved.is_prompt(path):
            return self._from_file(path)
        loaded = self._load()
        self._check_of_this_model(path, loaded)
        frozen = {"target": loaded.params}
        return super().restore(step, path, state_transformation_fns, frozen)

    def _load(self) -> LoadedModel:
        """Reads the frozen weights into their shards."""
        shapes = dict(flax.core.unfreeze(self._train_state.params))
        shapes.pop(PROMPT, None)
        axes = self._partitioner.get_mesh_axes(self._train_state).params
        axes = flax.core.unfreeze(axes)
        is_frozen = self._run.source is not None
        expected = jax.tree.map(
            lambda shape, spec: jax.ShapeDtypeStruct(
                shape.shape,
                self._weights_dtype if is_frozen else shape.dtype,
                sharding=self._sharding(spec),
            ),
            shapes,
            {name: axes[name] for name in shapes},
        )
        return self._run.load(expected, self._partitioner.mesh)

    def _sharding(self, spec: PartitionSpec | None) -> NamedSharding:
        return NamedSharding(self._partitioner.mesh, spec or PartitionSpec())

    def _first_state(self, loaded: LoadedModel, prompt: PyTree, step: int) -> Any:
        """Returns a state whose optimizer has not begun.

        Args:
            loaded: the frozen model.
            prompt: parameters of the prompt, of numpy; None of a T5 alone.
            step: of the run's own.
        """
        state = self._train_state.state_dict()
        axes = self._partitioner.get_mesh_axes(self._train_state).state_dict()
        shapes, specs = state["state"], axes["state"]
        leaves, structure = jax.tree.flatten(shapes)
        where = [self._sharding(spec) for spec in structure.flatten_up_to(specs)]
        # All optimizers here begin at zero.
        zeros = jax.jit(
            lambda: structure.unflatten([jnp.zeros(s.shape, s.dtype) for s in leaves]),
            out_shardings=structure.unflatten(where),
        )()
        zeros["step"] = self._put(np.int32(self._run.base_step + step))
        state["state"], state["target"] = zeros, dict(loaded.params)
        if prompt is not None:
            state["target"][PROMPT] = jax.tree.map(self._put, prompt)
        return self._train_state.restore_state(state)

    def _put(self, array: np.ndarray) -> jax.Array:
        """Puts an array on every device whole."""
        array = np.asarray(array)
        return jax.make_array_from_callback(
            array.shape, self._sharding(None), lambda index: array[index]
        )

    def _from_file(self, path: str) -> Any:
        """Returns the state with the prompt of a file, as it is."""
        run, found = self._run, files.read(path)
        like = jax.eval_shape(run.source.apply, {"params": self._prompt_shapes()})
        if shapes_of(found.bundle) != shapes_of(like):
            raise InputError(
                f"{path} holds {described(found.bundle)}, and the run's prompt is "
                f"{described(like)}. Leave PROMPT_LENGTH out: the file tells it."
            )
        loaded = self._load()
        self._check(path, found, loaded)
        generator = np.random.default_rng(0)
        prompt = run.source.parameters_of(found.bundle, generator)
        return self._first_state(loaded, prompt, found.story.get("step") or 0)

    def _prompt_shapes(self) -> PyTree:
        return flax.core.unfreeze(self._train_state.params)[PROMPT]

    def _check_of_this_model(self, path: str | None, loaded: LoadedModel) -> None:
        """Refuses a checkpoint whose prompt was trained for another frozen model."""
        folder = path_of(path).parent if path else path_of(self.checkpoints_dir)
        for place in names.prompt_folders(folder):
            file = names.in_folder(place, names.LAST)
            if file.is_file():
                self._check(str(file), files.read(file), loaded)

    def _check(self, path: str, found: files.SavedPrompt, loaded: LoadedModel) -> None:
        told = found.story
        if (told.get("vocabulary") or {}).get("sentinel"):
            raise InputError(
                f"{path} was trained with a sentinel before every target (SENTINEL), "
                "which tasks do not have under T5X. Use it with `spot_jax`."
            )
        made_for.check_made_for(path, told.get("model") or {}, loaded.story(), _CURE)
        ours, cure = self._run.vocabulary_story(), "Name the model's: --gin.VOCABULARY."
        made_for.check_vocabulary(path, told.get("vocabulary") or {}, ours, cure)


def _keep_trained(state: PyTree, infos: PyTree) -> tuple[PyTree, PyTree]:
    """Leaves the frozen weights out of what T5X writes."""

    def kept(tree: PyTree) -> PyTree:
        target = flax.core.unfreeze(tree["target"])
        return {**tree, "target": {PROMPT: target[PROMPT]}}

    return kept(state), kept(infos)
