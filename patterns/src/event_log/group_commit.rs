//! Group commit: the appends of many tasks in one transaction, so that they share the sync, which costs more than all the
//! rest (Gawlick and Kinkade 1985; `commit_delay` in PostgreSQL).

use squall_rt::{
    task,
    time::{Duration, sleep},
};
use tokio::sync::{mpsc, oneshot, watch};

use super::{AppendError, Batch, Cause, Event, EventLog, Log, LogError, Recorded, Settled, store::Entry};

/// At most so many entries in a transaction, and so many more in the queue; beyond, appends wait.
const GROUP: usize = 256;

struct Request<E> {
    entry: Entry<E>,
    reply: oneshot::Sender<Result<Settled, AppendError>>,
}

/// The writer of an [`EventLog`]: a task that commits what has queued up, again and again. A handle; the task ends with
/// the last one.
///
/// Whoever drops a pending append does not undo it: the outcome is unknown then, and asking again with the same cause
/// settles it.
pub struct GroupCommit<E> {
    log: EventLog<E>,
    queue: mpsc::Sender<Request<E>>,
}

impl<E> Clone for GroupCommit<E> {
    fn clone(&self) -> Self {
        GroupCommit { log: self.log.clone(), queue: self.queue.clone() }
    }
}

impl<E: Event> GroupCommit<E> {
    /// Starts the writer. It commits `linger` after the first append of a group arrives, so that others can join;
    /// with zero it commits what is there at once.
    pub fn start(log: EventLog<E>, linger: Duration) -> Self {
        let (queue, requests) = mpsc::channel(GROUP);
        task::spawn(write(log.clone(), requests, linger));
        GroupCommit { log, queue }
    }

    async fn ask(&self, entry: Entry<E>) -> Result<Settled, AppendError> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Request { entry, reply }).await.map_err(|_| LogError::Stopped)?;
        answer.await.map_err(|_| LogError::Stopped)?
    }
}

async fn write<E: Event>(log: EventLog<E>, mut requests: mpsc::Receiver<Request<E>>, linger: Duration) {
    while let Some(first) = requests.recv().await {
        if !linger.is_zero() {
            sleep(linger).await;
        }
        let (mut entries, mut replies) = (vec![first.entry], vec![first.reply]);
        while entries.len() < GROUP
            && let Ok(next) = requests.try_recv()
        {
            entries.push(next.entry);
            replies.push(next.reply);
        }
        for (reply, result) in replies.into_iter().zip(log.commit(entries)) {
            // Whoever asked may be gone; the log knows the cause if they come back.
            let _ = reply.send(result);
        }
    }
}

impl<E: Event> Log<E> for GroupCommit<E> {
    async fn append(&self, batch: Batch<E>) -> Result<Settled, AppendError> {
        self.ask(Entry::Append(batch)).await
    }

    async fn reject(&self, stream: &str, cause: Cause, reason: Vec<u8>) -> Result<Settled, AppendError> {
        self.ask(Entry::Reject { stream: stream.to_owned(), cause, reason }).await
    }

    fn settled(&self, stream: &str, cause: Cause) -> Result<Option<Settled>, AppendError> {
        self.log.settled(stream, cause)
    }

    fn read_stream(&self, stream: &str, version: u64) -> Result<Vec<Recorded<E>>, LogError> {
        self.log.read_stream(stream, version)
    }

    fn read_after(&self, position: u64, limit: usize) -> Result<Vec<Recorded<E>>, LogError> {
        self.log.read_after(position, limit)
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.log.head()
    }
}
