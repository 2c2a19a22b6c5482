//! One service's part of all sagas in its database: a transaction for each step of each batch, one
//! after another, and nothing is read.

use anyhow::{Context as _, Result, ensure};
use messaging::database::Database;
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbBackend, TransactionTrait as _};

use super::{
    sagas::{Pair, Sagas},
    statements::{INBOX, OUTBOX, OUTBOX_REMOVED, Prepared, STOCK},
    table::{Event, Rows, Service, Step},
};

/// Puts there what must be there before the first saga.
///
/// # Errors
/// When the database refuses.
pub async fn furnish(database: &Database, service: &Service, sagas: Sagas) -> Result<()> {
    if service.name != "inventory" {
        return Ok(());
    }
    let stock = Prepared::new(STOCK, backend(database), service.name, 0);
    let rows = sagas.skus().map(|sku| (sku, String::new())).collect();
    let tx = database.reader().begin().await?;
    tx.execute_raw(stock.of_rows(rows)).await?;
    Ok(tx.commit().await?)
}

/// Does the service's part of all sagas.
///
/// # Errors
/// When the database refuses, or a statement does not write the rows that it should.
pub async fn work(database: Database, service: &'static Service, sagas: Sagas) -> Result<()> {
    let backend = backend(&database);
    let steps: Vec<_> = service.steps.iter().map(|step| Plan::of(step, backend, service)).collect();
    let mut outbox = Outbox::new(backend, service);
    for batch in sagas.batches() {
        for step in &steps {
            let tx = database.reader().begin().await?;
            for (statement, rows) in &step.writes {
                write(&tx, statement, sagas.rows(batch.clone(), *rows)).await?;
            }
            outbox.remove(&tx).await?;
            outbox.append(&tx, sagas.rows(batch.clone(), step.says)).await?;
            tx.commit().await?;
        }
    }
    let tx = database.reader().begin().await?;
    outbox.remove(&tx).await?;
    Ok(tx.commit().await?)
}

/// A step's statements, ready for any batch.
struct Plan {
    writes: Vec<(Prepared, Rows)>,
    says: Rows,
}

impl Plan {
    fn of(step: &Step, backend: DbBackend, service: &Service) -> Self {
        let prepare = |sql, body_bytes| Prepared::new(sql, backend, service.name, body_bytes);
        let marks = Some((prepare(INBOX, 0), Rows::Events(step.hears)));
        let marks = marks.filter(|_| !step.hears.is_empty());
        let writes =
            step.writes.iter().map(|write| (prepare(write.sql, write.body_bytes), write.rows));
        Self { writes: marks.into_iter().chain(writes).collect(), says: Rows::Events(step.says) }
    }
}

/// What is in the outbox. Nobody else writes to it, so its positions are 1, 2, 3 ...
struct Outbox {
    append: Prepared,
    remove: Prepared,
    appended: u64,
    removed: u64,
}

impl Outbox {
    fn new(backend: DbBackend, service: &Service) -> Self {
        let payload_bytes = mean_bytes(&service.says().collect::<Vec<_>>());
        let prepare = |sql, body_bytes| Prepared::new(sql, backend, service.name, body_bytes);
        let (append, remove) = (prepare(OUTBOX, payload_bytes), prepare(OUTBOX_REMOVED, 0));
        Self { append, remove, appended: 0, removed: 0 }
    }

    async fn append(&mut self, tx: &DatabaseTransaction, rows: Vec<Pair>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.appended += rows.len() as u64;
        write(tx, &self.append, rows).await
    }

    /// Removes all that earlier transactions have left.
    async fn remove(&mut self, tx: &DatabaseTransaction) -> Result<()> {
        if self.removed == self.appended {
            return Ok(());
        }
        let (first, last) = (i64::try_from(self.removed + 1)?, i64::try_from(self.appended)?);
        let statement = self.remove.with(vec![first.into(), last.into()]);
        let removed = tx.execute_raw(statement).await?.rows_affected();
        let expected = self.appended - self.removed;
        ensure!(removed == expected, "{removed} rows left the outbox instead of {expected}");
        self.removed = self.appended;
        Ok(())
    }
}

/// The size of a value, of all that the service says.
fn mean_bytes(events: &[&Event]) -> usize {
    let count = |event: &Event| usize::try_from(event.each.per_saga()).unwrap_or(usize::MAX);
    let bytes: usize = events.iter().map(|event| event.value_bytes * count(event)).sum();
    bytes / events.iter().map(|event| count(event)).sum::<usize>().max(1)
}

async fn write(tx: &DatabaseTransaction, prepared: &Prepared, rows: Vec<Pair>) -> Result<()> {
    let expected = rows.len() as u64;
    let written = tx.execute_raw(prepared.of_rows(rows)).await;
    let written = written.with_context(|| prepared.beginning().to_owned())?.rows_affected();
    let what = prepared.beginning();
    ensure!(written == expected, "{what}: wrote {written} rows instead of {expected}");
    Ok(())
}

fn backend(database: &Database) -> DbBackend {
    database.reader().get_database_backend()
}
