//! Statements over sets of rows, however many there are.
//!
//! PostgreSQL gets each column as one parameter, the text of an array, so a statement has one text
//! for all sizes of a batch: it is parsed and planned once per connection, not once per batch.
//! SQLite plans in a few microseconds and gets rows of parameters.

mod array;

use sea_orm::{
    ConnectionTrait, DbBackend, Iterable, QueryTrait,
    entity::prelude::*,
    sea_query::{
        Alias, Expr, ExprTrait as _, Func, InsertStatement, OnConflict, Query,
        extension::postgres::PgFunc,
    },
};

use self::array::array;

/// SQLite takes 32,766 parameters a statement; more rows take another statement.
const MAX_PARAMETERS: usize = 32_000;

/// Whether `column` has one of these values.
pub fn among<C: ColumnTrait>(
    backend: DbBackend,
    column: C,
    values: impl IntoIterator<Item = impl Into<Value>>,
) -> Expr {
    let values = values.into_iter().map(Into::into);
    let column = Expr::col(column.as_column_ref());
    if backend == DbBackend::Postgres {
        let values: Vec<_> = values.collect();
        return column.eq(PgFunc::any(array(&values)));
    }
    // One parameter as well, since there may be more values than a statement has parameters.
    let values: Vec<_> = values.map(|value| json(&value)).collect();
    let values = serde_json::Value::from(values).to_string();
    let each = Func::cust(Alias::new("json_each")).arg(values);
    let given =
        Query::select().column(Alias::new("value")).from_function(each, Alias::new("given")).take();
    column.in_subquery(given)
}

/// The rows whose `column` has one of these values; asks nothing if there are none.
///
/// # Errors
/// When the database refuses.
pub async fn find<E: EntityTrait>(
    db: &impl ConnectionTrait,
    column: E::Column,
    values: Vec<impl Into<Value>>,
) -> Result<Vec<E::Model>, DbErr> {
    if values.is_empty() {
        return Ok(Vec::new());
    }
    E::find().filter(among(db.get_database_backend(), column, values)).all(db).await
}

/// The statements that insert `rows`, which have the same columns set.
pub(crate) fn inserts<A>(
    backend: DbBackend,
    rows: Vec<A>,
    on_conflict: Option<&OnConflict>,
) -> impl Iterator<Item = InsertStatement>
where
    A: ActiveModelTrait,
{
    let is_array = backend == DbBackend::Postgres;
    let limit = if is_array { usize::MAX } else { rows_limit::<A>() };
    let mut rows = rows.into_iter().peekable();
    std::iter::from_fn(move || {
        rows.peek()?;
        let some = rows.by_ref().take(limit);
        let mut insert =
            if is_array { of_arrays(some) } else { A::Entity::insert_many(some).into_query() };
        if let Some(on_conflict) = on_conflict {
            insert.on_conflict(on_conflict.clone());
        }
        Some(insert)
    })
}

/// The rows that one statement of SQLite's takes.
pub(crate) fn rows_limit<A: ActiveModelTrait>() -> usize {
    MAX_PARAMETERS / <A::Entity as EntityTrait>::Column::iter().count()
}

/// `INSERT INTO t (a, b) SELECT unnest($1), unnest($2)`.
fn of_arrays<A: ActiveModelTrait>(rows: impl Iterator<Item = A>) -> InsertStatement {
    let mut columns: Vec<_> =
        <A::Entity as EntityTrait>::Column::iter().map(|column| (column, Vec::new())).collect();
    for mut row in rows {
        for (column, values) in &mut columns {
            values.extend(row.take(*column).into_value());
        }
    }
    columns.retain(|(_, values)| !values.is_empty());
    let unnest =
        |(_, values): &(_, Vec<Value>)| Func::cust(Alias::new("unnest")).arg(array(values));
    let given = Query::select().exprs(columns.iter().map(unnest)).take();
    let mut insert = Query::insert();
    insert.into_table(A::Entity::default().table_ref()).columns(columns.iter().map(|(c, _)| *c));
    // As many columns as values, since both come from the same list.
    insert.select_from(given).unwrap_or_else(|error| unreachable!("{error}"));
    insert
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::BigInt(number) => (*number).into(),
        Value::Int(number) => (*number).into(),
        Value::String(string) => string.as_deref().into(),
        other => unreachable!("rows are not found by {other:?}"),
    }
}
