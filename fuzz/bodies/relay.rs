//! The relay: who sits where, and what a client's bytes do to the framing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use p2pc::proto::role::Role;
use p2pc::relay::Limits;
use p2pc::relay::forward::decoder::{Control, Decoder, Piece};
use p2pc::relay::room::RoomName;
use p2pc::relay::switchboard::{Effect, Input, SeatId, Standing, Switchboard};

use super::Script;

const ROOMS_MAX: usize = 4;

/// Any order of comings, goings, silence and time: everyone who asks is answered once, pairs are of two roles in one room, and
/// nobody is closed twice. No limit is ever exceeded, and two guests never meet.
pub fn switchboard(bytes: &[u8]) {
    let mut script = Script(bytes);
    let mut limits = Limits::default();
    (limits.rooms, limits.waiting, limits.sessions, limits.guest_waiting) = (ROOMS_MAX, 3, 2, 1);
    (limits.wait, limits.guest_wait) = (Duration::from_secs(60), Duration::from_secs(20));
    limits.idle = Duration::from_secs(45);
    let mut switchboard = Switchboard::new(&limits);
    let (mut now_ms, mut next) = (0u64, 0u64);
    let mut asked: BTreeMap<SeatId, (String, Role, Standing)> = BTreeMap::new();
    let mut seated: BTreeSet<SeatId> = BTreeSet::new();
    while !script.is_over() {
        let seat = SeatId(u64::from(script.byte()) % next.max(1));
        let mut newcomer = None;
        let input = match script.byte() % 8 {
            0 | 1 => {
                let name = format!("room{}", script.byte() % 6);
                let flags = script.byte();
                let role = if flags & 1 == 0 { Role::Send } else { Role::Receive };
                let seat = SeatId(next);
                next += 1;
                let standing = if flags & 4 == 0 { Standing::Member } else { Standing::Guest };
                asked.insert(seat, (name.clone(), role, standing));
                newcomer = Some(seat);
                let room = RoomName::parse(&name).expect("a good name");
                Input::Join { seat, room, role, standing, fresh: flags & 2 != 0 }
            }
            2 => Input::Heard(seat),
            3 => Input::Spoke(seat),
            4 => Input::Held(seat, script.byte() & 1 == 0),
            5 => {
                seated.remove(&seat);
                Input::Left(seat)
            }
            6 => {
                now_ms += u64::from(script.byte()) * 500;
                Input::Tick
            }
            _ => match script.byte() {
                255 => Input::Shutdown,
                254 => Input::Drain,
                _ => Input::Tick,
            },
        };
        switchboard.handle(input, now_ms);
        let mut answered = 0;
        while let Some(effect) = switchboard.poll_effect() {
            match effect {
                Effect::Seated(seat) => {
                    answered += 1;
                    assert!(Some(seat) == newcomer && seated.insert(seat));
                }
                Effect::Paired { waiting, newcomer: came } => {
                    answered += 1;
                    assert!(Some(came) == newcomer && seated.insert(came) && seated.contains(&waiting));
                    let ((room, role, standing), (other_room, other_role, other)) =
                        (&asked[&came], &asked[&waiting]);
                    assert!(room == other_room && role != other_role);
                    assert!([standing, other].contains(&&Standing::Member));
                }
                Effect::Refused(seat, _) => {
                    answered += 1;
                    assert_eq!(Some(seat), newcomer);
                }
                Effect::Ping(seat) => assert!(seated.contains(&seat)),
                Effect::Close(seat, _) => assert!(seated.remove(&seat), "closed twice, or never there"),
            }
        }
        assert_eq!(answered, usize::from(newcomer.is_some()));
        assert!(switchboard.rooms() <= ROOMS_MAX && switchboard.sessions() <= 2);
        assert!(switchboard.waiting() <= 3 && switchboard.guests() <= 1);
        assert_eq!(switchboard.waiting() + 2 * switchboard.sessions(), seated.len());
        assert_eq!(switchboard.next_deadline().is_some(), !seated.is_empty());
    }
}

/// What a client sends after the upgrade, cut anywhere: either it is refused for good, or every byte is accounted for, and however it
/// is cut it means the same.
pub fn relay(bytes: &[u8]) {
    let whole = heard(&[bytes]);
    let mut script = Script(bytes);
    let mut cuts = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (now, later) = rest.split_at((1 + usize::from(script.byte()) / 8).min(rest.len()));
        cuts.push(now);
        rest = later;
    }
    assert_eq!(whole, heard(&cuts));
}

/// What a client said: the payload of its messages with their ends, its control frames, and whether it broke the rules.
fn heard(inputs: &[&[u8]]) -> (Vec<u8>, Vec<usize>, Vec<String>, bool) {
    let (mut payloads, mut ends, mut controls) = (Vec::new(), Vec::new(), Vec::new());
    let mut decoder = Decoder::default();
    for input in inputs {
        let mut rest = *input;
        while !rest.is_empty() {
            let taken = match decoder.next(rest) {
                Err(_) => return (payloads, ends, controls, true),
                Ok(Piece::Nothing(taken)) => taken,
                Ok(Piece::Control(taken, control)) => {
                    if let Control::Ping(body) = &control {
                        assert!(body.as_slice().len() <= 125);
                    }
                    controls.push(format!("{control:?}"));
                    taken
                }
                Ok(Piece::Data { skip, payload, mask, last, .. }) => {
                    let masked = &rest[skip..skip + payload];
                    payloads.extend(masked.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
                    if last {
                        ends.push(payloads.len());
                    }
                    skip + payload
                }
            };
            assert!(taken > 0 && taken <= rest.len());
            rest = &rest[taken..];
        }
    }
    (payloads, ends, controls, false)
}
