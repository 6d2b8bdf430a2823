"""Views of the log: tables made from events alone, which can be thrown away and made again.

A projection says which tables it has and what each event changes in them (`projection`). The engine pulls events in
batches after the place it has come to, lets the projections work out what changes, and writes that and the new place
in one transaction (`engine`). So each event counts exactly once, whoever is killed when.
"""
