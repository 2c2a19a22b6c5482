//! Ids: UUIDv7 for what we make, short texts for what others name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The longest id that others may give, in characters.
const MAX_CHARACTERS: usize = 100;

/// Why a text is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty or too long.
    #[error("must have 1 to {MAX_CHARACTERS} characters, has {0}")]
    Length(usize),
    /// Tabs, line breaks and the like.
    #[error("must not contain control characters")]
    Control,
    /// Not a UUID.
    #[error("must be a UUID such as 0197c9a0-7c1e-7d4b-9f32-5f0c5f5d8a11")]
    Uuid,
}

fn check_text(text: &str) -> Result<(), IdError> {
    let characters = text.chars().count();
    if !(1..=MAX_CHARACTERS).contains(&characters) {
        return Err(IdError::Length(characters));
    }
    if text.chars().any(char::is_control) { Err(IdError::Control) } else { Ok(()) }
}

macro_rules! text_id {
    ($(#[doc = $doc:literal] $name:ident;)+) => {$(
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String, min_length = 1, max_length = 100)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check_text(text).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                check_text(&text).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

text_id! {
    /// A stock keeping unit: one product that can be ordered.
    Sku;
    /// A customer, as the storefront names them.
    CustomerId;
    /// A visitor's session, as the storefront names it.
    SessionId;
}

macro_rules! uuid_id {
    ($(#[doc = $doc:literal] $name:ident;)+) => {$(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, format = "uuid")]
        pub struct $name(pub Uuid);

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::parse_str(text).map(Self).map_err(|_| IdError::Uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

uuid_id! {
    /// An order.
    OrderId;
    /// A shipment.
    ShipmentId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_1_to_100_characters_and_no_control_characters() {
        assert!("a".parse::<Sku>().is_ok());
        assert!("ä".repeat(100).parse::<Sku>().is_ok());
        assert_eq!("".parse::<Sku>(), Err(IdError::Length(0)));
        assert_eq!("a".repeat(101).parse::<Sku>(), Err(IdError::Length(101)));
        assert_eq!("a\nb".parse::<Sku>(), Err(IdError::Control));
    }

    #[test]
    fn an_order_id_is_a_uuid() {
        assert_eq!("42".parse::<OrderId>(), Err(IdError::Uuid));
    }
}
