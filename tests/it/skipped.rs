//! Tests that need more than the sources: root, a minute, or programs that are not ours. They run where
//! `P2PC_SYSTEM_TESTS=1` says that all of that is there (`make test-system` does). Elsewhere each says that
//! it was skipped, and this list says which those are.

use std::fs;
use std::path::Path;

/// Every such test, and what it needs.
const NEEDS: &[(&str, &str)] = &[
    ("the_script_installs_what_runs", "dash, curl and wget"),
    ("over_tls_the_script_installs_too", "dash and curl"),
    ("what_is_not_what_was_announced_is_not_installed", "dash and curl"),
    ("a_machine_that_nothing_is_there_for_is_told_so", "dash and curl"),
    ("who_is_interrupted_finds_nothing_left", "dash, curl and wget"),
    ("where_it_cannot_go_it_says_so_and_leaves_nothing", "dash and curl"),
    ("where_no_program_may_run_it_says_that", "root, dash and curl"),
    ("what_is_asked_for_over_tls_comes_over_tls", "dash"),
    ("another_relay_than_the_one_of_the_script_hands_out_nothing", "dash and curl"),
    ("fifty_transfers_through_nginx_while_a_relay_drains_and_one_is_killed", "nginx"),
    ("transfers_through_haproxy_while_a_relay_is_killed", "haproxy"),
    ("who_finds_no_relay_behind_nginx_waits_until_one_is_there", "nginx"),
    ("the_script_and_what_it_fetches_come_from_one_relay", "nginx, haproxy and curl"),
    ("a_long_wait_behind_nginx_with_its_usual_timeouts", "nginx and a minute"),
    ("every_edge_of_the_protocol_holds_for_another_library", "websockets from PyPI"),
    ("tinyproxy_opens_a_tunnel", "tinyproxy"),
    ("tinyproxy_asks_for_a_password", "tinyproxy"),
    ("microsocks_opens_a_tunnel", "microsocks"),
    ("microsocks_asks_for_a_password", "microsocks"),
    ("what_does_not_fit_is_found_before_it_is_sent", "root, for a disk of its own"),
    (
        "a_disk_that_fills_up_meanwhile_ends_both_sides_and_the_same_command_goes_on",
        "root, for a disk of its own",
    ),
    ("a_stream_that_does_not_fit_leaves_nothing", "root, for a disk of its own"),
    ("a_disk_without_room_for_another_file_is_full", "root, for a disk of its own"),
    ("a_disk_that_is_only_read_is_found_before_anybody_is_troubled", "root, for a disk of its own"),
    ("silence_is_noticed_and_survived", "more than a minute"),
    ("a_relay_needs_nothing_but_itself_and_its_certificate", "root, to be locked in"),
    ("fish_completes", "fish"),
    ("zsh_completes", "zsh"),
    ("man_pages_are_well_formed", "mandoc and man"),
];

/// Whether this test is not to run here; then it says so, and why.
pub fn skipped(test: &str) -> bool {
    let (_, needs) = NEEDS.iter().find(|(name, _)| *name == test).expect("it is on the list");
    let skip = std::env::var_os("P2PC_SYSTEM_TESTS").is_none_or(|value| value != "1");
    if skip {
        println!("skipped: {test} needs {needs} (P2PC_SYSTEM_TESTS=1)");
    }
    skip
}

#[test]
fn the_list_names_tests_that_ask_it() {
    let mut tests = String::new();
    read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it"), &mut tests);
    for (name, _) in NEEDS {
        assert!(tests.contains(&format!("#[test]\nfn {name}()")), "{name} is no test");
        // On the list it stands in quotes, and once more where the test asks.
        assert!(
            tests.matches(&format!("\"{name}\"")).count() >= 2,
            "{name} does not ask whether it is to run"
        );
    }
    // Nobody asks for himself.
    let variable = concat!("P2PC_SYSTEM", "_TESTS\")");
    assert_eq!(tests.matches(variable).count(), 1, "a test decides by itself whether it runs");
}

fn read_all(directory: &Path, text: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            // Where a test stands in a module it is indented.
            text.extend(fs::read_to_string(path).unwrap().lines().flat_map(|line| [line.trim_start(), "\n"]));
        }
    }
}
