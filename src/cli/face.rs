//! What a transfer turns to: the person, and with `--json` a program as well.

use std::time::Duration;

use crate::events::{Answer, Conflict, Deciding, Event, Handler, Question, Report};
use crate::net::dial::DialOptions;
use crate::proto::code::Code;
use crate::{Error, Kind};

use super::code::Doubt;
use super::console::Console;
use super::json::{Events, Warning};
use super::messages;

/// Tells the program first, and then the person, who alone is asked.
#[derive(Debug)]
pub struct Face {
    person: Console,
    program: Option<Events>,
}

impl Face {
    /// A person, and perhaps a program.
    pub fn new(person: Console, program: Option<Events>) -> Face {
        Face { person, program }
    }

    /// The way that is gone first, for the status line.
    pub fn begin(&self, dial: &DialOptions, wait: Option<Duration>) {
        self.person.begin(dial, wait);
    }

    /// Keeps the status line true while nothing arrives. Never ends by itself.
    pub async fn keep_painting<T>(&self) -> T {
        self.person.keep_painting().await
    }

    /// Points at what may be mistyped in a code that nobody was asked about.
    pub fn doubt(&self, code: &Code) {
        if let Some(doubt) = Doubt::about(code) {
            let what = if doubt.unknown.is_empty() { Warning::WordCount } else { Warning::UnknownWords };
            // What a program reads is kept.
            self.warn(what, &messages::doubted(&doubt, true));
            self.person.doubt(&doubt);
        }
    }

    /// Tells, before anything is dialled, that the relay is not shown the token.
    pub fn tell_of_token(&self) {
        if let Some(relay) = self.person.withholds_token_from() {
            self.warn(Warning::TokenWithheld, &messages::token_withheld(relay));
        }
        self.person.tell_of_token();
    }

    /// Tells the end, and what it comes to as an exit status.
    pub fn conclude(&self, report: &Report) -> u8 {
        let status = self.person.conclude(report).map_or(0, Kind::exit_status);
        if let Some(program) = &self.program {
            program.summary(report, status);
        }
        status
    }

    /// Tells why there is no report.
    pub fn fail(&self, error: &Error, status: u8) {
        self.person.fail(error);
        if let Some(program) = &self.program {
            program.error(error, status);
        }
    }

    /// Takes the status line away.
    pub fn finish(&self) {
        self.person.finish();
    }

    /// Whether `error` came of nobody reading standard output any more.
    pub fn stdout_closed(&self, error: &Error) -> bool {
        self.person.stdout_closed(error) || self.program.as_ref().is_some_and(Events::is_closed)
    }

    /// What kept the program from being told, if it is still there.
    pub fn stdout_trouble(&self) -> Option<Error> {
        self.program.as_ref().and_then(Events::trouble)
    }

    fn warn(&self, warning: Warning, message: &str) {
        if let Some(program) = &self.program {
            program.warning(warning, message);
        }
    }
}

impl Handler for Face {
    fn event(&self, event: Event) {
        let Some(program) = &self.program else { return self.person.event(event) };
        match &event {
            Event::CodeReady { code, relays, embedded } => {
                let invitation = self.person.invitation(code.reveal(), relays, *embedded);
                self.person.show_qr(&invitation.code);
                // Standard output is the program's, and the code stands there.
                return program.event(&event, Some(&invitation));
            }
            Event::PlainRelay(relay) => {
                let message = messages::plain_relay(relay, self.person.shows_token());
                program.warning(Warning::PlainRelay, &message);
            }
            Event::TokenWanted(relay) => {
                program.warning(Warning::TokenWanted, &messages::token_wanted(relay));
            }
            _ => program.event(&event, None),
        }
        self.person.event(event);
    }

    fn ask(&self, question: Question) -> Answer<'_> {
        self.person.ask(question)
    }

    fn decide(&self, conflict: Conflict) -> Deciding<'_> {
        self.person.decide(conflict)
    }
}
