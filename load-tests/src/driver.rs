//! Lets visitors in: at a constant rate, a fixed number of them over and over, or as many as fit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use crate::{
    scenario::Behaviour,
    schedule::{self, Due, Schedule},
    stop::Stop,
    visitors::Visitors,
    waiting,
};

/// How visitors come.
#[derive(Clone, Debug, PartialEq)]
pub enum Pace {
    /// At times that are fixed before.
    Open(Schedule),
    /// So many, each of which begins anew when it is done.
    Closed(u32),
    /// As fast as so many connections admit them; nobody waits for an order's end in between.
    Burst(u32),
}

/// What one phase of a run is to do.
#[derive(Clone, Debug)]
pub struct Load {
    /// What the visitors do.
    pub behaviour: Behaviour,
    /// How they come.
    pub pace: Pace,
    /// No visit begins after this.
    pub duration: Duration,
    /// No visit begins after so many.
    pub count: u64,
    /// How many may be under way.
    pub max_in_flight: u32,
    /// What they choose is derived from it.
    pub seed: u64,
}

/// Runs one phase to its end, or until `stop`; returns when all visits have ended or run out of patience.
pub async fn drive(visitors: &Arc<Visitors>, load: &Arc<Load>, stop: Stop) {
    let (over, is_over) = watch::channel(false);
    let lister = async {
        if visitors.wait == crate::cli::Wait::List && load.behaviour.has_orders() {
            waiting::list(visitors, is_over).await;
        }
    };
    let visits = async {
        match &load.pace {
            Pace::Open(schedule) => open(visitors, load, schedule, stop).await,
            Pace::Closed(clients) => closed(visitors, load, *clients, stop).await,
            Pace::Burst(connections) => closed(visitors, load, *connections, stop).await,
        }
        // The lister holds the other end, or has none to wait for.
        over.send_replace(true);
    };
    tokio::join!(visits, lister);
}

async fn open(visitors: &Arc<Visitors>, load: &Arc<Load>, schedule: &Schedule, mut stop: Stop) {
    let free = Arc::new(Semaphore::new(load.max_in_flight as usize));
    let starts = schedule.clone().starts(load.duration, load.count);
    let mut pacer = schedule::pace(Instant::now(), starts);
    loop {
        let due = tokio::select! {
            due = pacer.due.recv() => due,
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let Some(due) = due else { break };
        let Ok(permit) = free.clone().try_acquire_owned() else {
            visitors.recorder.overrun();
            continue;
        };
        let visit = visit(visitors.clone(), load.clone(), due);
        tokio::spawn(async move {
            visit.await;
            drop(permit);
        });
    }
    drop(pacer);
    // Every visit ends, at the latest when its patience does. The semaphore is never closed.
    free.acquire_many(load.max_in_flight).await.ok();
}

/// Both kinds of closed loop: what they differ in is whether a visit's end is waited for.
async fn closed(visitors: &Arc<Visitors>, load: &Arc<Load>, clients: u32, stop: Stop) {
    let (next, began_at) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut all = JoinSet::new();
    for _ in 0..clients {
        let (visitors, load, stop, next) =
            (visitors.clone(), load.clone(), stop.clone(), next.clone());
        all.spawn(async move {
            while !*stop.borrow() && began_at.elapsed() < load.duration {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= load.count {
                    break;
                }
                let due = Due { number, intended: Instant::now() };
                visit(visitors.clone(), load.clone(), due).await;
            }
        });
    }
    while all.join_next().await.is_some() {}
}

async fn visit(visitors: Arc<Visitors>, load: Arc<Load>, due: Due) {
    visitors.recorder.began(due.intended.elapsed());
    load.behaviour.visit(&visitors, due, load.seed).await;
}

#[cfg(test)]
mod fake_shop;
#[cfg(test)]
mod tests;
