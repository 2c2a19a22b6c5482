//! What is told, in words: a subject, a text, and the same as HTML.
//!
//! The words stand once for a language, as text; the HTML part is made of the same paragraphs, so
//! that whatever comes from outside is escaped in one place, by the engine.

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value as Context, context};
use serde_json::Value;

use crate::domain::{Bill, Content, Notification};

/// The longest subject, in characters.
const MAX_SUBJECT: usize = 150;

/// A message for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// One line.
    pub subject: String,
    /// Plain.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// What a digest tells.
#[derive(Clone, Debug, Default)]
pub struct Grouped {
    /// Its notifications, oldest first; perhaps not all.
    pub members: Vec<Notification>,
    /// How many there are.
    pub count: u64,
}

/// The templates.
pub struct Words(Environment<'static>);

impl Default for Words {
    fn default() -> Self {
        Self::new()
    }
}

impl Words {
    /// The templates as they were compiled in.
    ///
    /// # Panics
    /// When one is no template; a test knows.
    pub fn new() -> Self {
        let mut templates = Environment::new();
        // A misspelt variable is an error and not an empty place.
        templates.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        templates.set_auto_escape_callback(|name| match name.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        templates.add_filter("line", |text: String| one_line(&text));
        for (name, source) in [
            ("en.txt", include_str!("../templates/en.txt")),
            ("de.txt", include_str!("../templates/de.txt")),
            ("mail.txt", include_str!("../templates/mail.txt")),
            ("mail.html", include_str!("../templates/mail.html")),
        ] {
            templates.add_template(name, source).expect("the templates are templates");
        }
        Self(templates)
    }

    /// What `notification` says.
    ///
    /// # Errors
    /// When a template fails, which is a bug.
    pub fn message(
        &self,
        notification: &Notification,
        grouped: &Grouped,
    ) -> Result<Message, minijinja::Error> {
        let (subject, body, language) = self.body(notification, grouped)?;
        let (name, bill) = of_customer(&notification.content);
        let lines: Vec<_> = bill.into_iter().flat_map(items).collect();
        let total = bill.map(|bill| amount(bill.total_minor, &bill.currency));
        let paragraphs: Vec<_> = body
            .split("\n\n")
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(Context::from)
            .collect();
        let values = context! {
            language, paragraphs, lines,
            subject => &subject,
            body => &body,
            order => notification.order_id.map(|id| id.to_string()).unwrap_or_default(),
            name => name.map(shown).unwrap_or_default(),
            total => total.unwrap_or_default(),
        };
        Ok(Message {
            text: self.0.get_template("mail.txt")?.render(&values)?,
            html: self.0.get_template("mail.html")?.render(&values)?,
            subject,
        })
    }

    /// The subject alone, for lists.
    ///
    /// # Errors
    /// As [`Words::message`].
    pub fn subject(&self, notification: &Notification) -> Result<String, minijinja::Error> {
        Ok(self.body(notification, &Grouped::default())?.0)
    }

    /// The subject, the words, and the language that they are in.
    fn body(
        &self,
        notification: &Notification,
        grouped: &Grouped,
    ) -> Result<(String, String, &'static str), minijinja::Error> {
        let values = known(&self.values(notification, grouped)?);
        for language in languages(&notification.language) {
            let text = self.0.get_template(&format!("{language}.txt"))?.render(&values)?;
            if let Some((subject, body)) = text.trim().split_once('\n') {
                return Ok((clip(&one_line(subject)), body.trim().to_owned(), language));
            }
        }
        let missing = format!("no words for {:?}", notification.content.kind());
        Err(minijinja::Error::new(minijinja::ErrorKind::TemplateNotFound, missing))
    }

    /// What the templates know: the content's fields, and what it is about.
    fn values(
        &self,
        notification: &Notification,
        grouped: &Grouped,
    ) -> Result<Value, minijinja::Error> {
        let unwritable = |error: serde_json::Error| {
            minijinja::Error::new(minijinja::ErrorKind::BadSerialization, error.to_string())
        };
        let mut values = serde_json::to_value(&notification.content).map_err(unwritable)?;
        values["order"] = notification.order_id.map(|id| id.to_string()).into();
        if matches!(notification.content, Content::Digest) {
            let subjects = grouped.members.iter().map(|member| self.subject(member));
            values["subjects"] = subjects.collect::<Result<Vec<_>, _>>()?.into();
            values["count"] = grouped.count.into();
        }
        Ok(values)
    }
}

/// The languages to try, the wanted one first: what is not said in it is said in English.
fn languages(wanted: &str) -> impl Iterator<Item = &'static str> {
    let primary = wanted.split(['-', '_']).next().unwrap_or_default();
    let wanted = ["de"].into_iter().find(|known| primary.eq_ignore_ascii_case(known));
    wanted.into_iter().chain(["en"])
}

fn of_customer(content: &Content) -> (Option<&str>, Option<&Bill>) {
    match content {
        Content::OrderReceived(bill) | Content::OrderConfirmed(bill) => {
            (Some(&bill.name), Some(bill))
        }
        Content::OrderShipped { bill, .. } => (Some(&bill.name), Some(bill)),
        Content::OrderRejected { name, .. }
        | Content::OrderCancelled { name, .. }
        | Content::OrderDelivered { name } => (Some(name), None),
        Content::Digest
        | Content::OrderWaiting { .. }
        | Content::OrderTimedOut { .. }
        | Content::StockLow { .. }
        | Content::DeadLetter { .. }
        | Content::WebhookDisabled { .. }
        | Content::Test => (None, None),
    }
}

fn items(bill: &Bill) -> Vec<Context> {
    let item = |line: &crate::domain::Line| {
        let price = line.unit_price_minor.saturating_mul(line.quantity.into());
        let price = amount(price, &bill.currency);
        context! { quantity => line.quantity, name => shown(&line.name), price }
    };
    bill.lines.iter().map(item).collect()
}

/// Currencies without two decimals (ISO 4217), as far as a shop meets them.
const WITHOUT: [&str; 7] = ["JPY", "KRW", "CLP", "ISK", "VND", "XAF", "XOF"];
const WITH_THREE: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

fn amount(minor: i64, currency: &str) -> String {
    let decimals = match currency {
        _ if WITHOUT.contains(&currency) => 0,
        _ if WITH_THREE.contains(&currency) => 3,
        _ => 2,
    };
    let (sign, minor) = (if minor < 0 { "-" } else { "" }, minor.unsigned_abs());
    let unit = 10_u64.pow(decimals);
    let width = decimals as usize;
    match decimals {
        0 => format!("{sign}{minor} {currency}"),
        _ => format!("{sign}{}.{:0width$} {currency}", minor / unit, minor % unit),
    }
}

/// A value as templates know it, all its texts cleaned.
fn known(value: &Value) -> Context {
    match value {
        Value::Null => Context::from(()),
        Value::Bool(is) => Context::from(*is),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| number.to_string().into(), Context::from)
        }
        Value::String(text) => cleaned(text).into(),
        Value::Array(all) => all.iter().map(known).collect::<Vec<_>>().into(),
        Value::Object(fields) => {
            Context::from_pairs(fields.iter().map(|(name, value)| (name.as_str(), known(value))))
        }
    }
}

/// Without control characters but line breaks, and without those that turn the direction of what
/// follows (they would turn our words as well; right-to-left letters need none of them).
fn cleaned(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|c| (*c == '\n' || !c.is_control()) && !turns(*c)).collect()
}

/// A name as it is shown: on one line.
fn shown(name: &str) -> String {
    one_line(&cleaned(name))
}

fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn clip(subject: &str) -> String {
    match subject.char_indices().nth(MAX_SUBJECT) {
        None => subject.to_owned(),
        Some((end, _)) => format!("{}…", &subject[..end]),
    }
}

#[cfg(test)]
mod tests;
