//! Statements over sets of rows, however many there are.
//!
//! The values are one parameter, so a statement has one text for all sizes of a batch: it is parsed
//! and planned once per connection, not once per batch.

mod array;

use sea_orm::{
    DbBackend, Order, QueryOrder as _,
    entity::prelude::*,
    sea_query::{Alias, Expr, ExprTrait as _, Func, Query, extension::postgres::PgFunc},
};

pub(crate) use self::array::{array, nullable_array};
use crate::database::{Reads, Rows, StoreError};

/// Whether `column` has one of these values.
pub fn among<C: ColumnTrait>(
    backend: DbBackend,
    column: C,
    values: impl IntoIterator<Item = impl Into<Value>>,
) -> Expr {
    let values = values.into_iter().map(Into::into);
    let column = Expr::col(column.as_column_ref());
    if backend == DbBackend::Postgres {
        return column.eq(PgFunc::any(Expr::val(array(values.collect()))));
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
pub async fn find<E: Rows>(
    db: &impl Reads,
    column: E::Column,
    values: Vec<impl Into<Value>>,
) -> Result<Vec<E::Model>, StoreError> {
    if values.is_empty() {
        return Ok(Vec::new());
    }
    db.all(E::find().filter(among(db.backend(), column, values))).await
}

/// Those of `rows` that have this value in `column`, sorted by it first, so that what comes next has to be sorted by an index
/// of both. PostgreSQL plans without the value. Told that it is one, it takes it for one that most rows have, if they had
/// when the table was last analysed, and may as well walk through all rows in the order of what comes next.
pub fn only<E: EntityTrait>(
    rows: Select<E>,
    column: E::Column,
    value: impl Into<Value> + Clone,
    order: Order,
) -> Select<E> {
    rows.filter(column.between(value.clone(), value)).order_by(column, order)
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::BigInt(number) => (*number).into(),
        Value::Int(number) => (*number).into(),
        Value::String(string) => string.as_deref().into(),
        other => unreachable!("rows are not found by {other:?}"),
    }
}
