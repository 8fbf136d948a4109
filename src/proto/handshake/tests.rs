//! Two sides in one memory: what honest ones come to, whatever they are told.

mod attackers;
mod golden;

use super::*;

/// One side of a pairing under test, with what it would bring.
#[derive(Clone)]
struct Side {
    role: Role,
    made: bool,
    room: &'static str,
    password: &'static str,
    options: Options,
    in_session: bool,
    capabilities: Capabilities,
    ciphers: Ciphers,
    seed: u8,
}

const BOTH_CIPHERS: Ciphers = Ciphers::AES_256_GCM.with(Ciphers::CHACHA20_POLY1305);

/// The maker of the code, unless a test says otherwise.
fn sender() -> Side {
    Side {
        role: Role::Send,
        made: true,
        room: "48213",
        password: "acid-crane-otter",
        options: Options::default(),
        in_session: false,
        capabilities: Capabilities::NONE,
        ciphers: BOTH_CIPHERS,
        seed: 1,
    }
}

/// The taker, unless a test says otherwise.
fn receiver() -> Side {
    Side { role: Role::Receive, made: false, seed: 2, ..sender() }
}

impl Side {
    fn start(&self) -> (Handshake, Vec<u8>) {
        Handshake::new(&Params {
            room: self.room,
            password: self.password.as_bytes(),
            role: self.role,
            made: self.made,
            options: self.options,
            in_session: self.in_session,
            capabilities: self.capabilities,
            ciphers: self.ciphers,
            app: "1.2.3",
            nonce: [self.seed; 32],
            pake_seed: &[self.seed + 100; 32],
        })
    }
}

/// What came of a side.
#[derive(Debug)]
struct Outcome {
    result: Result<Box<Established>, Option<Fault>>,
    verdict: Verdict,
    /// What it sent after its first message.
    sent: Vec<Vec<u8>>,
}

/// Joins two sides through a relay that may change each message. `meddle` is given the role it comes from.
fn run(left: &Side, right: &Side, mut meddle: impl FnMut(Role, Vec<u8>) -> Vec<u8>) -> (Outcome, Outcome) {
    let sides = [left, right];
    let (mut machines, mut queues) = (Vec::new(), [Vec::new(), Vec::new()]);
    let mut outcomes = Vec::new();
    for (at, side) in sides.iter().enumerate() {
        let (machine, first) = side.start();
        machines.push(machine);
        queues[1 - at].push(meddle(side.role, first));
        outcomes.push(Outcome { result: Err(None), verdict: Verdict::Nothing, sent: Vec::new() });
    }
    while let Some(at) = (0..2).find(|&at| !queues[at].is_empty()) {
        let message = queues[at].remove(0);
        if !matches!(outcomes[at].result, Err(None)) {
            continue;
        }
        let send = match machines[at].handle(&message) {
            Ok(step) => {
                if let Some(established) = step.established {
                    outcomes[at].result = Ok(established);
                }
                step.send
            }
            Err(fault) => {
                outcomes[at].result = Err(Some(fault));
                fault.refusal()
            }
        };
        if let Some(message) = send {
            outcomes[at].sent.push(message.clone());
            queues[1 - at].push(meddle(sides[at].role, message));
        }
    }
    for (outcome, machine) in outcomes.iter_mut().zip(&machines) {
        outcome.verdict = machine.ended();
    }
    let right = outcomes.pop().unwrap();
    (outcomes.pop().unwrap(), right)
}

/// Joins two sides through an honest relay.
fn pair(left: &Side, right: &Side) -> (Outcome, Outcome) {
    run(left, right, |_, message| message)
}

/// Runs two sides that must pair, and shows that they understand each other's records.
fn paired(left: &Side, right: &Side) -> (Box<Established>, Box<Established>) {
    let (left, right) = pair(left, right);
    assert_eq!((left.verdict, right.verdict), (Verdict::Nothing, Verdict::Nothing));
    let (left, right) = (left.result.unwrap(), right.result.unwrap());
    let ((mut seals, mut opens), (mut seals_back, mut opens_back)) = (left.first_lane(), right.first_lane());
    let (mut forth, mut back) = (b"forth".to_vec(), b"back".to_vec());
    seals.seal_in_place(&mut forth, 0).unwrap();
    seals_back.seal_in_place(&mut back, 0).unwrap();
    assert_eq!(opens_back.open_in_place(&mut forth).unwrap(), b"forth");
    assert_eq!(opens.open_in_place(&mut back).unwrap(), b"back");
    (left, right)
}

#[test]
fn the_same_code_pairs_whoever_made_it() {
    for (sender_made, receiver_made) in [(true, false), (false, true), (false, false)] {
        let left = Side { made: sender_made, ..sender() };
        let right = Side { made: receiver_made, ..receiver() };
        let (sends, receives) = paired(&left, &right);
        assert_eq!(sends.is_maker, !receiver_made);
        assert_eq!(receives.is_maker, receiver_made);
        assert_eq!(sends.ours, receives.theirs);
        assert_eq!(sends.theirs, receives.ours);
        assert_eq!(sends.theirs.app, "1.2.3");
        // Whoever is handled first, the outcome is the same.
        let (receives, sends) = paired(&right, &left);
        assert!(sends.is_maker != receives.is_maker);
    }
}

#[test]
fn the_maker_confirms_only_what_it_was_shown() {
    for made in [true, false] {
        let (mut sends, first) = Side { made, ..sender() }.start();
        let (mut receives, their_first) = receiver().start();
        assert!(sends.handle(&their_first).unwrap().send.is_none());
        assert_eq!(sends.ended(), Verdict::Nothing);
        let confirm = receives.handle(&first).unwrap().send.unwrap();
        assert_eq!(receives.ended(), Verdict::WrongGuess);
        let step = sends.handle(&confirm).unwrap();
        assert!(step.established.is_some());
        assert!(receives.handle(&step.send.unwrap()).unwrap().established.is_some());
        assert_eq!((sends.ended(), receives.ended()), (Verdict::Nothing, Verdict::Nothing));
        assert_eq!(sends.handle(&confirm).unwrap_err(), Fault::Malformed(Malformed::Unexpected));
        assert_eq!(sends.ended(), Verdict::Nothing);
    }
}

#[test]
fn a_wrong_code_is_a_wrong_guess_on_both_sides() {
    for receiver_made in [false, true] {
        let left = Side { made: !receiver_made, ..sender() };
        let right = Side { made: receiver_made, password: "acid-crane-other", ..receiver() };
        let (sends, receives) = pair(&left, &right);
        assert_eq!(sends.result.unwrap_err(), Some(Fault::WrongCode));
        assert_eq!(receives.result.unwrap_err(), Some(Fault::WrongCode));
        assert_eq!((sends.verdict, receives.verdict), (Verdict::WrongGuess, Verdict::WrongGuess));
    }
}

#[test]
fn another_room_is_another_transcript() {
    let (sends, receives) = pair(&sender(), &Side { room: "48214", ..receiver() });
    assert_eq!(sends.result.unwrap_err(), Some(Fault::WrongCode));
    assert_eq!(receives.result.unwrap_err(), Some(Fault::WrongCode));
}

#[test]
fn two_of_one_role_or_two_makers_part_without_a_guess() {
    for role in [Role::Send, Role::Receive] {
        let left = Side { role, ..sender() };
        let (left, right) = pair(&left, &Side { role, ..receiver() });
        assert_eq!(left.result.unwrap_err(), Some(Fault::SameRole(role)));
        assert_eq!(right.result.unwrap_err(), Some(Fault::SameRole(role)));
        assert_eq!((left.verdict, right.verdict), (Verdict::Nothing, Verdict::Nothing));
    }
    let (left, right) = pair(&sender(), &Side { made: true, ..receiver() });
    assert_eq!(left.result.unwrap_err(), Some(Fault::BothMade));
    assert_eq!(right.result.unwrap_err(), Some(Fault::BothMade));
    assert_eq!((left.verdict, right.verdict), (Verdict::Nothing, Verdict::Nothing));
}

#[test]
fn encryption_is_left_out_only_where_both_ask() {
    let plain = Options { no_encrypt: true, verify: false };
    for (left, right, mode, kept) in [
        (Options::default(), Options::default(), Mode::Aes256Gcm, false),
        (plain, Options::default(), Mode::Aes256Gcm, true),
        (Options::default(), plain, Mode::Aes256Gcm, true),
        (plain, plain, Mode::Tagged, false),
    ] {
        let sides = paired(&Side { options: left, ..sender() }, &Side { options: right, ..receiver() });
        for side in [sides.0, sides.1] {
            assert_eq!((side.mode, side.encryption_kept), (mode, kept));
        }
    }
    let (sends, _) = paired(&sender(), &Side { ciphers: Ciphers::CHACHA20_POLY1305, ..receiver() });
    assert_eq!(sends.mode, Mode::ChaCha20Poly1305);
}

#[test]
fn the_verify_string_is_shown_where_either_asks() {
    let verify = Options { verify: true, no_encrypt: false };
    assert_eq!(paired(&sender(), &receiver()).0.verify_string, None);
    for (left, right) in [(verify, verify), (verify, Options::default()), (Options::default(), verify)] {
        let (sends, receives) =
            paired(&Side { options: left, ..sender() }, &Side { options: right, ..receiver() });
        let string = sends.verify_string.unwrap();
        assert_eq!(receives.verify_string.as_ref(), Some(&string));
        assert!(
            string.len() == 11 && string.bytes().all(|byte| byte == b' ' || byte.is_ascii_digit()),
            "{string}"
        );
    }
}

#[test]
fn every_connection_has_its_own_secret() {
    let secret = |seed| {
        let (sends, _) = paired(&Side { seed, ..sender() }, &receiver());
        let mut content = vec![0; 32];
        sends.first_lane().0.seal_in_place(&mut content, 0).unwrap();
        content
    };
    assert_eq!(secret(1), secret(1));
    assert_ne!(secret(1), secret(3));
}

#[test]
fn a_pairing_may_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<Handshake>();
    is_send::<Established>();
    is_send::<crate::proto::seal::Sealer>();
    is_send::<crate::proto::seal::Opener>();
}

#[test]
fn debug_shows_no_secret() {
    let (machine, _) = sender().start();
    assert_eq!(format!("{machine:?}"), "Handshake(AwaitFirst, Nothing)");
    assert!(format!("{:?}", paired(&sender(), &receiver()).0).contains("SessionSecret(..)"));
}

#[test]
fn two_sides_that_have_a_session_leave_each_other_alone() {
    let (left, right) = (Side { in_session: true, ..sender() }, Side { in_session: true, ..receiver() });
    let (sends, receives) = run(&left, &right, |_, message| message);
    for side in [sends, receives] {
        assert_eq!(side.result.unwrap_err(), Some(Fault::BothInSession));
        // No confirmation went out, so nobody has spent a guess.
        assert_eq!((side.verdict, side.sent), (Verdict::Nothing, Vec::new()));
    }
}

#[test]
fn one_that_has_a_session_pairs_with_one_that_was_started_again() {
    for (left, right) in [(true, false), (false, true)] {
        let left = Side { in_session: left, ..sender() };
        let right = Side { in_session: right, ..receiver() };
        let (sends, receives) = paired(&left, &right);
        assert_eq!(sends.theirs.is_in_session(), right.in_session);
        assert_eq!(receives.theirs.is_in_session(), left.in_session);
    }
}

#[test]
fn only_what_both_can_is_agreed_on() {
    let (lanes, zstd, deflate) = (Capabilities::LANES, Capabilities::ZSTD, Capabilities::DEFLATE);
    for (left, right, both) in [
        (Capabilities::NONE, zstd, Capabilities::NONE),
        (lanes | zstd, zstd | deflate, zstd),
        (lanes | deflate, lanes | deflate, lanes | deflate),
    ] {
        // That one of them still has a session is no capability.
        let left = Side { capabilities: left, in_session: true, ..sender() };
        let right = Side { capabilities: right, ..receiver() };
        let (sends, receives) = paired(&left, &right);
        assert_eq!((sends.both_can, receives.both_can), (both, both));
    }
}

#[test]
fn what_this_program_does_not_know_means_nothing() {
    assert_eq!(Capabilities::of(u64::MAX), Capabilities::ALL);
    let all = Capabilities::LANES | Capabilities::ZSTD | Capabilities::DEFLATE | Capabilities::TEXT;
    assert_eq!(Capabilities::ALL, all);
    assert_eq!(Capabilities::of(IN_SESSION | 1 << 63), Capabilities::NONE);
}
