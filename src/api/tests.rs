//! Whole sessions in memory: both sides as they ship, from the pairing on, and the relay itself between them, over pipes that hold a few
//! bytes, so that everything anybody reads or writes is cut somewhere.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};
use smol::channel::{Receiver, Sender, unbounded};

use super::*;
use crate::events::{Answer, Question};
use crate::net::Connection;
use crate::net::dial::{DialError, RoomRequest, Seating, Seats};
use crate::proto::chunk::ChunkSize;
use crate::proto::handshake::{Capabilities, Handshake, Params};
use crate::proto::limits::FRAME_BYTES_MAX;
use crate::proto::seal::Ciphers;
use crate::receive::Rules;
use crate::relay::pipe::{Pipe, pipe};
use crate::relay::stage::{Stage, upgrade};
use crate::send::{Compress, LaneCount};

/// One side: its person, and its way to the relay.
pub(super) struct Side {
    pub(super) role: Role,
    door: Sender<Pipe>,
    capacity: usize,
    pub(super) code: &'static str,
    pub(super) retry: Duration,
    /// It finds no way to the relay.
    pub(super) is_cut_off: AtomicBool,
    /// What somebody says who is in the rooms of its lanes before anybody else, each time once.
    pub(super) strangers: Mutex<VecDeque<Vec<Vec<u8>>>>,
    present: Mutex<Vec<Connection>>,
    /// After how many bytes its connections break, one after another; then none does.
    cuts: Mutex<VecDeque<usize>>,
    /// The first connection breaks only after the pairing, which is not there to survive that.
    paired: Arc<AtomicBool>,
    events: Mutex<Vec<Event>>,
    questions: Mutex<Vec<Question>>,
    news: (Sender<()>, Receiver<()>),
}

impl Side {
    pub(super) fn new(role: Role, door: &Sender<Pipe>, capacity: usize, cuts: &[usize]) -> Side {
        Side {
            role,
            door: door.clone(),
            capacity,
            code: CODE,
            retry: Duration::from_secs(60),
            is_cut_off: AtomicBool::new(false),
            strangers: Mutex::default(),
            present: Mutex::default(),
            cuts: Mutex::new(cuts.iter().copied().collect()),
            paired: Arc::default(),
            events: Mutex::default(),
            questions: Mutex::default(),
            news: unbounded(),
        }
    }

    /// Takes part in one transfer, like `api` does.
    pub(super) fn take_part<'a>(
        &'a self,
        part: &'a impl Part,
    ) -> Pin<Box<dyn Future<Output = Result<Report>> + 'a>> {
        Box::pin(self.takes_part(part))
    }

    async fn takes_part(&self, part: &impl Part) -> Result<Report> {
        let code = Code::parse(self.code, false).unwrap().0;
        let cancel = Cancel::new();
        let mut pairing = Pairing {
            seats: &Here(self),
            relay: "ws://127.0.0.1".parse().unwrap(),
            role: self.role,
            derived: derive(&code).await.unwrap(),
            code,
            origin: Origin::Given,
            // Questions pass through the link too.
            options: Options { no_encrypt: false, verify: true },
            capabilities: Capabilities::default(),
            wait: None,
            retry: self.retry,
            guesses: WrongGuesses::default(),
            handler: self,
            cancel: &cancel,
        };
        sessions(pairing.pair().await?, None, part).await
    }

    pub(super) fn saw(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.lock().unwrap().iter().filter(|event| wanted(event)).count()
    }

    pub(super) fn was_asked(&self, wanted: impl Fn(&Question) -> bool) -> usize {
        self.questions.lock().unwrap().iter().filter(|question| wanted(question)).count()
    }

    /// Waits until it has seen so many of these.
    pub(super) async fn until(&self, count: usize, wanted: impl Fn(&Event) -> bool) {
        while self.saw(&wanted) < count {
            self.news.1.recv().await.unwrap();
        }
    }

    /// Somebody with another code sits opposite in the code's room until this side has confirmed; that connection.
    pub(super) async fn guessed_at(&self, code: &str, role: Role) -> Connection {
        let derived = Code::parse(code, false).unwrap().0.derive().unwrap();
        loop {
            let (mut handshake, first) = Handshake::new(&Params {
                room: &derived.room,
                password: &derived.password,
                role,
                made: role == Role::Send,
                options: Options { no_encrypt: false, verify: true },
                in_session: false,
                capabilities: Capabilities::NONE,
                ciphers: Ciphers::CHACHA20_POLY1305,
                app: "guesser",
                nonce: *random().unwrap(),
                pake_seed: &random().unwrap(),
            });
            let (client, server) = pipe(GREETINGS);
            self.door.send(server).await.unwrap();
            let query = format!("{}?role={}", derived.room, role.as_str());
            let Ok(stream) = upgrade(client, &query).await else {
                future::yield_now().await;
                continue;
            };
            let mut connection = Connection::over(stream).await;
            connection.writer.send(first.into()).await.unwrap();
            connection.writer.flush().await.unwrap();
            let Ok(theirs) = connection.reader.next().await else { continue };
            assert!(handshake.handle(&theirs).unwrap().established.is_none());
            if connection.reader.next().await.is_ok() {
                return connection;
            }
        }
    }

    /// Lets a stranger in where it has just sat down.
    async fn let_in(&self, request: &RoomRequest) {
        let is_lane = !self.code.starts_with(&request.room);
        let Some(says) = self.strangers.lock().unwrap().pop_front_if(|_| is_lane) else { return };
        let (client, server) = pipe(GREETINGS);
        self.door.send(server).await.unwrap();
        // The other side may be there already.
        let Ok(stream) =
            upgrade(client, &format!("{}?role={}", request.room, self.role.other().as_str())).await
        else {
            return;
        };
        let mut stranger = Connection::over(stream).await;
        for message in says {
            stranger.writer.send(message.into()).await.unwrap();
        }
        stranger.writer.flush().await.unwrap();
        self.present.lock().unwrap().push(stranger);
    }
}

/// What both sides were told.
pub(super) const CODE: &str = "48213-acid-crane-otter";

impl Handler for Side {
    fn event(&self, event: Event) {
        if matches!(event, Event::Paired { .. }) {
            self.paired.store(true, Ordering::Relaxed);
        }
        self.events.lock().unwrap().push(event);
        self.news.0.try_send(()).unwrap();
    }

    fn ask(&self, question: Question) -> Answer<'_> {
        self.questions.lock().unwrap().push(question);
        Box::pin(std::future::ready(true))
    }
}

/// A side's way to the relay.
struct Here<'a>(&'a Side);

impl Seats for Here<'_> {
    fn seat(&self, request: RoomRequest) -> Seating<'_> {
        Box::pin(async move {
            if self.0.is_cut_off.load(Ordering::Relaxed) {
                return Err(Error::new(Kind::Relay, "no way to the relay").into());
            }
            let (client, server) = pipe(self.0.capacity.max(GREETINGS));
            self.0.door.send(server).await.unwrap();
            let fresh = if request.fresh { "&new=1" } else { "" };
            let query = format!("{}?role={}{fresh}", request.room, request.role.as_str());
            match upgrade(client, &query).await {
                Ok(stream) => {
                    self.0.let_in(&request).await;
                    let left = self.0.cuts.lock().unwrap().pop_front();
                    let armed = Arc::clone(&self.0.paired);
                    let capacity = self.0.capacity;
                    Ok(Connection::over(Breaking { stream: Some(stream), capacity, left, armed }).await)
                }
                Err((409, said)) => Err(DialError::RoomTaken(said)),
                Err(other) => panic!("{other:?}"),
            }
        })
    }
}

/// A pairing begins with both sides speaking at once, and hearing only then: so much must fit into a pipe.
const GREETINGS: usize = 600;

/// A stream that becomes narrow, and that breaks after so many bytes both ways.
struct Breaking {
    stream: Option<Pipe>,
    capacity: usize,
    left: Option<usize>,
    armed: Arc<AtomicBool>,
}

impl Breaking {
    /// The stream, and how many bytes it may move.
    fn whole(&mut self, wanted: usize) -> io::Result<(Pin<&mut Pipe>, usize)> {
        let allowed = match self.left {
            Some(left) if self.armed.load(Ordering::Relaxed) => left.min(wanted),
            _ => wanted,
        };
        if allowed == 0 && wanted > 0 {
            // Both directions end at once, also for whoever waits at the other end.
            self.stream = None;
        }
        let is_paired = self.armed.load(Ordering::Relaxed);
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::ConnectionReset)?;
        if is_paired && self.left.is_none() {
            stream.narrow(self.capacity);
        }
        Ok((Pin::new(stream), allowed))
    }

    fn moved(&mut self, bytes: usize) -> usize {
        if self.armed.load(Ordering::Relaxed) {
            self.left = self.left.map(|left| left.saturating_sub(bytes));
        }
        bytes
    }
}

impl AsyncRead for Breaking {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let (stream, allowed) = self.whole(buf.len())?;
        let read = std::task::ready!(stream.poll_read(cx, &mut buf[..allowed]))?;
        Poll::Ready(Ok(self.moved(read)))
    }
}

impl AsyncWrite for Breaking {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let (stream, allowed) = self.whole(buf.len())?;
        let written = std::task::ready!(stream.poll_write(cx, &buf[..allowed]))?;
        Poll::Ready(Ok(self.moved(written)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_close(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// A tree with one file of `bytes` in it, and where it shall arrive.
pub(super) struct Parcel {
    _temp: tempfile::TempDir,
    tree: PathBuf,
    out: PathBuf,
    entries: u64,
    bytes: usize,
}

impl Parcel {
    pub(super) fn new(bytes: usize) -> Parcel {
        let parcel = Parcel::of_one_file(bytes);
        fs::create_dir_all(parcel.tree.join("sub/empty")).unwrap();
        fs::write(parcel.tree.join("nothing"), b"").unwrap();
        Parcel { entries: 5, ..parcel }
    }

    pub(super) fn of_one_file(bytes: usize) -> Parcel {
        let temp = tempfile::tempdir().unwrap();
        let (tree, out) = (temp.path().join("tree"), temp.path().join("out"));
        fs::create_dir_all(tree.join("sub")).unwrap();
        fs::write(tree.join("sub/some"), (0..bytes).map(|at| (at % 251) as u8).collect::<Vec<_>>()).unwrap();
        Parcel { _temp: temp, tree, out, entries: 3, bytes }
    }

    /// The same, to another place.
    pub(super) fn elsewhere(self) -> Parcel {
        Parcel { out: self.out.with_file_name("elsewhere"), ..self }
    }

    pub(super) fn tree(&self) -> &Path {
        &self.tree
    }

    pub(super) fn sending(&self) -> Sending {
        let roots = Walk::new(std::slice::from_ref(&self.tree)).unwrap().roots().clone();
        Sending {
            roots,
            cut: Cut {
                chunk: ChunkSize::default(),
                compress: Compress::default(),
                lanes: LaneCount::Auto,
                limit: None,
            },
        }
    }

    pub(super) fn receiving(&self) -> Receiving {
        let destination = Destination::check(&self.out).unwrap();
        Receiving(Terms { destination, sums: None, rules: Rules::default(), yes: false, limit: None })
    }

    /// Both sides know that everything is there, and it is.
    pub(super) fn check(&self, sent: Result<Report>, received: Result<Report>, story: &str) {
        let (sent, received) = (sent.expect(story), received.expect(story));
        for report in [sent, received] {
            let came = (report.delivered, report.failed, report.bytes);
            assert_eq!(came, (self.entries, 0, self.bytes as u64), "{story}");
        }
        let (tree, arrived) = (contents(&self.tree), contents(&self.out.join("tree")));
        assert_eq!(tree.len() as u64 + 1, self.entries);
        assert!(tree == arrived, "{story}");
    }
}

/// Everything below a directory; a directory has no contents.
fn contents(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let bytes = if path.is_dir() { None } else { Some(fs::read(&path).unwrap()) };
            found.insert(path.strip_prefix(root).unwrap().to_path_buf(), bytes);
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    found
}

/// A relay, and a story that happens at it.
pub(super) fn at_a_relay<T, F: Future<Output = T>>(story: impl FnOnce(Sender<Pipe>) -> F) -> T {
    let stage = Stage::new(None);
    let (door_in, door): (_, Receiver<Pipe>) = unbounded();
    let serving = async {
        stage.serve(door).await;
        future::pending().await
    };
    stage.run(future::or(serving, story(door_in)))
}

/// One transfer from the pairing to the end, over connections that break.
pub(super) fn transfer(capacity: usize, bytes: usize, cuts: [&[usize]; 2]) -> [Side; 2] {
    transfer_with(capacity, bytes, cuts, |_| {})
}

/// The same, with sides that are prepared.
pub(super) fn transfer_with(
    capacity: usize,
    bytes: usize,
    cuts: [&[usize]; 2],
    prepare: impl Fn(&mut Side),
) -> [Side; 2] {
    let parcel = Parcel::new(bytes);
    let ((sent, received), sides) = at_a_relay(|door| {
        let (parcel, prepare) = (&parcel, &prepare);
        async move {
            let mut sender = Side::new(Role::Send, &door, capacity, cuts[0]);
            let mut receiver = Side::new(Role::Receive, &door, capacity, cuts[1]);
            prepare(&mut sender);
            prepare(&mut receiver);
            let (sends, receives) = (parcel.sending(), parcel.receiving());
            let ended = future::zip(sender.take_part(&sends), receiver.take_part(&receives)).await;
            (ended, [sender, receiver])
        }
    });
    parcel.check(sent, received, &format!("{capacity} bytes at a time, {bytes} in all, cut after {cuts:?}"));
    sides
}

#[test]
fn sessions_pass_through_pipes_of_a_few_bytes() {
    for capacity in [1, 2, 3, 5, 8] {
        transfer(capacity, 2000, [&[], &[]]);
    }
}

#[test]
fn records_of_every_size_pass_through_narrow_pipes() {
    transfer(1000, 3 * FRAME_BYTES_MAX, [&[], &[]]);
}
