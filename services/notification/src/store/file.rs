//! What is remembered of orders, SKUs, customers and endpoints: one small document each, in one
//! table, since nothing but the rules looks inside.

use std::collections::BTreeMap;

use events::trace::TraceContext;
use messaging::{
    database::{Reads, StoreError},
    service::{Cause, LastEvent},
    sets,
    writes::{Versions, Writes},
};
use sea_orm::{Condition, IntoActiveModel, entity::prelude::*};
use serde::{Serialize, de::DeserializeOwned};

use crate::domain::{Budget, Endpoint, Letters, OrderFile, Recipient, Stock};

/// One document.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "files")]
pub struct Model {
    /// What it is of: `order`, `stock` ...
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    /// The order's id, the SKU ...
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// JSON.
    pub body: String,
    /// How often it was changed.
    pub version: i64,
    /// The version it was changed from: what the row must still have when it is saved.
    pub base_version: i64,
    /// The latest event that it was changed by.
    pub last_event_id: Option<String>,
    /// The trace that deadlines continue.
    pub traceparent: Option<String>,
    /// Vendors' additions to it.
    pub tracestate: Option<String>,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What can be in a file.
pub trait Kept: Clone + Default + PartialEq + Serialize + DeserializeOwned {
    /// Its kind in the table.
    const KIND: &'static str;
}

macro_rules! kept {
    ($($type:ty => $kind:literal,)+) => {$(
        impl Kept for $type {
            const KIND: &'static str = $kind;
        }
    )+};
}

kept! {
    OrderFile => "order",
    Stock => "stock",
    Recipient => "customer",
    Budget => "staff",
    Letters => "letters",
    Option<Endpoint> => "endpoint",
}

/// The files of one kind that a transaction works on, by id.
#[derive(Default)]
pub struct Files<T>(BTreeMap<String, File<T>>);

#[derive(Clone, Default)]
struct File<T> {
    content: T,
    version: i64,
    base_version: i64,
    last: Option<LastEvent>,
}

impl<T: Kept> Files<T> {
    /// From whatever rows of this kind there are among `rows`.
    pub fn read(rows: &[Model]) -> Result<Self, StoreError> {
        let mine = rows.iter().filter(|row| row.kind == T::KIND);
        mine.map(|row| Ok((row.id.clone(), File::read(row)?))).collect::<Result<_, _>>().map(Self)
    }

    /// What is known of `id`; the default when nothing is.
    pub fn get(&self, id: &str) -> T {
        self.0.get(id).map(|file| file.content.clone()).unwrap_or_default()
    }

    /// The event that `id` was changed by.
    pub fn last(&self, id: &str) -> Option<LastEvent> {
        self.0.get(id)?.last.clone()
    }

    /// All of them, by id.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.values().map(|file| &file.content)
    }

    /// What is known from now on; the same changes nothing.
    pub fn put(&mut self, id: &str, content: T, cause: &Cause) {
        if self.get(id) == content {
            return;
        }
        let file = self.0.entry(id.to_owned()).or_default();
        file.content = content;
        file.version = file.base_version + 1;
        if let Some(id) = cause.event_id {
            file.last = Some(LastEvent { id, trace: cause.trace.clone() });
        }
    }

    /// The rows that changed.
    pub fn changed(&self) -> Result<Vec<Model>, StoreError> {
        let changed = self.0.iter().filter(|(_, file)| file.version != file.base_version);
        changed.map(|(id, file)| file.row(id)).collect()
    }
}

impl<T: Kept> File<T> {
    fn read(row: &Model) -> Result<Self, StoreError> {
        // serde's own words may quote what is personal.
        let content = serde_json::from_str(&row.body).map_err(|_| corrupt(&row.kind, &row.id))?;
        let (base_version, last) = (row.version, last_event(row)?);
        Ok(Self { content, version: base_version, base_version, last })
    }

    fn row(&self, id: &str) -> Result<Model, StoreError> {
        let body = serde_json::to_string(&self.content).map_err(|_| corrupt(T::KIND, id))?;
        let last = self.last.as_ref();
        Ok(Model {
            kind: T::KIND.to_owned(),
            id: id.to_owned(),
            body,
            version: self.version,
            base_version: self.base_version,
            last_event_id: last.map(|last| last.id.to_string()),
            traceparent: last.map(|last| last.trace.traceparent()),
            tracestate: last.and_then(|last| last.trace.tracestate().map(str::to_owned)),
        })
    }
}

fn last_event(row: &Model) -> Result<Option<LastEvent>, StoreError> {
    let (Some(id), Some(parent)) = (&row.last_event_id, &row.traceparent) else { return Ok(None) };
    let trace = TraceContext::parse(parent, row.tracestate.as_deref());
    let (Ok(id), Some(trace)) = (id.parse(), trace) else {
        return Err(corrupt(&row.kind, &row.id));
    };
    Ok(Some(LastEvent { id, trace }))
}

fn corrupt(kind: &str, id: &str) -> StoreError {
    StoreError::Corrupt { table: "files", reason: format!("{kind} {id:?}") }
}

/// The files of these kinds and ids, and all of the endpoints if they are wanted.
pub async fn load(
    reads: &impl Reads,
    wanted: &BTreeMap<&'static str, Vec<String>>,
    endpoints: bool,
) -> Result<Vec<Model>, StoreError> {
    let (backend, mut any) = (reads.backend(), Condition::any());
    for (kind, ids) in wanted {
        let those = sets::among(backend, Column::Id, ids.iter().map(String::as_str));
        any = any.add(Condition::all().add(Column::Kind.eq(*kind)).add(those));
    }
    if endpoints {
        any = any.add(Column::Kind.eq(<Option<Endpoint>>::KIND));
    }
    if any.is_empty() {
        return Ok(Vec::new());
    }
    reads.all(Entity::find().filter(any)).await
}

const VERSIONS: Versions<'_, Column> = Versions {
    keys: &[Column::Kind, Column::Id],
    version: Column::Version,
    base: Column::BaseVersion,
};

/// Writes what changed.
pub fn save(rows: Vec<Model>, writes: &mut Writes) {
    let rows = rows.into_iter().map(|row| row.into_active_model().reset_all()).collect();
    writes.replace_unchanged::<ActiveModel>(rows, &VERSIONS);
}
