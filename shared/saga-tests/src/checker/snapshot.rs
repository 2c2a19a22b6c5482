//! All that a database holds, but for what says only how often something was heard: two snapshots
//! that are equal mean that nothing has changed in between (I4).

use std::collections::BTreeSet;

use anyhow::Result;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

/// Tables of messaging that may grow with a repeat, and those of the migrations.
const IGNORED: [&str; 4] = ["inbox", "seaql_migrations", "sqlite_sequence", "sqlite_stat1"];

/// Every row as text, with its table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeSet<String>);

impl Snapshot {
    /// The rows that only one of the two has.
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let gone = before.0.difference(&self.0).map(|row| format!("- {row}"));
        gone.chain(self.0.difference(&before.0).map(|row| format!("+ {row}"))).collect()
    }

    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Takes snapshots of one database, whatever its tables are.
pub struct Camera {
    database: DatabaseConnection,
    sql: String,
}

impl Camera {
    /// Learns the database's tables.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn new(database: &DatabaseConnection) -> Result<Self> {
        Self::but_for(database, &[]).await
    }

    /// The same, blind to columns of these names.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn but_for(database: &DatabaseConnection, unseen: &[&str]) -> Result<Self> {
        let mut selects = Vec::new();
        for table in tables(database).await? {
            if !IGNORED.contains(&table.as_str()) {
                selects.push(rows_as_text(database, &table, unseen).await?);
            }
        }
        Ok(Self { database: database.clone(), sql: selects.join(" UNION ALL ") })
    }

    /// What the database holds now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let rows = strings(&self.database, &self.sql).await?;
        Ok(Snapshot(rows.into_iter().collect()))
    }
}

/// The names of all tables.
///
/// # Errors
/// When the database cannot be read.
pub async fn tables(database: &DatabaseConnection) -> Result<Vec<String>> {
    let sql = match database.get_database_backend() {
        DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
        _ => {
            "SELECT table_name::text FROM information_schema.tables \
             WHERE table_schema = current_schema() ORDER BY 1"
        }
    };
    strings(database, sql).await
}

/// Selects the rows of `table`, each as one text.
async fn rows_as_text(
    database: &DatabaseConnection,
    table: &str,
    unseen: &[&str],
) -> Result<String> {
    if database.get_database_backend() != DbBackend::Sqlite {
        let but_for: String = unseen.iter().map(|column| format!(" - '{column}'")).collect();
        let row =
            if unseen.is_empty() { "t".to_owned() } else { format!("(to_jsonb(t){but_for})") };
        return Ok(format!("SELECT '{table} ' || {row}::text FROM \"{table}\" t"));
    }
    let columns = format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid");
    let columns = strings(database, &columns).await?;
    let seen = columns.iter().filter(|column| !unseen.contains(&column.as_str()));
    let texts: Vec<_> = seen.map(|column| format!("quote(\"{column}\")")).collect();
    Ok(format!("SELECT '{table} ' || {} FROM \"{table}\"", texts.join(" || '|' || ")))
}

/// The first column of a query.
async fn strings(database: &DatabaseConnection, sql: &str) -> Result<Vec<String>> {
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let rows = database.query_all_raw(statement).await?;
    Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
}
