//! What a visitor does. A visit's requests all count from its intended start, except where one needs
//! the answer of another.

use std::sync::Arc;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::{
    replay::Click,
    schedule::Due,
    shop::{Call, Service},
    visitors::Visitors,
    waiting,
};

/// Visitors of a shop that has sessions: as many at the same time.
const SESSIONS: u32 = 1000;

/// What the visitors do.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Order and wait.
    Checkout,
    /// Look around.
    Browse,
    /// Both.
    Mixed,
    /// Order one piece of the first so many products, and wait.
    FlashSale {
        /// How many products.
        hot: usize,
    },
    /// Click like these.
    Replay(Arc<Vec<Click>>),
}

/// One visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visit {
    Checkout,
    Products,
    ProductPage,
    Recommendations,
    Trending,
    AddToCart,
}

/// Of a hundred visits of somebody who only looks around.
const BROWSE: [(Visit, u32); 4] = [
    (Visit::Products, 25),
    (Visit::ProductPage, 45),
    (Visit::Recommendations, 25),
    (Visit::Trending, 5),
];
/// Of a hundred visits to a storefront: one in twenty orders, twice as many fill their carts.
const MIXED: [(Visit, u32); 6] = [
    (Visit::Products, 20),
    (Visit::ProductPage, 40),
    (Visit::Recommendations, 20),
    (Visit::Trending, 5),
    (Visit::AddToCart, 10),
    (Visit::Checkout, 5),
];

impl Behaviour {
    /// Whether it orders anything.
    pub fn has_orders(&self) -> bool {
        !matches!(self, Self::Browse | Self::Replay(_))
    }

    /// One visit, from its beginning to its end.
    pub async fn visit(&self, visitors: &Visitors, due: Due, seed: u64) {
        // By the number of the visit: the same choices in every run, however fast it is.
        let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1 << 32).wrapping_add(due.number));
        match self {
            Self::Checkout => Visit::Checkout.make(visitors, due, &mut random).await,
            Self::Browse => choose(&BROWSE, &mut random).make(visitors, due, &mut random).await,
            Self::Mixed => choose(&MIXED, &mut random).make(visitors, due, &mut random).await,
            Self::FlashSale { hot } => {
                let product = random.random_range(0..*hot);
                checkout(visitors, vec![(product, 1)], due, &mut random).await;
            }
            Self::Replay(clicks) => {
                let click = usize::try_from(due.number).ok().and_then(|n| clicks.get(n));
                if let Some(click) = click {
                    replay(visitors, click, due).await;
                }
            }
        }
    }
}

fn choose(proportions: &[(Visit, u32)], random: &mut StdRng) -> Visit {
    let mut left = random.random_range(0..proportions.iter().map(|(_, share)| share).sum());
    for (visit, share) in proportions {
        if left < *share {
            return *visit;
        }
        left -= share;
    }
    Visit::Products
}

impl Visit {
    async fn make(self, visitors: &Visitors, due: Due, random: &mut StdRng) {
        let Due { intended, .. } = due;
        let product = random.random_range(0..visitors.goods.skus.len());
        let (run, sku) = (&visitors.goods.run, &visitors.goods.skus[product]);
        let session = format!("{run}-s{}", random.random_range(0..SESSIONS));
        let products = |operation, path| Call::get(operation, Service::Inventory, path);
        let advice = |operation, path| Call::get(operation, Service::Recommendation, path);
        match self {
            Self::Checkout => checkout(visitors, visitors.basket(random), due, random).await,
            Self::Products => {
                let call =
                    products("products", format!("/api/v1/products?category={run}&limit=20"));
                visitors.call(call, intended).await;
            }
            Self::ProductPage => {
                // A page asks for all of it at once.
                let call = products("product", format!("/api/v1/products/{sku}"));
                let related = advice("related", format!("/api/v1/products/{sku}/related"));
                tokio::join!(
                    visitors.call(call, intended),
                    visitors.call(related, intended),
                    visitors.report(&session, "viewed", product, intended)
                );
            }
            Self::Recommendations => {
                let path = format!("/api/v1/recommendations?session_id={session}&limit=20");
                visitors.call(advice("recommendations", path), intended).await;
            }
            Self::Trending => {
                let call = advice("trending", "/api/v1/trending?window=1h".to_owned());
                visitors.call(call, intended).await;
            }
            Self::AddToCart => visitors.report(&session, "added_to_cart", product, intended).await,
        }
    }
}

async fn checkout(visitors: &Visitors, lines: Vec<(usize, u32)>, due: Due, random: &mut StdRng) {
    let is_refused = random.random_range(0..100) < visitors.refused;
    if let Some((number, id)) = visitors.place(lines, is_refused, due.intended).await {
        waiting::follow(visitors, number, &id, due.intended).await;
    }
}

async fn replay(visitors: &Visitors, click: &Click, due: Due) {
    let session = format!("{}-{}", visitors.goods.run, click.session);
    let entry = visitors.activity(&session, "viewed", click.product, click.at);
    let report =
        Call::post("activity", Service::Recommendation, "/api/v1/activity", vec![entry].into());
    let path = format!("/api/v1/recommendations?session_id={session}&limit=20");
    let ask = Call::get("recommendations", Service::Recommendation, path);
    tokio::join!(visitors.call(report, due.intended), visitors.call(ask, due.intended));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportions_are_of_a_hundred() {
        for proportions in [&BROWSE[..], &MIXED] {
            assert_eq!(100, proportions.iter().map(|(_, share)| share).sum::<u32>());
        }
    }

    #[test]
    fn one_visit_in_twenty_orders() {
        let mut random = StdRng::seed_from_u64(1);
        let visits = (0..10_000).map(|_| choose(&MIXED, &mut random));
        let orders = visits.filter(|visit| *visit == Visit::Checkout).count();
        assert!((400..600).contains(&orders), "{orders} of 10,000");
    }
}
