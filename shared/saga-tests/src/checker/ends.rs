//! I6: every accepted order ends, the services agree how, and none is lost or doubled.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use inventory_service::store::entity::reservation::{self, Status as Stock};
use order_service::{
    domain::{Order, Status},
    store::{entity, read_body},
};
use sea_orm::EntityTrait;
use shipping_service::store::entity::{self as shipment, Stage};

use super::{Checker, Expected, Findings, Rule, Violation};

impl Checker {
    /// Whether every order has ended, and everywhere in the same way.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub async fn ends(&self, expected: &Expected) -> Result<Vec<Violation>> {
        let rows = entity::Entity::find().all(&self.order).await?;
        let orders = rows.iter().map(read_body).collect::<Result<Vec<_>, _>>()?;
        let rows = reservation::Entity::find().all(&self.inventory).await?;
        let stock: BTreeMap<_, _> =
            rows.into_iter().map(|row| (row.order_id.clone(), row)).collect();
        let rows = shipment::Entity::find().all(&self.shipping).await?;
        let shipments: BTreeMap<_, _> =
            rows.into_iter().map(|row| (row.order_id.clone(), row.stage)).collect();

        let mut findings = Findings::of(Rule::EveryOrderEnds);
        for order in &orders {
            let id = order.id.to_string();
            check_end(order, stock.get(&id), shipments.get(&id).copied(), &mut findings);
        }
        let mut found = findings.found;
        let known = stock.keys().chain(shipments.keys()).map(String::as_str);
        found.extend(lost_or_doubled(expected, &orders, known));
        Ok(found)
    }
}

/// What the three services may say of one order when nothing moves any more.
fn check_end(
    order: &Order,
    reservation: Option<&reservation::Model>,
    stage: Option<Stage>,
    findings: &mut Findings,
) {
    let stock = reservation.map(|row| row.status);
    let agree = match order.status {
        Status::Pending => false,
        Status::Confirmed => stock == Some(Stock::Live) && stage == Some(Stage::Released),
        Status::Shipped => stock == Some(Stock::Committed) && stage == Some(Stage::Dispatched),
        Status::Delivered => stock == Some(Stock::Committed) && stage == Some(Stage::Delivered),
        Status::Rejected => stock == Some(Stock::Rejected) && stage == Some(Stage::Tombstone),
        Status::Cancelled => {
            let holds_nothing = [Stock::Released, Stock::Rejected, Stock::Tombstone];
            let is_over = [Stage::Cancelled, Stage::Refused, Stage::Tombstone];
            stock.is_some_and(|stock| holds_nothing.contains(&stock))
                && stage.is_some_and(|stage| is_over.contains(&stage))
        }
    };
    let what = |rule: &str| {
        format!(
            "order {}: {rule}; {:?}, stock {stock:?}, shipment {stage:?}",
            order.id, order.status
        )
    };
    findings.expect(agree, || what("has ended, everywhere in the same way"));
    let answered = order.cancellation.is_none() || order.status != Status::Confirmed;
    findings.expect(answered, || what("a cancellation is answered"));
    let heard = order.status != Status::Confirmed || reservation.is_some_and(|row| row.confirmed);
    findings.expect(heard, || what("inventory knows that it is confirmed"));
    let said = order.history.last().map(|change| change.status);
    findings.expect(said == Some(order.status), || what("its history ends with its status"));
}

fn lost_or_doubled<'a>(
    expected: &Expected,
    orders: &[Order],
    known: impl Iterator<Item = &'a str>,
) -> Vec<Violation> {
    let mut findings = Findings::of(Rule::NothingLostOrDoubled);
    let ids: BTreeSet<_> = orders.iter().map(|order| order.id.to_string()).collect();
    let accepted: BTreeSet<_> = expected.accepted.values().map(ToString::to_string).collect();
    for id in accepted.difference(&ids) {
        findings.expect(false, || format!("order {id} was accepted and is gone"));
    }
    for id in ids.difference(&accepted) {
        findings.expect(false, || format!("nobody placed order {id}"));
    }
    for id in known {
        findings.expect(ids.contains(id), || format!("another service knows an order {id}"));
    }
    findings.expect(accepted.len() == expected.accepted.len(), || {
        "two requests with different keys became one order".into()
    });
    findings.found
}
