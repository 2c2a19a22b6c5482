//! Lists in pages: `?limit=` and an opaque `?after=`, the answer with the cursor of the next page.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};

use crate::{Problem, query};

/// How many items a page has if nothing is asked for.
pub const DEFAULT_LIMIT: u32 = 50;
/// How many items a page has at most.
pub const MAX_LIMIT: u32 = 200;

/// The parameters as they are sent; named in `#[utoipa::path(params(PageParams, …))]`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageParams {
    /// How many items at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub after: Option<String>,
}

/// Which page is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many items at most, 1 to 200.
    pub limit: u32,
    /// What the page before ended with; `None` for the first page.
    pub after: Option<Cursor>,
}

/// The parameters of a list: its page, and `filter` from all the others.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// Which page is wanted.
    pub page: Page,
    /// What the list is of. A list without filters has an empty struct here, `struct All {}`.
    pub filter: T,
}

impl<T: DeserializeOwned> FromRequest for Listing<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request.query_string()))
    }
}

impl<T: DeserializeOwned> Listing<T> {
    fn read(query: &str) -> Result<Self, Problem> {
        let (page, filter): (Vec<_>, Vec<_>) =
            query::pairs(query).partition(|(name, _)| matches!(*name, "limit" | "after"));
        let page = Page::try_from(query::read::<PageParams>(page.into_iter())?)?;
        Ok(Self { page, filter: query::read(filter.into_iter())? })
    }
}

impl TryFrom<PageParams> for Page {
    type Error = Problem;

    fn try_from(params: PageParams) -> Result<Self, Problem> {
        let limit = params.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::field("limit", format!("must be 1 to {MAX_LIMIT}, is {limit}")));
        }
        Ok(Self { limit, after: params.after.map(Cursor) })
    }
}

impl Page {
    /// Where the page before ended; `None` for the first page.
    ///
    /// # Errors
    /// 422 naming `after` when it is no cursor of this list.
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<K>, Problem> {
        self.after.as_ref().map(Cursor::decode).transpose()
    }

    /// How many rows to ask the database for: one more than wanted tells whether a page follows.
    pub fn rows_to_fetch(&self) -> u64 {
        u64::from(self.limit) + 1
    }
}

/// A place in a list: JSON in URL-safe base64 (RFC 4648, section 5), opaque for clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct Cursor(String);

impl Cursor {
    /// The place behind the item with this key.
    ///
    /// # Errors
    /// 500 when the key cannot be written as JSON.
    pub fn encode(key: &impl Serialize) -> Result<Self, Problem> {
        let json = serde_json::to_vec(key).map_err(|error| Problem::internal(&error))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(json)))
    }

    /// The key.
    ///
    /// # Errors
    /// 422 naming `after` when it was not made for this list.
    pub fn decode<K: DeserializeOwned>(&self) -> Result<K, Problem> {
        let json = URL_SAFE_NO_PAD.decode(&self.0).unwrap_or_default();
        serde_json::from_slice(&json)
            .map_err(|_| Problem::field("after", "must be the `next` of a page of this list"))
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Paged<T> {
    /// The items in the list's order.
    pub items: Vec<T>,
    /// `after` of the next page; null on the last one.
    pub next: Option<Cursor>,
}

impl<T> Paged<T> {
    /// A page from up to [`Page::rows_to_fetch`] rows; `key` is what the list is ordered by.
    ///
    /// # Errors
    /// 500 when the key cannot be written as JSON.
    pub fn from_rows<K: Serialize>(
        mut rows: Vec<T>,
        page: &Page,
        key: impl FnOnce(&T) -> K,
    ) -> Result<Self, Problem> {
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        let next = last.map(|last| Cursor::encode(&key(last))).transpose()?;
        Ok(Self { items: rows, next })
    }

    /// The same page with every item as something else.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Paged<U> {
        Paged { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}
