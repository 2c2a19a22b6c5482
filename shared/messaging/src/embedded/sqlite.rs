//! The store on disk: one SQLite file with a write-ahead log, written by one thread.
//!
//! `synchronous=FULL` syncs the write-ahead log at every commit, and its frames carry checksums:
//! what was acknowledged survives a power cut, and a torn end is cut off when the file is opened.
//! Why SQLite: `infra/decisions/0001-embedded-log-store.md`.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params, types::Type};

use super::{
    headers,
    schema::{self, id_of, offset_of, signed, unsigned},
    store::{Batch, Deletion, Entry, Limit, Outline, Range, Reader, Store, record_size},
};
use crate::{
    log::LogError,
    record::{Record, TopicPartition},
};

/// The name of the file in the log's directory.
pub const FILE: &str = "log.db";

/// The writing half.
pub struct SqliteStore {
    path: PathBuf,
    connection: Connection,
}

/// The reading half: a connection that is lent to one reader at a time.
pub struct SqliteReader {
    path: PathBuf,
    connection: Mutex<Connection>,
}

/// Opens the store in `dir`, or makes it.
///
/// # Errors
/// [`LogError::Storage`] when the directory or the file cannot be written, [`LogError::Damaged`]
/// when the file is not a log of ours.
pub fn open(dir: &Path) -> Result<(SqliteStore, Arc<SqliteReader>), LogError> {
    let path = dir.join(FILE);
    let connect = || schema::connect(&path).map_err(|error| failure(&error, &path));
    let connection = connect()?;
    schema::create(&connection).map_err(|error| failure(&error, &path))?;
    let reader = SqliteReader { path: path.clone(), connection: Mutex::new(connect()?) };
    Ok((SqliteStore { path, connection }, Arc::new(reader)))
}

impl SqliteStore {
    /// What the log keeps in memory.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn load(&self) -> Result<super::store::Catalog, LogError> {
        schema::load(&self.connection).map_err(|error| failure(&error, &self.path))
    }

    fn try_write(&mut self, batch: &Batch) -> rusqlite::Result<()> {
        // Dropping the transaction after an error rolls it back.
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        schema::save_topics(&transaction, batch)?;
        insert(&transaction, &batch.records)?;
        schema::save_positions(&transaction, &batch.positions)?;
        for deletion in &batch.deletions {
            delete(&transaction, deletion)?;
        }
        if batch.probe {
            schema::save_probe(&transaction)?;
        }
        transaction.commit()
    }
}

impl Store for SqliteStore {
    fn write(&mut self, batch: &Batch) -> Result<(), LogError> {
        self.try_write(batch).map_err(|error| failure(&error, &self.path))
    }
}

fn insert(transaction: &Transaction<'_>, entries: &[Entry]) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO record (id, timestamp_ms, total_bytes, key, value, headers)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for Entry { partition, total_bytes, record } in entries {
        statement.execute(params![
            id_of(*partition, record.offset),
            record.timestamp_ms,
            signed(*total_bytes),
            record.key.as_deref().unwrap_or_default(),
            record.value.as_deref(),
            headers::encode(&record.headers),
        ])?;
    }
    Ok(())
}

fn delete(transaction: &Transaction<'_>, deletion: &Deletion) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("DELETE FROM record WHERE id = ?1")?;
    for offset in &deletion.offsets {
        statement.execute([id_of(deletion.partition, *offset)])?;
    }
    schema::save_tip(transaction, deletion.partition, deletion.tip)
}

impl SqliteReader {
    fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, LogError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        read(&connection).map_err(|error| failure(&error, &self.path))
    }
}

impl Reader for SqliteReader {
    fn read(
        &self,
        range: Range,
        at: &TopicPartition,
        limit: Limit,
    ) -> Result<Vec<Record>, LogError> {
        let sql = "SELECT id, timestamp_ms, key, value, headers FROM record
                   WHERE id >= ?1 AND id < ?2 ORDER BY id";
        self.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(bounds(range))?;
            let mut records = Vec::new();
            let mut bytes = 0;
            while records.len() < limit.records
                && let Some(row) = rows.next()?
            {
                let record = record(row, at)?;
                bytes += record_size(&record);
                if bytes > limit.bytes && !records.is_empty() {
                    break;
                }
                records.push(record);
            }
            Ok(records)
        })
    }

    fn outline(&self, range: Range, records: usize) -> Result<Vec<Outline>, LogError> {
        let sql = "SELECT id, timestamp_ms, total_bytes, key, value IS NULL FROM record
                   WHERE id >= ?1 AND id < ?2 ORDER BY id";
        self.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_map(bounds(range), outline)?.take(records).collect()
        })
    }

    fn blocks(&self) -> bool {
        true
    }
}

fn bounds(range: Range) -> [i64; 2] {
    [id_of(range.partition, range.from), id_of(range.partition, range.to)]
}

fn record(row: &Row<'_>, at: &TopicPartition) -> rusqlite::Result<Record> {
    Ok(Record {
        at: at.clone(),
        offset: offset_of(row.get(0)?),
        timestamp_ms: row.get(1)?,
        key: Some(Bytes::from(row.get::<_, Vec<u8>>(2)?)),
        value: row.get::<_, Option<Vec<u8>>>(3)?.map(Bytes::from),
        headers: headers::decode(&Bytes::from(row.get::<_, Vec<u8>>(4)?))
            .ok_or_else(|| not_headers(4))?,
    })
}

fn not_headers(column: usize) -> rusqlite::Error {
    let reason = "the headers are not as they were written";
    rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, reason.into())
}

fn outline(row: &Row<'_>) -> rusqlite::Result<Outline> {
    Ok(Outline {
        offset: offset_of(row.get(0)?),
        timestamp_ms: row.get(1)?,
        total_bytes: unsigned(row.get(2)?),
        key: row.get(3)?,
        is_tombstone: row.get(4)?,
    })
}

/// What an error of SQLite means to a user of the log.
fn failure(error: &rusqlite::Error, path: &Path) -> LogError {
    use rusqlite::ErrorCode as Code;
    let path = path.display();
    match error.sqlite_error_code() {
        Some(Code::DiskFull) => LogError::Storage(format!("{path}: the disk is full")),
        Some(Code::ReadOnly | Code::CannotOpen | Code::PermissionDenied) => {
            LogError::Storage(format!("{path}: no right to write here ({error})"))
        }
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => {
            LogError::Unavailable(format!("{path}: another process holds it ({error})"))
        }
        Some(Code::SystemIoFailure | Code::OutOfMemory) => {
            LogError::Storage(format!("{path}: {error}"))
        }
        _ => LogError::Damaged(format!("{path}: {error}")),
    }
}
