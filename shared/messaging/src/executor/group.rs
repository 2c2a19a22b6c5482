//! Jobs that share a transaction, and who waits for them.

use tokio::sync::oneshot;

use super::{Job, Relayed, Reply, RequestError};
use crate::{
    execute::{Batch, ExecuteError, NotDone, Outcome},
    service::{Refusal, Service},
};

/// The jobs' work, and those to be told.
pub struct Group<S: Service> {
    /// What is to be done.
    pub batch: Batch<S>,
    /// Who waits for the batch's requests, in their order.
    pub replies: Vec<Reply<S>>,
    done: Vec<oneshot::Sender<()>>,
}

impl<S: Service> Group<S> {
    /// These jobs, and all that was relayed.
    pub fn new(jobs: Vec<Job<S>>, relayed: &Relayed) -> Self {
        let mut group = Self { batch: Batch::default(), replies: vec![], done: vec![] };
        for (positions, done) in relayed.all().drain(..) {
            group.batch.relayed.extend(positions);
            group.done.push(done);
        }
        for job in jobs {
            match job {
                Job::Records(items, done) => {
                    group.batch.items.extend(items);
                    group.done.push(done);
                }
                // Nobody waits for it any more.
                Job::Request(_, reply) if reply.is_closed() => {}
                Job::Request(request, reply) => {
                    group.batch.requests.push(*request);
                    group.replies.push(reply);
                }
                Job::Due(ids, done) => {
                    group.batch.due.extend(ids);
                    group.done.push(done);
                }
                Job::Forget(done) => group.done.push(done),
            }
        }
        group
    }

    /// Tells what was committed.
    pub fn finish(self, outcome: Outcome<S>) {
        for (reply, noted) in self.replies.iter().zip(outcome.noted) {
            reply.notes.iter().for_each(|notes| notes.add(noted.clone()));
        }
        self.answer(outcome.answers.into_iter().map(from_answer).collect());
    }

    /// Tells what the requests came to, and all others that their work is done.
    pub fn answer(self, answers: Vec<Result<S::Reply, RequestError<Refusal<S>>>>) {
        for (reply, answer) in self.replies.into_iter().zip(answers) {
            // A client may have gone; what it asked for is done all the same.
            drop(reply.answer.send(answer));
        }
        for done in self.done {
            // Who no longer waits need not be told.
            done.send(()).ok();
        }
    }

    /// Somebody waits for a request: after a few tries they are told instead of kept waiting.
    /// Records wait for as long as it takes.
    pub fn give_up_requests(&mut self, error: &ExecuteError, failures: u32) {
        const TRIES: u32 = 5;
        if failures == TRIES {
            tracing::warn!(service = S::NAME, %error, "the database or the registry is out of reach");
        }
        if failures >= TRIES {
            self.batch.requests.clear();
            for reply in self.replies.drain(..) {
                // Who no longer waits need not be told.
                drop(reply.answer.send(Err(RequestError::Unavailable(error.to_string()))));
            }
        }
    }
}

/// What a request is told of its answer.
pub fn from_answer<R, F>(answer: Result<R, NotDone<F>>) -> Result<R, RequestError<F>> {
    answer.map_err(|not_done| match not_done {
        NotDone::Refused(refusal) => RequestError::Refused(refusal),
        NotDone::KeyReused => RequestError::KeyReused,
    })
}
