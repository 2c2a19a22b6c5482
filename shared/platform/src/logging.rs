//! Log lines on standard error: for people, or as JSON for machines.

use std::io::{IsTerminal, stderr};

use clap::{Args, ValueEnum};
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter,
    fmt::{self, MakeWriter},
    layer::{Layer, SubscriberExt},
    registry,
    util::{SubscriberInitExt, TryInitError},
};

/// What is logged unless somebody says otherwise.
pub const DEFAULT_FILTER: &str =
    "info,sea_orm_migration=warn,actix_server=warn,schema_registry=warn,sqlx=warn";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

impl std::str::FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err("human or json"),
        }
    }
}

/// The command line's part of it, for `#[command(flatten)]`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// How log lines look
    #[arg(long = "log", env = "SHOP_LOG", value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
    /// What is logged, such as `info,order_service=debug`
    #[arg(
        long = "log-filter",
        env = "RUST_LOG",
        default_value = DEFAULT_FILTER,
        value_name = "FILTER"
    )]
    pub filter: String,
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter cannot be read.
    #[error("read the log filter {0:?}")]
    Filter(String, #[source] tracing_subscriber::filter::ParseError),
    /// It has been started before.
    #[error("start logging")]
    Started(#[from] TryInitError),
}

/// Starts logging for the whole process.
///
/// # Errors
/// When the filter cannot be read, or logging has been started before.
pub fn init(options: &Options) -> Result<(), LoggingError> {
    Ok(subscriber(options, stderr)?.try_init()?)
}

fn subscriber<W>(
    options: &Options,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, LoggingError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&options.filter)
        .map_err(|error| LoggingError::Filter(options.filter.clone(), error))?;
    let lines = fmt::layer().with_writer(writer);
    let lines = match options.format {
        Format::Human => lines.with_ansi(stderr().is_terminal()).boxed(),
        Format::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    Ok(registry().with(filter).with(lines))
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use events::trace::TraceContext;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, filter: &str) -> String {
        lines_of(format, filter, || {
            let _in_request = tracing::info_span!("request", trace_id = "0af7").entered();
            tracing::info!(order = 7, "two\nlines");
            tracing::debug!("hidden");
        })
    }

    fn lines_of(format: Format, filter: &str, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let options = Options { format, filter: filter.into() };
        let subscriber = subscriber(&options, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_line_of_json_has_the_message_its_fields_and_its_span() {
        let text = logged(Format::Json, "info");
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "two\nlines");
        assert_eq!(line["order"], 7);
        assert_eq!(line["span"]["trace_id"], "0af7");
    }

    #[test]
    fn a_line_about_an_event_has_its_trace_and_its_span() {
        let trace =
            TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None);
        let text = lines_of(Format::Json, "info", || {
            messaging::telemetry::logged(trace.as_ref(), || tracing::warn!("given up"));
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["span"]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(line["span"]["span_id"], "b7ad6b7169203331");
    }

    #[test]
    fn a_line_for_people_has_no_escape_codes_outside_a_terminal() {
        let text = logged(Format::Human, "debug");
        assert!(text.contains("hidden"), "{text}");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_an_error() {
        let options = Options { format: Format::Human, filter: "order=loud".into() };
        assert!(matches!(subscriber(&options, stderr), Err(LoggingError::Filter(_, _))));
    }
}
