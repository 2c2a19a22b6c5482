//! All writes, one statement a table, run for one row after another: it stays prepared whatever
//! the size of a batch.

use std::num::TryFromIntError;

use rusqlite::{
    Error::ToSqlConversionFailure, ToSql, Transaction, ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
    params_from_iter, types::ToSqlOutput,
};
use sea_orm::{
    Value,
    sea_query::{Expr, ExprTrait as _, Query, SqliteQueryBuilder},
};

use super::{Change, Rows, Writes};
use crate::database::StoreError;

impl Writes {
    /// Writes all of it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another transaction was first.
    pub(crate) fn into_sqlite(self, tx: &Transaction<'_>) -> Result<(), StoreError> {
        self.changes.into_iter().try_for_each(|change| match change {
            Change::Insert(rows) => insert(&rows, tx),
            Change::Delete { table, column, values } => {
                let this = Expr::col(column).eq(Expr::cust("?"));
                let delete = Query::delete().from_table(table).and_where(this).take();
                let mut delete = tx.prepare_cached(&delete.to_string(SqliteQueryBuilder))?;
                for value in &values {
                    delete.execute([Parameter(value)])?;
                }
                Ok(())
            }
        })
    }
}

fn insert(rows: &Rows, tx: &Transaction<'_>) -> Result<(), StoreError> {
    let mut insert = tx.prepare_cached(&text(rows))?;
    for row in 0..rows.len() {
        let values = rows.columns.iter().map(|column| Parameter(&column.values[row]));
        let written = insert.execute(params_from_iter(values));
        if let Some(table) = rows.expected
            && is_conflict(&written)
        {
            return Err(StoreError::Conflict(table));
        }
        written?;
    }
    Ok(())
}

/// Whether the row was not written, because there is another with its key.
fn is_conflict(written: &rusqlite::Result<usize>) -> bool {
    match written {
        Ok(written) => *written != 1,
        Err(error) => error
            .sqlite_error()
            .is_some_and(|error| error.extended_code == SQLITE_CONSTRAINT_PRIMARYKEY),
    }
}

/// `INSERT INTO t (a, b) VALUES (?, ?)`.
fn text(Rows { table, columns, on_conflict, .. }: &Rows) -> String {
    let mut insert = Query::insert();
    let names = columns.iter().map(|column| column.name.clone());
    let values = columns.iter().map(|_| Expr::cust("?"));
    insert.into_table(table.clone()).columns(names).values_panic(values);
    if let Some(on_conflict) = on_conflict {
        insert.on_conflict(on_conflict.clone());
    }
    insert.to_string(SqliteQueryBuilder)
}

/// A value, as SQLite takes it.
pub struct Parameter<'a>(pub &'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self.0 {
            Value::BigInt(number) => number.to_sql(),
            Value::Int(number) => number.to_sql(),
            Value::BigUnsigned(Some(number)) => {
                let too_large = |error: TryFromIntError| ToSqlConversionFailure(error.into());
                Ok(i64::try_from(*number).map_err(too_large)?.into())
            }
            Value::Bool(is) => is.to_sql(),
            Value::String(string) => string.to_sql(),
            Value::Bytes(bytes) => bytes.to_sql(),
            // Our tables have no other columns, and limits are unsigned: a test would end here.
            other => unreachable!("a column of {other:?}"),
        }
    }
}
