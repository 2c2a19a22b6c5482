//! What people want of a shop in one life: few products, so that orders meet.

use testkit::Random;

use crate::{wishes::Wish, world::World};

const SKUS: [&str; 3] = ["mug", "book", "lamp"];

/// Lists the products; of some there are a few pieces, of some none.
pub fn stock(world: &mut World, random: &mut Random) {
    for (i, sku) in SKUS.into_iter().enumerate() {
        world.wish(Wish::Put(sku, 100 * (i as i64 + 1)));
        let pieces = random.below(6);
        if pieces > 0 {
            world.wish(Wish::Restock(format!("first {sku}"), sku, pieces as i64));
        }
    }
}

/// All that people will want, in the order in which they want it.
pub fn wishes(random: &mut Random) -> Vec<Wish> {
    let mut wishes = Vec::new();
    for n in 0..random.between(2, 6) {
        let key = format!("order {n}");
        let place = random.between(0, wishes.len());
        wishes.insert(place, order(random, &key));
        // Each later than the one before, and anywhere among what others want.
        let mut earliest = place;
        for later in later_wishes(random, &key) {
            earliest = random.between(earliest + 1, wishes.len());
            wishes.insert(earliest, later);
        }
    }
    for n in 0..random.between(0, 3) {
        let sku = random.pick(&SKUS).copied().unwrap_or("mug");
        let wish = match random.below(5) {
            0 => Wish::Restock(format!("later {n}"), sku, -1),
            1 | 2 => Wish::Restock(format!("later {n}"), sku, random.between(1, 3) as i64),
            _ => Wish::Put(sku, random.between(1, 500) as i64),
        };
        let place = random.between(0, wishes.len());
        wishes.insert(place, wish);
    }
    wishes
}

fn order(random: &mut Random, key: &str) -> Wish {
    let mut lines = Vec::new();
    for sku in SKUS {
        if random.chance(45) {
            lines.push((sku, if random.chance(25) { 2 } else { 1 }));
        }
    }
    if lines.is_empty() {
        lines.push(("mug", 1));
    }
    let country = if random.chance(10) { "AQ" } else { "DE" };
    Wish::Place(key.to_owned(), lines, country)
}

fn later_wishes(random: &mut Random, key: &str) -> Vec<Wish> {
    let mut wishes = Vec::new();
    for _ in 0..random.between(0, 4) {
        let key = key.to_owned();
        wishes.push(match random.below(10) {
            0..2 => Wish::Cancel(key),
            2..6 => Wish::Dispatch(key),
            6 => Wish::DispatchAtOnce(key),
            _ => Wish::Deliver(key),
        });
    }
    wishes
}
