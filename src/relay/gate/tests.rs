//! The gate against a model that keeps everything, and the stories that explain it.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn source(number: u32) -> Source {
    Source::of(Ipv4Addr::from_bits(number).into())
}

fn gate(connections: Option<u32>, joins: Option<u32>, rooms: Option<u32>) -> Gate {
    let limits = Limits {
        address_connections: connections,
        address_joins: joins,
        address_rooms: rooms,
        ..Limits::default()
    };
    Gate::new(&limits, 3)
}

#[test]
fn an_address_is_what_one_customer_has() {
    let of = |text: &str| Source::of(text.parse().unwrap());
    assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
    assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:ffff:ffff:ffff"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_ne!(of("0.0.0.0"), of("::"));
    assert_ne!(of("0.0.0.1"), of("::1"));
}

fn network(site: u16, number: u16) -> Source {
    Source::of(Ipv6Addr::new(0x2001, 0xdb8, site, number, 0, 0, 0, 1).into())
}

#[test]
fn an_address_connects_so_often_in_a_minute() {
    let limits = Limits { address_arrivals: Some(60), ..Limits::default() };
    let mut gate = Gate::new(&limits, 3);
    for _ in 0..60 {
        assert_eq!(gate.arrive(source(1), 0), Ok(()));
    }
    assert_eq!(gate.arrive(source(1), 999), Err(Refusal::AddressArrivals { again_s: 1 }));
    assert_eq!(gate.arrive(source(1), 1000), Ok(()));
    assert_eq!(gate.arrive(source(2), 0), Ok(()));
}

#[test]
fn the_addresses_of_a_site_share_what_some_of_them_may() {
    let limits = Limits {
        address_connections: Some(2),
        address_arrivals: Some(6),
        address_joins: Some(5),
        address_rooms: Some(4),
        ..Limits::default()
    };
    let mut gate = Gate::new(&limits, usize::MAX);
    let all = SITE_ADDRESSES as usize;
    // Each of a thousand networks has done nothing before.
    let told = |tried: &mut dyn FnMut(u16) -> Result<(), Refusal>| {
        (0..1000).filter(|number| tried(*number).is_ok()).count()
    };
    assert_eq!(told(&mut |number| gate.arrive(network(0, number), 0)), 6 * all);
    assert_eq!(told(&mut |number| gate.ask(network(0, number), true, 0)), 4 * all);
    assert_eq!(told(&mut |number| gate.ask(network(1, number), false, 0)), 5 * all);
    assert_eq!(told(&mut |number| gate.count(network(0, number), 0)), 2 * all);
    // Of a site that has done nothing one network has what it may, and does not use up what the others may.
    assert_eq!(told(&mut |_| gate.arrive(network(2, 0), 0)), 6);
    assert_eq!(told(&mut |number| gate.arrive(network(2, 1 + number), 0)), 6 * (all - 1));
    // In a sixteenth of the time one comes back.
    let back_ms = MINUTE_MS / 6 / u64::from(SITE_ADDRESSES);
    assert_eq!(gate.arrive(network(0, 2000), back_ms - 1), Err(Refusal::AddressArrivals { again_s: 1 }));
    assert_eq!(gate.arrive(network(0, 2000), back_ms), Ok(()));
    for number in 0..2 * SITE_ADDRESSES as u16 {
        gate.uncount(network(0, number), 2 * MINUTE_MS);
    }
    assert_eq!(gate.addresses(), 0);
}

#[test]
fn connections_are_counted_in_all_and_of_each_address() {
    let mut gate = gate(Some(2), None, None);
    for _ in 0..3 {
        assert_eq!(gate.connect(), Ok(()));
    }
    assert_eq!(gate.connect(), Err(Refusal::TooManyConnections));
    gate.disconnect();
    assert_eq!(gate.connect(), Ok(()));
    for _ in 0..2 {
        assert_eq!(gate.count(source(1), 0), Ok(()));
    }
    assert_eq!(gate.count(source(1), 0), Err(Refusal::AddressConnections));
    assert_eq!(gate.count(source(2), 0), Ok(()));
    gate.uncount(source(1), 0);
    assert_eq!(gate.count(source(1), 0), Ok(()));
    for gone in [1, 1, 2] {
        gate.uncount(source(gone), 0);
    }
    assert_eq!(gate.addresses(), 0);
}

#[test]
fn a_minutes_worth_may_come_at_once_and_then_evenly() {
    let mut gate = gate(None, Some(6), Some(3));
    for _ in 0..3 {
        assert_eq!(gate.ask(source(1), true, 1000), Ok(()));
    }
    assert_eq!(gate.ask(source(1), true, 1000), Err(Refusal::AddressRooms { again_s: 20 }));
    // Whoever was refused a room has asked for a seat nevertheless.
    for _ in 0..2 {
        assert_eq!(gate.ask(source(1), false, 1000), Ok(()));
    }
    assert_eq!(gate.ask(source(1), false, 1000), Err(Refusal::AddressJoins { again_s: 10 }));
    assert_eq!(gate.ask(source(1), false, 10_999), Err(Refusal::AddressJoins { again_s: 1 }));
    assert_eq!(gate.ask(source(1), false, 11_000), Ok(()));
    assert_eq!(gate.ask(source(1), true, 20_999), Err(Refusal::AddressJoins { again_s: 1 }));
    assert_eq!(gate.ask(source(1), true, 21_000), Ok(()));
    assert_eq!(gate.ask(source(1), true, 31_000), Err(Refusal::AddressRooms { again_s: 10 }));
    assert_eq!(gate.ask(source(2), true, 21_000), Ok(()));
}

/// Room after room, by the answers: nobody is in it (a new one is refused), or somebody is. One seat each, whichever it is.
#[test]
fn who_walks_rooms_pays_a_seat_for_each_that_it_learns_of() {
    for occupied in [0, 1, 7] {
        let mut gate = gate(None, Some(600), Some(240));
        let mut learnt = 0;
        for room in 0..100_000_u32 {
            let opens = occupied == 0 || room % occupied != 0;
            match gate.ask(source(1), opens, u64::from(room)) {
                Ok(()) | Err(Refusal::AddressRooms { .. }) => learnt += 1,
                Err(other) => assert!(matches!(other, Refusal::AddressJoins { .. })),
            }
        }
        // 100 s: a minute's worth at once, and ten a second.
        assert_eq!(learnt, 600 + 999, "{occupied}");
    }
}

#[test]
fn whoever_has_asked_for_nothing_lately_is_not_remembered() {
    let mut gate = gate(Some(9), Some(600), Some(240));
    gate.ask(source(1), true, 0).unwrap();
    gate.count(source(2), 0).unwrap();
    assert_eq!(gate.addresses(), 2);
    // One of 240 a minute is back after a quarter of a second. The connection stays.
    gate.ask(source(3), false, 250).unwrap();
    assert_eq!(gate.addresses(), 2);
    gate.uncount(source(2), 100_000);
    assert_eq!(gate.addresses(), 0);
}

#[test]
fn the_table_is_bounded_and_the_fullest_is_forgotten_first() {
    let mut gate = gate(Some(9), Some(600), None);
    let addresses = u32::try_from(ADDRESSES_MAX).unwrap();
    // One that has asked for a hundred, one that has a connection, and then the whole world at once.
    for _ in 0..100 {
        gate.ask(source(0), false, 0).unwrap();
    }
    gate.count(source(1), 0).unwrap();
    for number in 2..2 * addresses {
        gate.ask(source(number), false, 0).unwrap();
        assert!(gate.addresses() <= ADDRESSES_MAX);
    }
    assert_eq!(gate.full.len(), gate.sources.len());
    assert_eq!(gate.addresses(), ADDRESSES_MAX);
    assert!(gate.sources.contains_key(&source(0)) && gate.sources.contains_key(&source(1)));
    // What it all takes: both tables, with what a B-tree leaves empty.
    let each = size_of::<(Source, Account)>() + size_of::<(u64, Source)>();
    assert!(2 * each * ADDRESSES_MAX < 24 << 20, "{each} bytes each");
}

#[test]
fn who_has_a_connection_is_not_forgotten_whoever_comes() {
    let mut gate = gate(Some(1), Some(600), None);
    let all = u32::try_from(ADDRESSES_MAX).unwrap() + 10;
    for number in 0..all {
        gate.count(source(number), 0).unwrap();
    }
    // And the whole world asks for something.
    for number in all..all + 1000 {
        gate.ask(source(number), false, 0).unwrap();
    }
    for number in 0..all {
        assert_eq!(gate.count(source(number), 0), Err(Refusal::AddressConnections), "{number}");
    }
    assert!(gate.addresses() <= all as usize + 1, "{}", gate.addresses());
    for number in 0..all {
        gate.uncount(source(number), MINUTE_MS);
    }
    assert_eq!(gate.addresses(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Ask(u8, bool),
    Count(u8),
    Uncount(u8),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3_u8, any::<bool>()).prop_map(|(who, opens)| Step::Ask(who, opens)),
        2 => (0..3_u8).prop_map(Step::Count),
        2 => (0..3_u8).prop_map(Step::Uncount),
        2 => (0..30_000_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// The model keeps the time of everything that was let through, and no bucket.
    #[test]
    fn nobody_gets_more_than_its_rate_and_whoever_waits_as_told_gets_through(
        steps in steps(),
        joins in 1..9_u32,
        rooms in 1..5_u32,
    ) {
        let mut gate = gate(Some(2), Some(joins), Some(rooms));
        let mut now_ms = 0;
        let mut passed: Vec<(u8, bool, u64)> = Vec::new();
        // Who is told that it opens too many rooms has asked for a seat, too.
        let mut learnt: Vec<(u8, u64)> = Vec::new();
        let mut connections = [0_u32; 3];
        for step in steps {
            match step {
                Step::Ask(who, opens) => {
                    let answer = gate.ask(source(who.into()), opens, now_ms);
                    if !matches!(answer, Err(Refusal::AddressJoins { .. })) {
                        learnt.push((who, now_ms));
                    }
                    match answer {
                        Ok(()) => passed.push((who, opens, now_ms)),
                        Err(Refusal::AddressJoins { again_s } | Refusal::AddressRooms { again_s }) => {
                            prop_assert!((1..=60).contains(&again_s));
                            // It may be the other bucket's turn to say so, which knows as well; and what it says may cost a seat.
                            let mut later = Gate { sources: gate.sources.clone(), full: gate.full.clone(), ..gate };
                            let mut then_ms = now_ms + 1000 * again_s;
                            let through = (0..3).any(|_| {
                                let asked = later.ask(source(who.into()), opens, then_ms);
                                if let Err(Refusal::AddressJoins { again_s } | Refusal::AddressRooms { again_s }) = asked {
                                    then_ms += 1000 * again_s;
                                }
                                asked.is_ok()
                            });
                            prop_assert!(through);
                        }
                        Err(other) => prop_assert!(false, "{:?}", other),
                    }
                }
                Step::Count(who) => {
                    let expected = connections[usize::from(who)] < 2;
                    prop_assert_eq!(gate.count(source(who.into()), now_ms).is_ok(), expected);
                    connections[usize::from(who)] += u32::from(expected);
                }
                Step::Uncount(who) => {
                    gate.uncount(source(who.into()), now_ms);
                    connections[usize::from(who)] = connections[usize::from(who)].saturating_sub(1);
                }
                Step::Wait(ms) => now_ms += ms,
            }
            prop_assert_eq!(gate.full.len(), gate.sources.len());
            // In any minute at most two minutes' worth: what had gathered, and what came meanwhile.
            for who in 0..3 {
                let lately = |only_rooms: bool| {
                    let is_one = |(by, opens, at): &&(u8, bool, u64)| {
                        *by == who && (!only_rooms || *opens) && now_ms - at < MINUTE_MS
                    };
                    passed.iter().filter(is_one).count() as u64
                };
                let asked = learnt.iter().filter(|(by, at)| *by == who && now_ms - at < MINUTE_MS).count();
                prop_assert!((asked as u64) < 2 * u64::from(joins) + 1);
                prop_assert!(lately(true) < 2 * u64::from(rooms) + 1);
            }
            for (who, connections) in (0..3).zip(connections) {
                let known = gate.sources.get(&source(who)).map_or(0, |account| account.connections);
                prop_assert_eq!(known, connections);
            }
        }
    }

    #[test]
    fn no_address_and_no_time_breaks_it(address: u128, times: Vec<u64>, rate: u32) {
        let mut gate = gate(Some(rate), Some(rate), Some(rate));
        let source = Source::of(Ipv6Addr::from_bits(address).into());
        for now_ms in times {
            let _ = gate.ask(source, true, now_ms);
            let _ = gate.count(source, now_ms);
            gate.uncount(source, now_ms);
        }
    }
}
