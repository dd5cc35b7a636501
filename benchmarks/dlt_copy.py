"""Copies one table with dlt, for the comparison: python benchmarks/dlt_copy.py SOURCE_URL TARGET_URL TABLE BACKEND

Runs in an environment of its own: pip install "dlt[postgres]" sqlalchemy "psycopg[binary]" connectorx pandas pyarrow
"""

import sys
import tempfile
from importlib import import_module

PIECE = 100_000  # rows


def main(source: str, target: str, name: str, backend: str) -> None:
    """Copy a table into the schema 'copied' of the target."""
    dlt = import_module("dlt")
    tables = import_module("dlt.sources.sql_database")
    with tempfile.TemporaryDirectory(prefix="dlt-") as folder:
        destination = dlt.destinations.postgres(target)
        pipeline = dlt.pipeline("bench", destination=destination, dataset_name="copied", pipelines_dir=folder)
        table = tables.sql_table(credentials=source, table=name, backend=backend, chunk_size=PIECE)
        shape = {} if backend == "sqlalchemy" else {"loader_file_format": "csv"}
        pipeline.run(table, write_disposition="replace", **shape)


if __name__ == "__main__":
    main(*sys.argv[1:])
