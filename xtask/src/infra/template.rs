//! Fills in the `{{placeholders}}` of the settings in `infra/local/`.

use anyhow::{Context, Result, bail};

/// Replaces every `{{name}}` by its value.
///
/// # Errors
/// When a placeholder has no value, or is not closed: a setting must never reach a server half filled in.
pub fn render(template: &str, values: &[(&str, &str)]) -> Result<String> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").context("a placeholder is not closed")?;
        let Some((_, value)) = values.iter().find(|(known, _)| *known == name) else {
            bail!("no value for the placeholder {name}");
        };
        text.push_str(before);
        text.push_str(value);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_wherever_they_stand() {
        let text = render("{{a}}:{{b}}/{{a}}\n", &[("a", "1"), ("b", "{{a}}")]).expect("rendered");
        assert_eq!(text, "1:{{a}}/1\n");
    }

    #[test]
    fn a_placeholder_without_a_value_is_named() {
        let error = render("port={{port}}", &[]).expect_err("no value");
        assert!(error.to_string().contains("port"), "{error}");
    }

    #[test]
    fn an_open_placeholder_is_refused() {
        assert!(render("port={{port", &[("port", "1")]).is_err());
    }
}
