//! SKUs interned to 32-bit ids: the model stores each SKU once, and a click in 12 bytes.

use super::narrow;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// An item of a [`Catalogue`]. Ids are dense and follow the order of first sight, so they differ between replicas:
/// nothing that leaves the model may depend on their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub(crate) u32);

impl ItemId {
    /// The id as an index into a table of items.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// All SKUs ever seen, shared by the shards. It only grows, up to a limit.
#[derive(Clone, Debug)]
pub struct Catalogue {
    text: String,
    ends: Vec<usize>,
    by_sku: HashTable<u32>,
    hasher: DefaultHashBuilder,
    max_items: usize,
}

impl Catalogue {
    /// An empty catalogue of at most `max_items` SKUs.
    #[must_use]
    pub fn new(max_items: usize) -> Self {
        let (text, ends) = (String::new(), Vec::new());
        let max_items = max_items.min(u32::MAX as usize);
        Self {
            text,
            ends,
            by_sku: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            max_items,
        }
    }

    /// The id of a SKU, new if needed; `None` for a new SKU when the catalogue is full.
    pub fn intern(&mut self, sku: &str) -> Option<ItemId> {
        if let Some(known) = self.get(sku) {
            return Some(known);
        }
        if self.ends.len() >= self.max_items {
            return None;
        }
        let id = narrow(self.ends.len());
        self.text.push_str(sku);
        self.ends.push(self.text.len());
        let Self { by_sku, hasher, text, ends, .. } = self;
        by_sku.insert_unique(hasher.hash_one(sku), id, |&other| {
            hasher.hash_one(slice(text, ends, other))
        });
        Some(ItemId(id))
    }

    /// The id of a SKU seen before.
    #[must_use]
    pub fn get(&self, sku: &str) -> Option<ItemId> {
        let hash = self.hasher.hash_one(sku);
        self.by_sku.find(hash, |&id| slice(&self.text, &self.ends, id) == sku).map(|&id| ItemId(id))
    }

    /// The SKU of an item of this catalogue; empty for any other.
    #[must_use]
    pub fn sku(&self, item: ItemId) -> &str {
        slice(&self.text, &self.ends, item.0)
    }

    /// How many SKUs there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no SKU was seen yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All SKUs in the order of their ids.
    pub fn skus(&self) -> impl Iterator<Item = &str> {
        (0..narrow(self.ends.len())).map(|id| slice(&self.text, &self.ends, id))
    }
}

fn slice<'a>(text: &'a str, ends: &[usize], id: u32) -> &'a str {
    let id = id as usize;
    let start = if id == 0 { 0 } else { ends.get(id - 1).copied().unwrap_or(text.len()) };
    let end = ends.get(id).copied().unwrap_or(text.len());
    &text[start.min(end)..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sku_keeps_its_id_and_the_catalogue_its_limit() {
        let mut catalogue = Catalogue::new(2);
        let apple = catalogue.intern("apple").unwrap();
        let pear = catalogue.intern("pear").unwrap();
        assert_ne!(apple, pear);
        assert_eq!(catalogue.intern("apple"), Some(apple));
        assert_eq!(catalogue.intern("plum"), None);
        assert_eq!(catalogue.sku(pear), "pear");
        assert_eq!(catalogue.skus().collect::<Vec<_>>(), ["apple", "pear"]);
    }
}
