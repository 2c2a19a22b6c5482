//! What a transaction writes, however many tables and rows it is.
//!
//! Reads come first; then everything that changes is collected here and written with the commit. To
//! PostgreSQL that is one statement, whose parts are common table expressions, which see the tables
//! as they were before: no row may be written by two of them.

mod postgres;
mod sqlite;

pub(crate) use self::sqlite::Parameter;

use sea_orm::{
    Iterable,
    entity::prelude::*,
    sea_query::{
        Alias, DynIden, Expr, ExprTrait as _, IntoColumnRef, IntoIden, IntoTableRef, OnConflict,
        TableRef,
    },
};

/// The columns that tell whether a row has changed.
#[derive(Clone, Copy, Debug)]
pub struct Versions<'a, C> {
    /// What the row is found by.
    pub keys: &'a [C],
    /// The row's version.
    pub version: C,
    /// The version it was changed from; 0 for a new row.
    pub base: C,
}

/// The writes of one transaction.
#[derive(Default)]
pub struct Writes {
    changes: Vec<Change>,
}

enum Change {
    Insert(Rows),
    Delete { table: TableRef, column: DynIden, values: Vec<Value> },
}

/// Rows that have the same columns, and at least one.
struct Rows {
    table: TableRef,
    columns: Vec<Column>,
    /// What becomes of those that are there already; they are refused if nothing is said.
    on_conflict: Option<OnConflict>,
    /// The table, when a row that is not written is a conflict.
    expected: Option<&'static str>,
}

impl Rows {
    fn len(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }
}

struct Column {
    name: DynIden,
    is_nullable: bool,
    /// One of each row.
    values: Vec<Value>,
}

impl Writes {
    /// Inserts `rows`; `on_conflict` says what becomes of those that are there already.
    pub fn insert<A: ActiveModelTrait>(&mut self, rows: Vec<A>, on_conflict: Option<OnConflict>) {
        self.add(rows, on_conflict, None);
    }

    /// Inserts rows that must not be there: if one is, another transaction was first.
    pub fn insert_new<A: ActiveModelTrait>(&mut self, rows: Vec<A>) {
        self.add(rows, None, Some(A::Entity::default().table_name()));
    }

    /// Inserts new rows and replaces those that still have the version they were changed from:
    /// otherwise another transaction was first. Rows have to come in one order, in which they are
    /// locked.
    pub fn replace_unchanged<A: ActiveModelTrait>(
        &mut self,
        rows: Vec<A>,
        versions: &Versions<'_, <A::Entity as EntityTrait>::Column>,
    ) {
        let is_new = |row: &A| row.get(versions.base).into_value() == Some(0i64.into());
        let (new, known): (Vec<_>, _) = rows.into_iter().partition(is_new);
        self.insert_new(new);
        let is_key = |column: &<A::Entity as EntityTrait>::Column| {
            versions.keys.iter().any(|key| key.as_str() == column.as_str())
        };
        let is_unchanged = Expr::col((A::Entity::default(), versions.version).into_column_ref())
            .eq(Expr::col((Alias::new("excluded"), versions.base)));
        let replace = OnConflict::columns(versions.keys.iter().copied())
            .update_columns(<A::Entity as EntityTrait>::Column::iter().filter(|c| !is_key(c)))
            .action_and_where(is_unchanged)
            .to_owned();
        self.add(known, Some(replace), Some(A::Entity::default().table_name()));
    }

    /// Deletes the rows whose `column` has one of these values.
    pub fn delete<C: ColumnTrait>(&mut self, column: C, values: Vec<impl Into<Value>>) {
        if values.is_empty() {
            return;
        }
        let table = Alias::new(column.entity_name().to_string()).into_table_ref();
        let values = values.into_iter().map(Into::into).collect();
        self.changes.push(Change::Delete { table, column: column.into_iden(), values });
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn add<A: ActiveModelTrait>(
        &mut self,
        rows: Vec<A>,
        on_conflict: Option<OnConflict>,
        expected: Option<&'static str>,
    ) {
        let count = rows.len();
        if count == 0 {
            return;
        }
        let mut columns: Vec<_> = <A::Entity as EntityTrait>::Column::iter()
            .map(|column| (column, Vec::with_capacity(count)))
            .collect();
        for mut row in rows {
            for (column, values) in &mut columns {
                values.extend(row.take(*column).into_value());
            }
        }
        columns.retain(|(_, values)| !values.is_empty());
        let is_whole = columns.iter().all(|(_, values)| values.len() == count);
        assert!(is_whole, "rows of one table have the same columns");
        let column = |(column, values): (<A::Entity as EntityTrait>::Column, _)| Column {
            is_nullable: column.def().is_null(),
            name: column.into_iden(),
            values,
        };
        let columns = columns.into_iter().map(column).collect();
        let table = A::Entity::default().table_ref();
        self.changes.push(Change::Insert(Rows { table, columns, on_conflict, expected }));
    }
}
