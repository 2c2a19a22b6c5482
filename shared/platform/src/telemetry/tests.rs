use std::{
    io,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use futures::executor::block_on;
use messaging::metrics::Metrics;
use opentelemetry::{
    InstrumentationScope,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _, SpanProcessor as _};

use super::{export::Exporter, *};

fn span(service: &'static str) -> SpanData {
    let sampled = TraceFlags::SAMPLED;
    let (trace, id) = (TraceId::from(1), SpanId::from(2));
    SpanData {
        span_context: SpanContext::new(trace, id, sampled, false, TraceState::NONE),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "a span".into(),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: vec![],
        dropped_attributes_count: 0,
        events: Default::default(),
        links: Default::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder(service).build(),
    }
}

fn number(metrics: &Metrics, name: &str) -> u64 {
    let text = metrics.text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn count(&self, words: &str) -> usize {
        let bytes = self.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().filter(|line| line.contains(words)).count()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Refuses so many requests and takes the others.
fn collector(refusals: usize) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let status = if number < refusals { "400 Bad Request" } else { "200 OK" };
            answer(stream.unwrap(), status).unwrap();
        }
    });
    url
}

/// Reads a request whole, so that the client is not reset, and answers it.
fn answer(mut stream: std::net::TcpStream, status: &str) -> io::Result<()> {
    use io::{BufRead as _, Read as _, Write as _};
    let mut reader = io::BufReader::new(stream.try_clone()?);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    reader.read_exact(&mut vec![0; length])?;
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())
}

#[test]
fn a_collector_that_refuses_is_one_warning_and_its_return_one_line() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let metrics = Metrics::default();
    let on_runtime = runtime.enter();
    let alarm = Arc::new(Alarm::new(Duration::ZERO));
    let target = Target::http_base(&collector(5));
    let exporter = Exporter::new(target, &metrics, alarm).unwrap();
    drop(on_runtime);
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_max_level(tracing::Level::TRACE)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..5 {
            assert!(block_on(exporter.export(vec![span("order"), span("inventory")])).is_err());
        }
        assert_eq!(lines.count("traces cannot be exported"), 1);
        assert_eq!(lines.count("WARN"), 1);
        assert_eq!(number(&metrics, "shop_spans_dropped_total"), 10);
        for _ in 0..3 {
            block_on(exporter.export(vec![span("order"), span("inventory")])).unwrap();
        }
        assert_eq!(lines.count("traces are exported again"), 1);
        assert_eq!(number(&metrics, "shop_spans_exported_total"), 6);
    });
}

#[tokio::test]
async fn a_collector_that_says_nothing_holds_nobody_up_and_memory_is_bounded() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let target = Target::http_base(&format!("http://{}", silent.local_addr().unwrap()));
    let settings = Settings {
        target: Some(target),
        sampler: Sampler::ALL,
        queue: 100,
        batch: 10,
        delay: Duration::from_millis(1),
    };
    let (telemetry, pipeline) = start(&settings).unwrap();
    let pipeline = pipeline.unwrap();
    for _ in 0..10_000 {
        pipeline.on_end(span("order"));
    }
    // What is not dropped waits in the queue, or is the one batch that is being sent.
    let dropped = number(&telemetry.metrics, "shop_spans_dropped_total");
    assert!((9_890..=9_900).contains(&dropped), "{dropped}");
}

fn read(variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Settings::read(&Environment::new(&[VARIABLES], variables.iter().map(owned)))
}

fn target_of(variables: &[(&str, &str)]) -> Option<Target> {
    read(variables).unwrap().target
}

#[test]
fn traces_are_made_only_if_there_is_an_endpoint() {
    assert_eq!(target_of(&[]), None);
    assert_eq!(target_of(&[(ENDPOINT, "")]), None);
    let endpoint = (ENDPOINT, "http://collector:4318/");
    let http = Some(Target::Http("http://collector:4318/v1/traces".into()));
    assert_eq!(target_of(&[endpoint]), http);
    assert_eq!(target_of(&[endpoint, ("OTEL_SDK_DISABLED", "true")]), None);
    assert_eq!(target_of(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]), None);
}

#[test]
fn what_is_said_of_traces_alone_counts_more() {
    let endpoint = (ENDPOINT, "http://collector:4317");
    let grpc = Some(Target::Grpc("http://collector:4317".into()));
    assert_eq!(target_of(&[endpoint, (PROTOCOL, "grpc")]), grpc);
    assert_eq!(target_of(&[endpoint, (PROTOCOL, HTTP), (TRACES_PROTOCOL, "grpc")]), grpc);
    let traces = (TRACES_ENDPOINT, "http://other:4318/in/here");
    let other = Some(Target::Http("http://other:4318/in/here".into()));
    assert_eq!(target_of(&[endpoint, traces]), other);
}

#[test]
fn what_makes_no_sense_is_named() {
    for (name, value) in [
        (PROTOCOL, "http/json"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_SDK_DISABLED", "perhaps"),
    ] {
        let error = read(&[(ENDPOINT, "http://c:4318"), (name, value)]).unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
    }
    let ratio = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")];
    assert!(read(&ratio).unwrap_err().to_string().starts_with("OTEL_TRACES_SAMPLER_ARG"));
}

#[test]
fn a_collector_that_answers_every_other_time_is_one_warning() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        let alarm = Alarm::new(Duration::from_secs(60));
        for _ in 0..100 {
            alarm.raise(&"it is away");
            alarm.lower();
        }
    });
    assert_eq!((lines.count("WARN"), lines.count("INFO")), (1, 0));
}
