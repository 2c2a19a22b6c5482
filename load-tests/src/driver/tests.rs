use std::sync::Mutex;

use super::{fake_shop::FakeShop, *};
use crate::{
    checker::{self, Kind},
    cli::{Cli, Wait},
    clock::Clock,
    ledger::Ledger,
    recorder::SAGA,
    shop::Shop,
    stocking::Goods,
};

/// Visitors of a fake shop, with two products.
async fn visitors(shop: FakeShop, wait: Wait) -> (Arc<Visitors>, Arc<Mutex<FakeShop>>) {
    let (url, fake) = shop.open().await;
    let line = ["load-tests", "checkout", "--target", &url];
    let cli = <Cli as clap::Parser>::try_parse_from(line).unwrap();
    let patience = Duration::from_secs(20);
    let visitors = Visitors {
        shop: Arc::new(Shop::new(&cli.scenario().options().sites, patience).unwrap()),
        goods: Arc::new(Goods::numbered("run", 2, 1000)),
        ledger: Arc::new(Ledger::new("run")),
        recorder: Arc::default(),
        clock: Clock::start(),
        measured: true,
        refused: 0,
        wait,
        poll: Duration::from_millis(1),
        patience,
    };
    (Arc::new(visitors), fake)
}

async fn run(visitors: &Arc<Visitors>, pace: Pace, count: u64) {
    let load = Load {
        behaviour: Behaviour::Checkout,
        pace,
        duration: Duration::from_secs(3600),
        count,
        max_in_flight: 1000,
        seed: 1,
    };
    let (_never, stop) = watch::channel(false);
    drive(visitors, &Arc::new(load), stop).await;
}

fn open(per_second: f64) -> Pace {
    Pace::Open(Schedule::Constant(per_second))
}

#[tokio::test]
async fn every_order_is_followed_to_its_end_at_any_pace() {
    for (pace, wait) in [
        (open(1000.0), Wait::Stream),
        (Pace::Closed(3), Wait::Poll),
        (Pace::Closed(3), Wait::Stream),
        (Pace::Burst(8), Wait::List),
    ] {
        let (visitors, fake) = visitors(FakeShop::default(), wait).await;
        run(&visitors, pace.clone(), 250).await;
        assert_eq!(250, fake.lock().unwrap().orders.len(), "{pace:?}");
        assert_eq!((0, 250), visitors.ledger.progress(), "{pace:?}");
        assert_eq!(250, visitors.recorder.total(SAGA).unwrap().len(), "{pace:?}");
        assert_eq!(0, visitors.recorder.counts().error_count(), "{pace:?}");
        assert!(checker::inspect(&visitors).await.is_empty(), "{pace:?}");
    }
}

#[tokio::test]
async fn an_order_that_the_shop_forgets_fails_the_run() {
    let forgetful = FakeShop { forgets: Some(230), ..FakeShop::default() };
    let (visitors, _fake) = visitors(forgetful, Wait::Stream).await;
    run(&visitors, open(1000.0), 250).await;
    let violations = checker::inspect(&visitors).await;
    assert_eq!([Kind::Lost], *violations.iter().map(|v| v.kind).collect::<Vec<_>>());
    assert!(violations[0].detail.contains("id-230"), "{violations:?}");
}

#[tokio::test]
async fn stock_that_is_sold_twice_fails_the_run() {
    let oversold = FakeShop { invents: 1001, ..FakeShop::default() };
    let (visitors, _fake) = visitors(oversold, Wait::Stream).await;
    run(&visitors, Pace::Closed(2), 10).await;
    let violations = checker::inspect(&visitors).await;
    assert_eq!([Kind::Oversold; 2], *violations.iter().map(|v| v.kind).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_is_told_to_come_later_does_with_the_same_key() {
    let busy = FakeShop { busy: 3, ..FakeShop::default() };
    let (visitors, fake) = visitors(busy, Wait::Stream).await;
    run(&visitors, Pace::Closed(1), 1).await;
    let counts = visitors.recorder.counts();
    assert_eq!((0, Some(&3)), (counts.error_count(), counts.deferred.get("503")));
    assert_eq!(["run-0"; 4], *fake.lock().unwrap().keys);
    assert_eq!(1, fake.lock().unwrap().orders.len());
}

#[tokio::test]
async fn visits_beyond_the_bound_are_not_begun_and_count() {
    // Nobody is answered before the last one is due.
    let busy = FakeShop { busy: usize::MAX, ..FakeShop::default() };
    let (visitors, fake) = visitors(busy, Wait::Stream).await;
    let load = Load {
        behaviour: Behaviour::Checkout,
        pace: Pace::Open(Schedule::Times(vec![Duration::ZERO; 30], 1.0)),
        duration: Duration::from_secs(1),
        count: 30,
        max_in_flight: 10,
        seed: 1,
    };
    let (_never, stop) = watch::channel(false);
    let load = Arc::new(load);
    let driving = drive(&visitors, &load, stop);
    let freeing = async {
        while visitors.recorder.counts().overruns < 20 {
            tokio::task::yield_now().await;
        }
        fake.lock().unwrap().busy = 0;
    };
    tokio::join!(driving, freeing);
    let counts = visitors.recorder.counts();
    assert_eq!((10, 20), (counts.visits, counts.overruns));
}
