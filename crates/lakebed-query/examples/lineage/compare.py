#!/usr/bin/env python3
"""Compares lineages of TPC-H's 22 queries with those of sqlglot: source columns by output column.

    python3 -m venv target/sqlglot && target/sqlglot/bin/pip install sqlglot==30.30.0
    cargo build -p lakebed-query --example lineage
    target/sqlglot/bin/python crates/lakebed-query/examples/lineage/compare.py target/debug/examples/lineage

sqlglot knows no conditions: what it finds is compared with what values are made of, and where that
differs with what decides about them, too. README.md, beside this, explains each difference. Exits with
1 if the differences are not those of DIFFERENCES.
"""

import json
import pathlib
import subprocess
import sys

import sqlglot
from sqlglot import exp
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify

QUERIES = pathlib.Path(__file__).parents[2] / "benches/tpch/queries.sql"
NUMBER, MONEY = "long", "decimal(15,2)"
TABLES = {
    "customer": {
        "c_custkey": NUMBER, "c_name": "string", "c_address": "string", "c_nationkey": NUMBER,
        "c_phone": "string", "c_acctbal": MONEY, "c_mktsegment": "string", "c_comment": "string",
    },
    "lineitem": {
        "l_orderkey": NUMBER, "l_partkey": NUMBER, "l_suppkey": NUMBER, "l_linenumber": NUMBER,
        "l_quantity": MONEY, "l_extendedprice": MONEY, "l_discount": MONEY, "l_tax": MONEY,
        "l_returnflag": "string", "l_linestatus": "string", "l_shipdate": "date",
        "l_commitdate": "date", "l_receiptdate": "date", "l_shipinstruct": "string",
        "l_shipmode": "string", "l_comment": "string",
    },
    "nation": {
        "n_nationkey": NUMBER, "n_name": "string", "n_regionkey": NUMBER, "n_comment": "string",
    },
    "orders": {
        "o_orderkey": NUMBER, "o_custkey": NUMBER, "o_orderstatus": "string", "o_totalprice": MONEY,
        "o_orderdate": "date", "o_orderpriority": "string", "o_clerk": "string",
        "o_shippriority": NUMBER, "o_comment": "string",
    },
    "part": {
        "p_partkey": NUMBER, "p_name": "string", "p_mfgr": "string", "p_brand": "string",
        "p_type": "string", "p_size": NUMBER, "p_container": "string", "p_retailprice": MONEY,
        "p_comment": "string",
    },
    "partsupp": {
        "ps_partkey": NUMBER, "ps_suppkey": NUMBER, "ps_availqty": NUMBER, "ps_supplycost": MONEY,
        "ps_comment": "string",
    },
    "region": {"r_regionkey": NUMBER, "r_name": "string", "r_comment": "string"},
    "supplier": {
        "s_suppkey": NUMBER, "s_name": "string", "s_address": "string", "s_nationkey": NUMBER,
        "s_phone": "string", "s_acctbal": MONEY, "s_comment": "string",
    },
}
# The differences that are explained in README.md: query and output column.
DIFFERENCES = {
    ("Q8", "mkt_share"),
    ("Q12", "high_line_count"),
    ("Q12", "low_line_count"),
    ("Q14", "promo_revenue"),
}


def statements():
    parts = QUERIES.read_text().split("\n-- ")[1:]
    split = (part.split("\n", 1) for part in parts)
    return {name: sql.strip().rstrip(";") for name, sql in split if name.startswith("Q")}


def ours(program, queries):
    """Output columns in order, each a name, what its values are made of, and what decides about them."""
    tables = {f"tpch.{name}": list(columns.items()) for name, columns in TABLES.items()}
    request = json.dumps({"tables": tables, "statements": queries})
    answer = subprocess.run([program], input=request, capture_output=True, text=True, check=True)
    told = {}
    for query, document in json.loads(answer.stdout).items():
        names = [entry["dataset"].removeprefix("tpch.") for entry in document["inputs"]]
        found = lambda edges: {f"{names[edge['input']]}.{edge['column']}" for edge in edges}
        told[query] = [
            (column["name"], found(column.get("direct", [])), found(column.get("conditional", [])))
            for column in document["outputs"]
        ]
    return told


def theirs(sql):
    """Output columns in order, each a name and the columns of tables that its tree ends in."""
    types = {NUMBER: "bigint", MONEY: "decimal(15,2)", "string": "varchar", "date": "date"}
    columns = {
        name: {column: types[kind] for column, kind in columns.items()}
        for name, columns in TABLES.items()
    }
    schema = {"tpch": columns}
    selects = qualify(sqlglot.parse_one(sql, dialect="postgres"), schema=schema).selects
    return [(select.alias_or_name, leaves(select.alias_or_name, sql, schema)) for select in selects]


def leaves(column, sql, schema):
    root = lineage(column, sql, schema=schema, dialect="postgres")
    found = set()
    for node in root.walk():
        if isinstance(node.expression, exp.Table):
            found.add(f"{node.expression.name}.{node.name.split('.')[-1].strip(chr(34))}")
    return found


def main():
    queries = statements()
    told = ours(sys.argv[1], queries)
    compared, differences = 0, set()
    for query, sql in queries.items():
        for (name, direct, conditional), (other, sources) in zip(told[query], theirs(sql), strict=True):
            compared += 1
            if direct == sources:
                continue
            differences.add((query, name))
            same = "the same with what decides" if direct | conditional == sources else "other columns"
            print(f"{query} {name} ({other}): {same}")
            print(f"  ours alone: {', '.join(sorted(direct - sources)) or '-'}")
            print(f"  theirs alone: {', '.join(sorted(sources - direct)) or '-'}")
            print(f"  ours, what decides: {', '.join(sorted(conditional)) or '-'}")
    print(f"{len(queries)} queries, {compared} output columns, {len(differences)} differences")
    if differences != DIFFERENCES:
        print(f"not explained, or gone: {sorted(differences ^ DIFFERENCES)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
