//! A service's configuration: environment variables, all of them in one table, read once at start.
//! A wrong or missing one, or one that nobody knows, ends the start with a message that names it.

use std::{collections::BTreeMap, fmt::Display, fs, str::FromStr, time::Duration};

/// The prefix of our variables; one that is in no table is a misspelling.
const PREFIX: &str = "SHOP_";
/// Behind the name of a secret: the file that holds it.
const FILE: &str = "_FILE";

/// What may be set.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it is when it is not set.
    pub default: Default,
    /// Whether `<name>_FILE` may name a file with the value instead.
    pub is_secret: bool,
    /// What it means, with its unit.
    pub meaning: &'static str,
}

/// What a variable is when it is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// This.
    Is(&'static str),
    /// Nothing, which its meaning explains.
    Nothing,
    /// It has to be set.
    Required,
}

impl Variable {
    /// One that has to be set.
    pub const fn required(name: &'static str, meaning: &'static str) -> Self {
        Self { name, default: Default::Required, is_secret: false, meaning }
    }

    /// One that may be left out.
    pub const fn optional(name: &'static str, meaning: &'static str) -> Self {
        Self { name, default: Default::Nothing, is_secret: false, meaning }
    }

    /// One with a default.
    pub const fn with_default(
        name: &'static str,
        default: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { name, default: Default::Is(default), is_secret: false, meaning }
    }

    /// The same, as a secret.
    #[must_use]
    pub const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It has to be set.
    #[error("{name} is not set: {meaning}")]
    Missing {
        /// Whose.
        name: &'static str,
        /// What it means.
        meaning: &'static str,
    },
    /// Its value makes no sense. A secret is not shown.
    #[error("{name}={value:?}: {reason}")]
    Invalid {
        /// Whose.
        name: &'static str,
        /// What it is.
        value: String,
        /// What is wrong.
        reason: String,
    },
    /// It is set twice.
    #[error("{0} and {0}_FILE are both set: leave one out")]
    Twice(&'static str),
    /// The file that holds it cannot be read.
    #[error("{name}_FILE={path:?} cannot be read: {reason}")]
    Unreadable {
        /// Whose.
        name: &'static str,
        /// Where it should be.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Nobody knows it.
    #[error("{0} is no variable of this program; --help lists them")]
    Unknown(String),
    /// It makes no sense together with others.
    #[error("{0}")]
    Together(String),
}

/// The variables of the process, and the tables that say what may be set.
#[derive(Clone, Debug)]
pub struct Environment {
    tables: Vec<&'static [Variable]>,
    values: BTreeMap<String, String>,
}

impl Environment {
    /// The process's own.
    pub fn of_process(tables: &[&'static [Variable]]) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        Self::new(tables, std::env::vars_os().filter_map(text))
    }

    /// These values.
    pub fn new(
        tables: &[&'static [Variable]],
        values: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self { tables: tables.to_vec(), values: values.into_iter().collect() }
    }

    /// Checks that each variable of ours is in a table.
    ///
    /// # Errors
    /// When one is not.
    pub fn refuse_unknown(&self) -> Result<(), ConfigError> {
        let unknown = |name: &&String| name.starts_with(PREFIX) && !self.knows(name);
        match self.values.keys().find(unknown) {
            Some(name) => Err(ConfigError::Unknown(name.clone())),
            None => Ok(()),
        }
    }

    fn variables(&self) -> impl Iterator<Item = &'static Variable> + '_ {
        self.tables.iter().copied().flatten()
    }

    /// Whether it is in a table, as itself or as its file.
    pub fn knows(&self, name: &str) -> bool {
        self.variables().any(|variable| {
            let is_file = || name.strip_suffix(FILE) == Some(variable.name);
            variable.name == name || (variable.is_secret && is_file())
        })
    }

    /// The text of a variable, or its default.
    ///
    /// # Errors
    /// When it has to be set and is not, or its file cannot be read.
    ///
    /// # Panics
    /// When it is in none of the tables, which is a bug.
    pub fn text(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let variable = self.variables().find(|variable| variable.name == name);
        let variable = variable.unwrap_or_else(|| panic!("{name} is in no table"));
        if let Some(value) = self.found(variable)? {
            return Ok(Some(value));
        }
        match variable.default {
            Default::Is(text) => Ok(Some(text.to_owned())),
            Default::Nothing => Ok(None),
            Default::Required => {
                Err(ConfigError::Missing { name: variable.name, meaning: variable.meaning })
            }
        }
    }

    /// What it was set to. An empty text, as an unset variable of a shell leaves behind, is none;
    /// so is an empty file.
    fn found(&self, variable: &Variable) -> Result<Option<String>, ConfigError> {
        let name = variable.name;
        let set = |name: &str| self.values.get(name).filter(|value| !value.is_empty());
        let value = set(name);
        let path = set(&format!("{name}{FILE}")).filter(|_| variable.is_secret);
        match (value, path) {
            (Some(_), Some(_)) => Err(ConfigError::Twice(name)),
            (Some(value), None) => Ok(Some(value.clone())),
            (None, None) => Ok(None),
            (None, Some(path)) => match fs::read_to_string(path) {
                Ok(text) => {
                    let text = text.trim_end_matches(['\r', '\n']);
                    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
                }
                Err(error) => {
                    let reason = error.to_string();
                    Err(ConfigError::Unreadable { name, path: path.clone(), reason })
                }
            },
        }
    }

    /// The value of a variable, or of its default.
    ///
    /// # Errors
    /// As [`Environment::text`], and when the value makes no sense.
    pub fn value<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let parsed = text.parse().map_err(|error: T::Err| self.invalid(name, error.to_string()));
        parsed.map(Some)
    }

    /// As [`Environment::value`], for a variable that has to be set or has a default.
    ///
    /// # Errors
    /// As [`Environment::value`].
    pub fn required<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, ConfigError> {
        self.value(name)?.ok_or_else(|| self.invalid(name, "it has to be set".to_owned()))
    }

    /// A number of seconds from 1 to a year.
    ///
    /// # Errors
    /// As [`Environment::value`], and when it is out of range.
    pub fn seconds(&self, name: &str) -> Result<Duration, ConfigError> {
        const YEAR: u64 = 31_536_000;
        match self.required(name)? {
            seconds @ 1..=YEAR => Ok(Duration::from_secs(seconds)),
            _ => Err(self.invalid(name, format!("from 1 to {YEAR} seconds"))),
        }
    }

    /// That the value of a variable makes no sense.
    ///
    /// # Panics
    /// When it is in none of the tables, which is a bug.
    pub fn invalid(&self, name: &str, reason: String) -> ConfigError {
        let variable = self.variables().find(|variable| variable.name == name);
        let variable = variable.unwrap_or_else(|| panic!("{name} is in no table"));
        let shown = self.values.get(name).cloned().unwrap_or_default();
        let value = if variable.is_secret { "(secret)".to_owned() } else { shown };
        ConfigError::Invalid { name: variable.name, value, reason }
    }

    /// One line for each variable, for `--help`.
    pub fn help(&self) -> String {
        self.variables().map(|variable| format!("{}\n", line(variable))).collect()
    }
}

fn line(variable: &Variable) -> String {
    let name = match variable.is_secret {
        true => format!("{}[{FILE}]", variable.name),
        false => variable.name.to_owned(),
    };
    let default = match variable.default {
        Default::Is(text) => format!(" (default: {text})"),
        Default::Nothing => String::new(),
        Default::Required => " (required)".to_owned(),
    };
    format!("  {name:<30}{}{default}", variable.meaning)
}

/// The rows of the table in the documentation: name, default, meaning.
pub fn markdown(variables: &[Variable]) -> String {
    let row = |variable: &Variable| {
        let file = if variable.is_secret { format!(" (or `…{FILE}`)") } else { String::new() };
        let default = match variable.default {
            Default::Is(text) => format!("`{text}`"),
            Default::Nothing => "-".to_owned(),
            Default::Required => "required".to_owned(),
        };
        // A pipe would end the cell.
        let meaning = variable.meaning.replace('|', "\\|");
        format!("| `{}`{file} | {default} | {meaning} |\n", variable.name)
    };
    variables.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Variable] = &[
        Variable::required("SHOP_KAFKA", "where Kafka is"),
        Variable::with_default("SHOP_LIMIT_S", "15", "how long, in seconds"),
        Variable::optional("SHOP_TOKEN", "who may").secret(),
    ];

    fn environment(values: &[(&str, &str)]) -> Environment {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Environment::new(&[TABLE], values.iter().map(own))
    }

    #[test]
    fn what_is_not_set_has_its_default() {
        let empty = environment(&[("SHOP_LIMIT_S", "")]);
        assert_eq!(empty.required::<u64>("SHOP_LIMIT_S").unwrap(), 15);
        assert_eq!(empty.text("SHOP_TOKEN").unwrap(), None);
    }

    #[test]
    fn every_complaint_names_the_variable() {
        let missing = environment(&[]).text("SHOP_KAFKA").unwrap_err();
        assert_eq!(missing.to_string(), "SHOP_KAFKA is not set: where Kafka is");
        let wrong = environment(&[("SHOP_LIMIT_S", "soon")]);
        let wrong = wrong.required::<u64>("SHOP_LIMIT_S").unwrap_err();
        assert_eq!(wrong.to_string(), "SHOP_LIMIT_S=\"soon\": invalid digit found in string");
        let misspelt = environment(&[("SHOP_KAFAK", "x")]).refuse_unknown().unwrap_err();
        assert!(misspelt.to_string().starts_with("SHOP_KAFAK is no variable"), "{misspelt}");
    }

    #[test]
    fn a_secret_comes_from_a_file_and_is_never_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "s3cret\n").unwrap();
        let path = file.path().to_str().unwrap();
        let from_file = environment(&[("SHOP_TOKEN_FILE", path)]);
        assert_eq!(from_file.text("SHOP_TOKEN").unwrap().as_deref(), Some("s3cret"));
        fs::write(&file, "\n").unwrap();
        assert_eq!(from_file.text("SHOP_TOKEN").unwrap(), None);
        let twice = environment(&[("SHOP_TOKEN_FILE", path), ("SHOP_TOKEN", "x")]);
        assert!(matches!(twice.text("SHOP_TOKEN"), Err(ConfigError::Twice("SHOP_TOKEN"))));
        let away = environment(&[("SHOP_TOKEN_FILE", "/no/such/file")]);
        assert!(away.text("SHOP_TOKEN").unwrap_err().to_string().contains("/no/such/file"));
        let shown = environment(&[("SHOP_TOKEN", "s3cret")]);
        let shown = shown.invalid("SHOP_TOKEN", "is too short".into()).to_string();
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn what_is_no_secret_has_no_file() {
        let file = environment(&[("SHOP_KAFKA_FILE", "/etc/kafka")]).refuse_unknown().unwrap_err();
        assert!(matches!(file, ConfigError::Unknown(name) if name == "SHOP_KAFKA_FILE"));
    }
}
