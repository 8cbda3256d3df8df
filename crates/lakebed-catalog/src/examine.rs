//! Whether a database is fit to be a lake's record: that it keeps what it was told to keep, and
//! tells the same time as we do.
//!
//! Nothing is written. What a database must be told is told when it is opened; here we ask whether
//! it heard.

use lakebed_core::{Check, Timestamp};

use crate::{Catalog, Error, Result, connection::Connection, statement::query};

/// Clocks that differ by more are worth a warning: leases are counted on the database's, times of
/// events on ours.
const SKEW_SECONDS: i64 = 30;

/// What a server must not have switched off.
const DURABLE: [(&str, &str); 3] = [
    ("fsync", "SELECT current_setting('fsync') AS value"),
    ("full_page_writes", "SELECT current_setting('full_page_writes') AS value"),
    ("synchronous_commit", "SELECT current_setting('synchronous_commit') AS value"),
];

impl Catalog {
    /// Looks at the database: one check a property. `now` is this machine's time.
    pub async fn examine(&self, now: Timestamp) -> Vec<Check> {
        let checks = match self.is_shared() {
            true => self.examine_server(now).await,
            false => self.examine_file().await,
        };
        checks.unwrap_or_else(|error| vec![unreadable(&error)])
    }

    async fn examine_file(&self) -> Result<Vec<Check>> {
        let mut connection = self.connection().await?;
        // Not every pragma can be selected from.
        let journal = query("PRAGMA journal_mode").fetch_one(&mut connection).await?;
        let journal = journal.text("journal_mode")?;
        let synchronous =
            query("PRAGMA synchronous").fetch_one(&mut connection).await?.number("synchronous")?;
        let durability = match (journal.as_str(), synchronous) {
            ("wal", 2..) => {
                Check::ok("durability", "a commit is on the disk before it is acknowledged")
            }
            (journal, level) => Check::failed(
                "durability",
                format!(
                    "the database runs with journal mode `{journal}` and synchronous level {level}"
                ),
                "open it with an unchanged Lakebed: another program changed its settings",
            ),
        };
        let found = query("PRAGMA quick_check(1)").fetch_one(&mut connection).await?;
        let found = found.text("quick_check")?;
        let integrity = match found.as_str() {
            "ok" => Check::ok("database", "SQLite finds its file whole"),
            found => Check::failed(
                "database",
                format!("SQLite says of its file: {found}"),
                "run `lakebed rebuild --replace`: it makes another from the lake's journal",
            ),
        };
        Ok(vec![integrity, durability])
    }

    async fn examine_server(&self, now: Timestamp) -> Result<Vec<Check>> {
        let mut connection = self.connection().await?;
        let version = "SELECT current_setting('server_version') AS value";
        let version = setting(&mut connection, version).await?;
        let mut checks = vec![Check::ok("database", format!("PostgreSQL {version}"))];
        let mut off = Vec::new();
        for (name, sql) in DURABLE {
            if setting(&mut connection, sql).await? == "off" {
                off.push(name);
            }
        }
        checks.push(match off.as_slice() {
            [] => Check::ok("durability", "a commit is on the disk before it is acknowledged"),
            off => Check::failed(
                "durability",
                format!("the server runs with {} = off", off.join(", ")),
                "switch it on: an acknowledged version could be lost with the server's power",
            ),
        });
        let micros =
            query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT AS value")
                .fetch_one(&mut connection)
                .await?
                .number("value")?;
        drop(connection);
        checks.push(clock(now, i64::try_from(micros).unwrap_or(i64::MAX)));
        checks.push(self.isolation().await?);
        Ok(checks)
    }

    /// Whether a transaction that reads sees one state: asked of one, for a proxy may have changed it.
    async fn isolation(&self) -> Result<Check> {
        let mut read = self.begin_read().await?;
        let level = "SELECT current_setting('transaction_isolation') AS value";
        let level = setting(&mut read, level).await?;
        Ok(match level.as_str() {
            "repeatable read" | "serializable" => {
                Check::ok("isolation", format!("readers see one state ({level})"))
            }
            level => Check::failed(
                "isolation",
                format!("readers run at `{level}`"),
                "take away what stands between Lakebed and the database and changes transactions",
            ),
        })
    }
}

async fn setting(connection: &mut Connection, sql: &'static str) -> Result<String> {
    query(sql).fetch_one(connection).await?.text("value")
}

fn clock(now: Timestamp, theirs_micros: i64) -> Check {
    let ahead = (now.as_micros() - theirs_micros) / 1_000_000;
    let way = if ahead < 0 { "behind" } else { "ahead of" };
    let detail = format!("this machine's clock is {} s {way} the database's", ahead.abs());
    match ahead.abs() {
        apart if apart > SKEW_SECONDS => {
            Check::warning("database-clock", detail, "set both clocks (NTP)")
        }
        _ => Check::ok("database-clock", detail),
    }
}

fn unreadable(error: &Error) -> Check {
    Check::failed("database", error.to_string(), "see that the database can be reached and read")
}

#[cfg(test)]
mod tests {
    use lakebed_core::{LakeId, Outcome};

    use super::*;

    #[tokio::test]
    async fn a_file_of_ours_is_whole_and_durable() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lakebed.db");
        let lake = LakeId::from_bytes([7; 16]);
        let catalog = Catalog::open_file(&path, lake).await.expect("a new catalog");
        let checks = catalog.examine(Timestamp::from_micros(0)).await;
        let names: Vec<_> = checks.iter().map(|check| (check.name, check.outcome)).collect();
        assert_eq!(names, [("database", Outcome::Ok), ("durability", Outcome::Ok)], "{checks:?}");
    }

    #[test]
    fn clocks_that_differ_are_told_apart_from_those_that_agree() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        assert_eq!(clock(at(100), 99_000_000).outcome, Outcome::Ok);
        let behind = clock(at(100), 200_000_000);
        assert_eq!(behind.outcome, Outcome::Warning);
        assert!(behind.detail.contains("100 s behind"), "{}", behind.detail);
    }
}
