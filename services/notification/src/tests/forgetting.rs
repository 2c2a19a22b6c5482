//! What was told long ago is forgotten, and still not told again.

use std::time::Duration;

use messaging::runtime::keep_house;

use super::{
    rig::{posting, start},
    words::{confirmed, placed},
};

const ALL: &str = "/api/v1/notifications";
const DAY: Duration = Duration::from_hours(24);

#[actix_web::test]
async fn what_was_told_long_ago_is_forgotten_and_not_told_again() {
    let rig = start(posting()).await;
    let order = rig.new_order();
    let record = rig.record(placed(order, "ada", None));
    rig.hear_all(std::slice::from_ref(&record)).await;
    rig.pass(80 * DAY);
    rig.hear(confirmed(order)).await;
    assert_eq!(rig.get(ALL).await.items().len(), 2);
    rig.pass(11 * DAY);
    keep_house(&rig.app.ctx).await.unwrap();
    let kept = rig.get(ALL).await;
    let kinds: Vec<_> = kept.items().iter().map(|item| &item["type"]).collect();
    assert_eq!(kinds, ["order-confirmed"]);
    // The inbox has forgotten the event as well.
    assert_eq!(rig.hear_all(&[record]).await, 0);
    assert_eq!(rig.get(ALL).await.items().len(), 1);
    rig.stop().await;
}
