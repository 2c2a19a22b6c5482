//! I5: stock is conserved, at every moment.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use inventory_service::store::entity::{
    movement,
    reservation::{self, Status},
    stock,
};
use order_service::store::{entity, read_body};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{Checker, Expected, Findings, Rule, Violation};

type Pieces = BTreeMap<String, i64>;

impl Checker {
    /// Whether stock is conserved. Holds at any moment, not only at the end.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub async fn stock(&self, expected: &Expected) -> Result<Vec<Violation>> {
        let reservations = reservation::Entity::find().all(&self.inventory).await?;
        let held = held(&reservations)?;
        let shipped = self.shipped(&reservations).await?;
        let moved = self.moved().await?;
        let mut findings = Findings::of(Rule::StockConserved);
        let mut known = Vec::new();
        for stock::Model { sku, on_hand, reserved, .. } in
            stock::Entity::find().all(&self.inventory).await?
        {
            let stocked: i64 = expected.stocked.get(&sku).map_or(0, |by_key| by_key.values().sum());
            let (held, shipped, moved) = (of(&held, &sku), of(&shipped, &sku), of(&moved, &sku));
            let what = |rule: &str| {
                format!(
                    "{sku}: {rule}; on hand {on_hand}, reserved {reserved}, live reservations \
                     {held}, stocked {stocked}, shipped {shipped}, ledger {moved}"
                )
            };
            findings.expect((0..=on_hand).contains(&reserved), || what("0 <= reserved <= on_hand"));
            findings.expect(reserved == held, || what("reserved = live reservations"));
            findings.expect(on_hand == stocked - shipped, || what("on_hand = stocked - shipped"));
            findings.expect(on_hand == moved, || what("on_hand = ledger"));
            known.push(sku);
        }
        for sku in held.keys().chain(expected.stocked.keys()) {
            findings.expect(known.contains(sku), || format!("{sku} has no stock at all"));
        }
        Ok(findings.found)
    }

    /// Pieces that left with orders; a reservation forgets its lines, the order doesn't.
    async fn shipped(&self, reservations: &[reservation::Model]) -> Result<Pieces> {
        let committed = reservations.iter().filter(|row| row.status == Status::Committed);
        let ids: Vec<_> = committed.map(|row| row.order_id.as_str()).collect();
        let mut shipped = Pieces::new();
        if ids.is_empty() {
            return Ok(shipped);
        }
        let orders = entity::Entity::find().filter(entity::Column::Id.is_in(ids));
        for row in orders.all(&self.order).await? {
            for line in read_body(&row)?.lines {
                *shipped.entry(line.sku.to_string()).or_default() += i64::from(line.quantity);
            }
        }
        Ok(shipped)
    }

    async fn moved(&self) -> Result<Pieces> {
        let mut moved = Pieces::new();
        for movement in movement::Entity::find().all(&self.inventory).await? {
            *moved.entry(movement.sku).or_default() += movement.delta;
        }
        Ok(moved)
    }
}

fn held(reservations: &[reservation::Model]) -> Result<Pieces> {
    let mut held = Pieces::new();
    for row in reservations.iter().filter(|row| row.status == Status::Live) {
        let lines = row.lines.as_deref().context("a live reservation without lines")?;
        let lines: HashMap<String, i64> = serde_json::from_str(lines)?;
        for (sku, pieces) in lines {
            *held.entry(sku).or_default() += pieces;
        }
    }
    Ok(held)
}

fn of(pieces: &Pieces, sku: &str) -> i64 {
    pieces.get(sku).copied().unwrap_or(0)
}
