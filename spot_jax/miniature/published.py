"""CxC and CR as their publishers ship them, for `spot_jax convert`."""

import pathlib
from collections.abc import Callable, Mapping

from spot_jax import tables
from spot_jax.model_dir import storage
from spot_jax.reading import as_json

Splits = Mapping[str, list[dict]]


def write_cxc(splits: Splits, folder: pathlib.Path) -> None:
    """Writes the pairs' scores and the captions they name, as CxC and COCO do.

    CxC's validation scores are what trains, its test scores what validates.
    """
    captions: list[dict] = []
    for split, name in (("train", "sts_val.csv"), ("validation", "sts_test.csv")):
        lines = [("caption1", "caption2", "agg_score", "sampling_method")]
        for row in splits[split]:
            ids = (len(captions), len(captions) + 1)
            texts = (row["sentence1"], row["sentence2"])
            captions += [
                {"sentid": number, "raw": text}
                for number, text in zip(ids, texts, strict=True)
            ]
            named = (f"COCO_val2014:sentid:{number}" for number in ids)
            lines.append((*named, row["label"], "c2c_cocoval"))
        storage.replace_file(folder / name, tables.as_csv(lines))
    coco = {"images": [{"sentences": captions}]}
    storage.replace_text(folder / "dataset_coco.json", as_json(coco, indent=None))


def write_cr(splits: Splits, folder: pathlib.Path) -> None:
    """Writes one text a line, the good and the bad ones apart, both splits as one."""
    for label, name in enumerate(("custrev.neg", "custrev.pos")):
        lines = [
            row["text"]
            for rows in splits.values()
            for row in rows
            if row["label"] == label
        ]
        storage.replace_text(folder / name, "\n".join(lines) + "\n")


PUBLISHED: dict[str, Callable[[Splits, pathlib.Path], None]] = {
    "cxc": write_cxc,
    "cr": write_cr,
}
