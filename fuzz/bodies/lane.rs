//! What decides who may speak: the pairing, and coming back. Whatever a stranger says, none gets in.

use std::sync::OnceLock;

use p2pc::proto::handshake::{Capabilities, Handshake, Options, Params, Role};
use p2pc::proto::rejoin::{Rejoin, Unproven};
use p2pc::proto::seal::{Ciphers, Mode, SessionSecret};

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
        capabilities: Capabilities::NONE,
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
        alter(&mut script, &mut message);
        if let Ok(step) = machine.handle(&message) {
            assert!(step.established.is_none(), "two different codes have paired");
            answers.extend(step.send);
        }
    }
    let _ = (ours.ended(), theirs.ended());
}

/// Coming back to a lane, to a stranger who has seen an earlier return of both sides and says again, alters and makes up what it likes.
pub fn rejoin(bytes: &[u8]) {
    static SECRETS: OnceLock<[SessionSecret; 2]> = OnceLock::new();
    let [ours, theirs] = SECRETS.get_or_init(|| [secret(1), secret(2)]);
    let mut script = Script(bytes);
    let begin = |secret: &SessionSecret, role, nonce| {
        Rejoin::new(secret.clone(), Mode::ChaCha20Poly1305, 0, role, [nonce; 32])
    };
    // What was recorded: both sides met, with other nonces.
    let (earlier, earlier_says) = begin(ours, Role::Send, 1);
    let (peer, peer_says) = begin(ours, Role::Receive, 2);
    let record =
        |met: Result<Unproven, _>| met.expect("they are the two sides").prove(7).expect("it can be sealed");
    let recorded = [
        earlier_says.clone(),
        peer_says.clone(),
        record(earlier.handle(&peer_says)),
        record(peer.handle(&earlier_says)),
    ];
    // Who is there now has no secret, or that of another session.
    let (now, _) = begin(ours, Role::Send, 3);
    let (stranger, stranger_says) = begin(theirs, Role::Receive, 4);
    let mut message = match script.byte() % 3 {
        0 => script.stretch().to_vec(),
        1 => recorded[usize::from(script.byte()) % 4].clone(),
        _ => stranger_says,
    };
    alter(&mut script, &mut message);
    let Ok(mut unproven) = now.handle(&message) else { return };
    let our_record = unproven.prove(9).expect("it can be sealed");
    let mut proof = match script.byte() % 4 {
        0 => script.stretch().to_vec(),
        1 => recorded[usize::from(script.byte()) % 4].clone(),
        2 => our_record,
        _ => {
            let (_, we_said) = begin(ours, Role::Send, 3);
            record(stranger.handle(&we_said))
        }
    };
    alter(&mut script, &mut proof);
    assert!(unproven.handle(&mut proof).is_err(), "a stranger is taken for the other side");
}

fn alter(script: &mut Script<'_>, message: &mut [u8]) {
    if script.byte() & 1 == 1 && !message.is_empty() {
        let at = usize::from(script.byte()) % message.len();
        message[at] ^= script.byte();
    }
}

/// The secret of a session that was paired with the right code.
fn secret(seed: u8) -> SessionSecret {
    let seeds = [[seed; 32], [seed + 10; 32]];
    let mut no_flags = Script(&[]);
    let (mut ours, our_first) = side(&mut no_flags, Role::Send, b"acid-crane-otter", &seeds[0]);
    let (mut theirs, their_first) = side(&mut Script(&[8]), Role::Receive, b"acid-crane-otter", &seeds[1]);
    ours.handle(&their_first).expect("a hello");
    let confirm = theirs.handle(&our_first).expect("a hello").send.expect("the taker confirms first");
    ours.handle(&confirm).expect("the right code").established.expect("proven").secret.clone()
}
