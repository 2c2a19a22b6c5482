//! Every event of an order's saga, whoever said it: what the timeline shows.

use std::collections::{HashMap, HashSet};

use events::{Envelope, Event, topics};
use kernel::{OrderId, Timestamp};
use messaging::{
    database::StoreError,
    service::{Heard, Said},
    writes::Writes,
};
use sea_orm::{QueryOrder, Set, entity::prelude::*, sea_query::OnConflict};

/// One event in the timeline of one order.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "timeline")]
pub struct Model {
    /// The order.
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: String,
    /// The event.
    #[sea_orm(primary_key, auto_increment = false)]
    pub event_id: String,
    /// Its name.
    #[sea_orm(column_name = "type")]
    pub r#type: String,
    /// Who said it.
    pub service: String,
    /// In microseconds since 1970.
    pub occurred_at: i64,
    /// The event that caused it.
    pub causation_id: Option<String>,
    /// The trace it belongs to.
    pub trace_id: Option<String>,
    /// What happened, for a person.
    pub summary: String,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Appends what was heard and said. A repeat changes nothing.
pub fn append(heard: &[&Heard], said: &[Said], writes: &mut Writes) {
    let heard = heard.iter().map(|heard| (&heard.envelope, &heard.event));
    let said = said.iter().map(|said| (&said.envelope, &said.event));
    let of_saga = |(_, event): &(&Envelope, &Event)| topics::SAGA.contains(&event.topic());
    let rows: Vec<_> =
        heard.chain(said).filter(of_saga).map(|(envelope, event)| row(envelope, event)).collect();
    let known = OnConflict::columns([Column::OrderId, Column::EventId]).do_nothing().to_owned();
    writes.insert(rows, Some(known));
}

fn row(envelope: &Envelope, event: &Event) -> ActiveModel {
    ActiveModel {
        // The key of every event of the saga; what a foreign producer correlates by is its own affair.
        order_id: Set(event.key().to_owned()),
        event_id: Set(envelope.id.to_string()),
        r#type: Set(envelope.kind.clone()),
        service: Set(envelope.service.clone()),
        occurred_at: Set(envelope.time.0),
        causation_id: Set(envelope.causation_id.map(|id| id.to_string())),
        trace_id: Set(envelope.trace.as_ref().map(|trace| trace.trace_id())),
        summary: Set(event.summary()),
    }
}

/// The events of one order, causes before effects, else in the order they happened.
///
/// # Errors
/// When the database refuses.
pub async fn of_order(db: &impl ConnectionTrait, id: OrderId) -> Result<Vec<Model>, StoreError> {
    let of_order = Entity::find().filter(Column::OrderId.eq(id.to_string()));
    let rows =
        of_order.order_by_asc(Column::OccurredAt).order_by_asc(Column::EventId).all(db).await?;
    Ok(causes_first(rows))
}

/// Clocks of different machines may disagree; causation does not. A cause that is not known yet
/// holds nothing up.
fn causes_first(rows: Vec<Model>) -> Vec<Model> {
    let known: HashSet<_> = rows.iter().map(|row| row.event_id.clone()).collect();
    let mut waiting = HashMap::<String, Vec<Model>>::new();
    let mut ready = Vec::new();
    for row in rows {
        match row.causation_id.clone().filter(|cause| known.contains(cause)) {
            Some(cause) => waiting.entry(cause).or_default().push(row),
            None => ready.push(row),
        }
    }
    let mut sorted = Vec::with_capacity(known.len());
    while !ready.is_empty() {
        let earliest = earliest(&ready);
        let row = ready.remove(earliest);
        ready.extend(waiting.remove(&row.event_id).unwrap_or_default());
        sorted.push(row);
    }
    sorted
}

fn earliest(rows: &[Model]) -> usize {
    let moment = |row: &Model| (Timestamp(row.occurred_at), row.event_id.clone());
    (0..rows.len()).min_by_key(|i| moment(&rows[*i])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, cause: Option<&str>, occurred_at: i64) -> Model {
        Model {
            order_id: "o".into(),
            event_id: id.into(),
            r#type: "X".into(),
            service: "order".into(),
            occurred_at,
            causation_id: cause.map(str::to_owned),
            trace_id: None,
            summary: String::new(),
        }
    }

    #[test]
    fn causes_come_before_effects_whatever_the_clocks_say() {
        let rows = vec![
            event("c", Some("b"), 1),
            event("b", Some("a"), 2),
            event("d", Some("lost"), 3),
            event("a", None, 9),
        ];
        let sorted: Vec<_> = causes_first(rows).into_iter().map(|row| row.event_id).collect();
        assert_eq!(sorted, ["d", "a", "b", "c"]);
    }
}
