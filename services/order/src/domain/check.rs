//! Whether an order can be placed, and what it costs; every field that is wrong is named.

use std::collections::{BTreeMap, HashSet};

use kernel::{Money, MoneyError, Sku};

use super::{Address, Line, NewOrder, Product};

/// What is wrong with which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Its path, such as `lines[0].quantity`.
    pub field: String,
    /// What it must be.
    pub detail: String,
}

const MAX_LINES: usize = 100;
const MAX_QUANTITY: u32 = 10_000;
/// The longest free text, in characters.
const MAX_TEXT: usize = 16_384;
/// RFC 5321's longest path, without its brackets.
const MAX_EMAIL: usize = 254;

/// The codes of ISO 3166-1 alpha-2 (officially assigned, November 2026).
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ \
BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ \
DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT \
GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY \
KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX \
MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS \
RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN \
TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// Prices `order` by `catalogue`.
///
/// # Errors
/// All that is wrong with it, by field.
pub fn price(
    order: &NewOrder,
    catalogue: &BTreeMap<Sku, Product>,
) -> Result<(Vec<Line>, Money), Vec<FieldError>> {
    let mut errors = Errors::default();
    check_address(&order.address, &mut errors);
    if let Some(email) = &order.email {
        errors.check("email", is_email(email), "must be an e-mail address");
    }
    let count = order.lines.len();
    errors.check(
        "lines",
        (1..=MAX_LINES).contains(&count),
        &format!("must be 1 to {MAX_LINES}, are {count}"),
    );
    let lines = price_lines(&order.lines, catalogue, &mut errors);
    let total = if errors.0.is_empty() { sum(&lines, &mut errors) } else { None };
    match total {
        Some(total) => Ok((lines, total)),
        None => Err(errors.0),
    }
}

#[derive(Default)]
struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, field: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), detail: detail.into() });
    }

    fn check(&mut self, field: &str, holds: bool, detail: &str) {
        if !holds {
            self.add(field, detail);
        }
    }
}

fn price_lines(
    wanted: &[(Sku, u32)],
    catalogue: &BTreeMap<Sku, Product>,
    errors: &mut Errors,
) -> Vec<Line> {
    let mut seen = HashSet::new();
    let mut lines = Vec::with_capacity(wanted.len());
    // Beyond the limit one error says it all.
    for (i, (sku, quantity)) in wanted.iter().enumerate().take(MAX_LINES) {
        let field = |name: &str| format!("lines[{i}].{name}");
        if !(1..=MAX_QUANTITY).contains(quantity) {
            errors.add(field("quantity"), format!("must be 1 to {MAX_QUANTITY}, is {quantity}"));
        }
        if !seen.insert(sku) {
            errors.add(field("sku"), format!("{sku} is in another line already"));
        }
        match catalogue.get(sku) {
            None => errors.add(field("sku"), format!("there is no product {sku}")),
            Some(product) if !product.active => {
                errors.add(field("sku"), format!("{sku} can't be ordered at present"));
            }
            Some(Product { name, price, .. }) => lines.push(Line {
                sku: sku.clone(),
                name: name.clone(),
                quantity: *quantity,
                unit_price: *price,
            }),
        }
    }
    lines
}

fn sum(lines: &[Line], errors: &mut Errors) -> Option<Money> {
    let mut total: Option<Money> = None;
    for (i, line) in lines.iter().enumerate() {
        let added = line.unit_price.times(line.quantity).and_then(|price| match total {
            Some(total) => total.plus(price),
            None => Ok(price),
        });
        match added {
            Ok(sum) => total = Some(sum),
            Err(MoneyError::Mixed(a, b)) => {
                errors.add(
                    format!("lines[{i}].sku"),
                    format!("an order has one currency; there are {a} and {b}"),
                );
                return None;
            }
            Err(error) => {
                errors.add(format!("lines[{i}].quantity"), format!("the order's total: {error}"));
                return None;
            }
        }
    }
    total
}

fn check_address(address: &Address, errors: &mut Errors) {
    let texts = [
        ("name", &address.name),
        ("line1", &address.line1),
        ("city", &address.city),
        ("postal_code", &address.postal_code),
    ];
    for (name, text) in texts {
        let detail = format!("must have 1 to {MAX_TEXT} characters");
        errors.check(&format!("shipping_address.{name}"), is_text(text), &detail);
    }
    let second = address.line2.as_ref().is_none_or(|text| text.chars().count() <= MAX_TEXT);
    errors.check(
        "shipping_address.line2",
        second,
        &format!("must have at most {MAX_TEXT} characters"),
    );
    let country =
        address.country.len() == 2 && COUNTRIES.split(' ').any(|code| code == address.country);
    errors.check(
        "shipping_address.country",
        country,
        "must be an ISO 3166-1 alpha-2 code such as DE",
    );
}

fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= MAX_TEXT
}

/// Just enough to keep rubbish, lists of recipients and injected headers out; only sending a mail
/// proves an address.
fn is_email(text: &str) -> bool {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !",;:<>()[]\\\"".contains(c);
    let is_host =
        |host: &str| host.split('.').all(|label| !label.is_empty() && !label.contains('@'));
    let parts = text.split_once('@').filter(|(local, host)| !local.is_empty() && is_host(host));
    text.chars().all(plain) && text.len() <= MAX_EMAIL && parts.is_some()
}
