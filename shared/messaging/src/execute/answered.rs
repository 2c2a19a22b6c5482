//! Requests with an idempotency key: those answered before, and those answered now.

use std::collections::HashMap;

use kernel::Timestamp;

use super::{Answer, Batch, ExecuteError, NotDone, Repeats, Request, Work};
use crate::{
    database::Reading,
    idempotency::{self, IdempotencyKey},
    service::Service,
    telemetry::notes::Noted,
    writes::Writes,
};

/// The idempotency keys of one transaction: those used before, and those it uses up.
pub struct Answered {
    known: HashMap<String, idempotency::Model>,
    new: Vec<String>,
}

impl Answered {
    /// Looks for keys that were used before, if there may be any.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn load<S: Service>(
        tx: &Reading<'_>,
        batch: &Batch<S>,
    ) -> Result<Self, ExecuteError> {
        let keys = batch.requests.iter().filter_map(|request| request.idempotency.as_ref());
        let known = match batch.repeats {
            Repeats::LookedFor => {
                idempotency::load(tx, keys.map(|key| key.key.as_str()).collect()).await?
            }
            Repeats::Unexpected => HashMap::new(),
        };
        Ok(Self { known, new: Vec::new() })
    }

    /// Whether no request is known to have been answered before.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The requests that were not answered before.
    pub fn todo<'b, S: Service>(&self, requests: &'b [Request<S>]) -> Vec<&'b Request<S>> {
        let is_new = |request: &&Request<S>| {
            request.idempotency.as_ref().is_none_or(|key| !self.known.contains_key(&key.key))
        };
        requests.iter().filter(is_new).collect()
    }

    /// An answer for each request, in their order, and what their spans are to be told.
    ///
    /// # Errors
    /// When the database refuses, or a reply cannot be kept.
    pub async fn answer<S: Service>(
        &mut self,
        tx: &Reading<'_>,
        work: &mut Work<'_, S>,
        requests: &[Request<S>],
    ) -> Result<(Vec<Answer<S>>, Vec<Noted>), ExecuteError> {
        let (mut answers, mut noted) = (Vec::new(), Vec::new());
        for request in requests {
            answers.push(self.answer_one(work, request)?);
            noted.push(std::mem::take(&mut work.noted));
        }
        look_again(tx, requests, &mut answers).await?;
        Ok((answers, noted))
    }

    /// The kept answer, or a new one; only a success uses the key up.
    fn answer_one<S: Service>(
        &mut self,
        work: &mut Work<'_, S>,
        request: &Request<S>,
    ) -> Result<Answer<S>, ExecuteError> {
        let Some(key) = &request.idempotency else { return Ok(work.handle_request(request)) };
        if let Some(known) = self.known.get(&key.key) {
            return kept::<S>(known, key);
        }
        let answer = work.handle_request(request);
        if let Ok(reply) = &answer {
            self.new.push(key.key.clone());
            let row = idempotency::Model {
                key: key.key.clone(),
                request_hash: key.request_hash.clone(),
                reply: serde_json::to_string(reply)?,
                created_at: 0,
            };
            self.known.insert(key.key.clone(), row);
        }
        Ok(answer)
    }

    /// Keeps the new answers.
    pub fn save(mut self, now: Timestamp, writes: &mut Writes) {
        let rows = self.new.iter().filter_map(|key| self.known.remove(key));
        let rows = rows.map(|row| idempotency::Model { created_at: now.0, ..row });
        idempotency::save(rows.collect(), writes);
    }
}

/// The answer that was given under a key.
fn kept<S: Service>(
    known: &idempotency::Model,
    key: &IdempotencyKey,
) -> Result<Answer<S>, ExecuteError> {
    if known.request_hash != key.request_hash {
        return Ok(Err(NotDone::KeyReused));
    }
    Ok(Ok(serde_json::from_str(&known.reply)?))
}

/// A refusal uses no key up, so that it would not come out as a conflict that the request was
/// answered before: perhaps it was, if only just now by another replica.
async fn look_again<S: Service>(
    tx: &Reading<'_>,
    requests: &[Request<S>],
    answers: &mut [Answer<S>],
) -> Result<(), ExecuteError> {
    let refused: Vec<_> = requests
        .iter()
        .zip(answers)
        .filter_map(|(request, answer)| {
            let key = request.idempotency.as_ref()?;
            matches!(answer, Err(NotDone::Refused(_))).then_some((key, answer))
        })
        .collect();
    let keys = refused.iter().map(|(key, _)| key.key.as_str()).collect();
    let known = idempotency::load(tx, keys).await?;
    for (key, answer) in refused {
        if let Some(known) = known.get(&key.key) {
            *answer = kept::<S>(known, key)?;
        }
    }
    Ok(())
}
