//! The help texts. They are written by hand, because a text for people has an order and examples that no list of
//! options has; a test holds that every option is in them.

use super::words::Topic;

/// The help about `topic`, without a line end.
pub fn text(topic: Topic) -> &'static str {
    match topic {
        Topic::Program => include_str!("help/program.txt"),
        Topic::Send => include_str!("help/send.txt"),
        Topic::Receive => include_str!("help/receive.txt"),
        Topic::Relay => include_str!("help/relay.txt"),
    }
    .trim_end()
}

#[cfg(test)]
mod tests {
    use argh::{ArgsInfo, CommandInfoWithArgs, FlagInfoKind, Optionality};

    use super::*;
    use crate::receive::args::ReceiveArgs;
    use crate::relay::args::RelayArgs;
    use crate::send::args::SendArgs;

    fn all() -> [(Topic, CommandInfoWithArgs); 3] {
        [
            (Topic::Send, SendArgs::get_args_info()),
            (Topic::Receive, ReceiveArgs::get_args_info()),
            (Topic::Relay, RelayArgs::get_args_info()),
        ]
    }

    /// How a flag must stand at the head of its line.
    fn head(flag: &argh::FlagInfo<'_>) -> String {
        let short = flag.short.map_or("    ".into(), |letter| format!("-{letter}, "));
        match flag.kind {
            FlagInfoKind::Switch => format!("\n  {short}{} ", flag.long),
            FlagInfoKind::Option { arg_name } => format!("\n  {short}{} {arg_name} ", flag.long),
        }
    }

    #[test]
    fn every_option_is_explained() {
        for (topic, info) in all() {
            for flag in info.flags.iter().filter(|flag| flag.long != "--help") {
                assert!(text(topic).contains(&head(flag)), "{} lacks {:?}", topic.command(), head(flag));
                assert_ne!(
                    flag.optionality,
                    Optionality::Required,
                    "{} has a default or a prompt",
                    flag.long
                );
            }
        }
    }

    #[test]
    fn nothing_is_explained_that_does_not_exist() {
        for (topic, info) in all() {
            let heads = text(topic).lines().filter(|line| line.trim_start().starts_with('-'));
            let longs = heads.filter_map(|line| line.split([' ', ',']).find(|word| word.starts_with("--")));
            for long in longs.filter(|long| !["--help", "--version"].contains(long)) {
                assert!(info.flags.iter().any(|flag| flag.long == long), "{} has no {long}", topic.command());
            }
        }
    }

    #[test]
    fn lines_fit_a_terminal() {
        for topic in [Topic::Program, Topic::Send, Topic::Receive, Topic::Relay] {
            for line in text(topic).lines() {
                assert!(line.chars().count() < 80, "{line}");
                assert_eq!(line, line.trim_end());
            }
        }
    }
}
