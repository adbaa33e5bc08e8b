"""What a study found: statistics, tables, figures and the page that shows them.

Files are read and checked (`csv_files`, `study`), computed with (one file a question:
`transfers`, `methods`, `controls`, `correlation`, `tasks`, `curves`, `ends`,
`missing`), drawn (`figures`), told (`sections`, `findings`, `control_sections`,
`table_controls`) and written (`page`, `markdown`, `output`).
"""
