//! A transfer as a stream of what happens: for programs that would rather be told in a loop than implement a [`Handler`].
//!
//! ```text
//! thread of the transfer ─▶ what it tells and asks, bounded ─▶ Notice, one after the other, to whoever looks
//! ```
//!
//! It runs on a thread of its own, so that a program that is slow to look holds nothing up: not the data, and not what keeps the connection alive.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread;

use futures_lite::future::block_on;
use futures_lite::{Stream, StreamExt as _};
use smol::channel::{Receiver, Sender, bounded};

use crate::error::{Error, Kind, Result};
use crate::events::{
    Answer, Cancel, Conflict, Deciding, Decision, Event, Handler, Question, Report, Resolution,
};
use crate::receive::ReceiveOptions;
use crate::send::SendOptions;

/// Something that a [`Transfer`] tells or asks. More may be added: match with a wildcard.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// Something happened.
    Event(Event),
    /// A question. Whoever drops the [`Reply`] has said no.
    Question(Question, Reply<bool>),
    /// What to do where something else stands already. Whoever drops the [`Reply`] leaves what stands there alone.
    Conflict(Conflict, Reply<Decision>),
    /// So many events were left out here, because more came than are kept ([`NOTICES_MAX`]). Only [`Event::Entry`]s are; the report
    /// counts them all the same.
    LeftOut(u64),
}

/// How many notices are kept at most until they are fetched, of some hundred bytes each. Of progress only the last is.
pub const NOTICES_MAX: usize = 10_000;

/// The answer to a question of a [`Transfer`], to be given now or later, from any thread; the connection is kept alive meanwhile.
#[derive(Debug)]
pub struct Reply<T>(Sender<T>);

impl<T> Reply<T> {
    /// Answers. It is no error if the transfer has ended meanwhile.
    pub fn send(self, answer: T) {
        // There is room for one, and this is the only one.
        let _ = self.0.try_send(answer);
    }
}

impl Reply<bool> {
    /// Says yes.
    pub fn yes(self) {
        self.send(true);
    }

    /// Says no.
    pub fn no(self) {
        self.send(false);
    }
}

/// A transfer that runs beside its program: a [`Stream`] of [`Notice`]s, and a report at the end.
///
/// [`SendOptions::start`] and [`ReceiveOptions::start`] begin one. Dropping it cancels it, as [`Transfer::canceller`] does: the other side is told,
/// but nobody waits for that. Awaited it gives the report, as [`Transfer::finish`] does.
#[must_use = "dropping it cancels it"]
pub struct Transfer {
    told: Arc<Told>,
    news: Pin<Box<Receiver<()>>>,
    cancel: Cancel,
    ended: Option<Result<Report>>,
}

impl Transfer {
    /// Runs what `run` returns. Its future stays on its thread.
    fn start<F: Future<Output = Result<Report>>>(
        run: impl FnOnce(Arc<Told>, Cancel) -> F + Send + 'static,
    ) -> Transfer {
        let (tell, news) = bounded(1);
        let told = Arc::new(Told { news: tell, notices: Mutex::default() });
        let cancel = Cancel::new();
        let mut transfer = Transfer { told, news: Box::pin(news), cancel, ended: None };
        let (over, cancel) = (Over(transfer.told.clone()), transfer.cancel.clone());
        let thread = thread::Builder::new().name("transfer".to_owned());
        let started = thread.spawn(move || {
            let ended = block_on(run(over.0.clone(), cancel));
            over.0.lock().ended = Some(ended);
        });
        if let Err(error) = started {
            let error = Error::new(Kind::Internal, "cannot start the transfer's thread").caused_by(error);
            transfer.ended = Some(Err(error));
        }
        transfer
    }

    /// What cancels it, from anywhere and at any time. The end comes a little later: the other side is told first.
    #[must_use]
    pub fn canceller(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Waits for the end. Events are passed over, and every question is answered with no: options that ask nothing
    /// ([`ReceiveOptions::yes`]) go well with this. Dropping the future cancels the transfer.
    ///
    /// # Errors
    /// As [`crate::send()`] and [`crate::receive()`]. A report with failed entries is no error.
    pub async fn finish(mut self) -> Result<Report> {
        while self.next().await.is_some() {}
        // There is always one, once the stream has ended.
        self.ended.take().unwrap_or_else(|| Err(failed()))
    }

    /// The report or the error, once the stream has ended; `None` before that.
    #[must_use]
    pub fn ended(&self) -> Option<&Result<Report>> {
        self.ended.as_ref()
    }

    /// The same as an iterator, for programs without an executor.
    pub fn blocking(self) -> super::blocking::Transfer {
        super::blocking::Transfer::from(self)
    }
}

fn failed() -> Error {
    Error::new(Kind::Internal, "the transfer's thread has failed")
}

impl From<SendOptions> for Transfer {
    fn from(options: SendOptions) -> Transfer {
        Transfer::start(async move |told, cancel| super::send(options, &*told, cancel).await)
    }
}

impl From<ReceiveOptions> for Transfer {
    fn from(options: ReceiveOptions) -> Transfer {
        Transfer::start(async move |told, cancel| super::receive(options, &*told, cancel).await)
    }
}

impl IntoFuture for Transfer {
    type Output = Result<Report>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Report>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.finish())
    }
}

impl Stream for Transfer {
    type Item = Notice;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Notice>> {
        if self.ended.is_some() {
            return Poll::Ready(None);
        }
        loop {
            // Before the news are awaited: they are said after the notice is there.
            if let Some(notice) = self.told.next() {
                return Poll::Ready(Some(notice));
            }
            match self.news.as_mut().poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) => break,
            }
        }
        // What was told between the last look and the end.
        let last = self.told.next();
        if last.is_none() {
            let ended = self.told.lock().ended.take();
            self.ended = Some(ended.unwrap_or_else(|| Err(failed())));
        }
        Poll::Ready(last)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.cancel.cancel();
        // Whatever was asked is answered with this.
        self.told.lock().kept.clear();
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// What was told and is to be fetched: a handler that only writes down.
struct Told {
    /// That there is something; closed when nothing comes any more.
    news: Sender<()>,
    notices: Mutex<Notices>,
}

#[derive(Default)]
struct Notices {
    kept: VecDeque<Notice>,
    left_out: u64,
    ended: Option<Result<Report>>,
}

/// Held by the transfer's thread, to the end, however that comes.
struct Over(Arc<Told>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.news.close();
    }
}

impl Told {
    fn lock(&self) -> MutexGuard<'_, Notices> {
        // Nothing that holds it can panic.
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Notice> {
        let mut notices = self.lock();
        notices.kept.pop_front().or_else(|| {
            let left_out = std::mem::take(&mut notices.left_out);
            (left_out > 0).then_some(Notice::LeftOut(left_out))
        })
    }

    fn tell(&self) {
        // Where it is full, whoever looks will look again.
        let _ = self.news.try_send(());
    }

    fn put<T>(&self, notice: impl FnOnce(Reply<T>) -> Notice) -> Receiver<T> {
        let (reply, replied) = bounded(1);
        self.lock().kept.push_back(notice(Reply(reply)));
        self.tell();
        replied
    }
}

impl Handler for Told {
    fn event(&self, event: Event) {
        let mut notices = self.lock();
        let is_full = notices.kept.len() >= NOTICES_MAX;
        match (&event, notices.kept.back_mut()) {
            // Only how far it is now is of interest.
            (Event::Progress(_), Some(Notice::Event(last @ Event::Progress(_)))) => *last = event,
            (Event::Entry(_), _) if is_full => notices.left_out += 1,
            _ => notices.kept.push_back(Notice::Event(event)),
        }
        drop(notices);
        self.tell();
    }

    fn ask(&self, question: Question) -> Answer<'_> {
        let replied = self.put(|reply| Notice::Question(question, reply));
        Box::pin(async move { replied.recv().await.unwrap_or(false) })
    }

    fn decide(&self, conflict: Conflict) -> Deciding<'_> {
        let replied = self.put(|reply| Notice::Conflict(conflict, reply));
        let leave = Decision { resolution: Resolution::Skip, for_all: false };
        Box::pin(async move { replied.recv().await.unwrap_or(leave) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{EntryEnd, Offer, Progress};
    use crate::proto::manifest::KindTag;
    use crate::proto::path::{Name, RelPath};
    use futures_lite::future::block_on;

    fn told() -> Told {
        Told { news: bounded(1).0, notices: Mutex::default() }
    }

    fn entry() -> Event {
        let path = RelPath::root().join(&Name::new(b"a").unwrap()).unwrap();
        Event::Entry(EntryEnd { path, kind: KindTag::File, bytes: 1, failure: None })
    }

    fn progress(bytes_done: u64) -> Event {
        Event::Progress(Progress { bytes_done, ..Progress::default() })
    }

    #[test]
    fn a_question_that_nobody_answers_is_answered_with_no() {
        let told = told();
        let answer = told.ask(Question::Accept(Offer::default()));
        drop(told.next());
        assert!(!block_on(answer));

        let answer = told.ask(Question::Verify("x".into()));
        let Some(Notice::Question(Question::Verify(_), reply)) = told.next() else { panic!() };
        reply.yes();
        assert!(block_on(answer));
    }

    #[test]
    fn what_nobody_fetches_is_bounded() {
        let told = told();
        for bytes in 0..100 {
            told.event(progress(bytes));
        }
        assert_eq!(told.lock().kept.len(), 1);
        for _ in 0..NOTICES_MAX + 5 {
            told.event(entry());
        }
        told.event(progress(100));
        let notices: Vec<Notice> = std::iter::from_fn(|| told.next()).collect();
        assert_eq!(notices.len(), NOTICES_MAX + 2);
        assert!(matches!(&notices[0], Notice::Event(Event::Progress(now)) if now.bytes_done == 99));
        assert!(matches!(&notices[NOTICES_MAX], Notice::Event(Event::Progress(_))));
        assert!(matches!(notices[NOTICES_MAX + 1], Notice::LeftOut(6)));
        assert!(told.next().is_none());
    }

    #[test]
    fn a_transfer_that_cannot_begin_says_so_once() {
        let mut transfer = SendOptions::new(["/nowhere/at all"]).start();
        assert!(block_on(transfer.next()).is_none());
        assert!(block_on(transfer.next()).is_none());
        assert_eq!(transfer.ended().unwrap().as_ref().unwrap_err().kind(), crate::Kind::Usage);
        assert!(block_on(transfer.finish()).is_err());
    }
}
