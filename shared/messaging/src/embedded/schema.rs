//! The tables of the log's SQLite file, and how numbers are put in them.

use std::path::Path;

use events::topics::Cleanup;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::store::{Batch, Catalog, PartitionId, PositionRow, Tip, TopicRow};
use crate::record::TopicPartition;

/// "shop" and "log": told apart from other SQLite files.
const APPLICATION_ID: i32 = 0x5348_4c47;
const VERSION: i32 = 1;

/// A record's id is its partition and its offset in one number, so that a partition is a range of
/// one B-tree and rows need no index beside it.
const OFFSET_BITS: u32 = 40;

const PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -2000;
    PRAGMA journal_size_limit = 16777216;
    PRAGMA temp_store = MEMORY;";

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS topic (
        name TEXT PRIMARY KEY,
        partitions INTEGER NOT NULL,
        hours INTEGER,
        bytes INTEGER
    ) STRICT;
    CREATE TABLE IF NOT EXISTS partition (
        id INTEGER PRIMARY KEY,
        topic TEXT NOT NULL,
        number INTEGER NOT NULL,
        tip_end INTEGER NOT NULL DEFAULT 0,
        tip_bytes INTEGER NOT NULL DEFAULT 0,
        tip_timestamp_ms INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE IF NOT EXISTS record (
        id INTEGER PRIMARY KEY,
        timestamp_ms INTEGER NOT NULL,
        total_bytes INTEGER NOT NULL,
        key BLOB NOT NULL,
        value BLOB,
        headers BLOB NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS position (
        consumer_group TEXT NOT NULL,
        partition INTEGER NOT NULL,
        next_offset INTEGER NOT NULL,
        PRIMARY KEY (consumer_group, partition)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS probe (
        id INTEGER PRIMARY KEY,
        filler BLOB NOT NULL
    ) STRICT;";

/// A connection to the file at `path`, with our settings.
pub fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(16);
    connection.execute_batch(PRAGMAS)?;
    Ok(connection)
}

/// Makes the tables of a new file; refuses a file that is not ours.
pub fn create(connection: &Connection) -> rusqlite::Result<()> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let found = (pragma("application_id")?, pragma("user_version")?);
    match found {
        (0, 0) => {
            let mark = format!(
                "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION_ID};
                 PRAGMA user_version = {VERSION}; COMMIT;"
            );
            connection.execute_batch(&mark)
        }
        (APPLICATION_ID, VERSION) => Ok(()),
        (id, version) => Err(rusqlite::Error::InvalidParameterName(format!(
            "not an event log of this version (application {id:#x}, version {version})"
        ))),
    }
}

/// The id of the record at `offset`.
pub fn id_of(partition: PartitionId, offset: u64) -> i64 {
    (i64::from(partition) << OFFSET_BITS) | signed(offset)
}

/// The offset in a record's id.
pub fn offset_of(id: i64) -> u64 {
    unsigned(id & ((1 << OFFSET_BITS) - 1))
}

/// SQLite knows signed numbers only; none of ours comes near the limit.
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Back from [`signed`].
pub fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Saves new topics with their partitions, and changed clean-up settings.
pub fn save_topics(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    for topic in &batch.topics {
        let (hours, bytes) = match topic.cleanup {
            Cleanup::Compact => (None, None),
            Cleanup::Delete { hours, bytes } => (Some(hours), bytes.map(signed)),
        };
        transaction.execute(
            "INSERT INTO topic (name, partitions, hours, bytes) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET hours = excluded.hours, bytes = excluded.bytes",
            params![topic.name, topic.partitions, hours, bytes],
        )?;
    }
    for (id, at) in &batch.partitions {
        transaction.execute(
            "INSERT INTO partition (id, topic, number) VALUES (?1, ?2, ?3)",
            params![id, &*at.topic, at.partition],
        )?;
    }
    Ok(())
}

/// Saves committed positions.
pub fn save_positions(
    transaction: &Transaction<'_>,
    positions: &[PositionRow],
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO position (consumer_group, partition, next_offset) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset",
    )?;
    for PositionRow { group, partition, offset } in positions {
        statement.execute(params![group, partition, signed(*offset)])?;
    }
    Ok(())
}

/// Saves where a partition goes on, for when its last record is forgotten.
pub fn save_tip(
    transaction: &Transaction<'_>,
    partition: PartitionId,
    tip: Tip,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "UPDATE partition SET tip_end = ?2, tip_bytes = ?3, tip_timestamp_ms = ?4 WHERE id = ?1",
    )?;
    let row = params![partition, signed(tip.end), signed(tip.total_bytes), tip.timestamp_ms];
    statement.execute(row).map(drop)
}

/// Writes something that nobody reads, as large as a usual batch: a disk that is full may still
/// have room for a few bytes.
pub fn save_probe(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO probe (id, filler) VALUES (0, zeroblob(65536))";
    transaction.execute(sql, []).map(drop)
}

/// Reads all that the log keeps in memory: a few rows per partition, no records.
pub fn load(connection: &Connection) -> rusqlite::Result<Catalog> {
    let topics = all(connection, "SELECT name, partitions, hours, bytes FROM topic", topic)?;
    let saved = all(
        connection,
        "SELECT topic, number, tip_end, tip_bytes, tip_timestamp_ms, id FROM partition ORDER BY id",
        partition,
    )?;
    let partitions = saved
        .into_iter()
        .map(|(id, at, tip)| edges(connection, id, tip).map(|(first, tip)| (at, first, tip)))
        .collect::<rusqlite::Result<_>>()?;
    let positions =
        all(connection, "SELECT consumer_group, partition, next_offset FROM position", position)?;
    Ok(Catalog { topics, partitions, positions })
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(sql)?.query_map([], row)?.collect()
}

fn topic(row: &Row<'_>) -> rusqlite::Result<TopicRow> {
    let cleanup = match row.get::<_, Option<u32>>(2)? {
        None => Cleanup::Compact,
        Some(hours) => {
            Cleanup::Delete { hours, bytes: row.get::<_, Option<i64>>(3)?.map(unsigned) }
        }
    };
    Ok(TopicRow { name: row.get(0)?, partitions: row.get(1)?, cleanup })
}

fn partition(row: &Row<'_>) -> rusqlite::Result<(PartitionId, TopicPartition, Tip)> {
    let at = TopicPartition::new(row.get::<_, String>(0)?, row.get(1)?);
    let tip = Tip {
        end: unsigned(row.get(2)?),
        total_bytes: unsigned(row.get(3)?),
        timestamp_ms: row.get(4)?,
    };
    Ok((row.get(5)?, at, tip))
}

fn position(row: &Row<'_>) -> rusqlite::Result<PositionRow> {
    Ok(PositionRow { group: row.get(0)?, partition: row.get(1)?, offset: unsigned(row.get(2)?) })
}

/// The first offset of a partition and its tip: of its records, or of `saved` if all are gone.
fn edges(connection: &Connection, id: PartitionId, saved: Tip) -> rusqlite::Result<(u64, Tip)> {
    let range = [id_of(id, 0), id_of(id + 1, 0)];
    let edge = |order: &str| {
        let sql = format!(
            "SELECT id, total_bytes, timestamp_ms FROM record WHERE id >= ?1 AND id < ?2
             ORDER BY id {order} LIMIT 1"
        );
        let tip = |row: &Row<'_>| {
            Ok(Tip {
                end: offset_of(row.get(0)?) + 1,
                total_bytes: unsigned(row.get(1)?),
                timestamp_ms: row.get(2)?,
            })
        };
        connection.query_row(&sql, range, tip).optional()
    };
    let last = edge("DESC")?.filter(|last| last.end >= saved.end).unwrap_or(saved);
    let first = edge("ASC")?.map_or(last.end, |first| first.end - 1);
    Ok((first, last))
}
