//! Every path of the saga, with every fault at each of its steps in turn (after omicron's tests of
//! its sagas): whatever goes wrong where, nothing is left over.

use std::{cell::RefCell, rc::Rc};

use order_service::domain::Status;
use saga_tests::{
    faults::{self, Fault, Plan, Point},
    wishes::Wish,
    world::PATIENCE,
};

use crate::scene::{Scene, block_on};

/// What happens on a path, besides what happens by itself.
#[derive(Clone)]
enum Act {
    /// Somebody wants something.
    Want(Wish),
    /// The order service answers; the others hear nothing yet.
    Serve,
    /// The deadline passes.
    Expire,
    /// Everything goes on until nothing moves.
    Settle,
}

use Act::{Expire, Serve, Settle, Want};

fn place(country: &'static str, pieces: u32) -> Act {
    Want(Wish::Place("a".into(), vec![("mug", pieces)], country))
}

fn cancel() -> Act {
    Want(Wish::Cancel("a".into()))
}

fn dispatch() -> Act {
    Want(Wish::Dispatch("a".into()))
}

fn deliver() -> Act {
    Want(Wish::Deliver("a".into()))
}

/// Walks a path while `plan` makes things go wrong; then all is well, and the order has ended.
async fn walk(scene: &mut Scene, path: &[Act], plan: Plan) -> Status {
    scene.again(2).await;
    scene.faults = plan;
    for act in path {
        match act {
            Want(wish) => {
                scene.wish(wish.clone());
            }
            Serve => scene.serve("order").await.unwrap(),
            Expire => scene.advance(PATIENCE),
            Settle => scene.settle(1).await.unwrap(),
        }
    }
    scene.faults = faults::none();
    scene.ends_well().await;
    let order = scene.order_of("a").unwrap();
    scene.status(order).await
}

/// Every fault at each step of `path`.
fn every_fault_at_every_step_of(path: &[Act], ends: &[Status]) {
    block_on(async {
        let mut scene = Scene::with_mugs(0).await;
        let points = Rc::new(RefCell::new(Vec::<Point>::new()));
        let seen = points.clone();
        let watch = Box::new(move |point| {
            seen.borrow_mut().push(point);
            Fault::None
        });
        let end = walk(&mut scene, path, watch).await;
        assert_eq!(end, ends[0], "without a fault");
        let points = points.take();
        assert!(points.len() > 5, "{points:?}");
        for (step, point) in points.iter().enumerate() {
            for fault in Fault::at(*point) {
                let end = walk(&mut scene, path, faults::only_at(step, *fault)).await;
                assert!(ends.contains(&end), "{end:?} after {fault:?} at step {step}, {point:?}");
            }
        }
    });
}

#[test]
fn a_delivered_order_survives_every_fault_at_every_step() {
    let path = [place("DE", 1), Settle, dispatch(), Settle, deliver(), Settle];
    every_fault_at_every_step_of(&path, &[Status::Delivered]);
}

#[test]
fn a_rejected_order_survives_every_fault_at_every_step() {
    every_fault_at_every_step_of(&[place("DE", 3), Settle], &[Status::Rejected]);
}

#[test]
fn a_refused_destination_survives_every_fault_at_every_step() {
    every_fault_at_every_step_of(&[place("AQ", 1), Settle], &[Status::Cancelled]);
}

#[test]
fn a_cancellation_while_pending_survives_every_fault_at_every_step() {
    let path = [place("DE", 1), Serve, cancel(), Serve, Settle];
    every_fault_at_every_step_of(&path, &[Status::Cancelled]);
}

#[test]
fn a_cancellation_while_confirmed_survives_every_fault_at_every_step() {
    let path = [place("DE", 1), Settle, cancel(), Settle];
    every_fault_at_every_step_of(&path, &[Status::Cancelled]);
}

/// A crash at the right moment closes the gate, and the answers come before the deadline fires.
#[test]
fn a_deadline_survives_every_fault_at_every_step() {
    let path = [place("DE", 1), Serve, Expire, Settle];
    every_fault_at_every_step_of(&path, &[Status::Cancelled, Status::Confirmed]);
}
