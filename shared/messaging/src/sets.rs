//! Statements over sets of rows, however many there are.
//!
//! PostgreSQL gets each column as one parameter, the text of an array, so a statement has one text for
//! all sizes of a batch: it is parsed and planned once per connection, not once per batch. SQLite plans
//! in a few microseconds and gets rows of parameters.

use std::fmt::Write as _;

use sea_orm::{
    ConnectionTrait, DbBackend, Iterable, QueryResult, QueryTrait,
    entity::prelude::*,
    sea_query::{
        Alias, Expr, ExprTrait as _, Func, InsertStatement, IntoColumnRef, OnConflict, Query,
        extension::postgres::PgFunc,
    },
};

use crate::database::StoreError;

/// SQLite takes 32,766 parameters a statement; more rows take another statement.
const MAX_PARAMETERS: usize = 32_000;

/// Whether `column` has one of these values.
pub fn among<C: ColumnTrait>(
    db: &impl ConnectionTrait,
    column: C,
    values: impl IntoIterator<Item = impl Into<Value>>,
) -> Expr {
    let values = values.into_iter().map(Into::into);
    let column = Expr::col(column.as_column_ref());
    if db.get_database_backend() == DbBackend::Postgres {
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
    E::find().filter(among(db, column, values)).all(db).await
}

/// Inserts `rows`; with `on_conflict` it says what becomes of those that are there already.
/// Returns how many were written.
///
/// # Errors
/// When the database refuses.
pub async fn insert<A>(
    tx: &impl ConnectionTrait,
    rows: Vec<A>,
    on_conflict: Option<OnConflict>,
) -> Result<u64, DbErr>
where
    A: ActiveModelTrait,
{
    let mut written = 0;
    for insert in inserts(tx, rows, on_conflict) {
        written += tx.execute(&insert).await?.rows_affected();
    }
    Ok(written)
}

/// As [`insert`], and returns this column of those that were written.
///
/// # Errors
/// When the database refuses.
pub async fn insert_returning<A>(
    tx: &impl ConnectionTrait,
    rows: Vec<A>,
    on_conflict: OnConflict,
    column: <A::Entity as EntityTrait>::Column,
) -> Result<Vec<QueryResult>, DbErr>
where
    A: ActiveModelTrait,
{
    let mut written = Vec::new();
    for mut insert in inserts(tx, rows, Some(on_conflict)) {
        insert.returning_col(column);
        written.extend(tx.query_all(&insert).await?);
    }
    Ok(written)
}

/// Inserts new rows and replaces those that still have the version they were changed from. Rows that
/// several transactions may save have to come in one order, in which they are locked.
///
/// # Errors
/// [`StoreError::Conflict`] when another transaction changed one of them first.
pub async fn replace_unchanged<A>(
    tx: &impl ConnectionTrait,
    rows: Vec<A>,
    versions: &Versions<'_, <A::Entity as EntityTrait>::Column>,
) -> Result<(), StoreError>
where
    A: ActiveModelTrait,
{
    let expected = rows.len() as u64;
    let table = A::Entity::default();
    let is_key = |column: &<A::Entity as EntityTrait>::Column| {
        versions.keys.iter().any(|key| key.as_str() == column.as_str())
    };
    let is_unchanged = Expr::col((table, versions.version).into_column_ref())
        .eq(Expr::col((Alias::new("excluded"), versions.base)));
    let replace = OnConflict::columns(versions.keys.iter().copied())
        .update_columns(<A::Entity as EntityTrait>::Column::iter().filter(|c| !is_key(c)))
        .action_and_where(is_unchanged)
        .to_owned();
    let written = insert(tx, rows, Some(replace)).await?;
    if written == expected { Ok(()) } else { Err(StoreError::Conflict(table.table_name())) }
}

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

/// The statements that insert `rows`, which have the same columns set.
fn inserts<A>(
    tx: &impl ConnectionTrait,
    rows: Vec<A>,
    on_conflict: Option<OnConflict>,
) -> impl Iterator<Item = InsertStatement>
where
    A: ActiveModelTrait,
{
    let is_array = tx.get_database_backend() == DbBackend::Postgres;
    let columns = <A::Entity as EntityTrait>::Column::iter().count();
    let limit = if is_array { usize::MAX } else { MAX_PARAMETERS / columns };
    let mut rows = rows.into_iter().peekable();
    std::iter::from_fn(move || {
        rows.peek()?;
        let some = rows.by_ref().take(limit);
        let mut insert =
            if is_array { of_arrays(some) } else { A::Entity::insert_many(some).into_query() };
        if let Some(on_conflict) = &on_conflict {
            insert.on_conflict(on_conflict.clone());
        }
        Some(insert)
    })
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

/// The values as an array of their type, which goes over as text: an array of SeaORM's has no nulls.
fn array(values: &[Value]) -> Expr {
    let kind = match values.first() {
        Some(Value::BigInt(_)) => "bigint[]",
        Some(Value::Int(_)) => "integer[]",
        Some(Value::Bool(_)) => "boolean[]",
        Some(Value::Bytes(_)) => "bytea[]",
        _ => "text[]",
    };
    let mut text = String::from("{");
    for value in values {
        if text.len() > 1 {
            text.push(',');
        }
        write_element(&mut text, value);
    }
    text.push('}');
    Func::cast_as(text, Alias::new(kind)).into()
}

fn write_element(text: &mut String, value: &Value) {
    let written = match value {
        Value::BigInt(Some(number)) => write!(text, "{number}"),
        Value::Int(Some(number)) => write!(text, "{number}"),
        Value::Bool(Some(is)) => write!(text, "{is}"),
        Value::String(Some(string)) => {
            text.push('"');
            push_escaped(text, string);
            write!(text, "\"")
        }
        Value::Bytes(Some(bytes)) => {
            text.push_str("\"\\\\x");
            bytes.iter().for_each(|byte| push_hex(text, *byte));
            write!(text, "\"")
        }
        Value::BigInt(None)
        | Value::Int(None)
        | Value::Bool(None)
        | Value::String(None)
        | Value::Bytes(None) => write!(text, "NULL"),
        // Our tables have no other columns: a test of theirs would end here.
        other => unreachable!("a column of {other:?}"),
    };
    written.unwrap_or_else(|_| unreachable!("a text takes whatever is written"));
}

fn push_escaped(text: &mut String, string: &str) {
    let mut rest = string;
    while let Some(at) = rest.find(['"', '\\']) {
        let (plain, special) = rest.split_at(at);
        text.push_str(plain);
        text.push('\\');
        text.push_str(&special[..1]);
        rest = &special[1..];
    }
    text.push_str(rest);
}

fn push_hex(text: &mut String, byte: u8) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    text.push(DIGITS[usize::from(byte >> 4)]);
    text.push(DIGITS[usize::from(byte & 15)]);
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::BigInt(number) => (*number).into(),
        Value::Int(number) => (*number).into(),
        Value::String(string) => string.as_deref().into(),
        other => unreachable!("rows are not found by {other:?}"),
    }
}
