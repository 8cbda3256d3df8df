//! A connection to either engine, and what a statement becomes on it.
//!
//! Everything above speaks of [`Connection`] and [`Row`]; which database answers is decided once,
//! when a catalog is opened.

use sqlx::{
    AssertSqlSafe, Database, Encode, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection,
    Transaction, Type, database::HasStatementCache, pool::PoolConnection, postgres::PgRow,
    query::Query, sqlite::SqliteRow,
};

use crate::{
    Error, Result,
    statement::{Statement, Value},
    tries::Tries,
};

/// What statements run on.
pub(crate) enum Connection {
    /// For statements that are each a snapshot by themselves.
    Sqlite(PoolConnection<Sqlite>),
    /// The same; a connection that was lost is replaced from the pool, as long as nothing but
    /// reading is asked of it.
    Postgres(PgPool, PoolConnection<Postgres>),
    /// Dropping it leaves nothing behind.
    SqliteTransaction(Transaction<'static, Sqlite>),
    /// Dropping it leaves nothing behind.
    PostgresTransaction(Transaction<'static, Postgres>),
}

/// One row of an answer; `row.rs` reads its columns.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// The connection of the engine itself, for what only one of them does.
pub(crate) enum Engine<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

impl Connection {
    pub(crate) fn engine(&mut self) -> Engine<'_> {
        match self {
            Self::Sqlite(connection) => Engine::Sqlite(connection),
            Self::SqliteTransaction(transaction) => Engine::Sqlite(transaction),
            Self::Postgres(_, connection) => Engine::Postgres(connection),
            Self::PostgresTransaction(transaction) => Engine::Postgres(transaction),
        }
    }

    /// Never tried again: outside a transaction it may have happened although the answer was lost.
    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<u64> {
        Ok(match self.engine() {
            Engine::Sqlite(connection) => {
                prepared(&statement).execute(connection).await?.rows_affected()
            }
            Engine::Postgres(connection) => {
                prepared(&statement).execute(connection).await?.rows_affected()
            }
        })
    }

    pub(crate) async fn fetch_all(&mut self, statement: Statement) -> Result<Vec<Row>> {
        let mut tries = Tries::new();
        loop {
            match self.fetch_once(&statement).await {
                Err(error) if self.is_replaceable() && tries.again(&error).await => {
                    self.replace().await?;
                }
                answer => return answer,
            }
        }
    }

    async fn fetch_once(&mut self, statement: &Statement) -> Result<Vec<Row>> {
        Ok(match self.engine() {
            Engine::Sqlite(connection) => {
                let rows = prepared(statement).fetch_all(connection).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Engine::Postgres(connection) => {
                let rows = prepared(statement).fetch_all(connection).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    const fn is_replaceable(&self) -> bool {
        matches!(self, Self::Postgres(..))
    }

    /// Takes another connection. While there is none, the lost one goes on failing, and is asked
    /// again until patience ends.
    async fn replace(&mut self) -> Result<()> {
        let Self::Postgres(pool, connection) = self else { return Ok(()) };
        match pool.acquire().await.map_err(Error::from) {
            Ok(fresh) => *connection = fresh,
            Err(error) if error.is_passing() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Makes a transaction durable and visible.
    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Self::SqliteTransaction(transaction) => Ok(transaction.commit().await?),
            Self::PostgresTransaction(transaction) => Ok(transaction.commit().await?),
            // Each statement committed itself.
            Self::Sqlite(_) | Self::Postgres(..) => Ok(()),
        }
    }
}

/// The text is ours: constants, and placeholders counted by [`Statement::push_bind`].
fn prepared<'a, E>(statement: &'a Statement) -> Query<'a, E, E::Arguments>
where
    E: Database + HasStatementCache,
    Option<i64>: Encode<'a, E> + Type<E>,
    Option<&'a str>: Encode<'a, E> + Type<E>,
    Option<&'a [u8]>: Encode<'a, E> + Type<E>,
{
    let mut query = sqlx::query(AssertSqlSafe(statement.sql.clone())).persistent(statement.is_kept);
    for value in &statement.values {
        query = match value {
            Value::Number(number) => query.bind(*number),
            Value::Text(text) => query.bind(text.as_deref()),
            Value::Bytes(bytes) => query.bind(bytes.as_deref()),
        };
    }
    query
}
