//! What strangers in the room and a hostile relay may try, and what it brings them.

use proptest::prelude::*;

use super::*;

/// A taker without the code that wants to see the maker's confirmation.
#[test]
fn whoever_confirms_and_hangs_up_has_spent_a_guess_and_seen_nothing() {
    let (mut maker, maker_first) = sender().start();
    let (mut guesser, guesser_first) = Side { password: "wrong-wrong-wrong", ..receiver() }.start();
    assert!(maker.handle(&guesser_first).unwrap().send.is_none());
    let confirm = guesser.handle(&maker_first).unwrap().send.unwrap();
    let fault = maker.handle(&confirm).unwrap_err();
    assert_eq!(fault, Fault::WrongCode);
    assert_eq!(fault.refusal(), Some(refusal(Reason::WrongCode)));
    assert_eq!(maker.ended(), Verdict::WrongGuess);
}

/// Guessers come one after the other, on connections of their own.
#[test]
fn the_third_guesser_burns_the_code_and_strangers_in_between_do_not_count() {
    let mut guesses = Guesses::new();
    let mut left = Vec::new();
    for password in
        [Some("one-wrong-guess"), None, Some("two-wrong-guesses"), None, None, Some("three-wrong")]
    {
        let (mut maker, maker_first) = sender().start();
        match password {
            Some(password) => {
                let (mut other, first) = Side { password, ..receiver() }.start();
                maker.handle(&first).unwrap();
                let confirm = other.handle(&maker_first).unwrap().send.unwrap();
                assert_eq!(maker.handle(&confirm).unwrap_err(), Fault::WrongCode);
            }
            None => assert!(maker.handle(b"GET / HTTP/1.1").is_err()),
        }
        if maker.ended() == Verdict::WrongGuess {
            left.push(guesses.count_wrong());
        }
    }
    assert_eq!(left, [GuessesLeft::Left(2), GuessesLeft::Left(1), GuessesLeft::Burnt]);
}

/// A maker without the code that wants to see the taker's confirmation.
#[test]
fn a_taker_left_without_an_answer_knows_that_a_guess_was_made() {
    for answer in [
        None,
        Some(b"p2pc".to_vec()),
        Some(Vec::new()),
        Some(vec![0; 10_000]),
        Some(refusal(Reason::Busy)),
        Some(refusal(Reason::WrongCode)),
        Some(b"p2pc\x02".to_vec()),
        Some(sender().start().1),
    ] {
        let (mut taker, _) = receiver().start();
        let first = Side { password: "wrong-wrong-wrong", ..sender() }.start().1;
        assert!(taker.handle(&first).unwrap().send.is_some());
        if let Some(answer) = answer {
            assert_eq!(taker.handle(&answer).unwrap_err(), Fault::WrongCode);
        }
        assert_eq!(taker.ended(), Verdict::WrongGuess);
    }
}

/// The sender that was given the code counts as the maker only against one that was given it too.
#[test]
fn claiming_to_have_made_the_code_costs_the_taker_no_more_than_one_guess() {
    let (mut victim, _) = Side { made: false, ..sender() }.start();
    let (_, first) = Side { made: true, password: "wrong-wrong-wrong", ..receiver() }.start();
    assert!(victim.handle(&first).unwrap().send.is_some());
    assert_eq!(victim.ended(), Verdict::WrongGuess);

    // The one that did make it is not impressed.
    let (mut maker, _) = sender().start();
    assert_eq!(maker.handle(&first).unwrap_err(), Fault::BothMade);
    assert_eq!(maker.ended(), Verdict::Nothing);
}

#[test]
fn reflection_is_seen_before_anything_is_confirmed() {
    for side in [sender(), receiver()] {
        let (mut machine, first) = side.start();
        assert_eq!(machine.handle(&first).unwrap_err(), Fault::Reflected);
        assert_eq!(machine.ended(), Verdict::Nothing);

        // With the role turned round, the key within still is ours.
        let (mut machine, mut first) = side.start();
        first[ROLE_AT] ^= 1;
        assert_eq!(machine.handle(&first).unwrap_err(), Fault::Reflected);
        first[NONCE_AT] ^= 1;
        let (mut machine, _) = side.start();
        assert_eq!(machine.handle(&first).unwrap_err(), Fault::Reflected);
        assert_eq!(machine.ended(), Verdict::Nothing);
    }
}

#[test]
fn a_reflected_confirmation_proves_nothing() {
    let (mut taker, _) = receiver().start();
    let confirm = taker.handle(&sender().start().1).unwrap().send.unwrap();
    assert_eq!(taker.handle(&confirm).unwrap_err(), Fault::WrongCode);
    assert_eq!(taker.ended(), Verdict::WrongGuess);
}

#[test]
fn one_who_comes_in_the_wrong_role_learns_nothing() {
    for made in [false, true] {
        let (mut victim, _) = sender().start();
        let (_, first) = Side { role: Role::Send, made, ..receiver() }.start();
        let fault = victim.handle(&first).unwrap_err();
        assert_eq!(fault, Fault::SameRole(Role::Send));
        assert_eq!(fault.refusal(), Some(refusal(Reason::Role)));
        assert_eq!(victim.ended(), Verdict::Nothing);
    }
}

/// Every single byte of the first messages is confirmed: role, maker, nonce, options, ciphers, capabilities,
/// version text, PAKE message and commitment.
#[test]
fn no_byte_of_a_first_message_can_be_changed_unseen() {
    let length = sender().start().1.len();
    for from in [Role::Send, Role::Receive] {
        for at in 0..length {
            for bit in [0x01, 0x80] {
                let mut first = true;
                let (sends, receives) = run(&sender(), &receiver(), |role, mut message| {
                    if role == from && std::mem::take(&mut first) {
                        message[at] ^= bit;
                    }
                    message
                });
                assert!(sends.result.is_err(), "sender, byte {at} from {from:?}");
                assert!(receives.result.is_err(), "receiver, byte {at} from {from:?}");
            }
        }
    }
}

#[test]
fn a_downgrade_of_any_option_is_seen() {
    let plain = Options { no_encrypt: true, verify: true };
    let sides = [Side { options: plain, ..sender() }, Side { options: plain, ..receiver() }];
    for (at, value) in [(NO_ENCRYPT_AT, 0), (VERIFY_AT, 0), (CIPHERS_AT, 2), (CAPABILITIES_AT, 1)] {
        for from in [Role::Send, Role::Receive] {
            let mut first = true;
            let (sends, receives) = run(&sides[0], &sides[1], |role, mut message| {
                if role == from && std::mem::take(&mut first) {
                    assert_ne!(message[at], value);
                    message[at] = value;
                }
                message
            });
            assert_eq!(sends.result.unwrap_err(), Some(Fault::WrongCode), "byte {at}");
            assert_eq!(receives.result.unwrap_err(), Some(Fault::WrongCode), "byte {at}");
        }
    }
}

/// A relay that puts a PAKE message of its own into honest hellos.
#[test]
fn swapped_pake_messages_pair_nobody() {
    let (_, foreign) = Side { password: "wrong-wrong-wrong", seed: 9, ..sender() }.start();
    for from in [Role::Send, Role::Receive] {
        let mut first = true;
        let (sends, receives) = run(&sender(), &receiver(), |role, mut message| {
            if role == from && std::mem::take(&mut first) {
                let pake = message.len() - 64..message.len() - 32;
                message[pake.clone()].copy_from_slice(&foreign[pake]);
            }
            message
        });
        assert_eq!(sends.result.unwrap_err(), Some(Fault::WrongCode));
        assert_eq!(receives.result.unwrap_err(), Some(Fault::WrongCode));
    }
}

/// Somebody with the right code in between still cannot steer the verify strings together: the opening must
/// be the one committed to.
#[test]
fn an_opening_other_than_the_promised_one_is_refused() {
    for from in [Role::Send, Role::Receive] {
        let (sends, receives) = run(&sender(), &receiver(), |role, mut message| {
            if role == from && message[MAGIC_BYTES + 1] == 1 {
                let last = message.len() - 1;
                message[last] ^= 1;
            }
            message
        });
        let fooled = if from == Role::Send { receives } else { sends };
        assert_eq!(fooled.result.unwrap_err(), Some(Fault::WrongCode));
        assert_eq!(fooled.verdict, Verdict::WrongGuess);
    }
}

#[test]
fn garbage_and_cuts_cost_the_maker_nothing() {
    let whole = receiver().start().1;
    for length in 0..whole.len() {
        let (mut maker, _) = sender().start();
        let fault = maker.handle(&whole[..length]).unwrap_err();
        assert!(matches!(fault, Fault::Malformed(_)), "{length}: {fault:?}");
        assert_eq!(maker.ended(), Verdict::Nothing);
    }
    let longer = [whole.as_slice(), &[0]].concat();
    assert_eq!(sender().start().0.handle(&longer).unwrap_err(), Fault::Malformed(Malformed::Undecodable));
    let oversized = [whole.as_slice(), &[0; MESSAGE_MAX]].concat();
    assert_eq!(sender().start().0.handle(&oversized).unwrap_err(), Fault::Malformed(Malformed::TooLong));

    // Nor where a confirmation is due.
    let confirm = receiver().start().0.handle(&sender().start().1).unwrap().send.unwrap();
    for length in 0..confirm.len() {
        let (mut maker, _) = sender().start();
        maker.handle(&whole).unwrap();
        assert!(matches!(maker.handle(&confirm[..length]).unwrap_err(), Fault::Malformed(_)));
        assert_eq!(maker.ended(), Verdict::Nothing);
    }
}

#[test]
fn a_confirmation_before_the_first_message_is_out_of_turn() {
    let confirm = receiver().start().0.handle(&sender().start().1).unwrap().send.unwrap();
    let (mut maker, _) = sender().start();
    assert_eq!(maker.handle(&confirm).unwrap_err(), Fault::Malformed(Malformed::Unexpected));
    assert_eq!(maker.ended(), Verdict::Nothing);
}

#[test]
fn a_refusal_is_passed_on_and_is_no_guess() {
    let (mut maker, _) = sender().start();
    assert_eq!(maker.handle(&refusal(Reason::Busy)).unwrap_err(), Fault::Refused(Reason::Busy));
    let (mut maker, _) = sender().start();
    maker.handle(&receiver().start().1).unwrap();
    assert_eq!(maker.handle(&refusal(Reason::Role)).unwrap_err(), Fault::Refused(Reason::Role));
    assert_eq!(maker.ended(), Verdict::Nothing);
}

#[test]
fn another_version_is_told_apart_from_garbage() {
    for theirs in [0, VERSION + 1, 255] {
        let mut first = receiver().start().1;
        first[MAGIC_BYTES] = theirs;
        let fault = sender().start().0.handle(&first).unwrap_err();
        assert_eq!(fault, Fault::Incompatible { ours: VERSION, theirs });
        // However the rest of its messages looks.
        assert_eq!(sender().start().0.handle(&[b'p', b'2', b'p', b'c', theirs]).unwrap_err(), fault);
    }
}

#[test]
fn version_texts_are_short_and_printable() {
    let first = receiver().start().1;
    let app_at = CAPABILITIES_AT + 1;
    assert_eq!(first[app_at], 5);
    for text in ["\u{1b}[2J".to_owned(), "\u{202e}".to_owned(), "1".repeat(APP_BYTES_MAX + 1)] {
        let mut forged = first[..app_at].to_vec();
        forged.push(u8::try_from(text.len()).unwrap());
        forged.extend_from_slice(text.as_bytes());
        forged.extend_from_slice(&first[app_at + 6..]);
        assert_eq!(sender().start().0.handle(&forged).unwrap_err(), Fault::Malformed(Malformed::Undecodable));
    }
    let long = Params { app: &"é1\n".repeat(100), ..params() };
    let (_, mut first) = Handshake::new(&long);
    assert_eq!(usize::from(first[app_at]), APP_BYTES_MAX);
    first[ROLE_AT] = 1;
    assert!(first.len() <= MESSAGE_MAX);
}

fn params() -> Params<'static> {
    Params {
        room: "48213",
        password: b"acid-crane-otter",
        role: Role::Send,
        made: true,
        options: Options::default(),
        in_session: false,
        capabilities: Capabilities::NONE,
        ciphers: BOTH_CIPHERS,
        app: "1.2.3",
        nonce: [1; 32],
        pake_seed: &[101; 32],
    }
}

proptest! {
    #[test]
    fn no_input_panics_or_pairs(messages in proptest::collection::vec(garbage(), 1..4)) {
        for side in [sender(), receiver()] {
            let (mut machine, _) = side.start();
            for message in &messages {
                let step = machine.handle(message);
                prop_assert!(!step.is_ok_and(|step| step.established.is_some()));
            }
        }
    }
}

/// Bytes of which some look like a message.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..300);
    (bytes, 0..4_u8, any::<bool>()).prop_map(|(bytes, variant, headed)| {
        if headed { [b"p2pc\x01".as_slice(), &[variant], &bytes].concat() } else { bytes }
    })
}

/// Where things stand in a first message; the golden bytes hold these.
const MAGIC_BYTES: usize = 4;
const ROLE_AT: usize = 6;
const NONCE_AT: usize = 8;
const NO_ENCRYPT_AT: usize = 40;
const VERIFY_AT: usize = 41;
const CIPHERS_AT: usize = 42;
const CAPABILITIES_AT: usize = 43;
