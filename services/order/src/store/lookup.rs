//! Single orders, read together: whatever is asked for while one read is at work shares the next, as
//! transactions do. Thousands of streams cost few statements then, and one alone waits for nobody. On
//! SQLite, which is read in place, that is so between threads; a read costs little there.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kernel::OrderId;
use messaging::{
    database::{Reads, StoreError},
    sets,
};
use sea_orm::{DbErr, RuntimeErr};
use tokio::sync::oneshot;

use super::{entity, read_body};
use crate::domain::Order;

/// What became of one question.
type Found = Result<Option<Arc<Order>>, Arc<StoreError>>;

/// Those who ask, and what for.
#[derive(Default)]
pub struct Lookup {
    waiting: Mutex<VecDeque<Question>>,
    /// Whoever has it reads for all.
    turn: tokio::sync::Mutex<()>,
}

type Question = (OrderId, oneshot::Sender<Found>);

/// Questions that one statement answers.
const LIMIT: usize = 512;
/// How long a question waits: a server that is cut off says nothing.
const PATIENCE: Duration = Duration::from_secs(5);

impl Lookup {
    /// The order as it is now or was committed later.
    ///
    /// # Errors
    /// When the database refuses or says nothing, or the row is not what this code wrote.
    pub async fn find(&self, db: &impl Reads, id: OrderId) -> Found {
        tokio::time::timeout(PATIENCE, self.answer(db, id)).await.unwrap_or_else(|_| {
            let silent = format!("the database was silent for {} s", PATIENCE.as_secs());
            Err(Arc::new(DbErr::Conn(RuntimeErr::Internal(silent)).into()))
        })
    }

    async fn answer(&self, db: &impl Reads, id: OrderId) -> Found {
        let mut answer = self.ask(id);
        loop {
            tokio::select! {
                biased;
                found = &mut answer => match found {
                    Ok(found) => return found,
                    // Whoever read for us has gone away in the middle.
                    Err(_) => answer = self.ask(id),
                },
                _turn = self.turn.lock() => self.answer_some(db).await,
            }
        }
    }

    fn ask(&self, id: OrderId) -> oneshot::Receiver<Found> {
        let (asker, answer) = oneshot::channel();
        self.waiting().push_back((id, asker));
        answer
    }

    async fn answer_some(&self, db: &impl Reads) {
        let questions = self.take();
        let rows = read(db, &questions).await;
        let rows = rows.map_err(Arc::new);
        for (id, asker) in questions {
            let found = match &rows {
                Ok(rows) => order_in(rows.get(&id.to_string())),
                Err(error) => Err(error.clone()),
            };
            // Who asked may have gone.
            asker.send(found).ok();
        }
    }

    /// Those who have waited longest and still do.
    fn take(&self) -> Vec<Question> {
        let mut waiting = self.waiting();
        waiting.retain(|(_, asker)| !asker.is_closed());
        let some = waiting.len().min(LIMIT);
        waiting.drain(..some).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Question>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn order_in(row: Option<&entity::Model>) -> Found {
    let order = row.map(read_body).transpose()?;
    Ok(order.map(Arc::new))
}

async fn read(
    db: &impl Reads,
    questions: &[Question],
) -> Result<HashMap<String, entity::Model>, StoreError> {
    let ids: Vec<_> = questions.iter().map(|(id, _)| id.to_string()).collect();
    let rows = sets::find::<entity::Entity>(db, entity::Column::Id, ids).await?;
    Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, future::join_all};
    use messaging::database::Database;
    use sea_orm::TransactionTrait as _;
    use uuid::Uuid;

    use super::*;
    use crate::{store::migration::Migrator, testing::shop::Shop};

    #[actix_web::test]
    async fn each_gets_the_order_that_it_asked_for() {
        let shop = Shop::open().await;
        let ctx = &shop.app.ctx;
        let mut ids: Vec<OrderId> = Vec::new();
        for _ in 0..3 {
            ids.push(shop.placed().await.parse().unwrap());
        }
        ids.push(OrderId(ctx.clock.new_id()));
        let asked = ids.iter().chain(&ids);
        let asked = asked.map(|id| ctx.service.lookup.find(ctx.database.reader(), *id));
        let found: Vec<_> =
            join_all(asked).await.into_iter().map(|found| found.unwrap().map(|it| it.id)).collect();
        let ids = [Some(ids[0]), Some(ids[1]), Some(ids[2]), None];
        assert_eq!(found, [ids, ids].concat());
    }

    #[actix_web::test]
    async fn what_is_asked_meanwhile_is_read_together_and_again_when_the_reader_goes_away() {
        let database = Database::in_memory::<Migrator>().await.unwrap();
        let (db, id) = (database.reader(), OrderId(Uuid::from_u128(1)));
        let lookup = Lookup::default();
        // While somebody has the only connection, a read does not end.
        let held = db.begin().await.unwrap();
        let [mut first, mut second, mut third] = [(); 3].map(|()| Box::pin(lookup.find(db, id)));
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!(lookup.waiting().len(), 2);
        drop(first);
        // The second reads for the third as well.
        assert!(second.as_mut().now_or_never().is_none());
        assert!(lookup.waiting().is_empty());
        drop(second);
        held.rollback().await.unwrap();
        assert!(third.await.unwrap().is_none());
    }

    #[actix_web::test]
    async fn a_silent_database_is_not_waited_for() {
        let database = Database::in_memory::<Migrator>().await.unwrap();
        let (db, lookup) = (database.reader(), Lookup::default());
        // More than one statement takes.
        let ids = (0..=LIMIT as u128).map(|number| OrderId(Uuid::from_u128(number)));
        let asked = join_all(ids.map(|id| lookup.find(db, id)));
        let held = db.begin().await.unwrap();
        tokio::time::pause();
        assert!(asked.await.into_iter().all(|found| found.unwrap_err().is_transient()));
        tokio::time::resume();
        held.rollback().await.unwrap();
        assert!(lookup.find(db, OrderId(Uuid::from_u128(1))).await.unwrap().is_none());
    }
}
