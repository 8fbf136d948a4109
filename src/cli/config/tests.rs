//! Files and what they mean, or which line of them means nothing.

use std::path::Path;

use super::keys::{Form, KEYS, SECTIONS};
use super::parse::parse;
use super::*;
use crate::cli::words::{self, Typed};
use crate::receive::args::ReceiveArgs;
use crate::send::args::SendArgs;
use crate::term::word::Word;

fn settings(text: &str) -> Settings {
    parse(Path::new("/c.toml"), text, Some(Path::new("/home/me"))).unwrap()
}

fn refused(text: &str) -> (String, String) {
    let error = parse(Path::new("/c.toml"), text, Some(Path::new("/home/me"))).err().unwrap();
    assert_eq!(error.kind(), crate::Kind::Usage);
    (error.to_string(), error.hint_text().unwrap().to_owned())
}

fn send(settings: &Settings, line: &[&str]) -> SendArgs {
    let words: Vec<_> = [&["send"], line].concat().iter().map(Into::into).collect();
    let Typed::Send(mut args, _) = words::read(&words).unwrap() else { panic!() };
    settings.complete_send(&mut args);
    args
}

fn receive(settings: &Settings, line: &[&str]) -> ReceiveArgs {
    let words: Vec<_> = [&["receive"], line].concat().iter().map(Into::into).collect();
    let Typed::Receive(mut args, _) = words::read(&words).unwrap() else { panic!() };
    settings.complete_receive(&mut args);
    args
}

fn text(word: Option<&Word>) -> Option<&str> {
    word.and_then(Word::text)
}

#[test]
fn what_is_typed_comes_before_the_section_and_that_before_the_rest() {
    let settings = settings("retry = \"1m\"\nlimit = 5000\n[send]\nretry = \"2m\"\n");
    assert_eq!(text(send(&settings, &["--retry=3m", "x"]).retry.as_ref()), Some("3m"));
    assert_eq!(text(send(&settings, &["x"]).retry.as_ref()), Some("2m"));
    assert_eq!(text(receive(&settings, &[]).retry.as_ref()), Some("1m"));
    assert_eq!(text(receive(&settings, &[]).limit.as_ref()), Some("5000"));
}

#[test]
fn who_types_one_volume_does_not_want_the_other() {
    let settings = settings("quiet = true");
    assert!(send(&settings, &["x"]).quiet);
    let args = send(&settings, &["-v", "x"]);
    assert!(args.verbose && !args.quiet);
}

/// No key is read and then forgotten.
#[test]
fn every_key_does_something() {
    for key in KEYS.iter().filter(|key| ![keys::RELAY, keys::TOKEN].contains(&key.name)) {
        let value = match key.name {
            "ca" | "out" => "\"/x\"",
            "wait" | "retry" => "\"1m\"",
            "limit" => "\"1M\"",
            "compress" => "\"on\"",
            "lanes" => "4",
            "chunk-size" => "\"2MiB\"",
            "on-conflict" => "\"skip\"",
            _ => "true",
        };
        let with = settings(&format!("{} = {value}", key.name));
        let mut of = 0;
        for topic in SECTIONS.into_iter().filter(|topic| keys::has(*topic, key.name)) {
            of += 1;
            let nothing = Settings::default();
            let (before, after) = match topic {
                Topic::Send => {
                    (format!("{:?}", send(&nothing, &["x"])), format!("{:?}", send(&with, &["x"])))
                }
                _ => (format!("{:?}", receive(&nothing, &[])), format!("{:?}", receive(&with, &[]))),
            };
            assert_ne!(before, after, "{} does nothing for {}", key.name, topic.command());
        }
        assert!(of > 0, "{} is no option", key.name);
    }
}

/// Who adds an option decides whether a file can say it.
#[test]
fn every_option_is_a_key_or_refused_or_typed_only() {
    // What one transfer is about, and never the next one.
    let typed_only = [
        "help",
        "text",
        "name",
        "files-from",
        "null",
        "checksums",
        "checksums-with",
        "json",
        "exclude",
        "gitignore",
        "qr",
    ];
    for topic in SECTIONS {
        for flag in topic.info().unwrap().flags {
            let name = flag.long.trim_start_matches('-');
            let known =
                keys::key(name).is_some() || keys::refusal(name).is_some() || typed_only.contains(&name);
            assert!(known, "--{name} is neither a key of a configuration nor said to be none");
            let switch = keys::key(name).map(|key| matches!(key.form, Form::Switch));
            let is_switch = matches!(flag.kind, argh::FlagInfoKind::Switch);
            assert!(switch.is_none_or(|switch| switch == is_switch), "--{name}");
        }
    }
}

#[test]
fn mistakes_name_the_line_and_the_nearest_key() {
    let (what, hint) = refused("\n# mine\nrellay = \"x\"\n");
    assert_eq!(what, "/c.toml, line 3: unknown key rellay");
    assert!(hint.starts_with("Did you mean relay?"));
    let (what, hint) = refused("[recieve]\nout = \"/x\"");
    assert_eq!(what, "/c.toml, line 1: unknown section [recieve]");
    assert!(hint.starts_with("Did you mean [receive]?"));
    let (what, hint) = refused("[send]\nout = \"/x\"");
    assert_eq!(
        (what.as_str(), hint.as_str()),
        ("/c.toml, line 2: out cannot stand in [send]", "It belongs into [receive], or above all sections.")
    );
    assert_eq!(
        refused("[send]\nrelay = \"x\"").1,
        "It belongs above all sections: it holds for all subcommands."
    );
    assert_eq!(refused("a = 1\nb = 2").0, "/c.toml, line 1: unknown key a");
    assert_eq!(refused("retry = \"1m\"\nwait = \"soon\"").0, "/c.toml, line 2: wait: \"soon\" is not a time");
    assert_eq!(refused("lanes = 17").0, "/c.toml, line 1: lanes: \"17\" is not a number of lanes");
    assert_eq!(refused("quiet = \"yes\"").0, "/c.toml, line 1: quiet: a string is not true or false");
    assert_eq!(refused("limit = [1]").0, "/c.toml, line 1: limit: an array is not text");
    assert_eq!(refused("out = \"incoming\"").0, "/c.toml, line 1: out: \"incoming\" is not a whole path");
    assert!(refused("relay = \"x\"\nrelay = \"y\"").0.starts_with("/c.toml, line 2: "));
    assert!(refused("relay = \"x").0.starts_with("/c.toml, line 1: "));
    assert!(refused("\"\\u001b[2J\" = 1").0.contains("\\x1b"));
}

#[test]
fn codes_and_what_must_be_meant_each_time_are_refused() {
    let (what, hint) = refused("code = \"48213-acid-crane-otter\"");
    assert_eq!(what, "/c.toml, line 1: code cannot stand in a file");
    assert!(hint.contains("P2PC_CODE") && !hint.contains("acid"));
    assert!(refused("[receive]\nyes = true").1.contains("--yes"));
    assert!(refused("no-encrypt = true").1.contains("--no-encrypt"));
}

#[test]
fn a_token_is_for_the_relay_beside_it() {
    let both = settings("relay = \"r.example\"\ntoken = \"0123456789abcdef\"");
    assert_eq!((both.relay(), both.token()), (Some("r.example"), Some("0123456789abcdef")));
    assert!(!format!("{both:?}").contains("0123"));
    assert_eq!(refused("\ntoken = \"0123456789abcdef\"").0, "/c.toml, line 2: a token, but no relay");
    let (what, hint) = refused("relay = \"r\"\ntoken = \"short-secret\"");
    assert!(!what.contains("short-secret") && !hint.contains("short-secret"), "{what}");
}

#[test]
fn paths_may_begin_at_home() {
    let settings = settings("[receive]\nout = \"~/in\"\nca = \"/etc/x.pem\"");
    let args = receive(&settings, &[]);
    assert_eq!((text(args.out.as_ref()), text(args.ca.as_ref())), (Some("/home/me/in"), Some("/etc/x.pem")));
}
