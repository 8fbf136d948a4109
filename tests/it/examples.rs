//! The examples do what they say: their options and their handlers carry a file from one directory to another.

use p2pc::Cancel;

use crate::rig::{TestRelay, code, contents, some_files};

#[path = "../../examples/receive.rs"]
#[expect(dead_code, reason = "here `main` is an ordinary function")]
mod receive;
#[path = "../../examples/send.rs"]
#[expect(dead_code, reason = "here `main` is an ordinary function")]
mod send;

#[test]
fn the_examples_carry_files() {
    let (relay, temp) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let (from, out) = (some_files(temp.path()), temp.path().join("out"));
    let agreed = code("48213-acid-crane-otter");
    let mut sending = send::options(relay.url.clone(), [from.clone()]);
    sending.code = Some(agreed.clone());
    let mut receiving = receive::options(relay.url.clone(), agreed, &out);
    receiving.yes = true;
    let (sent, received) = smol::block_on(smol::future::zip(
        p2pc::send(sending, &send::Printer, Cancel::new()),
        p2pc::receive(receiving, &receive::Person, Cancel::new()),
    ));
    assert_eq!((sent.unwrap().delivered, received.unwrap().failed), (5, 0));
    assert_eq!(contents(&from), contents(&out.join("things")));
}
