//! A trace as Jaeger's query API has it, and what must hold for an order's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde_json::Value;

/// One trace.
pub struct Trace {
    id: String,
    spans: BTreeMap<String, Span>,
}

struct Span {
    name: String,
    service: String,
    parents: Vec<String>,
    start_us: u64,
    duration_us: u64,
    tags: BTreeMap<String, Value>,
}

impl Trace {
    /// Reads the answer of `/api/traces/{id}`.
    pub fn read(answer: &Value) -> Self {
        let trace = &answer["data"][0];
        let spans = trace["spans"].as_array().unwrap();
        let id = trace["traceID"].as_str().unwrap().to_owned();
        let read = |span: &Value| {
            (span["spanID"].as_str().unwrap().to_owned(), read(span, &trace["processes"], &id))
        };
        let spans = spans.iter().map(read).collect();
        Self { id, spans }
    }

    /// Whether an event of this type was created in it.
    pub fn has(&self, step: &str) -> bool {
        let of = |span: &&Span| span.tag("saga.step") == Some(step);
        let mut spans = self.spans.values().filter(of).map(|span| span.name.as_str());
        spans.any(|name| name.starts_with("create "))
    }

    /// The services that have spans in it.
    pub fn services(&self) -> BTreeSet<&str> {
        self.spans.values().map(|span| span.service.as_str()).collect()
    }

    /// The events that undo something.
    pub fn compensations(&self) -> BTreeSet<&str> {
        let undoes = |span: &&Span| span.tags.get("saga.compensation") == Some(&Value::Bool(true));
        self.spans.values().filter(undoes).filter_map(|span| span.tag("saga.step")).collect()
    }

    /// The spans whose parent is not there.
    pub fn orphans(&self) -> Vec<&str> {
        let is_orphan = |span: &&Span| {
            span.parents.first().is_some_and(|parent| !self.spans.contains_key(parent))
        };
        self.spans.values().filter(is_orphan).map(|span| span.name.as_str()).collect()
    }

    /// One root, no orphan, the right parents, and nothing before its cause.
    pub fn check(&self) {
        assert!(self.orphans().is_empty(), "orphans: {:?}, {}", self.orphans(), self.tree());
        let roots: Vec<_> = self.spans.values().filter(|span| span.parents.is_empty()).collect();
        assert_eq!(roots.len(), 1, "{}", self.tree());
        assert_eq!(roots[0].name, "POST /api/v1/orders");
        for span in self.spans.values().filter(|span| !span.parents.is_empty()) {
            let parent = &self.spans[&span.parents[0]];
            let operation = |span: &Span| span.name.split(' ').next().unwrap().to_owned();
            let (cause, effect) = (operation(parent), operation(span));
            let is_right = match effect.as_str() {
                "create" => ["POST", "process", "create", "notify"].contains(&cause.as_str()),
                "notify" => cause == "process",
                "send" | "receive" | "process" => cause == "create",
                _ => false,
            };
            assert!(is_right, "{effect} under {cause}: {}", self.tree());
            // What is sent or heard is the event that its parent created.
            if cause == "create" && effect != "create" {
                assert_eq!(span.tag("saga.step"), parent.tag("saga.step"), "{}", self.tree());
            }
            // The log's clock counts milliseconds.
            assert!(
                span.start_us + 1_000 > parent.start_us,
                "{} is too early: {}",
                span.name,
                self.tree()
            );
        }
    }

    /// All spans below their parents: when, how long, what and where.
    pub fn tree(&self) -> String {
        let mut text = format!("trace {}\n", self.id);
        let begin = self.spans.values().map(|span| span.start_us).min().unwrap_or(0);
        self.draw(None, 0, begin, &mut text);
        text
    }

    fn draw(&self, parent: Option<&String>, depth: usize, begin: u64, text: &mut String) {
        let mut below: Vec<_> =
            self.spans.iter().filter(|(_, span)| span.parents.first() == parent).collect();
        below.sort_by_key(|(_, span)| span.start_us);
        for (id, span) in below {
            let Span { name, service, start_us, duration_us, .. } = span;
            let (start_us, indent) = (start_us - begin, "  ".repeat(depth));
            let step = span.tag("saga.step").unwrap_or_default();
            let what = format!("{indent}{name} [{service}] {step}");
            writeln!(text, "{start_us:>8} +{duration_us:<7} {}", what.trim_end()).unwrap();
            self.draw(Some(id), depth + 1, begin, text);
        }
    }
}

impl Span {
    fn tag(&self, key: &str) -> Option<&str> {
        self.tags.get(key)?.as_str()
    }
}

fn read(span: &Value, processes: &Value, trace: &str) -> Span {
    let process = &processes[span["processID"].as_str().unwrap()];
    let tags = span["tags"].as_array().unwrap().iter();
    let references = span["references"].as_array().unwrap().iter();
    let is_parent = |reference: &&Value| {
        reference["refType"] == "CHILD_OF" && reference["traceID"].as_str() == Some(trace)
    };
    let id = |reference: &Value| reference["spanID"].as_str().unwrap().to_owned();
    Span {
        name: span["operationName"].as_str().unwrap().to_owned(),
        service: process["serviceName"].as_str().unwrap().to_owned(),
        parents: references.filter(is_parent).map(id).collect(),
        start_us: span["startTime"].as_u64().unwrap(),
        duration_us: span["duration"].as_u64().unwrap(),
        tags: tags
            .map(|tag| (tag["key"].as_str().unwrap().to_owned(), tag["value"].clone()))
            .collect(),
    }
}
