//! What becomes of a transfer whose connections break: with the sides and the relay of `tests`.

use std::sync::atomic::Ordering;

use super::tests::{Parcel, Side, at_a_relay, transfer, transfer_with};
use super::*;
use crate::events::Question;

fn is_reconnected(event: &Event) -> bool {
    matches!(event, Event::Reconnected)
}

fn is_disconnected(event: &Event) -> bool {
    matches!(event, Event::Disconnected { .. })
}

/// What the sender's first connection moves after the pairing in a transfer of so many bytes, about.
const BYTES: usize = 400_000;

#[test]
fn a_connection_of_the_sender_may_break_anywhere() {
    for at in [0, 1, 30, 100, 250, 400, 700, 1500, 20_000, 262_000, 263_500, 300_000, 399_000, 401_000] {
        let [sender, receiver] = transfer(4096, BYTES, [&[at], &[]]);
        for side in [sender, receiver] {
            // Before both have heard each other they may as well pair anew.
            let is_back = |event: &Event| is_reconnected(event) || matches!(event, Event::Restarted);
            assert_eq!(side.saw(is_disconnected), side.saw(is_back), "cut after {at} bytes");
        }
    }
}

#[test]
fn a_connection_of_the_receiver_may_break_anywhere() {
    // Not where only the receipt is missing: that is waited for, and may be lost for good.
    for at in [0, 1, 30, 100, 250, 400, 700, 1500, 20_000, 262_000, 263_500, 300_000, 399_000] {
        transfer(4096, BYTES, [&[], &[at]]);
    }
}

#[test]
fn both_may_break_at_once_and_again_and_again() {
    transfer(1000, BYTES, [&[3000, 90_000, 500, 40, 100_000, 0], &[3000, 100, 150_000]]);
    let [sender, _] = transfer(1000, BYTES, [&[20_000; 8], &[35_000; 8]]);
    assert!(sender.saw(is_reconnected) > 3);
}

#[test]
fn strangers_in_the_room_of_the_lane_are_dropped() {
    // What one says who claims to be this side: 0 sends, 1 receives.
    let rejoin = |role: u8, lane: u8| [b"p2pc\x01\x03".as_slice(), &[role, lane], &[9; 32]].concat();
    for (story, says) in [
        ("garbage", [vec![b"garbage".to_vec()], vec![b"garbage".to_vec()]]),
        ("a message of a pairing", [vec![b"p2pc\x01\x02\x00".to_vec()], vec![b"p2pc\x01\x02\x00".to_vec()]]),
        ("no proof", [vec![rejoin(1, 0), vec![7; 40]], vec![rejoin(0, 0), vec![7; 40]]]),
        ("the wrong role", [vec![rejoin(0, 0)], vec![rejoin(1, 0)]]),
        ("another lane", [vec![rejoin(1, 1)], vec![rejoin(0, 1)]]),
    ] {
        let [sender, receiver] = transfer_with(4096, BYTES, [&[100_000], &[]], |side| {
            let says = if side.role == Role::Send { &says[0] } else { &says[1] };
            side.strangers.lock().unwrap().push_back(says.clone());
        });
        assert_eq!(sender.saw(|event| matches!(event, Event::WrongGuess { .. })), 0, "{story}");
        assert_eq!((sender.saw(is_reconnected), receiver.saw(is_reconnected)), (1, 1), "{story}");
    }
}

#[test]
fn a_side_may_look_for_ever() {
    let [sender, _] = transfer_with(4096, BYTES, [&[100_000], &[]], |side| side.retry = Duration::MAX);
    assert_eq!(sender.saw(is_reconnected), 1);
}

/// Enough that it takes more than a moment.
const LONG: usize = 3_000_000;

fn is_accepted(event: &Event) -> bool {
    matches!(event, Event::Accepted)
}

fn is_restarted(event: &Event) -> bool {
    matches!(event, Event::Restarted)
}

#[test]
fn a_receiver_that_was_started_again_gets_everything_with_the_same_code() {
    let parcel = Parcel::of_one_file(LONG);
    let (first, sends) = (parcel.receiving(), parcel.sending());
    let parcel = parcel.elsewhere();
    let again = parcel.receiving();
    let (sent, received, sender) = at_a_relay(|door| async move {
        let sender = Side::new(Role::Send, &door, 4096, &[]);
        let receiving = async {
            let receiver = Side::new(Role::Receive, &door, 4096, &[]);
            let dies = async {
                receiver.until(1, is_accepted).await;
                None
            };
            assert!(future::or(dies, async { Some(receiver.take_part(&first).await) }).await.is_none());
            drop(receiver);
            Side::new(Role::Receive, &door, 4096, &[]).take_part(&again).await
        };
        let (sent, received) = future::zip(sender.take_part(&sends), receiving).await;
        (sent, received, sender)
    });
    parcel.check(sent, received, "the receiver was started again");
    assert_eq!(
        (sender.saw(is_disconnected), sender.saw(is_restarted), sender.saw(is_reconnected)),
        (1, 1, 0)
    );
}

#[test]
fn a_sender_that_was_started_again_sends_everything_with_the_same_code() {
    let parcel = Parcel::of_one_file(LONG);
    let (receives, sends) = (parcel.receiving(), parcel.sending());
    let (sent, received, receiver) = at_a_relay(|door| async move {
        let receiver = Side::new(Role::Receive, &door, 4096, &[]);
        let sending = async {
            let sender = Side::new(Role::Send, &door, 4096, &[]);
            let dies = async {
                sender.until(1, is_accepted).await;
                None
            };
            assert!(future::or(dies, async { Some(sender.take_part(&sends).await) }).await.is_none());
            drop(sender);
            Side::new(Role::Send, &door, 4096, &[]).take_part(&sends).await
        };
        let (sent, received) = future::zip(sending, receiver.take_part(&receives)).await;
        (sent, received, receiver)
    });
    parcel.check(sent, received, "the sender was started again");
    assert_eq!((receiver.saw(is_disconnected), receiver.saw(is_restarted)), (1, 1));
    // Who has accepted has accepted; what protects against somebody in between is compared again.
    assert_eq!(receiver.was_asked(|question| matches!(question, Question::Accept(_))), 1);
    assert_eq!(receiver.was_asked(|question| matches!(question, Question::Verify(_))), 2);
}

/// A sender whose receiver dies in the middle and does not come back.
fn left_alone(retry: Duration) -> (Error, Side) {
    let parcel = Parcel::of_one_file(LONG);
    let (receives, sends) = (parcel.receiving(), parcel.sending());
    let (sent, sender) = at_a_relay(|door| async move {
        let mut sender = Side::new(Role::Send, &door, 4096, &[]);
        sender.retry = retry;
        let dying = async {
            let receiver = Side::new(Role::Receive, &door, 4096, &[]);
            let dies = receiver.until(1, is_accepted);
            future::or(dies, async { drop(receiver.take_part(&receives).await) }).await;
        };
        let (sent, ()) = future::zip(sender.take_part(&sends), dying).await;
        (sent, sender)
    });
    (sent.unwrap_err(), sender)
}

#[test]
fn who_is_left_alone_for_longer_than_it_wants_ends_and_says_how_to_go_on() {
    let (error, sender) = left_alone(Duration::from_millis(300));
    assert_eq!(error.kind(), Kind::ConnectionLost);
    assert!(
        error.to_string().starts_with("the other side did not come back within 300 milliseconds"),
        "{error}"
    );
    assert!(error.hint_text().unwrap().contains("same commands again"), "{:?}", error.hint_text());
    assert_eq!((sender.saw(is_disconnected), sender.saw(is_reconnected)), (1, 0));
}

#[test]
fn who_does_not_want_to_look_ends_at_once() {
    let (error, sender) = left_alone(Duration::ZERO);
    assert_eq!(error.kind(), Kind::ConnectionLost);
    assert!(error.hint_text().unwrap().contains("same commands again"), "{:?}", error.hint_text());
    assert_eq!(sender.saw(is_disconnected), 0);
}

#[test]
fn wrong_guesses_meanwhile_burn_the_code_and_leave_the_session_alone() {
    let parcel = Parcel::of_one_file(LONG);
    let (sends, receives) = (parcel.sending(), parcel.receiving());
    let (sent, received, sender) = at_a_relay(|door| async move {
        let sender = Side::new(Role::Send, &door, 4096, &[100_000]);
        let receiver = Side::new(Role::Receive, &door, 4096, &[]);
        let guessing = async {
            sender.until(1, is_disconnected).await;
            receiver.is_cut_off.store(true, Ordering::Relaxed);
            for guessed in 1..=3 {
                while sender.saw(is_wrong_guess) < guessed {
                    // A guesser who finds its seat taken tries again.
                    let mut guesser = Side::new(Role::Receive, &door, 4096, &[]);
                    guesser.code = "48213-wrong-wrong-wrong";
                    let counted = async {
                        sender.until(guessed, is_wrong_guess).await;
                        None
                    };
                    let ended = future::or(async { Some(guesser.take_part(&receives).await) }, counted).await;
                    assert!(ended.is_none_or(|ended| ended.is_err()));
                }
            }
            receiver.is_cut_off.store(false, Ordering::Relaxed);
        };
        let sides = future::zip(sender.take_part(&sends), receiver.take_part(&receives));
        let ((sent, received), ()) = future::zip(sides, guessing).await;
        (sent, received, sender)
    });
    parcel.check(sent, received, "three wrong guesses");
    let left =
        |wanted: u8| sender.saw(|event| matches!(event, Event::WrongGuess { left } if *left == wanted));
    assert_eq!([left(2), left(1), left(0)], [1, 1, 1]);
    assert_eq!(sender.saw(is_reconnected), 1);
}

#[test]
fn a_guess_counts_that_the_end_of_the_search_cuts_short() {
    let parcel = Parcel::of_one_file(LONG);
    let (sends, receives) = (parcel.sending(), parcel.receiving());
    let (sent, received, receiver) = at_a_relay(|door| async move {
        let sender = Side::new(Role::Send, &door, 4096, &[100_000]);
        let receiver = Side::new(Role::Receive, &door, 4096, &[]);
        let guessing = async {
            receiver.until(1, is_disconnected).await;
            sender.is_cut_off.store(true, Ordering::Relaxed);
            // It lets the receiver confirm, which is all it wants to know, and says no more.
            let guesser = receiver.guessed_at("48213-wrong-wrong-wrong", Role::Send).await;
            sender.is_cut_off.store(false, Ordering::Relaxed);
            receiver.until(1, is_reconnected).await;
            drop(guesser);
        };
        let sides = future::zip(sender.take_part(&sends), receiver.take_part(&receives));
        let ((sent, received), ()) = future::zip(sides, guessing).await;
        (sent, received, receiver)
    });
    parcel.check(sent, received, "a guess in between");
    assert_eq!(receiver.saw(is_wrong_guess), 1);
}

#[test]
fn connections_that_carry_nothing_are_no_end_of_the_search() {
    let parcel = Parcel::of_one_file(LONG);
    let (sends, receives) = (parcel.sending(), parcel.receiving());
    // Each new connection lets both prove themselves and breaks before anything else has passed.
    let cuts: Vec<usize> = [20_000].into_iter().chain([PROOF; 1000]).collect();
    let (sent, sender) = at_a_relay(|door| async move {
        let mut sender = Side::new(Role::Send, &door, 4096, &cuts);
        let mut receiver = Side::new(Role::Receive, &door, 4096, &[]);
        (sender.retry, receiver.retry) = (Duration::from_secs(2), Duration::from_secs(2));
        let (sent, _) = future::zip(sender.take_part(&sends), receiver.take_part(&receives)).await;
        (sent, sender)
    });
    assert_eq!(sent.unwrap_err().kind(), Kind::ConnectionLost);
    let lost = sender.saw(is_disconnected);
    // With pauses from 50 ms on that double, each cut by half at most, six fit into two seconds, and the first may count twice.
    assert!((2..=9).contains(&lost), "{lost} times");
    assert!(sender.saw(is_reconnected) > 0);
}

/// Bytes that two `Rejoin` and two proofs take on a connection, and no frame behind them.
const PROOF: usize = 200;

fn is_wrong_guess(event: &Event) -> bool {
    matches!(event, Event::WrongGuess { .. })
}

#[test]
fn what_came_from_standard_input_is_not_sent_a_second_time() {
    let parcel = Parcel::of_one_file(LONG);
    let first = parcel.receiving();
    let roots = Walk::new(&["-".into(), parcel.tree().to_path_buf()]).unwrap().roots().clone();
    let sends = Sending { roots, ..parcel.sending() };
    let parcel = parcel.elsewhere();
    let again = parcel.receiving();
    let (sent, received) = at_a_relay(|door| async move {
        let sender = Side::new(Role::Send, &door, 4096, &[]);
        let receiving = async {
            let receiver = Side::new(Role::Receive, &door, 4096, &[]);
            // What was not accepted was not read, and could still begin anew.
            let dies = sender.until(1, is_accepted);
            future::or(dies, async { drop(receiver.take_part(&first).await) }).await;
            drop(receiver);
            Side::new(Role::Receive, &door, 4096, &[]).take_part(&again).await
        };
        future::zip(sender.take_part(&sends), receiving).await
    });
    let (sent, received) = (sent.unwrap_err(), received.unwrap_err());
    assert_eq!(sent.kind(), Kind::ConnectionLost);
    assert!(sent.to_string().contains("the stream that is sent"), "{sent}");
    assert_eq!(received.kind(), Kind::Refused);
    assert!(received.to_string().contains("the stream that is sent"), "{received}");
}
