//! The peer and the data, from PyPI, in a virtual environment of their own below the build folder.
//!
//! Everything is made once and kept; a file appears under its name only when it is whole.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// The versions we compare with; the folder is named for them.
const PACKAGES: [&str; 2] = ["tpchgen-cli==4.0.0", "duckdb==2.0.0"];

/// What TPC-H is made of.
pub(crate) const TPCH_TABLES: [&str; 8] =
    ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"];

/// Reads a CSV file and writes one Parquet file: the peer's whole job.
const DUCKDB_COPY: &str = r#"
import sys, duckdb
source, target = (name.replace("'", "''") for name in sys.argv[1:])
duckdb.connect().execute(
    f"COPY (FROM '{source}') TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
"#;

/// What speaks DuckLake on PostgreSQL: its extensions come from PyPI as well, for this version.
const DUCKLAKE_PACKAGES: [&str; 4] = [
    "duckdb==1.5.5",
    "duckdb-extensions==1.5.5",
    "duckdb-extension-ducklake==1.5.5",
    "duckdb-extension-postgres-scanner==1.5.5",
];

/// Replaces ten rows whenever it reads a line, in one transaction that writes a file; answers with
/// the milliseconds that took.
const DUCKLAKE_COMMITS: &str = r#"
import sys, time, duckdb
from duckdb_extensions import import_extension
for name in ("ducklake", "postgres_scanner"):
    import_extension(name)
catalog, folder = (name.replace("'", "''") for name in sys.argv[1:])
lake = duckdb.connect()
for name in ("ducklake", "postgres_scanner"):
    lake.execute(f"LOAD {name}")
lake.execute(f"ATTACH 'ducklake:postgres:{catalog}' AS l "
             f"(DATA_PATH '{folder}/files/', DATA_INLINING_ROW_LIMIT 0)")
lake.execute("CREATE TABLE l.t AS SELECT range a, 'row ' || range b FROM range(10)")
print("ready", flush=True)
for count, _ in enumerate(sys.stdin):
    start = time.perf_counter()
    lake.execute("BEGIN")
    lake.execute("DELETE FROM l.t")
    lake.execute(f"INSERT INTO l.t SELECT range + {count}, 'row ' || range FROM range(10)")
    lake.execute("COMMIT")
    print((time.perf_counter() - start) * 1000, flush=True)
"#;

/// A server for Parquet files by an earlier DataFusion, which asks nobody who they are.
const ROAPI_PACKAGES: [&str; 1] = ["roapi==0.12.7"];

/// Loads TPC-H's tables with the types of its specification and answers each query of a file with a
/// line of JSON: types of columns, and rows as texts.
const DUCKDB_ANSWERS: &str = r#"
import json, sys, duckdb
queries, folder = sys.argv[1:]
money, text = "DECIMAL(15,2)", "VARCHAR"
tables = {
    "customer": dict(custkey="BIGINT", name=text, address=text, nationkey="BIGINT", phone=text, acctbal=money,
                     mktsegment=text, comment=text),
    "lineitem": dict(orderkey="BIGINT", partkey="BIGINT", suppkey="BIGINT", linenumber="INTEGER",
                     quantity=money, extendedprice=money, discount=money, tax=money, returnflag=text,
                     linestatus=text, shipdate="DATE", commitdate="DATE", receiptdate="DATE",
                     shipinstruct=text, shipmode=text, comment=text),
    "nation": dict(nationkey="BIGINT", name=text, regionkey="BIGINT", comment=text),
    "orders": dict(orderkey="BIGINT", custkey="BIGINT", orderstatus=text, totalprice=money, orderdate="DATE",
                   orderpriority=text, clerk=text, shippriority="INTEGER", comment=text),
    "part": dict(partkey="BIGINT", name=text, mfgr=text, brand=text, type=text, size="INTEGER", container=text,
                 retailprice=money, comment=text),
    "partsupp": dict(partkey="BIGINT", suppkey="BIGINT", availqty="INTEGER", supplycost=money, comment=text),
    "region": dict(regionkey="BIGINT", name=text, comment=text),
    "supplier": dict(suppkey="BIGINT", name=text, address=text, nationkey="BIGINT", phone=text, acctbal=money,
                     comment=text),
}
lake = duckdb.connect()
lake.execute("SET enable_progress_bar = false")
lake.execute("CREATE SCHEMA tpch")
for table, columns in tables.items():
    short = "ps" if table == "partsupp" else table[0]
    types = {f"{short}_{name}": kind for name, kind in columns.items()}
    lake.execute(f"CREATE TABLE tpch.{table} AS FROM read_csv(?, header=true, columns={types})",
                 [f"{folder}/{table}.csv"])
for query in open(queries).read().split("\n-- Q")[1:]:
    name, sql = query.split("\n", 1)
    answer = lake.execute(sql)
    types = [str(column[1]) for column in answer.description]
    rows = [[None if cell is None else str(cell) for cell in row] for row in answer.fetchall()]
    print(json.dumps({"query": f"Q{name}", "types": types, "rows": rows}), flush=True)
"#;

/// What reads files that are not as they should be.
const MESSY_PACKAGES: [&str; 3] = ["duckdb==2.0.0", "pandas==3.1.1", "polars==2.1.0"];

/// Reads every file with every reader as it comes, and writes a line of JSON for each: the rows as texts,
/// and whether it said that something is wrong, by an exception or a warning.
const MESSY_READ: &str = r#"
import json, sys, warnings
import duckdb, pandas, polars

def with_duckdb(name):
    return duckdb.connect().read_csv(name).fetchall()

def with_pandas(name):
    table = pandas.read_csv(name)
    return table.astype(object).where(table.notna(), None).values.tolist()

def with_polars(name):
    return polars.read_csv(name).rows()

for reader, read in (("duckdb", with_duckdb), ("pandas", with_pandas), ("polars", with_polars)):
    for name in sys.argv[1:]:
        rows, said = [], False
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                rows = [["" if cell is None else str(cell) for cell in row] for row in read(name)]
            except BaseException:
                said = True
        print(json.dumps({"reader": reader, "rows": rows, "said": said or bool(told)}))
"#;

/// The peers that read polluted files.
#[derive(Debug)]
pub(crate) struct Messy {
    folder: PathBuf,
}

impl Messy {
    /// Installs the peers into `parent` when they are missing.
    pub(crate) fn install(parent: &Path) -> Result<Self> {
        let name = "peers-messy-duckdb-2.0.0-pandas-3.1.1-polars-2.1.0";
        Ok(Self { folder: install(parent, name, &MESSY_PACKAGES)? })
    }

    /// Python that runs [`MESSY_READ`] on those files.
    pub(crate) fn read(&self, files: &[PathBuf]) -> Command {
        let mut command = Command::new(self.folder.join("bin/python"));
        command.args(["-c", MESSY_READ]).args(files);
        command
    }
}

/// Python that runs [`DUCKLAKE_COMMITS`] with a catalog on PostgreSQL and files in `folder`.
pub(crate) fn ducklake_commits(parent: &Path, catalog: &str, folder: &Path) -> Result<Command> {
    let home = install(parent, "peers-ducklake-1.5.5", &DUCKLAKE_PACKAGES)?;
    let mut command = Command::new(home.join("bin/python"));
    command.args(["-c", DUCKLAKE_COMMITS, catalog]).arg(folder);
    Ok(command)
}

/// A virtual environment below `parent` with these packages, made if it is missing.
fn install(parent: &Path, name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = parent.join(name);
    if !folder.is_dir() {
        eprintln!("installing {} from PyPI", packages.join(", "));
        let unfinished = parent.join("peers-unfinished");
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&unfinished))?;
        let python = unfinished.join("bin/python");
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        succeed(Command::new(python).args(pip).args(packages))?;
        fs::rename(&unfinished, &folder).context("cannot name the virtual environment")?;
    }
    Ok(folder)
}

/// The virtual environment.
#[derive(Debug)]
pub(crate) struct Peers {
    folder: PathBuf,
}

impl Peers {
    /// Installs the peers into `parent` when they are missing.
    pub(crate) fn install(parent: &Path) -> Result<Self> {
        let folder = install(parent, "peers-tpchgen-4.0.0-duckdb-2.0.0", &PACKAGES)?;
        Ok(Self { folder })
    }

    /// DuckDB's command for `source` to `target`.
    pub(crate) fn duckdb_copy(&self, source: &Path, target: &Path) -> Vec<OsString> {
        let python = self.folder.join("bin/python");
        let words: [&OsStr; 5] = [
            python.as_ref(),
            "-c".as_ref(),
            DUCKDB_COPY.as_ref(),
            source.as_ref(),
            target.as_ref(),
        ];
        words.map(OsStr::to_owned).to_vec()
    }

    /// TPC-H's `lineitem` at scale 1 as CSV: 766 MB, 6,001,215 rows.
    pub(crate) fn lineitem(&self, parent: &Path) -> Result<PathBuf> {
        self.table(parent, "lineitem")
    }

    /// All of TPC-H at scale 1, a CSV file a table, in one folder.
    pub(crate) fn tpch(&self, parent: &Path) -> Result<PathBuf> {
        for table in TPCH_TABLES {
            self.table(parent, table)?;
        }
        Ok(parent.to_owned())
    }

    fn table(&self, parent: &Path, table: &str) -> Result<PathBuf> {
        let name = format!("{table}.csv");
        let file = parent.join(&name);
        if !file.is_file() {
            eprintln!("generating {name}");
            let unfinished = parent.join("tpch-unfinished");
            let mut generator = Command::new(self.folder.join("bin/tpchgen-cli"));
            generator.args(["csv", "--scale-factor", "1", "--tables", table]);
            generator.args(["--quiet", "--overwrite", "--output-dir"]).arg(&unfinished);
            succeed(&mut generator)?;
            let made = fs::rename(unfinished.join(&name), &file);
            made.with_context(|| format!("no {name} came"))?;
            fs::remove_dir_all(&unfinished).context("cannot remove the generator's folder")?;
        }
        Ok(file)
    }

    /// Python that runs [`DUCKDB_ANSWERS`] on the queries of a file, over the tables of a folder.
    pub(crate) fn duckdb_answers(&self, queries: &Path, tables: &Path) -> Command {
        let mut command = Command::new(self.folder.join("bin/python"));
        command.args(["-c", DUCKDB_ANSWERS]).arg(queries).arg(tables);
        command
    }
}

/// ROAPI's program, installed below `parent` if it is missing.
pub(crate) fn roapi(parent: &Path) -> Result<PathBuf> {
    Ok(install(parent, "peers-roapi-0.12.7", &ROAPI_PACKAGES)?.join("bin/roapi"))
}

/// `lineitem` and one row more for every hundred, with order keys of their own.
pub(crate) fn grown(lineitem: &Path, parent: &Path) -> Result<PathBuf> {
    let file = parent.join("lineitem-grown.csv");
    if !file.is_file() {
        eprintln!("writing lineitem-grown.csv");
        let unfinished = parent.join("lineitem-grown.unfinished");
        write_grown(lineitem, &unfinished).context("cannot write the longer lineitem")?;
        fs::rename(&unfinished, &file).context("cannot name the longer lineitem")?;
    }
    Ok(file)
}

fn write_grown(lineitem: &Path, grown: &Path) -> Result<()> {
    const EVERY: usize = 100;
    const LAST_ORDER: u64 = 6_000_000;
    fs::copy(lineitem, grown)?;
    let mut output = BufWriter::new(File::options().append(true).open(grown)?);
    let rows = BufReader::new(File::open(lineitem)?).lines().skip(1);
    for row in rows.step_by(EVERY) {
        let row = row?;
        let (order, rest) = row.split_once(',').context("a row without a comma")?;
        writeln!(output, "{},{rest}", order.parse::<u64>()? + LAST_ORDER)?;
    }
    Ok(output.flush()?)
}

fn succeed(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_owned();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    match status.with_context(|| format!("cannot start `{}`", name.display()))?.success() {
        true => Ok(()),
        false => bail!("`{}` failed", name.display()),
    }
}
