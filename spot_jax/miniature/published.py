"""CxC and CR as their publishers ship them, for `spot_jax convert`."""

import csv
import json
import pathlib
from collections.abc import Callable, Mapping

Splits = Mapping[str, list[dict]]


def write_cxc(splits: Splits, folder: pathlib.Path) -> None:
    """Writes the pairs' scores and the captions they name, as CxC and COCO do.

    CxC's validation scores are what trains, its test scores what validates.
    """
    captions: list[dict] = []
    for split, name in (("train", "sts_val.csv"), ("validation", "sts_test.csv")):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("caption1", "caption2", "agg_score", "sampling_method"))
            for row in splits[split]:
                ids = (len(captions), len(captions) + 1)
                texts = (row["sentence1"], row["sentence2"])
                captions += [
                    {"sentid": number, "raw": text}
                    for number, text in zip(ids, texts, strict=True)
                ]
                named = (f"COCO_val2014:sentid:{number}" for number in ids)
                table.writerow((*named, row["label"], "c2c_cocoval"))
    coco = {"images": [{"sentences": captions}]}
    (folder / "dataset_coco.json").write_text(json.dumps(coco), encoding="utf-8")


def write_cr(splits: Splits, folder: pathlib.Path) -> None:
    """Writes one text a line, the good and the bad ones apart, both splits as one."""
    for label, name in enumerate(("custrev.neg", "custrev.pos")):
        lines = [
            row["text"]
            for rows in splits.values()
            for row in rows
            if row["label"] == label
        ]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


PUBLISHED: dict[str, Callable[[Splits, pathlib.Path], None]] = {
    "cxc": write_cxc,
    "cr": write_cr,
}
