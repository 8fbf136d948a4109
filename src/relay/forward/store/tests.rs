//! Re-framing: golden bytes, and any split of any stream.

use proptest::prelude::*;

use super::*;

/// A client's frame, masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x11, 0x22, 0x33, 0x44];
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65536 => {
            bytes.push(0x80 | 0x7e);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 0x7f);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    bytes
}

/// What becomes of a stream that is read in pieces of these sizes, the other side taking some after each.
struct Run {
    out: Vec<u8>,
    controls: Vec<Control>,
    result: Result<(), Violation>,
}

fn run(mut stream: &[u8], reads: &[usize], takes: &[usize], size: Size) -> Run {
    let (mut store, mut decoder) = (Store::default(), Decoder::default());
    let mut run = Run { out: Vec::new(), controls: Vec::new(), result: Ok(()) };
    let (mut reads, mut takes) = (reads.iter().cycle(), takes.iter().cycle());
    while !stream.is_empty() && run.result.is_ok() {
        if let Some(space) = store.space(size) {
            let read = (*reads.next().unwrap()).clamp(1, space.len()).min(stream.len());
            space[..read].copy_from_slice(&stream[..read]);
            stream = &stream[read..];
            run.result = store.absorb(read, &mut decoder, |control| run.controls.push(control));
        } else {
            let most = if size == Size::Waiting { EARLY_BYTES_MAX } else { FRAGMENT_ROOM };
            assert!(store.end > most / 2, "full means full");
        }
        let taken = (*takes.next().unwrap()).min(store.ready().len());
        run.out.extend_from_slice(&store.ready()[..taken]);
        store.consume(taken);
        assert!(store.bytes.len() <= FRAGMENT_ROOM);
    }
    run.out.extend_from_slice(store.ready());
    run
}

/// Reads what the relay wrote: the messages, and the largest fragment.
fn messages(mut out: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let (mut messages, mut open, mut largest): (_, Option<Vec<u8>>, _) = (Vec::new(), None, 0);
    while let [first, second, rest @ ..] = out {
        let (length, rest) = match second {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            length => (usize::from(*length), rest),
        };
        assert!(length < 126 || *second == 126, "not the shortest form");
        largest = largest.max(length);
        match first & 0x0F {
            0 => assert!(open.is_some()),
            2 => assert!(open.is_none()),
            opcode => panic!("opcode {opcode}"),
        }
        let message = open.get_or_insert_default();
        message.extend_from_slice(&rest[..length]);
        if first & 0x80 != 0 {
            messages.extend(open.take());
        }
        out = &rest[length..];
    }
    assert!(out.is_empty());
    messages.extend(open);
    (messages, largest)
}

#[test]
fn golden_bytes_of_small_messages() {
    let stream = [frame(0x82, b"abc"), frame(0x82, b""), frame(0x89, b"x"), frame(0x82, b"de")].concat();
    let whole = run(&stream, &[usize::MAX], &[usize::MAX], Size::Forwarding);
    assert_eq!(whole.out, b"\x82\x03abc\x82\x00\x82\x02de");
    assert!(matches!(whole.controls[..], [Control::Ping(_)]));
    // Byte by byte each payload byte is a fragment, and the message still one.
    let bytewise = run(&stream, &[1], &[usize::MAX], Size::Forwarding);
    assert_eq!(bytewise.out, b"\x02\x01a\x00\x01b\x80\x01c\x82\x00\x02\x01d\x80\x01e");
}

#[test]
fn a_large_message_becomes_fragments_that_fit() {
    let payload: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
    let run = run(&frame(0x82, &payload), &[usize::MAX], &[usize::MAX], Size::Forwarding);
    let (messages, largest) = messages(&run.out);
    assert_eq!(messages, [payload]);
    assert_eq!(largest, FRAGMENT_ROOM - OUR_HEADER_BYTES_MAX);
    assert_eq!(run.out[..4], [0x02, 126, 0xFF, 0xEE]);
}

#[test]
fn a_length_is_only_a_claim() {
    let stream = [&[0x82, 0xFF, 0x7F, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0][..], b"data"].concat();
    let run = run(&stream, &[usize::MAX], &[usize::MAX], Size::Waiting);
    assert_eq!(run.out, b"\x02\x04data");
}

#[test]
fn nothing_follows_a_close() {
    let stream = [frame(0x82, b"last"), frame(0x88, b""), frame(0x82, b"no")].concat();
    let run = run(&stream, &[usize::MAX], &[usize::MAX], Size::Waiting);
    assert_eq!(run.out, b"\x82\x04last");
    assert_eq!(run.controls, [Control::Close(None)]);
}

#[test]
fn what_came_before_a_violation_is_kept() {
    let stream = [frame(0x82, b"good"), frame(0x81, b"text")].concat();
    let run = run(&stream, &[usize::MAX], &[usize::MAX], Size::Waiting);
    assert_eq!((run.out.as_slice(), run.result), (&b"\x82\x04good"[..], Err(Violation::Text)));
}

#[test]
fn a_waiting_store_is_small_and_stops_at_its_limit() {
    let (mut store, mut decoder) = (Store::default(), Decoder::default());
    assert!(store.space(Size::Waiting).is_some());
    assert_eq!(store.bytes.capacity(), BUFFER_START);
    // Empty messages hold no payload, but their framing counts.
    let empty = frame(0x82, b"");
    let mut said = 0;
    while let Some(space) = store.space(Size::Waiting) {
        space[..empty.len()].copy_from_slice(&empty);
        store.absorb(empty.len(), &mut decoder, |_| ()).unwrap();
        said += 1;
    }
    assert_eq!(store.ready().len(), 2 * said);
    assert!(store.bytes.capacity() <= EARLY_BYTES_MAX && said > EARLY_BYTES_MAX / 4);
}

#[test]
fn places_between_frames_are_known() {
    let (mut store, mut decoder) = (Store::default(), Decoder::default());
    let bytes = frame(0x82, b"abc");
    store.space(Size::Forwarding).unwrap()[..bytes.len()].copy_from_slice(&bytes);
    store.absorb(bytes.len(), &mut decoder, |_| ()).unwrap();
    assert!(store.is_between_frames());
    store.consume(1);
    assert!(!store.is_between_frames());
    store.consume(4);
    assert!(store.is_between_frames());
}

/// Messages in frames of any size, with pings between them.
fn streams() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<u8>)> {
    let sizes = prop_oneof![4 => 0..200_usize, 1 => 0..70_000_usize];
    let message = prop::collection::vec((sizes, any::<u8>(), any::<bool>()), 1..4);
    prop::collection::vec(message, 0..6).prop_map(|frames| {
        let (mut messages, mut stream) = (Vec::new(), Vec::new());
        for message in frames {
            let (mut whole, count) = (Vec::new(), message.len());
            for (at, (size, seed, ping)) in message.into_iter().enumerate() {
                let payload: Vec<u8> = (0..size).map(|at| (at as u8).wrapping_mul(31) ^ seed).collect();
                let opcode = if at == 0 { 0x02 } else { 0x00 };
                let fin = if at + 1 == count { 0x80 } else { 0 };
                stream.extend(frame(fin | opcode, &payload));
                if ping {
                    stream.extend(frame(0x89, &[seed; 3]));
                }
                whole.extend(payload);
            }
            messages.push(whole);
        }
        (messages, stream)
    })
}

proptest! {
    #[test]
    fn any_split_of_the_stream_means_the_same(
        (expected, stream) in streams(),
        reads in prop::collection::vec(prop_oneof![1..9_usize, 1..70_000_usize], 1..20),
        takes in prop::collection::vec(prop_oneof![3 => 1..100_usize, 2 => Just(usize::MAX)], 1..20),
        forwarding in any::<bool>(),
    ) {
        let size = if forwarding { Size::Forwarding } else { Size::Waiting };
        let run = run(&stream, &reads, &takes, size);
        prop_assert_eq!(run.result, Ok(()));
        prop_assert_eq!(messages(&run.out).0, expected);
    }

    #[test]
    fn garbage_ends_in_a_violation_or_in_fragments(
        garbage in prop::collection::vec(any::<u8>(), 0..400),
        reads in prop::collection::vec(1..50_usize, 1..5),
    ) {
        let run = run(&garbage, &reads, &[usize::MAX], Size::Waiting);
        messages(&run.out);
    }
}
