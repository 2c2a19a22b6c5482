//! Who does the writing: a thread of its own, because it waits for the disk, or the caller.
//!
//! While the thread waits for the disk, work queues up; then all of it is written with the next
//! sync (group commit). The queue is bounded in bytes: producers wait for room.

use std::{
    io, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use futures::{FutureExt, future::ready};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::commit::{Committer, Work};
use crate::log::{LogError, Receipt};

/// How long a stored position may wait until it is saved. After a crash, what was done in this
/// time is delivered again.
const POSITIONS_DELAY: Duration = Duration::from_millis(250);

/// How long records wait to be written that nobody waits for: those of a saga's steps share a sync.
const WRITE_DELAY: Duration = Duration::from_millis(10);

/// Gives work to the committer.
pub struct Writer(Lane);

enum Lane {
    Inline(Mutex<Committer>),
    Thread(Queue),
}

struct Queue {
    sender: Sender<Message>,
    later: Later,
    room: Arc<Semaphore>,
    capacity_bytes: usize,
    thread: Option<JoinHandle<()>>,
}

/// What waits to be written counts in bytes.
pub type Room = Option<OwnedSemaphorePermit>;

/// Who is to be told of the next commit, and does not ask for one; nobody any more once the log is closed.
#[derive(Clone)]
struct Later(Arc<Mutex<Option<Waiting>>>);

type Waiting = Vec<(Answer, Room)>;

impl Later {
    fn lock(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Answer = oneshot::Sender<Result<(), LogError>>;

enum Message {
    Do(Work, Answer, Room),
    /// There are positions to save.
    Nudge,
    /// There are records to write.
    Soon,
    /// Save what is left and end.
    Stop(Answer),
}

impl Writer {
    /// Work is done at once by who submits it: no thread, no time, the same order every run.
    pub fn inline(committer: Committer) -> Self {
        Self(Lane::Inline(Mutex::new(committer)))
    }

    /// Work is done by a thread, which also owns `held` until it ends.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn threaded<H: Send + 'static>(
        committer: Committer,
        held: H,
        capacity_bytes: usize,
    ) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let later = Later(Arc::new(Mutex::new(Some(Vec::new()))));
        let waiting = later.clone();
        let run = move || {
            let (write_at, save_at) = (None, None);
            let closing = Loop { committer, receiver, later: waiting, write_at, save_at }.run();
            // Who closes the log may open it again as soon as he is answered.
            drop(held);
            if let Some((answer, result)) = closing {
                answer.send(result).ok();
            }
        };
        let thread = Some(thread::Builder::new().name("log-writer".to_owned()).spawn(run)?);
        let room = Arc::new(Semaphore::new(capacity_bytes));
        Ok(Self(Lane::Thread(Queue { sender, later, room, capacity_bytes, thread })))
    }

    /// Waits until so many bytes may wait to be written; they count until what is begun with the answer is done.
    ///
    /// # Errors
    /// When the log is closed.
    pub async fn room(&self, bytes: usize) -> Result<Room, LogError> {
        let Lane::Thread(queue) = &self.0 else { return Ok(None) };
        if queue.later.lock().is_none() {
            return Err(closed());
        }
        let permits = u32::try_from(bytes.min(queue.capacity_bytes)).unwrap_or(u32::MAX);
        let room = Arc::clone(&queue.room).acquire_many_owned(permits).await;
        room.map(Some).map_err(|_| closed())
    }

    /// Has `work` done; when it returns, it is on disk.
    ///
    /// # Errors
    /// As the work says; when the log is closed.
    pub async fn submit(&self, work: Work) -> Result<(), LogError> {
        self.ask(work, None).await
    }

    /// Has what was appended written now; when it returns, it is on disk.
    ///
    /// # Errors
    /// When it cannot be written; when the log is closed.
    pub async fn write(&self, room: Room) -> Result<(), LogError> {
        self.ask(Work::Write, room).await
    }

    async fn ask(&self, work: Work, room: Room) -> Result<(), LogError> {
        match &self.0 {
            Lane::Inline(committer) => at_once(committer, work),
            Lane::Thread(queue) => {
                let (sender, receiver) = oneshot::channel();
                queue.send(Message::Do(work, sender, room))?;
                receiver.await.map_err(|_| closed())?
            }
        }
    }

    /// As [`write`](Self::write), but soon, with whatever else is written; the receipt tells when it is on disk.
    ///
    /// # Errors
    /// When the log is closed.
    pub fn write_soon(&self, room: Room) -> Result<Receipt, LogError> {
        let queue = match &self.0 {
            Lane::Inline(committer) => return Ok(ready(at_once(committer, Work::Write)).boxed()),
            Lane::Thread(queue) => queue,
        };
        let (sender, receiver) = oneshot::channel();
        let mut later = queue.later.lock();
        let waiting = later.as_mut().ok_or_else(closed)?;
        waiting.push((sender, room));
        let is_first = waiting.len() == 1;
        drop(later);
        if is_first {
            queue.send(Message::Soon)?;
        }
        Ok(receiver.map(|answer| answer.unwrap_or_else(|_| Err(closed()))).boxed())
    }

    /// Has stored positions saved soon.
    pub fn nudge(&self) {
        if let Lane::Thread(queue) = &self.0 {
            // A closed log saves nothing any more.
            queue.send(Message::Nudge).ok();
        }
    }

    /// Saves what is left and ends the thread; later work is refused.
    ///
    /// # Errors
    /// When the last write fails.
    pub async fn close(&self) -> Result<(), LogError> {
        let Lane::Thread(queue) = &self.0 else { return Ok(()) };
        let (sender, receiver) = oneshot::channel();
        if queue.send(Message::Stop(sender)).is_err() {
            return Ok(());
        }
        receiver.await.unwrap_or(Ok(()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Lane::Thread(queue) = &mut self.0 else { return };
        let (answer, _) = oneshot::channel();
        if queue.send(Message::Stop(answer)).is_ok()
            && let Some(thread) = queue.thread.take()
        {
            // It has said by itself why it panicked, if it did.
            thread.join().ok();
        }
    }
}

impl Queue {
    fn send(&self, message: Message) -> Result<(), LogError> {
        self.sender.send(message).map_err(|_| closed())
    }
}

fn at_once(committer: &Mutex<Committer>, work: Work) -> Result<(), LogError> {
    let mut committer = committer.lock().unwrap_or_else(PoisonError::into_inner);
    committer.commit(vec![work], true).pop().unwrap_or(Ok(()))
}

fn closed() -> LogError {
    LogError::Unavailable("it is closed".to_owned())
}

/// The thread.
struct Loop {
    committer: Committer,
    receiver: Receiver<Message>,
    later: Later,
    write_at: Option<Instant>,
    save_at: Option<Instant>,
}

/// Works that are committed together, and who waits for them.
#[derive(Default)]
struct Group {
    works: Vec<Work>,
    answers: Vec<Answer>,
    permits: Vec<OwnedSemaphorePermit>,
    flush: bool,
    stop: Option<Answer>,
}

impl Drop for Loop {
    /// Also when the store panics: whoever waits is told that the log is closed.
    fn drop(&mut self) {
        *self.later.lock() = None;
    }
}

impl Loop {
    /// Works until the log is closed; returns who is to be told, and what.
    fn run(mut self) -> Option<(Answer, Result<(), LogError>)> {
        loop {
            let mut group = Group::default();
            match self.wait() {
                Ok(message) => self.take(&mut group, message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
            while group.stop.is_none()
                && let Ok(message) = self.receiver.try_recv()
            {
                self.take(&mut group, message);
            }
            if let Some(answer) = self.commit(group) {
                return Some((answer, self.save()));
            }
        }
    }

    fn wait(&self) -> Result<Message, RecvTimeoutError> {
        match self.write_at.into_iter().chain(self.save_at).min() {
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => self.receiver.recv_timeout(at.saturating_duration_since(Instant::now())),
        }
    }

    fn take(&mut self, group: &mut Group, message: Message) {
        match message {
            Message::Do(work, answer, room) => group.add(work, answer, room),
            Message::Soon => self.write_at = Some(Instant::now() + WRITE_DELAY),
            Message::Nudge => self.save_at = Some(Instant::now() + POSITIONS_DELAY),
            Message::Stop(answer) => group.stop = Some(answer),
        }
    }

    fn commit(&mut self, mut group: Group) -> Option<Answer> {
        let now = Instant::now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let positions = group.flush || is_due(self.save_at);
        let is_last = group.stop.is_some();
        if !group.works.is_empty() || positions || is_due(self.write_at) || is_last {
            self.write_at = None;
            let later = self.later.lock().as_mut().map(mem::take).unwrap_or_default();
            later.into_iter().for_each(|(answer, room)| group.add(Work::Write, answer, room));
            let answers = self.committer.commit(group.works, positions);
            for (answer, to) in answers.into_iter().zip(group.answers) {
                // Whoever asked may be gone; it is done all the same.
                to.send(answer).ok();
            }
        }
        if positions {
            // After a failure the positions are still unsaved, and no further nudge will come.
            self.save_at = self.committer.has_unsaved().then(|| Instant::now() + POSITIONS_DELAY);
        }
        group.stop
    }

    fn save(&mut self) -> Result<(), LogError> {
        self.committer.commit(vec![Work::Flush], true).pop().unwrap_or(Ok(()))
    }
}

impl Group {
    fn add(&mut self, work: Work, answer: Answer, room: Room) {
        self.flush |= matches!(work, Work::Flush);
        self.works.push(work);
        self.answers.push(answer);
        self.permits.extend(room);
    }
}
