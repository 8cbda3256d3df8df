"""Reads the rows of a product over HTTP, as Arrow, page by page: all of one version, whatever is written meanwhile.

    python3 read_product.py http://127.0.0.1:8080 nyc.daily origin=JFK month.le=6

Conditions are columns of the product with values; `<URL>/v1/products/nyc/daily/openapi.json` lists them. A token
in LAKEBED_TOKEN says who asks. Needs pyarrow; `table.to_pandas()` is a data frame where pandas is installed.
"""

import json
import os
import re
import sys
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import Request, urlopen

import pyarrow as pa
import pyarrow.ipc


def read_product(lake: str, product: str, conditions: dict[str, str]) -> tuple[pa.Table, dict[str, str]]:
    """The rows, and what the answer says of them."""
    headers = {"Accept": "application/vnd.apache.arrow.stream"}
    if token := os.environ.get("LAKEBED_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    namespace, name = product.split(".")
    query = urlencode({**conditions, "limit": 1000})
    url = urljoin(lake, f"/v1/products/{namespace}/{name}/rows?{query}")
    pages = []
    while url:
        # A stream that breaks off raises: there is no half of a page.
        with urlopen(Request(url, headers=headers)) as answer, pa.ipc.open_stream(answer) as stream:
            pages.append(stream.read_all())
            following = re.match(r'<([^>]*)>; rel="next"', answer.headers.get("Link", ""))
            url = urljoin(lake, following[1]) if following else None
    return pa.concat_tables(pages), dict(answer.headers)


def main() -> None:
    lake, product, *conditions = sys.argv[1:]
    try:
        table, said = read_product(lake, product, dict(condition.split("=", 1) for condition in conditions))
    except HTTPError as refused:
        sys.exit(f"error: {json.load(refused)['detail']}")
    said = {name.lower(): value for name, value in said.items()}
    print(f"{product}@v{said['lakebed-version']} as of {said['lakebed-as-of']}")
    print(table.schema.to_string(show_schema_metadata=False))
    print(*table.slice(0, 3).to_pylist(), sep="\n")
    print(f"{table.num_rows} rows")


if __name__ == "__main__":
    main()
