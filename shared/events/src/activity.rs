//! A visitor's click, read where it lies: millions of them are learned at a start, and four strings for each, made to be
//! hashed and dropped, would cost more than the learning.
//!
//! Only what today's schema wrote is read so, and only when nothing is odd about it; everything else is left to the
//! codec, which knows all schemas and says what is wrong. The tests hold one against the other.

use crate::{contracts::added_to_cart::AddedToCart, contracts::product_viewed::ProductViewed};

/// `ProductViewed` or `AddedToCart`, whose strings are parts of a record's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity<'r> {
    /// View or cart.
    pub kind: ActivityKind,
    /// Names this click within its session.
    pub event_id: &'r str,
    /// The visitor's session.
    pub session_id: &'r str,
    /// The customer, if known.
    pub customer_id: Option<&'r str>,
    /// The product.
    pub sku: &'r str,
    /// When it happened, in microseconds since 1970.
    pub occurred_at: i64,
}

/// Which event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityKind {
    /// `ProductViewed`.
    Viewed,
    /// `AddedToCart`.
    AddedToCart,
}

impl ActivityKind {
    /// The kind of the events with this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "ProductViewed" => Some(Self::Viewed),
            "AddedToCart" => Some(Self::AddedToCart),
            _ => None,
        }
    }
}

impl<'r> Activity<'r> {
    /// Reads an Avro body (specification 1.12, binary encoding): the fields in the schema's order.
    pub(crate) fn read(kind: ActivityKind, body: &'r [u8]) -> Option<Self> {
        let mut body = Body(body);
        let activity = Self {
            kind,
            event_id: body.string()?,
            session_id: body.string()?,
            customer_id: match body.long()? {
                0 => None,
                1 => Some(body.string()?),
                _ => return None,
            },
            sku: body.string()?,
            occurred_at: body.long()?,
        };
        body.0.is_empty().then_some(activity)
    }
}

impl<'r> From<&'r ProductViewed> for Activity<'r> {
    fn from(event: &'r ProductViewed) -> Self {
        let ProductViewed { event_id, session_id, customer_id, sku, occurred_at } = event;
        let (kind, customer_id) = (ActivityKind::Viewed, customer_id.as_deref());
        Self { kind, event_id, session_id, customer_id, sku, occurred_at: *occurred_at }
    }
}

impl<'r> From<&'r AddedToCart> for Activity<'r> {
    fn from(event: &'r AddedToCart) -> Self {
        let AddedToCart { event_id, session_id, customer_id, sku, occurred_at } = event;
        let (kind, customer_id) = (ActivityKind::AddedToCart, customer_id.as_deref());
        Self { kind, event_id, session_id, customer_id, sku, occurred_at: *occurred_at }
    }
}

/// What is left of a body.
struct Body<'r>(&'r [u8]);

impl<'r> Body<'r> {
    /// A zigzag number of at most ten bytes.
    fn long(&mut self) -> Option<i64> {
        let mut number = 0u64;
        for shift in (0..u64::BITS).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        None
    }

    /// A length and as many bytes of UTF-8.
    fn string(&mut self) -> Option<&'r str> {
        let length = usize::try_from(self.long()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Codec, Event, codec::Decoded};

    fn activity(event: &Event) -> Option<Activity<'_>> {
        match event {
            Event::ProductViewed(event) => Some(event.into()),
            Event::AddedToCart(event) => Some(event.into()),
            _ => None,
        }
    }

    fn events() -> impl Strategy<Value = Event> {
        let text = || prop_oneof!["\\PC{0,80}", "[a-z0-9-]{36}"];
        let customer_id = proptest::option::of(text());
        let fields = (text(), text(), customer_id, text(), any::<i64>(), any::<bool>());
        fields.prop_map(|(event_id, session_id, customer_id, sku, occurred_at, is_cart)| {
            if is_cart {
                AddedToCart { event_id, session_id, customer_id, sku, occurred_at }.into()
            } else {
                ProductViewed { event_id, session_id, customer_id, sku, occurred_at }.into()
            }
        })
    }

    fn decode(codec: &Codec, bytes: &[u8]) -> Option<Event> {
        let decoded = futures::FutureExt::now_or_never(codec.decode(bytes))?;
        match decoded {
            Ok(Decoded::Event(event)) => Some(event),
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn what_the_codec_writes_is_read_in_place(event in events()) {
            let codec = Codec::fixed();
            let bytes = codec.encode(&event).unwrap();
            prop_assert_eq!(codec.activity(&bytes), activity(&event));
        }

        #[test]
        fn what_is_read_in_place_is_what_the_codec_reads(
            event in events(),
            cut in any::<proptest::sample::Index>(),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let codec = Codec::fixed();
            let mut bytes = codec.encode(&event).unwrap().to_vec();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            bytes.truncate(cut.index(bytes.len() + 1).max(bytes.len() / 2));
            if let Some(read) = codec.activity(&bytes) {
                let decoded = decode(&codec, &bytes);
                prop_assert_eq!(decoded.as_ref().and_then(activity), Some(read));
            }
        }
    }

    #[test]
    fn other_events_are_left_to_the_codec() {
        use crate::contracts::order_completed::OrderCompleted;
        let event =
            OrderCompleted { order_id: "o".into(), customer_id: "c".into(), completed_at: 7 };
        let codec = Codec::fixed();
        let bytes = codec.encode(&event.into()).unwrap();
        assert_eq!(codec.activity(&bytes), None);
        assert_eq!(codec.activity(b""), None);
    }
}
