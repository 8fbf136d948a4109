//! The bytes of every message. Whoever changes one of these changes the protocol: a new [`VERSION`] and
//! `docs/protocol.md` go with it. `tests/vectors/pairing.py` computes the same by other means.

use super::*;
use crate::proto::kdf::hex;

#[test]
fn first_messages_are_the_golden_ones() {
    let options = Options { no_encrypt: true, verify: false };
    let (_, first) = Side { options, ..sender() }.start();
    let hello = concat!(
        "70327063",                                                         // "p2pc"
        "01",                                                               // version 1
        "00",                                                               // First
        "00",                                                               // role: send
        "01",                                                               // made the code
        "0101010101010101010101010101010101010101010101010101010101010101", // nonce
        "01",                                                               // no_encrypt
        "00",                                                               // verify
        "03",           // ciphers: AES-256-GCM, ChaCha20-Poly1305
        "00",           // capabilities
        "05312e322e33", // app: "1.2.3"
    );
    let pake = "c711d1ad74500b5c49fe890426f9b46f0ae49566e58407ac98023fd90a1009a6";
    let commitment = "bb12fc5bec60105b908685345e9a67d7631e99c4becbe26630b17b50f8f0fbf5";
    assert_eq!(hex(&first), [hello, pake, commitment].concat());

    let options = Options { no_encrypt: false, verify: true };
    let ciphers = Ciphers::CHACHA20_POLY1305;
    let (_, first) = Side { options, ciphers, ..receiver() }.start();
    let hello = concat!(
        "70327063",                                                         // "p2pc"
        "01",                                                               // version 1
        "00",                                                               // First
        "01",                                                               // role: receive
        "00",                                                               // was given the code
        "0202020202020202020202020202020202020202020202020202020202020202", // nonce
        "00",                                                               // no_encrypt
        "01",                                                               // verify
        "02",                                                               // ciphers: ChaCha20-Poly1305
        "00",                                                               // capabilities
        "05312e322e33",                                                     // app: "1.2.3"
    );
    let pake = "2a06458705a50a382cfe2902df22b3d710432619d87ccb6589145cfef3f7e66e";
    let commitment = "4b318448f1063ddaca6005e0eb79f948db9b4dd78497767e3e866677070edb59";
    assert_eq!(hex(&first), [hello, pake, commitment].concat());
}

#[test]
fn confirmations_are_the_golden_ones() {
    let (sends, receives) = pair(&sender(), &receiver());
    let header = "7032706301"; // "p2pc", version 1
    let (mac, opening) = (
        "31e3a870be0a78b4a3a4bee8ac8d79c675077d258af3ec0f46072fc80a55f112",
        "f040b4f33d79a54c997e785c428052c75c3ef979db4ecfe031be33f849ee2843",
    );
    assert_eq!(hex(&sends.sent.concat()), [header, "01", mac, opening].concat());
    let (mac, opening) = (
        "875d6f09373384f4583ae21acd470838486bf22285b972741c8bf7d7c0106198",
        "426325a4f3c9d597355c419c6fc6532a722108104af1308f5daa358c60b2488c",
    );
    assert_eq!(hex(&receives.sent.concat()), [header, "01", mac, opening].concat());
}

#[test]
fn refusals_are_the_golden_ones() {
    for (reason, byte) in [
        (Reason::WrongCode, "00"),
        (Reason::Role, "01"),
        (Reason::Version, "02"),
        (Reason::Busy, "03"),
        (Reason::BothMade, "04"),
        (Reason::Cipher, "05"),
    ] {
        assert_eq!(hex(&refusal(reason)), format!("703270630102{byte}"));
    }
}

#[test]
fn what_follows_from_a_pairing_is_golden() {
    let options = Options { verify: true, no_encrypt: false };
    let (sends, receives) = paired(&Side { options, ..sender() }, &receiver());
    assert_eq!(sends.verify_string.as_deref(), Some("040 898 956"));
    let mut record = b"first".to_vec();
    sends.first_lane().0.seal_in_place(&mut record, 0).unwrap();
    assert_eq!(hex(&record), "a4ff3a4963972def5b28ffadb8ed4f01882252c9a9");
    let mut record = b"first".to_vec();
    receives.first_lane().0.seal_in_place(&mut record, 0).unwrap();
    assert_eq!(hex(&record), "1f9d5398d3278d22c421374c7607021fa8d6dab44a");
}
