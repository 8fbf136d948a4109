//! What the file says, put where nothing was typed.

use std::ffi::OsString;

use super::{Settings, keys};
use crate::cli::doctor::DoctorArgs;
use crate::cli::topic::Topic;
use crate::receive::args::ReceiveArgs;
use crate::send::args::SendArgs;
use crate::term::word::Word;

impl Settings {
    /// Completes what was typed after `p2pc send`.
    pub fn complete_send(&self, args: &mut SendArgs) {
        let topic = Topic::Send;
        self.complete(topic, "ca", &mut args.ca);
        self.complete(topic, "wait", &mut args.wait);
        self.complete(topic, "retry", &mut args.retry);
        self.complete(topic, "limit", &mut args.limit);
        self.complete(topic, "compress", &mut args.compress);
        self.complete(topic, "lanes", &mut args.lanes);
        self.complete(topic, "chunk-size", &mut args.chunk_size);
        args.verify |= !args.no_verify && self.is_on(topic, "verify");
        let (quiet, verbose) = (&mut args.quiet, &mut args.verbose);
        self.complete_volume(topic, (quiet, args.no_quiet), (verbose, args.no_verbose));
    }

    /// Completes what was typed after `p2pc receive`.
    pub fn complete_receive(&self, args: &mut ReceiveArgs) {
        let topic = Topic::Receive;
        self.complete(topic, "ca", &mut args.ca);
        self.complete(topic, "wait", &mut args.wait);
        self.complete(topic, "retry", &mut args.retry);
        self.complete(topic, "limit", &mut args.limit);
        self.complete(topic, "out", &mut args.out);
        self.complete(topic, "on-conflict", &mut args.on_conflict);
        args.verify |= !args.no_verify && self.is_on(topic, "verify");
        let (quiet, verbose) = (&mut args.quiet, &mut args.verbose);
        self.complete_volume(topic, (quiet, args.no_quiet), (verbose, args.no_verbose));
    }

    /// Completes what was typed after `p2pc doctor`, which has no section of its own.
    pub fn complete_doctor(&self, args: &mut DoctorArgs) {
        self.complete(Topic::Doctor, "ca", &mut args.ca);
    }

    fn complete(&self, topic: Topic, key: &str, typed: &mut Option<Word>) {
        if typed.is_none() {
            let entry = self.get(Some(topic), key);
            *typed = entry.map(|entry| Word::from(OsString::from(entry.value.as_str())));
        }
    }

    /// Each with whether it is taken back. Who types one of the two does not want the other, whatever the file says.
    fn complete_volume(&self, topic: Topic, quiet: (&mut bool, bool), verbose: (&mut bool, bool)) {
        if !*quiet.0 && !*verbose.0 {
            *quiet.0 = !quiet.1 && self.is_on(topic, keys::QUIET);
            *verbose.0 = !verbose.1 && self.is_on(topic, keys::VERBOSE);
        }
    }

    fn is_on(&self, topic: Topic, key: &str) -> bool {
        self.get(Some(topic), key).is_some_and(|entry| entry.value.as_str() == "true")
    }
}
