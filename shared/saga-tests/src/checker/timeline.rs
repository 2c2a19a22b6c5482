//! The timeline of every order: complete, each event once, causes before effects, one trace.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use events::Envelope;
use order_service::{
    domain::{Order, Status},
    store::{entity, read_body, timeline},
};
use sea_orm::EntityTrait;

use super::{Checker, Findings, Rule, Violation};

/// The events that an order with this status must have; a cancelled one has a choice of ways.
fn milestones(status: Status) -> &'static [&'static str] {
    const CONFIRMED: [&str; 4] =
        ["OrderPlaced", "StockReserved", "ShipmentScheduled", "OrderConfirmed"];
    const SHIPPED: [&str; 6] = [
        "OrderPlaced",
        "StockReserved",
        "ShipmentScheduled",
        "OrderConfirmed",
        "ShipmentDispatched",
        "StockCommitted",
    ];
    const DELIVERED: [&str; 8] = [
        "OrderPlaced",
        "StockReserved",
        "ShipmentScheduled",
        "OrderConfirmed",
        "ShipmentDispatched",
        "StockCommitted",
        "ShipmentDelivered",
        "OrderCompleted",
    ];
    match status {
        Status::Pending => &["OrderPlaced"],
        Status::Confirmed => &CONFIRMED,
        Status::Shipped => &SHIPPED,
        Status::Delivered => &DELIVERED,
        Status::Rejected => &["OrderPlaced", "StockRejected", "OrderRejected"],
        Status::Cancelled => &["OrderPlaced", "OrderCancelled"],
    }
}

/// What was done and what undoes it: once an order is cancelled, both stand in its timeline.
const UNDONE_BY: [(&str, &str); 2] =
    [("StockReserved", "StockReleased"), ("ShipmentScheduled", "ShipmentCancelled")];

impl Checker {
    /// Whether every order's timeline shows all of its saga.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub async fn timelines(&self, published: &[Envelope]) -> Result<Vec<Violation>> {
        let mut said = BTreeMap::<&str, BTreeSet<String>>::new();
        for envelope in published {
            said.entry(&envelope.correlation_id).or_default().insert(envelope.id.to_string());
        }
        let mut findings = Findings::of(Rule::Timeline);
        for row in entity::Entity::find().all(&self.order).await? {
            let order = read_body(&row)?;
            let events = timeline::of_order(&self.order, order.id).await?;
            check_order(&order, &events, &mut findings);
            let shown: BTreeSet<_> = events.iter().map(|event| event.event_id.clone()).collect();
            let said = said.remove(row.id.as_str()).unwrap_or_default();
            findings.expect(shown == said, || {
                format!("order {}: shows {} events, {} were said", row.id, shown.len(), said.len())
            });
        }
        for id in said.keys() {
            findings.expect(false, || format!("events were said of an unknown order {id}"));
        }
        Ok(findings.found)
    }
}

fn check_order(order: &Order, events: &[timeline::Model], findings: &mut Findings) {
    let types: Vec<_> = events.iter().map(|event| event.r#type.as_str()).collect();
    let what = |rule: &str| format!("order {}: {rule}; {:?}, {types:?}", order.id, order.status);
    let each_once = types.iter().collect::<BTreeSet<_>>().len() == types.len();
    findings.expect(each_once, || what("every event once"));
    for milestone in milestones(order.status) {
        findings.expect(types.contains(milestone), || what(&format!("{milestone} is missing")));
    }
    for (done, undone) in UNDONE_BY {
        let is_undone = types.contains(&undone);
        let must_be = order.status == Status::Cancelled && types.contains(&done);
        findings.expect(is_undone == must_be, || what(&format!("{done} is undone by {undone}")));
    }
    let both = types.contains(&"OrderCancelled") && types.contains(&"ShipmentDispatched");
    findings.expect(!both, || what("never both cancelled and dispatched"));
    check_causes(order, events, findings);
}

fn check_causes(order: &Order, events: &[timeline::Model], findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for event in events {
        let what = |rule: &str| {
            let cause = event.causation_id.as_deref();
            format!("order {}: {} {rule} (cause {cause:?})", order.id, event.r#type)
        };
        match &event.causation_id {
            None => findings.expect(event.r#type == "OrderPlaced", || what("has no cause")),
            Some(cause) => {
                findings.expect(event.r#type != "OrderPlaced", || what("has a cause"));
                findings.expect(seen.contains(cause), || what("comes before its cause"));
            }
        }
        let same_trace = event.trace_id.is_some() && event.trace_id == events[0].trace_id;
        findings.expect(same_trace, || what("is in another trace"));
        seen.insert(event.event_id.clone());
    }
}
