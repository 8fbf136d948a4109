//! Whole sessions in memory: both drivers, their links and lanes, and the relay itself between them, over pipes that hold a few
//! bytes, so that everything anybody reads or writes is cut somewhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::events::Silent;
use crate::net::Connection;
use crate::net::lane::lane;
use crate::proto::chunk::ChunkSize;
use crate::proto::handshake::{Established, Handshake, Params};
use crate::proto::limits::FRAME_BYTES_MAX;
use crate::proto::seal::Ciphers;
use crate::receive::{Destination, Rules};
use crate::relay::stage::Stage;
use crate::send::source::Walk;

/// What both sides come to when they hand each other the handshake's messages: the sender's and the receiver's.
fn established() -> (Box<Established>, Box<Established>) {
    let start = |role, made, seed: u8| {
        Handshake::new(&Params {
            room: "r",
            password: b"acid-crane-otter",
            role,
            made,
            // Questions pass through the link too.
            options: Options { no_encrypt: false, verify: true },
            ciphers: Ciphers::CHACHA20_POLY1305,
            app: "1.2.3",
            nonce: [seed; 32],
            pake_seed: &[seed + 100; 32],
        })
    };
    let (mut sender, offer) = start(Role::Send, true, 1);
    let (mut receiver, answer) = start(Role::Receive, false, 2);
    sender.handle(&answer).unwrap();
    let confirmed = receiver.handle(&offer).unwrap().send.unwrap();
    let step = sender.handle(&confirmed).unwrap();
    let receives = receiver.handle(&step.send.unwrap()).unwrap().established.unwrap();
    (step.established.unwrap(), receives)
}

/// Takes a seat over a pipe that holds `capacity` bytes each way.
async fn seat(stage: &Stage, query: &str, established: &Established, capacity: usize) -> Paired {
    let stream = stage.upgrade(query, capacity).await.unwrap();
    let (sealer, opener) = established.first_lane();
    let (lane, io) = lane(Connection::over(stream).await, sealer, opener);
    Paired { lane, io, verify: established.verify_string.clone(), must_confirm: true }
}

/// Sends a tree with one file of `bytes` in it, and returns what stands on both sides.
fn transfer(capacity: usize, bytes: usize) -> [BTreeMap<PathBuf, Option<Vec<u8>>>; 2] {
    let temp = tempfile::tempdir().unwrap();
    let (tree, out) = (temp.path().join("tree"), temp.path().join("out"));
    fs::create_dir_all(tree.join("sub/empty")).unwrap();
    fs::write(tree.join("nothing"), b"").unwrap();
    fs::write(tree.join("sub/some"), (0..bytes).map(|at| (at % 251) as u8).collect::<Vec<_>>()).unwrap();
    let (sends, receives) = established();
    let stage = Stage::new(None);
    let (sent, received) = stage.run(async {
        let sender = seat(&stage, "r?role=send&new=1", &sends, capacity).await;
        let receiver = seat(&stage, "r?role=receive", &receives, capacity).await;
        let (walk, output) =
            (Walk::new(std::slice::from_ref(&tree)).unwrap(), Destination::check(&out).unwrap());
        let person = Silent::accepting();
        future::zip(
            crate::send::run(sender, walk, ChunkSize::default(), &person, Cancel::new()),
            crate::receive::run(receiver, output, Rules::default(), false, &person, Cancel::new()),
        )
        .await
    });
    let (sent, received) = (sent.unwrap(), received.unwrap());
    assert_eq!((sent.delivered, sent.failed, sent.bytes), (5, 0, bytes as u64));
    assert_eq!((received.delivered, received.failed, received.bytes), (5, 0, bytes as u64));
    [contents(&tree), contents(&out.join("tree"))]
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

#[test]
fn sessions_pass_through_pipes_of_a_few_bytes() {
    for capacity in [1, 2, 3, 5, 8] {
        let [sent, arrived] = transfer(capacity, 2000);
        assert_eq!(sent, arrived, "{capacity} bytes at a time");
        assert_eq!(sent.len(), 4);
    }
}

#[test]
fn records_of_every_size_pass_through_narrow_pipes() {
    let [sent, arrived] = transfer(1000, 3 * FRAME_BYTES_MAX);
    assert!(sent == arrived);
}
