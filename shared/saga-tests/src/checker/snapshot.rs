//! All that three databases hold, but for what says only how often something was heard: two
//! snapshots that are equal mean that nothing has changed in between (I4).

use std::collections::BTreeSet;

use anyhow::Result;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use super::Checker;

/// Tables of messaging that may grow with a repeat, and those of the migrations.
const IGNORED: [&str; 4] = ["inbox", "seaql_migrations", "sqlite_sequence", "sqlite_stat1"];

/// Every row as text, with its service and table.
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

impl Checker {
    /// What the databases hold now.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let mut rows = BTreeSet::new();
        let databases =
            [("order", &self.order), ("inventory", &self.inventory), ("shipping", &self.shipping)];
        for (service, database) in databases {
            for table in tables(database).await? {
                let texts = rows_as_text(database, &table).await?;
                rows.extend(texts.into_iter().map(|text| format!("{service}.{table} {text}")));
            }
        }
        Ok(Snapshot(rows))
    }
}

async fn tables(database: &DatabaseConnection) -> Result<Vec<String>> {
    let sql = match database.get_database_backend() {
        DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
        _ => {
            "SELECT table_name::text FROM information_schema.tables \
             WHERE table_schema = current_schema() ORDER BY 1"
        }
    };
    let mut tables = strings(database, sql).await?;
    tables.retain(|table| !IGNORED.contains(&table.as_str()));
    Ok(tables)
}

async fn rows_as_text(database: &DatabaseConnection, table: &str) -> Result<Vec<String>> {
    let sql = match database.get_database_backend() {
        DbBackend::Sqlite => {
            let columns = format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid");
            let columns = strings(database, &columns).await?;
            let texts: Vec<_> =
                columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
            format!("SELECT {} FROM \"{table}\"", texts.join(" || '|' || "))
        }
        _ => format!("SELECT t::text FROM \"{table}\" t"),
    };
    strings(database, &sql).await
}

/// The first column of a query.
async fn strings(database: &DatabaseConnection, sql: &str) -> Result<Vec<String>> {
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let rows = database.query_all_raw(statement).await?;
    Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
}
