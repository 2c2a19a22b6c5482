//! Single orders, read together: whatever is asked for while one read is at work shares the next, as
//! transactions do. Thousands of streams cost few statements then, and one alone waits for nobody.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kernel::OrderId;
use messaging::{database::StoreError, sets};
use sea_orm::{ConnectionTrait, DbErr};
use tokio::sync::oneshot;

use super::{entity, read_body};
use crate::domain::Order;

/// What became of one question.
type Found = Result<Option<Arc<Order>>, Arc<StoreError>>;

/// Those who ask, and what for.
#[derive(Default)]
pub struct Lookup {
    waiting: Mutex<Questions>,
    /// Whoever has it reads for all.
    turn: tokio::sync::Mutex<()>,
}

type Questions = HashMap<OrderId, Vec<oneshot::Sender<Found>>>;

impl Lookup {
    /// The order as it is now or was committed later.
    ///
    /// # Errors
    /// When the database refuses, or the row is not what this code wrote.
    pub async fn find(&self, db: &impl ConnectionTrait, id: OrderId) -> Found {
        loop {
            let mut answer = self.ask(id);
            let found = tokio::select! {
                biased;
                found = &mut answer => found,
                _turn = self.turn.lock() => {
                    self.answer_all(db).await;
                    answer.await
                }
            };
            // Whoever read for us may have gone away in the middle.
            if let Ok(found) = found {
                return found;
            }
        }
    }

    fn ask(&self, id: OrderId) -> oneshot::Receiver<Found> {
        let (asker, answer) = oneshot::channel();
        self.waiting().entry(id).or_default().push(asker);
        answer
    }

    async fn answer_all(&self, db: &impl ConnectionTrait) {
        let questions = std::mem::take(&mut *self.waiting());
        let rows = read(db, questions.keys()).await;
        let rows = rows.map_err(|error| Arc::new(StoreError::from(error)));
        for (id, askers) in questions {
            let found = match &rows {
                Ok(rows) => order_in(rows.get(&id.to_string())),
                Err(error) => Err(error.clone()),
            };
            for asker in askers {
                // Who asked may have gone.
                asker.send(found.clone()).ok();
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Questions> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn order_in(row: Option<&entity::Model>) -> Found {
    let order = row.map(read_body).transpose()?;
    Ok(order.map(Arc::new))
}

async fn read(
    db: &impl ConnectionTrait,
    ids: impl Iterator<Item = &OrderId>,
) -> Result<HashMap<String, entity::Model>, DbErr> {
    let ids: Vec<_> = ids.map(OrderId::to_string).collect();
    let rows = sets::find::<entity::Entity>(db, entity::Column::Id, ids).await?;
    Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, future::join_all};
    use messaging::database::Database;
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
        let (db, id) = (database.reader(), OrderId(Uuid::now_v7()));
        let lookup = Lookup::default();
        // While somebody has the only connection, a read does not end.
        let held = database.begin().await.unwrap();
        let [mut first, mut second, mut third] = [(); 3].map(|()| Box::pin(lookup.find(db, id)));
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!(lookup.waiting()[&id].len(), 2);
        drop(first);
        // The second reads for the third as well.
        assert!(second.as_mut().now_or_never().is_none());
        assert!(lookup.waiting().is_empty());
        drop(second);
        held.rollback().await.unwrap();
        assert!(third.await.unwrap().is_none());
    }
}
