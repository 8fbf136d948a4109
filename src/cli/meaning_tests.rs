//! Command lines and what they mean, or why they mean nothing.

use std::time::Duration;

use super::*;
use crate::cli::words::{self, Typed};
use crate::receive::{OnConflict, ReceiveOptions};
use crate::{LaneCount, RelayOptions};

const CODE: &str = "48213-acid-crane-otter";

fn typed(line: &[&str]) -> Typed {
    words::read(&line.iter().map(OsString::from).collect::<Vec<_>>()).unwrap()
}

fn at_terminal() -> Environment {
    Environment { terminal: true, ..Environment::default() }
}

fn sent(line: &[&str], environment: &Environment) -> Result<Job<SendOptions>> {
    let Typed::Send(args, _) = typed(&[&["send"], line].concat()) else { panic!() };
    send(&args, environment)
}

fn received(line: &[&str], environment: &Environment) -> Result<Option<Job<ReceiveOptions>>> {
    let Typed::Receive(args, _) = typed(&[&["receive"], line].concat()) else { panic!() };
    let (source, receiving) = receive(&args, environment)?;
    let code = match source {
        CodeSource::New => None,
        CodeSource::Given(text) => Some(read_code(&text, args.allow_weak_code)?),
        CodeSource::Prompt => return Ok(None),
    };
    receiving.with(code).map(Some)
}

fn relayed(line: &[&str]) -> Result<RelayOptions> {
    let Typed::Relay(args) = typed(&[&["relay"], line].concat()) else { panic!() };
    relay(&args, false).map(|relaying| relaying.options)
}

fn refused<T>(result: Result<T>) -> String {
    let Err(error) = result else { panic!("not refused") };
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.hint_text().is_some(), "{error} has no hint");
    error.to_string()
}

#[test]
fn a_plain_send_means_the_defaults() {
    let job = sent(&["a", "./-"], &Environment::default()).unwrap();
    assert_eq!(job.options.paths, [PathBuf::from("a"), PathBuf::from("./-")]);
    assert!(job.options.code.is_none() && job.options.dial.relay.is_none() && job.options.wait.is_none());
    assert_eq!(job.options.chunk_size.bytes(), 1 << 20);
    assert_eq!(job.setting.volume, Volume::Normal);
}

#[test]
fn options_of_send_arrive() {
    let line =
        ["--wait=10m", "--chunk-size", "4MiB", "--no-encrypt", "--listen", ":0", "-q", "--ca", "x.pem", "a"];
    let job = sent(&line, &Environment::default()).unwrap();
    assert_eq!(job.options.wait, Some(Duration::from_secs(600)));
    assert_eq!(job.options.chunk_size.bytes(), 4 << 20);
    assert_eq!(job.options.listen, Some(ListenAddr::everywhere(0)));
    assert_eq!(job.options.dial.ca, Some(PathBuf::from("x.pem")));
    assert!(job.options.no_encrypt);
    assert_eq!(job.setting.volume, Volume::Quiet);
    assert_eq!(job.setting.invite_options, ["--no-encrypt"]);
    assert_eq!(job.options.lanes, LaneCount::Auto);
    let job = sent(&["--verify", "--lanes=16", "a"], &at_terminal()).unwrap();
    assert_eq!(job.options.lanes, LaneCount::Exactly(16));
    assert_eq!(job.setting.invite_options, ["--verify"]);
}

#[test]
fn a_lost_connection_is_looked_for_as_long_as_is_said() {
    let code = format!("{CODE}@r.example");
    for (option, seconds) in [(None, 600), (Some("--retry=0"), 0), (Some("--retry=1h30m"), 5400)] {
        let line = |rest: &[&'static str]| [rest, option.as_slice()].concat();
        let sends = sent(&line(&["a"]), &at_terminal()).unwrap().options.retry;
        let receives = received(&[&[code.as_str()], option.as_slice()].concat(), &at_terminal());
        let receives = receives.unwrap().unwrap().options.retry;
        assert_eq!([sends, receives], [Duration::from_secs(seconds); 2]);
    }
}

#[test]
fn conflicts_are_asked_about_where_somebody_can_be_asked() {
    let code = format!("{CODE}@r.example");
    let chosen = |option: &[&str], terminal: bool| {
        let environment = Environment { terminal, ..Environment::default() };
        let line = [&[code.as_str(), "--yes"], option].concat();
        received(&line, &environment).unwrap().unwrap().options.on_conflict
    };
    for (option, at_terminal, elsewhere) in [
        (&[][..], OnConflict::Ask, OnConflict::Skip),
        (&["--on-conflict=ask"], OnConflict::Ask, OnConflict::Skip),
        (&["--on-conflict", "overwrite"], OnConflict::Overwrite, OnConflict::Overwrite),
        (&["--on-conflict", "skip"], OnConflict::Skip, OnConflict::Skip),
        (&["--on-conflict", "rename"], OnConflict::Rename, OnConflict::Rename),
    ] {
        assert_eq!(chosen(option, true), at_terminal, "{option:?}");
        assert_eq!(chosen(option, false), elsewhere, "{option:?}");
    }
}

#[test]
fn resuming_can_be_left_out() {
    let code = format!("{CODE}@r.example");
    let job = |line: &[&str]| received(line, &at_terminal()).unwrap().unwrap();
    assert!(job(&[&code]).options.resume && job(&[&code]).setting.resumes);
    let afresh = job(&[&code, "--no-resume"]);
    assert!(!afresh.options.resume && !afresh.setting.resumes);
}

#[test]
fn who_was_the_relay_can_be_it_again() {
    let job = received(&[CODE, "--listen=127.0.0.1:9"], &at_terminal()).unwrap().unwrap();
    assert!(job.options.code.is_some() && job.options.dial.relay.is_none());
    assert_eq!(job.options.listen.unwrap().port(), 9);
    assert!(refused(received(&["--listen=:9"], &at_terminal())).starts_with("--listen needs --new-code"));
}

#[test]
fn the_relay_is_looked_for_in_order() {
    let mut environment = at_terminal();
    environment.relay = Some("env.example".into());
    let with_relay = format!("{CODE}@code.example");
    let relay = |line: &[&str]| {
        received(line, &environment).unwrap().unwrap().options.dial.relay.map(|relay| relay.to_string())
    };
    assert_eq!(relay(&[&with_relay]).as_deref(), Some("code.example"));
    assert_eq!(relay(&[CODE, "--relay", "option.example"]).as_deref(), Some("option.example"));
    assert_eq!(relay(&[CODE]).as_deref(), Some("env.example"));
    assert_eq!(relay(&[&with_relay, "--relay", "wss://code.example"]).as_deref(), Some("code.example"));
    let two = refused(received(&[&with_relay, "--relay", "option.example"], &environment));
    assert_eq!(two, "two relays are named: code.example in the code, option.example with --relay");
    assert_eq!(refused(received(&[CODE], &at_terminal())), "no relay is known");
}

#[test]
fn the_code_is_looked_for_in_order() {
    let relay = "--relay=r.example";
    let mut environment = at_terminal();
    environment.code = Some("99999-from-the-environment".into());
    let code = |line: &[&str]| {
        let code = received(line, &environment).unwrap().unwrap().options.code;
        code.map(|code| code.reveal().to_owned())
    };
    assert_eq!(code(&[CODE, relay]).as_deref(), Some(CODE));
    assert_eq!(code(&["--code", CODE, relay]).as_deref(), Some(CODE));
    assert_eq!(code(&["48213", "acid", "crane", "otter", relay]).as_deref(), Some(CODE));
    assert_eq!(code(&[relay]).as_deref(), Some("99999-from-the-environment"));
    assert_eq!(code(&["--new-code", relay]), None);
    assert!(received(&[relay], &at_terminal()).unwrap().is_none(), "the prompt comes last");
    assert_eq!(
        sent(&["a"], &environment).unwrap().options.code.unwrap().reveal(),
        "99999-from-the-environment"
    );
}

#[test]
fn contradictions_are_refused() {
    let terminal = at_terminal();
    for line in [
        [CODE, "--code", CODE].as_slice(),
        &[CODE, "--new-code"],
        &[CODE, "directory", "--relay=r.example"],
        &[CODE, "--relay=r.example", "--listen=:0"],
        &["--new-code", "--relay=r.example", "--listen=:0"],
        &[CODE, "--relay=r.example", "-qv"],
        &[CODE, "--relay=r.example", "--out="],
        &[CODE, "--relay=http://r.example"],
        &[CODE, "--relay=r.example", "--retry=10"],
        &[CODE, "--relay=r.example", "--on-conflict=replace"],
        &["short"],
    ] {
        refused(received(line, &terminal));
    }
    for line in [
        [].as_slice(),
        &[""],
        &["-", "a", "-"],
        &["a", "--wait=0"],
        &["a", "--retry=soon"],
        &["a", "--chunk-size=3MiB"],
        &["a", "--lanes=0"],
        &["a", "--lanes=17"],
        &["a", "--lanes="],
        &["a", "--relay=r.example", "--listen=:0"],
        &["a", "--listen=nowhere"],
    ] {
        refused(sent(line, &terminal));
    }
}

#[test]
fn without_a_terminal_nothing_that_needs_one_begins() {
    let none = Environment::default();
    let code = format!("{CODE}@r.example");
    assert!(refused(received(&[&code], &none)).contains("no terminal"));
    assert!(refused(received(&[&code, "--yes", "--verify"], &none)).contains("--verify"));
    assert!(refused(received(&["--yes"], &none)).contains("no code"));
    assert!(received(&[&code, "--yes"], &none).unwrap().unwrap().options.yes);
    assert!(refused(sent(&["--verify", "a"], &none)).contains("--verify"));
}

/// Whoever has mended that would otherwise only then be told of the next mistake.
#[test]
fn that_there_is_no_terminal_hides_no_mistake() {
    let none = Environment::default();
    let code = format!("{CODE}@r.example");
    for (line, part) in [
        (&["--limit=fast", &code][..], "--limit"),
        (&["--on-conflict=replace", &code], "--on-conflict"),
        (&["--wait=10", &code, "--verify"], "--wait"),
        (&["--relay=http://r.example", &code], "http"),
        (&["short"], "code"),
        (&[CODE], "no relay"),
        (&["--out=", &code], "--out"),
        (&["-qv", &code], "--quiet"),
        (&["--checksums-with=blake3", &code], "--checksums-with"),
        (&["--token=x", &code], "--token"),
        (&["--qr", &code], "--qr"),
        (&[&code, "incoming"], "more than one CODE"),
    ] {
        let said = refused(received(line, &none));
        assert!(said.contains(part), "{line:?}: {said}");
    }
    // And where a code would be asked for, they are told before.
    assert!(refused(received(&["--limit=fast"], &at_terminal())).contains("--limit"));
    for line in [
        ["--verify", "--limit=fast", "a"],
        ["--verify", "--chunk-size=3MiB", "a"],
        ["--verify", "--lanes=0", "a"],
    ] {
        assert!(!refused(sent(&line, &none)).contains("terminal"), "{line:?}");
    }
}

#[test]
fn a_number_and_a_unit_that_stand_apart_are_joined_in_the_hint() {
    let hinted = |result: Result<()>| {
        let error = result.unwrap_err();
        (error.to_string(), error.hint_text().unwrap().to_owned())
    };
    let sends = |line: &[&str]| hinted(sent(line, &at_terminal()).map(drop));
    let receives = |line: &[&str]| hinted(received(line, &at_terminal()).map(drop));
    let one_word = |written: &str| format!("A number and its unit are one word: {written}");
    assert_eq!(
        sends(&["--limit", "10", "MB", "a"]),
        ("--limit: \"10\" and \"MB\" stand apart".to_owned(), one_word("--limit 10MB"))
    );
    assert_eq!(sends(&["a", "--wait", "5", "min"]).1, one_word("--wait 5m"));
    assert_eq!(sends(&["--chunk-size", "1", "MiB", "a"]).1, one_word("--chunk-size 1MiB"));
    assert_eq!(receives(&["--limit", "100", "Mbit", CODE]).1, one_word("--limit 100Mbit"));
    assert_eq!(receives(&["--retry", "30", "s", CODE]).1, one_word("--retry 30s"));
    // What is right as it stands is left alone, whatever files are called.
    assert!(sent(&["--limit", "5000", "M"], &at_terminal()).is_ok());
    assert_eq!(sends(&["--limit", "10", "a"]).0, "--limit: the rate is too small");
}

#[test]
fn a_relay_listens_somewhere() {
    assert_eq!(relayed(&["--cert", "c.pem"]).unwrap().listen, [ListenAddr::everywhere(443)]);
    let options = relayed(&["--listen", ":0", "--listen=[::1]:0", "--cert=c", "--key=k"]).unwrap();
    assert_eq!(options.listen.len(), 2);
    assert_eq!(options.tls.unwrap().key, Some(PathBuf::from("k")));
    refused(relayed(&[]));
    refused(relayed(&["--key", "k", "--listen=:0"]));
    refused(relayed(&["--listen=443x"]));
}

#[test]
fn words_that_are_no_text_are_named_in_the_error_and_never_shown_raw() {
    assert!(!refused(sent(&["a", "--wait", "\x1b[2J"], &at_terminal())).contains('\x1b'));
}

const TOKEN: &str = "0123456789abcdef-x";

/// Which token is shown.
fn shown<T>(result: Result<Job<T>>, token: impl Fn(T) -> Option<Token>) -> (Option<String>, Showing) {
    let job = result.unwrap();
    (token(job.options).map(|token| token.reveal().to_owned()), job.setting.showing)
}

#[test]
fn the_option_comes_before_the_environment_and_is_shown_to_any_relay() {
    let environment = Environment { token: Some("environment-token-1".into()), ..at_terminal() };
    let send = |line: &[&str]| shown(sent(line, &environment), |options| options.dial.token);
    assert_eq!(send(&["--relay=r.example", "--token", TOKEN, "a"]), (Some(TOKEN.into()), Showing::Shown));
    let coded = format!("--code={CODE}@r.example");
    assert_eq!(send(&[&coded, "--token", TOKEN, "a"]), (Some(TOKEN.into()), Showing::Shown));
    assert_eq!(send(&["--relay=r.example", "a"]), (Some("environment-token-1".into()), Showing::Shown));
    let code = format!("{CODE}@r.example");
    let job = received(&["--token", TOKEN, &code], &environment).unwrap().unwrap();
    assert_eq!(job.options.dial.token.unwrap().reveal(), TOKEN);
}

#[test]
fn a_token_in_the_environment_is_not_for_a_relay_that_only_a_code_names() {
    let held = Environment { token: Some(TOKEN.into()), ..at_terminal() };
    let at =
        |relay: &str| Environment { relay: Some(relay.into()), token: Some(TOKEN.into()), ..at_terminal() };
    let code = format!("{CODE}@evil.example");
    let receive = |line: &[&str], environment: &Environment| {
        shown(received(line, environment).map(Option::unwrap), |options| options.dial.token)
    };
    let withheld = (None, Showing::Withheld("evil.example".parse().unwrap()));
    assert_eq!(receive(&[&code], &held), withheld);
    assert_eq!(receive(&[&code], &at("r.example")), withheld);
    // What stands in the environment belongs together.
    assert_eq!(receive(&["--relay=evil.example", CODE], &at("r.example")), withheld);
    let good = (Some(TOKEN.to_owned()), Showing::Shown);
    assert_eq!(receive(&[&code], &at("wss://evil.example:443")), good);
    assert_eq!(receive(&["--relay=evil.example", CODE], &held), good);
    assert_eq!(receive(&["--relay=evil.example", &code], &held), good);
    assert_eq!(receive(&[CODE], &at("evil.example")), good);
    assert_eq!(receive(&[&format!("{CODE}@ws://evil.example")], &at("evil.example")).0, None);
}

#[test]
fn a_token_needs_a_relay_and_a_form() {
    assert!(refused(sent(&["--token", TOKEN, "a"], &at_terminal())).contains("--token"));
    // One in the environment waits for a relay that asks for it.
    let held = Environment { token: Some(TOKEN.into()), ..at_terminal() };
    assert_eq!(shown(sent(&["a"], &held), |options| options.dial.token), (None, Showing::None));
    for bad in ["short-secret", "0123456789 abcdef", "0123456789abcdef\r\nX: y"] {
        let said = refused(sent(&["--relay=r.example", "--token", bad, "a"], &at_terminal()));
        assert!(said.starts_with("--token: the token") && !said.contains(bad), "{said}");
        let held = Environment { token: Some(bad.into()), ..at_terminal() };
        let said = refused(sent(&["--relay=r.example", "a"], &held));
        assert!(said.starts_with("P2PC_TOKEN: the token") && !said.contains(bad), "{said}");
    }
}

#[test]
fn the_token_of_the_file_is_for_the_relay_of_the_file_alone() {
    let token = |text: &str| Some(Token::parse(text).unwrap());
    let file = Environment {
        relay_of_file: Some("mine.example".into()),
        token_of_file: Some(Zeroizing::new("of-the-file-012345".into())),
        ..at_terminal()
    };
    let shown = |line: &[&str], environment: &Environment| {
        let job = received(line, environment).unwrap().unwrap();
        (job.options.dial.token.map(|token| token.reveal().to_owned()), job.setting.showing)
    };
    let file_token = token("of-the-file-012345").map(|token| token.reveal().to_owned());
    assert_eq!(shown(&[CODE], &file), (file_token.clone(), Showing::Shown));
    assert_eq!(shown(&[&format!("{CODE}@mine.example")], &file), (file_token.clone(), Showing::Shown));
    assert_eq!(shown(&[CODE, "--relay=mine.example"], &file), (file_token.clone(), Showing::Shown));
    assert_eq!(shown(&[&format!("{CODE}@evil.example")], &file), (None, Showing::None));
    assert_eq!(shown(&[CODE, "--relay=evil.example"], &file), (None, Showing::None));
    // Another spelling of the same address is the same relay, and no other port or scheme is.
    assert_eq!(
        shown(&[&format!("{CODE}@wss://mine.example:443")], &file),
        (file_token.clone(), Showing::Shown)
    );
    assert_eq!(shown(&[&format!("{CODE}@ws://mine.example")], &file), (None, Showing::None));
    let elsewhere = Environment { relay: Some("other.example".into()), ..file };
    assert_eq!(shown(&[CODE], &elsewhere), (None, Showing::None));
    let both = Environment { relay: None, token: Some("of-the-environment".into()), ..elsewhere };
    assert_eq!(shown(&[CODE], &both), (Some("of-the-environment".to_owned()), Showing::Shown));
    let withheld = (None, Showing::Withheld("evil.example".parse().unwrap()));
    assert_eq!(shown(&[&format!("{CODE}@evil.example")], &both), withheld);
}
