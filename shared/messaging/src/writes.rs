//! What a transaction writes, however many tables and rows it is.
//!
//! Reads come first; then everything that changes is collected here and written at once. To
//! PostgreSQL that is one statement, whose parts are common table expressions, which see the tables
//! as they were before: no row may be written by two of them.

use sea_orm::{
    ConnectionTrait, DbBackend, Iterable, QueryResult,
    entity::prelude::*,
    sea_query::{
        Alias, CommonTableExpression, DeleteStatement, Expr, ExprTrait as _, InsertStatement,
        IntoColumnRef, OnConflict, Query, SelectStatement, SubQueryStatement, WithQuery,
    },
};

use crate::{database::StoreError, sets};

/// The columns that tell whether a row has changed.
#[derive(Clone, Copy, Debug)]
pub struct Versions<'a, C> {
    /// What the row is found by.
    pub keys: &'a [C],
    /// The row's version.
    pub version: C,
    /// The version it was changed from.
    pub base: C,
}

/// The writes of one transaction.
pub struct Writes {
    backend: DbBackend,
    parts: Vec<Part>,
}

struct Part {
    statement: Change,
    /// How many rows it must write, and of which table.
    expected: Option<(u64, &'static str)>,
}

enum Change {
    Insert(InsertStatement),
    Delete(DeleteStatement),
}

impl Writes {
    /// Nothing yet.
    pub fn new(backend: DbBackend) -> Self {
        Self { backend, parts: Vec::new() }
    }

    /// Inserts `rows`; `on_conflict` says what becomes of those that are there already.
    pub fn insert<A: ActiveModelTrait>(&mut self, rows: Vec<A>, on_conflict: Option<&OnConflict>) {
        self.add(rows, on_conflict, false);
    }

    /// Inserts rows that must not be there: if one is, another transaction was first.
    pub fn insert_new<A: ActiveModelTrait>(
        &mut self,
        rows: Vec<A>,
        keys: &[<A::Entity as EntityTrait>::Column],
    ) {
        let known = OnConflict::columns(keys.iter().copied()).do_nothing().to_owned();
        self.add(rows, Some(&known), true);
    }

    /// Inserts new rows and replaces those that still have the version they were changed from:
    /// otherwise another transaction was first. Rows have to come in one order, in which they are
    /// locked.
    pub fn replace_unchanged<A: ActiveModelTrait>(
        &mut self,
        rows: Vec<A>,
        versions: &Versions<'_, <A::Entity as EntityTrait>::Column>,
    ) {
        let is_key = |column: &<A::Entity as EntityTrait>::Column| {
            versions.keys.iter().any(|key| key.as_str() == column.as_str())
        };
        let is_unchanged = Expr::col((A::Entity::default(), versions.version).into_column_ref())
            .eq(Expr::col((Alias::new("excluded"), versions.base)));
        let replace = OnConflict::columns(versions.keys.iter().copied())
            .update_columns(<A::Entity as EntityTrait>::Column::iter().filter(|c| !is_key(c)))
            .action_and_where(is_unchanged)
            .to_owned();
        self.add(rows, Some(&replace), true);
    }

    /// Deletes the rows whose `column` has one of these values.
    pub fn delete<C: ColumnTrait>(&mut self, column: C, values: Vec<impl Into<Value>>) {
        if values.is_empty() {
            return;
        }
        let those = sets::among(self.backend, column, values);
        let table = Alias::new(column.entity_name().to_string());
        let delete = Query::delete().from_table(table).and_where(those).take();
        self.parts.push(Part { statement: Change::Delete(delete), expected: None });
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another transaction was first.
    pub async fn run(self, tx: &impl ConnectionTrait) -> Result<(), StoreError> {
        if self.parts.is_empty() {
            return Ok(());
        }
        match self.backend {
            DbBackend::Postgres => at_once(tx, self.parts).await,
            _ => one_by_one(tx, self.parts).await,
        }
    }

    fn add<A: ActiveModelTrait>(
        &mut self,
        rows: Vec<A>,
        on_conflict: Option<&OnConflict>,
        is_expected: bool,
    ) {
        let mut left = rows.len();
        for insert in sets::inserts(self.backend, rows, on_conflict) {
            let rows = if self.backend == DbBackend::Postgres {
                left
            } else {
                left.min(sets::rows_limit::<A>())
            };
            left -= rows;
            let expected = is_expected.then(|| (rows as u64, A::Entity::default().table_name()));
            self.parts.push(Part { statement: Change::Insert(insert), expected });
        }
    }
}

/// `WITH w0 AS (INSERT ... RETURNING 1), w1 AS (...) SELECT (SELECT count(*) FROM w0), ...`.
async fn at_once(tx: &impl ConnectionTrait, parts: Vec<Part>) -> Result<(), StoreError> {
    // Built without `to_owned`, which would copy every value.
    let (mut query, mut counts, mut expected) = (WithQuery::new(), Query::select(), Vec::new());
    for (number, part) in parts.into_iter().enumerate() {
        let name = Alias::new(format!("w{number}"));
        if let Some(expectation) = part.expected {
            let count: SelectStatement =
                Query::select().expr(Expr::cust("count(*)")).from(name.clone()).take();
            counts.expr_as(count, name.clone());
            expected.push((format!("w{number}"), expectation));
        }
        let statement: SubQueryStatement = match part.statement {
            Change::Insert(insert) if part.expected.is_some() => {
                let mut insert = insert;
                insert.returning(Query::returning().expr(Expr::cust("1")));
                insert.into()
            }
            Change::Insert(insert) => insert.into(),
            Change::Delete(delete) => delete.into(),
        };
        let mut table = CommonTableExpression::new();
        table.query(statement).table_name(name);
        query.cte(table);
    }
    if expected.is_empty() {
        counts.expr(Expr::cust("1"));
    }
    query.query(counts);
    let row = tx.query_one(&query).await?;
    let count = |row: &QueryResult, name: &str| row.try_get::<i64>("", name);
    for (name, (rows, table)) in expected {
        let written = row.as_ref().map(|row| count(row, &name)).transpose()?.unwrap_or_default();
        if u64::try_from(written) != Ok(rows) {
            return Err(StoreError::Conflict(table));
        }
    }
    Ok(())
}

/// SQLite is in the process: there is no round trip to save.
async fn one_by_one(tx: &impl ConnectionTrait, parts: Vec<Part>) -> Result<(), StoreError> {
    for Part { statement, expected } in parts {
        let written = match statement {
            Change::Insert(insert) => tx.execute(&insert).await?,
            Change::Delete(delete) => tx.execute(&delete).await?,
        };
        if let Some((rows, table)) = expected
            && written.rows_affected() != rows
        {
            return Err(StoreError::Conflict(table));
        }
    }
    Ok(())
}
