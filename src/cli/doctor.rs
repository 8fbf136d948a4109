//! `p2pc doctor`: goes to the relay as a transfer would, says what it finds at each step, and at the end what is in the way.

mod args;
mod conclusion;
mod told;

use std::time::{SystemTime, UNIX_EPOCH};

use crate::net::examine::{Found, Step, examine};
use crate::net::local_addresses;
use crate::term::json::Object;
use crate::term::screen::write_stdout;
use crate::{Kind, Result};

use super::config::Settings;
use super::console::Showing;
use super::help;
use super::meaning::{self, Environment, Examining};

pub use args::DoctorArgs;
use told::{Told, Verdict};

/// Examines the way to the relay, and returns the exit status.
///
/// # Errors
///
/// [`Kind::Usage`]: what was typed, or what the configuration says, means nothing. What is in the way is no error: it is what was asked for.
pub fn doctor(mut args: DoctorArgs) -> Result<u8> {
    let settings = Settings::of_process()?;
    settings.complete_doctor(&mut args);
    let environment = Environment::of_process(false, &settings);
    let Examining { relay, origin, dial, patience, showing } = meaning::doctor(&args, &environment)?;
    let report = Report { json: args.json, columns: help::columns() };
    let Some(relay) = relay else {
        let addresses = local_addresses(0).iter().map(|address| address.ip().to_string()).collect::<Vec<_>>();
        report.tell(&Told::new("addresses", addresses.join(", ")));
        report.conclude(Verdict::Fine, conclusion::NO_RELAY);
        return Ok(0);
    };
    report.tell(&told::relay(&relay, origin));
    if showing != Showing::None {
        report.tell(&told::token(&showing));
    }
    let (mut clock_is_off, mut slow) = (false, None);
    let found = |found: Found| {
        let told = told::found(&found, relay.tls());
        match found {
            Found::Answer { .. } => clock_is_off = told.verdict == Verdict::Odd,
            Found::Speed { bytes_per_second } if told.verdict == Verdict::Odd => {
                slow = Some(bytes_per_second);
            }
            _ => {}
        }
        report.tell(&told);
    };
    let examined = smol::block_on(examine(&dial, &relay, patience, found));
    Ok(match examined {
        Ok(()) => {
            let (verdict, text) = conclusion::open(clock_is_off, slow);
            report.conclude(verdict, &text);
            0
        }
        Err(trouble) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            report.tell(&told::trouble(&trouble));
            let mut text = conclusion::blocked(&trouble, &showing, now);
            if trouble.step == Step::Name && args.relay.first().is_some_and(|word| word.path().exists()) {
                text.push_str(conclusion::IS_A_FILE);
            }
            report.conclude(Verdict::Wrong, &text);
            match trouble.error.kind() {
                // It is the relay that cannot be reached, whatever the reason.
                Kind::ConnectionLost | Kind::Protocol => Kind::Relay.exit_status(),
                kind => kind.exit_status(),
            }
        }
    })
}

/// Where the relay's address was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was typed.
    Typed,
    /// `P2PC_RELAY`
    Environment,
    /// The configuration file.
    File,
}

/// How it is told.
struct Report {
    json: bool,
    /// Of the terminal, where there is one.
    columns: Option<usize>,
}

impl Report {
    /// One check. Nobody has to read on.
    fn tell(&self, told: &Told) {
        let line = if self.json { in_json(told.check, told.verdict, &told.text) } else { self.line(told) };
        let _ = write_stdout(&line);
    }

    fn conclude(&self, verdict: Verdict, text: &str) {
        let text = if self.json { in_json("conclusion", verdict, text) } else { self.ending(text) };
        let _ = write_stdout(&text);
    }

    /// The conclusion, below an empty line.
    fn ending(&self, text: &str) -> String {
        format!("\n{}", help::hanging(text, 0, self.columns.unwrap_or(COLUMNS)).join("\n"))
    }

    /// In one line where it fits, else with the text below.
    fn line(&self, told: &Told) -> String {
        let head = format!("{:6}{}", told.verdict.word(), told.check);
        let line = format!("{head:TEXT_COLUMN$}{}", told.text);
        match self.columns {
            Some(columns) if crate::term::clean::columns_of(&line) > columns => {
                format!("{head}\n{}", help::hanging(&told.text, TEXT_INDENT, columns).join("\n"))
            }
            _ => line,
        }
    }
}

fn in_json(check: &str, verdict: Verdict, text: &str) -> String {
    let mut object = Object::new();
    object.text("check", check);
    object.text("verdict", verdict.word());
    object.text("text", text);
    object.end()
}

/// What a conclusion is written for where there is no terminal.
const COLUMNS: usize = 80;
/// Behind the longest name of a check.
const TEXT_COLUMN: usize = 18;
const TEXT_INDENT: usize = 6;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::term::clean::columns_of;

    #[test]
    fn in_a_narrow_terminal_lines_break_between_words_and_lose_none() {
        let address = "[2001:db8::7]:443".parse().unwrap();
        let name = || "relay.of-a-large-company.example.com".to_owned();
        let trips = Found::RoundTrip { median: Duration::from_millis(23), worst: Duration::from_secs(1) };
        let found = [
            Found::Proxy(None),
            Found::Name { name: name(), addresses: vec![address; 9], took: Duration::from_millis(7) },
            Found::Connection { to: address, took: Duration::from_millis(7) },
            Found::Answer { ahead_s: None },
            Found::Room { with_token: true },
            trips,
            Found::Speed { bytes_per_second: 123_456_789 },
        ];
        let texts = |columns| {
            let report = Report { json: false, columns };
            let lines = found.iter().map(|found| report.line(&told::found(found, true))).collect::<Vec<_>>();
            [lines.join("\n"), report.ending(conclusion::NO_RELAY)].join("\n")
        };
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for columns in [30, 40, 80] {
            let narrow = texts(Some(columns));
            assert_eq!(words(&narrow), words(&texts(None)));
            for line in narrow.lines() {
                let is_one_word = line.split_whitespace().count() == 1;
                assert!(columns_of(line) <= columns || is_one_word, "{columns}: {line}");
            }
        }
        // Scripts that cut columns find them where nobody looks on.
        assert!(texts(None).lines().take(found.len()).all(|line| line.get(16..18) == Some("  ")));
    }
}
