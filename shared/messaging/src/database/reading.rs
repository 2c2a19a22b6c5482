//! What rows are read through.

use std::sync::Mutex;

use rusqlite::{
    Connection, Row, params_from_iter,
    types::{FromSqlError, ValueRef},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ColumnType, ConnectionTrait, DatabaseExecutor, DbBackend,
    EntityTrait, Iterable, QueryTrait, Select, TryIntoModel, Value, sea_query::SqliteQueryBuilder,
};

use super::{StoreError, sqlite};
use crate::writes::Parameter;

/// A table whose rows can be made of their columns: every entity's.
pub trait Rows:
    EntityTrait<ActiveModel: TryIntoModel<<Self as EntityTrait>::Model>, Model: Send>
{
}

impl<E> Rows for E where E: EntityTrait<ActiveModel: TryIntoModel<E::Model>, Model: Send> {}

/// What rows are read through: a connection, or a transaction.
pub trait Reads: Sync {
    /// Which SQL it speaks.
    fn backend(&self) -> DbBackend;

    /// All rows that `select` asks for.
    fn all<E: Rows>(
        &self,
        select: Select<E>,
    ) -> impl Future<Output = Result<Vec<E::Model>, StoreError>> + Send;
}

impl<C: ConnectionTrait> Reads for C {
    fn backend(&self) -> DbBackend {
        self.get_database_backend()
    }

    async fn all<E: Rows>(&self, select: Select<E>) -> Result<Vec<E::Model>, StoreError> {
        Ok(select.all(self).await?)
    }
}

/// What a transaction, or a single reader, reads through.
pub enum Reading<'a> {
    /// Through SeaORM.
    Orm(DatabaseExecutor<'a>),
    /// A SQLite file, where it is: the pages mostly are in memory, and each way to another thread
    /// costs more than the rows.
    InPlace(&'a Mutex<Connection>),
}

impl Reads for Reading<'_> {
    fn backend(&self) -> DbBackend {
        match self {
            Self::Orm(executor) => executor.get_database_backend(),
            Self::InPlace(_) => DbBackend::Sqlite,
        }
    }

    async fn all<E: Rows>(&self, select: Select<E>) -> Result<Vec<E::Model>, StoreError> {
        match self {
            Self::Orm(executor) => Ok(select.all(executor).await?),
            Self::InPlace(connection) => models(&sqlite::lock(connection), select),
        }
    }
}

fn models<E: Rows>(
    connection: &Connection,
    select: Select<E>,
) -> Result<Vec<E::Model>, StoreError> {
    let (select, values) = select.into_query().build(SqliteQueryBuilder);
    let mut select = connection.prepare_cached(&select)?;
    let mut rows = select.query(params_from_iter(values.iter().map(Parameter)))?;
    let columns: Vec<_> =
        E::Column::iter().map(|column| (column, column.def().get_column_type().clone())).collect();
    let mut models = Vec::new();
    while let Some(row) = rows.next()? {
        models.push(model::<E>(row, &columns)?);
    }
    Ok(models)
}

fn model<E: Rows>(
    row: &Row<'_>,
    columns: &[(E::Column, ColumnType)],
) -> Result<E::Model, StoreError> {
    let mut model = <E::ActiveModel as ActiveModelTrait>::default();
    for (place, (column, kind)) in columns.iter().enumerate() {
        model.try_set(*column, value(row.get_ref(place)?, kind)?)?;
    }
    Ok(model.try_into_model()?)
}

fn value(found: ValueRef<'_>, kind: &ColumnType) -> rusqlite::Result<Value> {
    Ok(match kind {
        ColumnType::Boolean => Value::Bool(found.as_i64_or_null()?.map(|number| number != 0)),
        ColumnType::Integer => {
            let number = found
                .as_i64_or_null()?
                .map(|number| i32::try_from(number).map_err(|_| FromSqlError::OutOfRange(number)));
            Value::Int(number.transpose()?)
        }
        ColumnType::BigInteger => Value::BigInt(found.as_i64_or_null()?),
        ColumnType::VarBinary(_) => Value::Bytes(found.as_blob_or_null()?.map(<[u8]>::to_vec)),
        _ => Value::String(found.as_str_or_null()?.map(str::to_owned)),
    })
}
