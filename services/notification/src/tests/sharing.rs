//! Several senders on one database share the work.

use testkit::TempDatabases;

use super::{
    rig::{mailing, start},
    smtp::{Smtp, header},
    words::{confirmed, placed},
};

#[actix_web::test]
async fn two_replicas_send_everything_once() {
    let TempDatabases::Postgres(..) = TempDatabases::new() else {
        println!("skipped: a SQLite database has one replica, and TEST_POSTGRES is not set");
        return;
    };
    let smtp = Smtp::start().await;
    let mut rig = start(mailing(smtp.port)).await;
    let other = rig.another(mailing(smtp.port)).await;
    for n in 0..50 {
        let order = rig.new_order();
        let records = [
            rig.record(placed(order, &format!("c-{n}"), Some("ada@example.org"))),
            rig.record(confirmed(order)),
        ];
        rig.hear_all(&records).await;
        other.ctx.database.signals.committed(messaging::signal::News::anything());
    }
    rig.until("/api/v1/notifications?status=SENT&limit=200", |items| items.len() == 100).await;
    let mails = smtp.mails(100).await;
    let ids: std::collections::BTreeSet<_> =
        mails.iter().map(|mail| header(mail, "Message-ID")).collect();
    assert_eq!((mails.len(), ids.len()), (100, 100));
    rig.stop().await;
}
