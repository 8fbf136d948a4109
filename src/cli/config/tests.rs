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

/// Whatever a file turns on can be turned off for once.
#[test]
fn every_switch_of_a_file_can_be_taken_back() {
    for key in KEYS.iter().filter(|key| matches!(key.form, Form::Switch)) {
        let with = settings(&keys::example(key));
        let taken_back = format!("--no-{}", key.name);
        let on = |args: &str| args.contains(&format!(" {}: true", key.name));
        for (line, is_on) in [
            (&[][..], true),
            (&[taken_back.as_str()], false),
            (&[&format!("--{}", key.name), &taken_back], false),
            (&[&taken_back, &format!("--{}", key.name)], true),
        ] {
            let sent = format!("{:?}", send(&with, &[line, &["x"]].concat()));
            assert_eq!(on(&sent), is_on, "send {line:?}");
            assert_eq!(on(&format!("{:?}", receive(&with, line))), is_on, "receive {line:?}");
        }
    }
    // The one that is taken back leaves the other as it is.
    let verbose = settings("verbose = true");
    assert!(send(&verbose, &["--no-quiet", "x"]).verbose && receive(&verbose, &["-q", "--no-quiet"]).verbose);
    assert!(receive(&verbose, &["-q", "--no-verbose"]).quiet);
}

#[test]
fn a_volume_of_a_section_comes_before_the_other_above_it() {
    let both = settings("quiet = true\n[send]\nverbose = true");
    let sent = send(&both, &["x"]);
    assert!(sent.verbose && !sent.quiet && receive(&both, &[]).quiet);
    let both = settings("verbose = true\n[receive]\nquiet = true");
    assert!(receive(&both, &[]).quiet && !receive(&both, &[]).verbose && send(&both, &["x"]).verbose);
    assert!(!send(&settings("quiet = true\n[send]\nquiet = false"), &["x"]).quiet);
    let (what, hint) = refused("verbose = true\nretry = 0\nquiet = true");
    assert_eq!(
        (what.as_str(), hint.as_str()),
        ("/c.toml, line 3: quiet and verbose contradict each other", "Leave one out.")
    );
    assert!(refused("[send]\nverbose = true\nquiet = true").0.starts_with("/c.toml, line 3: "));
    assert!(settings("verbose = true").get(None, keys::QUIET).is_none(), "nobody said anything of it");
    assert_eq!(
        settings("[send]\nquiet = false\nverbose = true").get(Some(Topic::Send), keys::QUIET).unwrap().line,
        2
    );
}

/// No key is read and then forgotten.
#[test]
fn every_key_does_something() {
    for key in KEYS.iter().filter(|key| ![keys::RELAY, keys::TOKEN].contains(&key.name)) {
        let with = settings(&keys::example(key));
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
            let takes_back = name.strip_prefix("no-").and_then(keys::key);
            assert!(takes_back.is_none_or(|key| matches!(key.form, Form::Switch)), "--{name}");
            let known = keys::key(name).is_some()
                || takes_back.is_some()
                || keys::refusal(name).is_some()
                || typed_only.contains(&name);
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
    assert_eq!(refused("b = 1\na = 2").0, "/c.toml, line 1: unknown key b");
    assert_eq!(refused("[send]\n[send.receive]\nquiet = true").0, "/c.toml, line 2: unknown key receive");
    assert!(!refused("[receive]\nlanse = 4").1.contains("lanes"), "it could not stand there");
    assert_eq!(refused("retry = \"1m\"\nwait = \"soon\"").0, "/c.toml, line 2: wait: \"soon\" is not a time");
    assert_eq!(refused("lanes = 17").0, "/c.toml, line 1: lanes: \"17\" is not a number of lanes");
    assert_eq!(refused("quiet = \"yes\"").0, "/c.toml, line 1: quiet: a string is not true or false");
    assert_eq!(refused("out = \"incoming\"").0, "/c.toml, line 1: out: \"incoming\" is not a whole path");
    assert!(refused("\"\\u001b[2J\" = 1").0.contains("\\x1b"));
}

#[test]
fn values_of_a_wrong_kind_say_what_to_write() {
    for (text, what, hint) in [
        ("relay = 5", "relay: an integer is not text", "relay = \"relay.example.com\""),
        ("relay = [\"a\"]", "relay: an array is not text", "relay = \"relay.example.com\""),
        ("relay.host = \"x\"", "relay: a table is not text", "relay = \"relay.example.com\""),
        ("token = 1234567890123456", "token: an integer is not text", "token = \"what that relay asks for\""),
        ("limit = 0x10000", "limit: an integer is not text", "limit = \"5M\""),
        ("lanes = 4.0", "lanes: a float is not text", "lanes = 4"),
        ("out = true", "out: a boolean is not text", "out = \"~/Downloads\""),
        ("verify = \"true\"", "verify: a string is not true or false", "verify = true"),
    ] {
        let told = (format!("/c.toml, line 1: {what}"), format!("Write it as in `{hint}`."));
        assert_eq!(refused(text), told, "{text}");
    }
    assert_eq!(refused("limit = 10").1, "It must be at least 1k, a thousand bytes a second.");
    assert_eq!(refused("wait = 5").1, "Write 5s or 5m, whichever is meant.");
    assert_eq!(text(send(&settings("limit = 10_000"), &["x"]).limit.as_ref()), Some("10000"));
}

#[test]
fn what_is_no_toml_says_what_to_write() {
    for (text, line, hint) in [
        ("a = 1\n limit = 5M # fast", 2, "Write it as in `limit = \"5M\"`."),
        ("\nrelay = \"x", 2, "Write it as in `relay = \"relay.example.com\"`."),
        ("verify\n", 1, "Write it as in `verify = true`."),
        ("relay = \"x\"\nrelay = \"y\"", 2, "relay stands above already: leave one out."),
        ("[send]\nwait = \"1m\"\n[send]\nlanes = 2", 3, "It stands above already: write both as one."),
        (
            "= 5",
            1,
            "A line is a key and its value, as in `limit = \"5M\"`. `p2pc config --help` lists the keys.",
        ),
        ("lanes = 2\nsend = 5", 2, "[send] is a section: the line `[send]`, and its keys below it."),
        (
            "[[receive]]\nquiet = true",
            1,
            "[receive] is a section: the line `[receive]`, and its keys below it.",
        ),
    ] {
        let (what, told) = refused(text);
        assert!(what.starts_with(&format!("/c.toml, line {line}: ")), "{text}: {what}");
        assert_eq!(told, hint, "{text}");
    }
    let error = super::parse::not_text(Path::new("/c.toml"), b"a\nb\xff", 3);
    assert_eq!(error.to_string(), "/c.toml, line 2: what stands there is not UTF-8");
    // What marks the beginning in some editors, and how Windows ends lines.
    assert_eq!(settings("\u{feff}relay = \"r\"\r\nlanes = 2\r\n").relay(), Some("r"));
}

#[test]
fn codes_and_what_must_be_meant_each_time_are_refused() {
    let (what, hint) = refused("code = \"48213-acid-crane-otter\"");
    assert_eq!(what, "/c.toml, line 1: code cannot stand in a file");
    assert!(hint.contains("P2PC_CODE") && !hint.contains("acid"));
    // One that stands in the place of the relay.
    let (what, hint) = refused("relay = \"48213-acid-crane-otter@relay.example.com\"");
    assert_eq!(what, "/c.toml, line 1: relay: a relay was to be named, and that is a code");
    assert!(!hint.contains("acid"), "{hint}");
    let (what, hint) = refused("relay = \"wss://me:otter@relay.example.com\"");
    assert!(!what.contains("otter") && !hint.contains("otter"), "{what} {hint}");
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
    assert_eq!(keys::path("~", Some(Path::new("/home/me"))).unwrap(), "/home/me/");
    for (path, what) in
        [("~/in", "~ means nothing where HOME is not set"), ("in", "\"in\" is not a whole path")]
    {
        assert_eq!(keys::path(path, None).unwrap_err().to_string(), what);
    }
}
