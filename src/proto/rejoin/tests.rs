//! Two sides that come back, and what others in the lane's room can do.

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::proto::handshake::{Reason, refusal};
use crate::proto::kdf::hex;

const MODES: [Mode; 3] = [Mode::Aes256Gcm, Mode::ChaCha20Poly1305, Mode::Tagged];

fn secret(seed: u8) -> SessionSecret {
    SessionSecret::new(Zeroizing::new([seed; 32]))
}

fn sender(mode: Mode, nonce: u8) -> (Rejoin, Vec<u8>) {
    Rejoin::new(secret(7), mode, 0, Role::Send, [nonce; 32])
}

fn receiver(mode: Mode, nonce: u8) -> (Rejoin, Vec<u8>) {
    Rejoin::new(secret(7), mode, 0, Role::Receive, [nonce; 32])
}

/// What a stranger is found out by, who is given everything that an honest sender says. `None`: it is
/// believed.
fn found_out(theirs: &[u8], record: &mut [u8]) -> Option<Stranger> {
    let (ours, _) = sender(Mode::Aes256Gcm, 1);
    match ours.handle(theirs) {
        Ok(unproven) => unproven.handle(record).err(),
        Err(stranger) => Some(stranger),
    }
}

#[test]
fn both_sides_of_a_session_find_each_other() {
    for mode in MODES {
        let ((sends, there), (receives, back)) = (sender(mode, 1), receiver(mode, 2));
        let (mut sends, mut receives) = (sends.handle(&back).unwrap(), receives.handle(&there).unwrap());
        let (mut proof, mut their_proof) = (sends.prove(300).unwrap(), receives.prove(7).unwrap());
        let mut sends = sends.handle(&mut their_proof).unwrap();
        let mut receives = receives.handle(&mut proof).unwrap();
        assert_eq!((sends.frames, receives.frames), (7, 300));
        for (sealer, opener) in
            [(&mut sends.sealer, &mut receives.opener), (&mut receives.sealer, &mut sends.opener)]
        {
            let mut record = b"next".to_vec();
            sealer.seal_in_place(&mut record, 0).unwrap();
            assert_eq!(opener.open_in_place(&mut record).unwrap(), b"next");
        }
    }
}

#[test]
fn what_we_said_is_no_answer() {
    let (_, ours) = sender(Mode::Aes256Gcm, 1);
    assert_eq!(found_out(&ours, &mut []), Some(Stranger::Reflected));
    // Another sender: a ghost of ours with a nonce of its own, or somebody who turned the role around and
    // kept the nonce.
    assert_eq!(found_out(&sender(Mode::Aes256Gcm, 2).1, &mut []), Some(Stranger::Reflected));
    assert_eq!(found_out(&receiver(Mode::Aes256Gcm, 1).1, &mut []), Some(Stranger::Reflected));
    // With a message of its own and our record, which it has no other use for.
    let (_, theirs) = receiver(Mode::Aes256Gcm, 2);
    let mut mirrored = sender(Mode::Aes256Gcm, 1).0.handle(&theirs).unwrap().prove(0).unwrap();
    assert_eq!(found_out(&theirs, &mut mirrored), Some(Stranger::Unproven));
}

#[test]
fn an_earlier_connection_played_again_proves_nothing() {
    for mode in MODES {
        let ((_, old), (receives, theirs)) = (sender(mode, 9), receiver(mode, 2));
        let mut proof = receives.handle(&old).unwrap().prove(5).unwrap();
        // The record is genuine, and of another connection: our nonce is new.
        let (ours, _) = sender(mode, 1);
        assert_eq!(ours.handle(&theirs).unwrap().handle(&mut proof).unwrap_err(), Stranger::Unproven);
    }
}

#[test]
fn who_lacks_the_secret_or_looks_for_another_lane_is_a_stranger() {
    let (_, ours) = sender(Mode::Aes256Gcm, 1);
    let other = |seed, mode, lane| {
        let (theirs, message) = Rejoin::new(secret(seed), mode, lane, Role::Receive, [2; 32]);
        let proof = theirs.handle(&ours).map(|mut unproven| unproven.prove(0).unwrap());
        found_out(&message, &mut proof.unwrap_or_default())
    };
    assert_eq!(other(7, Mode::Aes256Gcm, 0), None);
    assert_eq!(other(8, Mode::Aes256Gcm, 0), Some(Stranger::Unproven));
    assert_eq!(other(7, Mode::Tagged, 0), Some(Stranger::Unproven));
    assert_eq!(other(7, Mode::Aes256Gcm, 1), Some(Stranger::OtherLane));
}

#[test]
fn the_first_record_says_how_much_has_come_and_nothing_else() {
    let (_, ours) = sender(Mode::Aes256Gcm, 1);
    for content in [Aside::KeepAlive.encode().unwrap(), b"p\x01\x00".to_vec(), vec![0]] {
        let (theirs, message) = receiver(Mode::Aes256Gcm, 2);
        let mut record = content;
        theirs.handle(&ours).unwrap().sealer.seal_in_place(&mut record, 0).unwrap();
        assert_eq!(found_out(&message, &mut record), Some(Stranger::Unproven));
    }
}

#[test]
fn messages_of_a_pairing_are_out_of_place() {
    assert_eq!(found_out(&refusal(Reason::Busy), &mut []), Some(Stranger::Unintelligible));
    assert_eq!(found_out(b"", &mut []), Some(Stranger::Unintelligible));
    let (_, mut newer) = receiver(Mode::Aes256Gcm, 2);
    newer[4] += 1;
    assert_eq!(found_out(&newer, &mut []), Some(Stranger::Unintelligible));
    let (_, mut longer) = receiver(Mode::Aes256Gcm, 2);
    longer.push(0);
    assert_eq!(found_out(&longer, &mut []), Some(Stranger::Unintelligible));
}

/// `tests/vectors/pairing.py` computes the same by other means.
#[test]
fn the_message_is_the_golden_one() {
    let (_, message) = Rejoin::new(secret(7), Mode::Aes256Gcm, 15, Role::Receive, [4; 32]);
    let golden = concat!(
        "70327063",                                                         // "p2pc"
        "01",                                                               // version 1
        "03",                                                               // Rejoin
        "01",                                                               // role: receive
        "0f",                                                               // lane
        "0404040404040404040404040404040404040404040404040404040404040404", // nonce
    );
    assert_eq!(hex(&message), golden);
}

#[test]
fn debug_shows_no_secret() {
    let (rejoin, _) = sender(Mode::Aes256Gcm, 1);
    assert!(format!("{rejoin:?}").contains("SessionSecret(..)"));
}

proptest! {
    #[test]
    fn garbage_is_a_stranger(
        message in prop::collection::vec(any::<u8>(), 0..600),
        mut record in prop::collection::vec(any::<u8>(), 0..100),
        cut in 0..38_usize,
    ) {
        prop_assert_eq!(found_out(&message, &mut []), Some(Stranger::Unintelligible));
        let (_, theirs) = receiver(Mode::Aes256Gcm, 2);
        prop_assert_eq!(found_out(&theirs[..cut], &mut record), Some(Stranger::Unintelligible));
        prop_assert_eq!(found_out(&theirs, &mut record), Some(Stranger::Unproven));
    }
}
