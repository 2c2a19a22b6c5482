//! All writes as one statement: `WITH w0 AS (INSERT ... RETURNING 1), w1 AS (...) SELECT (SELECT
//! count(*) FROM w0), ...`. Each column of the rows is one parameter, so it has one text for all
//! sizes of a batch.

use sea_orm::{
    ConnectionTrait, QueryResult,
    sea_query::{
        Alias, CommonTableExpression, DynIden, Expr, ExprTrait as _, Func, FunctionCall,
        InsertStatement, Query, SelectStatement, SubQueryStatement, WithQuery,
        extension::postgres::PgFunc,
    },
};

use super::{Change, Column, Rows, Writes};
use crate::{
    database::StoreError,
    sets::{array, nullable_array},
};

impl Writes {
    /// Writes all of it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another transaction was first.
    pub(crate) async fn into_postgres(self, tx: &impl ConnectionTrait) -> Result<(), StoreError> {
        if self.is_empty() {
            return Ok(());
        }
        // Built without `to_owned`, which would copy every value.
        let (mut query, mut counts, mut expected) = (WithQuery::new(), Query::select(), Vec::new());
        for (number, change) in self.changes.into_iter().enumerate() {
            let name = Alias::new(format!("w{number}"));
            if let Change::Insert(rows) = &change
                && let Some(table) = rows.expected
            {
                let count: SelectStatement =
                    Query::select().expr(Expr::cust("count(*)")).from(name.clone()).take();
                counts.expr_as(count, name.clone());
                expected.push((format!("w{number}"), rows.len(), table));
            }
            let mut table = CommonTableExpression::new();
            table.query(statement(change)).table_name(name);
            query.cte(table);
        }
        if expected.is_empty() {
            counts.expr(Expr::cust("1"));
        }
        query.query(counts);
        let row = tx.query_one(&query).await?;
        let count = |row: &QueryResult, name: &str| row.try_get::<i64>("", name);
        for (name, rows, table) in expected {
            let written =
                row.as_ref().map(|row| count(row, &name)).transpose()?.unwrap_or_default();
            if usize::try_from(written) != Ok(rows) {
                return Err(StoreError::Conflict(table));
            }
        }
        Ok(())
    }
}

fn statement(change: Change) -> SubQueryStatement {
    match change {
        Change::Insert(rows) => insert(rows).into(),
        Change::Delete { table, column, values } => Query::delete()
            .from_table(table)
            .and_where(Expr::col(column).eq(PgFunc::any(array(values))))
            .take()
            .into(),
    }
}

/// `INSERT INTO t (a, b) SELECT unnest($1), unnest($2)`.
fn insert(Rows { table, columns, on_conflict, expected }: Rows) -> InsertStatement {
    let (names, given): (Vec<_>, Vec<_>) = columns.into_iter().map(given).unzip();
    let mut insert = Query::insert();
    insert.into_table(table).columns(names);
    // As many columns as values, since both come from the same list.
    let given = Query::select().exprs(given).take();
    insert.select_from(given).unwrap_or_else(|error| unreachable!("{error}"));
    if let Some(on_conflict) = on_conflict {
        insert.on_conflict(on_conflict);
    }
    if expected.is_some() {
        insert.returning(Query::returning().expr(Expr::cust("1")));
    }
    insert
}

fn given(Column { name, is_nullable, values }: Column) -> (DynIden, FunctionCall) {
    let values = if is_nullable { nullable_array(&values) } else { array(values) };
    (name, Func::cust(Alias::new("unnest")).arg(values))
}
