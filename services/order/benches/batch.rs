//! What a transaction costs that hears 1, 10 and 200 records: inbox, load, decide, save, timeline,
//! outbox, and the commit with its fsync, in a SQLite file. Each record rejects an order of its own.

use std::{sync::Arc, time::Instant};

use divan::{Bencher, counter::ItemsCount};
use events::{Codec, contracts::stock_rejected::StockRejected};
use kernel::{Clock as _, OrderId, Sku};
use messaging::{
    app::{App, Databases, Platform},
    embedded::EmbeddedLog,
    execute::{Batch, Request, transact},
    pipeline,
    record::Record,
};
use order_service::{
    Config, OrderService,
    domain::{Address, Command, NewOrder},
};
use sea_orm::ConnectionTrait as _;
use tempfile::TempDir;
use testkit::{VirtualClock, records};
use tokio::runtime::Runtime;

fn main() {
    divan::main();
    if std::env::args().any(|argument| argument == "--bench") {
        println!("\na record among 200 costs {:.3} of one alone", ratio());
    }
}

#[divan::bench(args = [1, 10, 200], sample_count = 50, sample_size = 1)]
fn hear(bencher: Bencher, count: usize) {
    let bench = Bench::new();
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| bench.prepare(count))
        .bench_local_values(|batch| bench.execute(&batch));
}

fn ratio() -> f64 {
    let bench = Bench::new();
    let seconds = |count: usize, times: usize| {
        let batches: Vec<_> = (0..times).map(|_| bench.prepare(count)).collect();
        let began_at = Instant::now();
        batches.iter().for_each(|batch| bench.execute(batch));
        began_at.elapsed().as_secs_f64() / f64::from(u32::try_from(count * times).expect("few"))
    };
    let alone = seconds(1, 100);
    seconds(200, 10) / alone
}

/// The service without its actors, on a database in a directory.
struct Bench {
    app: App<OrderService>,
    clock: Arc<VirtualClock>,
    runtime: Runtime,
    _dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let clock = Arc::new(VirtualClock::new(1));
        let platform = Platform {
            log: Arc::new(EmbeddedLog::in_memory(clock.clone())),
            codec: Arc::new(Codec::fixed()),
            clock: clock.clone(),
            databases: Databases::Sqlite(dir.path().to_owned()),
            telemetry: Default::default(),
        };
        let runtime = Runtime::new().expect("a runtime");
        let app = runtime.block_on(async {
            let app = order_service::build(Config::default(), &platform).await.expect("a service");
            let product = "INSERT INTO products VALUES ('tea', 1, 'Tea', 499, 'EUR', true)";
            app.ctx.database.reader().execute_unprepared(product).await.expect("a product");
            app
        });
        Self { app, clock, runtime, _dir: dir }
    }

    /// Places so many orders; returns the records that reject them.
    fn prepare(&self, count: usize) -> Batch<OrderService> {
        let ids: Vec<_> = (0..count).map(|_| OrderId(self.clock.new_id())).collect();
        let requests = ids.iter().map(|id| self.place(*id)).collect();
        self.execute(&Batch { requests, ..Batch::default() });
        let records: Vec<_> = ids.iter().map(|id| Arc::new(self.rejected(*id))).collect();
        let items = self.runtime.block_on(pipeline::prepare(&self.app.ctx, &records));
        Batch { items, ..Batch::default() }
    }

    fn execute(&self, batch: &Batch<OrderService>) {
        self.runtime.block_on(transact(&self.app.ctx, batch)).expect("it is committed");
    }

    fn place(&self, id: OrderId) -> Request<OrderService> {
        let tea: Sku = "tea".parse().expect("an SKU");
        let [name, line1, city, postal_code, country] =
            ["Ada Lovelace", "Inselstr. 1", "Berlin", "10179", "DE"].map(str::to_owned);
        let address = Address { name, line1, line2: None, city, postal_code, country };
        let (customer_id, lines) = ("ada".parse().expect("a customer"), vec![(tea, 2)]);
        let order = NewOrder { customer_id, email: None, session_id: None, lines, address };
        let (now, patience) = (self.clock.now(), Config::default().patience);
        let command = Command::Place { id, order: Box::new(order), now, patience };
        Request { command, idempotency: None, trace: self.app.ctx.tracer.root(id.0) }
    }

    fn rejected(&self, id: OrderId) -> Record {
        let rejected =
            StockRejected { order_id: id.to_string(), shortages: vec![], rejected_at: 0 };
        let said = records::outgoing(&self.app.ctx.codec, &*self.clock, &rejected.into(), None);
        records::arrived(said)
    }
}
