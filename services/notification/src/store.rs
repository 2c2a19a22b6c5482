//! Notifications and files in the database: loaded and saved sets at a time.

pub(crate) mod claim;
pub(crate) mod file;
pub mod migration;
pub mod query;
pub(crate) mod retention;
pub(crate) mod row;

use std::collections::BTreeMap;

use async_trait::async_trait;
use messaging::{
    database::{Reading, StoreError},
    service::{Aggregate, Cause, LastEvent, Store, Voice},
    sets,
    writes::{Versions, Writes},
};
use sea_orm::{IntoActiveModel, entity::prelude::*};
use uuid::Uuid;

use self::{
    file::{Files, Kept},
    row::{ActiveModel, Column, Entity, Model},
};
use crate::domain::{
    About, Action, Budget, Command, Endpoint, Fact, Letters, Notification, Order, OrderFile,
    Recipient, Rules, State, Stock,
};

const VERSIONS: Versions<'_, Column> =
    Versions { keys: &[Column::Id], version: Column::Version, base: Column::BaseVersion };
/// The staff has one file.
const STAFF: &str = "";

/// What one transaction works on. Sorted, so that two transactions lock rows in one sequence.
#[derive(Default)]
pub struct Desk {
    orders: Files<OrderFile>,
    stock: Files<Stock>,
    customers: Files<Recipient>,
    staff: Files<Budget>,
    letters: Files<Letters>,
    endpoints: Files<Option<Endpoint>>,
    notifications: BTreeMap<Uuid, Row>,
}

/// A notification that was loaded or came into being.
struct Row {
    notification: Notification,
    /// 0 is a new one.
    base_version: i64,
    last: Option<LastEvent>,
    is_changed: bool,
}

#[async_trait]
impl Store for Desk {
    type Rules = Rules;

    async fn load(reads: &Reading<'_>, commands: &[&Command]) -> Result<Self, StoreError> {
        if commands.is_empty() {
            return Ok(Self::default());
        }
        let mut wanted = Wanted::default();
        commands.iter().for_each(|command| wanted.add(&command.action));
        let rows = file::load(reads, &wanted.files, wanted.endpoints).await?;
        let mut desk = Self {
            orders: Files::read(&rows)?,
            stock: Files::read(&rows)?,
            staff: Files::read(&rows)?,
            letters: Files::read(&rows)?,
            endpoints: Files::read(&rows)?,
            ..Self::default()
        };
        // Whose order it is, most events leave to the order's file.
        let known =
            desk.orders.all().filter_map(|file| Some(file.order.as_ref()?.customer_id.clone()));
        let customers: Vec<_> = known.chain(wanted.customers).collect();
        let rows = file::load(reads, &[(Recipient::KIND, customers)].into(), false).await?;
        desk.customers = Files::read(&rows)?;
        desk.notifications = notifications(reads, wanted.notifications).await?;
        Ok(desk)
    }

    fn take(&mut self, command: &Command) -> Aggregate<State> {
        match &command.action {
            Action::HearOrder(id, ..) | Action::ReportWaiting(id) => {
                self.order(&id.to_string(), &command.action)
            }
            Action::HearStock(_, level) => {
                let state = State {
                    about: About::Stock,
                    stock: self.stock.get(&level.sku),
                    staff: self.staff.get(STAFF),
                    ..State::default()
                };
                aggregate(level.sku.clone(), state, None)
            }
            Action::HearLetter(letter) => {
                let state = State {
                    about: About::Letters,
                    letters: self.letters.get(&letter.service),
                    staff: self.staff.get(STAFF),
                    ..State::default()
                };
                aggregate(letter.service.clone(), state, None)
            }
            Action::Record(attempt) => self.notification(attempt.notification, attempt.endpoint),
            Action::Resend(id) => self.notification(*id, None),
            Action::Prefer(id, _) => {
                let customer = self.customers.get(id.as_str());
                let state = State { about: About::Customer, customer, ..State::default() };
                aggregate(id.to_string(), state, None)
            }
            Action::AddEndpoint(Endpoint { id, .. })
            | Action::DisableEndpoint(id, _)
            | Action::EnableEndpoint(id)
            | Action::TestEndpoint(id, _) => {
                let endpoints = self.endpoints.all().flatten().cloned().collect();
                let state = State { about: About::Endpoints, endpoints, ..State::default() };
                aggregate(id.to_string(), state, None)
            }
        }
    }

    fn put(&mut self, aggregate: Aggregate<State>, cause: &Cause) {
        let Aggregate { id, state, version, .. } = aggregate;
        if version == 0 {
            return;
        }
        let State { order, stock, customer, staff, letters, endpoints, notification, .. } = state;
        match state.about {
            About::Nothing | About::Endpoints => {}
            About::Order => {
                if let Some(Order { customer_id, .. }) = &order.order {
                    self.customers.put(customer_id, customer, cause);
                }
                self.orders.put(&id, order, cause);
            }
            About::Stock => self.stock.put(&id, stock, cause),
            About::Letters => self.letters.put(&id, letters, cause),
            About::Customer => self.customers.put(&id, customer, cause),
            About::Notification => self.put_notification(notification),
        }
        if !matches!(state.about, About::Nothing | About::Customer | About::Endpoints) {
            self.staff.put(STAFF, staff, cause);
        }
        for endpoint in endpoints {
            self.endpoints.put(&endpoint.id.to_string(), Some(endpoint), cause);
        }
        self.add(state.created, cause);
    }

    fn save(self, writes: &mut Writes, _: &mut Voice<'_>) -> Result<(), StoreError> {
        let mut files = self.orders.changed()?;
        files.extend(self.stock.changed()?);
        files.extend(self.customers.changed()?);
        files.extend(self.staff.changed()?);
        files.extend(self.letters.changed()?);
        files.extend(self.endpoints.changed()?);
        file::save(files, writes);
        let changed = self.notifications.values().filter(|row| row.is_changed);
        let rows =
            changed.map(|row| row::of(&row.notification, row.base_version, row.last.as_ref()));
        let rows = rows.map(|row| Ok(row?.into_active_model().reset_all()));
        let rows = rows.collect::<Result<Vec<_>, StoreError>>()?;
        writes.replace_unchanged::<ActiveModel>(rows, &VERSIONS);
        Ok(())
    }
}

impl Desk {
    fn put_notification(&mut self, changed: Option<Notification>) {
        if let Some(changed) = changed
            && let Some(row) = self.notifications.get_mut(&changed.id)
        {
            row.is_changed |= row.notification != changed;
            row.notification = changed;
        }
    }

    /// What comes into being remembers the event that it comes from, and its trace.
    fn add(&mut self, created: Vec<Notification>, cause: &Cause) {
        let last = cause.event_id.map(|id| LastEvent { id, trace: cause.trace.clone() });
        for notification in created {
            let row = Row { notification, base_version: 0, last: last.clone(), is_changed: true };
            self.notifications.insert(row.notification.id, row);
        }
    }

    fn order(&self, id: &str, action: &Action) -> Aggregate<State> {
        let order = self.orders.get(id);
        let customer_id = match (&order.order, action) {
            (Some(order), _) => Some(&order.customer_id),
            (None, Action::HearOrder(_, _, Fact::Placed(order))) => Some(&order.customer_id),
            (None, _) => None,
        };
        let customer = customer_id.map(|id| self.customers.get(id)).unwrap_or_default();
        let state = State {
            about: About::Order,
            customer,
            order,
            staff: self.staff.get(STAFF),
            endpoints: self.endpoints.all().flatten().cloned().collect(),
            ..State::default()
        };
        aggregate(id.to_owned(), state, self.orders.last(id))
    }

    /// A notification by itself: what it is about is neither needed nor changed.
    fn notification(&self, id: Uuid, endpoint: Option<Uuid>) -> Aggregate<State> {
        let row = self.notifications.get(&id);
        let endpoint = endpoint.and_then(|id| self.endpoints.get(&id.to_string()));
        let state = State {
            about: About::Notification,
            notification: row.map(|row| row.notification.clone()),
            endpoints: endpoint.into_iter().collect(),
            staff: self.staff.get(STAFF),
            ..State::default()
        };
        let subject = row.map_or_else(|| id.to_string(), |row| row.notification.subject.clone());
        aggregate(subject, state, row.and_then(|row| row.last.clone()))
    }
}

fn aggregate(id: String, state: State, last: Option<LastEvent>) -> Aggregate<State> {
    Aggregate { id, state, last, version: 0, loaded_version: 0 }
}

/// What commands need.
#[derive(Default)]
struct Wanted {
    files: BTreeMap<&'static str, Vec<String>>,
    endpoints: bool,
    customers: Vec<String>,
    notifications: Vec<Uuid>,
}

impl Wanted {
    fn add(&mut self, action: &Action) {
        match action {
            Action::HearOrder(id, _, fact) => {
                self.file::<OrderFile>(id.to_string());
                self.endpoints = true;
                if let Fact::Placed(order) = fact {
                    self.customers.push(order.customer_id.clone());
                }
            }
            Action::ReportWaiting(id) => self.file::<OrderFile>(id.to_string()),
            Action::HearStock(_, level) => self.file::<Stock>(level.sku.clone()),
            Action::HearLetter(letter) => self.file::<Letters>(letter.service.clone()),
            Action::Record(attempt) => {
                self.notifications.push(attempt.notification);
                if let Some(id) = attempt.endpoint {
                    self.file::<Option<Endpoint>>(id.to_string());
                }
            }
            Action::Resend(id) => self.notifications.push(*id),
            Action::Prefer(id, _) => self.customers.push(id.to_string()),
            Action::AddEndpoint(_)
            | Action::DisableEndpoint(..)
            | Action::EnableEndpoint(_)
            | Action::TestEndpoint(..) => self.endpoints = true,
        }
        self.file::<Budget>(STAFF.to_owned());
    }

    fn file<T: Kept>(&mut self, id: String) {
        let ids = self.files.entry(T::KIND).or_default();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
}

async fn notifications(
    reads: &Reading<'_>,
    ids: Vec<Uuid>,
) -> Result<BTreeMap<Uuid, Row>, StoreError> {
    let ids = ids.iter().map(Uuid::to_string).collect();
    let rows = sets::find::<Entity>(reads, Column::Id, ids).await?;
    let read = |row: &Model| {
        let (notification, last) = (row::notification(row)?, row::last_event(row)?);
        let loaded = Row { base_version: row.version, last, is_changed: false, notification };
        Ok((loaded.notification.id, loaded))
    };
    rows.iter().map(read).collect()
}

#[cfg(test)]
mod tests;
