//! Some chunks as bytes, the values of others, and files that nobody wants any more.

use super::*;
use crate::proto::chunk::{ChunkHasher, chunk_count, chunk_length};
use crate::proto::frame::Run;
use crate::proto::runs::Runs;

const CHUNK: usize = 512 << 10;

/// What was said of one file after the other.
#[derive(Default)]
pub(super) struct Said {
    /// The pieces of each block, with its bytes.
    pub(super) blocks: Vec<(Vec<Piece>, Vec<u8>)>,
    pub(super) ends: Vec<ReadEnd>,
    pub(super) drops: Vec<(u64, Reason)>,
}

impl Said {
    pub(super) fn take(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Block(block) => {
                let pieces = block.pieces().to_vec();
                let bytes = block.payload_bytes();
                let packed = block.pack().unwrap();
                let payload = packed.buffer[packed.buffer.len() - bytes..].to_vec();
                self.blocks.push((pieces, payload));
            }
            SourceEvent::Ended(end) => self.ends.push(end),
            SourceEvent::Dropped { entry, failure } => self.drops.push((entry, failure.reason)),
        }
    }

    pub(super) fn pieces(&self) -> Vec<Piece> {
        self.blocks.iter().flat_map(|(pieces, _)| pieces.clone()).collect()
    }
}

pub(super) fn say(reader: &mut Reader, fetches: &[Fetch]) -> Said {
    let mut said = Said::default();
    let mut emit = |event| {
        said.take(event);
        ControlFlow::Continue(())
    };
    for fetch in fetches {
        assert!(reader.fetch(fetch, &mut emit).is_continue());
    }
    assert!(reader.flush(&mut emit).is_continue());
    said
}

pub(super) fn runs(runs: &[(u64, u64)]) -> Runs {
    Runs::checked(runs.iter().map(|&(first, count)| Run { first, count }).collect(), u64::MAX).unwrap()
}

pub(super) fn wanting(entry: &Entry, send: &[(u64, u64)], compare: &[(u64, u64)]) -> Fetch {
    let what = What::Chunks { chunk: ChunkSize::MIN, send: runs(send), compare: runs(compare) };
    Fetch { what, ..fetch(entry) }
}

fn contents(length: usize) -> Vec<u8> {
    (0..length as u32)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .take(length)
        .collect()
}

fn value(contents: &[u8], chunk: ChunkSize, index: u64) -> [u8; 32] {
    let size = contents.len() as u64;
    let begin = index * u64::from(chunk.bytes());
    let mut hasher = ChunkHasher::new(begin);
    let begin = usize::try_from(begin).unwrap();
    hasher.update(&contents[begin..begin + chunk_length(size, chunk, index) as usize]);
    hasher.finish(chunk_count(size, chunk) == 1).0
}

#[test]
fn what_is_missing_comes_first_and_then_the_values_of_what_is_held() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("f");
    let file = contents(4 * CHUNK + 1000);
    std::fs::write(&path, &file).unwrap();
    let entries = walk(&[&path]);
    let said = say(&mut reader(&[&path]), &[wanting(&entries[0], &[(1, 1), (4, 1)], &[(0, 1), (2, 2)])]);
    let (mut sent, mut named) = (Vec::new(), Vec::new());
    for (pieces, payload) in &said.blocks {
        let mut payload = &payload[..];
        for piece in pieces {
            let (_, offset, length) = piece.place();
            let begin = usize::try_from(offset).unwrap();
            assert_eq!(begin / CHUNK, (begin + length as usize - 1) / CHUNK, "{piece:?} straddles");
            match piece {
                Piece::Bytes { .. } => {
                    let (own, rest) = payload.split_at(length as usize);
                    payload = rest;
                    assert!(named.is_empty() && own == &file[begin..begin + own.len()]);
                    assert_eq!(begin % PAYLOAD_BYTES_MAX, 0);
                    sent.push(begin / CHUNK);
                }
                Piece::Same { value: said, .. } => {
                    assert_eq!(*said, value(&file, ChunkSize::MIN, (begin / CHUNK) as u64));
                    named.push(begin / CHUNK);
                }
                Piece::Zeros { .. } => panic!("there is no hole"),
            }
        }
    }
    assert_eq!((sent, named), (vec![1, 1, 4], vec![0, 2, 3]));
    assert_eq!(said.ends[0].root, Some(*blake3::hash(&file).as_bytes()));
}

#[test]
fn a_part_of_a_file_has_no_root() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("f");
    std::fs::write(&path, contents(3 * CHUNK)).unwrap();
    let entries = walk(&[&path]);
    let mut reader = reader(&[&path]);
    for (send, compare) in [(&[(1, 1)][..], &[][..]), (&[], &[(0, 2)]), (&[(0, 1)], &[(2, 1)])] {
        let said = say(&mut reader, &[wanting(&entries[0], send, compare)]);
        assert_eq!((said.ends.len(), said.ends[0].root, said.ends[0].size), (1, None, 3 * CHUNK as u64));
    }
    let said = say(&mut reader, &[wanting(&entries[0], &[(2, 1)], &[(0, 2)])]);
    assert!(said.ends[0].root.is_some());
}

#[test]
fn a_file_of_one_chunk_is_named_by_its_root_and_an_empty_one_not_at_all() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("a"), b"").unwrap();
    std::fs::write(temp.path().join("b"), b"one").unwrap();
    std::fs::write(temp.path().join("c"), contents(CHUNK)).unwrap();
    let entries = walk(&[temp.path()]);
    let fetches: Vec<_> = (1..4).map(|at| wanting(&entries[at], &[], &[(0, 1)])).collect();
    let said = say(&mut reader(&[temp.path()]), &fetches);
    assert_eq!(said.blocks.len(), 1, "small files share a block");
    let values: Vec<_> = said
        .pieces()
        .iter()
        .map(|piece| if let Piece::Same { value, .. } = piece { *value } else { panic!("{piece:?}") })
        .collect();
    let roots = [&b""[..], b"one", &contents(CHUNK)].map(|file| *blake3::hash(file).as_bytes());
    assert_eq!(values, roots[1..]);
    assert_eq!(said.ends.iter().map(|end| end.root.unwrap()).collect::<Vec<_>>(), roots);
}

#[test]
fn holes_are_compared_and_sent_without_being_read() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("sparse");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"begin").unwrap();
    file.seek(SeekFrom::Start((40 << 20) + 5)).unwrap();
    file.write_all(b"end").unwrap();
    file.set_len((41 << 20) + 7).unwrap();
    let all = std::fs::read(&path).unwrap();
    let entries = walk(&[&path]);
    let said = say(&mut reader(&[&path]), &[wanting(&entries[0], &[(0, 10)], &[(10, 73)])]);
    let mut named = 0;
    for piece in said.pieces() {
        let (_, offset, length) = piece.place();
        let begin = usize::try_from(offset).unwrap();
        assert_eq!(begin / CHUNK, (begin + length as usize - 1) / CHUNK, "{piece:?} straddles");
        if let Piece::Same { value: said, .. } = piece {
            assert_eq!(said, value(&all, ChunkSize::MIN, (begin / CHUNK) as u64));
            named += 1;
        }
    }
    assert_eq!(named, 73);
    let sent: usize = said.blocks.iter().map(|(_, payload)| payload.len()).sum();
    assert!(sent < CHUNK / 2, "{sent}");
    assert_eq!(said.ends[0].root, Some(*blake3::hash(&all).as_bytes()));
}

#[test]
fn a_part_file_keeps_its_own_chunk_size() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("f");
    let file = contents(5 << 20);
    std::fs::write(&path, &file).unwrap();
    let entries = walk(&[&path]);
    let what = What::Chunks { chunk: ChunkSize::MAX, send: runs(&[(1, 1)]), compare: runs(&[(0, 1)]) };
    let said = say(&mut reader(&[&path]), &[Fetch { what, ..fetch(&entries[0]) }]);
    let last = said.pieces().pop();
    let expected = value(&file, ChunkSize::MAX, 0);
    assert_eq!(last, Some(Piece::Same { entry: 0, offset: 0, length: 4 << 20, value: expected }));
    assert_eq!(said.ends[0].root, Some(*blake3::hash(&file).as_bytes()));
}

#[test]
fn the_receiver_can_compare_while_the_sender_does() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("f");
    std::fs::File::create(&path).unwrap().set_len(40 << 20).unwrap();
    let entries = walk(&[&path]);
    let said = say(&mut reader(&[&path]), &[wanting(&entries[0], &[], &[(0, 80)])]);
    let lengths: Vec<usize> = said.blocks.iter().map(|(pieces, _)| pieces.len()).collect();
    assert_eq!(lengths, [16; 5]);
}

/// Wants a file until so many blocks were said.
struct Fickle {
    said: Said,
    entry: u64,
    blocks: usize,
}

impl Listener for Fickle {
    fn hear(&mut self, event: SourceEvent) -> ControlFlow<()> {
        self.said.take(event);
        ControlFlow::Continue(())
    }

    fn wants(&self, entry: u64) -> bool {
        entry != self.entry || self.said.blocks.len() < self.blocks
    }
}

#[test]
fn what_is_given_up_is_read_no_further_and_the_rest_is() {
    let temp = tempfile::tempdir().unwrap();
    for name in ["a", "c"] {
        std::fs::write(temp.path().join(name), b"small").unwrap();
    }
    std::fs::write(temp.path().join("b"), contents(8 * CHUNK)).unwrap();
    let entries = walk(&[temp.path()]);
    let compare = wanting(&entries[2], &[], &[(0, 8)]);
    // Not begun; after a block of its own; while it is compared.
    for (second, blocks, of_it) in [(fetch(&entries[2]), 0, 0), (fetch(&entries[2]), 3, 2), (compare, 0, 0)] {
        let said = Said::default();
        let mut fickle = Fickle { said, entry: 2, blocks };
        let mut reader = reader(&[temp.path()]);
        for fetch in [fetch(&entries[1]), second, fetch(&entries[3])] {
            assert!(reader.fetch(&fetch, &mut fickle).is_continue());
        }
        assert!(reader.flush(&mut fickle).is_continue());
        let said = fickle.said;
        let ends: Vec<u64> = said.ends.iter().map(|end| end.entry).collect();
        assert_eq!((ends, said.drops), (vec![1, 3], vec![]));
        let count = said.blocks.iter().filter(|(pieces, _)| pieces.iter().any(|p| p.place().0 == 2)).count();
        assert_eq!(count, of_it);
    }
}

#[test]
fn a_stream_that_is_given_up_is_read_no_further() {
    /// Never ends.
    struct Endless;
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            Ok(buffer.len())
        }
    }
    let roots = Roots::new(&["-".into()]).unwrap();
    let entries: Vec<Entry> = Walk::of(roots.clone()).map(Result::unwrap).collect();
    let mut fickle = Fickle { said: Said::default(), entry: 0, blocks: 3 };
    let mut reader = Reader::new(roots.reading(Input::new(Endless)), ChunkSize::MIN);
    assert!(reader.fetch(&fetch(&entries[0]), &mut fickle).is_continue());
    assert_eq!((fickle.said.blocks.len(), fickle.said.ends.len()), (3, 0));
}

/// Takes everything, and never at once.
struct Sated(Said);

impl Listener for Sated {
    fn hear(&mut self, event: SourceEvent) -> ControlFlow<()> {
        self.0.take(event);
        ControlFlow::Continue(())
    }

    fn is_hungry(&self) -> bool {
        false
    }

    fn wants(&self, _: u64) -> bool {
        true
    }
}

#[test]
fn what_is_held_is_looked_at_while_the_line_is_busy() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("f");
    let file = contents(4 * CHUNK);
    std::fs::write(&path, &file).unwrap();
    let entries = walk(&[&path]);
    let mut listener = Sated(Said::default());
    let mut reader = reader(&[&path]);
    assert!(
        reader
            .fetch(&wanting(&entries[0], &[(1, 1), (3, 1)], &[(0, 1), (2, 1)]), &mut listener)
            .is_continue()
    );
    assert!(reader.flush(&mut listener).is_continue());
    let mut chunks: Vec<_> = listener
        .0
        .pieces()
        .iter()
        .map(|piece| (piece.held_bytes() > 0, piece.place().1 / CHUNK as u64))
        .collect();
    chunks.dedup();
    assert_eq!(chunks, [(false, 1), (true, 0), (true, 2), (false, 3)]);
    assert_eq!(listener.0.ends[0].root, Some(*blake3::hash(&file).as_bytes()));
}
