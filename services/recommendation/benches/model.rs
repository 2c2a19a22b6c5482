//! The cost of one query over 1 to 8 shards read in place, and of learning one click.

use divan::Bencher;
use recommendation_service::model::{
    ItemId, Learned, Parameters, Query, Recommender, Scratch, Shard, Window,
};
use recommendation_service::synthetic::{Shape, SyntheticClicks};

const CLICKS: usize = 500_000;

fn main() {
    divan::main();
}

fn learned(shards: usize) -> (Vec<Shard>, SyntheticClicks) {
    let mut source = SyntheticClicks::new(&Shape { items: 20_000, ..Shape::default() });
    let mut all: Vec<Shard> = (0..shards).map(|_| Shard::new(&Parameters::default())).collect();
    for click in source.by_ref().take(CLICKS) {
        let shard = Shard::of(click.session, shards);
        assert_ne!(all[shard].learn_click(&click), Learned::Repeat);
    }
    (all, source)
}

#[divan::bench(args = [1, 2, 4, 8])]
fn recommend(bencher: Bencher, shards: usize) {
    let (all, mut source) = learned(shards);
    let all: Vec<&Shard> = all.iter().collect();
    let recommender = Recommender::new(Parameters::default());
    let catalogue = source.catalogue().clone();
    let mut scratch = Scratch::default();
    bencher.with_inputs(|| [source.item(), source.item(), source.item()]).bench_local_values(
        |recent| {
            let query = Query { session: None, recent: &recent, page: None, limit: 20 };
            recommender.recommend(&all, &catalogue, &query, |_: ItemId| true, &mut scratch)
        },
    );
}

#[divan::bench(args = [1, 2, 8])]
fn trending(bencher: Bencher, shards: usize) {
    let (all, source) = learned(shards);
    let all: Vec<&Shard> = all.iter().collect();
    let recommender = Recommender::new(Parameters::default());
    bencher.bench_local(|| {
        recommender.trending(&all, source.catalogue(), (Window::Hour, 20), |_: ItemId| true)
    });
}

#[divan::bench(sample_count = 20)]
fn learn_10_000_clicks(bencher: Bencher) {
    let (mut all, mut source) = learned(1);
    bencher.with_inputs(|| source.by_ref().take(10_000).collect::<Vec<_>>()).bench_local_values(
        |clicks| clicks.iter().filter(|click| all[0].learn_click(click) == Learned::New).count(),
    );
}
