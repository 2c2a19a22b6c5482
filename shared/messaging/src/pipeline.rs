//! From a record to what is to be done about it: decode, read the envelope, ask the service.

use std::sync::Arc;

use events::{CodecError, Envelope, codec::Decoded};

use crate::{
    caught::caught,
    execute::{ExecuteError, Item},
    record::Record,
    retry::Backoff,
    service::{Context, Heard, Hearing, Service},
    telemetry::{batch::Processing, logged},
};

/// What each of `records` comes to, in their order; those that mean nothing are left out. A
/// registry that is away is waited for.
pub async fn prepare<S: Service>(ctx: &Context<S>, records: &[Arc<Record>]) -> Vec<Item<S>> {
    let mut items = Vec::with_capacity(records.len());
    let mut backoff = Backoff::default();
    for record in records {
        loop {
            let poison = |panicked: ExecuteError| {
                Ok(Some(Item::Poison(record.clone(), panicked.to_string())))
            };
            match caught(prepare_one(ctx, record)).await.unwrap_or_else(poison) {
                Ok(item) => {
                    ctx.metrics.consumed(record);
                    items.extend(item);
                    backoff.reset();
                    break;
                }
                Err(error) => {
                    if backoff.failures() == 0 {
                        logged(record.trace().as_ref(), || {
                            tracing::warn!(service = S::NAME, place = %record.at, %error, "waiting to decode");
                        });
                    }
                    ctx.metrics.retried();
                    backoff.wait().await;
                }
            }
        }
    }
    items
}

/// What one record comes to; `None` when it means nothing to this service.
///
/// # Errors
/// Only such as trying again may mend.
pub async fn prepare_one<S: Service>(
    ctx: &Context<S>,
    record: &Arc<Record>,
) -> Result<Option<Item<S>>, CodecError> {
    let poison = |reason: String| Ok(Some(Item::Poison(record.clone(), reason)));
    // A tombstone on a compacted topic: the key is forgotten, nothing happened.
    let Some(value) = &record.value else { return Ok(None) };
    let event = match ctx.codec.decode(value).await {
        Ok(Decoded::Event(event)) => event,
        // A newer producer's event; this version of the code has no business with it (I10).
        Ok(Decoded::Unknown(_)) => return Ok(None),
        Err(error) if error.is_transient() => return Err(error),
        Err(error) => return poison(error.to_string()),
    };
    let envelope = match Envelope::from_headers(|name| record.header(name)) {
        Ok(envelope) => envelope,
        Err(error) => return poison(error.to_string()),
    };
    let stamp = ctx.stamp();
    let span = Processing::begin(&ctx.tracer, envelope.trace.as_ref(), &*ctx.clock);
    let (record, received) = (record.clone(), stamp.now);
    let heard = Heard { record, envelope, event, received, span };
    match ctx.service.hear(&heard, stamp) {
        Ok(Hearing::Ignore) => Ok(None),
        Ok(Hearing::Note) => Ok(Some(Item::Heard(Box::new(heard), None))),
        Ok(Hearing::Do(command)) => Ok(Some(Item::Heard(Box::new(heard), Some(command)))),
        Err(unusable) => poison(unusable.to_string()),
    }
}
