//! All writes as one statement: `WITH w0 AS (INSERT ... RETURNING 1), w1 AS (...) SELECT (SELECT
//! count(*) FROM w0), ...`. Each column of the rows is one parameter, so it has one text for all
//! sizes of a batch.

use sea_orm::{
    ConnectionTrait, DbErr, QueryResult, RuntimeErr, Statement, Value,
    sea_query::{
        Alias, CommonTableExpression, DynIden, Expr, ExprTrait as _, Func, FunctionCall,
        InsertStatement, PostgresQueryBuilder, Query, SelectStatement, SubQueryStatement,
        WithQuery, extension::postgres::PgFunc,
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
        let (mut query, mut counts, mut values) =
            (WithQuery::new(), Query::select(), Parameters(vec![]));
        let (mut new, mut expected) = (Vec::new(), Vec::new());
        for (number, change) in self.changes.into_iter().enumerate() {
            let name = Alias::new(format!("w{number}"));
            if let Change::Insert(rows) = &change
                && let Some(table) = rows.expected
            {
                if rows.on_conflict.is_none() {
                    new.push(table);
                } else {
                    let count: SelectStatement =
                        Query::select().expr(Expr::cust("count(*)")).from(name.clone()).take();
                    counts.expr_as(count, name.clone());
                    expected.push((format!("w{number}"), rows.len(), table));
                }
            }
            let mut table = CommonTableExpression::new();
            table.query(statement(change, &mut values)).table_name(name);
            query.cte(table);
        }
        if expected.is_empty() {
            counts.expr(Expr::cust("1"));
        }
        query.query(counts);
        let (backend, text) = (tx.get_database_backend(), query.to_string(PostgresQueryBuilder));
        let statement = Statement::from_sql_and_values(backend, text, values.0);
        let row = tx.query_one_raw(statement).await.map_err(|error| conflict(error, &new))?;
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

/// A conflict, if a row of these tables is there already.
fn conflict(error: DbErr, tables: &[&'static str]) -> StoreError {
    let taken = match &error {
        DbErr::Query(RuntimeErr::SqlxError(error)) => {
            let constraint = error.as_database_error().and_then(|error| error.constraint());
            let key = constraint.and_then(|constraint| constraint.strip_suffix("_pkey"));
            tables.iter().find(|table| key == Some(table))
        }
        _ => None,
    };
    taken.map_or_else(|| error.into(), |table| StoreError::Conflict(table))
}

/// The values of a statement: in the statement itself, SeaQuery would copy them.
struct Parameters(Vec<Value>);

impl Parameters {
    /// What stands for `value` in the statement.
    fn add(&mut self, value: impl Into<Value>) -> Expr {
        self.0.push(value.into());
        Expr::cust(format!("${}", self.0.len()))
    }
}

fn statement(change: Change, values: &mut Parameters) -> SubQueryStatement {
    match change {
        Change::Insert(rows) => insert(rows, values).into(),
        Change::Delete { table, column, values: given } => Query::delete()
            .from_table(table)
            .and_where(Expr::col(column).eq(PgFunc::any(values.add(array(given)))))
            .take()
            .into(),
    }
}

/// `INSERT INTO t (a, b) SELECT unnest($1), unnest($2)`.
fn insert(rows: Rows, values: &mut Parameters) -> InsertStatement {
    let Rows { table, columns, on_conflict, expected } = rows;
    let (names, given): (Vec<_>, Vec<_>) =
        columns.into_iter().map(|column| given(column, values)).unzip();
    let mut insert = Query::insert();
    insert.into_table(table).columns(names);
    // As many columns as values, since both come from the same list.
    let given = Query::select().exprs(given).take();
    insert.select_from(given).unwrap_or_else(|error| unreachable!("{error}"));
    if let Some(on_conflict) = on_conflict {
        insert.on_conflict(on_conflict);
        if expected.is_some() {
            insert.returning(Query::returning().expr(Expr::cust("1")));
        }
    }
    insert
}

fn given(column: Column, values: &mut Parameters) -> (DynIden, FunctionCall) {
    let given = if column.is_nullable {
        let (text, kind) = nullable_array(&column.values);
        values.add(text).cast_as(kind)
    } else {
        values.add(array(column.values))
    };
    (column.name, Func::cust("unnest").arg(given))
}
