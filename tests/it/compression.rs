//! Compression from end to end: whatever the sender is told and the receiver can, what arrives is what was sent.

use std::path::Path;

use p2pc::Compress;
use p2pc::events::Report;
use p2pc::proto::handshake::Capabilities;
use p2pc::proto::limits::PAYLOAD_BYTES_MAX;

use crate::rig::{Side, TestRelay, contents, receiving, sending};

/// A directory with a text of several frames, and many small ones.
fn texts(parent: &Path) -> std::path::PathBuf {
    let root = parent.join("texts");
    std::fs::create_dir_all(root.join("small")).unwrap();
    let line = |at: usize| format!("{at}: the quick brown fox {} jumps over {:x}\n", at % 7, at * at);
    let book: String = (0..60_000).map(line).collect();
    std::fs::write(root.join("book"), book).unwrap();
    for at in 0..300 {
        std::fs::write(root.join(format!("small/{at}")), line(at).repeat(at % 40)).unwrap();
    }
    root
}

/// A file of which no byte follows from the others.
fn noise(parent: &Path) -> std::path::PathBuf {
    let mut noise = vec![0; 3 << 20];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    let path = parent.join("noise");
    std::fs::write(&path, noise).unwrap();
    path
}

/// Sends to a receiver that can do this; what both report.
fn transfer(path: &Path, out: &Path, compress: Compress, can: Capabilities) -> [Report; 2] {
    let relay = TestRelay::start();
    let mut options = sending(&[path], &relay.url);
    options.compress = compress;
    let sender = Side::send(options);
    let mut options = receiving(&sender.code().0, out, &relay.url);
    options.capabilities = can;
    let receiver = Side::receive(options);
    [sender.end().unwrap(), receiver.end().unwrap()]
}

#[test]
fn text_arrives_as_it_was_whatever_both_can() {
    let dir = tempfile::tempdir().unwrap();
    let root = texts(dir.path());
    let original = contents(&root);
    let both = Capabilities::ZSTD | Capabilities::DEFLATE;
    for (at, (compress, can, is_packed)) in [
        (Compress::On, both, true),
        (Compress::On, Capabilities::ZSTD, true),
        (Compress::On, Capabilities::DEFLATE, true),
        (Compress::On, Capabilities::NONE, false),
        (Compress::Off, both, false),
    ]
    .into_iter()
    .enumerate()
    {
        let out = dir.path().join(format!("out{at}"));
        let reports = transfer(&root, &out, compress, can);
        assert!(contents(&out.join("texts")) == original, "{compress:?} {can:?}");
        for Report { bytes, sent, carried, .. } in reports {
            assert_eq!(sent, bytes, "{compress:?} {can:?}");
            if is_packed {
                assert!(carried < bytes / 3, "{compress:?} {can:?}: {carried} of {bytes}");
            } else {
                assert_eq!(carried, bytes, "{compress:?} {can:?}");
            }
        }
    }
}

#[test]
fn it_decides_by_itself_unless_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let root = texts(dir.path());
    let out = dir.path().join("out");
    let reports = transfer(&root, &out, Compress::Auto, Capabilities::ALL);
    assert!(contents(&out.join("texts")) == contents(&root));
    // Much of it or little, by how busy this machine is: both know how much.
    assert_eq!(reports[0].carried, reports[1].carried);
    assert_eq!(reports[0].sent, reports[0].bytes);
}

#[test]
fn what_has_no_pattern_goes_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let noise = noise(dir.path());
    for (at, compress) in [Compress::On, Compress::Auto].into_iter().enumerate() {
        let out = dir.path().join(format!("out{at}"));
        for report in transfer(&noise, &out, compress, Capabilities::ALL) {
            assert_eq!((report.sent, report.carried), (3 << 20, 3 << 20), "{compress:?}");
        }
        assert!(std::fs::read(out.join("noise")).unwrap() == std::fs::read(&noise).unwrap());
    }
}

#[test]
fn small_files_are_compressed_together() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("small");
    std::fs::create_dir(&root).unwrap();
    // Each alone has hardly anything in it that comes again.
    for at in 0..200 {
        std::fs::write(root.join(at.to_string()), format!("{at} lorem ipsum dolor sit amet, consectetur"))
            .unwrap();
    }
    let out = dir.path().join("out");
    let [report, _] = transfer(&root, &out, Compress::On, Capabilities::ALL);
    assert!(report.bytes < PAYLOAD_BYTES_MAX as u64 && report.carried < report.bytes / 4, "{report:?}");
    assert!(contents(&out.join("small")) == contents(&root));
}
