//! What people want, and how they go about it: who gets no answer asks again, with the same key.

use anyhow::Result;
use kernel::{OrderId, ShipmentId};
use shipping_service::store::entity::Stage;

use crate::{
    node::{Progress, Reply, Ticket},
    requests::Lines,
    world::World,
};

/// What somebody wants. Orders are named by their idempotency keys.
#[derive(Clone, Debug)]
pub enum Wish {
    /// To order, to this country.
    Place(String, Vec<(&'static str, u32)>, &'static str),
    /// To cancel this order.
    Cancel(String),
    /// To hand this order's parcel over, once it may leave.
    Dispatch(String),
    /// To hand this order's parcel over, whether or not it may leave.
    DispatchAtOnce(String),
    /// To note that this order's parcel has arrived, once it has left.
    Deliver(String),
    /// To bring pieces, or take them away; the first is the key.
    Restock(String, &'static str, i64),
    /// To list a product at this price.
    Put(&'static str, i64),
}

impl Wish {
    /// Whose business it is.
    fn service(&self) -> &'static str {
        match self {
            Self::Place(..) | Self::Cancel(_) => "order",
            Self::Restock(..) | Self::Put(..) => "inventory",
            Self::Dispatch(_) | Self::DispatchAtOnce(_) | Self::Deliver(_) => "shipping",
        }
    }
}

/// A wish on its way.
#[derive(Debug)]
pub struct Pending {
    wish: Wish,
    ticket: Option<Ticket>,
    reply: Option<Reply>,
}

impl World {
    /// Somebody wants something. Returns where its reply will be.
    pub fn wish(&mut self, wish: Wish) -> usize {
        self.trace.note(format!("somebody wants {wish:?}"));
        self.wishes.push(Pending { wish, ticket: None, reply: None });
        self.wishes.len() - 1
    }

    /// An order to Germany.
    pub fn wish_order(&mut self, key: &str, lines: &Lines) -> usize {
        self.wish(Wish::Place(key.to_owned(), lines.to_vec(), "DE"))
    }

    /// How a wish ended.
    pub fn reply(&self, wish: usize) -> Option<&Reply> {
        self.wishes.get(wish)?.reply.as_ref()
    }

    /// People look whether they were answered; who was not and cannot be any more asks again.
    ///
    /// # Errors
    /// When a shipment cannot be looked up.
    pub async fn poll(&mut self) -> Result<()> {
        for i in 0..self.wishes.len() {
            if self.wishes[i].reply.is_some() {
                continue;
            }
            if let Some(ticket) = self.wishes[i].ticket {
                match self.progress(self.wishes[i].wish.service(), ticket) {
                    Progress::Waits => continue,
                    Progress::Lost => self.wishes[i].ticket = None,
                    Progress::Answered(reply) => {
                        self.trace.note(format!("{:?} is answered", self.wishes[i].wish));
                        self.wishes[i].reply = Some(reply);
                        continue;
                    }
                }
            }
            self.wishes[i].ticket = self.ask(self.wishes[i].wish.clone()).await?;
        }
        Ok(())
    }

    fn progress(&self, service: &str, ticket: Ticket) -> Progress {
        match service {
            "order" => self.order.progress(ticket),
            "inventory" => self.inventory.progress(ticket),
            _ => self.shipping.progress(ticket),
        }
    }

    /// `None` while the service is down or what is talked about is not known yet.
    async fn ask(&mut self, wish: Wish) -> Result<Option<Ticket>> {
        if !self.seats[self.seat(wish.service())].up {
            return Ok(None);
        }
        Ok(match wish {
            Wish::Place(key, lines, country) => Some(self.place(&key, &lines, country)),
            Wish::Restock(key, sku, delta) => Some(self.restock(&key, sku, delta)),
            Wish::Put(sku, price_minor) => Some(self.put_product(sku, price_minor)),
            Wish::Cancel(key) => self.order_of(&key).map(|order| self.cancel(order)),
            Wish::Dispatch(key) => {
                let parcel = self.parcel_of(&key, Some(Stage::Released)).await?;
                parcel.map(|(order, parcel)| self.dispatch(order, parcel))
            }
            Wish::DispatchAtOnce(key) => {
                let parcel = self.parcel_of(&key, None).await?;
                parcel.map(|(order, parcel)| self.dispatch(order, parcel))
            }
            Wish::Deliver(key) => {
                let parcel = self.parcel_of(&key, Some(Stage::Dispatched)).await?;
                parcel.map(|(order, parcel)| self.deliver(order, parcel))
            }
        })
    }

    /// The order's parcel, if there is one and it is at this stage.
    async fn parcel_of(
        &self,
        key: &str,
        stage: Option<Stage>,
    ) -> Result<Option<(OrderId, ShipmentId)>> {
        let Some(order) = self.order_of(key) else { return Ok(None) };
        let shipment = self.shipment(order).await?;
        let shipment =
            shipment.filter(|shipment| stage.is_none_or(|stage| stage == shipment.stage));
        let id = shipment.and_then(|shipment| shipment.shipment_id?.parse().ok());
        Ok(id.map(|id| (order, id)))
    }
}
