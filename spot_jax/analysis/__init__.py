"""What a study found: statistics, tables, figures and the page that shows them.

Files are read and checked (`csv_files`, `study`, `published`), computed with (one file
a question: `transfers`, `methods`, `correlation`, `tasks`, `curves`, `missing`), drawn
(`figures`), told (`sections`, `findings`) and written (`page`, `markdown`, `output`).
"""
