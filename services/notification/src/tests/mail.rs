//! Mail to a server that works, fails, hangs, hangs up and is away.

use std::time::Duration;

use serde_json::json;

use super::{
    rig::{mailing, start},
    smtp::{Mood, Smtp, header},
    words::{confirmed, placed},
};
use crate::{Config, domain::Rate};

const ALL: &str = "/api/v1/notifications";

#[actix_web::test]
async fn a_mail_has_both_parts_and_an_id_of_its_event() {
    let smtp = Smtp::start().await;
    let rig = start(mailing(smtp.port)).await;
    let order = rig.new_order();
    rig.hear(placed(order, "ada", Some("ada@example.org"))).await;
    let mails = smtp.mails(1).await;
    let sent = rig.until_all(ALL, "SENT").await;
    assert_eq!(sent[0]["address"], "a***@example.org");
    let id = sent[0]["id"].as_str().unwrap();
    assert_eq!(header(&mails[0], "Message-ID"), format!("<{id}@example.org>"));
    assert_eq!(header(&mails[0], "To"), "ada@example.org");
    assert_eq!(header(&mails[0], "Auto-Submitted"), "auto-generated");
    assert!(header(&mails[0], "Subject").contains(&order.to_string()));
    for part in ["multipart/alternative", "text/plain", "text/html"] {
        assert!(mails[0].contains(part), "{}", mails[0]);
    }
    rig.stop().await;
}

#[actix_web::test]
async fn nothing_is_injected_by_a_name() {
    let smtp = Smtp::start().await;
    let rig = start(mailing(smtp.port)).await;
    for name in ["Ada\r\nBcc: all@example.org", "<script>", "עדה", "👩‍👧", &"Ada ".repeat(2_500)]
    {
        let mut placed = placed(rig.new_order(), "ada", Some("ada@example.org"));
        placed.shipping_address.name = name.into();
        rig.hear(placed).await;
    }
    for mail in smtp.mails(5).await {
        assert_eq!(header(&mail, "Bcc"), "");
        let (head, body) = mail.split_once("\n\n").unwrap();
        assert!(!head.contains("all@example.org") && !head.contains("script"), "{head}");
        assert!(!body.contains("<script>\n") && mail.lines().all(|line| line.len() <= 998));
    }
    rig.until_all(ALL, "SENT").await;
    rig.stop().await;
}

#[actix_web::test]
async fn what_the_server_cannot_take_now_is_sent_later_under_the_same_id() {
    let smtp = Smtp::start().await;
    let rig = start(mailing(smtp.port)).await;
    smtp.is(Mood::Busy);
    rig.hear(placed(rig.new_order(), "ada", Some("ada@example.org"))).await;
    let postponed =
        |items: &[serde_json::Value]| items[0]["attempts"] == 1 && items[0]["status"] == "PENDING";
    let waiting = rig.until(ALL, postponed).await;
    assert!(waiting[0]["last_error"].as_str().unwrap().contains("451"), "{waiting:?}");
    assert!(waiting[0]["next_try_at"].as_str() > waiting[0]["created_at"].as_str());
    smtp.is(Mood::Takes);
    rig.pass(Duration::from_secs(3));
    let sent = rig.until_all(ALL, "SENT").await;
    assert_eq!(sent[0]["attempts"], 2);
    assert!(smtp.mails(1).await[0].contains(sent[0]["id"].as_str().unwrap()));
    rig.stop().await;
}

#[actix_web::test]
async fn a_server_that_hangs_up_is_told_again_under_the_same_id() {
    let smtp = Smtp::start().await;
    let rig = start(mailing(smtp.port)).await;
    smtp.is(Mood::HangsUp);
    rig.hear(placed(rig.new_order(), "ada", Some("ada@example.org"))).await;
    rig.until(ALL, |items| items[0]["attempts"] == 1 && items[0]["status"] == "PENDING").await;
    smtp.is(Mood::Takes);
    rig.pass(Duration::from_secs(3));
    rig.until_all(ALL, "SENT").await;
    let ids: Vec<_> =
        smtp.mails(2).await.iter().map(|mail| header(mail, "Message-ID").to_owned()).collect();
    assert_eq!(ids[0], ids[1]);
    rig.stop().await;
}

#[actix_web::test]
async fn an_address_that_the_server_refuses_is_given_up_and_can_be_sent_again() {
    let smtp = Smtp::start().await;
    let rig = start(mailing(smtp.port)).await;
    smtp.is(Mood::Refuses);
    rig.hear(placed(rig.new_order(), "ada", Some("ada@example.org"))).await;
    let failed = rig.until_all(ALL, "FAILED").await;
    assert!(failed[0]["last_error"].as_str().unwrap().contains("550"), "{failed:?}");
    let said = rig.said(1).await;
    assert!(matches!(&said[0].1, events::Event::NotificationFailed(e) if e.attempts == 1));
    smtp.is(Mood::Takes);
    let id = failed[0]["id"].as_str().unwrap();
    let again = rig.post(&format!("{ALL}/{id}/resend"), json!({})).await;
    assert_eq!(again.status, 202, "{again:?}");
    let sent = rig.until_all(ALL, "SENT").await;
    assert_eq!(sent[0]["id"], id);
    assert!(matches!(&rig.said(2).await[1].1, events::Event::NotificationSent(_)));
    rig.stop().await;
}

#[actix_web::test]
async fn a_server_that_is_away_loses_nothing() {
    let port = Smtp::start().await.port;
    let rig = start(mailing(port)).await;
    for n in 0..20 {
        let order = rig.new_order();
        rig.hear(placed(order, &format!("c-{n}"), Some("ada@example.org"))).await;
        rig.hear(confirmed(order)).await;
    }
    let tried = |items: &[serde_json::Value]| {
        items.len() == 40 && items.iter().all(|item| item["last_error"].is_string())
    };
    let waiting = rig.until(ALL, tried).await;
    let smtp = Smtp::on(port).await;
    rig.pass(Duration::from_secs(60));
    rig.until_all(ALL, "SENT").await;
    let came = smtp.mails(40).await;
    let mut ids: Vec<_> = came.iter().map(|mail| header(mail, "Message-ID").to_owned()).collect();
    ids.sort();
    let mut expected: Vec<_> = waiting
        .iter()
        .map(|item| format!("<{}@example.org>", item["id"].as_str().unwrap()))
        .collect();
    expected.sort();
    assert_eq!(ids, expected);
    rig.stop().await;
}

#[actix_web::test]
async fn a_customer_who_gets_much_mail_gets_the_rest_in_one() {
    let smtp = Smtp::start().await;
    let rate = Rate { mails: 2, window: Duration::from_secs(3600) };
    // The staff's mail would come between.
    let config = Config { rate, staff_mail: None, ..mailing(smtp.port) };
    let rig = start(config).await;
    for _ in 0..6 {
        rig.hear(placed(rig.new_order(), "ada", Some("ada@example.org"))).await;
    }
    assert_eq!(smtp.mails(2).await.len(), 2);
    let grouped = rig.get("/api/v1/notifications?status=GROUPED").await;
    assert_eq!(grouped.items().len(), 4);
    let waits = rig.until("/api/v1/notifications?status=PENDING", |items| items.len() == 1).await;
    assert_eq!(
        (&waits[0]["type"], &waits[0]["id"]),
        (&json!("digest"), &grouped.items()[0]["digest_id"])
    );
    rig.pass(Duration::from_secs(3601));
    let digest = &smtp.mails(3).await[2];
    assert!(header(digest, "Subject").starts_with("4 more"), "{digest}");
    let text = digest.split("text/html").next().unwrap();
    assert_eq!(text.matches("We have your order").count(), 4, "{digest}");
    rig.stop().await;
}

#[actix_web::test]
async fn a_customers_language_and_wishes_are_followed() {
    let smtp = Smtp::start().await;
    let rig = start(mailing(smtp.port)).await;
    let wishes = json!({"language": "de-AT", "channels": ["email"], "muted": ["order-confirmed"]});
    let put = rig.put("/api/v1/customers/ada/preferences", wishes).await;
    assert_eq!(put.status, 200, "{put:?}");
    let order = rig.new_order();
    rig.hear(placed(order, "ada", Some("ada@example.org"))).await;
    rig.hear(confirmed(order)).await;
    let mails = smtp.mails(1).await;
    assert!(header(&mails[0], "Subject").starts_with("Wir haben Ihre Bestellung"), "{}", mails[0]);
    let muted = rig.get("/api/v1/notifications?status=MUTED").await;
    assert_eq!(muted.items()[0]["type"], "order-confirmed");
    rig.stop().await;
}
