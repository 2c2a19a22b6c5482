//! What is written, in every language, and what is made of what others have written.

use kernel::{OrderId, Timestamp};
use uuid::Uuid;

use super::*;
use crate::domain::{Audience, Channel, Line, Progress, Shortage};

fn bill(name: &str) -> Bill {
    let line = Line {
        sku: "TEA".into(),
        name: "Tea & <b>biscuits</b>".into(),
        quantity: 2,
        unit_price_minor: 890,
    };
    Bill { name: name.into(), lines: vec![line], currency: "EUR".into(), total_minor: 1780 }
}

fn of(content: Content, language: &str) -> Notification {
    Notification {
        id: Uuid::from_u128(1),
        subject: String::new(),
        customer_id: "ada".into(),
        order_id: Some(OrderId(Uuid::from_u128(42))),
        audience: Audience::Customer,
        channel: Channel::Email,
        address: "ada@example.org".into(),
        language: language.into(),
        content,
        progress: Progress::Pending(Timestamp(0)),
        attempts: 0,
        last_error: None,
        created_at: Timestamp(0),
    }
}

fn said(content: Content, language: &str) -> Message {
    let members = vec![of(Content::OrderReceived(bill("Ada")), language)];
    Words::new().message(&of(content, language), &Grouped { members, count: 3 }).unwrap()
}

fn contents() -> Vec<Content> {
    let name = || "Ada".to_owned();
    let shortage = Shortage { sku: "TEA".into(), name: "Tea".into(), requested: 3, available: 1 };
    vec![
        Content::OrderReceived(bill("Ada")),
        Content::OrderConfirmed(bill("Ada")),
        Content::OrderRejected { name: name(), shortages: vec![shortage] },
        Content::OrderCancelled {
            name: name(),
            cause: "customer".into(),
            reason: "no\nyes".into(),
        },
        Content::OrderShipped {
            carrier: "DHL".into(),
            tracking_number: "123".into(),
            bill: bill("Ada"),
        },
        Content::OrderDelivered { name: name() },
        Content::Digest,
        Content::OrderWaiting { since: Timestamp(0) },
        Content::OrderTimedOut { reason: "no stock".into() },
        Content::StockLow { sku: "TEA".into(), available: 1, on_hand: 2 },
        Content::DeadLetter {
            service: "order".into(),
            letter: 7,
            event: "OrderPlaced".into(),
            reason: "bad".into(),
        },
        Content::WebhookDisabled {
            endpoint: Uuid::nil(),
            host: "example.org".into(),
            since: Timestamp(0),
            error: "500".into(),
        },
        Content::Test,
    ]
}

#[test]
fn everything_can_be_said_in_every_language() {
    for language in ["en", "de", "de-AT", "DE", "fr", "", "x-y"] {
        for content in contents() {
            let message = said(content.clone(), language);
            let whole = format!("{message:?}");
            assert!(!whole.contains("undefined") && !whole.contains("{{"), "{whole}");
            assert!(!message.subject.is_empty() && !message.subject.contains('\n'), "{whole}");
            assert!(message.text.trim().len() > 10, "{content:?} in {language}: {whole}");
            assert!(message.html.trim_end().ends_with("</html>"), "{whole}");
        }
    }
}

#[test]
fn the_customers_language_is_used_and_english_else() {
    let subject = |language| said(Content::OrderDelivered { name: "Ada".into() }, language).subject;
    assert!(subject("de-CH").starts_with("Ihre Bestellung"));
    assert!(subject("fr").starts_with("Your order"));
}

#[test]
fn the_orders_number_and_items_are_in_both_parts() {
    let message = said(Content::OrderConfirmed(bill("Ada")), "en");
    for part in [&message.text, &message.html] {
        for word in ["Ada", "00000000-0000-0000-0000-00000000002a", "2 ×", "17.80 EUR", "Total"] {
            assert!(part.contains(word), "{word} in {part}");
        }
    }
    assert!(message.text.contains("Tea & <b>biscuits</b>"));
    assert!(
        message.html.contains("Tea &amp; &lt;b&gt;biscuits&lt;&#x2f;b&gt;"),
        "{}",
        message.html
    );
}

#[test]
fn what_others_wrote_is_escaped_in_html() {
    let (name, reason) = ("<script>alert(1)</script>", "</p><img src=x onerror=\"y\">&\n\n<b>");
    let cause = "customer".to_owned();
    let content = Content::OrderCancelled { name: name.into(), cause, reason: reason.into() };
    let html = said(content, "en").html;
    for word in ["<script", "<img", "<b>"] {
        assert!(!html.contains(word), "{word} in {html}");
    }
    assert!(html.contains("&lt;script&gt;"));
}

#[test]
fn a_name_stays_on_its_line_and_a_reason_keeps_its_lines() {
    let name = "Ada\r\nBcc: all@example.org\u{0}\u{202e}";
    let content = Content::OrderCancelled {
        name: name.into(),
        cause: "customer".into(),
        reason: "one\r\ntwo\u{7}".into(),
    };
    let message = said(content, "en");
    assert!(message.text.starts_with("Hello Ada Bcc: all@example.org,\n"), "{}", message.text);
    assert!(message.text.contains("one\ntwo"), "{}", message.text);
    assert!(!message.text.contains(['\r', '\0', '\u{7}', '\u{202e}']));
}

#[test]
fn names_of_every_script_and_length_are_whole() {
    for name in ["עדה", "آدا لوفلیس", "👩‍👩‍👧‍👦 🏴󠁧󠁢󠁳󠁣󠁴󠁿", &"Ada ".repeat(2_500)]
    {
        let name = name.trim();
        let message = said(Content::OrderDelivered { name: name.into() }, "en");
        assert!(message.text.contains(name) && message.html.contains(name));
        assert!(message.subject.chars().count() <= MAX_SUBJECT + 1);
    }
}

#[test]
fn a_subject_is_one_short_line() {
    let sku = format!("TEA\r\nBcc: x@example.org {}", "é".repeat(500));
    let subject = said(Content::StockLow { sku, available: 1, on_hand: 1 }, "en").subject;
    assert!(subject.starts_with("TEA Bcc: x@example.org"), "{subject}");
    assert!(subject.ends_with('…') && subject.chars().count() == MAX_SUBJECT + 1);
}

#[test]
fn amounts_have_their_currencys_decimals() {
    assert_eq!(amount(1780, "EUR"), "17.80 EUR");
    assert_eq!(amount(5, "EUR"), "0.05 EUR");
    assert_eq!(amount(-1780, "EUR"), "-17.80 EUR");
    assert_eq!(amount(1780, "JPY"), "1780 JPY");
    assert_eq!(amount(1780, "KWD"), "1.780 KWD");
}
