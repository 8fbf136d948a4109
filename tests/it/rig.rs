//! What tests of whole transfers share: a relay on this machine, two sides on threads, a person who answers.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread::JoinHandle;

use futures_lite::future::or;
use p2pc::events::{Answer, Event, Question, Report};
use p2pc::net::ListenAddr;
use p2pc::{
    Cancel, Code, Error, Handler, Kind, ReceiveOptions, Relay, RelayOptions, RelayUrl, Result, SendOptions,
};
use smol::channel::{Receiver, Sender, unbounded};

/// A relay on a free port of this machine; ends when it is dropped.
pub struct TestRelay {
    pub url: RelayUrl,
    cancel: Cancel,
    thread: Option<JoinHandle<Result<()>>>,
}

impl TestRelay {
    pub fn start() -> TestRelay {
        TestRelay::start_at("127.0.0.1:0")
    }

    pub fn start_at(address: &str) -> TestRelay {
        let listen: ListenAddr = address.parse().unwrap();
        let relay = smol::block_on(Relay::bind(RelayOptions::new(listen))).unwrap();
        let url = RelayUrl::plain(relay.addresses()[0]);
        let cancel = Cancel::new();
        let stop = cancel.clone();
        let thread = Some(std::thread::spawn(move || smol::block_on(relay.run(stop))));
        TestRelay { url, cancel, thread }
    }
}

impl Drop for TestRelay {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

/// A person: writes down every event, and answers every question the same way, once there is time for it.
pub struct Person {
    events: Sender<Event>,
    yes: bool,
    busy: Option<Cancel>,
    questions: Mutex<Vec<Question>>,
}

impl Handler for Person {
    fn event(&self, event: Event) {
        self.events.try_send(event).unwrap();
    }

    fn ask(&self, question: Question) -> Answer<'_> {
        self.questions.lock().unwrap().push(question);
        Box::pin(async move {
            if let Some(busy) = &self.busy {
                busy.cancelled().await;
            }
            self.yes
        })
    }
}

/// One side, running.
pub struct Side {
    pub events: Receiver<Event>,
    pub cancel: Cancel,
    death: Cancel,
    thread: JoinHandle<(Result<Report>, Vec<Question>)>,
}

impl Side {
    pub fn send(options: SendOptions) -> Side {
        Side::start(true, None, async move |person, cancel| p2pc::send(options, person, cancel).await)
    }

    pub fn receive(options: ReceiveOptions) -> Side {
        Side::receive_answering(options, true)
    }

    pub fn receive_answering(options: ReceiveOptions, yes: bool) -> Side {
        Side::start(yes, None, async move |person, cancel| p2pc::receive(options, person, cancel).await)
    }

    /// One whose person accepts, but not before `busy` is cancelled.
    pub fn receive_later(options: ReceiveOptions, busy: Cancel) -> Side {
        Side::start(true, Some(busy), async move |person, cancel| {
            p2pc::receive(options, person, cancel).await
        })
    }

    fn start<F>(yes: bool, busy: Option<Cancel>, run: F) -> Side
    where
        F: AsyncFnOnce(&Person, Cancel) -> Result<Report> + Send + 'static,
    {
        let (events, seen) = unbounded();
        let (cancel, death) = (Cancel::new(), Cancel::new());
        let (stop, dead) = (cancel.clone(), death.clone());
        let thread = std::thread::spawn(move || {
            let person = Person { events, yes, busy, questions: Mutex::default() };
            let dying = async {
                dead.cancelled().await;
                Err(Error::new(Kind::Internal, "it is dead"))
            };
            let result = smol::block_on(or(dying, run(&person, stop)));
            (result, person.questions.into_inner().unwrap())
        });
        Side { events: seen, cancel, death, thread }
    }

    /// Lets it vanish in the middle of what it is doing.
    pub fn kill(self) {
        self.death.cancel();
        assert_eq!(self.end().unwrap_err().to_string(), "it is dead");
    }

    /// Waits for the event that `pick` wants. Panics when the side ends without it.
    pub fn wait_for<T>(&self, pick: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            let event = self.events.recv_blocking().expect("it ended without the event that was waited for");
            if let Some(found) = pick(&event) {
                return found;
            }
        }
    }

    /// The code, once it is ready, and where the other side can dial.
    pub fn code(&self) -> (Code, RelayUrl) {
        self.wait_for(|event| match event {
            Event::CodeReady { code, relays, .. } => Some((code.clone(), relays[0].clone())),
            _ => None,
        })
    }

    pub fn end(self) -> Result<Report> {
        self.end_with_questions().0
    }

    pub fn end_with_questions(self) -> (Result<Report>, Vec<Question>) {
        self.thread.join().unwrap()
    }
}

pub fn sending(paths: &[&Path], relay: &RelayUrl) -> SendOptions {
    let mut options = SendOptions::new(paths.iter().map(|path| path.to_path_buf()));
    options.dial.relay = Some(relay.clone());
    options
}

pub fn receiving(code: &Code, out: &Path, relay: &RelayUrl) -> ReceiveOptions {
    let mut options = ReceiveOptions::new(Some(code.clone()), out);
    options.dial.relay = Some(relay.clone());
    options
}

pub fn code(text: &str) -> Code {
    Code::parse(text, false).unwrap().0
}

/// A directory in memory where the system has one: thousands of syncs take their time on a busy disk.
#[cfg(unix)]
pub fn quickly_synced() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A directory with a few files, one of them of several records.
pub fn some_files(parent: &Path) -> PathBuf {
    let root = parent.join("things");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::write(root.join("a.txt"), b"hello").unwrap();
    std::fs::write(root.join("empty"), b"").unwrap();
    let big: Vec<u8> = (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(root.join("sub/big"), big).unwrap();
    root
}

/// Every file below a directory with its contents.
pub fn contents(root: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(directory) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_path_buf(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}
