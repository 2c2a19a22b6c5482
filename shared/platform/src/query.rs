//! Query strings: every parameter is known and well formed, or named in a 422.

use std::{borrow::Cow, future::Ready, future::ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use percent_encoding::percent_decode_str;
use serde::{
    Deserializer,
    de::{
        DeserializeOwned, Error as _, IntoDeserializer, Unexpected, Visitor,
        value::{Error, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

use crate::{Problem, explain::field_error};

/// The query's parameters. Lists are separated by commas; a comma within an item is `%2C`.
#[derive(Clone, Copy, Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Params<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(pairs(request.query_string())).map(Self))
    }
}

/// The parameters as they stand in the query, still encoded.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    pieces.map(|piece| piece.split_once('=').unwrap_or((piece, "")))
}

/// Reads a `T`, whether or not it denies unknown fields itself.
pub(crate) fn read<'q, T: DeserializeOwned>(
    pairs: impl Iterator<Item = (&'q str, &'q str)>,
) -> Result<T, Problem> {
    let parameters = pairs.map(|(name, value)| (Text(name), Text(value)));
    serde_path_to_error::deserialize(MapDeserializer::<_, Error>::new(parameters)).map_err(
        |error| {
            let path = error.path().to_string();
            Problem::validation(vec![field_error(&path, &error.inner().to_string())])
        },
    )
}

/// A name or a value, still encoded; only the type that is read from it knows what it means.
#[derive(Clone, Copy)]
struct Text<'q>(&'q str);

impl<'q> Text<'q> {
    fn decode(self) -> Result<Cow<'q, str>, Error> {
        // In queries a plus is a space (WHATWG URL, application/x-www-form-urlencoded).
        let text = if self.0.contains('+') {
            let spaced = self.0.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8().map(|text| Cow::Owned(text.into_owned()))
        } else {
            percent_decode_str(self.0).decode_utf8()
        };
        let text = text.map_err(|_| Error::custom("must be UTF-8"))?;
        if text.chars().any(char::is_control) {
            return Err(Error::custom("must not contain control characters"));
        }
        Ok(text)
    }
}

impl<'de> IntoDeserializer<'de, Error> for Text<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident => $visit:ident,)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let text = self.decode()?;
            match text.parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(Error::invalid_value(Unexpected::Str(&text), &visitor)),
            }
        }
    )+};
}

impl<'de> Deserializer<'de> for Text<'de> {
    type Error = Error;

    parsed! {
        deserialize_bool => visit_bool,
        deserialize_u8 => visit_u8,
        deserialize_u16 => visit_u16,
        deserialize_u32 => visit_u32,
        deserialize_u64 => visit_u64,
        deserialize_i8 => visit_i8,
        deserialize_i16 => visit_i16,
        deserialize_i32 => visit_i32,
        deserialize_i64 => visit_i64,
        deserialize_f32 => visit_f32,
        deserialize_f64 => visit_f64,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.decode()?.into_owned())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.decode()?.into_owned().into_deserializer())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let items = self.0.split(',').filter(|_| !self.0.is_empty());
        visitor.visit_seq(SeqDeserializer::new(items.map(Text)))
    }

    /// Only asked for a parameter that `T` does not know.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("is not a parameter of this call"))
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct
        identifier
    }
}
