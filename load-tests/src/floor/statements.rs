//! The statements, one text each for both databases, constant: a database prepares each once.
//!
//! `{given}` are the rows with their columns `a` (the key, or an event's id) and `b` (an event's key);
//! `{keys}` finds the rows by `a`. Whatever is the same in all rows stands in the text, in the size
//! that it has in the shop. Rows that exist are updated where the shop inserts and replaces them:
//! that is less work.

use sea_orm::{DbBackend, Statement, Value};

use super::sagas::Pair;

/// The order service takes an order.
pub const ORDER_PLACED: &str = "INSERT INTO orders
    (id, customer_id, status, version, base_version, body, last_event_id, traceparent)
    SELECT a, 'customer-' || substr(a, 25), 'PENDING', 1, 0, {body}, a, {trace} FROM {given}";
/// It confirms the order.
pub const ORDER_CONFIRMED: &str = "UPDATE orders SET status = 'CONFIRMED', version = 2, \
    base_version = 1, body = {body}, last_event_id = id, traceparent = {trace} WHERE id {keys}";
/// It keeps its answer.
pub const IDEMPOTENCY_KEY: &str =
    "INSERT INTO idempotency_keys (key, request_hash, reply, created_at)
    SELECT a, {hash}, {body}, {now} FROM {given}";
/// It notes an event of the saga.
pub const TIMELINE: &str = "INSERT INTO timeline
    (order_id, event_id, type, service, occurred_at, causation_id, trace_id, summary)
    SELECT b, a, 'ShipmentScheduled', 'shipping', {now}, a, substr({trace}, 4, 32), {body} FROM {given}";
/// Somebody waits until then.
pub const DEADLINE_SET: &str =
    "INSERT INTO deadlines (aggregate_id, due_at) SELECT a, {now} FROM {given}";
/// They wait no more.
pub const DEADLINE_CLEARED: &str = "DELETE FROM deadlines WHERE aggregate_id {keys}";
/// Inventory reserves.
pub const RESERVATION_MADE: &str = "INSERT INTO reservations
    (order_id, status, lines, reserved_at, confirmed, reported, version, base_version)
    SELECT a, 'LIVE', {body}, {now}, false, false, 1, 0 FROM {given}";
/// It watches the reservation's age no more.
pub const RESERVATION_CONFIRMED: &str = "UPDATE reservations SET confirmed = true, lines = {body}, \
    version = 2, base_version = 1 WHERE order_id {keys}";
/// It takes from what is available.
pub const STOCK_RESERVED: &str =
    "UPDATE stock SET reserved = reserved + 1, version = version + 1 WHERE sku {keys}";
/// Shipping knows the address.
pub const ADDRESS_KNOWN: &str =
    "INSERT INTO shipments (order_id, stage, address, version, base_version)
    SELECT a, 'ADDRESS_KNOWN', {body}, 1, 0 FROM {given}";
/// It books.
pub const SHIPMENT_SCHEDULED: &str = "UPDATE shipments SET shipment_id = order_id, \
    stage = 'SCHEDULED', address = {body}, carrier = 'Blue Van', \
    tracking_number = 'BV' || substr(order_id, 21), eta = {now}, scheduled_at = {now}, version = 2, \
    base_version = 1, last_event_id = order_id, traceparent = {trace} WHERE order_id {keys}";
/// It lets the parcel go.
pub const SHIPMENT_RELEASED: &str = "UPDATE shipments SET stage = 'RELEASED', address = {body}, \
    released_at = {now}, version = 3, base_version = 2 WHERE order_id {keys}";
/// Notification remembers an order.
pub const ORDER_FILE_OPENED: &str = "INSERT INTO files
    (kind, id, body, version, base_version, last_event_id, traceparent)
    SELECT 'order', a, {body}, 1, 0, a, {trace} FROM {given}";
/// It remembers what it has told.
pub const ORDER_FILE_CHANGED: &str = "UPDATE files SET body = {body}, version = 2, base_version = 1, \
    last_event_id = id, traceparent = {trace} WHERE kind = 'order' AND id {keys}";
/// It remembers a product's stock.
pub const STOCK_FILE: &str = "INSERT INTO files
    (kind, id, body, version, base_version, last_event_id, traceparent)
    SELECT 'stock', a, {body}, 1, 0, {trace}, {trace} FROM {given} WHERE true
    ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body, version = files.version + 1,
    base_version = files.version, last_event_id = excluded.last_event_id,
    traceparent = excluded.traceparent";
/// It tells a customer, in its log: that needs no sender.
pub const NOTIFICATION: &str = "INSERT INTO notifications
    (id, subject, customer_id, order_id, audience, channel, address, language, content, status,
    ended_at, attempts, created_at, version, base_version, last_event_id, traceparent)
    SELECT a, b, 'customer-' || substr(b, 25), b, 'customer', 'log', '', 'en', {body}, 'SENT',
    {now}, 1, {now}, 1, 0, a, {trace} FROM {given}";
/// A service has heard events.
pub const INBOX: &str = "INSERT INTO inbox (consumer, event_id, received_at)
    SELECT '{service}', a, {now} FROM {given}";
/// It says events. Their payload is `{body}` in bytes.
pub const OUTBOX: &str = "INSERT INTO outbox
    (id, aggregatetype, aggregateid, type, payload, headers, created_at)
    SELECT a, 'orders', b, 'OrderConfirmed', {payload}, {headers}, {now} FROM {given}";
/// What the log has acknowledged goes.
pub const OUTBOX_REMOVED: &str = "DELETE FROM outbox WHERE position BETWEEN $1 AND $2";
/// Before the clock starts: there is stock.
pub const STOCK: &str = "INSERT INTO stock (sku, on_hand, reserved, version)
    SELECT a, 1000000000, 0, 1 FROM {given}";

/// A moment, in microseconds since 1970.
const NOW: &str = "1795284063381722";
/// What the headers of an event take in the outbox, as JSON.
const HEADERS_BYTES: usize = 440;
/// As long as a `traceparent`.
const TRACE: &str = "'00-01a1ff44d48176bcb89f31cc6dd574ea-9b00b0923b1a7c1d-00'";

/// A statement of one database, and how its rows are handed in.
#[derive(Debug)]
pub struct Prepared {
    backend: DbBackend,
    text: String,
    has_pairs: bool,
}

impl Prepared {
    /// `text` as `service` says it, with this much JSON in each row.
    pub fn new(text: &str, backend: DbBackend, service: &str, body_bytes: usize) -> Self {
        let quoted = |bytes| format!("'{}'", "x".repeat(bytes));
        let hex = "42".repeat(body_bytes);
        // An event's id has 36 characters. A key that stands alone may be shorter.
        let (given, keys, payload) = if backend == DbBackend::Postgres {
            (
                "unnest($1::text[], $2::text[]) AS given(a, b)",
                // A join: with a bare array, a key of two columns is looked for in all rows of the first.
                "IN (SELECT unnest($1::text[]))",
                format!("'\\x{hex}'::bytea"),
            )
        } else {
            (
                "(SELECT substr(value, 1, 36) AS a, substr(value, 37) AS b FROM json_each($1)) AS given",
                "IN (SELECT value FROM json_each($1))",
                format!("x'{hex}'"),
            )
        };
        let filled = text
            .replace("{given}", given)
            .replace("{keys}", keys)
            .replace("{payload}", &payload)
            .replace("{headers}", &quoted(HEADERS_BYTES))
            .replace("{body}", &quoted(body_bytes))
            .replace("{hash}", &quoted(64))
            .replace("{trace}", TRACE)
            .replace("{service}", service)
            .replace("{now}", NOW);
        Self { backend, text: filled, has_pairs: text.contains("{given}") }
    }

    /// For these rows: `a` and `b` of each.
    pub fn of_rows(&self, rows: Vec<Pair>) -> Statement {
        let values: Vec<Value> = if self.backend == DbBackend::Postgres {
            let (a, b): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            if self.has_pairs { vec![a.into(), b.into()] } else { vec![a.into()] }
        } else {
            let join = |(a, b): Pair| if self.has_pairs { a + &b } else { a };
            let texts: Vec<_> = rows.into_iter().map(join).collect();
            vec![serde_json::Value::from(texts).to_string().into()]
        };
        self.with(values)
    }

    /// Enough of its text to tell which it is.
    pub fn beginning(&self) -> &str {
        self.text.get(..40).unwrap_or(&self.text)
    }

    /// With these values.
    pub fn with(&self, values: Vec<Value>) -> Statement {
        Statement::from_sql_and_values(self.backend, &self.text, values)
    }
}
