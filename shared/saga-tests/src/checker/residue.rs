//! No residue: once everything has ended, nothing waits, nothing is half done, nothing was given up.

use anyhow::Result;
use inventory_service::store::entity::reservation::{self, Status};
use messaging::{deadlines, outbox};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use shipping_service::store::entity::{self as shipment, Stage};

use super::{Checker, Findings, Rule, Violation};

impl Checker {
    /// Whether anything is left over.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub async fn residue(&self) -> Result<Vec<Violation>> {
        let mut findings = Findings::of(Rule::NoResidue);
        let databases =
            [("order", &self.order), ("inventory", &self.inventory), ("shipping", &self.shipping)];
        for (service, database) in databases {
            for row in outbox::Entity::find().all(database).await? {
                findings.expect(false, || {
                    format!("{service}'s outbox holds {} of {}", row.r#type, row.aggregateid)
                });
            }
            for row in deadlines::Entity::find().all(database).await? {
                findings.expect(false, || {
                    format!(
                        "{service} has a deadline of {}, which waits for nothing",
                        row.aggregate_id
                    )
                });
            }
        }
        self.half_done(&mut findings).await?;
        Ok(findings.found)
    }

    async fn half_done(&self, findings: &mut Findings) -> Result<()> {
        let half_joined =
            [Stage::Unknown, Stage::AddressKnown, Stage::StockKnown, Stage::Scheduled];
        let half_joined =
            shipment::Entity::find().filter(shipment::Column::Stage.is_in(half_joined));
        for row in half_joined.all(&self.shipping).await? {
            findings.expect(false, || {
                format!("shipping still waits for order {} in {:?}", row.order_id, row.stage)
            });
        }
        let unreserved = reservation::Column::Status.eq(Status::DispatchedUnreserved);
        for row in reservation::Entity::find().filter(unreserved).all(&self.inventory).await? {
            findings.expect(false, || {
                format!("a parcel left for order {}, which held nothing", row.order_id)
            });
        }
        Ok(())
    }
}
