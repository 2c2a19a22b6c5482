//! Every event of the suite: its type, its topic and its key, a line each.

use apache_avro::{
    AvroResult, from_value, reader::datum::GenericDatumReader, types::Value,
    writer::datum::GenericDatumWriter,
};

use crate::topics::{self, Topic};

include!(concat!(env!("OUT_DIR"), "/contracts.rs"));

/// What is fixed about one event.
#[derive(Debug)]
pub struct Contract {
    /// The event's one spelling.
    pub name: &'static str,
    /// The service that says it.
    pub owner: &'static str,
    /// Where it is said.
    pub topic: &'static Topic,
    /// Its schemas, oldest first; the last is the one we write.
    pub versions: &'static [&'static str],
    /// Reads what was written with the newest schema.
    pub(crate) read: fn(&GenericDatumReader, &mut &[u8]) -> AvroResult<Event>,
    /// Takes over what was written with another schema and resolved to the newest.
    pub(crate) resolve: fn(&Value) -> AvroResult<Event>,
}

impl Contract {
    /// The Avro full name.
    pub fn full_name(&self) -> String {
        format!("shop.{}.{}", self.owner, self.name)
    }

    /// The registry's subject, by TopicRecordNameStrategy.
    pub fn subject(&self) -> String {
        format!("{}-{}", self.topic.name, self.full_name())
    }
}

macro_rules! contracts {
    ($($topic:ident, $key:ident, $owner:literal: $($event:ident in $module:ident),+;)+) => {
        /// Any event of the suite. As JSON it is what its schema says, times in microseconds.
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        #[serde(untagged)]
        #[expect(missing_docs, reason = "each is documented in its schema")]
        pub enum Event {
            $($($event($module::$event),)+)+
        }

        /// Where each event stands in [`CONTRACTS`].
        #[derive(Clone, Copy)]
        enum Index {
            $($($event,)+)+
        }

        /// All contracts, in the order of the table.
        pub const CONTRACTS: &[Contract] = &[
            $($(Contract {
                name: stringify!($event),
                owner: $owner,
                topic: &topics::$topic,
                versions: $module::VERSIONS,
                read: |reader, bytes| reader.read_deser(bytes).map(Event::$event),
                resolve: |value| from_value(value).map(Event::$event),
            },)+)+
        ];

        impl Event {
            pub(crate) fn index(&self) -> usize {
                match self {
                    $($(Self::$event(_) => Index::$event as usize,)+)+
                }
            }

            /// The record's key: what must stay in order has the same.
            pub fn key(&self) -> &str {
                match self {
                    $($(Self::$event(event) => &event.$key,)+)+
                }
            }

            pub(crate) fn write(&self, writer: &GenericDatumWriter, to: &mut Vec<u8>) -> AvroResult<usize> {
                match self {
                    $($(Self::$event(event) => writer.write_ser(to, event),)+)+
                }
            }
        }

        $($(impl From<$module::$event> for Event {
            fn from(event: $module::$event) -> Self {
                Self::$event(event)
            }
        })+)+
    };
}

contracts! {
    PRODUCTS, sku, "inventory": ProductChanged in product_changed;
    ORDERS, order_id, "order":
        OrderPlaced in order_placed, OrderConfirmed in order_confirmed,
        OrderRejected in order_rejected,
        OrderCancellationRequested in order_cancellation_requested,
        OrderCancelled in order_cancelled, OrderCompleted in order_completed;
    INVENTORY, order_id, "inventory":
        StockReserved in stock_reserved, StockRejected in stock_rejected,
        StockReleased in stock_released, StockCommitted in stock_committed;
    STOCK_LEVELS, sku, "inventory": StockLevelChanged in stock_level_changed;
    SHIPPING, order_id, "shipping":
        ShipmentScheduled in shipment_scheduled, ShipmentRefused in shipment_refused,
        ShipmentDispatched in shipment_dispatched, ShipmentDelivered in shipment_delivered,
        ShipmentCancelled in shipment_cancelled;
    NOTIFICATIONS, customer_id, "notification":
        NotificationSent in notification_sent, NotificationFailed in notification_failed;
    ACTIVITY, session_id, "storefront":
        ProductViewed in product_viewed, AddedToCart in added_to_cart;
}

impl Event {
    /// What is fixed about this event.
    pub fn contract(&self) -> &'static Contract {
        &CONTRACTS[self.index()]
    }

    /// The event's one spelling.
    pub fn name(&self) -> &'static str {
        self.contract().name
    }

    /// The topic it is said on.
    pub fn topic(&self) -> &'static Topic {
        self.contract().topic
    }
}
