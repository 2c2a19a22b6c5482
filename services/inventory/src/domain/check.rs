//! Whether a product and an adjustment can be; every field that is wrong is named.

use super::Details;

/// What is wrong with which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Its path, such as `price.amount_minor`.
    pub field: String,
    /// What it must be.
    pub detail: String,
}

impl FieldError {
    /// `detail` is wrong with `field`.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

/// The longest texts, in characters.
const MAX_NAME: usize = 200;
const MAX_DESCRIPTION: usize = 4_000;
const MAX_CATEGORY: usize = 100;
const MAX_IMAGE_URL: usize = 2_000;
const MAX_REASON: usize = 500;

/// Checks a product.
///
/// # Errors
/// All that is wrong with it, by field.
pub fn details(details: &Details) -> Result<(), Vec<FieldError>> {
    let mut errors = Errors::default();
    errors.check_line("name", &details.name, MAX_NAME);
    if let Some(category) = &details.category {
        errors.check_line("category", category, MAX_CATEGORY);
    }
    let description = details.description.as_deref().unwrap_or_default();
    let fits = description.chars().count() <= MAX_DESCRIPTION;
    errors.check("description", fits, || format!("must have at most {MAX_DESCRIPTION} characters"));
    errors.check("price.amount_minor", details.price.amount_minor >= 0, || {
        format!("must be at least 0, is {}", details.price.amount_minor)
    });
    let image_url = details.image_url.as_deref();
    errors.check("image_url", image_url.is_none_or(is_http_url), || {
        format!("must be an http or https address of at most {MAX_IMAGE_URL} characters")
    });
    errors.into_result()
}

/// Checks an adjustment of stock.
///
/// # Errors
/// All that is wrong with it, by field.
pub fn adjustment(delta: i64, reason: &str) -> Result<(), Vec<FieldError>> {
    let mut errors = Errors::default();
    errors.check("delta", delta != 0, || "must not be 0".to_owned());
    errors.check_line("reason", reason, MAX_REASON);
    errors.into_result()
}

#[derive(Default)]
struct Errors(Vec<FieldError>);

impl Errors {
    fn check(&mut self, field: &str, holds: bool, detail: impl FnOnce() -> String) {
        if !holds {
            self.0.push(FieldError::new(field, detail()));
        }
    }

    /// One line of text that says something.
    fn check_line(&mut self, field: &str, text: &str, max: usize) {
        let length = text.chars().count();
        let fits = length <= max && !text.trim().is_empty();
        self.check(field, fits, || format!("must have 1 to {max} characters and not be blank"));
        let plain = !text.chars().any(char::is_control);
        self.check(field, plain, || "must not contain control characters".to_owned());
    }

    fn into_result(self) -> Result<(), Vec<FieldError>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

/// Just enough to keep scripts and rubbish out; only fetching it proves an address.
fn is_http_url(text: &str) -> bool {
    let rest = text.split_once("://").filter(|(scheme, _)| {
        scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
    });
    let has_host =
        rest.is_some_and(|(_, rest)| !rest.is_empty() && !rest.starts_with(['/', '?', '#']));
    let plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    has_host && plain && text.chars().count() <= MAX_IMAGE_URL
}
