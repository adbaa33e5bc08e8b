"""Rows of one's own: from a file of any common kind to texts a T5 is asked.

    files       csv, tsv, jsonl, parquet, a folder of the datasets library -> rows
    template    "mood: {text}" and a row -> text
    answers     what the right answers look like -> labels and metric
    task        all of it: the examples of a task's splits

Nothing here needs TensorFlow.
"""
