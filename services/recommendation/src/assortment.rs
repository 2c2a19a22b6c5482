//! What may be shown: the SKUs of the model, which of them are listed and which are in stock.

use std::io::{self, Read, Write};

use crate::model::{Catalogue, DecodeError, ItemId, varint};

/// The version of the format in a snapshot.
const VERSION: u64 = 1;
const LISTED: u64 = 1;
const IN_STOCK: u64 = 2;

/// What is known of an item besides its SKU. Answers look at it for every candidate: two bytes, so that those of all
/// items stay in the processor's caches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Offer {
    is_listed: bool,
    is_in_stock: bool,
}

/// The versions of the events that an offer is known from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Versions {
    product: i64,
    stock: i64,
}

/// All SKUs ever met. What was only clicked is learned and never shown; it may be listed one day.
#[derive(Clone, Debug)]
pub struct Assortment {
    catalogue: Catalogue,
    offers: Vec<Offer>,
    versions: Vec<Versions>,
    max_strangers: usize,
}

impl Assortment {
    /// Without any items yet, and at most so many.
    pub fn new(max_items: usize) -> Self {
        Self::with(Catalogue::new(max_items), max_items)
    }

    fn with(catalogue: Catalogue, max_items: usize) -> Self {
        // Clients can make SKUs up: an eighth of the room is kept for what our own services list.
        let max_strangers = max_items - max_items / 8;
        let offers = vec![Offer::default(); catalogue.len()];
        let versions = vec![Versions::default(); catalogue.len()];
        Self { catalogue, offers, versions, max_strangers }
    }

    /// The SKUs with their ids.
    pub const fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Whether an item may be shown: it is listed, can be ordered, and there is some of it.
    pub fn shows(&self, item: ItemId) -> bool {
        let offer = self.offers.get(item.index());
        offer.is_some_and(|offer| offer.is_listed && offer.is_in_stock)
    }

    /// The id of a SKU that somebody clicked on; `None` when there is no room for another.
    pub fn meet(&mut self, sku: &str) -> Option<ItemId> {
        let known = self.catalogue.get(sku);
        if known.is_none() && self.catalogue.len() >= self.max_strangers {
            return None;
        }
        known.or_else(|| self.add(sku))
    }

    /// Takes over whether a product can be ordered; a lower version than the known one changes nothing. False when
    /// there is no room for another.
    pub fn list(&mut self, sku: &str, version: i64, active: bool) -> bool {
        self.change(sku, |offer, known| {
            if version >= known.product {
                (known.product, offer.is_listed) = (version, active);
            }
        })
    }

    /// Takes over whether there is any of a product; a lower version than the known one changes nothing. False when
    /// there is no room for another.
    pub fn stock(&mut self, sku: &str, version: i64, available: bool) -> bool {
        self.change(sku, |offer, known| {
            if version >= known.stock {
                (known.stock, offer.is_in_stock) = (version, available);
            }
        })
    }

    /// A product that the log forgets is not shown; should it come again, its versions may begin anew.
    pub fn forget(&mut self, sku: &str) {
        if let Some(item) = self.catalogue.get(sku) {
            self.offers[item.index()] = Offer::default();
            self.versions[item.index()] = Versions::default();
        }
    }

    /// Writes everything.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn encode(&self, output: &mut impl Write) -> io::Result<()> {
        self.catalogue.encode(output)?;
        varint::write(output, VERSION)?;
        for (offer, known) in self.offers.iter().zip(&self.versions) {
            let flags =
                u64::from(offer.is_listed) * LISTED + u64::from(offer.is_in_stock) * IN_STOCK;
            varint::write(output, flags)?;
            varint::write_signed(output, known.product)?;
            varint::write_signed(output, known.stock)?;
        }
        Ok(())
    }

    /// Reads what was written.
    ///
    /// # Errors
    /// When the bytes are none, or are of a larger assortment.
    pub fn decode(input: &mut impl Read, max_items: usize) -> Result<Self, DecodeError> {
        let mut assortment = Self::with(Catalogue::decode(input, max_items)?, max_items);
        match varint::read(input)? {
            VERSION => {}
            other => return Err(DecodeError::Version(other)),
        }
        for (offer, known) in assortment.offers.iter_mut().zip(&mut assortment.versions) {
            let flags = varint::read(input)?;
            let (is_listed, is_in_stock) = (flags & LISTED != 0, flags & IN_STOCK != 0);
            *offer = Offer { is_listed, is_in_stock };
            let (product, stock) = (varint::read_signed(input)?, varint::read_signed(input)?);
            *known = Versions { product, stock };
        }
        Ok(assortment)
    }

    fn change(&mut self, sku: &str, change: impl FnOnce(&mut Offer, &mut Versions)) -> bool {
        let Some(item) = self.catalogue.get(sku).or_else(|| self.add(sku)) else { return false };
        change(&mut self.offers[item.index()], &mut self.versions[item.index()]);
        true
    }

    fn add(&mut self, sku: &str) -> Option<ItemId> {
        let item = self.catalogue.intern(sku)?;
        self.offers.push(Offer::default());
        self.versions.push(Versions::default());
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shows(assortment: &Assortment, sku: &str) -> bool {
        assortment.catalogue().get(sku).is_some_and(|item| assortment.shows(item))
    }

    #[test]
    fn only_what_is_listed_and_in_stock_is_shown() {
        let mut assortment = Assortment::new(100);
        assert!(assortment.meet("tent").is_some());
        assert!(!shows(&assortment, "tent"));
        assert!(assortment.list("tent", 1, true));
        assert!(!shows(&assortment, "tent"));
        assert!(assortment.stock("tent", 1, true));
        assert!(shows(&assortment, "tent"));
        assert!(assortment.list("tent", 2, false));
        assert!(!shows(&assortment, "tent"));
    }

    #[test]
    fn an_older_version_changes_nothing() {
        let mut assortment = Assortment::new(100);
        assert!(assortment.list("tent", 5, true) && assortment.stock("tent", 7, true));
        assert!(assortment.list("tent", 4, false) && assortment.stock("tent", 6, false));
        assert!(shows(&assortment, "tent"));
        assortment.forget("tent");
        assert!(!shows(&assortment, "tent"));
        assert!(assortment.list("tent", 1, true) && assortment.stock("tent", 1, true));
        assert!(shows(&assortment, "tent"));
    }

    #[test]
    fn made_up_skus_leave_room_for_real_ones() {
        let mut assortment = Assortment::new(80);
        let met = (0..1000).filter(|n| assortment.meet(&n.to_string()).is_some()).count();
        assert_eq!(met, 70);
        assert!(assortment.meet("0").is_some());
        let listed = (0..1000).filter(|n| assortment.list(&format!("real {n}"), 1, true)).count();
        assert_eq!(listed, 10);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut assortment = Assortment::new(100);
        assert!(assortment.list("tent", 5, true) && assortment.stock("tent", 7, true));
        assert!(assortment.meet("mat").is_some() && assortment.stock("lamp", -3, false));
        let mut bytes = Vec::new();
        assortment.encode(&mut bytes).unwrap();
        let read = Assortment::decode(&mut &bytes[..], 100).unwrap();
        assert_eq!((&read.offers, &read.versions), (&assortment.offers, &assortment.versions));
        assert_eq!(read.catalogue.skus().collect::<Vec<_>>(), ["tent", "mat", "lamp"]);
        assert!(Assortment::decode(&mut &bytes[..bytes.len() - 1], 100).is_err());
        assert!(Assortment::decode(&mut &bytes[..], 2).is_err());
    }
}
